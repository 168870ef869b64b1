// log, log2, log10 and log1p. The argument is 2^k m with sqrt(1/2) <= m < sqrt(2), and log m is
// f = m - 1, which is exact, plus a tail of at most a fifth of that.
#include "coefficients.hpp"
#include "float_format.hpp"

namespace bitaxon::jit::math {
namespace {

// log(1 + f) = f + tail in f32, for sqrt(1/2) <= 1 + f <= sqrt(2).
NodeId log_tail32(MathBuilder& b, NodeId f) {
    constexpr Type t = Type::f32;
    const NodeId p = b.fms(t, f, estrin(b, t, f, kLog32), b.constant(t, 0.5));
    return b.mul(t, b.mul(t, f, f), p);
}

// In f64, log(1 + f) = f - half f + s p: with s = f / (2 + f) it is 2 atanh(s), and 2 s = f - s f,
// where s f = f^2/2 - s f^2/2.
struct LogTail {
    NodeId half;
    NodeId s;
    NodeId p;
};

LogTail log_tail64(MathBuilder& b, NodeId f) {
    constexpr Type t = Type::f64;
    const NodeId half = b.mul(t, f, b.constant(t, 0.5));
    const NodeId s = b.div(t, f, b.add(t, f, b.constant(t, 2)));
    const NodeId z = b.mul(t, s, s);
    return {half, s, b.fma(t, z, estrin(b, t, z, kLog64), b.mul(t, half, f))};
}

// log(1 + f) as a pair; in f64 f - f^2/2 is without error.
Pair log_pair(MathBuilder& b, Type t, NodeId f) {
    if (t == Type::f32) {
        return {f, log_tail32(b, f)};
    }
    const LogTail tail = log_tail64(b, f);
    const NodeId high = b.fnma(t, tail.half, f, f);
    const NodeId rest = b.fnma(t, tail.half, f, b.sub(t, f, high));
    return {high, b.fma(t, tail.s, tail.p, rest)};
}

// C's special values for a logarithm whose argument is `x` and pole is at `pole`.
NodeId with_special_values(MathBuilder& b, Type t, NodeId x, double pole, NodeId result) {
    const NodeId at = b.constant(t, pole);
    const NodeId minus_infinity = b.negate(t, infinity(b, t));
    const NodeId above = b.select(t, b.less(t, x, infinity(b, t)), result, x);
    const NodeId inside = b.select(t, b.equal(t, x, at), minus_infinity, above);
    return b.select(t, b.less(t, x, at), quiet_nan(b, t), inside);
}

// k ln 2 + log(1 + f) where f = high + low exactly, `rounded` in one lane; low may be missing.
NodeId natural(MathBuilder& b, Type t, NodeId k, Pair f, NodeId rounded) {
    const PairConstant& ln_two = t == Type::f64 ? kLnTwoParts64 : kLnTwoParts32;
    const NodeId high = b.constant(t, ln_two.high);
    const auto with_low_parts = [&](NodeId x) {
        const NodeId sum = f.low == kNoNode ? x : b.add(t, x, f.low);
        return b.fma(t, k, b.constant(t, ln_two.low), sum);
    };
    if (t == Type::f32) {
        const NodeId low = with_low_parts(log_tail32(b, rounded));
        return b.fma(t, k, high, b.add(t, f.high, low));
    }
    const LogTail tail = log_tail64(b, rounded);
    const Pair sum = fast_two_sum(b, t, b.mul(t, k, high), f.high);
    const NodeId quadratic = b.fnma(t, tail.half, rounded, with_low_parts(sum.low));
    return b.add(t, sum.high, b.fma(t, tail.s, tail.p, quadratic));
}

}  // namespace

NodeId log(MathBuilder& b, Type t, NodeId x) {
    const Split parts = split_any(b, t, x);
    const NodeId f = b.sub(t, parts.m, b.constant(t, 1));
    return with_special_values(b, t, x, 0, natural(b, t, parts.k, {f, kNoNode}, f));
}

NodeId log2(MathBuilder& b, Type t, NodeId x) {
    const PairConstant& scale = t == Type::f64 ? kReciprocalLnTwo64 : kReciprocalLnTwo32;
    const Split parts = split_any(b, t, x);
    const NodeId f = b.sub(t, parts.m, b.constant(t, 1));
    const Pair log_m = log_pair(b, t, f);
    const NodeId high = b.constant(t, scale.high);
    const NodeId rest = b.fma(t, log_m.low, high, b.mul(t, log_m.high, b.constant(t, scale.low)));
    const NodeId result = b.add(t, parts.k, b.fma(t, log_m.high, high, rest));
    return with_special_values(b, t, x, 0, result);
}

NodeId log10(MathBuilder& b, Type t, NodeId x) {
    const bool wide = t == Type::f64;
    const PairConstant& scale = wide ? kReciprocalLnTen64 : kReciprocalLnTen32;
    const PairConstant& two = wide ? kLog10OfTwoParts64 : kLog10OfTwoParts32;
    const Split parts = split_any(b, t, x);
    const NodeId f = b.sub(t, parts.m, b.constant(t, 1));
    const Pair log_m = log_pair(b, t, f);
    const NodeId high = b.constant(t, scale.high);
    const NodeId from_k = b.mul(t, parts.k, b.constant(t, two.low));
    const NodeId rest =
        b.fma(t, log_m.low, high, b.fma(t, log_m.high, b.constant(t, scale.low), from_k));
    NodeId result;
    if (wide) {
        const Pair product = two_prod(b, t, log_m.high, high);
        const NodeId whole = b.mul(t, parts.k, b.constant(t, two.high));
        const Pair total = fast_two_sum(b, t, whole, product.high);
        const NodeId low = b.add(t, total.low, b.add(t, product.low, rest));
        result = b.add(t, total.high, low);
    } else {
        result = b.fma(t, parts.k, b.constant(t, two.high), b.fma(t, f, high, rest));
    }
    return with_special_values(b, t, x, 0, result);
}

// 1 + x = u + c exactly; what u lacks is scaled with it and joins m - 1.
NodeId log1p(MathBuilder& b, Type t, NodeId x) {
    const NodeId one = b.constant(t, 1);
    const NodeId u = b.add(t, one, x);
    const NodeId larger = b.greater(t, one, x);
    const NodeId smaller = b.lesser(t, x, one);
    const NodeId c = b.sub(t, smaller, b.sub(t, u, larger));
    const Split parts = split(b, t, u);
    // Half of 2^-k is a number for the largest k as well; c there is too small to matter.
    const NodeId twice = b.mul(t, c, inverse_power_of_two(b, t, parts.exponent, 1));
    const NodeId exact_f = b.sub(t, parts.m, one);
    const NodeId f_low = b.mul(t, twice, b.constant(t, 0.5));
    const NodeId f = b.add(t, exact_f, f_low);
    const NodeId result = natural(b, t, parts.k, {exact_f, f_low}, f);
    return with_special_values(b, t, x, -1, with_sign_of(b, t, result, x));
}

}  // namespace bitaxon::jit::math
