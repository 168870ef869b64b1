// A fully connected layer on bitstreams, with all its forward paths.
#pragma once

#include <bitaxon/core/bit_panels.hpp>
#include <bitaxon/core/bitstream.hpp>
#include <bitaxon/core/context.hpp>
#include <bitaxon/core/encode.hpp>
#include <bitaxon/core/matrix_view.hpp>
#include <bitaxon/layers/async.hpp>
#include <bitaxon/layers/forward.hpp>

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace bitaxon {

struct DenseOptions {
    std::size_t inputs = 0;
    std::size_t neurons = 0;
    std::uint64_t length = 0;  ///< bits of every stream, 1 ... 2^31
    Coding coding = Coding::unipolar;
    Scale scale = Scale::sum;
    Activation activation = Activation::none;
    double input_range = 1.0;  ///< inputs are divided by it before they are encoded; > 0
    std::optional<double> weight_scale =
        {};  ///< > 0 and at least max|W|; max|W| (1 if all are 0) unless given
    std::optional<std::uint64_t> seed = {};  ///< fresh unless given
    std::uint64_t id = 0;                    ///< the layer's number in stream names
};

/// y = activation(scale * weight_scale * input_range * S + bias), where S sums the products of
/// coded inputs x / input_range and weights w / weight_scale, counted over `length` bits.
///
/// unipolar and split-unipolar inputs lie in [0, input_range], bipolar ones in [-input_range,
/// input_range]; weights lie in [0, weight_scale] for unipolar, in [-weight_scale, weight_scale]
/// otherwise. Sources: unipolar and bipolar B. R. Gaines (1969); split-unipolar is sign-magnitude,
/// one stream for |w| and one sign a weight.
///
/// Every bit is a function of (seed, layer id, sample, input, time) alone, so forward,
/// forward_fast, forward_prepacked and forward_batch agree bit for bit on every tier and thread
/// count. Const methods may be called from many threads at once.
class DenseLayer : public AsyncForward<DenseLayer> {
  public:
    /// weights: neurons x inputs. bias: one value a neuron, or empty for zeros.
    /// @throws Error for a wrong shape, a value that is NaN, infinite or out of range, a bad length
    DenseLayer(const DenseOptions& options, MatrixView<const double> weights,
               std::span<const double> bias = {},
               const ExecutionContext& context = ExecutionContext::shared());

    /// The same for row-major weights.
    DenseLayer(const DenseOptions& options, std::span<const double> weights,
               std::span<const double> bias = {},
               const ExecutionContext& context = ExecutionContext::shared());

    DenseLayer(const DenseLayer& other);
    DenseLayer& operator=(const DenseLayer& other);
    DenseLayer(DenseLayer&& other) noexcept;
    DenseLayer& operator=(DenseLayer&& other) noexcept;
    ~DenseLayer();

    std::size_t inputs() const noexcept;
    std::size_t neurons() const noexcept;
    std::uint64_t length() const noexcept;
    Coding coding() const noexcept;
    Scale scale() const noexcept;
    Activation activation() const noexcept;
    double weight_scale() const noexcept;
    bool weight_scale_given() const noexcept;  ///< else it follows the weights
    double input_range() const noexcept;
    std::uint64_t seed() const noexcept;
    std::uint64_t id() const noexcept;
    std::uint64_t redraws() const noexcept;            ///< how often the weights were drawn anew
    std::span<const double> weights() const noexcept;  ///< row-major, neurons x inputs
    std::span<const double> bias() const noexcept;
    std::string checksum() const;  ///< XXH3 of the weight streams
    std::string repr() const;

    /// One sample (inputs values) to neurons values, on the calling thread. Use it inside a loop
    /// that is parallel already, and for small layers.
    void forward(const ExecutionContext& context, std::span<const double> sample,
                 std::span<double> output, const ForwardOptions& options = {}) const;

    /// One sample, its encoding and accumulation spread over the context's threads. Use it for one
    /// sample of a large layer.
    void forward_fast(const ExecutionContext& context, std::span<const double> sample,
                      std::span<double> output, const ForwardOptions& options = {}) const;

    /// Streams that are encoded already: streams.rows samples of `inputs` streams to rows x neurons
    /// values. Use it when one encoding feeds several layers, or streams come from elsewhere.
    /// @throws Error for another length or number of streams, and for bits past the end
    void forward_prepacked(const ExecutionContext& context, const StreamView& streams,
                           MatrixView<double> outputs, const ForwardOptions& options = {}) const;

    /// samples x inputs to samples x neurons; row k is forward with sample options.sample + k. Use
    /// it for data sets. Memory does not grow with the number of samples.
    void forward_batch(const ExecutionContext& context, MatrixView<const double> samples,
                       MatrixView<double> outputs, const ForwardOptions& options = {}) const;
    void forward_batch(const ExecutionContext& context, MatrixView<const float> samples,
                       MatrixView<double> outputs, const ForwardOptions& options = {}) const;
    void forward_batch(const ExecutionContext& context, std::span<const double> samples,
                       std::span<double> outputs, const ForwardOptions& options = {}) const;

    /// As forward_batch, but each sample's streams are read in blocks and end early, as
    /// StreamedOptions says; lengths (one a sample, or empty) receives the bits used. A sample that
    /// runs to the end gives what forward gives. The first call keeps a second copy of the
    /// weight streams, in the order of time. Use it when most answers are clear early.
    void forward_streamed(const ExecutionContext& context, MatrixView<const double> samples,
                          MatrixView<double> outputs, std::span<std::uint64_t> lengths,
                          const StreamedOptions& options = {}) const;
    void forward_streamed(const ExecutionContext& context, MatrixView<const float> samples,
                          MatrixView<double> outputs, std::span<std::uint64_t> lengths,
                          const StreamedOptions& options = {}) const;

    /// No bits: activation of the mean of the linear sum, over the input streams given the drawn
    /// weights or over both (the values as their 32-bit thresholds have them). The mean over
    /// streams of forward's output only where the activation is `none`.
    void forward_expected(const ExecutionContext& context, MatrixView<const double> samples,
                          MatrixView<double> outputs,
                          ExpectedWeights weights = ExpectedWeights::drawn,
                          const Monitor& monitor = {}) const;
    void forward_expected(const ExecutionContext& context, MatrixView<const float> samples,
                          MatrixView<double> outputs,
                          ExpectedWeights weights = ExpectedWeights::drawn,
                          const Monitor& monitor = {}) const;

    /// The streams that forward encodes for a sample: one row of `inputs` streams.
    StreamArray encode(const ExecutionContext& context, std::span<const double> sample,
                       const ForwardOptions& options = {}) const;

    /// Draws all weight streams anew: the next draw of the same weights.
    void redraw(const ExecutionContext& context = ExecutionContext::shared());

    /// Replaces the weights (neurons x inputs; weight_scale follows unless it was given) and draws
    /// their streams under the present redraw count.
    void set_weights(MatrixView<const double> weights,
                     const ExecutionContext& context = ExecutionContext::shared());

    /// Sets the redraw count, as loading a file does.
    void set_redraws(std::uint64_t count,
                     const ExecutionContext& context = ExecutionContext::shared());

    void set_input_range(double range);

    struct State;  ///< opaque

  private:
    friend class Network;
    friend class AsyncForward<DenseLayer>;
    double nanoseconds(std::size_t samples) const noexcept;  // about, on one thread

    std::unique_ptr<State> state_;
};

}  // namespace bitaxon
