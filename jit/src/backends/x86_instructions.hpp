// The x86-64 instructions of the primitives: which ones, and what they want of their operands.
#pragma once

#include "register_allocator.hpp"

#include <asmjit/x86.h>

#include <array>
#include <vector>

namespace bitaxon::jit {

/// What each node's instruction wants of its operands.
std::vector<OperandRules> x86_operand_rules(const Body& body, Target target);

/// A primitive with registers in place of its values.
struct X86Operation {
    const Node& node;
    asmjit::Operand result;
    std::array<asmjit::Operand, 3> args;
    int memory = -1;  ///< the argument that is a memory operand; -1: none
};

/// Appends the instructions of a primitive other than `rare`.
void emit_x86(asmjit::x86::Assembler& out, Target target, const X86Operation& operation);

}  // namespace bitaxon::jit
