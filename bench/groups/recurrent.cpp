// How close do steps with a state come to counting at the machine's full speed?
#include "harness/oracle.hpp"
#include "harness/probes.hpp"
#include "harness/workloads.hpp"

#include <bitaxon/layers/recurrent.hpp>

#include <fmt/format.h>

#include <cmath>
#include <map>
#include <tuple>

namespace bitaxon::bench {
namespace {

constexpr std::uint64_t kLayerSeed = 7;
constexpr std::uint64_t kForwardSeed = 11;  // make_context's

struct RecurrentShape {
    std::size_t samples;
    std::size_t steps;
    std::size_t inputs;
    std::size_t units;
    std::size_t length;
    bool gated;  ///< MGU, else Recurrent

    auto operator<=>(const RecurrentShape&) const = default;
    std::size_t rows() const { return (gated ? 2 : 1) * units; }
    double product_bits() const {
        return static_cast<double>(samples * steps * rows() * (inputs + units) * length);
    }
};

Layer make_layer(const RecurrentShape& s) {
    const double scale = 2 / std::sqrt(static_cast<double>(s.units));
    std::vector<double> weights = random_values(s.rows() * (s.inputs + s.units), -scale, scale, 2);
    const RecurrentOptions options{.steps = s.steps,
                                   .inputs = s.inputs,
                                   .units = s.units,
                                   .length = s.length,
                                   .seed = kLayerSeed};
    if (s.gated) return MGU(options, weights);
    return Recurrent(options, weights);
}

struct RecurrentWork {
    explicit RecurrentWork(const RecurrentShape& s)
        : shape(s), samples(random_values(s.samples * s.steps * s.inputs, 0, 1)),
          layer(make_layer(s)), expected(first_sample()) {}

    void check(const std::vector<double>& outputs) const {
        for (std::size_t n = 0; n < expected.size(); ++n)
            oracle::expect_near(fmt::format("state {}", n), outputs[n], expected[n], 1e-12);
    }

    const RecurrentShape shape;
    const std::vector<double> samples;
    const Layer layer;
    const std::vector<double> expected;  ///< states of sample 0

  private:
    std::vector<double> first_sample() const;
};

Words stream(std::uint64_t base, std::size_t index, double value, std::size_t length) {
    Words words(words_for(length));
    oracle::bernoulli(oracle::stream_key(base, index),
                      static_cast<std::uint64_t>(std::nearbyint(std::ldexp(std::abs(value), 32))),
                      length, words.data());
    return words;
}

std::vector<double> RecurrentWork::first_sample() const {
    const RecurrentShape& s = shape;
    const std::size_t fan_in = s.inputs + s.units;
    const std::uint64_t weight_seed = oracle::mix(kLayerSeed);
    const std::uint64_t weight_base = oracle::key_base(weight_seed, 0, 1, 0);
    const std::uint64_t input_base = oracle::key_base(weight_seed ^ kForwardSeed, 0, 0, 0);
    std::vector<Words> weights;
    for (std::size_t i = 0; i < layer.weights().size(); ++i)
        weights.push_back(
            stream(weight_base, i, layer.weights()[i] / layer.weight_scale(), s.length));
    // The sum of rows first ... of a step for inputs and values h, whose streams begin at `index`.
    const auto sums = [&](std::size_t step, std::size_t index, const std::vector<double>& h,
                          std::size_t first, std::size_t count) {
        std::vector<double> values(samples.begin() + static_cast<std::ptrdiff_t>(step * s.inputs),
                                   samples.begin() +
                                       static_cast<std::ptrdiff_t>((step + 1) * s.inputs));
        values.insert(values.end(), h.begin(), h.end());
        std::vector<double> result(count, 0.0);
        for (std::size_t i = 0; i < fan_in; ++i) {
            const std::size_t at = i < s.inputs ? step * s.inputs + i : index + i - s.inputs;
            const Words x = stream(input_base, at, values[i], s.length);
            for (std::size_t row = 0; row < count; ++row) {
                const std::size_t w = (first + row) * fan_in + i;
                std::uint64_t ones = 0;
                for (std::size_t k = 0; k < x.size(); ++k)
                    ones += static_cast<std::uint64_t>(__builtin_popcountll(x[k] & weights[w][k]));
                result[row] += std::copysign(1.0, layer.weights()[w]) *
                               std::copysign(1.0, values[i]) * static_cast<double>(ones);
            }
        }
        for (double& sum : result) sum *= layer.weight_scale() / static_cast<double>(s.length);
        return result;
    };
    std::vector<double> h(s.units, 0.0), all;
    for (std::size_t step = 0; step < s.steps; ++step) {
        const std::size_t stages = s.gated ? 2 : 1;
        const std::size_t index = s.steps * s.inputs + step * stages * s.units;
        std::vector<double> gate(s.units, 1.0), operand = h;
        if (s.gated) {
            gate = sums(step, index, h, 0, s.units);
            for (std::size_t u = 0; u < s.units; ++u)
                operand[u] *= gate[u] = 1 / (1 + std::exp(-gate[u]));
        }
        const std::vector<double> a =
            sums(step, index + (stages - 1) * s.units, operand, s.rows() - s.units, s.units);
        for (std::size_t u = 0; u < s.units; ++u)
            h[u] = (1 - gate[u]) * h[u] + gate[u] * std::tanh(a[u]);
        all.insert(all.end(), h.begin(), h.end());
    }
    return all;
}

std::shared_ptr<const RecurrentWork> recurrent_work(const RecurrentShape& shape) {
    static std::map<RecurrentShape, std::shared_ptr<const RecurrentWork>> made;
    auto& work = made[shape];
    if (!work) work = std::make_shared<const RecurrentWork>(shape);
    return work;
}

Experiment recurrent(const RecurrentShape& shape, kernels::Tier tier) {
    const auto work = recurrent_work(shape);
    std::vector<double> out(shape.samples * work->layer.neurons());
    work->layer.forward_batch(make_context(tier), work->samples, out);
    work->check(out);
    Experiment experiment(
        "Gbit/s", contestant(shape.product_bits(), [=, context = make_context(tier)]() mutable {
            work->layer.forward_batch(context, work->samples, out);
        }));
    experiment.limited_by(and_popcount_probe());
    return experiment;
}

}  // namespace

void add_recurrent(Suite& suite) {
    const kernels::Tier top = suite.settings.top();
    const auto add = [&](const RecurrentShape& s) {
        suite.add(
            make_id("recurrent", s.gated ? "mgu" : "leaky", top,
                    fmt::format("{}x{}x{}x{}x{}", s.samples, s.steps, s.inputs, s.units, s.length)),
            [=] { return recurrent(s, top); });
    };
    const std::size_t samples = suite.settings.quick ? 8 : 32;
    for (const bool gated : {false, true}) add({samples, 8, 16, 128, 1024, gated});
    if (!suite.settings.quick) add({1, 100, 1, 100, 1024, false});
}

}  // namespace bitaxon::bench
