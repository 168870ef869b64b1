#include "arguments.hpp"

#include <bitaxon/core/error.hpp>

#include <fmt/format.h>

namespace bitaxon::python {

std::string type_name(py::handle object) { return Py_TYPE(object.ptr())->tp_name; }

std::uint64_t to_unsigned(py::handle object, const char* name, std::uint64_t least,
                          std::uint64_t most) {
    const auto expected = [&] { return fmt::format("an int from {} to {}", least, most); };
    const auto number = py::reinterpret_steal<py::object>(PyNumber_Index(object.ptr()));
    if (!number) {
        PyErr_Clear();
        throw_error(ErrorCode::invalid_type, name, type_name(object), expected());
    }
    const unsigned long long value = PyLong_AsUnsignedLongLong(number.ptr());
    const bool fits = value != static_cast<unsigned long long>(-1) || !PyErr_Occurred();
    if (!fits) PyErr_Clear();
    if (!fits || value < least || value > most)
        throw_error(ErrorCode::invalid_value, name, text_of(number), expected());
    return value;
}

double to_real(py::handle object, const char* name) {
    const double value = PyFloat_AsDouble(object.ptr());
    if (value == -1.0 && PyErr_Occurred()) {
        PyErr_Clear();
        throw_error(ErrorCode::invalid_type, name, type_name(object), "a number");
    }
    return value;
}

std::string to_text(py::handle object, const char* name) {
    if (!PyUnicode_Check(object.ptr()))
        throw_error(ErrorCode::invalid_type, name, type_name(object), "a str");
    return object.cast<std::string>();
}

std::optional<std::uint64_t> to_seed(py::handle object) {
    if (object.is_none()) return std::nullopt;
    return to_unsigned(object, "seed");
}

}  // namespace bitaxon::python
