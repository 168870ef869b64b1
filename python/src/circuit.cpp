// Circuits of gates and registers from text.
#include "arguments.hpp"
#include "arrays.hpp"
#include "bindings.hpp"
#include "context.hpp"
#include "pickles.hpp"
#include "progress.hpp"

#include <bitaxon/core/error.hpp>
#include <bitaxon/jit/circuit.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <vector>

namespace bitaxon::python {
namespace {

struct HeldCircuit {
    jit::Circuit circuit;
    std::vector<std::string> chosen;  ///< outputs as asked for
    py::object context;
};

}  // namespace
}  // namespace bitaxon::python

template <>
struct pybind11::detail::type_caster<bitaxon::python::HeldCircuit>
    : bitaxon::python::InitializedCaster<bitaxon::python::HeldCircuit> {};

namespace bitaxon::python {
namespace {

using jit::CircuitPort;

py::tuple port_names(const std::vector<CircuitPort>& ports) {
    py::tuple names(ports.size());
    for (std::size_t k = 0; k < ports.size(); ++k) names[k] = py::str(ports[k].name);
    return names;
}

std::vector<std::string> read_names(py::handle names) {
    std::vector<std::string> texts;
    if (names.is_none()) return texts;
    if (py::isinstance<py::str>(names)) {
        texts.push_back(to_text(names, "outputs"));
        return texts;
    }
    if (!py::isinstance<py::iterable>(names))
        throw_error(ErrorCode::invalid_type, "outputs", type_name(names), "names, or None for all");
    for (const py::handle name : py::reinterpret_borrow<py::iterable>(names))
        texts.push_back(to_text(name, "outputs"));
    return texts;
}

// A dict in place of streams names them; its names may be those of options, too.
void take_dict(py::args& args, py::kwargs& named) {
    if (args.size() != 1 || !PyDict_Check(args[0].ptr())) return;
    const py::dict streams = args[0].attr("copy")();
    for (const auto& [name, stream] : named) {
        if (streams.contains(name))
            throw_error(ErrorCode::invalid_type, text_of(name), "two values", "one");
        streams[name] = stream;
    }
    named = py::reinterpret_borrow<py::kwargs>(streams);
    args = py::args();
}

// What was given for each input: by order, then by name.
std::vector<py::object> sort_arguments(const std::vector<CircuitPort>& ports, const py::args& args,
                                       py::kwargs& named) {
    if (args.size() > ports.size())
        throw_error(ErrorCode::invalid_type, "circuit",
                    fmt::format("{} streams without a name", args.size()),
                    fmt::format("at most {}", ports.size()));
    std::vector<py::object> given(ports.size());
    for (std::size_t k = 0; k < ports.size(); ++k) {
        const py::str name(ports[k].name);
        if (k < args.size()) given[k] = args[k];
        if (!named.contains(name)) continue;
        if (given[k]) throw_error(ErrorCode::invalid_type, ports[k].name, "two values", "one");
        given[k] = named.attr("pop")(name);
    }
    for (std::size_t k = 0; k < ports.size(); ++k)
        if (!given[k]) throw_error(ErrorCode::invalid_type, ports[k].name, "nothing", "streams");
    return given;
}

// (words,) or (bits, words) is one row, (n, words) or (n, bits, words) are n.
struct Given {
    py::array array;
    StreamView view;
    bool single;
};

Given read_port(const CircuitPort& port, py::handle object, std::uint64_t length) {
    Streams streams = read_streams(object, port.name.c_str(), length);
    const py::ssize_t axes = streams.array.ndim();
    const py::ssize_t single = port.bits == 1 ? 1 : 2;
    StreamView view = streams.view;
    if (port.bits == 1 && axes == 2) {
        view = {view.words, view.streams, 1, length, view.stream_stride, view.stream_stride};
    } else if ((axes != single && axes != single + 1) || view.streams != port.bits) {
        throw_error(ErrorCode::invalid_shape, port.name, "shape " + shape_text(streams.array),
                    port.bits == 1 ? "(words,) or (n, words)"
                                   : fmt::format("({0}, words) or (n, {0}, words)", port.bits));
    }
    return {std::move(streams.array), view, axes == single};
}

MutableStreamView output_view(py::array& array, const CircuitPort& port, std::size_t rows,
                              std::uint64_t length) {
    const auto words = static_cast<std::ptrdiff_t>(words_for(length));
    return {static_cast<std::uint64_t*>(array.mutable_data()), rows, port.bits, length,
            words * static_cast<std::ptrdiff_t>(port.bits),    words};
}

// The caller's array for an output, or a new one.
py::array output_array(py::handle out, const CircuitPort& port,
                       const std::vector<py::ssize_t>& shape) {
    if (out.is_none()) return py::array(py::dtype::of<std::uint64_t>(), shape);
    read_words(out, "out");
    const auto array = py::reinterpret_borrow<py::array>(out);
    const bool fits =
        std::equal(shape.begin(), shape.end(), array.shape(), array.shape() + array.ndim());
    if (!fits || (array.flags() & py::array::c_style) == 0 || !array.writeable())
        throw_error(
            ErrorCode::invalid_shape, "out",
            fmt::format("shape {}{}", shape_text(array), fits ? ", strided or read-only" : ""),
            fmt::format("a writable, contiguous array of shape {} for {}",
                        shape_text(py::array(py::dtype::of<std::uint64_t>(), shape)), port.name));
    return array;
}

py::object call(const HeldCircuit& self, py::args args, py::kwargs named) {
    const std::vector<CircuitPort>& ports = self.circuit.inputs();
    const auto option = [&](const char* name) -> py::object {
        return named.contains(name) ? py::object(named.attr("pop")(name)) : py::none();
    };
    const py::object asked_length = option("length");
    const py::object out = option("out");
    const ExecutionContext& engine = choose_engine(option("context"), self.context);
    if (asked_length.is_none())
        throw_error(ErrorCode::invalid_type, "length", "nothing", "the bits of a stream");
    const std::uint64_t length = to_unsigned(asked_length, "length", 1, kMaxLength);
    take_dict(args, named);
    const std::vector<py::object> objects = sort_arguments(ports, args, named);
    if (named.size() != 0)
        throw_error(ErrorCode::invalid_type, "circuit",
                    "the argument " + text_of(named.begin()->first),
                    "its inputs, length, out or context");

    std::vector<Given> given;
    std::vector<StreamView> inputs;
    std::size_t rows = 1;
    bool single = true;
    for (std::size_t k = 0; k < ports.size(); ++k) {
        given.push_back(read_port(ports[k], objects[k], length));
        inputs.push_back(given.back().view);
        rows = std::max(rows, given.back().view.rows);
        single = single && given.back().single;
        if (given.back().view.rows == 0)
            throw_error(ErrorCode::invalid_shape, ports[k].name, "0 streams", "at least 1");
    }
    const std::vector<CircuitPort>& results = self.circuit.outputs();
    const bool many = results.size() > 1;
    if (many && !out.is_none() &&
        (!py::isinstance<py::tuple>(out) || py::len(out) != results.size()))
        throw_error(ErrorCode::invalid_type, "out", type_name(out),
                    fmt::format("a tuple of {} arrays", results.size()));
    std::vector<py::array> arrays;
    std::vector<MutableStreamView> outputs;
    for (std::size_t k = 0; k < results.size(); ++k) {
        std::vector<py::ssize_t> shape;
        if (!single) shape.push_back(static_cast<py::ssize_t>(rows));
        if (results[k].bits > 1) shape.push_back(static_cast<py::ssize_t>(results[k].bits));
        shape.push_back(static_cast<py::ssize_t>(words_for(length)));
        const py::object target = many && !out.is_none() ? py::object(out[py::int_(k)]) : out;
        arrays.push_back(output_array(target, results[k], shape));
        outputs.push_back(output_view(arrays.back(), results[k], rows, length));
    }
    Monitor monitor;
    const py::none quiet;
    monitor.progress = Progress(quiet);
    without_gil([&] { self.circuit.run(engine, inputs, outputs, monitor); });
    if (!many) return arrays.front();
    py::tuple all(arrays.size());
    for (std::size_t k = 0; k < arrays.size(); ++k) all[k] = arrays[k];
    return all;
}

HeldCircuit make_built_in(py::handle name, py::handle parameters, py::handle context) {
    std::map<std::string, std::int64_t> given;
    if (!py::isinstance<py::dict>(parameters) && !parameters.is_none())
        throw_error(ErrorCode::invalid_type, "parameters", type_name(parameters), "a dict");
    if (!parameters.is_none())
        for (const auto& [key, value] : py::reinterpret_borrow<py::dict>(parameters)) {
            const std::string parameter = to_text(key, "parameters");
            constexpr auto most = std::uint64_t{1} << 32;
            given[parameter] =
                static_cast<std::int64_t>(to_unsigned(value, parameter.c_str(), 0, most));
        }
    const std::string wanted = to_text(name, "name");
    jit::Circuit circuit = without_gil([&] { return jit::built_in_circuit(wanted, given); });
    std::vector<std::string> chosen;
    for (const CircuitPort& port : circuit.outputs()) chosen.push_back(port.name);
    return {std::move(circuit), std::move(chosen), to_context(context)};
}

// Of each: formula, coding, correlation, source, its parameters' defaults, and what the correlation
// says as (inputs, others, SCC).
py::dict built_in_list() {
    py::dict all;
    for (const jit::BuiltInCircuit& row : jit::built_in_circuits()) {
        py::dict parameters;
        for (const jit::CircuitParameter& p : row.parameters)
            parameters[py::str(std::string(p.name))] = p.value;
        const auto text = [](std::string_view view) { return py::str(std::string(view)); };
        py::list needs;
        for (const jit::CorrelationNeed& need : row.needs)
            needs.append(py::make_tuple(text(need.inputs), text(need.others), need.scc));
        all[text(row.name)] =
            py::make_tuple(text(row.formula), text(row.coding), text(jit::describe(row.needs)),
                           text(row.source), parameters, needs);
    }
    return all;
}

HeldCircuit make(py::handle text, py::handle outputs, py::handle context) {
    const std::vector<std::string> chosen = read_names(outputs);
    const std::string source = to_text(text, "text");
    return {without_gil([&] { return jit::Circuit(source, chosen); }), chosen, to_context(context)};
}

}  // namespace

void bind_circuit(py::module_& module) {
    py::class_<HeldCircuit> type(module, "Circuit", py::is_final(),
                                 R"(Circuit(text, outputs=None, context=None)
--

A synchronous digital circuit over packed streams: what the text says happens once for each bit.
`bitaxon.circuit` makes one.

    y = (a & s) | (b & ~s)      a wire; names without a value are inputs of one bit
    r : u8                      an input of 8 bits: a whole number
    c : u3 = 4                  a register of 3 bits and its first value
    c = clip(c + a - b, 0, 7)   its value a step later; `c` is the present value everywhere
    a & b                       alone: the wire `result`

& | ^ ~ on bits (^ is XOR), + - * and comparisons on numbers, << >> // % by constants; where, `a if c
else b`, mux(s, a, b), min, max, abs, clip, count, parity, majority, bit(x, k), u3(x) (the lowest
three bits), delay(x, n=1, first=0). Arithmetic is exact; what a register is given must fit it.

text     statements, one a line or separated by ;
outputs  names of the wires and registers that leave the circuit; all wires unless given

circuit(*streams, length=, out=None, context=None) runs it. Streams come in the order of `inputs`, by
name, or in a dict by name, which inputs called length, out or context need, as uint64: (words,) or (n, words) for a bit, (bits, words) or (n, bits, words) for a
number; single ones are read by all n runs. Returns an array of that kind for each output, a tuple
if there are several.

Raises ValueError for wrong texts (with line, column and a caret), shapes and ones past the end.)");
    type.def(py::init(&make), py::arg("text"), py::arg("outputs") = py::none(),
             py::arg("context") = py::none(),
             "__init__(self, text, outputs=None, context=None)\n--\n\n")
        .def_property_readonly(
            "text", [](const HeldCircuit& self) { return self.circuit.text(); }, "As it was given.")
        .def_property_readonly(
            "inputs", [](const HeldCircuit& self) { return port_names(self.circuit.inputs()); },
            "Names, in the order of a call's arguments.")
        .def_property_readonly(
            "outputs", [](const HeldCircuit& self) { return port_names(self.circuit.outputs()); },
            "Names, in the order of a call's results.")
        .def_property_readonly(
            "gates", [](const HeldCircuit& self) { return self.circuit.gates(); },
            "Gates of two inputs, inverters counted.")
        .def_property_readonly(
            "registers", [](const HeldCircuit& self) { return self.circuit.registers(); },
            "Bits of registers and delays.")
        .def("__call__", &call,
             "__call__(self, *streams, length, out=None, context=None, **named)\n--\n\n")
        .def(
            "explain",
            [](const HeldCircuit& self, py::handle context) {
                return self.circuit.explain(choose_engine(context, self.context));
            },
            py::arg("context") = py::none(),
            "explain(self, context=None)\n--\n\nGates, primitives, where the code runs, and the "
            "assembly.")
        .def("__repr__", [](const HeldCircuit& self) { return self.circuit.repr(); })
        .def(
            "__copy__", [](const HeldCircuit& self) { return self; }, "__copy__(self)\n--\n\n")
        .def(
            "__deepcopy__", [](const HeldCircuit& self, py::handle) { return self; },
            py::arg("memo"), "__deepcopy__(self, memo)\n--\n\n")
        .def(py::pickle(
            [](const HeldCircuit& self) {
                return py::make_tuple(self.circuit.text(), to_tuple(self.chosen), self.context);
            },
            [](const py::tuple& state) {
                check_state(state, 3);
                return make(state[0], state[1], state[2]);
            }));
    bind_old_pickles(type);
    module.def("built_in_circuit", &make_built_in, py::arg("name"),
               py::arg("parameters") = py::none(), py::arg("context") = py::none(),
               R"(built_in_circuit(name, parameters=None, context=None)
--

The circuit of that name that comes with the library; `bitaxon.circuits` is the pleasant way.)");
    module.def("built_in_circuits", &built_in_list, R"(built_in_circuits()
--

Of each circuit that comes with the library: (formula, coding, correlation, source, parameters, needs).)");
    module.def("circuit", &make, py::arg("text"), py::arg("outputs") = py::none(),
               py::arg("context") = py::none(), R"doc(circuit(text, outputs=None, context=None)
--

A Circuit of gates and registers from text, compiled into one kernel over packed streams.

>>> mux = bitaxon.circuit("y = (a & s) | (b & ~s)")
>>> y = mux(a, s, b, length=1024)                       # in the order of first appearance: mux.inputs)doc");
}

}  // namespace bitaxon::python
