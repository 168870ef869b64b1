#include "ternary_logic.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>
#include <vector>

namespace bitaxon::jit {
namespace {

constexpr std::size_t kMostValues = 3;
// What the values are in the eight cases that a truth table lists.
constexpr std::array<std::uint8_t, kMostValues> kCases = {0xf0, 0xcc, 0xaa};

/// Up to three values, and what bitwise operations make of them.
struct Cone {
    std::array<NodeId, kMostValues> values{};
    std::size_t count = 0;
    std::uint8_t table = 0;

    std::size_t find(NodeId value) const {
        const auto end = values.begin() + static_cast<std::ptrdiff_t>(count);
        return static_cast<std::size_t>(std::find(values.begin(), end, value) - values.begin());
    }
    /// Its place, if there is room for it.
    std::optional<std::size_t> add(NodeId value) {
        const std::size_t at = find(value);
        if (at == kMostValues) {
            return std::nullopt;
        }
        if (at == count) {
            values[count++] = value;
        }
        return at;
    }
};

bool at(std::uint8_t table, std::size_t index) { return (table >> index & 1) != 0; }

std::uint8_t apply(Op op, unsigned a, unsigned b) {
    switch (op) {
    case Op::bit_and:
        return static_cast<std::uint8_t>(a & b);
    case Op::bit_or:
        return static_cast<std::uint8_t>(a | b);
    case Op::bit_xor:
        return static_cast<std::uint8_t>(a ^ b);
    default:  // bit_andnot
        return static_cast<std::uint8_t>(~a & b);
    }
}

// A table over `from`'s values as one over `to`'s, which has them all.
std::uint8_t moved(const Cone& from, const Cone& to) {
    unsigned table = 0;
    for (std::size_t index = 0; index < 8; ++index) {
        std::size_t source = 0;
        for (std::size_t k = 0; k < from.count; ++k) {
            if (at(kCases[to.find(from.values[k])], index)) {
                source |= std::size_t{4} >> k;
            }
        }
        table |= unsigned{at(from.table, source)} << index;
    }
    return static_cast<std::uint8_t>(table);
}

// The outer cone with the inner one in place of its value `joined`.
std::optional<Cone> join(const Cone& outer, NodeId joined, const Cone& inner) {
    Cone result;
    for (std::size_t k = 0; k < outer.count; ++k) {
        if (outer.values[k] != joined) {
            result.add(outer.values[k]);
        }
    }
    for (std::size_t k = 0; k < inner.count; ++k) {
        if (!result.add(inner.values[k])) {
            return std::nullopt;
        }
    }
    const std::uint8_t made = moved(inner, result);
    unsigned table = 0;
    for (std::size_t index = 0; index < 8; ++index) {
        std::size_t source = 0;
        for (std::size_t k = 0; k < outer.count; ++k) {
            const std::uint8_t value =
                outer.values[k] == joined ? made : kCases[result.find(outer.values[k])];
            source |= at(value, index) ? std::size_t{4} >> k : 0;
        }
        table |= unsigned{at(outer.table, source)} << index;
    }
    result.table = static_cast<std::uint8_t>(table);
    return result;
}

// Joined into more readers, a value would save one instruction and cost copies, for the result of
// each overwrites one of its values.
constexpr std::size_t kMostReaders = 2;

class Joiner {
  public:
    explicit Joiner(Body& body) : body_(body) {}
    void run();

  private:
    std::optional<Cone> cone_of(const Node& node) const;
    void list_readers();
    void add_reader(NodeId value, NodeId reader) {
        if (cones_[value]) {
            readers_[value].push_back(reader);
        }
    }
    bool join_into_readers(NodeId id);
    void write_joined();
    std::vector<char> list_needed() const;
    void drop_unneeded();

