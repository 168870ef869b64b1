#include "graph.hpp"

#include "semantics.hpp"

#include <bitaxon/core/error.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>

namespace bitaxon::jit {
namespace {

constexpr OpInfo kOps[] = {
#define BITAXON_JIT_OP(id, text, kind, arity) {#id, text, OpKind::kind, arity},
#include "ops.def"
#undef BITAXON_JIT_OP
};

// Most texts need no more.
constexpr std::size_t kFirstNodes = 64;

std::uint64_t hash(const Node& node) noexcept {
    constexpr std::uint64_t multiplier = 0x9e3779b97f4a7c15;
    std::uint64_t h = static_cast<std::uint64_t>(node.op) << 8 | static_cast<std::uint64_t>(node.type);
    h = (h ^ node.payload) * multiplier;
    for (const NodeId argument : node.arguments()) {
        h = (std::rotl(h, 23) ^ argument) * multiplier;
    }
    h = (h ^ h >> 32) * multiplier;  // round doubles have no low bits of their own
    return h ^ h >> 32;
}

bool is_commutative(Op op) noexcept {
    switch (op) {
        case Op::add:
        case Op::mul:
        case Op::fma:  // the first two operands, as in fms and fnma
        case Op::fms:
        case Op::fnma:
        case Op::min:
        case Op::max:
        case Op::bit_and:
        case Op::bit_or:
        case Op::bit_xor:
        case Op::mul_low_u32:
        case Op::float_equal:
        case Op::float_unordered:
        case Op::int_equal:
        case Op::equal:
        case Op::not_equal:
        case Op::hypot: return true;
        default: return false;
    }
}

void order_operands(Node& node) noexcept {
    if (is_commutative(node.op) && node.args[1] < node.args[0]) {
        std::swap(node.args[0], node.args[1]);
    }
}

std::uint64_t lane_mask(Type type) noexcept {
    return lane_bytes(type) == 8 ? ~std::uint64_t{0} : 0xffffffff;
}

// The argument that the operation leaves as it is, or kNoNode. Holds for NaN, infinities and -0.
NodeId unchanged_argument(const Graph& graph, const Node& node) noexcept {
    const auto is = [&](std::size_t argument, double value) {
        const Node& n = graph[node.args[argument]];
        if (n.op != Op::constant) {
            return false;
        }
        if (!is_float(n.type)) {
            return graph.integer_value(node.args[argument]) == static_cast<std::int64_t>(value);
        }
        const double v = graph.value(node.args[argument]);
        return v == value && std::signbit(v) == std::signbit(value);
    };
    const auto bits_are = [&](std::size_t argument, std::uint64_t bits) {
        const Node& n = graph[node.args[argument]];
        return n.op == Op::constant && n.payload == (bits & lane_mask(n.type));
    };
    const NodeId a = node.args[0];
    const NodeId b = node.args[1];
    switch (node.op) {
        case Op::add:
            return is(1, -0.0) ? a : is(0, -0.0) ? b : kNoNode;  // an integer's -0.0 is its 0
        case Op::sub: return is(1, 0.0) ? a : kNoNode;
        case Op::mul: return is(1, 1) ? a : is(0, 1) ? b : kNoNode;
        case Op::div: return is(1, 1) ? a : kNoNode;
        case Op::bit_and: return bits_are(1, ~0ULL) ? a : bits_are(0, ~0ULL) || a == b ? b : kNoNode;
        case Op::bit_or: return bits_are(1, 0) ? a : bits_are(0, 0) || a == b ? b : kNoNode;
        case Op::bit_xor: return bits_are(1, 0) ? a : bits_are(0, 0) ? b : kNoNode;
        case Op::bit_andnot: return bits_are(0, 0) ? b : kNoNode;
        case Op::shl:
        case Op::shr:
        case Op::sar: return bits_are(1, 0) ? a : kNoNode;
        case Op::select:
            if (node.args[1] == node.args[2] || bits_are(0, ~0ULL)) {
                return node.args[1];
            }
            return bits_are(0, 0) ? node.args[2] : kNoNode;
        default: return kNoNode;
    }
}

}  // namespace

const OpInfo& info(Op op) noexcept { return kOps[static_cast<std::size_t>(op)]; }

std::string_view name(Type type) noexcept {
    constexpr std::string_view names[] = {"f32", "f64", "i16", "i32", "i64", "m32", "m64"};
    return names[static_cast<std::size_t>(type)];
}

std::string_view name(MathMode mode) noexcept {
    constexpr std::string_view names[] = {"strict", "contract", "fast"};
    return names[static_cast<std::size_t>(mode)];
}

NodeId Graph::make(Op op, Type type, std::span<const NodeId> args, std::uint64_t payload) {
    Node node{op, type, static_cast<std::uint8_t>(args.size()), {}, payload};
    bool all_constant = !args.empty();
    for (std::size_t i = 0; i < args.size(); ++i) {
        node.args[i] = args[i];
        all_constant = all_constant && is_constant(args[i]);
    }
    if (all_constant && type != Type::i16) {
        if (const PrimitiveFunction function = primitive_function(op, type)) {
            const DefaultFloatEnvironment environment;
            std::array<std::uint64_t, kMaxArguments> lanes{};
            std::array<const void*, kMaxArguments> pointers{};
            for (std::size_t i = 0; i < args.size(); ++i) {
                lanes[i] = nodes_[args[i]].payload;
                pointers[i] = &lanes[i];
            }
            std::uint64_t bits = 0;  // lanes of 4 bytes are the low half of a word: little-endian
            function(pointers.data(), &bits, 1);
            return constant_bits(type, bits);
        }
    }
    order_operands(node);
    if (info(op).kind == OpKind::primitive) {
        if (const NodeId same = unchanged_argument(*this, node);
            same != kNoNode && lane_bytes(nodes_[same].type) == lane_bytes(type)) {
            return same;
        }
    }
    return intern(node);
}

NodeId Graph::append(Node node) {
    order_operands(node);
    nodes_.push_back(node);
    return static_cast<NodeId>(nodes_.size() - 1);
}

NodeId Graph::intern(const Node& node) {
    if (entered_ < nodes_.size() || table_.size() < 2 * (nodes_.size() + 1)) {
        enter_nodes();
    }
    const std::size_t last = table_.size() - 1;
    std::size_t slot = hash(node) & last;
    for (; table_[slot] != kNoNode; slot = (slot + 1) & last) {
        if (nodes_[table_[slot]] == node) {
            return table_[slot];
        }
    }
    if (nodes_.size() >= kMaxNodes) {
        throw_error(ErrorCode::invalid_value, "expression", "one that grows without bounds",
                    fmt::format("at most {} operations; split it into several", kMaxNodes));
    }
    const auto id = static_cast<NodeId>(nodes_.size());
    table_[slot] = id;
    if (nodes_.capacity() == 0) {
        nodes_.reserve(kFirstNodes);
    }
    nodes_.push_back(node);
    ++entered_;
    return id;
}

// Twice as many slots as there may be nodes.
void Graph::enter_nodes() {
    if (table_.size() < 2 * (nodes_.size() + 1)) {
        const std::size_t room = std::max<std::size_t>(nodes_.size() + 1, nodes_.capacity());
        table_.assign(std::bit_ceil(std::max<std::size_t>(256, 2 * room)), kNoNode);
        entered_ = 0;
    }
    const std::size_t last = table_.size() - 1;
    for (; entered_ < nodes_.size(); ++entered_) {
        std::size_t slot = hash(nodes_[entered_]) & last;
        while (table_[slot] != kNoNode) {
            slot = (slot + 1) & last;
        }
        table_[slot] = static_cast<NodeId>(entered_);
    }
}

NodeId Graph::constant_bits(Type type, std::uint64_t bits) {
    return intern(Node{Op::constant, type, 0, {}, bits & lane_mask(type)});
}

NodeId Graph::constant(Type type, double value) {
    switch (type) {
        case Type::f32: return constant_bits(type, std::bit_cast<std::uint32_t>(static_cast<float>(value)));
        case Type::f64: return constant_bits(type, std::bit_cast<std::uint64_t>(value));
        default: return integer(type, static_cast<std::int64_t>(value));
    }
}

NodeId Graph::integer(Type type, std::int64_t value) {
    if (is_float(type)) {
        return constant(type, static_cast<double>(value));
    }
    return constant_bits(type, static_cast<std::uint64_t>(value));
}

double Graph::value(NodeId id) const noexcept {
    const Node& node = nodes_[id];
    return node.type == Type::f32 ? std::bit_cast<float>(static_cast<std::uint32_t>(node.payload))
                                  : std::bit_cast<double>(node.payload);
}

std::int64_t Graph::integer_value(NodeId id) const noexcept {
    const Node& node = nodes_[id];
    return lane_bytes(node.type) == 8 ? static_cast<std::int64_t>(node.payload)
                                      : static_cast<std::int32_t>(node.payload);
}

std::vector<NodeId> reachable(const Graph& graph, std::span<const NodeId> roots) {
    const NodeId end = roots.empty() ? 0 : std::ranges::max(roots) + 1;
    // At first whether a node is needed, by its number; from `first` on, those that are.
    std::vector<NodeId> nodes(end, 0);
    for (const NodeId root : roots) {
        nodes[root] = 1;
    }
    std::size_t first = end;
    for (NodeId id = end; id-- > 0;) {
        if (nodes[id] != 0) {
            for (const NodeId argument : graph[id].arguments()) {
                nodes[argument] = 1;
            }
            nodes[--first] = id;
        }
    }
    nodes.erase(nodes.begin(), nodes.begin() + static_cast<std::ptrdiff_t>(first));
    return nodes;
}

std::vector<std::uint32_t> use_counts(const Graph& graph, std::span<const NodeId> roots) {
    std::vector<std::uint32_t> uses(graph.size(), 0);
    for (const NodeId root : roots) {
        ++uses[root];
    }
    for (const NodeId id : reachable(graph, roots)) {
        for (const NodeId argument : graph[id].arguments()) {
            ++uses[argument];
        }
    }
    return uses;
}

namespace {

std::string constant_text(const Graph& graph, NodeId id) {
    const Node& node = graph[id];
    if (is_float(node.type)) {
        return node.type == Type::f32 ? fmt::format("{}", static_cast<float>(graph.value(id)))
                                      : fmt::format("{}", graph.value(id));
    }
    if (is_mask(node.type)) {
        return node.payload != 0 ? "true" : "false";
    }
    return fmt::format("{}", graph.integer_value(id));
}

std::string value_text(const Graph& graph, NodeId id) {
    return graph.is_constant(id) ? constant_text(graph, id) : fmt::format("%{}", id);
}

bool has_payload(Op op) noexcept {
    switch (op) {
        case Op::input:
        case Op::uniform:
        case Op::integer_power:
        case Op::rare:
        case Op::rand:
        case Op::randn:
        case Op::external: return true;
        default: return false;
    }
}

}  // namespace

std::string print(const Graph& graph, std::span<const NodeId> roots) {
    std::string text;
    for (const NodeId id : reachable(graph, roots)) {
        const Node& node = graph[id];
        if (node.op == Op::constant) {
            continue;  // written where they are used
        }
        text += fmt::format("%{} = {}.{}", id, info(node.op).id, name(node.type));
        if (has_payload(node.op)) {
            text += fmt::format(" #{}", static_cast<std::int64_t>(node.payload));
        }
        for (const NodeId argument : node.arguments()) {
            text += ' ' + value_text(graph, argument);
        }
        text += '\n';
    }
    text += "return";
    for (const NodeId root : roots) {
        text += ' ' + value_text(graph, root);
    }
    return text + '\n';
}

}  // namespace bitaxon::jit
