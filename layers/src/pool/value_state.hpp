// The insides of layers without weights: they count streams, and work on numbers.
#pragma once

#include "../layer/layer_state.hpp"

#include <bitaxon/layers/pool2d.hpp>

namespace bitaxon {

class WeightlessState : public Layer::State {
  public:
    WeightlessState(std::size_t inputs, std::size_t outputs, const ValueOptions& options);

    bool takes_values() const final { return true; }

    std::size_t counters() const final { return shape.inputs; }
    std::size_t block_samples() const final;
    std::size_t scratch_bytes(std::size_t samples) const final;
    void encode_and_sum(const Samples& samples, const SampleBlock& block) const final;
    void sum_streams(const StreamView& streams, const SampleBlock& block) const final;
    void finish(std::int64_t* counters, const MatrixView<double>& outputs) const final;
    std::unique_ptr<StreamedLayer> streamed(const ExecutionContext& context, std::size_t slots,
                                            const ForwardNames& names) const final;
    void expect_sums(const kernels::KernelTable& kernels, const double* x, const double* values,
                     double* sums) const final;

    /// The value that a count of ones in `bits` bits stands for.
    double decoded(std::int64_t ones, std::uint64_t bits) const;
};

/// One shape of window for each place of an output.
class Pool2dState final : public KindOf<Pool2dState, WeightlessState> {
  public:
    enum class Kind { average, max };

    Pool2dState(Kind kind, const Pool2dOptions& options);

    std::string_view type() const override;
    Sizes sizes() const override;
    std::string call() const override;
    void apply(const double* x, double* y) const override;
    void apply_variance(const double* x, const double* variance, double* out) const override;
    void pull_back(const double* x, const double* gradient, const double* values,
                   double* out) const override;

    const Kind kind;
    const Conv2dOptions window;  ///< its sizes alone; one group, and a filter, a channel
    const Extent2d output;

  private:
    /// visit(input) for each input in the window of output n.
    template <class Visit>
    void for_window(std::size_t n, Visit visit) const;
    std::size_t largest(std::size_t n, const double* x) const;
    double share() const { return 1.0 / static_cast<double>(window.kernel.y * window.kernel.x); }
};

class FlattenState final : public KindOf<FlattenState, WeightlessState> {
  public:
    FlattenState(std::size_t channels, std::size_t height, std::size_t width,
                 const ValueOptions& options);

    std::string_view type() const override { return "flatten"; }
    Sizes sizes() const override;
    std::string call() const override;
    void apply(const double* x, double* y) const override;
    void apply_variance(const double* x, const double* variance, double* out) const override;
    void pull_back(const double* x, const double* gradient, const double* values,
                   double* out) const override;

    const std::array<std::size_t, 3> image;
};

}  // namespace bitaxon
