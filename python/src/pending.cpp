#include "pending.hpp"

#include "bindings.hpp"

namespace bitaxon::python {
namespace {

// Kept for ever: calls may end while the interpreter shuts down.
py::handle futures_module() {
    static const py::handle module = py::object(py::module_::import("bitaxon._futures")).release();
    return module;
}

// What set_python_error made of the exception that is handled, as an object.
py::object current_error() {
    set_python_error();
    PyObject* type = nullptr;
    PyObject* value = nullptr;
    PyObject* trace = nullptr;
    PyErr_Fetch(&type, &value, &trace);
    PyErr_NormalizeException(&type, &value, &trace);
    Py_XDECREF(type);
    Py_XDECREF(trace);
    return py::reinterpret_steal<py::object>(value);
}

}  // namespace

PendingCall::PendingCall() {
    if (interpreter_ends()) {  // no worker gets the GIL to settle it any more
        PyErr_SetString(PyExc_RuntimeError, "no call can be submitted while the interpreter ends");
        throw py::error_already_set();
    }
    future_ = futures_module().attr("Future")();
}

void PendingCall::run(const ExecutionContext& context, Job& job) noexcept {
    std::exception_ptr failure;
    try {
        compute(context, job);
    } catch (...) {
        failure = std::current_exception();
    }
    const GilHeld gil;
    try {
        py::object error = py::none();
        py::object value = py::none();
        try {
            if (failure) std::rethrow_exception(failure);
            value = result();
        } catch (...) {
            error = current_error();
        }
        failure = nullptr;  // it may hold Python's objects
        future_.attr("_settle")(value, error);
    } catch (py::error_already_set& error) {  // out of memory, or a callback's callback
        error.discard_as_unraisable("bitaxon._futures.Future");
    }
}

void Pending::cancel() const {
    without_gil([&] { future_.cancel(); });
}

void Pending::wait() const {
    without_gil([&] { future_.wait(); });
}

bool Pending::on_worker() const noexcept { return future_.state()->context().on_worker(); }

bool Pending::done() const { return future_.ready(); }

py::tuple Pending::progress() const {
    const Progress progress = future_.progress();
    return py::make_tuple(progress.done, progress.total);
}

py::object awaitable(const py::object& future) {
    return futures_module().attr("awaitable")(future);
}

void bind_pending(py::module_& module) {
    py::class_<Pending>(module, "_Pending", py::is_final())
        .def("cancel", &Pending::cancel)
        .def("wait", &Pending::wait)
        .def("on_worker", &Pending::on_worker)
        .def("done", &Pending::done)
        .def("progress", &Pending::progress);
}

}  // namespace bitaxon::python
