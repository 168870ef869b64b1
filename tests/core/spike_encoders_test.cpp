// Spike codes, step by step against their formulas.
#include "expect_error.hpp"

#include <bitaxon/core/spike_encoders.hpp>

#include <bitaxon/core/error.hpp>

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>
#include <string>
#include <vector>

namespace bitaxon {
namespace {

using u64 = std::uint64_t;

const ExecutionContext& context() {
    static const ExecutionContext two{{.threads = 2, .tier = {}, .seed = 0}};
    return two;
}

bool spike(const StreamArray& trains, std::size_t i, u64 step, std::size_t row = 0) {
    return trains.view().stream(row, i)[step / 64] >> (step % 64) & 1;
}

std::vector<u64> steps_of(const StreamArray& trains, std::size_t i, std::size_t row = 0) {
    std::vector<u64> steps;
    for (u64 step = 0; step < trains.length(); ++step)
        if (spike(trains, i, step, row)) steps.push_back(step);
    return steps;
}

const std::vector<double> kValues = {0, 1, 0.5, 0.25, 0.75, 1.0 / 3, 0.01, 0.99, 0.123};

// Counts of 200,000 steps, at most 4.5 sigmas off; 9 values: false alarm 6e-5.
TEST(RateCode, CountsArePoissons) {
    const RateCode code{.max_rate = 400, .dt = 1e-3};
    constexpr u64 steps = 200000;
    const StreamArray trains = encode_spikes(context(), kValues, steps, code, {.seed = 3});
    for (std::size_t i = 0; i < kValues.size(); ++i) {
        const double p = 1 - std::exp(-kValues[i] * 0.4);
        const double expected = p * steps;
        EXPECT_NEAR(static_cast<double>(steps_of(trains, i).size()), expected,
                    4.5 * std::sqrt(expected * (1 - p)) + 1e-9);
    }
}

TEST(RateCode, AnyPartIsTheSame) {
    const StreamOrigin origin{.seed = 1, .layer = 2, .sample = 3, .first_index = 4};
    const StreamArray whole = encode_spikes(context(), kValues, 1000, RateCode{}, origin);
    const StreamArray part = encode_spikes(context(), kValues, 500, RateCode{}, origin, 321);
    for (std::size_t i = 0; i < kValues.size(); ++i)
        for (u64 step = 0; step < 500; ++step)
            ASSERT_EQ(spike(part, i, step), spike(whole, i, step + 321));
}

TEST(LatencyCode, SpikesOnceTheSoonerTheLarger) {
    for (const u64 steps : {u64{1}, u64{64}, u64{101}}) {
        const StreamArray trains = encode_spikes(context(), kValues, steps, LatencyCode{});
        for (std::size_t i = 0; i < kValues.size(); ++i) {
            std::vector<u64> expected;
            if (kValues[i] > 0)
                expected = {static_cast<u64>(
                    std::nearbyint((1 - kValues[i]) * static_cast<double>(steps - 1)))};
            EXPECT_EQ(steps_of(trains, i), expected) << kValues[i];
        }
        check_tails(trains.view());
    }
}

TEST(LatencyCode, WithTauIsACapacitorsTime) {
    const LatencyCode code{.tau = 20, .least = 0.05};
    const StreamArray trains = encode_spikes(context(), kValues, 100, code);
    for (std::size_t i = 0; i < kValues.size(); ++i) {
        // The membrane v (1 - exp(-t / tau)) reaches 0.05 within the step.
        std::vector<u64> expected;
        for (u64 step = 0; step < 100 && expected.empty(); ++step)
            if (kValues[i] * (1 - std::exp(-(static_cast<double>(step) + 1) / 20)) > 0.05)
                expected = {step};
        EXPECT_EQ(steps_of(trains, i), expected) << kValues[i];
    }
}

TEST(PhaseCode, SpikesAreBinaryDigits) {
    for (const unsigned period : {1u, 3u, 8u, 52u}) {
        const StreamArray trains =
            encode_spikes(context(), kValues, 130, PhaseCode{.period = period});
        for (std::size_t i = 0; i < kValues.size(); ++i) {
            double worth = 0;
            for (u64 step = 0; step < 130; ++step) {
                ASSERT_EQ(spike(trains, i, step), spike(trains, i, step % period));
                if (step < period && spike(trains, i, step))
                    worth += std::ldexp(1.0, -1 - static_cast<int>(step));
            }
            const double unit = std::ldexp(1.0, -static_cast<int>(period));
            EXPECT_EQ(worth, std::min(std::nearbyint(kValues[i] / unit) * unit, 1 - unit));
        }
    }
}

TEST(BurstCode, LargerValuesHaveMoreSpikesCloserTogether) {
    const StreamArray trains = encode_spikes(context(), kValues, 100, BurstCode{});
    EXPECT_EQ(steps_of(trains, 0), std::vector<u64>{});                  // 0
    EXPECT_EQ(steps_of(trains, 1), (std::vector<u64>{0, 2, 4, 6, 8}));   // 1
    EXPECT_EQ(steps_of(trains, 2), (std::vector<u64>{0, 6, 12}));        // 0.5: ceil(2.5), 10 - 4
    EXPECT_EQ(steps_of(trains, 3), (std::vector<u64>{0, 8}));            // 0.25: ceil(1.25), 8
    EXPECT_EQ(steps_of(trains, 4), (std::vector<u64>{0, 4, 8, 12}));     // 0.75: ceil(3.75), 4
    EXPECT_EQ(steps_of(trains, 6), (std::vector<u64>{0}));               // 0.01
    EXPECT_EQ(steps_of(trains, 7), (std::vector<u64>{0, 3, 6, 9, 12}));  // 0.99: ceil(10 - 7.92)
    expect_error({"steps", "got 8", "at least 9", "values[0]"},
                 [] { encode_spikes(context(), std::vector<double>{1}, 8, BurstCode{}); });
}

TEST(PopulationCode, FieldsAreGaussiansAsBohteHasThem) {
    const std::vector<double> values = {-1, 0, 0.7, 3};
    const PopulationCode code{.neurons = 6, .low = -1, .high = 3, .overlap = 1.5};
    std::vector<double> out(values.size() * code.neurons);
    population_activations(values, code, out);
    for (std::size_t i = 0; i < values.size(); ++i)
        for (std::size_t k = 0; k < code.neurons; ++k) {
            // Centre of field number k + 1 is low + (2 (k + 1) - 3) / 2 * (high - low) / (n - 2).
            const double centre = -1 + (2 * (static_cast<double>(k) + 1) - 3) / 2 * 4 / 4;
            const double width = 1 / 1.5 * 4 / 4;
            EXPECT_NEAR(out[i * 6 + k], std::exp(-std::pow((values[i] - centre) / width, 2) / 2),
                        1e-15);
        }
    const StreamArray trains = encode_spikes(context(), out, 50, LatencyCode{.least = 0.1});
    EXPECT_EQ(trains.streams(), 24u);
}

TEST(Delta, FollowsTheSignalWithinTheThreshold) {
    std::mt19937_64 random(4);
    constexpr std::size_t steps = 300;
    std::vector<double> signals(3 * steps);
    for (std::size_t i = 0; i < signals.size(); ++i)
        signals[i] = i % steps == 0
                         ? 5.0
                         : signals[i - 1] + static_cast<double>(random() >> 11) * 0x1p-53 * 0.2 - 0.1;
    const auto view = row_major(std::span<const double>(signals), steps);
    const StreamArray trains = encode_delta(context(), view, 0.1);
    check_tails(trains.view());
    std::vector<double> back(signals.size());
    decode_delta(trains.view(), 0.1, std::vector<double>(3, 5.0),
                 row_major(std::span(back), steps));
    for (std::size_t i = 0; i < 3; ++i) {
        double reference = 5.0;
        for (std::size_t t = 0; t < steps; ++t) {
            const double off = signals[i * steps + t] - reference;
            ASSERT_EQ(spike(trains, 0, t, i), off >= 0.1 - 1e-12) << off;
            ASSERT_EQ(spike(trains, 1, t, i), off <= -0.1 + 1e-12) << off;
            reference = back[i * steps + t];
            ASSERT_LT(std::abs(signals[i * steps + t] - reference), 0.1 + 1e-9);
        }
    }
}

TEST(Delta, AFastRiseTakesASpikeAStep) {
    const std::vector<double> signal = {0, 1, 1, 1, 1, 0.5, 0.5};
    const StreamArray trains =
        encode_delta(context(), row_major(std::span<const double>(signal), signal.size()), 0.25);
    EXPECT_EQ(steps_of(trains, 0), (std::vector<u64>{1, 2, 3, 4}));
    EXPECT_EQ(steps_of(trains, 1), (std::vector<u64>{5, 6}));
}

TEST(SpikeCodes, RefuseWhatIsOutOfRange) {
    constexpr double nan = std::numeric_limits<double>::quiet_NaN();
    constexpr double inf = std::numeric_limits<double>::infinity();
    for (const double wrong : {nan, inf, -0.1, 1.1}) {
        const std::vector<double> values = {0.5, wrong};
        expect_error({"values[1]"}, [&] { encode_spikes(context(), values, 9, RateCode{}); });
        expect_error({"values[1]"}, [&] { encode_spikes(context(), values, 9, LatencyCode{}); });
        expect_error({"values[1]"}, [&] { encode_spikes(context(), values, 9, PhaseCode{}); });
        expect_error({"values[1]"}, [&] { encode_spikes(context(), values, 99, BurstCode{}); });
        std::vector<double> out(16);
        expect_error({"values[1]"}, [&] { population_activations(values, {}, out); });
    }
    const auto with = [](const auto& code) {
        return [=] { encode_spikes(context(), std::vector<double>{0.5}, 99, code); };
    };
    for (const double wrong : {nan, inf, -1.0}) {
        expect_error({"max_rate"}, with(RateCode{.max_rate = wrong}));
        expect_error({"dt"}, with(RateCode{.dt = wrong}));
        expect_error({"tau"}, with(LatencyCode{.tau = wrong, .least = 0.1}));
        expect_error({"least"}, with(LatencyCode{.least = wrong}));
        expect_error({"threshold"}, [=] {
            const double zero = 0;
            encode_delta(context(), row_major(std::span(&zero, 1), 1), wrong);
        });
    }
    expect_error({"least", "tau"}, with(LatencyCode{.tau = 3}));
    expect_error({"period"}, with(PhaseCode{.period = 0}));
    expect_error({"period"}, with(PhaseCode{.period = 53}));
    expect_error({"most_spikes"}, with(BurstCode{.most_spikes = 0}));
    expect_error({"shortest_gap"}, with(BurstCode{.shortest_gap = 0}));
    expect_error({"longest_gap", "3"}, with(BurstCode{.shortest_gap = 3, .longest_gap = 2}));
    std::vector<double> out(10);
    const auto populate = [&](const PopulationCode& code) {
        return [&, code] { population_activations(std::vector<double>{0.5}, code, out); };
    };
    expect_error({"neurons"}, populate({.neurons = 2}));
    expect_error({"high"}, populate({.neurons = 10, .low = 1, .high = 1}));
    expect_error({"low"}, populate({.neurons = 10, .low = nan}));
    expect_error({"overlap"}, populate({.neurons = 10, .overlap = 0}));
    expect_error({"out", "1 * 9"}, populate({.neurons = 9}), ErrorCode::invalid_shape);
    const std::vector<double> signals = {0, 1, nan, 2};
    expect_error({"signals[1][0]"}, [&] {
        encode_delta(context(), row_major(std::span<const double>(signals), 2), 0.1);
    });
    StreamArray trains(1, 2, 10);
    std::vector<double> back(10);
    const auto decode_into = [&](const StreamView& view, std::size_t starts, std::size_t columns) {
        return [&, view, starts, columns] {
            decode_delta(view, 1, std::vector<double>(starts), row_major(std::span(back), columns));
        };
    };
    expect_error({"starts"}, decode_into(trains.view(), 2, 10), ErrorCode::invalid_shape);
    expect_error({"signals"}, decode_into(trains.view(), 1, 5), ErrorCode::invalid_shape);
    expect_error({"trains"}, decode_into(StreamArray(1, 3, 10).view(), 1, 10),
                 ErrorCode::invalid_shape);
    trains.row(0)[1] = u64{1} << 10;
    expect_error({"streams[0][1]"}, decode_into(trains.view(), 1, 10));
}

}  // namespace
}  // namespace bitaxon
