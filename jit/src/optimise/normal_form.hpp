// Polynomials and fractions of a graph in their cheapest form, by the rules of real numbers.
#pragma once

#include "rewrite.hpp"

namespace bitaxon::jit::rewrite {

/// Takes each maximal expression of sums, products and quotients of floats apart into its exact
/// normal form, a polynomial in opaque sub-terms and reciprocals, so that everything cancels that
/// can, and writes it anew where that is cheaper by cost.hpp. Singularities that cancel are gone:
/// x/x is 1. Expressions beyond the limits of polynomial.hpp stay as they are, parts of them are
/// still rewritten.
Rewritten normalise_polynomials(const Graph& source, std::span<const NodeId> roots);

}  // namespace bitaxon::jit::rewrite
