// What can this machine do? The limits themselves, per cache level.
#include "harness/probes.hpp"
#include "harness/environment.hpp"
#include "harness/workloads.hpp"

#include <fmt/format.h>

namespace bitaxon::bench {

void add_probes(Suite& suite) {
    const auto add = [&](std::string_view operation, std::string_view size, std::string_view unit,
                         auto make) {
        suite.add(make_id("probes", operation, kernels::best_tier(), size),
                  [make, unit] { return Experiment(unit, make().contestant); });
    };
    add("and_popcount", "16KiB", "Gbit/s", [] { return and_popcount_probe(); });
    if (suite.settings.threads > 1)
        add("and_popcount", fmt::format("16KiB-{}threads", suite.settings.threads), "Gbit/s",
            [n = suite.settings.threads] { return and_popcount_probe(n); });
    add("task_spawn", "1000tasks", "tasks/ns", [] { return task_spawn_probe(1000); });
    add("random_words", "registers", "Gword/s", [] { return random_words_probe(); });
    for (const auto& [level, bytes, honest] : memory_levels(suite.settings.quick)) {
        if (!honest) {
            suite.skipped.emplace_back(fmt::format("probes/all/{}", level),
                                       "a smaller cache holds so much");
            continue;
        }
        const std::size_t words = bytes / 8;
        add("read", level, "GB/s", [words] { return read_probe(random_words(words)); });
        add("copy", level, "GB/s",
            [words] { return traffic_probe(static_cast<double>(words * 8), 1, 1); });
        add("streaming_store", level, "GB/s", [words] { return streaming_store_probe(words); });
    }
}

}  // namespace bitaxon::bench
