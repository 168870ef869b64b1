#include "layer_kinds.hpp"

#include "../attention/attention_state.hpp"
#include "../conv/conv2d_state.hpp"
#include "../dense/dense_state.hpp"
#include "../graph/graph_state.hpp"
#include "../pool/value_state.hpp"
#include "../recurrent/recurrent_state.hpp"

#include <fmt/format.h>

#include <stdexcept>

namespace bitaxon {
namespace {

std::unique_ptr<Layer::State> read_dense(const ReadSize& size, const CommonOptions& o,
                                         const ReadArrays& arrays) {
    const auto options =
        with_common(DenseOptions{.inputs = size("inputs"), .neurons = size("neurons")}, o);
    const LayerArrays a = arrays.weights(options.neurons, options.inputs);
    return std::make_unique<DenseState>(options, row_major(std::span(a.weights), options.inputs),
                                        a.bias);
}

std::unique_ptr<Layer::State> read_conv2d(const ReadSize& size, const CommonOptions& o,
                                          const ReadArrays& arrays) {
    const auto pair = [&](const std::string& name) {
        return Extent2d{size(name + "_y"), size(name + "_x")};
    };
    const auto options = with_common(Conv2dOptions{.channels = size("channels"),
                                                   .height = size("height"),
                                                   .width = size("width"),
                                                   .filters = size("filters"),
                                                   .kernel = pair("kernel"),
                                                   .stride = pair("stride"),
                                                   .padding = pair("padding"),
                                                   .dilation = pair("dilation"),
                                                   .groups = size("groups")},
                                     o);
    const std::size_t fan_in = ConvGeometry(options).fan_in();
    const LayerArrays a = arrays.weights(options.filters, fan_in);
    return std::make_unique<Conv2dState>(options, row_major(std::span(a.weights), fan_in), a.bias);
}

template <const Cell& kCell>
std::unique_ptr<Layer::State> read_recurrent(const ReadSize& size, const CommonOptions& o,
                                             const ReadArrays& arrays) {
    const auto options =
        with_common(RecurrentOptions{.steps = size("steps"),
                                     .inputs = size("inputs"),
                                     .units = size("units"),
                                     .sequence = size("sequence") != 0,
                                     .leak = kCell.update ? 1.0 : arrays.values("leak", 1).front()},
                    o);
    const std::size_t fan_in = options.inputs + options.units;
    const LayerArrays a = arrays.weights(kCell.rows(options.units), fan_in);
    return std::make_unique<RecurrentState>(kCell, options, row_major(std::span(a.weights), fan_in),
                                            a.bias);
}

std::unique_ptr<Layer::State> read_graph(const ReadSize& size, const CommonOptions& o,
                                         const ReadArrays& arrays) {
    const std::size_t aggregate = size("aggregate");
    if (aggregate > static_cast<std::size_t>(Aggregate::gcn))
        throw std::out_of_range("an aggregate of another version");
    const auto options = with_common(GraphOptions{.nodes = size("nodes"),
                                                  .features = size("features"),
                                                  .neurons = size("neurons"),
                                                  .aggregate = static_cast<Aggregate>(aggregate)},
                                     o);
    if (options.nodes >= kMaxIndex) throw std::out_of_range("nodes of another version");
    const std::vector<std::uint64_t> offsets = arrays.indices("offsets", options.nodes + 1);
    const std::vector<std::uint64_t> sources = arrays.indices("sources", offsets.back());
    const std::vector<double> values = arrays.values("values", offsets.back());
    const LayerArrays a = arrays.weights(options.neurons, options.features);
    return std::make_unique<GraphState>(options, Adjacency{offsets, sources, values},
                                        row_major(std::span(a.weights), options.features), a.bias);
}

ValueOptions value_options(const CommonOptions& o) { return with_common(ValueOptions{}, o); }

std::unique_ptr<Layer::State> read_attention(const ReadSize& size, const CommonOptions& o,
                                             const ReadArrays&) {
    AttentionOptions options{.tokens = size("tokens"),
                             .heads = size("heads"),
                             .head_width = size("head_width"),
                             .causal = size("causal") != 0,
                             .streams = value_options(o)};
    if (const std::size_t queries = size("queries"); queries != 0) options.queries = queries;
    return std::make_unique<AttentionState>(options);
}

template <Pool2dState::Kind kKind>
std::unique_ptr<Layer::State> read_pool2d(const ReadSize& size, const CommonOptions& o,
                                          const ReadArrays&) {
    return std::make_unique<Pool2dState>(
        kKind, Pool2dOptions{.channels = size("channels"),
                             .height = size("height"),
                             .width = size("width"),
                             .kernel = {size("kernel_y"), size("kernel_x")},
                             .stride = Extent2d{size("stride_y"), size("stride_x")},
                             .padding = {size("padding_y"), size("padding_x")},
                             .streams = value_options(o)});
}

std::unique_ptr<Layer::State> read_flatten(const ReadSize& size, const CommonOptions& o,
                                           const ReadArrays&) {
    return std::make_unique<FlattenState>(size("channels"), size("height"), size("width"),
                                          value_options(o));
}

struct Kind {
    std::string_view type;
    LayerReader reader;
};

constexpr Kind kKinds[] = {
    {"attention", read_attention},     {"average_pool2d", read_pool2d<Pool2dState::Kind::average>},
    {"conv2d", read_conv2d},           {"dense", read_dense},
    {"flatten", read_flatten},         {"graph", read_graph},
    {"gru", read_recurrent<kGruCell>}, {"max_pool2d", read_pool2d<Pool2dState::Kind::max>},
    {"mgu", read_recurrent<kMguCell>}, {"recurrent", read_recurrent<kLeakyCell>}};

}  // namespace

LayerReader reader_of(const std::string& type) {
    for (const Kind& kind : kKinds)
        if (kind.type == type) return kind.reader;
    throw std::out_of_range(fmt::format("a layer of type '{}'", type));
}

}  // namespace bitaxon
