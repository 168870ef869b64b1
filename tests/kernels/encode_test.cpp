#include "support.hpp"

#include <bitaxon/kernels/random_word.hpp>

namespace bitaxon::kernels::test {
namespace {

// Computed with Python integers from the formulas of random_word.hpp's definition, for seed 7,
// layer 3, role 1, sample 5: base = mix(mix(mix(seed + G) + (3 << 8 | 1) * G) + 5 * G).
constexpr u64 kBase = 0x85bd10d376a244fa;
struct Key {
    u64 index, a, b;
};
constexpr Key kKeys[] = {
    {0, 0xd94430ecf96d4c74, 0xbcac7cb5a06af928},
    {1, 0x5b75341ff3f247f7, 0xf5f293a473cb3995},
    {2, 0xc7a37f9bf6a36583, 0x00fd10ed850c51b0},
    {1000, 0x8f25fa7913abd1e3, 0x9bfc6b8f3d2a8ea5},
    {u64{1} << 40, 0x717148e37a7753b3, 0x4d2d5c5993870ee1},
};

TEST(RandomWord, MixIsSplitMix64) {
    EXPECT_EQ(mix(kGolden),
              0xe220a8397b1dcdafu);  // the first output for seed 0, as published
    EXPECT_EQ(mix(1), 0x5692161d100b05e5u);
    EXPECT_EQ(mix(0), 0u);
}

TEST(RandomWord, HasItsGoldenValues) {
    const auto [index, a, b] = kKeys[0];
    EXPECT_EQ(random_word(a, b, 0, 0), 0x43aa8c1b2dc101f7u);
    EXPECT_EQ(random_word(a, b, 0, 1), 0x773ed68b895929b5u);
    EXPECT_EQ(random_word(a, b, 0, 31), 0x369f68f68f384397u);
    EXPECT_EQ(random_word(a, b, 1, 0), 0x12ff3a7d170ca6d6u);
    EXPECT_EQ(random_word(a, b, 15, 7), 0xf89fbc305d2653ddu);
    EXPECT_EQ(random_word(a, b, u64{1} << 40, 0), 0x640b229c752dc833u);
    EXPECT_EQ(random_word(a, b, (u64{1} << 40) + 3, 31), 0x8262fbc46827287cu);
}

class Encoding : public EveryTier {};
BITAXON_FOR_EVERY_TIER(Encoding);

TEST_P(Encoding, StreamKeysHaveTheirGoldenValues) {
    for (const Key& key : kKeys) {
        u64 a = 0;
        u64 b = 0;
        kernels().stream_keys(kBase, key.index, 1, &a, &b);
        EXPECT_EQ(a, key.a) << key.index;
        EXPECT_EQ(b, key.b) << key.index;
    }
}

TEST_P(Encoding, StreamKeysFollowTheirFormula) {
    for (const u64 first : {u64{0}, u64{12345}, u64{1} << 63, ~u64{0} - 5}) {
        for (std::size_t streams = 0; streams < 35; ++streams) {
            SCOPED_TRACE(testing::Message() << streams << " streams from " << first);
            Guarded<u64> a(streams, streams % kOffsets);
            Guarded<u64> b(streams, 3 * streams % kOffsets);
            kernels().stream_keys(kBase, first, streams, a.data(), b.data());
            for (std::size_t i = 0; i < streams; ++i) {
                EXPECT_EQ(a[i], mix(kBase + (2 * (first + i) + 1) * kGolden));
                EXPECT_EQ(b[i], mix(kBase + (2 * (first + i) + 2) * kGolden));
            }
            EXPECT_TRUE(a.intact());
            EXPECT_TRUE(b.intact());
        }
    }
}

TEST_P(Encoding, BernoulliHasItsGoldenValues) {
    struct Golden {
        u64 threshold, word0, word1, word2_40;
    };
    constexpr Golden kGoldens[] = {
        {0x80000000, 0xbc5573e4d23efe08, 0xed00c582e8f35929, 0x9bf4dd638ad237cc},
        {0x40000000, 0x884121645226d608, 0x05000480c0515000, 0x0b301d610080378c},
        {0xcccccccd, 0xbddd7bfef6befe4a, 0xeff9dfc6ecfbfbff, 0xbff7ffffafdf77ee},
        {0x10000000, 0x0001204002201000, 0x0000048040404000, 0x0120080100001204},
    };
    for (const Golden& golden : kGoldens) {
        SCOPED_TRACE(golden.threshold);
        u64 out[2];
        BernoulliBlock block{&kKeys[0].a, &kKeys[0].b, &golden.threshold, 2, 0, ~u64{0}, 0, 2, out};
        kernels().encode_bernoulli(block);
        EXPECT_EQ(out[0], golden.word0);
        EXPECT_EQ(out[1], golden.word1);
        block.first_time_word = u64{1} << 40;
        kernels().encode_bernoulli(block);
        EXPECT_EQ(out[0], golden.word2_40);
    }
}

// The definition, number by number: 32 planes are 64 numbers of 32 bits.
u64 bernoulli_word(u64 a, u64 b, u64 word, u64 threshold) {
    u64 numbers[64] = {};
    for (unsigned plane = 0; plane < kPlanes; ++plane) {
        const u64 random = random_word(a, b, word, plane);
        for (unsigned t = 0; t < 64; ++t) numbers[t] |= (random >> t & 1) << (31 - plane);
    }
    u64 bits = 0;
    for (unsigned t = 0; t < 64; ++t) bits |= u64{numbers[t] < threshold} << t;
    return bits;
}

struct Row {
    std::vector<u64> a, b, thresholds;
    std::size_t words_per_stream;
    u64 first_time_word;
    u64 tail_mask;

