#include "lower.hpp"

#include "../optimise/powers.hpp"
#include "math/math.hpp"

#include <algorithm>
#include <array>

namespace bitaxon::jit {
namespace {

using math::MathBuilder;
using Arguments = std::span<const NodeId>;

// One call of a language operation: its type and argument types with i16 already read as i32.
struct Call {
    MathBuilder& b;
    const Node& node;
    Type type;
    Type argument_type;
    Arguments args;
    const Leaves& leaves;

    NodeId operator[](std::size_t i) const { return args[i]; }
    NodeId make(Op op, std::initializer_list<NodeId> arguments) const {
        return b.node(op, type, arguments);
    }
    NodeId number(double value) const { return b.constant(type, value); }
};

Type computed_type(Type type) { return type == Type::i16 ? Type::i32 : type; }

NodeId wrap_i16(MathBuilder& b, NodeId x) { return b.sar(Type::i32, b.shl(Type::i32, x, 16), 16); }

// A choice among numbers of 16 bits is one itself.
bool is_choice_of_i16(const Graph& source, const Node& node) {
    return node.op == Op::select && node.type == Type::i16 &&
           source.type(node.args[1]) == Type::i16 && source.type(node.args[2]) == Type::i16;
}

NodeId all_ones(MathBuilder& b, Type type) { return b.bits(type, ~std::uint64_t{0}); }

NodeId complement(MathBuilder& b, Type type, NodeId x) {
    return b.bit_xor(type, x, all_ones(b, type));
}

NodeId int_less(MathBuilder& b, Type t, NodeId x, NodeId y) {
    return b.node(Op::int_less, mask_of(t), {x, y});
}

// Operators.

NodeId negate(const Call& c) {
    return is_float(c.type) ? c.b.negate(c.type, c[0]) : c.b.sub(c.type, c.number(0), c[0]);
}

NodeId complement(const Call& c) { return complement(c.b, c.type, c[0]); }

NodeId less(const Call& c) {
    return is_float(c.argument_type) ? c.make(Op::float_less, {c[0], c[1]})
                                     : c.make(Op::int_less, {c[0], c[1]});
}

NodeId less_equal(const Call& c) {
    return is_float(c.argument_type)
               ? c.make(Op::float_less_equal, {c[0], c[1]})
               : complement(c.b, c.type, c.make(Op::int_less, {c[1], c[0]}));
}

NodeId equal(const Call& c) {
    return c.make(is_float(c.argument_type) ? Op::float_equal : Op::int_equal, {c[0], c[1]});
}

NodeId not_equal(const Call& c) { return complement(c.b, c.type, equal(c)); }

NodeId minimum(const Call& c) {
    return is_float(c.type)
               ? c.make(Op::min, {c[0], c[1]})
               : c.b.select(c.type, int_less(c.b, c.type, c[0], c[1]), c[0], c[1]);
}

NodeId maximum(const Call& c) {
    return is_float(c.type)
               ? c.make(Op::max, {c[0], c[1]})
               : c.b.select(c.type, int_less(c.b, c.type, c[0], c[1]), c[1], c[0]);
}

NodeId modulo(const Call& c) {
    return (is_float(c.type) ? math::modulo : math::int_modulo)(c.b, c.type, c[0], c[1]);
}

NodeId floor_divide(const Call& c) {
    return (is_float(c.type) ? math::floor_divide : math::int_floor_divide)(c.b, c.type, c[0], c[1]);
}

NodeId integer_power(const Call& c) {
    return expand_integer_power(c.b.graph(), c.type, c[0], static_cast<int>(c.node.payload));
}

NodeId shift_left(const Call& c) { return c.make(Op::shl, {c[0], c[1]}); }
NodeId shift_right(const Call& c) { return c.make(Op::sar, {c[0], c[1]}); }

// Functions that are a few operators.

NodeId abs(const Call& c) {
    if (is_float(c.type)) {
        return c.b.abs(c.type, c[0]);
    }
    const NodeId negative = int_less(c.b, c.type, c[0], c.number(0));
    return c.b.select(c.type, negative, c.b.sub(c.type, c.number(0), c[0]), c[0]);
}

// -1, 0 or 1; a zero and a NaN stay what they are.
NodeId sign(const Call& c) {
    if (is_float(c.type)) {
        const NodeId one = c.b.copy_sign(c.type, c.number(1), c[0]);
        const NodeId moved = c.b.node(Op::bit_or, mask_of(c.type),
                                      {c.b.less(c.type, c[0], c.number(0)),
                                       c.b.less(c.type, c.number(0), c[0])});
        return c.b.select(c.type, moved, one, c[0]);
    }
    const NodeId positive = c.b.select(c.type, int_less(c.b, c.type, c.number(0), c[0]),
                                       c.number(1), c.number(0));
    return c.b.select(c.type, int_less(c.b, c.type, c[0], c.number(0)), c.number(-1), positive);
}

NodeId clip(const Call& c) {
    const std::array<NodeId, 2> low{c[0], c[1]};
    const NodeId raised =
        maximum(Call{c.b, c.node, c.type, c.argument_type, low, c.leaves});
    const std::array<NodeId, 2> high{raised, c[2]};
    return minimum(Call{c.b, c.node, c.type, c.argument_type, high, c.leaves});
}

NodeId relu(const Call& c) {
    const std::array<NodeId, 2> arguments{c[0], c.number(0)};
    return maximum(Call{c.b, c.node, c.type, c.argument_type, arguments, c.leaves});
}

NodeId heaviside(const Call& c) {
    const NodeId zero = c.number(0);
    const NodeId at_zero = c.b.select(c.type, c.b.equal(c.type, c[0], zero), c[1], c[0]);
    const NodeId below = c.b.select(c.type, c.b.less(c.type, c[0], zero), zero, at_zero);
    return c.b.select(c.type, c.b.less(c.type, zero, c[0]), c.number(1), below);
}

NodeId lerp(const Call& c) { return c.b.fma(c.type, c[2], c.b.sub(c.type, c[1], c[0]), c[0]); }

NodeId smoothstep(const Call& c) {
    const Type t = c.type;
    const NodeId span = c.b.sub(t, c[1], c[0]);
    const NodeId at = c.b.div(t, c.b.sub(t, c[2], c[0]), span);
    const NodeId x = c.make(Op::min, {c.make(Op::max, {at, c.number(0)}), c.number(1)});
    return c.b.mul(t, c.b.mul(t, x, x), c.b.fnma(t, c.number(2), x, c.number(3)));
}

NodeId length(MathBuilder& b, Type t, NodeId x, NodeId y) {
    return b.sqrt(t, b.fma(t, x, x, b.mul(t, y, y)));
}

// Signed distances from outlines, negative inside (Hart 1996).
NodeId sdf_circle(const Call& c) {
    return c.b.sub(c.type, length(c.b, c.type, c[0], c[1]), c[2]);
}

NodeId sdf_box(const Call& c) {
    const Type t = c.type;
    const NodeId zero = c.number(0);
    const NodeId x = c.b.sub(t, c.b.abs(t, c[0]), c[2]);
    const NodeId y = c.b.sub(t, c.b.abs(t, c[1]), c[3]);
    const NodeId outside =
        length(c.b, t, c.make(Op::max, {x, zero}), c.make(Op::max, {y, zero}));
    return c.b.add(t, outside, c.make(Op::min, {c.make(Op::max, {x, y}), zero}));
}

// Seed, population and site make a key, mixed as the identities of streams are (design, section 2).
NodeId random_key(const Call& c) {
    constexpr std::uint64_t golden = 0x9e3779b97f4a7c15;
    constexpr Type t = Type::i64;
    MathBuilder& b = c.b;
    const auto mix = [&](NodeId x) {
        x = b.mul(t, b.bit_xor(t, x, b.shr(t, x, 30)), b.bits(t, 0xbf58476d1ce4e5b9));
        x = b.mul(t, b.bit_xor(t, x, b.shr(t, x, 27)), b.bits(t, 0x94d049bb133111eb));
        return b.bit_xor(t, x, b.shr(t, x, 31));
    };
    NodeId key = mix(b.add(t, c.leaves.seed, b.bits(t, golden)));
    key = mix(b.add(t, key, b.mul(t, c.leaves.population, b.bits(t, golden))));
    return mix(b.add(t, key, b.bits(t, (c.node.payload + 1) * golden)));
}

template <auto Function>
NodeId random(const Call& c) {
    return Function(c.b, c.type, random_key(c), c.b.node(Op::row, Type::i64, {}),
                    c.b.node(Op::step, Type::i64, {}));
}

// Functions that have a file of their own in math/, by their number of arguments.
template <auto Function>
NodeId expand1(const Call& c) {
    return Function(c.b, c.type, c[0]);
}
template <auto Function>
NodeId expand2(const Call& c) {
    return Function(c.b, c.type, c[0], c[1]);
}
template <auto Function>
NodeId expand3(const Call& c) {
    return Function(c.b, c.type, c[0], c[1], c[2]);
}

int octaves(const Call& c, std::size_t argument) {
    return static_cast<int>(c.b.graph().value(c[argument]));
}
NodeId fbm2(const Call& c) { return math::fbm2(c.b, c.type, c[0], c[1], octaves(c, 2)); }
NodeId fbm3(const Call& c) { return math::fbm3(c.b, c.type, c[0], c[1], c[2], octaves(c, 3)); }

struct Expansion {
    Op op;
    NodeId (*expand)(const Call&);
};

constexpr Expansion kExpansions[] = {
    {Op::min, minimum},
    {Op::max, maximum},
    {Op::negate, negate},
    {Op::logical_not, complement},
    {Op::bit_not, complement},
    {Op::floor_divide, floor_divide},
    {Op::modulo, modulo},
    {Op::power, expand2<math::pow>},
    {Op::integer_power, integer_power},
    {Op::shift_left, shift_left},
    {Op::shift_right, shift_right},
    {Op::less, less},
    {Op::less_equal, less_equal},
    {Op::equal, equal},
    {Op::not_equal, not_equal},
    {Op::exp, expand1<math::exp>},
    {Op::expm1, expand1<math::expm1>},
    {Op::exp2, expand1<math::exp2>},
    {Op::log, expand1<math::log>},
    {Op::log1p, expand1<math::log1p>},
    {Op::log2, expand1<math::log2>},
    {Op::log10, expand1<math::log10>},
    {Op::cbrt, expand1<math::cbrt>},
    {Op::abs, abs},
    {Op::sign, sign},
    {Op::clip, clip},
    {Op::sin, expand1<math::sin>},
    {Op::cos, expand1<math::cos>},
    {Op::tan, expand1<math::tan>},
    {Op::asin, expand1<math::asin>},
    {Op::acos, expand1<math::acos>},
    {Op::atan, expand1<math::atan>},
    {Op::atan2, expand2<math::atan2>},
    {Op::sinh, expand1<math::sinh>},
    {Op::cosh, expand1<math::cosh>},
    {Op::tanh, expand1<math::tanh>},
    {Op::sigmoid, expand1<math::sigmoid>},
    {Op::relu, relu},
    {Op::exprel, expand1<math::exprel>},
    {Op::erf, expand1<math::erf>},
    {Op::hypot, expand2<math::hypot>},
    {Op::heaviside, heaviside},
    {Op::rand, random<math::rand>},
    {Op::randn, random<math::randn>},
    {Op::perlin2, expand2<math::perlin2>},
    {Op::perlin3, expand3<math::perlin3>},
    {Op::simplex2, expand2<math::simplex2>},
    {Op::simplex3, expand3<math::simplex3>},
    {Op::fbm2, fbm2},
    {Op::fbm3, fbm3},
    {Op::sdf_circle, sdf_circle},
    {Op::sdf_box, sdf_box},
    {Op::smoothstep, smoothstep},
    {Op::lerp, lerp},
};

using ExpansionTable = std::array<NodeId (*)(const Call&), static_cast<std::size_t>(Op::external) + 1>;

constexpr ExpansionTable kTable = [] {
    ExpansionTable table{};
    for (const Expansion& expansion : kExpansions) {
        table[static_cast<std::size_t>(expansion.op)] = expansion.expand;
    }
    return table;
}();

NodeId lower_source(NodeId id, const Node& node, Graph& target, const Leaves& leaves) {
    switch (node.op) {
        case Op::input: return leaves.inputs[node.payload];
        case Op::external:
            return std::find_if(leaves.externals.begin(), leaves.externals.end(),
                                [&](const auto& pair) { return pair.first == id; })
                ->second;
        case Op::constant: return target.constant_bits(computed_type(node.type), node.payload);
        default: return target.make(node.op, node.type, {}, node.payload);
    }
}

}  // namespace

std::vector<NodeId> lower(const Graph& source, std::span<const NodeId> roots, Graph& target,
                          const Leaves& leaves) {
    target.reserve(target.size() + 5 * source.size());  // functions take many primitives
    MathBuilder builder(target);
    std::vector<NodeId> lowered(source.size(), kNoNode);
    // What external calls need of their own is computed elsewhere.
    std::vector<char> needed(source.size(), 0);
    for (const NodeId root : roots) {
        needed[root] = 1;
    }
    for (std::size_t id = source.size(); id-- > 0;) {
        const Node& node = source[static_cast<NodeId>(id)];
        if (needed[id] && node.op != Op::external) {
            for (const NodeId argument : node.arguments()) {
                needed[argument] = 1;
            }
        }
    }
    for (NodeId id = 0; id < source.size(); ++id) {
        if (!needed[id]) {
            continue;
        }
        const Node& node = source[id];
        if (info(node.op).kind == OpKind::source || node.op == Op::external) {
            lowered[id] = lower_source(id, node, target, leaves);
            continue;
        }
        std::array<NodeId, kMaxArguments> args{};
        const bool choice = is_choice_of_i16(source, node);
        for (std::size_t i = 0; i < node.count; ++i) {
            const NodeId argument = node.args[i];
            // Leaves may hold more.
            const bool wraps =
                choice && i > 0 && info(source[argument].op).kind == OpKind::source;
            args[i] = wraps ? wrap_i16(builder, lowered[argument]) : lowered[argument];
        }
        const Type type = computed_type(node.type);
        const Type from = node.count > 0 ? source.type(node.args[0]) : node.type;
        NodeId result;
        if (node.op == Op::cast) {
            result = math::convert(builder, node.type, from, args[0]);
        } else if (const auto expand = kTable[static_cast<std::size_t>(node.op)]) {
            result = expand(Call{builder, node, type, computed_type(from),
                                 Arguments{args.data(), node.count}, leaves});
        } else {
            result = target.make(node.op, type, Arguments{args.data(), node.count}, node.payload);
        }
        lowered[id] = node.type == Type::i16 && node.op != Op::cast && !choice
                          ? wrap_i16(builder, result)
                          : result;
    }
    std::vector<NodeId> results;
    for (const NodeId root : roots) {
        results.push_back(lowered[root]);
    }
    return results;
}

std::vector<std::vector<NodeId>> external_levels(const Graph& graph,
                                                 std::span<const NodeId> roots) {
    std::vector<std::vector<NodeId>> levels;
    if (!graph.contains(Op::external)) {
        return levels;
    }
    std::vector<std::size_t> depth(graph.size(), 0);
    for (const NodeId id : reachable(graph, roots)) {
        for (const NodeId argument : graph[id].arguments()) {
            depth[id] = std::max(depth[id], depth[argument]);
        }
        if (graph[id].op == Op::external) {
            levels.resize(std::max(levels.size(), depth[id] + 1));
            levels[depth[id]++].push_back(id);
        }
    }
    return levels;
}

}  // namespace bitaxon::jit
