// Arithmetic of polynomials with quotients: a quotient is a product with the reciprocal of its
// divisor, which is a variable of its own and cancels against the divisor.
#pragma once

#include "polynomial.hpp"

#include <functional>

namespace bitaxon::jit::rewrite {

/// 1 / divisor as a variable.
struct Reciprocal {
    Polynomial divisor;
    Type type;
    NodeId variable;      ///< the node 1 / divisor_node
    NodeId divisor_node;  ///< computes the divisor
};

class Fractions {
  public:
    using Value = std::optional<Polynomial>;
    /// Gives the node that computes a divisor; `known` is one that does, or kNoNode.
    using DivisorNode = std::function<NodeId(Type type, const Polynomial& divisor, NodeId known)>;

    Fractions(Graph& graph, DivisorNode divisor_node)
        : graph_(graph), divisor_node_(std::move(divisor_node)) {}

    // Nothing where an operand is nothing, a limit is exceeded or a coefficient isn't exact.
    Value sum(const Value& a, const Value& b, double sign = 1);
    Value product(const Value& a, const Value& b);
    /// `divisor_node` computes the divisor.
    Value quotient(Type type, const Polynomial& dividend, const Polynomial& divisor,
                   NodeId divisor_node);

    /// What the variable is the reciprocal of, or null for an ordinary one.
    const Reciprocal* reciprocal(NodeId variable) const noexcept;
    bool is_divisor(NodeId node) const noexcept;

  private:
    Value combined(const Value& a, const Value& b, auto operation);
    Value product_with_power(Value value, Type type, const Polynomial& divisor, NodeId divisor_node,
                             int exponent);
    Polynomial reciprocal_of(Type type, const Polynomial& divisor, NodeId divisor_node);
    Polynomial reduced(Polynomial polynomial);
    void cancel(Terms& terms, const Terms& divisor, int variable, int exponent);

    Graph& graph_;
    DivisorNode divisor_node_;
    std::vector<Reciprocal> reciprocals_;
    std::size_t work_ = 0;
};

}  // namespace bitaxon::jit::rewrite
