// Registers for straight-line code, by furthest next use (Belady 1966), in one pass.
//
// Constants, uniforms, arrays and spilled values are read from memory where an instruction can;
// what registers are to spare hold the values that are read most, for the whole loop. The result is
// a list of placements that a generator writes out one by one, for any target.
#pragma once

#include "schedule.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <span>

namespace bitaxon::jit {

// What the allocator must know of a target.

/// Where a value can be read at any time without having been stored.
enum class Home : std::uint8_t { none, constant, uniform, step, row, input };
inline constexpr std::size_t kHomes = 6;

/// How an instruction can read a value from memory.
enum class MemoryForm : std::uint8_t { none, whole, repeated };

/// What an instruction wants of its operands. Bit i of the sets stands for argument i.
struct OperandRules {
    std::uint8_t whole = 0;     ///< may lie in memory as a whole vector
    std::uint8_t repeated = 0;  ///< may lie in memory as one lane, repeated by the instruction
    std::uint8_t tied = 0;      ///< the result overwrites the register of one of these
    bool apart = false;         ///< the result's register is no argument's, but for a tied one
};

/// Registers are numbered 0-31; mask registers, where there are any, 32 + k.
inline constexpr std::uint8_t kFirstMaskRegister = 32;
inline constexpr std::uint8_t kAtHome = 0xfe;   ///< in place of a register: in memory, at its home
inline constexpr std::uint8_t kOnStack = 0xff;  ///< in place of a register: in memory, spilled

struct RegisterFile {
    std::uint32_t vectors = 0;  ///< set of registers that may be allotted
    std::uint32_t masks = 0;    ///< the same for mask registers, bit k for k
    std::array<MemoryForm, kHomes> forms{};
    MemoryForm stack_form = MemoryForm::whole;
    bool mask_registers = false;
};

// The result.

struct Placement {
    enum class Kind : std::uint8_t {
        compute,  ///< node: target = op(sources)
        output,   ///< stores sources[0] to output number `slot`
        load,     ///< reads the node from its home into target
        reload,   ///< reads stack slot `slot` into target
        spill,    ///< writes sources[0] to stack slot `slot`
        copy,     ///< target = sources[0]
    };
    Kind kind;
    std::uint8_t vector;
    std::uint8_t target = 0;
    std::array<std::uint8_t, kMaxArguments> sources{};
    NodeId node;  ///< what is computed, or whose value is moved
    /// Stack slot of the argument that is kOnStack; for Op::rare, an index into Allocation::live.
    std::int32_t slot = -1;
};

/// A value kept in a register: for the whole loop, or, if it is an input or the row, for a tile of
/// rows.
struct Pinned {
    NodeId node;
    std::uint8_t vector;
    std::uint8_t target;
};

/// A value that goes from step to step, or only out of the last one.
struct Carried {
    NodeId now;  ///< kNoNode: has no value before the first step
    NodeId next;
    std::uint8_t vector;
    std::uint8_t home;     ///< its register between steps, or kOnStack
    std::int32_t slot;     ///< if on the stack
    std::uint32_t input;   ///< array that `now` is read from
    std::uint32_t output;  ///< array that `next` is stored to in the end
};

struct Allocation {
    std::vector<Placement> code;
    std::vector<Pinned> pinned;
    std::vector<Carried> carried;
    std::vector<std::uint64_t> live;  ///< sets of registers that hold values after an Op::rare
    std::uint64_t used = 0;           ///< set of registers that are written at all
    std::int32_t slots = 0;           ///< vectors on the stack
    std::int32_t mask_slots = 0;      ///< masks on the stack, numbered by themselves
    int spills = 0;
};

/// `rules` holds one entry a node. At most `pins` leaves are kept in registers for the whole loop.
Allocation allocate(const Body& body, const Schedule& schedule, std::span<const OperandRules> rules,
                    const RegisterFile& file, int pins);

/// How many registers the schedule leaves to spare for leaves.
inline int spare_registers(const RegisterFile& file, const Schedule& schedule) {
    return std::max(0, std::popcount(file.vectors) - schedule.alive - 2);
}

}  // namespace bitaxon::jit
