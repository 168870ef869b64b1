// Where the generated function keeps what is not a vector: array pointers, counters and stack
// areas.
#pragma once

#include "register_allocator.hpp"

#include <asmjit/core.h>

#include <asmjit/arm/a64assembler.h>

#include <vector>

namespace bitaxon::jit {

// General registers with a fixed meaning; the first three are the function's arguments.
namespace a64_register {
inline constexpr asmjit::a64::GpX frame{0};
inline constexpr asmjit::a64::GpX row{1};  ///< first row of the tile
inline constexpr asmjit::a64::GpX end{2};
inline constexpr asmjit::a64::GpX constants{3};
inline constexpr asmjit::a64::GpX uniforms{4};
inline constexpr asmjit::a64::GpX step{5};
inline constexpr asmjit::a64::GpX steps_left{6};
inline constexpr asmjit::a64::GpX rows{7};      ///< of a masked tile: how many there are
inline constexpr asmjit::a64::GpX missing{8};   ///< of a masked tile: how many there are not
inline constexpr asmjit::a64::GpX limit{9};     ///< last row that a whole tile can begin at
inline constexpr asmjit::a64::GpX bits{10};     ///< scratch
inline constexpr asmjit::a64::GpX address{16};  ///< scratch
inline constexpr asmjit::a64::GpX scratch{17};
}  // namespace a64_register

/// An input or output array. Its pointer, in a register or on the stack, points at the tile's first
/// row; that of a per-step array, at this row in the current step.
struct A64Array {
    bool used = false;
    bool is_output = false;
    bool per_step = false;
    int element_bytes = 0;  ///< 0: packed bits
    std::uint32_t number = 0;
    std::int32_t gp = -1;       ///< number of the register, or -1
    std::int32_t pointer = -1;  ///< stack offset, if not in a register
};

class A64Frame {
  public:
    /// `allocations` are those of all variants of the function.
    A64Frame(const Body& body, std::span<const Allocation* const> allocations);

    const A64Array& input(std::uint64_t number) const { return inputs_[number]; }
    const A64Array& output(std::uint64_t number) const { return outputs_[number]; }

    /// The stack slot as an operand; may use the register `address`.
    asmjit::a64::Mem slot(asmjit::a64::Assembler& out, std::int32_t number) const;
    // Stack offsets from sp.
    std::int32_t rare_buffer() const { return rare_buffer_; }
    std::int32_t saved_vector(int r) const { return saved_vectors_ + r * 16; }
    std::int32_t saved_gp(int i) const { return saved_gps_ + i * 8; }

    void emit_prologue(asmjit::a64::Assembler& out, const asmjit::Label& constants) const;
    void emit_epilogue(asmjit::a64::Assembler& out) const;

    /// The register that holds the array's pointer, or `address`, into which it is read.
    asmjit::a64::GpX pointer(asmjit::a64::Assembler& out, const A64Array& array) const;
    /// Points all arrays, or only those of packed bits, at the tile's first row and the first step.
    void emit_point(asmjit::a64::Assembler& out, bool only_bits) const;
    /// Moves all pointers, but not those to packed bits, by so many rows.
    void emit_next_rows(asmjit::a64::Assembler& out, int rows) const;
    /// Moves per-step arrays to the next step.
    void emit_next_step(asmjit::a64::Assembler& out) const;

  private:
    std::int32_t reserve(std::int32_t bytes);
    void describe_arrays(const Body& body);
    void lay_out_registers(const Body& body);
    void assign_pointers();
    void lay_out_vectors(const Body& body, std::span<const Allocation* const> allocations);
    void emit_saves(asmjit::a64::Assembler& out, bool restore) const;
    void write_back(asmjit::a64::Assembler& out, const A64Array& array,
                    const asmjit::a64::GpX& pointer) const;

    bool uses_uniforms_;
    std::vector<A64Array> inputs_;
    std::vector<A64Array> outputs_;
    std::vector<std::uint32_t> saved_gp_numbers_;      ///< callee-saved registers in use
    std::vector<std::uint32_t> saved_vector_numbers_;  ///< the same; their low halves
    std::int32_t bytes_ = 0;
    std::int32_t fpcr_ = 0;
    std::int32_t callee_saved_ = 0;
    std::int32_t rare_buffer_ = 0;
    std::int32_t saved_vectors_ = 0;
    std::int32_t saved_gps_ = 0;
    std::int32_t slots_ = 0;
};

}  // namespace bitaxon::jit
