// Attention over whole streams: for a block of queries of one head, all scores, their softmax, then
// what passes the gates. Streams are made a stretch of time after another, so that what is held
// stays in the cache, whatever the length or the number of tokens.
#include "attention_state.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>

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

std::size_t ceil_div(std::size_t a, std::size_t b) { return (a + b - 1) / b; }

// 1/k!
constexpr auto kInverseFactorials = [] {
    std::array<double, 14> result{1.0};
    double factorial = 1.0;  // exact
    for (std::size_t k = 1; k < result.size(); ++k) {
        factorial *= static_cast<double>(k);
        result[k] = 1.0 / factorial;
    }
    return result;
}();

// exp(x) for x <= 0. Bits are drawn by what this gives, so it must not depend on the C library:
// 2^n times the Taylor series of what is left, |r| < 0.35, whose next term is below 2^-57.
double exp_below(double x) {
    if (x < -700.0) return 0.0;
    constexpr double kLn2High = 0x1.62e42fefa38p-1;  // 42 bits: n times it is exact
    constexpr double kLn2Low = 0x1.ef35793c7673p-45;
    const double n = std::nearbyint(x * std::numbers::log2e);
    const double r = (x - n * kLn2High) - n * kLn2Low;
    double sum = 0.0;
    for (std::size_t k = kInverseFactorials.size(); k-- > 0;) sum = sum * r + kInverseFactorials[k];
    return std::ldexp(sum, static_cast<int>(n));
}

// Probabilities of scores times a unit. Equal to the largest is 1 before the division, even where
// the unit is infinite.
template <class Score>
void softmax(const Score* scores, std::size_t count, double unit, double* probabilities) {
    const Score largest = *std::max_element(scores, scores + count);
    double sum = 0.0;
    for (std::size_t j = 0; j < count; ++j) {
        const auto below = static_cast<double>(scores[j] - largest);
        probabilities[j] = below == 0.0 ? 1.0 : exp_below(below * unit);
        sum += probabilities[j];
    }
    for (std::size_t j = 0; j < count; ++j) probabilities[j] /= sum;
}

