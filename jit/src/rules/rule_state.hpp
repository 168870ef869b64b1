// What a Rule holds: its description, and programs for the ways in which it has been run.
#pragma once

#include "../backends/tiered_program.hpp"
#include "../optimise/optimise.hpp"
#include "derived_values.hpp"
#include "description.hpp"
#include "step_graph.hpp"

#include <bitaxon/jit/bound_rule.hpp>
#include <bitaxon/jit/rule.hpp>

#include <map>
#include <memory>
#include <mutex>
#include <optional>

namespace bitaxon::jit {

/// A step for one meaning of `real`, optimised: what all programs of the rule are lowered from.
struct OptimisedStep {
    OptimisedStep(StepGraph step, Type real);

    StepGraph step;       ///< its graph is empty: see `optimised`
    Optimised optimised;  ///< roots as StepGraph::roots()
    std::vector<Type> states;
    bool counts = false;  ///< the last state is the refractory counter
};

/// Which values are arrays, and what is recorded.
struct Signature {
    Type real = Type::f64;
    CurrentKind current = CurrentKind::uniform;
    std::vector<bool> parameters;
    std::vector<bool> derived;
    std::vector<std::uint32_t> recorded;

    auto operator<=>(const Signature&) const = default;
};

/// Slots of uniform values, the same in all programs of a rule.
struct Slots {
    static constexpr std::size_t seed = 0;
    static constexpr std::size_t population = 1;
    static constexpr std::size_t dt = 2;  ///< of type real
    static constexpr std::size_t dt_f64 = 3;
    static constexpr std::size_t current = 4;
    static constexpr std::size_t parameters = 5;
};

/// A program, and where its input arrays come from.
struct StepProgram {
    /// `folded`: lanes of the uniform values by slot, to be constants but for the current; empty: they are
    /// read.
    StepProgram(const OptimisedStep& step, const Signature& signature,
                const Description& description, std::span<const std::uint64_t> folded = {});

    struct Array {
        LeafKind kind;
        std::uint32_t index;
    };
    /// Calls of external functions that wait for as many others; `arguments` computes what they are
    /// called with, one f64 output each.
    struct ExternalCall {
        std::uint64_t function;
        std::size_t arguments;
    };
    struct CallLevel {
        std::unique_ptr<TieredProgram> arguments;
        std::vector<ExternalCall> calls;
    };
    std::vector<Array> arrays;  ///< inputs after the states; results of external calls come last
    std::vector<CallLevel> levels;
    std::unique_ptr<TieredProgram> program;

    template <class Visit>
    void each(Visit visit) const {
        for (const CallLevel& level : levels) {
            visit(*level.arguments);
        }
        visit(*program);
    }
};

struct Rule::State {
    explicit State(const RuleOptions& options);

    const FunctionTable& functions() const noexcept { return options.functions.table(); }
    const OptimisedStep& step(Type real) const;
    const StepProgram& program(const Signature& signature) const;
    /// Every TieredProgram of the rule for this meaning of `real`.
    template <class Visit>
    void each_program(Type real, Visit visit) const {
        const std::scoped_lock lock(mutex_);
        for (const auto& [signature, program] : programs_) {
            if (signature.real == real && program) {
                program->each(visit);
            }
        }
    }
    std::size_t uniform_count() const noexcept {
        return Slots::parameters + description.parameters.size() + derived_count;
    }

    RuleOptions options;
    Description description;
    Choice choice;
    DerivedValues derived;
    std::size_t derived_count = 0;
    bool random = false;    ///< draws random numbers
    bool external = false;  ///< calls external functions

  private:
    StepGraph build(Type real) const;

    mutable std::mutex mutex_;
    mutable StepGraph checked_;  ///< for f64, from the time of construction until it is optimised
    mutable std::unique_ptr<const OptimisedStep> steps_[2];
    mutable std::map<Signature, std::unique_ptr<const StepProgram>> programs_;
};

}  // namespace bitaxon::jit
