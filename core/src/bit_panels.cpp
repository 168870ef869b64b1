#include <bitaxon/core/bit_panels.hpp>

namespace bitaxon {

using kernels::kGroupWords;
using kernels::kPanelNeurons;

BitPanels::BitPanels(std::size_t neurons, std::size_t words)
    : neurons_(neurons), words_(padded_words(words)), stride_(words_ * kPanelNeurons),
      panels_((neurons + kPanelNeurons - 1) / kPanelNeurons * stride_) {}

void BitPanels::write(std::size_t neuron, std::size_t first, const std::uint64_t* words,
                      std::size_t count) {
    for (std::size_t k = 0; k < count; ++k) panels_.data()[index(neuron, first + k)] = words[k];
}

void BitPanels::read(std::size_t neuron, std::size_t first, std::uint64_t* words,
                     std::size_t count) const {
    for (std::size_t k = 0; k < count; ++k) words[k] = panels_.data()[index(neuron, first + k)];
}

kernels::DenseProduct BitPanels::slice(std::size_t first_neuron, std::size_t neuron_count,
                                       std::size_t first, std::size_t count) const noexcept {
    kernels::DenseProduct product{};
    product.panels = panels_.data() + index(first_neuron, first);
    product.panel_stride = stride_;
    product.neuron_count = neuron_count;
    product.words = count;
    return product;
}

}  // namespace bitaxon
