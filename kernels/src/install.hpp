// What each src/tiers/<id>.cpp defines: it overwrites the entries of the table that it improves.
#pragma once

#include <bitaxon/kernels/kernels.hpp>

namespace bitaxon::kernels {

#define BITAXON_TIER(id, name, architecture, inherits, features) \
    void install_##id(KernelTable& table) noexcept;
#include <bitaxon/kernels/tiers.def>
#undef BITAXON_TIER

}  // namespace bitaxon::kernels
