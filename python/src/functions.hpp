// Functions of the user's own, as Python holds them.
#pragma once

#include "instances.hpp"

#include <bitaxon/jit/functions.hpp>

#include <pybind11/pybind11.h>

namespace bitaxon::python {

namespace py = pybind11;

struct FunctionSet {
    jit::Functions functions;
    /// name -> (parameters, text) or (callable, number of arguments, kind), in the order of
    /// definition
    py::dict definitions;

    bool has_callables() const;
};

/// The functions of an argument `functions`: a FunctionSet, or none for None. @throws Error for
/// others
jit::Functions to_functions(py::handle object);

}  // namespace bitaxon::python

template <>
struct pybind11::detail::type_caster<bitaxon::python::FunctionSet>
    : bitaxon::python::InitializedCaster<bitaxon::python::FunctionSet> {};