    // What flat word f of the row must be.
    u64 word(std::size_t f) const {
        const std::size_t stream = f / words_per_stream;
        const std::size_t w = f % words_per_stream;
        const u64 bits =
            bernoulli_word(a[stream], b[stream], first_time_word + w, thresholds[stream]);
        return w + 1 == words_per_stream ? bits & tail_mask : bits;
    }
    // Thresholds of every kind: exact, few bits, all bits, certain.
    static Row random(std::size_t streams, std::size_t words_per_stream, u64 first_time_word,
                      std::mt19937_64& random) {
        Row row{{}, {}, {}, words_per_stream, first_time_word, random() | 1};
        constexpr u64 kSpecial[] = {
            0,          1,         u64{1} << 31, (u64{1} << 31) + 1, 0xffffffff, u64{1} << 32,
            0xfffffffe, 0x00010000};
        for (std::size_t s = 0; s < streams; ++s) {
            row.a.push_back(random());
            row.b.push_back(random());
            const u64 r = random();
            const u64 kinds[] = {r >> 32, r >> 32, (r >> 56) << 24, (r >> 60) << 28,
                                 kSpecial[r % std::size(kSpecial)]};
            row.thresholds.push_back(kinds[(r >> 16) % std::size(kinds)]);
        }
        return row;
    }
};

void expect_words(const KernelTable& kernels, const Row& row, std::size_t first_word,
                  std::size_t words, std::size_t offset) {
    SCOPED_TRACE(testing::Message() << row.words_per_stream << " words a stream, " << words
                                    << " from " << first_word << ", time " << row.first_time_word);
    Guarded<u64> out(words, offset);
    kernels.encode_bernoulli({row.a.data(), row.b.data(), row.thresholds.data(),
                              row.words_per_stream, row.first_time_word, row.tail_mask, first_word,
                              words, out.data()});
    for (std::size_t i = 0; i < words; ++i)
        ASSERT_EQ(out[i], row.word(first_word + i))
            << "word " << i << ", threshold "
            << row.thresholds[(first_word + i) / row.words_per_stream];
    EXPECT_TRUE(out.intact());
}

TEST_P(Encoding, BernoulliFollowsItsDefinitionForEveryShape) {
    std::mt19937_64 random{6};
    for (const std::size_t per_stream : {1u, 2u, 3u, 4u, 5u, 6u, 7u, 8u, 9u, 15u, 16u, 17u, 64u}) {
        const std::size_t streams = 300 / per_stream + 2;
        const Row row =
            Row::random(streams, per_stream, per_stream % 3 == 0 ? u64{1} << 40 : 0, random);
        expect_words(kernels(), row, 0, streams * per_stream, per_stream % kOffsets);
        if (HasFatalFailure()) return;
    }
}

TEST_P(Encoding, BernoulliStartsAndStopsAnywhere) {
    std::mt19937_64 random{7};
    const Row row = Row::random(23, 7, 5, random);
    for (std::size_t first = 0; first < 20; ++first) {
        for (const std::size_t words : {0u, 1u, 2u, 3u, 5u, 8u, 13u, 33u, 137u}) {
            expect_words(kernels(), row, first, words, first % kOffsets);
            if (HasFatalFailure()) return;
        }
    }
}

// Thresholds by themselves, so that a shortcut for equal or short ones shows its mistakes.
TEST_P(Encoding, BernoulliFollowsItsDefinitionForEveryThreshold) {
    std::mt19937_64 random{8};
    std::vector<u64> thresholds = {0,          1,         2, u64{1} << 31, 0xffffffff, u64{1} << 32,
                                   0xaaaaaaaa, 0x55555555};
    for (unsigned k = 1; k < 16; ++k) thresholds.push_back(u64{k} << 28);
    for (unsigned k = 1; k < 256; k += 13) thresholds.push_back(u64{k} << 24);
    for (unsigned bits = 9; bits < 32; bits += 5)
        thresholds.push_back((u64{1} << 32) - (u64{1} << (32 - bits)));
    for (const u64 threshold : thresholds) {
        Row row = Row::random(3, 16, 3, random);
        std::fill(row.thresholds.begin(), row.thresholds.end(), threshold);
        expect_words(kernels(), row, 0, 48, 0);
        if (HasFatalFailure()) return;
    }
}

TEST_P(Encoding, BernoulliLongRowsFollowTheirDefinition) {
    std::mt19937_64 random{9};
    const Row row = Row::random(130, 16, 0, random);
    expect_words(kernels(), row, 3, 130 * 16 - 5, 1);
}

TEST_P(Encoding, ThresholdComparesEveryNumber) {
    std::mt19937_64 random{10};
    for (const std::size_t length : lengths()) {
        if (length > 2100) continue;
        for (const u64 threshold : {u64{0}, u64{1}, u64{2}, u64{0x7fffffff}, u64{1} << 31,
                                    u64{0xffffffff}, u64{1} << 32, u64{0x12345678}}) {
            SCOPED_TRACE(testing::Message() << length << " bits, threshold " << threshold);
            Guarded<std::uint32_t> sequence(length, length % kOffsets);
            for (std::uint32_t& number : sequence) {
                const u64 r = random();
                const auto near = static_cast<std::uint32_t>(threshold + r % 3 - 1);
                number = r >> 63 ? near : static_cast<std::uint32_t>(r >> 8);
            }
            Guarded<u64> out(words_for(length), length % kOffsets);
            kernels().encode_threshold(sequence.data(), length, threshold, out.data());
            for (std::size_t t = 0; t < length; ++t)
                ASSERT_EQ(bit(out.data(), t), sequence[t] < threshold) << sequence[t];
            for (std::size_t t = length; t < 64 * out.size(); ++t)
                ASSERT_FALSE(bit(out.data(), t)) << "tail bit " << t;
            EXPECT_TRUE(out.intact());
        }
    }
}

}  // namespace
}  // namespace bitaxon::kernels::test
