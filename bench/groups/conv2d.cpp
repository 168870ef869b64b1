// How close does a direct convolution come to counting at the machine's full speed?
#include "harness/oracle.hpp"
#include "harness/probes.hpp"
#include "harness/workloads.hpp"

#include <bitaxon/layers/conv2d.hpp>

#include <fmt/format.h>

#include <cmath>
#include <map>
#include <tuple>

namespace bitaxon::bench {
namespace {

constexpr std::uint64_t kLayerSeed = 7;
constexpr std::uint64_t kForwardSeed = 11;  // make_context's
constexpr std::size_t kKernel = 3;
constexpr std::size_t kChecked = 24;  // outputs that are compared with the bit loop

// A square image through 3 x 3 kernels, padded by one: as many positions as pixels.
struct ConvShape {
    std::size_t channels;
    std::size_t size;
    std::size_t filters;
    std::size_t length;
    Coding coding;

    auto operator<=>(const ConvShape&) const = default;
    double product_bits() const {
        return static_cast<double>(size * size * filters * channels * kKernel * kKernel * length);
    }
};

struct ConvWork {
    explicit ConvWork(const ConvShape& s);
    void check(const std::vector<double>& outputs) const;
    double bit_loop(std::size_t output) const;

    const ConvShape shape;
    const std::vector<double> sample;
    const Conv2d layer;
    const StreamArray streams;
};

Conv2d make_layer(const ConvShape& s) {
    const double low = s.coding == Coding::unipolar ? 0 : -1;
    std::vector<double> weights =
        random_values(s.filters * s.channels * kKernel * kKernel, low, 1, 2);
    weights[0] = 1;  // so the weight scale is 1
    return Conv2d({.channels = s.channels,
                   .height = s.size,
                   .width = s.size,
                   .filters = s.filters,
                   .kernel = {kKernel, kKernel},
                   .padding = {1, 1},
                   .length = s.length,
                   .coding = s.coding,
                   .seed = kLayerSeed},
                  weights);
}

ConvWork::ConvWork(const ConvShape& s)
    : shape(s),
      sample(random_values(s.channels * s.size * s.size, s.coding == Coding::bipolar ? -1 : 0, 1)),
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
    const std::size_t filter = output / (shape.size * shape.size);
    const std::size_t y = output / shape.size % shape.size;
    const std::size_t x = output % shape.size;
    double sum = 0;
    for (std::size_t c = 0; c < shape.channels; ++c)
        for (std::size_t ky = 0; ky < kKernel; ++ky)
            for (std::size_t kx = 0; kx < kKernel; ++kx) {
                const std::size_t iy = y + ky - 1;  // beyond the size where it is negative
                const std::size_t ix = x + kx - 1;
                if (iy >= shape.size || ix >= shape.size) continue;
                const std::size_t i = (c * shape.size + iy) * shape.size + ix;
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

using Path = void (*)(const ConvWork&, const ExecutionContext&, std::vector<double>&);

void forward(const ConvWork& work, const ExecutionContext& context, std::vector<double>& out) {
    work.layer.forward(context, work.sample, out);
}
void forward_prepacked(const ConvWork& work, const ExecutionContext& context,
                       std::vector<double>& out) {
    work.layer.forward_prepacked(context, work.streams.view(),
                                 row_major(std::span<double>(out), out.size()));
}

Experiment conv2d(const ConvShape& shape, Path path, kernels::Tier tier) {
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

}  // namespace

void add_conv2d(Suite& suite) {
    const auto add = [&](std::string_view name, Path path, const ConvShape& shape,
                         kernels::Tier tier) {
        const std::string operation = shape.coding == Coding::unipolar
                                          ? std::string(name)
                                          : fmt::format("{}-{}", name, bitaxon::name(shape.coding));
        suite.add(make_id("conv2d", operation, tier,
                          fmt::format("{0}x{1}x{1}x{2}x{3}", shape.channels, shape.size,
                                      shape.filters, shape.length)),
                  [=] { return conv2d(shape, path, tier); });
    };
    const kernels::Tier top = suite.settings.top();
    for (const Coding coding : {Coding::unipolar, Coding::bipolar, Coding::split_unipolar})
        add("forward_prepacked", forward_prepacked, {32, 32, 32, 256, coding}, top);
    add("forward", forward, {32, 32, 32, 256, Coding::unipolar}, top);
    if (!suite.settings.quick) add("forward", forward, {3, 32, 32, 1024, Coding::unipolar}, top);
}

}  // namespace bitaxon::bench
