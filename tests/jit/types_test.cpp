// Arguments and results of other types than the kernel's float: every bit of them, on every way of
// running.
#include <bitaxon/core/error.hpp>
#include <bitaxon/jit/kernel.hpp>
#include <bitaxon/kernels/tier.hpp>

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <random>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

namespace bitaxon::jit {
namespace {

using kernels::Tier;

// The portable tier has no code generator: there the interpreter runs.
constexpr Tier kTiers[] = {Tier::portable, Tier::avx2, Tier::avx512bw, Tier::neon};

template <class Check>
void on_every_tier(const char* text, const ParseOptions& parse_options, Check check) {
    for (const Tier tier : kTiers) {
        if (!kernels::info(tier).supported) {
            continue;
        }
        SCOPED_TRACE(std::string(kernels::info(tier).name) + ": " + text);
        const ExecutionContext context{
            {.threads = 1, .tier = std::string(kernels::info(tier).name)}};
        const Kernel f = compile(text, {.wait = true}, parse_options);
        check(context, f);
        EXPECT_EQ(f.stats().tier == "interpreter", tier == Tier::portable);
    }
}

template <class T>
std::vector<T> drawn(std::size_t count, std::uint64_t seed) {
    std::mt19937_64 random(seed);
    std::vector<T> values(count);
    for (T& value : values) {
        if constexpr (std::is_integral_v<T>) {
            value = static_cast<T>(random() >> random() % 50);
        } else {
            value = static_cast<T>(static_cast<double>(random() % 100'000) / 7 - 7000);
        }
    }
    return values;
}

// Rows between rows that nothing may touch; the first of these begins a cache line.
template <class T>
struct Guarded {
    explicit Guarded(std::size_t rows) : memory(rows + 2 + 64 / sizeof(T), mark()) {
        const auto past = reinterpret_cast<std::uintptr_t>(memory.data()) % 64 / sizeof(T);
        all = std::span(memory).subspan(past == 0 ? 0 : 64 / sizeof(T) - past, rows + 2);
    }
    Guarded(const Guarded&) = delete;
    Guarded& operator=(const Guarded&) = delete;
    static T mark() { return static_cast<T>(77); }
    std::span<T> rows() { return all.subspan(1, all.size() - 2); }
    void expect(const auto& value) const {
        EXPECT_EQ(all.front(), mark());
        EXPECT_EQ(all.back(), mark());
        for (std::size_t i = 0; i + 2 < all.size(); ++i) {
            ASSERT_EQ(+all[i + 1], +value(i)) << "row " << i << " of " << all.size() - 2;
        }
    }
    std::vector<T> memory;
    std::span<T> all;
};

std::int64_t floor_quotient(std::int64_t a, std::int64_t b) { return a / b - (a % b < 0 ? 1 : 0); }

constexpr std::size_t kRowCounts[] = {1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 33, 64, 65, 127, 500};

TEST(TypedArrays, EveryResultKeepsEveryBit) {
    const char* text =
        "n : i64; k : i32; n*n + k, n // 7, i16(k*3), k & 255, n < k, x <= 0, x/2, f32(k)";
    on_every_tier(text, {}, [](const ExecutionContext& context, const Kernel& f) {
        for (const std::size_t rows : kRowCounts) {
            const auto n = drawn<std::int64_t>(rows, 1);
            const auto k = drawn<std::int32_t>(rows, 2);
            const auto x = drawn<double>(rows, 3);
            Guarded<std::int64_t> squares(rows), quotients(rows);
            Guarded<std::int16_t> low(rows);
            Guarded<std::int32_t> bytes(rows);
            Guarded<std::uint8_t> less(rows), negative(rows);
            Guarded<double> halves(rows);
            Guarded<float> floats(rows);
            f(context, {n, k, x},
              {squares.rows(), quotients.rows(), low.rows(), bytes.rows(), less.rows(),
               negative.rows(), halves.rows(), floats.rows()});
            squares.expect([&](std::size_t i) {
                const auto m = static_cast<std::uint64_t>(n[i]);
                return static_cast<std::int64_t>(m * m + static_cast<std::uint64_t>(k[i]));
            });
            quotients.expect([&](std::size_t i) { return floor_quotient(n[i], 7); });
            low.expect([&](std::size_t i) {
                return static_cast<std::int16_t>(static_cast<std::uint32_t>(k[i]) * 3);
            });
            bytes.expect([&](std::size_t i) { return k[i] & 255; });
            less.expect([&](std::size_t i) { return n[i] < k[i] ? 1 : 0; });
            negative.expect([&](std::size_t i) { return x[i] <= 0 ? 1 : 0; });
            halves.expect([&](std::size_t i) { return x[i] / 2; });
            floats.expect([&](std::size_t i) { return static_cast<float>(k[i]); });
        }
    });
}

TEST(TypedArrays, NarrowLanesAreStoredByTheWholeVector) {
    const char* text = "k : i32; i16(k), k < 9, x*x";
    on_every_tier(text, {.dtype = Type::f32}, [](const ExecutionContext& context, const Kernel& f) {
        for (const std::size_t rows : kRowCounts) {
            const auto k = drawn<std::int32_t>(rows, 4);
            const auto x = drawn<float>(rows, 5);
            Guarded<std::int16_t> low(rows);
            Guarded<std::uint8_t> less(rows);
            Guarded<float> squares(rows);
            f(context, {k, x}, {low.rows(), less.rows(), squares.rows()});
            low.expect([&](std::size_t i) { return static_cast<std::int16_t>(k[i]); });
            less.expect([&](std::size_t i) { return k[i] < 9 ? 1 : 0; });
            squares.expect([&](std::size_t i) { return x[i] * x[i]; });
        }
    });
}

TEST(TypedArrays, LargeArraysAreStreamedAndSharedOut) {
    const std::size_t rows = 900'001;
    const auto n = drawn<std::int64_t>(rows, 6);
    const char* text = "n : i64; n*n, i32(n), n % 5 == 0";
    const Kernel f = compile(text, {.wait = true});
    for (const int threads : {1, 3}) {
        Guarded<std::int64_t> squares(rows);
        Guarded<std::int32_t> low(rows);
        Guarded<std::uint8_t> fives(rows);
        f(ExecutionContext{{.threads = threads}}, {n}, {squares.rows(), low.rows(), fives.rows()});
        squares.expect([&](std::size_t i) {
            return static_cast<std::int64_t>(static_cast<std::uint64_t>(n[i]) *
                                             static_cast<std::uint64_t>(n[i]));
        });
        low.expect([&](std::size_t i) { return static_cast<std::int32_t>(n[i]); });
        fives.expect([&](std::size_t i) { return n[i] % 5 == 0 ? 1 : 0; });
    }
    const bool has_generator = compile("x", {.wait = true}).stats().compiled_variants > 0;
    EXPECT_EQ(f.stats().compiled_variants, has_generator ? 2 : 0) << "one of them streams";
}

TEST(TypedArrays, SingleValuesAreExactAndFolded) {
    const Kernel f = compile("n : i64; m : i64; k : i32; n - m*k",
                             {.wait = true, .thresholds = {.fold_calls = 3}});
    const auto n = drawn<std::int64_t>(100, 7);
    const std::int64_t m = (std::int64_t{1} << 53) + 1;
    const std::int32_t k = -3;
    for (int call = 0; call < 6; ++call) {
        Guarded<std::int64_t> out(n.size());
        f(ExecutionContext::shared(), {n, {&m, 1}, {&k, 1}}, out.rows());
        out.expect([&](std::size_t i) {
            return static_cast<std::int64_t>(static_cast<std::uint64_t>(n[i]) +
                                             static_cast<std::uint64_t>(m) * 3);
        });
    }
}

TEST(TypedArrays, OutputsMayBeInputsThatAreAsWide) {
    const Kernel f = compile("n : i64; i64(x) + n, n < 0");
    auto x = drawn<double>(300, 8);
    const std::vector<double> before = x;
    const auto n = drawn<std::int64_t>(300, 9);
    Guarded<std::uint8_t> negative(300);
    const std::span in_place(reinterpret_cast<std::int64_t*>(x.data()), x.size());
    f(ExecutionContext::shared(), {n, x}, {in_place, negative.rows()});
    for (std::size_t i = 0; i < x.size(); ++i) {
        std::int64_t got = 0;
        std::memcpy(&got, &x[i], sizeof got);
        ASSERT_EQ(got, n[i] + static_cast<std::int64_t>(before[i]));
    }
}

TEST(TypedArrays, BlocksOfExternalFunctionsMoveByEachWidth) {
    Functions functions;
    functions.define(
        "half", ExternalFunction{1, Purity::external,
                                 [](const double* const* args, double* out, std::size_t count) {
                                     for (std::size_t i = 0; i < count; ++i) {
                                         out[i] = args[0][i] / 2;
                                     }
                                 }});
    const Kernel f =
        compile("k : i32; i16(half(k)), k == 7, half(x)", {}, {.functions = functions});
    std::vector<std::int32_t> k(3000);
    for (std::size_t i = 0; i < k.size(); ++i) {
        k[i] = static_cast<std::int32_t>(i % 100);
    }
    const auto x = drawn<double>(k.size(), 10);
    Guarded<std::int16_t> halves(k.size());
    Guarded<std::uint8_t> sevens(k.size());
    Guarded<double> other(k.size());
    f(ExecutionContext::shared(), {k, x}, {halves.rows(), sevens.rows(), other.rows()});
    halves.expect([&](std::size_t i) { return k[i] / 2; });
    sevens.expect([&](std::size_t i) { return k[i] == 7 ? 1 : 0; });
    other.expect([&](std::size_t i) { return x[i] / 2; });
}

TEST(TypedArrays, DeclaredArgumentsStandWhereTheyAppearFirst) {
    const Expression f = parse("a*x; n : i64; e : f32\nn & 1, e", {.dtype = Type::f64});
    EXPECT_EQ(f.arguments(), (std::vector<std::string>{"a", "x", "n", "e"}));
    EXPECT_EQ(f.argument_types(), (std::vector<Type>{Type::f64, Type::f64, Type::i64, Type::f32}));
    EXPECT_EQ(f.results(), (std::vector<Type>{Type::f64, Type::i64, Type::f32}));
    const std::string story = compile(f).explain();
    EXPECT_NE(story.find("arguments: a, x, n : i64, e : f32\nresults: f64, i64, f32\n"),
              std::string::npos)
        << story;
}

struct WrongCall {
    std::string expected;
    void (*call)();
};

TEST(TypedArrays, ErrorsSayWhatToDo) {
    static const Kernel f = compile("n : i64; n & 7, x < 1");
    static const ExecutionContext& context = ExecutionContext::shared();
    static std::vector<double> x(8);
    static std::vector<std::int64_t> n(8);
    static std::vector<std::int64_t> other(8);
    static std::vector<std::uint8_t> mask(8);
    const WrongCall cases[] = {
        {"n: got elements of f64, expected i64, the argument's type; a declaration in the text",
         [] {
             f(context, {x, x}, {n, mask});
         }},
        {"output 0: got elements of f64, expected i64, the result's own type; a cast in the text",
         [] {
             f(context, {n, x}, {x, mask});
         }},
        {"output 1: got elements of f64, expected bool",
         [] {
             f(context, {n, x}, {n, x});
         }},
        {"outputs: got 1 arrays, expected 2",
         [] {
             f(context, {n, x}, n);
         }},
        {"overlaps input 0 in part, expected an array of its own, or exactly that input, if "
         "elements are as "
         "wide",
         [] {
             f(context, {n, x}, {other, std::span(reinterpret_cast<std::uint8_t*>(n.data()), 8)});
         }},
        {"`n` is declared but is no argument; list it",
         [] { parse("n : i64; x", {.arguments = std::vector<std::string>{"x"}}); }},
        {"column 10: `n` is declared or assigned before", [] { parse("n : i64; n : i32; n"); }},
        {"no array is read as i16; declare an i32", [] { parse("n : i16; n"); }},
        {"other declarations", [] { parse("n : i64 = 3; n"); }},
        {"other declarations", [] { parse("n : i64 (constant); n"); }},
    };
    for (const WrongCall& wrong : cases) {
        try {
            wrong.call();
            ADD_FAILURE() << "no error: " << wrong.expected;
        } catch (const Error& error) {
            EXPECT_NE(std::string(error.what()).find(wrong.expected), std::string::npos)
                << error.what();
        }
    }
}

}  // namespace
}  // namespace bitaxon::jit
