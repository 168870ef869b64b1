// How close do products of nodes come to counting at full speed, and what do edges add?
#include "harness/oracle.hpp"
#include "harness/probes.hpp"
#include "harness/workloads.hpp"

#include <bitaxon/layers/graph.hpp>

#include <fmt/format.h>

#include <cmath>

namespace bitaxon::bench {
namespace {

constexpr std::uint64_t kLayerSeed = 7;
constexpr std::uint64_t kForwardSeed = 11;  // make_context's
constexpr std::size_t kChecked = 16;        // outputs that are compared with the bit loop

// Node i takes from `degree` nodes from i + 1 on, in a ring.
struct GraphShape {
    std::size_t nodes;
    std::size_t features;
    std::size_t neurons;
    std::size_t degree;
    std::uint64_t length;

    double product_bits() const { return static_cast<double>(nodes * features * neurons * length); }
};

GraphLayer make_layer(const GraphShape& s, bool with_edges) {
    std::vector<std::uint64_t> offsets{0}, sources;
    for (std::size_t i = 0; i < s.nodes; ++i) {
        for (std::size_t k = 1; k <= s.degree; ++k) sources.push_back((i + k) % s.nodes);
        std::sort(sources.end() - static_cast<std::ptrdiff_t>(s.degree), sources.end());
        offsets.push_back(sources.size());
    }
    std::vector<double> weights = random_values(s.neurons * s.features, 0, 1, 2);
    weights[0] = 1;  // so the weight scale is 1
    return GraphLayer({.nodes = s.nodes,
                       .features = s.features,
                       .neurons = s.neurons,
                       .aggregate = Aggregate::sum,
                       .length = s.length,
                       .seed = kLayerSeed},
                      with_edges ? Adjacency{offsets, sources} : Adjacency{}, weights);
}

struct GraphWork {
    explicit GraphWork(const GraphShape& s)
        : shape(s), layer(make_layer(s, true)), alone(make_layer(s, false)),
          sample(random_values(layer.inputs(), 0, 1)),
          streams(layer.encode(make_context(kernels::best_tier()), sample)) {}
    double bit_loop(std::size_t output) const;

    const GraphShape shape;
    const GraphLayer layer;
    const GraphLayer alone;  // without edges
    const std::vector<double> sample;
    const StreamArray streams;
};

double GraphWork::bit_loop(std::size_t output) const {
    const std::uint64_t seed = oracle::mix(kLayerSeed);
    const auto stream = [&](std::uint64_t base, std::size_t index, double p) {
        Words words(words_for(shape.length));
        oracle::bernoulli(oracle::stream_key(base, index),
                          static_cast<std::uint64_t>(std::nearbyint(std::ldexp(p, 32))),
                          shape.length, words.data());
        return words;
    };
    const std::uint64_t inputs = oracle::key_base(seed ^ kForwardSeed, 0, 0, 0);
    const std::uint64_t drawn = oracle::key_base(seed, 0, 1, 0);
    double sum = 0;
    for (std::size_t k = 1; k <= shape.degree; ++k)
        for (std::size_t f = 0; f < shape.features; ++f) {
            const std::size_t x = (output / shape.neurons + k) % shape.nodes * shape.features + f;
            const std::size_t w = output % shape.neurons * shape.features + f;
            sum += static_cast<double>(oracle::count(
                stream(inputs, x, sample[x]).data(), stream(drawn, w, layer.weights()[w]).data(),
                shape.length, [](bool a, bool b) { return a && b; }));
        }
    return sum / static_cast<double>(shape.length);
}

using Path = void (*)(const GraphWork&, const GraphLayer&, const ExecutionContext&,
                      std::vector<double>&);

void forward(const GraphWork& work, const GraphLayer& layer, const ExecutionContext& context,
             std::vector<double>& out) {
    layer.forward(context, work.sample, out);
}
void forward_prepacked(const GraphWork& work, const GraphLayer& layer,
                       const ExecutionContext& context, std::vector<double>& out) {
    layer.forward_prepacked(context, work.streams.view(),
                            row_major(std::span<double>(out), out.size()));
}

Experiment graph(const GraphShape& shape, Path path, kernels::Tier tier) {
    const auto work = std::make_shared<const GraphWork>(shape);
    std::vector<double> out(work->layer.neurons());
    path(*work, work->layer, make_context(tier), out);
    for (const std::size_t n : oracle::spread(out.size(), kChecked))
        oracle::expect_near(fmt::format("output {}", n), out[n], work->bit_loop(n), 1e-12);
    const auto timed = [&](const GraphLayer& layer) {
        return contestant(shape.product_bits(),
                          [=, &layer, context = make_context(tier)]() mutable {
                              path(*work, layer, context, out);
                          });
    };
    Experiment experiment("Gbit/s", timed(work->layer));
    experiment.limited_by(and_popcount_probe());
    const std::size_t alone = experiment.beside(timed(work->alone));
    experiment.ratio("without_edges", [=](auto rates) { return rates[0] / rates[alone]; });
    return experiment;
}

}  // namespace

void add_graph(Suite& suite) {
    const kernels::Tier top = suite.settings.top();
    const auto add = [&](std::string_view name, Path path, const GraphShape& s) {
        suite.add(make_id("graph", name, top,
                          fmt::format("{}x{}x{}x{}x{}", s.nodes, s.features, s.neurons, s.degree,
                                      s.length)),
                  [=] { return graph(s, path, top); });
    };
    add("forward_prepacked", forward_prepacked, {1000, 64, 32, 8, 256});
    add("forward", forward, {1000, 64, 32, 8, 256});
    if (!suite.settings.quick) add("forward", forward, {100'000, 16, 8, 8, 64});
}

}  // namespace bitaxon::bench
