// What all layers have in common: accessors and forward paths.
#pragma once

#include <bitaxon/core/bitstream.hpp>
#include <bitaxon/core/context.hpp>
#include <bitaxon/core/encode.hpp>
#include <bitaxon/core/matrix_view.hpp>
#include <bitaxon/layers/async.hpp>
#include <bitaxon/layers/forward.hpp>

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace bitaxon {

/// What batch normalisation learnt (S. Ioffe, C. Szegedy, 2015), a value a neuron or filter.
struct BatchNorm {
    std::span<const double> mean;
    std::span<const double> variance;    ///< variance + epsilon > 0
    std::span<const double> gamma = {};  ///< ones where empty
    std::span<const double> beta = {};   ///< zeros where empty
    double epsilon = 1e-5;
};

/// A layer of any kind. It is a value: a copy of a DenseLayer as a Layer is the same layer, so that
/// Network and containers hold kinds side by side. The classes of the kinds make layers and know
/// their shapes; all that layers do is here.
///
/// Every bit is a function of (seed, layer id, sample, input, time) alone, so forward,
/// forward_fast, forward_prepacked and forward_batch agree bit for bit on every tier and thread
/// count. Const methods may be called from many threads at once.
class Layer : public AsyncForward<Layer> {
  public:
    Layer(const Layer& other);
    Layer& operator=(const Layer& other);
    Layer(Layer&& other) noexcept;
    Layer& operator=(Layer&& other) noexcept;
    ~Layer();

    std::string_view type() const noexcept;  ///< "dense", "conv2d"
    std::size_t inputs() const noexcept;     ///< values of one sample
    std::size_t neurons() const noexcept;    ///< values of one output
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
    std::span<const double> weights() const noexcept;  ///< in the order of their streams
    std::span<const double> bias() const noexcept;     ///< one a neuron, or a filter
    std::string checksum() const;                      ///< XXH3 of the weight streams
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

    /// Replaces the weights (a row a neuron, or a filter; weight_scale follows unless it was given)
    /// and draws their streams under the present redraw count.
    void set_weights(MatrixView<const double> weights,
                     const ExecutionContext& context = ExecutionContext::shared());

    /// Makes the layer compute gamma * (y - mean) / sqrt(variance + epsilon) + beta of its linear
    /// output y, before the activation, by other weights and biases. Weights are drawn as
    /// set_weights does.
    /// @throws Error for sizes that do not fit, and where set_weights would: a negative gamma turns
    /// weights negative, which unipolar coding has not
    void fold_batch_norm(const BatchNorm& norm,
                         const ExecutionContext& context = ExecutionContext::shared());

    /// Sets the redraw count, as loading a file does.
    void set_redraws(std::uint64_t count,
                     const ExecutionContext& context = ExecutionContext::shared());

    void set_input_range(double range);

    struct State;  ///< opaque

  protected:
    explicit Layer(std::unique_ptr<State> state);

  private:
    friend class Network;
    friend class AsyncForward<Layer>;
    double nanoseconds(std::size_t samples) const noexcept;  // about, on one thread

    std::unique_ptr<State> state_;
};

}  // namespace bitaxon
