// Connections that pass layers by.
#pragma once

#include "layer_state.hpp"

#include <bitaxon/layers/network.hpp>

#include <vector>

namespace bitaxon {

/// What a network's skips need: the outputs of some layers are kept for later ones.
class Skips {
  public:
    Skips() = default;
    /// widths: outputs of each layer. @throws Error for a skip that does not fit
    Skips(std::vector<Skip> skips, const std::vector<std::size_t>& widths);

    const std::vector<Skip>& list() const noexcept { return skips_; }
    bool enters(std::size_t layer) const noexcept;
    /// Values to keep, of one sample.
    std::size_t kept() const noexcept { return kept_; }

    /// Adds to y, the outputs of a layer for some samples, what was kept for it, and keeps them if
    /// they go on. kept: y.rows * kept() values, the same for all layers.
    void join(std::size_t layer, const MatrixView<double>& y, double* kept) const;

  private:
    std::vector<Skip> skips_;
    std::vector<std::size_t> widths_;
    std::vector<std::size_t> places_;  // of each layer's outputs among what is kept
    std::size_t kept_ = 0;
};

}  // namespace bitaxon
