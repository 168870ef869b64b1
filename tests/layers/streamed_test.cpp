// The stop rule: how often it is wrong, and what it saves.
#include <bitaxon/layers/dense.hpp>

#include "oracle.hpp"

#include <gtest/gtest.h>

#include <algorithm>

namespace bitaxon {
namespace {

constexpr Coding kCodings[] = {Coding::unipolar, Coding::bipolar, Coding::split_unipolar};

std::size_t argmax(std::span<const double> values) {
    return static_cast<std::size_t>(std::max_element(values.begin(), values.end()) -
                                    values.begin());
}

struct Outcome {
    double error_rate;
    double mean_length;
};

Outcome run(const DenseLayer& layer, std::size_t samples, double delta, std::uint64_t block) {
    const ExecutionContext context({.threads = 2});
    const std::vector<double> x = oracle::random_samples(layer, samples, 77);
    std::vector<double> full(samples * layer.neurons()), early(full.size());
    std::vector<std::uint64_t> lengths(samples);
    layer.forward_batch(context, x, full);
    layer.forward_streamed(context, row_major(std::span<const double>(x), layer.inputs()),
                           row_major(std::span(early), layer.neurons()), lengths,
                           {.delta = delta, .block_length = block});
    Outcome outcome{};
    for (std::size_t r = 0; r < samples; ++r) {
        const auto a = std::span<const double>(full).subspan(r * layer.neurons(), layer.neurons());
        const auto b = std::span<const double>(early).subspan(r * layer.neurons(), layer.neurons());
        outcome.error_rate += argmax(a) != argmax(b);
        outcome.mean_length += static_cast<double>(lengths[r]);
        EXPECT_TRUE(lengths[r] == layer.length() || lengths[r] % block == 0);
        // A sample that ran to the end is exact.
        if (lengths[r] == layer.length()) {
            EXPECT_TRUE(std::equal(a.begin(), a.end(), b.begin()));
        }
    }
    outcome.error_rate /= static_cast<double>(samples);
    outcome.mean_length /= static_cast<double>(samples);
    return outcome;
}

class StopRule : public testing::TestWithParam<Coding> {};
INSTANTIATE_TEST_SUITE_P(Codings, StopRule, testing::ValuesIn(kCodings), [](const auto& test) {
    return test.param == Coding::split_unipolar ? "split" : std::string(name(test.param));
});

TEST_P(StopRule, ErrorRateStaysBelowDelta) {
    constexpr std::size_t kSamples = 10'000;
    for (const double delta : {0.2, 0.05, 0.01}) {
        const DenseLayer layer = oracle::random_layer(
            {.inputs = 64, .neurons = 10, .length = 1024, .coding = GetParam(), .seed = 3}, 60);
        const Outcome outcome = run(layer, kSamples, delta, 64);
        std::cout << name(GetParam()) << ": delta " << delta << ", error rate "
                  << outcome.error_rate << ", mean length " << outcome.mean_length << " of 1024\n";
        EXPECT_LE(outcome.error_rate, delta + 3 * std::sqrt(delta * (1 - delta) / kSamples));
        EXPECT_LT(outcome.mean_length, 1024);
    }
}

// Neighbours that lie far apart are told apart early: a rule that never stops would pass the test
// above.
TEST_P(StopRule, ClearAnswersStopEarly) {
    std::vector<double> weights(10 * 64);
    for (std::size_t n = 0; n < 10; ++n)
        for (std::size_t i = 0; i < 64; ++i) weights[n * 64 + i] = i / 7 == n ? 1.0 : 0.1;
    const DenseLayer layer(
        {.inputs = 64, .neurons = 10, .length = 4096, .coding = GetParam(), .seed = 4}, weights);
    std::vector<double> x(64 * 10, 0.05), y(100);
    for (std::size_t r = 0; r < 10; ++r)
        for (std::size_t i = 0; i < 64; ++i)
            if (i / 7 == r) x[r * 64 + i] = 0.9;
    std::vector<std::uint64_t> lengths(10);
    const ExecutionContext context({.threads = 1});
    layer.forward_streamed(context, row_major(std::span<const double>(x), 64),
                           row_major(std::span(y), 10), lengths);
    for (std::size_t r = 0; r < 9; ++r) {
        EXPECT_LE(lengths[r], 512u);
        EXPECT_EQ(argmax(std::span<const double>(y).subspan(r * 10, 10)), r);
    }
}

// Outputs beyond the limits of an activation tie, and the lower index wins. Means at the limits are
// the worst case: what the first 64 bits say of a tie is a coin's toss.
TEST_P(StopRule, ErrorRateStaysBelowDeltaAtTheLimitsOfActivations) {
    constexpr std::size_t kSamples = 4000;
    constexpr double kDelta = 0.02;
    const double linear = GetParam() == Coding::bipolar ? 0.0 : 4.0;  // 16 inputs of 0.5 and 0.5
    struct Case {
        Activation activation;
        double first, second;  // means of the two neurons' linear outputs
    };
    for (const Case& c : {Case{Activation::clip, 1.0, 4.0}, Case{Activation::clip, 4.0, 1.0},
                          Case{Activation::relu, 0.0, -4.0}, Case{Activation::relu, -4.0, 0.0},
                          Case{Activation::relu, 0.0, 0.0}, Case{Activation::clip, 1.0, 1.0},
                          Case{Activation::clip, 0.0, 0.02}}) {
        const double mean = GetParam() == Coding::bipolar ? 0.0 : 0.5;
        const DenseLayer layer({.inputs = 16,
                                .neurons = 2,
                                .length = 1024,
                                .coding = GetParam(),
                                .activation = c.activation,
                                .weight_scale = 1.0,
                                .seed = 12},
                               std::vector<double>(32, 0.5),
                               std::vector<double>{c.first - linear, c.second - linear});
        const ExecutionContext context({.threads = 2});
        const std::vector<double> x(kSamples * 16, mean);
        std::vector<double> full(kSamples * 2), early(full);
        layer.forward_batch(context, x, full);
        layer.forward_streamed(context, row_major(std::span<const double>(x), 16),
                               row_major(std::span(early), 2), {}, {.delta = kDelta});
        double wrong = 0.0;
        for (std::size_t r = 0; r < kSamples; ++r)
            wrong += (full[2 * r + 1] > full[2 * r]) != (early[2 * r + 1] > early[2 * r]);
        EXPECT_LE(wrong / kSamples, kDelta + 3 * std::sqrt(kDelta * (1 - kDelta) / kSamples))
            << name(c.activation) << ", means " << c.first << " and " << c.second;
    }
}

TEST(StopRule, LargerBlocksLookLessOften) {
    const DenseLayer layer = oracle::random_layer(
        {.inputs = 32, .neurons = 4, .length = 1000, .coding = Coding::split_unipolar, .seed = 3},
        61);
    for (const std::uint64_t block : {64u, 128u, 256u, 1024u}) {
        const Outcome outcome = run(layer, 500, 0.05, block);
        EXPECT_LE(outcome.error_rate, 0.05 + 3 * std::sqrt(0.05 * 0.95 / 500));
    }
}

TEST(StopRule, BiasTakesPartInTheDecision) {
    // Equal weights: the bias alone decides, by far.
    const ExecutionContext context({.threads = 1});
    const DenseLayer layer({.inputs = 8, .neurons = 2, .length = 4096, .seed = 1},
                           std::vector<double>(16, 0.5), std::vector<double>{0.0, 6.0});
    const std::vector<double> x(8, 0.5);
    std::vector<double> y(2);
    std::vector<std::uint64_t> lengths(1);
    layer.forward_streamed(context, row_major(std::span<const double>(x), 8),
                           row_major(std::span(y), 2), lengths);
    EXPECT_LE(lengths[0], 256u);
    EXPECT_GT(y[1], y[0]);
}

}  // namespace
}  // namespace bitaxon
