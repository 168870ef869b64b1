// Functions of the user's own, as expressions and as Python callables.
#include "functions.hpp"

#include "arguments.hpp"
#include "bindings.hpp"
#include "gil.hpp"
#include "numpy_api.hpp"

#include <bitaxon/core/error.hpp>
#include <bitaxon/jit/kernel.hpp>

#include <algorithm>
#include <memory>
#include <string>

namespace bitaxon::python {
namespace {

// Kernels may die on any thread, and after the interpreter.
struct DropCallable {
    void operator()(PyObject* callable) const {
        if (interpreter_ends()) return;
        const GilHeld gil;
        Py_DECREF(callable);
    }
};

py::object to_array(const double* values, std::size_t count) {
    npy_intp shape = static_cast<npy_intp>(count);
    PyObject* array = PyArray_SimpleNew(1, &shape, NPY_DOUBLE);
    if (array == nullptr) throw py::error_already_set();
    std::copy_n(values, count,
                static_cast<double*>(PyArray_DATA(reinterpret_cast<PyArrayObject*>(array))));
    return py::reinterpret_steal<py::object>(array);
}

// What a callable returned: a number for all rows, or one for each.
void read_result(const std::string& name, py::handle result, double* out, std::size_t count) {
    constexpr int flags = NPY_ARRAY_C_CONTIGUOUS | NPY_ARRAY_ALIGNED | NPY_ARRAY_NOTSWAPPED;
    const auto expected = [&] { return "a number or " + std::to_string(count) + " of them"; };
    const auto given = py::reinterpret_steal<py::object>(PyArray_FROM_O(result.ptr()));
    if (!given) clear_refusal();
    if (!given || !is_real(given))
        throw_error(ErrorCode::invalid_type, "result of " + name, type_name(result), expected());
    const auto numbers =
        py::reinterpret_steal<py::object>(PyArray_FROM_OTF(given.ptr(), NPY_DOUBLE, flags));
    if (!numbers) throw py::error_already_set();
    auto* array = reinterpret_cast<PyArrayObject*>(numbers.ptr());
    const auto* values = static_cast<const double*>(PyArray_DATA(array));
    if (PyArray_NDIM(array) == 0)
        std::fill_n(out, count, values[0]);
    else if (PyArray_NDIM(array) == 1 && static_cast<std::size_t>(PyArray_DIM(array, 0)) == count)
        std::copy_n(values, count, out);
    else
        throw_error(ErrorCode::invalid_shape, "result of " + name,
                    std::to_string(PyArray_SIZE(array)) + " values", expected());
}

jit::ExternalFunction external_function(const std::string& name, py::object callable, int arguments,
                                        jit::Purity purity) {
    const std::shared_ptr<PyObject> kept(callable.release().ptr(), DropCallable{});
    return {arguments, purity,
            [name, kept, arguments](const double* const* values, double* out, std::size_t count) {
                const GilHeld gil;
                py::tuple given(static_cast<std::size_t>(arguments));
                for (std::size_t k = 0; k < given.size(); ++k)
                    given[k] = to_array(values[k], count);
                const auto result =
                    py::reinterpret_steal<py::object>(PyObject_CallObject(kept.get(), given.ptr()));
                if (!result) throw py::error_already_set();
                read_result(name, result, out, count);
            }};
}

jit::Purity to_purity(const std::string& kind) {
    if (kind == "external") return jit::Purity::external;
    if (kind == "stateful") return jit::Purity::stateful;
    throw_error(ErrorCode::invalid_value, "kind", "'" + kind + "'", "'external' or 'stateful'");
}

// How many arguments a callable takes by position, from its signature.
int count_parameters(const py::object& callable) {
    const py::module_ inspect = py::module_::import("inspect");
    const py::object parameter = inspect.attr("Parameter");
    int count = 0;
    const auto reject = [](const std::string& got) {
        throw_error(ErrorCode::invalid_value, "arguments", got,
                    "the number of the callable's arguments");
    };
    py::object signature;
    try {
        signature = inspect.attr("signature")(callable);
    } catch (const py::error_already_set&) {
        reject("None, and a callable without a signature");
    }
    for (const py::handle each : signature.attr("parameters").attr("values")()) {
        if (each.attr("kind").equal(parameter.attr("VAR_POSITIONAL")))
            reject("None, and a callable of any number");
        count += each.attr("kind").equal(parameter.attr("POSITIONAL_ONLY")) ||
                 each.attr("kind").equal(parameter.attr("POSITIONAL_OR_KEYWORD"));
    }
    return count;
}

void define_callable(FunctionSet& self, const std::string& name, const py::object& callable,
                     py::handle arguments, py::handle kind) {
    const int count =
        arguments.is_none()
            ? count_parameters(callable)
            : static_cast<int>(to_unsigned(arguments, "arguments", 0, jit::kMaxArrays));
    const std::string kind_text = to_text(kind, "kind");
    self.functions.define(name, external_function(name, callable, count, to_purity(kind_text)));
    self.definitions[py::str(name)] = py::make_tuple(callable, count, kind_text);
}

void define_text(FunctionSet& self, const std::string& name, py::handle parameters,
                 py::handle text) {
    if (PyUnicode_Check(parameters.ptr()) || !py::isinstance<py::iterable>(parameters))
        throw_error(ErrorCode::invalid_type, "parameters", type_name(parameters),
                    "names, such as ['x', 'y'], or a callable");
    std::vector<std::string> names;
    py::list kept;
    for (const py::handle item : py::reinterpret_borrow<py::iterable>(parameters)) {
        names.push_back(to_text(item, "parameters"));
        kept.append(item);
    }
    self.functions.define(name, std::move(names), to_text(text, "text"));
    self.definitions[py::str(name)] = py::make_tuple(py::tuple(kept), text);
}

void define(FunctionSet& self, py::handle name, const py::object& definition, py::handle text,
            py::handle arguments, py::handle kind) {
    const std::string its_name = to_text(name, "name");
    if (PyCallable_Check(definition.ptr()) && text.is_none()) {
        define_callable(self, its_name, definition, arguments, kind);
        return;
    }
    if (!arguments.is_none())
        throw_error(ErrorCode::invalid_value, "arguments", text_of(arguments),
                    "None for a function that is an expression");
    define_text(self, its_name, definition, text);
}

void define_all(FunctionSet& self, const py::dict& definitions) {
    for (const auto& [name, definition] : definitions) {
        const auto parts = py::reinterpret_borrow<py::tuple>(definition);
        if (parts.size() == 2)
            define_text(self, to_text(name, "name"), parts[0], parts[1]);
        else
            define_callable(self, to_text(name, "name"), parts[0], parts[1], parts[2]);
    }
}

std::string repr(const FunctionSet& self) {
    std::string names;
    for (const auto& [name, definition] : self.definitions)
        names += (names.empty() ? "" : ", ") + text_of(name);
    return "<Functions: " + (names.empty() ? "none" : names) + ">";
}

std::unique_ptr<FunctionSet> copy(const FunctionSet& self) {
    auto result = std::make_unique<FunctionSet>();
    result->functions = self.functions;
    result->definitions = self.definitions.attr("copy")();
    return result;
}

constexpr const char* kDoc = R"doc(Functions()
--

Functions of the caller's own, for compile, evaluate and rules.

