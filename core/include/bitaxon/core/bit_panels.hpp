// A bit matrix packed for the dense kernels: panels of four neurons, groups of eight words.
#pragma once

#include <bitaxon/core/bitstream.hpp>
#include <bitaxon/kernels/kernels.hpp>

namespace bitaxon {

/// Rows (neurons) of `words` words in the layout that kernels::DenseProduct documents.
class BitPanels {
  public:
    BitPanels() = default;
    BitPanels(std::size_t neurons, std::size_t words);
    /// In memory of another, word_count() words, 64-byte aligned, which are set to 0.
    BitPanels(std::size_t neurons, std::size_t words, std::uint64_t* memory);
    BitPanels(BitPanels&&) noexcept = default;
    BitPanels& operator=(BitPanels&&) noexcept = default;

    static std::size_t word_count(std::size_t neurons, std::size_t words) noexcept;

    std::size_t neurons() const noexcept { return neurons_; }
    std::size_t words() const noexcept { return words_; }  ///< padded to whole groups

    /// Sets words first ... first + count - 1 of one neuron.
    void write(std::size_t neuron, std::size_t first, const std::uint64_t* words,
               std::size_t count);
    void read(std::size_t neuron, std::size_t first, std::uint64_t* words, std::size_t count) const;

    /// The product of rows with words first ... first + count - 1 (multiples of 8) of neurons
    /// first_neuron (a multiple of 4) ... first_neuron + count - 1; the caller adds rows, signs,
    /// sums.
    kernels::DenseProduct slice(std::size_t first_neuron, std::size_t neuron_count,
                                std::size_t first, std::size_t count) const noexcept;

  private:
    std::size_t index(std::size_t neuron, std::size_t word) const noexcept {
        using namespace kernels;
        return neuron / kPanelNeurons * stride_ + word / kGroupWords * kPanelNeurons * kGroupWords +
               neuron % kPanelNeurons * kGroupWords + word % kGroupWords;
    }

    std::size_t neurons_ = 0;
    std::size_t words_ = 0;
    std::size_t stride_ = 0;
    AlignedWords owned_;
    std::uint64_t* panels_ = nullptr;
};

}  // namespace bitaxon
