// The battery on our generator, and on generators that it must reject.
//
// All names are fixed, so a result never changes. A bound is what a generator of ideal bits would
// exceed in one of 10^6 choices of the names, corrected for the number of looks.
#include "battery.hpp"

#include <gtest/gtest.h>

#include <cstdio>

namespace bitaxon::battery {
namespace {

constexpr double kFalseAlarm = 1e-6;  // of each test here
constexpr u64 kHalf = u64{1} << 31;
constexpr u64 kThreeTenths = 1288490189;  // a threshold that takes all 32 planes

struct Ours {
    static StreamKey key(const StreamName& name) {
        return stream_key(key_base(name.seed, name.layer, name.role, name.sample), name.index);
    }
    static u64 word(StreamKey key, u64 word, unsigned plane) {
        return random_word(key.a, key.b, word, plane);
    }
};

/// Ours without the first multiplication. Its bits pass every pairwise test: only joint ones see
/// that lanes i and i + 31 (the last shift) share a carry chain of few bits.
struct OneMultiply {
    static StreamKey key(const StreamName& name) { return Ours::key(name); }
    static u64 word(StreamKey key, u64 word, unsigned plane) {
        u64 x = key.a + (kernels::kPlanes * word + plane) * kernels::kGolden;
        x ^= x >> 30;
        x = (x ^ (x >> 27) ^ key.b) * kernels::kMix2;
        return x ^ (x >> 31);
    }
};

/// SplitMix64 as it is, with raw keys and no second half: stream i + 1 runs one plane ahead of
/// stream i.
struct OverlappingKeys : Ours {
    static StreamKey key(const StreamName& name) {
        return {name.seed + name.index * kernels::kGolden, 0};
    }
};

/// The same with consecutive keys, which never overlap in practice.
struct ConsecutiveKeys : Ours {
    static StreamKey key(const StreamName& name) { return {name.seed + name.index, 0}; }
};

void report(const char* test, const Finding& finding) {
    std::printf("[ sigmas   ] %-32s %8.2f (bound %.2f, %zu looks; %s)\n", test, finding.sigmas,
                bound(finding.looks, kFalseAlarm), finding.looks, finding.where.c_str());
}

void expect_random(const char* test, const Finding& finding) {
    report(test, finding);
    EXPECT_LT(finding.sigmas, bound(finding.looks, kFalseAlarm)) << finding.where;
}

void expect_rejected(const char* test, const Finding& finding) {
    report(test, finding);
    EXPECT_GT(finding.sigmas, bound(finding.looks, kFalseAlarm)) << finding.where;
}

constexpr StreamName kStream{.seed = 1, .layer = 2, .index = 3};
constexpr std::size_t kTrials = 1 << 14;

// Planes that follow one another, planes that span a parallelogram (their counters' differences
// repeat) and planes far apart.
constexpr std::array<std::array<unsigned, 4>, 6> kPlaneSets = {
    {{0, 1, 2, 3}, {0, 1, 8, 9}, {0, 1, 16, 17}, {0, 4, 8, 12}, {0, 8, 16, 24}, {5, 11, 19, 30}}};

std::string title_of(const std::array<unsigned, 4>& planes) {
    std::string title = "planes";
    for (const unsigned plane : planes) title += " " + std::to_string(plane);
    return title;
}

template <class Generator>
Finding joint_over_time() {
    const StreamKey key = Generator::key(kStream);
    Finding worst;
    for (const auto& planes : kPlaneSets)
        worst.join(joint_chi_square(kTrials, title_of(planes), [&](std::size_t which, u64 trial) {
            return Generator::word(key, trial, planes[which]);
        }));
    return worst;
}

template <class Generator>
Finding joint_over_streams() {
    Finding worst;
    for (const auto& planes : kPlaneSets)
        worst.join(joint_chi_square(kTrials, title_of(planes), [&](std::size_t which, u64 trial) {
            const StreamName name{.seed = 1, .layer = 2, .index = trial};
            return Generator::word(Generator::key(name), 0, planes[which]);
        }));
    return worst;
}

/// The same plane of four streams at one time, over time.
template <class Generator>
Finding joint_of_four_streams() {
    Finding worst;
    for (const std::size_t step : {1u, 2u, 8u, 32u}) {
        std::array<StreamKey, 4> keys;
        for (std::size_t which = 0; which < 4; ++which)
            keys[which] = Generator::key({.seed = 1, .layer = 2, .index = step * which});
        worst.join(joint_chi_square(
            kTrials, "indices " + std::to_string(step) + " apart",
            [&](std::size_t which, u64 trial) { return Generator::word(keys[which], trial, 0); }));
    }
    return worst;
}

template <class Generator>
Finding pairs_over_time() {
    const StreamKey key = Generator::key(kStream);
    return all_pairs_of_planes(kTrials, "time", [&](u64 trial, unsigned plane) {
        return Generator::word(key, trial, plane);
    });
}

template <class Generator>
Finding pairs_over_streams() {
    return all_pairs_of_planes(kTrials, "streams", [&](u64 trial, unsigned plane) {
        return Generator::word(Generator::key({.seed = 1, .layer = 2, .index = trial}), 0, plane);
    });
}

template <class Generator>
Finding all_lags() {
    Finding worst;
    for (const u64 index : {0u, 1u, 2u})
        for (const u64 threshold : {kHalf, kThreeTenths})
            worst.join(time_lags<Generator>({.seed = 1, .index = index}, threshold, 1 << 15));
    return worst;
}

/// Streams whose names differ by what `rename(name, i)` does for i = 0 ... 127.
template <class Generator, class Rename>
Finding neighbours_by(const char* title, Rename&& rename) {
    std::vector<StreamName> names(128, StreamName{.seed = 1, .layer = 2, .sample = 5, .index = 3});
    for (std::size_t i = 0; i < names.size(); ++i) rename(names[i], i);
    Finding worst;
    for (const u64 threshold : {kHalf, kThreeTenths})
        worst.join(neighbours<Generator>(title, names, threshold, 256));
    return worst;
}

template <class Generator>
Finding neighbouring_indices() {
    return neighbours_by<Generator>("indices", [](StreamName& n, u64 i) { n.index = i; });
}

TEST(Battery, JointDistributionOfPlanesOverTime) {
    expect_random("joint, time", joint_over_time<Ours>());
}

TEST(Battery, JointDistributionOfPlanesOverStreams) {
    expect_random("joint, streams", joint_over_streams<Ours>());
}

TEST(Battery, JointDistributionOfNeighbouringStreams) {
    expect_random("joint, neighbours", joint_of_four_streams<Ours>());
}

TEST(Battery, AllPairsOfThePlanesOverTime) {
    expect_random("pairs, time", pairs_over_time<Ours>());
}

TEST(Battery, AllPairsOfThePlanesOverStreams) {
    expect_random("pairs, streams", pairs_over_streams<Ours>());
}

TEST(Battery, LagsOfAStream) { expect_random("lags", all_lags<Ours>()); }

TEST(Battery, NeighbouringIndices) { expect_random("indices", neighbouring_indices<Ours>()); }

TEST(Battery, NeighbouringSamples) {
    expect_random("samples",
                  neighbours_by<Ours>("samples", [](StreamName& n, u64 i) { n.sample = i; }));
}

TEST(Battery, NeighbouringLayers) {
    expect_random("layers",
                  neighbours_by<Ours>("layers", [](StreamName& n, u64 i) { n.layer = i; }));
}

TEST(Battery, ConsecutiveSeeds) {
    expect_random("seeds", neighbours_by<Ours>("seeds", [](StreamName& n, u64 i) { n.seed = i; }));
    expect_random("seeds around 2^64",
                  neighbours_by<Ours>("seeds", [](StreamName& n, u64 i) { n.seed = i - 64; }));
}

TEST(Battery, ConsecutiveSeedsOfAForward) {
    expect_random("seeds of a forward",
                  neighbours_by<Ours>("forward seeds",
                                      [](StreamName& n, u64 i) { n.seed = combine_seeds(7, i); }));
}

TEST(Battery, RolesOfALayer) {
    expect_random("roles", neighbours_by<Ours>("roles", [](StreamName& n, u64 i) {
                      n.role = static_cast<Role>(i % 4);
                      n.index = i / 4;
                  }));
}

// Steps of two fields at once: their multiples of G must not cancel.
TEST(Battery, MixedNeighbours) {
    expect_random("samples and indices",
                  neighbours_by<Ours>("samples and indices", [](StreamName& n, u64 i) {
                      n.sample = i % 8;
                      n.index = i / 8;
                  }));
    expect_random("seeds and layers",
                  neighbours_by<Ours>("seeds and layers", [](StreamName& n, u64 i) {
                      n.seed = i % 8;
                      n.layer = i / 8;
                  }));
}

TEST(RejectedGenerator, OneMultiplicationFailsJointly) {
    expect_rejected("one multiply: joint, time", joint_over_time<OneMultiply>());
    expect_rejected("one multiply: joint, streams", joint_over_streams<OneMultiply>());
    expect_rejected("one multiply: joint, neighbours", joint_of_four_streams<OneMultiply>());
}

TEST(RejectedGenerator, OneMultiplicationPassesWhatLooksAtPairs) {
    expect_random("one multiply: pairs, time", pairs_over_time<OneMultiply>());
    expect_random("one multiply: pairs, streams", pairs_over_streams<OneMultiply>());
    expect_random("one multiply: lags", all_lags<OneMultiply>());
    expect_random("one multiply: indices", neighbouring_indices<OneMultiply>());
}

TEST(RejectedGenerator, KeysOnOneOrbitOverlap) {
    expect_rejected("overlapping: indices", neighbouring_indices<OverlappingKeys>());
}

TEST(RejectedGenerator, ConsecutiveKeysWithoutASecondHalfFailJointly) {
    expect_rejected("raw keys: joint, streams", joint_over_streams<ConsecutiveKeys>());
    expect_rejected("raw keys: joint, neighbours", joint_of_four_streams<ConsecutiveKeys>());
    expect_random("raw keys: indices", neighbouring_indices<ConsecutiveKeys>());
}

}  // namespace
}  // namespace bitaxon::battery
