#include "harness/suite.hpp"

#include <fmt/format.h>

#include <time.h>

namespace bitaxon::bench {

double ThreadClock::nanoseconds() {
    timespec now{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return static_cast<double>(now.tv_sec) * 1e9 + static_cast<double>(now.tv_nsec);
}

std::string make_id(std::string_view group, std::string_view operation, kernels::Tier tier,
                    std::string_view size) {
    return fmt::format("{}/{}/{}/{}", group, operation, kernels::info(tier).name, size);
}

}  // namespace bitaxon::bench
