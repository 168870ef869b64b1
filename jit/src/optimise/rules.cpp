#include "rules.hpp"

#include <algorithm>
#include <bit>
#include <cctype>
#include <charconv>
#include <cmath>
#include <limits>
#include <numeric>

namespace bitaxon::jit::rewrite {
namespace {

struct Source {
    MathMode weakest;
    Domain domain;
    std::string_view text;
};

constexpr Source kSources[] = {
#define BITAXON_JIT_RULE(mode, domain, text) {MathMode::mode, Domain::domain, text},
#include "rules.def"
#undef BITAXON_JIT_RULE
};

constexpr Op kCommutative[] = {Op::add,       Op::mul,    Op::min,     Op::max,
                               Op::bit_and,   Op::bit_or, Op::bit_xor, Op::equal,
                               Op::not_equal, Op::fma,    Op::hypot};

struct Infix {
    std::string_view text;
    Op op;
    int precedence;
};

constexpr Infix kInfix[] = {
    {"<=", Op::less_equal, 1}, {"==", Op::equal, 1},  {"!=", Op::not_equal, 1}, {"<", Op::less, 1},
    {"|", Op::bit_or, 2},      {"&", Op::bit_and, 3}, {"+", Op::add, 4},        {"-", Op::sub, 4},
    {"*", Op::mul, 5},         {"/", Op::div, 5},     {"^", Op::power, 6},
};

constexpr std::string_view kConditions[] = {"", "exact_inverse", "inverse", "never_negative"};

constexpr std::string_view kOpNames[] = {
#define BITAXON_JIT_OP(id, text, kind, arity) #id,
#include "../ir/ops.def"
#undef BITAXON_JIT_OP
};

// Reads one rule's text. The texts are our own: a test reads them all and checks that none is
// misspelt, so there are no messages here.
class Reader {
  public:
    Reader(std::string_view text, std::vector<Pattern>& patterns)
        : rest_(text), patterns_(patterns) {}

    std::uint16_t expression(int precedence = 0) {
        std::uint16_t left = operand();
        while (const Infix* infix = next_infix(precedence)) {
            rest_.remove_prefix(infix->text.size());
            left = add_operation(infix->op, {left, expression(infix->precedence + 1)});
        }
        return left;
    }

    bool skip(std::string_view text) {
        skip_spaces();
        if (!rest_.starts_with(text)) {
            return false;
        }
        rest_.remove_prefix(text.size());
        return true;
    }

    std::string_view word() {
        skip_spaces();
        std::size_t size = 0;
        while (size < rest_.size() &&
               (std::isalnum(static_cast<unsigned char>(rest_[size])) != 0 || rest_[size] == '_')) {
            ++size;
        }
        const std::string_view result = rest_.substr(0, size);
        rest_.remove_prefix(size);
        return result;
    }

    std::uint8_t variable(std::string_view letter) {
        const auto at = variables_.find(letter.front());
        if (at != std::string::npos) {
            return static_cast<std::uint8_t>(at);
        }
        variables_ += letter.front();
        return static_cast<std::uint8_t>(variables_.size() - 1);
    }

  private:
    void skip_spaces() {
        while (!rest_.empty() && rest_.front() == ' ') {
            rest_.remove_prefix(1);
        }
    }

    const Infix* next_infix(int precedence) {
        skip_spaces();
        for (const Infix& infix : kInfix) {
            const bool is_arrow = rest_.starts_with("->");
            if (!is_arrow && infix.precedence >= precedence && rest_.starts_with(infix.text)) {
                return &infix;
            }
        }
        return nullptr;
    }

    std::uint16_t operand() {
        if (skip("(")) {
            const std::uint16_t inner = expression();
            skip(")");
            return inner;
        }
        if (skip("-")) {
            if (!rest_.empty() && std::isdigit(static_cast<unsigned char>(rest_.front())) != 0) {
                return number(-1);
            }
            return add_operation(Op::negate, {expression(5)});
        }
        skip_spaces();
        if (std::isdigit(static_cast<unsigned char>(rest_.front())) != 0) {
            return number(1);
        }
        return named(word());
    }

