// Attention over whole streams: for a block of queries of one head, all scores, their softmax, then
// what passes the gates. Streams are made a stretch of time after another, so that what is held
// stays in the cache, whatever the length or the number of tokens.
#include "attention_state.hpp"
#include "softmax.hpp"

#include <algorithm>
#include <cmath>

namespace bitaxon {
namespace {

constexpr std::size_t kPanelWords = 1 << 16;   // of keys or values, held at a time
constexpr std::size_t kBlockScores = 1 << 18;  // of a block of queries
constexpr std::size_t kBlockQueries = 256;     // at most
constexpr std::size_t kTileQueries = 16;       // encoded at a time
constexpr std::size_t kBlockCounters = 1 << 16;
constexpr std::size_t kBlockSamples = 128;

constexpr double kEncodeWordNanoseconds = 2.6;
constexpr double kProductWordNanoseconds = 0.06;
constexpr double kExpectedNanoseconds = 0.3;  // of a product of floats

// Words of a stream to hold at a time, where `streams` are held together.
std::size_t words_at_a_time(std::size_t streams, std::size_t words) {
    return std::clamp<std::size_t>(kPanelWords / streams, 1, words);
}

// Rows of a tile, whose padding is never written.
std::uint64_t* take_rows(Scratch& scratch, std::size_t row_words) {
    auto* rows = scratch.take<std::uint64_t>(kTileQueries * row_words);
    std::fill_n(rows, kTileQueries * row_words, 0);
    return rows;
}

std::uint64_t* take_panels(Scratch& scratch, std::size_t rows, std::size_t row_words) {
    return scratch.take<std::uint64_t>(BitPanels::word_count(rows, row_words));
}

}  // namespace

std::size_t AttentionState::block_samples() const {
    return std::clamp<std::size_t>(kBlockCounters / outputs(), 1, kBlockSamples);
}

std::size_t AttentionState::block_queries() const {
    return std::min(queries(),
                    std::clamp<std::size_t>(kBlockScores / tokens(), kTileQueries, kBlockQueries));
}

AttentionState::Part AttentionState::block(std::size_t head, std::size_t number,
                                           std::uint64_t bits) const {
    const std::size_t first = number * block_queries();
    return {.head = head,
            .first = first,
            .last = std::min(queries(), first + block_queries()),
            .bits = bits,
            .t = 0,
            .words = words_for(bits)};
}

double AttentionState::nanoseconds(std::size_t samples) const {
    const auto words = static_cast<double>(samples * words_per_stream());
    const double pairs = static_cast<double>(heads() * queries()) * static_cast<double>(tokens());
    return words * (kEncodeWordNanoseconds *
                        (static_cast<double>(inputs()) * static_cast<double>(blocks()) + pairs) +
                    2 * kProductWordNanoseconds * pairs * static_cast<double>(options_.head_width));
}

double AttentionState::expected_nanoseconds(std::size_t samples) const {
    return kExpectedNanoseconds * static_cast<double>(samples * heads() * queries()) *
           static_cast<double>(tokens()) * static_cast<double>(10 + 2 * options_.head_width);
}

// Scores and thresholds of a block, and what its parts need in turn: rows of the one operand and
// panels of the other.
std::size_t AttentionState::block_bytes(const Part& block) const {
    const std::size_t columns = options_.head_width;
    const std::size_t seen = visible(block);
    const auto words = [](std::size_t count) { return Scratch::bytes<std::uint64_t>(count); };
    const std::size_t key_words = padded_words(columns * score_words(block));
    const std::size_t value_words = padded_words(seen * gate_words(block));
    return 2 * words(block.queries() * seen) +
           std::max(
               {words(kTileQueries * key_words) + words(BitPanels::word_count(seen, key_words)),
                2 * words(seen),
                words(kTileQueries * value_words) + words(columns * gate_words(block)) +
                    words(BitPanels::word_count(columns, value_words)) + 2 * words(seen) +
                    words(kTileQueries * columns)});
}

std::size_t AttentionState::scratch_bytes(std::size_t) const {
    std::size_t most = 0;
    for (std::size_t number = 0; number < blocks(); ++number)
        most = std::max(most, block_bytes(block(0, number, options.length)));
    return most + 3 * Scratch::bytes<std::uint64_t>(options_.head_width);
}

// Words of a stream to hold at a time: of a block's keys, and of its values and gates.
std::size_t AttentionState::score_words(const Part& block) const {
    return words_at_a_time(visible(block) * options_.head_width, words_for(block.bits));
}

std::size_t AttentionState::gate_words(const Part& block) const {
    return words_at_a_time(visible(block) * std::max(options_.head_width, kTileQueries),
                           words_for(block.bits));
}

void AttentionState::add_scores(const Engine& engine, const Fill& fill, const Part& part,
                                std::int64_t* scores, Scratch& scratch) const {
    const std::size_t mark = scratch.used();
    const std::size_t columns = options_.head_width;
    const std::size_t seen = visible(part);
    const Place key = place(Operand::key, part.head);
    const Place query = place(Operand::query, part.head);
    const std::size_t row_words = padded_words(columns * part.words);
    auto* rows = take_rows(scratch, row_words);
    BitPanels keys(seen, row_words, take_panels(scratch, seen, row_words));
    for (std::size_t j = 0; j < seen; ++j) {
        fill(key.of(j), columns, part.t, part.words, rows);
        keys.write(j, 0, rows, columns * part.words);
    }
    for (std::size_t first = part.first; first < part.last; first += kTileQueries) {
        engine.job.check();
        const std::size_t count = std::min(kTileQueries, part.last - first);
        for (std::size_t r = 0; r < count; ++r)
            fill(query.of(first + r), columns, part.t, part.words, rows + r * row_words);
        kernels::DenseProduct product = keys.slice(0, seen, 0, row_words);
        product.rows = rows;
        product.row_stride = row_words;
        product.row_count = count;
        product.sums = scores + (first - part.first) * seen;
        product.sums_stride = seen;
        (engine.kernels.*product_of(options.coding))(product);
    }
    scratch.rewind(mark);
}

void AttentionState::set_thresholds(const Part& part, const std::int64_t* scores,
                                    std::uint64_t bits, std::uint64_t* thresholds,
                                    Scratch& scratch) const {
    const std::size_t mark = scratch.used();
    const std::size_t seen = visible(part);
    // Bits that differ count down, twice.
    const std::int64_t sign = options.coding == Coding::bipolar ? -2 : 1;
    const double unit =
        options.input_range * options.input_range /
        (static_cast<double>(bits) * std::sqrt(static_cast<double>(options_.head_width)));
    auto* products = scratch.take<std::int64_t>(seen);
    auto* probabilities = scratch.take<double>(seen);
    for (std::size_t r = 0; r < part.queries(); ++r, scores += seen, thresholds += seen) {
        const std::size_t count = this->seen(part.first + r);
        for (std::size_t j = 0; j < count; ++j) products[j] = sign * scores[j];
        softmax(products, count, unit, probabilities);
        for (std::size_t j = 0; j < seen; ++j)
            thresholds[j] = j < count ? threshold(probabilities[j]) : 0;
    }
    scratch.rewind(mark);
}

void AttentionState::add_values(const Engine& engine, const Fill& fill, std::uint64_t key_base,
                                const Part& part, const std::uint64_t* thresholds,
                                std::int64_t* sums, Scratch& scratch) const {
    const std::size_t mark = scratch.used();
    const std::size_t columns = options_.head_width;
    const std::size_t seen = visible(part);
    const Place value = place(Operand::value, part.head);
    const std::size_t row_words = padded_words(seen * part.words);
    auto* rows = take_rows(scratch, row_words);
    auto* token = scratch.take<std::uint64_t>(columns * part.words);
    BitPanels values(columns, row_words, take_panels(scratch, columns, row_words));
    for (std::size_t j = 0; j < seen; ++j) {
        fill(value.of(j), columns, part.t, part.words, token);
        for (std::size_t c = 0; c < columns; ++c)
            values.write(c, j * part.words, token + c * part.words, part.words);
    }
    auto* key_a = scratch.take<std::uint64_t>(seen);
    auto* key_b = scratch.take<std::uint64_t>(seen);
    auto* passed = scratch.take<std::int64_t>(kTileQueries * columns);
    const std::uint64_t mask =
        part.t + part.words == words_for(part.bits) ? tail_mask(part.bits) : ~std::uint64_t{0};
    for (std::size_t first = part.first; first < part.last; first += kTileQueries) {
        engine.job.check();
        const std::size_t count = std::min(kTileQueries, part.last - first);
        for (std::size_t r = 0; r < count; ++r) {
            const std::size_t pairs = (part.head * queries() + first + r) * tokens();
            engine.kernels.stream_keys(key_base, inputs() + pairs, seen, key_a, key_b);
            engine.kernels.encode_bernoulli(
                {.key_a = key_a,
                 .key_b = key_b,
                 .thresholds = thresholds + (first + r - part.first) * seen,
                 .words_per_stream = part.words,
                 .first_time_word = part.t,
                 .tail_mask = mask,
                 .first_word = 0,
                 .words = seen * part.words,
                 .out = rows + r * row_words});
        }
        kernels::DenseProduct product = values.slice(0, columns, 0, row_words);
        product.rows = rows;
        product.row_stride = row_words;
        product.row_count = count;
        product.sums = passed;
        product.sums_stride = columns;
        std::fill_n(passed, kTileQueries * columns, 0);
        engine.kernels.dense_and(product);
        for (std::size_t r = 0; r < count; ++r) {
            std::int64_t* out = sums + (first + r) * width() + part.head * columns;
            // An open gate passes 1 or, where the value's bit is 0, -1.
            const bool bipolar = options.coding == Coding::bipolar;
            const auto open = bipolar ? static_cast<std::int64_t>(engine.kernels.popcount(
                                            rows + r * row_words, row_words))
                                      : 0;
            for (std::size_t c = 0; c < columns; ++c)
                out[c] += bipolar ? 2 * passed[r * columns + c] - open : passed[r * columns + c];
        }
    }
    scratch.rewind(mark);
}

void AttentionState::attend(const Engine& engine, const Fill& fill, std::uint64_t key_base,
                            Part block, std::int64_t* sums, Scratch& scratch) const {
    const std::size_t mark = scratch.used();
    const std::size_t words = block.words;
    const std::size_t pairs = block.queries() * visible(block);
    auto* scores = scratch.take<std::int64_t>(pairs);
    auto* thresholds = scratch.take<std::uint64_t>(pairs);
    std::fill_n(scores, pairs, 0);
    const auto for_time = [&](std::size_t step, auto add) {
        for (block.t = 0; block.t < words; block.t += step) {
            block.words = std::min(step, words - block.t);
            add();
        }
    };
    for_time(score_words(block), [&] { add_scores(engine, fill, block, scores, scratch); });
    set_thresholds(block, scores, block.bits, thresholds, scratch);
    for_time(gate_words(block),
             [&] { add_values(engine, fill, key_base, block, thresholds, sums, scratch); });
    scratch.rewind(mark);
}

void AttentionState::attend_sample(const SampleBlock& work, const Fill& fill, std::size_t r) const {
    for (std::size_t head = 0; head < heads(); ++head)
        for (std::size_t number = 0; number < blocks(); ++number)
            attend(work.engine, fill, work.key_bases[r], block(head, number, options.length),
                   work.counters + r * outputs(), work.scratch);
}

template <class Call>
void AttentionState::with_encoder(const Engine& engine, const Samples& sample,
                                  std::uint64_t key_base, Scratch& scratch, Call call) const {
    const std::size_t mark = scratch.used();
    std::visit(
        [&](const auto& view) {
            call(encoder(
                engine, key_base, options.length,
                [&](std::size_t index) { return threshold(coded(view(0, index))); }, scratch));
        },
        sample);
    scratch.rewind(mark);
}

void AttentionState::encode_and_sum(const Samples& samples, const SampleBlock& block) const {
    for (std::size_t r = 0; r < row_count(samples); ++r)
        with_encoder(block.engine, rows_from(samples, r, 1), block.key_bases[r], block.scratch,
                     [&](const Fill& fill) { attend_sample(block, fill, r); });
}

void AttentionState::sum_streams(const StreamView& streams, const SampleBlock& block) const {
    for (std::size_t r = 0; r < streams.rows; ++r)
        attend_sample(
            block,
            [&](std::size_t index, std::size_t count, std::size_t t, std::size_t words,
                std::uint64_t* out) {
                for (std::size_t i = 0; i < count; ++i)
                    std::copy_n(streams.stream(r, index + i) + t, words, out + i * words);
            },
            r);
}

void AttentionState::finish(std::int64_t* counters, const MatrixView<double>& outputs) const {
    const double unit = factor(options.length);
    for (std::size_t r = 0; r < outputs.rows; ++r)
        for (std::size_t n = 0; n < outputs.columns; ++n)
            outputs(r, n) = unit * static_cast<double>(*counters++);
}

// Some samples at a time, as many as keep all threads busy; a piece is a block of queries of one
// head, whose keys and values it encodes itself.
void AttentionState::run(const ExecutionContext& context, const Samples& samples,
                         const MatrixView<double>& outputs, const ForwardNames& names,
                         Job& job) const {
    const std::size_t total = row_count(samples);
    const std::size_t workers = workers_for(context.threads(), nanoseconds(total));
    const std::size_t pieces = heads() * blocks();
    const std::size_t window =
        std::min(total, std::max(block_samples(), ceil_div(4 * workers, pieces)));
    const Engine engine{context.kernels(), job};
    const std::size_t bytes = scratch_bytes(1);
    Scratch shared = context.scratch(Scratch::bytes<std::int64_t>(window * this->outputs()));
    auto* counts = shared.take<std::int64_t>(window * this->outputs());
    for (std::size_t first = 0; first < total; first += window) {
        const std::size_t count = std::min(window, total - first);
        std::fill_n(counts, count * this->outputs(), 0);
        auto attend_piece = [&](std::size_t piece) {
            const std::size_t r = piece / pieces;
            const std::size_t head = piece % pieces / blocks();
            const std::uint64_t base = sample_key(names, first + r);
            Scratch scratch = context.scratch(bytes);
            with_encoder(
                engine, rows_from(samples, first + r, 1), base, scratch, [&](const Fill& fill) {
                    attend(engine, fill, base, block(head, piece % blocks(), options.length),
                           counts + r * this->outputs(), scratch);
                });
        };
        if (workers == 1) {
            for (std::size_t piece = 0; piece < count * pieces; ++piece) attend_piece(piece);
        } else {
            context.reserve_scratch(std::min(count * pieces, workers), bytes);
            context.parallel_for(count * pieces, attend_piece);
        }
        finish(counts, outputs.rows_from(first, count));
        job.add_done(count);
    }
}

void AttentionState::expect_probabilities(const kernels::KernelTable& kernels, const double* x,
                                          std::size_t head, std::size_t query,
                                          double* probabilities) const {
    const std::size_t columns = options_.head_width;
    const double unit =
        options.input_range * options.input_range / std::sqrt(static_cast<double>(columns));
    const double* q = x + place(Operand::query, head).of(query);
    const Place key = place(Operand::key, head);
    for (std::size_t j = 0; j < seen(query); ++j)
        probabilities[j] = kernels.dot_f64(q, x + key.of(j), columns);
    softmax(probabilities, seen(query), unit, probabilities);
}

void AttentionState::expect_sums(const kernels::KernelTable& kernels, const double* x,
                                 const double*, double* sums) const {
    const std::size_t columns = options_.head_width;
    std::vector<double> probabilities(tokens());
    for (std::size_t head = 0; head < heads(); ++head)
        for (std::size_t i = 0; i < queries(); ++i) {
            expect_probabilities(kernels, x, head, i, probabilities.data());
            double* out = sums + i * width() + head * columns;
            std::fill_n(out, columns, 0.0);
            for (std::size_t j = 0; j < seen(i); ++j) {
                const double* value = x + place(Operand::value, head).of(j);
                for (std::size_t c = 0; c < columns; ++c)
                    out[c] += options.input_range * probabilities[j] * value[c];
            }
        }
}

}  // namespace bitaxon
