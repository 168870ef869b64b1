// From the language's operations to primitives: functions are expanded, types settled.
#pragma once

#include "graph.hpp"

#include <utility>
#include <vector>

namespace bitaxon::jit {

/// What the leaves of a language graph stand for in the graph that it is lowered into.
struct Leaves {
    /// Node of each input, by its number. An i16 is held in an i32.
    std::vector<NodeId> inputs;
    /// i64 nodes that name the random numbers; read only if there are any.
    NodeId seed = kNoNode;
    NodeId population = kNoNode;
    /// Results (f64) of the external calls: number of the language node, node that holds it.
    std::vector<std::pair<NodeId, NodeId>> externals;
};

/// Appends what computes `roots` of `source` to `target`, which holds the leaves, and returns the
/// nodes of the roots. Keeps every bit: fused multiply-adds stand in the source already.
std::vector<NodeId> lower(const Graph& source, std::span<const NodeId> roots, Graph& target,
                          const Leaves& leaves);

/// External calls (nodes of the graph) by how many others they wait for.
std::vector<std::vector<NodeId>> external_levels(const Graph& graph, std::span<const NodeId> roots);

}  // namespace bitaxon::jit