// Words of a stream to hold at a time, where `streams` are held together.
std::size_t words_at_a_time(std::size_t streams, std::size_t words) {
    return std::clamp<std::size_t>(kPanelWords / streams, 1, words);
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

void AttentionState::add_scores(const Engine& engine, const Fill& fill, const Part& part,
                                std::int64_t* scores) const {
    const std::size_t columns = options_.head_width;
    const std::size_t seen = visible(part);
    const Place key = place(Operand::key, part.head);
    const Place query = place(Operand::query, part.head);
    const std::size_t row_words = padded_words(columns * part.words);
    AlignedWords rows(kTileQueries * row_words);
    BitPanels keys(seen, row_words);
    for (std::size_t j = 0; j < seen; ++j) {
        fill(key.of(j), columns, part.t, part.words, rows.data());
        keys.write(j, 0, rows.data(), columns * part.words);
    }
    for (std::size_t first = part.first; first < part.last; first += kTileQueries) {
        engine.job.check();
        const std::size_t count = std::min(kTileQueries, part.last - first);
        for (std::size_t r = 0; r < count; ++r)
            fill(query.of(first + r), columns, part.t, part.words, rows.data() + r * row_words);
        kernels::DenseProduct product = keys.slice(0, seen, 0, row_words);
        product.rows = rows.data();
        product.row_stride = row_words;
        product.row_count = count;
        product.sums = scores + (first - part.first) * seen;
        product.sums_stride = seen;
        if (options.coding == Coding::bipolar)
            engine.kernels.dense_xor(product);
        else
            engine.kernels.dense_and(product);
    }
}

void AttentionState::set_thresholds(const Part& part, const std::int64_t* scores,
                                    std::uint64_t bits, std::uint64_t* thresholds) const {
    const std::size_t seen = visible(part);
    // Bits that differ count down, twice.
    const std::int64_t sign = options.coding == Coding::bipolar ? -2 : 1;
    const double unit =
        options.input_range * options.input_range /
        (static_cast<double>(bits) * std::sqrt(static_cast<double>(options_.head_width)));
    std::vector<std::int64_t> products(seen);
    std::vector<double> probabilities(seen);
    for (std::size_t r = 0; r < part.queries(); ++r, scores += seen, thresholds += seen) {
        const std::size_t count = options_.causal ? part.first + r + 1 : seen;
        for (std::size_t j = 0; j < count; ++j) products[j] = sign * scores[j];
        softmax(products.data(), count, unit, probabilities.data());
        for (std::size_t j = 0; j < seen; ++j)
            thresholds[j] = j < count ? threshold(probabilities[j]) : 0;
    }
}

void AttentionState::add_values(const Engine& engine, const Fill& fill, std::uint64_t key_base,
                                const Part& part, const std::uint64_t* thresholds,
                                std::int64_t* sums) const {
    const std::size_t columns = options_.head_width;
    const std::size_t seen = visible(part);
    const Place value = place(Operand::value, part.head);
    const std::size_t row_words = padded_words(seen * part.words);
    AlignedWords rows(kTileQueries * row_words);
    AlignedWords token(columns * part.words);
    BitPanels values(columns, row_words);
    for (std::size_t j = 0; j < seen; ++j) {
        fill(value.of(j), columns, part.t, part.words, token.data());
        for (std::size_t c = 0; c < columns; ++c)
            values.write(c, j * part.words, token.data() + c * part.words, part.words);
    }
    std::vector<std::uint64_t> key_a(seen), key_b(seen);
    std::vector<std::int64_t> passed(kTileQueries * columns);
    const std::uint64_t mask =
        part.t + part.words == words_for(part.bits) ? tail_mask(part.bits) : ~std::uint64_t{0};
    for (std::size_t first = part.first; first < part.last; first += kTileQueries) {
        engine.job.check();
        const std::size_t count = std::min(kTileQueries, part.last - first);
        for (std::size_t r = 0; r < count; ++r) {
            const std::size_t pairs = (part.head * queries() + first + r) * tokens();
            engine.kernels.stream_keys(key_base, inputs() + pairs, seen, key_a.data(),
                                       key_b.data());
            engine.kernels.encode_bernoulli(
                {.key_a = key_a.data(),
                 .key_b = key_b.data(),
                 .thresholds = thresholds + (first + r - part.first) * seen,
                 .words_per_stream = part.words,
                 .first_time_word = part.t,
                 .tail_mask = mask,
                 .first_word = 0,
                 .words = seen * part.words,
                 .out = rows.data() + r * row_words});
        }
        kernels::DenseProduct product = values.slice(0, columns, 0, row_words);
        product.rows = rows.data();
        product.row_stride = row_words;
        product.row_count = count;
        product.sums = passed.data();
        product.sums_stride = columns;
        std::ranges::fill(passed, 0);
        engine.kernels.dense_and(product);
        for (std::size_t r = 0; r < count; ++r) {
            std::int64_t* out = sums + (first + r) * width() + part.head * columns;
            // An open gate passes 1 or, where the value's bit is 0, -1.
            const bool bipolar = options.coding == Coding::bipolar;
            const auto open = bipolar ? static_cast<std::int64_t>(engine.kernels.popcount(
                                            rows.data() + r * row_words, row_words))
                                      : 0;
            for (std::size_t c = 0; c < columns; ++c)
                out[c] += bipolar ? 2 * passed[r * columns + c] - open : passed[r * columns + c];
        }
    }
}

void AttentionState::attend(const Engine& engine, const Fill& fill, std::uint64_t key_base,
                            Part block, std::int64_t* sums) const {
    const std::size_t words = block.words;
    const std::size_t seen = visible(block);
    std::vector<std::int64_t> scores(block.queries() * seen);
    std::vector<std::uint64_t> thresholds(scores.size());
    const auto for_time = [&](std::size_t step, auto add) {
        for (block.t = 0; block.t < words; block.t += step) {
            block.words = std::min(step, words - block.t);
            add();
        }
    };
    for_time(words_at_a_time(seen * options_.head_width, words),
             [&] { add_scores(engine, fill, block, scores.data()); });
    set_thresholds(block, scores.data(), block.bits, thresholds.data());
    for_time(words_at_a_time(seen * std::max(options_.head_width, kTileQueries), words),
             [&] { add_values(engine, fill, key_base, block, thresholds.data(), sums); });
}

void AttentionState::attend_sample(const Engine& engine, const Fill& fill, std::uint64_t key_base,
                                   std::int64_t* sums) const {
    for (std::size_t head = 0; head < heads(); ++head)
        for (std::size_t number = 0; number < blocks(); ++number)
            attend(engine, fill, key_base, block(head, number, options.length), sums);
}

AttentionState::Fill AttentionState::encode_sample(const Engine& engine, const Samples& sample,
                                                   std::uint64_t key_base) const {
    return std::visit(
        [&](const auto& view) -> Fill {
            return encoder(engine, key_base, options.length, [this, view](std::size_t index) {
                return threshold(coded(view(0, index)));
            });
        },
        sample);
}

void AttentionState::encode_and_sum(const Engine& engine, const Samples& samples,
                                    const std::uint64_t* key_bases, std::int64_t* counters,
                                    Scratch&) const {
    for (std::size_t r = 0; r < row_count(samples); ++r)
        attend_sample(engine, encode_sample(engine, rows_from(samples, r, 1), key_bases[r]),
                      key_bases[r], counters + r * outputs());
}

void AttentionState::sum_streams(const Engine& engine, const StreamView& streams,
                                 const std::uint64_t* key_bases, std::int64_t* counters,
                                 Scratch&) const {
    for (std::size_t r = 0; r < streams.rows; ++r)
        attend_sample(
            engine,
            [&streams, r](std::size_t index, std::size_t count, std::size_t t, std::size_t words,
                          std::uint64_t* out) {
                for (std::size_t i = 0; i < count; ++i)
                    std::copy_n(streams.stream(r, index + i) + t, words, out + i * words);
            },
            key_bases[r], counters + r * outputs());
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
                         const MatrixView<double>& outputs, std::uint64_t forward_seed,
                         std::uint64_t first_sample, Job& job) const {
    const std::size_t total = row_count(samples);
    const std::size_t workers = workers_for(context.threads(), nanoseconds(total));
    const std::size_t pieces = heads() * blocks();
    const std::size_t window =
        std::min(total, std::max(block_samples(), ceil_div(4 * workers, pieces)));
    const Engine engine{context.kernels(), job};
    const std::uint64_t seed = stream_seed(forward_seed);
    std::vector<std::int64_t> counts(window * this->outputs());
    for (std::size_t first = 0; first < total; first += window) {
        const std::size_t count = std::min(window, total - first);
        std::ranges::fill(counts, 0);
        auto attend_piece = [&](std::size_t piece) {
            const std::size_t r = piece / pieces;
            const std::size_t head = piece % pieces / blocks();
            const std::uint64_t base =
                key_base(seed, options.id, Role::input, first_sample + first + r);
            attend(engine, encode_sample(engine, rows_from(samples, first + r, 1), base), base,
                   block(head, piece % blocks(), options.length),
                   counts.data() + r * this->outputs());
        };
        if (workers == 1)
            for (std::size_t piece = 0; piece < count * pieces; ++piece) attend_piece(piece);
        else
            context.parallel_for(count * pieces, attend_piece);
        finish(counts.data(), outputs.rows_from(first, count));
        job.add_done(count);
    }
}

void AttentionState::expect_sums(const kernels::KernelTable& kernels, const double* x,
                                 const double*, double* sums) const {
    const std::size_t columns = options_.head_width;
    const double unit =
        options.input_range * options.input_range / std::sqrt(static_cast<double>(columns));
    std::vector<double> scores(tokens());
    for (std::size_t head = 0; head < heads(); ++head) {
        const Place query = place(Operand::query, head);
        const Place key = place(Operand::key, head);
        const Place value = place(Operand::value, head);
        for (std::size_t i = 0; i < queries(); ++i) {
            const std::size_t seen = options_.causal ? i + 1 : tokens();
            for (std::size_t j = 0; j < seen; ++j)
                scores[j] = kernels.dot_f64(x + query.of(i), x + key.of(j), columns);
            softmax(scores.data(), seen, unit, scores.data());
            double* out = sums + i * width() + head * columns;
            std::fill_n(out, columns, 0.0);
            for (std::size_t j = 0; j < seen; ++j)
                for (std::size_t c = 0; c < columns; ++c)
                    out[c] += options.input_range * scores[j] * x[value.of(j) + c];
        }
    }
}

}  // namespace bitaxon
