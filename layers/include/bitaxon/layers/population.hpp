// Populations of neurons that follow one rule.
#pragma once

#include <bitaxon/core/context.hpp>
#include <bitaxon/core/error.hpp>
#include <bitaxon/core/future.hpp>
#include <bitaxon/core/matrix_view.hpp>
#include <bitaxon/jit/rule.hpp>
#include <bitaxon/jit/tiers.hpp>

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <ranges>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

namespace bitaxon {

struct PopulationOptions {
    double dt = 1e-3;                        ///< seconds, > 0
    std::optional<std::uint64_t> seed = {};  ///< of random numbers; fresh unless given
    std::uint64_t id = 0;              ///< names random numbers: populations of one seed differ
    jit::Type dtype = jit::Type::f64;  ///< f32 or f64: what the rule's `real` is
    /// One value, or one for each neuron; the rule's defaults for others.
    std::map<std::string, std::vector<double>> parameters = {};
    /// When steps move from the interpreter to machine code, and on to machine code in which
    /// parameters and what follows from them are constants; setting a parameter drops that. A call
    /// is a step() or a run().
    jit::Thresholds thresholds = {};
};

/// What a rule reads as i: one value for all neurons, one for each, or one for each neuron and
/// step. Values are the caller's, and are read while a run lasts.
class Current {
  public:
    Current(double value = 0) : values_(value) {}
    /// One value for each neuron: vectors, arrays and spans of double or float.
    template <std::ranges::contiguous_range Range>
    requires std::is_floating_point_v<std::ranges::range_value_t<Range>>
    Current(const Range& per_neuron)
        : values_(std::span<const std::ranges::range_value_t<Range>>(per_neuron)) {}
    /// steps x neurons; step k of the run reads row k.
    template <class T>
    Current(MatrixView<T> per_step) : values_(MatrixView<const T>(per_step)) {}

    using Values = std::variant<double, std::span<const double>, std::span<const float>,
                                MatrixView<const double>, MatrixView<const float>>;
    const Values& values() const noexcept { return values_; }

  private:
    Values values_;
};

/// Who spiked when, as indices of neurons and numbers of steps, in the order of steps, then
/// neurons.
struct SpikeEvents {
    std::vector<std::uint64_t> neurons;
    std::vector<std::uint64_t> steps;
};

/// Spikes of a run as packed bits: a row of words() words a step, neuron n in bit n % 64 of word n
/// / 64. A rule without a threshold leaves `bits` empty.
struct Spikes {
    std::size_t neurons = 0;
    std::uint64_t first_step = 0;
    std::size_t steps = 0;
    std::vector<std::uint64_t> bits;

    std::size_t words() const noexcept { return (neurons + 63) / 64; }
    /// steps x words(): as a learning rule reads them.
    MatrixView<const std::uint64_t> rows() const noexcept {
        return row_major(std::span(bits), words());
    }
    /// `step` counts from the beginning of the run.
    bool spiked(std::size_t step, std::size_t neuron) const noexcept {
        return !bits.empty() && (bits[step * words() + neuron / 64] >> neuron % 64 & 1) != 0;
    }
    std::uint64_t count() const noexcept;
    SpikeEvents events() const;
};

/// Values of variables before the integration of each step, for chosen neurons.
struct Recording {
    std::vector<std::string> names;
    std::vector<std::size_t> neurons;
    std::uint64_t first_step = 0;
    std::size_t steps = 0;
    std::vector<std::vector<double>> values;  ///< of each name: steps x neurons.size()

    /// steps x neurons of one variable. @throws Error for a name that is not recorded
    MatrixView<const double> operator[](std::string_view name) const;
};

/// An array that a run writes a variable's values into, those before the integration of each step.
struct RecordInto {
    std::string variable;
    /// steps x neurons, of the variable's own type, with any strides under which no two elements
    /// meet. They share no memory with states, the current or other such arrays.
    std::variant<MatrixView<float>, MatrixView<double>, MatrixView<std::int16_t>,
                 MatrixView<std::int32_t>, MatrixView<std::int64_t>>
        values;

    jit::Type type() const noexcept;  ///< of the values
};

/// All that changes in a population, to be put back later.
struct PopulationSnapshot {
    std::uint64_t step = 0;
    std::vector<std::string> names;
    std::vector<jit::Type> types;
    std::vector<std::vector<std::byte>> states;  ///< the rule's variables, then what counts down
    std::map<std::string, std::vector<double>> parameters;
};

/// A variable's values where they live.
struct StateView {
    jit::Type type;  ///< f32, f64, i32 or i64; an i16 is held in an i32
    void* data = nullptr;
    std::size_t count = 0;
};

/// n neurons and their state. A step is: record, integrate, threshold (never while a neuron is
/// refractory), reset; time is the number of steps since the beginning.
///
/// Results depend on the rule, its parameters, the inputs, dt, dtype, seed and id alone: never on
/// the number of threads, the tier, how a run is cut into calls, or what is compiled when. Random
/// numbers are keyed by (seed, id, neuron, step, place in the text). Const methods may be called
/// from many threads at once.
class Population {
  public:
    /// @throws Error for 0 neurons, unknown parameters and values out of range
    Population(std::size_t neurons, const jit::Rule& rule, const PopulationOptions& options = {});

