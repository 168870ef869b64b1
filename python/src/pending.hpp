// Calls that return a Future of Python's and compute on a context's workers.
#pragma once

#include "gil.hpp"

#include <bitaxon/core/future.hpp>

#include <pybind11/pybind11.h>

#include <memory>
#include <utility>

namespace bitaxon::python {

namespace py = pybind11;

/// What a call keeps until its future is settled. Made and destroyed with the GIL held.
class PendingCall {
  public:
    /// @throws RuntimeError once the interpreter ends
    PendingCall();
    virtual ~PendingCall() = default;
    PendingCall(const PendingCall&) = delete;
    PendingCall& operator=(const PendingCall&) = delete;

    /// Without the GIL, on some thread.
    virtual void compute(const ExecutionContext& context, Job& job) = 0;
    /// With the GIL, after it.
    virtual py::object result() = 0;

    const py::object& future() const { return future_; }
    /// Computes; then, with the GIL, settles the future. Throws nothing.
    void run(const ExecutionContext& context, Job& job) noexcept;

  private:
    py::object future_;  // bitaxon._futures.Future
};

/// Takes the GIL to drop a call: who drops it last may be a worker.
struct DropWithGil {
    void operator()(PendingCall* call) const noexcept {
        const GilHeld gil;
        delete call;
    }
};
using OwnedCall = std::unique_ptr<PendingCall, DropWithGil>;

/// The end of a Future that C++ holds: cancels, waits, tells how far it is.
class Pending {
  public:
    explicit Pending(Future<> future) : future_(std::move(future)) {}
    Pending(Pending&&) = default;
    ~Pending() {
        if (future_.valid()) future_.detach();  // the call keeps all that it needs
    }

    void cancel() const;
    /// Work that nobody has begun runs on the calling thread.
    void wait() const;
    /// Whether the calling thread is one of those that run such calls.
    bool on_worker() const noexcept;
    bool done() const;
    py::tuple progress() const;

  private:
    Future<> future_;
};

/// Submits by start(context, work), which returns the Future<> of work(context, job).
/// @returns the call's future
template <class Start>
py::object submit_call(const ExecutionContext& context, std::unique_ptr<PendingCall> call,
                       Start start) {
    py::object future = call->future();
    OwnedCall owned(call.release());
    Pending pending(without_gil([&] {
        return start(context, [owned = std::move(owned)](const ExecutionContext& engine, Job& job) {
            owned->run(engine, job);
        });
    }));
    future.attr("_start")(std::move(pending));
    return future;
}

/// As a future of the event loop that runs.
py::object awaitable(const py::object& future);

}  // namespace bitaxon::python
