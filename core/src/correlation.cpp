#include <bitaxon/core/correlation.hpp>

#include <bitaxon/core/bit_panels.hpp>
#include <bitaxon/core/error.hpp>

#include <fmt/format.h>

#include <algorithm>

namespace bitaxon {
namespace {

void check_pair(const StreamView& a, const StreamView& b) {
    check_length(a.streams, a.length);
    check_length(b.streams, b.length);
    if (a.length != b.length)
        throw_error(ErrorCode::invalid_shape, "streams",
                    fmt::format("{} and {} bits", a.length, b.length), "the same length");
    check_tails(a);
    check_tails(b);
}

std::vector<std::uint64_t> count_ones(const ExecutionContext& context, const StreamView& view) {
    std::vector<std::uint64_t> ones(view.streams);
    for (std::size_t i = 0; i < view.streams; ++i)
        ones[i] = context.kernels().popcount(view.stream(0, i), words_for(view.length));
    return ones;
}

}  // namespace

double scc_from_counts(std::uint64_t length, std::uint64_t ones_a, std::uint64_t ones_b,
                       std::uint64_t both) noexcept {
    // In units of bits squared: at most 2^62, so every product below is exact.
    const auto n = static_cast<std::int64_t>(length);
    const auto a = static_cast<std::int64_t>(ones_a);
    const auto b = static_cast<std::int64_t>(ones_b);
    const std::int64_t independent = a * b;
    const std::int64_t excess = static_cast<std::int64_t>(both) * n - independent;
    const std::int64_t most = std::min(a, b) * n - independent;
    const std::int64_t least = independent - std::max<std::int64_t>(a + b - n, 0) * n;
    if (excess == 0) return 0.0;
    return static_cast<double>(excess) / static_cast<double>(excess > 0 ? most : least);
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

std::vector<double> scc_matrix(const ExecutionContext& context, const StreamView& a,
                               const StreamView& b) {
    for (const StreamView& view : {a, b})
        if (view.rows != 1)
            throw_error(ErrorCode::invalid_shape, "scc_matrix", fmt::format("{} rows", view.rows),
                        "one row of streams");
    check_pair(a, b);
    const std::size_t words = words_for(a.length);
    const std::size_t row_words = padded_words(words);

    BitPanels panels(b.streams, words);
    for (std::size_t j = 0; j < b.streams; ++j) panels.write(j, 0, b.stream(0, j), words);
    AlignedWords rows(a.streams * row_words);
    for (std::size_t i = 0; i < a.streams; ++i)
        std::copy_n(a.stream(0, i), words, rows.data() + i * row_words);

    constexpr std::size_t kPieceRows = 64;
    std::vector<std::int64_t> both(a.streams * b.streams);
    context.parallel_for((a.streams + kPieceRows - 1) / kPieceRows, [&](std::size_t piece) {
        const std::size_t first = piece * kPieceRows;
        kernels::DenseProduct product = panels.slice(0, b.streams, 0, row_words);
        product.rows = rows.data() + first * row_words;
        product.row_stride = row_words;
        product.row_count = std::min(kPieceRows, a.streams - first);
        product.sums = both.data() + first * b.streams;
        product.sums_stride = b.streams;
        context.kernels().dense_and(product);
    });

    const std::vector<std::uint64_t> ones_a = count_ones(context, a);
    const std::vector<std::uint64_t> ones_b = count_ones(context, b);
    std::vector<double> result(both.size());
    for (std::size_t i = 0; i < result.size(); ++i)
        result[i] = scc_from_counts(a.length, ones_a[i / b.streams], ones_b[i % b.streams],
                                    static_cast<std::uint64_t>(both[i]));
    return result;
}

}  // namespace bitaxon
