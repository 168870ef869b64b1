// A convolution of images on bitstreams.
#pragma once

#include <bitaxon/layers/layer.hpp>

#include <optional>

namespace bitaxon {

/// Downwards and to the right.
struct Extent2d {
    std::size_t y = 0;
    std::size_t x = 0;
};

struct Conv2dOptions {
    std::size_t channels = 0;
    std::size_t height = 0;
    std::size_t width = 0;
    std::size_t filters = 0;
    Extent2d kernel = {};
    Extent2d stride = {1, 1};
    Extent2d padding = {0, 0};  ///< on either side
    Extent2d dilation = {1, 1};
    std::size_t groups = 1;    ///< divides channels and filters
    std::uint64_t length = 0;  ///< bits of every stream, 1 ... 2^31
    Coding coding = Coding::unipolar;
    Scale scale = Scale::sum;  ///< mean divides by all weights of a filter, at the borders too
    Activation activation = Activation::none;
    double input_range = 1.0;
    std::optional<double> weight_scale = {};  ///< as DenseOptions::weight_scale
    std::optional<std::uint64_t> seed = {};   ///< fresh unless given
    std::uint64_t id = 0;
};

/// A cross-correlation, as in other libraries: output (o, y, x) is, over the channels c of o's
/// group and the kernel, activation(scale * weight_scale * input_range * S + bias[o]), where S sums
/// the products of coded inputs (c, y * stride.y + ky * dilation.y - padding.y, ...) and weights
/// (o, c, ky, kx), counted over `length` bits. Codings are those of DenseLayer.
///
/// Values are flat: inputs (channel, row, column), weights (filter, channel of the group, row,
/// column), outputs (filter, row, column); so are the streams' indices. Padding draws no bits and
/// contributes exactly zero in every coding.
///
/// All positions of a filter share its weight streams, and neighbours share input streams: their
/// errors move together, and a mean over positions (pooling) gains less than it would from
/// independent ones.
class Conv2d : public Layer {
  public:
    /// weights: a row a filter. bias: one value a filter, or empty for zeros.
    /// @throws Error for a wrong shape, a value that is NaN, infinite or out of range, a bad length
    Conv2d(const Conv2dOptions& options, MatrixView<const double> weights,
           std::span<const double> bias = {},
           const ExecutionContext& context = ExecutionContext::shared());

    /// The same for weights side by side.
    Conv2d(const Conv2dOptions& options, std::span<const double> weights,
           std::span<const double> bias = {},
           const ExecutionContext& context = ExecutionContext::shared());
};

/// What a layer that is a Conv2d was made of (weight_scale and seed are set), and the rows and
/// columns of an output. @throws Error for another layer
Conv2dOptions conv2d_options(const Layer& layer);
Extent2d conv2d_output(const Layer& layer);

}  // namespace bitaxon
