// Formats: values go to streams and come back, and conversions keep them.
#include "expect_error.hpp"

#include <bitaxon/core/formats.hpp>

#include <bitaxon/core/error.hpp>
#include <bitaxon/core/sources.hpp>

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

namespace bitaxon {
namespace {

using u64 = std::uint64_t;

const ExecutionContext& context() {
    static const ExecutionContext two{{.threads = 2, .tier = {}, .seed = 0}};
    return two;
}

bool bit(const StreamView& view, std::size_t row, std::size_t i, u64 t) {
    return view.stream(row, i)[t / 64] >> (t % 64) & 1;
}

// Streams of one whole period are exact for multiples of 1/256.
const Drawing kExact{.encoder = Encoder{Sobol{.dimension = 3}}, .origin = {}};
const Drawing kOther{.encoder = Encoder{Sobol{.dimension = 4}}, .origin = {}};

TEST(SplitFormat, HasMagnitudesAndSigns) {
    const std::vector<double> values = {-1, -0.25, -0.0, 0, 0.125, 1};
    const SplitStreams split = encode_split(context(), values, 256, kExact);
    EXPECT_EQ(split.negative, (std::vector<std::uint8_t>{1, 1, 0, 0, 0, 0}));
    std::vector<double> out(values.size());
    decode_split(context(), split.magnitudes.view(), split.negative, out);
    EXPECT_EQ(out, values);
    EXPECT_FALSE(std::signbit(out[2]));
}

TEST(RatioFormat, IsOnesOverZeros) {
    const std::vector<double> values = {0, 1.0 / 3, 1, 3, 15};
    const StreamArray streams = encode_ratio(context(), values, 256, kExact);
    std::vector<double> out(values.size());
    decode_ratio(context(), streams.view(), out);
    for (std::size_t i = 0; i < values.size(); ++i) EXPECT_DOUBLE_EQ(out[i], values[i]);
    const StreamArray ones = encode(context(), std::vector<double>{1}, 100);
    decode_ratio(context(), ones.view(), std::span(out).first(1));
    EXPECT_EQ(out[0], std::numeric_limits<double>::infinity());
}

TEST(ExtendedFormat, HoldsAnyFiniteValue) {
    const std::vector<double> values = {0, 0.25, -0.5, 1, -1, 4, -8, 64};
    const ExtendedStreams streams = encode_extended(context(), values, 256, kExact, kOther);
    std::vector<double> out(values.size());
    decode_extended(context(), streams.numerators.view(), streams.denominators.view(), out);
    EXPECT_EQ(out, values);
}

// The product of two extended values is XNOR of numerators over XNOR of denominators.
TEST(ExtendedFormat, ProductsAreBipolarProductsOfBothParts) {
    const std::vector<double> x = {3, -0.5, 1.5};
    const std::vector<double> y = {-2, 0.25, 4};
    constexpr u64 length = 1 << 20;
    const auto draw = [&](const std::vector<double>& values, u64 seed) {
        const Drawing drawing{.encoder = Encoder{Bernoulli{}}, .origin = {.seed = seed}};
        return encode_extended(context(), values, length, drawing, drawing);
    };
    const ExtendedStreams a = draw(x, 1);
    const ExtendedStreams b = draw(y, 2);
    StreamArray above(1, 3, length);
    StreamArray below(1, 3, length);
    const std::size_t words = above.words_per_stream();
    for (std::size_t i = 0; i < 3; ++i) {
        context().kernels().bit_xnor(a.numerators.view().stream(0, i),
                                     b.numerators.view().stream(0, i), above.row(0) + i * words,
                                     length);
        context().kernels().bit_xnor(a.denominators.view().stream(0, i),
                                     b.denominators.view().stream(0, i), below.row(0) + i * words,
                                     length);
    }
    std::vector<double> out(3);
    decode_extended(context(), above.view(), below.view(), out);
    // Sigma of a quotient P/Q of bipolar means: sqrt((1 - P^2 + r^2 (1 - Q^2)) / L) / Q.
    for (std::size_t i = 0; i < 3; ++i) {
        const double r = x[i] * y[i];
        const double q = std::min(1.0, 1 / std::abs(x[i])) * std::min(1.0, 1 / std::abs(y[i]));
        const double p = r * q;
        const double sigma = std::sqrt((1 - p * p + r * r * (1 - q * q)) / length) / q;
        EXPECT_NEAR(out[i], r, 5 * sigma);
    }
}

TEST(ExtendedFormat, PartsMayNotShareASource) {
    const std::vector<double> values = {2};
    expect_error(ErrorCode::invalid_value, {"operands", "Sobol"},
                 [&] { encode_extended(context(), values, 64, kExact, kExact); });
    const ExtendedStreams streams = encode_extended(context(), values, 64, {}, {});
    EXPECT_NE(streams.numerators.sources()[0], streams.denominators.sources()[0]);
}

TEST(IntegralFormat, ElementsAreSumsOfItsStreams) {
    const std::vector<double> values = {0, 1, 2.5, 4};
    constexpr u64 length = 200;
    const StreamArray streams =
        encode_integral(context(), values, length, 4, Coding::unipolar,
                        {.encoder = Encoder{Bernoulli{}}, .origin = {.seed = 3}});
    EXPECT_EQ(streams.rows(), 4u);
    EXPECT_EQ(streams.streams(), 4u);
    EXPECT_EQ(streams.sources().size(), 16u);
    std::vector<std::uint16_t> sums(values.size() * length);
    integral_elements(context(), streams.view(), sums);
    std::vector<double> out(values.size());
    decode_integral(context(), streams.view(), Coding::unipolar, out);
    for (std::size_t i = 0; i < values.size(); ++i) {
        double total = 0;
        for (u64 t = 0; t < length; ++t) {
            unsigned expected = 0;
            for (std::size_t k = 0; k < 4; ++k) expected += bit(streams.view(), i, k, t);
            ASSERT_EQ(sums[i * length + t], expected);
            total += expected;
        }
        EXPECT_DOUBLE_EQ(out[i], total / length);
    }
    // Stream k of value i is the drawing's stream 4 i + k.
    const StreamArray third = encode(context(), std::vector<double>{2.5 / 4}, length,
                                     Coding::unipolar, {.seed = 3, .first_index = 11});
    for (u64 t = 0; t < length; ++t)
        ASSERT_EQ(bit(streams.view(), 2, 3, t), bit(third.view(), 0, 0, t));
}

TEST(IntegralFormat, BipolarGoesFromMinusMToM) {
    const std::vector<double> values = {-3, -1.5, 0, 3};
    const StreamArray streams = encode_integral(context(), values, 256, 3, Coding::bipolar, kExact);
    std::vector<double> out(values.size());
    decode_integral(context(), streams.view(), Coding::bipolar, out);
    EXPECT_EQ(out, values);
}

TEST(Conversion, UnipolarAndSplitBecomeBipolarByOneGate) {
    const std::vector<double> values = {-1, -0.5, 0, 0.25, 1};
    for (const u64 length : {u64{256}, u64{65536}}) {
        const SplitStreams split = encode_split(context(), values, length, kExact);
        const StreamArray half = encode(context(), std::vector<double>{0.5}, length,
                                        Coding::unipolar, Encoder{Sobol{0}});
        const StreamArray bipolar =
            to_bipolar(context(), split.magnitudes.view(), half.view(), split.negative);
        check_tails(bipolar.view());
        std::vector<double> out(values.size());
        decode(context(), bipolar.view(), Coding::bipolar, out);
        for (std::size_t i = 0; i < values.size(); ++i) EXPECT_NEAR(out[i], values[i], 4.0 / 256);
    }
    const StreamArray unipolar = encode(context(), std::vector<double>{0.3, 1}, 100);
    const StreamArray half =
        encode(context(), std::vector<double>{0.5}, 100, Coding::unipolar, {.seed = 9});
    const StreamArray bipolar = to_bipolar(context(), unipolar.view(), half.view());
    for (std::size_t i = 0; i < 2; ++i)
        for (u64 t = 0; t < 100; ++t)
            ASSERT_EQ(bit(bipolar.view(), 0, i, t),
                      bit(unipolar.view(), 0, i, t) || bit(half.view(), 0, 0, t));
}

TEST(Conversion, BipolarIsExtendedOverOnes) {
    const std::vector<double> values = {-1, -0.25, 0.5};
    const ExtendedStreams extended =
        to_extended(encode(context(), values, 256, Coding::bipolar, kExact.encoder));
    check_tails(extended.denominators.view());
    std::vector<double> out(3);
    decode_extended(context(), extended.numerators.view(), extended.denominators.view(), out);
    EXPECT_EQ(out, values);
    check_tails(to_extended(StreamArray(2, 3, 70)).denominators.view());
}

TEST(Conversion, ReencodingCountsAndDraws) {
    const std::vector<double> values = {0, 0.25, 1};
    const StreamArray bipolar = encode(context(), values, 256, Coding::bipolar, kExact.encoder);
    const StreamArray unipolar =
        reencode(context(), bipolar.view(), Coding::bipolar, Coding::unipolar, 1024, kOther);
    EXPECT_EQ(unipolar.length(), 1024u);
    std::vector<double> out(3);
    decode(context(), unipolar.view(), Coding::unipolar, out);
    EXPECT_EQ(out, values);
    const StreamArray negative =
        encode(context(), std::vector<double>{-0.5}, 256, Coding::bipolar, kExact.encoder);
    expect_error(ErrorCode::invalid_value, {"values[0]", "-0.5", "[0, 1]"}, [&] {
        reencode(context(), negative.view(), Coding::bipolar, Coding::unipolar, 256);
    });
}

TEST(Formats, RefuseWhatIsOutOfRange) {
    constexpr double nan = std::numeric_limits<double>::quiet_NaN();
    constexpr double inf = std::numeric_limits<double>::infinity();
    for (const double wrong : {nan, inf, -inf}) {
        const std::vector<double> values = {0.5, wrong};
        const auto refuses = [&](auto&& call) {
            expect_error(ErrorCode::invalid_value, {"values[1]"}, call);
        };
        refuses([&] { encode_split(context(), values, 10); });
        refuses([&] { encode_ratio(context(), values, 10); });
        refuses([&] { encode_extended(context(), values, 10, {}, {}); });
        refuses([&] { encode_integral(context(), values, 10, 2); });
    }
    const auto one = [](double value) { return std::vector<double>{value}; };
    expect_error(ErrorCode::invalid_value, {"values[0]"},
                 [&] { encode_split(context(), one(-1.1), 9); });
    expect_error(ErrorCode::invalid_value, {"values[0]"},
                 [&] { encode_ratio(context(), one(-1), 9); });
    expect_error(ErrorCode::invalid_value, {"values[0]", "[0, 3]"},
                 [&] { encode_integral(context(), one(3.1), 9, 3); });
    expect_error(ErrorCode::invalid_value, {"values[0]", "[-3, 3]"},
                 [&] { encode_integral(context(), one(-3.1), 9, 3, Coding::bipolar); });
    for (const std::size_t wrong : {std::size_t{0}, std::size_t{65536}})
        expect_error(ErrorCode::invalid_value, {"summands"},
                     [&] { encode_integral(context(), one(0), 9, wrong); });

    const StreamArray two = encode(context(), std::vector<double>{0.5, 0.5}, 100);
    const StreamArray other = encode(context(), one(0.5), 101);
    std::vector<double> out(2);
    std::vector<std::uint16_t> sums(7);
    const auto misshapen = [](const std::vector<std::string>& parts, auto&& call) {
        expect_error(ErrorCode::invalid_shape, parts, call);
    };
    misshapen({"negative"},
              [&] { decode_split(context(), two.view(), std::vector<std::uint8_t>(3), out); });
    misshapen({"denominators"}, [&] { decode_extended(context(), two.view(), other.view(), out); });
    misshapen({"sums"}, [&] { integral_elements(context(), two.view(), sums); });
    misshapen({"out"}, [&] { decode_integral(context(), two.view(), Coding::unipolar, out); });
    misshapen({"half", "2 streams"}, [&] { to_bipolar(context(), two.view(), two.view()); });
    misshapen({"half", "101 bits"}, [&] { to_bipolar(context(), two.view(), other.view()); });
    misshapen({"streams", "2 rows"}, [&] {
        reencode(context(), StreamArray(2, 1, 10).view(), Coding::unipolar, Coding::unipolar, 10);
    });
}

}  // namespace
}  // namespace bitaxon
