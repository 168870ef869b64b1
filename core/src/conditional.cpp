#include <bitaxon/core/conditional.hpp>

#include <bitaxon/core/error.hpp>

#include <fmt/format.h>

#include <algorithm>

namespace bitaxon {
namespace {

constexpr std::size_t kPieceWords = 1 << 14;

void check(const StreamView& a, const StreamView& b, Coding coding) {
    check_length(a.streams, a.length);
    if (a.length != b.length)
        throw_error(ErrorCode::invalid_shape, "b", fmt::format("{} bits", b.length),
                    fmt::format("{} bits, as a", a.length));
    const bool one = b.rows * b.streams == 1;
    if (!one && (b.rows != a.rows || b.streams != a.streams))
        throw_error(ErrorCode::invalid_shape, "b",
                    fmt::format("{} rows of {} streams", b.rows, b.streams),
                    fmt::format("{} rows of {}, as a, or one stream", a.rows, a.streams));
    if (coding == Coding::split_unipolar)
        throw_error(ErrorCode::invalid_value, "coding", name(coding),
                    "unipolar, for the magnitudes, or bipolar");
    check_tails(a);
    check_tails(b);
}

}  // namespace

StreamArray multiply_conditional(const ExecutionContext& context, const StreamView& a,
                                 const StreamView& b, Coding coding) {
    check(a, b, coding);
    StreamArray result(a.rows, a.streams, a.length);
    const MutableStreamView out = result.mutable_view();
    const kernels::KernelTable& k = context.kernels();
    const std::size_t words = words_for(a.length);
    const bool one = b.rows * b.streams == 1;
    const std::size_t count = a.rows * a.streams;
    const std::size_t piece_streams = std::max<std::size_t>(1, kPieceWords / words);
    context.parallel_for((count + piece_streams - 1) / piece_streams, [&](std::size_t piece) {
        AlignedWords zeros(coding == Coding::bipolar ? words : 0);
        AlignedWords inverse(coding == Coding::bipolar ? words : 0);
        if (coding == Coding::bipolar && one) k.bit_not(b.words, inverse.data(), b.length);
        const std::size_t end = std::min(count, (piece + 1) * piece_streams);
        for (std::size_t i = piece * piece_streams; i < end; ++i) {
            const std::size_t row = i / a.streams, index = i % a.streams;
            const std::uint64_t* x = a.stream(row, index);
            const std::uint64_t* y = one ? b.words : b.stream(row, index);
            std::uint64_t* product = out.stream(row, index);
            k.bit_deposit(x, y, product, words);
            if (coding != Coding::bipolar) continue;
            k.bit_not(x, zeros.data(), a.length);
            if (!one) k.bit_not(y, inverse.data(), b.length);
            k.bit_deposit(zeros.data(), inverse.data(), zeros.data(), words);
            k.bit_or(product, zeros.data(), product, words);
        }
    });
    return result;
}

}  // namespace bitaxon
