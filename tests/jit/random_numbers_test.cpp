// rand and randn: the documented formulas, and what random numbers must look like. Seeds are fixed,
// so bounds of five standard deviations never fail by chance.
#include "backends/interpreter.hpp"
#include "ir/math/math.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numbers>
#include <numeric>
#include <vector>

namespace bitaxon::jit {
namespace {

using Word = std::uint64_t;

constexpr Word kKey = 0x5851f42d4c957f2d;

template <class T>
constexpr Type type_of = sizeof(T) == 8 ? Type::f64 : Type::f32;

using Draw = NodeId (*)(math::MathBuilder&, Type, NodeId, NodeId, NodeId);

template <class T>
std::vector<T> draw(Draw function, std::size_t count, Word key = kKey, std::int64_t step = 0,
                    std::int64_t first_row = 0) {
    Program program;
    Graph& graph = program.graph;
    math::MathBuilder builder(graph);
    const NodeId row = graph.make(Op::row, Type::i64, {});
    const NodeId step_node = graph.make(Op::step, Type::i64, {});
    const NodeId value =
        function(builder, type_of<T>, graph.constant_bits(Type::i64, key), row, step_node);
    program.outputs = {{value, type_of<T>}};
    std::vector<T> result(count);
    void* outputs[] = {result.data()};
    const Frame frame{nullptr, outputs, nullptr, nullptr, nullptr, first_row, step, 1};
    Interpreter(program).run(frame, 0, static_cast<std::int64_t>(count));
    return result;
}

// The formulas of random.cpp, one number at a time.

constexpr Word kGolden = 0x9e3779b97f4a7c15;
constexpr Word kFirst = 0xbf58476d1ce4e5b9;
constexpr Word kSecond = 0x94d049bb133111eb;

Word mix(Word x) {
    x = (x ^ (x >> 30)) * kFirst;
    x = (x ^ (x >> 27)) * kSecond;
    return x ^ (x >> 31);
}

struct Stream {
    Word start;
    Word second_half;

    explicit Stream(Word key, Word step)
        : start(mix(key + (step + 1) * kGolden)), second_half(start ^ mix(key)) {}

