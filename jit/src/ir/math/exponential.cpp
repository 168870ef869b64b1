// exp, expm1, exp2 and exprel. With x = n ln 2 + r, |r| <= ln(2)/2, each is 2^n times a polynomial
// of r; where r isn't a lane's number, what it lacks goes into the last, smallest terms.
#include "coefficients.hpp"
#include "float_format.hpp"

namespace bitaxon::jit::math {
namespace {

constexpr double kLog2OfE = 0x1.71547652b82fep+0;

// x = n ln 2 + high - correction: `high` is exact, and r their difference rounded.
struct Reduced {
    Nearest n;
    NodeId high;
    NodeId correction;
    NodeId r;
};

Reduced reduce(MathBuilder& b, Type t, NodeId x, double bias = 0) {
    const PairConstant& ln_two = t == Type::f64 ? kLnTwoParts64 : kLnTwoParts32;
    const Nearest n = nearest(b, t, x, kLog2OfE, bias);
    const NodeId high = b.fnma(t, n.value, b.constant(t, ln_two.high), x);
    const NodeId correction = b.mul(t, n.value, b.constant(t, ln_two.low));
    return {n, high, correction, b.sub(t, high, correction)};
}

// r alone, for f32.
NodeId reduce32(MathBuilder& b, NodeId n, NodeId x) {
    constexpr Type t = Type::f32;
    const NodeId high = b.fnma(t, n, b.constant(t, kLnTwoParts32.high), x);
    return b.fnma(t, n, b.constant(t, kLnTwoParts32.low), high);
}

// (e^r - 1 - r) / r^2. In f64 the first coefficient, the largest, joins last: its sum is rounded
// once.
NodeId polynomial(MathBuilder& b, Type t, NodeId r) {
    if (t == Type::f32) {
        return estrin(b, t, r, kExp32);
    }
    const NodeId rest = estrin(b, t, r, std::span(kExp64).subspan(1));
    return b.fma(t, r, rest, b.constant(t, kExp64[0]));
}

// e^r - 1 - high, where `high` is that of the reduction.
NodeId tail(MathBuilder& b, Type t, const Reduced& x, NodeId polynomial) {
    return b.fms(t, b.mul(t, x.r, x.r), polynomial, x.correction);
}

// What is added to x / ln 2 in f64 so that n becomes 1 where e^x - 1 is 1/2: with the ulp of a
// smaller value, the errors of such a difference would be too large.
constexpr double kBiasOfExpm1 = -0x1.5c01a39fbd688p-4;

// 2^-n 2^shift (e^x - 1) in f64, where low is at most a fifth of high: what 1 - 2^-n lacks is
// counted.
Pair expm1_pair(MathBuilder& b, const Reduced& x, NodeId tail, int shift) {
    constexpr Type t = Type::f64;
    const NodeId scale = b.constant(t, 1 << shift);
    const NodeId power = inverse_power_of_two(b, t, exponent_of(b, t, x.n.shifted), shift);
    const NodeId one = b.sub(t, scale, power);
    const NodeId one_low = b.sub(t, b.sub(t, scale, one), power);
    const NodeId high = b.fma(t, scale, x.high, one);
    const NodeId lacking = b.add(t, b.sub(t, one, high), one_low);
    return {high, b.fma(t, scale, tail, b.fma(t, scale, x.high, lacking))};
}

// The same in f32, where r does for its two parts.
Pair expm1_pair32(MathBuilder& b, Nearest n, NodeId r, NodeId polynomial, int shift) {
    constexpr Type t = Type::f32;
    const NodeId scale = b.constant(t, 1 << shift);
    const NodeId power = inverse_power_of_two(b, t, exponent_of(b, t, n.shifted), shift);
    const NodeId one = b.sub(t, scale, power);
    const NodeId high = b.fma(t, scale, r, one);
    const NodeId rest = b.fma(t, scale, r, b.sub(t, one, high));
    return {high, b.fma(t, scale, b.mul(t, b.mul(t, r, r), polynomial), rest)};
}

}  // namespace

NodeId exp(MathBuilder& b, Type t, NodeId x) {
    const NodeId one = b.constant(t, 1);
    if (t == Type::f64) {
        const Reduced parts = reduce(b, t, clamp(b, t, x, -750, 710));
        const NodeId value = b.add(t, parts.high, tail(b, t, parts, polynomial(b, t, parts.r)));
        return b.ldexp(t, b.add(t, one, value), parts.n.value);
    }
    const NodeId bounded = clamp(b, t, x, -105, 90);
    const Nearest n = nearest(b, t, bounded, kLog2OfE);
    const NodeId r = reduce32(b, n.value, bounded);
    const NodeId value = b.fma(t, b.mul(t, r, r), polynomial(b, t, r), r);
    return b.ldexp(t, b.add(t, one, value), n.value);
}

NodeId expm1(MathBuilder& b, Type t, NodeId x) {
    // Twice 2^-n (e^x - 1): half the power is a number for the largest n too. Below the lower bound
    // the result rounds to -1; the upper one's overflows.
    constexpr int shift = 1;
    Nearest n;
    Pair twice;
    if (t == Type::f64) {
        const Reduced parts = reduce(b, t, clamp(b, t, x, -40, 710), kBiasOfExpm1);
        n = parts.n;
        twice = expm1_pair(b, parts, tail(b, t, parts, polynomial(b, t, parts.r)), shift);
    } else {
        const NodeId bounded = clamp(b, t, x, -18, 89);
        n = nearest(b, t, bounded, kLog2OfE);
        const NodeId r = reduce32(b, n.value, bounded);
        twice = expm1_pair32(b, n, r, polynomial(b, t, r), shift);
    }
    const NodeId half_power = power_of_two(b, t, exponent_of(b, t, n.shifted), -shift);
    return with_sign_of(b, t, b.mul(t, sum(b, t, twice), half_power), x);  // of -0
}

NodeId exp2(MathBuilder& b, Type t, NodeId x) {
    const bool wide = t == Type::f64;
    const NodeId bounded = clamp(b, t, x, wide ? -1080 : -152, wide ? 1025 : 129);
    const Nearest n = nearest(b, t, bounded, 1);
    const NodeId r = b.sub(t, bounded, n.value);
    const NodeId one = b.constant(t, 1);
    if (!wide) {
        return b.ldexp(t, b.fma(t, r, estrin(b, t, r, kExp2Of32), one), n.value);
    }
    const NodeId p = b.fma(t, r, estrin(b, t, r, kExp2Of64), b.constant(t, kLnTwo64.low));
    const NodeId value = b.fma(t, r, b.constant(t, kLnTwo64.high), b.mul(t, r, p));
    return b.ldexp(t, b.add(t, one, value), n.value);
}

namespace {

// exprel is a polynomial where n = 0, -1/x where e^x is too small to count, and between
// (e^x - 1) / x from a pair, by one division that the remainder corrects. Signs are turned round so
// that the reciprocal serves as that -1/x.
struct Exprel {
    NodeId bounded;  // x, not above where the result has overflowed
    Nearest n;
    NodeId r;
    NodeId polynomial;  // of r
    Pair expm1;         // (e^x - 1) * 2^(shift - n)
    NodeId rounded;     // that pair in one lane
};

// Overflow is at an n this far beyond the format's last exponent.
int exprel_shift(Type t) { return t == Type::f64 ? 11 : 10; }

NodeId exprel(MathBuilder& b, Type t, const Exprel& x, double lowest) {
    const FloatFormat& f = format(t);
    const NodeId reciprocal = b.div(t, b.constant(t, -1), x.bounded);
    const NodeId quotient = b.mul(t, x.rounded, reciprocal);
    const NodeId remainder = b.add(t, b.fma(t, quotient, x.bounded, x.expm1.high), x.expm1.low);
    const NodeId ratio = b.fma(t, remainder, reciprocal, quotient);
    const std::uint64_t sign = b.graph()[b.sign_mask(t)].payload;
    const std::uint64_t offset = f.exponent_bits(f.bias - exprel_shift(t)) | sign;
    const NodeId minus_power =
        int_add(b, t, exponent_of(b, t, x.n.shifted), b.bits(f.integer, offset));

    const NodeId at_zero = b.fma(t, x.r, x.polynomial, b.constant(t, 1));
    const NodeId near_zero = b.equal(t, x.n.value, b.constant(t, 0));
    const NodeId inside = b.select(t, near_zero, at_zero, b.mul(t, ratio, minus_power));
    return b.select(t, b.less(t, x.bounded, b.constant(t, lowest)), reciprocal, inside);
}

NodeId exprel64(MathBuilder& b, NodeId x) {
    constexpr Type t = Type::f64;
    const NodeId bounded = b.lesser(t, b.constant(t, 717), x);
    const Reduced parts = reduce(b, t, bounded);
    const NodeId p = polynomial(b, t, parts.r);
    const Pair value = expm1_pair(b, parts, tail(b, t, parts, p), exprel_shift(t));
    const Pair normal = fast_two_sum(b, t, value.high, value.low);
    return exprel(b, t, {bounded, parts.n, parts.r, p, normal, normal.high}, -40);
}

NodeId exprel32(MathBuilder& b, NodeId x) {
    constexpr Type t = Type::f32;
    const NodeId bounded = b.lesser(t, b.constant(t, 94), x);
    const Nearest n = nearest(b, t, bounded, kLog2OfE);
    const NodeId r = reduce32(b, n.value, bounded);
    const NodeId p = polynomial(b, t, r);
    const Pair value = expm1_pair32(b, n, r, p, exprel_shift(t));
    return exprel(b, t, {bounded, n, r, p, value, sum(b, t, value)}, -18);
}

}  // namespace

NodeId exprel(MathBuilder& b, Type t, NodeId x) {
    return t == Type::f64 ? exprel64(b, x) : exprel32(b, x);
}

}  // namespace bitaxon::jit::math
