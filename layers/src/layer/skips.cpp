#include "skips.hpp"

#include <bitaxon/core/error.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <limits>

namespace bitaxon {
namespace {

constexpr std::size_t kNotKept = std::numeric_limits<std::size_t>::max();

}  // namespace

Skips::Skips(std::vector<Skip> skips, const std::vector<std::size_t>& widths)
    : skips_(std::move(skips)), widths_(widths), places_(widths.size(), kNotKept) {
    for (std::size_t s = 0; s < skips_.size(); ++s) {
        const auto [from, to] = skips_[s];
        const std::string what = fmt::format("skips[{}]", s);
        if (from >= to || to >= widths.size())
            throw_error(
                ErrorCode::invalid_value, what, fmt::format("({}, {})", from, to),
                fmt::format("(from, to) with from < to < {}, the number of layers", widths.size()));
        if (widths[from] != widths[to])
            throw_error(ErrorCode::invalid_shape, what,
                        fmt::format("layers of {} and {} outputs", widths[from], widths[to]),
                        "as many outputs of both");
        if (places_[from] != kNotKept) continue;
        places_[from] = kept_;
        kept_ += widths[from];
    }
}

bool Skips::enters(std::size_t layer) const noexcept {
    return std::ranges::any_of(skips_, [=](const Skip& skip) { return skip.to == layer; });
}

void Skips::join(std::size_t layer, const MatrixView<double>& y, double* kept) const {
    for (const Skip& skip : skips_) {
        if (skip.to != layer) continue;
        for (std::size_t r = 0; r < y.rows; ++r) {
            const double* added = kept + places_[skip.from] * y.rows + r * y.columns;
            for (std::size_t n = 0; n < y.columns; ++n) y(r, n) += added[n];
        }
    }
    if (skips_.empty() || places_[layer] == kNotKept) return;
    for (std::size_t r = 0; r < y.rows; ++r) {
        double* place = kept + places_[layer] * y.rows + r * y.columns;
        for (std::size_t n = 0; n < y.columns; ++n) place[n] = y(r, n);
    }
}

}  // namespace bitaxon
