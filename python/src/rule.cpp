#include "rule.hpp"

#include "arguments.hpp"
#include "bindings.hpp"
#include "functions.hpp"
#include "gil.hpp"
#include "pickles.hpp"

#include <bitaxon/core/error.hpp>

#include <memory>
#include <string>

namespace bitaxon::python {
namespace {

// clang-format off
#define BITAXON_RULE_SIGNATURE                                                                     \
    "equations, threshold=None, reset=None, refractory=0.0, method='auto', parameters=None, "      \
    "name=None, functions=None)\n--\n\n"
// clang-format on

constexpr const char* kDoc =
    "Rule(" BITAXON_RULE_SIGNATURE
    R"doc(A neuron rule: differential equations, a threshold and a reset, as text.

    lif = bx.Rule("dv/dt = (v_rest - v + r*i)/tau_mem (unless refractory)",
                  threshold="v > v_threshold", reset="v = v_reset", refractory=2e-3)

equations   statements, one a line or separated by ;
                name : type = value (constant|shared)   a variable, or a parameter if it is constant
                dname/dt = ... (unless refractory)      a differential equation, time in seconds
                name = ...                              a sub-expression
            Names with a meaning: i, the current; t and dt, seconds; xi and xi_..., white noise.
            Names of the field (tau_mem, v_rest, v_threshold, ...) have defaults
threshold   a condition; without it nothing spikes
reset       statements for neurons that spike; or 'value' (v = v_reset), 'subtract'
            (v -= v_threshold - v_reset) or 'none'
refractory  seconds, 0 or more, or an expression of parameters and dt
method      'euler', 'exponential_euler', 'exact', 'heun', 'rk4', or 'auto', which chooses one
parameters  name -> default of parameters that the texts name
functions   Functions of the caller's own

A step is: record, integrate, threshold (never while refractory), reset. A neuron that spikes in
step s can spike again in step s + R, R = floor(refractory / dt + 1e-3). Immutable.
Raises ValueError with line, column and a caret for texts that cannot be parsed, unknown names, and
a method that the equations do not allow.)doc";

std::map<std::string, double> to_defaults(py::handle parameters) {
    std::map<std::string, double> result;
    if (parameters.is_none()) return result;
    if (!PyDict_Check(parameters.ptr()))
        throw_error(ErrorCode::invalid_type, "parameters", type_name(parameters),
                    "a dict of names and numbers");
    for (const auto& [name, value] : py::reinterpret_borrow<py::dict>(parameters)) {
        const std::string text = to_text(name, "parameters");
        result[text] = to_real(value, text.c_str());
    }
    return result;
}

std::string text_or_nothing(py::handle object, const char* name) {
    return object.is_none() ? std::string() : to_text(object, name);
}

std::unique_ptr<HeldRule> make_rule(py::handle equations, py::handle threshold, py::handle reset,
                                    py::handle refractory, py::handle method, py::handle parameters,
                                    py::handle name, py::handle functions) {
    jit::RuleOptions options{.equations = to_text(equations, "equations"),
                             .threshold = text_or_nothing(threshold, "threshold"),
                             .reset = text_or_nothing(reset, "reset"),
                             .method = to_text(method, "method"),
                             .parameters = to_defaults(parameters),
                             .name = text_or_nothing(name, "name"),
                             .functions = to_functions(functions)};
    if (PyUnicode_Check(refractory.ptr()))
        options.refractory = to_text(refractory, "refractory");
    else
        options.refractory = to_real(refractory, "refractory");
    py::object kept =
        functions.is_none() ? py::none() : py::module_::import("copy").attr("copy")(functions);
    return std::make_unique<HeldRule>(
        HeldRule{without_gil([&] { return jit::Rule(options); }), std::move(kept)});
}

py::object text_or_none(const std::string& text) {
    return text.empty() ? py::object(py::none()) : py::str(text);
}

py::object refractory_of(const HeldRule& self) {
    const auto& refractory = self.rule.options().refractory;
    if (const auto* text = std::get_if<std::string>(&refractory)) return py::str(*text);
    return py::float_(std::get<double>(refractory));
}

py::dict defaults_given(const HeldRule& self) {
    py::dict result;
    for (const auto& [name, value] : self.rule.options().parameters) result[py::str(name)] = value;
    return result;
}

py::dict state_of(const HeldRule& self) {
    const jit::RuleOptions& options = self.rule.options();
    py::dict state;
    state["equations"] = options.equations;
    state["threshold"] = text_or_none(options.threshold);
    state["reset"] = text_or_none(options.reset);
    state["refractory"] = refractory_of(self);
    state["method"] = options.method;
    state["parameters"] = defaults_given(self);
    state["name"] = text_or_none(options.name);
    state["functions"] = self.functions;
    return state;
}

std::unique_ptr<HeldRule> from_state(const PickledDict& state) {
    return make_rule(state["equations"], state["threshold"], state["reset"], state["refractory"],
                     state["method"], state["parameters"], state["name"], state["functions"]);
}

py::tuple variables_of(const HeldRule& self) {
    std::vector<std::string> names;
    for (const jit::RuleVariable& variable : self.rule.variables()) names.push_back(variable.name);
    return to_tuple(names);
}

py::dict parameters_of(const HeldRule& self) {
    py::dict result;
    for (const jit::RuleParameter& parameter : self.rule.parameters())
        result[py::str(parameter.name)] = parameter.value;
    return result;
}

HeldRule built_in(py::handle name, py::handle parameters) {
    return {jit::built_in_rule(to_text(name, "name"), to_defaults(parameters)), py::none()};
}

}  // namespace

