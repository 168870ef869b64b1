// The weight streams of a dense layer, drawn once and packed for the kernels.
#pragma once

#include <bitaxon/core/bit_panels.hpp>
#include <bitaxon/core/context.hpp>
#include <bitaxon/core/encode.hpp>

#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

namespace bitaxon {

/// Panels of weight words and, for split-unipolar, one sign bit a word beside them.
struct SignedPanels {
    BitPanels words;
    std::vector<std::uint8_t> signs;          ///< as kernels::DenseProduct::signs; empty without
    std::vector<std::int64_t> negative_bits;  ///< 64 per negative word of a neuron: what
                                              ///< dense_signed counts too much; empty without

    SignedPanels() = default;
    /// Signs for the first sign_words words of each neuron; none for 0.
    SignedPanels(std::size_t neurons, std::size_t row_words, std::size_t sign_words);

    void set_negative(std::size_t neuron, std::size_t first, std::size_t count);

    /// The product with words first ... first + count - 1 of neurons first_neuron ...; the caller
    /// adds rows and sums.
    kernels::DenseProduct slice(std::size_t first_neuron, std::size_t neuron_count,
                                std::size_t first, std::size_t count) const noexcept;

  private:
    std::size_t sign_stride_ = 0;  // bytes of a panel's signs
};

/// What DrawnWeights draws: neurons x inputs weights and the names of their streams.
struct WeightDraw {
    std::span<const double> weights;  ///< row-major
    std::size_t neurons;
    std::size_t inputs;
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

    /// Word w of input i at i * words_per_stream + w: the order of a row of streams.
    const SignedPanels& panels() const noexcept { return panels_; }

    /// Word w of input i at w * padded inputs + i, for reading all inputs a word of time at a time.
    /// Signs stand for the first word alone: those of the others are the same. Made at the first
    /// call.
    const SignedPanels& by_time() const;

    /// What each weight's stream stands for: its share of ones, coded, in [-1, 1]. neurons x
    /// inputs.
    std::span<const double> values() const noexcept { return values_; }

    /// XXH3 over the words of all neurons in order.
    std::string checksum() const;

  private:
    std::size_t inputs_;
    std::size_t words_per_stream_;
    SignedPanels panels_;
    std::vector<double> values_;
    mutable std::once_flag by_time_once_;
    mutable SignedPanels by_time_;
};

}  // namespace bitaxon
