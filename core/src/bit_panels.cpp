#include <bitaxon/core/bit_panels.hpp>

#include <algorithm>

namespace bitaxon {

using kernels::kGroupWords;
using kernels::kPanelNeurons;

namespace {

// The words of a group lie side by side: call(k, run) for each part of first ... first + count - 1
// that does, k counted from first.
template <class Call>
void for_runs(std::size_t first, std::size_t count, Call call) {
    for (std::size_t k = 0; k < count;) {
        const std::size_t run = std::min(kGroupWords - (first + k) % kGroupWords, count - k);
        call(k, run);
        k += run;
    }
}

}  // namespace

std::size_t BitPanels::word_count(std::size_t neurons, std::size_t words) noexcept {
    return (neurons + kPanelNeurons - 1) / kPanelNeurons * kPanelNeurons * padded_words(words);
}

BitPanels::BitPanels(std::size_t neurons, std::size_t words)
    : neurons_(neurons), words_(padded_words(words)), stride_(words_ * kPanelNeurons),
      owned_(word_count(neurons, words)), panels_(owned_.data()) {}

BitPanels::BitPanels(std::size_t neurons, std::size_t words, std::uint64_t* memory)
    : neurons_(neurons), words_(padded_words(words)), stride_(words_ * kPanelNeurons),
      panels_(std::fill_n(memory, word_count(neurons, words), 0) - word_count(neurons, words)) {}

void BitPanels::write(std::size_t neuron, std::size_t first, const std::uint64_t* words,
                      std::size_t count) {
    for_runs(first, count, [&](std::size_t k, std::size_t run) {
        std::copy_n(words + k, run, panels_ + index(neuron, first + k));
    });
}

void BitPanels::read(std::size_t neuron, std::size_t first, std::uint64_t* words,
                     std::size_t count) const {
    for_runs(first, count, [&](std::size_t k, std::size_t run) {
        std::copy_n(panels_ + index(neuron, first + k), run, words + k);
    });
}

kernels::DenseProduct BitPanels::slice(std::size_t first_neuron, std::size_t neuron_count,
                                       std::size_t first, std::size_t count) const noexcept {
    kernels::DenseProduct product{};
    product.panels = panels_ + index(first_neuron, first);
    product.panel_stride = stride_;
    product.neuron_count = neuron_count;
    product.words = count;
    return product;
}

}  // namespace bitaxon
