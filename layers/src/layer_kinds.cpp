#include "layer_kinds.hpp"

#include "conv2d_state.hpp"
#include "dense_state.hpp"

#include <fmt/format.h>

#include <stdexcept>

namespace bitaxon {
namespace {

std::unique_ptr<Layer::State> read_dense(const ReadSize& size, const CommonOptions& o,
                                         const ReadArrays& arrays) {
    const DenseOptions options{size("inputs"), size("neurons"), o.length,       o.coding, o.scale,
                               o.activation,   o.input_range,   o.weight_scale, o.seed,   o.id};
    const LayerArrays a = arrays(options.neurons, options.inputs);
    return std::make_unique<DenseState>(options, row_major(std::span(a.weights), options.inputs),
                                        a.bias);
}

std::unique_ptr<Layer::State> read_conv2d(const ReadSize& size, const CommonOptions& o,
                                          const ReadArrays& arrays) {
    const auto pair = [&](const std::string& name) {
        return Extent2d{size(name + "_y"), size(name + "_x")};
    };
    const Conv2dOptions options{.channels = size("channels"),
                                .height = size("height"),
                                .width = size("width"),
                                .filters = size("filters"),
                                .kernel = pair("kernel"),
                                .stride = pair("stride"),
                                .padding = pair("padding"),
                                .dilation = pair("dilation"),
                                .groups = size("groups"),
                                .length = o.length,
                                .coding = o.coding,
                                .scale = o.scale,
                                .activation = o.activation,
                                .input_range = o.input_range,
                                .weight_scale = o.weight_scale,
                                .seed = o.seed,
                                .id = o.id};
    const std::size_t fan_in = ConvGeometry(options).fan_in();
    const LayerArrays a = arrays(options.filters, fan_in);
    return std::make_unique<Conv2dState>(options, row_major(std::span(a.weights), fan_in), a.bias);
}

struct Kind {
    std::string_view type;
    LayerReader reader;
};

constexpr Kind kKinds[] = {{"conv2d", read_conv2d}, {"dense", read_dense}};

}  // namespace

LayerReader reader_of(const std::string& type) {
    for (const Kind& kind : kKinds)
        if (kind.type == type) return kind.reader;
    throw std::out_of_range(fmt::format("a layer of type '{}'", type));
}

}  // namespace bitaxon