    Word word(Word n) const {
        Word x = start + n * kGolden;
        x = (x ^ (x >> 30)) * kFirst;
        x = (x ^ (x >> 27) ^ second_half) * kSecond;
        return x ^ (x >> 31);
    }
};

long double box_muller(long double u, long double v) {
    return std::sqrt(-2 * std::log(u)) * std::sin(std::numbers::pi_v<long double> * v);
}

TEST(Rand, IsTheDocumentedHash) {
    for (const std::int64_t step : {0, 1, 12345}) {
        const Stream stream(kKey, static_cast<Word>(step));
        const auto wide = draw<double>(math::rand, 1000, kKey, step, 7);
        const auto narrow = draw<float>(math::rand, 1000, kKey, step, 7);
        for (std::size_t i = 0; i < wide.size(); ++i) {
            const Word word = stream.word(i + 7);
            ASSERT_EQ(wide[i], static_cast<double>(word >> 11) * 0x1p-53);
            ASSERT_EQ(narrow[i], static_cast<float>(word >> 40) * 0x1p-24F);
        }
    }
}

TEST(Rand, GoldenValues) {
    EXPECT_EQ(draw<double>(math::rand, 1, 1, 2, 3)[0], 0x1.36dd330dbfaf8p-3);
    EXPECT_EQ(draw<float>(math::rand, 1, 1, 2, 3)[0], 0x1.36dd300000000p-3F);
}

TEST(Randn, IsTheDocumentedTransform) {
    const Stream stream(kKey, 5);
    const auto wide = draw<double>(math::randn, 100'000, kKey, 5);
    const auto narrow = draw<float>(math::randn, 100'000, kKey, 5);
    for (std::size_t i = 0; i < wide.size(); ++i) {
        const Word first = stream.word(2 * i);
        const Word second = stream.word(2 * i + 1);
        const auto expected =
            box_muller(static_cast<long double>(first >> 12) * 0x1p-52L + 0x1p-53L,
                       static_cast<long double>(second >> 12) * 0x1p-52L - 0.5L);
        ASSERT_NEAR(wide[i], static_cast<double>(expected), 1e-15 * (1 + std::fabs(wide[i])));

        // Where u rounds towards 1, the radius is known to about 2^-12 only; it is small there.
        const Word word = stream.word(i);
        const auto u = static_cast<long double>(word >> 33) * 0x1p-31L + 0x1p-32L;
        const auto v = static_cast<long double>(static_cast<std::int32_t>(word)) * 0x1p-32L;
        const auto expected_narrow = static_cast<double>(box_muller(u, v));
        const double tolerance = 1e-6 + 3e-8 / std::sqrt(static_cast<double>(1 - u) + 1e-8);
        ASSERT_NEAR(static_cast<double>(narrow[i]), expected_narrow, tolerance) << i;
    }
}

/// The x whose shifted copy was xored to it.
Word undo_xor_shift(Word y, int shift) {
    Word x = y;
    for (int known = shift; known < 64; known += shift) {
        x = y ^ (x >> shift);
    }
    return x;
}

Word inverse(Word odd) {
    Word x = odd;
    for (int i = 0; i < 5; ++i) {
        x *= 2 - odd * x;
    }
    return x;
}

/// The n of which the stream's word is this.
Word position_of(const Stream& stream, Word word) {
    Word x = undo_xor_shift(word, 31) * inverse(kSecond);
    x = undo_xor_shift(x ^ stream.second_half, 27) * inverse(kFirst);
    return (undo_xor_shift(x, 30) - stream.start) * inverse(kGolden);
}

TEST(Randn, F32ReachesSixAndAHalfSigma) {
    const Stream stream(kKey, 0);
    const auto row = static_cast<std::int64_t>(position_of(stream, 0x80000000));
    EXPECT_NEAR(draw<float>(math::randn, 1, kKey, 0, row)[0], -6.6604, 1e-3);
}

TEST(Randn, F64ReachesEightAndAHalfSigma) {
    const Stream stream(kKey, 0);
    double largest = 0;
    for (Word low = 0; low < 4096; ++low) {
        const Word n = position_of(stream, low);
        if (n % 2 == 0) {
            const auto row = static_cast<std::int64_t>(n / 2);
            largest = std::max(largest, std::fabs(draw<double>(math::randn, 1, kKey, 0, row)[0]));
        }
    }
    EXPECT_GT(largest, 8.5);
    EXPECT_LT(largest, 8.6);
}

// Statistics.

constexpr std::size_t kCount = 1'000'000;

template <class T>
double chi_squared(const std::vector<T>& uniform, std::size_t bins) {
    std::vector<double> counts(bins);
    for (const T u : uniform) {
        ++counts[static_cast<std::size_t>(static_cast<double>(u) * static_cast<double>(bins))];
    }
    const double expected = static_cast<double>(uniform.size()) / static_cast<double>(bins);
    return std::accumulate(counts.begin(), counts.end(), 0.0, [&](double sum, double count) {
        return sum + (count - expected) * (count - expected) / expected;
    });
}

/// The distance of a sum of squares of so many bins from its mean, in standard deviations.
double chi_squared_sigma(double chi, std::size_t bins) {
    const double freedom = static_cast<double>(bins) - 1;
    return (chi - freedom) / std::sqrt(2 * freedom);
}

template <class T>
void expect_uniform() {
    const auto values = draw<T>(math::rand, kCount);
    EXPECT_GE(*std::min_element(values.begin(), values.end()), 0);
    EXPECT_LT(*std::max_element(values.begin(), values.end()), 1);
    EXPECT_LT(std::fabs(chi_squared_sigma(chi_squared(values, 1000), 1000)), 5);
    const double mean = std::accumulate(values.begin(), values.end(), 0.0) / kCount;
    EXPECT_LT(std::fabs(mean - 0.5), 5 * std::sqrt(1 / 12.0 / kCount));
}

TEST(Rand, F64IsUniform) { expect_uniform<double>(); }
TEST(Rand, F32IsUniform) { expect_uniform<float>(); }

TEST(Rand, LowBitsAreUniform) {
    auto values = draw<double>(math::rand, kCount);
    for (double& value : values) {
        value = std::ldexp(value, 43) - std::floor(std::ldexp(value, 43));
    }
    EXPECT_LT(std::fabs(chi_squared_sigma(chi_squared(values, 1024), 1024)), 5);
}

template <class T>
void expect_normal() {
    auto values = draw<T>(math::randn, kCount);
    double moments[5] = {};
    for (const T value : values) {
        for (int k = 1; k <= 4; ++k) {
            moments[k] += std::pow(static_cast<double>(value), k) / kCount;
        }
    }
    // Of x^k the variances are 1, 2, 15, 96.
    EXPECT_LT(std::fabs(moments[1]), 5 * std::sqrt(1.0 / kCount));
    EXPECT_LT(std::fabs(moments[2] - 1), 5 * std::sqrt(2.0 / kCount));
    EXPECT_LT(std::fabs(moments[3]), 5 * std::sqrt(15.0 / kCount));
    EXPECT_LT(std::fabs(moments[4] - 3), 5 * std::sqrt(96.0 / kCount));

    std::sort(values.begin(), values.end());
    double distance = 0;  // Kolmogorov and Smirnov's
    for (std::size_t i = 0; i < kCount; ++i) {
        const double expected =
            std::erfc(-static_cast<double>(values[i]) / std::numbers::sqrt2) / 2;
        distance = std::max(distance, std::fabs(expected - static_cast<double>(i) / kCount));
    }
    EXPECT_LT(distance * std::sqrt(kCount), 1.95);  // exceeded once in a thousand

    for (const double bound : {2.0, 3.0, 4.0}) {
        const double p = std::erfc(bound / std::numbers::sqrt2);
        const auto beyond = std::count_if(values.begin(), values.end(),
                                          [&](T value) { return std::fabs(value) > T(bound); });
        EXPECT_LT(std::fabs(static_cast<double>(beyond) - p * kCount), 5 * std::sqrt(p * kCount));
    }
}

TEST(Randn, F64IsNormal) { expect_normal<double>(); }
TEST(Randn, F32IsNormal) { expect_normal<float>(); }

/// Correlation of two samples of mean 1/2 and variance 1/12, in standard deviations; `a` may be
/// longer.
double correlation_sigma(const std::vector<double>& a, const std::vector<double>& b) {
    double sum = 0;
    for (std::size_t i = 0; i < b.size(); ++i) {
        sum += (a[i] - 0.5) * (b[i] - 0.5);
    }
    return sum * 12 / std::sqrt(static_cast<double>(b.size()));
}

TEST(Rand, RowsStepsAndKeysAreIndependent) {
    const auto base = draw<double>(math::rand, kCount);
    for (const std::int64_t row : {1, 2, 64, 1000}) {
        EXPECT_LT(
            std::fabs(correlation_sigma(base, draw<double>(math::rand, kCount, kKey, 0, row))), 5);
    }
    for (const std::int64_t step : {1, 2, 64, 1000}) {
        EXPECT_LT(std::fabs(correlation_sigma(base, draw<double>(math::rand, kCount, kKey, step))),
                  5);
    }
    for (int bit = 0; bit < 64; ++bit) {
        const Word key = kKey ^ (Word{1} << bit);
        EXPECT_LT(std::fabs(correlation_sigma(base, draw<double>(math::rand, kCount / 10, key))),
                  5);
    }
}

TEST(Rand, StepsOfOneRowAreUniform) {
    std::vector<double> values;
    for (std::int64_t step = 0; step < 20'000; ++step) {
        values.push_back(draw<double>(math::rand, 1, kKey, step, 3)[0]);
    }
    EXPECT_LT(std::fabs(chi_squared_sigma(chi_squared(values, 100), 100)), 5);
}

// Rows one further and keys G less would meet if a row's offset were all that told streams apart.
TEST(Rand, ShiftedKeysDoNotMeetShiftedRows) {
    const auto base = draw<double>(math::rand, 1000, kKey, 0, 1);
    for (const Word key : {kKey + kGolden, kKey - kGolden}) {
        const auto other = draw<double>(math::rand, 1000, key, 0, 0);
        for (std::size_t i = 0; i < base.size(); ++i) {
            ASSERT_NE(base[i], other[i]);
        }
    }
}

TEST(Rand, NeighboursInRowAndStepFillThePlane) {
    constexpr std::size_t side = 32;
    for (const bool next_step : {false, true}) {
        const auto x = draw<double>(math::rand, kCount);
        const auto y = next_step ? draw<double>(math::rand, kCount, kKey, 1)
                                 : draw<double>(math::rand, kCount, kKey, 0, 1);
        std::vector<double> cells(kCount);
        for (std::size_t i = 0; i < kCount; ++i) {
            const double row = std::floor(x[i] * side);
            cells[i] = (row + y[i]) / side;
        }
        EXPECT_LT(std::fabs(chi_squared_sigma(chi_squared(cells, side * side), side * side)), 5);
    }
}

}  // namespace
}  // namespace bitaxon::jit
