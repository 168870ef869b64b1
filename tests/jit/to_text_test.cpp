// Texts of graphs: what the parser makes of them is the graph again, bit by bit.
#include "expression_state.hpp"
#include "language/to_text.hpp"
#include "optimise/optimise.hpp"

#include <bitaxon/core/error.hpp>
#include <bitaxon/jit/kernel.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <random>
#include <string>
#include <vector>

namespace bitaxon::jit {
namespace {

struct Graphs {
    Graph graph;
    std::vector<NodeId> roots;
};

Graphs parsed(const std::string& text, Type dtype) {
    const Expression expression = parse(text, {.dtype = dtype});
    return {expression.state().graph, expression.state().roots};
}

Graphs optimised(const std::string& text, Type dtype, MathMode mode) {
    const Graphs source = parsed(text, dtype);
    Optimised result = optimise(source.graph, source.roots, mode);
    return {std::move(result.graph), std::move(result.roots)};
}

Graphs read_back(const std::string& text, Type dtype) {
    const Expression again = parse(text, {.dtype = dtype, .arguments = input_names(kMaxArrays)});
    return {again.state().graph, again.state().roots};
}

// The text of the graph, or why it is none or another one.
std::string problem_with(const Graphs& graphs, Type dtype) {
    const auto text = to_text(graphs.graph, graphs.roots, dtype);
    if (!text) {
        return "no text";
    }
    const Graphs again = read_back(*text, dtype);
    const bool same = is_same(graphs.graph, graphs.roots, again.graph, again.roots) &&
                      is_same(again.graph, again.roots, graphs.graph, graphs.roots);
    return same ? "" : "another graph:\n" + print(graphs.graph, graphs.roots) + *text;
}

const char* const kTexts[] = {
    "x^2 + 2*x*y",
    "x",
    "3",
    "x*y - y*x",
    "-x + -0.0 * y",
    "0.1*x + 1e-310*y - 1.7976931348623157e308",
    "x // 3 + y % 2 - x // y",
    "x ^ y + x ^ 2.5 + x ^ -3 + 2 ^ x",
    "i64(x) << 3 | i64(y) >> 1 & 255",
    "~i32(x) + i16(y) * 3",
    "i64(-9223372036854775807 - 1) + i64(x)",
    "i32(x) % 7 + i32(y) // 3",
    "f32(x)*f32(0.1) + f64(y)*f64(0.3)",
    "x < y, x <= y, x == y, x != y, not x < y",
    "x < y and y < 2 or not (x > 1)",
    "where(x > 0, x, -x) + (y if x != y else 2*y)",
    "where(f32(x) > 1, f64(x), y)",
    "where(f64(x) > 1, f32(x), f32(y))",
    "f32(x) > 1 and f64(y) < 2",
    "min(x, y, 3) + max(x, y) + clip(x, -1, 1)",
    "abs(x) + sign(y) + floor(x) + ceil(y) + round(x) + trunc(y)",
    "exp(x) + expm1(y) + exp2(x) + log(x) + log1p(y) + log2(x) + log10(y)",
    "sin(x) + cos(y) + tan(x) + asin(x) + acos(y) + atan(x) + atan2(x, y)",
    "sinh(x) + cosh(y) + tanh(x) + sigmoid(y) + relu(x) + exprel(y) + erf(x)",
    "sqrt(x) + cbrt(y) + hypot(x, y) + heaviside(x, 0.5) + pow(x, y)",
    "fma(x, y, 1) + fms(x, y, 2) + fnma(x, y, 3)",
    "x*y + 1, x*y - 1, 1 - x*y, -(x*y) - 1",
    "rand() + 2*rand()*x + randn()",
    "0*rand() + randn() - rand()",
    "perlin2(x, y) + perlin3(x, y, 1) + simplex2(x, y) + simplex3(x, y, 2)",
    "fbm2(x, y, 4) + fbm3(x, y, x*y, 3)",
    "sdf_circle(x, y, 2) + sdf_box(x, y, 1, 2) + smoothstep(0, 1, x) + lerp(x, y, 0.3)",
    "2*y + 4*x*y*y/(x*(y*y + 1))",
    "a = x + y; b = a*a; b/a, a, b",
};

TEST(ToText, IsReadAsTheGraphThatItSays) {
    for (const Type dtype : {Type::f64, Type::f32}) {
        for (const char* text : kTexts) {
            EXPECT_EQ(problem_with(parsed(text, dtype), dtype), "") << text << name(dtype);
            for (const MathMode mode : {MathMode::strict, MathMode::contract, MathMode::fast}) {
                EXPECT_EQ(problem_with(optimised(text, dtype, mode), dtype), "")
                    << text << name(dtype) << name(mode);
            }
        }
    }
}

TEST(ToText, ConstantsKeepEveryBit) {
    std::mt19937_64 random(7);
    std::vector<double> values{0.0,
                               -0.0,
                               1,
                               -2,
                               1e15,
                               1e17,
                               9007199254740993.0,
                               std::numeric_limits<double>::denorm_min(),
                               std::numeric_limits<double>::max(),
                               std::numeric_limits<double>::infinity(),
                               -std::numeric_limits<double>::infinity()};
    for (int i = 0; i < 3000; ++i) {
        values.push_back(std::bit_cast<double>(random()));
    }
    for (const double value : values) {
        if (std::isnan(value)) {
            continue;
        }
        for (const Type dtype : {Type::f64, Type::f32}) {
            for (const Type type : {Type::f64, Type::f32}) {
                Graphs graphs;
                graphs.roots = {graphs.graph.constant(type, value)};
                const Graphs again = read_back(*to_text(graphs.graph, graphs.roots, dtype), dtype);
                EXPECT_EQ(again.graph.type(again.roots[0]), type);
                EXPECT_EQ(again.graph[again.roots[0]].payload,
                          graphs.graph[graphs.roots[0]].payload)
                    << value << name(type) << name(dtype);
            }
        }
        for (const Type type : {Type::i16, Type::i32, Type::i64}) {
            Graphs graphs;
            const auto bits = std::bit_cast<std::int64_t>(value);
            graphs.roots = {graphs.graph.integer(type, type == Type::i64   ? bits
                                                       : type == Type::i32 ? std::int32_t(bits)
                                                                           : std::int16_t(bits))};
            EXPECT_EQ(problem_with(graphs, Type::f64), "") << bits << name(type);
        }
    }
}

// Texts at random, of values of several types.
class Texts {
  public:
    explicit Texts(std::uint64_t seed) : random_(seed) {}

