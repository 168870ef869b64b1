#include "bindings.hpp"
#include "layer.hpp"

#include <bitaxon/layers/conv2d.hpp>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace bitaxon::python {
namespace {

using HeldConv2d = HeldKind<Conv2d>;

std::vector<py::ssize_t> weights_shape(const Layer& layer) {
    const Conv2dOptions o = conv2d_options(layer);
    return {static_cast<py::ssize_t>(o.filters), static_cast<py::ssize_t>(o.channels / o.groups),
            static_cast<py::ssize_t>(o.kernel.y), static_cast<py::ssize_t>(o.kernel.x)};
}

py::tuple input_shape(const Layer& layer) {
    const Conv2dOptions o = conv2d_options(layer);
    return py::make_tuple(o.channels, o.height, o.width);
}

py::tuple output_shape(const Layer& layer) {
    const Extent2d output = conv2d_output(layer);
    return py::make_tuple(conv2d_options(layer).filters, output.y, output.x);
}

std::unique_ptr<HeldConv2d>
make_conv2d(py::handle in_channels, py::handle out_channels, py::handle kernel_size,
            py::handle input_size, py::handle length, py::handle weights, py::handle stride,
            py::handle padding, py::handle dilation, py::handle groups, py::handle coding,
            py::handle bias, py::handle seed, py::handle scale, py::handle activation,
            py::handle weight_scale, py::handle input_range, py::handle id, py::handle context) {
    const Extent2d size = to_extent(input_size, "input_size", 1);
    Conv2dOptions options{.channels = to_unsigned(in_channels, "in_channels", 1),
                          .height = size.y,
                          .width = size.x,
                          .filters = to_unsigned(out_channels, "out_channels", 1),
                          .kernel = to_extent(kernel_size, "kernel_size", 1),
                          .stride = to_extent(stride, "stride", 1),
                          .padding = to_extent(padding, "padding", 0),
                          .dilation = to_extent(dilation, "dilation", 1),
                          .groups = to_unsigned(groups, "groups", 1)};
    CommonArguments{length, coding, input_range, seed, id, weight_scale, scale, activation}.read(
        options);
    const py::array array = read_numbers(weights, "weights", Layout::packed);
    const std::size_t shape[] = {options.filters, options.channels / options.groups,
                                 options.kernel.y, options.kernel.x};
    if (!std::equal(std::begin(shape), std::end(shape), array.shape(), array.shape() + array.ndim(),
                    [](std::size_t a, py::ssize_t b) { return a == static_cast<std::size_t>(b); }))
        throw_error(ErrorCode::invalid_shape, "weights", "shape " + shape_text(array),
                    fmt::format("(out_channels, in_channels / groups, *kernel_size) = ({})",
                                fmt::join(shape, ", ")));
    const py::array biases = read_bias(bias, options.filters);
    return make_layer<Conv2d>(context, options, packed_values(array), packed_values(biases));
}

std::unique_ptr<HeldConv2d> from_state(const PickledDict& state) {
    return with_redraws(
        make_conv2d(state["in_channels"], state["out_channels"], state["kernel_size"],
                    state["input_size"], state["length"], state["weights"], state["stride"],
                    state["padding"], state["dilation"], state["groups"], state["coding"],
                    state["bias"], state["seed"], state["scale"], state["activation"],
                    state["weight_scale"], state["input_range"], state["id"], state["context"]),
        state);
}

// clang-format off
#define BITAXON_CONV2D_SIGNATURE                                                                   \
    "in_channels, out_channels, kernel_size, *, input_size, length, weights, stride=1, padding=0, "\
    "dilation=1, groups=1, coding='unipolar', bias=None, seed=None, scale='sum', "                 \
    "activation='none', weight_scale=None, input_range=1.0, id=0, context=None)\n"                 \
    "--\n\n"
// clang-format on

constexpr const char* kDoc = "Conv2d(" BITAXON_CONV2D_SIGNATURE
                             R"(A convolution of images on bitstreams, direct on packed words.

Output (o, y, x) is, over the channels of o's group and the kernel, activation(scale * weight_scale *
input_range * S + bias[o]), where S sums the products of coded inputs and weights, counted over
`length` bits: a cross-correlation, as in other libraries. Forwards take and give flat values, in the
order of input_shape and output_shape: X.reshape(len(X), -1).

