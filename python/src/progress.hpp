// How long calls look after Ctrl-C and tell how far they are.
#pragma once

#include "gil.hpp"

#include <bitaxon/core/context.hpp>

#include <pybind11/pybind11.h>

namespace bitaxon::python {

namespace py = pybind11;

/// What progress= asks for: None, or something to call with (done, total).
/// @throws Error unless it is a bool, None or callable
py::object make_reporter(py::handle progress, std::size_t total);

/// A Monitor::progress that runs Python's signal handlers, and the reporter if there is one. What
/// they raise ends the call. `reporter` must outlive it.
class Progress {
  public:
    explicit Progress(py::handle reporter) : reporter_(reporter) {}
    void operator()(std::size_t done, std::size_t total) const;

  private:
    py::handle reporter_;
};

/// work(engine) while other Python threads run. Ctrl-C ends what works on that engine: encoding,
/// drawing weights, parallel loops, and other loops that check it.
template <class Work>
decltype(auto) interruptible(const ExecutionContext& engine, Work&& work) {
    const ExecutionContext watched =
        engine.watched({.progress = Progress(py::none()), .stop = {}, .job = nullptr});
    return without_gil([&]() -> decltype(auto) { return work(watched); });
}

}  // namespace bitaxon::python
