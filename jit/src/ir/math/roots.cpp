// cbrt and hypot.
#include "coefficients.hpp"
#include "float_format.hpp"

namespace bitaxon::jit::math {
namespace {

// |x| = m * 8^q with 1 <= m < 8, for a positive normal number.
struct Octaves {
    NodeId m;
    NodeId q_exponent;  ///< q in the exponent's place
};

Octaves split_octaves(MathBuilder& b, Type t, NodeId x) {
    const FloatFormat& f = format(t);
    const Type i = f.integer;
    const NodeId magic = b.constant(t, f.magic);
    const NodeId exponent =
        int_sub(b, t, b.shr(i, x, f.fraction_bits), b.bits(i, static_cast<std::uint64_t>(f.bias)));
    const NodeId e = b.sub(t, int_add(b, t, exponent, b.bits(i, b.graph()[magic].payload)), magic);
    // floor(e / 3): (e - 1) / 3 is never halfway between integers.
    const double third = 1.0 / 3;
    const NodeId shifted = b.fma(t, b.sub(t, e, b.constant(t, 1)), b.constant(t, third), magic);
    const NodeId q = exponent_of(b, t, shifted);
    const NodeId thrice = int_add(b, t, q, b.shl(i, q, 1));
    return {int_sub(b, t, x, thrice), q};
}

// m^(-1/3) for 1 <= m < 8, within 2^-45 in f64 and 2^-22 in f32: a polynomial for m < 2 and one
// step of third order from there.
NodeId inverse_cbrt(MathBuilder& b, Type t, NodeId m) {
    const bool wide = t == Type::f64;
    const NodeId fraction_mask = b.bits(t, (std::uint64_t{1} << format(t).fraction_bits) - 1);
    const NodeId one = b.constant(t, 1);
    const NodeId fraction = b.bit_or(t, b.bit_and(t, m, fraction_mask), one);
    const NodeId p =
        wide ? estrin(b, t, fraction, kInverseCbrt64) : estrin(b, t, fraction, kInverseCbrt32);
    const auto scale = [&](std::size_t k) { return b.constant(t, kInverseCbrtScale[k]); };
    const NodeId from_two = b.select(t, b.less(t, m, b.constant(t, 4)), scale(1), scale(2));
    const NodeId factor = b.select(t, b.less(t, m, b.constant(t, 2)), scale(0), from_two);
    const NodeId y = b.mul(t, p, factor);
    // With e = 1 - m y^3: y / (1 - e)^(1/3) = y (1 + e/3 + 2 e^2/9 + ...).
    const NodeId e = b.fnma(t, b.mul(t, b.mul(t, m, y), y), y, one);
    const NodeId series = b.fma(t, e, b.constant(t, 2.0 / 9), b.constant(t, 1.0 / 3));
    return b.fma(t, b.mul(t, y, e), series, y);
}

}  // namespace

NodeId cbrt(MathBuilder& b, Type t, NodeId x) {
    const FloatFormat& f = format(t);
    const bool wide = t == Type::f64;
    const NodeId magnitude = b.abs(t, x);
    const NodeId small = b.less(t, magnitude, b.constant(t, f.smallest_normal));
    const int scale = wide ? 54 : 24;
    const NodeId scaled = b.mul(t, magnitude, b.constant(t, wide ? 0x1p54 : 0x1p24));
    const Octaves parts = split_octaves(b, t, b.select(t, small, scaled, magnitude));

    const NodeId inverse = inverse_cbrt(b, t, parts.m);
    const NodeId inverse_square = b.mul(t, inverse, inverse);
    const NodeId root = b.mul(t, parts.m, inverse_square);
    // One step of Newton's; what the square lacks counts a third.
    const NodeId remainder = b.fnma(t, b.mul(t, root, root), root, parts.m);
    const NodeId third = b.mul(t, inverse_square, b.constant(t, 1.0 / 3));
    const NodeId better = b.fma(t, remainder, third, root);

    const NodeId bias =
        b.select(f.integer, small, b.bits(f.integer, f.exponent_bits(f.bias - scale / 3)),
                 b.bits(f.integer, f.exponent_bits(f.bias)));
    const NodeId result = b.mul(t, better, int_add(b, t, parts.q_exponent, bias));
    const NodeId zero = b.constant(t, 0);
    const NodeId proper =
        b.node(Op::bit_and, mask_of(t),
               {b.less(t, zero, magnitude), b.less(t, magnitude, infinity(b, t))});
    // Zeros, infinities and NaN are their own roots.
    return b.select(t, proper, with_sign_of(b, t, result, x), x);
}

namespace {

// sqrt(x^2 + y^2) for larger >= smaller >= 0 of about 1: the sum is a pair before the root.
NodeId length(MathBuilder& b, Type t, NodeId larger, NodeId smaller) {
    const Pair x = two_square(b, t, larger);
    const Pair y = two_square(b, t, smaller);
    const Pair sum = fast_two_sum(b, t, x.high, y.high);
    const NodeId low = b.add(t, sum.low, b.add(t, x.low, y.low));
    return b.sqrt(t, b.add(t, sum.high, low));
}

// Scaled by the power of two in the larger one.
NodeId hypot64(MathBuilder& b, NodeId x, NodeId y) {
    constexpr Type t = Type::f64;
    const NodeId larger = b.greater(t, x, y);
    const NodeId smaller = b.lesser(t, y, x);
    const NodeId power = b.bit_and(t, larger, b.bits(t, 0x7ff0000000000000));
    const NodeId bounded = clamp(b, t, power, 0x1p-1022, 0x1p1022);
    const NodeId inverse = int_sub(b, t, b.bits(Type::i64, std::uint64_t{2046} << 52), bounded);
    const NodeId root = length(b, t, b.mul(t, larger, inverse), b.mul(t, smaller, inverse));
    return b.mul(t, root, bounded);
}

NodeId hypot32(MathBuilder& b, NodeId x, NodeId y) {
    constexpr Type t = Type::f64;
    const NodeId wide_x = b.node(Op::f64_from_f32, t, {x});
    const NodeId wide_y = b.node(Op::f64_from_f32, t, {y});
    const NodeId sum = b.fma(t, wide_x, wide_x, b.mul(t, wide_y, wide_y));
    return b.node(Op::f32_from_f64, Type::f32, {b.sqrt(t, sum)});
}

}  // namespace

NodeId hypot(MathBuilder& b, Type t, NodeId x, NodeId y) {
    const NodeId abs_x = b.abs(t, x);
    const NodeId abs_y = b.abs(t, y);
    const NodeId finite = t == Type::f64 ? hypot64(b, abs_x, abs_y) : hypot32(b, abs_x, abs_y);
    const NodeId any = infinity(b, t);
    const NodeId infinite =
        b.node(Op::bit_or, mask_of(t), {b.equal(t, abs_x, any), b.equal(t, abs_y, any)});
    return b.select(t, infinite, any, finite);
}

}  // namespace bitaxon::jit::math
