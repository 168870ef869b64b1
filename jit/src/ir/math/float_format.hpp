// Floats taken apart and put together by integer operations on their bits, since there are no
// conversions between f64 and i64.
#pragma once

#include "math.hpp"

namespace bitaxon::jit::math {

struct FloatFormat {
    Type integer;
    int fraction_bits;
    int bias;
    double magic;  ///< 1.5 * 2^fraction_bits: what is added to it is rounded to an integer
    double smallest_normal;

    std::uint64_t exponent_bits(int exponent) const noexcept {
        return static_cast<std::uint64_t>(static_cast<std::int64_t>(exponent)) << fraction_bits;
    }
};

inline const FloatFormat& format(Type t) noexcept {
    static constexpr FloatFormat formats[] = {
        {Type::i32, 23, 127, 0x1.8p23, 0x1p-126},
        {Type::i64, 52, 1023, 0x1.8p52, 0x1p-1022},
    };
    return formats[t == Type::f64 ? 1 : 0];
}

inline NodeId int_add(MathBuilder& b, Type t, NodeId x, NodeId y) {
    return b.node(Op::add, format(t).integer, {x, y});
}
inline NodeId int_sub(MathBuilder& b, Type t, NodeId x, NodeId y) {
    return b.node(Op::sub, format(t).integer, {x, y});
}

inline NodeId infinity(MathBuilder& b, Type t) {
    return b.bits(t, t == Type::f64 ? 0x7ff0000000000000 : 0x7f800000);
}
inline NodeId quiet_nan(MathBuilder& b, Type t) {
    return b.bits(t, t == Type::f64 ? 0x7ff8000000000000 : 0x7fc00000);
}

/// x within [low, high]; a NaN stays.
inline NodeId clamp(MathBuilder& b, Type t, NodeId x, double low, double high) {
    const NodeId bounded = b.lesser(t, b.constant(t, high), x);
    return b.greater(t, b.constant(t, low), bounded);
}

struct Nearest {
    NodeId shifted;  ///< added to the magic number: its low bits are those of the integer
    NodeId value;    ///< as a float
};

/// The integer nearest to x * scale + bias, for less than 2^(fraction_bits - 1).
inline Nearest nearest(MathBuilder& b, Type t, NodeId x, double scale, double bias = 0) {
    const NodeId magic = b.constant(t, format(t).magic);
    NodeId shifted;
    if (bias != 0) {
        shifted = b.add(t, b.fma(t, x, b.constant(t, scale), b.constant(t, bias)), magic);
    } else if (scale != 1) {
        shifted = b.fma(t, x, b.constant(t, scale), magic);
    } else {
        shifted = b.add(t, x, magic);
    }
    return {shifted, b.sub(t, shifted, magic)};
}

/// The integer in the exponent's place: what power_of_two and its inverse are made from.
inline NodeId exponent_of(MathBuilder& b, Type t, NodeId shifted) {
    return b.shl(format(t).integer, shifted, format(t).fraction_bits);
}

/// 2^(n + offset) of exponent_of(n), where that is a normal number.
inline NodeId power_of_two(MathBuilder& b, Type t, NodeId exponent, int offset = 0) {
    const FloatFormat& f = format(t);
    return int_add(b, t, exponent, b.bits(f.integer, f.exponent_bits(f.bias + offset)));
}

/// 2^(offset - n) of exponent_of(n), where that is a normal number; 0 where n = bias + offset.
inline NodeId inverse_power_of_two(MathBuilder& b, Type t, NodeId exponent, int offset = 0) {
    const FloatFormat& f = format(t);
    return int_sub(b, t, b.bits(f.integer, f.exponent_bits(f.bias + offset)), exponent);
}

/// x = 2^k m with sqrt(1/2) <= m < sqrt(2).
struct Split {
    NodeId k;
    NodeId m;
    NodeId exponent;  ///< in the exponent's place: k, or that of the scaled number
};

/// Of a positive normal number, which is 2^scale times the x that is meant; `shifted_scale` is the
/// scale plus the magic number.
inline Split split(MathBuilder& b, Type t, NodeId x, NodeId shifted_scale) {
    const FloatFormat& f = format(t);
    const Type i = f.integer;
    const std::uint64_t root_half = t == Type::f64 ? 0x3fe6a09e667f3bcd : 0x3f3504f3;
    const NodeId offset = int_sub(b, t, x, b.bits(i, root_half));
    const NodeId exponent = b.bit_and(i, offset, b.bits(i, ~std::uint64_t{0} << f.fraction_bits));
    const NodeId magic = b.bits(i, b.graph()[b.constant(t, f.magic)].payload);
    const NodeId shifted_k = int_add(b, t, b.sar(i, exponent, f.fraction_bits), magic);
    return {b.sub(t, shifted_k, shifted_scale), int_sub(b, t, x, exponent), exponent};
}

/// Of a positive normal number.
inline Split split(MathBuilder& b, Type t, NodeId x) {
    return split(b, t, x, b.constant(t, format(t).magic));
}

/// Of any positive finite number: subnormal ones are scaled up first.
inline Split split_any(MathBuilder& b, Type t, NodeId x) {
    const FloatFormat& f = format(t);
    const NodeId small = b.less(t, x, b.constant(t, f.smallest_normal));
    const int scale = f.fraction_bits + 2;
    const NodeId scaled = b.mul(t, x, b.constant(t, t == Type::f64 ? 0x1p54 : 0x1p25));
    const NodeId shifted_scale =
        b.select(t, small, b.constant(t, f.magic + scale), b.constant(t, f.magic));
    return split(b, t, b.select(t, small, scaled, x), shifted_scale);
}

/// x with the sign that `sign` has, for x without one.
inline NodeId with_sign_of(MathBuilder& b, Type t, NodeId x, NodeId sign) {
    return b.bit_or(t, x, b.bit_and(t, sign, b.sign_mask(t)));
}

}  // namespace bitaxon::jit::math
