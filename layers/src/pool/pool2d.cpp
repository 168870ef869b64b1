#include <bitaxon/layers/pool2d.hpp>

#include "../conv/conv2d_state.hpp"
#include "value_state.hpp"

#include <bitaxon/core/error.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <optional>

namespace bitaxon {
namespace {

// A pool's windows are a convolution's: each channel is a group with one filter.
Conv2dOptions window_of(const Pool2dOptions& o) {
    const Conv2dOptions window{.channels = o.channels,
                               .height = o.height,
                               .width = o.width,
                               .filters = o.channels,
                               .kernel = o.kernel,
                               .stride = o.stride.value_or(o.kernel),
                               .padding = o.padding,
                               .groups = std::max<std::size_t>(o.channels, 1)};
    const ConvGeometry checked(window);
    if (2 * o.padding.y > o.kernel.y || 2 * o.padding.x > o.kernel.x)
        throw_error(ErrorCode::invalid_shape, "padding",
                    fmt::format("({}, {})", o.padding.y, o.padding.x),
                    fmt::format("at most half of the kernel, ({}, {})", o.kernel.y, o.kernel.x));
    return window;
}

std::size_t outputs_of(const Pool2dOptions& o) {
    return o.channels * ConvGeometry(window_of(o)).positions();
}

// Of an image that a convolution could take.
std::size_t size_of(std::size_t channels, std::size_t height, std::size_t width) {
    return ConvGeometry({.channels = channels,
                         .height = height,
                         .width = width,
                         .filters = 1,
                         .kernel = {1, 1}})
        .inputs();
}

const Pool2dState& pool2d_state(const Layer& layer) {
    return state_of_kind<Pool2dState>(layer, "an AveragePool2d or MaxPool2d");
}

}  // namespace

Pool2dState::Pool2dState(Kind k, const Pool2dOptions& o)
    : KindOf(ConvGeometry(window_of(o)).inputs(), outputs_of(o), o.streams), kind(k),
      window(window_of(o)), output(ConvGeometry(window).output) {}

std::string_view Pool2dState::type() const {
    return kind == Kind::average ? "average_pool2d" : "max_pool2d";
}

Sizes Pool2dState::sizes() const {
    return {{"channels", window.channels},  {"height", window.height},
            {"width", window.width},        {"kernel_y", window.kernel.y},
            {"kernel_x", window.kernel.x},  {"stride_y", window.stride.y},
            {"stride_x", window.stride.x},  {"padding_y", window.padding.y},
            {"padding_x", window.padding.x}};
}

std::string Pool2dState::call() const {
    return fmt::format("{}(({}, {}, {}), ({}, {}), stride=({}, {}), padding=({}, {})",
                       kind == Kind::average ? "AveragePool2d" : "MaxPool2d", window.channels,
                       window.height, window.width, window.kernel.y, window.kernel.x,
                       window.stride.y, window.stride.x, window.padding.y, window.padding.x);
}

template <class Visit>
void Pool2dState::for_window(std::size_t n, Visit visit) const {
    const ConvGeometry g(window);
    const std::size_t channel = n / g.positions();
    const std::size_t y = n % g.positions() / g.output.x;
    const std::size_t x = n % g.output.x;
    const auto [first_ky, end_ky] = g.rows_inside(y);
    const auto [first_kx, end_kx] = g.columns_inside(x);
    for (std::size_t ky = first_ky; ky < end_ky; ++ky)
        for (std::size_t kx = first_kx; kx < end_kx; ++kx) {
            const std::size_t row = channel * window.height + g.image_row(y, ky);
            visit(row * window.width + x * window.stride.x + kx - window.padding.x);
        }
}

std::size_t Pool2dState::largest(std::size_t n, const double* x) const {
    std::optional<std::size_t> best;
    for_window(n, [&](std::size_t i) {
        if (!best || x[i] > x[*best]) best = i;
    });
    return *best;
}

void Pool2dState::apply(const double* x, double* y) const {
    for (std::size_t n = 0; n < outputs(); ++n) {
        if (kind == Kind::max) {
            y[n] = x[largest(n, x)];
            continue;
        }
        double sum = 0.0;
        for_window(n, [&](std::size_t i) { sum += x[i]; });
        y[n] = sum * share();
    }
}

void Pool2dState::apply_variance(const double* x, const double* variance, double* out) const {
    for (std::size_t n = 0; n < outputs(); ++n) {
        if (kind == Kind::max) {
            out[n] = variance[largest(n, x)];
            continue;
        }
        double sum = 0.0;
        for_window(n, [&](std::size_t i) { sum += variance[i]; });
        out[n] = sum * share() * share();
    }
}

void Pool2dState::pull_back(const double* x, const double* gradient, const double*,
                            double* out) const {
    for (std::size_t n = 0; n < outputs(); ++n) {
        if (kind == Kind::max)
            out[largest(n, x)] += gradient[n];
        else
            for_window(n, [&](std::size_t i) { out[i] += gradient[n] * share(); });
    }
}

FlattenState::FlattenState(std::size_t channels, std::size_t height, std::size_t width,
                           const ValueOptions& o)
    : KindOf(size_of(channels, height, width), size_of(channels, height, width), o), image{channels,
                                                                                           height,
                                                                                           width} {}

Sizes FlattenState::sizes() const {
    return {{"channels", image[0]}, {"height", image[1]}, {"width", image[2]}};
}

std::string FlattenState::call() const {
    return fmt::format("Flatten(({}, {}, {})", image[0], image[1], image[2]);
}

void FlattenState::apply(const double* x, double* y) const { std::copy_n(x, shape.inputs, y); }

void FlattenState::apply_variance(const double*, const double* variance, double* out) const {
    std::copy_n(variance, shape.inputs, out);
}

void FlattenState::pull_back(const double*, const double* gradient, const double*,
                             double* out) const {
    for (std::size_t i = 0; i < shape.inputs; ++i) out[i] += gradient[i];
}

AveragePool2d::AveragePool2d(const Pool2dOptions& options)
    : Layer(std::make_unique<Pool2dState>(Pool2dState::Kind::average, options)) {}

MaxPool2d::MaxPool2d(const Pool2dOptions& options)
    : Layer(std::make_unique<Pool2dState>(Pool2dState::Kind::max, options)) {}

Flatten::Flatten(std::size_t channels, std::size_t height, std::size_t width,
                 const ValueOptions& streams)
    : Layer(std::make_unique<FlattenState>(channels, height, width, streams)) {}

Pool2dOptions pool2d_options(const Layer& layer) {
    const Pool2dState& state = pool2d_state(layer);
    return {.channels = state.window.channels,
            .height = state.window.height,
            .width = state.window.width,
            .kernel = state.window.kernel,
            .stride = state.window.stride,
            .padding = state.window.padding,
            .streams = with_common(ValueOptions{}, state.options)};
}

Extent2d pool2d_output(const Layer& layer) { return pool2d_state(layer).output; }

std::array<std::size_t, 3> flatten_shape(const Layer& layer) {
    return state_of_kind<FlattenState>(layer, "a Flatten").image;
}

}  // namespace bitaxon
