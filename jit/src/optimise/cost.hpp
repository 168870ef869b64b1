// What operations cost, in cycles of one vector of AVX-512 on Zen 4, roughly: the one table by
// which passes of `fast` choose between forms of equal value.
#pragma once

#include "../ir/graph.hpp"

#include <cstdint>
#include <span>

namespace bitaxon::jit::rewrite {

using Cost = std::uint32_t;

/// Of one node, its arguments not counted; leaves cost nothing.
Cost cost(Op op) noexcept;

/// Of all that the roots need, each node once, products that contract() fuses in `fast` not at all.
Cost cost(const Graph& graph, std::span<const NodeId> roots);

}  // namespace bitaxon::jit::rewrite
