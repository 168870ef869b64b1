#include "bindings.hpp"
#include "layer.hpp"

#include <bitaxon/layers/attention.hpp>

namespace bitaxon::python {
namespace {

using HeldAttention = HeldKind<Attention>;

std::unique_ptr<HeldAttention> make_attention(py::handle n_tokens, py::handle n_heads,
                                              py::handle head_width, py::handle n_queries,
                                              py::handle causal, py::handle length,
                                              py::handle coding, py::handle input_range,
                                              py::handle seed, py::handle id, py::handle context) {
    AttentionOptions options{.tokens = to_unsigned(n_tokens, "n_tokens", 1),
                             .heads = to_unsigned(n_heads, "n_heads", 1),
                             .head_width = to_unsigned(head_width, "head_width", 1),
                             .causal = to_flag(causal, "causal")};
    CommonArguments{length, coding, input_range, seed, id}.read(options.streams);
    if (!n_queries.is_none()) options.queries = to_unsigned(n_queries, "n_queries", 1);
    return std::make_unique<HeldAttention>(std::make_shared<const Attention>(options),
                                           to_context(context));
}

void describe(const Layer& layer, py::dict& result) {
    const AttentionOptions o = attention_options(layer);
    result["n_tokens"] = o.tokens;
    result["n_heads"] = o.heads;
    result["head_width"] = o.head_width;
    result["n_queries"] = o.queries ? py::object(py::int_(*o.queries)) : py::none();
    result["causal"] = o.causal;
}

std::unique_ptr<HeldAttention> from_state(const PickledDict& state) {
    return make_attention(state["n_tokens"], state["n_heads"], state["head_width"],
                          state["n_queries"], state["causal"], state["length"], state["coding"],
                          state["input_range"], state["seed"], state["id"], state["context"]);
}

// (rows, width) or (n, rows, width)
py::array read_operand(py::handle object, const char* name, std::size_t rows, std::size_t width) {
    const py::array array = read_numbers(object, name, Layout::doubles);
    const py::ssize_t axes = array.ndim();
    if ((axes != 2 && axes != 3) || static_cast<std::size_t>(array.shape(axes - 2)) != rows ||
        static_cast<std::size_t>(array.shape(axes - 1)) != width)
        throw_error(ErrorCode::invalid_shape, name, "shape " + shape_text(array),
                    "(" + std::to_string(rows) + ", " + std::to_string(width) + "), or (n, " +
                        std::to_string(rows) + ", " + std::to_string(width) + ")");
    return array;
}

// Arrays side by side along the last axis, a sample a row.
py::object join(const py::tuple& arrays) {
    return py::module_::import("numpy").attr("concatenate")(arrays, -1);
}

py::object pack(const HeldAttention& self, py::handle q, py::handle k, py::handle v) {
    const AttentionOptions o = attention_options(*self.model());
    const std::size_t width = o.heads * o.head_width;
    const std::size_t queries = o.queries.value_or(o.tokens);
    const py::array operands[] = {read_operand(q, "Q", queries, width),
                                  read_operand(k, "K", o.tokens, width),
                                  read_operand(v, "V", o.tokens, width)};
    const py::array& first = operands[0];
    const bool batch = first.ndim() == 3;
    for (const py::array& operand : operands)
        if (operand.ndim() != first.ndim() || (batch && operand.shape(0) != first.shape(0)))
            throw_error(ErrorCode::invalid_shape, "Q, K, V",
                        "shapes " + shape_text(first) + " and " + shape_text(operand),
                        "one sample of each, or equally many");
    const auto flat = [&](const py::object& rows, std::size_t size) -> py::object {
        return batch ? rows.attr("reshape")(first.shape(0), size) : rows.attr("reshape")(size);
    };
    if (!o.queries)
        return flat(join(py::make_tuple(operands[0], operands[1], operands[2])),
                    3 * o.tokens * width);
    return join(
        py::make_tuple(flat(operands[0], queries * width),
                       flat(join(py::make_tuple(operands[1], operands[2])), 2 * o.tokens * width)));
}

py::object attend(const py::object& self, py::handle q, py::handle k, py::handle v, py::handle seed,
                  py::handle first_sample, py::handle context) {
    const auto& held = self.cast<const HeldAttention&>();
    const AttentionOptions o = attention_options(*held.model());
    const py::object x = pack(held, q, k, v);
    const std::size_t queries = o.queries.value_or(o.tokens);
    const std::size_t width = o.heads * o.head_width;
    if (x.attr("ndim").cast<int>() == 1)
        return self.attr("forward_fast")(x, seed, first_sample, py::none(), context)
            .attr("reshape")(queries, width);
    return self.attr("forward_batch")(x, seed, first_sample, py::none(), py::none(), context)
        .attr("reshape")(x.attr("shape").attr("__getitem__")(0), queries, width);
}

// clang-format off
#define BITAXON_ATTENTION_SIGNATURE                                                                \
    "n_tokens, n_heads, head_width, *, n_queries=None, causal=False, length=1024, "                \
    "coding='bipolar', input_range=1.0, seed=None, id=0, context=None)\n"                          \
    "--\n\n"
// clang-format on

constexpr const char* kDoc =
    "Attention(" BITAXON_ATTENTION_SIGNATURE
    R"(softmax(Q K^T / sqrt(head_width)) V for each head (A. Vaswani and others, 2017).

Both products are of streams; the softmax between them is one of counts, in numbers. Probabilities are
streams, too, which open gates to those of V. Every number has a stream of its own. Queries, keys and
values are the layer's inputs, in [-input_range, input_range] (bipolar) or [0, input_range]:
layer(Q, K, V) takes them as they are, pack(Q, K, V) gives the flat rows that forwards take. A row of
those is (token, [q, k, v], head, column), as a GraphLayer without adjacency to 3 * n_heads *
head_width neurons projects it; with n_queries the queries come first, then (token, [k, v], ...).
Outputs are (query, head, column).

n_tokens    that are attended to
n_heads     that attend independently
head_width  numbers of a query, key or value of one head
n_queries   tokens that attend, where they are others than those attended to
causal      token i attends to tokens 0 ... i alone; not with n_queries
length, seed, id, context  as for DenseLayer
coding      'bipolar' or 'unipolar'
input_range above 0; Network.calibrate sets it after another layer

A softmax is not linear: its mean over noisy counts differs from that of exact ones by about
1 / length; forward_expected gives the limit. forward_prepacked draws the streams of probabilities,
so its seed and first_sample count. A last layer of this kind does not stop early.

Raises ValueError for a wrong shape or a value out of range.)";

}  // namespace

