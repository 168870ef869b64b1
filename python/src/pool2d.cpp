#include "bindings.hpp"
#include "layer.hpp"

#include <bitaxon/layers/pool2d.hpp>

namespace bitaxon::python {
namespace {

ValueOptions read_values(py::handle length, py::handle coding, py::handle input_range,
                         py::handle seed, py::handle id) {
    ValueOptions options;
    CommonArguments{length, coding, input_range, seed, id}.read(options);
    return options;
}

struct ImageShape {
    std::size_t channels, height, width;
};

ImageShape to_image(py::handle object) {
    if (!py::isinstance<py::tuple>(object) && !py::isinstance<py::list>(object))
        throw_error(ErrorCode::invalid_type, "input_shape", type_name(object),
                    "(channels, rows, columns)");
    const auto sizes = py::reinterpret_borrow<py::sequence>(object);
    if (sizes.size() != 3)
        throw_error(ErrorCode::invalid_shape, "input_shape",
                    std::to_string(sizes.size()) + " numbers", "(channels, rows, columns)");
    const auto size = [&](std::size_t axis) { return to_unsigned(sizes[axis], "input_shape", 1); };
    return {size(0), size(1), size(2)};
}

template <class Pool>
std::unique_ptr<HeldKind<Pool>> make_pool(py::handle input_shape, py::handle kernel_size,
                                          py::handle stride, py::handle padding, py::handle length,
                                          py::handle coding, py::handle input_range,
                                          py::handle seed, py::handle id, py::handle context) {
    const ImageShape image = to_image(input_shape);
    Pool2dOptions options{.channels = image.channels,
                          .height = image.height,
                          .width = image.width,
                          .kernel = to_extent(kernel_size, "kernel_size", 1),
                          .padding = to_extent(padding, "padding", 0),
                          .streams = read_values(length, coding, input_range, seed, id)};
    if (!stride.is_none()) options.stride = to_extent(stride, "stride", 1);
    return std::make_unique<HeldKind<Pool>>(std::make_shared<const Pool>(options),
                                            to_context(context));
}

std::unique_ptr<HeldKind<Flatten>> make_flatten(py::handle input_shape, py::handle length,
                                                py::handle coding, py::handle input_range,
                                                py::handle seed, py::handle id,
                                                py::handle context) {
    const ImageShape image = to_image(input_shape);
    return std::make_unique<HeldKind<Flatten>>(
        std::make_shared<const Flatten>(image.channels, image.height, image.width,
                                        read_values(length, coding, input_range, seed, id)),
        to_context(context));
}

py::tuple input_shape(const Layer& layer) {
    const Pool2dOptions o = pool2d_options(layer);
    return py::make_tuple(o.channels, o.height, o.width);
}

py::tuple output_shape(const Layer& layer) {
    const Extent2d output = pool2d_output(layer);
    return py::make_tuple(pool2d_options(layer).channels, output.y, output.x);
}

template <class Pool>
std::unique_ptr<HeldKind<Pool>> pool_from_state(const PickledDict& state) {
    return make_pool<Pool>(state["input_shape"], state["kernel_size"], state["stride"],
                           state["padding"], state["length"], state["coding"], state["input_range"],
                           state["seed"], state["id"], state["context"]);
}

std::unique_ptr<HeldKind<Flatten>> flatten_from_state(const PickledDict& state) {
    return make_flatten(state["input_shape"], state["length"], state["coding"],
                        state["input_range"], state["seed"], state["id"], state["context"]);
}

// clang-format off
#define BITAXON_VALUE_OPTIONS                                                                      \
    "length=1024, coding='unipolar', input_range=1.0, seed=None, id=0, context=None)\n--\n\n"
#define BITAXON_POOL_SIGNATURE                                                                     \
    "input_shape, kernel_size, *, stride=None, padding=0, " BITAXON_VALUE_OPTIONS
#define BITAXON_FLATTEN_SIGNATURE "input_shape, *, " BITAXON_VALUE_OPTIONS
#define BITAXON_POOL_ARGUMENTS                                                                     \
    "\n\n"                                                                                         \
    "input_shape  (channels, rows, columns); values are flat, in that order\n"                     \
    "kernel_size  a number, or (down, right); so are stride (the kernel's size unless given) and padding\n" \
    "             (at most half of the kernel)\n"
#define BITAXON_VALUE_ARGUMENTS                                                                    \
    "\nA layer without weights works on numbers. After another layer it takes that one's outputs as they\n" \
    "are, as a circuit's counters hand them on: nothing is encoded, no range limits them, no noise is\n" \
    "added. Alone, or first in a network, it encodes its inputs and works on the ones that it counts, on\n" \
    "every forward path; length, coding, input_range and seed are for that.\n\n"                   \
    "Raises ValueError for a wrong shape or a value out of range."
// clang-format on

constexpr const char* kAverageDoc =
    "AveragePool2d(" BITAXON_POOL_SIGNATURE
    "The mean of each window; what is padded counts as zeros." BITAXON_POOL_ARGUMENTS
        BITAXON_VALUE_ARGUMENTS;
constexpr const char* kMaxDoc =
    "MaxPool2d(" BITAXON_POOL_SIGNATURE "The largest value of each window; what is padded never "
    "is. The largest of noisy values is too\n"
    "large on average, by about the noise's deviation where a window's values are "
    "close." BITAXON_POOL_ARGUMENTS BITAXON_VALUE_ARGUMENTS;
constexpr const char* kFlattenDoc =
    "Flatten(" BITAXON_FLATTEN_SIGNATURE "Passes an image's values on. Values are flat already: it "
    "checks and shows what follows what.\n\n"
    "input_shape  (channels, rows, columns)\n" BITAXON_VALUE_ARGUMENTS;

void describe_pool(const Layer& layer, py::dict& result) {
    const Pool2dOptions o = pool2d_options(layer);
    result["input_shape"] = input_shape(layer);
    result["kernel_size"] = to_pair(o.kernel);
    result["stride"] = to_pair(*o.stride);
    result["padding"] = to_pair(o.padding);
}

std::vector<py::ssize_t> no_weights(const Layer&) { return {0}; }

template <class Pool>
void bind_pool(py::module_& module, const char* name, const char* doc) {
    py::class_<HeldKind<Pool>, Held<Layer>> type(module, name, py::is_final(), doc);
    type.def(py::init(&make_pool<Pool>), py::arg("input_shape"), py::arg("kernel_size"),
             py::kw_only(), py::arg("stride") = py::none(), py::arg("padding") = 0,
             py::arg("length") = 1024, py::arg("coding") = "unipolar", py::arg("input_range") = 1.0,
             py::arg("seed") = py::none(), py::arg("id") = 0, py::arg("context") = py::none(),
             "__init__(self, " BITAXON_POOL_SIGNATURE);
    bind_pickles(type, &layer_state, &pool_from_state<Pool>);
    const auto property = [&](const char* label, auto read, const char* text) {
        type.def_property_readonly(
            label, [read](const HeldKind<Pool>& self) { return read(*self.model()); }, text);
    };
    property("input_shape", input_shape, "(channels, rows, columns) of one sample.");
    property("output_shape", output_shape, "(channels, rows, columns) of one output.");
    property(
        "kernel_size", [](const Layer& l) { return to_pair(pool2d_options(l).kernel); },
        "(down, right).");
    property(
        "stride", [](const Layer& l) { return to_pair(*pool2d_options(l).stride); },
        "(down, right).");
    property(
        "padding", [](const Layer& l) { return to_pair(pool2d_options(l).padding); },
        "(above and below, left and right).");
    bind_copies(type);
}

}  // namespace

const LayerKind kAveragePool2dKind{"average_pool2d", wrap_layer<AveragePool2d>, describe_pool,
                                   no_weights};
const LayerKind kMaxPool2dKind{"max_pool2d", wrap_layer<MaxPool2d>, describe_pool, no_weights};
const LayerKind kFlattenKind{"flatten", wrap_layer<Flatten>,
                             [](const Layer& layer, py::dict& result) {
                                 const auto [channels, height, width] = flatten_shape(layer);
                                 result["input_shape"] = py::make_tuple(channels, height, width);
                             },
                             no_weights};

void bind_pool2d(py::module_& module) {
    bind_pool<AveragePool2d>(module, "AveragePool2d", kAverageDoc);
    bind_pool<MaxPool2d>(module, "MaxPool2d", kMaxDoc);
    py::class_<HeldKind<Flatten>, Held<Layer>> type(module, "Flatten", py::is_final(), kFlattenDoc);
    type.def(py::init(&make_flatten), py::arg("input_shape"), py::kw_only(),
             py::arg("length") = 1024, py::arg("coding") = "unipolar", py::arg("input_range") = 1.0,
             py::arg("seed") = py::none(), py::arg("id") = 0, py::arg("context") = py::none(),
             "__init__(self, " BITAXON_FLATTEN_SIGNATURE);
    bind_pickles(type, &layer_state, &flatten_from_state);
    bind_copies(type);
}

}  // namespace bitaxon::python
