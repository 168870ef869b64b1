// A layer that reads its streams a word of time at a time, for some samples at once.
#pragma once

#include "layer_state.hpp"
#include "skips.hpp"

#include <atomic>
#include <vector>

namespace bitaxon {

/// The running counts of one layer for a block of samples. Slot s belongs to one sample throughout;
/// `active` lists the slots that still run. Derived classes count.
class StreamedLayer {
  public:
    virtual ~StreamedLayer() = default;

    /// What the layer's inputs are from now on: inputs probabilities of slot s.
    std::uint64_t* thresholds(std::size_t slot) {
        return thresholds_.data() + slot * layer_.inputs();
    }

    /// Encodes word t of every active slot and adds its products to counts_. With moments, keeps
    /// what the stop rule needs: own_moments_, leaders_ and lead_variance().
    virtual void advance(std::uint64_t word, std::span<const std::size_t> active,
                         bool with_moments) = 0;

    /// Output n estimated from the first `bits` bits, before the activation.
    double linear(std::size_t slot, std::size_t n, std::uint64_t bits) const {
        return layer_.factor(bits) * static_cast<double>(counts_[slot * layer_.outputs() + n]) +
               layer_.bias[layer_.row_of(n)];
    }

    /// Takes what the layer before puts out now, limited to what it encodes, and returns how many
    /// values were beyond.
    virtual std::size_t feed(std::size_t slot, const double* values);

    /// Writes the activated outputs estimated from the first `bits` bits.
    virtual void read(std::size_t slot, std::uint64_t bits, double* out) const;

    /// Bound on the probability that after all bits another output than the present leader is the
    /// first with the largest activated value.
    double risk(std::size_t slot, std::uint64_t bits) const;

  protected:
    StreamedLayer(const ExecutionContext& context, const Layer::State& layer, std::size_t slots,
                  const ForwardNames& names);

    /// Bound on the variance, in one bit, of the leader's count less that of output n. Never asked
    /// of kinds that do not stop early.
    virtual double lead_variance(std::size_t /*slot*/, std::size_t /*n*/,
                                 std::uint64_t /*bits*/) const {
        return 0.0;
    }
    /// Bound on the variance of output n's count in one bit. One more than was counted, so that a
    /// rare event not yet seen is not taken for none.
    double own_variance(std::size_t slot, std::size_t n, std::uint64_t bits) const {
        return static_cast<double>(own_moments_[slot * layer_.outputs() + n] + 1) /
               static_cast<double>(bits);
    }

    std::uint64_t bits_in(std::uint64_t word) const {
        return std::min<std::uint64_t>(64, layer_.options.length - 64 * word);
    }
    std::uint64_t mask_of(std::uint64_t word) const {
        return word + 1 == layer_.words_per_stream() ? tail_mask(layer_.options.length)
                                                     : ~std::uint64_t{0};
    }
    std::size_t leader(std::size_t slot, std::uint64_t bits) const;
    Engine engine() const { return {kernels_, job_}; }

    const kernels::KernelTable& kernels_;
    const Job job_;  // whoever runs the chain looks at the caller's
    const Layer::State& layer_;
    std::vector<std::uint64_t> bases_;  // that the streams of each slot are drawn from
    std::vector<std::uint64_t> thresholds_;
    std::vector<std::int64_t> counts_;
    // For each output the sum over all bits and inputs of its products' squares.
    std::vector<std::int64_t> own_moments_;
    std::vector<std::size_t> leaders_;
};

/// Runs samples through a chain of layers, block after block on the context's threads; each
/// layer encodes the running estimate of the one before, limited to its range. A layer alone is a
/// chain of one. Adds to `saturated` how many values were limited in the last word of each sample.
/// @throws Error for samples or outputs that do not fit, a bad delta, block length or number of
/// lengths
void run_streamed(const ExecutionContext& context, std::span<const Layer::State* const> layers,
                  const Skips& skips, const Samples& samples, const MatrixView<double>& outputs,
                  std::span<std::uint64_t> lengths, const StreamedOptions& options,
                  std::atomic<std::uint64_t>& saturated);

}  // namespace bitaxon
