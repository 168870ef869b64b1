// Inverse circular functions: an odd polynomial near zero, and identities that lead there, with the
// low parts of quotients, roots and of pi carried along.
#include "circular_coefficients.hpp"
#include "double_double.hpp"
#include "math.hpp"

#include <limits>

namespace bitaxon::jit::math {
namespace {

PairConstant pi(Type t) {
    return t == Type::f32 ? PairConstant{kPiPair32[0], kPiPair32[1]}
                          : PairConstant{kPiPair64[0], kPiPair64[1]};
}

/// pi / 2^halvings.
PairConstant pi_part(Type t, int halvings) {
    const double factor = 1.0 / (1 << halvings);
    return {pi(t).high * factor, pi(t).low * factor};
}

NodeId is_negative(MathBuilder& b, Type t, NodeId x) {
    const Type i = integer_of(t);
    return b.node(Op::int_less, mask_of(t), {x, b.graph().integer(i, 0)});
}

NodeId sign_of(MathBuilder& b, Type t, NodeId x) { return b.bit_and(t, x, b.sign_mask(t)); }

NodeId select_constant(MathBuilder& b, Type t, NodeId mask, double yes, double no) {
    return b.select(t, mask, b.constant(t, yes), b.constant(t, no));
}

/// base + x, for a base of 0 or at least |x.high|, rounded but for x.low's own error.
NodeId add_to_base(MathBuilder& b, Type t, Pair base, Pair x) {
    const Pair sum = fast_two_sum(b, t, base.high, x.high);
    return b.add(t, sum.high, b.add(t, sum.low, b.add(t, x.low, base.low)));
}

// Arc tangents.

struct Ratio {
    NodeId smaller, greater;  // 0 <= smaller <= greater, 1 / greater a normal number
    NodeId swapped;           // mask: it is greater / smaller whose arc tangent is wanted
};

/// Arc tangent in [0, pi/2], or pi less that where x is negative. Beyond tan(pi/8) by
/// atan(a/c) = pi/4 + atan((a - c) / (a + c)).
NodeId arc_tangent(MathBuilder& b, Type t, const Ratio& ratio, NodeId x_is_negative) {
    const NodeId zero = b.constant(t, 0);
    const NodeId bound = b.mul(t, ratio.greater, b.constant(t, 0x1.a82798p-2));
    const NodeId far = b.less(t, bound, ratio.smaller);
    const NodeId taken = b.select(t, far, ratio.greater, zero);
    const NodeId given = b.select(t, far, ratio.smaller, zero);
    const NodeId numerator = b.sub(t, ratio.smaller, taken);
    const NodeId numerator_low = b.sub(t, ratio.smaller, b.add(t, numerator, taken));
    const Pair denominator = fast_two_sum(b, t, ratio.greater, given);

    const NodeId inverse = b.div(t, b.constant(t, 1), denominator.high);
    const NodeId q = b.mul(t, numerator, inverse);
    const NodeId rest = b.add(t, b.fnma(t, q, denominator.high, numerator), numerator_low);
    const NodeId q_low = b.mul(t, b.fnma(t, q, denominator.low, rest), inverse);

    const NodeId z = b.mul(t, q, q);
    const NodeId polynomial = t == Type::f32 ? estrin(b, t, z, kAtan32) : estrin(b, t, z, kAtan64);
    // The slope of the arc tangent at q is about 1 - z.
    const NodeId low = b.fma(t, b.mul(t, q, z), polynomial, b.fnma(t, q_low, z, q_low));

    // The angle is eighths * pi/4 + sign * (q + low).
    NodeId eighths = select_constant(b, t, far, 1, 0);
    eighths = b.select(t, ratio.swapped, b.sub(t, b.constant(t, 2), eighths), eighths);
    NodeId sign = b.bit_and(t, ratio.swapped, b.sign_mask(t));
    if (x_is_negative != kNoNode) {
        eighths = b.select(t, x_is_negative, b.sub(t, b.constant(t, 4), eighths), eighths);
        sign = b.bit_xor(t, sign, b.bit_and(t, x_is_negative, b.sign_mask(t)));
    }
    const Pair angle{b.bit_xor(t, q, sign), b.bit_xor(t, low, sign)};
    const PairConstant eighth = pi_part(t, 2);
    const NodeId high = b.constant(t, eighth.high);
    const NodeId sum = b.fma(t, eighths, high, angle.high);
    const NodeId lost = b.add(t, b.fms(t, eighths, high, sum), angle.high);
    const NodeId base_low = b.fma(t, eighths, b.constant(t, eighth.low), angle.low);
    return b.add(t, sum, b.add(t, lost, base_low));
}

// Powers of two that take both to where the inverse of the greater and the remainders of the
// smaller are normal numbers. What the factor pushes below the smallest number does not show in the
// quotient.
struct SafeRange {
    double low, high;
    double up, down;
};

constexpr SafeRange kSafe32{0x1p-80, 0x1p+80, 0x1p+40, 0x1p-40};
constexpr SafeRange kSafe64{0x1p-800, 0x1p+800, 0x1p+200, 0x1p-200};

Ratio ratio_of(MathBuilder& b, Type t, NodeId y, NodeId x) {
    const double infinity = std::numeric_limits<double>::infinity();
    const SafeRange& safe = t == Type::f32 ? kSafe32 : kSafe64;
    const NodeId one = b.constant(t, 1);
    const NodeId zero = b.constant(t, 0);
    const NodeId swapped = b.less(t, x, y);
    NodeId smaller = b.lesser(t, x, y);
    NodeId greater = b.greater(t, x, y);

    // inf / inf counts as 1, c / inf as 0, and 0 / 0 as 0.
    const NodeId infinite = b.equal(t, greater, b.constant(t, infinity));
    const NodeId both = b.equal(t, smaller, greater);
    smaller = b.select(t, infinite, b.select(t, both, one, zero), smaller);
    const NodeId no_divisor = b.node(Op::bit_or, mask_of(t), {infinite, b.equal(t, greater, zero)});
    greater = b.select(t, no_divisor, one, greater);

    const NodeId scale =
        b.select(t, b.less(t, b.constant(t, safe.high), greater), b.constant(t, safe.down),
                 select_constant(b, t, b.less(t, smaller, b.constant(t, safe.low)), safe.up, 1));
    return {b.mul(t, smaller, scale), b.mul(t, greater, scale), swapped};
}

// Arc sines: for |x| > 1/2, asin |x| = pi/2 - 2 asin s with s = sqrt((1 - |x|) / 2).

struct ArcSine {
    NodeId far;  // mask: |x| > 1/2
    Pair value;  // asin |x|, or asin s
};

ArcSine arc_sine_core(MathBuilder& b, Type t, NodeId size) {
    const NodeId half = b.constant(t, 0.5);
    const NodeId far = b.less(t, half, size);
    const NodeId z_far = b.fnma(t, size, half, half);
    const NodeId z = b.select(t, far, z_far, b.mul(t, size, size));
    const NodeId root = b.sqrt(t, z_far);
    const NodeId s = b.select(t, far, root, size);

    // What the root was rounded by, to first order; a root of 0 has no rest.
    const NodeId twice = b.greater(t, b.add(t, root, root), b.constant(t, 0x1p-60));
    const NodeId root_low = b.div(t, b.fnma(t, root, root, z_far), twice);
    const NodeId s_low = b.select(t, far, root_low, b.constant(t, 0));

    const NodeId polynomial = t == Type::f32 ? estrin(b, t, z, kAsin32) : estrin(b, t, z, kAsin64);
    return {far, {s, b.fma(t, b.mul(t, s, z), polynomial, s_low)}};
}

}  // namespace

NodeId atan(MathBuilder& b, Type t, NodeId x) {
    // Beyond 2^60 nothing changes; the order of the operands keeps NaN.
    const NodeId size = b.lesser(t, b.constant(t, 0x1p+60), b.abs(t, x));
    const NodeId one = b.constant(t, 1);
    const NodeId swapped = b.less(t, one, size);
    const Ratio ratio{b.lesser(t, one, size), b.select(t, swapped, size, one), swapped};
    return b.bit_xor(t, arc_tangent(b, t, ratio, kNoNode), sign_of(b, t, x));
}

NodeId atan2(MathBuilder& b, Type t, NodeId y, NodeId x) {
    const Ratio ratio = ratio_of(b, t, b.abs(t, y), b.abs(t, x));
    const NodeId angle = arc_tangent(b, t, ratio, is_negative(b, t, x));
    const NodeId value = b.bit_xor(t, angle, sign_of(b, t, y));
    return b.select(t, b.unordered(t, x, y), b.add(t, x, y), value);
}

NodeId asin(MathBuilder& b, Type t, NodeId x) {
    const ArcSine core = arc_sine_core(b, t, b.abs(t, x));
    const PairConstant quarter = pi_part(t, 1);
    const Pair base{select_constant(b, t, core.far, quarter.high, 0),
                    select_constant(b, t, core.far, quarter.low, 0)};
    const NodeId factor = select_constant(b, t, core.far, -2, 1);
    const Pair value{b.mul(t, core.value.high, factor), b.mul(t, core.value.low, factor)};
    return b.bit_xor(t, add_to_base(b, t, base, value), sign_of(b, t, x));
}

NodeId acos(MathBuilder& b, Type t, NodeId x) {
    const ArcSine core = arc_sine_core(b, t, b.abs(t, x));
    const NodeId negative = is_negative(b, t, x);
    const NodeId zero = b.constant(t, 0);
    const auto base_part = [&](double whole, double half) {
        const NodeId when_far = b.select(t, negative, b.constant(t, whole), zero);
        return b.select(t, core.far, when_far, b.constant(t, half));
    };
    const PairConstant whole = pi(t);
    const PairConstant half = pi_part(t, 1);
    const Pair base{base_part(whole.high, half.high), base_part(whole.low, half.low)};

    // pi/2 - asin x, or 2 asin s, or pi less that.
    const NodeId size = select_constant(b, t, core.far, 2, -1);
    const NodeId factor = b.bit_xor(t, size, sign_of(b, t, x));
    const Pair value{b.mul(t, core.value.high, factor), b.mul(t, core.value.low, factor)};
    return add_to_base(b, t, base, value);
}

}  // namespace bitaxon::jit::math
