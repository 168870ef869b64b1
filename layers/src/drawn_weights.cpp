#include "drawn_weights.hpp"

#include <bitaxon/core/files.hpp>

#include <algorithm>
#include <cmath>

namespace bitaxon {

using kernels::kGroupWords;
using kernels::kPanelNeurons;

SignedPanels::SignedPanels(std::size_t neurons, std::size_t row_words, std::size_t sign_words)
    : words(neurons, row_words),
      sign_stride_(padded_words(sign_words) / kGroupWords * kPanelNeurons) {
    if (sign_words == 0) return;
    signs.resize((neurons + kPanelNeurons - 1) / kPanelNeurons * sign_stride_);
    negative_bits.resize(neurons);
}

void SignedPanels::set_negative(std::size_t neuron, std::size_t first, std::size_t count) {
    std::uint8_t* panel =
        signs.data() + neuron / kPanelNeurons * sign_stride_ + neuron % kPanelNeurons;
    for (std::size_t k = first; k < first + count; ++k)
        panel[k / kGroupWords * kPanelNeurons] |= static_cast<std::uint8_t>(1u << k % kGroupWords);
    negative_bits[neuron] += static_cast<std::int64_t>(64 * count);
}

kernels::DenseProduct SignedPanels::slice(std::size_t first_neuron, std::size_t neuron_count,
                                          std::size_t first, std::size_t count) const noexcept {
    kernels::DenseProduct product = words.slice(first_neuron, neuron_count, first, count);
    if (!signs.empty()) {
        product.sign_stride = sign_stride_;
        product.signs = signs.data() + first_neuron / kPanelNeurons * sign_stride_ +
                        first / kGroupWords * kPanelNeurons;
    }
    return product;
}

DrawnWeights::DrawnWeights(const ExecutionContext& context, const WeightDraw& draw)
    : inputs_(draw.inputs), words_per_stream_(words_for(draw.length)),
      panels_(draw.neurons, draw.inputs * words_per_stream_,
              draw.coding == Coding::split_unipolar ? draw.inputs * words_per_stream_ : 0),
      values_(draw.neurons * draw.inputs) {
    const std::uint64_t base = key_base(draw.seed, draw.layer, Role::weight, draw.redraws);
    const kernels::KernelTable& kernels = context.kernels();

    // Runs of inputs of one neuron, so that the scratch row stays small whatever the length.
    constexpr std::size_t kRunWords = 1 << 14;
    const std::size_t run = std::clamp<std::size_t>(kRunWords / words_per_stream_, 1, draw.inputs);
    // Neurons of one panel share the bytes of its signs, so a piece is a panel.
    context.parallel_for(
        (draw.neurons + kPanelNeurons - 1) / kPanelNeurons, [&](std::size_t panel) {
            std::vector<std::uint64_t> key_a(run), key_b(run), thresholds(run);
            AlignedWords row(run * words_per_stream_);
            const std::size_t end = std::min(draw.neurons, (panel + 1) * kPanelNeurons);
            for (std::size_t neuron = panel * kPanelNeurons; neuron < end; ++neuron) {
                for (std::size_t first = 0; first < draw.inputs; first += run) {
                    const std::size_t count = std::min(run, draw.inputs - first);
                    const std::size_t flat = neuron * draw.inputs + first;
                    for (std::size_t i = 0; i < count; ++i) {
                        const double value = draw.weights[flat + i] / draw.weight_scale;
                        thresholds[i] = threshold(
                            draw.coding == Coding::bipolar ? (value + 1.0) * 0.5 : std::abs(value));
                    }
                    kernels.stream_keys(base, flat, count, key_a.data(), key_b.data());
                    kernels.encode_bernoulli({.key_a = key_a.data(),
                                              .key_b = key_b.data(),
                                              .thresholds = thresholds.data(),
                                              .words_per_stream = words_per_stream_,
                                              .first_time_word = 0,
                                              .tail_mask = tail_mask(draw.length),
                                              .first_word = 0,
                                              .words = count * words_per_stream_,
                                              .out = row.data()});
                    panels_.words.write(neuron, first * words_per_stream_, row.data(),
                                        count * words_per_stream_);
                    for (std::size_t i = 0; i < count; ++i) {
                        const std::uint64_t ones =
                            kernels.popcount(row.data() + i * words_per_stream_, words_per_stream_);
                        const double share =
                            static_cast<double>(ones) / static_cast<double>(draw.length);
                        const bool negative =
                            draw.coding == Coding::split_unipolar && draw.weights[flat + i] < 0;
                        values_[flat + i] = draw.coding == Coding::bipolar ? 2.0 * share - 1.0
                                            : negative                     ? -share
                                                                           : share;
                        if (negative)
                            panels_.set_negative(neuron, (first + i) * words_per_stream_,
                                                 words_per_stream_);
                    }
                }
            }
        });
}

const SignedPanels& DrawnWeights::by_time() const {
    // On one thread: a parallel loop inside call_once might steal a task that waits for it.
    std::call_once(by_time_once_, [this] {
        const std::size_t neurons = panels_.words.neurons();
        const std::size_t row = padded_words(inputs_);
        SignedPanels result(neurons, row * words_per_stream_, panels_.signs.empty() ? 0 : inputs_);
        // A group of inputs at a time: their streams go in, a group of words for each time comes
        // out.
        std::vector<std::uint64_t> streams(kGroupWords * words_per_stream_);
        for (std::size_t neuron = 0; neuron < neurons; ++neuron)
            for (std::size_t first = 0; first < inputs_; first += kGroupWords) {
                const std::size_t count = std::min(kGroupWords, inputs_ - first);
                panels_.words.read(neuron, first * words_per_stream_, streams.data(),
                                   count * words_per_stream_);
                for (std::size_t w = 0; w < words_per_stream_; ++w) {
                    std::uint64_t group[kGroupWords];
                    for (std::size_t i = 0; i < count; ++i)
                        group[i] = streams[i * words_per_stream_ + w];
                    result.words.write(neuron, w * row + first, group, count);
                }
                // -0 stands for a negative weight whose stream has no ones.
                for (std::size_t i = first; i < first + count && !panels_.signs.empty(); ++i)
                    if (std::signbit(values_[neuron * inputs_ + i]))
                        result.set_negative(neuron, i, 1);
            }
        by_time_ = std::move(result);
    });
    return by_time_;
}

std::string DrawnWeights::checksum() const {
    const std::size_t row_words = inputs_ * words_per_stream_;
    std::vector<std::uint64_t> row(row_words);
    std::string sums;
    for (std::size_t neuron = 0; neuron < panels_.words.neurons(); ++neuron) {
        panels_.words.read(neuron, 0, row.data(), row_words);
        sums += bitaxon::checksum(std::as_bytes(std::span(row)));
    }
    return bitaxon::checksum(std::as_bytes(std::span(sums)));
}

}  // namespace bitaxon
