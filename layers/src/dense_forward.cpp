// The forward paths that read whole streams. All are one loop: encode a run of words of some
// samples into scratch that stays in the cache, multiply it with the panels, add. Memory is bounded
// by the run, not by the length, the inputs or the number of samples.
#include "dense_state.hpp"

#include <bitaxon/core/error.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <limits>

namespace bitaxon {
namespace {

constexpr std::size_t kRunWords = 1024;     // of one sample, encoded and multiplied at a time
constexpr std::size_t kBlockSamples = 128;  // at most: with kRunWords 1 MiB of scratch
constexpr std::size_t kTileSamples = 4;     // what the dense kernels take at a time
constexpr std::size_t kChunkNeurons = 256;  // between two looks at the stop token
constexpr std::size_t kWordPiece = 256;     // the least worth giving to another thread

// Measured on one AVX-512 core: cheaper work is done before a sleeping worker has woken.
constexpr double kParallelNanoseconds = 20e3;
constexpr double kEncodeWordNanoseconds = 2.6;
constexpr double kProductWordNanoseconds = 0.06;
constexpr double kExpectedNanoseconds = 0.3;  // of a product of floats

std::size_t round_up(std::size_t value, std::size_t multiple) {
    return (value + multiple - 1) / multiple * multiple;
}

std::size_t ceil_div(std::size_t a, std::size_t b) { return (a + b - 1) / b; }

// First and last byte of a strided view: what may be touched.
template <class T>
std::pair<const char*, const char*> extent(const MatrixView<T>& view) {
    const T* low = view.data;
    const T* high = view.data;
    for (const auto& [count, stride] :
         {std::pair{view.rows, view.row_stride}, std::pair{view.columns, view.column_stride}}) {
        if (count == 0) continue;
        const std::ptrdiff_t reach = static_cast<std::ptrdiff_t>(count - 1) * stride;
        (reach < 0 ? low : high) += reach;
    }
    return {reinterpret_cast<const char*>(low), reinterpret_cast<const char*>(high + 1)};
}

using Extent = std::pair<const char*, const char*>;

// Whether the bytes that outputs are written to lie apart from those that are read.
void check_apart(const Extent& input, const MatrixView<double>& outputs, std::string_view what) {
    if (outputs.rows == 0 || outputs.columns == 0) return;
    const auto [low, high] = extent(outputs);
    if (input.first < high && low < input.second)
        throw_error(ErrorCode::invalid_shape, "out",
                    fmt::format("memory that overlaps the {}, or lies between them", what),
                    "an array of its own");
}

// Elements are apart when the larger stride steps over all that the smaller one reaches.
bool has_overlapping_elements(const MatrixView<double>& view) {
    std::pair<std::size_t, std::size_t> inner{view.columns, std::abs(view.column_stride)};
    std::pair<std::size_t, std::size_t> outer{view.rows, std::abs(view.row_stride)};
    if (view.rows == 0 || view.columns == 0) return false;
    if (inner.second > outer.second) std::swap(inner, outer);
    const auto [inner_count, inner_stride] = inner;
    const auto [outer_count, outer_stride] = outer;
    return (inner_count > 1 && inner_stride == 0) ||
           (outer_count > 1 && outer_stride < (inner_count - 1) * inner_stride + 1);
}

template <class T>
void check_range(const DenseLayer::State& layer, const MatrixView<const T>& samples,
                 std::size_t first) {
    const double low = layer.lowest_input();
    const double high = layer.options.input_range;
    for (std::size_t r = 0; r < samples.rows; ++r) {
        // One flag a row keeps the loops free of exits; NaN fails both comparisons.
        const auto out_of_range = [=](double x) { return !(x >= low && x <= high); };
        const MatrixView<const T> row = samples.rows_from(r, 1);
        int bad = 0;
        if (row.column_stride == 1) {
#pragma omp simd reduction(| : bad)
            for (std::size_t i = 0; i < row.columns; ++i) bad |= out_of_range(row.data[i]);
        } else {
            for (std::size_t i = 0; i < row.columns; ++i) bad |= out_of_range(row(0, i));
        }
        if (bad == 0) continue;
        for (std::size_t i = 0; i < samples.columns; ++i) {
            const double x = samples(r, i);
            if (out_of_range(x))
                throw_error(ErrorCode::invalid_value, fmt::format("samples[{}][{}]", first + r, i),
                            fmt::format("{}", x),
                            fmt::format("a number in [{}, {}] ({} coding, input_range {})", low,
                                        high, name(layer.options.coding), high));
        }
    }
}

}  // namespace

void DenseLayer::State::check_columns(const Samples& samples) const {
    const std::size_t columns = std::visit([](const auto& view) { return view.columns; }, samples);
    if (columns != options.inputs)
        throw_error(ErrorCode::invalid_shape, "samples", fmt::format("{} columns", columns),
                    fmt::format("{} (inputs)", options.inputs));
}

void DenseLayer::State::check_values(const ExecutionContext& context, const Samples& samples,
                                     const Job& job) const {
    std::visit(
        [&](const auto& view) {
            constexpr std::size_t kPieceValues = 1 << 16;
            const std::size_t rows = std::max<std::size_t>(kPieceValues / options.inputs, 1);
            context.parallel_for(ceil_div(view.rows, rows), [&](std::size_t piece) {
                job.check();
                const std::size_t first = piece * rows;
                check_range(*this, view.rows_from(first, std::min(rows, view.rows - first)), first);
            });
        },
        samples);
}

void DenseLayer::State::check_streams(const StreamView& streams) const {
    if (streams.streams != options.inputs || streams.length != options.length)
        throw_error(ErrorCode::invalid_shape, "streams",
                    fmt::format("{} streams of {} bits", streams.streams, streams.length),
                    fmt::format("{} (inputs) of {} bits", options.inputs, options.length));
    check_tails(streams);
}

void DenseLayer::State::check_outputs(std::size_t rows, const MatrixView<double>& outputs) const {
    if (outputs.rows != rows || outputs.columns != options.neurons)
        throw_error(ErrorCode::invalid_shape, "out",
                    fmt::format("({}, {})", outputs.rows, outputs.columns),
                    fmt::format("(samples, neurons) = ({}, {})", rows, options.neurons));
    if (has_overlapping_elements(outputs))
        throw_error(ErrorCode::invalid_shape, "out",
                    fmt::format("strides ({}, {})", outputs.row_stride, outputs.column_stride),
                    "an array in which no two elements share memory");
}

void DenseLayer::State::check_outputs(const Samples& samples,
                                      const MatrixView<double>& outputs) const {
    check_outputs(row_count(samples), outputs);
    check_apart(std::visit([](const auto& view) { return extent(view); }, samples), outputs,
                "samples");
}

void DenseLayer::State::check_outputs(const StreamView& streams,
                                      const MatrixView<double>& outputs) const {
    check_outputs(streams.rows, outputs);
    // A stream is read over all its words.
    auto reach = extent(MatrixView<const std::uint64_t>{
        streams.words, streams.rows, streams.streams, streams.row_stride, streams.stream_stride});
    reach.second += (words_for(streams.length) - 1) * sizeof(std::uint64_t);
    check_apart(reach, outputs, "streams");
}

void check_sample_numbers(std::uint64_t first, std::size_t count) {
    if (count > 0 && first > std::numeric_limits<std::uint64_t>::max() - (count - 1))
        throw_error(ErrorCode::invalid_value, "sample",
                    fmt::format("{}, and {} rows", first, count),
                    "numbers below 2^64 for all rows");
}

std::size_t DenseBlock::scratch_bytes(const DenseLayer::State& layer, std::size_t samples) {
    const std::size_t run = std::min(kRunWords, padded_words(layer.row_words()));
    const std::size_t streams = run / layer.words_per_stream() + 2;
    return Scratch::bytes<std::uint64_t>(samples * run) +
           3 * Scratch::bytes<std::uint64_t>(streams);
}

void DenseBlock::encode_and_sum(const Samples& samples, const std::uint64_t* key_bases,
                                std::size_t first, std::size_t last, std::int64_t* sums,
                                Scratch& scratch) const {
    const std::size_t per_stream = layer.words_per_stream();
    const std::size_t run = std::min(kRunWords, padded_words(layer.row_words()));
    const std::size_t count = row_count(samples);
    auto* rows = scratch.take<std::uint64_t>(count * run);
    auto* key_a = scratch.take<std::uint64_t>(run / per_stream + 2);
    auto* key_b = scratch.take<std::uint64_t>(run / per_stream + 2);
    auto* thresholds = scratch.take<std::uint64_t>(run / per_stream + 2);

    for (std::size_t begin = first; begin < last; begin += run) {
        const std::size_t words = std::min(run, last - begin);
        const std::size_t first_stream = begin / per_stream;
        const std::size_t streams = (begin + words - 1) / per_stream + 1 - first_stream;
        std::visit(
            [&](const auto& view) {
                for (std::size_t r = 0; r < count; ++r) {
                    for (std::size_t i = 0; i < streams; ++i)
                        thresholds[i] = threshold(layer.coded(view(r, first_stream + i)));
                    kernels.stream_keys(key_bases[r], first_stream, streams, key_a, key_b);
                    std::uint64_t* row = rows + r * run;
                    kernels.encode_bernoulli({.key_a = key_a,
                                              .key_b = key_b,
                                              .thresholds = thresholds,
                                              .words_per_stream = per_stream,
                                              .first_time_word = 0,
                                              .tail_mask = tail_mask(layer.options.length),
                                              .first_word = begin - first_stream * per_stream,
                                              .words = words,
                                              .out = row});
                    std::fill(row + words, row + padded_words(words), 0);
                    job.check();
                }
            },
            samples);
        multiply(rows, run, count, begin, padded_words(words), sums);
    }
}

void DenseBlock::sum_streams(const StreamView& streams, std::int64_t* sums,
                             Scratch& scratch) const {
    const std::size_t per_stream = layer.words_per_stream();
    const std::size_t total = layer.row_words();
    const bool in_place = streams.stream_stride == static_cast<std::ptrdiff_t>(per_stream) &&
                          total % kernels::kGroupWords == 0 && streams.row_stride >= 0;
    const std::size_t run = std::min(kRunWords, padded_words(total));
    auto* rows = in_place ? nullptr : scratch.take<std::uint64_t>(streams.rows * run);
    for (std::size_t begin = 0; begin < total; begin += run) {
        const std::size_t words = std::min(run, total - begin);
        if (in_place) {
            multiply(streams.words + begin, static_cast<std::size_t>(streams.row_stride),
                     streams.rows, begin, words, sums);
            continue;
        }
        for (std::size_t r = 0; r < streams.rows; ++r) {
            std::uint64_t* row = rows + r * run;
            for (std::size_t k = 0; k < words;) {
                const std::size_t stream = (begin + k) / per_stream;
                const std::size_t word = (begin + k) % per_stream;
                const std::size_t part = std::min(per_stream - word, words - k);
                std::copy_n(streams.stream(r, stream) + word, part, row + k);
                k += part;
            }
            std::fill(row + words, row + padded_words(words), 0);
        }
        multiply(rows, run, streams.rows, begin, padded_words(words), sums);
    }
}

void DenseBlock::multiply(const std::uint64_t* rows, std::size_t row_stride, std::size_t row_count,
                          std::size_t first, std::size_t words, std::int64_t* sums) const {
    const std::size_t neurons = layer.options.neurons;
    for (std::size_t neuron = 0; neuron < neurons; neuron += kChunkNeurons) {
        job.check();
        kernels::DenseProduct product = layer.drawn->panels().slice(
            neuron, std::min(kChunkNeurons, neurons - neuron), first, words);
        product.rows = rows;
        product.row_stride = row_stride;
        product.row_count = row_count;
        product.sums = sums + neuron;
        product.sums_stride = neurons;
        switch (layer.options.coding) {
        case Coding::unipolar:
            kernels.dense_and(product);
            break;
        case Coding::bipolar:
            kernels.dense_xor(product);
            break;
        case Coding::split_unipolar:
            kernels.dense_signed(product);
            break;
        }
    }
}

void DenseBlock::finish(std::int64_t* sums, const MatrixView<double>& outputs) const {
    const double factor = layer.factor(layer.options.length);
    for (std::size_t r = 0; r < outputs.rows; ++r) {
        std::int64_t* row = sums + r * layer.options.neurons;
        layer.to_counts(row, layer.options.length);
        const MatrixView<double> out = outputs.rows_from(r, 1);
        const auto linear = [&](std::size_t n) {
            return factor * static_cast<double>(row[n]) + layer.bias[n];
        };
        // The common row, contiguous and without activation, has a loop without choices.
        if (layer.options.activation == Activation::none && out.column_stride == 1)
            for (std::size_t n = 0; n < layer.options.neurons; ++n) out.data[n] = linear(n);
        else
            for (std::size_t n = 0; n < layer.options.neurons; ++n)
                out(0, n) = layer.activate(linear(n));
    }
}

double estimate_nanoseconds(const DenseLayer::State& layer, std::size_t samples) {
    const double words = static_cast<double>(samples) * static_cast<double>(layer.row_words());
    return words * (kEncodeWordNanoseconds +
                    kProductWordNanoseconds * static_cast<double>(layer.options.neurons));
}

double DenseLayer::nanoseconds(std::size_t samples) const noexcept {
    return estimate_nanoseconds(*state_, samples);
}

Partition make_partition(std::size_t samples, std::size_t row_words, int threads,
                         double nanoseconds) {
    const std::size_t workers =
        nanoseconds < kParallelNanoseconds ? 1 : static_cast<std::size_t>(threads);
    const std::size_t row = padded_words(row_words);
    Partition p{};
    // Equal pieces, as many as a multiple of the workers, so that none is left with the last one.
    const std::size_t pieces = std::min(round_up(ceil_div(samples, kBlockSamples), workers),
                                        ceil_div(samples, kTileSamples));
    p.samples = std::min(kBlockSamples, round_up(ceil_div(samples, pieces), kTileSamples));
    p.sample_pieces = ceil_div(samples, p.samples);
    const bool cut_words = row_words != 0 && p.sample_pieces < workers;
    p.words = cut_words
                  ? std::min(row, round_up(ceil_div(row, workers / p.sample_pieces), kWordPiece))
                  : row;
    p.word_pieces = cut_words ? ceil_div(row, p.words) : 1;
    return p;
}

void run_dense(const ExecutionContext& context, const DenseLayer::State& layer,
               const Samples& samples, const MatrixView<double>& outputs,
               std::uint64_t forward_seed, std::uint64_t first_sample, Job& job) {
    const std::size_t total = row_count(samples);
    if (total == 0) return;
    const Partition cut = make_partition(total, layer.row_words(), context.threads(),
                                         estimate_nanoseconds(layer, total));
    const DenseBlock block{layer, context.kernels(), job};
    const std::size_t neurons = layer.options.neurons;
    const std::uint64_t seed = layer.stream_seed(forward_seed);

    // Where words are cut too, each word piece has sums of its own; they meet in the end.
    const std::size_t sums_of_block = cut.samples * neurons;
    const std::size_t block_bytes = DenseBlock::scratch_bytes(layer, cut.samples) +
                                    Scratch::bytes<std::uint64_t>(cut.samples) +
                                    Scratch::bytes<std::int64_t>(sums_of_block);
    const std::size_t pieces = cut.sample_pieces * cut.word_pieces;
    if (pieces > 1)
        context.reserve_scratch(std::min(pieces, static_cast<std::size_t>(context.threads())),
                                block_bytes);
    std::optional<Scratch> shared;
    std::int64_t* partial = nullptr;
    if (cut.word_pieces > 1) {
        shared.emplace(context.scratch(Scratch::bytes<std::int64_t>(pieces * sums_of_block)));
        partial = shared->take<std::int64_t>(pieces * sums_of_block);
    }

    context.parallel_for(pieces, [&](std::size_t piece) {
        const std::size_t first = piece / cut.word_pieces * cut.samples;
        const std::size_t count = std::min(cut.samples, total - first);
        const std::size_t begin = piece % cut.word_pieces * cut.words;
        const std::size_t end = std::min(layer.row_words(), begin + cut.words);

        Scratch scratch = context.scratch(block_bytes);
        auto* bases = scratch.take<std::uint64_t>(cut.samples);
        for (std::size_t r = 0; r < count; ++r)
            bases[r] = key_base(seed, layer.options.id, Role::input, first_sample + first + r);
        std::int64_t* sums =
            partial ? partial + piece * sums_of_block : scratch.take<std::int64_t>(sums_of_block);
        std::fill_n(sums, count * neurons, 0);
        block.encode_and_sum(rows_from(samples, first, count), bases, begin, end, sums, scratch);
        if (partial) return;
        block.finish(sums, outputs.rows_from(first, count));
        job.add_done(count);
    });
    if (!partial) return;

    for (std::size_t piece = 0; piece < pieces; piece += cut.word_pieces) {
        const std::size_t first = piece / cut.word_pieces * cut.samples;
        const std::size_t count = std::min(cut.samples, total - first);
        std::int64_t* sums = partial + piece * sums_of_block;
        for (std::size_t part = 1; part < cut.word_pieces; ++part)
            for (std::size_t i = 0; i < count * neurons; ++i)
                sums[i] += sums[part * sums_of_block + i];
        block.finish(sums, outputs.rows_from(first, count));
        job.add_done(count);
    }
}

namespace {

std::uint64_t forward_seed(const ExecutionContext& context, const ForwardOptions& options) {
    return options.seed.value_or(context.seed());
}

void forward_samples(const ExecutionContext& context, const DenseLayer::State& layer,
                     const Samples& samples, const MatrixView<double>& outputs,
                     const ForwardOptions& options) {
    layer.check_columns(samples);
    layer.check_outputs(samples, outputs);
    const std::size_t count = row_count(samples);
    check_sample_numbers(options.sample, count);
    context.supervise(options.monitor, count, estimate_nanoseconds(layer, count), [&](Job& job) {
        layer.check_values(context, samples, job);
        run_dense(context, layer, samples, outputs, forward_seed(context, options), options.sample,
                  job);
    });
}

}  // namespace

void DenseLayer::forward(const ExecutionContext& context, std::span<const double> sample,
                         std::span<double> output, const ForwardOptions& options) const {
    const Samples samples = one_row(sample);
    const MatrixView<double> outputs = one_row(output);
    state_->check_columns(samples);
    state_->check_outputs(samples, outputs);
    context.supervise(options.monitor, 1, estimate_nanoseconds(*state_, 1), [&](Job& job) {
        state_->check_values(context, samples, job);
        const DenseBlock block{*state_, context.kernels(), job};
        Scratch scratch = context.scratch(DenseBlock::scratch_bytes(*state_, 1) +
                                          Scratch::bytes<std::int64_t>(neurons()));
        auto* sums = scratch.take<std::int64_t>(neurons());
        std::fill_n(sums, neurons(), 0);
        const std::uint64_t base = key_base(state_->stream_seed(forward_seed(context, options)),
                                            id(), Role::input, options.sample);
        block.encode_and_sum(samples, &base, 0, state_->row_words(), sums, scratch);
        block.finish(sums, outputs);
    });
}

void DenseLayer::forward_fast(const ExecutionContext& context, std::span<const double> sample,
                              std::span<double> output, const ForwardOptions& options) const {
    forward_samples(context, *state_, one_row(sample), one_row(output), options);
}

void DenseLayer::forward_batch(const ExecutionContext& context, MatrixView<const double> samples,
                               MatrixView<double> outputs, const ForwardOptions& options) const {
    forward_samples(context, *state_, samples, outputs, options);
}

void DenseLayer::forward_batch(const ExecutionContext& context, MatrixView<const float> samples,
                               MatrixView<double> outputs, const ForwardOptions& options) const {
    forward_samples(context, *state_, samples, outputs, options);
}

std::pair<MatrixView<const double>, MatrixView<double>> as_matrices(std::span<const double> samples,
                                                                    std::size_t inputs,
                                                                    std::span<double> outputs,
                                                                    std::size_t neurons) {
    if (samples.size() % inputs != 0)
        throw_error(ErrorCode::invalid_shape, "samples", fmt::format("{} values", samples.size()),
                    fmt::format("a multiple of {} (inputs)", inputs));
    if (outputs.size() != samples.size() / inputs * neurons)
        throw_error(ErrorCode::invalid_shape, "out", fmt::format("{} values", outputs.size()),
                    fmt::format("{} (samples * neurons)", samples.size() / inputs * neurons));
    return {row_major(samples, inputs), row_major(outputs, neurons)};
}

void DenseLayer::forward_batch(const ExecutionContext& context, std::span<const double> samples,
                               std::span<double> outputs, const ForwardOptions& options) const {
    const auto [x, y] = as_matrices(samples, inputs(), outputs, neurons());
    forward_batch(context, x, y, options);
}

void DenseLayer::forward_prepacked(const ExecutionContext& context, const StreamView& streams,
                                   MatrixView<double> outputs,
                                   const ForwardOptions& options) const {
    const State& layer = *state_;
    layer.check_streams(streams);
    layer.check_outputs(streams, outputs);
    if (streams.rows == 0) return;

    const double nanoseconds = estimate_nanoseconds(layer, streams.rows);
    context.supervise(options.monitor, streams.rows, nanoseconds, [&](Job& job) {
        const DenseBlock block{layer, context.kernels(), job};
        const Partition cut = make_partition(streams.rows, 0, context.threads(), nanoseconds);
        const std::size_t bytes = DenseBlock::scratch_bytes(layer, cut.samples) +
                                  Scratch::bytes<std::int64_t>(cut.samples * neurons());
        if (cut.sample_pieces > 1)
            context.reserve_scratch(
                std::min(cut.sample_pieces, static_cast<std::size_t>(context.threads())), bytes);
        context.parallel_for(cut.sample_pieces, [&](std::size_t piece) {
            const std::size_t first = piece * cut.samples;
            const StreamView part =
                streams.rows_from(first, std::min(cut.samples, streams.rows - first));
            Scratch scratch = context.scratch(bytes);
            auto* sums = scratch.take<std::int64_t>(part.rows * neurons());
            std::fill_n(sums, part.rows * neurons(), 0);
            block.sum_streams(part, sums, scratch);
            block.finish(sums, outputs.rows_from(first, part.rows));
            job.add_done(part.rows);
        });
    });
}

void DenseLayer::State::expect(const ExecutionContext& context, const Samples& samples,
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
    const double* values = means.empty() ? drawn->values().data() : means.data();
    const double unit = factor(1);
    context.parallel_for(ceil_div(outputs.rows, kBlockSamples), [&](std::size_t piece) {
        std::vector<double> x(options.inputs);
        const std::size_t first = piece * kBlockSamples;
        for (std::size_t r = first; r < std::min(outputs.rows, first + kBlockSamples); ++r) {
            job.check();
            std::visit(
                [&](const auto& view) {
                    for (std::size_t i = 0; i < x.size(); ++i) x[i] = decoded(coded(view(r, i)));
                },
                samples);
            for (std::size_t n = 0; n < options.neurons; ++n) {
                const double dot =
                    context.kernels().dot_f64(x.data(), values + n * x.size(), x.size());
                outputs(r, n) = activate(unit * dot + bias[n]);
            }
        }
    });
}

double DenseLayer::State::expected_nanoseconds(std::size_t samples) const {
    return kExpectedNanoseconds * static_cast<double>(samples) *
           static_cast<double>(options.inputs) * static_cast<double>(options.neurons + 10);
}

namespace {

void forward_mean(const ExecutionContext& context, const DenseLayer::State& layer,
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

void DenseLayer::forward_expected(const ExecutionContext& context, MatrixView<const double> samples,
                                  MatrixView<double> outputs, ExpectedWeights weights,
                                  const Monitor& monitor) const {
    forward_mean(context, *state_, samples, outputs, weights, monitor);
}

void DenseLayer::forward_expected(const ExecutionContext& context, MatrixView<const float> samples,
                                  MatrixView<double> outputs, ExpectedWeights weights,
                                  const Monitor& monitor) const {
    forward_mean(context, *state_, samples, outputs, weights, monitor);
}

StreamArray DenseLayer::encode(const ExecutionContext& context, std::span<const double> sample,
                               const ForwardOptions& options) const {
    state_->check_columns(one_row(sample));
    state_->check_values(context, one_row(sample), Job());
    std::vector<double> probabilities(sample.size());
    for (std::size_t i = 0; i < sample.size(); ++i) probabilities[i] = state_->coded(sample[i]);
    return bitaxon::encode(context, probabilities, length(), Coding::unipolar,
                           {.seed = state_->stream_seed(forward_seed(context, options)),
                            .layer = id(),
                            .role = Role::input,
                            .sample = options.sample,
                            .first_index = 0});
}

}  // namespace bitaxon
