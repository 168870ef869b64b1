#include "operators.hpp"

#include "literals.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

namespace bitaxon::jit {
namespace {

constexpr double kMaxIntegerPower = 16;
constexpr std::int64_t kMaxOctaves = 16;

// One operator or function at work.
struct Operation {
    TypedGraph& graph;
    const Scope& scope;
    const Expr& expr;
    Op op;
    Values args;
};
using Handler = Value (*)(const Operation&);

[[noreturn]] void refuse_operands(const Operation& o) {
    const auto found = std::find_if_not(o.args.begin(), o.args.end(), [&](const Value& value) {
        return o.graph.is_integer(value);
    });
    const bool takes_conditions = o.op == Op::bit_and || o.op == Op::bit_or;
    o.graph.fail(found->position,
                 fmt::format("got {} as operand of `{}`, expected {}; cast it, as in `{}(...)`",
                             o.graph.described(*found), o.expr.text,
                             takes_conditions ? "two integers or two conditions" : "integers",
                             name(integer_of(o.graph.real()))));
}

// The type stays what the operands have in common.
Value same_type(const Operation& o) {
    return o.graph.make(o.op, o.graph.common_type(o.args), o.args);
}

Value float_type(const Operation& o) {
    return o.graph.make(o.op, o.graph.common_float(o.args), o.args);
}

Value pair_by_pair(const Operation& o) {
    const Type type = o.graph.common_type(o.args);
    Value result = o.args[0];
    for (const Value& value : o.args.subspan(1)) {
        result = o.graph.make(o.op, type, std::array{result, value});
    }
    return result;
}

Value rounding(const Operation& o) {
    return o.graph.is_integer(o.args[0]) ? o.args[0] : float_type(o);
}

Value power(const Operation& o) {
    const Value& exponent = o.args[1];
    const bool is_small_integer = exponent.form != Value::Form::node &&
                                  std::trunc(exponent.number) == exponent.number &&
                                  std::fabs(exponent.number) <= kMaxIntegerPower;
    if (!is_small_integer) {
        return float_type(o);
    }
    const auto payload = static_cast<std::uint64_t>(static_cast<std::int64_t>(exponent.number));
    const Values base = o.args.first(1);
    return o.graph.make(Op::integer_power, o.graph.common_float(base), base, payload);
}

Value integers_only(const Operation& o) {
    const Type type = o.graph.common_type(o.args);
    if (!is_integer(type)) {
        refuse_operands(o);
    }
    return o.graph.make(o.op, type, o.args);
}

Value integers_or_masks(const Operation& o) {
    return o.graph.is_mask(o.args[0]) && o.graph.is_mask(o.args[1])
               ? o.graph.combine(o.op, o.args[0], o.args[1])
               : integers_only(o);
}

Value logic(const Operation& o) { return o.graph.combine(o.op, o.args[0], o.args[1]); }

Value logical_not(const Operation& o) {
    if (!o.graph.is_mask(o.args[0])) {
        return o.graph.compare(Op::equal, o.args[0], Value::of_integer(0));
    }
    Graph& graph = o.graph.graph();
    const NodeId mask = o.args[0].node;
    return Value::of_node(graph.make(Op::logical_not, graph.type(mask), {mask}));
}

Value complement(const Operation& o) {
    if (o.graph.is_mask(o.args[0])) {
        return logical_not(o);
    }
    return o.args[0].form == Value::Form::integer ? Value::of_integer(~o.args[0].integer)
                                                  : integers_only(o);
}

Value comparison(const Operation& o) { return o.graph.compare(o.op, o.args[0], o.args[1]); }
Value swapped_comparison(const Operation& o) { return o.graph.compare(o.op, o.args[1], o.args[0]); }

Value negation(const Operation& o) {
    const Value& x = o.args[0];
    if (x.form == Value::Form::integer) {
        if (const auto negative = fold_integers(Op::sub, 0, x.integer)) {
            return Value::of_integer(*negative);
        }
    }
    return x.form == Value::Form::node ? same_type(o) : Value::of_number(-x.number);
}

Value plus(const Operation& o) {
    return o.graph.is_mask(o.args[0]) ? o.graph.cast(o.args[0], o.graph.real()) : o.args[0];
}

Value choice(const Operation& o) { return o.graph.choose(o.args[0], o.args[1], o.args[2]); }

Value cast(const Operation& o) { return o.graph.cast(o.args[0], *number_type(o.expr.text)); }

Value random(const Operation& o) {
    if (!o.scope.random_sites) {
        o.graph.fail(o.expr.position, fmt::format("got `{}()`, expected no random number here: {}",
                                                  o.expr.text, o.scope.random_refusal));
    }
    return o.graph.make(o.op, o.graph.real(), {}, (*o.scope.random_sites)++);
}

Value fractal_noise(const Operation& o) {
    const Value& octaves = o.args.back();
    if (octaves.form != Value::Form::integer || octaves.integer < 1 ||
        octaves.integer > kMaxOctaves) {
        o.graph.fail(octaves.position,
                     fmt::format("got {} as the octaves of `{}`, expected a literal from 1 to {}",
                                 o.graph.described(octaves), o.expr.text, kMaxOctaves));
    }
    return float_type(o);
}

struct Operator {
    std::string_view text;
    Op op;
    Handler handler;
};

constexpr Operator kUnary[] = {
    {"-", Op::negate, negation},
    {"+", Op::negate, plus},
    {"~", Op::bit_not, complement},
    {"not", Op::logical_not, logical_not},
};

constexpr Operator kBinary[] = {
    {"+", Op::add, same_type},
    {"-", Op::sub, same_type},
    {"*", Op::mul, same_type},
    {"/", Op::div, float_type},
    {"^", Op::power, power},
    {"//", Op::floor_divide, same_type},
    {"%", Op::modulo, same_type},
    {"<<", Op::shift_left, integers_only},
    {">>", Op::shift_right, integers_only},
    {"&", Op::bit_and, integers_or_masks},
    {"|", Op::bit_or, integers_or_masks},
    {"<", Op::less, comparison},
    {"<=", Op::less_equal, comparison},
    {">", Op::less, swapped_comparison},
    {">=", Op::less_equal, swapped_comparison},
    {"==", Op::equal, comparison},
    {"!=", Op::not_equal, comparison},
    {"and", Op::bit_and, logic},
    {"or", Op::bit_or, logic},
};

// Functions other than those that make their arguments floats of one type.
struct Special {
    Op op;
    Handler handler;
};

constexpr Special kSpecials[] = {
    {Op::abs, same_type},      {Op::sign, same_type},   {Op::clip, same_type},
    {Op::min, pair_by_pair},   {Op::max, pair_by_pair}, {Op::floor, rounding},
    {Op::ceil, rounding},      {Op::round, rounding},   {Op::trunc, rounding},
    {Op::power, power},        {Op::select, choice},    {Op::cast, cast},
    {Op::rand, random},        {Op::randn, random},     {Op::fbm2, fractal_noise},
    {Op::fbm3, fractal_noise},
};

}  // namespace

Value apply_operator(TypedGraph& graph, const Scope& scope, const Expr& expr, Values args) {
    if (expr.kind == ExprKind::conditional) {
        return graph.choose(args[0], args[1], args[2]);
    }
    const auto rows = expr.kind == ExprKind::unary ? std::span<const Operator>(kUnary) : kBinary;
    const auto row = std::find_if(rows.begin(), rows.end(), [&](const Operator& candidate) {
        return candidate.text == expr.text;
    });
    // `and` and `or` ask whether their operands are 0, not for their bits.
    if (args.size() == 2 && row->handler != logic && args[0].form == Value::Form::integer &&
        args[1].form == Value::Form::integer) {
        if (const auto folded = fold_integers(row->op, args[0].integer, args[1].integer)) {
            return Value::of_integer(*folded);
        }
    }
    return row->handler({graph, scope, expr, row->op, args});
}

Value apply_function(TypedGraph& graph, const Scope& scope, const Expr& expr,
                     const BuiltIn& function, Values args) {
    const auto special = std::find_if(std::begin(kSpecials), std::end(kSpecials),
                                      [&](const Special& row) { return row.op == function.op; });
    const Handler handler = special == std::end(kSpecials) ? float_type : special->handler;
    return handler({graph, scope, expr, function.op, args});
}

}  // namespace bitaxon::jit
