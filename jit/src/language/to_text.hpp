// The way back from the graph: texts that the parser turns into that graph again.
#pragma once

#include "../ir/graph.hpp"

#include <optional>

namespace bitaxon::jit {

/// The names that to_text gives to inputs: x0, x1, ...
std::vector<std::string> input_names(std::size_t count);

/// A line `v7 = x0 * v3` for each node that the roots need, then the roots. Constants keep every
/// bit. `real` is the float type that the text is to be parsed with. Nothing for what no text says:
/// calls of the caller's own functions, and primitives that only lowering makes.
std::optional<std::string> to_text(const Graph& graph, std::span<const NodeId> roots, Type real);

/// Whether the roots of both compute the same, operation by operation; numbers of nodes, and the
/// order of operands that may be swapped, don't matter.
bool is_same(const Graph& a, std::span<const NodeId> a_roots, const Graph& b,
             std::span<const NodeId> b_roots);

}  // namespace bitaxon::jit