    Population(const Population& other);
    Population& operator=(const Population& other);
    Population(Population&& other) noexcept;
    Population& operator=(Population&& other) noexcept;
    ~Population();

    std::size_t neurons() const noexcept;
    const jit::Rule& rule() const noexcept;
    double dt() const noexcept;
    std::uint64_t seed() const noexcept;
    std::uint64_t id() const noexcept;
    jit::Type dtype() const noexcept;
    const jit::Thresholds& thresholds() const noexcept;
    std::uint64_t step_count() const noexcept;  ///< steps since the beginning
    /// What ran the last steps: "interpreter", "avx2", "avx512", "neon", or "scalar" for one
    /// neuron.
    std::string_view backend() const noexcept;
    /// Calls of step() and run() with the present rule, and the code that exists for it:
    /// populations of one Rule share code, but for that in which their parameters are constants.
    jit::TierStats stats() const;
    std::string repr() const;

    /// One step. Returns the packed bits of those who spiked, valid until the next step.
    /// @throws Error naming variable, neuron and step once a value is NaN; the population stands
    /// behind that step then
    std::span<const std::uint64_t> step(const ExecutionContext& context,
                                        const Current& current = {});

    /// Many steps. What is cancelled or fails stands behind the last whole chunk of steps: see
    /// step_count(); rows of `record` for steps from there on hold anything. An array whose columns
    /// lie side by side, in order, is written by the steps themselves; others are filled a chunk at
    /// a time.
    Spikes run(const ExecutionContext& context, const Current& current, std::size_t steps,
               const Monitor& monitor = {}, std::span<const RecordInto> record = {});

    /// run, whose spikes go to the caller's words, which are zero at first: steps x ceil(neurons /
    /// 64) of them, or none for a rule without a threshold.
    void run_into(std::span<std::uint64_t> spikes, const ExecutionContext& context,
                  const Current& current, std::size_t steps, const Monitor& monitor = {},
                  std::span<const RecordInto> record = {});

    /// @throws Error unless a run of that many steps can record so
    void check_record(std::span<const RecordInto> record, std::size_t steps) const;

    /// run, on a worker. Until the future is ready the population must stay where it is and belongs
    /// to the run; so do the values of the current and the arrays of `record`.
    Future<Spikes> run_async(const ExecutionContext& context, const Current& current,
                             std::size_t steps, std::stop_token stop = {},
                             std::vector<RecordInto> record = {}) {
        return context.submit(
            [this, context, current, steps, record = std::move(record)](Job& job) {
                return run(context, current, steps, {.progress = {}, .stop = {}, .job = &job},
                           record);
            },
            std::move(stop));
    }

    /// Names of the variables, in the order of the rule.
    std::vector<std::string> names() const;
    /// Views stay valid until the population is moved or destroyed, or a new rule drops the
    /// variable.
    StateView state(std::string_view name);
    /// The same, typed. @throws Error with ErrorCode::invalid_type for another type
    template <class T>
    std::span<T> values(std::string_view name) {
        static_assert(std::is_arithmetic_v<T>);
        const StateView view = state(name);
        check_type(name, view.type, std::is_floating_point_v<T>, sizeof(T));
        return {static_cast<T*>(view.data), view.count};
    }
    /// Sets a variable: one value, or one for each neuron.
    void set(std::string_view name, std::span<const double> values);
    void set(std::string_view name, double value) { set(name, std::span(&value, 1)); }

    /// A parameter's values: one, or one for each neuron.
    std::span<const double> parameter(std::string_view name) const;
    void set_parameter(std::string_view name, std::span<const double> values);
    void set_parameter(std::string_view name, double value) {
        set_parameter(name, std::span(&value, 1));
    }

    /// Another rule from the next step on. Variables keep their values by name, new ones get their
    /// default; parameters that were set keep their values by name if the new rule has them. A
    /// recording goes on if the new rule has all its variables, else it ends.
    void set_rule(const jit::Rule& rule);

    /// Back to step 0 and the rule's initial values; parameters stay.
    void reset();
    PopulationSnapshot store() const;
    /// @throws Error for a snapshot of another size or of other variables
    void restore(const PopulationSnapshot& snapshot);

    /// Records these variables of these neurons (all of them if none are named) from the next step
    /// on, dropping what was recorded before. No names: stops.
    void record(std::vector<std::string> names, std::vector<std::size_t> neurons = {});
    const Recording& recording() const noexcept;

    struct State;  ///< opaque

  private:
    static void check_type(std::string_view name, jit::Type type, bool is_float, std::size_t bytes);

    std::unique_ptr<State> state_;
};

}  // namespace bitaxon
