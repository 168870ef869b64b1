// What each src/tiers/<id>.cpp defines: it overwrites the entries of the table that it improves.
#pragma once

#include <bitaxon/kernels/kernels.hpp>

namespace bitaxon::kernels {

#define BITAXON_TIER(id, name, architecture, inherits, features) \
    void install_##id(KernelTable& table) noexcept;
#include <bitaxon/kernels/tiers.def>
#undef BITAXON_TIER

/// Whether this x86 CPU does PDEP in a few cycles. AMD's before Zen 3, and Hygon's after them, take
/// several for each one of the mask (A. Fog's tables), about what a word takes nibble by nibble.
bool deposits_fast() noexcept;

}  // namespace bitaxon::kernels
