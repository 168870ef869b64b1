// Convolutions against a loop over bits, on all paths, tiers and threads.
#include <bitaxon/layers/conv2d.hpp>
#include <bitaxon/layers/dense.hpp>
#include <bitaxon/layers/network.hpp>

#include <bitaxon/core/error.hpp>

#include "oracle.hpp"

#include <gtest/gtest.h>

#include <unistd.h>

#include <filesystem>
#include <functional>

namespace bitaxon {
namespace {

using Bits = std::vector<bool>;

struct Case {
    const char* name;
    Conv2dOptions options;
};

// Every option by itself and together; the fourth has outputs that see padding alone, the fifth
// enough filters and positions for the kernels' other methods, the last several chunks of time.
const std::vector<Case>& cases() {
    static const std::vector<Case> list = {
        {"Padded",
         {.channels = 3,
          .height = 5,
          .width = 6,
          .filters = 5,
          .kernel = {3, 3},
          .padding = {1, 1},
          .length = 70}},
        {"Everything",
         {.channels = 4,
          .height = 7,
          .width = 5,
          .filters = 6,
          .kernel = {3, 2},
          .stride = {2, 1},
          .padding = {2, 1},
          .dilation = {2, 3},
          .groups = 2,
          .length = 130}},
        {"Depthwise",
         {.channels = 4,
          .height = 4,
          .width = 6,
          .filters = 8,
          .kernel = {2, 2},
          .stride = {2, 2},
          .groups = 4,
          .length = 64}},
        {"MorePaddingThanImage",
         {.channels = 2,
          .height = 3,
          .width = 3,
          .filters = 3,
          .kernel = {1, 1},
          .stride = {2, 2},
          .padding = {2, 3},
          .length = 65}},
        {"ManyFilters",
         {.channels = 5,
          .height = 3,
          .width = 20,
          .filters = 33,
          .kernel = {3, 3},
          .padding = {1, 1},
          .length = 66}},
        {"Chunks",
         {.channels = 8,
          .height = 5,
          .width = 6,
          .filters = 2,
          .kernel = {3, 3},
          .padding = {10, 1},
          .dilation = {10, 1},
          .length = 600}},
    };
    return list;
}

std::size_t fan_in(const Conv2dOptions& o) {
    return o.channels / o.groups * o.kernel.y * o.kernel.x;
}

Conv2d random_conv(Conv2dOptions options, Coding coding) {
    options.coding = coding;
    options.seed = 19;
    options.input_range = 2.0;
    options.weight_scale = 1.25;
    return Conv2d(options,
                  oracle::uniform(options.filters * fan_in(options), oracle::lowest(coding), 1, 3),
                  oracle::uniform(options.filters, -0.5, 0.5, 4));
}

// visit(output, input, weight) for every product, by the definition.
void for_products(const Conv2dOptions& o, Extent2d out,
                  const std::function<void(std::size_t, std::size_t, std::size_t)>& visit) {
    const auto size = [](std::size_t value) { return static_cast<long long>(value); };
    const std::size_t group_channels = o.channels / o.groups;
    for (std::size_t f = 0; f < o.filters; ++f)
        for (std::size_t c = 0; c < group_channels; ++c)
            for (std::size_t ky = 0; ky < o.kernel.y; ++ky)
                for (std::size_t kx = 0; kx < o.kernel.x; ++kx)
                    for (std::size_t y = 0; y < out.y; ++y)
                        for (std::size_t x = 0; x < out.x; ++x) {
                            const long long iy =
                                size(y * o.stride.y + ky * o.dilation.y) - size(o.padding.y);
                            const long long ix =
                                size(x * o.stride.x + kx * o.dilation.x) - size(o.padding.x);
                            if (iy < 0 || ix < 0 || iy >= size(o.height) || ix >= size(o.width))
                                continue;
                            const std::size_t channel =
                                f / (o.filters / o.groups) * group_channels + c;
                            visit((f * out.y + y) * out.x + x,
                                  (channel * o.height + static_cast<std::size_t>(iy)) * o.width +
                                      static_cast<std::size_t>(ix),
                                  ((f * group_channels + c) * o.kernel.y + ky) * o.kernel.x + kx);
                        }
}

Bits stream(std::uint64_t seed, const Layer& layer, std::uint64_t role, std::uint64_t sample,
            std::uint64_t index, double p) {
    Bits bits(layer.length());
    for (std::uint64_t t = 0; t < bits.size(); ++t)
        bits[t] = oracle::stream_bit(seed, layer.id(), role, sample, index, t, p);
    return bits;
}

std::vector<double> bit_loop(const Conv2d& layer, std::span<const double> x,
                             std::uint64_t forward_seed, std::uint64_t sample) {
    const Conv2dOptions o = conv2d_options(layer);
    const bool bipolar = o.coding == Coding::bipolar;
    const std::uint64_t weight_seed = oracle::mix(*o.seed);
    std::vector<Bits> inputs, weights;
    for (std::size_t i = 0; i < x.size(); ++i) {
        const double v = x[i] / o.input_range;
        inputs.push_back(
            stream(weight_seed ^ forward_seed, layer, 0, sample, i, bipolar ? (v + 1) / 2 : v));
    }
    for (std::size_t i = 0; i < layer.weights().size(); ++i) {
        const double w = layer.weights()[i] / *o.weight_scale;
        weights.push_back(
            stream(weight_seed, layer, 1, layer.redraws(), i, bipolar ? (w + 1) / 2 : std::abs(w)));
    }
    std::vector<long long> counts(layer.neurons());
    for_products(o, conv2d_output(layer), [&](std::size_t n, std::size_t i, std::size_t w) {
        for (std::size_t t = 0; t < o.length; ++t) {
            if (bipolar)
                counts[n] += inputs[i][t] == weights[w][t] ? 1 : -1;
            else if (inputs[i][t] && weights[w][t])
                counts[n] += layer.weights()[w] < 0 ? -1 : 1;
        }
    });
    std::vector<double> y;
    for (std::size_t n = 0; n < counts.size(); ++n)
        y.push_back(*o.weight_scale * o.input_range / static_cast<double>(o.length) *
                        static_cast<double>(counts[n]) +
                    layer.bias()[n / (counts.size() / o.filters)]);
    return y;
}

class Conv2dCoding : public testing::TestWithParam<Coding> {};
INSTANTIATE_TEST_SUITE_P(Codings, Conv2dCoding,
                         testing::Values(Coding::unipolar, Coding::bipolar, Coding::split_unipolar),
                         [](const auto& test) {
                             return test.param == Coding::split_unipolar
                                        ? "split"
                                        : std::string(name(test.param));
                         });

TEST_P(Conv2dCoding, EveryPathEqualsTheBitLoop) {
    constexpr std::size_t kSamples = 2;
    for (const Case& c : cases()) {
        SCOPED_TRACE(c.name);
        const Conv2d layer = random_conv(c.options, GetParam());
        // Values that floats hold, so that samples of both types are the same.
        std::vector<double> x = oracle::random_samples(layer, kSamples, 5);
        for (double& value : x) value = static_cast<float>(value);
        const std::vector<float> x32(x.begin(), x.end());
        const auto sample = [&](std::size_t r) {
            return std::span<const double>(x).subspan(r * layer.inputs(), layer.inputs());
        };
        std::vector<double> expected;
        for (std::size_t r = 0; r < kSamples; ++r) {
            const std::vector<double> y = bit_loop(layer, sample(r), 6, 7 + r);
            expected.insert(expected.end(), y.begin(), y.end());
        }
        for (const kernels::TierInfo& tier : kernels::tiers()) {
            if (!tier.supported) continue;
            const int threads = tier.name == "portable" ? 1 : 3;
            SCOPED_TRACE(tier.name);
            const ExecutionContext context({.threads = threads, .tier = std::string(tier.name)});
            std::vector<double> y(expected.size());
            const MatrixView<double> out = row_major(std::span(y), layer.neurons());
            const auto same = [&](const char* path) {
                EXPECT_EQ(y, expected) << path;
                std::ranges::fill(y, -99.0);
            };
            const auto each = [&](auto call) {
                for (std::size_t r = 0; r < kSamples; ++r)
                    call(sample(r), std::span(y).subspan(r * layer.neurons(), layer.neurons()),
                         ForwardOptions{.seed = 6, .sample = 7 + r});
            };
            each([&](auto in, auto one, auto o) { layer.forward(context, in, one, o); });
            same("forward");
            each([&](auto in, auto one, auto o) { layer.forward_fast(context, in, one, o); });
            same("forward_fast");
            each([&](auto in, auto one, auto o) {
                const StreamArray streams = layer.encode(context, in, o);
                layer.forward_prepacked(context, streams.view(), row_major(one, layer.neurons()));
            });
            same("forward_prepacked");
            const ForwardOptions options{.seed = 6, .sample = 7};
            layer.forward_batch(context, x, y, options);
            same("forward_batch");
            layer.forward_streamed(context, row_major(std::span<const float>(x32), layer.inputs()),
                                   out, {}, {.stop = Stop::none, .forward = options});
            same("forward_streamed of floats");
        }
    }
}

TEST_P(Conv2dCoding, TheExpectationIsTheConvolution) {
    const ExecutionContext context({.threads = 2});
    for (const Case& c : cases()) {
        SCOPED_TRACE(c.name);
        const Conv2d layer = random_conv(c.options, GetParam());
        const Conv2dOptions o = conv2d_options(layer);
        const std::vector<double> x = oracle::random_samples(layer, 1, 5);
        std::vector<double> y(layer.neurons()), expected(layer.neurons());
        layer.forward_expected(context, row_major(std::span<const double>(x), layer.inputs()),
                               row_major(std::span(y), layer.neurons()), ExpectedWeights::mean);
        for_products(o, conv2d_output(layer), [&](std::size_t n, std::size_t i, std::size_t w) {
            expected[n] += x[i] * layer.weights()[w];
        });
        // Thresholds are off by 2^-33 at most, in some hundred products.
        for (std::size_t n = 0; n < y.size(); ++n)
            EXPECT_NEAR(y[n], expected[n] + layer.bias()[n / (y.size() / o.filters)], 1e-6);
    }
}

TEST(Conv2d, MeanDividesByAllWeightsAndTheActivationComesLast) {
    Conv2dOptions o = cases()[0].options;
    o.seed = 3;
    const std::vector<double> weights = oracle::uniform(o.filters * fan_in(o), 0, 1, 1);
    const Conv2d sum(o, weights);
    o.scale = Scale::mean;
    o.activation = Activation::clip;
    const Conv2d mean(o, weights);
    const ExecutionContext context({.threads = 1});
    const std::vector<double> x = oracle::random_samples(sum, 1, 2);
    std::vector<double> of_sum(sum.neurons()), of_mean(sum.neurons());
    sum.forward(context, x, of_sum);
    mean.forward(context, x, of_mean);
    for (std::size_t n = 0; n < of_sum.size(); ++n)
        EXPECT_NEAR(of_mean[n], std::min(of_sum[n] / 27, 1.0), 1e-12);
}

TEST(Conv2d, StreamsEndEarlyWhereTheAnswerIsClear) {
    // One position, three filters, of which the second is far ahead.
    std::vector<double> weights(3 * 18, 0.2);
    std::fill_n(weights.begin() + 18, 18, 0.9);
    const ExecutionContext context({.threads = 2});
    for (const Coding coding : {Coding::unipolar, Coding::bipolar, Coding::split_unipolar}) {
        const Conv2d layer({.channels = 2,
                            .height = 3,
                            .width = 3,
                            .filters = 3,
                            .kernel = {3, 3},
                            .length = 4096,
                            .coding = coding,
                            .seed = 1},
                           weights);
        const std::vector<double> x = oracle::uniform(20 * 18, 0.5, 1, 9);
        std::vector<double> y(20 * 3);
        std::vector<std::uint64_t> lengths(20);
        layer.forward_streamed(context, row_major(std::span<const double>(x), 18),
                               row_major(std::span(y), 3), lengths);
        for (std::size_t r = 0; r < lengths.size(); ++r) {
            EXPECT_LT(lengths[r], 1500u) << name(coding);
            EXPECT_GT(y[3 * r + 1], std::max(y[3 * r], y[3 * r + 2]));
        }
    }
}

TEST(Conv2d, StandsInNetworksAndTheirFiles) {
    const ExecutionContext context({.threads = 2});
    Conv2dOptions o = cases()[1].options;
    o.activation = Activation::relu;
    const Conv2d conv = random_conv(o, Coding::split_unipolar);
    const DenseLayer dense = oracle::random_layer({.inputs = conv.neurons(),
                                                   .neurons = 4,
                                                   .length = o.length,
                                                   .coding = Coding::split_unipolar},
                                                  8);
    Network network({conv, dense});
    const std::vector<double> x = oracle::random_samples(conv, 5, 9);
    const auto in = row_major(std::span<const double>(x), conv.inputs());
    network.calibrate(context, in);
    network.redraw(context);
    std::vector<double> y(5 * 4), again(y), hidden(conv.neurons());
    network.forward_batch(context, x, y, {.seed = 2, .sample = 3});

    const Layer& last = network.layers()[1];
    for (std::size_t r = 0; r < 5; ++r) {
        const ForwardOptions options{.seed = 2, .sample = 3 + r};
        const auto sample = std::span<const double>(x).subspan(r * conv.inputs(), conv.inputs());
        network.layers()[0].forward(context, sample, hidden, options);
        for (double& value : hidden) value = std::clamp(value, 0.0, last.input_range());
        last.forward(context, hidden, std::span(again).subspan(4 * r, 4), options);
    }
    EXPECT_EQ(again, y);
    for (std::size_t r = 0; r < 5; ++r)
        network.forward_fast(context, std::span(x).subspan(r * conv.inputs(), conv.inputs()),
                             std::span(again).subspan(4 * r, 4), {.seed = 2, .sample = 3 + r});
    EXPECT_EQ(again, y);

    const std::filesystem::path path =
        std::filesystem::temp_directory_path() / ("bitaxon_conv2d_" + std::to_string(getpid()));
    network.save(path);
    const Network loaded = Network::load(path, context);
    std::filesystem::remove(path);
    EXPECT_EQ(loaded.repr(), network.repr());
    EXPECT_EQ(loaded.layers()[0].checksum(), network.layers()[0].checksum());
    loaded.forward_batch(context, x, again, {.seed = 2, .sample = 3});
    EXPECT_EQ(again, y);
}

TEST(Conv2d, SaysWhatIsWrong) {
    const auto message = [](auto change) -> std::string {
        Conv2dOptions o = cases()[0].options;
        change(o);
        try {
            Conv2d(o, std::vector<double>(5 * 27, 0.5));
        } catch (const Error& error) {
            return error.what();
        }
        return "no error";
    };
    const std::pair<std::string, std::string> expected[] = {
        {"channels: got 0, expected 1 ... 1048576", message([](auto& o) { o.channels = 0; })},
        {"stride.x: got 0", message([](auto& o) { o.stride.x = 0; })},
        {"dilation.y: got 0", message([](auto& o) { o.dilation.y = 0; })},
        {"kernel.y: got 3 with dilation 4, which reaches over 9",
         message([](auto& o) { o.dilation.y = 4; })},
        {"groups: got 2", message([](auto& o) { o.groups = 2; })},
        {"weights: got 135 values", message([](auto& o) { o.filters = 4; })},
        {"length: got 0", message([](auto& o) { o.length = 0; })},
        {"padding.x: got 2097152", message([](auto& o) { o.padding.x = 1 << 21; })},
    };
    for (const auto& [part, got] : expected) EXPECT_TRUE(got.starts_with(part)) << got;
    const DenseLayer dense({.inputs = 1, .neurons = 1, .length = 1}, std::vector<double>{1.0});
    EXPECT_THROW((void)conv2d_options(dense), Error);
}

}  // namespace
}  // namespace bitaxon
