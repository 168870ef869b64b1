// Encoders from Python, and streams that know their sources.
#pragma once

#include "arrays.hpp"

#include <bitaxon/core/formats.hpp>

#include <pybind11/pybind11.h>

#include <vector>

namespace bitaxon::python {

namespace py = pybind11;

/// How encode and the formats draw, from their arguments of these names. The encoder is one of
/// bitaxon.encoders or the name of one. @throws Error for what does not go together
Drawing to_drawing(const ExecutionContext& engine, py::handle encoder, py::handle seed,
                   py::handle layer, py::handle role, py::handle sample, py::handle first_index);

/// (n,) numbers, packed. @throws Error for other shapes
py::array read_vector(py::handle object, const char* name);

/// A bitaxon.Streams (streams, words) of one row, or (rows, streams, words), with their sources.
py::object to_streams(StreamArray&& streams, bool as_rows = false);

/// What bitaxon.Streams knows, in the order of its streams; nothing of other arrays. Operations on
/// pairs hand both to bitaxon::check_independent.
std::vector<SourceId> sources_of(py::handle streams);

}  // namespace bitaxon::python
