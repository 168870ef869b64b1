#include "legalise.hpp"

#include "square_roots.hpp"
#include "ternary_logic.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <initializer_list>
#include <span>
#include <utility>

namespace bitaxon::jit {
namespace {

class Legaliser;
using Expansion = NodeId (*)(Legaliser&, Type, const NodeId* args);

class Legaliser {
  public:
    Legaliser(const Program& program, Target target)
        : program_(program), target_(target), mask_registers_(has_mask_registers(target)) {}

    Body run();

    NodeId emit(Op op, Type type, std::initializer_list<NodeId> args, std::uint64_t payload = 0) {
        Node node{op, type, static_cast<std::uint8_t>(args.size()), {}, payload};
        std::copy(args.begin(), args.end(), node.args.begin());
        return append(node);
    }
    NodeId constant(Type type, std::uint64_t bits);
    NodeId number(Type type, double value) {
        return constant(type, type == Type::f64
                                  ? std::bit_cast<std::uint64_t>(value)
                                  : std::bit_cast<std::uint32_t>(static_cast<float>(value)));
    }
    /// Shift by a count that is known, folded if the value is.
    NodeId shift(Op op, Type type, NodeId x, std::uint64_t count);
    bool mask_registers() const { return mask_registers_; }
    bool is_constant(NodeId id) const { return body_.nodes[id].op == Op::constant; }
    bool is_zero(NodeId id) const { return is_constant(id) && body_.nodes[id].payload == 0; }
    std::uint64_t bits(NodeId id) const { return body_.nodes[id].payload; }

  private:
    NodeId append(const Node& node) {
        body_.nodes.push_back(node);
        return static_cast<NodeId>(body_.nodes.size() - 1);
    }
    void mark_needed();
    NodeId translate(const Node& source);
    NodeId translate_root(const NewtonRoot& root);
    NodeId translate_shift(const Node& node);
    NodeId translate_for_mask_registers(Node node, const Node& source);
    NodeId combine_with_masks(const Node& node);
    bool in_mask_register(NodeId id) const { return is_mask(body_.nodes[id].type); }
    NodeId as_lanes(NodeId id, Type type);
    NodeId as_mask(NodeId id);
    NodeId as_bool(NodeId id);
    NodeId as_stored(const ProgramOutput& output);
    void finish();

