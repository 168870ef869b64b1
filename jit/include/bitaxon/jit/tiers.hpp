// The tiers of compilation that kernels and neuron rules go through: the interpreter, machine code, and
// machine code in which values that stay the same are constants.
#pragma once

#include <cstdint>
#include <string>

namespace bitaxon::jit {

/// When a kernel or a population moves from one tier to the next. Counted in calls and operations,
/// never timed. Results do not depend on it.
struct Thresholds {
    std::int64_t background_calls = 100;  ///< machine code is made in the background at this call
    /// Rows x steps x operations of a call that compiles before it runs.
    std::int64_t work_at_once = 100'000;
    /// Uniform values that have been the same for so many calls are folded, in the background.
    std::int64_t fold_calls = 1'000;
};

/// What has been run and compiled so far.
struct TierStats {
    std::int64_t calls = 0;
    std::int64_t machine_code_calls = 0;  ///< calls that ran machine code from their first row
    /// Pieces of machine code: by the values that are uniform, by target, with streaming stores.
    std::int64_t compiled_variants = 0;
    double compile_seconds = 0;  ///< in code generation
    std::string tier;  ///< "interpreter", "avx2", "avx512", "neon" or "scalar": the last call's
};

}  // namespace bitaxon::jit
