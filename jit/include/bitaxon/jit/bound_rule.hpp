// A rule with its numbers: a time step, parameters and neurons, ready to run steps over arrays of
// state.
#pragma once

#include <bitaxon/core/context.hpp>
#include <bitaxon/jit/rule.hpp>
#include <bitaxon/jit/tiers.hpp>

#include <cstdint>
#include <string>

namespace bitaxon::jit {

struct BoundRuleOptions {
    Type real = Type::f64;  ///< f32 or f64
    double dt = 1e-3;       ///< seconds, > 0
    std::size_t neurons = 1;
    /// By number of the parameter: one value, or one for each neuron. None: the rule's default.
    std::vector<std::vector<double>> parameters = {};
    std::uint64_t seed = 0;
    std::uint64_t population = 0;  ///< names the random numbers, with seed, neuron, step and site
    Thresholds thresholds = {};
};

/// How the input current is given.
enum class CurrentKind : std::uint8_t {
    uniform,     ///< one value
    per_neuron,  ///< an array, the same in all steps
    per_step,    ///< an array for each step
};

/// Steps to run, over the caller's arrays; row 0 of each is neuron 0.
struct StepRun {
    /// One array for each of BoundRule::states(), read and replaced.
    void* const* states = nullptr;
    CurrentKind current_kind = CurrentKind::uniform;
    /// Elements of BoundRule::current_type().
    const void* current = nullptr;
    std::int64_t current_step_bytes = 0;
    std::int64_t first_step = 0;
    std::int64_t steps = 1;
    /// Packed bits of the first step, if the rule spikes; each step's lie this far from the last's.
    /// These and the records below share no memory with states, parameters, or a current that is
    /// the same in all steps.
    void* spikes = nullptr;
    std::int64_t spike_step_bytes = 0;
    /// Numbers of variables whose values at the start of each step are stored, where, and how far
    /// each step's lie from the last's.
    std::span<const std::uint32_t> recorded = {};
    void* const* records = nullptr;
    const std::int64_t* record_step_bytes = nullptr;
};

/// What a StepRun is a part of: decides what is compiled when, and changes no result.
struct RunCall {
    std::int64_t number = 1;     ///< of the caller's call, counted from 1
    std::int64_t unchanged = 1;  ///< calls of the same bound rule, this one included
    std::int64_t steps = 1;      ///< of the whole call
    bool wait = false;           ///< for machine code, whatever the call is worth
};

/// Immutable: another parameter is another bound rule. Cheap to make once its rule has run.
class BoundRule {
  public:
    /// @throws Error for values that are not finite or don't fit, wrong counts, a dt that is not
    /// positive, and a refractory period that is negative
    BoundRule(Rule rule, const BoundRuleOptions& options);

    const Rule& rule() const noexcept;
    const BoundRuleOptions& options() const noexcept;

    /// Types of the states: the rule's variables, then the refractory counter if there is one.
    std::span<const Type> states() const noexcept;
    bool has_refractory_counter() const noexcept;
    Type current_type() const noexcept;

    /// Writes the values that a state begins with, one for each neuron.
    void initialise(std::size_t state, void* values) const;

    /// Code that exists for the rule, which all its bound rules share, and for this one's values
    /// alone; calls are the caller's business.
    TierStats stats() const;

    class Call;
    struct State;  ///< opaque

  private:
    std::shared_ptr<const State> state_;
};

/// A StepRun on its way: prepared once, then run over ranges of neurons, from many threads if need
/// be. The bound rule must outlive it, and so must what the run points to.
class BoundRule::Call {
  public:
    /// Code is made as the thresholds of the rule say; until it is there the interpreter goes on.
    Call(const BoundRule& rule, const StepRun& run, const RunCall& call,
         const ExecutionContext& context);
    Call(Call&&) noexcept;
    ~Call();

    /// Primitive operations of a neuron's step, roughly.
    std::size_t operations() const noexcept;
    /// What a run would begin with: "interpreter", "avx2", "avx512", "neon", or "scalar" for one
    /// neuron.
    std::string_view backend() const noexcept;

    /// Neurons [begin, end); begin is a multiple of 8, and so is end unless it is the number of
    /// neurons. External functions are called here, for blocks of at most 1,024 neurons, and may
    /// throw. Machine code that has come in the meantime takes over.
    /// @throws Error if spikes or records overlap what they must not
    void run(std::size_t begin, std::size_t end) const;

  private:
    struct Plan;
    std::unique_ptr<Plan> plan_;
};

}  // namespace bitaxon::jit
