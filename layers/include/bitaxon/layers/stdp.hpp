// Weights that learn from the times of spikes.
#pragma once

#include <bitaxon/core/context.hpp>
#include <bitaxon/core/matrix_view.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace bitaxon {

/// Which pairs of spikes change a weight.
enum class Pairing : std::uint8_t {
    all,      ///< every spike before the synapse with every one behind it
    nearest,  ///< each spike with the last one of the other side
};

/// What keeps weights between their bounds.
enum class Bounds : std::uint8_t {
    hard,  ///< changes are the same everywhere, and end at the bound
    soft,  ///< changes shrink with the distance that is left (M. C. W. van Rossum and others, 2000)
};

struct StdpOptions {
    double a_plus = 0.01;      ///< what a pair raises a weight by, as a share of the range: 0 to 1
    double a_minus = 0.012;    ///< what a pair lowers it by: 0 to 1
    double tau_plus = 20e-3;   ///< seconds, > 0
    double tau_minus = 20e-3;  ///< seconds, > 0
    double dt = 1e-3;          ///< seconds of a step, > 0
    double w_min = 0.0;
    double w_max = 1.0;  ///< above w_min
    Pairing pairing = Pairing::all;
    Bounds bounds = Bounds::hard;
};

/// Pair-based spike-timing-dependent plasticity (G. Bi and M. Poo, 1998; S. Song, K. D. Miller and
/// L. F. Abbott, 2000) of the weights from `pre` to `post` neurons, by traces (A. Morrison, M.
/// Diesmann and W. Gerstner, 2008).
///
/// A step is, in this order: traces decay by exp(-dt / tau); each pre spike lowers the weights of
/// its neuron by a_minus times the post neurons' traces, then adds one to its own trace; each post
/// spike raises the weights to its neuron by a_plus times the pre neurons' traces, then adds one to
/// its own. So a pair of one step counts as pre before post, at full size. With Pairing::nearest a
/// spike sets its trace to one. Traces below 1e-100 become 0.
///
/// Results do not depend on the context, nor on how steps are cut into calls.
class Stdp {
  public:
    /// weights: pre x post, each from w_min to w_max.
    /// @throws Error for no neuron, options out of range, weights of another shape or out of range
    Stdp(std::size_t pre, std::size_t post, const StdpOptions& options,
         MatrixView<const double> weights,
         const ExecutionContext& context = ExecutionContext::shared());

    std::size_t pre() const noexcept { return pre_; }
    std::size_t post() const noexcept { return post_; }
    const StdpOptions& options() const noexcept { return options_; }
    std::uint64_t step_count() const noexcept { return step_count_; }
    std::string repr() const;

    /// Spikes of both sides for as many steps: a row of ceil(neurons / 64) words a step, as
    /// Spikes::rows() gives them. Spread over the context's threads by post neurons. What is
    /// cancelled stands behind the last whole chunk of steps: see step_count().
    /// @throws Error for other numbers of steps or words, and for spikes of neurons that do not
    /// exist; nothing is changed then
    void update(const ExecutionContext& context, MatrixView<const std::uint64_t> pre_spikes,
                MatrixView<const std::uint64_t> post_spikes, const Monitor& monitor = {});

    /// pre x post, where they live. Values outside the bounds come back to the nearer one, or into
    /// the range, whenever a spike of either side changes them, be it by 0.
    MatrixView<double> weights() noexcept {
        return {weights_.data(), pre_, post_, static_cast<std::ptrdiff_t>(stride_), 1};
    }
    std::span<double> pre_traces() noexcept { return pre_traces_; }
    std::span<double> post_traces() noexcept { return post_traces_; }

    /// Back to step 0 and traces of 0; weights stay.
    void reset() noexcept;
    /// Sets what belongs to the time: as after other steps, when a saved state comes back.
    /// @throws Error for other numbers of traces, and for ones that are not finite or below 0
    void restore(std::uint64_t step_count, std::span<const double> pre_traces,
                 std::span<const double> post_traces);

  private:
    void advance(const ExecutionContext& context, std::size_t threads,
                 const MatrixView<const std::uint64_t>& pre_spikes,
                 const MatrixView<const std::uint64_t>& post_spikes);

    std::size_t pre_;
    std::size_t post_;
    StdpOptions options_;
    std::size_t stride_;  // of weights
    std::vector<double> weights_;
    std::vector<double> pre_traces_;
    std::vector<double> post_traces_;
    std::uint64_t step_count_ = 0;
};

}  // namespace bitaxon
