#include "harness/runner.hpp"

#include <benchmark/benchmark.h>

#include <algorithm>
#include <cmath>

namespace bitaxon::bench {
namespace {

constexpr double kLongestSliceNs = 5e6;  // of a rival, beside a subject that takes longer
constexpr std::size_t kFewestRounds = 9;
constexpr std::size_t kMostRounds = 301;

// The table is ours: Google Benchmark runs the loop and reports to nobody.
struct Silence : benchmark::BenchmarkReporter {
    bool ReportContext(const Context&) override { return true; }
    void ReportRuns(const std::vector<Run>&) override {}
};

// Nanoseconds of one call, from a few that fill a part of a slice; warms up as well.
double call_time(const Contestant& contestant, double slice_ns) {
    contestant.nanoseconds(1);
    for (std::size_t calls = 1;; calls *= 2) {
        const double elapsed = contestant.nanoseconds(calls);
        if (elapsed > slice_ns / 4) return elapsed / static_cast<double>(calls);
    }
}

struct Plan {
    std::vector<std::size_t> calls;  // of each contestant in a round
    std::size_t rounds;
};

Plan make_plan(const Experiment& experiment, const Settings& settings) {
    std::vector<double> times;
    for (const Contestant& c : experiment.contestants)
        times.push_back(call_time(c, settings.slice_ns()));
    const double slice = std::clamp(times[0] / 2, settings.slice_ns(),
                                    std::max(settings.slice_ns(), kLongestSliceNs));
    Plan plan{};
    double round = 0;
    for (const double time : times) {
        plan.calls.push_back(static_cast<std::size_t>(std::max(1.0, std::round(slice / time))));
        round += time * static_cast<double>(plan.calls.back());
    }
    plan.rounds = std::clamp(static_cast<std::size_t>(settings.budget_ns() / round), kFewestRounds,
                             kMostRounds);
    return plan;
}

}  // namespace

Estimate estimate(std::vector<double> samples) {
    std::sort(samples.begin(), samples.end());
    // The number of samples below the median is binomial(n, 1/2).
    const double n = static_cast<double>(samples.size());
    const double reach = 0.98 * std::sqrt(n);
    const auto rank = [&](double k) {
        return samples[static_cast<std::size_t>(std::clamp(k, 0.0, n - 1))];
    };
    return {(rank(std::floor((n - 1) / 2)) + rank(std::ceil((n - 1) / 2))) / 2,
            rank(std::floor(n / 2 - reach)), rank(std::ceil(n / 2 + reach))};
}

Result run(const Case& bench, const Settings& settings) {
    const Experiment experiment = bench.prepare();
    const Plan plan = make_plan(experiment, settings);
    const std::size_t count = experiment.contestants.size();

    std::vector<std::vector<double>> rates;  // of all contestants, a row a round
    const auto round = [&](bool forwards) {
        std::vector<double>& row = rates.emplace_back(count);
        for (std::size_t i = 0; i < count; ++i) {
            const std::size_t k = forwards ? i : count - 1 - i;
            const Contestant& c = experiment.contestants[k];
            const double calls = static_cast<double>(plan.calls[k]);
            row[k] = c.work * calls / c.nanoseconds(plan.calls[k]);
        }
    };
    const double work = experiment.contestants[0].work;
    benchmark::RegisterBenchmark(bench.id.c_str(),
                                 [&](benchmark::State& state) {
                                     bool forwards = true;
                                     for (auto _ : state) {
                                         round(forwards);
                                         forwards = !forwards;
                                         state.SetIterationTime(work / rates.back()[0] * 1e-9);
                                     }
                                 })
        ->UseManualTime()
        ->Iterations(static_cast<benchmark::IterationCount>(plan.rounds));
    Silence silence;
    benchmark::RunSpecifiedBenchmarks(&silence);
    benchmark::ClearRegisteredBenchmarks();

    const auto over_rounds = [&](const Ratio& of) {
        std::vector<double> samples;
        for (const std::vector<double>& row : rates) samples.push_back(of(row));
        return estimate(std::move(samples));
    };
    Result result{.id = bench.id,
                  .nanoseconds = over_rounds([&](auto row) { return work / row[0]; }),
                  .rounds = plan.rounds,
                  .throughput = 0,
                  .unit = experiment.unit,
                  .limit_name = experiment.limit_name,
                  .limit = {},
                  .ratios = {}};
    result.throughput = work / result.nanoseconds.median;
    if (experiment.limit)
        result.limit = over_rounds([&](auto row) { return row[*experiment.limit]; }).median;
    for (const auto& [name, of] : experiment.ratios)
        result.ratios.emplace_back(name, over_rounds(of));
    return result;
}

}  // namespace bitaxon::bench