    std::uint16_t number(double sign) {
        double value = 0;
        const auto [end, error] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), value);
        rest_.remove_prefix(static_cast<std::size_t>(end - rest_.data()));
        Pattern pattern{PatternKind::number};
        pattern.number = sign * value;
        return append(pattern);
    }

    std::uint16_t named(std::string_view name) {
        if (skip("(")) {
            std::vector<std::uint16_t> arguments{expression()};
            while (skip(",")) {
                arguments.push_back(expression());
            }
            skip(")");
            const auto* const op = std::find(std::begin(kOpNames), std::end(kOpNames), name);
            return add_operation(static_cast<Op>(op - std::begin(kOpNames)), arguments);
        }
        Pattern pattern{PatternKind::variable};
        if (name == "true" || name == "false") {
            pattern.kind = PatternKind::boolean;
            pattern.number = name == "true" ? 1 : 0;
        } else {
            pattern.kind =
                name == "c" || name == "d" ? PatternKind::constant_variable : PatternKind::variable;
            pattern.variable = variable(name);
        }
        return append(pattern);
    }

    std::uint16_t add_operation(Op op, const std::vector<std::uint16_t>& arguments) {
        Pattern pattern{PatternKind::operation};
        pattern.op = op;
        pattern.count = static_cast<std::uint8_t>(arguments.size());
        std::copy(arguments.begin(), arguments.end(), pattern.args.begin());
        return append(pattern);
    }

    std::uint16_t append(const Pattern& pattern) {
        patterns_.push_back(pattern);
        return static_cast<std::uint16_t>(patterns_.size() - 1);
    }

    std::string_view rest_;
    std::vector<Pattern>& patterns_;
    std::string variables_;
};

bool equal_patterns(const std::vector<Pattern>& patterns, std::uint16_t a, std::uint16_t b) {
    const Pattern& p = patterns[a];
    const Pattern& q = patterns[b];
    if (p.kind != q.kind || p.op != q.op || p.count != q.count || p.variable != q.variable ||
        p.number != q.number) {
        return false;
    }
    for (std::size_t i = 0; i < p.count; ++i) {
        if (!equal_patterns(patterns, p.args[i], q.args[i])) {
            return false;
        }
    }
    return true;
}

// The pattern and all others that differ from it by the order of commutative operands.
std::vector<std::uint16_t> all_orders(std::vector<Pattern>& patterns, std::uint16_t number) {
    const Pattern pattern = patterns[number];
    if (pattern.kind != PatternKind::operation) {
        return {number};
    }
    std::vector<Pattern> orders{pattern};
    for (std::size_t i = 0; i < pattern.count; ++i) {
        const std::vector<std::uint16_t> choices = all_orders(patterns, pattern.args[i]);
        const std::size_t before = orders.size();
        for (std::size_t k = 1; k < choices.size(); ++k) {
            for (std::size_t j = 0; j < before; ++j) {
                orders.push_back(orders[j]);
                orders.back().args[i] = choices[k];
            }
        }
    }
    if (is_commutative(pattern.op) && !equal_patterns(patterns, pattern.args[0], pattern.args[1])) {
        const std::size_t before = orders.size();
        for (std::size_t j = 0; j < before; ++j) {
            orders.push_back(orders[j]);
            std::swap(orders.back().args[0], orders.back().args[1]);
        }
    }
    std::vector<std::uint16_t> numbers{number};
    for (std::size_t j = 1; j < orders.size(); ++j) {
        patterns.push_back(orders[j]);
        numbers.push_back(static_cast<std::uint16_t>(patterns.size() - 1));
    }
    return numbers;
}

std::optional<Op> head(const Pattern& pattern) {
    switch (pattern.kind) {
    case PatternKind::variable:
        return std::nullopt;
    case PatternKind::operation:
        return pattern.op;
    default:
        return Op::constant;
    }
}

Condition condition_named(std::string_view name) {
    const auto* const at = std::find(std::begin(kConditions), std::end(kConditions), name);
    return static_cast<Condition>(at - std::begin(kConditions));
}

}  // namespace

