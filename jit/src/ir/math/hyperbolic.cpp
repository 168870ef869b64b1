// tanh, sigmoid, sinh and cosh, from addition theorems: no difference of large numbers, and the
// parts that must be exact are sums of powers of two.
#include "coefficients.hpp"
#include "float_format.hpp"

namespace bitaxon::jit::math {
namespace {

constexpr double kLog2OfE = 0x1.71547652b82fep+0;

// a = n ln(2)/2 + h, so that e^2a = 2^n (1 + th) / (1 - th) with th = tanh h = high + low; high is
// exact, and low at most a hundredth of it.
struct HalfReduced {
    Nearest n;
    NodeId high;
    NodeId low;
};

constexpr Type kWide = Type::f64;

HalfReduced reduce_half(MathBuilder& b, NodeId a, double bias = 0) {
    const Nearest n = nearest(b, kWide, a, 2 * kLog2OfE, bias);
    const NodeId high = b.fnma(kWide, n.value, b.constant(kWide, kHalfLnTwoParts64.high), a);
    const NodeId correction = b.mul(kWide, n.value, b.constant(kWide, kHalfLnTwoParts64.low));
    const NodeId h = b.sub(kWide, high, correction);
    const NodeId z = b.mul(kWide, h, h);
    const NodeId p = estrin(b, kWide, z, kTanh64);
    return {n, high, b.fms(kWide, b.mul(kWide, z, h), p, correction)};
}

// x + y th, where `lacking(sum)` is x - sum.
template <class Lacking>
Pair plus_scaled(MathBuilder& b, NodeId x, NodeId y, const HalfReduced& th, Lacking lacking) {
    const NodeId high = b.fma(kWide, y, th.high, x);
    const NodeId rest = b.fma(kWide, y, th.high, lacking(high));
    return {high, b.fma(kWide, y, th.low, rest)};
}

// (1 + w) + y th for 0 <= w <= 1 and |y| <= 1. What 1 + w lacks is counted too.
Pair denominator(MathBuilder& b, NodeId w, NodeId y, const HalfReduced& th) {
    const NodeId one = b.constant(kWide, 1);
    return plus_scaled(b, b.add(kWide, one, w), y, th,
                       [&](NodeId sum) { return b.add(kWide, b.sub(kWide, one, sum), w); });
}

// x / y rounded almost correctly: the remainder of the first quotient is divided too. Low parts may
// be as large as a hundredth of the high ones.
NodeId ratio(MathBuilder& b, Pair x, Pair y) {
    const NodeId reciprocal = b.div(kWide, b.constant(kWide, 1), sum(b, kWide, y));
    const NodeId quotient = b.mul(kWide, x.high, reciprocal);
    const NodeId remainder = b.fnma(kWide, quotient, y.high, x.high);
    const NodeId rest = b.fnma(kWide, quotient, y.low, x.low);
    return b.fma(kWide, b.add(kWide, remainder, rest), reciprocal, quotient);
}

// Keeps (1 - w) + (1 + w) th at n = 1 above 1/4, so that (1 - w) minus it is exact.
constexpr double kBiasOfTanh = -0.02;

// With e^2|x| = (1 + th) / (w (1 - th)), w = 2^-n:
// tanh |x| = ((1 - w) + (1 + w) th) / ((1 + w) + (1 - w) th).
NodeId tanh64(MathBuilder& b, NodeId x) {
    constexpr Type t = kWide;
    const NodeId bounded = b.lesser(t, b.constant(t, 20), b.abs(t, x));
    const HalfReduced th = reduce_half(b, bounded, kBiasOfTanh);
    const NodeId one = b.constant(t, 1);
    const NodeId w = inverse_power_of_two(b, t, exponent_of(b, t, th.n.shifted));
    const NodeId difference = b.sub(t, one, w);
    const NodeId difference_low = b.sub(t, b.sub(t, one, difference), w);
    const Pair numerator = plus_scaled(b, difference, b.add(t, one, w), th, [&](NodeId sum) {
        return b.add(t, b.sub(t, difference, sum), difference_low);
    });
    return with_sign_of(b, t, ratio(b, numerator, denominator(b, w, difference, th)), x);
}

// tanh |x| = 1 - 2 / (1 + e^2|x|), and for small x a polynomial.
NodeId tanh32(MathBuilder& b, NodeId x) {
    constexpr Type t = Type::f32;
    const NodeId one = b.constant(t, 1);
    const NodeId two = b.constant(t, 2);
    const NodeId size = b.abs(t, x);
    const NodeId bounded = b.lesser(t, b.constant(t, 10), size);
    const Nearest n = nearest(b, t, bounded, 2 * kLog2OfE);
    const NodeId high =
        b.fnma(t, n.value, b.constant(t, kLnTwoParts32.high), b.add(t, bounded, bounded));
    const NodeId r = b.fnma(t, n.value, b.constant(t, kLnTwoParts32.low), high);
    const NodeId value = b.fma(t, b.mul(t, r, r), horner(b, t, r, kExp32), r);
    const NodeId power = power_of_two(b, t, exponent_of(b, t, n.shifted));
    const NodeId denominator = b.fma(t, power, b.add(t, one, value), one);
    const NodeId large = b.sub(t, one, b.div(t, two, denominator));
    const NodeId z = b.mul(t, size, size);
    const NodeId small = b.fma(t, b.mul(t, z, size), horner(b, t, z, kWideTanh32), size);
    const NodeId result = b.select(t, b.less(t, size, b.constant(t, 0.65)), small, large);
    return with_sign_of(b, t, result, x);
}

// Where 2^n is smaller than this it adds nothing to 1, and would soon be no normal number.
NodeId power_in_sum(MathBuilder& b, Type t, Nearest n) {
    const NodeId smallest = b.constant(t, format(t).magic - 100);
    return power_of_two(b, t, exponent_of(b, t, b.greater(t, n.shifted, smallest)));
}

// With a = -|x| and e^a = w (1 + th) / (1 - th), w = 2^n:
// sigmoid(a) = w (1 + th) / ((1 + w) - (1 - w) th) and sigmoid(-a) = (1 - th) / (the same).
NodeId sigmoid64(MathBuilder& b, NodeId x) {
    constexpr Type t = kWide;
    const NodeId one = b.constant(t, 1);
    const NodeId zero = b.constant(t, 0);
    const NodeId half = b.mul(t, b.bit_or(t, x, b.sign_mask(t)), b.constant(t, 0.5));
    const HalfReduced th = reduce_half(b, b.greater(t, b.constant(t, -374), half));
    const NodeId w = power_in_sum(b, t, th.n);

    const NodeId sign = b.node(Op::bit_andnot, t, {x, b.sign_mask(t)});
    const Pair turned{b.bit_xor(t, th.high, sign), b.bit_xor(t, th.low, sign)};
    const Pair numerator = fast_add(b, t, one, turned);
    const NodeId value = ratio(b, numerator, denominator(b, w, b.sub(t, w, one), th));
    return b.ldexp(t, value, b.select(t, b.less(t, x, zero), th.n.value, zero));
}

// With e^-|x| = 2^n e^r, w = 2^n: 1 / (1 + w e^r) for x > 0, and w / (w + e^-r) for x < 0.
NodeId sigmoid32(MathBuilder& b, NodeId x) {
    constexpr Type t = Type::f32;
    const NodeId one = b.constant(t, 1);
    const NodeId zero = b.constant(t, 0);
    const NodeId bounded = b.greater(t, b.constant(t, -105), b.bit_or(t, x, b.sign_mask(t)));
    const Nearest n = nearest(b, t, bounded, kLog2OfE);
    const NodeId high = b.fnma(t, n.value, b.constant(t, kLnTwoParts32.high), bounded);
    const NodeId size = b.fnma(t, n.value, b.constant(t, kLnTwoParts32.low), high);
    const NodeId r = b.bit_xor(t, size, b.bit_and(t, x, b.sign_mask(t)));
    const NodeId value = b.fma(t, b.mul(t, r, r), estrin(b, t, r, kExp32), r);
    const NodeId w = power_in_sum(b, t, n);
    const NodeId negative = b.less(t, x, zero);
    const NodeId factor = b.select(t, negative, one, w);
    const NodeId total = b.add(t, one, w);
    const NodeId denominator = b.fma(t, factor, value, total);
    const NodeId rest = b.add(t, b.sub(t, one, denominator), w);
    const NodeId lacking = b.fma(t, factor, value, rest);
    const NodeId quotient = b.div(t, one, denominator);
    const NodeId remainder = b.fnma(t, quotient, denominator, one);
    const NodeId better = b.fma(t, b.fnma(t, quotient, lacking, remainder), quotient, quotient);
    return b.ldexp(t, better, b.select(t, negative, n.value, zero));
}

}  // namespace

NodeId tanh(MathBuilder& b, Type t, NodeId x) {
    return t == Type::f64 ? tanh64(b, x) : tanh32(b, x);
}

NodeId sigmoid(MathBuilder& b, Type t, NodeId x) {
    return t == Type::f64 ? sigmoid64(b, x) : sigmoid32(b, x);
}

namespace {

// The four parts of 8 * 2^-n * sinh |x| = minus cosh r + plus sinh r, |x| = n ln 2 + r, and of
// cosh, where minus and plus change places: minus = 4 (1 - 4^-n), plus = 4 (1 + 4^-n).
struct Hyperbolic {
    Pair minus;
    Pair plus;
    NodeId r;  // exact; sinh r = r + sinh_tail
    NodeId sinh_tail;
    NodeId cosh_tail;  // cosh r = 1 + cosh_tail
    NodeId power;      // 2^(n - 3)
};

Hyperbolic reduce_hyperbolic(MathBuilder& b, Type t, NodeId x) {
    const bool wide = t == Type::f64;
    const PairConstant& ln_two = wide ? kLnTwoParts64 : kLnTwoParts32;
    const NodeId bounded = b.lesser(t, b.constant(t, wide ? 711 : 90), b.abs(t, x));
    const Nearest n = nearest(b, t, bounded, kLog2OfE);
    const NodeId high = b.fnma(t, n.value, b.constant(t, ln_two.high), bounded);
    const NodeId correction = b.mul(t, n.value, b.constant(t, ln_two.low));
    const NodeId r = b.sub(t, high, correction);
    const NodeId z = b.mul(t, r, r);
    const NodeId s = wide ? estrin(b, t, z, kSinh64) : estrin(b, t, z, kSinh32);
    const NodeId c = wide ? estrin(b, t, z, kCosh64) : estrin(b, t, z, kCosh32);

    // Beyond this n, e^-|x| adds nothing to e^|x|.
    const NodeId largest = b.constant(t, format(t).magic + 60);
    const NodeId bounded_n = b.lesser(t, largest, n.shifted);
    const NodeId w = inverse_power_of_two(b, t, exponent_of(b, t, bounded_n), 1);
    const NodeId four = b.constant(t, 4);
    const NodeId minus = b.fnma(t, w, w, four);
    const NodeId plus = b.fma(t, w, w, four);
    return {{minus, b.fnma(t, w, w, b.sub(t, four, minus))},
            {plus, b.fma(t, w, w, b.sub(t, four, plus))},
            high,
            b.fms(t, b.mul(t, z, r), s, correction),
            b.mul(t, z, c),
            power_of_two(b, t, exponent_of(b, t, n.shifted), -3)};
}

// (even cosh r + odd sinh r) * power, for which the low part of `odd` is too small.
NodeId combine(MathBuilder& b, Type t, const Hyperbolic& x, Pair even, Pair odd) {
    const NodeId high = b.fma(t, odd.high, x.r, even.high);
    const NodeId lacking = b.add(t, b.sub(t, even.high, high), even.low);
    const NodeId rest = b.fma(t, odd.high, x.r, lacking);
    const NodeId low = b.fma(t, even.high, x.cosh_tail, b.fma(t, odd.high, x.sinh_tail, rest));
    return b.mul(t, b.add(t, high, low), x.power);
}

}  // namespace

NodeId sinh(MathBuilder& b, Type t, NodeId x) {
    const Hyperbolic parts = reduce_hyperbolic(b, t, x);
    return with_sign_of(b, t, combine(b, t, parts, parts.minus, parts.plus), x);
}

NodeId cosh(MathBuilder& b, Type t, NodeId x) {
    const Hyperbolic parts = reduce_hyperbolic(b, t, x);
    return combine(b, t, parts, parts.plus, parts.minus);
}

}  // namespace bitaxon::jit::math
