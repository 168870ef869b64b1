// The NEON instructions of the primitives: which ones, and what they want of their operands.
#pragma once

#include "register_allocator.hpp"

#include <asmjit/core.h>

#include <asmjit/arm/a64assembler.h>

#include <array>
#include <vector>

namespace bitaxon::jit {

/// Registers that the instructions of one primitive may overwrite; never given to values.
inline constexpr std::uint8_t kScratch = 30;
inline constexpr std::uint8_t kScratch2 = 31;

/// What each node's instruction wants of its operands.
std::vector<OperandRules> a64_operand_rules(const Body& body);

/// A primitive with registers in place of its values.
struct A64Operation {
    const Node& node;
    std::uint8_t result;
    std::array<std::uint8_t, kMaxArguments> args;
    /// Two rows to a vector: lanes of 32 bits use the low half of a register.
    bool two_rows;
};

/// Appends the instructions of a primitive other than `rare`.
void emit_a64(asmjit::a64::Assembler& out, const A64Operation& operation);

/// The register as lanes of the type.
asmjit::a64::Vec a64_lanes(std::uint8_t r, Type type, bool two_rows) noexcept;

}  // namespace bitaxon::jit
