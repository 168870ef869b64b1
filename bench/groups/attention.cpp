// How much of its time does attention spend on drawing bits, which it cannot do without?
#include "harness/oracle.hpp"
#include "harness/probes.hpp"
#include "harness/workloads.hpp"

#include <bitaxon/layers/attention.hpp>

#include <fmt/format.h>

#include <cmath>

namespace bitaxon::bench {
namespace {

constexpr std::uint64_t kLayerSeed = 7;
constexpr std::uint64_t kForwardSeed = 11;  // make_context's
constexpr std::size_t kChecked = 8;         // outputs that are compared with the bit loop

struct AttentionWork {
    AttentionWork(std::size_t tokens, std::size_t heads, std::size_t head_width,
                  std::uint64_t length);
    void check(const std::vector<double>& outputs) const;
    double bit_loop(std::size_t output) const;
    Words stream(std::size_t index, double probability) const;

    const AttentionOptions o;
    const Attention layer;
    const std::vector<double> sample;
    // Inputs, and a probability for each pair of tokens.
    double encoded_bits() const {
        return static_cast<double>((layer.inputs() + o.heads * o.tokens * o.tokens) *
                                   o.streams.length);
    }
};

AttentionWork::AttentionWork(std::size_t tokens, std::size_t heads, std::size_t head_width,
                             std::uint64_t length)
    : o{.tokens = tokens,
        .heads = heads,
        .head_width = head_width,
        .streams = {.length = length, .coding = Coding::bipolar, .seed = kLayerSeed}},
      layer(o), sample(random_values(layer.inputs(), -1, 1)) {}

Words AttentionWork::stream(std::size_t index, double probability) const {
    const std::uint64_t base = oracle::key_base(oracle::mix(kLayerSeed) ^ kForwardSeed, 0, 0, 0);
    Words words(words_for(o.streams.length));
    oracle::bernoulli(oracle::stream_key(base, index),
                      static_cast<std::uint64_t>(std::nearbyint(std::ldexp(probability, 32))),
                      o.streams.length, words.data());
    return words;
}

double AttentionWork::bit_loop(std::size_t output) const {
    const std::size_t width = o.heads * o.head_width;
    const std::size_t i = output / width;
    const std::size_t head = output % width / o.head_width;
    const auto length = static_cast<double>(o.streams.length);
    const auto input = [&](std::size_t token, std::size_t part, std::size_t column) {
        const std::size_t index = (3 * token + part) * width + column;
        return stream(index, (sample[index] + 1) / 2);
    };
    const auto count = [&](const Words& a, const Words& b, auto f) {
        return static_cast<double>(oracle::count(a.data(), b.data(), o.streams.length, f));
    };
    std::vector<double> scores;
    double most = -1e300;
    for (std::size_t j = 0; j < o.tokens; ++j) {
        double sum = 0;
        for (std::size_t c = head * o.head_width; c < (head + 1) * o.head_width; ++c)
            sum +=
                2 * count(input(i, 0, c), input(j, 1, c), [](bool a, bool b) { return a == b; }) -
                length;
        scores.push_back(sum / length / std::sqrt(static_cast<double>(o.head_width)));
        most = std::max(most, scores.back());
    }
    double total = 0;
    for (double& score : scores) total += score = std::exp(score - most);
    double sum = 0;
    for (std::size_t j = 0; j < o.tokens; ++j) {
        const Words gate =
            stream(layer.inputs() + (head * o.tokens + i) * o.tokens + j, scores[j] / total);
        sum += count(gate, input(j, 2, output % width), [](bool a, bool b) { return a && b; }) -
               count(gate, input(j, 2, output % width), [](bool a, bool b) { return a && !b; });
    }
    return sum / length;
}

void AttentionWork::check(const std::vector<double>& outputs) const {
    for (const std::size_t n : oracle::spread(outputs.size(), kChecked))
        oracle::expect_near(fmt::format("output {}", n), outputs[n], bit_loop(n), 1e-12);
}

Experiment attention(std::shared_ptr<const AttentionWork> work, kernels::Tier tier) {
    std::vector<double> out(work->layer.neurons());
    work->layer.forward(make_context(tier), work->sample, out);
    work->check(out);
    Experiment experiment(
        "Gbit/s", contestant(work->encoded_bits(), [=, context = make_context(tier)]() mutable {
            work->layer.forward(context, work->sample, out);
        }));
    experiment.limited_by(encode_probe());
    return experiment;
}

}  // namespace

void add_attention(Suite& suite) {
    const kernels::Tier top = suite.settings.top();
    const auto add = [&](std::size_t tokens, std::size_t heads, std::size_t head_width,
                         std::uint64_t length) {
        suite.add(make_id("attention", "forward", top,
                          fmt::format("{}x{}x{}x{}", tokens, heads, head_width, length)),
                  [=] {
                      return attention(
                          std::make_shared<const AttentionWork>(tokens, heads, head_width, length),
                          top);
                  });
    };
    add(64, 4, 16, 256);
    if (!suite.settings.quick) add(256, 1, 64, 1024);
}

}  // namespace bitaxon::bench
