// What this build is and what it found on this machine.
#pragma once

#include <bitaxon/core/context.hpp>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace bitaxon {

struct TierReport {
    std::string_view name;
    bool compiled;
    bool supported;
    bool active;  ///< the context's
};

struct Info {
    std::string_view version;
    std::vector<TierReport> tiers;  ///< slowest first
    /// Kernel operation and the tier whose code the context runs for it.
    std::vector<std::pair<std::string_view, std::string_view>> origins;
    int threads;
    int hardware_threads;
};

Info info(const ExecutionContext& context = ExecutionContext::shared());

/// The same as lines of text, for people.
std::string describe(const Info& info);

}  // namespace bitaxon
