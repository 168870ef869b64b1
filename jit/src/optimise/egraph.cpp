#include "egraph.hpp"

#include "simplify.hpp"

#include <algorithm>
#include <bit>
#include <cmath>

namespace bitaxon::jit::rewrite {
namespace {

std::uint64_t hash(const Node& node) noexcept {
    constexpr std::uint64_t kMultiplier = 0x9e3779b97f4a7c15;
    std::uint64_t h =
        (static_cast<std::uint64_t>(node.op) << 8 | static_cast<std::uint64_t>(node.type)) ^
        node.payload * kMultiplier;
    for (const NodeId argument : node.arguments()) {
        h = (std::rotl(h, 29) ^ argument) * kMultiplier;
    }
    h = (h ^ h >> 32) * kMultiplier;  // the bits of round numbers are all at the top
    return h ^ h >> 32;
}

bool is_finite_constant(const Graph& graph, NodeId id) noexcept {
    return graph.is_constant(id) && (!is_float(graph.type(id)) || std::isfinite(graph.value(id)));
}

// Constants that differ by rounding are equal: they were folded in different orders.
bool agree(const Node& a, const Node& b) noexcept {
    const auto value = [](const Node& node) {
        return node.type == Type::f32
                   ? std::bit_cast<float>(static_cast<std::uint32_t>(node.payload))
                   : std::bit_cast<double>(node.payload);
    };
    if (!is_float(a.type)) {
        return a.payload == b.payload;
    }
    const double tolerance = a.type == Type::f32 ? 0x1p-18 : 0x1p-44;
    return std::fabs(value(a) - value(b)) <=
           tolerance * std::max(std::fabs(value(a)), std::fabs(value(b)));
}

}  // namespace

ClassId EGraph::find(ClassId id) const noexcept {
    while (parent_[id] != id) {
        parent_[id] = parent_[parent_[id]];
        id = parent_[id];
    }
    return id;
}

ENodeId EGraph::skip_dead(ENodeId node) const noexcept {
    while (node != kNone && dead_[node]) {
        node = next_[node];
    }
    return node;
}

void EGraph::canonicalise(Node& node) const noexcept {
    for (std::size_t i = 0; i < node.count; ++i) {
        node.args[i] = find(node.args[i]);
    }
    if (is_commutative(node.op) && node.args[1] < node.args[0]) {
        std::swap(node.args[0], node.args[1]);
    }
}

// The slot that holds the node, or the empty one where it belongs.
std::size_t EGraph::slot_of(const Node& node) const noexcept {
    const std::size_t last = table_.size() - 1;
    std::size_t slot = hash(node) & last;
    while (table_[slot] != kNone && !(nodes_[table_[slot]] == node)) {
        slot = (slot + 1) & last;
    }
    return slot;
}

void EGraph::insert(ENodeId node) {
    if (table_.size() < 2 * (filled_ + 1)) {
        table_.assign(std::max<std::size_t>(256, 2 * table_.size()), kNone);
        filled_ = 0;
        for (ENodeId old = 0; old < nodes_.size(); ++old) {
            if (old != node && is_alive(old) && nodes_[old].op != Op::external) {
                insert(old);
            }
        }
    }
    const std::size_t slot = slot_of(nodes_[node]);
    filled_ += table_[slot] == kNone ? 1u : 0u;
    table_[slot] = node;
}

void EGraph::add_user(ClassId id, ENodeId user) {
    const auto link = static_cast<std::uint32_t>(users_.size());
    users_.push_back({user, kNone});
    Class& used = classes_[id];
    if (used.last_user == kNone) {
        used.first_user = link;
    } else {
        users_[used.last_user].next = link;
    }
    used.last_user = link;
}

ClassId EGraph::add(Node node) {
    canonicalise(node);
    const bool may_be_known = !table_.empty() && node.op != Op::external;
    if (may_be_known) {
        if (const ENodeId known = table_[slot_of(node)]; known != kNone) {
            return class_of(known);
        }
    }
    if (const ClassId folded = add_folded(node); folded != kNone) {
        return folded;
    }
    const auto id = static_cast<ENodeId>(nodes_.size());
    const auto new_class = static_cast<ClassId>(classes_.size());
    nodes_.push_back(node);
    class_of_.push_back(new_class);
    next_.push_back(kNone);
    dead_.push_back(0);
    parent_.push_back(new_class);
    classes_.push_back(Class{node.type, id, id});
    if (node.op == Op::constant) {
        classes_.back().constant = id;
    }
    for (const ClassId argument : node.arguments()) {
        add_user(argument, id);
    }
    if (node.op != Op::external) {
        insert(id);
    }
    return new_class;
}

// The class of the constant that an operation of constants is.
ClassId EGraph::add_folded(const Node& node) {
    Node folding = node;
    for (std::size_t i = 0; i < node.count; ++i) {
        const ENodeId value = constant(node.args[i]);
        if (value == kNone) {
            return kNone;
        }
        folding.args[i] = constants_.constant_bits(nodes_[value].type, nodes_[value].payload);
    }
    if (node.count == 0 || node.op == Op::external) {
        return kNone;
    }
    const auto folded = fold(constants_, folding);
    const NodeId result =
        folded ? *folded
               : constants_.make(folding.op, folding.type, folding.arguments(), folding.payload);
    if (!is_finite_constant(constants_, result)) {
        return kNone;
    }
    return add(Node{Op::constant, node.type, 0, {}, constants_[result].payload});
}

void EGraph::merge(ClassId a, ClassId b) {
    a = find(a);
    b = find(b);
    if (a == b) {
        return;
    }
    if (b < a) {
        std::swap(a, b);  // the older one stays, so that results don't depend on anything else
    }
    Class& into = classes_[a];
    const Class& from = classes_[b];
    if (into.constant != kNone && from.constant != kNone) {
        contradictory_ = contradictory_ || !agree(nodes_[into.constant], nodes_[from.constant]);
    }
    parent_[b] = a;
    next_[into.last] = from.first;
    into.last = from.last;
    if (into.constant == kNone) {
        into.constant = from.constant;
    }
    if (from.first_user != kNone) {
        if (into.last_user == kNone) {
            into.first_user = from.first_user;
        } else {
            users_[into.last_user].next = from.first_user;
        }
        into.last_user = from.last_user;
    }
    changed_.push_back(a);
}

void EGraph::rebuild() {
    while (!changed_.empty()) {
        std::vector<ClassId> changed = std::move(changed_);
        changed_.clear();
        for (ClassId& id : changed) {
            id = find(id);
        }
        std::sort(changed.begin(), changed.end());
        changed.erase(std::unique(changed.begin(), changed.end()), changed.end());
        for (const ClassId id : changed) {
            for (std::uint32_t link = classes_[id].first_user; link != kNone;
                 link = users_[link].next) {
                const ENodeId user = users_[link].node;
                if (dead_[user]) {
                    continue;
                }
                Node node = nodes_[user];
                canonicalise(node);
                if (node.op == Op::external) {
                    nodes_[user] = node;
                    continue;
                }
                const ENodeId equal = table_[slot_of(node)];
                if (equal != kNone && equal != user && is_alive(equal)) {
                    dead_[user] = 1;
                    merge(class_of_[equal], class_of_[user]);
                    continue;
                }
                nodes_[user] = node;
                insert(user);
                if (const ClassId folded = add_folded(node); folded != kNone) {
                    merge(folded, class_of_[user]);
                }
            }
        }
    }
}

}  // namespace bitaxon::jit::rewrite
