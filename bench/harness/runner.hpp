// Runs one case: Google Benchmark counts the rounds, a round times each contestant for a moment.
#pragma once

#include "harness/sentinel.hpp"
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

/// One round: how often each contestant ran and how long that took.
struct Round {
    std::vector<std::size_t> calls;
    std::vector<double> nanoseconds;
    double sentinel_ns;  ///< the slowest of those before, between and after the contestants
};

struct Result {
    std::string id;
    Estimate nanoseconds;  ///< of one call
    std::size_t rounds;    ///< behind the estimates: the undisturbed ones
    double throughput;
    std::string unit;
    std::string limit_name;
    std::optional<double> limit;  ///< in the unit of the throughput
    std::vector<std::pair<std::string, Estimate>> ratios;
    std::optional<Series> series;

    std::vector<Round> samples;  ///< all of them, as they came
    std::vector<double> work;    ///< of one call of each contestant
    std::optional<std::size_t> limit_index;
    double sentinel_best_ns;
};

/// @throws Mismatch
Result run(const Case& bench, const Settings& settings, Sentinel& sentinel);

}  // namespace bitaxon::bench
