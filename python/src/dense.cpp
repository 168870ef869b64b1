#include "bindings.hpp"
#include "layer.hpp"

#include <bitaxon/layers/dense.hpp>

namespace bitaxon::python {
namespace {

using HeldDense = HeldKind<DenseLayer>;

std::unique_ptr<HeldDense> make_dense(py::handle n_inputs, py::handle n_neurons, py::handle length,
                                      py::handle weights, py::handle coding, py::handle bias,
                                      py::handle seed, py::handle scale, py::handle activation,
                                      py::handle weight_scale, py::handle input_range,
                                      py::handle id, py::handle context) {
    DenseOptions options{.inputs = to_unsigned(n_inputs, "n_inputs", 1),
                         .neurons = to_unsigned(n_neurons, "n_neurons", 1)};
    CommonArguments{length, coding, input_range, seed, id, weight_scale, scale, activation}.read(
        options);
    check_length(options.inputs, options.length);

    const py::array matrix = read_weights(weights, Layout::doubles, options.neurons, options.inputs,
                                          "(n_neurons, n_inputs)");
    const py::array biases = read_bias(bias, options.neurons);
    return make_layer<DenseLayer>(context, options, view_of<double>(matrix), packed_values(biases));
}

std::unique_ptr<HeldDense> from_state(const PickledDict& state) {
    return with_redraws(make_dense(state["n_inputs"], state["n_neurons"], state["length"],
                                   state["weights"], state["coding"], state["bias"], state["seed"],
                                   state["scale"], state["activation"], state["weight_scale"],
                                   state["input_range"], state["id"], state["context"]),
                        state);
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
id            number of the layer in stream names, below 2^56
context       ExecutionContext of the weights' drawing and of calls that are given none

For one seed and sample number, forward, forward_fast, forward_prepacked and forward_batch give the
same bits on every tier and thread count. May be used from many threads at once; a forward keeps the
weights that it started with.
Raises ValueError for a wrong shape, NaN, infinity or anything out of range, TypeError for a dtype.)";

}  // namespace

const LayerKind kDenseKind{
    .type = "dense",
    .wrap = wrap_layer<DenseLayer>,
    .describe =
        [](const Layer& layer, py::dict& result) {
            result["n_inputs"] = layer.inputs();
            result["n_neurons"] = layer.neurons();
        },
    .weights_shape =
        [](const Layer& layer) {
            return std::vector{static_cast<py::ssize_t>(layer.neurons()),
                               static_cast<py::ssize_t>(layer.inputs())};
        },
};

void bind_dense(py::module_& module) {
    py::class_<HeldDense, Held<Layer>> type(module, "DenseLayer", py::is_final(), kDoc);
    // length and weights are required; None lets make_dense say so.
    type.def(py::init(&make_dense), py::arg("n_inputs"), py::arg("n_neurons"), py::kw_only(),
             py::arg("length") = py::none(), py::arg("weights") = py::none(),
             py::arg("coding") = "unipolar", py::arg("bias") = py::none(),
             py::arg("seed") = py::none(), py::arg("scale") = "sum", py::arg("activation") = "none",
             py::arg("weight_scale") = py::none(), py::arg("input_range") = 1.0, py::arg("id") = 0,
             py::arg("context") = py::none(), "__init__(self, " BITAXON_DENSE_SIGNATURE);
    bind_pickles(type, &layer_state, &from_state);
    bind_copies(type);
}

}  // namespace bitaxon::python
