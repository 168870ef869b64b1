// What a call says that has an argument too many, too few or of an unknown name. pybind11 would
// list types, which are all alike here, and write out every argument, arrays included.
#include "wrong_calls.hpp"

#include "arguments.hpp"
#include "bindings.hpp"

#include <bitaxon/core/error.hpp>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <string>
#include <vector>

namespace bitaxon::python {
namespace {

using Record = py::detail::function_record;

PyCFunctionWithKeywords dispatcher = nullptr;  // pybind11's; one for all functions

std::string similar_to(const std::string& name, const std::vector<std::string>& names) {
    const py::list found =
        py::module_::import("difflib").attr("get_close_matches")(name, to_tuple(names), 1);
    return found.empty() ? "" : fmt::format("; did you mean {}?", text_of(found[0]));
}

// Throws what is wrong with the arguments of a function that has no other overload, if that can be
// told by their names and number.
void check_arguments(const Record& record, const py::tuple& given, const py::dict& keywords) {
    const std::size_t self = record.is_method ? 1 : 0;
    std::vector<std::string> names;
    for (std::size_t k = self; k < record.args.size(); ++k)
        names.emplace_back(record.args[k].name == nullptr ? "" : record.args[k].name);
    const std::string function =
        record.is_constructor ? text_of(record.scope.attr("__name__")) : std::string(record.name);
    if (given.size() < self || record.has_args || record.has_kwargs) return;
    const std::size_t positional = given.size() - self;
    const std::size_t most = record.nargs_pos - self;
    if (positional > most)
        throw_error(ErrorCode::invalid_type, function,
                    fmt::format("{} arguments without a name", positional),
                    names.size() > most
                        ? fmt::format("at most {}; name others, as in {}=...", most, names[most])
                        : fmt::format("at most {}", most));
    for (const auto& [key, value] : keywords) {
        const std::string name = text_of(key);
        const auto found = std::ranges::find(names, name);
        if (found == names.end())
            throw_error(ErrorCode::invalid_type, function, "the argument " + name,
                        names.empty() ? "none"
                                      : fmt::format("one of {}{}", fmt::join(names, ", "),
                                                    similar_to(name, names)));
        if (found - names.begin() < static_cast<std::ptrdiff_t>(positional))
            throw_error(ErrorCode::invalid_type, name, "two values", "one");
    }
    for (std::size_t k = positional; k < names.size(); ++k)
        if (!record.args[self + k].value && !keywords.contains(names[k].c_str()))
            throw_error(ErrorCode::invalid_type, names[k], "nothing", "a value");
}

PyObject* call(PyObject* self, PyObject* given, PyObject* keywords) {
    PyObject* result = dispatcher(self, given, keywords);
    // Only pybind11's own: what a callback raises may be a kind of TypeError, with any text.
    if (result != nullptr || PyErr_Occurred() != PyExc_TypeError) return result;
    try {
        py::error_already_set error;
        const auto* record = py::reinterpret_borrow<py::capsule>(self).get_pointer<const Record>();
        if (record->next == nullptr &&
            text_of(error.value()).find("): incompatible ") != std::string::npos)
            check_arguments(*record, py::reinterpret_borrow<py::tuple>(given),
                            keywords == nullptr ? py::dict()
                                                : py::reinterpret_borrow<py::dict>(keywords));
        error.restore();
    } catch (...) {
        set_python_error();
    }
    return nullptr;
}

void explain(py::handle object) {
    PyObject* function = PyInstanceMethod_Check(object.ptr())
                             ? PyInstanceMethod_Function(object.ptr())
                             : object.ptr();
    if (!PyCFunction_Check(function)) return;
    PyObject* self = PyCFunction_GET_SELF(function);
    PyMethodDef* definition = reinterpret_cast<PyCFunctionObject*>(function)->m_ml;
    if (self == nullptr || !PyCapsule_CheckExact(self) ||
        definition->ml_flags != (METH_VARARGS | METH_KEYWORDS))
        return;
    const auto method = reinterpret_cast<PyCFunctionWithKeywords>(
        reinterpret_cast<void (*)()>(definition->ml_meth));
    if (method == call) return;
    dispatcher = method;
    definition->ml_meth = reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(call));
}

}  // namespace

void explain_wrong_calls(py::module_& module) {
    for (const auto& [name, object] : py::dict(module.attr("__dict__"))) {
        explain(object);
        if (!PyType_Check(object.ptr())) continue;
        for (const auto& [member, function] : py::dict(object.attr("__dict__"))) explain(function);
    }
}

}  // namespace bitaxon::python
