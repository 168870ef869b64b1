// From a polynomial in normal form back to operations: powers, common factors, multivariate Horner
// schemes. Where there are several ways to go on, the caller chooses.
#pragma once

#include "polynomial.hpp"

#include <deque>

namespace bitaxon::jit::rewrite {

/// What a variable stands for: a node, or the reciprocal of one.
struct Leaf {
    NodeId node = kNoNode;     ///< of the value; kNoNode for a reciprocal that is not made yet
    NodeId divisor = kNoNode;  ///< a reciprocal's
    bool is_value = false;     ///< the reciprocal is computed anyway, so products take it
};

/// One way to write a polynomial p without common factor as product + rest.
struct Move {
    enum class Kind : std::uint8_t {
        factor,  ///< factor * quotient + rest
        power,   ///< quotient^exponent + rest
        cover,   ///< quotient * divisor + rest, for a divisor that occurs elsewhere
    };
    Kind kind = Kind::factor;
    Term factor{};
    int exponent = 0;
    Terms quotient{};
    Terms divisor{};
    Terms rest{};
    double score = 0;
};

/// Writes polynomials into a graph. A choice is the number of a move, the best by a simple measure
/// being 0; choices are asked for in a fixed order, so a list of them names a form.
class HornerWriter {
  public:
    /// `known` are polynomials in the same variables whose values may be at hand.
    HornerWriter(Graph& graph, Type type, std::span<const Leaf> leaves,
                 std::span<const Terms> known)
        : graph_(graph), type_(type), leaves_(leaves.begin(), leaves.end()), known_(known) {}

    /// The node of the polynomial, written with the given choices and 0 from there on.
    NodeId write(const Terms& terms, std::span<const std::uint8_t> choices);

    /// For each choice of the last write(): how many moves there were.
    std::span<const std::uint8_t> alternatives() const noexcept { return alternatives_; }
    /// Terms looked at so far, by which callers count their budgets.
    std::size_t work() const noexcept { return work_; }

  private:
    struct Signed {
        NodeId node;
        bool negative = false;
    };

    Signed value(const Terms& terms);
    Signed apply(const Move& move);
    Signed scaled(const Term& factor, const Terms& terms);
    Signed sum(Signed a, Signed b);
    Signed product(Signed a, Signed b);
    NodeId monomial(Monomial monomial);
    NodeId reciprocal(Leaf& leaf);
    const std::vector<Move>& moves(const Terms& terms);
    void add_single_terms(const Terms& terms, std::vector<Move>& moves);
    void add_factors(const Terms& terms, std::vector<Move>& moves);
    void add_powers(const Terms& terms, std::vector<Move>& moves);
    void add_covers(const Terms& terms, std::vector<Move>& moves);
    double weight(Monomial monomial) const;

    Graph& graph_;
    Type type_;
    std::vector<Leaf> leaves_;
    std::span<const Terms> known_;
    std::span<const std::uint8_t> choices_;
    std::vector<std::uint8_t> alternatives_;
    std::deque<std::pair<Terms, std::vector<Move>>> memo_;  ///< a deque: references stay
    std::size_t work_ = 0;
};

}  // namespace bitaxon::jit::rewrite
