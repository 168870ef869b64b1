#include "network_state.hpp"

#include "../layer/streamed_layer.hpp"

#include <bitaxon/core/error.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <utility>

namespace bitaxon {
namespace {

// Rows of doubles that lie side by side.
MatrixView<double> rows_of(double* values, std::size_t rows, std::size_t columns) {
    return {values, rows, columns, static_cast<std::ptrdiff_t>(columns), 1};
}

void copy(const MatrixView<double>& from, const MatrixView<double>& to) {
    for (std::size_t r = 0; r < to.rows; ++r)
        for (std::size_t n = 0; n < to.columns; ++n) to(r, n) = from(r, n);
}

// The rank-th smallest of count numbers magnitude(i) >= 0, by 16 bits at a time: their patterns are
// in their order. Unlike std::nth_element it copies nothing and can be stopped.
template <class Magnitude>
double select(std::size_t count, std::size_t rank, Magnitude magnitude, const Job& job) {
    std::uint64_t found = 0;
    std::vector<std::size_t> having(1 << 16);
    for (unsigned shift = 48;; shift -= 16) {
        std::ranges::fill(having, std::size_t{0});
        for (std::size_t i = 0; i < count; ++i) {
            if (i % (1 << 20) == 0) job.check();
            const auto bits = std::bit_cast<std::uint64_t>(magnitude(i));
            if (((bits ^ found) >> shift >> 16) == 0) ++having[bits >> shift & 0xffff];
        }
        std::uint64_t digits = 0;
        for (; rank >= having[digits]; ++digits) rank -= having[digits];
        found |= digits << shift;
        if (shift == 0) return std::bit_cast<double>(found);
    }
}

// The quantile of the magnitudes that reach a layer.
void set_range(Layer& next, std::span<const double> values, double quantile, const Job& job) {
    // Negative values saturate to 0 where the next coding has none: they must not widen its
    // range.
    const bool bipolar = next.coding() == Coding::bipolar;
    const auto magnitude = [&](std::size_t i) {
        return bipolar ? std::abs(values[i]) : values[i] > 0.0 ? values[i] : 0.0;
    };
    const auto place =
        static_cast<std::size_t>(std::ceil(quantile * static_cast<double>(values.size())));
    double range = select(values.size(), place - 1, magnitude, job);
    // Where so many are 0 that the quantile is, the largest will do; where all are, any range.
    if (range == 0.0) range = select(values.size(), values.size() - 1, magnitude, job);
    if (range > 0.0) next.set_input_range(range);
}

}  // namespace

Network::Network(std::vector<Layer> layers, const ExecutionContext& context,
                 std::vector<Skip> skips)
    : state_(std::make_unique<State>()) {
    if (layers.empty()) throw_error(ErrorCode::invalid_shape, "layers", "none", "at least one");
    for (std::size_t k = 1; k < layers.size(); ++k)
        if (layers[k].inputs() != layers[k - 1].neurons())
            throw_error(
                ErrorCode::invalid_shape, fmt::format("layers[{}].inputs", k),
                fmt::format("{}", layers[k].inputs()),
                fmt::format("{}, the neurons of the layer before", layers[k - 1].neurons()));
    std::vector<std::size_t> widths;
    for (const Layer& layer : layers) widths.push_back(layer.neurons());
    state_->skips = Skips(std::move(skips), widths);
    state_->layers = std::move(layers);
    // The number of a layer is part of its streams' names.
    state_->change(context, [](std::size_t k, Layer::State& layer) {
        return std::exchange(layer.options.id, k) != k;
    });
}

Network::Network(const Network& other) : state_(std::make_unique<State>(*other.state_)) {}
Network& Network::operator=(const Network& other) {
    if (this != &other) state_ = std::make_unique<State>(*other.state_);
    return *this;
}
Network::Network(Network&&) noexcept = default;
Network& Network::operator=(Network&&) noexcept = default;
Network::~Network() = default;

std::size_t Network::inputs() const noexcept { return state_->layers.front().inputs(); }
std::size_t Network::neurons() const noexcept { return state_->layers.back().neurons(); }
const std::vector<Layer>& Network::layers() const noexcept { return state_->layers; }
const std::vector<Skip>& Network::skips() const noexcept { return state_->skips.list(); }
std::uint64_t Network::saturated() const noexcept { return state_->saturated.load(); }

std::string Network::repr() const {
    std::string text = "Network([";
    for (const Layer& layer : state_->layers) text += "\n    " + layer.repr() + ",";
    text += "\n]";
    for (const auto& [from, to] : skips())
        text += fmt::format("{}({}, {})", text.ends_with(']') ? ", skips=[" : ", ", from, to);
    return text + (skips().empty() ? ")" : "])");
}

std::size_t Network::State::widest() const {
    std::size_t widest = 0;
    for (const Layer& layer : layers) widest = std::max(widest, layer.neurons());
    return widest;
}

double Network::State::nanoseconds(std::size_t samples) const {
    double sum = 0.0;
    for (std::size_t k = 0; k < layers.size(); ++k) sum += layer(k).nanoseconds(samples);
    return sum;
}

double Network::nanoseconds(std::size_t samples) const noexcept {
    return state_->nanoseconds(samples);
}

std::uint64_t Network::State::limit(const Layer::State& next, double* values, std::size_t count) {
    if (next.takes_values()) return 0;
    const double low = next.lowest_input();
    const double high = next.options.input_range;
    std::uint64_t limited = 0;
    for (std::size_t i = 0; i < count; ++i) {
        const double value = std::clamp(values[i], low, high);
        limited += value != values[i];
        values[i] = value;
    }
    return limited;
}

void Network::State::saturate(const Layer::State& next, double* values, std::size_t count) const {
    const std::uint64_t limited = limit(next, values, count);
    if (limited != 0) saturated.fetch_add(limited, std::memory_order_relaxed);
}

void Network::calibrate(const ExecutionContext& context, MatrixView<const double> samples,
                        double quantile, const Monitor& monitor) {
    if (samples.rows == 0) throw_error(ErrorCode::invalid_shape, "samples", "0 rows", "at least 1");
    if (!(quantile > 0.0 && quantile <= 1.0))
        throw_error(ErrorCode::invalid_value, "quantile", fmt::format("{}", quantile),
                    "a number in (0, 1]");
    state_->layer(0).check_columns(samples);
    double nanoseconds = 0;
    for (std::size_t k = 0; k + 1 < state_->layers.size(); ++k)
        nanoseconds += state_->layer(k).expected_nanoseconds(samples.rows);
    std::vector<double> before;
    for (const Layer& layer : state_->layers) before.push_back(layer.input_range());
    try {
        context.supervise(monitor, samples.rows, nanoseconds, [&](Job& job) {
            set_ranges(context, samples, quantile, job);
            job.add_done(samples.rows);
        });
    } catch (...) {
        for (std::size_t k = 0; k < before.size(); ++k)
            state_->layers[k].state_->options.input_range = before[k];
        throw;
    }
    state_->saturated = 0;
}

void Network::set_ranges(const ExecutionContext& context, MatrixView<const double> samples,
                         double quantile, const Job& job) {
    std::unique_ptr<double[]> x;
    std::vector<double> kept(samples.rows * state_->skips.kept());
    MatrixView<const double> view = samples;
    for (std::size_t k = 0; k + 1 < state_->layers.size(); ++k) {
        Layer& next = state_->layers[k + 1];
        const std::size_t size = samples.rows * next.inputs();
        auto y = std::make_unique_for_overwrite<double[]>(size);
        const MatrixView<double> rows = rows_of(y.get(), samples.rows, next.inputs());
        state_->expect_layer(context, k, view, rows, ExpectedWeights::mean, job);
        state_->skips.join(k, rows, kept.data());
        if (!next.state_->takes_values()) set_range(next, {y.get(), size}, quantile, job);
        State::limit(*next.state_, y.get(), size);
        x = std::move(y);
        view = MatrixView<const double>(rows);
    }
}

void Network::State::check_shapes(const Samples& samples, const MatrixView<double>& outputs) const {
    layer(0).check_columns(samples);
    layer(layers.size() - 1).check_outputs(samples, outputs);
}

std::size_t Network::State::block_samples() const {
    std::size_t samples = layer(0).block_samples();
    for (std::size_t k = 1; k < layers.size(); ++k)
        samples = std::min(samples, layer(k).block_samples());
    return samples;
}

std::size_t Network::State::counters() const {
    std::size_t most = 0;
    for (std::size_t k = 0; k < layers.size(); ++k) most = std::max(most, layer(k).counters());
    return most;
}

std::size_t Network::State::scratch_bytes(std::size_t samples) const {
    std::size_t block = 0;
    for (std::size_t k = 0; k < layers.size(); ++k)
        block = std::max(block, layer(k).scratch_bytes(samples));
    return Scratch::bytes<std::uint64_t>(samples) +
           Scratch::bytes<std::int64_t>(samples * counters()) +
           2 * Scratch::bytes<double>(samples * widest()) +
           Scratch::bytes<double>(samples * skips.kept()) + block;
}

template <class FirstSums>
void Network::State::run_block(const Engine& engine, Scratch& scratch, const ForwardNames& names,
                               const MatrixView<double>& outputs, FirstSums first_sums) const {
    const std::size_t count = outputs.rows;
    auto* bases = scratch.take<std::uint64_t>(count);
    auto* sums = scratch.take<std::int64_t>(count * counters());
    double* halves[] = {scratch.take<double>(count * widest()),
                        scratch.take<double>(count * widest())};
    auto* kept = scratch.take<double>(count * skips.kept());
    const std::size_t mark = scratch.used();
    MatrixView<double> y;
    for (std::size_t k = 0; k < layers.size(); ++k) {
        const Layer::State& present = layer(k);
        std::fill_n(sums, count * present.counters(), 0);
        for (std::size_t r = 0; r < count; ++r) bases[r] = present.sample_key(names, r);
        const SampleBlock block{engine, bases, sums, scratch};
        if (k == 0) {
            first_sums(block);
        } else if (!present.takes_values()) {
            saturate(present, y.data, count * present.inputs());
            present.encode_and_sum(MatrixView<const double>(y), block);
        }
        scratch.rewind(mark);
        const MatrixView<double> x = y;
        y = rows_of(halves[k % 2], count, present.outputs());
        if (k > 0 && present.takes_values()) {
            for (std::size_t r = 0; r < count; ++r) present.apply(&x(r, 0), &y(r, 0));
        } else {
            if (k + 1 == layers.size()) y = outputs;
            present.finish(sums, y);
        }
        skips.join(k, y, kept);
        if (k + 1 == layers.size() && y.data != outputs.data) copy(y, outputs);
    }
}

template <class Check, class FirstSums>
void Network::State::run(const ExecutionContext& context, bool parallel,
                         const MatrixView<double>& outputs, const ForwardOptions& options,
                         Check check, FirstSums first_sums) const {
    const std::size_t samples = outputs.rows;
    if (samples == 0) return;
    check_sample_numbers(options.sample, samples);
    const std::uint64_t seed = options.seed.value_or(context.seed());
    context.supervise(options.monitor, samples, nanoseconds(samples), [&](Job& job) {
        check(job);
        const int threads = parallel ? context.threads() : 1;
        const Partition cut =
            make_partition(samples, block_samples(), threads, nanoseconds(samples));
        const std::size_t bytes = scratch_bytes(cut.samples);
        if (cut.pieces > 1)
            context.reserve_scratch(std::min(cut.pieces, static_cast<std::size_t>(threads)), bytes);
        context.parallel_for(cut.pieces, [&](std::size_t piece) {
            const std::size_t first = piece * cut.samples;
            const std::size_t count = std::min(cut.samples, samples - first);
            Scratch scratch = context.scratch(bytes);
            run_block({context.kernels(), job}, scratch, {seed, options.sample + first},
                      outputs.rows_from(first, count),
                      [&](const SampleBlock& block) { first_sums(first, count, block); });
            job.add_done(count);
        });
    });
}

void Network::State::run_samples(const ExecutionContext& context, bool parallel,
                                 const Samples& samples, const MatrixView<double>& outputs,
                                 const ForwardOptions& options) const {
    check_shapes(samples, outputs);
    run(
        context, parallel, outputs, options,
        [&](const Job& job) { layer(0).check_values(context, samples, job); },
        [&](std::size_t first, std::size_t count, const SampleBlock& block) {
            layer(0).encode_and_sum(rows_from(samples, first, count), block);
        });
}

void Network::forward(const ExecutionContext& context, std::span<const double> sample,
                      std::span<double> output, const ForwardOptions& options) const {
    state_->run_samples(context, false, one_row(sample), one_row(output), options);
}

void Network::forward_batch(const ExecutionContext& context, MatrixView<const double> samples,
                            MatrixView<double> outputs, const ForwardOptions& options) const {
    state_->run_samples(context, true, samples, outputs, options);
}

void Network::forward_batch(const ExecutionContext& context, MatrixView<const float> samples,
                            MatrixView<double> outputs, const ForwardOptions& options) const {
    state_->run_samples(context, true, samples, outputs, options);
}

void Network::forward_batch(const ExecutionContext& context, std::span<const double> samples,
                            std::span<double> outputs, const ForwardOptions& options) const {
    const auto [x, y] = as_matrices(samples, inputs(), outputs, neurons());
    forward_batch(context, x, y, options);
}

// Layer after layer, each spread over the threads.
void Network::forward_fast(const ExecutionContext& context, std::span<const double> sample,
                           std::span<double> output, const ForwardOptions& options) const {
    state_->check_shapes(one_row(sample), one_row(output));
    const ForwardNames names{options.seed.value_or(context.seed()), options.sample};
    context.supervise(options.monitor, 1, state_->nanoseconds(1), [&](Job& job) {
        state_->layer(0).check_values(context, one_row(sample), job);
        const std::size_t widest = state_->widest();
        Scratch scratch = context.scratch(2 * Scratch::bytes<double>(widest));
        double* halves[] = {scratch.take<double>(widest), scratch.take<double>(widest)};
        std::vector<double> kept(state_->skips.kept());
        std::span<const double> x = sample;
        for (std::size_t k = 0; k < state_->layers.size(); ++k) {
            const Layer::State& layer = state_->layer(k);
            const bool last = k + 1 == state_->layers.size();
            const std::span<double> y = last ? output : std::span(halves[k % 2], layer.outputs());
            if (k > 0 && layer.takes_values())
                layer.apply(x.data(), y.data());
            else
                layer.run(context, one_row(x), one_row(y), names, job);
            state_->skips.join(k, one_row(y), kept.data());
            if (!last) state_->saturate(state_->layer(k + 1), y.data(), y.size());
            x = y;
        }
    });
}

void Network::forward_prepacked(const ExecutionContext& context, const StreamView& streams,
                                MatrixView<double> outputs, const ForwardOptions& options) const {
    state_->layer(0).check_streams(streams);
    state_->layer(state_->layers.size() - 1).check_outputs(streams, outputs);
    state_->run(
        context, true, outputs, options, [](const Job&) {},
        [&](std::size_t first, std::size_t count, const SampleBlock& block) {
            state_->layer(0).sum_streams(streams.rows_from(first, count), block);
        });
}

void Network::State::stream(const ExecutionContext& context, const Samples& samples,
                            const MatrixView<double>& outputs, std::span<std::uint64_t> lengths,
                            const StreamedOptions& options) const {
    std::vector<const Layer::State*> chain;
    for (std::size_t k = 0; k < layers.size(); ++k) {
        chain.push_back(&layer(k));
        if (!layer(k).takes_values() && layer(k).options.length != layer(0).options.length)
            throw_error(ErrorCode::invalid_value, fmt::format("layers[{}].length", k),
                        fmt::format("{}", layer(k).options.length),
                        fmt::format("{}, the length of layer 0: streamed layers run side by side",
                                    layer(0).options.length));
    }
    if (options.stop == Stop::argmax && skips.enters(layers.size() - 1))
        throw_error(ErrorCode::invalid_value, "stop", "'argmax'",
                    "'none': the noise that a skip adds to the last layer is not counted");
    run_streamed(context, chain, skips, samples, outputs, lengths, options, saturated);
}

void Network::forward_streamed(const ExecutionContext& context, MatrixView<const double> samples,
                               MatrixView<double> outputs, std::span<std::uint64_t> lengths,
                               const StreamedOptions& options) const {
    state_->stream(context, samples, outputs, lengths, options);
}

void Network::forward_streamed(const ExecutionContext& context, MatrixView<const float> samples,
                               MatrixView<double> outputs, std::span<std::uint64_t> lengths,
                               const StreamedOptions& options) const {
    state_->stream(context, samples, outputs, lengths, options);
}

void Network::State::expect_layer(const ExecutionContext& context, std::size_t k,
                                  const Samples& values, const MatrixView<double>& outputs,
                                  ExpectedWeights weights, const Job& job) const {
    if (k == 0 || !layer(k).takes_values())
        return layer(k).expect(context, values, outputs, weights, job);
    const auto& x = std::get<MatrixView<const double>>(values);
    std::vector<double> y(outputs.columns);
    for (std::size_t r = 0; r < outputs.rows; ++r) {
        layer(k).apply(&x(r, 0), y.data());
        copy(one_row(std::span(y)), outputs.rows_from(r, 1));
    }
}

void Network::State::expect(const ExecutionContext& context, const Samples& samples,
                            const MatrixView<double>& outputs, ExpectedWeights weights,
                            const Monitor& monitor) const {
    check_shapes(samples, outputs);
    const std::size_t rows = outputs.rows;
    double nanoseconds = 0;
    for (std::size_t k = 0; k < layers.size(); ++k)
        nanoseconds += layer(k).expected_nanoseconds(rows);
    // Blocks of samples, so that memory does not grow with them.
    constexpr std::size_t kBlockValues = 1 << 20;
    const std::size_t block = std::max<std::size_t>(kBlockValues / widest(), 1);
    context.supervise(monitor, rows, nanoseconds, [&](Job& job) {
        layer(0).check_values(context, samples, job);  // before any output is written
        for (std::size_t first = 0; first < rows; first += block) {
            const std::size_t count = std::min(block, rows - first);
            const MatrixView<double> results = outputs.rows_from(first, count);
            std::vector<double> x;
            std::vector<double> kept(count * skips.kept());
            Samples values = rows_from(samples, first, count);
            for (std::size_t k = 0; k + 1 < layers.size(); ++k) {
                const std::size_t neurons = layers[k].neurons();
                std::vector<double> y(count * neurons);
                expect_layer(context, k, values, rows_of(y.data(), count, neurons), weights, job);
                skips.join(k, rows_of(y.data(), count, neurons), kept.data());
                limit(layer(k + 1), y.data(), y.size());
                x = std::move(y);
                values = row_major(std::span<const double>(x), neurons);
            }
            expect_layer(context, layers.size() - 1, values, results, weights, job);
            skips.join(layers.size() - 1, results, kept.data());
            job.add_done(count);
        }
    });
}

void Network::forward_expected(const ExecutionContext& context, MatrixView<const double> samples,
                               MatrixView<double> outputs, ExpectedWeights weights,
                               const Monitor& monitor) const {
    state_->expect(context, samples, outputs, weights, monitor);
}

void Network::forward_expected(const ExecutionContext& context, MatrixView<const float> samples,
                               MatrixView<double> outputs, ExpectedWeights weights,
                               const Monitor& monitor) const {
    state_->expect(context, samples, outputs, weights, monitor);
}

StreamArray Network::encode(const ExecutionContext& context, std::span<const double> sample,
                            const ForwardOptions& options) const {
    return state_->layers[0].encode(context, sample, options);
}

void Network::redraw(const ExecutionContext& context) {
    state_->change(context, [](std::size_t, Layer::State& layer) {
        ++layer.redraws;
        return true;
    });
}

}  // namespace bitaxon
