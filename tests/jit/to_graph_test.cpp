// What types and operations expressions become.
#include "language/to_graph.hpp"

#include <bitaxon/core/error.hpp>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>

namespace bitaxon::jit {
namespace {

struct Name {
    const char* name;
    Type type;
};
constexpr Name kNames[] = {{"x", Type::f64}, {"y", Type::f64}, {"s", Type::f32}, {"h", Type::i16},
                           {"k", Type::i32}, {"m", Type::i64}, {"e2", Type::f64}};

// "mul.f64(x, 2)": operations with their type; constants of floats have a point or an exponent.
std::string written(const Graph& graph, NodeId id) {
    const Node& node = graph[id];
    if (node.op == Op::input) {
        return kNames[node.payload].name;
    }
    if (node.op == Op::constant) {
        return is_mask(node.type)    ? (node.payload == 0 ? "false" : "true")
               : is_float(node.type) ? fmt::format("{:#}", graph.value(id))
                                     : fmt::format("{}", graph.integer_value(id));
    }
    std::string arguments;
    for (const NodeId argument : node.arguments()) {
        arguments += (arguments.empty() ? "" : ", ") + written(graph, argument);
    }
    return fmt::format("{}.{}({})", info(node.op).id, name(node.type), arguments);
}

struct Context {
    Graph graph;
    FunctionTable functions;
    std::uint64_t sites = 0;
    Type real = Type::f64;

    NodeId translate(const std::string& text) {
        const Script script = parse_script(text);
        NodeId last = kNoNode;
        for (const Statement& statement : script.statements) {
            last = to_graph(graph, script.ast, *statement.value, scope());
        }
        return last;
    }

    std::string operator()(const std::string& text) { return written(graph, translate(text)); }

    std::string error(const std::string& text) {
        try {
            translate(text);
            return "no error";
        } catch (const Error& failure) {
            return failure.what();
        }
    }

