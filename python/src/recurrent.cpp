#include "bindings.hpp"
#include "layer.hpp"

#include <bitaxon/core/random.hpp>
#include <bitaxon/layers/recurrent.hpp>
#include <bitaxon/layers/reservoir.hpp>

namespace bitaxon::python {
namespace {

/// What differs between the kinds: how many rows of weights a unit has.
template <class Kind>
constexpr std::size_t kRows = 0;
template <>
constexpr std::size_t kRows<Recurrent> = 1;
template <>
constexpr std::size_t kRows<MGU> = 2;
template <>
constexpr std::size_t kRows<GRU> = 3;

py::array to_matrix(const std::vector<double>& values, std::size_t rows) {
    return py::array_t<double>({rows, values.size() / rows}, values.data());
}

/// The arguments that all kinds take.
struct Arguments {
    py::handle input_size, n_units, steps, length, sequence, coding, bias, seed, weight_scale,
        input_range, id, context;

    RecurrentOptions read() const {
        RecurrentOptions options{.steps = to_unsigned(steps, "steps", 1),
                                 .inputs = to_unsigned(input_size, "input_size", 1),
                                 .units = to_unsigned(n_units, "n_units", 1),
                                 .sequence = to_flag(sequence, "sequence")};
        CommonArguments{length, coding, input_range, seed, id, weight_scale}.read(options);
        return options;
    }
};

template <class Kind>
std::unique_ptr<HeldKind<Kind>> make(const RecurrentOptions& options, py::handle weights,
                                     const Arguments& arguments) {
    const std::size_t rows = kRows<Kind> * options.units;
    const py::array matrix =
        read_weights(weights, Layout::packed, rows, options.inputs + options.units,
                     "(rows, input_size + n_units)");
    const py::array biases = read_bias(arguments.bias, rows);
    return make_layer<Kind>(arguments.context, options, packed_values(matrix),
                            packed_values(biases));
}

template <class Kind>
std::unique_ptr<HeldKind<Kind>>
make_gated(py::handle input_size, py::handle n_units, py::handle steps, py::handle length,
           py::handle weights, py::handle sequence, py::handle coding, py::handle bias,
           py::handle seed, py::handle weight_scale, py::handle input_range, py::handle id,
           py::handle context) {
    const Arguments arguments{input_size, n_units, steps,        length,      sequence, coding,
                              bias,       seed,    weight_scale, input_range, id,       context};
    return make<Kind>(arguments.read(), weights, arguments);
}

ReservoirOptions read_reservoir(std::size_t inputs, std::size_t units, py::handle spectral_radius,
                                py::handle density, py::handle input_scale) {
    ReservoirOptions options{.inputs = inputs, .units = units};
    if (!spectral_radius.is_none())
        options.spectral_radius = to_real(spectral_radius, "spectral_radius");
    if (!density.is_none()) options.density = to_real(density, "density");
    if (!input_scale.is_none()) options.input_scale = to_real(input_scale, "input_scale");
    return options;
}

std::vector<double> draw(const ReservoirOptions& options, const ExecutionContext& engine) {
    return interruptible(engine, [&](const ExecutionContext& watched) {
        return reservoir_weights(options, watched);
    });
}

std::unique_ptr<HeldKind<Recurrent>>
make_recurrent(py::handle input_size, py::handle n_units, py::handle steps, py::handle length,
               py::handle weights, py::handle spectral_radius, py::handle density,
               py::handle input_scale, py::handle leak, py::handle sequence, py::handle coding,
               py::handle bias, py::handle seed, py::handle weight_scale, py::handle input_range,
               py::handle id, py::handle context) {
    const Arguments arguments{input_size, n_units, steps,        length,      sequence, coding,
                              bias,       seed,    weight_scale, input_range, id,       context};
    RecurrentOptions options = arguments.read();
    options.leak = to_real(leak, "leak");
    if (!weights.is_none()) {
        for (const auto& [value, name] :
             {std::pair{spectral_radius, "spectral_radius"}, std::pair{density, "density"},
              std::pair{input_scale, "input_scale"}})
            if (!value.is_none())
                throw_error(ErrorCode::invalid_value, name, text_of(value),
                            "None: it is for weights that are drawn, and weights were given");
        return make<Recurrent>(options, weights, arguments);
    }
    if (!options.seed) options.seed = fresh_seed();
    ReservoirOptions reservoir =
        read_reservoir(options.inputs, options.units, spectral_radius, density, input_scale);
    reservoir.seed = *options.seed;
    check_recurrent(options);
    const py::object kept_context = to_context(context);
    const std::vector<double> drawn = draw(reservoir, choose_engine(kept_context));
    return make<Recurrent>(options, to_matrix(drawn, options.units), arguments);
}

template <class Kind>
std::unique_ptr<HeldKind<Kind>> from_state(const PickledDict& state) {
    if constexpr (std::is_same_v<Kind, Recurrent>)
        return with_redraws(make_recurrent(state["input_size"], state["n_units"], state["steps"],
                                           state["length"], state["weights"], py::none(),
                                           py::none(), py::none(), state["leak"], state["sequence"],
                                           state["coding"], state["bias"], state["seed"],
                                           state["weight_scale"], state["input_range"], state["id"],
                                           state["context"]),
                            state);
    else
        return with_redraws(make_gated<Kind>(state["input_size"], state["n_units"], state["steps"],
                                             state["length"], state["weights"], state["sequence"],
                                             state["coding"], state["bias"], state["seed"],
                                             state["weight_scale"], state["input_range"],
                                             state["id"], state["context"]),
                            state);
}

template <class Kind>
void describe(const Layer& layer, py::dict& result) {
    const RecurrentOptions o = recurrent_options(layer);
    result["input_size"] = o.inputs;
    result["n_units"] = o.units;
    result["steps"] = o.steps;
    result["sequence"] = o.sequence;
    if (std::is_same_v<Kind, Recurrent>) result["leak"] = o.leak;
}

template <class Kind>
std::vector<py::ssize_t> weights_shape(const Layer& layer) {
    const RecurrentOptions o = recurrent_options(layer);
    return {static_cast<py::ssize_t>(kRows<Kind> * o.units),
            static_cast<py::ssize_t>(o.inputs + o.units)};
}

py::array draw_weights(py::handle input_size, py::handle n_units, py::handle spectral_radius,
                       py::handle density, py::handle input_scale, py::handle seed) {
    ReservoirOptions options =
        read_reservoir(to_unsigned(input_size, "input_size", 1), to_unsigned(n_units, "n_units", 1),
                       spectral_radius, density, input_scale);
    options.seed = to_unsigned(seed, "seed");
    return to_matrix(draw(options, ExecutionContext::shared()), options.units);
}

py::tuple fit(py::handle states, py::handle targets, py::handle ridge) {
    const py::array x = read_numbers(states, "states", Layout::packed);
    const py::array y = read_numbers(targets, "targets", Layout::packed);
    for (const auto& [array, name, most] :
         {std::tuple{&x, "states", 2}, std::tuple{&y, "targets", y.ndim() == 1 ? 1 : 2}})
        if (array->ndim() != most)
            throw_error(ErrorCode::invalid_shape, name, "shape " + shape_text(*array),
                        "a row a sample: two axes, or one of targets");
    const auto rows = [](const py::array& array) {
        const std::size_t columns =
            array.ndim() == 1 ? 1 : static_cast<std::size_t>(array.shape(1));
        return MatrixView<const double>{packed_values(array).data(),
                                        static_cast<std::size_t>(array.shape(0)), columns,
                                        static_cast<std::ptrdiff_t>(columns), 1};
    };
    const double penalty = to_real(ridge, "ridge");
    const Readout readout =
        interruptible(ExecutionContext::shared(), [&](const ExecutionContext& watched) {
            return fit_readout(rows(x), rows(y), penalty, watched);
        });
    const std::size_t n = readout.bias.size();
    return py::make_tuple(to_matrix(readout.weights, n),
                          py::array_t<double>(static_cast<py::ssize_t>(n), readout.bias.data()));
}

// clang-format off
#define BITAXON_GATED_SIGNATURE                                                                    \
    "input_size, n_units, *, steps, length, weights, sequence=True, coding='split-unipolar', "     \
    "bias=None, seed=None, weight_scale=None, input_range=1.0, id=0, context=None)\n"              \
    "--\n\n"
#define BITAXON_RECURRENT_SIGNATURE                                                                \
    "input_size, n_units, *, steps, length, weights=None, spectral_radius=None, density=None, "    \
    "input_scale=None, leak=1.0, sequence=True, coding='split-unipolar', bias=None, seed=None, "   \
    "weight_scale=None, input_range=1.0, id=0, context=None)\n"                                    \
    "--\n\n"
#define BITAXON_RECURRENT_ARGUMENTS                                                                \
    "bias          a number a row of weights, zeros unless given\n"                                \
    "sequence      True: the states of all steps; False: the last ones\n"                          \
    "coding        'split-unipolar': inputs in [0, input_range], a state as a stream of |h| and a sign;\n" \
    "              'bipolar': inputs in [-input_range, input_range], far more noise\n"             \
    "length, seed, weight_scale, input_range, id, context  as for DenseLayer\n\n"                  \
    "A sample is flat, in the order (step, input): X.reshape(len(X), -1); an output too, in the order\n" \
    "(step, unit). States begin at 0, stay in [-1, 1], and are encoded anew in each step.\n"       \
    "forward_prepacked draws their streams: it needs the seed and first_sample that encode had.\n" \
    "forward_streamed runs all steps side by side, each on the running estimate of the one before: at\n" \
    "the end it is close to forward but not equal; stop='argmax' needs another layer after this one.\n" \
    "forward_expected is the limit of infinite length.\n\n"                                        \
    "Raises ValueError for a wrong shape, NaN, infinity or anything out of range, TypeError for a dtype."
// clang-format on

constexpr const char* kRecurrentDoc =
    "Recurrent(" BITAXON_RECURRENT_SIGNATURE
    R"(Leaky units on bitstreams; a reservoir unless weights are given.

Each step counts the products of [x, h] with the weights: h' = (1 - leak) h + leak tanh(W [x, h] + bias),
where tanh acts on the counted numbers (H. Jaeger, 2001; H. Jaeger and others, 2007).

input_size, n_units, steps  inputs of a step, units, steps of a sequence
weights       (n_units, input_size + n_units) numbers; unless given, reservoir_weights of these sizes with
              the layer's seed
spectral_radius, density, input_scale  of reservoir_weights, where weights are not given
leak          in (0, 1]
)" BITAXON_RECURRENT_ARGUMENTS;

constexpr const char* kMguDoc = "MGU(" BITAXON_GATED_SIGNATURE
                                R"(Minimal gated units on bitstreams (G.-B. Zhou and others, 2016).

f = sigmoid(W_f [x, h] + b_f), c = tanh(W_c [x, f h] + b_c), h' = (1 - f) h + f c; sums are counted on
streams, sigmoid and tanh act on the counted numbers.

input_size, n_units, steps  inputs of a step, units, steps of a sequence
weights       (2 n_units, input_size + n_units) numbers: rows of W_f, then W_c
)" BITAXON_RECURRENT_ARGUMENTS;

