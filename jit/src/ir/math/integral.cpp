// Remainders, floor division, and conversions between all types, exact before the one rounding at
// the end. There are no instructions between f64 and i64 that all machines have; adding 1.5 * 2^52
// leaves an integer of up to 51 bits in the low bits of a double, and a pair of those makes 64.
#include "math.hpp"

#include <array>

namespace bitaxon::jit::math {
namespace {

NodeId all_ones(MathBuilder& b, Type mask) { return b.bits(mask, ~std::uint64_t{0}); }

NodeId is_zero(MathBuilder& b, Type t, NodeId x) {
    return b.node(Op::int_equal, mask_of(t), {x, b.graph().integer(t, 0)});
}

// x = quotient * y + remainder exactly, |remainder| < |y|, quotient an integer; the remainder may
// have either sign. Holds while |quotient| is below the limit.
struct Division {
    NodeId quotient, remainder;
    NodeId huge;  // the mask of the quotients beyond the limit
};

// The rounded quotient lies within half of the true one, so cutting it off leaves |remainder| <
// |y|: a multiple of the last bit of x or y that has no more digits than y, hence exact.
Division divide(MathBuilder& b, Type t, NodeId x, NodeId y) {
    const double limit = t == Type::f32 ? 0x1p+22 : 0x1p+52;
    const NodeId quotient = b.trunc(t, b.div(t, x, y));
    const NodeId exact = b.fnma(t, quotient, y, x);
    // 0 * y would be NaN for infinite y.
    const NodeId remainder = b.select(t, b.equal(t, quotient, b.constant(t, 0)), x, exact);
    const NodeId huge = b.less_equal(t, b.constant(t, limit), b.abs(t, quotient));
    return {quotient, remainder, huge};
}

// Where the remainder is not 0 and its sign is not y's.
NodeId has_wrong_sign(MathBuilder& b, Type t, NodeId remainder, NodeId y) {
    const Type i = integer_of(t);
    const NodeId opposite =
        b.node(Op::int_less, mask_of(t), {b.bit_xor(i, remainder, y), b.graph().integer(i, 0)});
    return b.node(Op::bit_andnot, mask_of(t), {b.equal(t, remainder, b.constant(t, 0)), opposite});
}

}  // namespace

NodeId modulo(MathBuilder& b, Type t, NodeId x, NodeId y) {
    const Division d = divide(b, t, x, y);
    const NodeId moved =
        b.select(t, has_wrong_sign(b, t, d.remainder, y), b.add(t, d.remainder, y), d.remainder);
    // Nothing changes but the sign of a zero: the result has y's sign already.
    const NodeId usual = b.bit_or(t, b.abs(t, moved), b.bit_and(t, y, b.sign_mask(t)));
    return b.rare(t, t == Type::f32 ? "modulo32" : "modulo64", d.huge, usual, {x, y});
}

NodeId floor_divide(MathBuilder& b, Type t, NodeId x, NodeId y) {
    const Division d = divide(b, t, x, y);
    const NodeId below = b.sub(t, d.quotient, b.constant(t, 1));
    const NodeId usual = b.select(t, has_wrong_sign(b, t, d.remainder, y), below, d.quotient);
    return b.rare(t, t == Type::f32 ? "floor_divide32" : "floor_divide64", d.huge, usual, {x, y});
}

namespace {

constexpr double kShift64 = 0x1.8p+52;

// An integral f64 of less than 2^51 as the low bits of an i64.
NodeId low_bits(MathBuilder& b, NodeId x) {
    return b.add(Type::f64, x, b.constant(Type::f64, kShift64));
}

// Quotients of 32-bit integers lie at least 2^-31 off the next integer or on it, so the rounded
// quotient has the right floor. 2^31, from -2^31 / -1, wraps.
NodeId floor_quotient_i32(MathBuilder& b, NodeId x, NodeId y) {
    const Type f = Type::f64;
    const NodeId quotient =
        b.div(f, b.node(Op::f64_from_i32, f, {x}), b.node(Op::f64_from_i32, f, {y}));
    return b.node(Op::i32_from_i64, Type::i32, {low_bits(b, b.floor(f, quotient))});
}

}  // namespace

NodeId int_floor_divide(MathBuilder& b, Type t, NodeId x, NodeId y) {
    const NodeId zero = b.graph().integer(t, 0);
    if (t == Type::i64) {
        return b.rare(t, "floor_divide_i64", all_ones(b, Type::m64), zero, {x, y});
    }
    return b.select(t, is_zero(b, t, y), zero, floor_quotient_i32(b, x, y));
}

NodeId int_modulo(MathBuilder& b, Type t, NodeId x, NodeId y) {
    const NodeId zero = b.graph().integer(t, 0);
    if (t == Type::i64) {
        return b.rare(t, "modulo_i64", all_ones(b, Type::m64), zero, {x, y});
    }
    const NodeId rest = b.sub(t, x, b.mul(t, floor_quotient_i32(b, x, y), y));
    return b.select(t, is_zero(b, t, y), zero, rest);
}

// Conversions.

namespace {

// x, but at least low and, if it is not NaN, at most high.
NodeId clamp(MathBuilder& b, Type t, NodeId x, double low, double high) {
    return b.greater(t, b.lesser(t, x, b.constant(t, high)), b.constant(t, low));
}

NodeId zero_if_nan(MathBuilder& b, Type to, Type from, NodeId x, NodeId result) {
    NodeId nan = b.unordered(from, x, x);
    if (lane_bytes(to) == 4 && lane_bytes(from) == 8) {
        nan = b.node(Op::m32_from_m64, Type::m32, {nan});
    }
    return b.select(to, nan, b.graph().integer(to, 0), result);
}

NodeId i16_from_float(MathBuilder& b, Type from, NodeId x) {
    const Op convert = from == Type::f32 ? Op::i32_from_f32 : Op::i32_from_f64;
    const NodeId value = b.node(convert, Type::i32, {clamp(b, from, x, -32768, 32767)});
    return zero_if_nan(b, Type::i32, from, x, value);
}

// 2^31 - 1 is no f32, so the greatest value is selected.
NodeId i32_from_f32(MathBuilder& b, NodeId x) {
    const Type f = Type::f32;
    const NodeId beyond = b.constant(f, 0x1p+31);
    const NodeId lowest = b.graph().integer(Type::i32, std::int64_t{-1} << 31);
    const NodeId highest = b.graph().integer(Type::i32, 0x7fffffff);
    const NodeId below = b.less_equal(f, x, b.negate(f, beyond));
    const NodeId value = b.node(Op::i32_from_f32, Type::i32, {x});
    const NodeId from_below = b.select(Type::i32, below, lowest, value);
    const NodeId above = b.less_equal(f, beyond, x);
    return zero_if_nan(b, Type::i32, f, x, b.select(Type::i32, above, highest, from_below));
}

NodeId i32_from_f64(MathBuilder& b, NodeId x) {
    const NodeId inside = b.trunc(Type::f64, clamp(b, Type::f64, x, -0x1p+31, 0x1p+31 - 1));
    const NodeId value = b.node(Op::i32_from_i64, Type::i32, {low_bits(b, inside)});
    return zero_if_nan(b, Type::i32, Type::f64, x, value);
}

// high * 2^32 + low, both exact: high in [-2^31, 2^31), low in [0, 2^32).
NodeId i64_from_f64(MathBuilder& b, NodeId x) {
    const Type f = Type::f64;
    const Type i = Type::i64;
    const NodeId beyond = b.constant(f, 0x1p+63);
    const NodeId inside = b.trunc(f, b.greater(f, x, b.negate(f, beyond)));
    const NodeId high = b.floor(f, b.mul(f, inside, b.constant(f, 0x1p-32)));
    const NodeId low = b.fnma(f, high, b.constant(f, 0x1p+32), inside);
    const NodeId high_bits = b.shl(i, low_bits(b, high), 32);
    const NodeId value =
        b.bit_or(i, high_bits, b.bit_and(i, low_bits(b, low), b.bits(i, 0xffffffff)));
    const NodeId above = b.less_equal(f, beyond, x);
    const NodeId highest = b.bits(i, ~std::uint64_t{0} >> 1);
    return zero_if_nan(b, i, f, x, b.select(i, above, highest, value));
}

// The halves are put under exponents whose last bit is worth 2^32 and 1; the sum rounds once.
NodeId f64_from_i64(MathBuilder& b, NodeId x) {
    const Type f = Type::f64;
    const Type i = Type::i64;
    const std::uint64_t high_exponent = 0x4530000000000000;  // 2^84
    const std::uint64_t low_exponent = 0x4330000000000000;   // 2^52
    const std::uint64_t bias = 0x80000000;                   // makes the high half unsigned
    const NodeId high = b.bit_xor(i, b.shr(i, x, 32), b.bits(i, high_exponent | bias));
    const NodeId low = b.bit_or(i, b.bit_and(i, x, b.bits(i, 0xffffffff)), b.bits(i, low_exponent));
    const NodeId offset = b.constant(f, 0x1p+84 + 0x1p+63 + 0x1p+52);
    return b.add(f, b.sub(f, high, offset), low);
}

// From 2^53 on the low 11 bits become one sticky bit, which no f32 holds: then f64 is exact and
// only the second conversion rounds.
NodeId f32_from_i64(MathBuilder& b, NodeId x) {
    const Type i = Type::i64;
    const NodeId low = b.bits(i, 0x7ff);
    const NodeId sticky = b.add(i, b.bit_and(i, x, low), low);
    const NodeId joined = b.node(Op::bit_andnot, i, {low, b.bit_or(i, x, sticky)});
    const NodeId top = b.shr(i, b.add(i, x, b.bits(i, std::uint64_t{1} << 53)), 54);
    const NodeId digits = b.select(i, is_zero(b, i, top), x, joined);
    return b.node(Op::f32_from_f64, Type::f32, {f64_from_i64(b, digits)});
}

NodeId wrap_i16(MathBuilder& b, NodeId x) { return b.sar(Type::i32, b.shl(Type::i32, x, 16), 16); }

NodeId widen(MathBuilder& b, NodeId x) { return b.node(Op::f64_from_f32, Type::f64, {x}); }
NodeId low_half(MathBuilder& b, NodeId x) { return b.node(Op::i32_from_i64, Type::i32, {x}); }

NodeId same(MathBuilder&, NodeId x) { return x; }
NodeId f32_from_f64(MathBuilder& b, NodeId x) { return b.node(Op::f32_from_f64, Type::f32, {x}); }
NodeId f32_from_i32(MathBuilder& b, NodeId x) { return b.node(Op::f32_from_i32, Type::f32, {x}); }
NodeId f64_from_i32(MathBuilder& b, NodeId x) { return b.node(Op::f64_from_i32, Type::f64, {x}); }
NodeId i64_from_i32(MathBuilder& b, NodeId x) { return b.node(Op::i64_from_i32, Type::i64, {x}); }
NodeId i64_from_f32(MathBuilder& b, NodeId x) { return i64_from_f64(b, widen(b, x)); }
NodeId i16_from_f32(MathBuilder& b, NodeId x) { return i16_from_float(b, Type::f32, x); }
NodeId i16_from_f64(MathBuilder& b, NodeId x) { return i16_from_float(b, Type::f64, x); }
NodeId i16_from_i64(MathBuilder& b, NodeId x) { return wrap_i16(b, low_half(b, x)); }

using Conversion = NodeId (*)(MathBuilder&, NodeId);

// Rows: to; columns: from. Both in the order f32 f64 i16 i32 i64.
constexpr Conversion kConversions[5][5] = {
    {same, f32_from_f64, f32_from_i32, f32_from_i32, f32_from_i64},
    {widen, same, f64_from_i32, f64_from_i32, f64_from_i64},
    {i16_from_f32, i16_from_f64, same, wrap_i16, i16_from_i64},
    {i32_from_f32, i32_from_f64, same, same, low_half},
    {i64_from_f32, i64_from_f64, i64_from_i32, i64_from_i32, same},
};
static_assert(static_cast<int>(Type::f32) == 0 && static_cast<int>(Type::i64) == 4);

}  // namespace

NodeId convert(MathBuilder& b, Type to, Type from, NodeId x) {
    return kConversions[static_cast<std::size_t>(to)][static_cast<std::size_t>(from)](b, x);
}

}  // namespace bitaxon::jit::math
