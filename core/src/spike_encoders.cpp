#include <bitaxon/core/spike_encoders.hpp>

#include <bitaxon/core/error.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <vector>

namespace bitaxon {
namespace {

void check(bool holds, std::string_view name, double got, std::string_view expected) {
    if (!holds) throw_error(ErrorCode::invalid_value, name, fmt::format("{}", got), expected);
}

void check_unit_values(std::span<const double> values) {
    for (std::size_t i = 0; i < values.size(); ++i)
        check(values[i] >= 0 && values[i] <= 1, fmt::format("values[{}]", i), values[i],
              "a number in [0, 1]");
}

// One row of trains; each(value, set) calls set(step) for the spikes of a value.
template <class Each>
StreamArray make_trains(const ExecutionContext& context, std::span<const double> values,
                        std::uint64_t steps, Each&& each) {
    check_unit_values(values);
    StreamArray trains(1, values.size(), steps);
    constexpr std::size_t kPieceTrains = 64;
    context.parallel_for((values.size() + kPieceTrains - 1) / kPieceTrains, [&](std::size_t piece) {
        const std::size_t first = piece * kPieceTrains;
        for (std::size_t i = first; i < std::min(first + kPieceTrains, values.size()); ++i) {
            std::uint64_t* words = trains.row(0) + i * trains.words_per_stream();
            each(i, [words](std::uint64_t step) {
                words[step / 64] |= std::uint64_t{1} << (step % 64);
            });
        }
    });
    return trains;
}

}  // namespace

StreamArray encode_spikes(const ExecutionContext& context, std::span<const double> values,
                          std::uint64_t steps, const RateCode& code, const StreamOrigin& origin,
                          std::uint64_t first_step) {
    check(code.max_rate >= 0 && std::isfinite(code.max_rate), "max_rate", code.max_rate,
          "0 or above, in Hz");
    check(code.dt > 0 && std::isfinite(code.dt), "dt", code.dt, "above 0, in seconds");
    check_unit_values(values);
    std::vector<double> probabilities(values.size());
    for (std::size_t i = 0; i < values.size(); ++i)
        probabilities[i] = -std::expm1(-values[i] * code.max_rate * code.dt);
    return encode(context, probabilities, steps, Coding::unipolar, Encoder{Bernoulli{}}, origin,
                  first_step);
}

StreamArray encode_spikes(const ExecutionContext& context, std::span<const double> values,
                          std::uint64_t steps, const LatencyCode& code) {
    check(code.tau >= 0 && std::isfinite(code.tau), "tau", code.tau, "0 or above, in steps");
    check(code.least >= 0 && code.least < 1, "least", code.least, "a number in [0, 1)");
    check(code.tau == 0 || code.least > 0, "least", code.least,
          "above 0 with tau: the charge must reach it");
    const auto last = static_cast<double>(steps) - 1;
    return make_trains(context, values, steps, [&](std::size_t i, auto&& set) {
        const double value = values[i];
        if (value <= code.least) return;
        const double step = code.tau == 0
                                ? std::nearbyint((1 - value) * last)
                                : std::floor(code.tau * std::log(value / (value - code.least)));
        if (step <= last) set(static_cast<std::uint64_t>(step));
    });
}

StreamArray encode_spikes(const ExecutionContext& context, std::span<const double> values,
                          std::uint64_t steps, const PhaseCode& code) {
    check(code.period >= 1 && code.period <= 52, "period", code.period, "1 to 52 steps");
    const std::uint64_t levels = std::uint64_t{1} << code.period;
    return make_trains(context, values, steps, [&](std::size_t i, auto&& set) {
        const auto rounded =
            static_cast<std::uint64_t>(std::nearbyint(values[i] * static_cast<double>(levels)));
        const std::uint64_t digits = std::min(rounded, levels - 1);
        for (std::uint64_t step = 0; step < steps; ++step)
            if (digits >> (code.period - 1 - step % code.period) & 1) set(step);
    });
}

StreamArray encode_spikes(const ExecutionContext& context, std::span<const double> values,
                          std::uint64_t steps, const BurstCode& code) {
    check(code.most_spikes >= 1, "most_spikes", code.most_spikes, "1 or above");
    check(code.shortest_gap >= 1, "shortest_gap", code.shortest_gap, "1 step or more");
    check(code.longest_gap >= code.shortest_gap, "longest_gap", code.longest_gap,
          fmt::format("shortest_gap ({}) or more", code.shortest_gap));
    const double range = static_cast<double>(code.longest_gap) - code.shortest_gap;
    return make_trains(context, values, steps, [&](std::size_t i, auto&& set) {
        const auto spikes = static_cast<std::uint64_t>(std::ceil(values[i] * code.most_spikes));
        const auto gap =
            static_cast<std::uint64_t>(std::ceil(code.longest_gap - range * values[i]));
        if (spikes != 0 && (spikes - 1) * gap >= steps)
            throw_error(
                ErrorCode::invalid_value, "steps", fmt::format("{}", steps),
                fmt::format("at least {} for the burst of values[{}]: {} spikes, {} steps apart",
                            (spikes - 1) * gap + 1, i, spikes, gap));
        for (std::uint64_t k = 0; k < spikes; ++k) set(k * gap);
    });
}

void population_activations(std::span<const double> values, const PopulationCode& code,
                            std::span<double> out) {
    check(code.neurons >= 3, "neurons", static_cast<double>(code.neurons), "3 or more");
    check(std::isfinite(code.low), "low", code.low, "a finite number");
    check(code.high > code.low && std::isfinite(code.high - code.low), "high", code.high,
          "a number above low, the difference finite");
    check(code.overlap > 0 && std::isfinite(code.overlap), "overlap", code.overlap, "above 0");
    if (out.size() / code.neurons != values.size() || out.size() % code.neurons != 0)
        throw_error(ErrorCode::invalid_shape, "out", fmt::format("{} values", out.size()),
                    fmt::format("{} * {} (values * neurons)", values.size(), code.neurons));
    const double spacing = (code.high - code.low) / static_cast<double>(code.neurons - 2);
    const double width = spacing / code.overlap;
    for (std::size_t i = 0; i < values.size(); ++i) {
        check(values[i] >= code.low && values[i] <= code.high, fmt::format("values[{}]", i),
              values[i], fmt::format("a number in [{}, {}]", code.low, code.high));
        for (std::size_t k = 0; k < code.neurons; ++k) {
            const double centre = code.low + (static_cast<double>(k) - 0.5) * spacing;
            const double distance = (values[i] - centre) / width;
            out[i * code.neurons + k] = std::exp(-0.5 * distance * distance);
        }
    }
}

StreamArray encode_delta(const ExecutionContext& context, const MatrixView<const double>& signals,
                         double threshold) {
    check(threshold > 0 && std::isfinite(threshold), "threshold", threshold, "above 0");
    for (std::size_t i = 0; i < signals.rows; ++i)
        for (std::size_t t = 0; t < signals.columns; ++t)
            check(std::isfinite(signals(i, t)), fmt::format("signals[{}][{}]", i, t), signals(i, t),
                  "a finite number");
    StreamArray trains(signals.rows, 2, signals.columns);
    const std::size_t words = trains.words_per_stream();
    context.parallel_for(signals.rows, [&](std::size_t i) {
        double reference = signals(i, 0);
        for (std::size_t t = 0; t < signals.columns; ++t) {
            const std::uint64_t bit = std::uint64_t{1} << (t % 64);
            if (signals(i, t) >= reference + threshold) {
                trains.row(i)[t / 64] |= bit;
                reference += threshold;
            } else if (signals(i, t) <= reference - threshold) {
                trains.row(i)[words + t / 64] |= bit;
                reference -= threshold;
            }
        }
    });
    return trains;
}

void decode_delta(const StreamView& trains, double threshold, std::span<const double> starts,
                  const MatrixView<double>& signals) {
    check(threshold > 0 && std::isfinite(threshold), "threshold", threshold, "above 0");
    if (trains.streams != 2)
        throw_error(ErrorCode::invalid_shape, "trains", fmt::format("{} a signal", trains.streams),
                    "2: ups and downs");
    if (starts.size() != trains.rows)
        throw_error(ErrorCode::invalid_shape, "starts", fmt::format("{}", starts.size()),
                    fmt::format("{}, one for each signal", trains.rows));
    if (signals.rows != trains.rows || signals.columns != trains.length)
        throw_error(ErrorCode::invalid_shape, "signals",
                    fmt::format("{} x {}", signals.rows, signals.columns),
                    fmt::format("{} x {}", trains.rows, trains.length));
    for (std::size_t i = 0; i < starts.size(); ++i)
        check(std::isfinite(starts[i]), fmt::format("starts[{}]", i), starts[i], "a finite number");
    check_length(trains.streams, trains.length);
    check_tails(trains);
    for (std::size_t i = 0; i < trains.rows; ++i) {
        double reference = starts[i];
        for (std::size_t t = 0; t < signals.columns; ++t) {
            if (trains.stream(i, 0)[t / 64] >> (t % 64) & 1) reference += threshold;
            if (trains.stream(i, 1)[t / 64] >> (t % 64) & 1) reference -= threshold;
            signals(i, t) = reference;
        }
    }
}

}  // namespace bitaxon
