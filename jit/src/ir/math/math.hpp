// Expansions of the language's functions into primitives, one C++ function each.
//
// Each takes a MathBuilder and its arguments and returns the result's node. All backends run what these
// write, so a result is the same bits everywhere; accuracy is at most 1 ulp in f64 and 1.5 ulp in f32
// against the exact value, and signs of zero, subnormals, infinities and NaN come out as in C's
// Annex F. Multiply-adds are written out as fma, never left to a compiler.
#pragma once

#include "../graph.hpp"
#include "../out_of_line.hpp"

namespace bitaxon::jit::math {

/// A typed way to write primitives. `Value` is a node with the graph it lives in, so that
/// expansions read like formulas; integers and floats of the same width mix freely (see ops.def).
class MathBuilder {
  public:
    explicit MathBuilder(Graph& graph) : graph_(&graph) {}
    Graph& graph() const noexcept { return *graph_; }

    NodeId node(Op op, Type type, std::initializer_list<NodeId> args, std::uint64_t payload = 0) {
        return graph_->make(op, type, args, payload);
    }
    /// A float constant of the type, rounded to nearest; exact hexadecimal literals are best.
    NodeId constant(Type type, double value) { return graph_->constant(type, value); }
    NodeId bits(Type type, std::uint64_t bits) { return graph_->constant_bits(type, bits); }

    NodeId add(Type t, NodeId a, NodeId b) { return node(Op::add, t, {a, b}); }
    NodeId sub(Type t, NodeId a, NodeId b) { return node(Op::sub, t, {a, b}); }
    NodeId mul(Type t, NodeId a, NodeId b) { return node(Op::mul, t, {a, b}); }
    NodeId div(Type t, NodeId a, NodeId b) { return node(Op::div, t, {a, b}); }
    NodeId sqrt(Type t, NodeId a) { return node(Op::sqrt, t, {a}); }
    NodeId fma(Type t, NodeId a, NodeId b, NodeId c) { return node(Op::fma, t, {a, b, c}); }
    NodeId fms(Type t, NodeId a, NodeId b, NodeId c) { return node(Op::fms, t, {a, b, c}); }
    NodeId fnma(Type t, NodeId a, NodeId b, NodeId c) { return node(Op::fnma, t, {a, b, c}); }
    NodeId round(Type t, NodeId a) { return node(Op::round, t, {a}); }
    NodeId floor(Type t, NodeId a) { return node(Op::floor, t, {a}); }
    NodeId trunc(Type t, NodeId a) { return node(Op::trunc, t, {a}); }
    NodeId ldexp(Type t, NodeId a, NodeId n) { return node(Op::ldexp, t, {a, n}); }
    NodeId lesser(Type t, NodeId a, NodeId b) { return node(Op::lesser, t, {a, b}); }
    NodeId greater(Type t, NodeId a, NodeId b) { return node(Op::greater, t, {a, b}); }
    NodeId bit_and(Type t, NodeId a, NodeId b) { return node(Op::bit_and, t, {a, b}); }
    NodeId bit_or(Type t, NodeId a, NodeId b) { return node(Op::bit_or, t, {a, b}); }
    NodeId bit_xor(Type t, NodeId a, NodeId b) { return node(Op::bit_xor, t, {a, b}); }
    NodeId shl(Type t, NodeId a, int n) {
        return node(Op::shl, t, {a, graph_->integer(t, n)});
    }
    NodeId shr(Type t, NodeId a, int n) {
        return node(Op::shr, t, {a, graph_->integer(t, n)});
    }
    NodeId sar(Type t, NodeId a, int n) {
        return node(Op::sar, t, {a, graph_->integer(t, n)});
    }
    /// Comparisons of floats of type t; the result is mask_of(t).
    NodeId less(Type t, NodeId a, NodeId b) { return node(Op::float_less, mask_of(t), {a, b}); }
    NodeId less_equal(Type t, NodeId a, NodeId b) {
        return node(Op::float_less_equal, mask_of(t), {a, b});
    }
    NodeId equal(Type t, NodeId a, NodeId b) { return node(Op::float_equal, mask_of(t), {a, b}); }
    NodeId unordered(Type t, NodeId a, NodeId b) {
        return node(Op::float_unordered, mask_of(t), {a, b});
    }
    NodeId select(Type t, NodeId mask, NodeId a, NodeId b) {
        return node(Op::select, t, {mask, a, b});
    }

    NodeId sign_mask(Type t) {
        return bits(t, lane_bytes(t) == 8 ? 0x8000000000000000 : 0x80000000);
    }
    NodeId negate(Type t, NodeId a) { return bit_xor(t, a, sign_mask(t)); }
    NodeId abs(Type t, NodeId a) { return node(Op::bit_andnot, t, {sign_mask(t), a}); }
    /// |a| with the sign of b.
    NodeId copy_sign(Type t, NodeId a, NodeId b) {
        return bit_or(t, abs(t, a), bit_and(t, b, sign_mask(t)));
    }

