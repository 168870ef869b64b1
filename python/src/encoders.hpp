// Encoders from Python, and streams that know their sources.
#pragma once

#include "arrays.hpp"

#include <bitaxon/core/sequences.hpp>

#include <pybind11/pybind11.h>

#include <vector>

namespace bitaxon::python {

namespace py = pybind11;

/// @throws Error unless the object is an encoder of bitaxon.encoders
Encoder to_encoder(py::handle object);

/// A bitaxon.Streams (streams, words) over one row of streams, with their sources.
py::object to_streams(StreamArray&& streams);

/// What bitaxon.Streams knows, in the order of its streams; nothing of other arrays. Operations on
/// pairs hand both to bitaxon::check_independent.
std::vector<SourceId> sources_of(py::handle streams);

}  // namespace bitaxon::python
