#include "simplify.hpp"

#include "powers.hpp"
#include "ranges.hpp"
#include "rules.hpp"

#include <fmt/format.h>

#include <cmath>

namespace bitaxon::jit::rewrite {

std::optional<NodeId> fold(Graph& graph, const Node& node) {
    for (const NodeId argument : node.arguments()) {
        if (!graph.is_constant(argument)) {
            return std::nullopt;
        }
    }
    if (node.count == 0 || node.type == Type::i16) {
        return std::nullopt;
    }
    const NodeId a = node.args[0];
    const NodeId b = node.args[1];
    const Type from = graph.type(a);
    const auto real = [&](NodeId id) { return graph.value(id); };
    const auto whole = [&](NodeId id) { return graph.integer_value(id); };
    const auto mask = [&](bool value) {
        return graph.constant_bits(node.type, value ? ~std::uint64_t{0} : 0);
    };
    const bool floats = is_float(from);
    switch (node.op) {
    case Op::negate:
        return floats ? graph.constant(node.type, -real(a))
                      : graph.constant_bits(node.type, 0 - graph[a].payload);
    case Op::abs:
        if (floats) {
            return graph.constant(node.type, std::fabs(real(a)));
        }
        return std::nullopt;
    case Op::logical_not:
    case Op::bit_not:
        return graph.constant_bits(node.type, ~graph[a].payload);
    case Op::less:
        return mask(floats ? real(a) < real(b) : whole(a) < whole(b));
    case Op::less_equal:
        return mask(floats ? real(a) <= real(b) : whole(a) <= whole(b));
    case Op::equal:
        return mask(floats ? real(a) == real(b) : whole(a) == whole(b));
    case Op::not_equal:
        return mask(floats ? real(a) != real(b) : whole(a) != whole(b));
    case Op::cast:
        if (is_float(node.type) && floats) {
            return graph.constant(node.type, real(a));
        }
        if (is_float(node.type) && from == Type::i32) {
            return graph.constant(node.type, static_cast<double>(whole(a)));
        }
        return std::nullopt;
    default:
        return std::nullopt;
    }
}

namespace {

class Simplifier {
  public:
    Simplifier(MathMode mode, std::size_t expected) : mode_(mode), ranges_(graph_) {
        graph_.reserve(expected);
    }

    NodeId make(const Node& node) {
        if (const auto folded = fold(graph_, node)) {
            return *folded;
        }
        if (node.op == Op::cast && graph_.type(node.args[0]) == node.type) {
            return node.args[0];
        }
        if (node.op == Op::integer_power) {
            return power(node.type, node.args[0], static_cast<std::int64_t>(node.payload));
        }
        if (const auto exponent = integral_exponent(node)) {
            return power(node.type, node.args[0], *exponent);
        }
        const NodeId id = graph_.make(node.op, node.type, node.arguments(), node.payload);
        return apply_rules(id);
    }

    Rewritten finish(std::span<const NodeId> roots) {
        Rewritten result = *substitute(graph_, roots, {});  // without replacements no circle
        for (const auto& [text, times] : applied_) {
            result.applied.push_back(times == 1 ? std::string(text)
                                                : fmt::format("{}, {} times", text, times));
        }
        return result;
    }

  private:
    // In `fast` x^2.0 is what x^2 is.
    std::optional<std::int64_t> integral_exponent(const Node& node) const {
        if (mode_ != MathMode::fast || node.op != Op::power || !is_float(node.type) ||
            !graph_.is_constant(node.args[1])) {
            return std::nullopt;
        }
        const double exponent = graph_.value(node.args[1]);
        if (std::trunc(exponent) != exponent || std::fabs(exponent) > kMaxIntegerPower) {
            return std::nullopt;
        }
        return static_cast<std::int64_t>(exponent);
    }

    NodeId power(Type type, NodeId x, std::int64_t n) {
        return expand_integer_power(graph_, type, x, static_cast<int>(n));
    }

