// A dense layer that reads its streams a word of time at a time, for some samples at once.
#pragma once

#include "dense_state.hpp"

#include <vector>

namespace bitaxon {

/// The running counts of one layer for a block of samples. Slot s belongs to one sample throughout;
/// `active` lists the slots that still run.
class StreamedDense {
  public:
    StreamedDense(const kernels::KernelTable& kernels, const DenseLayer::State& layer,
                  std::size_t slots, std::uint64_t forward_seed, std::uint64_t first_sample);

    /// What the layer's inputs are from now on: inputs probabilities of slot s.
    std::uint64_t* thresholds(std::size_t slot) {
        return thresholds_.data() + slot * layer_.options.inputs;
    }

    /// Encodes word t of every active slot and adds its products. With moments, keeps count of what
    /// the stop rule needs.
    void advance(std::uint64_t word, std::span<const std::size_t> active, bool with_moments);

    /// Output of neuron n estimated from the first `bits` bits, before the activation.
    double linear(std::size_t slot, std::size_t neuron, std::uint64_t bits) const;

    /// Writes the activated outputs estimated from the first `bits` bits.
    void outputs(std::size_t slot, std::uint64_t bits, const MatrixView<double>& out,
                 std::size_t row) const;

    /// Bound on the probability that after all bits another neuron than the present leader is the
    /// first with the largest activated output.
    double risk(std::size_t slot, std::uint64_t bits) const;

  private:
    std::uint64_t bits_in(std::uint64_t word) const;
    std::size_t leader(std::size_t slot, std::uint64_t bits) const;
    void multiply(std::uint64_t word, const std::uint64_t* rows, std::size_t count,
                  void (*kernels::KernelTable::*operation)(const kernels::DenseProduct&) noexcept,
                  std::int64_t* sums) const;
    void add_moments(std::uint64_t word, std::size_t slot, const std::uint64_t* row,
                     const std::int64_t* increments);

    const kernels::KernelTable& kernels_;
    const DenseLayer::State& layer_;
    const SignedPanels& panels_;
    std::size_t row_words_;  // inputs, padded
    std::vector<std::uint64_t> key_a_, key_b_, thresholds_;
    AlignedWords rows_;
    std::vector<std::int64_t> increments_;
    std::vector<std::int64_t> counts_;
    // Of each slot: the leader, the bits since it leads, and for each neuron the sum over those
    // bits and inputs of (product with the leader's weight - product with the neuron's)^2.
    std::vector<std::size_t> leaders_;
    std::vector<std::uint64_t> moment_bits_;
    std::vector<std::int64_t> moments_;
    // For each neuron the sum over all bits and inputs of its products' squares.
    std::vector<std::int64_t> own_moments_;
    AlignedWords leader_rows_;
    std::vector<std::int64_t> moment_sums_;
};

/// Runs samples through a chain of layers, block after block on the context's threads; each
/// layer encodes the running estimate of the one before, limited to its range. A layer alone is a
/// chain of one. Adds to `saturated` how many values were limited in the last word of each sample.
/// @throws Error for samples or outputs that do not fit, a bad delta, block length or number of
/// lengths
void run_streamed(const ExecutionContext& context, std::span<const DenseLayer::State* const> layers,
                  const Samples& samples, const MatrixView<double>& outputs,
                  std::span<std::uint64_t> lengths, const StreamedOptions& options,
                  std::atomic<std::uint64_t>& saturated);

}  // namespace bitaxon
