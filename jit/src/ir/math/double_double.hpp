// Values of twice a type's precision as unevaluated sums of two lanes, and the transforms without
// error that they are built from (Dekker 1971; Knuth 1969; Joldes, Muller and Popescu 2017).
//
// They hold while nothing overflows and no low part falls below the smallest normal number. Bounds
// are relative, with u = 2^-53 in f64 and 2^-24 in f32.
#pragma once

#include "math.hpp"

namespace bitaxon::jit::math {

/// high + low. Normalized if high is the sum rounded to nearest, which the functions below yield
/// unless they say otherwise.
struct Pair {
    NodeId high;
    NodeId low;
};

/// A double-double constant, as the coefficient headers hold them.
struct PairConstant {
    double high;
    double low;
};

inline Pair constant(MathBuilder& b, Type t, PairConstant value) {
    return {b.constant(t, value.high), b.constant(t, value.low)};
}

/// x + y exactly, if |x| >= |y| or x = 0.
inline Pair fast_two_sum(MathBuilder& b, Type t, NodeId x, NodeId y) {
    const NodeId sum = b.add(t, x, y);
    return {sum, b.sub(t, y, b.sub(t, sum, x))};
}

/// x + y exactly.
inline Pair two_sum(MathBuilder& b, Type t, NodeId x, NodeId y) {
    const NodeId sum = b.add(t, x, y);
    const NodeId y_part = b.sub(t, sum, x);
    const NodeId x_part = b.sub(t, sum, y_part);
    return {sum, b.add(t, b.sub(t, x, x_part), b.sub(t, y, y_part))};
}

/// x * y exactly.
inline Pair two_prod(MathBuilder& b, Type t, NodeId x, NodeId y) {
    const NodeId product = b.mul(t, x, y);
    return {product, b.fms(t, x, y, product)};
}

/// x^2 exactly.
inline Pair two_square(MathBuilder& b, Type t, NodeId x) { return two_prod(b, t, x, x); }

/// x + y for |x| >= |y|, within 2u^2 of |x|. Not normalized.
inline Pair fast_add(MathBuilder& b, Type t, NodeId x, Pair y) {
    const Pair sum = fast_two_sum(b, t, x, y.high);
    return {sum.high, b.add(t, sum.low, y.low)};
}

/// x + y for |x| >= |y|, within 3u^2 of |x|. Not normalized.
inline Pair fast_add(MathBuilder& b, Type t, Pair x, Pair y) {
    const Pair sum = fast_two_sum(b, t, x.high, y.high);
    return {sum.high, b.add(t, sum.low, b.add(t, x.low, y.low))};
}

/// x * y within 2u^2. Not normalized: |low| <= 2u |high|.
inline Pair mul(MathBuilder& b, Type t, Pair x, NodeId y) {
    const NodeId product = b.mul(t, x.high, y);
    return {product, b.fma(t, x.low, y, b.fms(t, x.high, y, product))};
}

/// x * y within 5u^2. Not normalized: |low| <= 4u |high|.
inline Pair mul(MathBuilder& b, Type t, Pair x, Pair y) {
    const NodeId product = b.mul(t, x.high, y.high);
    const NodeId cross = b.fma(t, x.high, y.low, b.mul(t, x.low, y.high));
    return {product, b.add(t, b.fms(t, x.high, y.high, product), cross)};
}

/// x^2 within 5u^2. Not normalized.
inline Pair square(MathBuilder& b, Type t, Pair x) {
    const NodeId product = b.mul(t, x.high, x.high);
    const NodeId cross = b.mul(t, b.add(t, x.high, x.high), x.low);
    return {product, b.add(t, b.fms(t, x.high, x.high, product), cross)};
}

/// Rounded to one lane.
inline NodeId sum(MathBuilder& b, Type t, Pair x) { return b.add(t, x.high, x.low); }

}  // namespace bitaxon::jit::math
