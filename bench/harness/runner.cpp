#include "harness/runner.hpp"

#include <benchmark/benchmark.h>

#include <algorithm>
#include <cmath>

namespace bitaxon::bench {
namespace {

constexpr double kLongestSliceNs = 5e6;  // of a rival, beside a subject that takes longer
constexpr std::size_t kMostSamples = 60;
// A disturbed round is run again, but a machine that is never quiet must not run for ever.
constexpr std::size_t kMostTries = 6;
// Iteration counts grow by this much around their mean, first to last sample.
constexpr double kFirstSlice = 0.2;
constexpr double kLastSlice = 1.8;
// With fewer quiet rounds than these the estimates are made of all rounds.
constexpr std::size_t kFewestQuiet = 3;

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
    std::vector<double> calls;  // of each contestant in a mean round
    std::size_t samples;
    double round_ns;

    // Sample `k` of `samples`: the counts grow evenly.
    std::vector<std::size_t> calls_of(std::size_t k) const {
        const double part =
            samples < 2 ? 0.5 : static_cast<double>(k) / static_cast<double>(samples - 1);
        std::vector<std::size_t> out;
        for (const double mean : calls)
            out.push_back(static_cast<std::size_t>(
                std::max(1.0, std::round(mean * std::lerp(kFirstSlice, kLastSlice, part)))));
        return out;
    }
};

Plan make_plan(const Experiment& experiment, const Settings& settings) {
    std::vector<double> times;
    for (const Contestant& c : experiment.contestants)
        times.push_back(call_time(c, settings.slice_ns()));
    const double slice = std::clamp(times[0] / 2, settings.slice_ns(),
                                    std::max(settings.slice_ns(), kLongestSliceNs));
    Plan plan{};
    for (const double time : times) {
        plan.calls.push_back(slice / time);
        plan.round_ns += time * std::max(1.0, slice / time);
    }
    plan.samples = std::clamp(static_cast<std::size_t>(settings.budget_ns() / plan.round_ns),
                              settings.samples, std::max(settings.samples, kMostSamples));
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

Result run(const Case& bench, const Settings& settings, Sentinel& sentinel) {
    const Experiment experiment = bench.prepare();
    const Plan plan = make_plan(experiment, settings);
    const std::size_t count = experiment.contestants.size();

    std::vector<Round> rounds;
    const auto time_round = [&](std::size_t sample) {
        Round round{plan.calls_of(sample), std::vector<double>(count), sentinel.nanoseconds()};
        for (std::size_t i = 0; i < count; ++i) {
            const std::size_t k = rounds.size() % 2 == 0 ? i : count - 1 - i;
            round.nanoseconds[k] = experiment.contestants[k].nanoseconds(round.calls[k]);
            round.sentinel_ns = std::max(round.sentinel_ns, sentinel.nanoseconds());
        }
        rounds.push_back(std::move(round));
    };
    const auto per_call = [](const Round& round, std::size_t k) {
        return round.nanoseconds[k] / static_cast<double>(round.calls[k]);
    };
    const double begun = WallClock::nanoseconds();
    benchmark::RegisterBenchmark(
        bench.id.c_str(),
        [&](benchmark::State& state) {
            const auto late = [&] {
                return WallClock::nanoseconds() - begun > settings.purse_ns();
            };
            std::size_t quiet = 0;
            for (auto _ : state) {
                // One purse for all, so that slow work is not run again and again.
                if (quiet < settings.samples || !late())
                    for (std::size_t tries = 0; tries < kMostTries; ++tries) {
                        time_round(quiet);
                        if (sentinel.quiet(rounds.back().sentinel_ns) || late()) break;
                    }
                ++quiet;
                state.SetIterationTime(per_call(rounds.back(), 0) * 1e-9);
            }
        })
        ->UseManualTime()
        ->Iterations(static_cast<benchmark::IterationCount>(plan.samples));
    Silence silence;
    benchmark::RunSpecifiedBenchmarks(&silence);
    benchmark::ClearRegisteredBenchmarks();

    std::vector<std::vector<double>> rates;  // of all contestants, a row a round
    const auto add_rates = [&](bool all) {
        for (const Round& round : rounds) {
            if (!all && !sentinel.quiet(round.sentinel_ns)) continue;
            std::vector<double>& row = rates.emplace_back();
            for (std::size_t k = 0; k < count; ++k)
                row.push_back(experiment.contestants[k].work / per_call(round, k));
        }
    };
    add_rates(false);
    if (rates.size() < kFewestQuiet) {
        rates.clear();
        add_rates(true);
    }
    const auto over_rounds = [&](const Ratio& of) {
        std::vector<double> samples;
        for (const std::vector<double>& row : rates) samples.push_back(of(row));
        return estimate(std::move(samples));
    };
    const double work = experiment.contestants[0].work;
    Result result{.id = bench.id,
                  .nanoseconds = over_rounds([&](auto row) { return work / row[0]; }),
                  .rounds = rates.size(),
                  .throughput = 0,
                  .unit = experiment.unit,
                  .limit_name = experiment.limit_name,
                  .limit = {},
                  .ratios = {},
                  .series = experiment.series,
                  .samples = std::move(rounds),
                  .work = {},
                  .limit_index = experiment.limit,
                  .sentinel_best_ns = sentinel.best_ns()};
    for (const Contestant& c : experiment.contestants) result.work.push_back(c.work);
    result.throughput = work / result.nanoseconds.median;
    if (experiment.limit)
        result.limit = over_rounds([&](auto row) { return row[*experiment.limit]; }).median;
    for (const auto& [name, of] : experiment.ratios)
        result.ratios.emplace_back(name, over_rounds(of));
    return result;
}

}  // namespace bitaxon::bench
