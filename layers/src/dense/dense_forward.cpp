// A dense layer's sums over whole streams: encode a run of words of some samples into scratch that
// stays in the cache, multiply it with the panels, add. Memory is bounded by the run, not by the
// length, the inputs or the number of samples.
#include "dense_state.hpp"

#include <algorithm>

namespace bitaxon {
namespace {

constexpr std::size_t kRunWords = 1024;     // of one sample, encoded and multiplied at a time
constexpr std::size_t kBlockSamples = 128;  // at most: with kRunWords 1 MiB of scratch
constexpr std::size_t kChunkNeurons = 256;  // between two looks at the stop token
constexpr std::size_t kWordPiece = 256;     // the least worth giving to another thread

}  // namespace

std::size_t DenseState::block_samples() const { return kBlockSamples; }

std::size_t DenseState::scratch_bytes(std::size_t samples) const {
    const std::size_t run = std::min(kRunWords, padded_words(product_words()));
    const std::size_t streams = run / words_per_stream() + 2;
    return Scratch::bytes<std::uint64_t>(samples * run) +
           3 * Scratch::bytes<std::uint64_t>(streams);
}

void DenseState::encode_and_sum(const Samples& samples, const SampleBlock& block) const {
    encode_and_sum_words(samples, block, 0, product_words());
}

void DenseState::encode_and_sum_words(const Samples& samples, const SampleBlock& block,
                                      std::size_t first, std::size_t last) const {
    Scratch& scratch = block.scratch;
    const Engine& engine = block.engine;
    const std::size_t per_stream = words_per_stream();
    const std::size_t run = std::min(kRunWords, padded_words(product_words()));
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
                        thresholds[i] = threshold(coded(view(r, first_stream + i)));
                    engine.kernels.stream_keys(block.key_bases[r], first_stream, streams, key_a,
                                               key_b);
                    std::uint64_t* row = rows + r * run;
                    engine.kernels.encode_bernoulli(
                        {.key_a = key_a,
                         .key_b = key_b,
                         .thresholds = thresholds,
                         .words_per_stream = per_stream,
                         .first_time_word = 0,
                         .tail_mask = tail_mask(options.length),
                         .first_word = begin - first_stream * per_stream,
                         .words = words,
                         .out = row});
                    std::fill(row + words, row + padded_words(words), 0);
                    engine.job.check();
                }
            },
            samples);
        multiply(engine, drawn->panels(), rows, run, count, begin, padded_words(words),
                 block.counters);
    }
}

