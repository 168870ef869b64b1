#include "dense.hpp"

#include "bindings.hpp"
#include "forward.hpp"

#include <algorithm>
#include <cmath>

namespace bitaxon::python {
namespace {

std::unique_ptr<HeldDense> make_dense(py::handle n_inputs, py::handle n_neurons, py::handle length,
                                      py::handle weights, py::handle coding, py::handle bias,
                                      py::handle seed, py::handle scale, py::handle activation,
                                      py::handle weight_scale, py::handle input_range,
                                      py::handle id, py::handle context) {
    DenseOptions options{.inputs = to_unsigned(n_inputs, "n_inputs", 1),
                         .neurons = to_unsigned(n_neurons, "n_neurons", 1),
                         .length = to_unsigned(length, "length", 1, kMaxLength),
                         .coding = parse_coding(to_text(coding, "coding")),
                         .scale = parse_scale(to_text(scale, "scale")),
                         .activation = parse_activation(to_text(activation, "activation")),
                         .input_range = to_real(input_range, "input_range"),
                         .weight_scale = std::nullopt,
                         .seed = to_seed(seed),
                         .id = to_unsigned(id, "id")};
    if (!weight_scale.is_none()) options.weight_scale = to_real(weight_scale, "weight_scale");
    check_length(options.inputs, options.length);

    const py::array matrix = read_numbers(weights, "weights", Layout::doubles);
    if (matrix.ndim() != 2 || static_cast<std::size_t>(matrix.shape(0)) != options.neurons ||
        static_cast<std::size_t>(matrix.shape(1)) != options.inputs)
        throw_error(ErrorCode::invalid_shape, "weights", "shape " + shape_text(matrix),
                    "(n_neurons, n_inputs) = (" + std::to_string(options.neurons) + ", " +
                        std::to_string(options.inputs) + ")");
    py::array biases;
    if (!bias.is_none()) {
        biases = read_numbers(bias, "bias", Layout::packed);
        check_vector(biases, "bias", options.neurons);
    }
    const py::object kept_context = to_context(context);
    const ExecutionContext& engine = choose_engine(kept_context);
    auto layer = without_gil([&] {
        return std::make_shared<const DenseLayer>(options, view_of<double>(matrix),
                                                  packed_values(biases), engine);
    });
    return std::make_unique<HeldDense>(std::move(layer), kept_context);
}

py::array weights_of(const HeldDense& self) {
    return read_only_view(
        self->weights(),
        {static_cast<py::ssize_t>(self->neurons()), static_cast<py::ssize_t>(self->inputs())},
        self.model());
}

py::array bias_of(const HeldDense& self) {
    return read_only_view(self->bias(), {static_cast<py::ssize_t>(self->neurons())}, self.model());
}

void set_weights(HeldDense& self, py::handle weights, py::handle context) {
    const py::array matrix = read_numbers(weights, "W", Layout::doubles);
    if (matrix.ndim() != 2)
        throw_error(ErrorCode::invalid_shape, "W", "shape " + shape_text(matrix),
                    "(n_neurons, n_inputs)");
    naming("weights", "W", [&] {
        self.change(context, [&](DenseLayer& layer, const ExecutionContext& engine) {
            layer.set_weights(view_of<double>(matrix), engine);
        });
    });
}

py::dict state_of(const HeldDense& self) {
    py::dict state = describe_dense(*self.model());
    state["weights"] = weights_of(self);
    state["bias"] = bias_of(self);
    state["context"] = self.context();
    return state;
}

std::unique_ptr<HeldDense> from_state(const py::dict& state) {
    auto layer = make_dense(state["n_inputs"], state["n_neurons"], state["length"],
                            state["weights"], state["coding"], state["bias"], state["seed"],
                            state["scale"], state["activation"], state["weight_scale"],
                            state["input_range"], state["id"], state["context"]);
    if (const std::uint64_t redraws = to_unsigned(state["redraws"], "redraws"); redraws != 0)
        layer->change(py::none(), [&](DenseLayer& changed, const ExecutionContext& engine) {
            changed.set_redraws(redraws, engine);
        });
    return layer;
}

// clang-format off
#define BITAXON_DENSE_SIGNATURE                                                                    \
    "n_inputs, n_neurons, *, length, weights, coding='unipolar', bias=None, seed=None, "           \
    "scale='sum', activation='none', weight_scale=None, input_range=1.0, id=0, context=None)\n"    \
    "--\n\n"
// clang-format on

constexpr const char* kDoc = "DenseLayer(" BITAXON_DENSE_SIGNATURE
                             R"(A fully connected layer on bitstreams.

y = activation(scale * weight_scale * input_range * S + bias), where S sums the products of the
coded inputs x / input_range and weights w / weight_scale, counted over `length` bits.

n_inputs, n_neurons  1 or more
length        bits of a stream, 1 to 2^31
weights       (n_neurons, n_inputs) numbers, signed unless coding is unipolar
coding        'unipolar': x in [0, input_range], w >= 0; 'bipolar': both signed (B. R. Gaines,
              1969); 'split-unipolar': x as in unipolar, signed w as a stream of |w| and a sign,
              with far less variance than bipolar
bias          (n_neurons,) numbers, zeros unless given
seed          0 to 2^64 - 1 of all the layer's streams; fresh unless given, and shown in the repr
scale         'sum' over the inputs, or 'mean'
activation    'none', 'relu' or 'clip' (to [0, 1]; [-1, 1] for bipolar)
weight_scale  at least max|W|, which it is unless given
input_range   above 0
id            number of the layer in stream names
context       ExecutionContext of the weights' drawing and of calls that are given none

For one seed and sample number, forward, forward_fast, forward_prepacked and forward_batch give the
same bits on every tier and thread count. May be used from many threads at once; a forward keeps the
weights that it started with.
Raises ValueError for a wrong shape, NaN, infinity or anything out of range, TypeError for a dtype.)";

constexpr ForwardDocs kDocs{
    .forward = R"(forward(self, x, seed=None, sample=0, out=None, context=None)
--

One sample, on the calling thread. For loops that are parallel already, and for small layers.

x       (n_inputs,) numbers in [0, input_range]; [-input_range, input_range] for bipolar
seed    0 to 2^64 - 1 of the input streams; the context's unless given
sample  number of the sample in stream names
out     writable (n_neurons,) float64 array apart from x, or None for a new one
Returns out.
Raises ValueError for a wrong shape, NaN and values out of range, TypeError for a dtype.)",
    .fast = R"(forward_fast(self, x, seed=None, sample=0, out=None, context=None)
--

forward, spread over the context's threads. For one sample of a large layer.)",
    .prepacked = R"(forward_prepacked(self, P, seed=None, first_sample=0, out=None, context=None)
--

Streams that are encoded already. For one encoding that feeds several layers, and for streams from
elsewhere.

P  (n_inputs, words) or (n, n_inputs, words) uint64, words = ceil(length / 64), strided or not
Returns (n_neurons,) or (n, n_neurons) float64. seed and first_sample name the streams of a
network's later layers; a layer alone draws none.
Raises ValueError for another shape and for ones past the end.)",
    .batch =
        R"(forward_batch(self, X, seed=None, first_sample=0, out=None, progress=None, context=None)
