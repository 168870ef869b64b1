#include "square_roots.hpp"

#include "../optimise/ranges.hpp"

#include <algorithm>
#include <bit>

namespace bitaxon::jit {
namespace {

// Arguments that are safe in f32 too, through which AVX2 gets its estimate.
constexpr double kLeast = 0x1p-64;
constexpr double kMost = 0x1p+120;

// Reciprocals aim that much too low, relatively: so the root before the last step is the lower
// neighbour wherever the root is so near a midpoint that the last step depends on which one it is.
constexpr double kBelow = 0x1p-30;

// One root of three: with fewer than three the multiplications take as long as they save, and of
// four, two by multiplications are slower than one (measured, see the ADR).
constexpr std::size_t kOneOf = 3;

// Cycles of 32-byte vectors, in which the roots left must stay the bottleneck: of one root and one
// division, of any other primitive, and of a root by multiplications.
constexpr double kRootCycles = 9;
constexpr double kDivisionCycles = 5;
constexpr double kPrimitiveCycles = 0.5;
constexpr double kNewtonCycles = 12;

}  // namespace

std::vector<NewtonRoot> choose_newton_roots(const Program& program, std::span<const char> needed,
                                            Target target) {
    const Graph& graph = program.graph;
    if ((target != Target::avx2 && target != Target::avx512) || !program.states.empty()) {
        return {};  // from step to step what counts is how long one root takes
    }
    std::vector<NodeId> roots;
    double division_cycles = 0;
    double other_cycles = 0;
    for (NodeId id = 0; id < graph.size(); ++id) {
        const Node& node = graph[id];
        if (!needed[id] || info(node.op).kind != OpKind::primitive) {
            continue;
        }
        if (node.op == Op::sqrt && node.type == Type::f64) {
            roots.push_back(id);
        }
        const bool divides = node.op == Op::sqrt || node.op == Op::div;
        division_cycles += node.op == Op::sqrt ? kRootCycles : divides ? kDivisionCycles : 0;
        other_cycles += divides ? 0 : kPrimitiveCycles;
    }
    if (roots.size() < kOneOf) {
        return {};
    }
    std::vector<NewtonRoot> chosen;
    Ranges ranges(graph);
    for (std::size_t k = kOneOf - 1; k < roots.size(); k += kOneOf) {
        const Range range = ranges.of(graph[roots[k]].args[0]);
        other_cycles += kNewtonCycles;
        division_cycles -= kRootCycles;
        if (range.low >= kLeast && other_cycles <= division_cycles) {
            chosen.push_back({roots[k], range.high > kMost});
        }
    }
    return chosen;
}

// y is 1/sqrt(x), within 2^-32 and kBelow; s the root within 0.516 ulp; h is 1/(2s).
NodeId write_newton_root(const EmitNode& emit, Target target, NodeId x, bool may_be_huge) {
    constexpr Type t = Type::f64;
    const auto number = [&](double value) {
        return emit(Op::constant, t, {}, std::bit_cast<std::uint64_t>(value));
    };
    const auto mul = [&](NodeId a, NodeId b) { return emit(Op::mul, t, {a, b}, 0); };
    const auto fma = [&](NodeId a, NodeId b, NodeId c) { return emit(Op::fma, t, {a, b, c}, 0); };
    const auto fnma = [&](NodeId a, NodeId b, NodeId c) { return emit(Op::fnma, t, {a, b, c}, 0); };
    const auto estimate = [&] {
        if (target == Target::avx512) {
            return emit(Op::sqrt, t, {x}, kReciprocalEstimate);
        }
        const NodeId narrow = emit(Op::f32_from_f64, Type::f32, {x}, 0);
        const NodeId guess = emit(Op::sqrt, Type::f32, {narrow}, kReciprocalEstimate);
        return emit(Op::f64_from_f32, t, {guess}, 0);
    };
    const NodeId y0 = estimate();
    const NodeId d = fnma(mul(x, y0), y0, number(1 - 2 * kBelow));
    const NodeId y = fma(y0, mul(d, fma(d, number(0.375), number(0.5))), y0);

    const NodeId half_y = mul(y, number(0.5));
    const NodeId s0 = mul(x, y);
    const NodeId s = fma(fnma(s0, s0, x), half_y, s0);

    const NodeId h = fma(half_y, fnma(s, y, number(1)), half_y);
    const NodeId root = fma(fnma(s, s, x), h, s);
    if (!may_be_huge) {
        return root;
    }
    const NodeId huge = emit(Op::float_less, Type::m64, {number(kMost), x}, 0);
    return emit(Op::rare, t, {huge, root, x}, kRootInstruction);
}

}  // namespace bitaxon::jit
