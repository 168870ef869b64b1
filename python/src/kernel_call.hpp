// What all calls of a compiled expression have in common.
#pragma once

#include "kernel.hpp"

#include "gil.hpp"
#include "numpy_api.hpp"
#include "progress.hpp"

#include <array>
#include <chrono>
#include <cstring>
#include <string>

namespace bitaxon::python {

using Parts = KernelObject::Parts;

/// Letting go of the GIL costs as much as a small call.
inline constexpr npy_intp kRowsWithGil = 1024;
/// Calls of fewer rows end before anybody could interrupt them.
inline constexpr npy_intp kWatchedRows = 1 << 16;
/// Rows of a block that is converted; a multiple of the blocks of external functions.
inline constexpr npy_intp kBlockRows = 8192;

inline constexpr std::array kOptionNames = {"out", "seed", "step", "progress", "context"};

inline const std::string& name_of(const Parts& parts, std::size_t k) {
    return parts.kernel.expression().arguments()[k];
}

inline PyArrayObject* as_array(PyObject* object) {
    return reinterpret_cast<PyArrayObject*>(object);
}

/// What a call was given; everything is borrowed.
struct Given {
    std::array<PyObject*, jit::kMaxArrays> inputs;  // only as many as the kernel has arguments
    std::array<PyObject*, kOptionNames.size()> options{};

    Given(const Parts& parts, PyObject* const* arguments, std::size_t count, PyObject* keywords);

    PyObject* out() const { return options[0] == Py_None ? nullptr : options[0]; }
    PyObject* seed() const { return options[1]; }
    PyObject* step() const { return options[2]; }
    py::handle progress() const { return options[3] == nullptr ? Py_None : options[3]; }
    py::handle context() const { return options[4] == nullptr ? Py_None : options[4]; }

  private:
    void take_keyword(const Parts& parts, PyObject* keyword, PyObject* value);
};

/// Single values, each of a type of its own.
class Scalars {
  public:
    template <class T>
    void set(std::size_t k, T value) {
        std::memcpy(&values_[k], &value, sizeof value);
    }
    void set_float(std::size_t k, int type, double value) {
        if (type == NPY_FLOAT)
            set(k, static_cast<float>(value));
        else
            set(k, value);
    }
    template <class T>
    T get(std::size_t k) const {
        T value;
        std::memcpy(&value, &values_[k], sizeof value);
        return value;
    }
    std::uint64_t* at(std::size_t k) { return &values_[k]; }

  private:
    std::array<std::uint64_t, jit::kMaxArrays> values_;
};

/// Argument k from a number. @throws Error for what is none, or none of the argument's type
void set_scalar(const Parts& parts, Scalars& scalars, std::size_t k, py::handle number);

/// Result k as a number of Python's.
py::object scalar_result(const Parts& parts, const Scalars& values, std::size_t k);

/// A result, or a tuple of them.
template <class Make>
py::object collect(std::size_t count, Make make) {
    if (count == 1) return make(0);
    py::tuple all(count);
    for (std::size_t k = 0; k < count; ++k) all[k] = make(k);
    return all;
}

/// `out` must be one array for each result. @throws Error for anything else
void take_outputs(const Parts& parts, PyObject* out,
                  std::array<PyObject*, jit::kMaxArrays>& outputs);

/// Options of one run, and who is told of its progress.
class Watch {
  public:
    Watch(const Parts& parts, const Given& given, npy_intp rows);

    const ExecutionContext& engine() const { return engine_; }
    const jit::RunOptions& options() const { return options_; }

    /// For runs that report themselves. Their work may leave the caller's thread.
    void let_run_report() {
        if (watched_) options_.monitor.progress = Progress(reporter_);
    }
    /// For blocks, which are reported from here: this one begins with `row`.
    void begin_block(std::size_t row);
    void end_blocks() {
        if (watched_) report(rows_);
    }

  private:
    void report(std::size_t done) const {
        const Progress progress(reporter_);
        progress(done, rows_);
    }

    const ExecutionContext& engine_;
    jit::RunOptions options_;
    std::size_t rows_;
    bool watched_ = false;
    py::object reporter_ = py::none();
    std::chrono::steady_clock::time_point last_ = std::chrono::steady_clock::now();
};

template <class Work>
void run_without_gil(npy_intp rows, Work&& work) {
    if (rows <= kRowsWithGil)
        work();
    else
        without_gil(work);
}

/// Runs contiguous arrays at once or, where functions of the user's own are called and must stay on
/// this thread, in blocks.
void run_rows(const Parts& parts, const Given& given, const jit::Arguments& arguments);

/// The call, if its arguments are numbers and contiguous arrays of the kernel's dtype and of one
/// shape; else nothing.
py::object call_directly(const Parts& parts, const Given& given);
/// The call, whatever real numbers its arguments hold.
py::object call_in_blocks(const Parts& parts, const Given& given);

}  // namespace bitaxon::python