void DenseState::sum_streams(const StreamView& streams, const SampleBlock& block) const {
    const std::size_t per_stream = words_per_stream();
    const std::size_t total = product_words();
    const bool in_place = streams.stream_stride == static_cast<std::ptrdiff_t>(per_stream) &&
                          total % kernels::kGroupWords == 0 && streams.row_stride >= 0;
    const std::size_t run = std::min(kRunWords, padded_words(total));
    auto* rows = in_place ? nullptr : block.scratch.take<std::uint64_t>(streams.rows * run);
    for (std::size_t begin = 0; begin < total; begin += run) {
        const std::size_t words = std::min(run, total - begin);
        if (in_place) {
            multiply(block.engine, drawn->panels(), streams.words + begin,
                     static_cast<std::size_t>(streams.row_stride), streams.rows, begin, words,
                     block.counters);
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
        multiply(block.engine, drawn->panels(), rows, run, streams.rows, begin, padded_words(words),
                 block.counters);
    }
}

void DenseState::multiply(const Engine& engine, const SignedPanels& panels,
                          const std::uint64_t* rows, std::size_t row_stride, std::size_t row_count,
                          std::size_t first, std::size_t words, std::int64_t* sums) const {
    const std::size_t neurons = shape.rows;
    for (std::size_t neuron = 0; neuron < neurons; neuron += kChunkNeurons) {
        engine.job.check();
        kernels::DenseProduct product =
            panels.slice(neuron, std::min(kChunkNeurons, neurons - neuron), first, words);
        product.rows = rows;
        product.row_stride = row_stride;
        product.row_count = row_count;
        product.sums = sums + neuron;
        product.sums_stride = neurons;
        (engine.kernels.*product_of(options.coding))(product);
    }
}

void DenseState::to_counts(std::int64_t* sums, std::size_t rows, std::uint64_t bits) const {
    const auto products = static_cast<std::int64_t>(shape.fan_in * bits);
    const auto word_bits = static_cast<std::int64_t>(64 * words_for(bits));
    for (std::size_t r = 0; r < rows; ++r, sums += shape.rows) {
        if (options.coding == Coding::bipolar)
            for (std::size_t n = 0; n < shape.rows; ++n) sums[n] = products - 2 * sums[n];
        if (options.coding == Coding::split_unipolar)
            for (std::size_t n = 0; n < shape.rows; ++n)
                sums[n] -= word_bits * static_cast<std::int64_t>(drawn->panels().negatives(n, 0));
    }
}

void DenseState::finish(std::int64_t* counters, const MatrixView<double>& outputs) const {
    const double unit = factor(options.length);
    to_counts(counters, outputs.rows, options.length);
    for (std::size_t r = 0; r < outputs.rows; ++r) {
        const std::int64_t* row = counters + r * shape.rows;
        const MatrixView<double> out = outputs.rows_from(r, 1);
        const auto linear = [&](std::size_t n) {
            return unit * static_cast<double>(row[n]) + bias[n];
        };
        // The common row, contiguous and without activation, has a loop without choices.
        if (options.activation == Activation::none && out.column_stride == 1)
            for (std::size_t n = 0; n < shape.rows; ++n) out.data[n] = linear(n);
        else
            for (std::size_t n = 0; n < shape.rows; ++n) out(0, n) = activate(linear(n));
    }
}

// Where there are fewer pieces of samples than threads, words are cut too; each word piece has sums
// of its own, and they meet in the end.
void DenseState::run(const ExecutionContext& context, const Samples& samples,
                     const MatrixView<double>& outputs, const ForwardNames& names, Job& job) const {
    const std::size_t total = row_count(samples);
    const std::size_t workers = workers_for(context.threads(), nanoseconds(total));
    const Partition cut =
        make_partition(total, kBlockSamples, context.threads(), nanoseconds(total));
    const std::size_t row = padded_words(product_words());
    const std::size_t piece_words =
        cut.pieces < workers
            ? std::min(row, round_up(ceil_div(row, workers / cut.pieces), kWordPiece))
            : row;
    const std::size_t word_pieces = ceil_div(row, piece_words);
    const Engine engine{context.kernels(), job};
    const std::size_t neurons = shape.rows;

    const std::size_t sums_of_block = cut.samples * neurons;
    const std::size_t block_bytes = scratch_bytes(cut.samples) +
                                    Scratch::bytes<std::uint64_t>(cut.samples) +
                                    Scratch::bytes<std::int64_t>(sums_of_block);
    const std::size_t pieces = cut.pieces * word_pieces;
    if (pieces > 1)
        context.reserve_scratch(std::min(pieces, static_cast<std::size_t>(context.threads())),
                                block_bytes);
    std::optional<Scratch> shared;
    std::int64_t* partial = nullptr;
    if (word_pieces > 1) {
        shared.emplace(context.scratch(Scratch::bytes<std::int64_t>(pieces * sums_of_block)));
        partial = shared->take<std::int64_t>(pieces * sums_of_block);
    }

    context.parallel_for(pieces, [&](std::size_t piece) {
        const std::size_t first = piece / word_pieces * cut.samples;
        const std::size_t count = std::min(cut.samples, total - first);
        const std::size_t begin = piece % word_pieces * piece_words;
        const std::size_t end = std::min(product_words(), begin + piece_words);

        Scratch scratch = context.scratch(block_bytes);
        auto* bases = scratch.take<std::uint64_t>(cut.samples);
        for (std::size_t r = 0; r < count; ++r) bases[r] = sample_key(names, first + r);
        std::int64_t* sums =
            partial ? partial + piece * sums_of_block : scratch.take<std::int64_t>(sums_of_block);
        std::fill_n(sums, count * neurons, 0);
        encode_and_sum_words(rows_from(samples, first, count), {engine, bases, sums, scratch},
                             begin, end);
        if (partial) return;
        finish(sums, outputs.rows_from(first, count));
        job.add_done(count);
    });
    if (!partial) return;

    for (std::size_t piece = 0; piece < pieces; piece += word_pieces) {
        const std::size_t first = piece / word_pieces * cut.samples;
        const std::size_t count = std::min(cut.samples, total - first);
        std::int64_t* sums = partial + piece * sums_of_block;
        for (std::size_t part = 1; part < word_pieces; ++part)
            for (std::size_t i = 0; i < count * neurons; ++i)
                sums[i] += sums[part * sums_of_block + i];
        finish(sums, outputs.rows_from(first, count));
        job.add_done(count);
    }
}

void DenseState::expect_sums(const kernels::KernelTable& kernels, const double* x,
                             const double* values, double* sums) const {
    for (std::size_t n = 0; n < shape.rows; ++n)
        sums[n] = kernels.dot_f64(x, values + n * shape.fan_in, shape.fan_in);
}

void DenseState::pull_back(const double*, const double* gradient, const double* values,
                           double* out) const {
    for (std::size_t n = 0; n < shape.rows; ++n)
        for (std::size_t i = 0; i < shape.fan_in; ++i)
            out[i] += gradient[n] * values[n * shape.fan_in + i];
}

}  // namespace bitaxon
