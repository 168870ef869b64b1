// Numbers and texts from Python, checked by hand: pybind11's own casts answer a wrong value with
// all signatures, ours with what came and what should have come.
#pragma once

#include <pybind11/pybind11.h>

#include <cstdint>
#include <limits>
#include <optional>
#include <string>

namespace bitaxon::python {

namespace py = pybind11;

/// Name of an object's type, as Python prints it.
std::string type_name(py::handle object);

/// An int (or what has __index__) from `least` to `most`. @throws Error naming the argument
std::uint64_t to_unsigned(py::handle object, const char* name, std::uint64_t least = 0,
                          std::uint64_t most = std::numeric_limits<std::uint64_t>::max());
double to_real(py::handle object, const char* name);
std::string to_text(py::handle object, const char* name);

/// A seed, or nothing for None.
std::optional<std::uint64_t> to_seed(py::handle object);

/// What str() of an object says, for messages.
inline std::string text_of(py::handle object) { return py::str(object).cast<std::string>(); }

}  // namespace bitaxon::python
