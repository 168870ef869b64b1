// The graph that a text becomes: hash-consed nodes in topological order, each value once.
//
// The same graph carries the language's operations, as parsed, and the primitives that backends run;
// lowering (ir/lower.hpp) leads from the one to the other. A node's arguments always have smaller
// numbers, so walking the nodes in order is a valid schedule, and nothing ever unfolds to a tree.
#pragma once

#include <bitaxon/jit/types.hpp>

#include <algorithm>
#include <array>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace bitaxon::jit {

enum class Op : std::uint8_t {
#define BITAXON_JIT_OP(id, text, kind, arity) id,
#include "ops.def"
#undef BITAXON_JIT_OP
};

enum class OpKind : std::uint8_t { source, primitive, language };

struct OpInfo {
    std::string_view id;
    std::string_view text;
    OpKind kind;
    int arity;  ///< -1: any
};

const OpInfo& info(Op op) noexcept;

using NodeId = std::uint32_t;
inline constexpr NodeId kNoNode = 0xffffffff;
inline constexpr std::size_t kMaxArguments = 8;

struct Node {
    Op op;
    Type type;
    std::uint8_t count = 0;
    std::array<NodeId, kMaxArguments> args{};
    std::uint64_t payload = 0;

    std::span<const NodeId> arguments() const noexcept { return {args.data(), count}; }
    bool operator==(const Node& other) const noexcept {
        return op == other.op && type == other.type && payload == other.payload &&
               std::ranges::equal(arguments(), other.arguments());
    }
};

/// Nodes are only ever appended. Making one that exists returns its number.
class Graph {
  public:
    std::size_t size() const noexcept { return nodes_.size(); }
    /// Makes room for so many nodes.
    void reserve(std::size_t count) { nodes_.reserve(count); }
    const Node& operator[](NodeId id) const noexcept { return nodes_[id]; }
    Type type(NodeId id) const noexcept { return nodes_[id].type; }

    /// The node, made if it is new. Keeps every bit: operands of commutative operations are ordered,
    /// primitives of constants are folded, identities that hold for all values (NaN, -0 and all)
    /// are applied. @throws Error when the graph outgrows kMaxNodes
    NodeId make(Op op, Type type, std::span<const NodeId> args, std::uint64_t payload = 0);
    NodeId make(Op op, Type type, std::initializer_list<NodeId> args, std::uint64_t payload = 0) {
        return make(op, type, std::span{args.begin(), args.size()}, payload);
    }

    /// Adds a node that make() has made in another graph and that differs from all others here; its
    /// operands are ordered anew.
    NodeId append(Node node);

    NodeId constant_bits(Type type, std::uint64_t bits);
    /// The number, rounded to a float type or truncated to an integer type.
    NodeId constant(Type type, double value);
    NodeId integer(Type type, std::int64_t value);

    /// Is there such a node at all?
    bool contains(Op op) const noexcept {
        return std::ranges::find(nodes_, op, &Node::op) != nodes_.end();
    }
    bool is_constant(NodeId id) const noexcept { return nodes_[id].op == Op::constant; }
    /// Value of a constant of float type.
    double value(NodeId id) const noexcept;
    /// Value of a constant of integer type.
    std::int64_t integer_value(NodeId id) const noexcept;

  private:
    NodeId intern(const Node& node);
    void enter_nodes();

    std::vector<Node> nodes_;
    /// Open addressing; its size is a power of two. Appended nodes enter it when one is made.
    std::vector<NodeId> table_;
    std::size_t entered_ = 0;
};

inline constexpr std::size_t kMaxNodes = 200'000;

/// The nodes that `roots` need, ascending.
std::vector<NodeId> reachable(const Graph& graph, std::span<const NodeId> roots);

/// How many times each node is used by those that `roots` need; a root counts as a use.
std::vector<std::uint32_t> use_counts(const Graph& graph, std::span<const NodeId> roots);

/// One line a node, for explain() and for tests: `%3 = f64 + %1 %2`.
std::string print(const Graph& graph, std::span<const NodeId> roots);

}  // namespace bitaxon::jit
