#include "layer.hpp"

#include "bindings.hpp"
#include "forward.hpp"

namespace bitaxon::python {
namespace {

constexpr const LayerKind* kKinds[] = {
    &kAttentionKind, &kAveragePool2dKind, &kConv2dKind,    &kDenseKind, &kFlattenKind,
    &kGraphKind,     &kGruKind,           &kMaxPool2dKind, &kMguKind,   &kRecurrentKind};

py::array weights_of(const Held<Layer>& self) {
    return read_only_view(self->weights(), kind_of(*self.model()).weights_shape(*self.model()),
                          self.model());
}

py::array bias_of(const Held<Layer>& self) {
    return read_only_view(self->bias(), {static_cast<py::ssize_t>(self->bias().size())},
                          self.model());
}

void set_weights(Held<Layer>& self, py::handle weights, py::handle context) {
    const py::array array = read_numbers(weights, "W", Layout::packed);
    const std::vector<py::ssize_t> shape = kind_of(*self.model()).weights_shape(*self.model());
    if (!std::equal(shape.begin(), shape.end(), array.shape(), array.shape() + array.ndim()))
        throw_error(ErrorCode::invalid_shape, "W", "shape " + shape_text(array),
                    "the shape of weights, " + shape_text(weights_of(self)));
    const std::size_t columns = self->weights().size() / self->bias().size();
    naming("weights", "W", [&] {
        self.change(context, [&](Layer& layer, const ExecutionContext& engine) {
            layer.set_weights(row_major(packed_values(array), columns), engine);
        });
    });
}

void fold_batch_norm(Held<Layer>& self, py::handle mean, py::handle variance, py::handle gamma,
                     py::handle beta, py::handle epsilon, py::handle context) {
    const std::size_t rows = self->bias().size();
    const auto read = [&](py::handle values, const char* name) {
        py::array array;
        if (values.is_none()) return array;
        array = read_numbers(values, name, Layout::packed);
        check_vector(array, name, rows);
        return array;
    };
    const py::array arrays[] = {read(mean, "mean"), read(variance, "variance"),
                                read(gamma, "gamma"), read(beta, "beta")};
    const BatchNorm norm{.mean = packed_values(arrays[0]),
                         .variance = packed_values(arrays[1]),
                         .gamma = packed_values(arrays[2]),
                         .beta = packed_values(arrays[3]),
                         .epsilon = to_real(epsilon, "epsilon")};
    self.change(context, [&](Layer& layer, const ExecutionContext& engine) {
        layer.fold_batch_norm(norm, engine);
    });
}

constexpr const char* kDoc = R"(Layer()
--

A layer of any kind: DenseLayer and the others derive from it. It makes none itself.

For one seed and sample number, forward, forward_fast, forward_prepacked and forward_batch give the
same bits on every tier and thread count. May be used from many threads at once; a forward keeps the
weights that it started with.)";

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
Returns (n_neurons,) or (n, n_neurons) float64. seed and first_sample name what else is drawn: the
streams of a network's later layers, and those of the probabilities of an Attention.
Raises ValueError for another shape and for ones past the end.)",
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

const LayerKind& kind_of(const Layer& layer) {
    const auto* found = std::ranges::find_if(
        kKinds, [&](const LayerKind* kind) { return kind->type == layer.type(); });
    if (found == std::end(kKinds))
        throw_error(ErrorCode::unsupported, "layer",
                    "one of type '" + std::string(layer.type()) + "'", "a kind that Python knows");
    return **found;
}

py::dict describe_layer(const Layer& layer) {
    py::dict result;
    kind_of(layer).describe(layer, result);
    result["length"] = layer.length();
    result["coding"] = name(layer.coding());
    result["input_range"] = layer.input_range();
    result["seed"] = layer.seed();
    result["id"] = layer.id();
    if (layer.weights().empty()) return result;
    if (kind_of(layer).activates) {
        result["scale"] = name(layer.scale());
        result["activation"] = name(layer.activation());
    }
    // A scale that was not given goes on following the weights.
    result["weight_scale"] =
        layer.weight_scale_given() ? py::object(py::float_(layer.weight_scale())) : py::none();
    result["redraws"] = layer.redraws();
    return result;
}

py::dict layer_state(const Held<Layer>& self) {
    py::dict state = describe_layer(*self.model());
    if (!self->weights().empty()) {
        state["weights"] = weights_of(self);
        state["bias"] = bias_of(self);
    }
    state["context"] = self.context();
    return state;
}

bool to_flag(py::handle object, const char* name) {
    py::detail::make_caster<bool> caster;
    if (!caster.load(object, /*convert=*/false))  // it knows NumPy's, too
        throw_error(ErrorCode::invalid_type, name, type_name(object), "True or False");
    return caster;
}