const LayerKind kAttentionKind{"attention", wrap_layer<Attention>, describe,
                               [](const Layer&) { return std::vector<py::ssize_t>{0}; }};

void bind_attention(py::module_& module) {
    py::class_<HeldAttention, Held<Layer>> type(module, "Attention", py::is_final(), kDoc);
    type.def(py::init(&make_attention), py::arg("n_tokens"), py::arg("n_heads"),
             py::arg("head_width"), py::kw_only(), py::arg("n_queries") = py::none(),
             py::arg("causal") = false, py::arg("length") = 1024, py::arg("coding") = "bipolar",
             py::arg("input_range") = 1.0, py::arg("seed") = py::none(), py::arg("id") = 0,
             py::arg("context") = py::none(), "__init__(self, " BITAXON_ATTENTION_SIGNATURE)
        .def("__call__", &attend, py::arg("Q"), py::arg("K"), py::arg("V"),
             py::arg("seed") = py::none(), py::arg("first_sample") = 0,
             py::arg("context") = py::none(),
             R"(__call__(self, Q, K, V, seed=None, first_sample=0, context=None)
--

Attention of queries (n_queries, n_heads * head_width) to keys and values (n_tokens, n_heads *
head_width); of n samples each, too. Returns an array of Q's shape: forward_batch of pack(Q, K, V).)")
        .def("pack", &pack, py::arg("Q"), py::arg("K"), py::arg("V"),
             R"(pack(self, Q, K, V)
--

What forwards take: (n_inputs,), or (n, n_inputs) for n samples.)");
    bind_pickles(type, &layer_state, &from_state);
    const auto property = [&](const char* label, auto read, const char* doc) {
        type.def_property_readonly(
            label,
            [read](const HeldAttention& self) { return read(attention_options(*self.model())); },
            doc);
    };
    property(
        "n_tokens", [](const AttentionOptions& o) { return o.tokens; },
        "Tokens that are attended to.");
    property(
        "n_heads", [](const AttentionOptions& o) { return o.heads; }, "Independent heads.");
    property(
        "head_width", [](const AttentionOptions& o) { return o.head_width; },
        "Numbers of a query, key or value of one head.");
    property(
        "n_queries", [](const AttentionOptions& o) { return o.queries.value_or(o.tokens); },
        "Tokens that attend.");
    property(
        "causal", [](const AttentionOptions& o) { return o.causal; },
        "Whether tokens attend to none that come later.");
    bind_copies(type);
}

}  // namespace bitaxon::python
