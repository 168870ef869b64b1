#include <bitaxon/kernels/tier.hpp>

#include "install.hpp"

#include <algorithm>
#include <array>
#include <cstring>

#if defined(__x86_64__)
#include <cpuinfo_x86.h>
#elif defined(__aarch64__)
#include <cpuinfo_aarch64.h>
#endif

namespace bitaxon::kernels {
namespace {

constexpr std::size_t kTierCount = 0
#define BITAXON_TIER(id, name, architecture, inherits, features) +1
#include <bitaxon/kernels/tiers.def>
#undef BITAXON_TIER
    ;

constexpr std::array kOperations = {
#define BITAXON_KERNEL(result, name, parameters) std::string_view{#name},
#include <bitaxon/kernels/operations.def>
#undef BITAXON_KERNEL
};

// Installers by architecture; a tier that this build does not compile has none.
using Install = void (*)(KernelTable&) noexcept;
#define BITAXON_INSTALL_any(id) install_##id
#if defined(__x86_64__)
#define BITAXON_INSTALL_x86_64(id) install_##id
#else
#define BITAXON_INSTALL_x86_64(id) nullptr
#endif
#if defined(__aarch64__)
#define BITAXON_INSTALL_aarch64(id) install_##id
#else
#define BITAXON_INSTALL_aarch64(id) nullptr
#endif
constexpr std::array<Install, kTierCount> kInstall = {
#define BITAXON_TIER(id, name, architecture, inherits, features) BITAXON_INSTALL_##architecture(id),
#include <bitaxon/kernels/tiers.def>
#undef BITAXON_TIER
};

// One feature of this CPU by cpu_features' name. An unknown name counts as absent, so a misspelt
// row shows as an unsupported tier in the tests. The set bit of a one-bit field reads -1: test for
// truth.
bool has_feature(std::string_view feature) {
#if defined(__x86_64__)
    static const cpu_features::X86Features features = cpu_features::GetX86Info().features;
    for (int i = 0; i < cpu_features::X86_LAST_; ++i) {
        const auto value = static_cast<cpu_features::X86FeaturesEnum>(i);
        if (feature == cpu_features::GetX86FeaturesEnumName(value))
            return cpu_features::GetX86FeaturesEnumValue(&features, value) != 0;
    }
#elif defined(__aarch64__)
    static const cpu_features::Aarch64Features features = cpu_features::GetAarch64Info().features;
    for (int i = 0; i < cpu_features::AARCH64_LAST_; ++i) {
        const auto value = static_cast<cpu_features::Aarch64FeaturesEnum>(i);
        if (feature == cpu_features::GetAarch64FeaturesEnumName(value))
            return cpu_features::GetAarch64FeaturesEnumValue(&features, value) != 0;
    }
#endif
    return feature.empty();
}

bool has_features(std::string_view features) {
    while (!features.empty()) {
        const std::size_t end = features.find(' ');
        if (!has_feature(features.substr(0, end))) return false;
        features = end == std::string_view::npos ? std::string_view{} : features.substr(end + 1);
    }
    return true;
}

struct Entry {
    KernelTable table;
    std::array<Tier, kOperations.size()> origin;
};

struct Registry {
    std::array<TierInfo, kTierCount> tiers;
    std::array<Entry, kTierCount> entries;

    Registry()
        : tiers{{
#define BITAXON_TIER(id, name, architecture, inherits, features)                                   \
    {Tier::id, name, #architecture, Tier::inherits, features, false, false},
#include <bitaxon/kernels/tiers.def>
#undef BITAXON_TIER
          }},
          entries{} {
        for (std::size_t t = 0; t < kTierCount; ++t) {
            TierInfo& tier = tiers[t];
            const auto parent = static_cast<std::size_t>(tier.inherits);
            tier.compiled = kInstall[t] != nullptr;
            tier.supported = tier.compiled && (parent == t || tiers[parent].supported) &&
                             has_features(tier.features);
            if (tier.supported) fill(entries[t], entries[parent], tier.tier, kInstall[t]);
        }
    }

    // A tier starts as a copy of the one it inherits from; an entry that its installer changes is
    // its own.
    static void fill(Entry& entry, const Entry parent, Tier tier, Install install) {
        entry = parent;
        install(entry.table);
        std::size_t operation = 0;
#define BITAXON_KERNEL(result, name, parameters)                                                   \
    if (entry.table.name != parent.table.name) entry.origin[operation] = tier;                     \
    ++operation;
#include <bitaxon/kernels/operations.def>
#undef BITAXON_KERNEL
    }
};

const Registry& registry() noexcept {
    static const Registry instance;
    return instance;
}

}  // namespace

#if defined(__x86_64__)
bool deposits_fast() noexcept {
    constexpr std::string_view kMicrocoded[] = {"AuthenticAMD", "HygonGenuine"};
    constexpr int kZen3 = 0x19;
    const cpu_features::X86Info info = cpu_features::GetX86Info();
    return std::ranges::count(kMicrocoded, std::string_view{info.vendor}) == 0 ||
           info.family >= kZen3;
}
#endif

std::span<const TierInfo> tiers() noexcept { return registry().tiers; }

const TierInfo& info(Tier tier) noexcept {
    return registry().tiers[static_cast<std::size_t>(tier)];
}

std::optional<Tier> find_tier(std::string_view name) noexcept {
    for (const TierInfo& tier : tiers())
        if (tier.name == name) return tier.tier;
    return std::nullopt;
}

Tier best_tier() noexcept {
    Tier best = Tier::portable;
    for (const TierInfo& tier : tiers())
        if (tier.supported) best = tier.tier;
    return best;
}

const KernelTable* table(Tier tier) noexcept {
    return info(tier).supported ? &registry().entries[static_cast<std::size_t>(tier)].table
                                : nullptr;
}

std::span<const std::string_view> operations() noexcept { return kOperations; }

Tier origin(Tier tier, std::size_t operation) noexcept {
    return registry().entries[static_cast<std::size_t>(tier)].origin[operation];
}

}  // namespace bitaxon::kernels
