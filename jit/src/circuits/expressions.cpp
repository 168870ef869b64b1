#include "expressions.hpp"

#include "../language/lexer.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>

namespace bitaxon::jit {
namespace {

constexpr std::int64_t kMaxDelay = 4096;
constexpr std::size_t kManyArguments = 1023;

using Arguments = CircuitExpressions::Arguments;

// Functions, as a table.

Number count(CircuitExpressions& c, const Expr& expr, const Arguments& args) {
    std::vector<Number> terms;
    for (const NodeId bit : c.conditions(expr, args)) {
        terms.push_back(c.numbers().bit(bit));
    }
    return c.numbers().sum(std::move(terms));
}

Number parity(CircuitExpressions& c, const Expr& expr, const Arguments& args) {
    NodeId result = c.gates().constant(false);
    for (const NodeId bit : c.conditions(expr, args)) {
        result = c.gates().differ(result, bit);
    }
    return c.numbers().bit(result);
}

Number majority(CircuitExpressions& c, const Expr& expr, const Arguments& args) {
    if (args.size() % 2 == 0) {
        c.fail(expr.position,
               fmt::format("got `majority` of {} bits, expected an odd number", args.size()));
    }
    if (args.size() == 3) {
        const std::vector<NodeId> bits = c.conditions(expr, args);
        return c.numbers().bit(c.gates().majority(bits[0], bits[1], bits[2]));
    }
    const Number half = c.numbers().constant(static_cast<std::int64_t>(args.size() / 2));
    return c.numbers().bit(c.numbers().less(half, count(c, expr, args)));
}

Number clip(CircuitExpressions& c, const Expr& expr, const Arguments& args) {
    const std::int64_t low = c.constant(expr, *args[1], -kMaxMagnitude, kMaxMagnitude);
    const std::int64_t high = c.constant(expr, *args[2], low, kMaxMagnitude);
    Arithmetic& numbers = c.numbers();
    return numbers.minimum(numbers.maximum(*args[0], numbers.constant(low)),
                           numbers.constant(high));
}

Number bit(CircuitExpressions& c, const Expr& expr, const Arguments& args) {
    const std::int64_t index = c.constant(expr, *args[1], 0, kMaxCircuitBits);
    return c.numbers().low_bits(c.numbers().shift_right(*args[0], static_cast<unsigned>(index)), 1);
}

template <Number (Arithmetic::*Better)(const Number&, const Number&)>
Number extreme(CircuitExpressions& c, const Expr&, const Arguments& args) {
    Number result = *args[0];
    for (std::size_t k = 1; k < args.size(); ++k) {
        result = (c.numbers().*Better)(result, *args[k]);
    }
    return result;
}

struct Function {
    std::string_view name;
    std::size_t least;  ///< arguments
    std::size_t most;
    Number (*value)(CircuitExpressions&, const Expr&, const Arguments&);
};
constexpr Function kFunctions[] = {
    {"where", 3, 3,
     [](CircuitExpressions& c, const Expr& expr, const Arguments& args) {
         return c.numbers().choose(c.condition(expr, *args[0]), *args[2], *args[1]);
     }},
    {"mux", 3, 3,
     [](CircuitExpressions& c, const Expr& expr, const Arguments& args) {
         return c.numbers().choose(c.condition(expr, *args[0]), *args[1], *args[2]);
     }},
    {"min", 2, kManyArguments, extreme<&Arithmetic::minimum>},
    {"max", 2, kManyArguments, extreme<&Arithmetic::maximum>},
    {"abs", 1, 1,
     [](CircuitExpressions& c, const Expr&, const Arguments& args) {
         return c.numbers().absolute(*args[0]);
     }},
    {"clip", 3, 3, clip},
    {"majority", 1, kManyArguments, majority},
    {"count", 1, kManyArguments, count},
    {"parity", 1, kManyArguments, parity},
    {"bit", 2, 2, bit},
    {"delay", 1, 3,
     [](CircuitExpressions& c, const Expr& expr, const Arguments& args) {
         return c.delay(expr, args);
     }},
};

ExprId first_part(const Ast& ast, ExprId id) {
    while (ast.exprs[id].child_count > 0) {
        id = *std::ranges::min_element(ast.children_of(ast.exprs[id]));
    }
    return id;
}

}  // namespace

// Marks the parts of what delays delay: they are evaluated later.
std::vector<char> CircuitExpressions::deferred_parts(ExprId first, ExprId root) const {
    std::vector<char> deferred(root - first + 1, 0);
    for (ExprId id = root + 1; id-- > first;) {
        const Expr& expr = ast_.exprs[id];
        const bool delays = expr.kind == ExprKind::call && expr.text == "delay";
        if (delays && deferred[id - first] == 0 && expr.child_count > 0) {
            const ExprId last = ast_.children_of(expr).front();
            for (ExprId part = first_part(ast_, last); part <= last; ++part) {
                deferred[part - first] = 1;
            }
        }
    }
    return deferred;
}

Number CircuitExpressions::translate(ExprId root) {
    const ExprId first = first_part(ast_, root);
    const std::vector<char> deferred = deferred_parts(first, root);
    std::vector<Number> values(root - first + 1);
    Arguments children;
    for (ExprId id = first; id <= root; ++id) {
        if (deferred[id - first] != 0) {
            continue;
        }
        const Expr& expr = ast_.exprs[id];
        children.clear();
        for (const ExprId child : ast_.children_of(expr)) {
            children.push_back(&values[child - first]);
        }
        values[id - first] = part(expr, children);
    }
    return std::move(values.back());
}

Number CircuitExpressions::part(const Expr& expr, const Arguments& args) {
    switch (expr.kind) {
    case ExprKind::number:
        return literal(expr);
    case ExprKind::name:
        return names_.read(expr);
    case ExprKind::call:
        return call(expr, args);
    case ExprKind::unary:
        return unary(expr, *args[0]);
    case ExprKind::conditional:
        return numbers_.choose(condition(expr, *args[0]), *args[2], *args[1]);
    case ExprKind::binary:
        break;
    }
    return binary(expr, *args[0], *args[1]);
}

Number CircuitExpressions::literal(const Expr& expr) {
    if (!expr.is_integer || expr.integer > kMaxMagnitude) {
        fail(expr.position, fmt::format("got {}, expected a whole number up to 2^62", expr.number));
    }
    return numbers_.constant(expr.integer);
}

Number CircuitExpressions::unary(const Expr& expr, const Number& a) {
    if (expr.text == "not") {
        return numbers_.bit(gates_.invert(condition(expr, a)));
    }
    if (expr.text == "-") {
        return numbers_.subtract(numbers_.constant(0), a);
    }
    if (expr.text == "~") {
        check_sign(expr, a);
        std::vector<NodeId> bits = a.bits;
        bits.resize(std::max<std::size_t>(bits.size(), 1), gates_.constant(false));
        for (NodeId& bit : bits) {
            bit = gates_.invert(bit);
        }
        return numbers_.unsigned_number(std::move(bits));
    }
    return a;
}

Number CircuitExpressions::binary(const Expr& expr, const Number& a, const Number& b) {
    struct Bitwise {
        std::string_view text;
        Arithmetic::Gate gate;
        bool of_conditions;
    };
    constexpr Bitwise kBitwise[] = {{"&", &Gates::both, false},
                                    {"|", &Gates::either, false},
                                    {"^", &Gates::differ, false},
                                    {"and", &Gates::both, true},
                                    {"or", &Gates::either, true}};
    for (const Bitwise& row : kBitwise) {
        if (row.text != expr.text) {
            continue;
        }
        if (row.of_conditions) {
            return numbers_.bit((gates_.*row.gate)(condition(expr, a), condition(expr, b)));
        }
        check_sign(expr, a);
        check_sign(expr, b);
        return numbers_.bitwise(row.gate, a, b);
    }
    const auto magnitude = [](const Number& x) {
        return std::max(-static_cast<double>(x.low), static_cast<double>(x.high));
    };
    if (expr.text == "+" || expr.text == "-") {
        check_magnitude(expr, magnitude(a) + magnitude(b));
        return expr.text == "+" ? numbers_.add(a, b) : numbers_.subtract(a, b);
    }
    if (expr.text == "*") {
        check_magnitude(expr, 4 * magnitude(a) * magnitude(b));  // room for partial products
        return a.is_constant() ? numbers_.multiply(b, a) : numbers_.multiply(a, b);
    }
    if (expr.text == "<<" || expr.text == ">>" || expr.text == "//" || expr.text == "%") {
        return scaling(expr, a, b);
    }
    return comparison(expr, a, b);
}

Number CircuitExpressions::comparison(const Expr& expr, const Number& a, const Number& b) {
    const std::string_view text = expr.text;
    if (text == "<" || text == ">=") {
        const NodeId less = numbers_.less(a, b);
        return numbers_.bit(text == "<" ? less : gates_.invert(less));
    }
    if (text == ">" || text == "<=") {
        const NodeId greater = numbers_.less(b, a);
        return numbers_.bit(text == ">" ? greater : gates_.invert(greater));
    }
    if (text == "==" || text == "!=") {
        const NodeId equal = numbers_.equal(a, b);
        return numbers_.bit(text == "==" ? equal : gates_.invert(equal));
    }
    fail(expr.position,
         fmt::format("got `{}`, which circuits don't have; expected one of & | ^ ~ + - * // % << "
                     ">> and comparisons",
                     text));
}

// By a constant power of two: wires, no gates.
Number CircuitExpressions::scaling(const Expr& expr, const Number& a, const Number& b) {
    const bool shifts = expr.text == "<<" || expr.text == ">>";
    const std::int64_t amount =
        constant(expr, b, shifts ? 0 : 1, shifts ? kMaxCircuitBits : kMaxMagnitude);
    if (!shifts && !std::has_single_bit(static_cast<std::uint64_t>(amount))) {
        fail(expr.position,
             fmt::format("got `{} {}`, expected a power of two; a counter with a comparison "
                         "divides by others",
                         expr.text, amount));
    }
    const auto count = static_cast<unsigned>(
        shifts ? amount : std::countr_zero(static_cast<std::uint64_t>(amount)));
    if (expr.text == "%") {
        return numbers_.low_bits(a, count);
    }
    if (expr.text != "<<") {
        return numbers_.shift_right(a, count);
    }
    check_magnitude(expr, std::max(-static_cast<double>(a.low), static_cast<double>(a.high)) *
                              static_cast<double>(std::uint64_t{1} << count));
    return numbers_.shift_left(a, count);
}

Number CircuitExpressions::call(const Expr& expr, const Arguments& args) {
    if (const auto bits = circuit_type(expr.text)) {
        check_count(expr, 1, 1);
        return numbers_.low_bits(*args[0], *bits);
    }
    for (const Function& row : kFunctions) {
        if (row.name == expr.text) {
            check_count(expr, row.least, row.most);
            return row.value(*this, expr, args);
        }
    }
    std::vector<std::string> known;
    for (const Function& row : kFunctions) {
        known.emplace_back(row.name);
    }
    fail(expr.position,
         fmt::format("unknown function {}, expected one of `{}` or a type such as "
                     "`u3(...)`{}",
                     quoted(expr.text), fmt::join(known, "`, `"), suggestion(expr.text, known)));
}

// delay(x, count, initial), of a bit.
Number CircuitExpressions::delay(const Expr& expr, const Arguments& args) {
    const std::int64_t count = args.size() > 1 ? constant(expr, *args[1], 1, kMaxDelay) : 1;
    const bool initial = args.size() > 2 && constant(expr, *args[2], 0, 1) != 0;
    return numbers_.bit(
        names_.delay(ast_.children_of(expr).front(), static_cast<std::size_t>(count), initial));
}

// Checks.

NodeId CircuitExpressions::condition(const Expr& expr, const Number& value) {
    if (!value.is_bit()) {
        fail(expr.position,
             fmt::format("got a number from {} to {}, expected one bit; compare it, as in `x > 0`, "
                         "or delay it in a register of its own",
                         value.low, value.high));
    }
    return value.bits.empty() ? gates_.constant(value.high == 1) : value.bits.front();
}

std::vector<NodeId> CircuitExpressions::conditions(const Expr& expr, const Arguments& values) {
    std::vector<NodeId> bits;
    for (const Number* value : values) {
        bits.push_back(condition(expr, *value));
    }
    return bits;
}

void CircuitExpressions::check_sign(const Expr& expr, const Number& value) const {
    if (value.low < 0) {
        fail(expr.position, fmt::format("got a number from {} to {} for `{}`, expected none below "
                                        "0; keep the low bits, as in `u3(...)`",
                                        value.low, value.high, expr.text));
    }
    check_magnitude(expr, static_cast<double>(value.high) +
                              (value.bits.size() > kMaxCircuitBits ? 0x1p62 : 0));
}

void CircuitExpressions::check_magnitude(const Expr& expr, double magnitude) const {
    if (magnitude > static_cast<double>(kMaxMagnitude)) {
        fail(expr.position, fmt::format("got numbers up to {:.3g} from `{}`, expected at most "
                                        "2^62; keep the low bits, as in `u32(...)`",
                                        magnitude, expr.text));
    }
}

std::int64_t CircuitExpressions::constant(const Expr& expr, const Number& value, std::int64_t low,
                                          std::int64_t high) const {
    if (!value.is_constant() || value.low < low || value.low > high) {
        fail(expr.position,
             fmt::format("got {}, expected a constant from {} to {}",
                         value.is_constant() ? fmt::format("{}", value.low) : "what changes", low,
                         high));
    }
    return value.low;
}

void CircuitExpressions::check_count(const Expr& call, std::size_t least, std::size_t most) const {
    const std::size_t count = call.child_count;
    if (count < least || count > most) {
        const std::string expected =
            least == most ? fmt::format("{}", least) : fmt::format("{} to {}", least, most);
        fail(call.position, fmt::format("got `{}` with {} argument{}, expected {}", call.text,
                                        count, count == 1 ? "" : "s", expected));
    }
}

}  // namespace bitaxon::jit
