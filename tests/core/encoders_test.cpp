// Streams of every encoder: bits by their definition, in any order, and what products of them are.
#include "expect_error.hpp"

#include <bitaxon/core/encode.hpp>

#include <bitaxon/core/error.hpp>
#include <bitaxon/core/sources.hpp>

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <limits>
#include <random>
#include <string>
#include <vector>

namespace bitaxon {
namespace {

using u32 = std::uint32_t;
using u64 = std::uint64_t;

const ExecutionContext& context() {
    static const ExecutionContext one{{.threads = 1, .tier = {}, .seed = 0}};
    return one;
}

StreamArray make(const std::vector<double>& values, u64 length, const Encoder& encoder,
                 u64 first_index = 0, u64 first_bit = 0, Coding coding = Coding::unipolar) {
    return encode(context(), values, length, coding, encoder, {.first_index = first_index},
                  first_bit);
}

bool bit(const StreamView& view, std::size_t stream, u64 t) {
    return view.stream(0, stream)[t / 64] >> (t % 64) & 1;
}

u64 ones(const StreamArray& streams, std::size_t i) {
    return context().kernels().popcount(streams.view().stream(0, i), streams.words_per_stream());
}

u64 both(const StreamArray& a, std::size_t i, const StreamArray& b, std::size_t j) {
    return context().kernels().and_popcount(a.view().stream(0, i), b.view().stream(0, j),
                                            a.words_per_stream());
}

const std::vector<double> kValues = {0,       1,           0.5,   0.3,     1.0 / 3,
                                     0x1p-32, 1 - 0x1p-32, 0.999, 7.0 / 16};

const std::vector<Encoder> kEncoders = {
    Encoder{Bernoulli{}},
    Encoder{Lfsr{.bits = 16}},
    Encoder{Lfsr{.bits = 8, .seed = 3, .de_bruijn = true}, {}, 3, {.phase = 20, .rotation = 1}},
    Encoder{Sobol{77, Scramble::owen, 3, 32}, {}, 0, {.seed = 1}},
    Encoder{Sobol{3, Scramble::shift, 3, 8}, {}, 0, {.dimension = 2}},
    Encoder{Sobol{3}, {.phase = 5, .hold = 7, .period = 64}},
    Encoder{Halton{2}, {.stall = 100, .period = 125}, 0, {.dimension = 1}},
    Encoder{VanDerCorput{10, 12}, {}, 5},
    Encoder{Counter{true}, {.period = 1000}, 0, {.phase = 50}},
    Encoder{SigmaDelta{}},
};

// Thresholds from exact multiples: nearbyint in the default mode is to nearest, ties to even.
TEST(Encoders, EveryBitIsAComparison) {
    for (const Encoder& encoder : kEncoders) {
        if (std::holds_alternative<Bernoulli>(encoder.kind)) continue;
        for (const u64 length :
             {u64{1}, u64{63}, u64{64}, u64{65}, u64{4095}, u64{4097}, u64{9001}})
            for (const u64 first : {u64{0}, u64{77}}) {
                const StreamArray streams = make(kValues, length, encoder, 2, first);
                for (std::size_t i = 0; i < kValues.size(); ++i) {
                    const Sequence sequence(encoder, 2 + i);
                    const auto limit = static_cast<u64>(
                        std::nearbyint(kValues[i] * static_cast<double>(sequence.levels())));
                    std::vector<u32> numbers(length);
                    sequence.fill(first, numbers, limit);
                    for (u64 t = 0; t < length; ++t)
                        ASSERT_EQ(bit(streams.view(), i, t), numbers[t] < limit)
                            << describe(encoder) << ", " << length << " bits, stream " << i << ", "
                            << t;
                }
                check_tails(streams.view());
            }
    }
}

TEST(Encoders, AnyPartOfAnyStreamIsTheSame) {
    std::mt19937_64 random(1);
    for (const Encoder& encoder : kEncoders) {
        const StreamArray whole = make(kValues, 9001, encoder);
        for (int i = 0; i < 20; ++i) {
            const u64 first = random() % 9000;
            const u64 length = 1 + random() % (9001 - first);
            const std::size_t begin = random() % kValues.size();
            const std::vector<double> values(kValues.begin() + static_cast<long>(begin),
                                             kValues.end());
            const StreamArray part = make(values, length, encoder, begin, first);
            for (std::size_t k = 0; k < values.size(); ++k)
                for (u64 t = 0; t < length; ++t)
                    ASSERT_EQ(bit(part.view(), k, t), bit(whole.view(), begin + k, first + t))
                        << describe(encoder) << " from " << first;
            check_tails(part.view());
            EXPECT_TRUE(std::ranges::equal(part.sources(), whole.sources().subspan(begin)));
        }
    }
}

TEST(Encoders, BernoulliIsTheSameAsWithoutAnEncoder) {
    const StreamOrigin origin{
        .seed = 5, .layer = 3, .role = Role::select, .sample = 9, .first_index = 4};
    const StreamArray a = encode(context(), kValues, 1000, Coding::unipolar, origin);
    const StreamArray b =
        encode(context(), kValues, 1000, Coding::unipolar, Encoder{Bernoulli{}}, origin);
    for (std::size_t i = 0; i < kValues.size(); ++i)
        for (u64 t = 0; t < 1000; ++t) ASSERT_EQ(bit(a.view(), i, t), bit(b.view(), i, t));
    EXPECT_TRUE(std::ranges::equal(a.sources(), b.sources()));
}

TEST(Encoders, TiersAndThreadsGiveTheSameBits) {
    std::vector<double> values(300);
    std::mt19937_64 random(2);
    for (double& value : values) value = static_cast<double>(random() >> 11) * 0x1p-53;
    for (const Encoder& encoder : kEncoders) {
        if (encoder.step.dimension > 1) continue;  // more dimensions than there are
        Encoder own = encoder;
        if (own.step.dimension != 0) own.kind = Sobol{};
        const StreamArray first = make(values, 5001, own);
        for (const kernels::TierInfo& tier : kernels::tiers())
            for (const int threads : {1, 3}) {
                if (!tier.supported) continue;
                const ExecutionContext each(
                    ContextOptions{.threads = threads, .tier = std::string{tier.name}, .seed = 0});
                StreamArray streams = encode(each, values, 5001, Coding::unipolar, own);
                EXPECT_TRUE(std::equal(streams.row(0), streams.row(0) + streams.row_words(),
                                       first.view().words))
                    << tier.name << ", " << describe(own);
            }
    }
}

TEST(Encoders, BipolarIsUnipolarOfHalfTheValuePlusOne) {
    for (const Encoder& encoder : kEncoders) {
        const StreamArray a = make({-1, -0.5, 0, 0.25, 1}, 777, encoder, 0, 0, Coding::bipolar);
        const StreamArray b = make({0, 0.25, 0.5, 0.625, 1}, 777, encoder);
        EXPECT_TRUE(std::equal(a.view().words, a.view().words + a.row_words(), b.view().words));
    }
}

// In a whole period each number comes once, so that a threshold T has T ones.
TEST(Encoders, WholePeriodsAreExact) {
    std::vector<double> values;
    for (int i = 0; i <= 256; ++i) values.push_back(i / 256.0);
    const std::vector<Encoder> exact = {
        Encoder{Lfsr{.bits = 8, .seed = 77, .de_bruijn = true}, {}, 5},
        Encoder{Sobol{5, Scramble::owen, 1, 32}},
        Encoder{Sobol{900, Scramble::none, 0, 8}, {.phase = 256}},
        Encoder{VanDerCorput{2}},
        Encoder{VanDerCorput{4, 8}, {.phase = 1000}},
        Encoder{Counter{}, {.period = 256}},
        Encoder{Counter{true}, {.phase = 9, .period = 256}},
        Encoder{SigmaDelta{}, {.phase = 512}},
    };
    for (const Encoder& encoder : exact) {
        const StreamArray streams = make(values, 256, encoder);
        for (std::size_t i = 0; i <= 256; ++i) EXPECT_EQ(ones(streams, i), i) << describe(encoder);
    }
}

TEST(Encoders, CountersMakeThermometers) {
    const StreamArray first = make({0.3}, 10, Encoder{Counter{}});
    const StreamArray last = make({0.3}, 10, Encoder{Counter{true}});
    EXPECT_EQ(first.view().words[0], 0b0000000111u);
    EXPECT_EQ(last.view().words[0], 0b1110000000u);
    // A period of its own, and its parts.
    EXPECT_EQ(make({0.25}, 12, Encoder{Counter{}, {.period = 4}}).view().words[0], 0b000100010001u);
    EXPECT_EQ(make({0.25}, 6, Encoder{Counter{}, {.period = 4}}, 0, 3).view().words[0], 0b100010u);
    expect_error({"period", "first_bit"}, [] { make({0.5}, 10, Encoder{Counter{}}, 0, 1); });
}

// At any time the ones differ from p t by less than one.
TEST(Encoders, SigmaDeltaIsNeverOffByAWholeOne) {
    std::mt19937_64 random(3);
    for (int i = 0; i < 100; ++i) {
        const double p = static_cast<double>(random() >> 32) * 0x1p-32;
        const StreamArray stream = make({p}, 1000, Encoder{SigmaDelta{}});
        u64 count = 0;
        for (u64 t = 0; t < 1000; ++t) {
            count += bit(stream.view(), 0, t);
            const double off = p * static_cast<double>(t + 1) - static_cast<double>(count);
            ASSERT_TRUE(off >= 0 && off < 1) << p;
        }
    }
}

std::vector<double> multiples(u64 of) {
    std::vector<double> values;
    for (u64 i = 0; i <= of; ++i)
        values.push_back(static_cast<double>(i) / static_cast<double>(of));
    return values;
}

void expect_exact_products(u64 n, const Encoder& a, u64 m, const Encoder& b) {
    const StreamArray x = make(multiples(n), n * m, a);
    const StreamArray y = make(multiples(m), n * m, b);
    check_independent(x.sources().first(1), y.sources().first(1));
    for (u64 i = 0; i <= n; ++i)
        for (u64 j = 0; j <= m; ++j)
            ASSERT_EQ(both(x, i, y, j), i * j) << describe(a) << " and " << describe(b);
}

TEST(Deterministic, ClockDivisionMultipliesExactly) {
    for (const u64 n : {u64{2}, u64{7}, u64{16}, u64{100}})
        expect_exact_products(n, Encoder{Counter{}, {.period = n}}, n,
                              Encoder{Counter{}, {.hold = n, .period = n}});
    expect_exact_products(256, Encoder{Counter{}, {.period = 256}}, 256,
                          Encoder{Counter{}, {.hold = 256, .period = 256}});
}

TEST(Deterministic, RotationMultipliesExactly) {
    for (const u64 n : {u64{2}, u64{7}, u64{16}, u64{256}})
        expect_exact_products(n, Encoder{Counter{}, {.period = n}}, n,
                              Encoder{Counter{}, {.stall = n, .period = n}});
}

TEST(Deterministic, RelativelyPrimeLengthsMultiplyExactly) {
    for (const auto& [n, m] : {std::pair<u64, u64>{2, 3}, {7, 16}, {15, 16}, {255, 256}})
        expect_exact_products(n, Encoder{Counter{}, {.period = n}}, m,
                              Encoder{Counter{}, {.period = m}});
}

// The methods only need each number once a period, so that any such sequence will do (M. H. Najafi
// and D. J. Lilja, High quality down-sampling for deterministic approaches, 2018).
TEST(Deterministic, OtherSequencesMultiplyExactlyToo) {
    const Index plain{.period = 64};
    const Index rotated{.stall = 64, .period = 64};
    const Index divided{.hold = 64, .period = 64};
    for (const Index& other : {rotated, divided}) {
        expect_exact_products(64, Encoder{Sobol{0}, plain}, 64, Encoder{Sobol{1}, other});
        expect_exact_products(64, Encoder{Sobol{3}, plain}, 64, Encoder{Sobol{3}, other});
        expect_exact_products(64, Encoder{Lfsr{.bits = 6, .de_bruijn = true}, plain}, 64,
                              Encoder{Lfsr{.bits = 6, .seed = 9, .de_bruijn = true}, other});
    }
    expect_exact_products(81, Encoder{VanDerCorput{3}, {.period = 81}}, 81,
                          Encoder{VanDerCorput{3}, {.stall = 81, .period = 81}});
}

TEST(Deterministic, ThreeOperandsTakeThePowersOfThePeriod) {
    constexpr u64 n = 8;
    const std::vector<double> values = multiples(n);
    for (const bool rotation : {false, true}) {
        const auto index = [=](u64 power) {
            return rotation ? Index{.stall = power, .period = n}
                            : Index{.hold = power, .period = n};
        };
        const StreamArray x = make(values, n * n * n, Encoder{Counter{}, {.period = n}});
        const StreamArray y = make(values, n * n * n, Encoder{Counter{}, index(n)});
        const StreamArray z = make(values, n * n * n, Encoder{Counter{}, index(n * n)});
        for (u64 i = 0; i <= n; ++i)
            for (u64 j = 0; j <= n; ++j)
                for (u64 k = 0; k <= n; ++k) {
                    u64 count = 0;
                    for (std::size_t w = 0; w < x.words_per_stream(); ++w)
                        count += static_cast<u64>(__builtin_popcountll(x.view().stream(0, i)[w] &
                                                                       y.view().stream(0, j)[w] &
                                                                       z.view().stream(0, k)[w]));
                    ASSERT_EQ(count, i * j * k);
                }
    }
}

// Mean absolute error of the AND of a[i] and b[i] over random pairs.
double mean_product_error(u64 length, const Encoder& a, const Encoder& b) {
    std::mt19937_64 random(4);
    std::vector<double> p(2000);
    std::vector<double> q(p.size());
    for (std::size_t i = 0; i < p.size(); ++i) {
        p[i] = static_cast<double>(random() >> 11) * 0x1p-53;
        q[i] = static_cast<double>(random() >> 11) * 0x1p-53;
    }
    const StreamArray x = make(p, length, a);
    const StreamArray y = make(q, length, b, 100000);
    double sum = 0;
    for (std::size_t i = 0; i < p.size(); ++i)
        sum += std::abs(static_cast<double>(both(x, i, y, i)) / static_cast<double>(length) -
                        p[i] * q[i]);
    return sum / static_cast<double>(p.size());
}

TEST(Product, SobolInTwoDimensionsErrsByLessThanAThousandth) {
    for (const Scramble scramble : {Scramble::none, Scramble::shift, Scramble::owen})
        EXPECT_LT(mean_product_error(1024, Encoder{Sobol{0, scramble, 1, 32}},
                                     Encoder{Sobol{1, scramble, 2, 32}}),
                  0.001);
    // Mean of sqrt(pq (1 - pq) / L) sqrt(2 / pi) over the square: 0.0086.
    EXPECT_NEAR(mean_product_error(1024, Encoder{Bernoulli{}}, Encoder{Bernoulli{}}), 0.0086,
                0.0008);
}

// Both operands from one dimension, scrambled or not: the product is far off, and refused.
TEST(Product, OneDimensionTwiceIsFarOffAndRefused) {
    for (const Encoder& other : {Encoder{Sobol{3}}, Encoder{Sobol{3, Scramble::owen, 5, 32}},
                                 Encoder{Sobol{3}, {.phase = 17}}}) {
        EXPECT_GT(mean_product_error(1024, Encoder{Sobol{3}}, other), 0.015);
        const StreamArray a = make(kValues, 64, Encoder{Sobol{3}});
        const StreamArray b = make(kValues, 64, other);
        expect_error({"operands", "Sobol"}, [&] { check_independent(a.sources(), b.sources()); });
    }
    EXPECT_GT(mean_product_error(1024, Encoder{Sobol{0}}, Encoder{VanDerCorput{2}}), 0.015);
    // Equal names are equal random numbers, of Bernoulli too.
    const StreamArray a = make(kValues, 64, Encoder{Bernoulli{}});
    const StreamArray b = make(kValues, 64, Encoder{Bernoulli{}}, 1);
    check_independent(a.sources(), b.sources());
    expect_error({"operands", "Bernoulli"}, [&] { check_independent(a.sources(), a.sources()); });
}

TEST(Encoders, RefusesWhatIsOutOfRange) {
    const double nan = std::numeric_limits<double>::quiet_NaN();
    for (const Encoder& encoder : kEncoders) {
        for (const double wrong : {nan, -0.1, 1.1, std::numeric_limits<double>::infinity()})
            expect_error({"values[1]", "[0, 1]"}, [&] { make({0.5, wrong}, 10, encoder); });
        expect_error({"length", "got 0"}, [&] { make({0.5}, 0, encoder); });
        expect_error({"length"}, [&] { make({0.5}, (u64{1} << 31) + 1, encoder); });
        expect_error({"first_bit", "2^61"}, [&] { make({0.5}, 10, encoder, 0, kMaxTime - 9); });
    }
    const Encoder dimensions{Sobol{3}, {}, 0, {.dimension = 1}};
    make({0.5, 0.5}, 10, dimensions, 1019);
    expect_error({"dimension", "stream 1021"}, [&] { make({0.5, 0.5}, 10, dimensions, 1020); });
    for (const Encoder& wrong : {Encoder{Bernoulli{}, {.phase = 1}}, Encoder{Bernoulli{}, {}, 1},
                                 Encoder{Bernoulli{}, {}, 0, {.phase = 1}}})
        expect_error({"encoder", "Bernoulli alone"}, [&] { make({0.5}, 10, wrong); });
    StreamArray streams(2, 3, 10);
    streams.set_sources(std::vector<SourceId>(6));
    EXPECT_THROW(streams.set_sources(std::vector<SourceId>(5)), Error);
    streams.set_sources({});
    EXPECT_TRUE(streams.sources().empty());
}

TEST(Encoders, LatestTimesWork) {
    for (const Encoder& encoder : kEncoders) {
        const StreamArray end = make({0.4, 0.6}, 100, encoder, 0, kMaxTime - 100);
        const StreamArray part = make({0.4, 0.6}, 1, encoder, 0, kMaxTime - 1);
        for (const std::size_t i : {0u, 1u})
            EXPECT_EQ(bit(end.view(), i, 99), bit(part.view(), i, 0)) << describe(encoder);
    }
}

}  // namespace
}  // namespace bitaxon
