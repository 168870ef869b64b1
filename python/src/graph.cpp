#include "bindings.hpp"
#include "layer.hpp"

#include <bitaxon/layers/graph.hpp>

#include <optional>

namespace bitaxon::python {
namespace {

using HeldGraph = HeldKind<GraphLayer>;
using Indices = std::vector<std::uint64_t>;

Indices read_indices(py::handle object, const char* name) {
    const py::array array = to_plain_array(object, name);
    if (array.ndim() != 1)
        throw_error(ErrorCode::invalid_shape, name, "shape " + shape_text(array), "one axis");
    const char kind = array.dtype().kind();
    if (array.size() != 0 && kind != 'i' && kind != 'u')
        throw_error(ErrorCode::invalid_type, name, "dtype " + text_of(array.dtype()),
                    "whole numbers");
    const auto wide = py::array_t<std::int64_t, py::array::c_style | py::array::forcecast>(array);
    Indices result(static_cast<std::size_t>(wide.size()));
    for (std::size_t k = 0; k < result.size(); ++k) {
        const std::int64_t index = wide.data()[k];
        if (index < 0)
            throw_error(ErrorCode::invalid_value, std::string(name) + "[" + std::to_string(k) + "]",
                        std::to_string(index), "0 or more");
        result[k] = static_cast<std::uint64_t>(index);
    }
    return result;
}

struct Read {
    Indices offsets;
    Indices sources;
    py::array values;  // as read_numbers packs them

    Adjacency view() const { return {offsets, sources, packed_values(values)}; }
};

// None, (indptr, indices), (indptr, indices, values), or a sparse matrix of SciPy.
Read read_adjacency(py::handle object, std::size_t nodes) {
    Read result;
    if (object.is_none()) return result;
    if (py::hasattr(object, "tocsr")) {
        const py::tuple shape = py::tuple(object.attr("shape"));
        if (shape.size() != 2 || to_unsigned(shape[0], "adjacency.shape[0]") != nodes ||
            to_unsigned(shape[1], "adjacency.shape[1]") != nodes)
            throw_error(ErrorCode::invalid_shape, "adjacency", "shape " + text_of(shape),
                        "(n_nodes, n_nodes) = (" + std::to_string(nodes) + ", " +
                            std::to_string(nodes) + ")");
        const py::object csr = object.attr("tocsr")().attr("copy")();
        csr.attr("sum_duplicates")();  // which sorts them, too
        result.offsets = read_indices(csr.attr("indptr"), "indptr");
        result.sources = read_indices(csr.attr("indices"), "indices");
        result.values = read_numbers(csr.attr("data"), "values", Layout::packed);
        return result;
    }
    if (!py::isinstance<py::tuple>(object) && !py::isinstance<py::list>(object))
        throw_error(ErrorCode::invalid_type, "adjacency", type_name(object),
                    "None, (indptr, indices), (indptr, indices, values) or a sparse matrix");
    const auto arrays = py::reinterpret_borrow<py::sequence>(object);
    if (arrays.size() != 2 && arrays.size() != 3)
        throw_error(ErrorCode::invalid_shape, "adjacency",
                    std::to_string(arrays.size()) + " arrays",
                    "(indptr, indices) or (indptr, indices, values)");
    result.offsets = read_indices(arrays[0], "indptr");
    result.sources = read_indices(arrays[1], "indices");
    if (arrays.size() == 3) {
        result.values = read_numbers(arrays[2], "values", Layout::packed);
        check_vector(result.values, "values", result.sources.size());
    }
    if (result.offsets.empty())
        throw_error(ErrorCode::invalid_shape, "indptr", "0 values", "n_nodes + 1");
    return result;
}

std::unique_ptr<HeldGraph> make_graph(py::handle n_nodes, py::handle n_features,
                                      py::handle n_neurons, py::handle adjacency, py::handle length,
                                      py::handle weights, py::handle aggregate, py::handle coding,
                                      py::handle bias, py::handle seed, py::handle scale,
                                      py::handle activation, py::handle weight_scale,
                                      py::handle input_range, py::handle id, py::handle context) {
    GraphOptions options{.nodes = to_unsigned(n_nodes, "n_nodes", 1),
                         .features = to_unsigned(n_features, "n_features", 1),
                         .neurons = to_unsigned(n_neurons, "n_neurons", 1),
                         .aggregate = parse_aggregate(to_text(aggregate, "aggregate"))};
    CommonArguments{length, coding, input_range, seed, id, weight_scale, scale, activation}.read(
        options);
    const py::array matrix = read_weights(weights, Layout::doubles, options.neurons,
                                          options.features, "(n_node_neurons, n_features)");
    const py::array biases = read_bias(bias, options.neurons);
    const Read edges = read_adjacency(adjacency, options.nodes);
    const Adjacency view = edges.view();
    return naming("offsets", "indptr", [&] {
        return naming("sources", "indices", [&] {
            return make_layer<GraphLayer>(context, options, view, view_of<double>(matrix),
                                          packed_values(biases));
        });
    });
}

py::array to_indices(std::span<const std::uint64_t> values) {
    py::array_t<std::int64_t> result(static_cast<py::ssize_t>(values.size()));
    std::copy(values.begin(), values.end(), result.mutable_data());
    return result;
}

py::tuple adjacency_of(const HeldGraph& self) {
    const Adjacency a = graph_adjacency(*self.model());
    return py::make_tuple(
        to_indices(a.offsets), to_indices(a.sources),
        read_only_view(a.values, {static_cast<py::ssize_t>(a.values.size())}, self.model()));
}

py::dict graph_state(const HeldGraph& self) {
    py::dict state = layer_state(self);
    state["adjacency"] = adjacency_of(self);
    return state;
}

std::unique_ptr<HeldGraph> from_state(const PickledDict& state) {
    return with_redraws(make_graph(state["n_nodes"], state["n_features"], state["n_node_neurons"],
                                   state["adjacency"], state["length"], state["weights"],
                                   state["aggregate"], state["coding"], state["bias"],
                                   state["seed"], state["scale"], state["activation"],
                                   state["weight_scale"], state["input_range"], state["id"],
                                   state["context"]),
                        state);
}

// clang-format off
#define BITAXON_GRAPH_SIGNATURE                                                                    \
    "n_nodes, n_features, n_node_neurons, adjacency=None, *, length, weights, aggregate='gcn', "   \
    "coding='unipolar', bias=None, seed=None, scale='sum', activation='none', weight_scale=None, " \
    "input_range=1.0, id=0, context=None)\n"                                                       \
    "--\n\n"
// clang-format on

constexpr const char* kDoc =
    "GraphLayer(" BITAXON_GRAPH_SIGNATURE
    R"(A graph convolution on bitstreams: y_i = activation(sum_j a_ij W x_j + bias).

W x_j are products of streams, counted once a node; the counts are summed over edges with the
coefficients a_ij, as numbers. Forwards take and give flat values, in the order (node, feature) and
(node, neuron): X.reshape(len(X), -1).

n_nodes, n_features, n_node_neurons  1 or more; features and neurons of a node
adjacency  a sparse matrix of SciPy, or (indptr, indices) or (indptr, indices, values) of compressed
           sparse rows, sorted: row i holds the nodes that node i takes from. None: each node takes
           its own, a dense layer on every row (on each token, say)
aggregate  'gcn': D^-1/2 (A + I) D^-1/2 (T. Kipf, M. Welling, 2017); 'mean': D^-1 A; 'sum': A.
           D holds the sums of rows; values are negative for 'sum' alone
weights    (n_node_neurons, n_features) numbers, the same for all nodes
bias       (n_node_neurons,) numbers, zeros unless given
length, coding, seed, scale, activation, weight_scale, input_range, id, context  as for DenseLayer

All nodes share the weights' streams: their errors move together. Nothing is ever dense. A last layer
of this kind does not stop early.

Raises ValueError for a wrong shape, indptr that falls, indices that do not rise or name no node, NaN,
infinity or anything out of range, TypeError for a dtype.)";

}  // namespace

