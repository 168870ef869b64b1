// Layers without weights: pooling of images, and Flatten.
#pragma once

#include <bitaxon/layers/conv2d.hpp>
#include <bitaxon/layers/layer.hpp>

#include <array>
#include <optional>

namespace bitaxon {

/// What a layer without weights encodes where it comes first or stands alone.
struct ValueOptions {
    std::uint64_t length = 1024;
    Coding coding = Coding::unipolar;
    double input_range = 1.0;
    std::optional<std::uint64_t> seed = {};  ///< fresh unless given
    std::uint64_t id = 0;
};

struct Pool2dOptions {
    std::size_t channels = 0;
    std::size_t height = 0;
    std::size_t width = 0;
    Extent2d kernel = {};
    std::optional<Extent2d> stride = {};  ///< the kernel's size unless given
    Extent2d padding = {0, 0};            ///< at most half of the kernel
    ValueOptions streams = {};
};

/// Layers without weights work on numbers. Alone, or first in a network, they encode their inputs,
/// count the ones of each stream and work on what was counted, on every forward path. After another
/// layer they take its outputs as they are, as a circuit's counters hand them on: nothing is
/// encoded, no range limits them, no noise is added. Values are flat, (channel, row, column).
///
/// The mean of each window; what is padded counts as zeros.
class AveragePool2d : public Layer {
  public:
    /// @throws Error for a wrong shape
    explicit AveragePool2d(const Pool2dOptions& options);
};

/// The largest value of each window; what is padded never is. The largest of noisy values is too
/// large on average: by about the noise's deviation where a window's values are close.
class MaxPool2d : public Layer {
  public:
    /// @throws Error for a wrong shape
    explicit MaxPool2d(const Pool2dOptions& options);
};

/// Passes (channels, height, width) values on. Values are flat already, so this only checks and
/// documents what follows what.
class Flatten : public Layer {
  public:
    /// @throws Error for a size of 0
    Flatten(std::size_t channels, std::size_t height, std::size_t width,
            const ValueOptions& streams = {});
};

/// What a layer that pools was made of (stride and seed are set), and the rows and columns of an
/// output. @throws Error for another layer
Pool2dOptions pool2d_options(const Layer& layer);
Extent2d pool2d_output(const Layer& layer);

/// (channels, height, width) of a Flatten. @throws Error for another layer
std::array<std::size_t, 3> flatten_shape(const Layer& layer);

}  // namespace bitaxon
