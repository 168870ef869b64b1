// Steps of a population, in chunks: between two of them other threads get their turn, a rule may be
// swapped, and signals and progress are looked after.
#include "population.hpp"

#include "arguments.hpp"
#include "arrays.hpp"
#include "context.hpp"
#include "numpy_api.hpp"
#include "pending.hpp"
#include "progress.hpp"

#include <bitaxon/core/error.hpp>

#include <fmt/format.h>

#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <limits>
#include <new>

namespace bitaxon::python {
namespace {

// The current of a run, and the array that it looks at.
class CurrentArgument {
  public:
    CurrentArgument(py::handle object, std::size_t neurons, std::size_t steps)
        : array_(read_numbers(object, "current", Layout::floats)) {
        if (array_.ndim() == 0) {
            value_ = to_real(array_.attr("item")(), "current");
            return;
        }
        const bool per_step = array_.ndim() == 2;
        const auto columns =
            static_cast<std::size_t>(array_.ndim() > 2 ? 0 : array_.shape(array_.ndim() - 1));
        const bool one_for_all = per_step && columns == 1;
        if (array_.ndim() > 2 || (columns != neurons && !one_for_all) ||
            (per_step && static_cast<std::size_t>(array_.shape(0)) != steps))
            throw_error(ErrorCode::invalid_shape, "current", "shape " + shape_text(array_),
                        fmt::format("a number, ({},), ({}, {}) or ({}, 1)", neurons, steps, neurons,
                                    steps));
        on_view(array_, [&](auto view) {
            if (!per_step) view.row_stride = 0;  // the same row in all steps
            view.rows = steps;
            if (one_for_all) view.column_stride = 0;
            view.columns = neurons;
            check_finite(view);
            rows_ = Current(view).values();
        });
    }

    const py::array& array() const { return array_; }

    /// Of steps first ... first + count - 1.
    Current part(std::size_t first, std::size_t count) const {
        return std::visit(
            [&](const auto& view) -> Current {
                if constexpr (requires { view.rows_from(first, count); })
                    return Current(view.rows_from(first, count));
                else
                    return Current(value_);
            },
            rows_);
    }

  private:
    // A run that is cut into chunks would find a bad value late.
    template <class T>
    static void check_finite(const MatrixView<T>& view) {
        const std::size_t rows =
            view.row_stride == 0 ? std::min<std::size_t>(view.rows, 1) : view.rows;
        const std::size_t columns = view.column_stride == 0 ? 1 : view.columns;
        for (std::size_t r = 0; r < rows; ++r)
            for (std::size_t c = 0; c < columns; ++c)
                if (!std::isfinite(view(r, c)))
                    throw_error(ErrorCode::invalid_value, fmt::format("current[{}][{}]", r, c),
                                fmt::format("{}", view(r, c)), "finite numbers");
    }

    py::array array_;
    double value_ = 0;
    Current::Values rows_ = 0.0;
};

// The arrays of `record`, and what is looked at in them.
class RecordArgument {
  public:
    RecordArgument(py::handle object, HeldPopulation& self, std::size_t steps,
                   const py::array& current) {
        if (object.is_none()) return;
        if (!PyDict_Check(object.ptr()))
            throw_error(ErrorCode::invalid_type, "record", type_name(object),
                        "a dict of variables and arrays");
        const std::size_t neurons = self.shared()->neurons();
        for (const auto& [key, value] : py::reinterpret_borrow<py::dict>(object)) {
            RecordInto into{.variable = to_text(key, "record"), .values = {}};
            const std::string name = fmt::format("record['{}']", into.variable);
            if (!py::isinstance<py::array>(value))
                throw_error(ErrorCode::invalid_type, name, type_name(value), "a NumPy array");
            const py::array& array = arrays_.emplace_back(plain_array(value, name.c_str()));
            check_writable(array, name);
            if (array.ndim() != 2 || static_cast<std::size_t>(array.shape(0)) != steps ||
                static_cast<std::size_t>(array.shape(1)) != neurons)
                throw_error(ErrorCode::invalid_shape, name, "shape " + shape_text(array),
                            fmt::format("({}, {})", steps, neurons));
            if (!(view_as<float>(array, into) || view_as<double>(array, into) ||
                  view_as<std::int16_t>(array, into) || view_as<std::int32_t>(array, into) ||
                  view_as<std::int64_t>(array, into)))
                throw_error(ErrorCode::invalid_type, name, "dtype " + text_of(array.dtype()),
                            "the variable's");
            check_apart(array, name, current);
            all_.push_back(std::move(into));
        }
        self.alone([&](Population& population) { population.check_record(all_, steps); });
    }

