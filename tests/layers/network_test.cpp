#include <bitaxon/layers/network.hpp>

#include <bitaxon/core/error.hpp>

#include "oracle.hpp"

#include <gtest/gtest.h>

#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace bitaxon {
namespace {

constexpr std::size_t kInputs = 12, kHidden = 9, kOutputs = 4;

Network make(Coding coding, std::uint64_t length = 200) {
    DenseOptions first{.inputs = kInputs,
                       .neurons = kHidden,
                       .length = length,
                       .coding = coding,
                       .activation = Activation::relu,
                       .input_range = 2.0,
                       .seed = 11};
    if (coding == Coding::bipolar) first.activation = Activation::none;
    const DenseOptions second{
        .inputs = kHidden, .neurons = kOutputs, .length = length, .coding = coding, .seed = 12};
    return Network({oracle::random_layer(first, 100), oracle::random_layer(second, 200)});
}

std::vector<double> samples_of(const Network& network, std::size_t count) {
    return oracle::random_samples(network.layers()[0], count, 300);
}

MatrixView<const double> in(const std::vector<double>& x) {
    return row_major(std::span<const double>(x), kInputs);
}
MatrixView<double> out(std::vector<double>& y) { return row_major(std::span<double>(y), kOutputs); }

class NetworkCoding : public testing::TestWithParam<Coding> {};
INSTANTIATE_TEST_SUITE_P(Codings, NetworkCoding,
                         testing::Values(Coding::unipolar, Coding::bipolar, Coding::split_unipolar),
                         [](const auto& test) {
                             return test.param == Coding::split_unipolar
                                        ? "split"
                                        : std::string(name(test.param));
                         });

TEST_P(NetworkCoding, EqualsItsLayersOneAfterAnother) {
    const ExecutionContext context({.threads = 1});
    Network network = make(GetParam());
    const std::vector<double> x = samples_of(network, 6);
    network.calibrate(context, in(x));
    std::vector<double> y(6 * kOutputs);
    network.forward_batch(context, in(x), out(y), {.seed = 8, .sample = 3});
    const Layer& second = network.layers()[1];
    EXPECT_EQ(second.id(), 1u);
    for (std::size_t r = 0; r < 6; ++r) {
        const std::vector<double> sample(x.begin() + static_cast<std::ptrdiff_t>(r * kInputs),
                                         x.begin() +
                                             static_cast<std::ptrdiff_t>((r + 1) * kInputs));
        std::vector<double> hidden = oracle::forward(network.layers()[0], sample, 8, 3 + r);
        for (double& h : hidden)
            h = std::clamp(h, GetParam() == Coding::bipolar ? -second.input_range() : 0.0,
                           second.input_range());
        const std::vector<double> expected = oracle::forward(second, hidden, 8, 3 + r);
        for (std::size_t n = 0; n < kOutputs; ++n) EXPECT_EQ(y[r * kOutputs + n], expected[n]) << r;
    }
}

TEST_P(NetworkCoding, PathsTiersAndThreadsGiveTheSameBits) {
    Network network = make(GetParam());
    const std::size_t count = 150;
    const std::vector<double> x = samples_of(network, count);
    const ExecutionContext portable({.threads = 1, .tier = "portable"});
    network.calibrate(portable, in(x));
    std::vector<double> expected(count * kOutputs);
    for (std::size_t r = 0; r < count; ++r)
        network.forward(portable, std::span(x).subspan(r * kInputs, kInputs),
                        std::span(expected).subspan(r * kOutputs, kOutputs),
                        {.seed = 1, .sample = r});
    for (const kernels::TierInfo& tier : kernels::tiers()) {
        if (!tier.supported) continue;
        for (const int threads : {1, 2, 4}) {
            const ExecutionContext context(
                {.threads = threads, .tier = std::string(tier.name), .seed = 1});
            std::vector<double> y(expected.size());
            network.forward_batch(context, in(x), out(y));
            EXPECT_EQ(y, expected) << tier.name << ", " << threads;
            for (std::size_t r = 0; r < 20; ++r) {
                const auto sample = std::span(x).subspan(r * kInputs, kInputs);
                const ForwardOptions options{.sample = r};
                std::vector<double> one(kOutputs), packed(kOutputs);
                network.forward_fast(context, sample, one, options);
                const StreamArray streams = network.encode(context, sample, options);
                network.forward_prepacked(context, streams.view(), out(packed), options);
                for (std::size_t n = 0; n < kOutputs; ++n) {
                    EXPECT_EQ(one[n], expected[r * kOutputs + n]);
                    EXPECT_EQ(packed[n], expected[r * kOutputs + n]);
                }
            }
        }
    }
}

TEST(Network, CalibrationTakesTheQuantileAndSaturationIsCounted) {
    const ExecutionContext context({.threads = 1});
    Network network = make(Coding::split_unipolar);
    const std::vector<double> x = samples_of(network, 400);
    network.calibrate(context, in(x), 1.0);
    const double all = network.layers()[1].input_range();
    std::vector<double> hidden(400 * kHidden);
    network.layers()[0].forward_expected(context, in(x), row_major(std::span(hidden), kHidden),
                                         ExpectedWeights::mean);
    EXPECT_EQ(all, *std::max_element(hidden.begin(), hidden.end()));
    network.calibrate(context, in(x), 0.5);
    EXPECT_LT(network.layers()[1].input_range(), all);
    EXPECT_EQ(network.saturated(), 0u);
    std::vector<double> y(400 * kOutputs);
    network.forward_batch(context, in(x), out(y));
    // Half of the magnitudes lie above a median; relu's zeros do not.
    EXPECT_GT(network.saturated(), 400u * kHidden / 4);
    EXPECT_LE(network.saturated(), 400u * kHidden);
    for (const double bad : {0.0, 1.5, -1.0})
        EXPECT_THROW(network.calibrate(context, in(x), bad), Error);
}

TEST(Network, LongStreamsApproachTheExpectation) {
    const ExecutionContext context({.threads = 2});
    Network network = make(Coding::split_unipolar, 1 << 18);
    const std::vector<double> x = samples_of(network, 3);
    network.calibrate(context, in(x), 1.0);
    std::vector<double> y(3 * kOutputs), limit(y), streamed(y);
    network.forward_batch(context, in(x), out(y));
    network.forward_streamed(context, in(x), out(streamed), {}, {.stop = Stop::none});
    network.forward_expected(context, in(x), out(limit));
    // Sigma of an output is about 3 * sqrt(21 inputs / 2^18 bits) = 0.03 at most.
    for (std::size_t i = 0; i < y.size(); ++i) {
        EXPECT_NEAR(y[i], limit[i], 0.15);
        EXPECT_NEAR(streamed[i], limit[i], 0.15);
    }
}

TEST(Network, StreamedStopsAndReportsItsLengths) {
    const ExecutionContext context({.threads = 2});
    Network network = make(Coding::split_unipolar, 2048);
    const std::vector<double> x = samples_of(network, 300);
    network.calibrate(context, in(x));
    std::vector<double> full(300 * kOutputs), early(full);
    std::vector<std::uint64_t> lengths(300);
    network.forward_streamed(context, in(x), out(full), {}, {.stop = Stop::none});
    network.forward_streamed(context, in(x), out(early), lengths, {.delta = 0.05});
    double mean = 0.0;
    int differ = 0;
    for (std::size_t r = 0; r < 300; ++r) {
        mean += static_cast<double>(lengths[r]) / 300;
        const auto best = [&](const std::vector<double>& y) {
            const auto begin = y.begin() + static_cast<std::ptrdiff_t>(r * kOutputs);
            return std::max_element(begin, begin + kOutputs) - begin;
        };
        differ += best(full) != best(early);
    }
    std::cout << "mean length " << mean << " of 2048, " << differ << " of 300 answers differ\n";
    EXPECT_LT(mean, 2048);
    EXPECT_LE(differ, 300 * 0.05 + 3 * std::sqrt(300 * 0.05 * 0.95));
}

TEST(Network, SaturationIsCountedForSamplesThatStopEarly) {
    const ExecutionContext context({.threads = 1});
    Network network = make(Coding::split_unipolar, 2048);
    const std::vector<double> x = samples_of(network, 50);
    network.calibrate(context, in(x), 0.8);
    std::vector<double> y(50 * kOutputs);
    std::vector<std::uint64_t> lengths(50);
    network.forward_expected(context, in(x), out(y));
    EXPECT_EQ(network.saturated(), 0u);  // no bits, nothing counted
    network.forward_streamed(context, in(x), out(y), lengths, {.delta = 0.5});
    EXPECT_GT(network.saturated(), 50u);
    const Network copy = network;
    network.forward_batch(context, in(x), out(y));
    EXPECT_LT(copy.saturated(), network.saturated());
}

TEST(Network, CalibrationIgnoresWhatTheNextCodingCannotHold) {
    const ExecutionContext context({.threads = 1});
    const DenseOptions a{
        .inputs = 1, .neurons = 2, .length = 64, .coding = Coding::split_unipolar, .seed = 1};
    const DenseOptions b{
        .inputs = 2, .neurons = 1, .length = 64, .coding = Coding::split_unipolar, .seed = 2};
    Network network(
        {DenseLayer(a, std::vector<double>{0.4, -4.0}), DenseLayer(b, std::vector<double>{1, 1})});
    const std::vector<double> x = {1.0};
    network.calibrate(context, {x.data(), 1, 1, 1, 1}, 1.0);
    EXPECT_NEAR(network.layers()[1].input_range(), 0.4, 1e-6);
}

TEST(Network, NeighboursMustFit) {
    const DenseOptions a{.inputs = 3, .neurons = 4, .length = 64, .seed = 1};
    try {
        Network({oracle::random_layer(a, 1), oracle::random_layer(a, 2)});
        FAIL() << "nothing was thrown";
    } catch (const Error& error) {
        EXPECT_EQ(std::string(error.what()),
                  "layers[1].inputs: got 3, expected 4, the neurons of the layer before");
    }
    EXPECT_THROW(Network({}), Error);
}

class NetworkFile : public testing::Test {
  protected:
    NetworkFile()
        : path_(std::filesystem::temp_directory_path() /
                ("bitaxon-" + std::to_string(::getpid()) + "-" +
                 std::string(testing::UnitTest::GetInstance()->current_test_info()->name()) +
                 ".safetensors")) {}
    ~NetworkFile() override { std::filesystem::remove(path_); }
    std::filesystem::path path_;
};

TEST_F(NetworkFile, LoadedNetworkGivesTheSameBits) {
    const ExecutionContext context({.threads = 1});
    for (const Coding coding : {Coding::unipolar, Coding::bipolar, Coding::split_unipolar}) {
        Network network = make(coding);
        const std::vector<double> x = samples_of(network, 10);
        network.calibrate(context, in(x));
        network.redraw(context);
        network.save(path_);
        const Network loaded = Network::load(path_);
        EXPECT_EQ(loaded.repr(), network.repr());
        std::vector<double> a(10 * kOutputs), b(a);
        network.forward_batch(context, in(x), out(a));
        loaded.forward_batch(context, in(x), out(b));
        EXPECT_EQ(a, b);
    }
}

TEST_F(NetworkFile, EveryTruncationAndEveryFlippedByteIsAnError) {
    const DenseOptions options{.inputs = 2, .neurons = 1, .length = 64, .seed = 1};
    Network({oracle::random_layer(options, 1)}).save(path_);
    std::ifstream stream(path_, std::ios::binary);
    const std::string bytes{std::istreambuf_iterator<char>(stream), {}};
    const auto expect_error = [&](const std::string& damaged, std::size_t place) {
        std::ofstream(path_, std::ios::binary) << damaged;
        EXPECT_THROW(Network::load(path_), Error) << "at byte " << place;
    };
    for (std::size_t size = 0; size < bytes.size(); ++size)
        expect_error(bytes.substr(0, size), size);
    for (std::size_t i = 0; i < bytes.size(); ++i) {
        std::string damaged = bytes;
        damaged[i] = static_cast<char>(damaged[i] ^ (1 << (i % 8)));
        expect_error(damaged, i);
    }
}

}  // namespace
}  // namespace bitaxon
