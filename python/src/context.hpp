// ExecutionContext as Python holds it.
#pragma once

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

/// work() while other Python threads run. Touches no Python object, not even a reference count.
template <class Work>
decltype(auto) without_gil(Work&& work) {
    const py::gil_scoped_release release;
    return work();
}

}  // namespace bitaxon::python
