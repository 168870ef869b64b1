// Where the figures come from: CPU, caches, compiler, tiers.
#pragma once

#include "harness/suite.hpp"

#include <nlohmann/json.hpp>

#include <string>
#include <utility>
#include <vector>

namespace bitaxon::bench {

/// Name and bytes of a working set in each cache level (half of it) and past the last one. A quick
/// run stays under 128 MiB.
std::vector<std::pair<std::string, std::size_t>> memory_levels(bool quick);

/// Bytes of an array that no cache holds; in a quick run one that no cache of a core holds.
std::size_t uncached_bytes(bool quick);

nlohmann::ordered_json environment(const Settings& settings);

}  // namespace bitaxon::bench
