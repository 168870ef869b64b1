// Graph layers against a bit loop and the closed form.
#include <bitaxon/layers/dense.hpp>
#include <bitaxon/layers/graph.hpp>
#include <bitaxon/layers/network.hpp>

#include <bitaxon/core/error.hpp>

#include "oracle.hpp"

#include <gtest/gtest.h>

#include <unistd.h>

#include <cmath>
#include <filesystem>

namespace bitaxon {
namespace {

using Indices = std::vector<std::uint64_t>;

// Node 1 takes from nobody, node 3 from itself too; weights of edges are 0.5 ... 3.
const Indices kOffsets{0, 2, 2, 3, 6, 7};
const Indices kSources{1, 4, 0, 0, 2, 3, 3};
const std::vector<double> kValues{0.5, 1.0, 2.0, 3.0, 1.5, 1.0, 0.25};
const Adjacency kAdjacency{kOffsets, kSources, kValues};
constexpr std::size_t kNodes = 5, kFeatures = 3, kNeurons = 2;

GraphOptions options_of(Coding coding, Aggregate aggregate, std::uint64_t length) {
    return {.nodes = kNodes,
            .features = kFeatures,
            .neurons = kNeurons,
            .aggregate = aggregate,
            .length = length,
            .coding = coding,
            .activation = Activation::relu,
            .input_range = 2.0,
            .seed = 5,
            .id = 3};
}

GraphLayer make_layer(const GraphOptions& o, const Adjacency& adjacency = kAdjacency) {
    return GraphLayer(o, adjacency,
                      oracle::uniform(o.features * o.neurons, oracle::lowest(o.coding), 1, 1),
                      oracle::uniform(o.neurons, -0.5, 0.5, 2));
}

// The aggregate as a matrix, by its definition.
std::vector<std::vector<double>> matrix_of(Aggregate aggregate) {
    std::vector<std::vector<double>> a(kNodes, std::vector<double>(kNodes));
    for (std::size_t i = 0; i < kNodes; ++i)
        for (std::size_t e = kOffsets[i]; e < kOffsets[i + 1]; ++e) a[i][kSources[e]] = kValues[e];
    if (aggregate == Aggregate::sum) return a;
    if (aggregate == Aggregate::gcn)
        for (std::size_t i = 0; i < kNodes; ++i) a[i][i] += 1;
    std::vector<double> degrees;
    for (const auto& row : a) {
        degrees.push_back(0);
        for (const double value : row) degrees.back() += value;
    }
    for (std::size_t i = 0; i < kNodes; ++i)
        for (std::size_t j = 0; j < kNodes; ++j)
            if (a[i][j] != 0)
                a[i][j] /=
                    aggregate == Aggregate::mean ? degrees[i] : std::sqrt(degrees[i] * degrees[j]);
    return a;
}

// y_i = relu(sum_j a_ij product(j, n) + b_n)
template <class Product>
std::vector<double> collected(const Layer& layer, Aggregate aggregate, Product product) {
    const auto a = matrix_of(aggregate);
    std::vector<double> y;
    for (std::size_t i = 0; i < kNodes; ++i)
        for (std::size_t n = 0; n < kNeurons; ++n) {
            double sum = layer.bias()[n];
            for (std::size_t j = 0; j < kNodes; ++j)
                if (a[i][j] != 0) sum += a[i][j] * product(j, n);
            y.push_back(std::max(sum, 0.0));
        }
    return y;
}

std::vector<double> bit_loop(const Layer& layer, Aggregate aggregate, const double* x,
                             std::uint64_t forward_seed, std::uint64_t sample) {
    const std::uint64_t weight_seed = oracle::mix(layer.seed());
    const bool bipolar = layer.coding() == Coding::bipolar;
    return collected(layer, aggregate, [&](std::size_t j, std::size_t n) {
        double count = 0;
        for (std::size_t f = 0; f < kFeatures; ++f) {
            const double v = x[j * kFeatures + f] / layer.input_range();
            const double w = layer.weights()[n * kFeatures + f] / layer.weight_scale();
            for (std::uint64_t t = 0; t < layer.length(); ++t) {
                const bool xb =
                    oracle::stream_bit(weight_seed ^ forward_seed, layer.id(), 0, sample,
                                       j * kFeatures + f, t, bipolar ? (v + 1) / 2 : v);
                const bool wb = oracle::stream_bit(weight_seed, layer.id(), 1, 0, n * kFeatures + f,
                                                   t, bipolar ? (w + 1) / 2 : std::abs(w));
                if (bipolar)
                    count += xb == wb ? 1 : -1;
                else if (xb && wb)
                    count += w < 0 ? -1 : 1;
            }
        }
        return count * layer.weight_scale() * layer.input_range() /
               static_cast<double>(layer.length());
    });
}

TEST(Graph, EveryPathSumsCountsOverEdges) {
    for (const auto& [coding, aggregate, length] :
         {std::tuple{Coding::unipolar, Aggregate::sum, 70u},
          std::tuple{Coding::bipolar, Aggregate::mean, 64u},
          std::tuple{Coding::split_unipolar, Aggregate::gcn, 130u}}) {
        SCOPED_TRACE(testing::Message() << name(coding) << name(aggregate) << length);
        const GraphLayer layer = make_layer(options_of(coding, aggregate, length));
        const std::vector<double> x = oracle::random_samples(layer, 2, 3);
        std::vector<double> expected, mean;
        for (std::size_t r = 0; r < 2; ++r) {
            const double* sample = x.data() + r * layer.inputs();
            for (const double y : bit_loop(layer, aggregate, sample, 6, 7 + r))
                expected.push_back(y);
            for (const double y : collected(layer, aggregate, [&](std::size_t j, std::size_t n) {
                     double sum = 0;
                     for (std::size_t f = 0; f < kFeatures; ++f)
                         sum += sample[j * kFeatures + f] * layer.weights()[n * kFeatures + f];
                     return sum;
                 }))
                mean.push_back(y);
        }
        for (const char* tier : {"portable", ""}) {
            const ExecutionContext context({.threads = 2, .tier = tier});
            std::vector<double> y(expected.size());
            const auto in = row_major(std::span<const double>(x), layer.inputs());
            const auto out = row_major(std::span(y), layer.neurons());
            const auto same = [&](const char* path) {
                for (std::size_t n = 0; n < y.size(); ++n)
                    EXPECT_NEAR(y[n], expected[n], 1e-12) << path << n;
                const std::vector<double> result = y;
                std::ranges::fill(y, -99.0);
                return result;
            };
            layer.forward_batch(context, in, out, {.seed = 6, .sample = 7});
            const std::vector<double> batch = same("batch");
            const auto each = [&](const char* path, auto call) {
                for (std::size_t r = 0; r < 2; ++r)
                    call(std::span(x).subspan(r * layer.inputs(), layer.inputs()),
                         std::span(y).subspan(r * layer.neurons(), layer.neurons()),
                         ForwardOptions{.seed = 6, .sample = 7 + r});
                EXPECT_EQ(same(path), batch) << path;
            };
            each("forward", [&](auto sample, auto output, const ForwardOptions& o) {
                layer.forward(context, sample, output, o);
            });
            each("fast", [&](auto sample, auto output, const ForwardOptions& o) {
                layer.forward_fast(context, sample, output, o);
            });
            each("prepacked", [&](auto sample, auto output, const ForwardOptions& o) {
                layer.forward_prepacked(context, layer.encode(context, sample, o).view(),
                                        row_major(output, output.size()));
            });
            layer.forward_streamed(context, in, out, {},
                                   {.stop = Stop::none, .forward = {.seed = 6, .sample = 7}});
            EXPECT_EQ(same("streamed"), batch);
            EXPECT_THROW(layer.forward_streamed(context, in, out, {}), Error);
            layer.forward_expected(context, in, out, ExpectedWeights::mean);
            for (std::size_t n = 0; n < y.size(); ++n) EXPECT_NEAR(y[n], mean[n], 1e-7);
        }
    }
}

// A ring of many nodes on all threads, against a dense layer on each node; without an adjacency
// each node stands for itself.
TEST(Graph, ManyNodesAreCountedInBlocks) {
    const std::size_t nodes = 1000;
    Indices offsets{0}, sources;
    for (std::size_t i = 0; i < nodes; ++i) {
        const std::uint64_t left = (i + nodes - 1) % nodes, right = (i + 1) % nodes;
        sources.insert(sources.end(), {std::min(left, right), std::max(left, right)});
        offsets.push_back(sources.size());
    }
    const ExecutionContext context({.threads = 3});
    const GraphOptions o{.nodes = nodes,
                         .features = 2,
                         .neurons = 1,
                         .aggregate = Aggregate::mean,
                         .length = 100,
                         .seed = 9};
    const std::vector<double> weights{0.5, 1.0};
    const GraphLayer ring(o, {offsets, sources}, weights);
    const GraphLayer alone(o, {}, weights);
    const DenseLayer all({.inputs = 2, .neurons = 1, .length = 100, .seed = 9}, weights);
    EXPECT_EQ(ring.checksum(), all.checksum());

    const std::vector<double> x = oracle::random_samples(ring, 2, 4);
    std::vector<double> y(2 * nodes), own(2 * nodes), one(nodes);
    ring.forward_batch(context, x, y, {.seed = 1});
    alone.forward_batch(context, x, own, {.seed = 1});
    for (std::size_t r = 0; r < 2; ++r)
        for (std::size_t i = 0; i < nodes; ++i)
            EXPECT_NEAR(
                y[r * nodes + i],
                (own[r * nodes + (i + 1) % nodes] + own[r * nodes + (i + nodes - 1) % nodes]) / 2,
                1e-12);
    alone.forward_fast(context, std::span(x).first(2 * nodes), one, {.seed = 1});
    EXPECT_TRUE(std::ranges::equal(one, std::span(own).first(nodes)));
    double error = 0;  // 1,000 independent nodes: the mean error is within 5 sigma of 0
    for (std::size_t i = 0; i < nodes; ++i) error += one[i] - (0.5 * x[2 * i] + x[2 * i + 1]);
    double drawn = 0;  // what the drawn weights contribute
    std::vector<double> expected(nodes);
    alone.forward_expected(context,
                           row_major(std::span<const double>(x).first(2 * nodes), 2 * nodes),
                           row_major(std::span(expected), nodes));
    for (std::size_t i = 0; i < nodes; ++i) drawn += expected[i] - (0.5 * x[2 * i] + x[2 * i + 1]);
    // Variance of a node's output is below (0.25 * 0.5 + 1) / 4 / 100.
    EXPECT_LT(std::abs(error - drawn), 5 * std::sqrt(1000 * 1.125 / 4 / 100));
}

TEST(Graph, NetworksOfGraphsKeepWhatTheyAre) {
    const ExecutionContext context({.threads = 2});
    GraphOptions first = options_of(Coding::bipolar, Aggregate::gcn, 1024);
    first.activation = Activation::none;
    GraphOptions second = first;
    second.features = kNeurons;
    second.aggregate = Aggregate::sum;
    Network network({make_layer(first), make_layer(second)});
    const std::vector<double> x = oracle::random_samples(network.layers()[0], 2, 5);
    const auto in = row_major(std::span<const double>(x), network.inputs());
    network.calibrate(context, in);
    std::vector<double> y(2 * network.neurons()), again(y.size()), one(network.neurons());
    network.forward_batch(context, x, y, {.seed = 6});
    for (std::size_t r = 0; r < 2; ++r) {
        network.forward_fast(context, std::span(x).subspan(r * network.inputs(), network.inputs()),
                             one, {.seed = 6, .sample = r});
        EXPECT_TRUE(std::ranges::equal(
            one, std::span(y).subspan(r * network.neurons(), network.neurons())));
    }

    // The predicted deviation of forward over seeds, within 10 % of what 400 show, on average.
    std::vector<double> predicted(y.size()), sum(y.size()), squares(y.size());
    network.forward_deviation(context, in, row_major(std::span(predicted), network.neurons()));
    for (std::uint64_t seed = 0; seed < 400; ++seed) {
        network.forward_batch(context, x, again, {.seed = seed});
        for (std::size_t n = 0; n < y.size(); ++n) {
            sum[n] += again[n];
            squares[n] += again[n] * again[n];
        }
    }
    double ratio = 0, counted = 0;
    for (std::size_t n = 0; n < y.size(); ++n) {
        if (predicted[n] < 1e-6) continue;  // node 1 takes from nobody
        ratio += std::sqrt(squares[n] / 400 - sum[n] * sum[n] / 160'000) / predicted[n];
        ++counted;
    }
    EXPECT_EQ(counted, 16);
    EXPECT_NEAR(ratio / counted, 1.0, 0.1);

    const std::filesystem::path path =
        std::filesystem::temp_directory_path() / ("bitaxon_graph_" + std::to_string(getpid()));
    network.save(path);
    const Network loaded = Network::load(path, context);
    std::filesystem::remove(path);
    EXPECT_EQ(loaded.repr(), network.repr());
    loaded.forward_batch(context, x, again, {.seed = 6});
    EXPECT_EQ(y, again);
    const Adjacency kept = graph_adjacency(loaded.layers()[0]);
    EXPECT_TRUE(std::ranges::equal(kept.offsets, kOffsets));
    EXPECT_TRUE(std::ranges::equal(kept.sources, kSources));
    EXPECT_TRUE(std::ranges::equal(kept.values, kValues));
    EXPECT_EQ(graph_options(loaded.layers()[0]).aggregate, Aggregate::gcn);
    EXPECT_THROW((void)graph_options(DenseLayer({.inputs = 1, .neurons = 1, .length = 1},
                                                std::vector<double>{1.0})),
                 Error);
}

TEST(Graph, SaysWhatIsWrongWithAnAdjacency) {
    struct Case {
        const char* message;
        Indices offsets = kOffsets;
        Indices sources = kSources;
        std::vector<double> values = kValues;
        Aggregate aggregate = Aggregate::sum;
    };
    const double nan = std::nan("");
    const Case cases[] = {
        {"offsets: got 5 values, expected 6", {0, 2, 2, 3, 7}},
        {"offsets[0]: got 1", {1, 2, 2, 3, 6, 7}},
        {"offsets[2]: got 1, expected at least 2", {0, 2, 1, 3, 6, 7}},
        {"sources: got 7 values, expected 8", {0, 2, 2, 3, 6, 8}},
        {"sources[1]: got 5, expected a number below 5", kOffsets, {1, 5, 0, 0, 2, 3, 3}},
        {"sources[5]: got 2, expected more than 2", kOffsets, {1, 4, 0, 0, 2, 2, 3}},
        {"values: got 1 values", kOffsets, kSources, {1.0}},
        {"values[2]: got nan", kOffsets, kSources, {1, 1, nan, 1, 1, 1, 1}},
        {"values[6]: got -1", kOffsets, kSources, {1, 1, 1, 1, 1, 1, -1}, Aggregate::mean},
        {"values of row 0: got a sum of 1e+160",
         kOffsets,
         kSources,
         {1, 1e160, 1, 1, 1, 1, 1},
         Aggregate::gcn},
        {"offsets: got 0 values, expected 6", {}, kSources}};
    for (const Case& c : cases) try {
            (void)make_layer(options_of(Coding::unipolar, c.aggregate, 64),
                             {c.offsets, c.sources, c.values});
            ADD_FAILURE() << c.message;
        } catch (const Error& error) {
            EXPECT_TRUE(std::string_view(error.what()).starts_with(c.message)) << error.what();
        }
    GraphOptions o = options_of(Coding::unipolar, Aggregate::sum, 64);
    o.nodes = 0;
    EXPECT_THROW((void)GraphLayer(o, {}, std::vector<double>(6)), Error);
    o.nodes = std::uint64_t{1} << 62;
    EXPECT_THROW((void)GraphLayer(o, {}, std::vector<double>(6)), Error);
    o.nodes = kNodes;
    EXPECT_THROW((void)GraphLayer(o, {}, std::vector<double>(5)), Error);
    EXPECT_THROW((void)parse_aggregate("max"), Error);
}

}  // namespace
}  // namespace bitaxon
