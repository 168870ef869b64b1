// Polynomials in several variables with exact coefficients: the normal form in which equal
// expressions are equal terms. Small and flat: at most 64 terms of degree 16 in 9 variables.
#pragma once

#include "../ir/graph.hpp"

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace bitaxon::jit::rewrite {

inline constexpr int kMaxPolynomialVariables = 9;
inline constexpr int kMaxDegree = 16;
inline constexpr std::size_t kMaxTerms = 64;

/// A product of powers of the variables: ten fields of six bits, the total degree in the highest,
/// then the exponents from variable 0 on. So numbers order monomials by degree, multiplying is
/// adding, and the sixth bit of each field, always clear, takes the borrow when fields are compared
/// all at once.
class Monomial {
  public:
    constexpr Monomial() = default;
    static constexpr Monomial variable(int number, int exponent = 1) {
        const auto e = static_cast<std::uint64_t>(exponent);
        return Monomial{e << kDegreeShift | e << shift(number)};
    }

    constexpr int degree() const { return static_cast<int>(bits_ >> kDegreeShift); }
    constexpr int exponent(int number) const {
        return static_cast<int>(bits_ >> shift(number) & kField);
    }
    constexpr std::uint64_t bits() const { return bits_; }
    constexpr auto operator<=>(const Monomial&) const = default;

    friend constexpr Monomial operator*(Monomial a, Monomial b) {
        return Monomial{a.bits_ + b.bits_};
    }
    /// a / b, where b divides a.
    friend constexpr Monomial operator/(Monomial a, Monomial b) {
        return Monomial{a.bits_ - b.bits_};
    }
    constexpr bool divides(Monomial other) const {
        return (((other.bits_ | kGuards) - bits_) & kGuards) == kGuards;
    }
    friend constexpr Monomial common_divisor(Monomial a, Monomial b) {
        const std::uint64_t not_less =
            ((b.bits_ | kGuards) - a.bits_) & kGuards;  // fields with b >= a
        const std::uint64_t take_a = not_less - (not_less >> 5);
        const std::uint64_t exponents =
            ((a.bits_ & take_a) | (b.bits_ & ~take_a)) & ((std::uint64_t{1} << kDegreeShift) - 1);
        // Adds up the fields: the sum of all ends in the ninth.
        constexpr std::uint64_t ones = 0x0001041041041041;
        const std::uint64_t degree = exponents * ones >> shift(0) & kField;
        return Monomial{exponents | degree << kDegreeShift};
    }
    /// The k-th root, if all exponents are multiples of k.
    std::optional<Monomial> root(int k) const;
    Monomial power(int k) const { return Monomial{bits_ * static_cast<std::uint64_t>(k)}; }

  private:
    static constexpr int kDegreeShift = 6 * kMaxPolynomialVariables;
    static constexpr std::uint64_t kField = 0x3f;
    static constexpr std::uint64_t kGuards = 0x0820820820820820;
    static constexpr int shift(int number) { return 6 * (kMaxPolynomialVariables - 1 - number); }

    constexpr explicit Monomial(std::uint64_t bits) : bits_(bits) {}

    std::uint64_t bits_ = 0;
};

struct Term {
    Monomial monomial;
    double coefficient;
    bool operator==(const Term&) const = default;
};

/// Terms by falling monomial, none with coefficient 0, in variables that somebody else knows.
using Terms = std::vector<Term>;

// Arithmetic, or nothing where a limit is exceeded or a coefficient isn't exact.
std::optional<Terms> add(const Terms& a, const Terms& b, double sign = 1);
std::optional<Terms> multiply(const Terms& a, const Terms& b);
std::optional<Terms> multiply(const Terms& a, const Term& b);
std::optional<Terms> power(const Terms& a, int n);
/// a / b without remainder.
std::optional<Terms> divide(const Terms& a, const Terms& b);
/// a / b for a monomial and number, without remainder.
std::optional<Terms> divide(const Terms& a, const Term& b);

/// The greatest monomial that divides all terms.
Monomial content(const Terms& terms);

/// base^exponent + rest, with fewer terms in all than the polynomial that it is.
struct CompletedPower {
    Terms base;
    int exponent;
    Terms rest;
};

/// The polynomial as a power with a rest, the exponent as given; nothing if that saves no terms.
std::optional<CompletedPower> complete_power(const Terms& terms, int exponent);

/// The highest exponent with which the polynomial is a power without a rest, at least 2.
std::optional<CompletedPower> perfect_power(const Terms& terms);

/// The quotient that covers the most terms: quotient * divisor + rest, with fewer terms in all.
struct Covered {
    Terms quotient;
    Terms rest;
};
std::optional<Covered> cover(const Terms& terms, const Terms& divisor);

/// A polynomial and the nodes that its variables are, ascending.
struct Polynomial {
    std::vector<NodeId> variables;
    Terms terms;

    static Polynomial constant(double value);
    static Polynomial variable(NodeId node);
    bool is_variable() const;
    /// Its number if it has no variables.
    std::optional<double> as_constant() const;
};

/// The polynomial in other variables, which contain its own.
Terms in_variables(const Polynomial& polynomial, std::span<const NodeId> variables);

/// The variables of both, ascending, or nothing if they are too many.
std::optional<std::vector<NodeId>> joined_variables(std::span<const NodeId> a,
                                                    std::span<const NodeId> b);

}  // namespace bitaxon::jit::rewrite
