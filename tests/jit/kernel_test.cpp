// Kernels from the outside: texts in, arrays out, on every way of running them.
#include <bitaxon/core/error.hpp>
#include <bitaxon/jit/kernel.hpp>

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cmath>
#include <numeric>
#include <thread>
#include <vector>

namespace bitaxon::jit {
namespace {

std::vector<double> numbers(std::size_t count, double from, double to) {
    std::vector<double> values(count);
    for (std::size_t i = 0; i < count; ++i) {
        values[i] = from + (to - from) * static_cast<double>(i) / static_cast<double>(count);
    }
    return values;
}

const ExecutionContext& one_thread() {
    static const ExecutionContext context{{.threads = 1}};
    return context;
}

std::string message_of(const auto& action) {
    try {
        action();
    } catch (const Error& error) {
        return error.what();
    }
    return "no error";
}

// Waits for background work to show in the statistics.
void wait_for(const auto& condition) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (!condition() && std::chrono::steady_clock::now() < deadline) {
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
}

TEST(Kernel, ComputesAPolynomialOfArrays) {
    const Kernel f = compile("x^2 + 2*x*y");
    EXPECT_EQ(f.expression().arguments(), (std::vector<std::string>{"x", "y"}));
    const std::vector<double> x = numbers(100, -3, 3);
    const std::vector<double> y = numbers(100, 1, 2);
    std::vector<double> z(100);
    f(one_thread(), {x, y}, std::span(z));
    for (std::size_t i = 0; i < z.size(); ++i) {
        EXPECT_NEAR(z[i], x[i] * x[i] + 2 * x[i] * y[i], 1e-12);
    }
}

TEST(Kernel, ArgumentsStandInTheOrderOfFirstAppearance) {
    EXPECT_EQ(parse("b - a*b + c").arguments(), (std::vector<std::string>{"b", "a", "c"}));
    EXPECT_EQ(parse("t = q + 1; t*p + pi").arguments(), (std::vector<std::string>{"q", "p"}));
    EXPECT_EQ(parse("x if c else y").arguments(), (std::vector<std::string>{"x", "c", "y"}));
}

TEST(Kernel, ListedNamesShadowConstantsAndUnknownOnesAreRefused) {
    const Expression shadowed = parse("2*pi", {.arguments = std::vector<std::string>{"pi"}});
    std::vector<double> out(1);
    const std::vector<double> three{3};
    compile(shadowed)(one_thread(), {three}, std::span(out));
    EXPECT_EQ(out[0], 6);
    EXPECT_NE(message_of([] {
                  parse("x + weigth", {.arguments = std::vector<std::string>{"x", "weight"}});
              }).find("weight"),
              std::string::npos);
}

TEST(Kernel, SingleValuesAreTheSameInAllRows) {
    const Kernel f = compile("exp(-a) * x + a*a");
    const std::vector<double> x = numbers(37, 0, 1);
    const std::vector<double> a{0.5};
    const std::vector<double> repeated(37, 0.5);
    std::vector<double> uniform(37);
    std::vector<double> arrays(37);
    f(one_thread(), {a, x}, std::span(uniform));
    f(one_thread(), {repeated, x}, std::span(arrays));
    EXPECT_EQ(uniform, arrays);
}

TEST(Kernel, MachineCodeAndInterpreterGiveTheSameBits) {
    const char* text = "where(x > 0, log(1 + x), -sin(x)) * tanh(y) + x % 3";
    const Kernel interpreted =
        compile(text, {.thresholds = {.background_calls = 1 << 30, .work_at_once = 1 << 30}});
    const Kernel compiled = compile(text, {.wait = true});
    for (const std::size_t n : {1U, 7U, 8U, 9U, 63U, 64U, 65U, 1000U}) {
        const std::vector<double> x = numbers(n, -9, 9);
        const std::vector<double> y = numbers(n, 2, -2);
        std::vector<double> a(n);
        std::vector<double> b(n);
        interpreted(one_thread(), {x, y}, std::span(a));
        compiled(one_thread(), {x, y}, std::span(b));
        EXPECT_EQ(a, b) << n;
    }
    EXPECT_EQ(interpreted.stats().tier, "interpreter");
    EXPECT_EQ(interpreted.stats().machine_code_calls, 0);
}

TEST(Kernel, SeveralResultsAndNamedSubexpressions) {
    const Kernel f = compile("r = sqrt(x*x + y*y)\nx/r, y/r");
    const std::vector<double> x{3};
    const std::vector<double> y{4};
    std::vector<double> c(1);
    std::vector<double> s(1);
    f(one_thread(), {x, y}, {c, s});
    EXPECT_DOUBLE_EQ(c[0], 0.6);
    EXPECT_DOUBLE_EQ(s[0], 0.8);
}

TEST(Kernel, OutputMayBeAnInputButNotOverlapInPart) {
    const Kernel f = compile("2*x + y");
    std::vector<double> x = numbers(100, 0, 100);
    const std::vector<double> y(100, 1);
    f(one_thread(), {x, y}, std::span(x));
    EXPECT_DOUBLE_EQ(x[99], 199);
    std::vector<double> all(110);
    const std::span<double> a(all.data(), 100);
    const std::span<double> b(all.data() + 10, 100);
    EXPECT_NE(message_of([&] { f(one_thread(), {a, y}, b); }).find("overlaps"), std::string::npos);
}

TEST(Kernel, ThreadsDoNotChangeAnyBit) {
    const ExecutionContext four{{.threads = 4}};
    const Kernel f = compile("sin(x)*rand() + randn()*y");
    const std::size_t n = 300'001;
    const std::vector<double> x = numbers(n, -50, 50);
    const std::vector<double> y = numbers(n, 0, 1);
    std::vector<double> a(n);
    std::vector<double> b(n);
    f(one_thread(), {x, y}, std::span(a), {.seed = 5});
    f(four, {x, y}, std::span(b), {.seed = 5});
    EXPECT_EQ(a, b);
    f(four, {x, y}, std::span(b), {.seed = 6});
    EXPECT_NE(a, b);
}

TEST(Kernel, LargeCallsCompileAtOnceAndManyCallsInTheBackground) {
    const Kernel f = compile("x*y + 1", {.thresholds = {.background_calls = 5}});
    const std::vector<double> x(10, 2);
    std::vector<double> out(10);
    for (int call = 1; call < 5; ++call) {
        f(one_thread(), {x, x}, std::span(out));
        EXPECT_EQ(f.stats().compiled_variants, 0) << call;
    }
    f(one_thread(), {x, x}, std::span(out));
    wait_for([&] { return f.stats().compiled_variants > 0; });
    const bool has_generator = compile("x", {.wait = true}).stats().compiled_variants > 0;
    EXPECT_EQ(f.stats().compiled_variants, has_generator ? 1 : 0);

    const Kernel g = compile("x*y + 1");
    const std::vector<double> many(200'000, 2);
    std::vector<double> results(200'000);
    g(one_thread(), {many, many}, std::span(results));
    EXPECT_EQ(g.stats().machine_code_calls, has_generator ? 1 : 0);
}

TEST(Kernel, FoldingUniformValuesKeepsEveryBit) {
    const Kernel f = compile("(x*a + b)/c", {.wait = true, .thresholds = {.fold_calls = 10}});
    const std::vector<double> x = numbers(100, -1, 1);
    std::vector<double> first(100);
    std::vector<double> out(100);
    const double a = 1;
    const double b = -0.0;
    double c = 3;
    for (int call = 0; call < 30; ++call) {
        std::vector<double>& result = call == 0 ? first : out;
        f(one_thread(), {x, {&a, 1}, {&b, 1}, {&c, 1}}, std::span(result));
        EXPECT_EQ(result, first) << call;
    }
    EXPECT_EQ(f.stats().compiled_variants, compile("x", {.wait = true}).stats().compiled_variants * 3)
        << "for arrays, for uniform values, and for these uniform values";
    c = 4;
    f(one_thread(), {x, {&a, 1}, {&b, 1}, {&c, 1}}, std::span(out));
    EXPECT_EQ(out[0], x[0] / 4);
}

TEST(Kernel, FoldingInTheBackgroundComesWhenItIsReady) {
    const Kernel f = compile("x*a + rand()*b", {.thresholds = {.background_calls = 3, .fold_calls = 8}});
    const bool has_generator = compile("x", {.wait = true}).stats().compiled_variants > 0;
    const std::vector<double> x = numbers(20, -1, 1);
    std::vector<double> first(20);
    std::vector<double> out(20);
    const double a = 1;
    const double b = 3;
    const auto call = [&](std::vector<double>& result) {
        f(one_thread(), {x, {&a, 1}, {&b, 1}}, std::span(result), {.seed = 4});
    };
    call(first);
    for (int k = 2; k <= 7; ++k) {
        call(out);
        EXPECT_EQ(out, first) << k;
    }
    wait_for([&] { return !has_generator || f.stats().compiled_variants == 1; });
    EXPECT_EQ(f.stats().compiled_variants, has_generator ? 1 : 0);
    call(out);
    wait_for([&] { return !has_generator || f.stats().compiled_variants == 2; });
    EXPECT_EQ(f.stats().compiled_variants, has_generator ? 2 : 0);
    call(out);
    EXPECT_EQ(out, first);
}

TEST(Kernel, StagesOfExternalCallsHaveUniformValuesOfTheirOwn) {
    Functions functions;
    functions.define("half", ExternalFunction{1, Purity::external,
                                              [](const double* const* args, double* out,
                                                 std::size_t count) {
                                                  for (std::size_t i = 0; i < count; ++i) {
                                                      out[i] = args[0][i] / 2;
                                                  }
                                              }});
    // Each stage hoists products of its own.
    const Kernel f =
        compile("half(x*(a*a) + half(x*(b*b))) + (a*b)*x", {}, {.functions = functions});
    const std::vector<double> x = numbers(3000, 0, 1);
    std::vector<double> out(3000);
    const double a = 3;
    const double b = 5;
    f(one_thread(), {x, {&a, 1}, {&b, 1}}, std::span(out));
    for (std::size_t i = 0; i < out.size(); ++i) {
        ASSERT_NEAR(out[i], (x[i] * 9 + x[i] * 25 / 2) / 2 + 15 * x[i], 1e-12) << i;
    }
}

TEST(Kernel, ExternalFunctionsSeeAscendingBlocksAndMayThrow) {
    Functions functions;
    double total = 0;
    functions.define("running_sum", ExternalFunction{1, Purity::stateful,
                                                     [&](const double* const* args, double* out,
                                                         std::size_t count) {
                                                         EXPECT_LE(count, 1024U);
                                                         for (std::size_t i = 0; i < count; ++i) {
                                                             out[i] = total += args[0][i];
                                                         }
                                                     }});
    functions.define("twice", {"v"}, "v + v");
    const Kernel f = compile("twice(running_sum(2*x)) + x", {}, {.functions = functions});
    const std::vector<double> x(5000, 1);
    std::vector<double> out(5000);
    f(ExecutionContext::shared(), {x}, std::span(out));
    for (std::size_t i = 0; i < out.size(); ++i) {
        ASSERT_EQ(out[i], 4.0 * static_cast<double>(i + 1) + 1) << i;
    }
    EXPECT_NE(f.explain().find("running_sum: stateful"), std::string::npos);
    EXPECT_NE(f.explain().find("twice: pure"), std::string::npos);

    functions.define("fails", ExternalFunction{1, Purity::external, [](auto, auto, auto) {
                                                   throw std::runtime_error("no more");
                                               }});
    const Kernel g = compile("fails(x)", {}, {.functions = functions});
    EXPECT_THROW(g(one_thread(), {x}, std::span(out)), std::runtime_error);
}

TEST(Kernel, WrongCountsLengthsAndTypesAreNamed) {
    const Kernel f = compile("x + y");
    const std::vector<double> x(10);
    const std::vector<double> y(9);
    std::vector<double> out(10);
    EXPECT_NE(message_of([&] { f(one_thread(), {x}, std::span(out)); }).find("inputs: got 1"),
              std::string::npos);
    EXPECT_NE(message_of([&] { f(one_thread(), {x, y}, std::span(out)); }).find("y: got 9"),
              std::string::npos);
    std::vector<float> narrow(10);
    const std::vector<float> in(10);
    EXPECT_NE(message_of([&] { f(one_thread(), {in, in}, std::span(narrow)); }).find("f64"),
              std::string::npos);
}

TEST(Kernel, ACallCanBeCancelled) {
    const Kernel f = compile("sin(x) + cos(x)");
    std::stop_source source;
    source.request_stop();
    const std::vector<double> x(1'000'000, 0.5);
    std::vector<double> out(x.size());
    EXPECT_NE(message_of([&] {
                  f(ExecutionContext::shared(), {x}, std::span(out),
                    {.monitor = {.stop = source.get_token()}});
              }).find("cancelled"),
              std::string::npos);
}

TEST(Kernel, ManyThreadsMayUseOneKernel) {
    const Kernel f = compile("x*x - 1", {.thresholds = {.background_calls = 50}});
    std::atomic<int> wrong{0};
    {
        std::vector<std::jthread> threads;
        for (int t = 0; t < 4; ++t) {
            threads.emplace_back([&] {
                const std::vector<double> x = numbers(1001, -1, 1);
                std::vector<double> out(1001);
                for (int call = 0; call < 100; ++call) {
                    f(ExecutionContext::shared(), {x}, std::span(out));
                    wrong += out[500] != std::fma(x[500], x[500], -1.0) ? 1 : 0;
                }
            });
        }
    }
    EXPECT_EQ(wrong, 0);
    EXPECT_EQ(f.stats().calls, 400);
}

}  // namespace
}  // namespace bitaxon::jit
