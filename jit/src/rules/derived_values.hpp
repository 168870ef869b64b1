// Numbers that depend on a rule's parameters and time step only: computed once, in f64, by the
// interpreter.
#pragma once

#include "../backends/interpreter.hpp"
#include "step_graph.hpp"

#include <memory>
#include <span>
#include <vector>

namespace bitaxon::jit {

/// One value, or one for each neuron.
using PerNeuron = std::vector<double>;

/// Const and thread-safe after construction.
class DerivedValues {
  public:
    DerivedValues() = default;
    /// `start` is that of a step in f64.
    DerivedValues(const Description& description, const FunctionTable& functions,
                  const StepStart& start, std::string_view method);

    std::size_t size() const noexcept { return layout_.size(); }
    /// All values by their numbers in the layout; those that the rule doesn't use are empty.
    /// @throws Error for a refractory period that is negative or not finite
    std::vector<PerNeuron> operator()(std::span<const PerNeuron> parameters, double dt) const;

  private:
    // A program over parameters, with results for each set of them.
    struct Formulas {
        std::vector<Leaf> inputs;  ///< by number of the program's input
        std::unique_ptr<const Interpreter> interpreter;
        std::size_t results = 0;
    };
    Formulas compile(const Evaluator& evaluator, std::span<const NodeId> roots) const;
    std::vector<PerNeuron> evaluate(const Formulas& formulas, std::span<const PerNeuron> parameters,
                                    double dt) const;
    void add_refractory(const Formulas& formulas, std::span<const PerNeuron> parameters, double dt,
                        std::vector<PerNeuron>& values) const;
    void add_propagators(const std::vector<PerNeuron>& entries, double dt,
                         std::vector<PerNeuron>& values) const;

    DerivedLayout layout_;
    Formulas refractory_;
    Formulas propagators_;  ///< entries of [P | Q] if the system is diagonal, else of [A | B]
    bool diagonal_ = false;
    std::vector<char> frozen_;
};

}  // namespace bitaxon::jit
