// Letting go of the GIL, and taking it back while the interpreter may be shutting down.
#pragma once

#include <pybind11/pybind11.h>

#include <cxxabi.h>
#include <unistd.h>

namespace bitaxon::python {

[[noreturn]] inline void park_for_ever() {
    for (;;) pause();
}

inline bool interpreter_ends() {
#if PY_VERSION_HEX >= 0x030D0000
    return Py_IsFinalizing() != 0;
#else
    return _Py_IsFinalizing() != 0;
#endif
}

/// Whether the interpreter ends, and on another thread: then this one never gets the GIL again. The
/// thread that ends it is the one that holds the GIL meanwhile, and asks before it lets go.
inline bool interpreter_ends_elsewhere() {
    thread_local bool here = false;
    if (!interpreter_ends()) return false;
    here = here || PyGILState_Check() != 0;
    return !here;
}

/// take(), which waits for the GIL. A daemon thread that wants it once the interpreter ends is
/// parked, as CPython does from 3.14 on: before that, CPython ends the thread by unwinding its
/// stack, which destructors that must not throw turn into std::terminate.
template <class Take>
auto take_gil(Take&& take) {
    if (interpreter_ends_elsewhere()) park_for_ever();
#ifdef __GLIBCXX__
    try {
        return take();
    } catch (const abi::__forced_unwind&) {
        park_for_ever();
    }
#else
    return take();
#endif
}

/// Lets other Python threads run until its end.
class GilReleased {
  public:
    GilReleased() : thread_((interpreter_ends_elsewhere(), PyEval_SaveThread())) {}
    ~GilReleased() {
        take_gil([this] { PyEval_RestoreThread(thread_); });
    }
    GilReleased(const GilReleased&) = delete;
    GilReleased& operator=(const GilReleased&) = delete;

  private:
    PyThreadState* thread_;
};

/// Holds the GIL until its end.
class GilHeld {
  public:
    GilHeld() : state_(take_gil([] { return PyGILState_Ensure(); })) {}
    ~GilHeld() { PyGILState_Release(state_); }
    GilHeld(const GilHeld&) = delete;
    GilHeld& operator=(const GilHeld&) = delete;

  private:
    PyGILState_STATE state_;
};

/// work() while other Python threads run. Touches no Python object, not even a reference count.
template <class Work>
decltype(auto) without_gil(Work&& work) {
    const GilReleased released;
    return work();
}

}  // namespace bitaxon::python
