// One step of a rule as a language graph: integrate, threshold, reset.
#pragma once

#include "evaluator.hpp"
#include "linear_system.hpp"
#include "methods.hpp"

#include <optional>
#include <string>

namespace bitaxon::jit {

/// The method that a rule uses, and why.
struct Choice {
    std::string_view method;
    std::string reason;
};

/// A neuron is refractory while its counter is above 0; it counts down each step.
struct StepGraph {
    Graph graph;
    std::vector<Leaf> leaves;          ///< what Op::input nodes stand for, by payload
    std::vector<NodeId> next;          ///< of each variable, of its type
    NodeId refractory_next = kNoNode;  ///< of the counter, if there is a refractory period
    NodeId spike = kNoNode;            ///< mask, if the rule has a threshold
    bool random = false;               ///< draws random numbers
    bool external = false;             ///< calls external functions

    /// All of them, in that order, those that are absent left out.
    std::vector<NodeId> roots() const;
};

/// Type of the refractory counter: an integer as wide as `real`.
constexpr Type counter_type(Type real) noexcept { return integer_of(real); }

/// What a variable that has an initial value begins with: an expression of parameters, dt and
/// random numbers.
NodeId initial_value(Evaluator& evaluator, const Description& description, std::size_t variable);

/// Numbers that depend on parameters and dt only and are computed once, in f64: the refractory
/// period in steps, less one, and the propagators of `exact`.
struct DerivedLayout {
    std::size_t variables = 0;  ///< of the linear system
    std::size_t drives = 0;

    static constexpr std::uint32_t refractory() noexcept { return 0; }
    /// Entry of [P | Q] of neurons that aren't, or are, refractory.
    std::uint32_t propagator(std::size_t row, std::size_t column, bool frozen) const noexcept {
        const std::size_t width = variables + drives;
        return static_cast<std::uint32_t>(1 + ((frozen ? variables : 0) + row) * width + column);
    }
    std::size_t size() const noexcept { return 1 + 2 * variables * (variables + drives); }
};

/// The differential equations evaluated at the start of a step.
struct Rates {
    std::vector<std::size_t> variables;  ///< numbers of the variables that have an equation
    std::vector<NodeId> values;
    std::vector<NodeId> rates;
    std::vector<NodeId> noises;
    std::vector<char> frozen;
};
/// Sets the evaluator's names to the start of a step.
void name_start_of_step(Evaluator& evaluator, const Description& description);

/// A step as far as it goes without a method: what a method is chosen by, and what is built on.
struct StepStart {
    StepStart(const Description& description, const FunctionTable& functions, Type real);
    StepStart(const StepStart& other)
        : graph(other.graph), evaluator(graph, other.evaluator), rates(other.rates) {}
    StepStart& operator=(const StepStart&) = delete;

    Graph graph;
    Evaluator evaluator;  ///< in that graph
    Rates rates;
};

/// Picks the method, or checks the one that was asked for. @throws Error naming the equation that
/// forbids it
Choice choose_method(const Description& description, const StepStart& start,
                     const std::string& wanted);

StepGraph build_step(const Description& description, StepStart start, std::string_view method);

/// The linear system that `exact` solves, in the evaluator's graph.
std::optional<LinearSystem> find_linear_system(Evaluator& evaluator, const Description& description,
                                               const Rates& rates, std::size_t* culprit);

}  // namespace bitaxon::jit
