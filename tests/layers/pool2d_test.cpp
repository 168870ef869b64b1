// Layers without weights, alone and in networks; batch normalisation.
#include <bitaxon/layers/conv2d.hpp>
#include <bitaxon/layers/dense.hpp>
#include <bitaxon/layers/network.hpp>
#include <bitaxon/layers/pool2d.hpp>

#include <bitaxon/core/error.hpp>

#include "oracle.hpp"

#include <gtest/gtest.h>

#include <unistd.h>

#include <filesystem>

namespace bitaxon {
namespace {

const Pool2dOptions kOptions{.channels = 2,
                             .height = 5,
                             .width = 7,
                             .kernel = {2, 3},
                             .stride = Extent2d{2, 1},
                             .padding = {1, 1},
                             .streams = {.length = 70, .input_range = 2.0, .seed = 5}};

// By the definition: over all places of a window, those outside of the image aside.
std::vector<double> pooled(const Pool2dOptions& o, const std::vector<double>& x, bool average) {
    const auto at = [](std::size_t value) { return static_cast<long long>(value); };
    const Extent2d step = o.stride.value_or(o.kernel);
    std::vector<double> y;
    for (std::size_t c = 0; c < o.channels; ++c)
        for (long long top = -at(o.padding.y); top + at(o.kernel.y) <= at(o.height + o.padding.y);
             top += at(step.y))
            for (long long left = -at(o.padding.x);
                 left + at(o.kernel.x) <= at(o.width + o.padding.x); left += at(step.x)) {
                double sum = 0, most = -1e300;
                for (long long r = top; r < top + at(o.kernel.y); ++r)
                    for (long long k = left; k < left + at(o.kernel.x); ++k) {
                        if (r < 0 || k < 0 || r >= at(o.height) || k >= at(o.width)) continue;
                        const double value =
                            x[(c * o.height + static_cast<std::size_t>(r)) * o.width +
                              static_cast<std::size_t>(k)];
                        sum += value;
                        most = std::max(most, value);
                    }
                y.push_back(average ? sum / static_cast<double>(o.kernel.y * o.kernel.x) : most);
            }
    return y;
}

// What the streams of a layer's inputs hold.
std::vector<double> counted(const Layer& layer, std::span<const double> x, std::uint64_t seed,
                            std::uint64_t sample) {
    std::vector<double> values;
    const bool bipolar = layer.coding() == Coding::bipolar;
    for (std::size_t i = 0; i < x.size(); ++i) {
        const double v = x[i] / layer.input_range();
        double ones = 0;
        for (std::uint64_t t = 0; t < layer.length(); ++t)
            ones += oracle::stream_bit(oracle::mix(layer.seed()) ^ seed, layer.id(), 0, sample, i,
                                       t, bipolar ? (v + 1) / 2 : v);
        const double share = ones / static_cast<double>(layer.length());
        values.push_back(layer.input_range() * (bipolar ? 2 * share - 1 : share));
    }
    return values;
}

TEST(Pool2d, EveryPathPoolsWhatIsCounted) {
    for (const Coding coding : {Coding::unipolar, Coding::bipolar})
        for (const bool average : {true, false})
            for (const std::uint64_t length : {70u, 70'000u}) {
                SCOPED_TRACE(testing::Message() << name(coding) << average << length);
                Pool2dOptions o = kOptions;
                o.streams.coding = coding;
                o.streams.length = length;
                if (length > 70) {  // longer than a run of the encoder, so a few will do
                    o.channels = 1;
                    o.height = o.width = 3;
                }
                const Layer layer = average ? Layer(AveragePool2d(o)) : Layer(MaxPool2d(o));
                const std::vector<double> x = oracle::random_samples(layer, 2, 3);
                std::vector<double> expected, mean;
                for (std::size_t r = 0; r < 2; ++r) {
                    const std::vector<double> sample(
                        x.begin() + static_cast<std::ptrdiff_t>(r * layer.inputs()),
                        x.begin() + static_cast<std::ptrdiff_t>((r + 1) * layer.inputs()));
                    for (const double y : pooled(o, counted(layer, sample, 6, 7 + r), average))
                        expected.push_back(y);
                    for (const double y : pooled(o, sample, average)) mean.push_back(y);
                }
                for (const char* tier : {"portable", ""}) {
                    const ExecutionContext context({.threads = 2, .tier = tier});
                    const ForwardOptions options{.seed = 6, .sample = 7};
                    std::vector<double> y(expected.size());
                    const auto same = [&](const char* path) {
                        for (std::size_t n = 0; n < y.size(); ++n)
                            EXPECT_NEAR(y[n], expected[n], 1e-12) << path << n;
                        std::ranges::fill(y, -99.0);
                    };
                    layer.forward_batch(context, x, y, options);
                    same("batch");
                    for (std::size_t r = 0; r < 2; ++r) {
                        const auto in = std::span(x).subspan(r * layer.inputs(), layer.inputs());
                        const auto out = std::span(y).subspan(r * layer.neurons(), layer.neurons());
                        const ForwardOptions one{.seed = 6, .sample = 7 + r};
                        if (r == 0)
                            layer.forward(context, in, out, one);
                        else
                            layer.forward_prepacked(context, layer.encode(context, in, one).view(),
                                                    row_major(out, out.size()));
                    }
                    same("forward, forward_prepacked");
                    const auto in = row_major(std::span<const double>(x), layer.inputs());
                    const auto out = row_major(std::span(y), layer.neurons());
                    layer.forward_streamed(context, in, out, {},
                                           {.stop = Stop::none, .forward = options});
                    same("streamed");
                    EXPECT_THROW(layer.forward_streamed(context, in, out, {}), Error);
                    layer.forward_expected(context, in, out);
                    for (std::size_t n = 0; n < y.size(); ++n) EXPECT_NEAR(y[n], mean[n], 1e-8);
                }
            }
}

// conv, pool, flatten, dense: layers after the first take numbers as they are.
TEST(Pool2d, NetworksHandValuesOn) {
    const ExecutionContext context({.threads = 2});
    const Conv2d conv({.channels = 1,
                       .height = 6,
                       .width = 6,
                       .filters = 3,
                       .kernel = {3, 3},
                       .length = 128,
                       .coding = Coding::split_unipolar,
                       .activation = Activation::relu,
                       .seed = 2},
                      oracle::uniform(27, -1, 1, 1));
    const Pool2dOptions pool{.channels = 3, .height = 4, .width = 4, .kernel = {2, 2}};
    const DenseLayer dense = oracle::random_layer(
        {.inputs = 12, .neurons = 3, .length = 128, .coding = Coding::split_unipolar}, 4);
    Network network({conv, MaxPool2d(pool), Flatten(3, 2, 2), dense});
    const std::vector<double> x = oracle::random_samples(conv, 4, 5);
    const auto in = row_major(std::span<const double>(x), 36);
    network.calibrate(context, in);
    EXPECT_NE(network.layers()[3].input_range(), 1.0);  // what passes the pool
    EXPECT_EQ(network.layers()[1].input_range(), 1.0);

    const Layer& last = network.layers()[3];
    std::vector<double> expected, y(12), limit(12), expected_limit;
    const auto tail = [&](const std::vector<double>& hidden, auto call) {
        std::vector<double> values = pooled(pool, hidden, false);
        for (double& value : values) value = std::clamp(value, 0.0, last.input_range());
        return call(values);
    };
    for (std::size_t r = 0; r < 4; ++r) {
        const auto sample = std::span(x).subspan(36 * r, 36);
        std::vector<double> hidden(48), out(3);
        network.layers()[0].forward(context, sample, hidden, {.seed = 6, .sample = r});
        tail(hidden, [&](const std::vector<double>& values) {
            last.forward(context, values, out, {.seed = 6, .sample = r});
        });
        expected.insert(expected.end(), out.begin(), out.end());
        network.layers()[0].forward_expected(context, row_major(sample, 36),
                                             row_major(std::span(hidden), 48));
        tail(hidden, [&](const std::vector<double>& values) {
            last.forward_expected(context, row_major(std::span<const double>(values), 12),
                                  row_major(std::span(out), 3));
        });
        expected_limit.insert(expected_limit.end(), out.begin(), out.end());
    }
    network.forward_batch(context, x, y, {.seed = 6});
    EXPECT_EQ(y, expected);
    for (std::size_t r = 0; r < 4; ++r)
        network.forward_fast(context, std::span(x).subspan(36 * r, 36),
                             std::span(y).subspan(3 * r, 3), {.seed = 6, .sample = r});
    EXPECT_EQ(y, expected);
    network.forward_expected(context, in, row_major(std::span(limit), 3));
    EXPECT_EQ(limit, expected_limit);
    std::vector<std::uint64_t> lengths(4);
    network.forward_streamed(context, in, row_major(std::span(y), 3), lengths);
    for (std::size_t n = 0; n < y.size(); ++n) EXPECT_NEAR(y[n], limit[n], 8.0);

    const std::filesystem::path path =
        std::filesystem::temp_directory_path() / ("bitaxon_pool2d_" + std::to_string(getpid()));
    network.save(path);
    const Network loaded = Network::load(path, context);
    std::filesystem::remove(path);
    EXPECT_EQ(loaded.repr(), network.repr());
    loaded.forward_batch(context, x, y, {.seed = 6});
    EXPECT_EQ(y, expected);
}

TEST(Pool2d, BatchNormIsFoldedIntoWeightsAndBiases) {
    const ExecutionContext context({.threads = 1});
    DenseLayer layer = oracle::random_layer(
        {.inputs = 6, .neurons = 3, .length = 64, .coding = Coding::split_unipolar}, 3);
    const std::vector<double> x = oracle::random_samples(layer, 2, 4);
    const auto in = row_major(std::span<const double>(x), 6);
    std::vector<double> before(6), after(6);
    layer.forward_expected(context, in, row_major(std::span(before), 3), ExpectedWeights::mean);
    const std::vector<double> mean{0.5, -1, 2}, variance{0.25, 4, 0}, gamma{1, -3, 0.1},
        beta{0, 1, -2};
    layer.fold_batch_norm({mean, variance, gamma, beta, 1e-3}, context);
    layer.forward_expected(context, in, row_major(std::span(after), 3), ExpectedWeights::mean);
    for (std::size_t i = 0; i < 6; ++i) {
        const std::size_t n = i % 3;
        EXPECT_NEAR(after[i],
                    gamma[n] * (before[i] - mean[n]) / std::sqrt(variance[n] + 1e-3) + beta[n],
                    1e-6);
    }
    const std::vector<double> two(2, 1.0), negative{-1, 1, 1};
    EXPECT_THROW(layer.fold_batch_norm({two, variance}, context), Error);
    EXPECT_THROW(layer.fold_batch_norm({mean, negative}, context), Error);
    Flatten flatten(1, 1, 3);
    EXPECT_THROW(flatten.fold_batch_norm({mean, variance}, context), Error);
}

TEST(Pool2d, SaysWhatIsWrong) {
    Pool2dOptions o = kOptions;
    o.padding = {2, 0};
    EXPECT_THROW(AveragePool2d{o}, Error);
    o = kOptions;
    o.kernel = {8, 1};
    EXPECT_THROW(MaxPool2d{o}, Error);
    o = kOptions;
    o.channels = 0;
    EXPECT_THROW(MaxPool2d{o}, Error);
    EXPECT_THROW(Flatten(1, 0, 1), Error);
    EXPECT_THROW((void)pool2d_options(Flatten(1, 1, 1)), Error);
    EXPECT_THROW((void)flatten_shape(MaxPool2d(kOptions)), Error);
}

}  // namespace
}  // namespace bitaxon
