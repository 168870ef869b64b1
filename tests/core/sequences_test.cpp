// Number sequences against their definitions, one number at a time.
#include "expect_error.hpp"

#include <bitaxon/core/sequences.hpp>

#include <bitaxon/core/error.hpp>
#include <bitaxon/core/sources.hpp>

#include <gtest/gtest.h>

#include <array>
#include <bit>
#include <cmath>
#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

namespace bitaxon {
namespace {

using u32 = std::uint32_t;
using u64 = std::uint64_t;
__extension__ using u128 = unsigned __int128;

std::vector<u32> numbers(const Encoder& encoder, std::size_t count, u64 first = 0, u64 stream = 0,
                         u64 threshold = 0) {
    std::vector<u32> result(count);
    Sequence(encoder, stream).fill(first, result, threshold);
    return result;
}

// A register as hardware has it, one flip-flop an element.
struct Hardware {
    std::vector<bool> q;
    std::vector<unsigned> taps;

    Hardware(unsigned bits, u64 tap_mask, u64 state) {
        for (unsigned i = 0; i < bits; ++i) q.push_back(state >> i & 1);
        for (unsigned i = 0; i < bits; ++i)
            if (tap_mask >> i & 1) taps.push_back(i);
    }
    void clock() {
        bool feedback = false;
        for (const unsigned tap : taps) feedback = feedback != q[tap];
        for (std::size_t i = q.size() - 1; i > 0; --i) q[i] = q[i - 1];
        q[0] = feedback;
    }
    u64 state() const {
        u64 result = 0;
        for (std::size_t i = 0; i < q.size(); ++i) result |= u64{q[i]} << i;
        return result;
    }
};

class LfsrOfSize : public testing::TestWithParam<unsigned> {};
INSTANTIATE_TEST_SUITE_P(Bits, LfsrOfSize, testing::Range(3u, 33u));

TEST_P(LfsrOfSize, FollowsTheHardware) {
    const unsigned bits = GetParam();
    const u64 last = (u64{1} << bits) - 1;
    for (const u64 seed : {u64{1}, last, last / 3}) {
        Hardware hardware(bits, maximal_taps(bits), seed);
        for (const u32 number : numbers(Encoder{Lfsr{.bits = bits, .seed = seed}}, 3000)) {
            ASSERT_EQ(number, hardware.state());
            hardware.clock();
        }
    }
}

class SmallLfsr : public testing::TestWithParam<unsigned> {};
INSTANTIATE_TEST_SUITE_P(Bits, SmallLfsr, testing::Range(3u, 21u));

TEST_P(SmallLfsr, VisitsEveryStateButZero) {
    const unsigned bits = GetParam();
    const u64 states = (u64{1} << bits) - 1;
    std::vector<bool> seen(states + 1);
    for (const u32 number : numbers(Encoder{Lfsr{.bits = bits}}, states)) {
        ASSERT_FALSE(seen[number]);
        seen[number] = true;
    }
    EXPECT_FALSE(seen[0]);
    EXPECT_EQ(Sequence(Encoder{Lfsr{.bits = bits}}).period(), states);
    EXPECT_EQ(numbers(Encoder{Lfsr{.bits = bits}}, 1, states)[0], 1u);
}

// The order of x divides 2^bits - 1; it is that number if it is no proper divisor's multiple.
TEST_P(LfsrOfSize, HasFullPeriod) {
    const unsigned bits = GetParam();
    const u64 states = (u64{1} << bits) - 1;
    // Whether `steps` steps lead home, by repeated squaring of the step as a matrix.
    const auto leads_home = [&](u64 steps) {
        using Matrix = std::vector<u64>;  // column i: the image of state 1 << i
        const auto times = [&](const Matrix& m, u64 state) {
            u64 image = 0;
            for (unsigned i = 0; i < bits; ++i)
                if (state >> i & 1) image ^= m[i];
            return image;
        };
        Matrix power(bits);
        for (unsigned i = 0; i < bits; ++i) {
            Hardware hardware(bits, maximal_taps(bits), u64{1} << i);
            hardware.clock();
            power[i] = hardware.state();
        }
        u64 state = 1;
        for (; steps != 0; steps >>= 1) {
            if (steps & 1) state = times(power, state);
            Matrix square(bits);
            for (unsigned i = 0; i < bits; ++i) square[i] = times(power, power[i]);
            power = square;
        }
        return state == 1;
    };
    EXPECT_TRUE(leads_home(states));
    u64 rest = states;
    for (u64 factor = 3; rest > 1; factor += 2) {
        if (factor * factor > rest) factor = rest;
        if (rest % factor != 0) continue;
        while (rest % factor == 0) rest /= factor;
        EXPECT_FALSE(leads_home(states / factor)) << "2^" << bits << " - 1 over " << factor;
    }
}

TEST_P(LfsrOfSize, JumpsAgreeWithSteps) {
    const unsigned bits = GetParam();
    const Encoder encoder{Lfsr{.bits = bits, .seed = 3}};
    std::mt19937_64 random(bits);
    for (int i = 0; i < 20; ++i) {
        const u64 far = random() % kMaxTime;
        const u64 more = random() % (u64{1} << bits);
        const std::vector<u32> there = numbers(encoder, 70, far);
        Hardware hardware(bits, maximal_taps(bits), there[0]);
        for (const u32 number : there) {
            ASSERT_EQ(number, hardware.state());
            hardware.clock();
        }
        // Twice a way is the way from its end.
        EXPECT_EQ(numbers(Encoder{Lfsr{.bits = bits, .seed = there[0]}}, 1, more)[0],
                  numbers(encoder, 1, far % ((u64{1} << bits) - 1) + more)[0]);
    }
}

TEST_P(LfsrOfSize, PhasesAreStepsFromStateOne) {
    const unsigned bits = GetParam();
    const u64 states = (u64{1} << bits) - 1;
    const Lfsr lfsr{.bits = bits};
    std::mt19937_64 random(bits);
    for (int i = 0; i < 10; ++i) {
        const u64 phase = random() % states;
        EXPECT_EQ(lfsr_phase(lfsr, numbers(Encoder{lfsr}, 1, phase)[0]), phase);
    }
}

TEST_P(LfsrOfSize, DeBruijnInsertsStateZeroOnce) {
    const unsigned bits = GetParam();
    const u64 states = (u64{1} << bits) - 1;
    const Encoder plain{Lfsr{.bits = bits}};
    const Encoder with_zero{Lfsr{.bits = bits, .de_bruijn = true}};
    EXPECT_EQ(Sequence(with_zero).period(), states + 1);
    const std::vector<u32> end = numbers(with_zero, 5, states - 2);
    EXPECT_EQ(end[0], numbers(plain, 1, states - 2)[0]);
    EXPECT_EQ(end[1], u32{1} << (bits - 1));
    EXPECT_EQ(end[2], 0u);
    EXPECT_EQ(end[3], 1u);
    EXPECT_EQ(end[4], numbers(plain, 2)[1]);
    // From another state, 0 comes as much earlier as the state lies behind 1.
    const u64 phase = states / 3;
    const u64 seed = numbers(plain, 1, phase)[0];
    const Encoder later{Lfsr{.bits = bits, .seed = seed, .de_bruijn = true}};
    EXPECT_EQ(numbers(later, 1)[0], seed);
    EXPECT_EQ(numbers(later, 1, states - phase)[0], 0u);
    EXPECT_EQ(numbers(later, 1, states + 1)[0], seed);
    EXPECT_EQ(numbers(Encoder{Lfsr{.bits = bits, .seed = 0, .de_bruijn = true}}, 3),
              (std::vector<u32>{0, 1, numbers(plain, 2)[1]}));
    if (bits > 16) return;
    const std::vector<u32> all = numbers(with_zero, states + 1, 12345);
    EXPECT_EQ(std::set<u32>(all.begin(), all.end()).size(), states + 1);
}

TEST(Lfsr, TakesOtherMaximalTapsAndNoOthers) {
    // x^8 + x^6 + x^5 + x + 1, as hardware numbers taps: maximal; x^8 + x^4 + 1 is a square.
    const Lfsr own{.bits = 8, .seed = 1, .taps = 0b10110001};
    Hardware hardware(8, 0b10110001, 1);
    std::set<u32> seen;
    for (const u32 number : numbers(Encoder{own}, 255)) {
        ASSERT_EQ(number, hardware.state());
        hardware.clock();
        seen.insert(number);
    }
    EXPECT_EQ(seen.size(), 255u);
    for (const u64 wrong : {u64{0b10001000}, u64{0b1011}, u64{1} << 8, ~u64{0}})
        expect_error({"taps", "maximal register of 8 bits"},
                     [&] { Sequence(Encoder{Lfsr{.bits = 8, .seed = 1, .taps = wrong}}); });
}

TEST(Lfsr, RefusesSizesAndStatesItDoesNotHave) {
    for (const unsigned bits : {0u, 2u, 33u})
        expect_error({"bits", "got " + std::to_string(bits), "3 to 32"},
                     [&] { Sequence(Encoder{Lfsr{.bits = bits}}); });
    expect_error({"seed", "got 0", "1 to 255"},
                 [] { Sequence(Encoder{Lfsr{.bits = 8, .seed = 0}}); });
    expect_error({"seed", "got 256", "1 to 255"},
                 [] { Sequence(Encoder{Lfsr{.bits = 8, .seed = 256}}); });
    expect_error({"state", "got 0"}, [] { lfsr_phase(Lfsr{.bits = 8}, 0); });
}

// The tables of Joe and Kuo as they print them: degree, inner coefficients a, m.
struct JoeKuo {
    unsigned s, a;
    std::vector<u64> m;
};
const std::vector<JoeKuo> kFirstRows = {
    {1, 0, {1}},          {2, 1, {1, 3}},        {3, 1, {1, 3, 1}},       {3, 2, {1, 1, 1}},
    {4, 1, {1, 1, 3, 3}}, {4, 4, {1, 3, 5, 13}}, {5, 2, {1, 1, 5, 5, 17}}};

// x_{t+1} = x_t ^ v_{c(t)}, c the position of the lowest zero of t.
std::vector<u64> textbook_sobol(const JoeKuo& row, std::size_t count) {
    std::vector<u64> m = row.m;
    for (unsigned k = row.s; k < 32; ++k) {
        u64 next = m[k - row.s] ^ m[k - row.s] << row.s;
        for (unsigned j = 1; j < row.s; ++j)
            if (row.a >> (row.s - 1 - j) & 1) next ^= m[k - j] << j;
        m.push_back(next);
    }
    std::vector<u64> result{0};
    for (u64 t = 0; result.size() < count; ++t) {
        const int c = std::countr_one(t);
        result.push_back(result.back() ^ m[static_cast<std::size_t>(c)] << (31 - c));
    }
    return result;
}

TEST(Sobol, FollowsTheTextbookRecursion) {
    for (std::size_t row = 0; row < kFirstRows.size(); ++row) {
        const std::vector<u64> expected = textbook_sobol(kFirstRows[row], 5000);
        const auto dimension = static_cast<unsigned>(row) + 1;
        const std::vector<u32> got = numbers(Encoder{Sobol{.dimension = dimension}}, 5000);
        for (std::size_t t = 0; t < got.size(); ++t) ASSERT_EQ(got[t], expected[t]) << t;
    }
    for (const u64 first : {u64{0}, u64{1000003}, (u64{1} << 32) - 7}) {
        const std::vector<u32> got = numbers(Encoder{Sobol{}}, 600, first);
        for (std::size_t k = 0; k < got.size(); ++k) {
            const u64 t = (first + k) & 0xffffffff;
            const u64 gray = t ^ t >> 1;
            u64 mirrored = 0;
            for (int bit = 0; bit < 32; ++bit) mirrored |= (gray >> bit & 1) << (31 - bit);
            ASSERT_EQ(got[k], mirrored);
        }
    }
}

struct DirectionRow {
    u32 polynomial;
    std::vector<u32> values;
};
const std::vector<DirectionRow> kDirections = {
#include "sequences/sobol_directions.def"
};

TEST(Sobol, DirectionNumbersHaveThePropertiesOfTheTable) {
    ASSERT_EQ(kDirections.size() + 1, kSobolDimensions);
    std::set<u32> polynomials;
    unsigned degree_before = 0;
    for (const DirectionRow& row : kDirections) {
        const auto degree = static_cast<unsigned>(std::bit_width(row.polynomial)) - 1;
        EXPECT_TRUE(polynomials.insert(row.polynomial).second) << row.polynomial << " twice";
        EXPECT_GE(degree, degree_before);
        degree_before = degree;
        // Primitive: the powers of x are all different.
        u32 power = 1;
        u32 order = 0;
        do {
            power <<= 1;
            if (power >> degree & 1) power ^= row.polynomial;
            ++order;
        } while (power != 1 && power != 0 && order < 1u << degree);
        EXPECT_EQ(order, (1u << degree) - 1) << row.polynomial;
        ASSERT_EQ(row.values.size(), degree);
        for (unsigned k = 0; k < degree; ++k) {
            EXPECT_EQ(row.values[k] % 2, 1u);
            EXPECT_LT(row.values[k], 2u << k);
        }
    }
}

bool is_permutation_of_leading_bits(const std::vector<u32>& points, unsigned bits) {
    std::vector<bool> seen(std::size_t{1} << bits);
    for (const u32 point : points) {
        if (seen[point >> (32 - bits)]) return false;
        seen[point >> (32 - bits)] = true;
    }
    return points.size() == seen.size();
}

TEST(Sobol, EveryDimensionIsEvenInEveryAlignedBlock) {
    for (unsigned dimension = 0; dimension < kSobolDimensions; ++dimension)
        for (const Scramble scramble : {Scramble::none, Scramble::shift, Scramble::owen})
            for (const u64 block : {u64{0}, u64{5}}) {
                const Encoder encoder{
                    Sobol{.dimension = dimension, .scramble = scramble, .seed = 9}};
                ASSERT_TRUE(
                    is_permutation_of_leading_bits(numbers(encoder, 1 << 10, block << 10), 10))
                    << describe(encoder);
            }
}

// How many points of a block lie in each of the boxes of 2^-i by 2^-j with i + j = bits.
bool is_net(const std::vector<u32>& x, const std::vector<u32>& y, unsigned bits) {
    for (unsigned i = 1; i < bits; ++i) {
        std::vector<bool> seen(std::size_t{1} << bits);
        for (std::size_t t = 0; t < x.size(); ++t) {
            const u32 box = x[t] >> (32 - i) << (bits - i) | y[t] >> (32 - (bits - i));
            if (seen[box]) return false;
            seen[box] = true;
        }
    }
    return true;
}

TEST(Sobol, DimensionsZeroAndOneAreANetHoweverScrambled) {
    for (const Scramble scramble : {Scramble::none, Scramble::shift, Scramble::owen})
        for (const u64 block : {u64{0}, u64{3}})
            EXPECT_TRUE(is_net(numbers(Encoder{Sobol{0, scramble, 1, 32}}, 1 << 10, block << 10),
                               numbers(Encoder{Sobol{1, scramble, 2, 32}}, 1 << 10, block << 10),
                               10));
    EXPECT_FALSE(is_net(numbers(Encoder{Sobol{1, Scramble::none, 0, 32}}, 1 << 10),
                        numbers(Encoder{Sobol{1, Scramble::owen, 5, 32}}, 1 << 10), 10));
}

TEST(Sobol, ShiftIsOneXorForAllPoints) {
    const std::vector<u32> plain = numbers(Encoder{Sobol{.dimension = 3}}, 1000);
    std::set<u32> shifts;
    for (u64 seed = 0; seed < 50; ++seed) {
        const std::vector<u32> shifted =
            numbers(Encoder{Sobol{3, Scramble::shift, seed, 32}}, 1000);
        for (std::size_t t = 0; t < plain.size(); ++t)
            ASSERT_EQ(shifted[t] ^ plain[t], shifted[0] ^ plain[0]);
        shifts.insert(shifted[0] ^ plain[0]);
    }
    EXPECT_EQ(shifts.size(), 50u);
}

TEST(Sobol, OwenKeepsCommonLeadingBitsAndNoOthers) {
    const std::vector<u32> plain = numbers(Encoder{Sobol{.dimension = 5}}, 300);
    for (const u64 seed : {u64{0}, u64{1}, ~u64{0}}) {
        const std::vector<u32> owen = numbers(Encoder{Sobol{5, Scramble::owen, seed, 32}}, 300);
        for (std::size_t s = 0; s < plain.size(); ++s)
            for (std::size_t t = 0; t < s; ++t)
                ASSERT_EQ(std::countl_zero(plain[s] ^ plain[t]),
                          std::countl_zero(owen[s] ^ owen[t]));
    }
}

// Nodes of the tree: whether bit d is flipped where the d bits above it are `prefix`. Over 10,000
// seeds the flips of a node are fair coins and those of any two nodes are independent: of the 8,128
// pairs and 127 nodes none is farther than 5.5 sigmas off (false alarm 3e-4).
TEST(Sobol, OwenFlipsAreFairAndPairwiseIndependent) {
    constexpr unsigned kDepth = 7;
    constexpr u64 kSeeds = 10000;
    const std::vector<u32> plain = numbers(Encoder{Sobol{}}, 1 << kDepth);
    std::map<std::pair<unsigned, u32>, std::vector<int>> flips;
    for (u64 seed = 0; seed < kSeeds; ++seed) {
        const std::vector<u32> owen =
            numbers(Encoder{Sobol{0, Scramble::owen, seed, 32}}, 1 << kDepth);
        std::set<std::pair<unsigned, u32>> done;
        for (std::size_t t = 0; t < plain.size(); ++t)
            for (unsigned d = 0; d < kDepth; ++d) {
                const u32 prefix = d == 0 ? 0 : plain[t] >> (32 - d);
                if (!done.insert({d, prefix}).second) continue;
                flips[{d, prefix}].push_back((plain[t] ^ owen[t]) >> (31 - d) & 1 ? 1 : -1);
            }
    }
    const double bound = 5.5 * std::sqrt(static_cast<double>(kSeeds));
    for (auto a = flips.begin(); a != flips.end(); ++a) {
        int sum = 0;
        for (const int flip : a->second) sum += flip;
        EXPECT_LT(std::abs(sum), bound) << "bit " << a->first.first << " below " << a->first.second;
        for (auto b = flips.begin(); b != a; ++b) {
            int product = 0;
            for (std::size_t k = 0; k < kSeeds; ++k) product += a->second[k] * b->second[k];
            EXPECT_LT(std::abs(product), bound);
        }
    }
}

TEST(Sobol, KeepsTheLeadingBitsThatItIsAsked) {
    for (const Scramble scramble : {Scramble::none, Scramble::shift, Scramble::owen}) {
        const std::vector<u32> whole = numbers(Encoder{Sobol{2, scramble, 4, 32}}, 700, 100);
        for (const unsigned bits : {1u, 8u, 31u}) {
            const Encoder encoder{Sobol{2, scramble, 4, bits}};
            EXPECT_EQ(Sequence(encoder).levels(), u64{1} << bits);
            const std::vector<u32> leading = numbers(encoder, 700, 100);
            for (std::size_t t = 0; t < whole.size(); ++t)
                ASSERT_EQ(leading[t], whole[t] >> (32 - bits));
        }
    }
}

// The exact fraction of mirrored digits, rounded half up to 32 bits.
u64 naive_inverse(u64 t, u64 base) {
    u128 numerator = 0;
    u128 denominator = 1;
    for (; t != 0; t /= base) {
        numerator = numerator * base + t % base;
        denominator *= base;
    }
    const u128 rounded = ((numerator << 33) + denominator) / (2 * denominator);
    return static_cast<u64>(std::min<u128>(rounded, 0xffffffff));
}

TEST(VanDerCorput, MirrorsDigits) {
    for (const unsigned base : {2u, 3u, 4u, 5u, 7u, 10u, 12u, 16u, 255u, 256u, 257u, 311u, 4096u})
        for (const u64 first : {u64{0}, u64{1}, u64{255}, u64{123456789}, (u64{1} << 32) - 300,
                                (u64{1} << 45) + 17, u64{281474976710655}}) {
            const std::vector<u32> got = numbers(Encoder{VanDerCorput{.base = base}}, 1000, first);
            for (std::size_t k = 0; k < got.size(); ++k)
                ASSERT_EQ(got[k], naive_inverse(first + k, base)) << base << ", " << first + k;
        }
}

// 12^17 = 2^34 3^17: 2 * 3^17 mirrored is an odd number of 2^-33, which only exact sums round up.
TEST(VanDerCorput, RoundsTiesUp) {
    u64 position = 0;
    u64 digits = 258280326;  // 2 * 3^17
    for (int k = 0; k < 17; ++k, digits /= 12) position = position * 12 + digits % 12;
    EXPECT_EQ(numbers(Encoder{VanDerCorput{.base = 12}}, 1, position)[0], 1u);
    EXPECT_EQ(numbers(Encoder{VanDerCorput{.base = 2}}, 1, u64{1} << 32)[0], 1u);
}

TEST(VanDerCorput, IsExactForFractionsOfItsBase) {
    for (const unsigned base : {3u, 5u, 7u}) {
        const Sequence sequence(Encoder{VanDerCorput{.base = base}});
        const u64 points = u64{base} * base * base;
        const std::vector<u32> all = numbers(Encoder{VanDerCorput{.base = base}}, points);
        for (u64 j = 0; j <= points; ++j) {
            const u64 limit =
                sequence.threshold(static_cast<double>(j) / static_cast<double>(points));
            u64 ones = 0;
            for (const u32 number : all) ones += number < limit;
            ASSERT_EQ(ones, j);
        }
    }
}

TEST(Halton, BasesArePrimes) {
    const std::array<unsigned, 8> primes = {2, 3, 5, 7, 11, 13, 17, 19};
    for (unsigned d = 0; d < primes.size(); ++d)
        EXPECT_EQ(numbers(Encoder{Halton{.dimension = d}}, 300),
                  numbers(Encoder{VanDerCorput{.base = primes[d]}}, 300));
    EXPECT_EQ(numbers(Encoder{Halton{.dimension = 63}}, 400),
              numbers(Encoder{VanDerCorput{.base = 311}}, 400));
    EXPECT_EQ(numbers(Encoder{Halton{.dimension = 255, .bits = 8}}, 400),
              numbers(Encoder{VanDerCorput{.base = 1619, .bits = 8}}, 400));
}

TEST(Counter, CountsUpAndDown) {
    const Encoder up{Counter{}, {.phase = 3, .period = 5}};
    const Encoder down{Counter{.descending = true}, {.phase = 3, .period = 5}};
    EXPECT_EQ(numbers(up, 7), (std::vector<u32>{3, 4, 0, 1, 2, 3, 4}));
    EXPECT_EQ(numbers(down, 7), (std::vector<u32>{1, 0, 4, 3, 2, 1, 0}));
    EXPECT_EQ(Sequence(up).levels(), 5u);
    const Encoder whole{Counter{}, {.period = u64{1} << 32}};
    EXPECT_EQ(Sequence(whole).levels(), u64{1} << 32);
    EXPECT_EQ(numbers(whole, 3, (u64{1} << 32) - 2), (std::vector<u32>{0xfffffffe, 0xffffffff, 0}));
}

TEST(SigmaDelta, OnesAreTheStepsOfTheFloor) {
    std::mt19937_64 random(5);
    for (int i = 0; i < 50; ++i) {
        const u64 threshold = i == 0 ? 0 : i == 1 ? u64{1} << 32 : random() >> 32;
        const u64 first = random() % kMaxTime;
        const std::vector<u32> got = numbers(Encoder{SigmaDelta{}}, 500, first, 0, threshold);
        for (std::size_t k = 0; k < got.size(); ++k) {
            const u128 before = u128{first + k} * threshold >> 32;
            const u128 after = u128{first + k + 1} * threshold >> 32;
            ASSERT_EQ(got[k] < threshold, after != before);
        }
    }
}

TEST(Index, VisitsTheNumbersOfItsFormula) {
    std::mt19937_64 random(6);
    const Encoder plain{Sobol{.dimension = 1}};
    for (int i = 0; i < 300; ++i) {
        const auto any = [&](u64 below) { return random() % below; };
        Index index{.phase = any(3) == 0 ? any(kMaxTime) : any(10)};
        if (i % 3 == 0) index.hold = 1 + any(any(2) == 0 ? 5 : 1000);
        if (i % 3 == 1) index.stall = 1 + any(any(2) == 0 ? 5 : 1000);
        if (any(2) == 0) index.period = 1 + any(any(2) == 0 ? 5 : 100000);
        const u64 first = any(2) == 0 ? any(100) : any(kMaxTime - 1000);
        const std::vector<u32> got = numbers(Encoder{Sobol{.dimension = 1}, index}, 700, first);
        for (std::size_t k = 0; k < got.size(); ++k) {
            const u64 t = first + k;
            u64 position = index.phase + t / index.hold + (index.stall ? t / index.stall : 0);
            if (index.period) position %= index.period;
            ASSERT_EQ(got[k], numbers(plain, 1, position)[0]) << describe({Sobol{}, index}) << t;
        }
    }
}

TEST(Index, PeriodsAreTrue) {
    for (const Encoder& encoder :
         {Encoder{Counter{}, {.period = 6}}, Encoder{Counter{}, {.hold = 4, .period = 6}},
          Encoder{Counter{}, {.stall = 4, .period = 6}}, Encoder{Lfsr{.bits = 3}, {.hold = 5}},
          Encoder{Lfsr{.bits = 4, .de_bruijn = true}, {.stall = 16}},
          Encoder{Halton{1}, {.period = 9}}}) {
        const u64 period = Sequence(encoder).period().value();
        EXPECT_EQ(numbers(encoder, 500), numbers(encoder, 500, period)) << describe(encoder);
    }
    EXPECT_FALSE(Sequence(Encoder{Halton{1}}).period());
    EXPECT_EQ(Sequence(Encoder{Sobol{}}).period(), u64{1} << 32);
}

TEST(Index, RefusesWhatItCannotDo) {
    const auto make = [](const Index& index) { return [=] { Sequence(Encoder{Sobol{}, index}); }; };
    expect_error({"phase", "2^61"}, make({.phase = kMaxTime}));
    expect_error({"hold", "got 0"}, make({.hold = 0}));
    expect_error({"stall", "one of the two"}, make({.hold = 2, .stall = 2}));
    expect_error({"period", "2^61"}, make({.period = kMaxTime}));
    expect_error({"period", "got 0", "counter"}, [] { Sequence(Encoder{Counter{}}); });
    expect_error({"period", "counter"}, [] {
        Sequence(Encoder{Counter{}, {.period = (u64{1} << 32) + 1}});
    });
    expect_error({"dimension", "got 1024", "0 to 1023"}, [] { Sequence(Encoder{Sobol{1024}}); });
    expect_error({"dimension", "got 256", "0 to 255"}, [] { Sequence(Encoder{Halton{256}}); });
    for (const unsigned bits : {0u, 33u}) {
        expect_error({"bits"}, [=] { Sequence(Encoder{Sobol{.bits = bits}}); });
        expect_error({"bits"}, [=] { Sequence(Encoder{VanDerCorput{.bits = bits}}); });
    }
    for (const unsigned base : {0u, 1u, 4097u})
        expect_error({"base", "2 to 4096"}, [=] { Sequence(Encoder{VanDerCorput{base}}); });
    expect_error({"encoder", "Bernoulli"}, [] { Sequence(Encoder{Bernoulli{}}); });
}

TEST(Rotation, TurnsTheBits) {
    const std::vector<u32> plain = numbers(Encoder{Lfsr{.bits = 12}}, 500);
    for (const unsigned rotation : {1u, 5u, 11u, 12u, 29u}) {
        const std::vector<u32> got = numbers(Encoder{Lfsr{.bits = 12}, {}, rotation}, 500);
        for (std::size_t t = 0; t < got.size(); ++t) {
            u32 expected = 0;
            for (unsigned bit = 0; bit < 12; ++bit)
                expected |= (plain[t] >> bit & 1) << (bit + rotation) % 12;
            ASSERT_EQ(got[t], expected);
        }
    }
    expect_error({"rotation", "whole bits"}, [] {
        Sequence(Encoder{Counter{}, {.period = 10}, 1});
    });
    expect_error({"rotation"}, [] { Sequence(Encoder{SigmaDelta{}, {}, 1}); });
    EXPECT_EQ(numbers(Encoder{Counter{}, {.period = 1}, 1}, 3), std::vector<u32>(3));
}

TEST(Step, IsAddedForEachStream) {
    const Encoder sobol{Sobol{.dimension = 2, .scramble = Scramble::owen, .seed = 7},
                        {.phase = 1},
                        0,
                        {.dimension = 3, .phase = 10, .seed = 5}};
    EXPECT_EQ(for_stream(sobol, 4), (Encoder{Sobol{14, Scramble::owen, 27, 32}, {.phase = 41}}));
    const Encoder lfsr{Lfsr{.bits = 10, .seed = 5}, {}, 2, {.phase = 100, .rotation = 3}};
    for (const u64 stream : {u64{0}, u64{1}, u64{6}}) {
        const Encoder own{Lfsr{.bits = 10, .seed = 5},
                          {.phase = 100 * stream},
                          static_cast<unsigned>(2 + 3 * stream)};
        EXPECT_EQ(numbers(lfsr, 300, 0, stream), numbers(own, 300));
        std::vector<u32> by_way(300);
        Sequence(lfsr).at(stream).fill(0, by_way);
        EXPECT_EQ(by_way, numbers(own, 300));
    }
    std::vector<u32> by_way(300);
    Sequence(sobol, 9).at(4).fill(0, by_way);
    EXPECT_EQ(by_way, numbers(for_stream(sobol, 4), 300));

    expect_error({"dimension", "stream 341", "at most 1023"}, [&] { Sequence(sobol, 341); });
    expect_error({"step", "Lfsr", "Sobol or Halton"}, [] {
        Sequence(Encoder{Lfsr{}, {}, 0, {.dimension = 1}}, 1);
    });
    expect_error({"step", "seed of Halton"}, [] {
        Sequence(Encoder{Halton{}, {}, 0, {.seed = 1}}, 1);
    });
    expect_error({"phase", "at most"}, [] {
        Sequence(Encoder{Lfsr{}, {}, 0, {.phase = u64{1} << 40}}, u64{1} << 40);
    });
}

const std::vector<Encoder> kMany = {
    Encoder{Lfsr{.bits = 16}},
    Encoder{Lfsr{.bits = 5, .seed = 7, .de_bruijn = true}},
    Encoder{Lfsr{.bits = 12, .seed = 7, .taps = 0b100000101001}},
    Encoder{Sobol{77, Scramble::owen, 3, 32}},
    Encoder{Sobol{3}, {.phase = 5, .hold = 7, .period = 64}},
    Encoder{Halton{2}, {.stall = 100, .period = 125}},
    Encoder{VanDerCorput{16, 12}, {}, 5},
    Encoder{Counter{true}, {.period = 100}},
    Encoder{SigmaDelta{}},
};

TEST(Sequence, AnyStretchIsTheSame) {
    std::mt19937_64 random(8);
    for (const Encoder& encoder : kMany) {
        const std::vector<u32> whole = numbers(encoder, 20000, 0, 0, 0x12345678);
        for (int i = 0; i < 40; ++i) {
            const std::size_t first = random() % 19000;
            const std::size_t count = random() % 1000;
            const std::vector<u32> part = numbers(encoder, count, first, 0, 0x12345678);
            ASSERT_TRUE(
                std::equal(part.begin(), part.end(), whole.begin() + static_cast<long>(first)))
                << describe(encoder) << " from " << first;
        }
    }
}

TEST(Describe, SaysWhatIsNotAtItsDefault) {
    EXPECT_EQ(describe({Bernoulli{}}), "Bernoulli()");
    EXPECT_EQ(describe({Sobol{3, Scramble::owen, 1, 32}}),
              "Sobol(dimension=3, scramble=owen, seed=1)");
    EXPECT_EQ(describe({Lfsr{.bits = 8, .de_bruijn = true}, {.phase = 2}, 1, {.phase = 9}}),
              "Lfsr(bits=8, de_bruijn=true, phase=2, rotation=1, phase_step=9)");
    EXPECT_EQ(describe({Counter{true}, {.stall = 16, .period = 16}}),
              "Counter(descending=true, stall=16, period=16)");
    EXPECT_EQ(describe({VanDerCorput{2}}), "VanDerCorput(base=2)");
    EXPECT_EQ(describe({Halton{0, 8}}), "Halton(dimension=0, bits=8)");
    EXPECT_EQ(describe({SigmaDelta{}}), "SigmaDelta()");
}

SourceId source(const Encoder& encoder, u64 stream = 0) {
    return Sequence(encoder, stream).source();
}

TEST(Source, IsOneForNumbersThatGoTogether) {
    const SourceId third = source({Sobol{3}});
    EXPECT_EQ(third, source({Sobol{3, Scramble::owen, 1, 8}, {.phase = 100}, 5}));
    EXPECT_EQ(third, source({Sobol{0}, {}, 0, {.dimension = 1}}, 3));
    EXPECT_NE(third, source({Sobol{2}}));
    EXPECT_NE(third, source({Sobol{3}, {.hold = 16, .period = 16}}));
    EXPECT_EQ(source({Sobol{0}}), source({VanDerCorput{2}}));
    EXPECT_EQ(source({Halton{1}}), source({VanDerCorput{3}}));
    EXPECT_NE(source({Halton{1}}), source({Halton{2}}));
    EXPECT_EQ(source({Counter{}, {.period = 9}}),
              source({Counter{true}, {.phase = 1, .period = 9}}));
    EXPECT_NE(source({Counter{}, {.period = 9}}), source({Counter{}, {.stall = 9, .period = 9}}));
    EXPECT_EQ(source({SigmaDelta{}}), source({SigmaDelta{}, {.phase = 3}}));
    EXPECT_NE(source_id({1, 2}), source_id({1, 3}));
    EXPECT_NE(source_id({1, 2}), SourceId{0});

    // A register's states are its sources, however they are reached.
    const u64 later = numbers({Lfsr{.bits = 9, .seed = 5}}, 1, 100)[0];
    EXPECT_EQ(source({Lfsr{.bits = 9, .seed = 5}, {.phase = 100}}),
              source({Lfsr{.bits = 9, .seed = later, .taps = maximal_taps(9)}}));
    EXPECT_NE(source({Lfsr{.bits = 9, .seed = 5}}), source({Lfsr{.bits = 9, .seed = later}}));
    EXPECT_NE(source({Lfsr{.bits = 9}}), source({Lfsr{.bits = 10}}));
    EXPECT_NE(source({Lfsr{.bits = 9}}), source({Lfsr{.bits = 9}, {}, 4}));
    EXPECT_EQ(source_name(source({Lfsr{.bits = 9}})), "an LFSR");
    EXPECT_EQ(source_name(third), "Sobol");
    EXPECT_EQ(source_name(0), "unknown");
}

TEST(Source, PairsOfOneSourceAreRefused) {
    const std::vector<SourceId> a = {source({Sobol{0}}), source({Sobol{1}}), 0};
    const std::vector<SourceId> b = {source({Sobol{1}}), source({Sobol{0}}), 0};
    check_independent(a, b);
    check_independent(a, {});
    check_independent(a, std::vector<SourceId>{0});
    expect_error({"operands", "stream 0 of one and stream 0 of the other", "Sobol"},
                 [&] { check_independent(a, a); });
    expect_error({"operands", "stream 0 of one and stream 1 of the other"},
                 [&] { check_independent(std::span(b).first(1), a); });
    expect_error({"operands", "stream 1 of one and stream 0 of the other"},
                 [&] { check_independent(a, std::span(b).first(1)); });
    expect_error(
        {"sources", "3 and 2"}, [&] { check_independent(a, std::span(b).first(2)); },
        ErrorCode::invalid_shape);
}

}  // namespace
}  // namespace bitaxon
