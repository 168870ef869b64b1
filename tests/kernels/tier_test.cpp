#include "support.hpp"

#include <array>
#include <set>

namespace bitaxon::kernels::test {
namespace {

std::size_t operation_number(std::string_view name) {
    const auto all = operations();
    return static_cast<std::size_t>(std::find(all.begin(), all.end(), name) - all.begin());
}

// The entries of a table as plain numbers, in the order of operations().
std::vector<std::uintptr_t> entries(const KernelTable& kernels) {
    return {
#define BITAXON_KERNEL(result, name, parameters) reinterpret_cast<std::uintptr_t>(kernels.name),
#include <bitaxon/kernels/operations.def>
#undef BITAXON_KERNEL
    };
}

TEST(Tiers, RowsAreNumberedLikeTheEnumerators) {
    std::size_t row = 0;
    for (const TierInfo& tier : tiers()) {
        EXPECT_EQ(static_cast<std::size_t>(tier.tier), row++);
        EXPECT_EQ(&info(tier.tier), &tier);
    }
}

TEST(Tiers, NamesAreUniqueAndFound) {
    std::set<std::string_view> names;
    for (const TierInfo& tier : tiers()) {
        EXPECT_TRUE(names.insert(tier.name).second) << tier.name;
        EXPECT_EQ(find_tier(tier.name), tier.tier);
    }
}

TEST(Tiers, UnknownNamesAreNotFound) {
    EXPECT_FALSE(find_tier(""));
    EXPECT_FALSE(find_tier("avx"));
    EXPECT_FALSE(find_tier("AVX2"));
    EXPECT_FALSE(find_tier("avx2 "));
}

TEST(Tiers, InheritFromAnEarlierRowThatIsThereToo) {
    ASSERT_FALSE(tiers().empty());
    EXPECT_EQ(tiers().front().inherits, tiers().front().tier);
    for (const TierInfo& tier : tiers().subspan(1)) {
        EXPECT_LT(tier.inherits, tier.tier) << tier.name;
        EXPECT_TRUE(!tier.compiled || info(tier.inherits).compiled) << tier.name;
        EXPECT_TRUE(!tier.supported || info(tier.inherits).supported) << tier.name;
    }
}

TEST(Tiers, PortableIsAlwaysThere) {
    EXPECT_TRUE(info(Tier::portable).supported);
    EXPECT_NE(table(Tier::portable), nullptr);
}

TEST(Tiers, BestIsTheLastSupported) {
    EXPECT_TRUE(info(best_tier()).supported);
    for (const TierInfo& tier : tiers())
        EXPECT_TRUE(tier.tier <= best_tier() || !tier.supported) << tier.name;
}

TEST(Tiers, OnlySupportedTiersHaveATable) {
    for (const TierInfo& tier : tiers()) EXPECT_EQ(table(tier.tier) != nullptr, tier.supported);
}

TEST(Tiers, OperationsAreUnique) {
    const auto all = operations();
    EXPECT_EQ(std::set<std::string_view>(all.begin(), all.end()).size(), all.size());
    EXPECT_LT(operation_number("dense_and"), all.size());
}

// The compiler's own reading of CPUID, so that a misspelt feature in tiers.def cannot hide a tier.
#if defined(__x86_64__)
TEST(Tiers, SupportAgreesWithTheCompilersCpuDetection) {
    const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi2") &&
                      __builtin_cpu_supports("fma") && __builtin_cpu_supports("popcnt");
    const bool avx512f = avx2 && __builtin_cpu_supports("avx512f");
    const bool avx512bw = avx512f && __builtin_cpu_supports("avx512bw") &&
                          __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
    const bool vpopcntdq = avx512bw && __builtin_cpu_supports("avx512vpopcntdq");
    EXPECT_EQ(info(Tier::popcnt).supported, __builtin_cpu_supports("popcnt") != 0);
    EXPECT_EQ(info(Tier::avx2).supported, avx2);
    EXPECT_EQ(info(Tier::avx512f).supported, avx512f);
    EXPECT_EQ(info(Tier::avx512bw).supported, avx512bw);
    EXPECT_EQ(info(Tier::avx512_vpopcntdq).supported, vpopcntdq);
    EXPECT_FALSE(info(Tier::neon).compiled);
}
#elif defined(__aarch64__)
TEST(Tiers, SupportAgreesWithTheArchitecture) {
    EXPECT_TRUE(info(Tier::neon).supported);  // part of ARMv8-A
    EXPECT_FALSE(info(Tier::avx2).compiled);
}
#endif

class TierTable : public EveryTier {};
BITAXON_FOR_EVERY_TIER(TierTable);

TEST_P(TierTable, IsComplete) {
    for (const std::uintptr_t entry : entries(kernels())) EXPECT_NE(entry, 0u);
}

TEST_P(TierTable, OriginNamesTheTierWhoseCodeRuns) {
    const std::vector<std::uintptr_t> own = entries(kernels());
    const std::vector<std::uintptr_t> inherited = entries(*table(GetParam().inherits));
    for (std::size_t i = 0; i < own.size(); ++i) {
        const Tier from = origin(GetParam().tier, i);
        const bool inherits = own[i] == inherited[i] && GetParam().tier != GetParam().inherits;
        EXPECT_EQ(from, inherits ? origin(GetParam().inherits, i) : GetParam().tier)
            << operations()[i];
        EXPECT_EQ(own[i], entries(*table(from))[i]) << operations()[i];
    }
}

// Every tier exists for its product, so a forced tier must bring one that no other tier has.
TEST_P(TierTable, RunsItsOwnProducts) {
    for (const std::string_view name : {"dense_and", "dense_xor", "dense_signed"}) {
        const std::size_t operation = operation_number(name);
        EXPECT_EQ(origin(GetParam().tier, operation), GetParam().tier) << name;
        for (const TierInfo& other : tiers()) {
            if (!other.supported || other.tier == GetParam().tier) continue;
            EXPECT_NE(entries(kernels())[operation], entries(*table(other.tier))[operation])
                << name << " of " << other.name;
        }
    }
}

}  // namespace
}  // namespace bitaxon::kernels::test
