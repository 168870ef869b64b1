// How does forward_batch grow with samples, length and threads?
#include "harness/probes.hpp"
#include "harness/workloads.hpp"

#include <fmt/format.h>

namespace bitaxon::bench {
namespace {

template <class Clock>
Contestant batch(std::shared_ptr<const DenseWork> work, kernels::Tier tier, int threads) {
    return contestant<Clock>(
        work->shape.product_bits(),
        [work, context = make_context(tier, threads),
         out = std::vector<double>(work->shape.samples * work->shape.neurons)]() mutable {
            work->layer.forward_batch(context, work->samples, out);
        });
}

// Wall time, with the workers awake: what a call costs in the middle of a data set.
Contestant warm_batch(std::shared_ptr<const DenseWork> work, kernels::Tier tier, int threads) {
    Contestant batches = batch<WallClock>(std::move(work), tier, threads);
    batches.nanoseconds = [timed = std::move(batches.nanoseconds)](std::size_t calls) {
        timed(1);
        return timed(calls);
    };
    return batches;
}

std::shared_ptr<const DenseWork> checked(const DenseShape& shape, kernels::Tier tier, int threads) {
    const auto work = dense_work(shape);
    std::vector<double> out(shape.samples * shape.neurons);
    work->layer.forward_batch(make_context(tier, threads), work->samples, out);
    work->check(out);
    return work;
}

Experiment one_thread(const DenseShape& shape, kernels::Tier tier) {
    return Experiment("Gbit/s", batch<ThreadClock>(checked(shape, tier, 1), tier, 1))
        .limited_by(and_popcount_probe());
}

// What threads gain, beside what as many copies of the probe gain over one.
Experiment several_threads(const DenseShape& shape, kernels::Tier tier, int threads) {
    const auto work = checked(shape, tier, threads);
    Experiment experiment("Gbit/s", warm_batch(work, tier, threads));
    experiment.limited_by(and_popcount_probe(threads));
    const std::size_t one = experiment.beside(warm_batch(work, tier, 1));
    const std::size_t probe = experiment.beside(and_popcount_probe(1).contestant);
    experiment.ratio("gain", [=](auto rates) { return rates[0] / rates[one]; });
    experiment.ratio("probe_gain", [=](auto rates) { return rates[1] / rates[probe]; });
    experiment.ratio("share_of_gain",
                     [=](auto rates) { return rates[0] / rates[one] / (rates[1] / rates[probe]); });
    return experiment;
}

}  // namespace

void add_batch(Suite& suite) {
    const kernels::Tier tier = suite.settings.top();
    for (const std::size_t samples : {1u, 10u, 1000u}) {
        const DenseShape shape{samples, 64, 32, 1024};
        suite.add(make_id("batch", "samples", tier, shape.size()),
                  [=] { return one_thread(shape, tier); });
    }
    for (std::size_t length = 128; length <= 4096; length *= 2) {
        const DenseShape shape{100, 32, 16, length};
        suite.add(make_id("batch", "length", tier, shape.size()),
                  [=] { return one_thread(shape, tier); });
    }
    const int threads = suite.settings.threads;
    if (threads == 1) return;
    for (const DenseShape& shape : {DenseShape{100, 64, 32, 1024}, DenseShape{1000, 64, 32, 1024},
                                    DenseShape{100, 784, 512, 1024}})
        suite.add(make_id("batch", fmt::format("{}-threads", threads), tier, shape.size()),
                  [=] { return several_threads(shape, tier, threads); });
}

}  // namespace bitaxon::bench
