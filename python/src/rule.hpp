// A neuron rule as Python holds it.
#pragma once

#include "instances.hpp"

#include <bitaxon/jit/rule.hpp>

#include <pybind11/pybind11.h>

namespace bitaxon::python {

namespace py = pybind11;

struct HeldRule {
    jit::Rule rule;
    py::object functions;  ///< the Functions that it was made with, or None
};

/// An argument `rule`: a Rule, or the name of a built-in one. @throws Error for others
HeldRule to_rule(py::handle object);

}  // namespace bitaxon::python

template <>
struct pybind11::detail::type_caster<bitaxon::python::HeldRule>
    : bitaxon::python::InitializedCaster<bitaxon::python::HeldRule> {};
