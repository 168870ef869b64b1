#include <bitaxon/core/correlation.hpp>

#include <bitaxon/core/bit_panels.hpp>
#include <bitaxon/core/error.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>

namespace bitaxon {
namespace {

constexpr std::size_t kPieceRows = 64;

void check_pair(const StreamView& a, const StreamView& b) {
    check_length(a.streams, a.length);
    check_length(b.streams, b.length);
    if (a.length != b.length)
        throw_error(ErrorCode::invalid_shape, "streams",
                    fmt::format("{} and {} bits", a.length, b.length), "the same length");
    check_tails(a);
    check_tails(b);
}

void check_row(const char* what, const StreamView& view) {
    if (view.rows != 1)
        throw_error(ErrorCode::invalid_shape, what, fmt::format("{} rows", view.rows),
                    "one row of streams");
}

void check_size(std::span<const double> out, std::size_t expected) {
    if (out.size() != expected)
        throw_error(ErrorCode::invalid_shape, "out", fmt::format("{} numbers", out.size()),
                    fmt::format("{}", expected));
}

std::vector<std::uint64_t> count_ones(const ExecutionContext& context, const StreamView& view) {
    std::vector<std::uint64_t> ones(view.streams);
    for (std::size_t i = 0; i < view.streams; ++i) {
        context.check();
        ones[i] = context.kernels().popcount(view.stream(0, i), words_for(view.length));
    }
    return ones;
}

// Ones of (P(ab) - P(a) P(b)) n^2, and what it can be: at most 2^62, so every product is exact.
struct Excess {
    std::int64_t n, a, b, independent, value;
    Excess(std::uint64_t length, std::uint64_t ones_a, std::uint64_t ones_b, std::uint64_t both)
        : n(static_cast<std::int64_t>(length)), a(static_cast<std::int64_t>(ones_a)),
          b(static_cast<std::int64_t>(ones_b)), independent(a * b),
          value(static_cast<std::int64_t>(both) * n - independent) {}
};

double pearson_from_counts(const Excess& e) {
    if (e.value == 0) return 0.0;
    const double variances =
        static_cast<double>(e.a * (e.n - e.a)) * static_cast<double>(e.b * (e.n - e.b));
    return static_cast<double>(e.value) / std::sqrt(variances);
}

double zce_from_counts(const Excess& e) {
    // The nearest whole overlap is independent / n rounded, at most half a bit away.
    const std::int64_t rest = e.independent % e.n;
    const std::int64_t unavoidable = std::min(rest, e.n - rest);
    const std::int64_t excess = std::abs(e.value) - unavoidable;
    const double squared = static_cast<double>(e.n) * static_cast<double>(e.n);
    return static_cast<double>(e.value < 0 ? -excess : excess) / squared;
}

// Rows of the matrix from counts.
class Rows {
  public:
    Rows(const kernels::KernelTable& kernels, Correlation kind, std::uint64_t length,
         std::vector<std::uint64_t> ones_a, std::vector<std::uint64_t> ones_b)
        : kernels_(kernels), kind_(kind), length_(length), ones_a_(std::move(ones_a)),
          ones_b_(std::move(ones_b)), doubles_b_(ones_b_.begin(), ones_b_.end()) {}

    void write(std::size_t row, std::size_t start, std::size_t count, const std::int64_t* both,
               double* out) const {
        // In doubles these are the numbers of scc_from_counts, bit by bit.
        if (kind_ == Correlation::scc && length_ < std::uint64_t{1} << 26) {
            kernels_.scc(static_cast<double>(length_), static_cast<double>(ones_a_[row]),
                         doubles_b_.data() + start, both, count, out);
            return;
        }
        for (std::size_t j = 0; j < count; ++j)
            out[j] = correlation_from_counts(kind_, length_, ones_a_[row], ones_b_[start + j],
                                             static_cast<std::uint64_t>(both[j]));
    }

