// Where the generated function keeps what is not a vector: array pointers, counters, stack areas,
// and the table of constants behind its code.
#pragma once

#include "register_allocator.hpp"

#include <asmjit/x86.h>

#include <bit>
#include <vector>

namespace bitaxon::jit {

constexpr bool is_wide(Type type) { return lane_bytes(type) == 8; }

// General registers with a fixed meaning; the first three are the function's arguments.
namespace x86_register {
inline constexpr asmjit::x86::Gp frame = asmjit::x86::rdi;  ///< only in the prologue
inline constexpr asmjit::x86::Gp row = asmjit::x86::rsi;
inline constexpr asmjit::x86::Gp end = asmjit::x86::rdx;
inline constexpr asmjit::x86::Gp uniforms = asmjit::x86::rcx;
inline constexpr asmjit::x86::Gp constants = asmjit::x86::r8;
inline constexpr asmjit::x86::Gp limit = asmjit::x86::r10;    ///< scratch in masked code
inline constexpr asmjit::x86::Gp address = asmjit::x86::rax;  ///< scratch
inline constexpr asmjit::x86::Gp scratch = asmjit::x86::r11;
}  // namespace x86_register

/// An input or output array. Its pointer is in a register, or on the stack; that of a per-step
/// array points at the tile's first row in the current step, any other at row 0.
struct X86Array {
    bool used = false;
    bool is_output = false;
    bool per_step = false;
    int element_bytes = 0;  ///< 0: packed bits
    std::uint32_t number = 0;
    std::int32_t gp = -1;          ///< number of the register, or -1
    std::int32_t pointer = -1;     ///< stack offset, if not in a register
    std::int32_t base = -1;        ///< of a per-step array: stack offset of the pointer to row 0
    std::int32_t step_bytes = -1;  ///< of a per-step array: stack offset

    /// Rows to bytes, of arrays that hold no packed bits.
    std::uint32_t shift() const {
        return static_cast<std::uint32_t>(std::countr_zero(static_cast<unsigned>(element_bytes)));
    }
};

class X86Frame {
  public:
    /// `allocations` are those of all variants of the function.
    X86Frame(const Body& body, Target target, std::span<const Allocation* const> allocations,
             int masked_vectors);

    const X86Array& input(std::uint64_t number) const { return inputs_[number]; }
    const X86Array& output(std::uint64_t number) const { return outputs_[number]; }
    std::span<const X86Array> inputs() const { return inputs_; }
    std::span<const X86Array> outputs() const { return outputs_; }

    // Stack offsets from rsp.
    std::int32_t slot(std::int32_t number) const { return number * register_bytes_; }
    std::int32_t mask_slot(std::int32_t number) const { return mask_slots_ + number * 8; }
    /// The tail's mask of a vector, for lanes of 4 or 8 bytes (AVX2), or as bits (AVX-512).
    std::int32_t tail_mask(int vector, int lane_bytes) const {
        return tail_masks_ + (vector * 2 + (lane_bytes == 8 ? 1 : 0)) * register_bytes_;
    }
    std::int32_t rare_buffer() const { return rare_buffer_; }
    std::int32_t saved_vector(int r) const { return saved_vectors_ + r * register_bytes_; }
    std::int32_t saved_mask(int k) const { return saved_masks_ + k * 8; }
    std::int32_t saved_gp(int i) const { return saved_gps_ + i * 8; }
    std::int32_t first_row() const { return counters_; }
    std::int32_t first_step() const { return counters_ + 8; }
    std::int32_t step() const { return counters_ + 16; }
    std::int32_t last_step() const { return counters_ + 24; }
    std::int32_t whole_end() const { return counters_ + 32; }

    void emit_prologue(asmjit::x86::Assembler& out, asmjit::Label constants) const;
    void emit_epilogue(asmjit::x86::Assembler& out) const;

  private:
    std::int32_t reserve(std::int32_t bytes);
    void describe_arrays(const Body& body);
    void lay_out(const Body& body, std::span<const Allocation* const> allocations,
                 int masked_vectors);
    void assign_pointers();
    asmjit::Label jump_if_default_mode(asmjit::x86::Assembler& out) const;
    void load_pointer(asmjit::x86::Assembler& out, const X86Array& array) const;

    std::int32_t register_bytes_;
    bool uses_uniforms_ = false;
    std::vector<X86Array> inputs_;
    std::vector<X86Array> outputs_;
    std::vector<std::uint32_t> saved_;  ///< callee-saved registers in use
    std::int32_t bytes_ = 0;
    std::int32_t mask_slots_ = 0;
    std::int32_t tail_masks_ = 0;
    std::int32_t rare_buffer_ = 0;
    std::int32_t saved_vectors_ = 0;
    std::int32_t saved_masks_ = 0;
    std::int32_t saved_gps_ = 0;
    std::int32_t counters_ = 0;
    std::int32_t mxcsr_ = 0;
};

}  // namespace bitaxon::jit