const LayerKind kGraphKind{
    .type = "graph",
    .wrap = wrap_layer<GraphLayer>,
    .describe =
        [](const Layer& layer, py::dict& result) {
            const GraphOptions o = graph_options(layer);
            result["n_nodes"] = o.nodes;
            result["n_features"] = o.features;
            result["n_node_neurons"] = o.neurons;
            result["aggregate"] = name(o.aggregate);
        },
    .weights_shape =
        [](const Layer& layer) {
            const GraphOptions o = graph_options(layer);
            return std::vector<py::ssize_t>{static_cast<py::ssize_t>(o.neurons),
                                            static_cast<py::ssize_t>(o.features)};
        },
};

void bind_graph(py::module_& module) {
    py::class_<HeldGraph, Held<Layer>> type(module, "GraphLayer", py::is_final(), kDoc);
    // length and weights are required; None lets make_graph say so.
    type.def(py::init(&make_graph), py::arg("n_nodes"), py::arg("n_features"),
             py::arg("n_node_neurons"), py::arg("adjacency") = py::none(), py::kw_only(),
             py::arg("length") = py::none(), py::arg("weights") = py::none(),
             py::arg("aggregate") = "gcn", py::arg("coding") = "unipolar",
             py::arg("bias") = py::none(), py::arg("seed") = py::none(), py::arg("scale") = "sum",
             py::arg("activation") = "none", py::arg("weight_scale") = py::none(),
             py::arg("input_range") = 1.0, py::arg("id") = 0, py::arg("context") = py::none(),
             "__init__(self, " BITAXON_GRAPH_SIGNATURE)
        .def_property_readonly("adjacency", &adjacency_of, "(indptr, indices, values).");
    bind_pickles(type, &graph_state, &from_state);
    const auto property = [&](const char* label, auto read, const char* doc) {
        type.def_property_readonly(
            label, [read](const HeldGraph& self) { return read(graph_options(*self.model())); },
            doc);
    };
    property(
        "n_nodes", [](const GraphOptions& o) { return o.nodes; }, "Nodes of the graph.");
    property(
        "n_features", [](const GraphOptions& o) { return o.features; }, "Inputs of a node.");
    property(
        "n_node_neurons", [](const GraphOptions& o) { return o.neurons; }, "Outputs of a node.");
    property(
        "aggregate", [](const GraphOptions& o) { return name(o.aggregate); },
        "'gcn', 'mean' or 'sum'.");
    bind_copies(type);
}

}  // namespace bitaxon::python
