// Arithmetic among integer literals, which are exact until they meet a value with a type.
#pragma once

#include "../ir/graph.hpp"

#include <cstdint>
#include <optional>

namespace bitaxon::jit {

/// a op b, or nothing where 64 bits can't hold it or the operation leaves the integers.
std::optional<std::int64_t> fold_integers(Op op, std::int64_t a, std::int64_t b) noexcept;

/// True if the number type holds the integer.
bool fits(std::int64_t value, Type type) noexcept;

/// The integer modulo 2^bits of an integer type, as casts of integers are.
std::int64_t wrap(std::int64_t value, Type type) noexcept;

}  // namespace bitaxon::jit
