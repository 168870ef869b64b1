// Sine, cosine and tangent: reduction by multiples of pi in parts (Cody and Waite 1980), exact as
// far as fused multiply-adds make it, then a polynomial. Arguments beyond kLimit are reduced out of
// line (Payne and Hanek 1983).
#include "circular_coefficients.hpp"
#include "double_double.hpp"
#include "math.hpp"

namespace bitaxon::jit::math {
namespace {

// Where the products of the reduction's multiplier with the parts of pi stop being exact.
constexpr double kLimit32 = 0x1p+13;
constexpr double kLimit64 = 0x1p+21;

double limit(Type t) { return t == Type::f32 ? kLimit32 : kLimit64; }

// 1.5 * 2^(digits - 1): adding it rounds to an integer and leaves that in the low bits.
double rounding_shift(Type t) { return t == Type::f32 ? 0x1.8p+23 : 0x1.8p+52; }

NodeId take_rare_path(MathBuilder& b, Type t, std::string_view function, NodeId x, NodeId size,
                      NodeId usual) {
    const NodeId huge = b.less_equal(t, b.constant(t, limit(t)), size);
    return b.rare(t, function, huge, usual, {x});
}

struct Reduced {
    NodeId high, low;  // in [-pi/4, pi/4] and a little more; |low| may exceed half an ulp of high
    NodeId quarters;   // integer lanes whose low bits count the quarter turns taken away
};

// The product with the first part cancels exactly, being a multiple of that part's last bit, and
// the second part is so short that its product is exact; so high + low carries no error after them.
// What is left of pi/2 only touches low.
Reduced reduce(MathBuilder& b, Type t, NodeId size) {
    const std::span<const double> parts =
        t == Type::f32 ? std::span<const double>(kHalfPi32) : std::span<const double>(kHalfPi64);
    const NodeId shift = b.constant(t, rounding_shift(t));
    const double per_half_pi = t == Type::f32 ? 0x1.45f306p-1 : 0x1.45f306dc9c883p-1;
    const NodeId quarters = b.fma(t, size, b.constant(t, per_half_pi), shift);
    const NodeId n = b.sub(t, quarters, shift);
    const NodeId first = b.fnma(t, n, b.constant(t, parts[0]), size);
    const NodeId second_part = b.constant(t, parts[1]);
    const NodeId high = b.fnma(t, n, second_part, first);
    NodeId low = b.fnma(t, n, second_part, b.sub(t, first, high));
    for (const double part : parts.subspan(2)) {
        low = b.fnma(t, n, b.constant(t, part), low);
    }
    return {high, low, quarters};
}

NodeId is_odd(MathBuilder& b, Type t, NodeId integer) {
    const Type i = integer_of(t);
    return b.node(Op::int_less, mask_of(t),
                  {b.shl(i, integer, lane_bytes(t) * 8 - 1), b.graph().integer(i, 0)});
}

struct SinCos {
    NodeId sin, cos;
};

// The cosine has room for an error of half an ulp in its argument, the sine near zero has not.
SinCos sin_cos32(MathBuilder& b, const Reduced& r) {
    const Type t = Type::f32;
    const NodeId z = b.mul(t, r.high, r.high);
    const NodeId below_one = b.fma(t, z, horner(b, t, z, kCos32), b.constant(t, -0.5));
    const NodeId sin_rest = b.fma(t, b.mul(t, r.high, z), horner(b, t, z, kSin32), r.low);
    return {b.add(t, r.high, sin_rest), b.fma(t, z, below_one, b.constant(t, 1))};
}

SinCos sin_cos64(MathBuilder& b, const Reduced& r) {
    const Type t = Type::f64;
    const NodeId z = b.mul(t, r.high, r.high);
    const NodeId half_z = b.mul(t, z, b.constant(t, 0.5));
    const NodeId one = b.constant(t, 1);
    const NodeId near_one = b.sub(t, one, half_z);  // cos to its second order

    const NodeId cubic = b.mul(t, r.high, z);
    const NodeId sin_rest = b.fma(t, cubic, estrin(b, t, z, kSin64), b.mul(t, r.low, near_one));

    const NodeId lost = b.sub(t, b.sub(t, one, near_one), half_z);
    const NodeId small = b.fnma(t, r.high, r.low, lost);
    const NodeId cos_rest = b.fma(t, b.mul(t, z, z), estrin(b, t, z, kCos64), small);
    return {b.add(t, r.high, sin_rest), b.add(t, near_one, cos_rest)};
}

// sin(size), or a quarter turn further. Both polynomials are computed, so a text that asks for sine
// and cosine of one argument pays for one.
NodeId sin_of_size(MathBuilder& b, Type t, NodeId size, int more_quarters) {
    const Type i = integer_of(t);
    const Reduced r = reduce(b, t, size);
    const SinCos values = t == Type::f32 ? sin_cos32(b, r) : sin_cos64(b, r);
    const NodeId odd = is_odd(b, t, r.quarters);
    const NodeId value = more_quarters == 0 ? b.select(t, odd, values.cos, values.sin)
                                            : b.select(t, odd, values.sin, values.cos);
    const NodeId quarters = b.add(i, r.quarters, b.graph().integer(i, more_quarters));
    const NodeId second_bit = b.shl(i, quarters, lane_bytes(t) * 8 - 2);
    return b.bit_xor(t, value, b.bit_and(t, second_bit, b.sign_mask(t)));
}

}  // namespace

NodeId sin(MathBuilder& b, Type t, NodeId x) {
    const NodeId size = b.abs(t, x);
    const NodeId value = b.bit_xor(t, sin_of_size(b, t, size, 0), b.bit_and(t, x, b.sign_mask(t)));
    return take_rare_path(b, t, t == Type::f32 ? "sin32" : "sin64", x, size, value);
}

NodeId cos(MathBuilder& b, Type t, NodeId x) {
    const NodeId size = b.abs(t, x);
    return take_rare_path(b, t, t == Type::f32 ? "cos32" : "cos64", x, size,
                          sin_of_size(b, t, size, 1));
}

NodeId tan(MathBuilder& b, Type t, NodeId x) {
    const NodeId size = b.abs(t, x);
    const Reduced r = reduce(b, t, size);
    const Pair square = two_square(b, t, r.high);
    const NodeId z = square.high;
    const Pair cubic = mul(b, t, square, r.high);
    const std::span<const double> coefficients =
        t == Type::f32 ? std::span<const double>(kTan32) : std::span<const double>(kTan64);
    const NodeId factor =
        b.fma(t, z, estrin(b, t, z, coefficients.subspan(1)), b.constant(t, coefficients[0]));

    // high + rest is the tangent of the reduced argument, whose slope there is 1 + tan^2.
    const NodeId rough = b.fma(t, cubic.high, factor, r.high);
    const NodeId low = b.fma(t, b.mul(t, r.low, rough), rough, r.low);
    const NodeId rest = b.fma(t, cubic.high, factor, b.fma(t, cubic.low, factor, low));
    const NodeId tangent = b.add(t, r.high, rest);

    // An odd number of quarter turns makes it -1 / tan; one Newton step on the quotient.
    const NodeId tangent_low = b.add(t, b.sub(t, r.high, tangent), rest);
    const NodeId quotient = b.div(t, b.constant(t, -1), tangent);
    const NodeId residual =
        b.fma(t, quotient, tangent_low, b.fma(t, quotient, tangent, b.constant(t, 1)));
    const NodeId cotangent = b.fma(t, quotient, residual, quotient);

    const NodeId value = b.select(t, is_odd(b, t, r.quarters), cotangent, tangent);
    const NodeId signed_value = b.bit_xor(t, value, b.bit_and(t, x, b.sign_mask(t)));
    return take_rare_path(b, t, t == Type::f32 ? "tan32" : "tan64", x, size, signed_value);
}

}  // namespace bitaxon::jit::math
