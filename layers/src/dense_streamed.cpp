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
#include "streamed_dense.hpp"

#include <bitaxon/core/error.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numbers>

namespace bitaxon {
namespace {

constexpr std::size_t kStreamedSamples = 16;  // that share one reading of the weights
constexpr std::size_t kMomentRows = 2;        // leader's positive and negative weights

}  // namespace

StreamedDense::StreamedDense(const kernels::KernelTable& kernels, const DenseLayer::State& layer,
                             std::size_t slots, std::uint64_t forward_seed,
                             std::uint64_t first_sample)
    : kernels_(kernels), layer_(layer), panels_(layer.drawn->by_time()),
      row_words_(padded_words(layer.options.inputs)), key_a_(slots * layer.options.inputs),
      key_b_(key_a_.size()), thresholds_(key_a_.size()), rows_(slots * row_words_),
      increments_(slots * layer.options.neurons), counts_(increments_.size()), leaders_(slots),
      moment_bits_(slots), moments_(increments_.size()), own_moments_(increments_.size()),
      leader_rows_((1 + kMomentRows) * row_words_),
      moment_sums_((1 + kMomentRows) * layer.options.neurons) {
    const std::size_t inputs = layer.options.inputs;
    for (std::size_t slot = 0; slot < slots; ++slot)
        kernels_.stream_keys(key_base(layer.stream_seed(forward_seed), layer.options.id,
                                      Role::input, first_sample + slot),
                             0, inputs, key_a_.data() + slot * inputs,
                             key_b_.data() + slot * inputs);
}

std::uint64_t StreamedDense::bits_in(std::uint64_t word) const {
    return std::min<std::uint64_t>(64, layer_.options.length - 64 * word);
}

void StreamedDense::multiply(
    std::uint64_t word, const std::uint64_t* rows, std::size_t count,
    void (*kernels::KernelTable::*operation)(const kernels::DenseProduct&) noexcept,
    std::int64_t* sums) const {
    const std::size_t neurons = layer_.options.neurons;
    kernels::DenseProduct product = panels_.words.slice(0, neurons, word * row_words_, row_words_);
    const kernels::DenseProduct signs = panels_.slice(0, neurons, 0, row_words_);
    product.signs = signs.signs;
    product.sign_stride = signs.sign_stride;
    product.rows = rows;
    product.row_stride = row_words_;
    product.row_count = count;
    product.sums = sums;
    product.sums_stride = neurons;
    std::fill_n(sums, count * neurons, 0);
    (kernels_.*operation)(product);
    if (operation == &kernels::KernelTable::dense_signed)
        for (std::size_t r = 0; r < count; ++r)
            for (std::size_t n = 0; n < neurons; ++n)
                sums[r * neurons + n] -= panels_.negative_bits[n];
}

void StreamedDense::advance(std::uint64_t word, std::span<const std::size_t> active,
                            bool with_moments) {
    const DenseOptions& options = layer_.options;
    const bool last = word + 1 == layer_.words_per_stream();
    for (std::size_t r = 0; r < active.size(); ++r) {
        const std::size_t first = active[r] * options.inputs;
        kernels_.encode_bernoulli(
            {.key_a = key_a_.data() + first,
             .key_b = key_b_.data() + first,
             .thresholds = thresholds_.data() + first,
             .words_per_stream = 1,
             .first_time_word = word,
             .tail_mask = last ? tail_mask(options.length) : ~std::uint64_t{0},
             .first_word = 0,
             .words = options.inputs,
             .out = rows_.data() + r * row_words_});
    }
    const auto operation = options.coding == Coding::unipolar ? &kernels::KernelTable::dense_and
                           : options.coding == Coding::bipolar
                               ? &kernels::KernelTable::dense_xor
                               : &kernels::KernelTable::dense_signed;
    multiply(word, rows_.data(), active.size(), operation, increments_.data());
    const auto products = static_cast<std::int64_t>(options.inputs * bits_in(word));
    for (std::size_t r = 0; r < active.size(); ++r) {
        std::int64_t* increments = increments_.data() + r * options.neurons;
        std::int64_t* counts = counts_.data() + active[r] * options.neurons;
        for (std::size_t n = 0; n < options.neurons; ++n) {
            if (options.coding == Coding::bipolar) increments[n] = products - 2 * increments[n];
            counts[n] += increments[n];
        }
        if (with_moments) add_moments(word, active[r], rows_.data() + r * row_words_, increments);
    }
}

double StreamedDense::linear(std::size_t slot, std::size_t neuron, std::uint64_t bits) const {
    return layer_.factor(bits) *
               static_cast<double>(counts_[slot * layer_.options.neurons + neuron]) +
           layer_.bias[neuron];
}

void StreamedDense::outputs(std::size_t slot, std::uint64_t bits, const MatrixView<double>& out,
                            std::size_t row) const {
    for (std::size_t n = 0; n < layer_.options.neurons; ++n)
        out(row, n) = layer_.activate(linear(slot, n, bits));
}

std::size_t StreamedDense::leader(std::size_t slot, std::uint64_t bits) const {
    std::size_t best = 0;
    double largest = layer_.activate(linear(slot, 0, bits));
    for (std::size_t n = 1; n < layer_.options.neurons; ++n) {
        const double y = layer_.activate(linear(slot, n, bits));
        if (y > largest) {
            best = n;
            largest = y;
        }
    }
    return best;
}

void StreamedDense::add_moments(std::uint64_t word, std::size_t slot, const std::uint64_t* row,
                                const std::int64_t* increments) {
    const DenseOptions& options = layer_.options;
    const std::size_t leads = leader(slot, 64 * word + bits_in(word));
    std::int64_t* moments = moments_.data() + slot * options.neurons;
    std::int64_t* own = own_moments_.data() + slot * options.neurons;
    if (leads != leaders_[slot]) {
        leaders_[slot] = leads;
        moment_bits_[slot] = 0;
        std::fill_n(moments, options.neurons, 0);
    }
    moment_bits_[slot] += bits_in(word);

    std::uint64_t* weights = leader_rows_.data();
    panels_.words.read(leads, word * row_words_, weights, row_words_);
    std::int64_t* sums = moment_sums_.data();
    if (options.coding == Coding::bipolar) {
        // Products of +-1 differ, by 2, where the weights do, whatever the input.
        multiply(word, weights, 1, &kernels::KernelTable::dense_xor, sums);
        const auto products = static_cast<std::int64_t>(options.inputs * bits_in(word));
        for (std::size_t n = 0; n < options.neurons; ++n) {
            moments[n] += 4 * sums[n];
            own[n] += products;
        }
        return;
    }
    // (x u - x v)^2 = x |u| + x |v| - 2 x u v for bits with signs; x u is split by the sign of u.
    std::uint64_t* positive = weights + row_words_;
    std::uint64_t* negative = positive + row_words_;
    std::fill(positive, negative + row_words_, 0);
    const double* values = layer_.drawn->values().data() + leads * options.inputs;
    for (std::size_t i = 0; i < options.inputs; ++i)
        (std::signbit(values[i]) ? negative : positive)[i] = row[i] & weights[i];
    if (options.coding == Coding::unipolar) {
        multiply(word, positive, 1, &kernels::KernelTable::dense_and, sums);
        for (std::size_t n = 0; n < options.neurons; ++n) {
            moments[n] += increments[leads] + increments[n] - 2 * sums[n];
            own[n] += increments[n];
        }
        return;
    }
    std::int64_t* unsigned_sums = sums + kMomentRows * options.neurons;
    multiply(word, positive, kMomentRows, &kernels::KernelTable::dense_signed, sums);
    multiply(word, row, 1, &kernels::KernelTable::dense_and, unsigned_sums);
    for (std::size_t n = 0; n < options.neurons; ++n) {
        moments[n] +=
            unsigned_sums[leads] + unsigned_sums[n] - 2 * (sums[n] - sums[options.neurons + n]);
        own[n] += unsigned_sums[n];
    }
}

double StreamedDense::risk(std::size_t slot, std::uint64_t bits) const {
    const std::size_t first = slot * layer_.options.neurons;
    const std::size_t leads = leaders_[slot];
    const auto t = static_cast<double>(bits);
    const auto length = static_cast<double>(layer_.options.length);
    // Probability that a value which is `margin` above a limit now ends below it. One more than was
    // counted, so that a rare event not yet seen is not taken for none.
    const auto falls = [&](double margin, std::int64_t squares, std::uint64_t counted_bits) {
        if (std::isinf(margin)) return margin > 0.0 ? 0.0 : 1.0;
        const double variance =
            static_cast<double>(squares + 1) / static_cast<double>(counted_bits);
        const double sigma =
            layer_.factor(layer_.options.length) * std::sqrt(variance * (length - t) * length / t);
        return 0.5 * std::erfc(margin / (sigma * std::numbers::sqrt2));
    };
    const auto [floor, ceiling] = layer_.limits();
    const double lead_value = linear(slot, leads, bits);
    const double at_floor = falls(lead_value - floor, own_moments_[first + leads], bits);
    const double below_ceiling =
        1.0 - falls(ceiling - lead_value, own_moments_[first + leads], bits);
    double sum = 0.0;
    for (std::size_t n = 0; n < layer_.options.neurons; ++n) {
        if (n == leads) continue;
        const double value = linear(slot, n, bits);
        const double overtaken = falls(lead_value - value, moments_[first + n], moment_bits_[slot]);
        const double at_ceiling = falls(ceiling - value, own_moments_[first + n], bits);
        const double above_floor = 1.0 - falls(value - floor, own_moments_[first + n], bits);
        // A tie goes to the lower index: a later neuron must be above the floor and find the leader
        // below the ceiling to win; an earlier one also wins when both end at one limit.
        sum += n > leads ? std::min({overtaken, above_floor, below_ceiling})
                         : overtaken + at_ceiling + at_floor;
    }
    return sum;
}

void run_streamed(const ExecutionContext& context, std::span<const DenseLayer::State* const> layers,
                  const Samples& samples, const MatrixView<double>& outputs,
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

    const std::uint64_t words = words_for(length);
    const std::uint64_t looks = (words - 1) / block_words;
    const double accepted = looks == 0 ? 0.0 : options.delta / static_cast<double>(looks);
    const std::uint64_t seed = options.forward.seed.value_or(context.seed());
    double nanoseconds = 0.0;
    for (const DenseLayer::State* layer : layers)
        nanoseconds += 4 * estimate_nanoseconds(*layer, total);

    const auto run_block = [&](std::size_t first, std::size_t count, Job& job) {
        std::vector<StreamedDense> chain;
        for (const DenseLayer::State* layer : layers)
            chain.emplace_back(context.kernels(), *layer, count, seed,
                               options.forward.sample + first);
        std::visit(
            [&](const auto& view) {
                for (std::size_t s = 0; s < count; ++s)
                    for (std::size_t i = 0; i < view.columns; ++i)
                        chain[0].thresholds(s)[i] = threshold(layers[0]->coded(view(first + s, i)));
            },
            samples);

        std::vector<std::uint64_t> limited(
            count);  // values of the present word that left their range
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
                        limited[s] = k == 1 ? 0 : limited[s];
                        for (std::size_t i = 0; i < layers[k]->options.inputs; ++i) {
                            const double y =
                                layers[k - 1]->activate(chain[k - 1].linear(s, i, bits));
                            const double x = std::clamp(y, layers[k]->lowest_input(),
                                                        layers[k]->options.input_range);
                            limited[s] += x != y;
                            chain[k].thresholds(s)[i] = threshold(layers[k]->coded(x));
                        }
                    }
                chain[k].advance(word, active,
                                 options.stop == Stop::argmax && k + 1 == chain.size());
            }
            for (const std::size_t s : active) {
                if (bits < length && !(look && chain.back().risk(s, bits) < accepted)) {
                    running.push_back(s);
                    continue;
                }
                chain.back().outputs(s, bits, outputs, first + s);
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

namespace {

void stream_alone(const ExecutionContext& context, const DenseLayer::State& layer,
                  const Samples& samples, const MatrixView<double>& outputs,
                  std::span<std::uint64_t> lengths, const StreamedOptions& options) {
    const DenseLayer::State* layers[] = {&layer};
    std::atomic<std::uint64_t> saturated{0};
    run_streamed(context, layers, samples, outputs, lengths, options, saturated);
}

}  // namespace

void DenseLayer::forward_streamed(const ExecutionContext& context, MatrixView<const double> samples,
                                  MatrixView<double> outputs, std::span<std::uint64_t> lengths,
                                  const StreamedOptions& options) const {
    stream_alone(context, *state_, samples, outputs, lengths, options);
}

void DenseLayer::forward_streamed(const ExecutionContext& context, MatrixView<const float> samples,
                                  MatrixView<double> outputs, std::span<std::uint64_t> lengths,
                                  const StreamedOptions& options) const {
    stream_alone(context, *state_, samples, outputs, lengths, options);
}

}  // namespace bitaxon
