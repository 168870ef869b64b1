// A compiled expression as Python holds it: a type of its own, for pybind11's cost twice a call's
// budget.
#pragma once

#include "context.hpp"

#include <bitaxon/jit/kernel.hpp>

#include <pybind11/pybind11.h>

#include <vector>

namespace bitaxon::python {

namespace py = pybind11;

/// Never changes once it is made.
struct KernelObject {
    PyObject_HEAD vectorcallfunc call;
    PyObject* weak_references;
    struct Parts;
    Parts* parts;
};

struct KernelObject::Parts {
    Parts(jit::Kernel compiled, py::object functions_or_none, py::object context_or_none,
          jit::CompileOptions options);

    jit::Kernel kernel;
    py::object functions;  ///< the Functions that it was compiled with, or None
    py::object context;    ///< of calls that are given none; None is the shared one
    jit::CompileOptions options;
    std::vector<py::str> names;  ///< of the arguments, interned
    std::vector<int> types;      ///< NumPy's type numbers of the arguments
    std::vector<int> results;    ///< and of the results: masks are bool
    bool calls_back;             ///< into Python: its rows stay on the caller's thread
    /// Rows must be visited in C order: random numbers are keyed by row, or a function counts.
    bool ordered;
};

/// f(x, y, out=None, seed=0, step=0, progress=None, context=None)
PyObject* call_kernel(PyObject* self, PyObject* const* arguments, std::size_t count,
                      PyObject* keywords) noexcept;

/// A new Kernel object.
py::object make_kernel(std::unique_ptr<KernelObject::Parts> parts);

/// The keywords background_calls, work_at_once and fold_calls. @throws Error for what is no count
jit::Thresholds to_thresholds(py::handle background_calls, py::handle work_at_once,
                              py::handle fold_calls);

/// What stats() returns.
py::dict to_dict(const jit::TierStats& stats);

/// "f32" or "f64" of None, a NumPy dtype or type, or one of these names. @throws Error for others
jit::Type to_float_type(py::handle object, const char* name);

}  // namespace bitaxon::python
