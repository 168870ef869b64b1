#include "harness/environment.hpp"

#include <commit.hpp>

#include <bitaxon/core/info.hpp>
#include <bitaxon/core/version.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <ctime>
#include <fstream>
#include <thread>

#include <unistd.h>

namespace bitaxon::bench {
namespace {

constexpr std::size_t kMiB = std::size_t{1} << 20;

// Bytes of the first core's caches, level 1 first, as the system tells; a guess where it does not.
std::vector<std::size_t> cache_bytes() {
    std::vector<std::size_t> bytes;
    for (const auto& [name, guess] :
         {std::pair{_SC_LEVEL1_DCACHE_SIZE, kMiB / 32}, std::pair{_SC_LEVEL2_CACHE_SIZE, kMiB},
          std::pair{_SC_LEVEL3_CACHE_SIZE, 32 * kMiB}}) {
        const long told = sysconf(name);
        bytes.push_back(told > 0 ? static_cast<std::size_t>(told) : guess);
    }
    return bytes;
}

// First line of a file of the system; what stands in square brackets, if anything does.
std::string told(const char* path) {
    std::ifstream file(path);
    std::string line;
    if (!std::getline(file, line)) return "not told";
    const std::size_t open = line.find('[');
    return open == std::string::npos ? line : line.substr(open + 1, line.find(']') - open - 1);
}

bool is_virtual_machine() {
    std::ifstream file("/proc/cpuinfo");
    for (std::string line; std::getline(file, line);)
        if (line.starts_with("flags")) return line.find(" hypervisor") != std::string::npos;
    return false;
}

std::string cpu_model() {
    std::ifstream file("/proc/cpuinfo");
    for (std::string line; std::getline(file, line);)
        if (line.starts_with("model name")) return line.substr(line.find(':') + 2);
    return "unknown";
}

std::string utc_now() {
    const std::time_t now = std::time(nullptr);
    char text[32];
    std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", std::gmtime(&now));
    return text;
}

}  // namespace

std::size_t uncached_bytes(bool quick) {
    return std::clamp(2 * cache_bytes().back(), 64 * kMiB, (quick ? 64 : 1024) * kMiB);
}

std::vector<MemoryLevel> memory_levels(bool quick) {
    const std::vector<std::size_t> caches = cache_bytes();
    std::vector<MemoryLevel> levels;
    const auto add = [&](const std::string& name, std::size_t bytes, std::size_t smaller) {
        levels.push_back({fmt::format("{}-{}KiB", name, bytes / 1024), bytes, bytes > smaller});
    };
    for (std::size_t i = 0; i < caches.size(); ++i)
        add(fmt::format("L{}", i + 1), std::min(caches[i] / 2, 16 * kMiB), i == 0 ? 0 : caches[i - 1]);
    add("memory", uncached_bytes(quick), caches.back());
    return levels;
}

nlohmann::ordered_json environment(const Settings& settings) {
    nlohmann::ordered_json out;
    out["bitaxon"] = kVersion;
    out["commit"] = BITAXON_BENCH_COMMIT;
    out["dirty"] = BITAXON_BENCH_DIRTY;
    out["date"] = utc_now();
    out["cpu"] = cpu_model();
    out["virtual_machine"] = is_virtual_machine();
    out["governor"] = told("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor");
    out["boost"] = told("/sys/devices/system/cpu/cpufreq/boost");
    out["huge_pages"] = told("/sys/kernel/mm/transparent_hugepage/enabled");
    out["kernel"] = told("/proc/sys/kernel/osrelease");
    out["load_before"] = told("/proc/loadavg");
    out["hardware_threads"] = std::thread::hardware_concurrency();
    out["threads"] = settings.threads;
    out["cache_bytes"] = cache_bytes();
    out["compiler"] = fmt::format("{} {}",
#if defined(__clang__)
                                  "clang",
#else
                                  "gcc",
#endif
                                  __VERSION__);
    out["flags"] = BITAXON_BENCH_FLAGS;
    out["libraries"] = BITAXON_BENCH_LIBRARIES;
    out["quick"] = settings.quick;
    for (const kernels::TierInfo& tier : kernels::tiers())
        out["tiers"][std::string(tier.name)] = tier.supported  ? "supported"
                                               : tier.compiled ? "not on this CPU"
                                                               : "not in this build";
    return out;
}

}  // namespace bitaxon::bench
