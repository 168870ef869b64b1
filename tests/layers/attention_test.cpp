// Attention against a bit loop and the closed form.
#include <bitaxon/layers/attention.hpp>
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

// Input numbers of query i, key j and value j of a head: the documented order.
struct Places {
    explicit Places(const AttentionOptions& options)
        : o(options), width(options.heads * options.head_width) {}
    std::size_t query(std::size_t head, std::size_t i) const {
        return (o.queries ? i * width : 3 * i * width) + head * o.head_width;
    }
    std::size_t key(std::size_t head, std::size_t j) const {
        return (o.queries ? (*o.queries + 2 * j) * width : (3 * j + 1) * width) +
               head * o.head_width;
    }
    std::size_t value(std::size_t head, std::size_t j) const { return key(head, j) + width; }
    const AttentionOptions o;
    const std::size_t width;
};

// Scores to probabilities, those of later tokens aside.
std::vector<double> softmax(std::vector<double> scores, std::size_t seen) {
    double most = -1e300, sum = 0;
    for (std::size_t j = 0; j < seen; ++j) most = std::max(most, scores[j]);
    for (std::size_t j = 0; j < scores.size(); ++j)
        sum += scores[j] = j < seen ? std::exp(scores[j] - most) : 0;
    for (double& score : scores) score /= sum;
    return scores;
}

// score(head, i, j) without the scale, value(head, i, j, c, p_ij): what passes a gate.
template <class Score, class Value>
std::vector<double> attended(const AttentionOptions& o, Score score, Value value) {
    const std::size_t queries = o.queries.value_or(o.tokens);
    std::vector<double> y(queries * o.heads * o.head_width);
    for (std::size_t head = 0; head < o.heads; ++head)
        for (std::size_t i = 0; i < queries; ++i) {
            std::vector<double> scores;
            for (std::size_t j = 0; j < o.tokens; ++j)
                scores.push_back(score(head, i, j) / std::sqrt(static_cast<double>(o.head_width)));
            const auto p = softmax(std::move(scores), o.causal ? i + 1 : o.tokens);
            for (std::size_t c = 0; c < o.head_width; ++c)
                for (std::size_t j = 0; j < o.tokens; ++j)
                    y[(i * o.heads + head) * o.head_width + c] += value(head, i, j, c, p[j]);
        }
    return y;
}

std::vector<double> exact(const AttentionOptions& o, const double* x) {
    const Places at(o);
    return attended(
        o,
        [&](std::size_t head, std::size_t i, std::size_t j) {
            double sum = 0;
            for (std::size_t c = 0; c < o.head_width; ++c)
                sum += x[at.query(head, i) + c] * x[at.key(head, j) + c];
            return sum;
        },
        [&](std::size_t head, std::size_t, std::size_t j, std::size_t c, double p) {
            return p * x[at.value(head, j) + c];
        });
}

std::vector<double> bit_loop(const Layer& layer, const double* x, std::uint64_t forward_seed,
                             std::uint64_t sample) {
    const AttentionOptions o = attention_options(layer);
    const Places at(o);
    const std::size_t queries = o.queries.value_or(o.tokens);
    const bool bipolar = layer.coding() == Coding::bipolar;
    const double range = layer.input_range();
    const auto length = static_cast<double>(layer.length());
    const auto bit = [&](std::size_t index, std::uint64_t t, double p) {
        return oracle::stream_bit(oracle::mix(layer.seed()) ^ forward_seed, layer.id(), 0, sample,
                                  index, t, p);
    };
    const auto input = [&](std::size_t index, std::uint64_t t) {
        const double v = x[index] / range;
        return bit(index, t, bipolar ? (v + 1) / 2 : v);
    };
    return attended(
        o,
        [&](std::size_t head, std::size_t i, std::size_t j) {
            double count = 0;
            for (std::size_t c = 0; c < o.head_width; ++c)
                for (std::uint64_t t = 0; t < layer.length(); ++t) {
                    const bool q = input(at.query(head, i) + c, t);
                    const bool k = input(at.key(head, j) + c, t);
                    count += bipolar ? (q == k ? 1 : -1) : q && k;
                }
            return count / length * range * range;
        },
        [&](std::size_t head, std::size_t i, std::size_t j, std::size_t c, double p) {
            const std::size_t gate = layer.inputs() + (head * queries + i) * o.tokens + j;
            double count = 0;
            for (std::uint64_t t = 0; t < layer.length(); ++t)
                if (bit(gate, t, p))
                    count += input(at.value(head, j) + c, t) ? 1 : bipolar ? -1 : 0;
            return count / length * range;
        });
}