    functions = bx.Functions()
    functions.define("softplus", ["x"], "log1p(exp(x))")
    functions.define("table", lambda x: np.interp(x, xs, ys))
    f = bx.compile("softplus(x) + table(y)", functions=functions)

A kernel keeps the functions that it was compiled with. Copies are independent of each other.)doc";

constexpr const char* kDefineDoc =
    R"(define(self, name, definition, text=None, *, arguments=None, kind='external')
--

Defines a function, or replaces it.

definition  names of its parameters, and `text` the expression of them, which is inlined wherever
            it is called; or a callable: it gets float64 arrays (n,), n at most 1,024, and returns
            such an array or a number. It runs on the calling thread and holds the GIL, and what it
            raises ends the call
arguments   number of a callable's arguments; what its signature says unless given
kind        of a callable: 'external' if its result depends on its arguments alone, 'stateful' if it
            has a memory: then it is called once for every row, in ascending order

Raises ValueError for names that are no identifiers or are taken by the language, and for a text
that cannot be parsed.)";

}  // namespace

bool FunctionSet::has_callables() const {
    return std::any_of(definitions.begin(), definitions.end(),
                       [](const auto& definition) { return py::len(definition.second) == 3; });
}

jit::Functions to_functions(py::handle object) {
    if (object.is_none()) return {};
    if (!py::isinstance<FunctionSet>(object))
        throw_error(ErrorCode::invalid_type, "functions", type_name(object), "Functions or None");
    return object.cast<const FunctionSet&>().functions;
}

void bind_functions(py::module_& module) {
    py::class_<FunctionSet> type(module, "Functions", py::is_final(), kDoc);
    type.def(py::init<>(), "__init__(self)\n--\n\n")
        .def("define", &define, py::arg("name"), py::arg("definition"),
             py::arg("text") = py::none(), py::kw_only(), py::arg("arguments") = py::none(),
             py::arg("kind") = "external", kDefineDoc)
        .def_property_readonly(
            "names", [](const FunctionSet& self) { return py::tuple(self.definitions); },
            "Names of the functions, in the order of their definition.")
        .def(
            "__contains__",
            [](const FunctionSet& self, py::handle name) {
                return self.definitions.contains(name);
            },
            py::arg("name"), "__contains__(self, name)\n--\n\n")
        .def("__repr__", &repr)
        .def("__copy__", &copy, "__copy__(self)\n--\n\n")
        .def(
            "__deepcopy__", [](const FunctionSet& self, py::handle) { return copy(self); },
            py::arg("memo"), "__deepcopy__(self, memo)\n--\n\n")
        .def(py::pickle([](const FunctionSet& self) { return self.definitions; },
                        [](const py::dict& definitions) {
                            auto self = std::make_unique<FunctionSet>();
                            define_all(*self, definitions);
                            return self;
                        }));
    bind_old_pickles(type);
}

}  // namespace bitaxon::python
