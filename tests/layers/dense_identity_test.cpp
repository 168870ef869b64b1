// The same bits on every path, tier, thread count and batch split, and the bits of the design.
#include <bitaxon/layers/dense.hpp>

#include <bitaxon/core/correlation.hpp>
#include <bitaxon/core/eigen.hpp>

#include "oracle.hpp"

#include <gtest/gtest.h>

#include <thread>

namespace bitaxon {
namespace {

constexpr Coding kCodings[] = {Coding::unipolar, Coding::bipolar, Coding::split_unipolar};

std::span<const double> row(const std::vector<double>& values, std::size_t r, std::size_t columns) {
    return std::span(values).subspan(r * columns, columns);
}
std::span<double> row(std::vector<double>& values, std::size_t r, std::size_t columns) {
    return std::span(values).subspan(r * columns, columns);
}

std::vector<double> batch(const ExecutionContext& context, const DenseLayer& layer,
                          const std::vector<double>& x, const ForwardOptions& options = {}) {
    std::vector<double> y(x.size() / layer.inputs() * layer.neurons());
    layer.forward_batch(context, x, y, options);
    return y;
}

class DenseCoding : public testing::TestWithParam<Coding> {};
INSTANTIATE_TEST_SUITE_P(Codings, DenseCoding, testing::ValuesIn(kCodings), [](const auto& test) {
    return test.param == Coding::split_unipolar ? "split" : std::string(name(test.param));
});

TEST_P(DenseCoding, EqualsTheBitLoopOfTheDesign) {
    const ExecutionContext context({.threads = 1});
    for (const std::uint64_t length : {1u, 63u, 64u, 65u, 130u}) {
        for (const Activation activation : {Activation::none, Activation::relu, Activation::clip}) {
            const DenseLayer layer =
                oracle::random_layer({.inputs = 5,
                                      .neurons = 6,
                                      .length = length,
                                      .coding = GetParam(),
                                      .scale = length % 2 ? Scale::sum : Scale::mean,
                                      .activation = activation,
                                      .input_range = 2.5,
                                      .seed = 99,
                                      .id = 3},
                                     7);
            const std::vector<double> x = oracle::random_samples(layer, 1, 11);
            std::vector<double> y(layer.neurons());
            layer.forward(context, x, y, {.seed = 5, .sample = 1234});
            EXPECT_EQ(y, oracle::forward(layer, x, 5, 1234)) << length;
        }
    }
}

TEST_P(DenseCoding, RedrawnWeightsEqualTheBitLoopToo) {
    const ExecutionContext context({.threads = 1});
    DenseLayer layer =
        oracle::random_layer({.inputs = 4, .neurons = 3, .length = 70, .coding = GetParam()}, 3);
    const std::vector<double> x = oracle::random_samples(layer, 1, 4);
    std::vector<double> before(3), after(3);
    layer.forward(context, x, before);
    layer.redraw();
    layer.forward(context, x, after);
    EXPECT_EQ(layer.redraws(), 1u);
    EXPECT_EQ(after, oracle::forward(layer, x, 0, 0));
    EXPECT_NE(before, after);
}

TEST_P(DenseCoding, PathsTiersThreadsAndSplitsGiveTheSameBits) {
    for (const auto& [inputs, neurons, length, samples] : {std::tuple{64, 32, 1024, 21},
                                                           {7, 5, 100, 200},
                                                           {33, 9, 65, 70},
                                                           {300, 70, 640, 5},
                                                           {1, 1, 1, 3}}) {
        const DenseLayer layer = oracle::random_layer({.inputs = static_cast<std::size_t>(inputs),
                                                       .neurons = static_cast<std::size_t>(neurons),
                                                       .length = static_cast<std::uint64_t>(length),
                                                       .coding = GetParam()},
                                                      5);
        const auto count = static_cast<std::size_t>(samples);
        const std::vector<double> x = oracle::random_samples(layer, count, 6);
        const ForwardOptions options{.seed = 42, .sample = 10};

        const ExecutionContext portable({.threads = 1, .tier = "portable"});
        std::vector<double> expected(count * layer.neurons());
        for (std::size_t r = 0; r < count; ++r) {
            ForwardOptions one = options;
            one.sample += r;
            layer.forward(portable, row(x, r, layer.inputs()), row(expected, r, layer.neurons()),
                          one);
        }
        const std::vector<float> x32(x.begin(), x.end());
        const std::vector<double> x_of_x32(x32.begin(), x32.end());

        for (const kernels::TierInfo& tier : kernels::tiers()) {
            if (!tier.supported) {
                std::cout << "tier " << tier.name << " skipped: not on this machine\n";
                continue;
            }
            for (const int threads : {1, 2, 4}) {
                const ExecutionContext context(
                    {.threads = threads, .tier = std::string(tier.name)});
                SCOPED_TRACE(testing::Message() << tier.name << ", " << threads << " threads");
                EXPECT_EQ(batch(context, layer, x, options), expected);

                std::vector<double> y(expected.size());
                for (std::size_t r = 0; r < count; ++r) {
                    ForwardOptions one = options;
                    one.sample += r;
                    layer.forward_fast(context, row(x, r, layer.inputs()),
                                       row(y, r, layer.neurons()), one);
                }
                EXPECT_EQ(y, expected) << "forward_fast";

                for (std::size_t r = 0; r < count; ++r) {
                    ForwardOptions one = options;
                    one.sample += r;
                    const StreamArray streams =
                        layer.encode(context, row(x, r, layer.inputs()), one);
                    layer.forward_prepacked(context, streams.view(),
                                            row_major(row(y, r, layer.neurons()), layer.neurons()));
                }
                EXPECT_EQ(y, expected) << "forward_prepacked";

                // Two batches that are cut anywhere are one.
                const std::size_t cut = count / 3;
                ForwardOptions rest = options;
                rest.sample += cut;
                std::vector<double> head(
                    x.begin(), x.begin() + static_cast<std::ptrdiff_t>(cut * layer.inputs()));
                std::vector<double> tail(
                    x.begin() + static_cast<std::ptrdiff_t>(cut * layer.inputs()), x.end());
                std::vector<double> joined = batch(context, layer, head, options);
                const std::vector<double> second = batch(context, layer, tail, rest);
                joined.insert(joined.end(), second.begin(), second.end());
                EXPECT_EQ(joined, expected) << "split batch";

                layer.forward_streamed(context,
                                       row_major(std::span<const double>(x), layer.inputs()),
                                       row_major(std::span<double>(y), layer.neurons()), {},
                                       {.stop = Stop::none, .forward = options});
                EXPECT_EQ(y, expected) << "forward_streamed to the end";

                layer.forward_batch(context, row_major(std::span<const float>(x32), layer.inputs()),
                                    row_major(std::span<double>(y), layer.neurons()), options);
                EXPECT_EQ(y, batch(context, layer, x_of_x32, options)) << "float samples";
            }
        }
    }
}

TEST_P(DenseCoding, WeightsDoNotDependOnTierOrThreads) {
    std::string checksum;
    for (const kernels::TierInfo& tier : kernels::tiers()) {
        if (!tier.supported) continue;
        for (const int threads : {1, 3}) {
            const ExecutionContext context({.threads = threads, .tier = std::string(tier.name)});
            const DenseOptions options{
                .inputs = 20, .neurons = 11, .length = 200, .coding = GetParam(), .seed = 17};
            const DenseLayer layer(
                options, oracle::uniform(220, oracle::lowest(GetParam()), 1.0, 8), {}, context);
            if (checksum.empty()) checksum = layer.checksum();
            EXPECT_EQ(layer.checksum(), checksum) << tier.name;
        }
    }
}

TEST_P(DenseCoding, StridedSamplesOutputsAndStreamsAreTakenAsTheyAre) {
    const ExecutionContext context({.threads = 2});
    const DenseLayer layer =
        oracle::random_layer({.inputs = 9, .neurons = 5, .length = 130, .coding = GetParam()}, 21);
    const std::size_t samples = 12;
    const std::vector<double> x = oracle::random_samples(layer, samples, 22);
    const std::vector<double> expected = batch(context, layer, x);

    // Column-major Eigen matrices in, and out with every second row of a larger one.
    Eigen::MatrixXd columns(samples, 9);
    for (std::size_t r = 0; r < samples; ++r)
        for (std::size_t i = 0; i < 9; ++i)
            columns(static_cast<Eigen::Index>(r), static_cast<Eigen::Index>(i)) = x[r * 9 + i];
    Eigen::MatrixXd out = Eigen::MatrixXd::Zero(2 * samples, 5);
    MatrixView<double> every_second = mutable_view(out);
    every_second.rows = samples;
    every_second.row_stride *= 2;
    layer.forward_batch(context, view(columns), every_second);
    for (std::size_t r = 0; r < samples; ++r)
        for (std::size_t n = 0; n < 5; ++n) EXPECT_EQ(every_second(r, n), expected[r * 5 + n]);
    EXPECT_EQ(out.row(1).cwiseAbs().maxCoeff(), 0.0);

    // Reversed samples: negative strides.
    MatrixView<const double> reversed = row_major(std::span<const double>(x), 9);
    reversed.data += (samples - 1) * 9;
    reversed.row_stride = -9;
    std::vector<double> y(expected.size());
    layer.forward_batch(context, reversed, row_major(std::span<double>(y), 5));
    std::vector<double> turned;
    for (std::size_t r = samples; r-- > 0;) {
        const auto values = row(x, r, 9);
        turned.insert(turned.end(), values.begin(), values.end());
    }
    EXPECT_EQ(y, batch(context, layer, turned));

    // Streams with gaps between them, and all samples in one array with the sample as the inner
    // stride.
    const std::size_t words = 3;
    std::vector<std::uint64_t> gaps(samples * 9 * words * 2);
    for (std::size_t r = 0; r < samples; ++r) {
        const StreamArray streams = layer.encode(context, row(x, r, 9), {.sample = r});
        for (std::size_t i = 0; i < 9; ++i)
            std::copy_n(streams.view().stream(0, i), words, &gaps[(i * samples + r) * words * 2]);
    }
    const StreamView strided{gaps.data(),
                             samples,
                             9,
                             130,
                             static_cast<std::ptrdiff_t>(2 * words),
                             static_cast<std::ptrdiff_t>(samples * 2 * words)};
    layer.forward_prepacked(context, strided, row_major(std::span<double>(y), 5));
    EXPECT_EQ(y, expected);
}

TEST_P(DenseCoding, EightThreadsMayUseOneLayerAtOnce) {
    const ExecutionContext context({.threads = 2});
    const DenseLayer layer = oracle::random_layer(
        {.inputs = 40, .neurons = 12, .length = 320, .coding = GetParam()}, 31);
    const std::vector<double> x = oracle::random_samples(layer, 100, 32);
    const std::vector<double> expected = batch(context, layer, x);
    std::vector<int> good(8);
    {
        std::vector<std::jthread> threads;
        for (std::size_t k = 0; k < good.size(); ++k)
            threads.emplace_back([&, k] {
                good[k] = 1;
                std::vector<double> y(expected.size());
                for (int round = 0; round < 5; ++round) {
                    layer.forward_batch(context, x, y);
                    good[k] &= y == expected;
                    layer.forward_streamed(context, row_major(std::span<const double>(x), 40),
                                           row_major(std::span<double>(y), 12), {},
                                           {.stop = Stop::none});
                    good[k] &= y == expected;
                    layer.forward(context, row(x, k, 40), row(y, 0, 12), {.sample = k});
                    for (std::size_t n = 0; n < 12; ++n) good[k] &= y[n] == expected[k * 12 + n];
                }
            });
    }
    for (const int value : good) EXPECT_EQ(value, 1);
}

TEST(DenseLayer, ContextSeedIsTheDefaultAndTheForwardsSeedIsCloser) {
    const ExecutionContext zero({.threads = 1});
    const ExecutionContext seeded({.threads = 1, .seed = 77});
    const DenseLayer layer = oracle::random_layer({.inputs = 8, .neurons = 3, .length = 256}, 1);
    const std::vector<double> x = oracle::random_samples(layer, 4, 2);
    EXPECT_EQ(batch(seeded, layer, x), batch(zero, layer, x, {.seed = 77, .sample = 0}));
    EXPECT_NE(batch(seeded, layer, x), batch(zero, layer, x));
    EXPECT_EQ(batch(seeded, layer, x, {.seed = 0, .sample = 0}), batch(zero, layer, x));
}

TEST(DenseLayer, LayersWithoutASeedDifferAndSaySo) {
    const DenseOptions options{.inputs = 8, .neurons = 4, .length = 256};
    const std::vector<double> weights = oracle::uniform(32, 0, 1, 1);
    const DenseLayer a(options, weights);
    const DenseLayer b(options, weights);
    EXPECT_NE(a.seed(), b.seed());
    EXPECT_NE(a.checksum(), b.checksum());
    EXPECT_NE(a.repr().find("seed=" + std::to_string(a.seed())), std::string::npos) << a.repr();
}

TEST(DenseLayer, CopiesAreIndependent) {
    const ExecutionContext context({.threads = 1});
    DenseLayer a = oracle::random_layer({.inputs = 8, .neurons = 4, .length = 256}, 1);
    const DenseLayer b = a;
    const std::string before = b.checksum();
    a.redraw();
    EXPECT_EQ(b.checksum(), before);
    EXPECT_NE(a.checksum(), before);
    a.set_redraws(0);
    EXPECT_EQ(a.checksum(), before);
    std::vector<double> weights(b.weights().begin(), b.weights().end());
    weights[0] = weights[0] / 2;
    a.set_weights(row_major(std::span<const double>(weights), 8));
    EXPECT_NE(a.checksum(), before);
    EXPECT_EQ(a.weights()[0], weights[0]);
}

// No two streams of a layer are more alike than chance explains. Of independent streams with many
// ones and zeros, (both - expected) / sigma is close to a standard normal; over 2,016 + 64 * 256
// pairs the largest of |z| passes 5.6 with probability below 4e-4.
TEST(DenseLayer, NoTwoOfItsStreamsAreMoreAlikeThanChance) {
    const ExecutionContext context({.threads = 2});
    const std::uint64_t length = 4096;
    // Values near 0 or 1 have few ones or zeros, and an SCC that means little.
    const DenseLayer layer(
        {.inputs = 64, .neurons = 4, .length = length, .weight_scale = 1.0, .seed = 1},
        oracle::uniform(64 * 4, 0.3, 0.7, 1));
    const std::vector<double> x = oracle::uniform(64, 0.3, 0.7, 2);
    const StreamArray inputs = layer.encode(context, x);
    // The weights as the layer draws them, by their names.
    std::vector<double> p(layer.weights().begin(), layer.weights().end());
    for (double& value : p) value /= layer.weight_scale();
    const StreamArray weights = encode(context, p, length, Coding::unipolar,
                                       {.seed = combine_seeds(layer.seed(), 0),
                                        .layer = 0,
                                        .role = Role::weight,
                                        .sample = 0,
                                        .first_index = 0});

    const auto largest = [&](const StreamView& a, const StreamView& b, bool same) {
        double worst = 0.0;
        for (std::size_t i = 0; i < a.streams; ++i)
            for (std::size_t j = same ? i + 1 : 0; j < b.streams; ++j) {
                const auto ones = [&](const std::uint64_t* w) {
                    return static_cast<double>(context.kernels().popcount(w, words_for(length)));
                };
                const double n = static_cast<double>(length);
                const double pa = ones(a.stream(0, i)) / n;
                const double pb = ones(b.stream(0, j)) / n;
                const double both = static_cast<double>(context.kernels().and_popcount(
                    a.stream(0, i), b.stream(0, j), words_for(length)));
                const double sigma = std::sqrt(n * pa * (1 - pa) * pb * (1 - pb));
                if (n * pa * pb > 50 && n * (1 - pa) * (1 - pb) > 50)
                    worst = std::max(worst, std::abs(both - n * pa * pb) / sigma);
            }
        return worst;
    };
    EXPECT_LT(largest(inputs.view(), weights.view(), false), 5.6);
    EXPECT_LT(largest(inputs.view(), inputs.view(), true), 5.6);
    EXPECT_LT(largest(weights.view(), weights.view(), true), 5.6);
    // The audit sees what it should: a stream against itself.
    EXPECT_GT(largest(inputs.view(), inputs.view(), false), 30.0);
    // SCC itself, of every input-weight pair: 5.6 sigmas of its numerator over the least
    // denominator (p = 0.3 with 0.7) are 0.09 to 0.21.
    for (const double value : scc_matrix(context, inputs.view(), weights.view()))
        EXPECT_LT(std::abs(value), 0.21);
}

}  // namespace
}  // namespace bitaxon