Extent2d to_extent(py::handle object, const char* name, std::uint64_t least) {
    if (!py::isinstance<py::tuple>(object) && !py::isinstance<py::list>(object)) {
        const std::uint64_t both = to_unsigned(object, name, least);
        return {both, both};
    }
    const auto pair = py::reinterpret_borrow<py::sequence>(object);
    if (pair.size() != 2)
        throw_error(ErrorCode::invalid_shape, name, std::to_string(pair.size()) + " numbers",
                    "one, or two: down and right");
    return {to_unsigned(pair[0], name, least), to_unsigned(pair[1], name, least)};
}

py::array read_weights(py::handle weights, Layout layout, std::size_t rows, std::size_t columns,
                       const char* names) {
    py::array matrix = read_numbers(weights, "weights", layout);
    if (matrix.ndim() != 2 || static_cast<std::size_t>(matrix.shape(0)) != rows ||
        static_cast<std::size_t>(matrix.shape(1)) != columns)
        throw_error(ErrorCode::invalid_shape, "weights", "shape " + shape_text(matrix),
                    std::string(names) + " = (" + std::to_string(rows) + ", " +
                        std::to_string(columns) + ")");
    return matrix;
}

py::array read_bias(py::handle bias, std::size_t rows) {
    py::array biases;
    if (bias.is_none()) return biases;
    biases = read_numbers(bias, "bias", Layout::packed);
    check_vector(biases, "bias", rows);
    return biases;
}

void bind_layer(py::module_& module) {
    py::class_<Held<Layer>> type(module, "Layer", kDoc);
    type.def(py::init([]() -> std::unique_ptr<Held<Layer>> {
                 throw_error(ErrorCode::invalid_type, "Layer", "no kind of layer",
                             "one of its kinds, DenseLayer say");
             }),
             "__init__(self)\n--\n\n");
    const auto property = [&](const char* name, auto getter, const char* doc) {
        type.def_property_readonly(
            name, [getter](const Held<Layer>& self) { return getter(*self.model()); }, doc);
    };
    property(
        "n_inputs", [](const Layer& l) { return l.inputs(); }, "Values of one sample.");
    property(
        "n_neurons", [](const Layer& l) { return l.neurons(); }, "Values of one output.");
    property(
        "length", [](const Layer& l) { return l.length(); }, "Bits of a stream.");
    property(
        "coding", [](const Layer& l) { return name(l.coding()); },
        "'unipolar', 'bipolar' or 'split-unipolar'.");
    property(
        "scale", [](const Layer& l) { return name(l.scale()); }, "'sum' or 'mean'.");
    property(
        "activation", [](const Layer& l) { return name(l.activation()); },
        "'none', 'relu' or 'clip'.");
    property(
        "weight_scale", [](const Layer& l) { return l.weight_scale(); },
        "What weights are divided by before they are coded.");
    property(
        "input_range", [](const Layer& l) { return l.input_range(); },
        "What inputs are divided by before they are coded.");
    property(
        "seed", [](const Layer& l) { return l.seed(); }, "Seed of all the layer's streams.");
    property(
        "id", [](const Layer& l) { return l.id(); }, "Number of the layer in stream names.");
    property(
        "redraws", [](const Layer& l) { return l.redraws(); },
        "How often the weight streams were drawn anew.");
    property(
        "checksum", [](const Layer& l) { return l.checksum(); }, "XXH3 of the weight streams.");
    type.def_property_readonly("weights", &weights_of, "The weights, float64, read-only.")
        .def_property_readonly("bias", &bias_of, "One float64 a neuron or filter, read-only.")
        .def("set_weights", &set_weights, py::arg("W"), py::arg("context") = py::none(),
             R"(set_weights(self, W, context=None)
--

Replaces the weights by others of the same shape, and draws their streams under the present redraw
count. weight_scale follows unless it was given.)")
        .def(
            "fold_batch_norm", &fold_batch_norm, py::arg("mean"), py::arg("variance"),
            py::arg("gamma") = py::none(), py::arg("beta") = py::none(), py::arg("epsilon") = 1e-5,
            py::arg("context") = py::none(),
            R"(fold_batch_norm(self, mean, variance, gamma=None, beta=None, epsilon=1e-05, context=None)
--

Makes the layer compute gamma * (y - mean) / sqrt(variance + epsilon) + beta of its linear output y,
before the activation, by other weights and biases (S. Ioffe, C. Szegedy, 2015).

mean, variance, gamma, beta  a number a neuron or filter; gamma ones and beta zeros unless given
Raises ValueError for a wrong shape, and where set_weights would: a negative gamma turns weights
negative, which unipolar coding has not.)")
        .def("__repr__", [](const Held<Layer>& self) { return self->repr(); });
    bind_context_of(type);
    bind_forward_paths(type, kDocs, [](const Layer& layer) { return layer.length(); });
}

}  // namespace bitaxon::python