constexpr const char* kGruDoc = "GRU(" BITAXON_GATED_SIGNATURE
                                R"(Gated recurrent units on bitstreams (K. Cho and others, 2014).

r, z = sigmoid(W [x, h] + b), c = tanh(W_c [x, r h] + b_c), h' = (1 - z) h + z c, as J. Chung and others,
2014, write it; sums are counted on streams, sigmoid and tanh act on the counted numbers.

input_size, n_units, steps  inputs of a step, units, steps of a sequence
weights       (3 n_units, input_size + n_units) numbers: rows of W_r, then W_z, then W_c
)" BITAXON_RECURRENT_ARGUMENTS;

template <class Kind>
py::class_<HeldKind<Kind>, Held<Layer>> bind(py::module_& module, const char* name,
                                             const char* doc) {
    py::class_<HeldKind<Kind>, Held<Layer>> type(module, name, py::is_final(), doc);
    bind_pickles(type, &layer_state, &from_state<Kind>);
    const auto property = [&](const char* label, auto read, const char* text) {
        type.def_property_readonly(
            label,
            [read](const HeldKind<Kind>& self) { return read(recurrent_options(*self.model())); },
            text);
    };
    property(
        "steps", [](const RecurrentOptions& o) { return o.steps; }, "Of a sequence.");
    property(
        "input_size", [](const RecurrentOptions& o) { return o.inputs; }, "Inputs of a step.");
    property(
        "n_units", [](const RecurrentOptions& o) { return o.units; }, "Values of a state.");
    property(
        "sequence", [](const RecurrentOptions& o) { return o.sequence; },
        "Whether outputs are the states of all steps.");
    if constexpr (std::is_same_v<Kind, Recurrent>)
        property(
            "leak", [](const RecurrentOptions& o) { return o.leak; },
            "How much of a step enters the state.");
    bind_copies(type);
    return type;
}

