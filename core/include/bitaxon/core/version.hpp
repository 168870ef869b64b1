// The library's version. CMake reads it here, so that it stands in one place.
#pragma once

#include <string_view>

#define BITAXON_VERSION "0.1.0"

namespace bitaxon {

inline constexpr std::string_view kVersion = BITAXON_VERSION;

}  // namespace bitaxon
