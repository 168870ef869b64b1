// Code for one row of integers in general registers.
//
// A single neuron's steps depend on each other, and a vector instruction takes two to five times as long
// as a general one to hand on its result. Selects become branches: a neuron that fires regularly is
// predicted, and the new value after a reset doesn't wait for the old one.
#pragma once

#include "backend.hpp"

namespace bitaxon::jit {

/// A function that computes row `begin` alone. @throws Error with ErrorCode::unsupported for programs
/// with floats, variable shifts or out-of-line calls, for outputs of i16 or of masks that are not packed,
/// and for those that need more than the registers
MachineCode generate_x86_scalar(const Program& program, bool listing);

}  // namespace bitaxon::jit
