// Populations of neurons. Python sees their state where it lives.
#include "population.hpp"

#include "arguments.hpp"
#include "arrays.hpp"
#include "bindings.hpp"
#include "context.hpp"
#include "kernel.hpp"
#include "pending.hpp"
#include "pickles.hpp"

#include <bitaxon/core/error.hpp>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>

namespace bitaxon::python {
namespace {

bool contains(const std::vector<std::string>& names, const std::string& name) {
    return std::find(names.begin(), names.end(), name) != names.end();
}

// One number or an array of them, as float64.
std::vector<double> to_values(py::handle object, const char* name) {
    const py::array array = read_numbers(object, name, Layout::packed);
    if (array.ndim() > 1)
        throw_error(ErrorCode::invalid_shape, name, "shape " + shape_text(array),
                    "a number, or one for each neuron");
    const auto values = packed_values(array);
    return {values.begin(), values.end()};
}

std::map<std::string, std::vector<double>> to_parameters(py::handle parameters) {
    std::map<std::string, std::vector<double>> result;
    if (parameters.is_none()) return result;
    if (!PyDict_Check(parameters.ptr()))
        throw_error(ErrorCode::invalid_type, "parameters", type_name(parameters),
                    "a dict of names and numbers or arrays");
    for (const auto& [name, values] : py::reinterpret_borrow<py::dict>(parameters)) {
        const std::string text = to_text(name, "parameters");
        result[text] = to_values(values, text.c_str());
    }
    return result;
}

std::unique_ptr<HeldPopulation> make_population(py::handle n, py::handle rule, py::handle dt,
                                                py::handle seed, py::handle id, py::handle dtype,
                                                py::handle parameters, py::handle background_calls,
                                                py::handle work_at_once, py::handle fold_calls,
                                                py::handle context) {
    const std::size_t neurons = to_unsigned(n, "n", 1, std::uint64_t{1} << 40);
    const HeldRule held = to_rule(rule);
    const PopulationOptions options{.dt = to_real(dt, "dt"),
                                    .seed = to_seed(seed),
                                    .id = to_unsigned(id, "id"),
                                    .dtype = to_float_type(dtype, "dtype"),
                                    .parameters = to_parameters(parameters),
                                    .thresholds =
                                        to_thresholds(background_calls, work_at_once, fold_calls)};
    const py::object kept_context = to_context(context);
    auto model =
        without_gil([&] { return std::make_shared<Population>(neurons, held.rule, options); });
    return std::make_unique<HeldPopulation>(std::move(model), kept_context, held.functions);
}

py::dtype dtype_of(jit::Type type) {
    switch (type) {
    case jit::Type::f32:
        return py::dtype::of<float>();
    case jit::Type::f64:
        return py::dtype::of<double>();
    case jit::Type::i64:
        return py::dtype::of<std::int64_t>();
    default:
        return py::dtype::of<std::int32_t>();
    }
}

[[noreturn]] void refuse_name(const HeldPopulation& self, const std::string& name) {
    throw_error(ErrorCode::invalid_value, "name", "'" + name + "'",
                fmt::format("a variable ({}) or a parameter ({})",
                            fmt::join(self.names.variables, ", "),
                            fmt::join(self.names.parameters, ", ")));
}

py::object view_of_variable(HeldPopulation& self, const std::string& name) {
    auto owner = std::make_unique<std::shared_ptr<Population>>();
    const StateView view = self.alone([&](Population& population) {
        *owner = self.shared();
        return population.state(name);
    });
    const py::capsule capsule(owner.release(),
                              [](void* p) { delete static_cast<std::shared_ptr<Population>*>(p); });
    return py::array(dtype_of(view.type), {static_cast<py::ssize_t>(view.count)}, view.data,
                     capsule);
}

py::object parameter_value(HeldPopulation& self, const std::string& name) {
    const std::vector<double> values = self.alone([&](Population& population) {
        const auto all = population.parameter(name);
        return std::vector<double>(all.begin(), all.end());
    });
    if (values.size() == 1) return py::float_(values[0]);
    // A copy: what changes a parameter is set_parameter and nothing else.
    const auto kept = std::make_shared<const std::vector<double>>(values);
    return read_only_view(*kept, {static_cast<py::ssize_t>(kept->size())}, kept);
}

/// Nothing, if no variable and no parameter has that name.
py::object get(HeldPopulation& self, const std::string& name) {
    if (contains(self.names.variables, name)) return view_of_variable(self, name);
    if (contains(self.names.parameters, name)) return parameter_value(self, name);
    return {};
}

py::object get_item(HeldPopulation& self, py::handle name) {
    const std::string text = to_text(name, "name");
    if (py::object value = get(self, text)) return value;
    refuse_name(self, text);
}

bool set(HeldPopulation& self, const std::string& name, py::handle value) {
    const bool is_variable = contains(self.names.variables, name);
    if (!is_variable && !contains(self.names.parameters, name)) return false;
    const std::vector<double> values = to_values(value, name.c_str());
    self.alone([&](Population& population) {
        is_variable ? population.set(name, values) : population.set_parameter(name, values);
    });
    return true;
}

void set_item(HeldPopulation& self, py::handle name, py::handle value) {
    const std::string text = to_text(name, "name");
    if (!set(self, text, value)) refuse_name(self, text);
}

py::object get_attribute(HeldPopulation& self, const std::string& name) {
    if (!name.starts_with("__"))
        if (py::object value = get(self, name)) return value;
    throw py::attribute_error("'Population' object has no attribute '" + name + "'");
}

void set_attribute(const py::object& self, const std::string& name, const py::object& value) {
    if (!py::hasattr(py::type::of(self), name.c_str()) &&
        set(self.cast<HeldPopulation&>(), name, value))
        return;
    if (PyObject_GenericSetAttr(self.ptr(), py::str(name).ptr(), value.ptr()) != 0)
        throw py::error_already_set();
}

py::list attribute_names(const py::object& self) {
    const auto object =
        py::reinterpret_borrow<py::object>(reinterpret_cast<PyObject*>(&PyBaseObject_Type));
    py::list all(object.attr("__dir__")(self));
    const Names& names = self.cast<HeldPopulation&>().names;
    for (const auto* list : {&names.variables, &names.parameters})
        for (const std::string& name : *list) all.append(name);
    return all;
}

void record(HeldPopulation& self, py::handle names, py::handle neurons) {
    std::vector<std::string> wanted;
    if (PyUnicode_Check(names.ptr()))
        wanted.push_back(to_text(names, "names"));
    else if (!names.is_none())
        for (const py::handle name : py::iter(names)) wanted.push_back(to_text(name, "names"));
    std::vector<std::size_t> chosen;
    if (!neurons.is_none())
        for (const py::handle neuron : py::iter(neurons))
            chosen.push_back(to_unsigned(neuron, "neurons"));
    self.alone([&](Population& population) { population.record(wanted, chosen); });
}

py::object recording_of(HeldPopulation& self) {
    const auto kept = std::make_shared<const Recording>(
        self.alone([](Population& population) { return population.recording(); }));
    const auto columns = static_cast<py::ssize_t>(kept->neurons.size());
    py::dict values;
    for (std::size_t k = 0; k < kept->names.size(); ++k)
        values[py::str(kept->names[k])] =
            read_only_view(kept->values[k], {static_cast<py::ssize_t>(kept->steps), columns}, kept);
    py::array_t<std::int64_t> neurons(columns);
    std::copy(kept->neurons.begin(), kept->neurons.end(), neurons.mutable_data());
    return py::module_::import("bitaxon.results")
        .attr("Recording")(values, neurons, kept->first_step, self.shared()->dt());
}

py::dict parameters_to_dict(const std::map<std::string, std::vector<double>>& parameters) {
    py::dict result;
    for (const auto& [name, values] : parameters)
        result[py::str(name)] =
            py::array_t<double>(static_cast<py::ssize_t>(values.size()), values.data());
    return result;
}

py::dict store(HeldPopulation& self) {
    const PopulationSnapshot snapshot =
        self.alone([](Population& population) { return population.store(); });
    py::list types, states;
    for (const jit::Type type : snapshot.types) types.append(name(type));
    for (const auto& bytes : snapshot.states)
        states.append(py::bytes(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
    py::dict result;
    result["step"] = snapshot.step;
    result["names"] = to_tuple(snapshot.names);
    result["types"] = types;
    result["states"] = states;
    result["parameters"] = parameters_to_dict(snapshot.parameters);
    return result;
}

jit::Type type_of_name(const std::string& text) {
    for (const auto type :
         {jit::Type::f32, jit::Type::f64, jit::Type::i16, jit::Type::i32, jit::Type::i64})
        if (name(type) == text) return type;
    throw_error(ErrorCode::invalid_value, "snapshot", "type '" + text + "'", "what store returned");
}

PopulationSnapshot to_snapshot(py::handle object) {
    PopulationSnapshot result;
    try {
        if (!PyDict_Check(object.ptr())) throw py::cast_error();
        const PickledDict state(py::reinterpret_borrow<py::dict>(object), "snapshot",
                                "what store returned");
        result.step = to_unsigned(state["step"], "step");
        for (const py::handle name : state["names"]) result.names.push_back(to_text(name, "names"));
        for (const py::handle type : state["types"])
            result.types.push_back(type_of_name(to_text(type, "types")));
        for (const py::handle bytes : state["states"]) {
            const auto text = py::cast<std::string_view>(bytes);
            const auto* first = reinterpret_cast<const std::byte*>(text.data());
            result.states.emplace_back(first, first + text.size());
        }
        result.parameters = to_parameters(state["parameters"]);
    } catch (const py::cast_error&) {
        throw_error(ErrorCode::invalid_type, "snapshot", type_name(object), "what store returned");
    }
    return result;
}

py::dict all_parameters(HeldPopulation& self) {
    py::dict result;
    for (const std::string& name : self.names.parameters)
        result[py::str(name)] = parameter_value(self, name);
    return result;
}

py::tuple state_of(HeldPopulation& self) {
    const std::shared_ptr<Population> model = self.shared();
    const jit::Thresholds thresholds = model->thresholds();
    return py::make_tuple(model->neurons(), py::cast(HeldRule{model->rule(), self.functions}),
                          model->dt(), model->seed(), model->id(), name(model->dtype()),
                          store(self), self.context, thresholds.background_calls,
                          thresholds.work_at_once, thresholds.fold_calls);
}

std::unique_ptr<HeldPopulation> from_state(const py::tuple& state) {
    check_state(state, 11);
    auto population = make_population(state[0], state[1], state[2], state[3], state[4], state[5],
                                      py::none(), state[8], state[9], state[10], state[7]);
    const PopulationSnapshot snapshot = to_snapshot(state[6]);
    population->alone([&](Population& model) { model.restore(snapshot); });
    return population;
}

std::unique_ptr<HeldPopulation> copy(HeldPopulation& self) {
    auto model =
        self.alone([](Population& population) { return std::make_shared<Population>(population); });
    return std::make_unique<HeldPopulation>(std::move(model), self.context, self.functions);
}

// clang-format off
#define BITAXON_POPULATION_SIGNATURE                                                               \
    "n, rule, dt=0.001, seed=None, id=0, *, dtype='f64', parameters=None, "                        \
    "background_calls=100, work_at_once=100000, fold_calls=1000, context=None)\n--\n\n"
// clang-format on

constexpr const char* kDoc = "Population(" BITAXON_POPULATION_SIGNATURE
                             R"(n neurons that follow one rule.

    pop = bx.Population(1000, "LIF", dt=1e-4, seed=3)
    spikes = pop.run(20.0, 10_000)
    pop.v, pop.tau_mem         # the state where it lives; parameters

n           number of neurons
rule        a Rule, or the name of a built-in one: bx.rules
dt          seconds of a step, above 0
seed        0 to 2^64 - 1 of random numbers; fresh unless given, and shown in the repr
id          names random numbers: populations of one seed and different ids differ
dtype       'f32' or 'f64': what the rule's `real` is
parameters  name -> a number, or one for each neuron; the rule's defaults for others
background_calls, work_at_once, fold_calls
            when steps move from the interpreter to machine code: after so many calls, in the
            background; in a call of so many neurons times steps times operations; parameters become
            constants of the code after so many calls, until one is set
context     ExecutionContext of calls that are given none

Variables are attributes and items, pop.v and pop["v"]: arrays (n,) over the state itself. Setting
one sets its values. Parameters are floats, or read-only arrays (n,), and are set in the same way. A
new rule keeps the arrays of variables that stay.

A step is: record, integrate, threshold (never while refractory), reset. Results depend on the rule,
parameters, currents, dt, dtype, seed and id alone, not on threads, the tier or how a run is cut
into calls. May be used from many threads at once: each call waits for its turn, which comes between
the steps of a long run.
Raises ValueError for values out of range; naming variable, neuron and step, once one is NaN.)";

}  // namespace

// Views look at the arrays of variables: those of variables that go must stay with their views.
void HeldPopulation::set_rule(const HeldRule& held) {
    const jit::Rule& rule = held.rule;
    alone([&](Population& population) {
        const auto now = rule.variables(population.dtype());
        const auto before = population.rule().variables(population.dtype());
        const bool all_stay = std::all_of(before.begin(), before.end(), [&](const auto& old) {
            return std::any_of(now.begin(), now.end(), [&](const auto& variable) {
                return variable.name == old.name && variable.type == old.type;
            });
        });
        if (all_stay) {
            population.set_rule(rule);
            return;
        }
        auto next = std::make_shared<Population>(population);
        next->set_rule(rule);
        model_ = std::move(next);
    });
    functions = held.functions;
    names = Names(*shared());
}

void bind_population(py::module_& module) {
    py::class_<HeldPopulation> type(module, "Population", py::is_final(), kDoc);
    type.def(py::init(&make_population), py::arg("n"), py::arg("rule"), py::arg("dt") = 1e-3,
             py::arg("seed") = py::none(), py::arg("id") = 0, py::kw_only(),
             py::arg("dtype") = "f64", py::arg("parameters") = py::none(),
             py::arg("background_calls") = jit::Thresholds{}.background_calls,
             py::arg("work_at_once") = jit::Thresholds{}.work_at_once,
             py::arg("fold_calls") = jit::Thresholds{}.fold_calls, py::arg("context") = py::none(),
             "__init__(self, " BITAXON_POPULATION_SIGNATURE);

    const auto property = [&](const char* name, auto getter, const char* doc) {
        type.def_property_readonly(
            name, [getter](HeldPopulation& self) { return self.alone(getter); }, doc);
    };
    property(
        "n_neurons", [](Population& p) { return p.neurons(); }, "Number of neurons.");
    property(
        "dt", [](Population& p) { return p.dt(); }, "Seconds of a step.");
    property(
        "seed", [](Population& p) { return p.seed(); }, "Seed of random numbers.");
    property(
        "id", [](Population& p) { return p.id(); }, "Names random numbers, beside the seed.");
    property(
        "dtype", [](Population& p) { return std::string(name(p.dtype())); }, "'f32' or 'f64'.");
    property(
        "step_count", [](Population& p) { return p.step_count(); }, "Steps since the beginning.");
    property(
        "backend", [](Population& p) { return std::string(p.backend()); },
        "What ran the last steps: 'interpreter', 'avx2', 'avx512' or 'neon', or 'scalar' for one "
        "neuron.");
    type.def_property_readonly(
            "variables", [](const HeldPopulation& self) { return to_tuple(self.names.variables); },
            "Names of the state variables.")
        .def_property_readonly(
            "rule",
            [](HeldPopulation& self) {
                return HeldRule{self.alone([](Population& p) { return p.rule(); }), self.functions};
            },
            "The rule in use.")
        .def_property_readonly("parameters", &all_parameters, "name -> value, or (n,) values.")
        .def_property_readonly("recording", &recording_of,
                               "Recording of what record chose, so far.")
        .def_property_readonly(
            "context", [](HeldPopulation& self) { return self.context; },
            "ExecutionContext of calls that are given none; None is the shared one.")
        .def("step", &step_population, py::arg("current") = 0.0, py::arg("context") = py::none(),
             R"(step(self, current=0.0, context=None)
--

One step.

current  what the rule reads as i: a number, or one for each neuron
Returns Spikes of one step.)")
        .def("run", &run_population, py::arg("current"), py::arg("steps"),
             py::arg("progress") = py::none(), py::arg("context") = py::none(),
             py::arg("record") = py::none(),
             R"(run(self, current, steps, progress=None, context=None, record=None)
--

Many steps.

current   what the rule reads as i: a number, (n,), (steps, n), or (steps, 1) for all neurons alike
steps     0 or more
progress  True shows a bar on a terminal; a callable gets (done, total) steps about every 20 ms
record    {variable: array}: (steps, n) arrays of the variable's own dtype, any strides, that are
          filled with its values before the integration of each step; the steps write straight to
          rows whose elements lie side by side. After a run that ended early, rows from step_count
          on hold anything
Returns Spikes. Ctrl-C, what the callable raises, or NaN ends the run: step_count says where.)")
        .def("submit_run", &submit_population, py::arg("current"), py::arg("steps"),
             py::arg("context") = py::none(), py::arg("record") = py::none(),
             R"(submit_run(self, current, steps, context=None, record=None)
--

run, on a worker: returns a concurrent.futures.Future of its Spikes. Its cancel() ends the run between
two chunks of steps: step_count says where. Its progress() is (done, total) steps. Other calls take
turns with it, as with any run.)")
        .def(
            "run_async",
            [](const py::object& self, py::handle current, py::handle steps, py::handle context,
               py::handle record) {
                return awaitable(submit_population(self, current, steps, context, record));
            },
            py::arg("current"), py::arg("steps"), py::arg("context") = py::none(),
            py::arg("record") = py::none(),
            R"(run_async(self, current, steps, context=None, record=None)
--

submit_run for asyncio: spikes = await pop.run_async(current, steps). It runs from now on; to cancel
the task that awaits it cancels it.)")
        .def(
            "stats",
            [](HeldPopulation& self) {
                return to_dict(self.alone([](Population& p) { return p.stats(); }));
            },
            R"(stats(self)
--

What the population has done so far with its present rule, as a dict:

calls              steps and runs; a long run counts once for each piece of about 10 ms
machine_code_calls those that ran machine code from their first step
compiled_variants  pieces of machine code: populations of one Rule share them, but for those in
                   which their parameters are constants
compile_seconds    time spent in making them
tier               what ran the last steps: see backend)")
        .def(
            "set_rule", [](HeldPopulation& self, py::handle rule) { self.set_rule(to_rule(rule)); },
            py::arg("rule"), R"(set_rule(self, rule)
--

Another rule from the next step on, also while another thread runs this population. Variables and
parameters that were set keep their values by name, new ones start at their default.)")
        .def(
            "reset", [](HeldPopulation& self) { self.alone([](Population& p) { p.reset(); }); },
            R"(reset(self)
--

Back to step 0 and the rule's initial values; parameters stay.)")
        .def("store", &store, R"(store(self)
--

All that changes in a population, as a dict for restore.)")
        .def(
            "restore",
            [](HeldPopulation& self, py::handle snapshot) {
                const PopulationSnapshot state = to_snapshot(snapshot);
                self.alone([&](Population& p) { p.restore(state); });
            },
            py::arg("snapshot"), R"(restore(self, snapshot)
--

Puts back what store returned. Raises ValueError for another size or other variables.)")
        .def("record", &record, py::arg("names") = py::none(), py::arg("neurons") = py::none(),
             R"(record(self, names=None, neurons=None)
--

Records variables from the next step on, before each step's integration. Drops what was recorded.

names    of variables, or one name; None stops
neurons  indices of the neurons; all unless given
See recording.)")
        .def("__getitem__", &get_item, py::arg("name"), "__getitem__(self, name)\n--\n\n")
        .def("__setitem__", &set_item, py::arg("name"), py::arg("value"),
             "__setitem__(self, name, value)\n--\n\n")
        .def("__getattr__", &get_attribute, py::arg("name"), "__getattr__(self, name)\n--\n\n")
        .def("__setattr__", &set_attribute, py::arg("name"), py::arg("value"),
             "__setattr__(self, name, value)\n--\n\n")
        .def("__dir__", &attribute_names, "__dir__(self)\n--\n\n")
        .def(
            "__len__", [](HeldPopulation& self) { return self.shared()->neurons(); },
            "__len__(self)\n--\n\n")
        .def(
            "__repr__",
            [](HeldPopulation& self) { return self.alone([](Population& p) { return p.repr(); }); })
        .def("__copy__", &copy, "__copy__(self)\n--\n\n")
        .def(
            "__deepcopy__", [](HeldPopulation& self, py::handle) { return copy(self); },
            py::arg("memo"), "__deepcopy__(self, memo)\n--\n\n")
        .def(py::pickle(&state_of, &from_state));
    bind_old_pickles(type);
}

}  // namespace bitaxon::python
