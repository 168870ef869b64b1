// SCC against its definition, counted bit by bit, and on streams whose correlation is known.
#include "expect_error.hpp"

#include <bitaxon/core/correlation.hpp>

#include <bitaxon/core/encode.hpp>
#include <bitaxon/core/error.hpp>

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <string>
#include <vector>

namespace bitaxon {
namespace {

using u64 = std::uint64_t;

const ExecutionContext& context() {
    static const ExecutionContext one{{.threads = 1, .tier = {}, .seed = 0}};
    return one;
}

bool bit(const StreamView& view, std::size_t stream, u64 t) {
    return view.stream(0, stream)[t / 64] >> (t % 64) & 1;
}

StreamView one_of(const StreamArray& streams, std::size_t index) {
    StreamView view = streams.view();
    view.words = view.stream(0, index);
    view.rows = 1;
    view.streams = 1;
    return view;
}

// Alaghi and Hayes, 2013: (P(ab) - P(a)P(b)) over its largest value of that sign for these P(a),
// P(b).
double naive_scc(const StreamView& a, std::size_t i, const StreamView& b, std::size_t j) {
    long double ones_a = 0;
    long double ones_b = 0;
    long double both = 0;
    for (u64 t = 0; t < a.length; ++t) {
        ones_a += bit(a, i, t);
        ones_b += bit(b, j, t);
        both += bit(a, i, t) && bit(b, j, t);
    }
    const long double n = static_cast<long double>(a.length);
    const long double p = ones_a / n;
    const long double q = ones_b / n;
    const long double excess = both / n - p * q;
    if (p == 0 || p == 1 || q == 0 || q == 1) return 0;
    const long double most = std::min(p, q) - p * q;
    const long double least = p * q - std::max(p + q - 1, 0.0L);
    return static_cast<double>(excess > 0 ? excess / most : excess / least);
}

StreamArray complement(const StreamArray& streams) {
    StreamArray result = streams;
    const std::size_t words = streams.words_per_stream();
    for (std::size_t k = 0; k < streams.streams() * words; ++k)
        result.row(0)[k] =
            ~result.row(0)[k] & (k % words + 1 == words ? tail_mask(streams.length()) : ~u64{0});
    return result;
}

const std::vector<double> kValues = {0.05, 0.2, 0.5, 0.5, 0.9};

TEST(Scc, OfAStreamWithItselfIsOne) {
    for (const u64 length : {64u, 100u, 1024u, 4099u}) {
        const StreamArray streams = encode(context(), kValues, length);
        for (std::size_t i = 0; i < kValues.size(); ++i)
            EXPECT_EQ(scc(context(), one_of(streams, i), one_of(streams, i)), 1.0);
    }
}

TEST(Scc, OfAStreamWithItsComplementIsMinusOne) {
    for (const u64 length : {64u, 100u, 1024u, 4099u}) {
        const StreamArray streams = encode(context(), kValues, length);
        const StreamArray opposite = complement(streams);
        for (std::size_t i = 0; i < kValues.size(); ++i)
            EXPECT_EQ(scc(context(), one_of(streams, i), one_of(opposite, i)), -1.0);
    }
}

TEST(Scc, OfConstantStreamsIsZero) {
    const std::vector<double> values = {0, 1, 0.5};
    for (const u64 length : {1u, 64u, 100u}) {
        const StreamArray streams = encode(context(), values, length);
        for (std::size_t constant = 0; constant < 2; ++constant)
            for (std::size_t other = 0; other < 3; ++other) {
                EXPECT_EQ(scc(context(), one_of(streams, constant), one_of(streams, other)), 0.0);
                EXPECT_EQ(scc(context(), one_of(streams, other), one_of(streams, constant)), 0.0);
            }
    }
}

// One register for all streams: the ones of the smaller are ones of the larger.
TEST(Scc, OfStreamsOfOneLfsrIsOne) {
    const StreamArray streams = encode_lfsr16(context(), kValues, 1000, 1);
    for (std::size_t i = 0; i < kValues.size(); ++i)
        for (std::size_t j = 0; j < kValues.size(); ++j)
            EXPECT_EQ(scc(context(), one_of(streams, i), one_of(streams, j)), 1.0);
}

// For p = 1/2 the deviation of SCC is 1 / sqrt(L); the bound is 5 of them for 435 pairs, which
// ideal streams exceed with probability 2.5e-4. The seed is fixed.
TEST(Scc, OfIndependentStreamsIsWithinFiveSigmaOfZero) {
    const u64 length = 1 << 16;
    const std::vector<double> values(30, 0.5);
    const StreamArray streams = encode(context(), values, length, Coding::unipolar, {.seed = 1});
    double squares = 0;
    for (std::size_t i = 0; i < values.size(); ++i)
        for (std::size_t j = i + 1; j < values.size(); ++j) {
            const double sigmas = scc(context(), one_of(streams, i), one_of(streams, j)) *
                                  std::sqrt(static_cast<double>(length));
            EXPECT_LT(std::abs(sigmas), 5) << i << " and " << j;
            squares += sigmas * sigmas;
        }
    // The squares are a chi-square of 435 degrees: not too alike, and not too evenly spread either.
    EXPECT_NEAR(squares, 435, 5 * std::sqrt(2.0 * 435));
}

TEST(Scc, EqualsTheDefinition) {
    const std::vector<double> values = {0, 1, 0.01, 0.3, 0.5, 0.7, 0.99};
    for (const u64 length : {1u, 2u, 3u, 63u, 64u, 65u, 129u, 512u, 1000u}) {
        const StreamArray a = encode(context(), values, length, Coding::unipolar, {.seed = 1});
        const StreamArray b = encode(context(), values, length, Coding::unipolar, {.seed = 2});
        const StreamArray lfsr = encode_lfsr16(context(), values, length, 0xace1);
        for (std::size_t i = 0; i < values.size(); ++i)
            for (std::size_t j = 0; j < values.size(); ++j) {
                EXPECT_NEAR(scc(context(), one_of(a, i), one_of(b, j)),
                            naive_scc(a.view(), i, b.view(), j), 1e-13);
                EXPECT_NEAR(scc(context(), one_of(a, i), one_of(lfsr, j)),
                            naive_scc(a.view(), i, lfsr.view(), j), 1e-13);
            }
    }
}

TEST(Scc, IsSymmetricAndOddUnderComplement) {
    const StreamArray streams = encode(context(), kValues, 300, Coding::unipolar, {.seed = 6});
    const StreamArray opposite = complement(streams);
    for (std::size_t i = 0; i < kValues.size(); ++i)
        for (std::size_t j = 0; j < kValues.size(); ++j) {
            const double value = scc(context(), one_of(streams, i), one_of(streams, j));
            EXPECT_EQ(value, scc(context(), one_of(streams, j), one_of(streams, i)));
            EXPECT_NEAR(value, -scc(context(), one_of(streams, i), one_of(opposite, j)), 1e-13);
            EXPECT_GE(value, -1.0);
            EXPECT_LE(value, 1.0);
        }
}

TEST(Scc, FromCountsIsExactAtTheLongestLength) {
    const u64 n = kMaxLength;
    EXPECT_EQ(scc_from_counts(n, n / 2, n / 2, n / 2), 1.0);
    EXPECT_EQ(scc_from_counts(n, n / 2, n / 2, 0), -1.0);
    EXPECT_EQ(scc_from_counts(n, n / 2, n / 2, n / 4), 0.0);
    EXPECT_EQ(scc_from_counts(n, n - 1, n - 1, n - 1), 1.0);
    EXPECT_EQ(scc_from_counts(n, n - 1, n - 1, n - 2), -1.0);
    EXPECT_EQ(scc_from_counts(n, n, n, n), 0.0);
    EXPECT_EQ(scc_from_counts(n, 0, n, 0), 0.0);
    // One bit more than independence, of the 2^29 that there could be.
    EXPECT_DOUBLE_EQ(scc_from_counts(n, n / 2, n / 2, n / 4 + 1), std::ldexp(1.0, -29));
}

TEST(SccMatrix, EqualsSccOfEveryPair) {
    std::mt19937_64 random(1);
    struct Size {
        std::size_t a, b;
        u64 length;
    };
    for (const Size size : {Size{1, 1, 1}, Size{1, 9, 64}, Size{5, 3, 65}, Size{7, 13, 500},
                            Size{70, 5, 1025}, Size{130, 67, 513}}) {
        std::vector<double> values(size.a + size.b);
        for (double& value : values) value = static_cast<double>(random() >> 11) * 0x1p-53;
        const auto split = std::span(values);
        const StreamArray a = encode(context(), split.first(size.a), size.length);
        const StreamArray b = encode(context(), split.last(size.b), size.length, Coding::unipolar,
                                     {.role = Role::weight});
        std::vector<double> expected;
        for (std::size_t i = 0; i < size.a; ++i)
            for (std::size_t j = 0; j < size.b; ++j)
                expected.push_back(scc(context(), one_of(a, i), one_of(b, j)));
        for (const kernels::TierInfo& tier : kernels::tiers())
            for (const int threads : {1, 3}) {
                if (!tier.supported) continue;
                const ExecutionContext each(
                    {.threads = threads, .tier = std::string{tier.name}, .seed = 0});
                EXPECT_EQ(scc_matrix(each, a.view(), b.view()), expected)
                    << tier.name << ", " << size.a << " x " << size.b << " x " << size.length;
            }
    }
}

TEST(SccMatrix, OfASetWithItselfHasOnesOnItsDiagonal) {
    const StreamArray streams = encode(context(), kValues, 700);
    const std::vector<double> matrix = scc_matrix(context(), streams.view(), streams.view());
    for (std::size_t i = 0; i < kValues.size(); ++i)
        for (std::size_t j = 0; j < kValues.size(); ++j) {
            if (i == j) {
                EXPECT_EQ(matrix[i * kValues.size() + j], 1.0);
            }
            EXPECT_EQ(matrix[i * kValues.size() + j], matrix[j * kValues.size() + i]);
        }
}

TEST(SccMatrix, OfASetWithItselfIsThatWithACopy) {
    std::vector<double> values;
    for (int i = 0; i < 150; ++i) values.push_back(i / 149.0);
    const StreamArray streams = encode(context(), values, 300);
    const StreamArray copy = streams;
    EXPECT_EQ(scc_matrix(context(), streams.view(), streams.view()),
              scc_matrix(context(), streams.view(), copy.view()));
}

TEST(SccMatrix, FollowsTheStridesOfAView) {
    const StreamArray streams = encode(context(), kValues, 200);
    StreamView backwards = streams.view();
    backwards.words = streams.view().stream(0, kValues.size() - 1);
    backwards.stream_stride = -streams.view().stream_stride;
    const std::vector<double> straight = scc_matrix(context(), streams.view(), streams.view());
    const std::vector<double> turned = scc_matrix(context(), backwards, streams.view());
    const std::size_t n = kValues.size();
    for (std::size_t i = 0; i < n; ++i)
        for (std::size_t j = 0; j < n; ++j)
            EXPECT_EQ(turned[i * n + j], straight[(n - 1 - i) * n + j]);
}

TEST(SccErrors, LengthsMustAgree) {
    const StreamArray shorter = encode(context(), kValues, 100);
    const StreamArray longer = encode(context(), kValues, 101);
    const std::vector<std::string> parts = {"got 100 and 101 bits", "expected the same length"};
    expect_error(ErrorCode::invalid_shape, parts,
                 [&] { scc(context(), one_of(shorter, 0), one_of(longer, 0)); });
    expect_error(ErrorCode::invalid_shape, parts,
                 [&] { scc_matrix(context(), shorter.view(), longer.view()); });
}

TEST(SccErrors, TailsMustBeClean) {
    const StreamArray clean = encode(context(), kValues, 100);
    StreamArray dirty = clean;
    dirty.row(0)[2 * dirty.words_per_stream() - 1] |= u64{1} << 63;  // stream 1
    const std::vector<std::string> parts = {"got ones past its 100 bits", "expected zeros"};
    expect_error(ErrorCode::invalid_value, parts,
                 [&] { scc(context(), one_of(clean, 0), one_of(dirty, 1)); });
    expect_error(ErrorCode::invalid_value, parts,
                 [&] { scc(context(), one_of(dirty, 1), one_of(clean, 0)); });
    expect_error(ErrorCode::invalid_value, {"streams[0][1]", parts[0], parts[1]},
                 [&] { scc_matrix(context(), clean.view(), dirty.view()); });
}

TEST(SccErrors, LengthsMustBeInRange) {
    StreamView none = encode(context(), kValues, 64).view();
    none.length = 0;
    expect_error(ErrorCode::invalid_value, {"length", "got 0 bits", "expected 1 to 2147483648"},
                 [&] { scc(context(), none, none); });
    expect_error(ErrorCode::invalid_value, {"length", "got 0 bits", "expected 1 to 2147483648"},
                 [&] { scc_matrix(context(), none, none); });
}

}  // namespace
}  // namespace bitaxon
