// The error function: an odd polynomial, and from about 1 on one minus the exponential of a
// polynomial, whose error weighs as little as erfc there. The roundings that would show are carried
// along.
#include "circular_coefficients.hpp"
#include "double_double.hpp"
#include "math.hpp"

namespace bitaxon::jit::math {
namespace {

struct Coefficients {
    std::span<const double> bounds;  ///< of the near polynomial, and where erf rounds to 1
    std::span<const double> near;
    std::span<const double> far;
};

Coefficients coefficients(Type t) {
    return t == Type::f32 ? Coefficients{kErfBounds32, kErfNear32, kErfFar32}
                          : Coefficients{kErfBounds64, kErfNear64, kErfFar64};
}

/// x * y + c and what that was rounded by, for |c| >= |x * y| / 2.
Pair fma_pair(MathBuilder& b, Type t, NodeId x, NodeId y, NodeId c) {
    const NodeId value = b.fma(t, x, y, c);
    return {value, b.fma(t, x, y, b.sub(t, c, value))};
}

// x + x (c0 + c1 z + z^2 R(z)): the first two terms cancel in part, so their roundings are kept.
NodeId near_zero(MathBuilder& b, Type t, NodeId x, std::span<const double> c) {
    const Pair z = two_square(b, t, x);
    const Pair slope =
        fma_pair(b, t, z.high, estrin(b, t, z.high, c.subspan(2)), b.constant(t, c[1]));
    const Pair product = two_prod(b, t, z.high, slope.high);
    const Pair excess = two_sum(b, t, product.high, b.constant(t, c[0]));
    const NodeId low = b.fma(t, z.high, slope.low, b.fma(t, z.low, slope.high, product.low));
    const NodeId rest = b.mul(t, x, b.add(t, excess.low, low));
    return b.add(t, x, b.fma(t, x, excess.high, rest));
}

NodeId far_from_zero(MathBuilder& b, Type t, NodeId u, std::span<const double> c) {
    const Pair logarithm = fma_pair(b, t, u, estrin(b, t, u, c.subspan(1)), b.constant(t, c[0]));
    const NodeId rough = exp(b, t, logarithm.high);
    return b.sub(t, b.constant(t, 1), b.fma(t, rough, logarithm.low, rough));
}

}  // namespace

NodeId erf(MathBuilder& b, Type t, NodeId x) {
    const Coefficients c = coefficients(t);
    const NodeId bound = b.constant(t, c.bounds[0]);
    const NodeId size = b.abs(t, x);
    const NodeId near = near_zero(b, t, size, c.near);
    // A NaN gets its value from `near`.
    const NodeId u = b.sub(t, b.lesser(t, size, b.constant(t, c.bounds[1])), bound);
    const NodeId far = far_from_zero(b, t, u, c.far);
    const NodeId value = b.select(t, b.less(t, bound, size), far, near);
    return b.bit_xor(t, value, b.bit_and(t, x, b.sign_mask(t)));
}

}  // namespace bitaxon::jit::math
