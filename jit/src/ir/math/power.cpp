// x^y as 2^(y log2 |x|): in f64 the logarithm is a pair with some 68 bits, so that the product,
// which goes up to 1075, leaves the result its 53; in f32 a double does for both.
#include "coefficients.hpp"
#include "float_format.hpp"

namespace bitaxon::jit::math {
namespace {

constexpr Type kWide = Type::f64;

// f / (2 + f).
Pair atanh_argument(MathBuilder& b, NodeId f) {
    const NodeId two = b.constant(kWide, 2);
    const Pair denominator = fast_two_sum(b, kWide, two, f);
    const NodeId reciprocal = b.div(kWide, b.constant(kWide, 1), denominator.high);
    const NodeId quotient = b.mul(kWide, f, reciprocal);
    const NodeId remainder = b.fnma(kWide, quotient, denominator.high, f);
    const NodeId rest = b.fnma(kWide, quotient, denominator.low, remainder);
    return {quotient, b.mul(kWide, rest, reciprocal)};
}

// log2 |x| within 2^-67 or so.
Pair log2_pair(MathBuilder& b, NodeId x) {
    const Split parts = split_any(b, kWide, x);
    const Pair s = atanh_argument(b, b.sub(kWide, parts.m, b.constant(kWide, 1)));
    const Pair z = square(b, kWide, s);
    Pair sum{b.mul(kWide, z.high, estrin(b, kWide, z.high, kPow64)), kNoNode};
    const auto leading = [&](std::size_t i) { return constant(b, kWide, kPowLeading64[i]); };
    sum = fast_two_sum(b, kWide, leading(2).high, sum.high);
    sum.low = b.add(kWide, sum.low, leading(2).low);
    sum = fast_add(b, kWide, leading(1), mul(b, kWide, z, sum));
    sum = fast_add(b, kWide, leading(0), mul(b, kWide, z, sum));
    return fast_add(b, kWide, parts.k, mul(b, kWide, s, sum));
}

// 2^(n + r + r_low) of a sum whose higher part is an integer and at most 1/2.
NodeId exp2_pair(MathBuilder& b, Pair x) {
    // Beyond the bounds the result is infinite or zero, and a low part of any size, or a NaN from
    // infinite parts, is cut down too.
    const NodeId high = clamp(b, kWide, x.high, -1100, 1100);
    const NodeId low =
        b.greater(kWide, b.lesser(kWide, x.low, b.constant(kWide, 0.5)), b.constant(kWide, -0.5));
    const Nearest n = nearest(b, kWide, high, 1);
    const Pair r = fast_two_sum(b, kWide, b.sub(kWide, high, n.value), low);
    const NodeId ln_two = b.constant(kWide, kLnTwo64.high);
    const Pair linear = two_prod(b, kWide, r.high, ln_two);
    const NodeId p =
        b.fma(kWide, r.high, estrin(b, kWide, r.high, kExp2Of64), b.constant(kWide, kLnTwo64.low));
    const NodeId rest = b.fma(kWide, r.high, p, b.fma(kWide, r.low, ln_two, linear.low));
    const Pair value = fast_two_sum(b, kWide, b.constant(kWide, 1), linear.high);
    return b.ldexp(kWide, b.add(kWide, value.high, b.add(kWide, value.low, rest)), n.value);
}

// |x|^y for f64, where neither is a NaN; x and y may be zero or infinite, but not with a product
// 0 * infinity of y and the logarithm.
NodeId magnitude(MathBuilder& b, NodeId x, NodeId y) {
    const Pair logarithm = log2_pair(b, x);
    const NodeId minus_infinity = b.negate(kWide, infinity(b, kWide));
    const NodeId at_zero =
        b.select(kWide, b.equal(kWide, x, b.constant(kWide, 0)), minus_infinity, logarithm.high);
    const NodeId high = b.select(kWide, b.less(kWide, x, infinity(b, kWide)), at_zero, x);
    const NodeId product = b.mul(kWide, y, high);
    const NodeId rest = b.fma(kWide, y, logarithm.low, b.fms(kWide, y, high, product));
    return exp2_pair(b, {product, rest});
}

// The same for x and y that were f32; the result is yet to be rounded to that.
NodeId magnitude_for_floats(MathBuilder& b, NodeId x, NodeId y) {
    const Split parts = split(b, kWide, x);
    const NodeId f = b.sub(kWide, parts.m, b.constant(kWide, 1));
    const NodeId s = b.div(kWide, f, b.add(kWide, f, b.constant(kWide, 2)));
    const NodeId z = b.mul(kWide, s, s);
    const NodeId logarithm = b.fma(kWide, s, estrin(b, kWide, z, kPow64ForFloats), parts.k);
    const NodeId minus_infinity = b.negate(kWide, infinity(b, kWide));
    const NodeId at_zero =
        b.select(kWide, b.equal(kWide, x, b.constant(kWide, 0)), minus_infinity, logarithm);
    const NodeId any = b.select(kWide, b.less(kWide, x, infinity(b, kWide)), at_zero, x);

    const NodeId high = clamp(b, kWide, b.mul(kWide, y, any), -200, 200);
    const Nearest n = nearest(b, kWide, high, 1);
    const NodeId r = b.sub(kWide, high, n.value);
    const NodeId value =
        b.fma(kWide, r, estrin(b, kWide, r, kExp2Of64ForFloats), b.constant(kWide, 1));
    return b.mul(kWide, value, power_of_two(b, kWide, exponent_of(b, kWide, n.shifted)));
}

// C's table of pow for what the magnitude leaves open: the sign of a negative base's odd power, NaN
// for its fractional ones, and 1 for y = 0 and x = 1 even beside a NaN.
NodeId with_special_values(MathBuilder& b, NodeId x, NodeId y, NodeId magnitude) {
    const Type t = kWide;
    const auto mask = [&](Op op, NodeId m, NodeId n) { return b.node(op, Type::m64, {m, n}); };
    const NodeId zero = b.constant(t, 0);
    const NodeId one = b.constant(t, 1);
    const NodeId half = b.mul(t, y, b.constant(t, 0.5));
    const NodeId integral = b.equal(t, b.trunc(t, y), y);
    const NodeId even = b.equal(t, b.trunc(t, half), half);

    const NodeId negated = b.bit_xor(t, magnitude, b.bit_and(t, x, b.sign_mask(t)));
    const NodeId odd = mask(Op::bit_andnot, even, integral);
    const NodeId with_sign = b.select(t, odd, negated, magnitude);
    const NodeId minus_infinity = b.negate(t, infinity(b, t));
    const NodeId negative = mask(Op::bit_and, b.less(t, x, zero), b.less(t, minus_infinity, x));
    const NodeId undefined = mask(Op::bit_andnot, integral, negative);
    const NodeId defined = b.select(t, undefined, quiet_nan(b, t), with_sign);
    return b.select(t, mask(Op::bit_or, b.equal(t, y, zero), b.equal(t, x, one)), one, defined);
}

}  // namespace

NodeId pow(MathBuilder& b, Type t, NodeId x, NodeId y) {
    const bool wide = t == Type::f64;
    if (!wide) {
        x = b.node(Op::f64_from_f32, kWide, {x});
        y = b.node(Op::f64_from_f32, kWide, {y});
    }
    // A larger exponent changes no result, and its products stay finite.
    const NodeId bounded = clamp(b, kWide, y, -0x1p65, 0x1p65);
    const NodeId base = b.abs(kWide, x);
    const NodeId size = wide ? magnitude(b, base, bounded) : magnitude_for_floats(b, base, bounded);
    const NodeId result = with_special_values(b, x, y, size);
    return wide ? result : b.node(Op::f32_from_f64, Type::f32, {result});
}

}  // namespace bitaxon::jit::math
