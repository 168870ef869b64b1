// Where the figures come from: CPU, caches, compiler, tiers.
#pragma once

#include "harness/suite.hpp"

#include <nlohmann/json.hpp>

#include <string>
#include <vector>

namespace bitaxon::bench {

/// A working set that one cache level holds, or none.
struct MemoryLevel {
    std::string name;
    std::size_t bytes;
    bool honest;  ///< larger than the next smaller cache: the name says where the data lies
};

/// Half of each cache level (at most 16 MiB), and past the last one. A quick run stays under 128
/// MiB, which a very large cache holds.
std::vector<MemoryLevel> memory_levels(bool quick);

/// Bytes of an array that no cache holds; in a quick run at most 64 MiB.
std::size_t uncached_bytes(bool quick);

nlohmann::ordered_json environment(const Settings& settings);

}  // namespace bitaxon::bench
