// How close does a direct convolution come to counting at the machine's full speed, and how close
// does a pool come to encoding, which is most of what it does alone?
#include "harness/conv_work.hpp"
#include "harness/oracle.hpp"
#include "harness/probes.hpp"

#include <bitaxon/layers/pool2d.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace bitaxon::bench {
namespace {

// Windows of 2 x 2 over one square image.
template <class Pool>
Experiment pool(std::size_t channels, std::size_t size, std::size_t length,
                double (*of)(const std::vector<double>&), kernels::Tier tier) {
    constexpr std::uint64_t kLayerSeed = 7, kForwardSeed = 11;  // the latter make_context's
    const auto layer = std::make_shared<const Pool>(
        Pool2dOptions{.channels = channels,
                      .height = size,
                      .width = size,
                      .kernel = {2, 2},
                      .streams = {.length = length, .seed = kLayerSeed}});
    const auto context = std::make_shared<const ExecutionContext>(make_context(tier));
    const auto x = std::make_shared<std::vector<double>>(random_values(layer->inputs(), 0, 1));
    const auto y = std::make_shared<std::vector<double>>(layer->neurons());
    const auto call = [=] { layer->forward(*context, *x, *y); };
    call();
    const std::uint64_t base = oracle::key_base(oracle::mix(kLayerSeed) ^ kForwardSeed, 0, 0, 0);
    for (const std::size_t n : oracle::spread(y->size(), 100)) {
        std::vector<double> window;
        const std::size_t row = n / (size / 2) * 2, column = n % (size / 2) * 2;
        for (const std::size_t i : {row * size + column, row * size + column + 1,
                                    (row + 1) * size + column, (row + 1) * size + column + 1}) {
            Words words(words_for(length));
            oracle::bernoulli(oracle::stream_key(base, i),
                              static_cast<std::uint64_t>(std::nearbyint(std::ldexp((*x)[i], 32))),
                              length, words.data());
            const std::uint64_t ones =
                oracle::count(words.data(), words.data(), length, [](bool a, bool) { return a; });
            window.push_back(static_cast<double>(ones) / static_cast<double>(length));
        }
        oracle::expect_near(fmt::format("output {}", n), (*y)[n], of(window), 1e-12);
    }
    return Experiment("Gbit/s", contestant(static_cast<double>(x->size() * length), call))
        .limited_by(encode_probe());
}

double mean_of(const std::vector<double>& four) {
    return (four[0] + four[1] + four[2] + four[3]) / 4;
}
double largest_of(const std::vector<double>& four) { return *std::ranges::max_element(four); }

}  // namespace

void add_conv2d(Suite& suite) {
    const auto add = [&](std::string_view name, ConvPath path, const ConvShape& shape,
                         kernels::Tier tier) {
        const std::string operation = shape.coding == Coding::unipolar
                                          ? std::string(name)
                                          : fmt::format("{}-{}", name, bitaxon::name(shape.coding));
        suite.add(make_id("conv2d", operation, tier,
                          fmt::format("{}x{}x{}x{}x{}", shape.channels, shape.height, shape.width,
                                      shape.filters, shape.length)),
                  [=] { return conv2d(shape, path, tier); });
    };
    const kernels::Tier top = suite.settings.top();
    const ConvShape square{.channels = 32, .height = 32, .width = 32, .filters = 32, .length = 256};
    for (const Coding coding : {Coding::unipolar, Coding::bipolar, Coding::split_unipolar}) {
        ConvShape coded = square;
        coded.coding = coding;
        add("forward_prepacked", forward_prepacked, coded, top);
    }
    add("forward", forward, square, top);
    suite.add(make_id("conv2d", "average_pool", top, "32x32x32x256"),
              [=] { return pool<AveragePool2d>(32, 32, 256, mean_of, top); });
    suite.add(make_id("conv2d", "max_pool", top, "32x32x32x256"),
              [=] { return pool<MaxPool2d>(32, 32, 256, largest_of, top); });
    if (!suite.settings.quick)
        add("forward", forward,
            {.channels = 3, .height = 32, .width = 32, .filters = 32, .length = 1024}, top);
}

}  // namespace bitaxon::bench
