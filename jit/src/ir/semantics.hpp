// What each primitive means, as functions over blocks of lanes: the interpreter runs them, the graph
// folds constants with them, and machine code is held against them.
#pragma once

#include "graph.hpp"

#include <cstddef>

namespace bitaxon::jit {

/// out[i] = op(args[0][i], ...) for count lanes. Arrays hold lanes of 4 or 8 bytes, as the node's
/// and the arguments' types say; `out` may be one of the arguments if the lanes are equally wide.
using PrimitiveFunction = void (*)(const void* const* args, void* out, std::size_t count) noexcept;

/// The function of a primitive other than `rare`, by the type of its node (the mask's, for
/// comparisons), or null where the pair means nothing.
PrimitiveFunction primitive_function(Op op, Type type) noexcept;

/// Sets the floating-point environment to round-to-nearest without flush-to-zero, and restores the
/// caller's at the end: a foreign -ffast-math library may have changed it.
class DefaultFloatEnvironment {
  public:
    DefaultFloatEnvironment() noexcept;
    ~DefaultFloatEnvironment();
    DefaultFloatEnvironment(const DefaultFloatEnvironment&) = delete;
    DefaultFloatEnvironment& operator=(const DefaultFloatEnvironment&) = delete;

  private:
    std::uint64_t saved_;
};

}  // namespace bitaxon::jit
