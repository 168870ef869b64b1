// Weights of one bit that learn from the times of spikes, by chance.
#pragma once

#include <bitaxon/core/bitstream.hpp>
#include <bitaxon/core/context.hpp>
#include <bitaxon/core/matrix_view.hpp>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace bitaxon {

struct BinaryStdpOptions {
    double p_plus = 0.1;        ///< chance that a bit is set, in [0, 1]
    double p_minus = 0.05;      ///< chance that a bit is cleared, in [0, 1]
    std::uint64_t window = 20;  ///< steps, 1 ... 2^31: a post spike's own and those before
    std::optional<std::uint64_t> seed = {};  ///< of the chances; fresh unless given
    std::uint64_t id = 0;                    ///< names them: below 2^56
};

/// Stochastic plasticity of binary weights (W. Senn and S. Fusi, 2005), by the rule of M. Suri and
/// others (Bio-inspired stochastic computing using binary CBRAM synapses, 2013): when a post neuron
/// spikes, the bit of each pre neuron that spiked within the window is set with probability p_plus,
/// that of each other one is cleared with probability p_minus.
///
/// A word of 64 weights changes at once. The chance of the weight from pre neuron i to post neuron
/// j in step t is bit i of the stream (seed, layer = id, role = noise, sample = t, index = j): what
/// encode draws for p_plus or p_minus. So results do not depend on the context, nor on how steps
/// are cut into calls.
class BinaryStdp {
  public:
    /// weights: a row of ceil(pre / 64) words for each post neuron, bit i of it from pre neuron i.
    /// @throws Error for no neuron, options out of range, weights of another shape or past the end
    BinaryStdp(std::size_t pre, std::size_t post, const BinaryStdpOptions& options,
               MatrixView<const std::uint64_t> weights,
               const ExecutionContext& context = ExecutionContext::shared());

    std::size_t pre() const noexcept { return pre_; }
    std::size_t post() const noexcept { return post_; }
    std::size_t words() const noexcept { return words_for(pre_); }  ///< of a row of weights
    const BinaryStdpOptions& options() const noexcept { return options_; }
    std::uint64_t step_count() const noexcept { return step_count_; }
    std::string repr() const;

    /// As Stdp::update.
    void update(const ExecutionContext& context, MatrixView<const std::uint64_t> pre_spikes,
                MatrixView<const std::uint64_t> post_spikes, const Monitor& monitor = {});

    /// post x words(), where they live. Keep bits past the end zero.
    MatrixView<std::uint64_t> weights() noexcept { return row_major(std::span(weights_), words()); }

    /// The step of each pre neuron's last spike; kNever where it had none.
    std::span<const std::uint64_t> last_spikes() const noexcept { return last_spikes_; }
    static constexpr std::uint64_t kNever = ~std::uint64_t{0};

    /// Back to step 0, no spike seen; weights stay.
    void reset() noexcept;
    /// Sets what belongs to the time: as after other steps, when a saved state comes back.
    /// @throws Error for another number of spikes, and for ones that step_count is not past
    void restore(std::uint64_t step_count, std::span<const std::uint64_t> last_spikes);

  private:
    struct Event {
        std::uint64_t step;
        std::size_t neuron;
    };
    struct Moment {
        std::size_t row;  // of the spikes
        std::uint64_t step;
    };
    void see(std::uint64_t step, const MatrixView<const std::uint64_t>& spikes, std::size_t row);
    void change(const ExecutionContext& context, std::size_t threads,
                const MatrixView<const std::uint64_t>& post_spikes, std::span<const Moment> moments,
                const std::uint64_t* windows);

    std::size_t pre_;
    std::size_t post_;
    BinaryStdpOptions options_;
    std::vector<std::uint64_t> weights_;
    std::vector<std::uint64_t> last_spikes_;
    std::vector<std::uint64_t> window_;  // a bit for each pre neuron that spiked within it
    std::deque<Event> events_;  // spikes that leave the window, the first to go first; a neuron's
                                // last one counts, others are dropped before they are many
    std::uint64_t step_count_ = 0;
};

}  // namespace bitaxon
