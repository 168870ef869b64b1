// Types of the expression language, and the modes of its arithmetic.
#pragma once

#include <cstdint>
#include <string_view>

namespace bitaxon::jit {

/// Types of values. i16 is a language type: it is computed in 32 bits and wrapped. Masks are what
/// comparisons yield, as wide as what was compared.
enum class Type : std::uint8_t { f32, f64, i16, i32, i64, m32, m64 };

constexpr bool is_float(Type type) noexcept { return type == Type::f32 || type == Type::f64; }
constexpr bool is_mask(Type type) noexcept { return type == Type::m32 || type == Type::m64; }
constexpr bool is_integer(Type type) noexcept { return !is_float(type) && !is_mask(type); }
/// 4 or 8: bytes of a lane.
constexpr int lane_bytes(Type type) noexcept {
    return type == Type::f64 || type == Type::i64 || type == Type::m64 ? 8 : 4;
}
/// Bytes of an element of an array: those of the lane, but 2 for an i16, and 1 for a mask, which an
/// array holds as 0 or 1, like bool.
constexpr int element_bytes(Type type) noexcept {
    return is_mask(type) ? 1 : type == Type::i16 ? 2 : lane_bytes(type);
}
/// The mask that belongs to values of this type.
constexpr Type mask_of(Type type) noexcept { return lane_bytes(type) == 8 ? Type::m64 : Type::m32; }
/// The integer type of the same width.
constexpr Type integer_of(Type type) noexcept {
    return lane_bytes(type) == 8 ? Type::i64 : Type::i32;
}

/// "f32", "i64", "m32", ...
std::string_view name(Type type) noexcept;

/// What the compiler may do to a value.
enum class MathMode : std::uint8_t {
    strict,    ///< IEEE as written; no rewriting that changes a bit
    contract,  ///< multiply-adds are fused: a product with one use, the first in canonical order
    fast,      ///< as contract, after rewriting by the rules of real numbers
};

/// "strict", "contract", "fast".
std::string_view name(MathMode mode) noexcept;

}  // namespace bitaxon::jit
