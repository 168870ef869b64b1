#include "../../jit/src/optimise/normal_form.hpp"
#include "../../jit/src/optimise/polynomial.hpp"
#include "optimise_support.hpp"

#include "language/to_graph.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>

namespace bitaxon::jit {
namespace {

using namespace optimise_test;
using rewrite::Monomial;
using rewrite::Terms;

Monomial monomial(std::initializer_list<int> exponents) {
    Monomial result;
    int variable = 0;
    for (const int exponent : exponents) {
        result = result * Monomial::variable(variable++, exponent);
    }
    return result;
}

// A polynomial in x and y from coefficients and exponents.
struct Part {
    double coefficient;
    int x;
    int y;
};
Terms polynomial(std::initializer_list<Part> parts) {
    Terms sum;
    for (const Part& part : parts) {
        sum = *rewrite::add(sum, Terms{{monomial({part.x, part.y}), part.coefficient}});
    }
    return sum;
}

double value(const Terms& terms, double x, double y) {
    double sum = 0;
    for (const rewrite::Term& term : terms) {
        sum += term.coefficient * std::pow(x, term.monomial.exponent(0)) *
               std::pow(y, term.monomial.exponent(1));
    }
    return sum;
}

TEST(Monomial, FieldsAreComparedAllAtOnceAsOneByOne) {
    std::mt19937_64 random(3);
    for (int trial = 0; trial < 20'000; ++trial) {
        std::array<int, 9> a{};
        std::array<int, 9> b{};
        for (int i = 0; i < 16; ++i) {
            ++a[random() % static_cast<unsigned>(trial % 9 + 1)];
            ++b[random() % 9];
        }
        Monomial m;
        Monomial n;
        Monomial smaller;
        bool divides = true;
        for (std::size_t i = 0; i < 9; ++i) {
            m = m * Monomial::variable(static_cast<int>(i), a[i]);
            n = n * Monomial::variable(static_cast<int>(i), b[i]);
            smaller = smaller * Monomial::variable(static_cast<int>(i), std::min(a[i], b[i]));
            divides = divides && a[i] <= b[i];
        }
        ASSERT_EQ(m.divides(n), divides);
        ASSERT_EQ(common_divisor(m, n), smaller);
        ASSERT_EQ(common_divisor(m, n).degree(), smaller.degree());
        ASSERT_TRUE(common_divisor(m, n).divides(m) && common_divisor(m, n).divides(n));
        ASSERT_EQ((m / common_divisor(m, n)) * common_divisor(m, n), m);
    }
}

TEST(Polynomial, ProductsAndQuotientsAreInverse) {
    const Terms a = polynomial({{1, 2, 0}, {-3, 1, 1}, {0.5, 0, 3}, {7, 0, 0}});
    const Terms b = polynomial({{2, 1, 0}, {1, 0, 1}, {-1, 0, 0}});
    const Terms product = *rewrite::multiply(a, b);
    EXPECT_NEAR(value(product, 1.5, -0.75), value(a, 1.5, -0.75) * value(b, 1.5, -0.75), 1e-12);
    EXPECT_EQ(*rewrite::divide(product, b), a);
    EXPECT_EQ(*rewrite::divide(product, a), b);
    EXPECT_FALSE(rewrite::divide(a, b));
}

TEST(Polynomial, InexactCoefficientsAreRefused) {
    const Terms tenth = polynomial({{0.1, 1, 0}});
    EXPECT_FALSE(rewrite::multiply(tenth, tenth));
    EXPECT_FALSE(rewrite::add(tenth, polynomial({{0.7, 1, 0}})));
    EXPECT_TRUE(rewrite::add(tenth, tenth));
    const Terms tiny = polynomial({{0x1p-600, 1, 0}});
    EXPECT_FALSE(rewrite::multiply(tiny, tiny));
}

TEST(Polynomial, LimitsAreRefused) {
    const Terms x9 = polynomial({{1, 9, 0}});
    EXPECT_FALSE(rewrite::multiply(x9, x9));
    Terms a;
    Terms b;
    for (int i = 0; i < 9; ++i) {
        a = *rewrite::add(a, polynomial({{1, i, 0}}));
        b = *rewrite::add(b, polynomial({{1, 0, i > 7 ? 7 : i}}));
    }
    EXPECT_FALSE(rewrite::multiply(a, b));  // 9 * 8 terms
}

TEST(Polynomial, PowersAreRecognised) {
    const Terms base = polynomial({{1, 1, 0}, {-2, 0, 1}, {3, 0, 0}});
    for (int k = 2; k <= 5; ++k) {
        const Terms power = *rewrite::power(base, k);
        const auto found = rewrite::perfect_power(power);
        ASSERT_TRUE(found) << k;
        EXPECT_EQ(*rewrite::power(found->base, found->exponent), power);
        EXPECT_GE(found->exponent, k == 4 ? 4 : k);
        EXPECT_TRUE(found->rest.empty());
    }
    EXPECT_FALSE(rewrite::perfect_power(polynomial({{1, 2, 0}, {1, 1, 1}, {1, 0, 2}})));
    const Terms rest = polynomial({{1, 0, 0}});
    const auto completed = rewrite::complete_power(
        *rewrite::add(*rewrite::power(polynomial({{1, 1, 0}, {1, 0, 1}}), 2), rest), 2);
    ASSERT_TRUE(completed);
    EXPECT_EQ(completed->rest, rest);
}

Optimised fast(const Expression& e, optimise_test::Term root) {
    return e.optimise(root, MathMode::fast);
}

// The greatest relative difference between source and result over random inputs.
double difference(const Expression& e, optimise_test::Term root, const Optimised& o) {
    std::mt19937_64 random(9);
    std::uniform_real_distribution<double> number(-5, 5);
    double worst = 0;
    for (int i = 0; i < 500; ++i) {
        const Inputs inputs{number(random), number(random), number(random)};
        const double expected = Evaluator(e.graph, inputs)[root.id];
        const double actual = Evaluator(o.graph, inputs)[o.roots[0]];
        worst = std::max(worst, std::fabs(expected - actual) / std::max(1.0, std::fabs(expected)));
    }
    return worst;
}

// Parsed, for C++ may evaluate operands in any order, and the order of nodes is part of the result.
optimise_test::Term expression(const Expression& e, int number) {
    constexpr const char* texts[] = {
        "x + y + 10.0",
        "x^4 - 4*x^3*y + 6*x^2*y^2 - 4*x*y^3 + y^4",
        "x^3 + y^3 + z^3 - 3*x*y*z + x^2*y - x*y^2 + y^2*z - y*z^2 + z^2*x - z*x^2",
        "(x^2 + y^2) / (x^2 + y^2 + 1.0) + x*y*(x^2 - y^2) / (x^2 + y^2 + 1.0)^2",
        "x^5 - y^5 + z^5 - 5*x^3*y^2 + 5*x^2*y^3 - 5*y^3*z^2 + 5*y^2*z^3 - 5*z^3*x^2 + 5*z^2*x^3"
        " + x*y*z*(x^2 + y^2 + z^2)",
        "(x^2 + 1.0)^0.5 + (x^2 + y^2 + 1.0)^0.5 + (x^2 + y^2 + 2.0)^0.5",
        "((x + y)^3 - (x - y)^3 - 6*x^2*y) / (y^2 + 1.0) + x*y - y*x",
    };
    const Script script = parse_script(texts[number - 1]);
    const Scope scope{.real = Type::f64,
                      .resolve = [&](std::string_view name) -> std::optional<NodeId> {
                          return name == "x" ? e.x.id : name == "y" ? e.y.id : e.z.id;
                      }};
    return {e.x.graph, to_graph(*e.x.graph, script.ast, *script.statements.front().value, scope)};
}

TEST(NormalForm, TheSevenExpressionsTakeFewOperations) {
    constexpr std::size_t most[] = {2, 3, 11, 9, 18, 8, 5};
    for (int number = 1; number <= 7; ++number) {
        Expression e;
        const optimise_test::Term root = expression(e, number);
        const Optimised o = fast(e, root);
        EXPECT_LE(operations(o), most[number - 1]) << number << '\n' << print(o.graph, o.roots);
        EXPECT_LE(count_of(o, Op::div), 1u) << number;
        EXPECT_LT(difference(e, root, o), 1e-12) << number;
    }
}

TEST(NormalForm, ExpressionTwoIsTheFourthPowerOfADifference) {
    Expression e;
    const Optimised o = fast(e, expression(e, 2));
    EXPECT_EQ(count_of(o, Op::sub), 1u);
    EXPECT_EQ(count_of(o, Op::mul), 2u);
}

TEST(NormalForm, ExpressionSevenIsTwiceACubeOverASquareAndOne) {
    Expression e;
    const Optimised o = fast(e, expression(e, 7));
    for (const NodeId id : reachable(o.graph, o.roots)) {
        EXPECT_FALSE(o.graph[id].op == Op::input && o.graph[id].payload == 0) << "x cancels";
    }
    EXPECT_EQ(count_of(o, Op::div), 1u);
    EXPECT_EQ(operations(o), 5u);
    EXPECT_DOUBLE_EQ(Evaluator(o.graph, {0, 3, 0})[o.roots[0]], 5.4);
}

TEST(NormalForm, WhatCancelsIsZeroInFastOnly) {
    Expression e;
    const optimise_test::Term root = e.x * e.y - e.y * e.x;
    const Optimised o = fast(e, root);
    ASSERT_TRUE(o.graph.is_constant(o.roots[0]));
    EXPECT_EQ(o.graph.value(o.roots[0]), 0);
    for (const MathMode mode : {MathMode::strict, MathMode::contract}) {
        const Optimised kept = e.optimise(root, mode);
        EXPECT_FALSE(kept.graph.is_constant(kept.roots[0]));
    }
    const Optimised seven = e.optimise(expression(e, 7), MathMode::strict);
    EXPECT_EQ(operations(seven), 17u);
}

TEST(NormalForm, FractionsAreReducedAndJoined) {
    Expression e;
    const optimise_test::Term x = e.x;
    const optimise_test::Term y = e.y;
    const optimise_test::Term z = e.z;
    const auto operations_of = [&](optimise_test::Term root) { return operations(fast(e, root)); };
    EXPECT_EQ(operations_of(x / x), 0u);
    EXPECT_EQ(operations_of(x * y / x), 0u);
    EXPECT_EQ(operations_of((x * x - y * y) / (x - y)), 1u);
    EXPECT_EQ(operations_of((x * x + 2 * x + 1.0) / (x + 1.0)), 1u);
    EXPECT_EQ(operations_of(x / z + y / z), 2u);
    EXPECT_EQ(operations_of(x / y / z), 2u);
    EXPECT_EQ(operations_of(1 / (x + y) - 1 / (y + x)), 0u);
    EXPECT_EQ(operations_of(x / 3.0 + 2 * x / 3.0), 0u);
    EXPECT_EQ(operations_of(exp(x) * y - y * exp(x) + z), 0u);
}

TEST(NormalForm, FormsAreTakenOnlyWhereTheyAreCheaper) {
    Expression e;
    // Expanded, this has 15 terms.
    EXPECT_EQ(operations(fast(e, pow(e.x + e.y + e.z, 4))), 4u);
    EXPECT_LE(operations(fast(e, (e.x + 1.0) * (e.y + 1.0))), 2u + 1u);
}

TEST(NormalForm, NothingIsSubtractedThatWasAddedBefore) {
    // x^2 + y^2 must not become (x^2 + y^2 + 1) - 1, which loses all digits of small numbers.
    Expression e;
    const optimise_test::Term s = e.x * e.x + e.y * e.y;
    const optimise_test::Term root = s / (s + 1.0);
    const Optimised o = fast(e, root);
    const double tiny = Evaluator(o.graph, {1e-12, 2e-12, 0})[o.roots[0]];
    EXPECT_NEAR(tiny, 5e-24, 1e-36);
}

TEST(NormalForm, ProductsStayWhereTheirSumWouldCancel) {
    // x^3 - 6*x^2 + 11*x - 6 takes two operations less, and loses the digits near the roots.
    Expression e;
    const optimise_test::Term root = (e.x - 1.0) * (e.x - 2.0) * (e.x - 3.0);
    const Optimised o = fast(e, root);
    const double near = 1 + 0x1p-40;
    EXPECT_NEAR(Evaluator(o.graph, {near, 0, 0})[o.roots[0]] / 0x1p-39, 1, 1e-10);
}

TEST(NormalForm, TooManyVariablesLeaveTheRestToBeSimplified) {
    Graph graph;
    std::vector<optimise_test::Term> inputs;
    for (std::uint64_t i = 0; i < 12; ++i) {
        inputs.push_back({&graph, graph.make(Op::input, Type::f64, {}, i)});
    }
    optimise_test::Term sum = inputs[0] * inputs[1] - inputs[1] * inputs[0];
    for (const optimise_test::Term& input : inputs) {
        sum = sum + input * inputs[0];
    }
    const Optimised o = optimise(graph, std::span{&sum.id, 1}, MathMode::fast);
    Inputs values(12);
    for (std::size_t i = 0; i < 12; ++i) {
        values[i] = 0.5 + static_cast<double>(i);
    }
    EXPECT_NEAR(Evaluator(o.graph, values)[o.roots[0]], Evaluator(graph, values)[sum.id], 1e-10);
    EXPECT_LE(operations(o), 13u);
}

TEST(NormalForm, SinglePrecisionIsRewrittenToo) {
    Expression e(Type::f32);
    const Optimised o = fast(e, expression(e, 7));
    EXPECT_EQ(operations(o), 5u);
    EXPECT_EQ(o.graph.type(o.roots[0]), Type::f32);
}

TEST(NormalForm, IntegersStayAsTheyAre) {
    Expression e(Type::i32);
    const optimise_test::Term root = (e.x + e.y) * (e.x - e.y) + e.y * e.y;
    EXPECT_EQ(operations(fast(e, root)), operations(e.optimise(root, MathMode::strict)));
}

TEST(NormalForm, RandomPolynomialsKeepTheirValues) {
    std::mt19937_64 random(17);
    for (int trial = 0; trial < 200; ++trial) {
        Expression e;
        std::vector<optimise_test::Term> terms{e.x,           e.y,           e.z,
                                               e.x.number(1), e.x.number(2), e.x.number(0.1)};
        for (int i = 0; i < 14; ++i) {
            const optimise_test::Term a = terms[random() % terms.size()];
            const optimise_test::Term b = terms[random() % terms.size()];
            switch (random() % 8) {
            case 0:
            case 1:
            case 2:
                terms.push_back(a + b);
                break;
            case 3:
            case 4:
                terms.push_back(a * b);
                break;
            case 5:
                terms.push_back(a / b);
                break;
            case 6:
                terms.push_back(sqrt(a));
                break;
            default:
                terms.push_back(pow(a, static_cast<int>(random() % 4)));
                break;
            }
        }
        const optimise_test::Term root = terms.back() + terms[terms.size() - 2];
        const Optimised o = fast(e, root);
        std::uniform_real_distribution<double> number(0.5, 2);  // sums of positive numbers only
        for (int i = 0; i < 20; ++i) {
            const Inputs inputs{number(random), number(random), number(random)};
            const double expected = Evaluator(e.graph, inputs)[root.id];
            const double actual = Evaluator(o.graph, inputs)[o.roots[0]];
            if (expected < 1e200 && expected > 1e-200) {
                ASSERT_NEAR(actual / expected, 1, 1e-12)
                    << print(e.graph, std::span{&root.id, 1}) << print(o.graph, o.roots);
            }
        }
    }
}

}  // namespace
}  // namespace bitaxon::jit
