// What the units of a recurrent layer do with their sums.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace bitaxon {

/// A kind of unit: h' = (1 - z) h + z tanh(a), where a sums x and h, or h times a gate.
struct Cell {
    std::string_view type;              ///< in files
    std::string_view name;              ///< of the class
    std::size_t gates;                  ///< rows of weights a unit, besides the candidate's
    std::optional<std::size_t> reset;   ///< the gate that h is multiplied with for the candidate
    std::optional<std::size_t> update;  ///< the gate that is z; else the leak is

    std::size_t rows(std::size_t units) const { return (gates + 1) * units; }
    std::size_t stages() const { return gates > 0 ? 2 : 1; }  ///< encodings of states a step
};

inline constexpr Cell kLeakyCell{"recurrent", "Recurrent", 0, {}, {}};
inline constexpr Cell kMguCell{"mgu", "MGU", 1, 0, 0};
inline constexpr Cell kGruCell{"gru", "GRU", 2, 0, 1};

/// exp(x) for x <= 0, within 1e-15: states become thresholds of bits, so they must not depend on
/// the last bit of a machine's own functions.
inline double exponential(double x) noexcept {
    constexpr double kShift = 0x1.8p52;  // leaves whole numbers
    constexpr int kTerms = 13;           // |r| <= ln(2) / 2, and r^14 / 14! < 2^-56
    x = std::max(x, -700.0);
    const double k = (x * 1.4426950408889634 + kShift) - kShift;
    const double r = (x - k * 0x1.62e42feep-1) - k * 0x1.a39ef35793c76p-33;  // ln 2 in two parts
    double sum = 1.0;
    for (int n = kTerms; n > 0; --n) sum = 1.0 + r * (1.0 / n) * sum;
    return sum *
           std::bit_cast<double>(static_cast<std::uint64_t>(static_cast<int>(k) + 1023) << 52);
}

inline double sigmoid(double x) noexcept {
    const double e = exponential(-std::abs(x));
    return (x < 0.0 ? e : 1.0) / (1.0 + e);
}

inline double hyperbolic_tangent(double x) noexcept {
    const double e = exponential(-2.0 * std::abs(x));
    return std::copysign((1.0 - e) / (1.0 + e), x);
}

/// The states of some samples, a row a sample. linear(r, row) is what open_gates and update read:
/// the sum of a row of weights, with its bias.
class CellStates {
  public:
    CellStates(const Cell& cell, std::size_t units, double leak, std::size_t samples)
        : cell_(cell), units_(units), leak_(leak), samples_(samples), states_(samples * units),
          operands_(states_), gates_(cell.gates * states_.size()) {}

    const double* state(std::size_t r) const { return states_.data() + r * units_; }
    /// What the candidate's weights meet, after open_gates.
    const double* operand(std::size_t r) const {
        return (cell_.reset ? operands_ : states_).data() + r * units_;
    }

    template <class Linear>
    void open_gates(const Linear& linear) {
        for (std::size_t row = 0; row < cell_.gates * units_; ++row)
            for (std::size_t r = 0; r < samples_; ++r)
                gates_[row * samples_ + r] = sigmoid(linear(r, row));
        if (!cell_.reset) return;
        for (std::size_t r = 0; r < samples_; ++r)
            for (std::size_t u = 0; u < units_; ++u)
                operands_[r * units_ + u] = gate(*cell_.reset, r, u) * states_[r * units_ + u];
    }

    template <class Linear>
    void update(const Linear& linear) {
        for (std::size_t r = 0; r < samples_; ++r)
            for (std::size_t u = 0; u < units_; ++u) {
                double& h = states_[r * units_ + u];
                const double z = cell_.update ? gate(*cell_.update, r, u) : leak_;
                const double c = hyperbolic_tangent(linear(r, cell_.gates * units_ + u));
                h = std::clamp((1.0 - z) * h + z * c, -1.0, 1.0);
            }
    }

  private:
    double gate(std::size_t g, std::size_t r, std::size_t u) const {
        return gates_[(g * units_ + u) * samples_ + r];
    }

    const Cell& cell_;
    std::size_t units_;
    double leak_;
    std::size_t samples_;
    std::vector<double> states_;
    std::vector<double> operands_;
    std::vector<double> gates_;
};

}  // namespace bitaxon