    /// function(arguments) where the mask is set, else `otherwise`.
    NodeId rare(Type t, std::string_view function, NodeId mask, NodeId otherwise,
                std::initializer_list<NodeId> arguments);

  private:
    Graph* graph_;
};

// Polynomials, for coefficients from the lowest degree up: plain Horner by fma, and Estrin's scheme,
// which is shorter in latency at a few more instructions.
inline constexpr std::size_t kMaxCoefficients = 32;  ///< that estrin() takes
NodeId horner(MathBuilder& b, Type t, NodeId x, std::span<const double> coefficients);
NodeId estrin(MathBuilder& b, Type t, NodeId x, std::span<const double> coefficients);

// Exponentials and logarithms (math/exponential.cpp, math/logarithm.cpp, math/power.cpp).
NodeId exp(MathBuilder& b, Type t, NodeId x);
NodeId expm1(MathBuilder& b, Type t, NodeId x);
NodeId exp2(MathBuilder& b, Type t, NodeId x);
NodeId exprel(MathBuilder& b, Type t, NodeId x);
NodeId sigmoid(MathBuilder& b, Type t, NodeId x);
NodeId sinh(MathBuilder& b, Type t, NodeId x);
NodeId cosh(MathBuilder& b, Type t, NodeId x);
NodeId tanh(MathBuilder& b, Type t, NodeId x);
NodeId log(MathBuilder& b, Type t, NodeId x);
NodeId log1p(MathBuilder& b, Type t, NodeId x);
NodeId log2(MathBuilder& b, Type t, NodeId x);
NodeId log10(MathBuilder& b, Type t, NodeId x);
NodeId pow(MathBuilder& b, Type t, NodeId x, NodeId y);
NodeId cbrt(MathBuilder& b, Type t, NodeId x);
NodeId hypot(MathBuilder& b, Type t, NodeId x, NodeId y);

// Circular functions (math/circular.cpp) and the error function (math/error_function.cpp).
NodeId sin(MathBuilder& b, Type t, NodeId x);
NodeId cos(MathBuilder& b, Type t, NodeId x);
NodeId tan(MathBuilder& b, Type t, NodeId x);
NodeId asin(MathBuilder& b, Type t, NodeId x);
NodeId acos(MathBuilder& b, Type t, NodeId x);
NodeId atan(MathBuilder& b, Type t, NodeId x);
NodeId atan2(MathBuilder& b, Type t, NodeId y, NodeId x);
NodeId erf(MathBuilder& b, Type t, NodeId x);

// Exact arithmetic of floats and integers (math/integral.cpp).
/// x - floor(x / y) * y computed exactly, then rounded once: Python's % (result has y's sign; zero
/// takes y's sign; y = 0 or infinite x: NaN; infinite y of the other sign: y).
NodeId modulo(MathBuilder& b, Type t, NodeId x, NodeId y);
/// floor(x / y) as Python's //: (x - x % y) / y rounded to the nearest integer; x/0 as x / 0.
NodeId floor_divide(MathBuilder& b, Type t, NodeId x, NodeId y);
/// i32 and i64: quotient rounded to minus infinity, remainder with the divisor's sign; y = 0: 0.
NodeId int_modulo(MathBuilder& b, Type t, NodeId x, NodeId y);
NodeId int_floor_divide(MathBuilder& b, Type t, NodeId x, NodeId y);
/// Any type of f32 f64 i16 i32 i64 to any other: saturating from float with NaN to 0, wrapping between
/// integers (an i16 is an i32 that holds a 16-bit value), rounding to nearest towards floats.
NodeId convert(MathBuilder& b, Type to, Type from, NodeId x);

// Noise and shapes (math/noise.cpp); arguments and result of type t.
NodeId perlin2(MathBuilder& b, Type t, NodeId x, NodeId y);
NodeId perlin3(MathBuilder& b, Type t, NodeId x, NodeId y, NodeId z);
NodeId simplex2(MathBuilder& b, Type t, NodeId x, NodeId y);
NodeId simplex3(MathBuilder& b, Type t, NodeId x, NodeId y, NodeId z);
NodeId fbm2(MathBuilder& b, Type t, NodeId x, NodeId y, int octaves);
NodeId fbm3(MathBuilder& b, Type t, NodeId x, NodeId y, NodeId z, int octaves);

// Random numbers (math/random.cpp).
/// A uniform number in [0, 1), or a standard normal one, of the row and step, from a 64-bit key that
/// names seed, population and call site. `row` and `step` are i64 nodes.
NodeId rand(MathBuilder& b, Type t, NodeId key, NodeId row, NodeId step);
NodeId randn(MathBuilder& b, Type t, NodeId key, NodeId row, NodeId step);

}  // namespace bitaxon::jit::math
