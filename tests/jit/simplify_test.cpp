#include "../../jit/src/optimise/powers.hpp"
#include "../../jit/src/optimise/ranges.hpp"
#include "../../jit/src/optimise/rules.hpp"
#include "../../jit/src/optimise/simplify.hpp"
#include "optimise_support.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <string>

namespace bitaxon::jit {
namespace {

using namespace optimise_test;
using rewrite::Condition;
using rewrite::Domain;
using rewrite::Pattern;
using rewrite::PatternKind;
using rewrite::Rule;

constexpr std::size_t kOps = static_cast<std::size_t>(Op::external) + 1;

std::vector<Rule> all_rules() {
    std::vector<Rule> all;
    for (std::size_t op = 0; op < kOps; ++op) {
        const auto rules = rewrite::rules().of(static_cast<Op>(op));
        all.insert(all.end(), rules.begin(), rules.end());
    }
    return all;
}

bool takes_masks(Op op, std::size_t argument) {
    return (op == Op::select && argument == 0) || op == Op::logical_not || op == Op::bit_and ||
           op == Op::bit_or;
}

// Both sides of a rule as graphs over the same inputs, made without the library's own matcher.
class RuleGraphs {
  public:
    RuleGraphs(const Rule& rule, double constant) : rule_(rule), constant_(constant) {
        whole_ = rule.domain == Domain::masks ? Type::m64 : Type::f64;
        left_ = build(rule.pattern, whole_);
        right_ = build(rule.replacement, whole_);
    }

    const Graph& graph() const { return graph_; }
    NodeId left() const { return left_; }
    NodeId right() const { return right_; }

  private:
    NodeId build(std::uint16_t number, Type wanted) {
        const Pattern& pattern = rewrite::rules().pattern(number);
        switch (pattern.kind) {
        case PatternKind::number:
            return graph_.constant(Type::f64, pattern.number);
        case PatternKind::boolean:
            return graph_.constant_bits(Type::m64, pattern.number != 0 ? ~0ULL : 0);
        case PatternKind::constant_variable:
            return graph_.constant(Type::f64, constant_);
        case PatternKind::variable:
            return variable(pattern.variable, wanted);
        case PatternKind::operation:
            break;
        }
        std::array<NodeId, 3> arguments{};
        for (std::size_t i = 0; i < pattern.count; ++i) {
            const bool mask =
                takes_masks(pattern.op, i) || (pattern.op == Op::select && wanted == Type::m64);
            arguments[i] = build(pattern.args[i], mask ? Type::m64 : Type::f64);
        }
        const bool makes_mask = pattern.op == Op::less || pattern.op == Op::less_equal ||
                                pattern.op == Op::equal || pattern.op == Op::not_equal ||
                                takes_masks(pattern.op, 1);
        return graph_.make(pattern.op, makes_mask || wanted == Type::m64 ? Type::m64 : Type::f64,
                           std::span{arguments.data(), pattern.count});
    }

    NodeId variable(std::uint8_t number, Type wanted) {
        const NodeId input = graph_.make(Op::input, Type::f64, {}, number);
        if (wanted == Type::m64) {
            return graph_.make(Op::less, Type::m64, {input, graph_.constant(Type::f64, 0.5)});
        }
        const bool bounded = rule_.condition == Condition::never_negative;
        return bounded ? graph_.make(Op::abs, Type::f64, {input}) : input;
    }

