// SIMD tiers: which exist, which this machine has, and the kernel table of each.
#pragma once

#include <bitaxon/kernels/kernels.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace bitaxon::kernels {

enum class Tier : std::uint8_t {
#define BITAXON_TIER(id, name, architecture, inherits, features) id,
#include <bitaxon/kernels/tiers.def>
#undef BITAXON_TIER
};

/// One row of tiers.def, with what this build and this CPU make of it.
struct TierInfo {
    Tier tier;
    std::string_view name;
    std::string_view architecture;
    Tier inherits;              ///< itself for the root
    std::string_view features;  ///< added to those of `inherits`
    bool compiled;              ///< in this build
    bool supported;             ///< compiled, and the CPU and its system have every feature
};

/// All tiers in the order of tiers.def, slowest first.
std::span<const TierInfo> tiers() noexcept;

const TierInfo& info(Tier tier) noexcept;

/// The tier of that name, or nothing.
std::optional<Tier> find_tier(std::string_view name) noexcept;

/// The last supported tier of the list.
Tier best_tier() noexcept;

/// The kernels of a supported tier, null for another. The table lives as long as the program.
const KernelTable* table(Tier tier) noexcept;

/// Names of the operations, in the order of operations.def.
std::span<const std::string_view> operations() noexcept;

/// The tier whose code a supported tier runs for operation number `operation`.
Tier origin(Tier tier, std::size_t operation) noexcept;

}  // namespace bitaxon::kernels
