// Rewriting that keeps every bit, so that all modes take it.
#pragma once

#include "rewrite.hpp"

#include <optional>

namespace bitaxon::jit::rewrite {

/// The constant that a language operation of constants is, where that is exact. Primitives are
/// folded by the graph itself, functions after their expansion, because only that says what their
/// bits are.
std::optional<NodeId> fold(Graph& graph, const Node& node);

/// Applies the strict rules of rules.def from the leaves up until none applies, computes language
/// operations of constants where their result is exact, expands integer powers and drops dead
/// nodes. With MathMode::fast also powers with other constant exponents: 2.0, -3.0, 0.5, ... `order`
/// lists what the roots need, each node behind its arguments; operands that may change places stand
/// in the order in which they are made.
Rewritten simplify(const Graph& source, std::span<const NodeId> order,
                   std::span<const NodeId> roots, MathMode mode);

/// (x*a + b)*c + d with constants becomes x*(a*c) + (b*c + d) where nobody else needs the inner
/// values; for `fast`.
Rewritten fuse_affine_chains(const Graph& source, std::span<const NodeId> roots);

}  // namespace bitaxon::jit::rewrite
