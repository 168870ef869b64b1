// What all code generators have in common: targets, options and the code that they make.
#pragma once

#include "../ir/program.hpp"
#include "executable_memory.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace bitaxon::jit {

/// An instruction set that code can be generated for.
enum class Target : std::uint8_t {
    avx2,    ///< x86-64 with AVX2, BMI2 and FMA: 32-byte registers
    avx512,  ///< x86-64 with AVX-512 F, BW, DQ and VL: 64-byte registers, masks in k registers
    neon,    ///< AArch64: 16-byte registers
    scalar,  ///< x86-64's general registers: one row of integers, many steps
    lane,    ///< avx2's instructions: one row, copies of which fill 16-byte registers
};

inline constexpr std::size_t kTargets = 5;

std::string_view name(Target target) noexcept;

/// Bytes of a vector register.
int register_bytes(Target target) noexcept;

/// Rows in it, for lanes that are so many bytes wide at most.
int rows_per_vector(Target target, int lane_bytes) noexcept;

struct CodeOptions {
    /// Outputs are written past the caches. Needs every output, at `begin` of a call, aligned to the
    /// register; the caller sees to that.
    bool streaming_stores = false;
    /// Vectors of rows per loop iteration; 0: chosen by register pressure.
    int unroll = 0;
    /// Keep the assembly as text.
    bool listing = false;
};

/// Code for one program. The program itself may go; the code must outlive all calls.
struct MachineCode {
    ExecutableMemory memory;
    RowFunction function = nullptr;
    Target target{};
    int rows_per_vector = 0;
    int unroll = 0;
    int registers = 0;       ///< vector registers in use
    int spills = 0;          ///< values that were stored to the stack, in one iteration
    std::size_t code_bytes = 0;
    std::string listing;     ///< if asked for
};

/// @throws Error with ErrorCode::unsupported where memory can't be made executable, or for a program
/// that this target can't take (the message says why)
MachineCode generate(const Program& program, Target target, const CodeOptions& options = {});

}  // namespace bitaxon::jit
