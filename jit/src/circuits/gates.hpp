// Gates over lanes of bits: what a circuit's graph is made of.
#pragma once

#include "../ir/graph.hpp"

namespace bitaxon::jit {

/// Appends gates to a graph of i64 lanes, 64 independent bits each. What constants, equal operands
/// and double inversions decide costs no gate.
class Gates {
  public:
    explicit Gates(Graph& graph) : graph_(graph) {}

    NodeId constant(bool value) { return graph_.constant_bits(Type::i64, value ? ~0ULL : 0); }
    NodeId invert(NodeId a);
    NodeId both(NodeId a, NodeId b);
    NodeId either(NodeId a, NodeId b);
    NodeId differ(NodeId a, NodeId b);
    /// b where `select` is 1, a where it is 0.
    NodeId choose(NodeId select, NodeId a, NodeId b);
    /// 1 where at least two of the three are: the carry of a full adder.
    NodeId majority(NodeId a, NodeId b, NodeId c);

    Graph& graph() noexcept { return graph_; }

  private:
    bool is(NodeId id, bool value) const noexcept {
        return graph_.is_constant(id) && graph_[id].payload == (value ? ~0ULL : 0);
    }
    bool is_inverse(NodeId a, NodeId b) const noexcept;

    Graph& graph_;
};

}  // namespace bitaxon::jit
