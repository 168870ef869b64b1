// bitaxon::Error becomes the exception of bitaxon.errors that its code names.
#include "bindings.hpp"

#include <bitaxon/core/error.hpp>

#include <array>
#include <exception>
#include <new>
#include <string_view>

namespace bitaxon::python {
namespace {

namespace py = pybind11;

// In the order of ErrorCode.
constexpr std::array kExceptions = {"InvalidValueError", "InvalidTypeError", "InvalidShapeError",
                                    "OutOfRangeError",   "UnsupportedError", "CancelledError",
                                    "FileError"};

// Kept for ever: exceptions may be raised while the interpreter shuts down.
py::handle exception_type(ErrorCode code) {
    static const auto types = [] {
        std::array<py::handle, kExceptions.size()> result;
        const py::module_ errors = py::module_::import("bitaxon.errors");
        for (std::size_t i = 0; i < result.size(); ++i)
            result[i] = py::object(errors.attr(kExceptions[i])).release();
        return result;
    }();
    return types[static_cast<std::size_t>(code)];
}

void set_error(const Error& error) {
    // Names of files may be no UTF-8.
    const std::string_view what = error.what();
    const auto text = py::reinterpret_steal<py::object>(
        PyUnicode_DecodeUTF8(what.data(), static_cast<py::ssize_t>(what.size()), "replace"));
    if (text) PyErr_SetObject(exception_type(error.code()).ptr(), text.ptr());
}

}  // namespace

void bind_errors() {
    static_cast<void>(exception_type(ErrorCode::invalid_value));
    py::register_local_exception_translator([](std::exception_ptr thrown) {
        try {
            std::rethrow_exception(thrown);
        } catch (const Error& error) {
            set_error(error);
        }
    });
}

void set_python_error() noexcept {
    try {
        throw;
    } catch (const Error& error) {
        set_error(error);
    } catch (py::error_already_set& error) {
        error.restore();
    } catch (const py::builtin_exception& error) {
        error.set_error();
    } catch (const std::bad_alloc&) {
        PyErr_NoMemory();
    } catch (const std::exception& error) {
        PyErr_SetString(PyExc_RuntimeError, error.what());
    }
}

}  // namespace bitaxon::python