    Body& body_;
    std::vector<std::optional<Cone>> cones_;    // of each node
    std::vector<std::vector<NodeId>> readers_;  // of each cone; kNoNode for what isn't a primitive
    std::vector<char> is_joined_;
    std::vector<NodeId> pending_;  // to be tried, the last one first
};

std::optional<Cone> Joiner::cone_of(const Node& node) const {
    const bool is_bitwise = node.op == Op::bit_and || node.op == Op::bit_or ||
                            node.op == Op::bit_xor || node.op == Op::bit_andnot;
    if (!is_bitwise || is_mask(node.type)) {
        return std::nullopt;
    }
    Cone cone;
    std::array<std::uint8_t, 2> cases{};
    for (std::size_t k = 0; k < 2; ++k) {
        const Node& argument = body_.nodes[node.args[k]];
        const std::uint64_t ones = ~std::uint64_t{0} >> (64 - 8 * lane_bytes(node.type));
        if (argument.op == Op::constant && (argument.payload & ones) == ones) {
            cases[k] = 0xff;
        } else {
            cases[k] = kCases[*cone.add(node.args[k])];
        }
    }
    cone.table = apply(node.op, cases[0], cases[1]);
    return cone;
}

std::vector<char> Joiner::list_needed() const {
    std::vector<char> needed(body_.nodes.size(), 0);
    for (const ProgramOutput& output : body_.outputs) {
        needed[output.value] = 1;
    }
    for (const BodyState& state : body_.states) {
        needed[state.next] = 1;
        if (state.now != kNoNode) {
            needed[state.now] = 1;
        }
    }
    for (std::size_t id = needed.size(); id-- > 0;) {
        if (needed[id] != 0) {
            for (const NodeId argument : body_.nodes[id].arguments()) {
                needed[argument] = 1;
            }
        }
    }
    return needed;
}

void Joiner::list_readers() {
    const std::vector<char> needed = list_needed();
    for (NodeId id = 0; id < needed.size(); ++id) {
        if (needed[id] == 0) {
            continue;
        }
        const Node& node = body_.nodes[id];
        cones_[id] = cone_of(node);
        if (const std::optional<Cone>& cone = cones_[id]) {
            for (std::size_t k = 0; k < cone->count; ++k) {
                add_reader(cone->values[k], id);
            }
        } else {
            for (const NodeId argument : node.arguments()) {
                add_reader(argument, id);
            }
        }
    }
    for (const ProgramOutput& output : body_.outputs) {
        add_reader(output.value, kNoNode);
    }
    for (const BodyState& state : body_.states) {
        add_reader(state.next, kNoNode);
    }
}

bool Joiner::join_into_readers(NodeId id) {
    if (readers_[id].empty() || readers_[id].size() > kMostReaders) {
        return false;
    }
    const std::vector<NodeId> readers = readers_[id];
    const Cone inner = *cones_[id];
    std::array<Cone, kMostReaders> joined;
    for (std::size_t k = 0; k < readers.size(); ++k) {
        const NodeId reader = readers[k];
        if (reader == kNoNode || !cones_[reader] ||
            body_.nodes[reader].type != body_.nodes[id].type) {
            return false;
        }
        const std::optional<Cone> cone = join(*cones_[reader], id, inner);
        if (!cone || cone->count == 0) {
            return false;
        }
        joined[k] = *cone;
    }
    for (std::size_t i = 0; i < inner.count; ++i) {
        const NodeId value = inner.values[i];
        std::erase(readers_[value], id);
        for (const NodeId reader : readers) {
            if (cones_[reader]->find(value) == cones_[reader]->count) {
                add_reader(value, reader);
            }
        }
    }
    for (std::size_t k = 0; k < readers.size(); ++k) {
        cones_[readers[k]] = joined[k];
        is_joined_[readers[k]] = 1;
        // What had no room before may have it now.
        pending_.insert(pending_.end(), joined[k].values.begin(),
                        joined[k].values.begin() + static_cast<std::ptrdiff_t>(joined[k].count));
    }
    readers_[id].clear();
    return true;
}

void Joiner::write_joined() {
    for (std::size_t id = 0; id < is_joined_.size(); ++id) {
        if (is_joined_[id] == 0) {
            continue;
        }
        const Cone& cone = *cones_[id];
        Node& node = body_.nodes[id];
        node.op = Op::bit_xor;
        node.count = kMostValues;
        for (std::size_t k = 0; k < kMostValues; ++k) {
            node.args[k] = cone.values[std::min(k, cone.count - 1)];
        }
        node.payload = cone.table;
    }
}

void Joiner::drop_unneeded() {
    const std::vector<char> needed = list_needed();
    std::vector<NodeId> number(needed.size(), kNoNode);
    std::vector<Node> kept;
    for (std::size_t id = 0; id < needed.size(); ++id) {
        if (needed[id] == 0) {
            continue;
        }
        number[id] = static_cast<NodeId>(kept.size());
        kept.push_back(body_.nodes[id]);
        for (std::size_t k = 0; k < kept.back().count; ++k) {
            kept.back().args[k] = number[kept.back().args[k]];
        }
    }
    for (ProgramOutput& output : body_.outputs) {
        output.value = number[output.value];
    }
    for (BodyState& state : body_.states) {
        state.next = number[state.next];
        if (state.now != kNoNode) {
            state.now = number[state.now];
        }
    }
    body_.nodes = std::move(kept);
}

void Joiner::run() {
    cones_.resize(body_.nodes.size());
    readers_.resize(body_.nodes.size());
    is_joined_.assign(body_.nodes.size(), 0);
    list_readers();
    for (std::size_t id = body_.nodes.size(); id-- > 0;) {
        pending_.push_back(static_cast<NodeId>(id));
    }
    bool any = false;
    while (!pending_.empty()) {
        const NodeId id = pending_.back();
        pending_.pop_back();
        any = join_into_readers(id) || any;
    }
    if (any) {
        write_joined();
        drop_unneeded();
    }
}

}  // namespace

void join_ternary_logic(Body& body) { Joiner(body).run(); }

}  // namespace bitaxon::jit
