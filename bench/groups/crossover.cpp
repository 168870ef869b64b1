// Where does each threshold of the code lie against the point at which its other side wins? Series
// on both sides of a threshold; bench/analysis/thresholds.py knows which constant belongs to which.
#include "harness/oracle.hpp"
#include "harness/probes.hpp"
#include "harness/workloads.hpp"

#include <bitaxon/jit/kernel.hpp>
#include <bitaxon/layers/population.hpp>

#include <fmt/format.h>

#include <cmath>

namespace bitaxon::bench {
namespace {

// Wall time, with the workers awake.
template <class Call>
Contestant warm(double work, Call call) {
    Contestant c = contestant<WallClock>(work, call);
    c.nanoseconds = [timed = std::move(c.nanoseconds)](std::size_t calls) {
        timed(1);
        return timed(calls);
    };
    return c;
}

// What all threads gain over one, with the same work on either. Below the threshold it is 1.
template <class Make>
Experiment gain(std::string_view unit, int threads, Make make) {
    Experiment experiment(unit, make(threads));
    const std::size_t one = experiment.beside(make(1));
    experiment.ratio("gain", [one](auto rates) { return rates[0] / rates[one]; });
    return experiment;
}

// x + y + 10 over rows: 24 bytes a row.
struct Sum {
    explicit Sum(std::size_t rows)
        : x(rows, 1), y(rows, 2), out(rows),
          kernel(jit::compile("x + y + 10", {.mode = jit::MathMode::fast, .wait = true},
                              {.dtype = jit::Type::f64})) {}

    void run(const ExecutionContext& context) { kernel(context, {x, y}, std::span<double>(out)); }
    void check() const {
        for (const std::size_t i : oracle::spread(out.size(), 100))
            oracle::expect_near(fmt::format("row {}", i), out[i], 13, 0);
    }
    double bytes() const { return static_cast<double>(3 * sizeof(double) * out.size()); }

    Array<double> x, y, out;
    jit::Kernel kernel;
};

Experiment sum_on_threads(std::size_t rows, kernels::Tier tier, int threads) {
    const auto sum = std::make_shared<Sum>(rows);
    sum->run(make_context(tier, threads));
    sum->check();
    return gain("GB/s", threads,
                [&](int count) {
                    return warm(sum->bytes(),
                                [sum, context = make_context(tier, count)] { sum->run(context); });
                })
        .over("bytes", sum->bytes());
}

Experiment sum_past_caches(std::size_t rows, kernels::Tier tier) {
    const auto sum = std::make_shared<Sum>(rows);
    const ExecutionContext context = make_context(tier);
    sum->run(context);
    sum->check();
    return Experiment("GB/s", contestant(sum->bytes(), [sum, context] { sum->run(context); }))
        .limited_by(traffic_probe(sum->bytes(), 2, 1))
        .over("output bytes", static_cast<double>(rows * sizeof(double)));
}

Experiment dense_on_threads(const DenseShape& shape, kernels::Tier tier, int threads) {
    const auto work = dense_work(shape);
    std::vector<double> out(shape.neurons);
    work->layer.forward_fast(make_context(tier, threads), work->samples, out);
    work->check(out);
    return gain("Gbit/s", threads,
                [&](int count) {
                    return warm(shape.product_bits(), [work, context = make_context(tier, count),
                                                       result = out]() mutable {
                        work->layer.forward_fast(context, work->samples, result);
                    });
                })
        .over("neurons", static_cast<double>(shape.neurons));
}

// Leaky neurons below their threshold, which have a closed form (Lapicque, 1907).
Experiment population_on_threads(std::size_t neurons, kernels::Tier tier, int threads) {
    constexpr double kCurrent = 10;  // nA: the membrane tends to -55 mV, the threshold is at -50
    constexpr std::size_t kSteps = 200;
    const auto make = [=] {
        return std::make_shared<Population>(neurons, jit::built_in_rule("LIF"),
                                            PopulationOptions{.dt = 1e-3, .seed = 3});
    };
    const auto checked = make();
    const ExecutionContext context = make_context(tier, threads);
    for (std::size_t step = 0; step < kSteps; ++step) checked->step(context, kCurrent);
    const double expected = -65 + kCurrent * (1 - std::exp(-static_cast<double>(kSteps) / 20));
    const std::span<const double> v = checked->values<double>("v");
    for (const std::size_t i : oracle::spread(neurons, 100))
        oracle::expect_near(fmt::format("v of neuron {}", i), v[i], expected, 1e-9);
    return gain("steps/ns", threads,
                [&](int count) {
                    return warm(static_cast<double>(neurons),
                                [population = make(), context = make_context(tier, count)] {
                                    population->step(context, kCurrent);
                                });
                })
        .over("neurons", static_cast<double>(neurons));
}

}  // namespace

void add_crossover(Suite& suite) {
    const kernels::Tier tier = suite.settings.top();
    const int threads = suite.settings.threads;
    for (const std::size_t mebibytes : {4u, 8u, 12u, 16u, 24u, 32u}) {
        const std::size_t rows = mebibytes * (std::size_t{1} << 20) / sizeof(double);
        suite.add(make_id("crossover", "streaming-stores", tier, std::to_string(rows)),
                  [=] { return sum_past_caches(rows, tier); });
    }
    if (threads == 1) return;
    const auto on_threads = [&](std::string_view operation, std::size_t size, auto experiment) {
        suite.add(make_id("crossover", operation, tier, std::to_string(size)),
                  [=] { return experiment(size); });
    };
    for (const std::size_t rows : {8192u, 16'384u, 20'480u, 24'576u, 32'768u, 65'536u})
        on_threads("expression-threads", rows,
                   [=](std::size_t n) { return sum_on_threads(n, tier, threads); });
    for (const std::size_t neurons : {64u, 128u, 256u, 320u, 512u, 1024u})
        on_threads("dense-threads", neurons, [=](std::size_t n) {
            return dense_on_threads({1, 64, n, 1024}, tier, threads);
        });
    for (const std::size_t neurons : {16'384u, 32'768u, 65'536u, 131'072u, 262'144u, 524'288u})
        on_threads("population-threads", neurons,
                   [=](std::size_t n) { return population_on_threads(n, tier, threads); });
}

}  // namespace bitaxon::bench