  private:
    const kernels::KernelTable& kernels_;
    Correlation kind_;
    std::uint64_t length_;
    std::vector<std::uint64_t> ones_a_, ones_b_;
    std::vector<double> doubles_b_;
};

bool same(const StreamView& a, const StreamView& b) {
    return a.words == b.words && a.streams == b.streams &&
           (a.streams == 1 || a.stream_stride == b.stream_stride);
}

// Rows first ... and columns start ... of a symmetric n x n matrix, once more below its diagonal.
void mirror(std::span<double> out, std::size_t n, std::size_t first, std::size_t rows,
            std::size_t start, std::size_t columns) {
    constexpr std::size_t kTile = 8;  // cache lines a set: rows may be a power of two apart
    for (std::size_t j = start; j < start + columns; j += kTile)
        for (std::size_t i = first; i < first + rows; i += kTile)
            for (std::size_t column = j; column < std::min(j + kTile, start + columns); ++column)
                for (std::size_t row = i; row < std::min(i + kTile, first + rows); ++row)
                    out[column * n + row] = out[row * n + column];
}

// Columns of the tiles in which the matrix is made: counts stay in the cache, and tiles are square,
// so that those on the diagonal are whole.
constexpr std::size_t kTileColumns = kPieceRows;

}  // namespace

double scc_from_counts(std::uint64_t length, std::uint64_t ones_a, std::uint64_t ones_b,
                       std::uint64_t both) noexcept {
    const Excess e(length, ones_a, ones_b, both);
    const std::int64_t most = std::min(e.a, e.b) * e.n - e.independent;
    const std::int64_t least = e.independent - std::max<std::int64_t>(e.a + e.b - e.n, 0) * e.n;
    if (e.value == 0) return 0.0;
    return static_cast<double>(e.value) / static_cast<double>(e.value > 0 ? most : least);
}

double correlation_from_counts(Correlation kind, std::uint64_t length, std::uint64_t ones_a,
                               std::uint64_t ones_b, std::uint64_t both) noexcept {
    if (kind == Correlation::scc) return scc_from_counts(length, ones_a, ones_b, both);
    const Excess e(length, ones_a, ones_b, both);
    return kind == Correlation::pearson ? pearson_from_counts(e) : zce_from_counts(e);
}

double scc(const ExecutionContext& context, const StreamView& a, const StreamView& b) {
    check_pair(a, b);
    for (const StreamView& view : {a, b})
        if (view.rows != 1 || view.streams != 1)
            throw_error(ErrorCode::invalid_shape, "scc",
                        fmt::format("{} rows of {} streams", view.rows, view.streams),
                        "one stream each; scc_matrix takes many");
    const std::size_t words = words_for(a.length);
    const kernels::KernelTable& k = context.kernels();
    return scc_from_counts(a.length, k.popcount(a.words, words), k.popcount(b.words, words),
                           k.and_popcount(a.words, b.words, words));
}

void correlation(const ExecutionContext& context, Correlation kind, const StreamView& a,
                 const StreamView& b, std::span<double> out) {
    check_row("correlation", a);
    check_row("correlation", b);
    check_pair(a, b);
    if (a.streams != b.streams)
        throw_error(ErrorCode::invalid_shape, "streams",
                    fmt::format("{} and {}", a.streams, b.streams), "as many of each");
    check_size(out, a.streams);
    const std::size_t words = words_for(a.length);
    const kernels::KernelTable& k = context.kernels();
    context.parallel_for((a.streams + kPieceRows - 1) / kPieceRows, [&](std::size_t piece) {
        const std::size_t first = piece * kPieceRows;
        for (std::size_t i = first; i < std::min(first + kPieceRows, a.streams); ++i) {
            const std::uint64_t* x = a.stream(0, i);
            const std::uint64_t* y = b.stream(0, i);
            out[i] = correlation_from_counts(kind, a.length, k.popcount(x, words),
                                             k.popcount(y, words), k.and_popcount(x, y, words));
        }
    });
}

void correlation_matrix(const ExecutionContext& context, Correlation kind, const StreamView& a,
                        const StreamView& b, std::span<double> out) {
    check_row("scc_matrix", a);
    check_row("scc_matrix", b);
    check_pair(a, b);
    check_size(out, a.streams * b.streams);
    const std::size_t words = words_for(a.length);
    const std::size_t row_words = padded_words(words);
    const bool symmetric = same(a, b);

    BitPanels panels(b.streams, words);
    for (std::size_t j = 0; j < b.streams; ++j) {
        context.check();
        panels.write(j, 0, b.stream(0, j), words);
    }
    AlignedWords rows(a.streams * row_words);
    for (std::size_t i = 0; i < a.streams; ++i) {
        context.check();
        std::copy_n(a.stream(0, i), words, rows.data() + i * row_words);
    }
    const kernels::KernelTable& k = context.kernels();
    const Rows writer(k, kind, a.length, count_ones(context, a), count_ones(context, b));

    context.parallel_for((a.streams + kPieceRows - 1) / kPieceRows, [&](std::size_t piece) {
        alignas(kAlignment) std::int64_t both[kPieceRows * kTileColumns];
        const std::size_t first = piece * kPieceRows;
        const std::size_t row_count = std::min(kPieceRows, a.streams - first);
        for (std::size_t start = symmetric ? first : 0; start < b.streams; start += kTileColumns) {
            const std::size_t columns = std::min(kTileColumns, b.streams - start);
            context.check();
            std::ranges::fill(both, 0);
            kernels::DenseProduct product = panels.slice(start, columns, 0, row_words);
            product.rows = rows.data() + first * row_words;
            product.row_stride = row_words;
            product.row_count = row_count;
            product.sums = both;
            product.sums_stride = kTileColumns;
            k.dense_and(product);
            for (std::size_t i = 0; i < row_count; ++i)
                writer.write(first + i, start, columns, both + i * kTileColumns,
                             out.data() + (first + i) * b.streams + start);
            if (symmetric && start > first)
                mirror(out, b.streams, first, row_count, start, columns);
        }
    });
}

std::vector<double> scc_matrix(const ExecutionContext& context, const StreamView& a,
                               const StreamView& b) {
    std::vector<double> result(a.streams * b.streams);
    correlation_matrix(context, Correlation::scc, a, b, result);
    return result;
}

void autocorrelation(const ExecutionContext& context, const StreamView& streams,
                     std::span<const std::uint64_t> lags, std::span<double> out) {
    check_row("autocorrelation", streams);
    check_length(streams.streams, streams.length);
    check_tails(streams);
    check_size(out, streams.streams * lags.size());
    const std::uint64_t length = streams.length;
    for (const std::uint64_t lag : lags)
        if (lag >= length)
            throw_error(ErrorCode::out_of_range, "lags", fmt::format("{}", lag),
                        fmt::format("less than the length, {}", length));
    const std::size_t words = words_for(length);
    const kernels::KernelTable& k = context.kernels();
    context.parallel_for(streams.streams, [&](std::size_t i) {
        const std::uint64_t* x = streams.stream(0, i);
        AlignedWords later(words);
        const auto ones = static_cast<double>(k.popcount(x, words));
        const double mean = ones / static_cast<double>(length);
        const double scale = ones * (1 - mean);
        for (std::size_t at = 0; at < lags.size(); ++at) {
            context.check();
            const std::uint64_t lag = lags[at];
            const std::size_t skipped = static_cast<std::size_t>(lag / 64);
            const unsigned shift = lag % 64;
            for (std::size_t w = 0; w + skipped < words; ++w) {
                const std::uint64_t next = w + skipped + 1 < words ? x[w + skipped + 1] : 0;
                later.data()[w] =
                    shift == 0 ? x[w + skipped] : x[w + skipped] >> shift | next << (64 - shift);
            }
            const std::uint64_t steps = length - lag;
            const std::size_t compared = words_for(steps);
            const auto both = static_cast<double>(k.and_popcount(x, later.data(), compared));
            const auto tail = static_cast<double>(k.popcount(later.data(), compared));
            const auto head = static_cast<double>(
                k.popcount(x, compared - 1) +
                static_cast<std::uint64_t>(std::popcount(x[compared - 1] & tail_mask(steps))));
            const double product =
                both - mean * (head + tail) + static_cast<double>(steps) * mean * mean;
            out[i * lags.size() + at] = scale == 0 ? 0.0 : product / scale;
        }
    });
}

}  // namespace bitaxon
