// How does a dense layer grow with samples, length, its own size and threads? Each operation is a
// series; the analysis fits an exponent.
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

void add_scaling(Suite& suite) {
    const kernels::Tier tier = suite.settings.top();
    const bool quick = suite.settings.quick;
    const auto add = [&](std::string_view operation, const DenseShape& shape, std::size_t value) {
        suite.add(make_id("scaling", operation, tier, shape.size()), [=] {
            return one_thread(shape, tier).over(std::string(operation), static_cast<double>(value));
        });
    };
    std::vector<std::size_t> batches = {1, 10, 100, 1000};
    if (!quick) batches.push_back(10'000);
    for (const std::size_t samples : batches) add("samples", {samples, 64, 32, 1024}, samples);
    for (std::size_t length = 64; length <= 65'536; length *= quick ? 4 : 2)
        add("length", {quick ? 10u : 100u, 32, 16, length}, length);
    for (std::size_t inputs = 16; inputs <= 1024; inputs *= quick ? 4 : 2)
        for (const std::size_t neurons : {inputs / 2, inputs})
            if (neurons == inputs / 2 || inputs == 1024)
                add("products", {10, inputs, neurons, 1024}, inputs * neurons);

    std::vector<DenseShape> shapes = {{1000, 64, 32, 1024}};
    if (!quick) shapes.push_back({100, 784, 512, 1024});
    for (const DenseShape& shape : shapes)
        for (int threads = 1; threads <= suite.settings.threads; ++threads) {
            // Powers of two, and all.
            if ((threads & (threads - 1)) != 0 && threads != suite.settings.threads) continue;
            suite.add(
                make_id("scaling", shape.inputs == 64 ? "threads" : "threads-large", tier,
                        fmt::format("{}-{}threads", shape.size(), threads)),
                [=] { return several_threads(shape, tier, threads).over("threads", threads); });
        }
}

}  // namespace bitaxon::bench