in_channels, out_channels  1 or more
kernel_size   a number, or (down, right); so are input_size, stride, padding and dilation
input_size    rows and columns of an image
weights       (out_channels, in_channels / groups, *kernel_size) numbers
groups        divides in_channels and out_channels
bias          (out_channels,) numbers, zeros unless given
scale         'sum', or 'mean' over all weights of a filter, at the borders too
length, coding, seed, activation, weight_scale, input_range, id, context  as for DenseLayer

Padding draws no bits and contributes exactly zero in every coding. All positions of a filter share
its weight streams, and neighbours share input streams: their errors move together, so a mean over
positions gains less than it would from independent ones.

Raises ValueError for a wrong shape, NaN, infinity or anything out of range, TypeError for a dtype.)";

}  // namespace

const LayerKind kConv2dKind{
    .type = "conv2d",
    .wrap = wrap_layer<Conv2d>,
    .describe =
        [](const Layer& layer, py::dict& result) {
            const Conv2dOptions o = conv2d_options(layer);
            result["in_channels"] = o.channels;
            result["out_channels"] = o.filters;
            result["kernel_size"] = to_pair(o.kernel);
            result["input_size"] = to_pair({o.height, o.width});
            result["stride"] = to_pair(o.stride);
            result["padding"] = to_pair(o.padding);
            result["dilation"] = to_pair(o.dilation);
            result["groups"] = o.groups;
        },
    .weights_shape = weights_shape,
};

void bind_conv2d(py::module_& module) {
    py::class_<HeldConv2d, Held<Layer>> type(module, "Conv2d", py::is_final(), kDoc);
    // input_size, length and weights are required; None lets make_conv2d say so.
    type.def(py::init(&make_conv2d), py::arg("in_channels"), py::arg("out_channels"),
             py::arg("kernel_size"), py::kw_only(), py::arg("input_size") = py::none(),
             py::arg("length") = py::none(), py::arg("weights") = py::none(), py::arg("stride") = 1,
             py::arg("padding") = 0, py::arg("dilation") = 1, py::arg("groups") = 1,
             py::arg("coding") = "unipolar", py::arg("bias") = py::none(),
             py::arg("seed") = py::none(), py::arg("scale") = "sum", py::arg("activation") = "none",
             py::arg("weight_scale") = py::none(), py::arg("input_range") = 1.0, py::arg("id") = 0,
             py::arg("context") = py::none(), "__init__(self, " BITAXON_CONV2D_SIGNATURE);
    bind_pickles(type, &layer_state, &from_state);
    const auto property = [&](const char* name, auto getter, const char* doc) {
        type.def_property_readonly(
            name, [getter](const HeldConv2d& self) { return getter(*self.model()); }, doc);
    };
    property("input_shape", input_shape, "(channels, rows, columns) of one sample.");
    property("output_shape", output_shape, "(filters, rows, columns) of one output.");
    const auto option = [&](const char* name, Extent2d Conv2dOptions::*member, const char* doc) {
        type.def_property_readonly(
            name,
            [member](const HeldConv2d& self) {
                return to_pair(conv2d_options(*self.model()).*member);
            },
            doc);
    };
    option("kernel_size", &Conv2dOptions::kernel, "(down, right).");
    option("stride", &Conv2dOptions::stride, "(down, right).");
    option("padding", &Conv2dOptions::padding, "(above and below, left and right).");
    option("dilation", &Conv2dOptions::dilation, "(down, right).");
    property(
        "groups", [](const Layer& layer) { return conv2d_options(layer).groups; },
        "Channels and filters are split into so many.");
    bind_copies(type);
}

}  // namespace bitaxon::python
