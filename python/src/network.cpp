#include "bindings.hpp"
#include "forward.hpp"
#include "layer.hpp"

#include <bitaxon/layers/network.hpp>

#include <filesystem>
#include <vector>

namespace bitaxon::python {
namespace {

using HeldNetwork = Held<Network>;

// Pairs of numbers.
std::vector<Skip> to_skips(py::handle skips) {
    std::vector<Skip> result;
    if (!py::isinstance<py::iterable>(skips))
        throw_error(ErrorCode::invalid_type, "skips", type_name(skips), "pairs (from, to)");
    for (const py::handle skip : py::reinterpret_borrow<py::iterable>(skips)) {
        if (!py::isinstance<py::sequence>(skip) || py::len(skip) != 2)
            throw_error(ErrorCode::invalid_type, "skips", text_of(skip), "pairs (from, to)");
        const auto pair = py::reinterpret_borrow<py::sequence>(skip);
        result.push_back({to_unsigned(pair[0], "skips"), to_unsigned(pair[1], "skips")});
    }
    return result;
}

std::unique_ptr<HeldNetwork> make_network(py::handle layers, py::handle context, py::handle skips) {
    const py::object kept_context = to_context(context);
    const ExecutionContext& engine = choose_engine(kept_context);
    std::vector<Layer> chain;
    if (!py::isinstance<py::iterable>(layers))
        throw_error(ErrorCode::invalid_type, "layers", type_name(layers), "a list of layers");
    for (const py::handle layer : py::reinterpret_borrow<py::iterable>(layers)) {
        if (!py::isinstance<Held<Layer>>(layer))
            throw_error(ErrorCode::invalid_type, "layers[" + std::to_string(chain.size()) + "]",
                        type_name(layer), "a layer");
        chain.push_back(*layer.cast<const Held<Layer>&>().model());
    }
    std::vector<Skip> passing = to_skips(skips);
    auto network = interruptible(engine, [&](const ExecutionContext& watched) {
        return std::make_shared<const Network>(std::move(chain), watched, std::move(passing));
    });
    return std::make_unique<HeldNetwork>(std::move(network), kept_context);
}

py::tuple skips_of(const HeldNetwork& self) {
    py::tuple result(self->skips().size());
    for (std::size_t k = 0; k < result.size(); ++k)
        result[k] = py::make_tuple(self->skips()[k].from, self->skips()[k].to);
    return result;
}

py::tuple layers_of(const HeldNetwork& self) {
    const std::vector<Layer>& layers = self->layers();
    py::tuple result(layers.size());
    // Each keeps the whole network alive; no copy is made.
    for (std::size_t k = 0; k < layers.size(); ++k)
        result[k] = kind_of(layers[k]).wrap(std::shared_ptr<const Layer>(self.model(), &layers[k]),
                                            self.context());
    return result;
}

void calibrate(HeldNetwork& self, py::handle samples, py::handle quantile, py::handle context) {
    const py::array values = read_numbers(samples, "X", Layout::doubles);
    check_matrix(values, "X", self->inputs());
    const double share = to_real(quantile, "quantile");
    const Monitor monitor{.progress = Progress(py::none()), .stop = {}, .job = nullptr};
    naming("samples", "X", [&] {
        self.change(context, [&](Network& network, const ExecutionContext& engine) {
            network.calibrate(engine, view_of<double>(values), share, monitor);
        });
    });
}

void set_lengths(HeldNetwork& self, py::handle lengths, py::handle context) {
    std::vector<std::uint64_t> values;
    if (!py::isinstance<py::iterable>(lengths))
        throw_error(ErrorCode::invalid_type, "lengths", type_name(lengths), "a list of integers");
    for (const py::handle length : py::reinterpret_borrow<py::iterable>(lengths))
        values.push_back(to_unsigned(length, "lengths", 1, kMaxLength));
    self.change(context, [&](Network& network, const ExecutionContext& engine) {
        network.set_lengths(values, engine);
    });
}

py::array forward_deviation(const HeldNetwork& self, py::handle x, py::handle out,
                            py::handle context) {
    const std::shared_ptr<const Network> network = self.model();
    const ExecutionContext& engine = self.engine(context);
    const SamplesAndOutput samples(x, network->inputs(), network->neurons(), out);
    const Monitor monitor{.progress = Progress(py::none()), .stop = {}, .job = nullptr};
    on_view(samples.values, [&](auto view) {
        naming(samples.name(), "x", [&] {
            without_gil(
                [&] { network->forward_deviation(engine, view, samples.output.view(), monitor); });
        });
    });
    return samples.output.array();
}

py::object tune(HeldNetwork& self, py::handle samples, py::handle target, py::handle labels,
                py::handle shortest, py::handle longest, py::handle seed, py::handle context) {
    const py::array values = read_numbers(samples, "X", Layout::doubles);
    check_matrix(values, "X", self->inputs());
    std::vector<std::size_t> wanted;
    if (!labels.is_none()) {
        if (!py::isinstance<py::iterable>(labels))
            throw_error(ErrorCode::invalid_type, "labels", type_name(labels),
                        "an array of integers");
        for (const py::handle label : py::reinterpret_borrow<py::iterable>(labels))
            wanted.push_back(to_unsigned(label, "labels"));
        if (wanted.size() != static_cast<std::size_t>(values.shape(0)))
            throw_error(ErrorCode::invalid_shape, "labels",
                        std::to_string(wanted.size()) + " values",
                        "one for each row of X, " + std::to_string(values.shape(0)));
    }
    TuneOptions options{.target = to_real(target, "target"),
                        .labels = wanted,
                        .shortest = to_unsigned(shortest, "shortest", 1, kMaxLength),
                        .longest = to_unsigned(longest, "longest", 1, kMaxLength),
                        .forward = read_options(seed, py::int_(0), "sample")};
    options.forward.monitor.progress = Progress(py::none());
    Tuned tuned;
    naming("samples", "X", [&] {
        self.change(context, [&](Network& network, const ExecutionContext& engine) {
            tuned = network.tune(engine, view_of<double>(values), options);
        });
    });
    py::tuple lengths(tuned.lengths.size());
    for (std::size_t k = 0; k < tuned.lengths.size(); ++k) lengths[k] = py::int_(tuned.lengths[k]);
    return py::module_::import("bitaxon.results").attr("Tuned")(lengths, tuned.accuracy);
}

py::dict info_of(const HeldNetwork& self) {
    py::list layers;
    for (const Layer& layer : self->layers()) {
        py::dict description = describe_layer(layer);
        description["type"] = layer.type();
        description["weight_scale"] = layer.weight_scale();
        layers.append(description);
    }
    py::dict result;
    result["n_inputs"] = self->inputs();
    result["n_neurons"] = self->neurons();
    result["saturated"] = self->saturated();
    result["layers"] = layers;
    result["skips"] = skips_of(self);
    return result;
}

void save(const HeldNetwork& self, py::handle path) {
    const std::filesystem::path file = to_path(path);
    const std::shared_ptr<const Network> network = self.model();
    interruptible(self.engine(py::none()),
                  [&](const ExecutionContext& watched) { network->save(file, watched); });
}

std::unique_ptr<HeldNetwork> load(py::handle path, py::handle context) {
    const std::filesystem::path file = to_path(path);
    const py::object kept_context = to_context(context);
    const ExecutionContext& engine = choose_engine(kept_context);
    auto network = interruptible(engine, [&](const ExecutionContext& watched) {
        return std::make_shared<const Network>(Network::load(file, watched));
    });
    return std::make_unique<HeldNetwork>(std::move(network), kept_context);
}

constexpr const char* kDoc = R"(Network(layers, context=None, *, skips=())
--

Layers in sequence. The output of a layer is divided by the next one's input_range (calibrate sets
it), saturates at the ends of that range, and is encoded anew.

layers   DenseLayer and other layers, one's n_neurons the next one's n_inputs; layer k is taken with id k
context  ExecutionContext of calls that are given none
skips    pairs (from, to): the outputs of layer `from` are added to those of layer `to`, after its
         activation, as numbers (residual connections: K. He and others, 2015). A next layer whose
         coding has no negative values cuts them off, as relu would

Its forwards are those of Layer, with the same promises. May be used from many threads at once.
Raises ValueError for no layer and for sizes that do not fit.)";

