// Gradient noise: Perlin's improved noise (Perlin 2002), simplex noise (Perlin 2001, in the form of
// Gustavson 2005) and sums of octaves of the former. Gradients come from a hash of the cell's
// integer coordinates, computed on i32 lanes, so both types see the same ones, without tables and
// gathers.
//
// Values lie in [-1, 1]; perlin is 0 wherever all coordinates are integers. Cells repeat after 2^32
// of them. In f32 they are told apart up to |x| = 2^22, in f64 up to 2^51; beyond, values are the
// same on all machines but mean nothing. A coordinate that is not finite gives NaN.
#include "math.hpp"

#include <array>
#include <cmath>

namespace bitaxon::jit::math {
namespace {

constexpr Type kCell = Type::i32;

// Odd halves of the multipliers of random.cpp: one for each axis, two for the hash.
constexpr std::array<std::uint32_t, 3> kAxes{0x9e3779b9, 0xbf58476d, 0x94d049bb};
constexpr std::uint32_t kHashMultiplier = 0x133111eb;
constexpr std::uint32_t kOctaveMultiplier = 0x1ce4e5b9;

// Eight gradients in the plane, (c, s) at 22.5 degrees and its mirror images. The lengths make the
// extrema of perlin 1; they were found numerically, as the scales below.
constexpr double kCos = 0x1.65e917cd95f27p+0;
constexpr double kSin = 0x1.2880b65b6e803p-1;
constexpr double kPerlin3Scale = 0x1.ee0a2e75aeb99p-1;
constexpr double kSimplex2Scale = 0x1.086ebd7486e07p+6;
constexpr double kSimplex3Scale = 0x1.3385e3561a782p+6;

NodeId cell_constant(MathBuilder& b, std::uint32_t bits) { return b.bits(kCell, bits); }

/// The integer in an integral float, modulo 2^32.
NodeId cell_of(MathBuilder& b, Type t, NodeId integral) {
    const std::uint32_t shift_bits = 0x4b400000;
    if (t == Type::f32) {
        const NodeId shifted = b.add(t, integral, b.bits(t, shift_bits));  // 1.5 * 2^23
        return b.sub(kCell, shifted, cell_constant(b, shift_bits));
    }
    return b.node(Op::i32_from_i64, kCell, {b.add(t, integral, b.constant(t, 0x1.8p+52))});
}

NodeId axis_hash(MathBuilder& b, NodeId cell, std::size_t axis) {
    return b.mul(kCell, cell, cell_constant(b, kAxes[axis]));
}

NodeId hash(MathBuilder& b, NodeId joined) {
    const NodeId folded = b.bit_xor(kCell, joined, b.shr(kCell, joined, 15));
    return b.mul(kCell, folded, cell_constant(b, kHashMultiplier));
}

/// Bits of a cell's hash in lanes of the type, to be read from the highest bit down.
struct HashBits {
    MathBuilder& b;
    Type t;
    NodeId lanes;

    HashBits(MathBuilder& builder, Type type, NodeId hash)
        : b(builder), t(type),
          lanes(type == Type::f32 ? hash : builder.node(Op::i64_from_i32, Type::i64, {hash})) {}

