// Runs one case: Google Benchmark counts the rounds, a round times each contestant for a moment.
#pragma once

#include "harness/suite.hpp"

namespace bitaxon::bench {

/// A median with its 95 % confidence interval.
struct Estimate {
    double median;
    double low;
    double high;
};

/// From order statistics: no assumption on how the samples are distributed.
Estimate estimate(std::vector<double> samples);

struct Result {
    std::string id;
    Estimate nanoseconds;  ///< of one call
    std::size_t rounds;
    double throughput;
    std::string unit;
    std::string limit_name;
    std::optional<double> limit;  ///< in the unit of the throughput
    std::vector<std::pair<std::string, Estimate>> ratios;
};

/// @throws Mismatch
Result run(const Case& bench, const Settings& settings);

}  // namespace bitaxon::bench