--

Many samples: row k is forward(X[k], sample=first_sample + k). For data sets.

X         (n, n_inputs); float32 and float64 are read where they lie, whatever their strides
out       writable (n, n_neurons) float64 array apart from X, or None for a new one
progress  True shows a bar on a terminal; a callable gets (done, total) about every 20 ms
Returns out. Memory does not grow with n. Ctrl-C, or what the callable raises, ends the call.)",
    .streamed =
        R"(forward_streamed(self, x, stop='argmax', delta=0.01, block=64, seed=None, first_sample=0, out=None, progress=None, context=None)
--

Reads the streams block by block and ends early. For classifiers: most answers are clear early.

x      (n_inputs,) or (n, n_inputs)
stop   'argmax': once the probability that forward of the same streams has another largest output is
       below delta / number of looks; 'none': at the end, with what forward gives
delta  0 to 1, exclusive
block  bits between two looks, a multiple of 64
Returns Streamed(outputs, lengths): (n_neurons,) and an int, or (n, n_neurons) and (n,) of bits.)",
    .expected = R"(forward_expected(self, x, weights='drawn', out=None, context=None)
--

No bits: the activation of the mean of the linear sum.

x        (n_inputs,) or (n, n_inputs)
weights  'drawn': mean over input streams given the weights' streams; 'mean': over both
Returns (n_neurons,) or (n, n_neurons): the mean of forward only where activation is 'none'.)",
    .encode = R"(encode(self, x, seed=None, sample=0, context=None)
