#include "value.hpp"

#include "literals.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace bitaxon::jit {
namespace {

// Of two number types the float, else the wider.
Type joined(Type a, Type b) noexcept {
    if (is_float(a) != is_float(b)) {
        return is_float(a) ? a : b;
    }
    return std::max(a, b);
}

}  // namespace

// Types.

Type TypedGraph::common_type(Values values) const {
    std::optional<Type> type;
    bool has_float_literal = false;
    for (const Value& value : values) {
        if (value.weak) {
            has_float_literal = has_float_literal || value.form != Value::Form::integer;
        } else if (!is_mask(value)) {
            const Type own = graph_.type(value.node);
            type = type ? joined(*type, own) : own;
        }
    }
    return !type || (has_float_literal && jit::is_integer(*type)) ? real_ : *type;
}

Type TypedGraph::common_float(Values values) const {
    const Type type = common_type(values);
    return is_float(type) ? type : real_;
}

bool TypedGraph::is_mask(const Value& value) const {
    return value.form == Value::Form::node && jit::is_mask(graph_.type(value.node));
}

bool TypedGraph::is_integer(const Value& value) const {
    return value.form == Value::Form::integer ||
           (value.form == Value::Form::node && jit::is_integer(graph_.type(value.node)));
}

std::string TypedGraph::described(const Value& value) const {
    switch (value.form) {
    case Value::Form::integer:
        return fmt::format("{}", value.integer);
    case Value::Form::number:
        return fmt::format("the literal {}", value.number);
    default:
        return is_mask(value)
                   ? "a condition"
                   : fmt::format("a value of type {}", jit::name(graph_.type(value.node)));
    }
}

// Operations.

// Constants that are made of literals are literals again.
Value TypedGraph::make(Op op, Type type, Values args, std::uint64_t payload) {
    std::array<NodeId, kMaxArguments> nodes{};
    std::transform(args.begin(), args.end(), nodes.begin(),
                   [&](const Value& value) { return convert(value, type); });
    const NodeId node = graph_.make(op, type, std::span(nodes).first(args.size()), payload);
    const bool weak = !args.empty() && std::all_of(args.begin(), args.end(),
                                                   [](const Value& value) { return value.weak; });
    return weak && graph_.is_constant(node) ? Value::of_number(graph_.value(node))
                                            : Value::of_node(node, weak);
}

Value TypedGraph::compare(Op op, const Value& a, const Value& b) {
    const Type type = common_type(std::array{a, b});
    const NodeId first = convert(a, type);
    return Value::of_node(graph_.make(op, mask_of(type), {first, convert(b, type)}));
}

Value TypedGraph::choose(const Value& condition, const Value& yes, const Value& no) {
    const NodeId mask = as_mask(condition);
    if (is_mask(yes) && is_mask(no)) {
        const NodeId if_true = join_masks(Op::bit_and, mask, yes.node);
        const NodeId if_false = join_masks(Op::bit_andnot, mask, no.node);
        return Value::of_node(join_masks(Op::bit_or, if_true, if_false));
    }
    const Type type = common_type(std::array{yes, no});
    const NodeId a = convert(yes, type);
    const NodeId b = convert(no, type);
    return Value::of_node(graph_.make(Op::select, type, {fitted(mask, mask_of(type)), a, b}));
}

Value TypedGraph::combine(Op op, const Value& a, const Value& b) {
    const NodeId first = as_mask(a);
    return Value::of_node(join_masks(op, first, as_mask(b)));
}

// Integer literals wrap, as integers do in casts anywhere; literals with a point saturate from f64.
Value TypedGraph::cast(const Value& value, Type type) {
    if (value.form == Value::Form::integer) {
        return Value::of_node(graph_.integer(type, wrap(value.integer, type)));
    }
    if (value.form == Value::Form::number && jit::is_integer(type)) {
        return cast(Value::of_node(graph_.constant(Type::f64, value.number)), type);
    }
    return Value::of_node(convert(value, type));
}

// Conversions.

NodeId TypedGraph::convert(const Value& value, Type type) {
    if (value.form == Value::Form::integer) {
        if (!fits(value.integer, type)) {
            fail(
                value.position,
                fmt::format("got {0} beside a value of type {1}, expected a number that {1} holds; "
                            "cast the other value to a wider type, as in `i64(...)`",
                            value.integer, jit::name(type)));
        }
        return graph_.integer(type, value.integer);
    }
    if (value.form == Value::Form::number) {
        return graph_.constant(type, value.number);
    }
    const Type from = graph_.type(value.node);
    if (from == type) {
        return value.node;
    }
    if (jit::is_mask(from)) {
        const NodeId one = graph_.integer(type, 1);
        const NodeId zero = graph_.integer(type, 0);
        return graph_.make(Op::select, type, {fitted(value.node, mask_of(type)), one, zero});
    }
    return graph_.make(Op::cast, type, {value.node});
}

NodeId TypedGraph::as_mask(const Value& value) {
    if (is_mask(value)) {
        return value.node;
    }
    if (value.form != Value::Form::node) {
        return graph_.constant_bits(mask_of(real_), value.number != 0 ? ~std::uint64_t{0} : 0);
    }
    return compare(Op::not_equal, value, Value::of_integer(0)).node;
}

NodeId TypedGraph::fitted(NodeId mask, Type mask_type) {
    if (graph_.type(mask) == mask_type) {
        return mask;
    }
    const Op op = mask_type == Type::m64 ? Op::m64_from_m32 : Op::m32_from_m64;
    return graph_.make(op, mask_type, {mask});
}

NodeId TypedGraph::join_masks(Op op, NodeId a, NodeId b) {
    const Type type = std::max(graph_.type(a), graph_.type(b));
    const NodeId first = fitted(a, type);
    return graph_.make(op, type, {first, fitted(b, type)});
}

}  // namespace bitaxon::jit
