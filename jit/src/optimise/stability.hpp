// Whether a form of an expression rounds about as well as another.
#pragma once

#include "../ir/graph.hpp"

namespace bitaxon::jit::rewrite {

/// Compares bounds of the rounding error of two nodes over a few fixed points (Wilkinson's running
/// error analysis): false if the candidate's bound is several times that of the original somewhere.
/// Inputs are exact; only sums, products, quotients and constants may stand above them.
bool is_as_stable(const Graph& graph, NodeId candidate, NodeId original);

}  // namespace bitaxon::jit::rewrite
