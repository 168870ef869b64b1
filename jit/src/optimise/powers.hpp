// Powers with a literal exponent as products.
#pragma once

#include "../ir/graph.hpp"

namespace bitaxon::jit {

inline constexpr int kMaxIntegerPower = 16;

/// x^n for |n| <= kMaxIntegerPower: the product along a shortest addition chain, the same in all
/// modes and on all backends; x^0 is 1, and a negative power is 1 divided by the positive one
/// (integers: rounded down, 0 for x = 0). Any type but masks.
NodeId expand_integer_power(Graph& graph, Type type, NodeId x, int n);

/// Products that expand_integer_power() needs for |n|.
int chain_length(int n) noexcept;

}  // namespace bitaxon::jit
