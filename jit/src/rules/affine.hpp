// What a value is as a function of some unknowns, when that function is affine: read off the graph.
#pragma once

#include "../ir/graph.hpp"

#include <optional>
#include <span>
#include <vector>

namespace bitaxon::jit {

/// constant + sum of coefficients[k] * unknown k, none of which depends on the unknowns. kNoNode is
/// zero.
struct Affine {
    NodeId constant = kNoNode;
    std::vector<NodeId> coefficients;
};

/// The affine form of each root, or nothing where a root is not visibly affine: sums, products with
/// and quotients by what doesn't depend on the unknowns, and choices that don't depend on them.
std::vector<std::optional<Affine>> affine(Graph& graph, std::span<const NodeId> roots,
                                          std::span<const NodeId> unknowns);

/// For each node of the graph, whether it depends on one of the leaves.
std::vector<char> depends_on(const Graph& graph, std::span<const NodeId> leaves);

}  // namespace bitaxon::jit
