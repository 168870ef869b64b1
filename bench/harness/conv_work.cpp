#include "harness/conv_work.hpp"

#include "harness/oracle.hpp"
#include "harness/probes.hpp"

#include <fmt/format.h>

#include <cmath>
#include <map>

namespace bitaxon::bench {
namespace {

constexpr std::uint64_t kLayerSeed = 7;
constexpr std::uint64_t kForwardSeed = 11;  // make_context's
constexpr std::size_t kKernel = 3;
constexpr std::size_t kChecked = 24;  // outputs that are compared with the bit loop

Conv2d make_layer(const ConvShape& s) {
    const double low = s.coding == Coding::unipolar ? 0 : -1;
    std::vector<double> weights =
        random_values(s.filters * s.channels * kKernel * kKernel, low, 1, 2);
    weights[0] = 1;  // so the weight scale is 1
    return Conv2d({.channels = s.channels,
                   .height = s.height,
                   .width = s.width,
                   .filters = s.filters,
                   .kernel = {kKernel, kKernel},
                   .stride = {s.stride, s.stride},
                   .padding = {s.padding, s.padding},
                   .length = s.length,
                   .coding = s.coding,
                   .seed = kLayerSeed},
                  weights);
}

}  // namespace

double ConvShape::product_bits() const {
    const auto outputs = [this](std::size_t size) {
        return (size + 2 * padding - kKernel) / stride + 1;
    };
    return static_cast<double>(outputs(height) * outputs(width) * filters * channels * kKernel *
                               kKernel * length);
}

ConvWork::ConvWork(const ConvShape& s)
    : shape(s), sample(random_values(s.channels * s.height * s.width,
                                     s.coding == Coding::bipolar ? -1 : 0, 1)),
      layer(make_layer(s)), streams(layer.encode(make_context(kernels::best_tier()), sample)) {}

double ConvWork::bit_loop(std::size_t output) const {
    const std::uint64_t weight_seed = oracle::mix(kLayerSeed);
    const std::uint64_t weight_base = oracle::key_base(weight_seed, 0, 1, 0);
    const std::uint64_t input_base = oracle::key_base(weight_seed ^ kForwardSeed, 0, 0, 0);
    const bool bipolar = shape.coding == Coding::bipolar;
    const auto stream = [&](std::uint64_t base, std::size_t index, double value) {
        const double p = bipolar ? (value + 1) / 2 : std::abs(value);
        Words words(words_for(shape.length));
        oracle::bernoulli(oracle::stream_key(base, index),
                          static_cast<std::uint64_t>(std::nearbyint(std::ldexp(p, 32))),
                          shape.length, words.data());
        return words;
    };
    const Extent2d size = conv2d_output(layer);
    const std::size_t filter = output / (size.y * size.x);
    const std::size_t y = output / size.x % size.y;
    const std::size_t x = output % size.x;
    double sum = 0;
    for (std::size_t c = 0; c < shape.channels; ++c)
        for (std::size_t ky = 0; ky < kKernel; ++ky)
            for (std::size_t kx = 0; kx < kKernel; ++kx) {
                // Beyond the size where they are negative.
                const std::size_t iy = y * shape.stride + ky - shape.padding;
                const std::size_t ix = x * shape.stride + kx - shape.padding;
                if (iy >= shape.height || ix >= shape.width) continue;
                const std::size_t i = (c * shape.height + iy) * shape.width + ix;
                const std::size_t w = ((filter * shape.channels + c) * kKernel + ky) * kKernel + kx;
                const double weight = layer.weights()[w];
                const Words a = stream(input_base, i, sample[i]);
                const Words b = stream(weight_base, w, weight);
                const auto count = [&](auto f) {
                    return static_cast<double>(oracle::count(a.data(), b.data(), shape.length, f));
                };
                sum += bipolar ? 2 * count([](bool u, bool v) { return u == v; }) -
                                     static_cast<double>(shape.length)
                               : std::copysign(1.0, weight) *
                                     count([](bool u, bool v) { return u && v; });
            }
    return sum / static_cast<double>(shape.length);
}

void ConvWork::check(const std::vector<double>& outputs) const {
    for (const std::size_t n : oracle::spread(outputs.size(), kChecked))
        oracle::expect_near(fmt::format("output {}", n), outputs[n], bit_loop(n), 1e-12);
}

std::shared_ptr<const ConvWork> conv_work(const ConvShape& shape) {
    static std::map<ConvShape, std::shared_ptr<const ConvWork>> made;
    auto& work = made[shape];
    if (!work) work = std::make_shared<const ConvWork>(shape);
    return work;
}

void forward(const ConvWork& work, const ExecutionContext& context, std::vector<double>& out) {
    work.layer.forward(context, work.sample, out);
}
void forward_prepacked(const ConvWork& work, const ExecutionContext& context,
                       std::vector<double>& out) {
    work.layer.forward_prepacked(context, work.streams.view(),
                                 row_major(std::span<double>(out), out.size()));
}

Experiment conv2d(const ConvShape& shape, ConvPath path, kernels::Tier tier) {
    const auto work = conv_work(shape);
    std::vector<double> out(work->layer.neurons());
    path(*work, make_context(tier), out);
    work->check(out);
    Experiment experiment(
        "Gbit/s", contestant(shape.product_bits(), [=, context = make_context(tier)]() mutable {
            path(*work, context, out);
        }));
    experiment.limited_by(and_popcount_probe());
    return experiment;
}

}  // namespace bitaxon::bench
