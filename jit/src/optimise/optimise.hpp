// What happens to a language graph between the parser and lowering: one fixed order of passes,
// chosen by the math mode alone, so that `fast` changes the graph and never a backend.
#pragma once

#include "rewrite.hpp"

namespace bitaxon::jit {

/// The graph that lowering takes, its roots in the order given, and what was done to it.
using Optimised = Rewritten;

/// All modes: integer powers become their addition chains, identities that keep every bit are
/// applied, dead nodes are gone. `contract` and `fast`: products are fused into sums. `fast`,
/// before that: polynomial normal forms, rewrite rules of real numbers (egraph.hpp) and affine
/// chains.
///
/// Deterministic: equal graphs give equal results, on any machine. Nodes of Op::external all
/// survive, in their order; rand() and randn() stay one node a site.
Optimised optimise(const Graph& language_graph, std::span<const NodeId> roots, MathMode mode);

}  // namespace bitaxon::jit
