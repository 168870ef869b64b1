// Square roots by multiplications: the bits are those of IEEE's root for every estimate that a
// processor may begin with. docs/adr/0010-square-roots.md has the proof that these tests complete.
#include "machine_code_support.hpp"

#include <algorithm>
#include <array>

namespace bitaxon::jit {
namespace {

using Integer = std::uint64_t;
__extension__ typedef unsigned __int128 Wide;

// x = k*k + k + j, an integer in [2^104, 2^106) that is an f64: its root differs from k + 1/2,
// where rounding turns, by (j - 1/4) / (2k), in units of the root's last place.
struct HardCase {
    double x;
    double root;  ///< rounded to nearest
    Integer k;
};

// All of them with |j| <= most. An f64 in [2^104, 2^105) is a multiple of 2^52, above of 2^53; of
// such a k the bits are found one by one, from the lowest (Hensel).
std::vector<HardCase> hard_cases(int most) {
    std::vector<HardCase> cases;
    for (const int zeros : {52, 53}) {
        for (int j = -most; j <= most; ++j) {
            const auto value = [&](Integer k) { return k * (k + 1) + static_cast<Integer>(j); };
            for (const Integer lowest : {Integer{0}, Integer{1}}) {
                Integer k = lowest;
                for (int bit = 0; bit < zeros; ++bit) {
                    if ((value(k) >> bit & 1) != 0) {
                        k ^= Integer{1} << bit;
                    }
                }
                if (value(k) << (64 - zeros) != 0 || (k & 1) != lowest) {
                    continue;  // j is odd
                }
                if (zeros == 52) {
                    k |= Integer{1} << 52;  // the highest bit of any k
                }
                const Wide x = Wide{k} * (k + 1) + static_cast<unsigned>(most + j) -
                               static_cast<unsigned>(most);
                if (k >> 52 == 1 && x >> (zeros + 53) == 0 && x >> (zeros + 52) != 0) {
                    cases.push_back(
                        {static_cast<double>(x), static_cast<double>(j <= 0 ? k : k + 1), k});
                }
            }
        }
    }
    return cases;
}

TEST(SquareRoots, HardCasesAreRootsNearMidpoints) {
    const std::vector<HardCase> cases = hard_cases(1000);
    EXPECT_GT(cases.size(), 1400U);
    for (const HardCase& c : cases) {
        EXPECT_EQ(c.root, std::sqrt(c.x)) << c.k;
    }
    // The two that are nearest: above 1, and below 4.
    const auto is_there = [&](double x) {
        return std::any_of(cases.begin(), cases.end(), [&](const HardCase& c) { return c.x == x; });
    };
    EXPECT_TRUE(is_there(0x1.0000000000001p104));
    EXPECT_TRUE(is_there(0x1.fffffffffffffp105));
}

// What the last step is handed there: the lower neighbour, and half its reciprocal, too small by
// 2^-60 times 0.73 to 1.31, rounded.
TEST(SquareRoots, LastStepRoundsRightWhereverTheRootIsNearAMidpoint) {
    for (const HardCase& c : hard_cases(64)) {
        const auto s = static_cast<double>(c.k);
        const long double half_reciprocal = 0.5L / static_cast<long double>(s);
        for (const long double error : {0.5L, 0.75L, 1.0L, 1.25L, 1.5L}) {
            const auto h = static_cast<double>(half_reciprocal * (1 - error * 0x1p-60L));
            EXPECT_EQ(std::fma(std::fma(-s, s, c.x), h, s), c.root) << std::hexfloat << c.x;
        }
    }
}

// The steps of write_newton_root.
struct NewtonRoot {
    double before;  ///< the last step
    double root;
};

NewtonRoot newton_root(double x, double estimate) {
    const double d = std::fma(-(x * estimate), estimate, 1.0 - 0x1p-29);
    const double y = std::fma(estimate, d * std::fma(d, 0.375, 0.5), estimate);
    const double s0 = x * y;
    const double s = std::fma(std::fma(-s0, s0, x), y * 0.5, s0);
    const double h = std::fma(y * 0.5, std::fma(-s, y, 1.0), y * 0.5);
    return {s, std::fma(std::fma(-s, s, x), h, s)};
}

// AVX2's estimate errs by 1.5 * 2^-12, and its argument is rounded to f32 before.
constexpr double kWorstEstimate = 0x1.801p-12;

TEST(SquareRoots, LowerNeighbourIsWhatTheLastStepBeginsWithNearMidpoints) {
    for (const HardCase& c : hard_cases(1000)) {
        for (int step = -64; step <= 64; ++step) {
            const double error = kWorstEstimate * step / 64;
            EXPECT_EQ(newton_root(c.x, (1 + error) / std::sqrt(c.x)).before,
                      static_cast<double>(c.k))
                << std::hexfloat << c.x << " estimated " << error << " too large";
        }
    }
}

TEST(SquareRoots, EveryEstimateLeadsToTheSameBits) {
    std::mt19937_64 random(1);
    std::vector<double> arguments;
    for (const HardCase& c : hard_cases(1000)) {
        arguments.push_back(c.x);
    }
    for (int i = 0; i < 100'000; ++i) {
        // Mantissas of [1, 4), then numbers next to the square of a midpoint.
        const double any = std::bit_cast<double>(Integer{1023} << 52 | random() >> 12);
        arguments.push_back(i % 2 == 0 ? any : 2 * any);
        const long double midpoint = static_cast<long double>(any) + 0x1p-53L;
        arguments.push_back(static_cast<double>(midpoint * midpoint));
    }
    arguments.insert(arguments.end(), {0x1p-64, 0x1p120, 1.0, 0x1.fffffffffffffp119});
    std::uniform_real_distribution<double> within(-kWorstEstimate, kWorstEstimate);
    for (const double x : arguments) {
        const double expected = std::sqrt(x);
        for (const double error : {-kWorstEstimate, kWorstEstimate, within(random), within(random),
                                   within(random) * 0x1p-20}) {
            ASSERT_EQ(newton_root(x, (1 + error) / expected).root, expected)
                << std::hexfloat << x << " estimated " << error << " too large";
        }
    }
}

// Machine code.

class SquareRootsCode : public ::testing::TestWithParam<Target> {
  protected:
    void SetUp() override {
        if (!test::can_run(GetParam())) {
            GTEST_SKIP() << "this CPU does not run " << name(GetParam());
        }
    }
};

INSTANTIATE_TEST_SUITE_P(Targets, SquareRootsCode, ::testing::ValuesIn(test::kVectorTargets),
                         [](const auto& target) { return std::string(name(target.param)); });

// Three roots of three arrays, each not below `least`.
Program three_roots(double least) {
    Program program;
    Graph& g = program.graph;
    for (std::size_t k = 0; k < 3; ++k) {
        program.inputs.push_back({"x", Type::f64});
        const NodeId x = g.make(Op::input, Type::f64, {}, k);
        const NodeId bounded = g.make(Op::max, Type::f64, {x, g.constant(Type::f64, least)});
        program.outputs.push_back({g.make(Op::sqrt, Type::f64, {bounded}), Type::f64});
    }
    return program;
}

bool estimates(const MachineCode& code) { return code.listing.find("vrsqrt") != std::string::npos; }

TEST_P(SquareRootsCode, OneOfThreeIsEstimatedWhereArgumentsAreSafe) {
    if (GetParam() == Target::neon) {
        GTEST_SKIP() << "NEON's roots are all by instruction";
    }
    const CodeOptions options{.listing = true};
    EXPECT_TRUE(estimates(generate(three_roots(0x1p-64), GetParam(), options)));
    EXPECT_FALSE(estimates(generate(three_roots(0), GetParam(), options)));
    EXPECT_FALSE(estimates(generate(three_roots(0x1p-65), GetParam(), options)));
}

TEST_P(SquareRootsCode, BitsAreThoseOfTheInstruction) {
    constexpr double infinity = std::numeric_limits<double>::infinity();
    std::vector<double> values = {0x1p-64, 0x1p120,   0x1.0000000000001p120, 1e300,        infinity,
                                  0.0,     -infinity, 0x1.fffffffffffffp119, std::nan(""), 4.0};
    for (const HardCase& c : hard_cases(1000)) {
        values.push_back(c.x);
        values.push_back(c.x * 0x1p-110);
    }
    std::mt19937_64 random(2);
    while (values.size() < 200'000) {
        const double mantissa = std::bit_cast<double>(Integer{1023} << 52 | random() >> 12);
        values.push_back(std::ldexp(mantissa, static_cast<int>(random() % 200) - 70));
    }
    const Program program = three_roots(0x1p-64);
    const MachineCode code = generate(program, GetParam());
    std::array<std::vector<double>, 3> roots;
    roots.fill(std::vector<double>(values.size()));
    std::array<const void*, 3> inputs;
    std::array<void*, 3> outputs;
    for (std::size_t k = 0; k < 3; ++k) {
        inputs[k] = values.data();
        outputs[k] = roots[k].data();
    }
    const std::array<std::int64_t, 3> no_steps{};
    const Frame frame{
        inputs.data(), outputs.data(), nullptr, no_steps.data(), no_steps.data(), 0, 0, 1};
    code.function(&frame, 0, static_cast<std::int64_t>(values.size()));
    for (std::size_t i = 0; i < values.size(); ++i) {
        const double expected = std::sqrt(values[i] < 0x1p-64 ? 0x1p-64 : values[i]);
        for (const std::vector<double>& root : roots) {
            ASSERT_TRUE(root[i] == expected || (std::isnan(root[i]) && std::isnan(expected)))
                << std::hexfloat << values[i] << ": " << root[i];
        }
    }
}

}  // namespace
}  // namespace bitaxon::jit
