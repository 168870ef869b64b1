// Whole numbers in a circuit: each bit a stream of its own, exact at every width.
#pragma once

#include "gates.hpp"

#include <cstdint>
#include <vector>

namespace bitaxon::jit {

/// A number in low ... high, two's complement if low is negative: bits from the lowest on, just as
/// many as the range needs (none for a constant 0).
struct Number {
    std::int64_t low = 0;
    std::int64_t high = 0;
    std::vector<NodeId> bits;

    bool is_bit() const noexcept { return low >= 0 && high <= 1; }
    bool is_constant() const noexcept { return low == high; }
};

/// Numbers stay below this in magnitude.
inline constexpr std::int64_t kMaxMagnitude = std::int64_t{1} << 62;

/// Bits that a number of this range takes.
std::size_t bits_for(std::int64_t low, std::int64_t high) noexcept;

/// Arithmetic made of gates. Ranges are followed, so that every result is exact: nothing wraps.
/// Callers see to it that ranges stay within kMaxMagnitude.
class Arithmetic {
  public:
    explicit Arithmetic(Gates& gates) : gates_(gates) {}

    Number constant(std::int64_t value);
    Number bit(NodeId node) { return fitted(0, 1, {node}); }
    /// `bits` as an unsigned number of that many bits.
    Number unsigned_number(std::vector<NodeId> bits);

    Number add(const Number& a, const Number& b);
    Number subtract(const Number& a, const Number& b);
    Number multiply(const Number& a, const Number& b);
    Number absolute(const Number& a);
    /// a * 2^count; a / 2^count rounded down.
    Number shift_left(const Number& a, unsigned count);
    Number shift_right(const Number& a, unsigned count);
    /// The lowest `count` bits, as an unsigned number.
    Number low_bits(const Number& a, std::size_t count);
    Number sum(std::vector<Number> terms);

    NodeId less(const Number& a, const Number& b);
    NodeId equal(const Number& a, const Number& b);
    NodeId is_not_zero(const Number& a);
    /// b where `select` is 1, a where it is 0.
    Number choose(NodeId select, const Number& a, const Number& b);
    Number minimum(const Number& a, const Number& b);
    Number maximum(const Number& a, const Number& b);

    using Gate = NodeId (Gates::*)(NodeId, NodeId);
    /// A gate for each pair of bits; neither number may be negative.
    Number bitwise(Gate gate, const Number& a, const Number& b);

  private:
    NodeId bit_of(const Number& a, std::size_t index);
    Number fitted(std::int64_t low, std::int64_t high, std::vector<NodeId> bits);
    /// a + b + carry, or a - b with `inverted` and a carry of 1, in the bits that the range takes.
    Number ripple(const Number& a, const Number& b, bool inverted, std::int64_t low,
                  std::int64_t high);

    Gates& gates_;
};

}  // namespace bitaxon::jit
