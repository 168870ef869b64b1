// Turns a rule's expressions into nodes, for values of its variables that change within a step.
#pragma once

#include "../ir/graph.hpp"
#include "description.hpp"

#include <span>
#include <vector>

namespace bitaxon::jit {

/// What an Op::input node of a rule's graph stands for.
enum class LeafKind : std::uint8_t {
    variable,    ///< number `index`, at the start of the step
    refractory,  ///< steps that a neuron is refractory for, this one included
    current,
    parameter,  ///< number `index`
    dt,
    derived,  ///< number `index` of DerivedValues
    noise,    ///< number `index`; replaced before the graph is complete
};

struct Leaf {
    LeafKind kind;
    std::uint32_t index;
    Type type;
    bool operator==(const Leaf&) const = default;
};

/// Evaluates expressions in one graph, for one meaning of `real`.
class Evaluator {
  public:
    Evaluator(Graph& graph, const Description& description, const FunctionTable& functions,
              Type real);
    /// Goes on in a copy of the other's graph.
    Evaluator(Graph& graph, const Evaluator& other);

    Graph& graph() noexcept { return graph_; }
    const Graph& graph() const noexcept { return graph_; }
    Type real() const noexcept { return real_; }
    Type type(DeclaredType declared) const noexcept { return declared.value_or(real_); }

    /// The node of a leaf, numbered in the order of first use.
    NodeId leaf(LeafKind kind, std::uint32_t index, Type type);
    const std::vector<Leaf>& leaves() const noexcept { return leaves_; }

    NodeId dt() { return leaf(LeafKind::dt, 0, real_); }
    /// t at the start of the step, in seconds: a product in f64 even where `real` is f32.
    NodeId time();

    /// What names mean from now on. Values are those of the variables, by number.
    void set_values(std::vector<NodeId> values);
    void set_value(std::size_t variable, NodeId value);
    void set_time(NodeId t);
    const std::vector<NodeId>& values() const noexcept { return values_; }

    NodeId operator()(const TextExpr& expr);
    /// The same, converted to the type. @throws Error where that loses digits without a cast
    NodeId operator()(const TextExpr& expr, Type type, Position position);

    /// Whether names of white noise may be used: in differential equations only.
    void allow_noise(bool allowed) noexcept { noise_allowed_ = allowed; }

    /// A standard normal number for the noise of this number: the same node in a step.
    NodeId normal(std::size_t noise);

  private:
    NodeId evaluate(const TextExpr& expr, Type real);
    std::optional<NodeId> resolve(std::string_view name);
    NodeId sub_expression(std::size_t number);

    Graph& graph_;
    const Description& description_;
    const FunctionTable& functions_;
    Type real_;
    std::vector<Leaf> leaves_;
    std::vector<NodeId> values_;
    NodeId time_ = kNoNode;
    std::vector<NodeId> evaluated_;  ///< sub-expressions, by number, under the present values
    std::size_t evaluations_ = 0;
    bool noise_allowed_ = false;
};

/// @throws Error if `roots` need more than parameters, dt and, where that `may_draw`, random
/// numbers; `what` names the value
void require_fixed(const Evaluator& evaluator, std::span<const NodeId> roots, std::string_view what,
                   bool may_draw);

}  // namespace bitaxon::jit