AttentionOptions options_of(std::uint64_t length, Coding coding) {
    return {
        .tokens = 3,
        .heads = 2,
        .head_width = 5,
        .streams = {.length = length, .coding = coding, .input_range = 2.0, .seed = 5, .id = 3}};
}

TEST(Attention, EveryPathIsASoftmaxBetweenTwoProductsOfStreams) {
    AttentionOptions causal = options_of(70, Coding::bipolar);
    causal.causal = true;
    AttentionOptions cross = options_of(64, Coding::unipolar);
    cross.queries = 2;
    for (const AttentionOptions& o : {causal, cross, options_of(130, Coding::bipolar)}) {
        const Attention layer(o);
        SCOPED_TRACE(layer.repr());
        const std::vector<double> x = oracle::random_samples(layer, 2, 3);
        std::vector<double> expected, mean;
        for (std::size_t r = 0; r < 2; ++r) {
            const double* sample = x.data() + r * layer.inputs();
            for (const double y : bit_loop(layer, sample, 6, 7 + r)) expected.push_back(y);
            for (const double y : exact(o, sample)) mean.push_back(y);
        }
        for (const char* tier : {"portable", ""}) {
            const ExecutionContext context({.threads = 2, .tier = tier});
            std::vector<double> y(expected.size());
            const auto in = row_major(std::span<const double>(x), layer.inputs());
            const auto out = row_major(std::span(y), layer.neurons());
            const auto same = [&](const char* path) {
                for (std::size_t n = 0; n < y.size(); ++n)
                    EXPECT_NEAR(y[n], expected[n], 1e-12) << path << n;
                std::ranges::fill(y, -99.0);
            };
            layer.forward_batch(context, in, out, {.seed = 6, .sample = 7});
            same("batch");
            layer.forward_streamed(context, in, out, {},
                                   {.stop = Stop::none, .forward = {.seed = 6, .sample = 7}});
            same("streamed");
            EXPECT_THROW(layer.forward_streamed(context, in, out, {}), Error);
            const auto each = [&](const char* path, auto call) {
                for (std::size_t r = 0; r < 2; ++r)
                    call(std::span(x).subspan(r * layer.inputs(), layer.inputs()),
                         std::span(y).subspan(r * layer.neurons(), layer.neurons()),
                         ForwardOptions{.seed = 6, .sample = 7 + r});
                same(path);
            };
            each("forward", [&](auto sample, auto output, const ForwardOptions& f) {
                layer.forward(context, sample, output, f);
            });
            each("fast", [&](auto sample, auto output, const ForwardOptions& f) {
                layer.forward_fast(context, sample, output, f);
            });
            each("prepacked", [&](auto sample, auto output, const ForwardOptions& f) {
                layer.forward_prepacked(context, layer.encode(context, sample, f).view(),
                                        row_major(output, output.size()), f);
            });
            layer.forward_expected(context, in, out);
            for (std::size_t n = 0; n < y.size(); ++n) EXPECT_NEAR(y[n], mean[n], 1e-7);
        }
    }
}

// More queries than a block, more words than are held at a time, on all threads: forward_fast
// against forward, and the distance from the closed form.
TEST(Attention, ManyTokensAreAttendedInBlocks) {
    const ExecutionContext context({.threads = 3});
    const AttentionOptions o{.tokens = 300,
                             .head_width = 8,
                             .causal = true,
                             .streams = {.length = 2048, .coding = Coding::bipolar, .seed = 4}};
    const Attention layer(o);
    const std::vector<double> x = oracle::random_samples(layer, 1, 8);
    std::vector<double> y(layer.neurons()), fast(y.size());
    layer.forward(context, x, y, {.seed = 1});
    layer.forward_fast(context, x, fast, {.seed = 1});
    EXPECT_EQ(y, fast);
    const std::vector<double> mean = exact(o, x.data());
    double sum = 0, squares = 0;
    for (std::size_t n = 0; n < y.size(); ++n) {
        sum += y[n] - mean[n];
        squares += (y[n] - mean[n]) * (y[n] - mean[n]);
    }
    // An output's variance is at most that of its gates, 1 / L, and what the noise of scores adds:
    // each has variance 1 / L at most and moves the output by p_j |v_j - y| <= 2 p_j, so that all
    // add at most 4 / L. Of the mean of all: outputs share values and probabilities, so it is only
    // held to half of one output's deviation.
    const auto count = static_cast<double>(y.size());
    EXPECT_LT(squares / count, 5.0 / 2048);
    EXPECT_GT(squares / count, 0.2 / 2048);
    EXPECT_LT(std::abs(sum / count), 0.5 * std::sqrt(5.0 / 2048));
}

