// What a call says whose arguments fit no parameter.
#pragma once

#include <pybind11/pybind11.h>

namespace bitaxon::python {

/// Has all functions of a module and of its classes throw an Error that says which argument is too
/// much, is missing or has an unknown name. To be called once all are bound.
void explain_wrong_calls(pybind11::module_& module);

}  // namespace bitaxon::python
