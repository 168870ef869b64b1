#include <bitaxon/core/info.hpp>

#include <bitaxon/core/version.hpp>

#include <fmt/format.h>

#include <iterator>
#include <thread>

namespace bitaxon {

Info info(const ExecutionContext& context) {
    Info result;
    result.version = kVersion;
    for (const kernels::TierInfo& tier : kernels::tiers())
        result.tiers.push_back(
            {tier.name, tier.compiled, tier.supported, tier.tier == context.tier()});
    const auto operations = kernels::operations();
    for (std::size_t i = 0; i < operations.size(); ++i)
        result.origins.emplace_back(operations[i],
                                    kernels::info(kernels::origin(context.tier(), i)).name);
    result.threads = context.threads();
    result.hardware_threads = static_cast<int>(std::thread::hardware_concurrency());
    return result;
}

std::string describe(const Info& info) {
    std::string text =
        fmt::format("bitaxon {}\nthreads {} of {}\n\n{:<18} {:>8} {:>9} {:>6}\n", info.version,
                    info.threads, info.hardware_threads, "tier", "compiled", "supported", "active");
    const auto out = std::back_inserter(text);
    const auto yes = [](bool value) { return value ? "yes" : "-"; };
    for (const TierReport& tier : info.tiers)
        fmt::format_to(out, "{:<18} {:>8} {:>9} {:>6}\n", tier.name, yes(tier.compiled),
                       yes(tier.supported), yes(tier.active));
    fmt::format_to(out, "\n{:<18} {}\n", "operation", "code of");
    for (const auto& [operation, tier] : info.origins)
        fmt::format_to(out, "{:<18} {}\n", operation, tier);
    return text;
}

}  // namespace bitaxon
