// The weight streams of a layer, drawn once and packed for the kernels.
#pragma once

#include <bitaxon/core/bit_panels.hpp>
#include <bitaxon/core/context.hpp>
#include <bitaxon/core/encode.hpp>

#include <algorithm>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace bitaxon {

/// Where the words of a row of weight streams stand. Streams are cut into chunks of time: all of
/// chunk 0 comes first. Within a chunk segments of equally many streams follow one another, each
/// from the start of a group; within a segment the parts of its streams lie side by side.
class WeightLayout {
  public:
    /// places[i]: how many streams could stand before stream i; i itself where empty. group_rows:
    /// as many rows are multiplied together and begin a panel; 0: all.
    WeightLayout(std::size_t streams, std::size_t segments, std::size_t words_per_stream,
                 std::size_t chunk_words, std::vector<std::size_t> places = {},
                 std::size_t group_rows = 0);

    std::size_t streams() const noexcept { return streams_; }
    std::size_t segments() const noexcept { return segments_; }
    std::size_t words_per_stream() const noexcept { return words_per_stream_; }
    std::size_t chunks() const noexcept {
        return (words_per_stream_ + chunk_words_ - 1) / chunk_words_;
    }
    std::size_t first_word(std::size_t chunk) const noexcept { return chunk * chunk_words_; }
    /// Of one stream.
    std::size_t chunk_words(std::size_t chunk) const noexcept {
        return std::min(chunk_words_, words_per_stream_ - chunk * chunk_words_);
    }
    std::size_t segment_words(std::size_t chunk) const noexcept {
        return padded_words(segment_streams_ * chunk_words(chunk));
    }
    std::size_t row_words() const noexcept;
    /// Of a segment's part in a chunk.
    std::size_t start(std::size_t chunk, std::size_t segment) const noexcept {
        return chunk * segments_ * padded_words(segment_streams_ * chunk_words_) +
               segment * segment_words(chunk);
    }
    std::size_t segment_of(std::size_t stream) const noexcept {
        return place(stream) / segment_streams_;
    }
    /// Of a stream's part in a chunk.
    std::size_t start_of(std::size_t chunk, std::size_t stream) const noexcept {
        return start(chunk, segment_of(stream)) +
               place(stream) % segment_streams_ * chunk_words(chunk);
    }

    /// Rows with those that fill the groups' last panels, and where row `row` is among them.
    std::size_t panel_rows(std::size_t rows) const noexcept;
    std::size_t panel_row(std::size_t row) const noexcept;
    /// The row there, if any.
    std::optional<std::size_t> row_at(std::size_t panel_row, std::size_t rows) const noexcept;

    /// The same streams and segments in chunks of one word.
    WeightLayout by_time() const {
        return {streams(), segments_, words_per_stream_, 1, places_, group_rows_};
    }

  private:
    std::size_t place(std::size_t stream) const noexcept {
        return places_.empty() ? stream : places_[stream];
    }

    std::size_t streams_;
    std::size_t segments_;
    std::size_t segment_streams_;  // that have a place in one
    std::size_t words_per_stream_;
    std::size_t chunk_words_;
    std::vector<std::size_t> places_;
    std::size_t group_rows_;
};

/// The kernel that counts a coding's products.
using Operation = void (*kernels::KernelTable::*)(const kernels::DenseProduct&) noexcept;
constexpr Operation product_of(Coding coding) noexcept {
    constexpr Operation kOperations[] = {&kernels::KernelTable::dense_and,
                                         &kernels::KernelTable::dense_xor,
                                         &kernels::KernelTable::dense_signed};
    return kOperations[static_cast<std::size_t>(coding)];
}

/// Panels of weight words in a layout and, for split-unipolar, one sign bit a word beside them.
class SignedPanels {
  public:
    SignedPanels(std::size_t rows, WeightLayout layout, bool with_signs);

    const WeightLayout& layout() const noexcept { return layout_; }
    bool has_signs() const noexcept { return !signs_.empty(); }

    /// The words of one stream, in the order of time.
    void write(const ExecutionContext& context, std::size_t row, std::size_t stream,
               const std::uint64_t* words, bool negative);
    void read(std::size_t row, std::size_t stream, std::uint64_t* words) const;
    /// All words of one segment of a row in a chunk.
    void read_segment(std::size_t row, std::size_t chunk, std::size_t segment,
                      std::uint64_t* words) const;

    /// How many weights of a segment are negative. dense_signed counts 64 too much a word of each.
    std::size_t negatives(std::size_t row, std::size_t segment) const noexcept {
        return has_signs() ? negatives_[row * layout_.segments() + segment] : 0;
    }

    /// The product with words first ... first + count - 1 of rows first_row ..., which begin a
    /// panel; the caller adds rows and sums.
    kernels::DenseProduct slice(std::size_t first_row, std::size_t row_count, std::size_t first,
                                std::size_t count) const noexcept;

  private:
    void set_negative(std::size_t panel_row, std::size_t first, std::size_t count);

    WeightLayout layout_;
    BitPanels words_;
    std::size_t sign_stride_;          // bytes of a panel's signs
    std::vector<std::uint8_t> signs_;  // as kernels::DenseProduct::signs
    std::vector<std::size_t> negatives_;
};

/// What DrawnWeights draws: rows of weights and the names of their streams.
struct WeightDraw {
    std::span<const double> weights;  ///< row-major
    std::size_t rows;
    WeightLayout layout;
    std::uint64_t length;
    Coding coding;
    double weight_scale;
    std::uint64_t seed;  ///< combined
    std::uint64_t layer;
    std::uint64_t redraws;
};

/// Immutable once drawn, so copies of a layer share it.
class DrawnWeights {
  public:
    DrawnWeights(const ExecutionContext& context, const WeightDraw& draw);

    const SignedPanels& panels() const noexcept { return panels_; }

    /// For reading all inputs a word of time at a time. Made at the first call.
    const SignedPanels& by_time(const ExecutionContext& context) const;

    /// What each weight's stream stands for: its share of ones, coded, in [-1, 1]. A row a row.
    std::span<const double> values() const noexcept { return values_; }

    /// XXH3 over the words of all rows, stream by stream.
    std::string checksum(const ExecutionContext& context) const;

  private:
    std::size_t rows_;
    SignedPanels panels_;
    std::vector<double> values_;
    // Recursive: what the caller's watch runs meanwhile may come here on the same thread.
    mutable std::recursive_mutex by_time_mutex_;
    mutable std::unique_ptr<const SignedPanels> by_time_;
};

}  // namespace bitaxon