constexpr ForwardDocs kDocs{
    .forward = R"(forward(self, x, seed=None, sample=0, out=None, context=None)
--

One sample, on the calling thread: as Layer.forward, of the first layer's inputs.)",
    .fast = R"(forward_fast(self, x, seed=None, sample=0, out=None, context=None)
--

forward, each layer spread over the context's threads. For one sample of large layers.)",
    .prepacked = R"(forward_prepacked(self, P, seed=None, first_sample=0, out=None, context=None)
--

Streams of the first layer that are encoded already; seed and first_sample name those of the later
ones.

P  (n_inputs, words) or (n, n_inputs, words) uint64, words = ceil(length / 64), strided or not
Returns (n_neurons,) or (n, n_neurons) float64.
Raises ValueError for another shape and for ones past the end.)",
    .streamed =
        R"(forward_streamed(self, x, stop='argmax', delta=0.01, block=64, seed=None, first_sample=0, out=None, progress=None, context=None)
--

Runs all layers side by side, 64 bits at a time, each encoding the running estimate of the one
before; ends early as Layer.forward_streamed does. Here delta counts the last layer's noise
alone, so it is a target and not a bound, and a run to the end is close to forward but not equal.

Returns Streamed(outputs, lengths). All layers must have one length, else ValueError.)",
    .expected = R"(forward_expected(self, x, weights='drawn', out=None, context=None)
