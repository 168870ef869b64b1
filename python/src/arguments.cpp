#include "arguments.hpp"

#include <bitaxon/core/error.hpp>

#include <fmt/format.h>

namespace bitaxon::python {

std::string type_name(py::handle object) { return Py_TYPE(object.ptr())->tp_name; }

std::string text_of(py::handle object) {
    const py::str text(object);
    const auto bytes =
        py::reinterpret_steal<py::bytes>(PyUnicode_AsEncodedString(text.ptr(), "utf-8", "replace"));
    if (!bytes) throw py::error_already_set();
    return bytes;
}

void clear_refusal() {
    for (PyObject* refusal : {PyExc_TypeError, PyExc_ValueError, PyExc_OverflowError})
        if (PyErr_ExceptionMatches(refusal)) {
            PyErr_Clear();
            return;
        }
    throw py::error_already_set();
}

namespace {

// Python writes no int of more than 4300 digits, and nobody reads one of 100.
std::string text_of_int(py::handle number) {
    const auto bits = number.attr("bit_length")().cast<std::size_t>();
    return bits > 128 ? fmt::format("an int of {} bits", bits) : text_of(number);
}

}  // namespace

std::uint64_t to_unsigned(py::handle object, const char* name, std::uint64_t least,
                          std::uint64_t most) {
    const auto expected = [&] { return fmt::format("an int from {} to {}", least, most); };
    const auto number = py::reinterpret_steal<py::object>(PyNumber_Index(object.ptr()));
    if (!number) {
        clear_refusal();
        throw_error(ErrorCode::invalid_type, name, type_name(object), expected());
    }
    const unsigned long long value = PyLong_AsUnsignedLongLong(number.ptr());
    const bool fits = value != static_cast<unsigned long long>(-1) || !PyErr_Occurred();
    if (!fits) PyErr_Clear();
    if (!fits || value < least || value > most)
        throw_error(ErrorCode::invalid_value, name, text_of_int(number), expected());
    return value;
}

std::int64_t to_integer(py::handle object, const char* name, std::int64_t least,
                        std::int64_t most) {
    const auto expected = [&] { return fmt::format("an int from {} to {}", least, most); };
    const auto number = py::reinterpret_steal<py::object>(PyNumber_Index(object.ptr()));
    if (!number) {
        clear_refusal();
        throw_error(ErrorCode::invalid_type, name, type_name(object), expected());
    }
    int overflow = 0;
    const long long value = PyLong_AsLongLongAndOverflow(number.ptr(), &overflow);
    if (overflow != 0 || value < least || value > most)
        throw_error(ErrorCode::invalid_value, name, text_of_int(number), expected());
    return value;
}

double to_real(py::handle object, const char* name) {
    const double value = PyFloat_AsDouble(object.ptr());
    if (value == -1.0 && PyErr_Occurred()) {
        clear_refusal();
        if (PyLong_Check(object.ptr()))
            throw_error(ErrorCode::invalid_value, name, text_of_int(object),
                        "a number of float's range");
        throw_error(ErrorCode::invalid_type, name, type_name(object), "a number");
    }
    return value;
}

std::string to_text(py::handle object, const char* name) {
    if (!PyUnicode_Check(object.ptr()))
        throw_error(ErrorCode::invalid_type, name, type_name(object), "a str");
    Py_ssize_t size = 0;
    const char* text = PyUnicode_AsUTF8AndSize(object.ptr(), &size);
    if (text == nullptr) {
        clear_refusal();
        throw_error(ErrorCode::invalid_value, name, text_of(py::repr(object)), "text");
    }
    return {text, static_cast<std::size_t>(size)};
}

std::filesystem::path to_path(py::handle object) {
    PyObject* bytes = nullptr;
    if (!PyUnicode_FSConverter(object.ptr(), &bytes)) {
        clear_refusal();
        throw_error(ErrorCode::invalid_type, "path", type_name(object),
                    "a str or os.PathLike without NUL");
    }
    return py::reinterpret_steal<py::bytes>(bytes).cast<std::string>();
}

std::optional<std::uint64_t> to_seed(py::handle object) {
    if (object.is_none()) return std::nullopt;
    return to_unsigned(object, "seed");
}

}  // namespace bitaxon::python