  private:
    Scope scope() {
        const auto resolve = [this](std::string_view name) -> std::optional<NodeId> {
            const auto row = std::find_if(std::begin(kNames), std::end(kNames),
                                          [&](const Name& n) { return n.name == name; });
            if (row == std::end(kNames)) {
                return std::nullopt;
            }
            return graph.make(Op::input, row->type, {},
                              static_cast<std::uint64_t>(row - std::begin(kNames)));
        };
        static const std::vector<std::string> known{"x"};
        return {real, resolve, known, &functions, &sites};
    }
};

std::string graph_of(const std::string& text) { return Context{}(text); }

std::string graph_of_f32(const std::string& text) {
    Context context;
    context.real = Type::f32;
    return context(text);
}

// Literals.

TEST(ToGraph, IntegerLiteralsTakeTheTypeThatTheyMeet) {
    EXPECT_EQ(graph_of("x + 2"), "add.f64(x, 2.0)");
    EXPECT_EQ(graph_of("s + 2"), "add.f32(s, 2.0)");
    EXPECT_EQ(graph_of("k + 2"), "add.i32(k, 2)");
    EXPECT_EQ(graph_of("h + 2"), "add.i16(h, 2)");
    EXPECT_EQ(graph_of("m - -2"), "sub.i64(m, -2)");
    EXPECT_EQ(graph_of("2"), "2.0");
}

TEST(ToGraph, IntegerLiteralsMustFit) {
    EXPECT_EQ(graph_of("h + 32767"), "add.i16(h, 32767)");
    EXPECT_EQ(graph_of("h + -32768"), "add.i16(h, -32768)");
    EXPECT_NE(Context{}.error("h + 32768").find("got 32768"), std::string::npos);
    EXPECT_NE(Context{}.error("k + 2147483648").find("i32"), std::string::npos);
    EXPECT_EQ(graph_of("k + -2147483648"), "add.i32(k, -2147483648)");
    EXPECT_EQ(graph_of("m + 0x7fffffffffffffff"), "add.i64(m, 9223372036854775807)");
}

TEST(ToGraph, LiteralsAmongThemselvesAreExactIntegers) {
    EXPECT_EQ(graph_of("k >> (1 + 2*3) % 4"), "shift_right.i32(k, 3)");
    EXPECT_EQ(graph_of("k & ~(1 << 4)"), "bit_and.i32(k, -17)");
    EXPECT_EQ(graph_of("k & 2^4 - 1"), "bit_and.i32(k, 15)");
    EXPECT_EQ(graph_of("k + -7 // 2"), "add.i32(k, -4)");
    EXPECT_EQ(graph_of("k + -7 % 3"), "add.i32(k, 2)");
    EXPECT_EQ(graph_of("k + 7 % -3"), "add.i32(k, -2)");
    EXPECT_EQ(graph_of("k + (1 << 70)"), "k");
    EXPECT_EQ(graph_of("k + (-5 >> 70)"), "add.i32(k, -1)");
    EXPECT_EQ(graph_of("1 / 4"), "0.25");
    EXPECT_EQ(graph_of("9223372036854775807 + 1"), "9.223372036854776e+18")
        << "too large, so a number";
}

TEST(ToGraph, LiteralsWithAPointTakeTheFloatThatTheyMeetUnrounded) {
    EXPECT_EQ(graph_of("s * 0.5"), "mul.f32(s, 0.5)");
    EXPECT_EQ(graph_of("s * (2*pi)"), "mul.f32(s, 6.2831854820251465)");
    EXPECT_EQ(graph_of("k * 0.5"), "mul.f64(cast.f64(k), 0.5)");
    EXPECT_EQ(graph_of_f32("k * 0.5"), "mul.f32(cast.f32(k), 0.5)");
    EXPECT_EQ(graph_of_f32("x * 0.1"), "mul.f64(x, 0.1)");
    EXPECT_EQ(graph_of("-0.5"), "-0.5");
}

TEST(ToGraph, NamesInScopeShadowConstants) {
    EXPECT_EQ(graph_of("x + e"), "add.f64(x, 2.718281828459045)");
    Context context;
    context.functions.define("f", {"e"}, "e + pi");
    EXPECT_EQ(context("f(x)"), "add.f64(x, 3.141592653589793)");
}

// Arithmetic.

TEST(ToGraph, MixedOperandsAreConvertedToTheWider) {
    EXPECT_EQ(graph_of("k + x"), "add.f64(x, cast.f64(k))");
    EXPECT_EQ(graph_of("h * k"), "mul.i32(k, cast.i32(h))");
    EXPECT_EQ(graph_of("k - m"), "sub.i64(cast.i64(k), m)");
    EXPECT_EQ(graph_of("s + x"), "add.f64(x, cast.f64(s))");
    EXPECT_EQ(graph_of("m - s"), "sub.f32(cast.f32(m), s)");
}

TEST(ToGraph, DivisionIsRealAndFloorDivisionKeepsIntegers) {
    EXPECT_EQ(graph_of("k / h"), "div.f64(cast.f64(k), cast.f64(h))");
    EXPECT_EQ(graph_of_f32("k / 2"), "div.f32(cast.f32(k), 2.0)");
    EXPECT_EQ(graph_of("k // 2"), "floor_divide.i32(k, 2)");
    EXPECT_EQ(graph_of("x % 1"), "modulo.f64(x, 1.0)");
}

TEST(ToGraph, PowersByIntegerLiteralsAreTheirOwnOperation) {
    EXPECT_EQ(graph_of("x^2"), "integer_power.f64(x)");
    EXPECT_EQ(graph_of("pow(x, 2)"), "integer_power.f64(x)");
    EXPECT_EQ(graph_of("k^2"), "integer_power.f64(cast.f64(k))");
    EXPECT_EQ(graph_of("x^17"), "power.f64(x, 17.0)");
    EXPECT_EQ(graph_of("x^0.5"), "power.f64(x, 0.5)");
    EXPECT_EQ(graph_of("x^y"), "power.f64(x, y)");
    EXPECT_EQ(graph_of("-x^2"), "negate.f64(integer_power.f64(x))");
    const auto exponent = [](const std::string& text) {
        Context context;
        return static_cast<std::int64_t>(context.graph[context.translate(text)].payload);
    };
    EXPECT_EQ(exponent("x^16"), 16);
    EXPECT_EQ(exponent("x^-2"), -2);
    EXPECT_EQ(exponent("x**2.0"), 2);
    EXPECT_EQ(exponent("x^-(1 + 2)"), -3);
    EXPECT_EQ(exponent("x^0"), 0);
}

TEST(ToGraph, SharedPartsAreOneNode) {
    Context context;
    context.translate("(x + y)*(x + y) + (y + x)");
    EXPECT_EQ(context.graph.size(), 5u) << "x, y, the sum, its square, the result";
}

// Bits.

TEST(ToGraph, BitOperationsTakeIntegersOrConditions) {
    EXPECT_EQ(graph_of("k & 3 | h"), "bit_or.i32(bit_and.i32(k, 3), cast.i32(h))");
    EXPECT_EQ(graph_of("~k"), "bit_not.i32(k)");
    EXPECT_EQ(graph_of("1 << k"), "shift_left.i32(1, k)");
    EXPECT_EQ(graph_of("h >> 3"), "shift_right.i16(h, 3)");
    EXPECT_EQ(graph_of("(x > y) & ~(x < 1)"),
              "bit_and.m64(less.m64(y, x), logical_not.m64(less.m64(x, 1.0)))");
}

// Conditions.

TEST(ToGraph, ComparisonsAreMasksAsWideAsTheirOperands) {
    EXPECT_EQ(graph_of("x < y"), "less.m64(x, y)");
    EXPECT_EQ(graph_of("x >= y"), "less_equal.m64(y, x)");
    EXPECT_EQ(graph_of("s != 1"), "not_equal.m32(s, 1.0)");
    EXPECT_EQ(graph_of("h == k"), "equal.m32(k, cast.i32(h))");
}

TEST(ToGraph, LogicJoinsMasksOfTheWiderWidth) {
    EXPECT_EQ(graph_of("x < y and k < 3"),
              "bit_and.m64(less.m64(x, y), m64_from_m32.m64(less.m32(k, 3)))");
    EXPECT_EQ(graph_of("s < 1 or k"), "bit_or.m32(less.m32(s, 1.0), not_equal.m32(k, 0))");
    EXPECT_EQ(graph_of("not x"), "equal.m64(x, 0.0)");
    EXPECT_EQ(graph_of("where(1 and 2, x, y)"), "x") << "logic, not bits";
    EXPECT_EQ(graph_of("where(0 or 0, x, y)"), "y");
    EXPECT_EQ(graph_of("not x < y"), "logical_not.m64(less.m64(x, y))");
}

TEST(ToGraph, ConditionsInArithmeticAreZeroOrOne) {
    EXPECT_EQ(graph_of("(x > 0) * y"), "mul.f64(y, select.f64(less.m64(0.0, x), 1.0, 0.0))");
    EXPECT_EQ(graph_of("k + (x > 0)"),
              "add.i32(k, select.i32(m32_from_m64.m32(less.m64(0.0, x)), 1, 0))");
    EXPECT_EQ(graph_of("i32(x > 0)"), "select.i32(m32_from_m64.m32(less.m64(0.0, x)), 1, 0)");
    EXPECT_EQ(graph_of("-(x > 0)"), "negate.f64(select.f64(less.m64(0.0, x), 1.0, 0.0))");
}

TEST(ToGraph, ChoicesAreSelectsWithMasksOfTheirWidth) {
    const std::string expected = "select.f64(less.m64(x, y), x, 1.0)";
    EXPECT_EQ(graph_of("where(x < y, x, 1)"), expected);
    EXPECT_EQ(graph_of("x if x < y else 1"), expected);
    EXPECT_EQ(graph_of("where(k, s, h)"), "select.f32(not_equal.m32(k, 0), s, cast.f32(h))");
    EXPECT_EQ(graph_of("where(s < 1, m, 0)"),
              "select.i64(m64_from_m32.m64(less.m32(s, 1.0)), m, 0)");
    EXPECT_EQ(graph_of("where(x < y, k > 1, m > 1)"),
              "bit_or.m64(bit_and.m64(less.m64(x, y), m64_from_m32.m64(less.m32(1, k))), "
              "bit_andnot.m64(less.m64(x, y), less.m64(1, m)))");
    EXPECT_EQ(graph_of("where(1, x, y)"), "x");
}

// Functions.

TEST(ToGraph, FunctionsMakeIntegersRealButForThoseThatKeepThem) {
    EXPECT_EQ(graph_of("sin(k)"), "sin.f64(cast.f64(k))");
    EXPECT_EQ(graph_of("sqrt(s)"), "sqrt.f32(s)");
    EXPECT_EQ(graph_of("atan2(s, x)"), "atan2.f64(cast.f64(s), x)");
    EXPECT_EQ(graph_of("abs(h)"), "abs.i16(h)");
    EXPECT_EQ(graph_of("clip(k, 0, 9)"), "clip.i32(k, 0, 9)");
    EXPECT_EQ(graph_of("floor(k)"), "k");
    EXPECT_EQ(graph_of("round(s)"), "round.f32(s)");
    EXPECT_EQ(graph_of("exp(x > 0)"), "exp.f64(select.f64(less.m64(0.0, x), 1.0, 0.0))");
}

TEST(ToGraph, MinAndMaxTakeAnyNumberOfArguments) {
    EXPECT_EQ(graph_of("min(x, y)"), "min.f64(x, y)");
    EXPECT_EQ(graph_of("max(k, 1, h, 2)"), "max.i32(max.i32(max.i32(k, 1), cast.i32(h)), 2)");
}

TEST(ToGraph, CastsConvert) {
    EXPECT_EQ(graph_of("f32(x)"), "cast.f32(x)");
    EXPECT_EQ(graph_of("f64(x)"), "x");
    EXPECT_EQ(graph_of("i32(x) & 1"), "bit_and.i32(cast.i32(x), 1)");
    EXPECT_EQ(graph_of("k + i32(3)"), "add.i32(k, 3)");
    EXPECT_EQ(graph_of("i16(65537)"), "1") << "integers wrap";
    EXPECT_EQ(graph_of("i32(1e10)"), "cast.i32(10000000000.0)") << "saturates later";
    EXPECT_EQ(graph_of_f32("f64(0.1)"), "0.1");
    EXPECT_EQ(graph_of("x + f32(0.1)"), "add.f64(x, cast.f64(0.10000000149011612))");
}

TEST(ToGraph, EveryBuiltInFunctionIsTranslated) {
    for (const BuiltIn& function : built_in_functions()) {
        std::string call = std::string(function.name) + "(";
        for (int i = 0; i < function.min_arguments; ++i) {
            const bool octaves =
                function.name.starts_with("fbm") && i + 1 == function.min_arguments;
            call += std::string(i == 0 ? "" : ", ") + (octaves ? "3" : "x");
        }
        EXPECT_EQ(Context{}.error(call + ")"), "no error") << call;
    }
}

TEST(ToGraph, EachCallInTheTextDrawsItsOwnNumbers) {
    Context context;
    context.functions.define("noisy", {"a"}, "a + rand()");
    context.translate("rand() + rand() - randn()\nnoisy(x) + noisy(x)");
    EXPECT_EQ(context.sites, 5u);
    const Node& difference = context.graph[context.translate("rand() - rand()")];
    EXPECT_NE(difference.args[0], difference.args[1]);
    EXPECT_EQ(context.graph[difference.args[0]].payload, 5u) << "from left to right";
}

TEST(ToGraph, RandomNumbersMayBeForbidden) {
    Graph graph;
    const Script script = parse_script("rand()");
    const Scope scope{.real = Type::f64,
                      .resolve = {},
                      .random_refusal = "heun draws once a step"};
    try {
        to_graph(graph, script.ast, 0, scope);
        FAIL() << "no error";
    } catch (const Error& error) {
        EXPECT_EQ(std::string(error.what()), "line 1, column 1: got `rand()`, expected no random "
                                             "number here: heun draws once a step\nrand()\n^");
    }
}

// The user's functions.

TEST(ToGraph, ExpressionsAreInlined) {
    Context context;
    context.functions.define("square", {"a"}, "a*a");
    context.functions.define("length", {"a", "b"}, "s = square(a) + square(b); sqrt(s)");
    context.functions.define("raised", {"a", "n"}, "a^n");
    EXPECT_EQ(context("length(x, k)"), "sqrt.f64(add.f64(mul.f64(x, x), cast.f64(mul.i32(k, k))))");
    EXPECT_EQ(context("raised(x, 3)"), "integer_power.f64(x)") << "literals stay literals";
    EXPECT_NE(Context{}.error("length(x, y)").find("unknown function"), std::string::npos);
}

TEST(ToGraph, AFunctionSeesItsOwnNamesOnly) {
    FunctionTable functions;
    EXPECT_THROW(functions.define("f", {"a"}, "a + x"), Error);
    functions.define("f", {"a"}, "b = a + 1; a = b*b; a");
    EXPECT_EQ(functions.size(), 1u);
}

TEST(ToGraph, DefiningAgainReplaces) {
    Context context;
    context.functions.define("f", {"a"}, "a + 1");
    context.functions.define("f", {"a", "b"}, "a - b");
    EXPECT_EQ(context("f(x, y)"), "sub.f64(x, y)");
    EXPECT_EQ(context.functions.names(), std::vector<std::string>{"f"});
}

ExternalFunction external(int arguments, Purity purity) {
    return {arguments, purity, [](const double* const*, double*, std::size_t) {}};
}

TEST(ToGraph, ExternalCallsTakeAndGiveF64) {
    Context context;
    context.real = Type::f32;
    context.functions.define("g", external(2, Purity::external));
    EXPECT_EQ(context("g(s, 1)"), "cast.f32(external.f64(cast.f64(s), 1.0))");
    EXPECT_EQ(context("g(s, 1) - g(s, 1)"), "sub.f32(cast.f32(external.f64(cast.f64(s), 1.0)), "
                                            "cast.f32(external.f64(cast.f64(s), 1.0)))");
    const Node& difference = context.graph[context.translate("g(s, 1) - g(s, 1)")];
    EXPECT_EQ(difference.args[0], difference.args[1]) << "the same arguments, the same call";
    EXPECT_NE(context.error("g(s)").find("expected 2"), std::string::npos);
}

TEST(ToGraph, StatefulCallsAreNeverMerged) {
    Context context;
    context.functions.define("other", external(0, Purity::external));
    context.functions.define("next", external(0, Purity::stateful));
    const Node difference = context.graph[context.translate("next() - next()")];
    EXPECT_NE(difference.args[0], difference.args[1]);
    for (const NodeId call : difference.arguments()) {
        EXPECT_EQ(context.graph[call].payload & 0xffffffff, 1u) << "the number of the function";
    }
}

TEST(ToGraph, WrongDefinitionsAreRefused) {
    FunctionTable functions;
    EXPECT_THROW(functions.define("f", external(9, Purity::external)), Error);
    EXPECT_THROW(functions.define("f", external(-1, Purity::external)), Error);
    EXPECT_THROW(functions.define("f", ExternalFunction{1, Purity::external, {}}), Error);
    EXPECT_THROW(functions.define("where", external(1, Purity::external)), Error);
    EXPECT_THROW(functions.define("i32", {"a"}, "a"), Error);
    EXPECT_EQ(functions.size(), 0u);
}

// Bounds.

TEST(ToGraph, FunctionsThatNeverEndAreErrors) {
    Context context;
    context.functions.define("f_0", {"a"}, "a + 1");
    for (int i = 1; i <= 70; ++i) {
        context.functions.define(fmt::format("f_{}", i), {"a"}, fmt::format("f_{}(a) + 1", i - 1));
    }
    EXPECT_EQ(context.error("f_63(x)"), "no error");
    EXPECT_NE(context.error("f_70(x)").find("more than 64 calls"), std::string::npos);
}

TEST(ToGraph, FunctionsThatDoubleTheWorkAreErrorsSoon) {
    Context context;
    context.functions.define("f_0", {"a"}, "a + 1");
    for (int i = 1; i <= 60; ++i) {
        context.functions.define(fmt::format("f_{}", i), {"a"},
                                 fmt::format("f_{0}(a) + f_{0}(a)", i - 1));
    }
    EXPECT_NE(context.error("f_60(x)").find("more than 1000000 operations"), std::string::npos);
}

TEST(ToGraph, DeepTreesCostNoStack) {
    std::string text = "x";
    for (int i = 0; i < 24'000; ++i) {
        text += "*y + x";
    }
    EXPECT_EQ(Context{}.error(text), "no error");
}

}  // namespace
}  // namespace bitaxon::jit
