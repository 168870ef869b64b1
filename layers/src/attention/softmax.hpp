// The softmax of scores, the same on every machine: bits are drawn by what it gives.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <numbers>

namespace bitaxon {

/// 1/k!
inline constexpr auto kInverseFactorials = [] {
    std::array<double, 14> result{1.0};
    double factorial = 1.0;  // exact
    for (std::size_t k = 1; k < result.size(); ++k) {
        factorial *= static_cast<double>(k);
        result[k] = 1.0 / factorial;
    }
    return result;
}();

/// exp(x) for x <= 0, without the C library: 2^n times the Taylor series of what is left, |r| <
/// 0.35, whose next term is below 2^-57.
inline double exp_below(double x) {
    if (x < -700.0) return 0.0;
    constexpr double kLn2High = 0x1.62e42fefa38p-1;  // 42 bits: n times it is exact
    constexpr double kLn2Low = 0x1.ef35793c7673p-45;
    const double n = std::nearbyint(x * std::numbers::log2e);
    const double r = (x - n * kLn2High) - n * kLn2Low;
    double sum = 0.0;
    for (std::size_t k = kInverseFactorials.size(); k-- > 0;) sum = sum * r + kInverseFactorials[k];
    return std::ldexp(sum, static_cast<int>(n));
}

/// Probabilities of scores times a unit. Equal to the largest is 1 before the division, even where
/// the unit is infinite.
template <class Score>
void softmax(const Score* scores, std::size_t count, double unit, double* probabilities) {
    const Score largest = *std::max_element(scores, scores + count);
    double sum = 0.0;
    for (std::size_t j = 0; j < count; ++j) {
        const auto below = static_cast<double>(scores[j] - largest);
        probabilities[j] = below == 0.0 ? 1.0 : exp_below(below * unit);
        sum += probabilities[j];
    }
    for (std::size_t j = 0; j < count; ++j) probabilities[j] /= sum;
}

}  // namespace bitaxon
