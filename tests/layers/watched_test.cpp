// Layers and networks on a context that is stopped: the call ends, and nothing is half made.
#include <bitaxon/core/error.hpp>
#include <bitaxon/layers/conv2d.hpp>
#include <bitaxon/layers/dense.hpp>
#include <bitaxon/layers/network.hpp>

#include "oracle.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <functional>
#include <stdexcept>
#include <utility>
#include <vector>

namespace bitaxon {
namespace {

DenseLayer make_layer(std::size_t inputs, std::size_t neurons,
                      const ExecutionContext& context = ExecutionContext::shared()) {
    return DenseLayer({.inputs = inputs, .neurons = neurons, .length = 300, .seed = 5},
                      oracle::uniform(inputs * neurons, 0, 1, 2), {}, context);
}

std::vector<double> outputs_of(const Network& network) {
    const std::vector<double> x = oracle::uniform(network.inputs(), 0, 1, 3);
    std::vector<double> y(network.neurons());
    network.forward(ExecutionContext::shared(), x, y, {.seed = 9, .sample = 0, .monitor = {}});
    return y;
}

class WatchedNetwork : public testing::Test {
  protected:
    void expect_unchanged() {
        EXPECT_EQ(network.repr(), repr);
        EXPECT_EQ(outputs_of(network), outputs);
    }

    Network network = Network({make_layer(20, 12), make_layer(12, 5)});
    const std::string repr = network.repr();
    const std::vector<double> outputs = outputs_of(network);
    const std::vector<double> x = oracle::uniform(50 * 20, 0, 1, 3);
    const MatrixView<const double> samples = row_major(std::span<const double>(x), 20);
};

TEST_F(WatchedNetwork, AStoppedCallChangesNothing) {
    const std::string file = testing::TempDir() + "watched.safetensors";
    network.save(file);
    std::stop_source source;
    source.request_stop();
    const Monitor monitor{.progress = {}, .stop = source.get_token(), .job = nullptr};
    const ExecutionContext stopped = ExecutionContext::shared().watched(monitor);
    DenseLayer layer = make_layer(20, 12);
    const std::string text = layer.repr();
    const std::string checksum = layer.checksum();
    const std::vector<double> weights(12 * 20, 0.25);
    const std::vector<double> norms(12, 0.5);
    std::vector<double> y(50 * 5);
    const MatrixView<double> out = row_major(std::span(y), 5);
    const std::pair<const char*, std::function<void()>> calls[] = {
        {"DenseLayer", [&] { make_layer(20, 12, stopped); }},
        {"Conv2d",
         [&] {
             Conv2d({.channels = 1,
                     .height = 4,
                     .width = 5,
                     .filters = 2,
                     .kernel = {2, 2},
                     .length = 70},
                    std::vector<double>(8, 0.5), {}, stopped);
         }},
        {"Network",
         [&] {
             Network({make_layer(20, 12), make_layer(12, 5)}, stopped);
         }},
        {"load", [&] { Network::load(file, stopped); }},
        {"save", [&] { network.save(file, stopped); }},
        {"layer.redraw", [&] { layer.redraw(stopped); }},
        {"set_weights",
         [&] { layer.set_weights(row_major(std::span<const double>(weights), 20), stopped); }},
        {"fold_batch_norm",
         [&] { layer.fold_batch_norm({.mean = norms, .variance = norms}, stopped); }},
        {"redraw", [&] { network.redraw(stopped); }},
        {"set_lengths",
         [&] {
             network.set_lengths(std::vector<std::uint64_t>{300, 128}, stopped);
         }},
        {"calibrate", [&] { network.calibrate(stopped, samples); }},
        {"tune", [&] { network.tune(stopped, samples); }},
        {"tune by its monitor",
         [&] {
             network.tune(ExecutionContext::shared(), samples,
                          {.target = 0.1, .labels = {}, .forward = {.monitor = monitor}});
         }},
        {"encode", [&] { network.encode(stopped, std::span(x).first(20)); }},
        {"forward_batch", [&] { network.forward_batch(stopped, samples, out); }},
        {"forward_expected", [&] { network.forward_expected(stopped, samples, out); }},
        {"forward_deviation", [&] { network.forward_deviation(stopped, samples, out); }},
    };
    for (const auto& [name, call] : calls) {
        SCOPED_TRACE(name);
        try {
            call();
            ADD_FAILURE() << "was not stopped";
        } catch (const Error& error) {
            EXPECT_EQ(error.code(), ErrorCode::cancelled) << error.what();
        }
        expect_unchanged();
        EXPECT_EQ(layer.repr(), text);
        EXPECT_EQ(layer.checksum(), checksum);
    }
    std::filesystem::remove(file);
}

// The second layer's streams take a while to draw; the first ones are drawn by then.
TEST_F(WatchedNetwork, ChangesAllLayersOrNone) {
    const auto enough = [](std::size_t, std::size_t) { throw std::runtime_error("enough"); };
    const ExecutionContext watched =
        ExecutionContext::shared().watched({.progress = enough, .stop = {}, .job = nullptr});
    EXPECT_THROW(network.set_lengths(std::vector<std::uint64_t>{128, 1 << 24}, watched),
                 std::runtime_error);
    expect_unchanged();
}

TEST(Network, CalibrationFindsTheExactQuantile) {
    // Identity weights: what reaches the second layer are the inputs, up to their 32-bit
    // thresholds.
    const std::vector<double> identity = {1, 0, 0, 1};
    const DenseOptions options{
        .inputs = 2, .neurons = 2, .length = 64, .input_range = 4, .seed = 1};
    Network network({DenseLayer(options, identity), DenseLayer(options, identity)});
    const std::vector<double> x = {3, 0, 1, 0, 2, 0, 1.5, 0.25};
    const auto samples = row_major(std::span<const double>(x), 2);
    for (const auto& [quantile, range] : {std::pair{1.0, 3.0},
                                          {0.99, 3.0},
                                          {0.875, 2.0},
                                          {0.75, 1.5},
                                          {0.625, 1.0},
                                          {0.5, 0.25},
                                          {0.1, 3.0}}) {
        network.calibrate(ExecutionContext::shared(), samples, quantile);
        EXPECT_EQ(network.layers()[1].input_range(), range) << quantile;
    }
}

}  // namespace
}  // namespace bitaxon
