#include "conv2d_state.hpp"

#include <bitaxon/core/error.hpp>

#include <fmt/format.h>

#include <cmath>

namespace bitaxon {
namespace {

constexpr std::size_t kLargestSize = std::size_t{1} << 20;
constexpr std::size_t kMostValues = std::size_t{1} << 40;

void check_range(std::string_view name, std::size_t size, std::size_t least) {
    if (size < least || size > kLargestSize)
        throw_error(ErrorCode::invalid_shape, name, fmt::format("{}", size),
                    fmt::format("{} ... {}", least, kLargestSize));
}

// Of one axis.
std::size_t output_size(std::string_view axis, std::size_t size, std::size_t kernel,
                        std::size_t stride, std::size_t padding, std::size_t dilation) {
    const std::size_t reach = (kernel - 1) * dilation + 1;
    const std::size_t padded = size + 2 * padding;
    if (reach > padded)
        throw_error(
            ErrorCode::invalid_shape, fmt::format("kernel.{}", axis),
            fmt::format("{} with dilation {}, which reaches over {}", kernel, dilation, reach),
            fmt::format("at most {}, the padded input", padded));
    return (padded - reach) / stride + 1;
}

// Kernel places k with 0 <= at * stride + k * dilation - padding < size.
std::pair<std::size_t, std::size_t> inside(std::size_t at, std::size_t size, std::size_t kernel,
                                           std::size_t stride, std::size_t padding,
                                           std::size_t dilation) {
    const std::size_t start = at * stride;
    const auto places_below = [&](std::size_t limit) {
        return limit <= start ? 0 : std::min(kernel, (limit - start + dilation - 1) / dilation);
    };
    return {places_below(padding), places_below(padding + size)};
}

Conv2dOptions checked(const Conv2dOptions& o) {
    check_range("channels", o.channels, 1);
    check_range("height", o.height, 1);
    check_range("width", o.width, 1);
    check_range("filters", o.filters, 1);
    check_range("kernel.y", o.kernel.y, 1);
    check_range("kernel.x", o.kernel.x, 1);
    check_range("stride.y", o.stride.y, 1);
    check_range("stride.x", o.stride.x, 1);
    check_range("padding.y", o.padding.y, 0);
    check_range("padding.x", o.padding.x, 0);
    check_range("dilation.y", o.dilation.y, 1);
    check_range("dilation.x", o.dilation.x, 1);
    check_range("groups", o.groups, 1);
    if (o.channels % o.groups != 0 || o.filters % o.groups != 0)
        throw_error(
            ErrorCode::invalid_shape, "groups", fmt::format("{}", o.groups),
            fmt::format("a divisor of channels and filters, {} and {}", o.channels, o.filters));
    return o;
}

LayerShape shape_of(const ConvGeometry& g) {
    const Conv2dOptions& o = g.options;
    // Two sizes of at most 2^20 multiply without overflow, and so does a third if those are small.
    if (o.height * o.width > kMostValues / o.channels)
        throw_error(ErrorCode::invalid_shape, "channels * height * width",
                    fmt::format("{} * {} * {}", o.channels, o.height, o.width),
                    fmt::format("at most {} values", kMostValues));
    if (g.positions() > kMostValues / o.filters)
        throw_error(ErrorCode::invalid_shape, "filters * output",
                    fmt::format("{} * {} * {}", o.filters, g.output.y, g.output.x),
                    fmt::format("at most {} values", kMostValues));
    if (g.taps() > kMostValues / g.group_channels)
        throw_error(
            ErrorCode::invalid_shape, "kernel",
            fmt::format("{} * {} * {} weights a filter", g.group_channels, o.kernel.y, o.kernel.x),
            fmt::format("at most {}", kMostValues));
    return {
        .inputs = g.inputs(), .rows = o.filters, .fan_in = g.fan_in(), .positions = g.positions()};
}

}  // namespace

ConvGeometry::ConvGeometry(const Conv2dOptions& given)
    : options(checked(given)), output{output_size("y", given.height, given.kernel.y, given.stride.y,
                                                  given.padding.y, given.dilation.y),
                                      output_size("x", given.width, given.kernel.x, given.stride.x,
                                                  given.padding.x, given.dilation.x)},
      group_channels(given.channels / given.groups), group_filters(given.filters / given.groups),
      padded_width(given.width + 2 * given.padding.x),
      window_rows((given.kernel.y - 1) * given.dilation.y + 1) {}

std::pair<std::size_t, std::size_t> ConvGeometry::rows_inside(std::size_t y) const {
    return inside(y, options.height, options.kernel.y, options.stride.y, options.padding.y,
                  options.dilation.y);
}

std::pair<std::size_t, std::size_t> ConvGeometry::columns_inside(std::size_t x) const {
    return inside(x, options.width, options.kernel.x, options.stride.x, options.padding.x,
                  options.dilation.x);
}

Conv2dState::Conv2dState(const Conv2dOptions& o, MatrixView<const double> matrix,
                         std::span<const double> biases)
    : KindOf(shape_of(ConvGeometry(o)), common_options(o), matrix, biases), geometry(o) {}

Sizes Conv2dState::sizes() const {
    const Conv2dOptions& o = geometry.options;
    return {{"channels", o.channels},   {"height", o.height},         {"width", o.width},
            {"filters", o.filters},     {"kernel_y", o.kernel.y},     {"kernel_x", o.kernel.x},
            {"stride_y", o.stride.y},   {"stride_x", o.stride.x},     {"padding_y", o.padding.y},
            {"padding_x", o.padding.x}, {"dilation_y", o.dilation.y}, {"dilation_x", o.dilation.x},
            {"groups", o.groups}};
}

std::string Conv2dState::call() const {
    const Conv2dOptions& o = geometry.options;
    const auto pair = [](Extent2d e) { return fmt::format("({}, {})", e.y, e.x); };
    return fmt::format("Conv2d({}, {}, {}, input_size={}, stride={}, padding={}, dilation={}, "
                       "groups={}",
                       o.channels, o.filters, pair(o.kernel), pair({o.height, o.width}),
                       pair(o.stride), pair(o.padding), pair(o.dilation), o.groups);
}

// A chunk of time is what lets the rows under a kernel stay in the cache: a power of two, so that
// segments fill whole groups where the number of channels does.
std::size_t Conv2dState::chunk_words() const {
    constexpr std::size_t kRingWords = 1 << 14;  // 128 KiB
    const std::size_t one =
        geometry.window_rows * geometry.padded_width * geometry.options.channels;
    std::size_t words = 1;
    while (words < words_per_stream() && 2 * words * one <= kRingWords) words *= 2;
    return std::min(words, words_per_stream());
}

// A kernel row is one segment, since its inputs lie side by side; with dilation each tap is one.
// Channels are innermost.
WeightLayout Conv2dState::layout() const {
    const Conv2dOptions& o = geometry.options;
    std::vector<std::size_t> places;
    for (std::size_t c = 0; c < geometry.group_channels; ++c)
        for (std::size_t tap = 0; tap < geometry.taps(); ++tap)
            places.push_back(tap * geometry.group_channels + c);
    const std::size_t segments = o.dilation.x == 1 ? o.kernel.y : geometry.taps();
    return {geometry.fan_in(), segments,          words_per_stream(),
            chunk_words(),     std::move(places), geometry.group_filters};
}

Conv2d::Conv2d(const Conv2dOptions& options, MatrixView<const double> weights,
               std::span<const double> bias, const ExecutionContext& context)
    : Layer(draw_state<Conv2dState>(context, options, weights, bias)) {}

Conv2d::Conv2d(const Conv2dOptions& options, std::span<const double> weights,
               std::span<const double> bias, const ExecutionContext& context)
    : Conv2d(options,
             as_rows(weights, options.filters, ConvGeometry(options).fan_in(),
                     "filters * (channels / groups * kernel.y * kernel.x)"),
             bias, context) {}

Conv2dOptions conv2d_options(const Layer& layer) {
    const auto& state = state_of_kind<Conv2dState>(layer, "a Conv2d");
    return with_common(state.geometry.options, state.options);
}

Extent2d conv2d_output(const Layer& layer) {
    return state_of_kind<Conv2dState>(layer, "a Conv2d").geometry.output;
}

}  // namespace bitaxon
