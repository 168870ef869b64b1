// How close does a dense layer come to counting at the machine's full speed, and what does each
// forward path add to its parts?
#include "harness/oracle.hpp"
#include "harness/probes.hpp"
#include "harness/workloads.hpp"

#include <bitaxon/core/correlation.hpp>
#include <bitaxon/core/encode.hpp>

#include <fmt/format.h>

namespace bitaxon::bench {
namespace {

using Outputs = std::vector<double>;
using Path = void (*)(const DenseWork&, const ExecutionContext&, Outputs&);

void forward(const DenseWork& work, const ExecutionContext& context, Outputs& out) {
    work.layer.forward(context, work.samples, out);
}
void forward_fast(const DenseWork& work, const ExecutionContext& context, Outputs& out) {
    work.layer.forward_fast(context, work.samples, out);
}
void forward_batch(const DenseWork& work, const ExecutionContext& context, Outputs& out) {
    work.layer.forward_batch(context, work.samples, out);
}
void forward_prepacked(const DenseWork& work, const ExecutionContext& context, Outputs& out) {
    work.layer.forward_prepacked(context, work.streams.view(),
                                 row_major(std::span<double>(out), work.shape.neurons));
}

Contestant path_on(std::shared_ptr<const DenseWork> work, Path path, kernels::Tier tier) {
    return contestant(work->shape.product_bits(),
                      [work, path, context = make_context(tier),
                       out = Outputs(work->shape.samples * work->shape.neurons)]() mutable {
                          path(*work, context, out);
                      });
}

Experiment dense(const DenseShape& shape, Path path, kernels::Tier tier) {
    const auto work = dense_work(shape);
    Outputs out(shape.samples * shape.neurons);
    path(*work, make_context(tier), out);
    work->check(out);

    Experiment experiment("Gbit/s", path_on(work, path, tier));
    experiment.limited_by(and_popcount_probe());
    if (path == forward_prepacked) {
        if (tier != kernels::best_tier())
            experiment.against_best(path_on(work, path, kernels::best_tier()));
        return experiment;
    }
    // The parts: encoding alone, and the product of streams that are there.
    const std::size_t encoding = experiment.beside(
        contestant(shape.product_bits(),
                   [work, context = make_context(tier),
                    streams = StreamArray(shape.samples, shape.inputs, shape.length)]() mutable {
                       work->encode(context, streams);
                   }));
    const std::size_t product = experiment.beside(path_on(work, forward_prepacked, tier));
    experiment.ratio("encode_part", [=](auto rates) { return rates[0] / rates[encoding]; });
    experiment.ratio("product_part", [=](auto rates) { return rates[0] / rates[product]; });
    experiment.ratio("times_parts", [=](auto rates) {
        return 1 / rates[0] / (1 / rates[encoding] + 1 / rates[product]);
    });
    return experiment;
}

// All pairs of a set, of which half are computed, and what stands between counts and numbers.
Experiment correlations(std::size_t streams, std::uint64_t length, kernels::Tier tier) {
    const auto context = std::make_shared<const ExecutionContext>(make_context(tier));
    std::vector<double> values(streams);
    for (std::size_t i = 0; i < streams; ++i)
        values[i] = static_cast<double>(i + 1) / static_cast<double>(streams + 1);
    const auto set = std::make_shared<const StreamArray>(encode(*context, values, length));
    const auto out = std::make_shared<Outputs>(streams * streams);
    const auto call = [=] {
        correlation_matrix(*context, Correlation::scc, set->view(), set->view(), *out);
    };
    call();
    for (std::size_t i = 0; i < streams; i += 37)
        for (std::size_t j = 0; j < streams; j += 41) {
            std::uint64_t ones[3] = {};  // of i, of j, of both
            for (std::uint64_t t = 0; t < length; ++t) {
                const bool a = (set->view().stream(0, i)[t / 64] >> t % 64 & 1) != 0;
                const bool b = (set->view().stream(0, j)[t / 64] >> t % 64 & 1) != 0;
                ones[0] += a;
                ones[1] += b;
                ones[2] += a && b;
            }
            oracle::expect_near("scc", (*out)[i * streams + j],
                                scc_from_counts(length, ones[0], ones[1], ones[2]), 0);
        }
    const auto pairs = static_cast<double>(streams * (streams + 1) / 2);
    return Experiment("Gbit/s", contestant(pairs * static_cast<double>(length), call))
        .limited_by(and_popcount_probe());
}

}  // namespace

void add_dense(Suite& suite) {
    constexpr DenseShape kOne{1, 64, 32, 1024};
    constexpr DenseShape kBatch{100, 64, 32, 1024};
    const DenseShape large{suite.settings.quick ? 10u : 100u, 784, 512, 1024};
    const auto add = [&](std::string_view name, Path path, DenseShape shape, kernels::Tier tier,
                         Coding coding = Coding::unipolar) {
        shape.coding = coding;
        const std::string operation = coding == Coding::unipolar
                                          ? std::string(name)
                                          : fmt::format("{}-{}", name, bitaxon::name(coding));
        suite.add(make_id("dense", operation, tier, shape.size()),
                  [=] { return dense(shape, path, tier); });
    };
    for (const kernels::Tier tier : suite.settings.tiers) {
        const bool top = tier == suite.settings.top();
        suite.add(make_id("dense", "scc_matrix", tier, "1024x1024"),
                  [tier] { return correlations(1024, 1024, tier); });
        add("forward", forward, kOne, tier);
        add("forward_prepacked", forward_prepacked, kBatch, tier);
        add("forward_batch", forward_batch, kBatch, tier);
        for (const Coding coding : {Coding::bipolar, Coding::split_unipolar}) {
            add("forward_prepacked", forward_prepacked, kBatch, tier, coding);
            if (top) add("forward_batch", forward_batch, kBatch, tier, coding);
        }
        // A second a call on the slowest tiers.
        if (top || !suite.settings.quick) add("forward_prepacked", forward_prepacked, large, tier);
        if (!top) continue;
        add("forward_fast", forward_fast, kOne, tier);
        add("forward_prepacked", forward_prepacked, kOne, tier);
        add("forward_prepacked", forward_prepacked, large, tier, Coding::bipolar);
        add("forward_prepacked", forward_prepacked, large, tier, Coding::split_unipolar);
        add("forward_batch", forward_batch, large, tier);
    }
}

}  // namespace bitaxon::bench
