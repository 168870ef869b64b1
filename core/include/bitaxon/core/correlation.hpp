// How alike two streams are.
#pragma once

#include <bitaxon/core/bitstream.hpp>
#include <bitaxon/core/context.hpp>

#include <vector>

namespace bitaxon {

/// Stochastic computing correlation from counts (A. Alaghi and J. P. Hayes, 2013): +1 when the ones
/// of two streams overlap as much as their counts allow, -1 as little, 0 as independent streams do.
/// A stream without ones or without zeros has no correlation to speak of: 0.
///   length  bits; ones_a, ones_b, both  numbers of ones in a, in b, in a AND b
double scc_from_counts(std::uint64_t length, std::uint64_t ones_a, std::uint64_t ones_b,
                       std::uint64_t both) noexcept;

/// SCC of two streams given as views of one stream each. @throws Error unless lengths agree
double scc(const ExecutionContext& context, const StreamView& a, const StreamView& b);

/// SCC of every stream of a (one row) with every stream of b: row-major (a.streams x b.streams).
/// The overlaps are one bit-matrix product. @throws Error unless lengths agree
std::vector<double> scc_matrix(const ExecutionContext& context, const StreamView& a,
                               const StreamView& b);

}  // namespace bitaxon