template <class Kind>
void bind_gated(py::module_& module, const char* name, const char* doc) {
    bind<Kind>(module, name, doc)
        .def(py::init(&make_gated<Kind>), py::arg("input_size"), py::arg("n_units"), py::kw_only(),
             py::arg("steps") = py::none(), py::arg("length") = py::none(),
             py::arg("weights") = py::none(), py::arg("sequence") = true,
             py::arg("coding") = "split-unipolar", py::arg("bias") = py::none(),
             py::arg("seed") = py::none(), py::arg("weight_scale") = py::none(),
             py::arg("input_range") = 1.0, py::arg("id") = 0, py::arg("context") = py::none(),
             "__init__(self, " BITAXON_GATED_SIGNATURE);
}

}  // namespace

const LayerKind kRecurrentKind{"recurrent", wrap_layer<Recurrent>, describe<Recurrent>,
                               weights_shape<Recurrent>, false};
const LayerKind kMguKind{"mgu", wrap_layer<MGU>, describe<MGU>, weights_shape<MGU>, false};
const LayerKind kGruKind{"gru", wrap_layer<GRU>, describe<GRU>, weights_shape<GRU>, false};

void bind_recurrent(py::module_& module) {
    const auto none = [](const char* name) { return py::arg_v(name, py::none()); };
    bind<Recurrent>(module, "Recurrent", kRecurrentDoc)
        .def(py::init(&make_recurrent), py::arg("input_size"), py::arg("n_units"), py::kw_only(),
             none("steps"), none("length"), none("weights"), none("spectral_radius"),
             none("density"), none("input_scale"), py::arg("leak") = 1.0,
             py::arg("sequence") = true, py::arg("coding") = "split-unipolar", none("bias"),
             none("seed"), none("weight_scale"), py::arg("input_range") = 1.0, py::arg("id") = 0,
             none("context"), "__init__(self, " BITAXON_RECURRENT_SIGNATURE);
    bind_gated<MGU>(module, "MGU", kMguDoc);
    bind_gated<GRU>(module, "GRU", kGruDoc);
    module.def(
        "reservoir_weights", &draw_weights, py::arg("input_size"), py::arg("n_units"),
        py::kw_only(), py::arg("spectral_radius") = 0.9, none("density"),
        py::arg("input_scale") = 1.0, py::arg("seed") = 0,
        R"(reservoir_weights(input_size, n_units, *, spectral_radius=0.9, density=None, input_scale=1.0, seed=0)
--

Weights of a Recurrent layer that need no training: (n_units, input_size + n_units) float64.

spectral_radius  largest magnitude of the eigenvalues of the weights between units, 0 or more (H. Jaeger,
                 The echo state approach, 2001)
density          share of these weights that are not 0, in (0, 1]; None: 0.1, or what leaves a unit 10 of them:
                 min(1, max(0.1, 10 / n_units))
input_scale      input weights are uniform in [-input_scale, input_scale]
A function of its arguments alone. Raises ValueError where no cycle of weights is left to scale, and for 2^32
weights or more. Eigenvalues of units that all lead to one another are computed in one piece: with hundreds of
units, Ctrl-C is heard after seconds.)");
    module.def("fit_readout", &fit, py::arg("states"), py::arg("targets"), py::arg("ridge") = 1e-6,
               R"(fit_readout(states, targets, ridge=1e-06)
--

The linear readout of states with the least sum of squared errors plus ridge * sum of squared weights
(A. Hoerl, R. Kennard, 1970); the bias is free.

states   (n, n_units)
targets  (n,) or (n, n_targets)
Returns weights (n_targets, n_units) and bias (n_targets,): states @ weights.T + bias, or a
DenseLayer's.
Raises ValueError for a wrong shape, NaN, infinity, numbers so large that their sums overflow, and a ridge
too small for the states. Ctrl-C is heard within milliseconds but for one piece, the factors of the
n_units x n_units matrix of products: a tenth of a second with 1,000 units, eight times as long with twice as many.)");
}

}  // namespace bitaxon::python