    Rule rule_;
    double constant_;
    Type whole_;
    Graph graph_;
    NodeId left_;
    NodeId right_;
};

// The variables below a place, after checking the operations.
std::vector<bool> checked_variables(std::uint16_t number, const Rule& rule) {
    const Pattern& pattern = rewrite::rules().pattern(number);
    std::vector<bool> used(rewrite::kMaxVariables, false);
    if (pattern.kind == PatternKind::operation) {
        EXPECT_LT(static_cast<std::size_t>(pattern.op), kOps) << rule.text;
        EXPECT_EQ(info(pattern.op).arity, static_cast<int>(pattern.count)) << rule.text;
    } else if (pattern.kind != PatternKind::number && pattern.kind != PatternKind::boolean) {
        used[pattern.variable] = true;
    }
    for (std::size_t i = 0; i < pattern.count; ++i) {
        const std::vector<bool> below = checked_variables(pattern.args[i], rule);
        std::transform(below.begin(), below.end(), used.begin(), used.begin(),
                       std::logical_or<bool>());
    }
    return used;
}

TEST(Rules, TextsNameOperationsAndBindWhatTheyBuildFrom) {
    const std::vector<Rule> rules = all_rules();
    EXPECT_GT(rules.size(), 150u);
    for (const Rule& rule : rules) {
        const std::vector<bool> bound = checked_variables(rule.pattern, rule);
        const std::vector<bool> used = checked_variables(rule.replacement, rule);
        for (std::size_t i = 0; i < rewrite::kMaxVariables; ++i) {
            EXPECT_LE(used[i], bound[i]) << rule.text;
        }
        EXPECT_LE(static_cast<int>(rule.condition), static_cast<int>(Condition::never_negative))
            << rule.text;
        EXPECT_TRUE(rule.condition == Condition::none || bound[rule.condition_variable])
            << rule.text;
    }
}

TEST(Rules, StrictOnesKeepEveryBitOfHostileNumbers) {
    constexpr double constants[] = {-2.0, 0.5, 0x1p40, -0x1p-1000, 1.0};
    HostileNumbers hostile;
    for (const Rule& rule : all_rules()) {
        if (rule.weakest != MathMode::strict || rule.domain == Domain::integers ||
            rule.text ==
                "x ^ 0.5 -> sqrt(x) if never_negative x") {  // pow is not correctly rounded
            continue;
        }
        for (const double constant : constants) {
            const RuleGraphs sides(rule, constant);
            for (int i = 0; i < 300; ++i) {
                const Evaluator value(sides.graph(), {hostile(), hostile(), hostile(), hostile()});
                ASSERT_TRUE(same_bits(value[sides.left()], value[sides.right()]))
                    << rule.text << ": " << value[sides.left()] << " and " << value[sides.right()];
            }
        }
    }
}

TEST(Rules, FastOnesHoldForRealNumbers) {
    std::mt19937_64 random(11);
    std::uniform_real_distribution<double> number(0.55, 0.95);  // in the domain of every function
    for (const Rule& rule : all_rules()) {
        if (rule.domain == Domain::integers) {
            continue;
        }
        const RuleGraphs sides(rule, 0.75);
        for (int i = 0; i < 100; ++i) {
            const Evaluator value(sides.graph(),
                                  {number(random), number(random), number(random), number(random)});
            const double left = value[sides.left()];
            if (std::isnan(left)) {
                continue;  // 0 / x with the constant folded, say
            }
            ASSERT_NEAR(left, value[sides.right()], 1e-12 * std::max(1.0, std::fabs(left)))
                << rule.text;
        }
    }
}

Optimised strict(const Expression& e, optimise_test::Term root) {
    return e.optimise(root, MathMode::strict);
}

TEST(Simplify, StrictKeepsWhatZerosInfinitiesAndNaNsCanSee) {
    Expression e;
    EXPECT_EQ(operations(strict(e, e.x + 0.0)), 1u);
    EXPECT_EQ(operations(strict(e, e.x * 0.0)), 1u);
    EXPECT_EQ(operations(strict(e, e.x - e.x)), 1u);
    EXPECT_EQ(operations(strict(e, e.x / e.x)), 1u);
    EXPECT_EQ(operations(strict(e, -(e.x - e.y))), 2u);
    EXPECT_EQ(operations(strict(e, sqrt(e.x) * sqrt(e.x))), 2u);
    EXPECT_EQ(operations(strict(e, e.x * e.y - e.y * e.x)), 2u);
}

TEST(Simplify, StrictDropsIdentities) {
    Expression e;
    EXPECT_EQ(strict(e, e.x * 1.0).roots[0], strict(e, e.x).roots[0]);
    EXPECT_EQ(operations(strict(e, -(-e.x))), 0u);
    EXPECT_EQ(operations(strict(e, e.x - 0.0)), 0u);
    EXPECT_EQ(operations(strict(e, e.x + -0.0)), 0u);
    EXPECT_EQ(operations(strict(e, abs(abs(-e.x)))), 1u);
    EXPECT_EQ(operations(strict(e, e.x + (-e.y))), 1u);
    EXPECT_EQ(operations(strict(e, (-e.x) * (-e.y))), 1u);
    EXPECT_EQ(operations(strict(e, select(compare(Op::less, e.x, e.x), e.y, e.z))), 0u);
}

TEST(Simplify, DivisionsByPowersOfTwoBecomeProductsAndOthersStay) {
    Expression e;
    const Optimised by_eight = strict(e, e.x / 8.0);
    EXPECT_EQ(count_of(by_eight, Op::mul), 1u);
    EXPECT_EQ(by_eight.applied.size(), 1u);
    for (const MathMode mode : {MathMode::strict, MathMode::contract}) {
        EXPECT_EQ(count_of(e.optimise(e.x / 3.0, mode), Op::div), 1u);
    }
    EXPECT_EQ(count_of(e.optimise(e.x / 3.0, MathMode::fast), Op::div), 0u);
    // 1 / 2^-1060 overflows, and 2^1023 has a subnormal inverse.
    EXPECT_EQ(count_of(strict(e, e.x / 0x1p-1060), Op::div), 1u);
    EXPECT_EQ(count_of(strict(e, e.x / 0x1p1023), Op::div), 1u);
}

TEST(Simplify, ConstantsOfLanguageOperationsAreFolded) {
    Expression e;
    const optimise_test::Term two = e.x.number(2);
    const optimise_test::Term folded =
        select(compare(Op::less, two, e.x.number(3)), -two, e.y) + abs(e.x.number(-5));
    const Optimised o = strict(e, folded);
    ASSERT_TRUE(o.graph.is_constant(o.roots[0]));
    EXPECT_EQ(o.graph.value(o.roots[0]), 3);
}

TEST(Simplify, HalfPowersAreRootsWhereTheBaseIsNeverNegative) {
    Expression e;
    EXPECT_EQ(count_of(strict(e, pow(pow(e.x, 2) + 1.0, 0.5)), Op::sqrt), 1u);
    EXPECT_EQ(count_of(strict(e, pow(exp(e.x) + abs(e.y), 0.5)), Op::sqrt), 1u);
    EXPECT_EQ(count_of(strict(e, pow(e.x, 0.5)), Op::sqrt), 0u);
    EXPECT_EQ(count_of(strict(e, pow(pow(e.x, 2) - 1.0, 0.5)), Op::sqrt), 0u);
    EXPECT_EQ(count_of(e.optimise(pow(e.x, 0.5), MathMode::fast), Op::sqrt), 1u);
}

TEST(Simplify, DeadNodesAreGone) {
    Expression e;
    (void)exp(e.y);
    const Optimised o = strict(e, e.x + e.z);
    EXPECT_EQ(o.graph.size(), 3u);
}

TEST(Simplify, StrictKeepsEveryBitOfRandomGraphs) {
    std::mt19937_64 random(5);
    HostileNumbers hostile;
    for (int trial = 0; trial < 300; ++trial) {
        Expression e;
        std::vector<optimise_test::Term> terms{
            e.x, e.y, e.z, e.x.number(2), e.x.number(-1), e.x.number(0.25)};
        const auto any = [&] { return terms[random() % terms.size()]; };
        for (int i = 0; i < 25; ++i) {
            const optimise_test::Term a = any();
            const optimise_test::Term b = any();
            switch (random() % 10) {
            case 0:
                terms.push_back(a + b);
                break;
            case 1:
                terms.push_back(a - b);
                break;
            case 2:
                terms.push_back(a * b);
                break;
            case 3:
                terms.push_back(a / b);
                break;
            case 4:
                terms.push_back(-a);
                break;
            case 5:
                terms.push_back(abs(a));
                break;
            case 6:
                terms.push_back(select(compare(Op::less, a, b), any(), any()));
                break;
            case 7:
                terms.push_back(call(Op::floor, a));
                break;
            case 8:
                terms.push_back(pow(a, 2));
                break;
            default:
                terms.push_back(call(Op::max, a, b));
                break;
            }
        }
        const Optimised o = strict(e, terms.back());
        for (int i = 0; i < 50; ++i) {
            const Inputs inputs{hostile(), hostile(), hostile()};
            const double expected = Evaluator(e.graph, inputs)[terms.back().id];
            const double actual = Evaluator(o.graph, inputs)[o.roots[0]];
            ASSERT_TRUE(same_bits(expected, actual))
                << print(e.graph, std::span{&terms.back().id, 1}) << print(o.graph, o.roots);
        }
    }
}

TEST(Simplify, IntegerPowersAreShortestAdditionChains) {
    // Known lengths of shortest addition chains (Knuth, The Art of Computer Programming 4.6.3).
    constexpr std::size_t lengths[] = {0, 0, 1, 2, 2, 3, 3, 4, 3, 4, 4, 5, 4, 5, 5, 5, 4};
    for (int n = -kMaxIntegerPower; n <= kMaxIntegerPower; ++n) {
        Expression e;
        const Optimised o = strict(e, pow(e.x, n));
        const auto size = static_cast<std::size_t>(std::abs(n));
        EXPECT_EQ(count_of(o, Op::mul), lengths[size]) << n;
        EXPECT_EQ(static_cast<std::size_t>(chain_length(n)), lengths[size]) << n;
        EXPECT_EQ(count_of(o, Op::div), n < 0 ? 1u : 0u) << n;
        EXPECT_EQ(Evaluator(o.graph, {2, 0, 0})[o.roots[0]], std::ldexp(1.0, n)) << n;
    }
}

TEST(Ranges, SquaresAndSumsOfThemAreNeverNegative) {
    Expression e;
    Ranges ranges(e.graph);
    const optimise_test::Term square = e.x * e.x;
    EXPECT_TRUE(ranges.of(square.id).is_never_negative());
    EXPECT_TRUE(ranges.of((square + e.y * e.y).id).is_never_negative());
    EXPECT_FALSE(ranges.of((square - e.y * e.y).id).is_never_negative());
    EXPECT_FALSE(ranges.of((e.x * e.y).id).is_never_negative());
    EXPECT_EQ(ranges.of((square + 1.0).id).low, 1);
    EXPECT_TRUE(ranges.of((square + 1.0).id).is_positive());
    EXPECT_FALSE(ranges.of(sqrt(e.x).id).is_never_negative()) << "sqrt(-0) is -0";
    EXPECT_TRUE(ranges.of(sqrt(square).id).is_never_negative());
    EXPECT_FALSE(ranges.of((-square).id).is_never_negative()) << "-(+0) is -0";
    EXPECT_TRUE(ranges.of(call(Op::max, e.x, e.x.number(0)).id).is_never_negative());
}

TEST(Ranges, BoundsHoldForHostileNumbers) {
    std::mt19937_64 random(6);
    HostileNumbers hostile;
    for (int trial = 0; trial < 300; ++trial) {
        Expression e;
        std::vector<optimise_test::Term> terms{e.x, e.y, e.x.number(1), e.x.number(-3),
                                               e.x.number(0x1p-1074)};
        for (int i = 0; i < 20; ++i) {
            const optimise_test::Term a = terms[random() % terms.size()];
            const optimise_test::Term b = terms[random() % terms.size()];
            const optimise_test::Term c = terms[random() % terms.size()];
            switch (random() % 11) {
            case 0:
                terms.push_back(a + b);
                break;
            case 1:
                terms.push_back(a - b);
                break;
            case 2:
                terms.push_back(a * b);
                break;
            case 3:
                terms.push_back(a * a);
                break;
            case 4:
                terms.push_back(a / b);
                break;
            case 5:
                terms.push_back(sqrt(a));
                break;
            case 6:
                terms.push_back(abs(a));
                break;
            case 7:
                terms.push_back(call(Op::min, a, b));
                break;
            case 8:
                terms.push_back(call(Op::max, a, b));
                break;
            case 9:
                terms.push_back(-a);
                break;
            default:
                terms.push_back(a.make(Op::fma, {a.id, b.id, c.id}));
                break;
            }
        }
        Ranges ranges(e.graph);
        for (int i = 0; i < 40; ++i) {
            const Evaluator value(e.graph, {hostile(), hostile(), hostile()});
            for (NodeId id = 0; id < e.graph.size(); ++id) {
                const Range range = ranges.of(id);
                const double v = value[id];
                if (std::isnan(v)) {
                    ASSERT_TRUE(range.nan) << print(e.graph, std::span{&id, 1});
                    continue;
                }
                ASSERT_TRUE(range.low <= v && v <= range.high) << print(e.graph, std::span{&id, 1});
                ASSERT_TRUE(v != 0 || !std::signbit(v) || range.minus_zero)
                    << print(e.graph, std::span{&id, 1});
            }
        }
    }
}

}  // namespace
}  // namespace bitaxon::jit