    const Program& program_;
    Target target_;
    bool mask_registers_;
    Body body_;
    std::vector<char> needed_;
    std::vector<NodeId> translated_;
    std::vector<NodeId> made_constants_;
    std::vector<std::pair<NodeId, NodeId>> lanes_of_masks_;
};

// What is looked for again: the last few suffice, and a long list must not cost its square.
template <class T>
std::span<const T> latest(const std::vector<T>& list) {
    constexpr std::size_t most = 64;
    return std::span(list).last(std::min(list.size(), most));
}

NodeId Legaliser::constant(Type type, std::uint64_t bits) {
    const Node node{Op::constant, type, 0, {}, bits};
    for (const NodeId id : latest(made_constants_)) {
        if (body_.nodes[id] == node) {
            return id;
        }
    }
    made_constants_.push_back(append(node));
    return made_constants_.back();
}

NodeId Legaliser::shift(Op op, Type type, NodeId x, std::uint64_t count) {
    if (op == Op::shr && type == Type::i64 && is_constant(x)) {
        return constant(type, bits(x) >> count);
    }
    return emit(op, type, {x}, count);
}

// Expansions.

bool is_nan(Type type, std::uint64_t bits) {
    return type == Type::f64 ? (bits << 1) > 0xffe0000000000000 : (bits << 33) > 0xff00000000000000;
}

// With a number that is known, `lesser` and `greater` give the other operand if that is NaN or
// equal, so nothing is left to do but where both are zeros.
NodeId extreme_of_number(Legaliser& l, Op op, Type type, NodeId number, NodeId x) {
    const std::uint64_t sign = type == Type::f64 ? 0x8000000000000000 : 0x80000000;
    const NodeId chosen = l.emit(op, type, {number, x});
    if (op == Op::greater && l.bits(number) == 0) {
        return l.emit(Op::bit_andnot, type, {l.constant(type, sign), chosen});
    }
    if (op == Op::lesser && l.bits(number) == sign) {
        return l.emit(Op::bit_or, type, {l.constant(type, sign), chosen});
    }
    return chosen;
}

NodeId number_among(const Legaliser& l, Type type, const NodeId* args) {
    for (const int i : {0, 1}) {
        if (l.is_constant(args[i]) && !is_nan(type, l.bits(args[i]))) {
            return static_cast<NodeId>(i);
        }
    }
    return kNoNode;
}

// One of the two results is the other operand where the operands are equal, so joining the bits
// puts -0 below +0; and joined with a NaN's bits, any number is a NaN.
NodeId expand_min(Legaliser& l, Type type, const NodeId* args) {
    if (const NodeId i = number_among(l, type, args); i != kNoNode) {
        return extreme_of_number(l, Op::lesser, type, args[i], args[1 - i]);
    }
    return l.emit(Op::bit_or, type,
                  {l.emit(Op::lesser, type, {args[0], args[1]}),
                   l.emit(Op::lesser, type, {args[1], args[0]})});
}

NodeId expand_max(Legaliser& l, Type type, const NodeId* args) {
    if (const NodeId i = number_among(l, type, args); i != kNoNode) {
        return extreme_of_number(l, Op::greater, type, args[i], args[1 - i]);
    }
    const NodeId joined = l.emit(Op::bit_and, type,
                                 {l.emit(Op::greater, type, {args[0], args[1]}),
                                  l.emit(Op::greater, type, {args[1], args[0]})});
    const NodeId unordered = l.emit(Op::float_unordered, mask_of(type), {args[0], args[1]});
    if (!l.mask_registers()) {
        return l.emit(Op::bit_or, type, {joined, unordered});
    }
    const NodeId nan = l.constant(type, type == Type::f64 ? 0x7ff8000000000000 : 0x7fc00000);
    return l.emit(Op::select, type, {unordered, nan, joined});
}

// a * 2^h * 2^(b-h) with h = floor(b/2): the first product is exact within the limits of ops.def,
// so the result is rounded once. Adding 1.5 * 2^52 + bias puts the biased exponent into the low
// bits of the sum, from where a shift moves it to its place. Beyond the bound the result is zero or
// infinite whatever the exponent.
NodeId expand_ldexp(Legaliser& l, Type type, const NodeId* args) {
    const bool wide = type == Type::f64;
    const Type integer = integer_of(type);
    const double bound = wide ? 1200 : 160;
    const NodeId bias = l.number(type, wide ? 0x1.8p52 + 1023 : 0x1.8p23 + 127);
    const std::uint64_t exponent_bit = wide ? 52 : 23;
    const auto power_of_two = [&](NodeId n) {
        return l.shift(Op::shl, integer, l.emit(Op::add, type, {n, bias}), exponent_bit);
    };
    NodeId n = l.emit(Op::greater, type, {args[1], l.number(type, -bound)});
    n = l.emit(Op::lesser, type, {n, l.number(type, bound)});
    const NodeId half = l.emit(Op::floor, type, {l.emit(Op::mul, type, {n, l.number(type, 0.5)})});
    const NodeId rest = l.emit(Op::sub, type, {n, half});
    const NodeId first = l.emit(Op::mul, type, {args[0], power_of_two(half)});
    return l.emit(Op::mul, type, {first, power_of_two(rest)});
}

// Modulo 2^64 the product of the upper halves does not matter.
NodeId expand_mul64(Legaliser& l, Type type, const NodeId* args) {
    const NodeId low = l.emit(Op::mul_low_u32, type, {args[0], args[1]});
    NodeId cross = kNoNode;
    for (const int i : {0, 1}) {
        const NodeId high = l.shift(Op::shr, type, args[i], 32);
        if (l.is_zero(high)) {
            continue;
        }
        const NodeId product = l.emit(Op::mul_low_u32, type, {high, args[1 - i]});
        cross = cross == kNoNode ? product : l.emit(Op::add, type, {cross, product});
    }
    return cross == kNoNode ? low : l.emit(Op::add, type, {low, l.shift(Op::shl, type, cross, 32)});
}

// Shifting the complement of a negative number moves in zeros, which are the complements of its
// sign.
NodeId expand_sar64(Legaliser& l, Type type, const NodeId* args, bool counted,
                    std::uint64_t count) {
    const NodeId sign = l.emit(Op::int_less, Type::m64, {args[0], l.constant(type, 0)});
    const NodeId flipped = l.emit(Op::bit_xor, type, {args[0], sign});
    const NodeId shifted = counted ? l.emit(Op::shr, type, {flipped}, count)
                                   : l.emit(Op::shr, type, {flipped, args[1]});
    return l.emit(Op::bit_xor, type, {shifted, sign});
}

constexpr unsigned bit(Target target) { return 1U << static_cast<unsigned>(target); }
constexpr unsigned kAvx2 = bit(Target::avx2) | bit(Target::lane);
constexpr unsigned kX86 = kAvx2 | bit(Target::avx512);
constexpr unsigned kNoScale = kAvx2 | bit(Target::neon);

struct Replacement {
    Op op;
    Type type;
    unsigned targets;
    Expansion expansion;
};

constexpr Replacement kReplacements[] = {
    {Op::min, Type::f32, kX86, expand_min},
    {Op::min, Type::f64, kX86, expand_min},
    {Op::max, Type::f32, kX86, expand_max},
    {Op::max, Type::f64, kX86, expand_max},
    {Op::ldexp, Type::f32, kNoScale, expand_ldexp},
    {Op::ldexp, Type::f64, kNoScale, expand_ldexp},
    {Op::mul, Type::i64, kAvx2, expand_mul64},
};

Expansion expansion_of(Op op, Type type, Target target) {
    for (const Replacement& entry : kReplacements) {
        if (entry.op == op && entry.type == type) {
            return (entry.targets & bit(target)) != 0 ? entry.expansion : nullptr;
        }
    }
    return nullptr;
}

bool is_shift(Op op) { return op == Op::shl || op == Op::shr || op == Op::sar; }

bool is_bitwise(Op op) {
    return op == Op::bit_and || op == Op::bit_or || op == Op::bit_xor || op == Op::bit_andnot;
}

NodeId Legaliser::translate_shift(const Node& node) {
    const bool counted = is_constant(node.args[1]);
    // A count is as wide as the lane; the largest that matters is the width.
    const auto width = static_cast<std::uint64_t>(lane_bytes(node.type)) * 8;
    const std::uint64_t last = node.op == Op::sar ? width - 1 : width;
    const std::uint64_t count = counted ? std::min(bits(node.args[1]), last) : 0;
    if (node.op == Op::sar && node.type == Type::i64 && (bit(target_) & kAvx2) != 0) {
        return expand_sar64(*this, node.type, node.args.data(), counted, count);
    }
    return counted ? emit(node.op, node.type, {node.args[0]}, count) : append(node);
}

// Mask registers.

// A mask as lanes as wide as `type`; lanes stay as they are.
NodeId Legaliser::as_lanes(NodeId id, Type type) {
    if (!mask_registers_ || !in_mask_register(id)) {
        return id;
    }
    const Type integer = integer_of(type);
    if (is_constant(id)) {
        const std::uint64_t ones = lane_bytes(type) == 8 ? ~std::uint64_t{0} : 0xffffffff;
        return constant(integer, bits(id) != 0 ? ones : 0);
    }
    for (const auto& [mask, lanes] : latest(lanes_of_masks_)) {
        if (mask == id && body_.nodes[lanes].type == integer) {
            return lanes;
        }
    }
    const NodeId lanes = emit(Op::cast, integer, {id});
    lanes_of_masks_.emplace_back(id, lanes);
    return lanes;
}

NodeId Legaliser::as_mask(NodeId id) {
    if (!mask_registers_ || in_mask_register(id)) {
        return id;
    }
    return emit(Op::cast, mask_of(body_.nodes[id].type), {id});
}

// A mask as an i32, 0 or 1.
NodeId Legaliser::as_bool(NodeId id) {
    const NodeId one = constant(Type::i32, 1);
    if (mask_registers_) {
        return emit(Op::select, Type::i32, {as_mask(id), one});
    }
    if (lane_bytes(body_.nodes[id].type) == 8) {
        id = emit(Op::m32_from_m64, Type::m32, {id});
    }
    return emit(Op::bit_and, Type::i32, {id, one});
}

NodeId Legaliser::as_stored(const ProgramOutput& output) {
    const NodeId value = translated_[output.value];
    if (output.bits) {
        return as_mask(value);
    }
    return is_mask(output.type) ? as_bool(value)
                                : as_lanes(value, program_.graph.type(output.value));
}

// Lanes & mask needs no lanes for the mask: it is a select.
NodeId Legaliser::combine_with_masks(const Node& node) {
    const NodeId a = node.args[0];
    const NodeId b = node.args[1];
    if (node.op == Op::bit_and && in_mask_register(a) != in_mask_register(b)) {
        return in_mask_register(a) ? emit(Op::select, node.type, {a, b})
                                   : emit(Op::select, node.type, {b, a});
    }
    if (node.op == Op::bit_andnot && in_mask_register(a) && !in_mask_register(b)) {
        return emit(Op::select, node.type, {a, constant(node.type, 0), b});
    }
    return emit(node.op, node.type, {as_lanes(a, node.type), as_lanes(b, node.type)});
}

NodeId Legaliser::translate_for_mask_registers(Node node, const Node& source) {
    const bool wants_mask = is_mask(node.type);
    switch (node.op) {
    case Op::m64_from_m32:
    case Op::m32_from_m64:
        return as_mask(node.args[0]);
    case Op::constant:
        return append(node);
    case Op::rare:
    case Op::select:
        node.args[0] = as_mask(node.args[0]);
        break;
    default:
        break;
    }
    if (wants_mask && is_bitwise(node.op)) {
        return emit(node.op, node.type, {as_mask(node.args[0]), as_mask(node.args[1])});
    }
    if (wants_mask && node.op == Op::select) {
        const NodeId yes = emit(Op::bit_and, node.type, {node.args[0], as_mask(node.args[1])});
        const NodeId no = emit(Op::bit_andnot, node.type, {node.args[0], as_mask(node.args[2])});
        return emit(Op::bit_or, node.type, {yes, no});
    }
    if (is_bitwise(node.op)) {
        return combine_with_masks(node);
    }
    const std::size_t first = node.op == Op::rare || node.op == Op::select ? 1 : 0;
    for (std::size_t i = first; i < node.count; ++i) {
        node.args[i] = as_lanes(node.args[i], program_.graph.type(source.args[i]));
    }
    const bool compares = node.count == 2;  // the only other operations that yield masks
    if (wants_mask && !(compares && node.op != Op::rare)) {
        node.type = integer_of(node.type);
        return as_mask(append(node));
    }
    return append(node);
}

NodeId Legaliser::translate(const Node& source) {
    Node node = source;
    for (std::size_t i = 0; i < node.count; ++i) {
        node.args[i] = translated_[source.args[i]];
    }
    if (is_shift(node.op)) {
        node.args[0] = as_lanes(node.args[0], node.type);
        node.args[1] = as_lanes(node.args[1], node.type);
        return translate_shift(node);
    }
    if (const Expansion expansion = expansion_of(node.op, node.type, target_)) {
        for (std::size_t i = 0; i < node.count; ++i) {
            node.args[i] = as_lanes(node.args[i], node.type);
        }
        return expansion(*this, node.type, node.args.data());
    }
    if (node.op == Op::select && is_zero(node.args[2])) {
        node.count = 2;
        node.args[2] = 0;
        if (!mask_registers_ || is_mask(node.type)) {
            node.op = Op::bit_and;
        }
    }
    return mask_registers_ ? translate_for_mask_registers(node, source) : append(node);
}

NodeId Legaliser::translate_root(const NewtonRoot& root) {
    const auto emit_node = [this](Op op, Type type, std::initializer_list<NodeId> args,
                                  std::uint64_t payload) {
        return op == Op::constant ? constant(type, payload) : emit(op, type, args, payload);
    };
    const NodeId x = translated_[program_.graph[root.node].args[0]];
    return write_newton_root(emit_node, target_, x, root.may_be_huge);
}

void Legaliser::mark_needed() {
    const Graph& graph = program_.graph;
    needed_.assign(graph.size(), 0);
    for (const ProgramOutput& output : program_.outputs) {
        needed_[output.value] = 1;
    }
    for (const ProgramState& state : program_.states) {
        needed_[state.next] = 1;
    }
    for (std::size_t id = graph.size(); id-- > 0;) {
        if (needed_[id]) {
            const Node& node = graph[static_cast<NodeId>(id)];
            body_.lane_bytes = std::max(body_.lane_bytes, lane_bytes(node.type));
            for (const NodeId argument : node.arguments()) {
                needed_[argument] = 1;
            }
        }
    }
}

void Legaliser::finish() {
    body_.inputs = program_.inputs;
    body_.outputs = program_.outputs;
    body_.has_steps = !program_.states.empty();
    for (const ProgramInput& input : body_.inputs) {
        body_.has_steps = body_.has_steps || input.per_step;
    }
    for (ProgramOutput& output : body_.outputs) {
        output.value = as_stored(output);
        body_.has_steps = body_.has_steps || output.per_step;
    }
    std::vector<NodeId> node_of_input(body_.inputs.size(), kNoNode);
    for (NodeId id = 0; id < body_.nodes.size(); ++id) {
        if (body_.nodes[id].op == Op::input) {
            node_of_input[body_.nodes[id].payload] = id;
        }
    }
    for (const ProgramState& state : program_.states) {
        const NodeId next = as_lanes(translated_[state.next], program_.graph.type(state.next));
        body_.states.push_back({node_of_input[state.input], next, state.input});
    }
}

Body Legaliser::run() {
    mark_needed();
    const Graph& graph = program_.graph;
    translated_.assign(graph.size(), kNoNode);
    body_.nodes.reserve(graph.size() + graph.size() / 4 + 16);
    const std::vector<NewtonRoot> roots = choose_newton_roots(program_, needed_, target_);
    auto root = roots.begin();
    for (NodeId id = 0; id < graph.size(); ++id) {
        if (root != roots.end() && root->node == id) {
            translated_[id] = translate_root(*root++);
        } else if (needed_[id]) {
            translated_[id] = translate(graph[id]);
        }
    }
    finish();
    return std::move(body_);
}

}  // namespace

bool Body::uses(Op op) const noexcept {
    return std::any_of(nodes.begin(), nodes.end(), [&](const Node& n) { return n.op == op; });
}

Body legalise(const Program& program, Target target) {
    Body body = Legaliser(program, target).run();
    if (target == Target::avx512) {
        join_ternary_logic(body);
    }
    return body;
}

}  // namespace bitaxon::jit
