#include "harness/workloads.hpp"

#include "harness/oracle.hpp"
#include "harness/suite.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <random>

namespace bitaxon::bench {
namespace {

constexpr std::uint64_t kLayerSeed = 7;
constexpr std::uint64_t kForwardSeed = 11;
constexpr double kOracleBits = 1 << 24;  // looped over for one workload: a tenth of a second or two

DenseLayer make_layer(const DenseShape& s) {
    const double low = s.coding == Coding::unipolar ? 0 : -1;
    std::vector<double> weights = random_values(s.neurons * s.inputs, low, 1, 2);
    weights[0] = 1;  // so the weight scale is 1
    return DenseLayer({.inputs = s.inputs,
                       .neurons = s.neurons,
                       .length = s.length,
                       .coding = s.coding,
                       .seed = kLayerSeed},
                      weights);
}

double probability(double value, Coding coding) {
    return coding == Coding::bipolar ? (value + 1) / 2 : std::abs(value);
}

// Streams 0 ... count - 1 of those that start at `first_index`, one after another.
Words oracle_streams(std::uint64_t base, std::size_t first_index, const double* values,
                     std::size_t count, const DenseShape& shape) {
    const std::size_t words = words_for(shape.length);
    Words out(count * words);
    for (std::size_t i = 0; i < count; ++i) {
        const double p = probability(values[i], shape.coding);
        oracle::bernoulli(oracle::stream_key(base, first_index + i),
                          static_cast<std::uint64_t>(std::nearbyint(std::ldexp(p, 32))),
                          shape.length, out.data() + i * words);
    }
    return out;
}

// The linear sum of products of one sample and one neuron.
double oracle_output(const Words& inputs, const Words& weights, const double* values,
                     const DenseShape& shape) {
    const std::size_t words = words_for(shape.length);
    double sum = 0;
    for (std::size_t i = 0; i < shape.inputs; ++i) {
        const auto count = [&](auto f) {
            return static_cast<double>(oracle::count(inputs.data() + i * words,
                                                     weights.data() + i * words, shape.length, f));
        };
        switch (shape.coding) {
        case Coding::unipolar:
            sum += count([](bool x, bool w) { return x && w; });
            break;
        case Coding::bipolar:
            sum += 2 * count([](bool x, bool w) { return x == w; }) -
                   static_cast<double>(shape.length);
            break;
        case Coding::split_unipolar:
            sum += std::copysign(1.0, values[i]) * count([](bool x, bool w) { return x && w; });
            break;
        }
    }
    return sum / static_cast<double>(shape.length);
}

}  // namespace

std::shared_ptr<Words> random_words(std::size_t count, std::uint64_t seed) {
    auto words = std::make_shared<Words>(count);
    std::mt19937_64 generator(seed);
    std::ranges::generate(*words, generator);
    return words;
}

std::vector<double> random_values(std::size_t count, double low, double high, std::uint64_t seed) {
    std::vector<double> values(count);
    std::mt19937_64 generator(seed);
    std::uniform_real_distribution<double> uniform(low, high);
    std::ranges::generate(values, [&] { return uniform(generator); });
    return values;
}

ExecutionContext make_context(kernels::Tier tier, int threads) {
    return ExecutionContext(
        {.threads = threads, .tier = std::string(kernels::info(tier).name), .seed = kForwardSeed});
}

std::string DenseShape::size() const {
    return fmt::format("{}x{}x{}x{}", samples, inputs, neurons, length);
}

double DenseShape::encoded_bits() const { return static_cast<double>(samples * inputs * length); }

double DenseShape::product_bits() const { return encoded_bits() * static_cast<double>(neurons); }

DenseWork::DenseWork(const DenseShape& s)
    : shape(s),
      samples(random_values(s.samples * s.inputs, s.coding == Coding::bipolar ? -1 : 0, 1)),
      layer(make_layer(s)), streams(s.samples, s.inputs, s.length) {
    // As many outputs as the bit loop can afford, on a grid of samples and neurons.
    const double outputs = kOracleBits / static_cast<double>(s.inputs * s.length);
    const auto rows =
        oracle::spread(s.samples, static_cast<std::size_t>(std::max(2.0, std::sqrt(outputs))));
    const auto columns = oracle::spread(
        s.neurons,
        static_cast<std::size_t>(std::max(2.0, outputs / static_cast<double>(rows.size()))));

    const std::uint64_t weight_seed = oracle::mix(kLayerSeed);
    const std::uint64_t weight_base = oracle::key_base(weight_seed, 0, 1, 0);
    for (const std::size_t row : rows)
        expected_streams_.emplace_back(
            row, oracle_streams(oracle::key_base(weight_seed ^ kForwardSeed, 0, 0, row), 0,
                                samples.data() + row * s.inputs, s.inputs, s));
    for (const std::size_t column : columns) {
        const double* values = layer.weights().data() + column * s.inputs;
        const Words weights = oracle_streams(weight_base, column * s.inputs, values, s.inputs, s);
        for (const auto& [row, inputs] : expected_streams_)
            expected_.push_back({row, column, oracle_output(inputs, weights, values, s)});
    }
    encode(make_context(kernels::best_tier()), streams);
    check(streams);
}

void DenseWork::check(const std::vector<double>& outputs) const {
    for (const Expected& e : expected_)
        oracle::expect_near(fmt::format("output of sample {}, neuron {}", e.sample, e.neuron),
                            outputs[e.sample * shape.neurons + e.neuron], e.output, 1e-12);
}

void DenseWork::check(StreamArray& encoded) const {
    for (const auto& [row, words] : expected_streams_)
        oracle::expect_equal(fmt::format("streams of sample {},", row),
                             {encoded.row(row), words.size()}, words);
}

void DenseWork::encode(const ExecutionContext& context, StreamArray& out) const {
    const kernels::KernelTable& kernels = context.kernels();
    std::vector<std::uint64_t> key_a(shape.inputs), key_b(shape.inputs), thresholds(shape.inputs);
    const std::uint64_t seed = combine_seeds(layer.seed(), kForwardSeed);
    for (std::size_t r = 0; r < shape.samples; ++r) {
        for (std::size_t i = 0; i < shape.inputs; ++i)
            thresholds[i] = threshold(probability(samples[r * shape.inputs + i], shape.coding));
        kernels.stream_keys(key_base(seed, layer.id(), Role::input, r), 0, shape.inputs,
                            key_a.data(), key_b.data());
        kernels.encode_bernoulli({.key_a = key_a.data(),
                                  .key_b = key_b.data(),
                                  .thresholds = thresholds.data(),
                                  .words_per_stream = out.words_per_stream(),
                                  .first_time_word = 0,
                                  .tail_mask = tail_mask(shape.length),
                                  .first_word = 0,
                                  .words = shape.inputs * out.words_per_stream(),
                                  .out = out.row(r)});
    }
}

std::shared_ptr<const DenseWork> dense_work(const DenseShape& shape) {
    static std::map<DenseShape, std::shared_ptr<const DenseWork>> made;
    auto& work = made[shape];
    if (!work) work = std::make_shared<const DenseWork>(shape);
    return work;
}

}  // namespace bitaxon::bench
