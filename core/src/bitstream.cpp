#include <bitaxon/core/bitstream.hpp>

#include <bitaxon/core/error.hpp>

#include <fmt/format.h>

#include <sys/mman.h>

#include <algorithm>
#include <cstring>
#include <new>

namespace bitaxon {
namespace {

constexpr std::size_t kHugePage = std::size_t{1} << 21;
constexpr std::size_t kMapped = std::size_t{1} << 26;

// Pages that are zero without being touched, from the start of a huge page on.
void* map_zeros(std::size_t bytes) {
    if (bytes > SIZE_MAX - 2 * kHugePage) throw std::bad_alloc();
    const std::size_t rounded = (bytes + kHugePage - 1) / kHugePage * kHugePage;
    void* mapped = ::mmap(nullptr, rounded + kHugePage, PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (mapped == MAP_FAILED) throw std::bad_alloc();
    auto* begin = static_cast<std::byte*>(mapped);
    const std::size_t before =
        (kHugePage - reinterpret_cast<std::uintptr_t>(begin) % kHugePage) % kHugePage;
    if (before != 0) ::munmap(begin, before);
    ::munmap(begin + before + rounded, kHugePage - before);
    return begin + before;
}

}  // namespace

AlignedWords::AlignedWords(std::size_t words) : size_(words) {
    if (words == 0) return;
    if (words > SIZE_MAX / sizeof(std::uint64_t)) throw std::bad_alloc();
    const std::size_t bytes = words * sizeof(std::uint64_t);
    const std::size_t alignment = bytes < 2 * kHugePage ? kAlignment : kHugePage;
    // What is large comes zeroed: who writes it touches it first, on many threads, and may be
    // stopped meanwhile.
    const std::size_t mapped = bytes < kMapped ? 0 : bytes;
    void* memory =
        mapped != 0 ? map_zeros(bytes) : ::operator new (bytes, std::align_val_t{alignment});
    words_ = {static_cast<std::uint64_t*>(memory), Free{alignment, mapped}};
    // Weights beyond the caches are read in long runs, which huge pages make faster. A system that
    // declines costs nothing.
    if (alignment == kHugePage) ::madvise(memory, bytes, MADV_HUGEPAGE);
    if (mapped == 0) std::memset(memory, 0, bytes);
}

AlignedWords::AlignedWords(const AlignedWords& other) : AlignedWords(other.size_) {
    std::copy_n(other.data(), size_, data());
}

AlignedWords& AlignedWords::operator=(const AlignedWords& other) {
    if (this != &other) *this = AlignedWords(other);
    return *this;
}

void AlignedWords::Free::operator()(std::uint64_t* words) const noexcept {
    if (mapped != 0)
        ::munmap(words, (mapped + kHugePage - 1) / kHugePage * kHugePage);
    else
        ::operator delete (words, std::align_val_t{alignment});
}

StreamArray::StreamArray(std::size_t rows, std::size_t streams, std::uint64_t length)
    : rows_(rows), streams_(streams), length_(length) {
    check_length(streams, length);
    if (rows == 0) throw_error(ErrorCode::invalid_shape, "rows", "0", "at least 1");
    if (rows > SIZE_MAX / row_words()) throw std::bad_alloc();
    words_ = AlignedWords(rows * row_words());
}

MutableStreamView StreamArray::mutable_view() noexcept {
    return {words_.data(),
            rows_,
            streams_,
            length_,
            static_cast<std::ptrdiff_t>(row_words()),
            static_cast<std::ptrdiff_t>(words_per_stream())};
}

StreamView StreamArray::view() const noexcept {
    return {words_.data(),
            rows_,
            streams_,
            length_,
            static_cast<std::ptrdiff_t>(row_words()),
            static_cast<std::ptrdiff_t>(words_per_stream())};
}

void StreamArray::set_sources(std::vector<SourceId> sources) {
    if (!sources.empty() && sources.size() != rows_ * streams_)
        throw_error(ErrorCode::invalid_shape, "sources", fmt::format("{}", sources.size()),
                    fmt::format("{} (rows * streams) or none", rows_ * streams_));
    sources_ = std::move(sources);
}

void check_length(std::size_t streams, std::uint64_t length) {
    if (length == 0 || length > kMaxLength)
        throw_error(ErrorCode::invalid_value, "length", fmt::format("{} bits", length),
                    "1 to 2147483648 (2^31) bits");
    if (streams == 0) throw_error(ErrorCode::invalid_shape, "streams", "0", "at least 1");
    if (streams > kMaxRowBits / length)
        throw_error(ErrorCode::invalid_value, "streams * length",
                    fmt::format("{} * {}", streams, length),
                    "at most 2^53 bits, so that every sum is exact");
}

void check_tails(const StreamView& view) {
    if (view.length % 64 == 0) return;
    const std::size_t last = words_for(view.length) - 1;
    const std::uint64_t outside = ~tail_mask(view.length);
    for (std::size_t row = 0; row < view.rows; ++row)
        for (std::size_t i = 0; i < view.streams; ++i)
            if (view.stream(row, i)[last] & outside)
                throw_error(ErrorCode::invalid_value, fmt::format("streams[{}][{}]", row, i),
                            fmt::format("ones past its {} bits", view.length),
                            "zeros there: mask the last word or give the right length");
}

}  // namespace bitaxon