    NodeId apply_rules(NodeId id) {
        const Node node = graph_[id];
        for (const Rule& rule : rules_.strict_of(node.op)) {
            Bindings bindings = kNoBindings;
            if (rewrite::matches(rule.domain, node.type) && match(rule.pattern, id, bindings) &&
                holds(rule, bindings)) {
                note(rule.text);
                return build(rule.replacement, node.type, bindings);
            }
        }
        return id;
    }

    bool match(std::uint16_t number, NodeId id, Bindings& bindings) const {
        const Pattern& pattern = rules_.pattern(number);
        const Node& node = graph_[id];
        switch (pattern.kind) {
        case PatternKind::number:
        case PatternKind::boolean:
            return node.op == Op::constant &&
                   is_constant_of(pattern, node.type, node.payload, false);
        case PatternKind::constant_variable:
            if (node.op != Op::constant) {
                return false;
            }
            [[fallthrough]];
        case PatternKind::variable: {
            std::uint32_t& bound = bindings[pattern.variable];
            if (bound == kUnbound) {
                bound = id;
            }
            return bound == id;
        }
        case PatternKind::operation:
            break;
        }
        if (node.op != pattern.op || node.count != pattern.count) {
            return false;
        }
        for (std::size_t i = 0; i < node.count; ++i) {
            if (pattern.heads[i] && *pattern.heads[i] != graph_[node.args[i]].op) {
                return false;
            }
        }
        for (std::size_t i = 0; i < node.count; ++i) {
            if (!match(pattern.args[i], node.args[i], bindings)) {
                return false;
            }
        }
        return true;
    }

    bool holds(const Rule& rule, const Bindings& bindings) {
        const NodeId id = bindings[rule.condition_variable];
        switch (rule.condition) {
        case Condition::none:
            return true;
        case Condition::never_negative:
            return ranges_.of(id).is_never_negative();
        default:
            return rewrite::holds(rule.condition, graph_.type(id), graph_[id].payload);
        }
    }

    NodeId build(std::uint16_t number, Type type, const Bindings& bindings) {
        const Pattern& pattern = rules_.pattern(number);
        switch (pattern.kind) {
        case PatternKind::variable:
        case PatternKind::constant_variable:
            return bindings[pattern.variable];
        case PatternKind::number:
            return graph_.constant(type, pattern.number);
        case PatternKind::boolean:
            return graph_.constant_bits(type, pattern.number != 0 ? ~std::uint64_t{0} : 0);
        case PatternKind::operation:
            break;
        }
        Node node{pattern.op, type, pattern.count};
        for (std::size_t i = 0; i < pattern.count; ++i) {
            node.args[i] = build(pattern.args[i], type, bindings);
        }
        node.type = type_of(pattern.op, type, graph_.type(node.args[0]));
        return make(node);
    }

    void note(std::string_view text) {
        for (auto& [known, times] : applied_) {
            if (known == text) {
                ++times;
                return;
            }
        }
        applied_.emplace_back(text, 1);
    }

    const Rules& rules_ = rules();
    MathMode mode_;
    Graph graph_;
    Ranges ranges_;
    std::vector<std::pair<std::string_view, int>> applied_;
};

}  // namespace

Rewritten simplify(const Graph& source, std::span<const NodeId> order,
                   std::span<const NodeId> roots, MathMode mode) {
    Simplifier simplifier(mode, order.size());
    std::vector<NodeId> image(source.size(), kNoNode);
    for (const NodeId id : order) {
        Node node = source[id];
        for (std::size_t i = 0; i < node.count; ++i) {
            node.args[i] = image[node.args[i]];
        }
        if (info(node.op).kind == OpKind::source) {
            node.count = 0;
        }
        image[id] = simplifier.make(node);
    }
    std::vector<NodeId> new_roots;
    for (const NodeId root : roots) {
        new_roots.push_back(image[root]);
    }
    return simplifier.finish(new_roots);
}

}  // namespace bitaxon::jit::rewrite
