#include "powers.hpp"

#include <array>
#include <cstdlib>

namespace bitaxon::jit {
namespace {

// x^n is x^kFirst[n] * x^(n - kFirst[n]). The chains are shortest ones; where there is a choice
// they go by powers of two, which the powers of a polynomial share.
constexpr std::array<int, kMaxIntegerPower + 1> kFirst{0, 0, 1, 2, 2, 4, 4,  4, 4,
                                                       8, 5, 8, 8, 8, 8, 10, 8};

constexpr std::array<int, kMaxIntegerPower + 1> kLength{0, 0, 1, 2, 2, 3, 3, 4, 3,
                                                        4, 4, 5, 4, 5, 5, 5, 4};

using Powers = std::array<NodeId, kMaxIntegerPower + 1>;

NodeId positive_power(Graph& graph, Type type, Powers& powers, int n) {
    NodeId& power = powers[static_cast<std::size_t>(n)];
    if (power == kNoNode) {
        const int first = kFirst[static_cast<std::size_t>(n)];
        const NodeId a = positive_power(graph, type, powers, first);
        const NodeId b = positive_power(graph, type, powers, n - first);
        power = graph.make(Op::mul, type, {a, b});
    }
    return power;
}

}  // namespace

NodeId expand_integer_power(Graph& graph, Type type, NodeId x, int n) {
    const NodeId one = graph.constant(type, 1);
    if (n == 0) {
        return one;
    }
    Powers powers;
    powers.fill(kNoNode);
    powers[1] = x;
    const NodeId power = positive_power(graph, type, powers, std::abs(n));
    if (n > 0) {
        return power;
    }
    return graph.make(is_float(type) ? Op::div : Op::floor_divide, type, {one, power});
}

int chain_length(int n) noexcept { return kLength[static_cast<std::size_t>(std::abs(n))]; }

}  // namespace bitaxon::jit
