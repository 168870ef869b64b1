#include "gates.hpp"

namespace bitaxon::jit {

bool Gates::is_inverse(NodeId a, NodeId b) const noexcept {
    const auto inverts = [&](NodeId x, NodeId y) {
        const Node& node = graph_[x];
        return node.op == Op::bit_xor && ((node.args[0] == y && is(node.args[1], true)) ||
                                          (node.args[1] == y && is(node.args[0], true)));
    };
    return inverts(a, b) || inverts(b, a);
}

NodeId Gates::invert(NodeId a) {
    const Node& node = graph_[a];
    if (node.op == Op::bit_xor) {
        for (const std::size_t k : {0U, 1U}) {
            if (is(node.args[k], true)) {
                return node.args[1 - k];
            }
        }
    }
    return graph_.make(Op::bit_xor, Type::i64, {a, constant(true)});
}

NodeId Gates::both(NodeId a, NodeId b) {
    if (is(a, false) || is(b, false) || is_inverse(a, b)) {
        return constant(false);
    }
    if (a == b || is(b, true)) {
        return a;
    }
    if (is(a, true)) {
        return b;
    }
    for (const auto& [x, y] : {std::pair{a, b}, std::pair{b, a}}) {
        const Node& node = graph_[x];
        if (node.op == Op::bit_xor && (is(node.args[0], true) || is(node.args[1], true))) {
            return graph_.make(Op::bit_andnot, Type::i64, {invert(x), y});
        }
    }
    return graph_.make(Op::bit_and, Type::i64, {a, b});
}

NodeId Gates::either(NodeId a, NodeId b) {
    if (is(a, true) || is(b, true) || is_inverse(a, b)) {
        return constant(true);
    }
    if (a == b || is(b, false)) {
        return a;
    }
    return is(a, false) ? b : graph_.make(Op::bit_or, Type::i64, {a, b});
}

NodeId Gates::differ(NodeId a, NodeId b) {
    if (a == b) {
        return constant(false);
    }
    if (is_inverse(a, b)) {
        return constant(true);
    }
    for (const auto& [x, y] : {std::pair{a, b}, std::pair{b, a}}) {
        if (graph_.is_constant(x)) {
            return is(x, true) ? invert(y) : y;
        }
    }
    return graph_.make(Op::bit_xor, Type::i64, {a, b});
}

NodeId Gates::choose(NodeId select, NodeId a, NodeId b) {
    if (a == b || is(select, false)) {
        return a;
    }
    if (is(select, true)) {
        return b;
    }
    if (is(a, false) || a == select) {
        return both(select, b);
    }
    if (is(b, true) || b == select) {
        return either(select, a);
    }
    if (is(b, false) || is_inverse(b, select)) {
        return both(invert(select), a);
    }
    if (is(a, true) || is_inverse(a, select)) {
        return either(invert(select), b);
    }
    if (is_inverse(a, b)) {
        return differ(select, a);
    }
    return differ(a, both(select, differ(a, b)));
}

NodeId Gates::majority(NodeId a, NodeId b, NodeId c) {
    if (is_inverse(a, b)) {
        return c;
    }
    if (graph_.is_constant(c)) {
        return is(c, true) ? either(a, b) : both(a, b);
    }
    // Where a and b agree they decide, elsewhere c does: the adder's XOR is used again.
    return choose(differ(a, b), a, c);
}

}  // namespace bitaxon::jit
