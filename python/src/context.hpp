// ExecutionContext as Python holds it.
#pragma once

#include "gil.hpp"
#include "instances.hpp"

#include <bitaxon/core/context.hpp>

#include <pybind11/pybind11.h>

namespace bitaxon::python {

namespace py = pybind11;

struct Context {
    explicit Context(ContextOptions options) : asked(std::move(options)), engine(asked) {}

    ContextOptions asked;  // what a pickle carries, so that defaults follow the machine
    ExecutionContext engine;
};

/// Nothing, or the object itself. @throws Error unless it is an ExecutionContext or None
py::object to_context(py::handle object);

/// The first of the two that is not None, else the shared context. Lives as long as they do.
const ExecutionContext& choose_engine(py::handle given, py::handle otherwise = py::none());

}  // namespace bitaxon::python

template <>
struct pybind11::detail::type_caster<bitaxon::python::Context>
    : bitaxon::python::InitializedCaster<bitaxon::python::Context> {};
