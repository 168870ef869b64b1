// Layers in sequence: the output of each is encoded again for the next.
#pragma once

#include <bitaxon/layers/layer.hpp>

#include <filesystem>
#include <memory>
#include <vector>

namespace bitaxon {

struct TuneOptions {
    /// Share of the samples that must be classified right, in (0, 1].
    double target = 0.99;
    /// The output that should be largest, of each sample; where empty, the one that is largest
    /// without noise (forward_expected of the weights themselves).
    std::span<const std::size_t> labels = {};
    std::uint64_t shortest = 64;   ///< bits; lengths are this times powers of two
    std::uint64_t longest = 4096;  ///< bits
    ForwardOptions forward = {};
};

struct Tuned {
    std::vector<std::uint64_t> lengths;  ///< of each layer, in bits
    double accuracy;                     ///< the share that they reached on these samples
};

/// A connection that passes layers by (K. He and others, Deep residual learning, 2015): what layer
/// `from` puts out is added to what layer `to` puts out, after its activation, as numbers. A next
/// layer whose coding has no negative values cuts them off, as relu would.
struct Skip {
    std::size_t from;
    std::size_t to;
};

/// A feed-forward network. Layer k gets id k. The output of a layer is divided by the next one's
/// input_range (set by calibrate), saturates at the ends of its coding's range, and is encoded
/// anew; how many values saturated since the last calibration is counted.
///
/// Const methods may be called from many threads at once. One that changes the network and fails,
/// or is stopped on a watched context, leaves it as it was.
class Network : public AsyncForward<Network> {
  public:
    /// @throws Error for no layer, neighbours whose sizes do not fit, and a skip that leads back or
    /// joins layers of different sizes
    explicit Network(std::vector<Layer> layers,
                     const ExecutionContext& context = ExecutionContext::shared(),
                     std::vector<Skip> skips = {});

    Network(const Network& other);
    Network& operator=(const Network& other);
    Network(Network&&) noexcept;
    Network& operator=(Network&&) noexcept;
    ~Network();

    std::size_t inputs() const noexcept;
    std::size_t neurons() const noexcept;  ///< of the last layer
    const std::vector<Layer>& layers() const noexcept;
    const std::vector<Skip>& skips() const noexcept;
    std::uint64_t saturated() const noexcept;  ///< values between layers that left their range
    std::string repr() const;

    /// Sets the input_range of every layer but the first to a quantile of the magnitudes that the
    /// layer before it puts out on these samples, computed without bits; the largest where the
    /// quantile is 0.
    /// @throws Error for no sample, or a quantile outside (0, 1]
    void calibrate(const ExecutionContext& context, MatrixView<const double> samples,
                   double quantile = 0.999, const Monitor& monitor = {});

    /// Gives each layer a length of its own.
    /// @throws Error for another number of lengths, and for a length outside 1 ... 2^31
    void set_lengths(std::span<const std::uint64_t> lengths,
                     const ExecutionContext& context = ExecutionContext::shared());

    /// Sets the shortest lengths that reach a target on these samples: the shortest that all layers
    /// may have together, then for each layer, the costliest first, the shortest that the others
    /// allow. A target is a measurement with this seed on these samples, not a promise for others.
    /// @throws Error for a target that the longest streams miss, and for labels,
    /// lengths or samples that do not fit
    Tuned tune(const ExecutionContext& context, MatrixView<const double> samples,
               const TuneOptions& options = {});

    /// The paths of Layer; each layer has the whole stream before the next begins.
    void forward(const ExecutionContext& context, std::span<const double> sample,
                 std::span<double> output, const ForwardOptions& options = {}) const;
    void forward_fast(const ExecutionContext& context, std::span<const double> sample,
                      std::span<double> output, const ForwardOptions& options = {}) const;
    void forward_prepacked(const ExecutionContext& context, const StreamView& streams,
                           MatrixView<double> outputs, const ForwardOptions& options = {}) const;
    void forward_batch(const ExecutionContext& context, MatrixView<const double> samples,
                       MatrixView<double> outputs, const ForwardOptions& options = {}) const;
    void forward_batch(const ExecutionContext& context, MatrixView<const float> samples,
                       MatrixView<double> outputs, const ForwardOptions& options = {}) const;
    void forward_batch(const ExecutionContext& context, std::span<const double> samples,
                       std::span<double> outputs, const ForwardOptions& options = {}) const;

    /// Runs all layers together, 64 bits at a time: each layer encodes the running estimate of the
    /// one before. Run to the end it is close to forward but not equal to it, since early bits came
    /// from early estimates. The stop rule counts the noise of the last layer alone, so a network's
    /// delta is a target and not a bound. All layers must have one length.
    void forward_streamed(const ExecutionContext& context, MatrixView<const double> samples,
                          MatrixView<double> outputs, std::span<std::uint64_t> lengths,
                          const StreamedOptions& options = {}) const;
    void forward_streamed(const ExecutionContext& context, MatrixView<const float> samples,
                          MatrixView<double> outputs, std::span<std::uint64_t> lengths,
                          const StreamedOptions& options = {}) const;

    /// The limit of infinite length: each layer's mean, exactly handed on.
    void forward_expected(const ExecutionContext& context, MatrixView<const double> samples,
                          MatrixView<double> outputs,
                          ExpectedWeights weights = ExpectedWeights::drawn,
                          const Monitor& monitor = {}) const;
    void forward_expected(const ExecutionContext& context, MatrixView<const float> samples,
                          MatrixView<double> outputs,
                          ExpectedWeights weights = ExpectedWeights::drawn,
                          const Monitor& monitor = {}) const;

    /// The standard deviation of forward's outputs over seeds, predicted without a bit: what the
    /// input streams of each layer add to the noise of the outputs, given the drawn weights. The
    /// more bits, the closer: clipped values are taken for normal ones, and the largest value of a
    /// MaxPool2d for the one that is largest without noise.
    /// Skips, attention and recurrent layers are part of it, to first order.
    void forward_deviation(const ExecutionContext& context, MatrixView<const double> samples,
                           MatrixView<double> outputs, const Monitor& monitor = {}) const;
    void forward_deviation(const ExecutionContext& context, MatrixView<const float> samples,
                           MatrixView<double> outputs, const Monitor& monitor = {}) const;

    StreamArray encode(const ExecutionContext& context, std::span<const double> sample,
                       const ForwardOptions& options = {}) const;

    /// Draws the weight streams of all layers anew.
    void redraw(const ExecutionContext& context = ExecutionContext::shared());

    /// Saves the description, weights, seeds and redraw counts as safetensors; streams are drawn
    /// again on loading and checked. @throws Error
    void save(const std::filesystem::path& path,
              const ExecutionContext& context = ExecutionContext::shared()) const;
    static Network load(const std::filesystem::path& path,
                        const ExecutionContext& context = ExecutionContext::shared());

  private:
    friend class AsyncForward<Network>;
    double nanoseconds(std::size_t samples) const noexcept;  // about, on one thread
    void set_ranges(const ExecutionContext& context, MatrixView<const double> samples,
                    double quantile, const Job& job);

    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace bitaxon
