#include "harness/suite.hpp"

#include <fmt/format.h>

#include <time.h>

namespace bitaxon::bench {

double ThreadClock::nanoseconds() {
    timespec now{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return static_cast<double>(now.tv_sec) * 1e9 + static_cast<double>(now.tv_nsec);
}

void Suite::inherit(std::string_view group, std::string_view operation, kernels::Tier tier,
                    kernels::Tier origin) {
    const std::string id = fmt::format("{}/{}/{}", group, operation, kernels::info(tier).name);
    skipped.emplace_back(id, fmt::format("same code as {}", kernels::info(origin).name));
    inherited.emplace_back(id, kernels::info(origin).name);
}

std::string make_id(std::string_view group, std::string_view operation, kernels::Tier tier,
                    std::string_view size) {
    return fmt::format("{}/{}/{}/{}", group, operation, kernels::info(tier).name, size);
}

}  // namespace bitaxon::bench
