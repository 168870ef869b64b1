// Machine code for x86-64 with AVX2, BMI2 and FMA, or with AVX-512 F, BW, DQ and VL.
#pragma once

#include "backend.hpp"

namespace bitaxon::jit {

MachineCode generate_x86(const Program& program, Target target, const CodeOptions& options);

}  // namespace bitaxon::jit