    NodeId moved_to_top(int bit) const {
        const int unused = t == Type::f32 ? 0 : 32;
        return b.shl(integer_of(t), lanes, unused + bit);
    }
    NodeId sign(int bit) const { return b.bit_and(t, moved_to_top(bit), b.sign_mask(t)); }
    NodeId mask(int bit) const {
        return b.node(Op::int_less, mask_of(t),
                      {moved_to_top(bit), b.graph().integer(integer_of(t), 0)});
    }
};

/// A gradient of the eight, times (x, y).
NodeId slope2(MathBuilder& b, Type t, NodeId joined, NodeId x, NodeId y) {
    const HashBits bits(b, t, hash(b, joined));
    const NodeId steep = bits.mask(2);
    const NodeId c = b.constant(t, kCos);
    const NodeId s = b.constant(t, kSin);
    const NodeId along_x = b.bit_xor(t, b.select(t, steep, s, c), bits.sign(0));
    const NodeId along_y = b.bit_xor(t, b.select(t, steep, c, s), bits.sign(1));
    return b.fma(t, along_x, x, b.mul(t, along_y, y));
}

/// One of the twelve gradients to the edges of a cube, times (x, y, z): two of the three with
/// signs.
NodeId slope3(MathBuilder& b, Type t, NodeId joined, NodeId x, NodeId y, NodeId z) {
    const Type i = integer_of(t);
    const NodeId h = hash(b, joined);
    const NodeId mixed = b.bit_xor(kCell, h, b.shr(kCell, h, 16));
    const NodeId low = b.bit_and(kCell, mixed, cell_constant(b, 0xffff));
    NodeId dropped = b.shr(kCell, b.mul(kCell, low, cell_constant(b, 3)), 16);
    if (t == Type::f64) {
        dropped = b.node(Op::i64_from_i32, i, {dropped});
    }
    const auto drops = [&](int axis) {
        return b.node(Op::int_equal, mask_of(t), {dropped, b.graph().integer(i, axis)});
    };
    const HashBits bits(b, t, h);
    const NodeId first = b.bit_xor(t, b.select(t, drops(0), y, x), bits.sign(0));
    const NodeId second = b.bit_xor(t, b.select(t, drops(2), y, z), bits.sign(1));
    return b.add(t, first, second);
}

// Perlin noise.

/// One coordinate: its place in the cell from both ends, their hashes and the weight of the far
/// end.
struct Axis {
    std::array<NodeId, 2> offset;
    std::array<NodeId, 2> hash;
    NodeId weight;
};

/// 6 x^5 - 15 x^4 + 10 x^3.
NodeId fade(MathBuilder& b, Type t, NodeId x) {
    const NodeId factor =
        b.fma(t, b.fma(t, x, b.constant(t, 6), b.constant(t, -15)), x, b.constant(t, 10));
    return b.mul(t, b.mul(t, b.mul(t, x, x), x), factor);
}

Axis axis_of(MathBuilder& b, Type t, NodeId x, std::size_t number) {
    const NodeId floor = b.floor(t, x);
    const NodeId offset = b.sub(t, x, floor);
    const NodeId near = axis_hash(b, cell_of(b, t, floor), number);
    const NodeId far = b.add(kCell, near, cell_constant(b, kAxes[number]));
    return {{offset, b.sub(t, offset, b.constant(t, 1))}, {near, far}, fade(b, t, offset)};
}

NodeId lerp(MathBuilder& b, Type t, NodeId weight, NodeId from, NodeId to) {
    return b.fma(t, weight, b.sub(t, to, from), from);
}

NodeId perlin2_of_octave(MathBuilder& b, Type t, NodeId x, NodeId y, int octave) {
    const Axis u = axis_of(b, t, x, 0);
    const Axis v = axis_of(b, t, y, 1);
    const NodeId seed = cell_constant(b, static_cast<std::uint32_t>(octave) * kOctaveMultiplier);
    std::array<NodeId, 2> rows{};
    for (std::size_t j = 0; j < 2; ++j) {
        const NodeId row = b.bit_xor(kCell, v.hash[j], seed);
        const auto corner = [&](std::size_t i) {
            return slope2(b, t, b.bit_xor(kCell, u.hash[i], row), u.offset[i], v.offset[j]);
        };
        rows[j] = lerp(b, t, u.weight, corner(0), corner(1));
    }
    return lerp(b, t, v.weight, rows[0], rows[1]);
}

NodeId perlin3_of_octave(MathBuilder& b, Type t, NodeId x, NodeId y, NodeId z, int octave) {
    const Axis u = axis_of(b, t, x, 0);
    const Axis v = axis_of(b, t, y, 1);
    const Axis w = axis_of(b, t, z, 2);
    const NodeId seed = cell_constant(b, static_cast<std::uint32_t>(octave) * kOctaveMultiplier);
    std::array<NodeId, 2> planes{};
    for (std::size_t k = 0; k < 2; ++k) {
        const NodeId plane = b.bit_xor(kCell, w.hash[k], seed);
        std::array<NodeId, 2> rows{};
        for (std::size_t j = 0; j < 2; ++j) {
            const NodeId row = b.bit_xor(kCell, v.hash[j], plane);
            const auto corner = [&](std::size_t i) {
                return slope3(b, t, b.bit_xor(kCell, u.hash[i], row), u.offset[i], v.offset[j],
                              w.offset[k]);
            };
            rows[j] = lerp(b, t, u.weight, corner(0), corner(1));
        }
        planes[k] = lerp(b, t, v.weight, rows[0], rows[1]);
    }
    return b.mul(t, lerp(b, t, w.weight, planes[0], planes[1]), b.constant(t, kPerlin3Scale));
}

/// Octave k has the frequency 2^k and the weight 2^-k; the weights are divided by their sum.
template <class Noise>
NodeId sum_of_octaves(MathBuilder& b, Type t, int octaves, const Noise& noise) {
    const double total = 2 - std::ldexp(1.0, 1 - octaves);
    NodeId sum = b.mul(t, noise(0), b.constant(t, 1 / total));
    for (int k = 1; k < octaves; ++k) {
        sum = b.fma(t, noise(k), b.constant(t, std::ldexp(1 / total, -k)), sum);
    }
    return sum;
}

NodeId scaled_to_octave(MathBuilder& b, Type t, NodeId x, int octave) {
    return b.mul(t, x, b.constant(t, std::ldexp(1.0, octave)));
}

// Simplex noise: cells of a grid that is skewed along the diagonal fall into simplices; each corner
// adds its slope under a weight that ends within the simplices that touch it.

/// A mask of the type's lanes as one of cells.
NodeId cell_mask(MathBuilder& b, Type t, NodeId mask) {
    return t == Type::f32 ? mask : b.node(Op::m32_from_m64, Type::m32, {mask});
}

struct SkewedAxis {
    NodeId offset;  // from the simplex's first corner
    NodeId hash;
};

/// `skew` is what is added to all coordinates, in units of their sum.
template <std::size_t N>
std::array<SkewedAxis, N> skewed(MathBuilder& b, Type t, const std::array<NodeId, N>& x,
                                 double skew, double unskew) {
    const auto sum = [&](const std::array<NodeId, N>& terms) {
        NodeId total = terms[0];
        for (std::size_t i = 1; i < N; ++i) {
            total = b.add(t, total, terms[i]);
        }
        return total;
    };
    const NodeId shift = b.mul(t, sum(x), b.constant(t, skew));
    std::array<NodeId, N> floors{};
    for (std::size_t i = 0; i < N; ++i) {
        floors[i] = b.floor(t, b.add(t, x[i], shift));
    }
    const NodeId back = b.mul(t, sum(floors), b.constant(t, unskew));
    std::array<SkewedAxis, N> axes{};
    for (std::size_t i = 0; i < N; ++i) {
        axes[i] = {b.sub(t, x[i], b.sub(t, floors[i], back)),
                   axis_hash(b, cell_of(b, t, floors[i]), i)};
    }
    return axes;
}

/// The axis seen from a corner: one cell on where the mask is set, and unskewed by a constant,
/// which is 0 for the first corner only.
SkewedAxis seen_from(MathBuilder& b, Type t, const SkewedAxis& axis, std::size_t number,
                     NodeId mask, double unskewed) {
    if (unskewed == 0) {
        return axis;
    }
    const NodeId step = b.bit_and(t, mask, b.constant(t, 1));
    const NodeId hash_step =
        b.bit_and(kCell, cell_mask(b, t, mask), cell_constant(b, kAxes[number]));
    return {b.add(t, b.sub(t, axis.offset, step), b.constant(t, unskewed)),
            b.add(kCell, axis.hash, hash_step)};
}

/// max(1/2 - distance^2, 0)^4; NaN stays.
NodeId falloff(MathBuilder& b, Type t, std::initializer_list<NodeId> offsets) {
    NodeId rest = b.constant(t, 0.5);
    for (const NodeId offset : offsets) {
        rest = b.fnma(t, offset, offset, rest);
    }
    rest = b.greater(t, b.constant(t, 0), rest);
    const NodeId square = b.mul(t, rest, rest);
    return b.mul(t, square, square);
}

NodeId complement(MathBuilder& b, Type mask, NodeId x) {
    return b.bit_xor(mask, x, b.bits(mask, ~std::uint64_t{0}));
}

}  // namespace

NodeId perlin2(MathBuilder& b, Type t, NodeId x, NodeId y) {
    return perlin2_of_octave(b, t, x, y, 0);
}

NodeId perlin3(MathBuilder& b, Type t, NodeId x, NodeId y, NodeId z) {
    return perlin3_of_octave(b, t, x, y, z, 0);
}

NodeId fbm2(MathBuilder& b, Type t, NodeId x, NodeId y, int octaves) {
    return sum_of_octaves(b, t, octaves, [&](int k) {
        return perlin2_of_octave(b, t, scaled_to_octave(b, t, x, k), scaled_to_octave(b, t, y, k),
                                 k);
    });
}

NodeId fbm3(MathBuilder& b, Type t, NodeId x, NodeId y, NodeId z, int octaves) {
    return sum_of_octaves(b, t, octaves, [&](int k) {
        return perlin3_of_octave(b, t, scaled_to_octave(b, t, x, k), scaled_to_octave(b, t, y, k),
                                 scaled_to_octave(b, t, z, k), k);
    });
}

NodeId simplex2(MathBuilder& b, Type t, NodeId x, NodeId y) {
    const double skew = 0x1.76cf5d0b09954p-2;    // (sqrt(3) - 1) / 2
    const double unskew = 0x1.b0cb174df99c8p-3;  // (3 - sqrt(3)) / 6
    const Type m = mask_of(t);
    const auto axes = skewed<2>(b, t, {x, y}, skew, unskew);
    const NodeId y_first = b.less(t, axes[0].offset, axes[1].offset);
    const std::array<std::array<NodeId, 2>, 3> corners{
        {{b.bits(m, 0), b.bits(m, 0)},
         {complement(b, m, y_first), y_first},
         {b.bits(m, ~std::uint64_t{0}), b.bits(m, ~std::uint64_t{0})}}};
    NodeId sum = kNoNode;
    for (std::size_t k = 0; k < corners.size(); ++k) {
        const double back = static_cast<double>(k) * unskew;
        const SkewedAxis u = seen_from(b, t, axes[0], 0, corners[k][0], back);
        const SkewedAxis v = seen_from(b, t, axes[1], 1, corners[k][1], back);
        const NodeId slope = slope2(b, t, b.bit_xor(kCell, u.hash, v.hash), u.offset, v.offset);
        const NodeId weight = falloff(b, t, {u.offset, v.offset});
        sum = sum == kNoNode ? b.mul(t, weight, slope) : b.fma(t, weight, slope, sum);
    }
    return b.mul(t, sum, b.constant(t, kSimplex2Scale));
}

NodeId simplex3(MathBuilder& b, Type t, NodeId x, NodeId y, NodeId z) {
    const double skew = 1.0 / 3;
    const double unskew = 1.0 / 6;
    const Type m = mask_of(t);
    const auto axes = skewed<3>(b, t, {x, y, z}, skew, unskew);
    const auto at_least = [&](std::size_t i, std::size_t j) {
        return b.less_equal(t, axes[j].offset, axes[i].offset);
    };
    const auto both = [&](NodeId p, NodeId q) { return b.bit_and(m, p, q); };
    const auto either = [&](NodeId p, NodeId q) { return b.bit_or(m, p, q); };
    const NodeId xy = at_least(0, 1);
    const NodeId yz = at_least(1, 2);
    const NodeId xz = at_least(0, 2);
    const NodeId none = b.bits(m, 0);
    const NodeId all = b.bits(m, ~std::uint64_t{0});
    // The second corner is a step along the greatest offset, the third along the two greatest.
    const std::array<std::array<NodeId, 3>, 4> corners{
        {{none, none, none},
         {both(xy, xz), both(complement(b, m, xy), yz), complement(b, m, either(yz, xz))},
         {either(xy, xz), either(complement(b, m, xy), yz), complement(b, m, both(yz, xz))},
         {all, all, all}}};
    NodeId sum = kNoNode;
    for (std::size_t k = 0; k < corners.size(); ++k) {
        std::array<SkewedAxis, 3> seen{};
        NodeId joined = kNoNode;
        for (std::size_t i = 0; i < 3; ++i) {
            seen[i] = seen_from(b, t, axes[i], i, corners[k][i], static_cast<double>(k) * unskew);
            joined = i == 0 ? seen[i].hash : b.bit_xor(kCell, joined, seen[i].hash);
        }
        const NodeId slope = slope3(b, t, joined, seen[0].offset, seen[1].offset, seen[2].offset);
        const NodeId weight = falloff(b, t, {seen[0].offset, seen[1].offset, seen[2].offset});
        sum = sum == kNoNode ? b.mul(t, weight, slope) : b.fma(t, weight, slope, sum);
    }
    return b.mul(t, sum, b.constant(t, kSimplex3Scale));
}

}  // namespace bitaxon::jit::math
