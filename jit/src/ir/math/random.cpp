// Random numbers of rules: a hash of (key, row, step), so that no order of evaluation shows. The
// key names seed, population and call site and is mixed already. With G, C1, C2 and mix as in the
// identity of streams (variant 13 of SplitMix64, Stafford 2011):
//
//     s = mix(key + (step + 1) * G)        the same in all rows
//     b = s ^ mix(key)                     the second half keeps steps off one another's orbit
//     R(n):  x = s + n * G;  x ^= x >> 30;  x *= C1;  x ^= (x >> 27) ^ b;  x *= C2;  x ^= x >> 31
//
//     rand    R(row), its upper 53 bits times 2^-53, or 24 bits times 2^-24
//     randn   sqrt(-2 ln u) * sin(pi v) (Box and Muller 1958; half a turn has the sines of a whole
//     one)
//             f64: u = (R(2 row) >> 12) * 2^-52 + 2^-53, v = (R(2 row + 1) >> 12) * 2^-52 - 1/2
//             f32: u = (R(row) >> 33) * 2^-31 + 2^-32,   v = (low 32 bits of R(row), signed) *
//             2^-32
//
// so |randn| reaches 8.57 in f64 and 6.66 in f32.
#include "circular_coefficients.hpp"
#include "math.hpp"

namespace bitaxon::jit::math {
namespace {

constexpr Type kWord = Type::i64;
constexpr std::uint64_t kGolden = 0x9e3779b97f4a7c15;
constexpr std::uint64_t kMultiplier1 = 0xbf58476d1ce4e5b9;
constexpr std::uint64_t kMultiplier2 = 0x94d049bb133111eb;

NodeId word(MathBuilder& b, std::uint64_t bits) { return b.bits(kWord, bits); }

NodeId times(MathBuilder& b, NodeId x, std::uint64_t factor) {
    return b.mul(kWord, x, word(b, factor));
}

NodeId xor_shifted(MathBuilder& b, NodeId x, int shift) {
    return b.bit_xor(kWord, x, b.shr(kWord, x, shift));
}

/// Variant 13 with a second key half; mix() is that with 0.
NodeId hash(MathBuilder& b, NodeId x, NodeId second_half) {
    x = times(b, xor_shifted(b, x, 30), kMultiplier1);
    x = b.bit_xor(kWord, x, b.bit_xor(kWord, b.shr(kWord, x, 27), second_half));
    return xor_shifted(b, times(b, x, kMultiplier2), 31);
}

NodeId mix(MathBuilder& b, NodeId x) { return hash(b, x, word(b, 0)); }

/// The words R(n) of one key and step.
struct Words {
    NodeId start;
    NodeId second_half;

    Words(MathBuilder& b, NodeId key, NodeId step)
        : start(mix(b, b.add(kWord, key, times(b, b.add(kWord, step, word(b, 1)), kGolden)))),
          second_half(b.bit_xor(kWord, start, mix(b, key))) {}

    NodeId at(MathBuilder& b, NodeId n) const {
        return hash(b, b.add(kWord, start, times(b, n, kGolden)), second_half);
    }
};

/// A number in [1, 2) of the word's upper 52 bits.
NodeId between_one_and_two(MathBuilder& b, NodeId bits) {
    return b.bit_or(Type::f64, b.shr(kWord, bits, 12), b.constant(Type::f64, 1));
}

NodeId low_half(MathBuilder& b, NodeId bits) {
    return b.node(Op::f32_from_i32, Type::f32, {b.node(Op::i32_from_i64, Type::i32, {bits})});
}

NodeId normal(MathBuilder& b, Type t, NodeId u, NodeId v) {
    const NodeId radius = b.sqrt(t, b.mul(t, log(b, t, u), b.constant(t, -2)));
    const NodeId square = b.mul(t, v, v);
    const NodeId factor =
        t == Type::f32 ? horner(b, t, square, kSinPi32) : estrin(b, t, square, kSinPi64);
    return b.mul(t, radius, b.mul(t, v, factor));
}

}  // namespace

// The lowest of 53 bits is subtracted from the bits of 1 as an integer: bits or not, the one taken
// away is 1 or 1 - 2^-53, and both differences are exact.
NodeId rand(MathBuilder& b, Type t, NodeId key, NodeId row, NodeId step) {
    const NodeId bits = Words(b, key, step).at(b, row);
    if (t == Type::f32) {
        return b.mul(t, low_half(b, b.shr(kWord, bits, 40)), b.constant(t, 0x1p-24));
    }
    const NodeId lowest = b.bit_and(kWord, b.shr(kWord, bits, 11), word(b, 1));
    const NodeId one = b.sub(kWord, b.constant(t, 1), lowest);
    return b.sub(t, between_one_and_two(b, bits), one);
}

NodeId randn(MathBuilder& b, Type t, NodeId key, NodeId row, NodeId step) {
    const Words words(b, key, step);
    if (t == Type::f32) {
        const NodeId bits = words.at(b, row);
        const NodeId u = b.fma(t, low_half(b, b.shr(kWord, bits, 33)), b.constant(t, 0x1p-31),
                               b.constant(t, 0x1p-32));
        return normal(b, t, u, b.mul(t, low_half(b, bits), b.constant(t, 0x1p-32)));
    }
    const NodeId even = b.shl(kWord, row, 1);
    const NodeId u = between_one_and_two(b, words.at(b, even));
    const NodeId v = between_one_and_two(b, words.at(b, b.add(kWord, even, word(b, 1))));
    return normal(b, t, b.sub(t, u, b.constant(t, 1 - 0x1p-53)), b.sub(t, v, b.constant(t, 1.5)));
}

}  // namespace bitaxon::jit::math
