#include "cost.hpp"

#include "contract.hpp"

#include <array>

namespace bitaxon::jit::rewrite {
namespace {

struct Entry {
    Op op;
    Cost cost;
};

// Operations that no row names: leaves 0, primitives 1, functions 40.
constexpr Entry kEntries[] = {
    {Op::div, 10},      {Op::sqrt, 18},       {Op::negate, 1},        {Op::logical_not, 1},
    {Op::bit_not, 1},   {Op::less, 1},        {Op::less_equal, 1},    {Op::equal, 1},
    {Op::not_equal, 2}, {Op::cast, 2},        {Op::abs, 1},           {Op::relu, 1},
    {Op::clip, 2},      {Op::sign, 5},        {Op::shift_left, 1},    {Op::shift_right, 1},
    {Op::lerp, 2},      {Op::heaviside, 5},   {Op::integer_power, 3}, {Op::power, 100},
    {Op::exp, 20},      {Op::exp2, 18},       {Op::expm1, 20},        {Op::exprel, 28},
    {Op::log, 25},      {Op::log2, 25},       {Op::log10, 25},        {Op::log1p, 25},
    {Op::sigmoid, 30},  {Op::tanh, 32},       {Op::sinh, 36},         {Op::cosh, 34},
    {Op::sin, 30},      {Op::cos, 30},        {Op::hypot, 30},        {Op::floor_divide, 30},
    {Op::modulo, 30},   {Op::smoothstep, 18}, {Op::external, 1000},
};

constexpr auto kCosts = [] {
    std::array<Cost, static_cast<std::size_t>(Op::external) + 1> costs{};
    std::size_t i = 0;
#define BITAXON_JIT_OP(id, text, kind, arity)                                                      \
    costs[i++] = OpKind::kind == OpKind::source ? 0 : OpKind::kind == OpKind::primitive ? 1 : 40;
#include "../ir/ops.def"
#undef BITAXON_JIT_OP
    for (const Entry& entry : kEntries) {
        costs[static_cast<std::size_t>(entry.op)] = entry.cost;
    }
    return costs;
}();

}  // namespace

Cost cost(Op op) noexcept { return kCosts[static_cast<std::size_t>(op)]; }

Cost cost(const Graph& graph, std::span<const NodeId> roots) {
    const Fusions fusions(graph, roots, /*into_every_use=*/true);
    Cost sum = 0;
    for (const NodeId id : fusions.needed()) {
        sum += fusions.is_fused(id) ? 0 : cost(graph[id].op);
    }
    return sum;
}

}  // namespace bitaxon::jit::rewrite
