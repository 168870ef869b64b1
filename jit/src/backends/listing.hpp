// A program's primitives and its machine code as text, for explain().
#pragma once

#include "tiered_program.hpp"

namespace bitaxon::jit {

std::string listing(const TieredProgram& program, std::optional<Target> target);

}  // namespace bitaxon::jit