    /// Of steps first ... first + count - 1.
    std::vector<RecordInto> part(std::size_t first, std::size_t count) const {
        std::vector<RecordInto> part = all_;
        for (RecordInto& into : part)
            std::visit([&](auto& values) { values = values.rows_from(first, count); }, into.values);
        return part;
    }

  private:
    template <class T>
    static bool view_as(const py::array& array, RecordInto& into) {
        const char kind = std::is_floating_point_v<T> ? 'f' : 'i';
        if (array.dtype().kind() != kind || array.itemsize() != sizeof(T)) return false;
        into.values = writable_view<T>(array);
        return true;
    }

    // Steps would read what others, or the steps before them, have written.
    void check_apart(const py::array& array, const std::string& name,
                     const py::array& current) const {
        const auto check = [&](const py::array& other, std::string_view owner) {
            if (overlap(array, other) &&
                py::module_::import("numpy").attr("shares_memory")(array, other).cast<bool>())
                throw_error(ErrorCode::invalid_shape, name,
                            fmt::format("memory that overlaps {}", owner), "an array of its own");
        };
        check(current, "the current");
        for (std::size_t k = 0; k < all_.size(); ++k)
            check(arrays_[k], fmt::format("record['{}']", all_[k].variable));
    }

    std::vector<py::array> arrays_;
    std::vector<RecordInto> all_;
};

// Kept for ever, like pybind11's own types.
py::handle spikes_class() {
    static const py::handle found =
        py::object(py::module_::import("bitaxon.results").attr("Spikes")).release();
    return found;
}

struct Pages {
    void* first;
    std::size_t bytes;
    ~Pages() { munmap(first, bytes); }
};

py::object zero_words(std::size_t rows, std::size_t words) {
    std::array<npy_intp, 2> shape{static_cast<npy_intp>(rows), static_cast<npy_intp>(words)};
    PyObject* made = PyArray_ZEROS(2, shape.data(), NPY_UINT64, 0);
    if (made == nullptr) throw py::error_already_set();
    return py::reinterpret_steal<py::object>(made);
}

// The same for a rule without a threshold. It is written to only if the rule is swapped for one
// that spikes, so it lies in pages of its own: until then they take neither memory nor the time to
// clear it.
py::object untouched_words(std::size_t rows, std::size_t words) {
    const std::size_t bytes = std::max<std::size_t>(1, rows * words * 8);
    void* pages = mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (pages == MAP_FAILED) throw std::bad_alloc();
    const py::capsule owner(new Pages{pages, bytes},
                            [](void* p) { delete static_cast<Pages*>(p); });
    return py::array(py::dtype::of<std::uint64_t>(),
                     {static_cast<py::ssize_t>(rows), static_cast<py::ssize_t>(words)}, pages,
                     owner);
}

// How many steps a chunk has: about 10 ms of them.
class ChunkLength {
  public:
    explicit ChunkLength(std::size_t neurons)
        : steps_(std::max<std::size_t>(1, 1'000'000 / neurons)) {}

    std::size_t steps() const { return steps_; }
    void took(std::chrono::steady_clock::duration time) {
        using std::chrono::milliseconds;
        if (time < milliseconds(5)) steps_ *= 2;
        if (time > milliseconds(20)) steps_ = std::max<std::size_t>(1, steps_ / 2);
    }

  private:
    std::size_t steps_;
};

// A run, from its arguments to its spikes. Made, asked for its result and destroyed with the GIL;
// runs without.
class PopulationRun {
  public:
    PopulationRun(HeldPopulation& self, py::handle current, std::size_t steps, py::handle record)
        : self_(self), neurons_(self.shared()->neurons()), current_(current, neurons_, steps),
          record_(record, self, steps, current_.array()), steps_(steps),
          words_((neurons_ + 63) / 64), bits_(make_bits()), gate_(self.gate()) {
        first_step_ = self.alone([](Population& p) { return p.step_count(); });
    }

