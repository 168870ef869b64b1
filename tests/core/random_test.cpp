// The identity of streams, against values that share no code with it: computed with Python's big
// integers, every operation modulo 2^64, from the formulas
//     k = mix(seed + G);  k = mix(k + (layer << 8 | role) * G);  k = mix(k + sample * G)
//     a = mix(k + (2 * index + 1) * G);  b = mix(k + (2 * index + 2) * G)
//     R(word, plane):  x = a + (32 * word + plane) * G;  x ^= x >> 30;  x *= C1;
//                      x ^= (x >> 27) ^ b;  x *= C2;  x ^= x >> 31
#include <bitaxon/core/random.hpp>

#include <gtest/gtest.h>

#include <cstdint>
#include <set>
#include <utility>
#include <vector>

namespace bitaxon {
namespace {

using u64 = std::uint64_t;
constexpr u64 kMost = ~u64{0};

TEST(Random, MixHasItsGoldenValues) {
    EXPECT_EQ(mix(0), 0u);
    EXPECT_EQ(mix(1), 0x5692161d100b05e5u);
    EXPECT_EQ(mix(kernels::kGolden), 0xe220a8397b1dcdafu);  // SplitMix64's first output, seed 0
    EXPECT_EQ(mix(u64{1} << 63), 0x25c26ea579cea98au);
    EXPECT_EQ(mix(kMost), 0xb4d055fcf2cbbd7bu);
}

TEST(Random, KeyBaseHasItsGoldenValues) {
    EXPECT_EQ(key_base(0, 0, Role::input, 0), 0x33fe8bd4f9c57863u);
    EXPECT_EQ(key_base(0, 0, Role::weight, 0), 0xb49ab477bb8685e2u);
    EXPECT_EQ(key_base(0, 0, Role::select, 0), 0x91a4e68c349c7fb2u);
    EXPECT_EQ(key_base(0, 0, Role::noise, 0), 0x61a1ed56b4756960u);
    EXPECT_EQ(key_base(0, 1, Role::input, 0), 0x8b07fb79c92a1693u);
    EXPECT_EQ(key_base(0, 0, Role::input, 1), 0x568a9b0b1a2c05ecu);
    EXPECT_EQ(key_base(1, 0, Role::input, 0), 0x0a385ef24fa6a992u);
    EXPECT_EQ(key_base(7, 3, Role::weight, 5), 0x85bd10d376a244fau);
    EXPECT_EQ(key_base(u64{1} << 63, u64{1} << 32, Role::select, u64{1} << 40),
              0x4cf3ba36d548aaa4u);
    EXPECT_EQ(key_base(kMost, kMost >> 8, Role::noise, kMost), 0x48c882e6b532cc3du);
}

TEST(Random, StreamKeyHasItsGoldenValues) {
    struct Golden {
        u64 index, a, b;
    };
    constexpr Golden kGoldens[] = {
        {0, 0xd94430ecf96d4c74, 0xbcac7cb5a06af928},
        {1, 0x5b75341ff3f247f7, 0xf5f293a473cb3995},
        {1000, 0x8f25fa7913abd1e3, 0x9bfc6b8f3d2a8ea5},
        {kMost, 0xea4931de03467403, 0x129348cdb2347480},
    };
    const u64 base = key_base(7, 3, Role::weight, 5);
    for (const Golden& golden : kGoldens) {
        const StreamKey key = stream_key(base, golden.index);
        EXPECT_EQ(key.a, golden.a) << golden.index;
        EXPECT_EQ(key.b, golden.b) << golden.index;
    }
}

TEST(Random, RandomWordHasItsGoldenValues) {
    constexpr u64 a = 0xd94430ecf96d4c74;
    constexpr u64 b = 0xbcac7cb5a06af928;
    EXPECT_EQ(random_word(a, b, 0, 0), 0x43aa8c1b2dc101f7u);
    EXPECT_EQ(random_word(a, b, 0, 1), 0x773ed68b895929b5u);
    EXPECT_EQ(random_word(a, b, 0, 31), 0x369f68f68f384397u);
    EXPECT_EQ(random_word(a, b, 1, 0), 0x12ff3a7d170ca6d6u);
    EXPECT_EQ(random_word(a, b, 15, 7), 0xf89fbc305d2653ddu);
    EXPECT_EQ(random_word(a, b, (1 << 25) - 1, 31), 0x4d74b4fdf984b073u);  // the last of 2^31 bits
    EXPECT_EQ(random_word(kMost, 1, 3, 5), 0x6fb302b4121f4a6fu);
}

TEST(Random, RandomWordWithoutASecondHalfIsSplitMix64) {
    EXPECT_EQ(random_word(0, 0, 0, 0), 0u);
    EXPECT_EQ(random_word(0, 0, 0, 1), 0xe220a8397b1dcdafu);
    EXPECT_EQ(random_word(0, kMost, 0, 0), 0x6b2fb6443a91829cu);
}

TEST(Random, PlanesAndWordsAreOneCounter) {
    const StreamKey key = stream_key(key_base(1, 2, Role::input, 3), 4);
    for (unsigned plane = 0; plane < kernels::kPlanes; ++plane)
        EXPECT_EQ(random_word(key.a, key.b, 5, plane),
                  random_word(key.a + 5 * kernels::kPlanes * kernels::kGolden, key.b, 0, plane));
}

TEST(Random, IsKnownAtCompileTime) {
    static_assert(mix(1) == 0x5692161d100b05e5);
    static_assert(stream_key(key_base(7, 3, Role::weight, 5), 0).a == 0xd94430ecf96d4c74);
    static_assert(random_word(0, 0, 0, 1) == 0xe220a8397b1dcdaf);
}

// Every name in a box of neighbours, corners of the ranges included.
TEST(Random, NoTwoNamesShareAKey) {
    std::set<std::pair<u64, u64>> keys;
    std::set<u64> halves;
    std::size_t names = 0;
    for (const u64 seed : {u64{0}, u64{1}, u64{2}, kMost})
        for (const u64 layer : {u64{0}, u64{1}, u64{2}, u64{255}, u64{256}, kMost >> 8})
            for (const Role role : {Role::input, Role::weight, Role::select, Role::noise})
                for (const u64 sample : {u64{0}, u64{1}, u64{2}, u64{3}, kMost}) {
                    const u64 base = key_base(seed, layer, role, sample);
                    for (u64 index = 0; index < 32; ++index) {
                        const StreamKey key = stream_key(base, index);
                        keys.emplace(key.a, key.b);
                        halves.insert({key.a, key.b});
                        ++names;
                    }
                }
    EXPECT_EQ(keys.size(), names);
    EXPECT_EQ(halves.size(), 2 * names);  // no half is used twice either
}

// mix is a bijection, so with one seed and sample the bases of all (layer, role) differ: no role of
// one layer is another's.
TEST(Random, RolesNeverCoincide) {
    std::set<u64> bases;
    constexpr u64 kLayers = 4096;
    for (u64 layer = 0; layer < kLayers; ++layer)
        for (const Role role : {Role::input, Role::weight, Role::select, Role::noise})
            bases.insert(key_base(42, layer, role, 0));
    EXPECT_EQ(bases.size(), 4 * kLayers);
}

TEST(Random, RolesAreTheLowByteOfTheLayer) {
    EXPECT_EQ(static_cast<int>(Role::input), 0);
    EXPECT_EQ(static_cast<int>(Role::weight), 1);
    EXPECT_EQ(static_cast<int>(Role::select), 2);
    EXPECT_EQ(static_cast<int>(Role::noise), 3);
    const auto by_hand = [](u64 layer_and_role) {
        return mix(mix(mix(9 + kernels::kGolden) + layer_and_role * kernels::kGolden));
    };
    EXPECT_EQ(key_base(9, 5, Role::noise, 0), by_hand(0x503));
    EXPECT_EQ(key_base(9, 0x1234, Role::weight, 0), by_hand(0x123401));
}

TEST(Random, CombinedSeedKeepsBothSeeds) {
    EXPECT_EQ(combine_seeds(0, 0), 0u);
    EXPECT_EQ(combine_seeds(7, 9), 0x12ae30237b17df1du);
    EXPECT_NE(combine_seeds(7, 9), combine_seeds(9, 7));
    std::set<u64> seeds;
    for (u64 layer_seed = 0; layer_seed < 64; ++layer_seed)
        for (u64 forward_seed = 0; forward_seed < 64; ++forward_seed)
            seeds.insert(combine_seeds(layer_seed, forward_seed));
    EXPECT_EQ(seeds.size(), 64u * 64u);
}

// 64 bits each: two of a thousand coincide with probability 3e-14.
TEST(Random, FreshSeedsDiffer) {
    std::set<u64> seeds;
    for (int i = 0; i < 1000; ++i) seeds.insert(fresh_seed());
    EXPECT_EQ(seeds.size(), 1000u);
}

}  // namespace
}  // namespace bitaxon
