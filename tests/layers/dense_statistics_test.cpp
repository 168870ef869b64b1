// Outputs against closed forms: the mean and the variance that the drawn weights imply.
#include <bitaxon/layers/dense.hpp>

#include "oracle.hpp"

#include <gtest/gtest.h>

namespace bitaxon {
namespace {

constexpr Coding kCodings[] = {Coding::unipolar, Coding::bipolar, Coding::split_unipolar};

// Ones of weight (n, i), counted bit by bit.
long long weight_ones(const DenseLayer& layer, std::size_t flat) {
    const double w = layer.weights()[flat] / layer.weight_scale();
    const double p = layer.coding() == Coding::bipolar ? (w + 1) / 2 : std::abs(w);
    long long ones = 0;
    for (std::uint64_t t = 0; t < layer.length(); ++t)
        ones += oracle::stream_bit(oracle::mix(layer.seed()), layer.id(), 1, layer.redraws(), flat,
                                   t, p);
    return ones;
}

TEST(DenseStatistics, MeanAndVarianceAreThoseOfTheDrawnWeights) {
    const ExecutionContext context({.threads = 2});
    constexpr std::size_t kInputs = 12, kNeurons = 3, kSamples = 8000;
    for (const Coding coding : kCodings) {
        const DenseLayer layer = oracle::random_layer(
            {.inputs = kInputs, .neurons = kNeurons, .length = 256, .coding = coding, .seed = 123},
            40);
        const std::vector<double> x = oracle::random_samples(layer, 1, 41);
        std::vector<double> xs;
        for (std::size_t r = 0; r < kSamples; ++r) xs.insert(xs.end(), x.begin(), x.end());
        std::vector<double> y(kSamples * kNeurons);
        layer.forward_batch(context, xs, y);
        std::vector<double> expected(kNeurons);
        layer.forward_expected(context, row_major(std::span<const double>(x), kInputs),
                               row_major(std::span(expected), kNeurons));

        const double length = static_cast<double>(layer.length());
        const double unit = layer.weight_scale() / length;
        for (std::size_t n = 0; n < kNeurons; ++n) {
            double mean = 0.0, variance = 0.0;
            for (std::size_t i = 0; i < kInputs; ++i) {
                const std::size_t flat = n * kInputs + i;
                const auto ones = static_cast<double>(weight_ones(layer, flat));
                if (coding == Coding::bipolar) {
                    const double p = (x[i] + 1) / 2;
                    mean += x[i] * (2 * ones - length);
                    variance += 4 * p * (1 - p) * length;
                } else {
                    mean += (layer.weights()[flat] < 0 ? -1 : 1) * x[i] * ones;
                    variance += x[i] * (1 - x[i]) * ones;
                }
            }
            mean = mean * unit + layer.bias()[n];
            variance *= unit * unit;
            EXPECT_NEAR(expected[n], mean, 1e-8) << name(coding);  // x rounded to 32 bits

            double sum = 0.0, squares = 0.0;
            for (std::size_t r = 0; r < kSamples; ++r) sum += y[r * kNeurons + n];
            const double average = sum / kSamples;
            for (std::size_t r = 0; r < kSamples; ++r)
                squares += (y[r * kNeurons + n] - average) * (y[r * kNeurons + n] - average);
            // Nine means and nine variances: 4.5 sigmas of any is a chance of 1e-4.
            EXPECT_LT(std::abs(average - mean), 4.5 * std::sqrt(variance / kSamples))
                << name(coding);
            EXPECT_LT(std::abs(squares / kSamples / variance - 1.0),
                      4.5 * std::sqrt(2.0 / kSamples))
                << name(coding);
        }
    }
}

TEST(DenseStatistics, MeanOverRedrawsIsTheWeights) {
    const ExecutionContext context({.threads = 1});
    for (const Coding coding : kCodings) {
        DenseLayer layer = oracle::random_layer(
            {.inputs = 6, .neurons = 2, .length = 100, .coding = coding, .seed = 5}, 50);
        const std::vector<double> x = oracle::random_samples(layer, 1, 51);
        std::vector<double> exact(2), y(2), sum(2), squares(2);
        layer.forward_expected(context, row_major(std::span<const double>(x), 6),
                               row_major(std::span(exact), 2), ExpectedWeights::mean);
        for (std::size_t n = 0; n < 2; ++n) {
            double linear = layer.bias()[n];
            for (std::size_t i = 0; i < 6; ++i) linear += x[i] * layer.weights()[n * 6 + i];
            EXPECT_NEAR(exact[n], linear, 1e-8);
        }
        constexpr int kDraws = 3000;
        for (int draw = 0; draw < kDraws; ++draw) {
            layer.redraw(context);
            layer.forward(context, x, y, {.sample = static_cast<std::uint64_t>(draw)});
            for (std::size_t n = 0; n < 2; ++n) {
                sum[n] += y[n];
                squares[n] += y[n] * y[n];
            }
        }
        for (std::size_t n = 0; n < 2; ++n) {
            const double mean = sum[n] / kDraws;
            const double sigma = std::sqrt((squares[n] / kDraws - mean * mean) / kDraws);
            EXPECT_LT(std::abs(mean - exact[n]), 4.5 * sigma) << name(coding);
        }
    }
}

// What an 8-bit encoder gets wrong: certain inputs and weights are certain.
TEST(DenseStatistics, ZeroAndOneAreExact) {
    const ExecutionContext context({.threads = 1});
    const std::vector<double> weights = {1, 1, 1, 0};
    const DenseLayer layer({.inputs = 4, .neurons = 1, .length = 999, .seed = 9}, weights);
    std::vector<double> y(1);
    layer.forward(context, std::vector<double>{1, 1, 0, 1}, y);
    EXPECT_EQ(y[0], 2.0);
    const DenseLayer bipolar(
        {.inputs = 4, .neurons = 1, .length = 999, .coding = Coding::bipolar, .seed = 9},
        std::vector<double>{1, -1, 1, -1});
    bipolar.forward(context, std::vector<double>{1, 1, -1, -1}, y);
    EXPECT_EQ(y[0], 0.0);
    bipolar.forward(context, std::vector<double>{1, -1, 1, -1}, y);
    EXPECT_EQ(y[0], 4.0);
}

TEST(DenseStatistics, MeanScaleDividesByTheInputs) {
    const ExecutionContext context({.threads = 1});
    DenseOptions options{.inputs = 8, .neurons = 1, .length = 512, .seed = 9};
    const std::vector<double> weights = oracle::uniform(8, 0, 1, 1);
    const std::vector<double> x = oracle::uniform(8, 0, 1, 2);
    std::vector<double> sum(1), mean(1);
    DenseLayer(options, weights).forward(context, x, sum);
    options.scale = Scale::mean;
    DenseLayer(options, weights).forward(context, x, mean);
    EXPECT_DOUBLE_EQ(mean[0], sum[0] / 8);
}

}  // namespace
}  // namespace bitaxon
