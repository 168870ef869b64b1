#include "support.hpp"

namespace bitaxon::kernels::test {
namespace {

class Counting : public EveryTier {};
BITAXON_FOR_EVERY_TIER(Counting);

template <class Predicate>
u64 count_bits(std::size_t length_bits, Predicate is_one) {
    u64 total = 0;
    for (std::size_t t = 0; t < length_bits; ++t) total += is_one(t);
    return total;
}

TEST_P(Counting, AgreesWithABitLoopAtEveryLengthAndOffset) {
    std::mt19937_64 random{1};
    for (const std::size_t length : lengths()) {
        const std::size_t words = words_for(length);
        for (std::size_t offset = 0; offset < kOffsets; ++offset) {
            Guarded<u64> x(words, offset);
            Guarded<u64> y(words, (3 * offset + 1) % kOffsets);
            fill_bits(x.data(), length, random);
            fill_bits(y.data(), length, random);
            const u64* a = x.data();
            const u64* b = y.data();
            SCOPED_TRACE(testing::Message() << length << " bits at word " << offset);
            EXPECT_EQ(kernels().popcount(a, words),
                      count_bits(length, [&](std::size_t t) { return bit(a, t); }));
            EXPECT_EQ(kernels().and_popcount(a, b, words),
                      count_bits(length, [&](std::size_t t) { return bit(a, t) && bit(b, t); }));
            EXPECT_EQ(kernels().or_popcount(a, b, words),
                      count_bits(length, [&](std::size_t t) { return bit(a, t) || bit(b, t); }));
            EXPECT_EQ(kernels().xor_popcount(a, b, words),
                      count_bits(length, [&](std::size_t t) { return bit(a, t) != bit(b, t); }));
            EXPECT_EQ(kernels().xnor_popcount(a, b, length),
                      count_bits(length, [&](std::size_t t) { return bit(a, t) == bit(b, t); }));
        }
    }
}

// The narrow counters inside the kernels must hold the largest sum, not the average one.
TEST_P(Counting, NothingOverflowsWhenEveryBitIsOne) {
    constexpr std::size_t kLongest = 5000;
    Guarded<u64> ones(kLongest);
    Guarded<u64> zeros(kLongest);
    std::fill(ones.begin(), ones.end(), ~u64{0});
    std::fill(zeros.begin(), zeros.end(), u64{0});
    for (std::size_t words = 0; words <= kLongest; words += words < 300 ? 1 : 101) {
        SCOPED_TRACE(words);
        EXPECT_EQ(kernels().popcount(ones.data(), words), 64 * words);
        EXPECT_EQ(kernels().and_popcount(ones.data(), ones.data(), words), 64 * words);
        EXPECT_EQ(kernels().or_popcount(ones.data(), zeros.data(), words), 64 * words);
        EXPECT_EQ(kernels().xor_popcount(zeros.data(), ones.data(), words), 64 * words);
        EXPECT_EQ(kernels().xnor_popcount(ones.data(), ones.data(), 64 * words), 64 * words);
    }
}

// One bit after the other: a lane that is dropped or counted twice has no place to hide.
TEST_P(Counting, FindsASingleOneWhereverItStands) {
    constexpr std::size_t kWords = 150;
    Guarded<u64> single(kWords);
    Guarded<u64> ones(kWords);
    std::fill(ones.begin(), ones.end(), ~u64{0});
    std::fill(single.begin(), single.end(), u64{0});
    for (std::size_t t = 0; t < 64 * kWords; ++t) {
        single[t / 64] = u64{1} << (t % 64);
        ASSERT_EQ(kernels().popcount(single.data(), kWords), 1u) << "bit " << t;
        ASSERT_EQ(kernels().and_popcount(ones.data(), single.data(), kWords), 1u) << "bit " << t;
        ASSERT_EQ(kernels().xor_popcount(single.data(), ones.data(), kWords), 64 * kWords - 1)
            << "bit " << t;
        single[t / 64] = 0;
    }
}

}  // namespace
}  // namespace bitaxon::kernels::test