--

The streams that forward encodes: (n_inputs, ceil(length / 64)) uint64.)",
    .redraw = R"(redraw(self, context=None)
--

Draws all weight streams anew: the next draw of the same weights.)",
};

}  // namespace

py::dict describe_dense(const DenseLayer& layer) {
    py::dict result;
    result["n_inputs"] = layer.inputs();
    result["n_neurons"] = layer.neurons();
    result["length"] = layer.length();
    result["coding"] = name(layer.coding());
    result["scale"] = name(layer.scale());
    result["activation"] = name(layer.activation());
    // A scale that was not given goes on following the weights.
    result["weight_scale"] =
        layer.weight_scale_given() ? py::object(py::float_(layer.weight_scale())) : py::none();
    result["input_range"] = layer.input_range();
    result["seed"] = layer.seed();
    result["id"] = layer.id();
    result["redraws"] = layer.redraws();
    return result;
}

void bind_dense(py::module_& module) {
    py::class_<HeldDense> type(module, "DenseLayer", py::is_final(), kDoc);
    // length and weights are required; None lets make_dense say so.
    type.def(py::init(&make_dense), py::arg("n_inputs"), py::arg("n_neurons"), py::kw_only(),
             py::arg("length") = py::none(), py::arg("weights") = py::none(),
             py::arg("coding") = "unipolar", py::arg("bias") = py::none(),
             py::arg("seed") = py::none(), py::arg("scale") = "sum", py::arg("activation") = "none",
             py::arg("weight_scale") = py::none(), py::arg("input_range") = 1.0, py::arg("id") = 0,
             py::arg("context") = py::none(), "__init__(self, " BITAXON_DENSE_SIGNATURE);

    const auto property = [&](const char* name, auto getter, const char* doc) {
        type.def_property_readonly(
            name, [getter](const HeldDense& self) { return getter(*self.model()); }, doc);
    };
    property(
        "n_inputs", [](const DenseLayer& l) { return l.inputs(); }, "Values of one sample.");
    property(
        "n_neurons", [](const DenseLayer& l) { return l.neurons(); }, "Values of one output.");
    property(
        "length", [](const DenseLayer& l) { return l.length(); }, "Bits of a stream.");
    property(
        "coding", [](const DenseLayer& l) { return name(l.coding()); },
        "'unipolar', 'bipolar' or 'split-unipolar'.");
    property(
        "scale", [](const DenseLayer& l) { return name(l.scale()); }, "'sum' or 'mean'.");
    property(
        "activation", [](const DenseLayer& l) { return name(l.activation()); },
        "'none', 'relu' or 'clip'.");
    property(
        "weight_scale", [](const DenseLayer& l) { return l.weight_scale(); },
        "What weights are divided by before they are coded.");
    property(
        "input_range", [](const DenseLayer& l) { return l.input_range(); },
        "What inputs are divided by before they are coded.");
    property(
        "seed", [](const DenseLayer& l) { return l.seed(); }, "Seed of all the layer's streams.");
    property(
        "id", [](const DenseLayer& l) { return l.id(); }, "Number of the layer in stream names.");
    property(
        "redraws", [](const DenseLayer& l) { return l.redraws(); },
        "How often the weight streams were drawn anew.");
    property(
        "checksum", [](const DenseLayer& l) { return l.checksum(); },
        "XXH3 of the weight streams.");
    type.def_property_readonly("weights", &weights_of, "(n_neurons, n_inputs) float64, read-only.")
        .def_property_readonly("bias", &bias_of, "(n_neurons,) float64, read-only.")
        .def("set_weights", &set_weights, py::arg("W"), py::arg("context") = py::none(),
             R"(set_weights(self, W, context=None)
--

Replaces the weights, (n_neurons, n_inputs), and draws their streams under the present redraw count.
weight_scale follows unless it was given.)")
        .def("__repr__", [](const HeldDense& self) { return self->repr(); })
        .def(py::pickle(&state_of, &from_state));
    bind_holding(type);
    bind_forward_paths(type, kDocs, [](const DenseLayer& layer) { return layer.length(); });
}

}  // namespace bitaxon::python
