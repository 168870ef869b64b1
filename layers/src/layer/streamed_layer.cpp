// Streams read a word of time at a time, and the rule that ends them early.
//
// The rule: after t of L bits a count C_t predicts C_L = C_t * L / t with variance v * (L - t) * L
// / t, where v is the variance of its increment in one bit; this holds whatever the true rate is,
// as C_L - C_t * L / t has mean 0. The same holds for a difference of two counts. v is at most the
// mean square of the increment, a sum over inputs that can be counted: of product^2 for one neuron,
// of (product with the leader - product with the other)^2 for a lead, where both products use the
// same input bit, so that it takes one more product of bit matrices. Normal tails bound the risk at
// one look; with delta / looks at each look the sum over looks is below delta, as far as the normal
// approximation goes.
//
// The answer is the first largest *activated* output. Below the floor and above the ceiling of an
// activation outputs tie, and the lower index wins; risk() counts that.
#include "streamed_layer.hpp"

#include <bitaxon/core/error.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numbers>

namespace bitaxon {
namespace {

constexpr std::size_t kStreamedSamples = 16;  // that share one reading of the weights

}  // namespace

StreamedLayer::StreamedLayer(const ExecutionContext& context, const Layer::State& layer,
                             std::size_t slots, const ForwardNames& names)
    : kernels_(context.kernels()), layer_(layer), thresholds_(slots * layer.inputs()),
      counts_(slots * layer.outputs()), own_moments_(counts_.size()), leaders_(slots) {
    for (std::size_t slot = 0; slot < slots; ++slot)
        bases_.push_back(layer.sample_key(names, slot));
}

std::size_t StreamedLayer::feed(std::size_t slot, const double* values) {
    std::size_t limited = 0;
    std::uint64_t* probabilities = thresholds(slot);
    for (std::size_t i = 0; i < layer_.inputs(); ++i) {
        const double x = std::clamp(values[i], layer_.lowest_input(), layer_.options.input_range);
        limited += x != values[i];
        probabilities[i] = threshold(layer_.coded(x));
    }
    return limited;
}

void StreamedLayer::read(std::size_t slot, std::uint64_t bits, double* out) const {
    for (std::size_t n = 0; n < layer_.outputs(); ++n)
        out[n] = layer_.activate(linear(slot, n, bits));
}

std::size_t StreamedLayer::leader(std::size_t slot, std::uint64_t bits) const {
    std::size_t best = 0;
    double largest = layer_.activate(linear(slot, 0, bits));
    for (std::size_t n = 1; n < layer_.outputs(); ++n) {
        const double y = layer_.activate(linear(slot, n, bits));
        if (y > largest) {
            best = n;
            largest = y;
        }
    }
    return best;
}

double StreamedLayer::risk(std::size_t slot, std::uint64_t bits) const {
    const std::size_t leads = leaders_[slot];
    const auto t = static_cast<double>(bits);
    const auto length = static_cast<double>(layer_.options.length);
    // Probability that a value which is `margin` above a limit now ends below it.
    const auto falls = [&](double margin, double variance) {
        if (std::isinf(margin)) return margin > 0.0 ? 0.0 : 1.0;
        const double sigma =
            layer_.factor(layer_.options.length) * std::sqrt(variance * (length - t) * length / t);
        return 0.5 * std::erfc(margin / (sigma * std::numbers::sqrt2));
    };
    const auto [floor, ceiling] = layer_.limits();
    const double lead_value = linear(slot, leads, bits);
    const double at_floor = falls(lead_value - floor, own_variance(slot, leads, bits));
    const double below_ceiling = 1.0 - falls(ceiling - lead_value, own_variance(slot, leads, bits));
    double sum = 0.0;
    for (std::size_t n = 0; n < layer_.outputs(); ++n) {
        if (n == leads) continue;
        const double value = linear(slot, n, bits);
        const double variance = own_variance(slot, n, bits);
        const double overtaken = falls(lead_value - value, lead_variance(slot, n, bits));
        const double at_ceiling = falls(ceiling - value, variance);
        const double above_floor = 1.0 - falls(value - floor, variance);
        // A tie goes to the lower index: a later output must be above the floor and find the leader
        // below the ceiling to win; an earlier one also wins when both end at one limit.
        sum += n > leads ? std::min({overtaken, above_floor, below_ceiling})
                         : overtaken + at_ceiling + at_floor;
    }
    return sum;
}

void run_streamed(const ExecutionContext& context, std::span<const Layer::State* const> layers,
                  const Skips& skips, const Samples& samples, const MatrixView<double>& outputs,
                  std::span<std::uint64_t> lengths, const StreamedOptions& options,
                  std::atomic<std::uint64_t>& saturated) {
    layers.front()->check_columns(samples);
    layers.back()->check_outputs(samples, outputs);
    const std::size_t total = row_count(samples);
    check_sample_numbers(options.forward.sample, total);
    const std::uint64_t length = layers.front()->options.length;
    const std::uint64_t block_words = options.block_length / 64;
    if (!(options.delta > 0.0 && options.delta < 1.0))
        throw_error(ErrorCode::invalid_value, "delta", fmt::format("{}", options.delta),
                    "a probability in (0, 1)");
    if (options.block_length == 0 || options.block_length % 64 != 0)
        throw_error(ErrorCode::invalid_value, "block_length",
                    fmt::format("{} bits", options.block_length), "a multiple of 64 bits");
    if (!lengths.empty() && lengths.size() != total)
        throw_error(ErrorCode::invalid_shape, "lengths", fmt::format("{} values", lengths.size()),
                    fmt::format("{} (samples), or none", total));

    if (options.stop == Stop::argmax && !layers.back()->stops_early())
        throw_error(ErrorCode::invalid_value, "stop", "'argmax'",
                    fmt::format("'none': the noise of {}) is not counted", layers.back()->call()));

    const std::uint64_t words = words_for(length);
    const std::uint64_t looks = (words - 1) / block_words;
    const double accepted = looks == 0 ? 0.0 : options.delta / static_cast<double>(looks);
    const std::uint64_t seed = options.forward.seed.value_or(context.seed());
    double nanoseconds = 0.0;
    std::size_t widest = 0;
    for (const Layer::State* layer : layers) {
        nanoseconds += 4 * layer->nanoseconds(total);
        widest = std::max(widest, layer->outputs());
    }

    const auto run_block = [&](std::size_t first, std::size_t count, Job& job) {
        std::vector<std::unique_ptr<StreamedLayer>> chain;
        const ExecutionContext watched = context.watched({.progress = {}, .stop = {}, .job = &job});
        for (const Layer::State* layer : layers)
            chain.push_back(
                layer->streamed(watched, count, {seed, options.forward.sample + first}));
        std::visit(
            [&](const auto& view) {
                for (std::size_t s = 0; s < count; ++s)
                    for (std::size_t i = 0; i < view.columns; ++i)
                        chain[0]->thresholds(s)[i] =
                            threshold(layers[0]->coded(view(first + s, i)));
            },
            samples);

        std::vector<std::uint64_t> limited(
            count);                          // values of the present word that left their range
        std::vector<double> values(widest);  // that one layer hands to the next
        std::vector<double> kept(count * skips.kept());
        // What layer k puts out now, skips included.
        const auto read = [&](std::size_t k, std::size_t slot, std::uint64_t bits) {
            chain[k]->read(slot, bits, values.data());
            skips.join(k, one_row(std::span(values).first(layers[k]->outputs())),
                       kept.data() + slot * skips.kept());
        };
        std::vector<std::size_t> active(count);
        for (std::size_t s = 0; s < count; ++s) active[s] = s;
        for (std::uint64_t word = 0; word < words && !active.empty(); ++word) {
            job.check();
            const std::uint64_t bits = std::min(length, 64 * (word + 1));
            const bool look =
                options.stop == Stop::argmax && (word + 1) % block_words == 0 && bits < length;
            std::vector<std::size_t> running;
            for (std::size_t k = 0; k < chain.size(); ++k) {
                if (k > 0)
                    for (const std::size_t s : active) {
                        read(k - 1, s, bits);
                        limited[s] = (k == 1 ? 0 : limited[s]) + chain[k]->feed(s, values.data());
                    }
                chain[k]->advance(word, active,
                                  options.stop == Stop::argmax && k + 1 == chain.size());
            }
            for (const std::size_t s : active) {
                if (bits < length && !(look && chain.back()->risk(s, bits) < accepted)) {
                    running.push_back(s);
                    continue;
                }
                read(chain.size() - 1, s, bits);
                for (std::size_t n = 0; n < outputs.columns; ++n) outputs(first + s, n) = values[n];
                if (!lengths.empty()) lengths[first + s] = bits;
                saturated.fetch_add(limited[s], std::memory_order_relaxed);
                job.add_done(1);
            }
            active.swap(running);
        }
    };

    context.supervise(options.forward.monitor, total, nanoseconds, [&](Job& job) {
        layers.front()->check_values(context, samples, job);
        context.parallel_for((total + kStreamedSamples - 1) / kStreamedSamples,
                             [&](std::size_t piece) {
                                 const std::size_t first = piece * kStreamedSamples;
                                 run_block(first, std::min(kStreamedSamples, total - first), job);
                             });
    });
}

}  // namespace bitaxon