    std::string number(int depth) {
        if (depth == 0) {
            return pick({"x", "y", "z", "0.5", "2", "-1.25", "f32(z)", "i32(y)"});
        }
        const auto a = [&] { return number(depth - 1); };
        switch (random_() % 7) {
        case 0:
            return call(pick({"sin", "exp", "abs", "sqrt", "floor", "relu"}), {a()});
        case 1:
            return call(pick({"min", "max", "atan2", "hypot"}), {a(), a()});
        case 2:
            return call("where", {condition(depth - 1), a(), a()});
        case 3:
            return call("fma", {a(), a(), a()});
        case 4:
            return "(" + a() + ")^" + pick({"2", "3", "-1", "0.5"});
        default:
            return "(" + a() + pick({" + ", " - ", "*", "/", " % ", " // "}) + a() + ")";
        }
    }

  private:
    std::string condition(int depth) {
        if (depth == 0 || random_() % 2 == 0) {
            return "(" + number(depth) + pick({" < ", " <= ", " == ", " != "}) + number(depth) +
                   ")";
        }
        return random_() % 3 == 0 ? "(not " + condition(depth - 1) + ")"
                                  : "(" + condition(depth - 1) + pick({" and ", " or "}) +
                                        condition(depth - 1) + ")";
    }
    std::string pick(std::initializer_list<const char*> all) {
        return all.begin()[random_() % all.size()];
    }
    static std::string call(const std::string& name, std::initializer_list<std::string> arguments) {
        std::string text = name + "(";
        for (const std::string& argument : arguments) {
            text += (&argument == arguments.begin() ? "" : ", ") + argument;
        }
        return text + ")";
    }

    std::mt19937_64 random_;
};

TEST(ToText, RandomExpressionsComeBack) {
    Texts texts(11);
    int refused = 0;
    constexpr int kCount = 600;
    for (int i = 0; i < kCount; ++i) {
        const Type dtype = i % 2 == 0 ? Type::f64 : Type::f32;
        const std::string text = texts.number(1 + i % 5);
        const std::string problem = problem_with(optimised(text, dtype, MathMode::fast), dtype);
        refused += problem == "no text" ? 1 : 0;
        if (problem != "no text") {
            EXPECT_EQ(problem, "") << text;
        }
    }
    EXPECT_LE(refused, kCount / 50);
}

TEST(ToText, ThereIsNoneForCallsOfTheCallersOwnFunctions) {
    Functions functions;
    functions.define("f", ExternalFunction{1, Purity::external, [](auto, auto, auto) {}});
    const Expression e = parse("f(x) + 1", {.functions = functions});
    EXPECT_FALSE(to_text(e.state().graph, e.state().roots, Type::f64));
}

TEST(ToText, ChoicesBetweenConditionsAreRefused) {
    const Graphs graphs = parsed("where(x < 1, x < y, y < 2)", Type::f64);
    EXPECT_EQ(problem_with(graphs, Type::f64), "no text");
}

TEST(ToText, OtherGraphsAreNotTheSame) {
    const Graphs a = parsed("x*y + 2", Type::f64);
    const auto same_as_a = [&](const std::string& text) {
        const Graphs b = parsed(text, Type::f64);
        return is_same(a.graph, a.roots, b.graph, b.roots);
    };
    EXPECT_TRUE(same_as_a("x*y + 2"));
    EXPECT_TRUE(same_as_a("2 + x*y"));
    EXPECT_TRUE(same_as_a("0*x + y; x*y + 2") == false) << "another result";
    EXPECT_FALSE(same_as_a("x*y + 2.5"));
    EXPECT_FALSE(same_as_a("x*x + 2"));
    EXPECT_FALSE(same_as_a("x*y - 2"));
    EXPECT_FALSE(same_as_a("x*y + 2, x"));
    EXPECT_FALSE(same_as_a("x*y"));
}

}  // namespace
}  // namespace bitaxon::jit
