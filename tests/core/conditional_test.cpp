// Conditional generation against a loop over bits that takes the next bit of b for each one of a.
#include "expect_error.hpp"

#include <bitaxon/core/conditional.hpp>

#include <bitaxon/core/error.hpp>

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

namespace bitaxon {
namespace {

using u64 = std::uint64_t;

const ExecutionContext& context() {
    static const ExecutionContext one{{.threads = 2, .tier = {}, .seed = 0}};
    return one;
}

bool bit(const u64* words, u64 t) { return (words[t / 64] >> t % 64 & 1) != 0; }

std::vector<double> grid(std::size_t count) {
    std::vector<double> values;
    for (std::size_t i = 0; i < count; ++i)
        values.push_back(static_cast<double>(i) / static_cast<double>(count - 1));
    return values;
}

TEST(Conditional, TakesTheNextBitOfBAtEachOneOfA) {
    const std::vector<double> values = grid(40);
    const std::vector<double> reversed(values.rbegin(), values.rend());
    for (const u64 length : {1u, 63u, 64u, 130u, 1024u, 4099u}) {
        const StreamArray a = encode(context(), values, length);
        const StreamArray many =
            encode(context(), reversed, length, Coding::unipolar, Encoder{Sobol{}});
        const StreamArray one =
            encode(context(), std::vector{0.3}, length, Coding::unipolar, Encoder{Sobol{}});
        for (const Coding coding : {Coding::unipolar, Coding::bipolar})
            for (const StreamArray* b : {&many, &one}) {
                const StreamArray product =
                    multiply_conditional(context(), a.view(), b->view(), coding);
                for (std::size_t i = 0; i < values.size(); ++i) {
                    const u64* x = a.view().stream(0, i);
                    const u64* y = b->view().stream(0, b == &one ? 0 : i);
                    const u64* out = product.view().stream(0, i);
                    u64 ones = 0, zeros = 0;
                    for (u64 t = 0; t < 64 * words_for(length); ++t) {
                        bool expected = false;
                        if (t < length && bit(x, t))
                            expected = bit(y, ones++);
                        else if (t < length && coding == Coding::bipolar)
                            expected = !bit(y, zeros++);
                        ASSERT_EQ(bit(out, t), expected) << length << ", " << i << ", " << t;
                    }
                }
            }
    }
}

// A stream's square, which AND would give as the stream itself: b is even in every prefix.
TEST(Conditional, NeedsNoIndependence) {
    const std::vector<double> values = grid(65);
    const StreamArray streams =
        encode(context(), values, 1024, Coding::unipolar, Encoder{VanDerCorput{}});
    const StreamArray squares = multiply_conditional(context(), streams.view(), streams.view());
    std::vector<double> decoded(values.size());
    decode(context(), squares.view(), Coding::unipolar, decoded);
    for (std::size_t i = 0; i < values.size(); ++i)
        // The discrepancy of 1,024 numbers in base 2 is at most 1 + 10/3 of them, twice.
        EXPECT_NEAR(decoded[i], values[i] * values[i], 2 * 4.4 / 1024) << values[i];
}

TEST(Conditional, BadInputIsNamed) {
    const StreamArray a = encode(context(), grid(3), 100);
    const StreamArray two = encode(context(), grid(2), 100);
    const StreamArray longer = encode(context(), grid(3), 101);
    StreamArray dirty = a;
    dirty.row(0)[1] |= u64{1} << 63;
    const auto multiply_by = [&](const StreamArray& b, Coding coding = Coding::unipolar) {
        return [&a, &b, coding] { multiply_conditional(context(), a.view(), b.view(), coding); };
    };
    expect_error(ErrorCode::invalid_shape, {"b: got 1 rows of 2 streams", "one stream"},
                 multiply_by(two));
    expect_error(ErrorCode::invalid_shape, {"b: got 101 bits", "100 bits"}, multiply_by(longer));
    expect_error(ErrorCode::invalid_value, {"stream"}, multiply_by(dirty));
    expect_error(ErrorCode::invalid_value, {"coding: got split-unipolar"},
                 multiply_by(a, Coding::split_unipolar));
}

}  // namespace
}  // namespace bitaxon
