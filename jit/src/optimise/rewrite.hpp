// The form of every pass: a graph and roots in, a new graph and roots out. A pass never changes the
// graph that it is given, and what it makes holds no dead nodes.
#pragma once

#include "../ir/graph.hpp"

#include <optional>
#include <span>
#include <string>
#include <vector>

namespace bitaxon::jit {

struct Rewritten {
    Graph graph;
    std::vector<NodeId> roots;
    std::vector<std::string> applied;  ///< one text a rewrite, for explain()
};

namespace rewrite {

/// Makes a node of an old graph again in `graph`; image[n] is what became of the old node n.
NodeId copy(Graph& graph, const Node& node, std::span<const NodeId> image);

/// The graph in which node n stands for replacement[n] (kNoNode: for itself), which may be newer
/// than n; replacements may lead to further ones, and end. Nothing if a node would need itself.
std::optional<Rewritten> substitute(const Graph& source, std::span<const NodeId> roots,
                                    std::span<const NodeId> replacement);

/// The nodes that the external calls among them and then the roots need, each behind its arguments,
/// in the order in which a walk from there meets them: that of substitute().
std::vector<NodeId> depth_first(const Graph& graph, std::span<const NodeId> roots);

/// The external calls that the roots need, ascending. A pass must not lose any of them.
std::vector<NodeId> externals(const Graph& graph, std::span<const NodeId> roots);

}  // namespace rewrite
}  // namespace bitaxon::jit