// projection, attention, projection, with a residual connection around them.
TEST(Attention, StandsInNetworksOfProjections) {
    const ExecutionContext context({.threads = 2});
    const std::size_t tokens = 4, features = 6, width = 4;
    GraphOptions in{.nodes = tokens,
                    .features = features,
                    .neurons = 3 * width,
                    .length = 512,
                    .coding = Coding::bipolar,
                    .seed = 1};
    GraphOptions back = in;
    back.features = width;
    back.neurons = features;
    const Attention attention({.tokens = tokens,
                               .heads = 2,
                               .head_width = 2,
                               .streams = {.length = 512, .coding = Coding::bipolar, .seed = 2}});
    const GraphLayer first(in, {}, oracle::uniform(3 * width * features, -0.5, 0.5, 2));
    Network network(
        {first, attention, GraphLayer(back, {}, oracle::uniform(width * features, -1, 1, 3))},
        context);
    const std::vector<double> x = oracle::random_samples(first, 3, 5);
    const auto samples = row_major(std::span<const double>(x), first.inputs());
    network.calibrate(context, samples);
    EXPECT_NE(network.layers()[1].input_range(), 1.0);

    std::vector<double> expected, y(3 * network.neurons()), limit(y.size());
    for (std::size_t r = 0; r < 3; ++r) {
        std::vector<double> values(x.begin() + static_cast<std::ptrdiff_t>(r * first.inputs()),
                                   x.begin() +
                                       static_cast<std::ptrdiff_t>((r + 1) * first.inputs()));
        for (const Layer& layer : network.layers()) {
            for (double& value : values)
                value = std::clamp(value, -layer.input_range(), layer.input_range());
            std::vector<double> next(layer.neurons());
            layer.forward(context, values, next, {.seed = 6, .sample = r});
            values = std::move(next);
        }
        expected.insert(expected.end(), values.begin(), values.end());
    }
    network.forward_batch(context, x, y, {.seed = 6});
    EXPECT_EQ(y, expected);
    network.forward_expected(context, samples, row_major(std::span(limit), network.neurons()));
    std::vector<std::uint64_t> lengths(3);
    network.forward_streamed(context, samples, row_major(std::span(y), network.neurons()), lengths,
                             {.stop = Stop::none, .forward = {.seed = 6}});
    double distance[2] = {0, 0}, size = 0;
    for (std::size_t n = 0; n < y.size(); ++n) {
        distance[0] += (y[n] - limit[n]) * (y[n] - limit[n]);
        distance[1] += (expected[n] - limit[n]) * (expected[n] - limit[n]);
        size += limit[n] * limit[n];
    }
    // Early estimates cost a little; neither is near what 0 would be.
    EXPECT_LT(distance[0], 3 * distance[1]);
    EXPECT_LT(3 * distance[1], size);

    const std::filesystem::path path =
        std::filesystem::temp_directory_path() / ("bitaxon_attention_" + std::to_string(getpid()));
    network.save(path);
    const Network loaded = Network::load(path, context);
    std::filesystem::remove(path);
    EXPECT_EQ(loaded.repr(), network.repr());
    loaded.forward_batch(context, x, y, {.seed = 6});
    EXPECT_EQ(y, expected);
}

TEST(Attention, SaysWhatIsWrong) {
    const auto wrong = [](auto change) {
        AttentionOptions o = options_of(64, Coding::bipolar);
        change(o);
        EXPECT_THROW((void)Attention(o), Error);
    };
    wrong([](AttentionOptions& o) { o.tokens = 0; });
    wrong([](AttentionOptions& o) { o.heads = 0; });
    wrong([](AttentionOptions& o) { o.head_width = 0; });
    wrong([](AttentionOptions& o) { o.queries = 0; });
    wrong([](AttentionOptions& o) { o.tokens = std::size_t{1} << 40; });
    wrong([](AttentionOptions& o) { o.streams.coding = Coding::split_unipolar; });
    wrong([](AttentionOptions& o) { o.streams.input_range = std::nan(""); });
    wrong([](AttentionOptions& o) {
        o.queries = 3;
        o.causal = true;
    });
    EXPECT_THROW((void)attention_options(Flatten(1, 1, 1)), Error);
}

// Ranges whose squares overflow still give probabilities.
TEST(Attention, TakesAnyRange) {
    AttentionOptions o = options_of(64, Coding::bipolar);
    o.streams.input_range = 1e200;
    const Attention layer(o);
    std::vector<double> y(layer.neurons());
    layer.forward(ExecutionContext::shared(), oracle::random_samples(layer, 1, 3), y);
    for (const double value : y) EXPECT_LE(std::abs(value), 3e200);
}

}  // namespace
}  // namespace bitaxon