--

No bits: the limit of infinite length, each layer's mean handed on exactly.

x        (n_inputs,) or (n, n_inputs)
weights  'drawn': given the weights' streams; 'mean': the weights themselves
Returns (n_neurons,) or (n, n_neurons).)",
    .encode = R"(encode(self, x, seed=None, sample=0, context=None)
--

The streams that forward encodes for the first layer: (n_inputs, ceil(length / 64)) uint64.)",
    .redraw = R"(redraw(self, context=None)
--

Draws the weight streams of all layers anew.)",
};

}  // namespace

void bind_network(py::module_& module) {
    py::class_<HeldNetwork> type(module, "Network", py::is_final(), kDoc);
    type.def(py::init(&make_network), py::arg("layers"), py::arg("context") = py::none(),
             py::kw_only(), py::arg("skips") = py::tuple(),
             "__init__(self, layers, context=None, *, skips=())\n--\n\n")
        .def_property_readonly("skips", &skips_of, "Pairs (from, to) of layers.")
        .def_property_readonly(
            "n_inputs", [](const HeldNetwork& self) { return self->inputs(); },
            "Values of one sample.")
        .def_property_readonly(
            "n_neurons", [](const HeldNetwork& self) { return self->neurons(); },
            "Values of one output.")
        .def_property_readonly(
            "layers", &layers_of,
            "The layers as they are now; changing one leaves the network as it is.")
        .def("calibrate", &calibrate, py::arg("X"), py::arg("quantile") = 0.999,
             py::arg("context") = py::none(), R"(calibrate(self, X, quantile=0.999, context=None)
--

Sets the input_range of every layer but the first to a quantile, in (0, 1], of the magnitudes that
reach it on these samples, (n, n_inputs), computed without bits.)")
        .def("set_lengths", &set_lengths, py::arg("lengths"), py::arg("context") = py::none(),
             R"(set_lengths(self, lengths, context=None)
--

Gives each layer a stream length of its own, 1 to 2^31 bits.)")
        .def("forward_deviation", &forward_deviation, py::arg("x"), py::arg("out") = py::none(),
             py::arg("context") = py::none(),
             R"(forward_deviation(self, x, out=None, context=None)
--

The standard deviation of forward's outputs over seeds, predicted without a bit: what the input
streams of each layer add to the noise of the outputs, given the drawn weights.

x  (n_inputs,) or (n, n_inputs)
Returns (n_neurons,) or (n, n_neurons). The more bits, the closer: clipped values are taken for normal
ones, softmax, sigmoid and tanh for linear where they are, and the largest value of a MaxPool2d for the
one that is largest without noise.)")
        .def(
            "tune", &tune, py::arg("X"), py::arg("target") = 0.99, py::arg("labels") = py::none(),
            py::arg("shortest") = 64, py::arg("longest") = 4096, py::arg("seed") = py::none(),
            py::arg("context") = py::none(),
            R"(tune(self, X, target=0.99, labels=None, shortest=64, longest=4096, seed=None, context=None)
--

Sets the shortest stream lengths that reach a target: first the shortest that all layers may have
together, then for each layer, the costliest first, the shortest that the others allow.

X         (n, n_inputs) samples
target    share of the samples that must be classified right, in (0, 1]
labels    (n,) integers: the output that should be largest; unless given, the one that is largest
          without noise
shortest, longest  bits; lengths are shortest times powers of two
Returns Tuned(lengths, accuracy). The target is measured with this seed on these samples: others may
miss it. Raises ValueError where the longest streams miss it; the network is then as it was.)")
        .def("info", &info_of, R"(info(self)
--

n_inputs, n_neurons, layers (a dict of options each) and saturated: how many values between layers
have left their range since the network was made, loaded or calibrated.)")
        .def("save", &save, py::arg("path"), R"(save(self, path)
--

Saves options, weights, seeds and redraw counts as safetensors. The file appears once complete; Ctrl-C
leaves the one that there was.
Raises FileError, a RuntimeError.)")
        .def("__repr__", [](const HeldNetwork& self) { return self->repr(); })
        .def(py::pickle(
            [](const HeldNetwork& self) {
                return py::make_tuple(layers_of(self), self.context(), skips_of(self));
            },
            [](const py::tuple& state) {
                check_state(state, 3);
                return make_network(state[0], state[1], state[2]);
            }));
    bind_context_of(type);
    bind_copies(type);
    bind_forward_paths(type, kDocs,
                       [](const Network& network) { return network.layers().front().length(); });
    module.def("load", &load, py::arg("path"), py::arg("context") = py::none(),
               R"(load(path, context=None)
--

A Network from a file that save wrote. Streams are drawn again and checked against the saved sums.

Raises FileError, a RuntimeError, if it cannot be read or is damaged.)");
}

}  // namespace bitaxon::python
