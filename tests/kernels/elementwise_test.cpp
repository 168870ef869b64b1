#include "support.hpp"

#include <functional>

namespace bitaxon::kernels::test {
namespace {

class Elementwise : public EveryTier {};
BITAXON_FOR_EVERY_TIER(Elementwise);

// Compares the bits below `length_bits` with the rule and asks for zeros above.
void expect_bits(const u64* out, std::size_t length_bits,
                 const std::function<bool(std::size_t)>& rule) {
    for (std::size_t t = 0; t < length_bits; ++t) ASSERT_EQ(bit(out, t), rule(t)) << "bit " << t;
    for (std::size_t t = length_bits; t < 64 * words_for(length_bits); ++t)
        ASSERT_FALSE(bit(out, t)) << "tail bit " << t;
}

TEST_P(Elementwise, AgreesWithABitLoopAtEveryLengthAndOffset) {
    std::mt19937_64 random{2};
    for (const std::size_t length : lengths()) {
        const std::size_t words = words_for(length);
        for (std::size_t offset = 0; offset < kOffsets; ++offset) {
            SCOPED_TRACE(testing::Message() << length << " bits at word " << offset);
            Guarded<u64> x(words, offset);
            Guarded<u64> y(words, (3 * offset + 1) % kOffsets);
            Guarded<u64> s(words, (5 * offset + 2) % kOffsets);
            Guarded<u64> out(words, (7 * offset + 3) % kOffsets);
            fill_bits(x.data(), length, random);
            fill_bits(y.data(), length, random);
            fill_bits(s.data(), length, random);
            const u64* a = x.data();
            const u64* b = y.data();
            const u64* select = s.data();
            kernels().bit_and(a, b, out.data(), words);
            expect_bits(out.data(), length, [&](std::size_t t) { return bit(a, t) && bit(b, t); });
            kernels().bit_or(a, b, out.data(), words);
            expect_bits(out.data(), length, [&](std::size_t t) { return bit(a, t) || bit(b, t); });
            kernels().bit_xor(a, b, out.data(), words);
            expect_bits(out.data(), length, [&](std::size_t t) { return bit(a, t) != bit(b, t); });
            kernels().bit_xnor(a, b, out.data(), length);
            expect_bits(out.data(), length, [&](std::size_t t) { return bit(a, t) == bit(b, t); });
            kernels().bit_not(a, out.data(), length);
            expect_bits(out.data(), length, [&](std::size_t t) { return !bit(a, t); });
            kernels().bit_mux(select, a, b, out.data(), words);
            expect_bits(out.data(), length,
                        [&](std::size_t t) { return bit(select, t) ? bit(b, t) : bit(a, t); });
            EXPECT_TRUE(out.intact());
            if (HasFatalFailure()) return;
        }
    }
}

TEST_P(Elementwise, DepositPutsTheNextBitAtEachPlace) {
    std::mt19937_64 random{5};
    for (const std::size_t length : lengths()) {
        for (const unsigned share : {0u, 1u, 4u, 7u, 8u}) {  // of ones among places, in eighths
            SCOPED_TRACE(testing::Message() << length << " bits, " << share << "/8 places");
            const std::size_t words = words_for(length);
            Guarded<u64> places(words, share % kOffsets);
            Guarded<u64> x(words, length % kOffsets);
            Guarded<u64> out(words, (share + 3) % kOffsets);
            std::fill(places.begin(), places.end(), 0);
            for (std::size_t t = 0; t < length; ++t)
                places[t / 64] |= u64{random() % 8 < share} << t % 64;
            fill_bits(x.data(), length, random);
            std::vector<bool> expected(length);
            for (std::size_t t = 0, next = 0; t < length; ++t)
                if (bit(places.data(), t)) expected[t] = bit(x.data(), next++);
            const auto rule = [&](std::size_t t) { return bool{expected[t]}; };
            kernels().bit_deposit(places.data(), x.data(), out.data(), words);
            expect_bits(out.data(), length, rule);
            EXPECT_TRUE(out.intact());
            kernels().bit_deposit(places.data(), x.data(), places.data(), words);
            expect_bits(places.data(), length, rule);
            if (HasFatalFailure()) return;
        }
    }
}

TEST_P(Elementwise, TransposeMovesEachBitAcrossTheDiagonal) {
    std::mt19937_64 random{4};
    for (const std::size_t rows : {0u, 1u, 2u, 31u, 63u, 64u}) {
        for (const std::size_t columns : {0u, 1u, 17u, 64u}) {
            for (const std::ptrdiff_t stride : {1, 3, -2}) {
                SCOPED_TRACE(testing::Message() << rows << " x " << columns << " by " << stride);
                const std::size_t span = 64 * 3;
                Guarded<u64> in(span, 1);
                Guarded<u64> out(span, 2);
                std::generate(in.begin(), in.end(), [&] { return random(); });
                std::fill(out.begin(), out.end(), 0x0123456789abcdef);
                const std::ptrdiff_t first = stride < 0 ? 63 * -stride : 0;
                const u64* a = in.data() + first;
                u64* b = out.data() + first;
                kernels().bit_transpose(a, stride, rows, b, stride, columns);
                for (std::ptrdiff_t j = 0; j < 64; ++j) {
                    if (static_cast<std::size_t>(j) >= columns) {
                        ASSERT_EQ(b[j * stride], 0x0123456789abcdef) << "word " << j;
                        continue;
                    }
                    for (std::size_t i = 0; i < 64; ++i) {
                        const bool expected =
                            i < rows &&
                            bit(&a[static_cast<std::ptrdiff_t>(i) * stride], static_cast<std::size_t>(j));
                        ASSERT_EQ(bit(&b[j * stride], i), expected) << i << ", " << j;
                    }
                }
                EXPECT_TRUE(out.intact());
            }
        }
    }
}

TEST_P(Elementwise, OutputMayBeAnInput) {
    std::mt19937_64 random{3};
    for (const std::size_t length : {1u, 65u, 513u, 1031u}) {
        SCOPED_TRACE(length);
        const std::size_t words = words_for(length);
        std::vector<u64> a(words), b(words), select(words);
        fill_bits(a.data(), length, random);
        fill_bits(b.data(), length, random);
        fill_bits(select.data(), length, random);

        std::vector<u64> out = a;
        kernels().bit_xnor(out.data(), b.data(), out.data(), length);
        expect_bits(out.data(), length,
                    [&](std::size_t t) { return bit(&a[0], t) == bit(&b[0], t); });
        out = a;
        kernels().bit_not(out.data(), out.data(), length);
        expect_bits(out.data(), length, [&](std::size_t t) { return !bit(&a[0], t); });
        out = b;
        kernels().bit_and(a.data(), out.data(), out.data(), words);
        expect_bits(out.data(), length,
                    [&](std::size_t t) { return bit(&a[0], t) && bit(&b[0], t); });
        for (const std::vector<u64>* input : {&a, &b, &select}) {
            out = *input;
            kernels().bit_mux(input == &select ? out.data() : select.data(),
                              input == &a ? out.data() : a.data(),
                              input == &b ? out.data() : b.data(), out.data(), words);
            expect_bits(out.data(), length, [&](std::size_t t) {
                return bit(&select[0], t) ? bit(&b[0], t) : bit(&a[0], t);
            });
        }
    }
}

}  // namespace
}  // namespace bitaxon::kernels::test
