// The encoders, bit by bit against their definitions; the oracles share no code with the library.
#include "expect_error.hpp"

#include <bitaxon/core/encode.hpp>

#include <bitaxon/core/error.hpp>

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <limits>
#include <random>
#include <set>
#include <string>
#include <vector>

namespace bitaxon {
namespace {

using u64 = std::uint64_t;

// The definition of a Bernoulli bit, number by number.
u64 naive_mix(u64 x) {
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

struct NaiveStream {
    u64 a, b;

    NaiveStream(const StreamOrigin& origin, u64 index) {
        constexpr u64 g = 0x9e3779b97f4a7c15;
        u64 k = naive_mix(origin.seed + g);
        k = naive_mix(k + (origin.layer * 256 + static_cast<u64>(origin.role)) * g);
        k = naive_mix(k + origin.sample * g);
        const u64 i = origin.first_index + index;
        a = naive_mix(k + (2 * i + 1) * g);
        b = naive_mix(k + (2 * i + 2) * g);
    }

    u64 random(u64 word, u64 plane) const {
        u64 x = a + (32 * word + plane) * 0x9e3779b97f4a7c15u;
        x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
        x = ((x ^ (x >> 27)) ^ b) * 0x94d049bb133111ebu;
        return x ^ (x >> 31);
    }

    /// The numbers of 64 consecutive times.
    std::array<u64, 64> numbers(u64 word) const {
        std::array<u64, 64> result{};
        for (u64 plane = 0; plane < 32; ++plane) {
            const u64 digits = random(word, plane);
            for (std::size_t t = 0; t < 64; ++t) result[t] = 2 * result[t] + (digits >> t & 1);
        }
        return result;
    }
};

bool bit(const StreamView& view, std::size_t stream, u64 t) {
    return view.stream(0, stream)[t / 64] >> (t % 64) & 1;
}

u64 count_ones(const StreamView& view, std::size_t stream) {
    u64 ones = 0;
    for (std::size_t k = 0; k < words_for(view.length); ++k)
        ones += static_cast<u64>(__builtin_popcountll(view.stream(0, stream)[k]));
    return ones;
}

/// All words of the only row, its padding included.
std::vector<u64> row_of(StreamArray& streams) {
    return {streams.row(0), streams.row(0) + streams.row_words()};
}

/// The row that the definition gives for these thresholds; whatever it does not set is zero.
std::vector<u64> naive_row(const std::vector<u64>& thresholds, u64 length,
                           const StreamOrigin& origin) {
    const std::size_t stream_words = (length + 63) / 64;
    std::vector<u64> row((thresholds.size() * stream_words + 7) / 8 * 8);
    for (std::size_t i = 0; i < thresholds.size(); ++i) {
        const NaiveStream stream(origin, i);
        for (std::size_t word = 0; word < stream_words; ++word) {
            const std::array<u64, 64> numbers = stream.numbers(word);
            for (u64 t = 64 * word; t < std::min(length, 64 * word + 64); ++t)
                row[i * stream_words + word] |= u64{numbers[t % 64] < thresholds[i]} << (t % 64);
        }
    }
    return row;
}

const std::vector<double> kProbabilities = {
    0, 1, 0.5, 0.25, 0.1, 1.0 / 3, 5.0 / 16, 3.0 / 256, 1.0 / 512, 0x1p-32, 1 - 0x1p-32, 0.999};

/// p * 2^32 is exact, so that rounding happens once, in the default mode: to nearest, ties to even.
std::vector<u64> naive_thresholds(const std::vector<double>& probabilities) {
    std::vector<u64> result;
    for (const double p : probabilities)
        result.push_back(static_cast<u64>(std::nearbyint(std::ldexp(p, 32))));
    return result;
}

const ExecutionContext& context() {
    static const ExecutionContext one{{.threads = 1, .tier = {}, .seed = 0}};
    return one;
}

std::vector<ExecutionContext> every_tier_and_thread_count() {
    std::vector<ExecutionContext> contexts;
    for (const kernels::TierInfo& tier : kernels::tiers())
        for (const int threads : {1, 2, 4})
            if (tier.supported)
                contexts.emplace_back(
                    ContextOptions{.threads = threads, .tier = std::string{tier.name}, .seed = 0});
    return contexts;
}

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

TEST(Threshold, RoundsToNearestAndTiesToEven) {
    EXPECT_EQ(threshold(0.0), 0u);
    EXPECT_EQ(threshold(-0.0), 0u);
    EXPECT_EQ(threshold(1.0), u64{1} << 32);
    EXPECT_EQ(threshold(0.5), u64{1} << 31);
    EXPECT_EQ(threshold(0x1p-32), 1u);
    EXPECT_EQ(threshold(0x1p-33), 0u);  // one half: to 0
    EXPECT_EQ(threshold(std::nextafter(0x1p-33, 1.0)), 1u);
    EXPECT_EQ(threshold(3 * 0x1p-33), 2u);  // one and a half: to 2
    EXPECT_EQ(threshold(5 * 0x1p-33), 2u);  // two and a half: to 2
    EXPECT_EQ(threshold(1 - 0x1p-32), (u64{1} << 32) - 1);
    EXPECT_EQ(threshold(1 - 0x1p-33), u64{1} << 32);  // 2^32 - 1/2: to 2^32
    EXPECT_EQ(threshold(std::nextafter(1 - 0x1p-33, 0.0)), (u64{1} << 32) - 1);
    EXPECT_EQ(threshold(std::numeric_limits<double>::denorm_min()), 0u);
    EXPECT_EQ(threshold(1.0 / 512), u64{1} << 23);
    EXPECT_EQ(threshold(1.0 / 3), 0x55555555u);
}

TEST(Threshold, AgreesWithRoundingOfTheExactProduct) {
    std::mt19937_64 random(1);
    for (int i = 0; i < 100000; ++i) {
        const double uniform = static_cast<double>(random() >> 11) * 0x1p-53;
        const double small = std::ldexp(uniform, -static_cast<int>(random() % 40));
        const double tie = static_cast<double>((random() >> 32 & ~u64{0} >> 32) * 2 + 1) * 0x1p-33;
        for (const double p : {uniform, small, tie})
            ASSERT_EQ(threshold(p), naive_thresholds({p})[0]) << p;
    }
}

TEST(Threshold, ProbabilityIsItsInverse) {
    std::mt19937_64 random(2);
    for (int i = 0; i < 100000; ++i) {
        const u64 t = random() % ((u64{1} << 32) + 1);
        ASSERT_EQ(threshold(probability(t)), t);
    }
    EXPECT_EQ(probability(u64{1} << 32), 1.0);
}

TEST(Bernoulli, EqualsTheDefinitionBitForBit) {
    const StreamOrigin origin{
        .seed = 11, .layer = 3, .role = Role::select, .sample = 17, .first_index = 5};
    for (const u64 length :
         {1u, 2u, 63u, 64u, 65u, 127u, 128u, 129u, 511u, 512u, 513u, 997u, 1024u, 4097u}) {
        StreamArray streams = encode(context(), kProbabilities, length, Coding::unipolar, origin);
        EXPECT_EQ(row_of(streams), naive_row(naive_thresholds(kProbabilities), length, origin))
            << length << " bits";
    }
}

TEST(Bernoulli, EqualsTheDefinitionForEveryPartOfTheName) {
    std::vector<StreamOrigin> origins(6);
    origins[1].seed = ~u64{0};
    origins[2].layer = 1 << 20;
    origins[3].role = Role::weight;
    origins[4].sample = u64{1} << 40;
    origins[5].first_index = (u64{1} << 62) - 3;
    std::set<std::vector<u64>> rows;
    for (const StreamOrigin& origin : origins) {
        StreamArray streams = encode(context(), kProbabilities, 300, Coding::unipolar, origin);
        EXPECT_EQ(row_of(streams), naive_row(naive_thresholds(kProbabilities), 300, origin));
        rows.insert(row_of(streams));
    }
    EXPECT_EQ(rows.size(), origins.size());
}

// Streams of 2^16 + 1 bits, so that the pieces that threads take begin and end inside streams.
TEST(Bernoulli, TiersAndThreadsGiveTheSameBits) {
    std::vector<double> values;
    for (int i = 0; i < 20; ++i)
        values.push_back(kProbabilities[static_cast<std::size_t>(i) % kProbabilities.size()]);
    const u64 length = (1 << 16) + 1;
    const std::vector<u64> expected = naive_row(naive_thresholds(values), length, {});
    for (const ExecutionContext& each : every_tier_and_thread_count()) {
        StreamArray streams = encode(each, values, length);
        EXPECT_TRUE(row_of(streams) == expected)
            << kernels::info(each.tier()).name << ", " << each.threads() << " threads";
    }
}

TEST(Bernoulli, FirstIndexNamesTheStreams) {
    const std::vector<double> values = {0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9};
    const StreamArray all = encode(context(), values, 1000, Coding::unipolar, {.seed = 3});
    for (std::size_t i = 0; i < values.size(); ++i) {
        const StreamArray one = encode(context(), std::span(values).subspan(i, 1), 1000,
                                       Coding::unipolar, {.seed = 3, .first_index = i});
        for (std::size_t k = 0; k < 16; ++k)
            EXPECT_EQ(one.view().words[k], all.view().stream(0, i)[k]) << "stream " << i;
    }
}

TEST(Bernoulli, ShorterStreamIsAPrefix) {
    const std::vector<double> values = {0.7};
    const StreamArray shorter = encode(context(), values, 200);
    const StreamArray longer = encode(context(), values, 5000);
    for (u64 t = 0; t < 200; ++t) EXPECT_EQ(bit(shorter.view(), 0, t), bit(longer.view(), 0, t));
}

TEST(Bernoulli, ZeroHasNoOneAndOneHasNoZero) {
    const std::vector<double> values = {0.0, 1.0, -0.0};
    const u64 length = 10'000'001;
    const StreamArray streams = encode(context(), values, length);
    EXPECT_EQ(count_ones(streams.view(), 0), 0u);
    EXPECT_EQ(count_ones(streams.view(), 1), length);
    EXPECT_EQ(count_ones(streams.view(), 2), 0u);
}

// A number is 0 once in 2^32 bits. These are the first three in streams of 4,096 bits with seed 7,
// layer 3, sample 5, found by a search of 1.2 * 10^10 bits.
TEST(Bernoulli, LeastProbabilityHasAOneWhereTheNumberIsZero) {
    struct Hit {
        u64 index, time;
    };
    for (const Hit hit : {Hit{1160078, 555}, Hit{2206333, 879}, Hit{2995380, 3881}}) {
        const StreamOrigin origin{.seed = 7, .layer = 3, .sample = 5, .first_index = hit.index};
        EXPECT_EQ(NaiveStream(origin, 0).numbers(hit.time / 64)[hit.time % 64], 0u);
        const std::vector<double> least = {0x1p-32};
        StreamArray streams = encode(context(), least, 4096, Coding::unipolar, origin);
        EXPECT_EQ(count_ones(streams.view(), 0), 1u);
        EXPECT_TRUE(bit(streams.view(), 0, hit.time));

        // Half of it rounds to a threshold of 0.
        const std::vector<double> half = {0x1p-33};
        EXPECT_EQ(count_ones(encode(context(), half, 4096, Coding::unipolar, origin).view(), 0),
                  0u);
    }
}

// 1 - 2^-16 to 1 - 2^-9: few zeros, and their planes are all ones for long.
TEST(Bernoulli, ProbabilitiesNextToOneEqualTheDefinition) {
    std::vector<double> values;
    for (int k = 16; k < 24; ++k) values.push_back(1 - std::ldexp(1.0, k - 32));
    const StreamOrigin origin{.seed = 5};
    StreamArray streams = encode(context(), values, 1 << 16, Coding::unipolar, origin);
    EXPECT_EQ(row_of(streams), naive_row(naive_thresholds(values), 1 << 16, origin));
}

// 4 sigma on either side: one false alarm in 15,787 choices of a seed, for each p. 1/512 and 3/512
// fall between the values of an 8-bit encoder, 2^-20 gives it no one at all.
class BernoulliBias : public testing::TestWithParam<double> {};

TEST_P(BernoulliBias, StaysBelowFourSigmaOver1e8Bits) {
    const double p = GetParam();
    const u64 length = 100'000'000;
    const std::vector<double> values = {p};
    const StreamArray streams = encode(context(), values, length, Coding::unipolar, {.seed = 1});
    const double n = static_cast<double>(length);
    const double ones = static_cast<double>(count_ones(streams.view(), 0));
    const double sigmas = (ones - n * p) / std::sqrt(n * p * (1 - p));
    EXPECT_LT(std::abs(sigmas), 4) << ones << " ones, " << n * p << " expected";
}

INSTANTIATE_TEST_SUITE_P(Probabilities, BernoulliBias,
                         testing::Values(0.5, 0.25, 0.1, 1.0 / 3, 0.7, 0.999, 1.0 / 512, 3.0 / 512,
                                         511.0 / 512, 0x1p-20),
                         [](const testing::TestParamInfo<double>& p) {
                             return "of_" + std::to_string(threshold(p.param));
                         });

TEST(Bernoulli, BipolarIsUnipolarOfHalfTheValuePlusOne) {
    const std::vector<double> values = {-1.0, -0.75, -0.1, 0.0, 1.0 / 3, 0.5, 1.0};
    std::vector<double> probabilities;
    for (const double v : values) probabilities.push_back((v + 1) / 2);
    const StreamOrigin origin{.seed = 9, .role = Role::weight};
    StreamArray streams = encode(context(), values, 1000, Coding::bipolar, origin);
    EXPECT_EQ(row_of(streams), naive_row(naive_thresholds(probabilities), 1000, origin));
    EXPECT_EQ(count_ones(streams.view(), 0), 0u);
    EXPECT_EQ(count_ones(streams.view(), 6), 1000u);
}

TEST(Bernoulli, SplitUnipolarInputsAreUnipolar) {
    StreamArray unipolar = encode(context(), kProbabilities, 777, Coding::unipolar, {.seed = 4});
    StreamArray split = encode(context(), kProbabilities, 777, Coding::split_unipolar, {.seed = 4});
    EXPECT_EQ(row_of(unipolar), row_of(split));
}

TEST(Bernoulli, RefusesWhatIsNoProbability) {
    struct Case {
        double value;
        Coding coding;
        std::string got, expected;
    };
    const Case cases[] = {
        {kNan, Coding::unipolar, "got nan", "[0, 1]"},
        {kInfinity, Coding::unipolar, "got inf", "[0, 1]"},
        {-kInfinity, Coding::unipolar, "got -inf", "[0, 1]"},
        {-0.25, Coding::unipolar, "got -0.25", "[0, 1]"},
        {1.5, Coding::unipolar, "got 1.5", "[0, 1]"},
        {std::nextafter(1.0, 2.0), Coding::unipolar, "got 1.0000000000000002", "[0, 1]"},
        {-std::numeric_limits<double>::denorm_min(), Coding::unipolar, "got -5e-324", "[0, 1]"},
        {kNan, Coding::bipolar, "got nan", "[-1, 1]"},
        {-1.5, Coding::bipolar, "got -1.5", "[-1, 1]"},
        {kInfinity, Coding::bipolar, "got inf", "[-1, 1]"},
        {-0.5, Coding::split_unipolar, "got -0.5", "[0, 1]"},
    };
    for (const Case& c : cases) {
        const std::vector<double> values = {0.5, c.value, 0.25};
        const std::vector<std::string> parts = {"values[1]", c.got, "expected", c.expected,
                                                std::string{name(c.coding)}};
        expect_error(ErrorCode::invalid_value, parts,
                     [&] { encode(context(), values, 100, c.coding); });
        expect_error(ErrorCode::invalid_value, parts,
                     [&] { encode_lfsr16(context(), values, 100, 1, c.coding); });
    }
}

TEST(Bernoulli, RefusesLengthsOutsideTheirRange) {
    const std::vector<double> values = {0.5};
    for (const u64 length : {u64{0}, (u64{1} << 31) + 1, u64{1} << 40, ~u64{0}}) {
        const std::vector<std::string> parts = {"length", "got " + std::to_string(length),
                                                "expected 1 to 2147483648"};
        expect_error(ErrorCode::invalid_value, parts, [&] { encode(context(), values, length); });
        expect_error(ErrorCode::invalid_value, parts,
                     [&] { encode_lfsr16(context(), values, length, 1); });
    }
}

TEST(Bernoulli, RefusesNoValueAndTooManyBits) {
    expect_error(ErrorCode::invalid_shape, {"got 0", "expected at least 1"},
                 [] { encode(context(), {}, 100); });
    expect_error(ErrorCode::invalid_shape, {"got 0", "expected at least 1"},
                 [] { encode_lfsr16(context(), {}, 100, 1); });
    const std::vector<double> many((1 << 22) + 1, 0.5);
    expect_error(ErrorCode::invalid_value, {"got 4194305 * 2147483648", "expected at most 2^53"},
                 [&] { encode(context(), many, u64{1} << 31); });
}

TEST(Coding, NamesAreParsedBack) {
    for (const Coding coding : {Coding::unipolar, Coding::bipolar, Coding::split_unipolar})
        EXPECT_EQ(parse_coding(name(coding)), coding);
    for (const char* wrong : {"", "Unipolar", "split_unipolar", "unipolar "})
        expect_error(ErrorCode::invalid_value,
                     {"coding", "got '" + std::string{wrong} + "'",
                      "expected unipolar, bipolar or split-unipolar"},
                     [&] { parse_coding(wrong); });
}

TEST(Decode, GivesTheShareOfOnes) {
    StreamArray streams(2, 3, 70);  // two words each, 58 bits of the second are tail
    const std::array<u64, 6> ones = {0, 70, 1, 35, 64, 7};
    for (std::size_t i = 0; i < ones.size(); ++i)
        for (u64 t = 0; t < ones[i]; ++t)
            streams.row(i / 3)[i % 3 * 2 + t / 64] |= u64{1} << (t % 64);
    std::array<double, 6> unipolar{};
    std::array<double, 6> split{};
    std::array<double, 6> bipolar{};
    decode(context(), streams.view(), Coding::unipolar, unipolar);
    decode(context(), streams.view(), Coding::split_unipolar, split);
    decode(context(), streams.view(), Coding::bipolar, bipolar);
    for (std::size_t i = 0; i < ones.size(); ++i) {
        const double share = static_cast<double>(ones[i]) / 70;
        EXPECT_EQ(unipolar[i], share);
        EXPECT_EQ(split[i], share);
        EXPECT_DOUBLE_EQ(bipolar[i], 2 * share - 1);
    }
    EXPECT_EQ(bipolar[0], -1.0);
    EXPECT_EQ(bipolar[1], 1.0);
}

TEST(Decode, FollowsTheStridesOfAView) {
    const std::vector<double> values = {0.0, 1.0, 0.0, 1.0, 1.0, 0.0};
    const StreamArray streams = encode(context(), values, 64);
    StreamView backwards = streams.view();
    backwards.words += 5;
    backwards.stream_stride = -2;
    backwards.streams = 3;
    std::array<double, 3> out{};
    decode(context(), backwards, Coding::unipolar, out);
    EXPECT_EQ(out, (std::array<double, 3>{0.0, 1.0, 1.0}));  // streams 5, 3, 1
}

TEST(Decode, ComesWithinFourSigmaOfWhatWasEncoded) {
    const std::vector<double> values = {-0.9, -0.3, 0.0, 0.2, 0.8};
    const u64 length = 1 << 20;
    const StreamArray streams = encode(context(), values, length, Coding::bipolar, {.seed = 2});
    std::vector<double> out(values.size());
    decode(context(), streams.view(), Coding::bipolar, out);
    for (std::size_t i = 0; i < values.size(); ++i)
        EXPECT_NEAR(out[i], values[i],
                    4 * std::sqrt((1 - values[i] * values[i]) / static_cast<double>(length)));
}

TEST(Decode, RefusesDirtyTailsAndAnotherSize) {
    StreamArray streams(1, 3, 70);
    std::array<double, 4> out{};
    expect_error(ErrorCode::invalid_shape, {"out", "got 4", "expected 3"},
                 [&] { decode(context(), streams.view(), Coding::unipolar, out); });
    streams.row(0)[3] = u64{1} << 6;  // bit 70 of stream 1
    expect_error(
        ErrorCode::invalid_value, {"streams[0][1]", "got ones past its 70 bits", "expected"},
        [&] { decode(context(), streams.view(), Coding::unipolar, std::span(out).first(3)); });
}

// The register as hardware has it, one flip-flop an element; q[0] is the least significant.
struct Register {
    std::array<bool, 16> q{};

    explicit Register(unsigned seed) {
        for (unsigned i = 0; i < 16; ++i) q[i] = seed >> i & 1;
    }
    void clock() {
        const bool feedback = q[16 - 1] != (q[14 - 1] != (q[13 - 1] != q[11 - 1]));
        for (std::size_t i = 15; i > 0; --i) q[i] = q[i - 1];
        q[0] = feedback;
    }
    unsigned value() const {
        unsigned result = 0;
        for (unsigned i = 0; i < 16; ++i) result |= unsigned{q[i]} << i;
        return result;
    }
};

// From Python: s = (s << 1 & 0xffff) | ((s >> 15 ^ s >> 13 ^ s >> 12 ^ s >> 10) & 1).
TEST(Lfsr16, HasItsGoldenSequence) {
    constexpr std::array<unsigned, 20> kGolden = {
        0xace1, 0x59c3, 0xb387, 0x670f, 0xce1e, 0x9c3c, 0x3879, 0x70f2, 0xe1e4, 0xc3c8,
        0x8791, 0x0f22, 0x1e45, 0x3c8a, 0x7915, 0xf22a, 0xe455, 0xc8ab, 0x9157, 0x22ae};
    Lfsr16 lfsr(0xace1);
    for (const unsigned state : kGolden) {
        EXPECT_EQ(lfsr.state(), state);
        lfsr.step();
    }
    for (std::size_t t = kGolden.size(); t < 1000; ++t) lfsr.step();
    EXPECT_EQ(lfsr.state(), 0x8a87);
}

TEST(Lfsr16, FollowsTheRegisterThroughItsFullPeriod) {
    Lfsr16 lfsr(1);
    Register hardware(1);
    std::vector<bool> seen(65536);
    for (int t = 0; t < 65535; ++t) {
        ASSERT_EQ(lfsr.state(), hardware.value()) << "after " << t << " clocks";
        ASSERT_FALSE(seen[lfsr.state()]) << "again after " << t << " clocks";
        seen[lfsr.state()] = true;
        lfsr.step();
        hardware.clock();
    }
    EXPECT_EQ(lfsr.state(), 1);
    EXPECT_FALSE(seen[0]);
}

TEST(Lfsr16, RefusesTheStateThatNeverLeavesItself) {
    const std::vector<double> values = {0.5};
    const std::vector<std::string> parts = {"seed", "got 0", "expected 1 to 65535"};
    expect_error(ErrorCode::invalid_value, parts, [] { Lfsr16 lfsr(0); });
    expect_error(ErrorCode::invalid_value, parts,
                 [&] { encode_lfsr16(context(), values, 100, 0); });
}

TEST(Lfsr16, ComparesThenShifts) {
    const std::vector<double> below = {0x1234 / 65536.0};
    const std::vector<double> above = {0x1235 / 65536.0};
    EXPECT_FALSE(bit(encode_lfsr16(context(), below, 1, 0x1234).view(), 0, 0));
    EXPECT_TRUE(bit(encode_lfsr16(context(), above, 1, 0x1234).view(), 0, 0));
}

// Lengths on both sides of the period and of the encoder's parts.
TEST(Lfsr16, StreamsEqualTheHardwareBitForBit) {
    const std::vector<double> values = {0, 1, 0.5, 0.3, 1.0 / 65536, 2.0 / 65536, 65535.0 / 65536};
    for (const u64 length : {1u, 63u, 64u, 65u, 1000u, 65535u, 65536u, 65537u, 200001u}) {
        StreamArray streams = encode_lfsr16(context(), values, length, 0xace1);
        const std::size_t stream_words = (length + 63) / 64;
        std::vector<u64> expected(streams.row_words());
        Register hardware(0xace1);
        for (u64 t = 0; t < length; ++t, hardware.clock())
            for (std::size_t i = 0; i < values.size(); ++i)
                expected[i * stream_words + t / 64] |=
                    u64{hardware.value() < std::nearbyint(values[i] * 65536)} << (t % 64);
        EXPECT_TRUE(row_of(streams) == expected) << length << " bits";
    }
}

TEST(Lfsr16, ThresholdTHasTMinusOneOnesInAPeriod) {
    std::vector<double> values;
    std::vector<u64> expected;
    for (const u64 t :
         {1u, 2u, 3u, 100u, 255u, 256u, 32767u, 32768u, 32769u, 65534u, 65535u, 65536u}) {
        values.push_back(static_cast<double>(t) / 65536);
        expected.push_back(t - 1);
    }
    values.push_back(0);
    expected.push_back(0);
    for (const std::uint16_t seed :
         {std::uint16_t{1}, std::uint16_t{0xace1}, std::uint16_t{0xffff}}) {
        const StreamArray streams = encode_lfsr16(context(), values, 65535, seed);
        for (std::size_t i = 0; i < values.size(); ++i)
            EXPECT_EQ(count_ones(streams.view(), i), expected[i]) << "p = " << values[i];
    }
}

TEST(Lfsr16, RoundsThresholdsToEven) {
    const std::vector<double> values = {0.5 / 65536, 1.5 / 65536, 2.5 / 65536, 65535.5 / 65536};
    const StreamArray streams = encode_lfsr16(context(), values, 65535, 1);
    EXPECT_EQ(count_ones(streams.view(), 0), 0u);      // T = 0
    EXPECT_EQ(count_ones(streams.view(), 1), 1u);      // T = 2
    EXPECT_EQ(count_ones(streams.view(), 2), 1u);      // T = 2
    EXPECT_EQ(count_ones(streams.view(), 3), 65535u);  // T = 65536
}

TEST(Lfsr16, BipolarIsUnipolarOfHalfTheValuePlusOne) {
    const std::vector<double> values = {-1, -0.5, 0, 0.25, 1};
    const std::vector<double> probabilities = {0, 0.25, 0.5, 0.625, 1};
    StreamArray bipolar = encode_lfsr16(context(), values, 5000, 77, Coding::bipolar);
    StreamArray unipolar = encode_lfsr16(context(), probabilities, 5000, 77);
    EXPECT_EQ(row_of(bipolar), row_of(unipolar));
}

TEST(Lfsr16, TiersAndThreadsGiveTheSameBits) {
    const std::vector<double> values = {0.1, 0.5, 0.9, 1};
    StreamArray first = encode_lfsr16(context(), values, 70001, 42);
    for (const ExecutionContext& each : every_tier_and_thread_count()) {
        StreamArray streams = encode_lfsr16(each, values, 70001, 42);
        EXPECT_TRUE(row_of(streams) == row_of(first))
            << kernels::info(each.tier()).name << ", " << each.threads() << " threads";
    }
}

}  // namespace
}  // namespace bitaxon
