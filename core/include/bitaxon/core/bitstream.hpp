// Packed bitstreams: bit t of a stream is word[t / 64] >> (t % 64) & 1, and bits past the end are
// zero.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

namespace bitaxon {

inline constexpr std::uint64_t kMaxLength = std::uint64_t{1} << 31;   ///< bits of one stream
inline constexpr std::uint64_t kMaxRowBits = std::uint64_t{1} << 53;  ///< inputs times length
inline constexpr std::size_t kAlignment = 64;                         ///< of every row, in bytes

/// Names what a stream's bits are made from: see core/sources.hpp. 0: unknown.
using SourceId = std::uint64_t;

constexpr std::size_t words_for(std::uint64_t length_bits) noexcept {
    return static_cast<std::size_t>((length_bits + 63) / 64);
}

/// Ones where the last word of a stream of that length holds bits.
constexpr std::uint64_t tail_mask(std::uint64_t length_bits) noexcept {
    return ~std::uint64_t{0} >> ((64 - length_bits % 64) % 64);
}

/// Words of a row of `words` words with its padding: a multiple of 8, so that rows stay aligned.
constexpr std::size_t padded_words(std::size_t words) noexcept { return (words + 7) / 8 * 8; }

/// Zeroed words at a 64-byte boundary.
class AlignedWords {
  public:
    AlignedWords() = default;
    explicit AlignedWords(std::size_t words);
    AlignedWords(const AlignedWords& other);
    AlignedWords& operator=(const AlignedWords& other);
    AlignedWords(AlignedWords&& other) noexcept
        : words_(std::move(other.words_)), size_(std::exchange(other.size_, 0)) {}
    AlignedWords& operator=(AlignedWords&& other) noexcept {
        words_ = std::move(other.words_);
        size_ = std::exchange(other.size_, 0);
        return *this;
    }

    std::uint64_t* data() noexcept { return words_.get(); }
    const std::uint64_t* data() const noexcept { return words_.get(); }
    std::size_t size() const noexcept { return size_; }

  private:
    struct Free {
        std::size_t alignment;
        std::size_t mapped;  // bytes that came from the system; 0: from operator new
        void operator()(std::uint64_t* words) const noexcept;
    };
    std::unique_ptr<std::uint64_t[], Free> words_;
    std::size_t size_ = 0;
};

/// Streams in memory that someone else owns: rows (samples or neurons) of streams of one length.
struct StreamView {
    const std::uint64_t* words = nullptr;
    std::size_t rows = 0;
    std::size_t streams = 0;           ///< in each row
    std::uint64_t length = 0;          ///< of each stream, in bits
    std::ptrdiff_t row_stride = 0;     ///< in words
    std::ptrdiff_t stream_stride = 0;  ///< in words, at least ceil(length / 64) in magnitude

    const std::uint64_t* stream(std::size_t row, std::size_t index) const noexcept {
        return words + static_cast<std::ptrdiff_t>(row) * row_stride +
               static_cast<std::ptrdiff_t>(index) * stream_stride;
    }

    /// Rows first ... first + count - 1.
    StreamView rows_from(std::size_t first, std::size_t count) const noexcept {
        return {stream(first, 0), count, streams, length, row_stride, stream_stride};
    }
};

/// The same, to be written.
struct MutableStreamView {
    std::uint64_t* words = nullptr;
    std::size_t rows = 0;
    std::size_t streams = 0;
    std::uint64_t length = 0;
    std::ptrdiff_t row_stride = 0;
    std::ptrdiff_t stream_stride = 0;

    operator StreamView() const noexcept {
        return {words, rows, streams, length, row_stride, stream_stride};
    }
    std::uint64_t* stream(std::size_t row, std::size_t index) const noexcept {
        return words + static_cast<std::ptrdiff_t>(row) * row_stride +
               static_cast<std::ptrdiff_t>(index) * stream_stride;
    }
};

/// Owned streams: 64-byte aligned, zero-padded rows of streams that follow one another without
/// gaps.
class StreamArray {
  public:
    /// @throws Error unless rows, streams >= 1, 1 <= length <= 2^31 and streams * length <= 2^53
    StreamArray(std::size_t rows, std::size_t streams, std::uint64_t length);

    std::size_t rows() const noexcept { return rows_; }
    std::size_t streams() const noexcept { return streams_; }
    std::uint64_t length() const noexcept { return length_; }
    std::size_t words_per_stream() const noexcept { return words_for(length_); }
    std::size_t row_words() const noexcept { return padded_words(streams_ * words_per_stream()); }

    std::uint64_t* row(std::size_t index) noexcept { return words_.data() + index * row_words(); }
    StreamView view() const noexcept;
    MutableStreamView mutable_view() noexcept;

    /// Of stream i of row r: element r * streams() + i. Empty where nobody said.
    std::span<const SourceId> sources() const noexcept { return sources_; }
    /// @throws Error unless there is one for each stream, or none
    void set_sources(std::vector<SourceId> sources);

  private:
    std::size_t rows_;
    std::size_t streams_;
    std::uint64_t length_;
    AlignedWords words_;
    std::vector<SourceId> sources_;
};

/// @throws Error unless 1 <= length <= 2^31 and streams * length <= 2^53
void check_length(std::size_t streams, std::uint64_t length);

/// @throws Error naming the first stream with a bit set at or past `length`
void check_tails(const StreamView& streams);

}  // namespace bitaxon