    /// looked_after(done) between two chunks, about every 20 ms.
    template <class LookAfter>
    void run(const ExecutionContext& engine, LookAfter looked_after) {
        ChunkLength chunk(neurons_);
        auto reported = std::chrono::steady_clock::now();
        for (std::size_t done = 0; done < steps_;) {
            const std::size_t count = std::min(chunk.steps(), steps_ - done);
            const auto started = std::chrono::steady_clock::now();
            self_.next_chunk(*gate_, [&](Population& population) {
                const std::size_t words = population.rule().spikes() ? words_ * count : 0;
                population.run_into({rows_ + done * words_, words}, engine,
                                    current_.part(done, count), count, {},
                                    record_.part(done, count));
            });
            done += count;
            const auto now = std::chrono::steady_clock::now();
            chunk.took(now - started);
            if (done < steps_ && now > reported + std::chrono::milliseconds(20)) {
                looked_after(done);
                reported = now;
            }
        }
        if (steps_ > 0) looked_after(steps_);
    }

    py::object spikes() const {
        return spikes_class()(bits_, neurons_, first_step_, self_.shared()->dt());
    }
    std::size_t steps() const { return steps_; }

  private:
    py::object make_bits() {
        if (steps_ > static_cast<std::size_t>(std::numeric_limits<py::ssize_t>::max()) / 8 / words_)
            throw_error(ErrorCode::invalid_value, "steps", fmt::to_string(steps_),
                        "fewer: their spikes would not fit into memory");
        py::object bits = self_.shared()->rule().spikes() ? zero_words(steps_, words_)
                                                          : untouched_words(steps_, words_);
        rows_ =
            static_cast<std::uint64_t*>(PyArray_DATA(reinterpret_cast<PyArrayObject*>(bits.ptr())));
        return bits;
    }

    HeldPopulation& self_;
    std::size_t neurons_;
    CurrentArgument current_;
    RecordArgument record_;
    std::size_t steps_;
    std::size_t words_;
    std::uint64_t* rows_ = nullptr;
    py::object bits_;
    std::shared_ptr<Gate> gate_;
    std::uint64_t first_step_ = 0;
};

py::object run_steps(HeldPopulation& self, py::handle current, std::size_t steps,
                     const py::object& reporter, py::handle context, py::handle record) {
    const ExecutionContext& engine = choose_engine(context, self.context);
    PopulationRun run(self, current, steps, record);
    const Progress progress(reporter);
    without_gil([&] { run.run(engine, [&](std::size_t done) { progress(done, steps); }); });
    return run.spikes();
}

class RunCall final : public PendingCall {
  public:
    RunCall(py::object owner, HeldPopulation& self, py::handle current, std::size_t steps,
            py::handle record)
        : owner_(std::move(owner)), run_(self, current, steps, record) {}

    void compute(const ExecutionContext& context, Job& job) override {
        job.expect(run_.steps());
        run_.run(context, [&](std::size_t done) {
            job.add_done(done - job.done());
            if (done < run_.steps()) job.check();
        });
    }
    py::object result() override { return run_.spikes(); }

  private:
    py::object owner_;  // of what the run refers to
    PopulationRun run_;
};

}  // namespace

py::object run_population(HeldPopulation& self, py::handle current, py::handle steps,
                          py::handle progress, py::handle context, py::handle record) {
    const std::size_t count = to_unsigned(steps, "steps", 0, std::uint64_t{1} << 53);
    return run_steps(self, current, count, make_reporter(progress, count), context, record);
}

py::object submit_population(const py::object& self, py::handle current, py::handle steps,
                             py::handle context, py::handle record) {
    auto& population = self.cast<HeldPopulation&>();
    const std::size_t count = to_unsigned(steps, "steps", 0, std::uint64_t{1} << 53);
    return submit_call(choose_engine(context, population.context),
                       std::make_unique<RunCall>(self, population, current, count, record),
                       [](const ExecutionContext& engine, auto work) {
                           return engine.submit(
                               [engine, work = std::move(work)](Job& job) { work(engine, job); });
                       });
}

py::object step_population(HeldPopulation& self, py::handle current, py::handle context) {
    return run_steps(self, current, 1, py::none(), context, py::none());
}

}  // namespace bitaxon::python
