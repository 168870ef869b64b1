// Bitwise operations of three values in one instruction, for targets that have one (VPTERNLOG).
#pragma once

#include "legalise.hpp"

namespace bitaxon::jit {

/// Joins bitwise primitives of lanes with the one or two that read them and are all that do, as far
/// as each then reads no more than three values. What is joined is one node, a `bit_xor` with three
/// arguments whose payload is its truth table: bit 4a + 2b + c of it is the result for bits a, b, c
/// of the arguments, some of which may be the same. What is then not needed is left out.
void join_ternary_logic(Body& body);

}  // namespace bitaxon::jit
