// Machine code for AArch64 with NEON.
#pragma once

#include "backend.hpp"

namespace bitaxon::jit {

/// Stores never go past the caches: AArch64 has no store that would promise it.
MachineCode generate_a64(const Program& program, const CodeOptions& options);

}  // namespace bitaxon::jit
