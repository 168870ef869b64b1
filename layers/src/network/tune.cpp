// The shortest streams that are good enough.
#include "network_state.hpp"

#include <bitaxon/core/error.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <utility>

namespace bitaxon {
namespace {

// The first largest of each row.
std::vector<std::size_t> winners(const std::vector<double>& outputs, std::size_t columns) {
    std::vector<std::size_t> result;
    for (auto row = outputs.begin(); row != outputs.end();
         row += static_cast<std::ptrdiff_t>(columns))
        result.push_back(static_cast<std::size_t>(
            std::max_element(row, row + static_cast<std::ptrdiff_t>(columns)) - row));
    return result;
}

// As many samples as both agree on, of all.
double agreement(const std::vector<std::size_t>& a, std::span<const std::size_t> b) {
    std::size_t same = 0;
    for (std::size_t k = 0; k < a.size(); ++k) same += a[k] == b[k];
    return static_cast<double>(same) / static_cast<double>(a.size());
}

void check_options(const TuneOptions& options, std::size_t samples, std::size_t outputs) {
    if (samples == 0) throw_error(ErrorCode::invalid_shape, "samples", "0 rows", "at least 1");
    if (!(options.target > 0.0 && options.target <= 1.0))
        throw_error(ErrorCode::invalid_value, "target", fmt::format("{}", options.target),
                    "a share of the samples in (0, 1]");
    if (!options.labels.empty() && options.labels.size() != samples)
        throw_error(ErrorCode::invalid_shape, "labels",
                    fmt::format("{} values", options.labels.size()),
                    fmt::format("{} (samples), or none", samples));
    for (std::size_t k = 0; k < options.labels.size(); ++k)
        if (options.labels[k] >= outputs)
            throw_error(ErrorCode::invalid_value, fmt::format("labels[{}]", k),
                        fmt::format("{}", options.labels[k]),
                        fmt::format("a number below {} (outputs)", outputs));
    if (options.shortest == 0 || options.shortest > options.longest)
        throw_error(ErrorCode::invalid_value, "shortest", fmt::format("{}", options.shortest),
                    fmt::format("1 ... longest = {}", options.longest));
}

}  // namespace

void Network::set_lengths(std::span<const std::uint64_t> lengths, const ExecutionContext& context) {
    const std::vector<Layer>& layers = state_->layers;
    if (lengths.size() != layers.size())
        throw_error(ErrorCode::invalid_shape, "lengths", fmt::format("{} values", lengths.size()),
                    fmt::format("{}, one a layer", layers.size()));
    for (std::size_t k = 0; k < layers.size(); ++k)
        check_length(std::max(layers[k].inputs(), layers[k].state_->shape.fan_in), lengths[k]);
    state_->change(context, [&](std::size_t k, Layer::State& layer) {
        return std::exchange(layer.options.length, lengths[k]) != lengths[k];
    });
}

Tuned Network::tune(const ExecutionContext& context, MatrixView<const double> samples,
                    const TuneOptions& options) {
    check_options(options, samples.rows, neurons());
    const Monitor& monitor = options.forward.monitor;
    // Weights are drawn without a report of theirs.
    const ExecutionContext drawing =
        context.watched({.progress = {}, .stop = monitor.stop, .job = monitor.job});
    Network trial(*this);
    std::vector<double> outputs(samples.rows * neurons());
    const MatrixView<double> out = row_major(std::span(outputs), neurons());
    std::vector<std::size_t> labels(options.labels.begin(), options.labels.end());
    if (labels.empty()) {
        trial.forward_expected(context, samples, out, ExpectedWeights::mean, monitor);
        labels = winners(outputs, neurons());
    }
    const auto reached = [&](std::span<const std::uint64_t> lengths) {
        trial.set_lengths(lengths, drawing);
        trial.forward_batch(context, samples, out, options.forward);
        return agreement(winners(outputs, neurons()), labels);
    };

    // One length for all layers, then a shorter one for each in turn, the costliest first.
    const std::vector<Layer>& layers = state_->layers;
    Tuned best{std::vector<std::uint64_t>(layers.size(), options.shortest), 0.0};
    best.accuracy = reached(best.lengths);
    while (best.accuracy < options.target && 2 * best.lengths.front() <= options.longest) {
        for (std::uint64_t& length : best.lengths) length *= 2;
        best.accuracy = reached(best.lengths);
    }
    if (best.accuracy < options.target)
        throw_error(ErrorCode::invalid_value, "target", fmt::format("{}", options.target),
                    fmt::format("at most {}, which streams of {} bits reach", best.accuracy,
                                best.lengths.front()));
    std::vector<std::size_t> order(layers.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::ranges::stable_sort(order, std::greater(),
                             [&](std::size_t k) { return layers[k].state_->nanoseconds(1); });
    for (const std::size_t k : order) {
        if (k > 0 && layers[k].state_->takes_values()) continue;  // it has no streams
        for (;;) {
            std::vector<std::uint64_t> shorter = best.lengths;
            if (shorter[k] / 2 < options.shortest) break;
            shorter[k] /= 2;
            const double accuracy = reached(shorter);
            if (accuracy < options.target) break;
            best = {std::move(shorter), accuracy};
        }
    }
    set_lengths(best.lengths, drawing);
    return best;
}

}  // namespace bitaxon