Rules::Rules() {
    std::vector<Rule> rules;
    for (const Source& source : kSources) {
        Reader reader(source.text, patterns_);
        Rule rule{source.text, source.weakest, source.domain};
        rule.pattern = reader.expression();
        reader.skip("->");
        rule.replacement = reader.expression();
        if (reader.skip("if ")) {
            rule.condition = condition_named(reader.word());
            rule.condition_variable = reader.variable(reader.word());
        }
        for (const std::uint16_t order : all_orders(patterns_, rule.pattern)) {
            rules.push_back(rule);
            rules.back().pattern = order;
        }
    }
    for (Pattern& pattern : patterns_) {
        for (std::size_t i = 0; i < pattern.count; ++i) {
            pattern.heads[i] = head(patterns_[pattern.args[i]]);
        }
    }
    all_ = by_op(rules);
    std::erase_if(rules, [](const Rule& rule) { return rule.weakest != MathMode::strict; });
    strict_ = by_op(std::move(rules));
}

Rules::ByOp Rules::by_op(std::vector<Rule> rules) const {
    const auto op_of = [&](const Rule& rule) {
        return static_cast<std::size_t>(patterns_[rule.pattern].op);
    };
    std::stable_sort(rules.begin(), rules.end(),
                     [&](const Rule& a, const Rule& b) { return op_of(a) < op_of(b); });
    std::vector<std::uint16_t> first(std::size(kOpNames) + 1, 0);
    for (const Rule& rule : rules) {
        ++first[op_of(rule) + 1];
    }
    std::partial_sum(first.begin(), first.end(), first.begin());
    return {std::move(rules), std::move(first)};
}

std::span<const Rule> Rules::ByOp::of(Op op) const noexcept {
    const auto i = static_cast<std::size_t>(op);
    return std::span{rules}.subspan(first[i], static_cast<std::size_t>(first[i + 1] - first[i]));
}

const Rules& rules() {
    static const Rules instance;
    return instance;
}

bool matches(Domain domain, Type type) noexcept {
    switch (domain) {
    case Domain::floats:
        return is_float(type);
    case Domain::integers:
        return is_integer(type);
    case Domain::masks:
        return is_mask(type);
    default:
        return true;
    }
}

bool is_commutative(Op op) noexcept {
    return std::find(std::begin(kCommutative), std::end(kCommutative), op) !=
           std::end(kCommutative);
}

namespace {

double float_value(Type type, std::uint64_t bits) noexcept {
    return type == Type::f32 ? std::bit_cast<float>(static_cast<std::uint32_t>(bits))
                             : std::bit_cast<double>(bits);
}

}  // namespace

bool is_constant_of(const Pattern& pattern, Type type, std::uint64_t bits, bool fast) noexcept {
    if (pattern.kind == PatternKind::boolean) {
        return is_mask(type) && (bits != 0) == (pattern.number != 0);
    }
    if (is_float(type)) {
        const double value = float_value(type, bits);
        return value == pattern.number &&
               (fast || std::signbit(value) == std::signbit(pattern.number));
    }
    const std::uint64_t lane = lane_bytes(type) == 8 ? ~std::uint64_t{0} : 0xffffffff;
    return is_integer(type) &&
           bits == (static_cast<std::uint64_t>(static_cast<std::int64_t>(pattern.number)) & lane);
}

bool holds(Condition condition, Type type, std::uint64_t bits) noexcept {
    const double value = float_value(type, bits);
    const double smallest =
        type == Type::f32 ? std::numeric_limits<float>::min() : std::numeric_limits<double>::min();
    const double inverse = 1 / value;
    if (!std::isfinite(value) || std::fabs(value) < smallest || std::fabs(inverse) < smallest) {
        return false;
    }
    int exponent = 0;
    return condition == Condition::inverse || std::fabs(std::frexp(value, &exponent)) == 0.5;
}

Type type_of(Op op, Type whole, Type first_argument) noexcept {
    switch (op) {
    case Op::less:
    case Op::less_equal:
    case Op::equal:
    case Op::not_equal:
        return mask_of(first_argument);
    case Op::logical_not:
    case Op::bit_and:
    case Op::bit_or:
        return first_argument;
    default:
        return whole;
    }
}

}  // namespace bitaxon::jit::rewrite