HeldRule to_rule(py::handle object) {
    if (PyUnicode_Check(object.ptr())) return built_in(object, py::none());
    if (!py::isinstance<HeldRule>(object))
        throw_error(ErrorCode::invalid_type, "rule", type_name(object),
                    "a Rule, or the name of a built-in one");
    return object.cast<const HeldRule&>();
}

void bind_rule(py::module_& module) {
    py::class_<HeldRule> type(module, "Rule", py::is_final(), kDoc);
    type.def(py::init(&make_rule), py::arg("equations"), py::arg("threshold") = py::none(),
             py::arg("reset") = py::none(), py::arg("refractory") = 0.0, py::arg("method") = "auto",
             py::arg("parameters") = py::none(), py::arg("name") = py::none(),
             py::arg("functions") = py::none(), "__init__(self, " BITAXON_RULE_SIGNATURE);

    const auto property = [&](const char* name, auto getter, const char* doc) {
        type.def_property_readonly(
            name, [getter](const HeldRule& self) { return getter(self.rule); }, doc);
    };
    property(
        "equations", [](const jit::Rule& r) { return r.options().equations; }, "As given.");
    property(
        "threshold", [](const jit::Rule& r) { return text_or_none(r.options().threshold); },
        "As given, or None.");
    property(
        "reset", [](const jit::Rule& r) { return text_or_none(r.options().reset); },
        "As given, or None.");
    property(
        "method", [](const jit::Rule& r) { return std::string(r.method()); },
        "The method in use, never 'auto'.");
    property(
        "method_reason", [](const jit::Rule& r) { return r.method_reason(); }, "Why this method.");
    property(
        "name", [](const jit::Rule& r) { return r.name(); }, "'rule' unless given.");
    property(
        "spikes", [](const jit::Rule& r) { return r.spikes(); }, "Whether it has a threshold.");
    property(
        "takes_current", [](const jit::Rule& r) { return r.takes_current(); },
        "Whether it reads the input current i.");
    property(
        "is_random", [](const jit::Rule& r) { return r.is_random(); },
        "Whether it calls rand() or randn(), or has noise xi.");
    type.def_property_readonly("refractory", &refractory_of, "As given: seconds, or an expression.")
        .def_property_readonly("variables", &variables_of, "Names of the state variables.")
        .def_property_readonly("parameters", &parameters_of, "name -> default.")
        .def_property_readonly(
            "functions", [](const HeldRule& self) { return self.functions; },
            "Functions that the rule was made with, or None.")
        .def("__repr__", [](const HeldRule& self) { return self.rule.repr(); })
        .def(
            "__copy__", [](py::object self) { return self; }, "__copy__(self)\n--\n\n")
        .def(
            "__deepcopy__", [](py::object self, py::handle) { return self; }, py::arg("memo"),
            "__deepcopy__(self, memo)\n--\n\n");
    bind_pickles(type, &state_of, &from_state);
    bind_old_pickles(type);

    module.def("built_in_rule", &built_in, py::arg("name"), py::arg("parameters") = py::none(),
               R"(built_in_rule(name, parameters=None)
--

A rule that comes with the library, upper and lower case alike, with these defaults of parameters.
Raises ValueError with the nearest name for an unknown one.)");
    module.def(
        "built_in_rules",
        [] {
            py::dict result;
            for (const jit::BuiltInRule& rule : jit::built_in_rules())
                result[py::str(rule.name)] = rule.source;
            return result;
        },
        R"(built_in_rules()
--

Names of the rules that come with the library -> their author and year, and the units of their
parameters.)");
}

}  // namespace bitaxon::python
