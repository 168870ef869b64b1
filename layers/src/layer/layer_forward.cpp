// The forward paths of layers: what is checked, how work is cut, and what follows the sums.
#include "layer_state.hpp"
#include "streamed_layer.hpp"

#include <bitaxon/core/error.hpp>

#include <algorithm>
#include <cmath>

namespace bitaxon {
namespace {

constexpr std::size_t kTileSamples = 4;  // what the product kernels take at a time
constexpr std::size_t kExpectedSamples = 128;

// Measured on one AVX-512 core: cheaper work is done before a sleeping worker has woken.
constexpr double kParallelNanoseconds = 20e3;
constexpr double kEncodeWordNanoseconds = 2.6;
constexpr double kProductWordNanoseconds = 0.06;
constexpr double kExpectedNanoseconds = 0.3;  // of a product of floats

ForwardNames names_of(const ExecutionContext& context, const ForwardOptions& options) {
    return {options.seed.value_or(context.seed()), options.sample};
}

void forward_samples(const ExecutionContext& context, const Layer::State& layer,
                     const Samples& samples, const MatrixView<double>& outputs,
                     const ForwardOptions& options) {
    layer.check_columns(samples);
    layer.check_outputs(samples, outputs);
    const std::size_t count = row_count(samples);
    check_sample_numbers(options.sample, count);
    context.supervise(options.monitor, count, layer.nanoseconds(count), [&](Job& job) {
        layer.check_values(context, samples, job);
        if (count == 0) return;
        layer.run(context, samples, outputs, names_of(context, options), job);
    });
}

void forward_mean(const ExecutionContext& context, const Layer::State& layer,
                  const Samples& samples, const MatrixView<double>& outputs,
                  ExpectedWeights weights, const Monitor& monitor) {
    layer.check_columns(samples);
    layer.check_outputs(samples, outputs);
    const std::size_t rows = outputs.rows;
    context.supervise(monitor, rows, layer.expected_nanoseconds(rows), [&](Job& job) {
        layer.expect(context, samples, outputs, weights, job);
        job.add_done(rows);
    });
}

}  // namespace

std::size_t workers_for(int threads, double nanoseconds) {
    return nanoseconds < kParallelNanoseconds ? 1 : static_cast<std::size_t>(threads);
}

Partition make_partition(std::size_t samples, std::size_t most, int threads, double nanoseconds) {
    const std::size_t workers = workers_for(threads, nanoseconds);
    const std::size_t tile = std::min(kTileSamples, most);
    // Equal pieces, as many as a multiple of the workers, so that none is left with the last one.
    const std::size_t pieces =
        std::min(round_up(ceil_div(samples, most), workers), ceil_div(samples, tile));
    const std::size_t piece = std::min(most, round_up(ceil_div(samples, pieces), tile));
    return {piece, ceil_div(samples, piece)};
}

double Layer::State::nanoseconds(std::size_t samples) const {
    const auto words = static_cast<double>(samples * words_per_stream());
    const auto products = static_cast<double>(shape.rows * shape.positions * shape.fan_in);
    return words * (kEncodeWordNanoseconds * static_cast<double>(inputs()) +
                    kProductWordNanoseconds * products);
}

double Layer::State::expected_nanoseconds(std::size_t samples) const {
    return kExpectedNanoseconds * static_cast<double>(samples) *
           static_cast<double>(10 * inputs() + shape.fan_in * shape.rows * shape.positions);
}

void Layer::State::run(const ExecutionContext& context, const Samples& samples,
                       const MatrixView<double>& outputs, const ForwardNames& names,
                       Job& job) const {
    const std::size_t total = row_count(samples);
    const Partition cut =
        make_partition(total, block_samples(), context.threads(), nanoseconds(total));
    const Engine engine{context.kernels(), job};
    const std::size_t bytes = scratch_bytes(cut.samples) +
                              Scratch::bytes<std::uint64_t>(cut.samples) +
                              Scratch::bytes<std::int64_t>(cut.samples * counters());
    context.parallel_for(cut.pieces, [&](std::size_t piece) {
        const std::size_t first = piece * cut.samples;
        const std::size_t count = std::min(cut.samples, total - first);
        Scratch scratch = context.scratch(bytes);
        auto* bases = scratch.take<std::uint64_t>(cut.samples);
        for (std::size_t r = 0; r < count; ++r) bases[r] = sample_key(names, first + r);
        auto* sums = scratch.take<std::int64_t>(count * counters());
        std::fill_n(sums, count * counters(), 0);
        encode_and_sum(rows_from(samples, first, count), {engine, bases, sums, scratch});
        finish(sums, outputs.rows_from(first, count));
        job.add_done(count);
    });
}

void Layer::State::expect(const ExecutionContext& context, const Samples& samples,
                          const MatrixView<double>& outputs, ExpectedWeights expected,
                          const Job& job) const {
    check_values(context, samples, job);

    // Both operands as the values that their thresholds stand for, in [-1, 1].
    const bool bipolar = options.coding == Coding::bipolar;
    const auto decoded = [=](double p) {
        const double share = probability(threshold(p));
        return bipolar ? 2.0 * share - 1.0 : share;
    };
    std::vector<double> means;
    if (expected == ExpectedWeights::mean)
        for (const double w : weights) {
            const double value = w / *options.weight_scale;
            means.push_back(bipolar ? decoded((value + 1.0) * 0.5)
                                    : std::copysign(decoded(std::abs(value)), value));
        }
    const double* values = !means.empty()  ? means.data()
                           : has_weights() ? drawn->values().data()
                                           : nullptr;
    context.parallel_for(ceil_div(outputs.rows, kExpectedSamples), [&](std::size_t piece) {
        std::vector<double> x(inputs()), y(this->outputs());
        const std::size_t first = piece * kExpectedSamples;
        for (std::size_t r = first; r < std::min(outputs.rows, first + kExpectedSamples); ++r) {
            job.check();
            std::visit(
                [&](const auto& view) {
                    for (std::size_t i = 0; i < x.size(); ++i) x[i] = decoded(coded(view(r, i)));
                },
                samples);
            expect_outputs(context.kernels(), x.data(), values, y.data());
            for (std::size_t n = 0; n < y.size(); ++n) outputs(r, n) = y[n];
        }
    });
}

void Layer::State::expect_outputs(const kernels::KernelTable& kernels, const double* x,
                                  const double* values, double* y) const {
    const double unit = has_weights() ? factor(1) : 1.0;
    expect_sums(kernels, x, values, y);
    for (std::size_t n = 0; n < outputs(); ++n) y[n] = activate(unit * y[n] + bias[row_of(n)]);
}

double Layer::nanoseconds(std::size_t samples) const noexcept {
    return state_->nanoseconds(samples);
}

void Layer::forward(const ExecutionContext& context, std::span<const double> sample,
                    std::span<double> output, const ForwardOptions& options) const {
    const State& layer = *state_;
    const Samples samples = one_row(sample);
    const MatrixView<double> outputs = one_row(output);
    layer.check_columns(samples);
    layer.check_outputs(samples, outputs);
    context.supervise(options.monitor, 1, layer.nanoseconds(1), [&](Job& job) {
        layer.check_values(context, samples, job);
        Scratch scratch = context.scratch(layer.scratch_bytes(1) +
                                          Scratch::bytes<std::int64_t>(layer.counters()));
        auto* counters = scratch.take<std::int64_t>(layer.counters());
        std::fill_n(counters, layer.counters(), 0);
        const std::uint64_t base = layer.sample_key(names_of(context, options), 0);
        const Engine engine{context.kernels(), job};
        layer.encode_and_sum(samples, {engine, &base, counters, scratch});
        layer.finish(counters, outputs);
    });
}

void Layer::forward_fast(const ExecutionContext& context, std::span<const double> sample,
                         std::span<double> output, const ForwardOptions& options) const {
    forward_samples(context, *state_, one_row(sample), one_row(output), options);
}

void Layer::forward_batch(const ExecutionContext& context, MatrixView<const double> samples,
                          MatrixView<double> outputs, const ForwardOptions& options) const {
    forward_samples(context, *state_, samples, outputs, options);
}

void Layer::forward_batch(const ExecutionContext& context, MatrixView<const float> samples,
                          MatrixView<double> outputs, const ForwardOptions& options) const {
    forward_samples(context, *state_, samples, outputs, options);
}

void Layer::forward_batch(const ExecutionContext& context, std::span<const double> samples,
                          std::span<double> outputs, const ForwardOptions& options) const {
    const auto [x, y] = as_matrices(samples, inputs(), outputs, neurons());
    forward_batch(context, x, y, options);
}

void Layer::forward_prepacked(const ExecutionContext& context, const StreamView& streams,
                              MatrixView<double> outputs, const ForwardOptions& options) const {
    const State& layer = *state_;
    layer.check_streams(streams);
    layer.check_outputs(streams, outputs);
    check_sample_numbers(options.sample, streams.rows);
    if (streams.rows == 0) return;

    const double nanoseconds = layer.nanoseconds(streams.rows);
    context.supervise(options.monitor, streams.rows, nanoseconds, [&](Job& job) {
        const Partition cut =
            make_partition(streams.rows, layer.block_samples(), context.threads(), nanoseconds);
        const std::size_t bytes = layer.scratch_bytes(cut.samples) +
                                  Scratch::bytes<std::uint64_t>(cut.samples) +
                                  Scratch::bytes<std::int64_t>(cut.samples * layer.counters());
        const ForwardNames names = names_of(context, options);
        const Engine engine{context.kernels(), job};
        if (cut.pieces > 1)
            context.reserve_scratch(
                std::min(cut.pieces, static_cast<std::size_t>(context.threads())), bytes);
        context.parallel_for(cut.pieces, [&](std::size_t piece) {
            const std::size_t first = piece * cut.samples;
            const StreamView part =
                streams.rows_from(first, std::min(cut.samples, streams.rows - first));
            Scratch scratch = context.scratch(bytes);
            auto* counters = scratch.take<std::int64_t>(part.rows * layer.counters());
            std::fill_n(counters, part.rows * layer.counters(), 0);
            auto* bases = scratch.take<std::uint64_t>(part.rows);
            for (std::size_t r = 0; r < part.rows; ++r)
                bases[r] = layer.sample_key(names, first + r);
            layer.sum_streams(part, {engine, bases, counters, scratch});
            layer.finish(counters, outputs.rows_from(first, part.rows));
            job.add_done(part.rows);
        });
    });
}

void Layer::forward_streamed(const ExecutionContext& context, MatrixView<const double> samples,
                             MatrixView<double> outputs, std::span<std::uint64_t> lengths,
                             const StreamedOptions& options) const {
    const State* layers[] = {state_.get()};
    std::atomic<std::uint64_t> saturated{0};
    run_streamed(context, layers, Skips(), samples, outputs, lengths, options, saturated);
}

void Layer::forward_streamed(const ExecutionContext& context, MatrixView<const float> samples,
                             MatrixView<double> outputs, std::span<std::uint64_t> lengths,
                             const StreamedOptions& options) const {
    const State* layers[] = {state_.get()};
    std::atomic<std::uint64_t> saturated{0};
    run_streamed(context, layers, Skips(), samples, outputs, lengths, options, saturated);
}

void Layer::forward_expected(const ExecutionContext& context, MatrixView<const double> samples,
                             MatrixView<double> outputs, ExpectedWeights weights,
                             const Monitor& monitor) const {
    forward_mean(context, *state_, samples, outputs, weights, monitor);
}

void Layer::forward_expected(const ExecutionContext& context, MatrixView<const float> samples,
                             MatrixView<double> outputs, ExpectedWeights weights,
                             const Monitor& monitor) const {
    forward_mean(context, *state_, samples, outputs, weights, monitor);
}

StreamArray Layer::encode(const ExecutionContext& context, std::span<const double> sample,
                          const ForwardOptions& options) const {
    state_->check_columns(one_row(sample));
    state_->check_values(context, one_row(sample), Job());
    std::vector<double> probabilities(sample.size());
    for (std::size_t i = 0; i < sample.size(); ++i) probabilities[i] = state_->coded(sample[i]);
    return bitaxon::encode(context, probabilities, length(), Coding::unipolar,
                           {.seed = state_->stream_seed(options.seed.value_or(context.seed())),
                            .layer = id(),
                            .role = Role::input,
                            .sample = options.sample,
                            .first_index = 0});
}

}  // namespace bitaxon
