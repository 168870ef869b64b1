// A fully connected layer on bitstreams.
#pragma once

#include <bitaxon/layers/layer.hpp>

#include <optional>

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
class DenseLayer : public Layer {
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
};

}  // namespace bitaxon
