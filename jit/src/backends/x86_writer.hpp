// Writes an allocation's placements as x86-64 instructions.
#pragma once

#include "constant_table.hpp"
#include "register_allocator.hpp"
#include "x86_frame.hpp"

#include <asmjit/x86.h>

#include <vector>

namespace bitaxon::jit {

/// A vector register reserved in masked AVX2 code for the masks of loads and stores, and where
/// elements narrower than lanes are stored; in masked AVX-512 code it is k7.
inline constexpr std::uint8_t kX86MaskVector = 15;
inline constexpr std::uint8_t kX86MaskRegister = 7;

/// The k register of a mask's place.
inline asmjit::x86::KReg mask_of(std::uint8_t r) {
    return asmjit::x86::k(r - std::uint32_t{kFirstMaskRegister});
}

class X86Writer {
  public:
    X86Writer(asmjit::x86::Assembler& out, const Body& body, Target target, const X86Frame& frame,
              ConstantTable& constants, bool streaming_stores);

    /// What follows is code for this allocation. Masked code loads and stores rows before the end
    /// only.
    void begin(const Allocation& allocation, int vectors, bool masked);
    void write(std::span<const Placement> code);

    /// Computes the masks of the tile at the current row.
    void write_tail_masks();
    /// Reads a leaf, or stack slot, into a register; writes a register to an output array.
    void load(NodeId node, std::uint8_t vector, std::uint8_t target);
    void load_array(const X86Array& array, Type type, std::uint8_t vector, std::uint8_t target);
    void reload(Type type, std::int32_t slot, std::uint8_t target);
    void spill(Type type, std::int32_t slot, std::uint8_t source);
    void store(std::uint32_t output, NodeId value, std::uint8_t vector, std::uint8_t source);

    /// Code is no longer a straight line here: nothing is known of scratch registers.
    void forget() { mask_of_vector_ = -1; }
    /// The out-of-line parts, after the function's end.
    void write_stubs();

  private:
    struct Stub {
        asmjit::Label entry;
        asmjit::Label back;
        Placement placement;
        std::uint64_t live;
        bool masked;
    };

    int bytes_of(Type type) const { return rows_ * lane_bytes(type); }
    asmjit::x86::Vec vector_register(std::uint8_t r, Type type) const;
    asmjit::x86::Vec whole_register(int r) const;
    asmjit::Operand register_of(std::uint8_t r, Type type) const;
    bool in_mask_register(Type type) const { return mask_registers_ && is_mask(type); }
    asmjit::x86::Mem address(const X86Array& array, std::uint8_t vector) const;
    asmjit::x86::Mem repeated(asmjit::x86::Mem memory, Type type) const;
    asmjit::x86::Mem memory_operand(const Placement& p, NodeId argument, std::uint8_t where);
    asmjit::x86::KReg mask_register(std::uint8_t vector);
    void move(Type type, std::uint8_t target, std::uint8_t source);
    void copy_to_lanes(const asmjit::x86::Vec& target, const asmjit::x86::Mem& lane, Type type);
    void load_constant(NodeId node, std::uint8_t target);
    void load_row_numbers(std::uint8_t vector, std::uint8_t target);
    void compute(const Placement& p);
    void compute_rare(const Placement& p);
    void store_lanes(const X86Array& array, Type type, std::uint8_t vector, std::uint8_t source);
    void store_narrow(const X86Array& array, Type type, std::uint8_t vector, std::uint8_t source);
    void store_narrow_part(const asmjit::x86::Mem& memory, int bytes, int element_bytes);
    void store_low(const asmjit::x86::Mem& memory, const asmjit::x86::Vec& from, int bytes);
    void store_bits(const X86Array& array, Type type, std::uint8_t vector, std::uint8_t source);
    void store_mask_register(const X86Array& array, std::uint8_t vector, std::uint8_t source);
    void write_stub(const Stub& stub);
    void move_live_registers(const Stub& stub, bool save);

    asmjit::x86::Assembler& out_;
    const Body& body_;
    Target target_;
    const X86Frame& frame_;
    ConstantTable& constants_;
    int rows_;
    bool mask_registers_;
    bool streaming_;
    const Allocation* allocation_ = nullptr;
    int vectors_ = 1;
    bool masked_ = false;
    int mask_of_vector_ = -1;  ///< AVX-512: the vector whose tail mask is in k7
    std::vector<Stub> stubs_;
};

}  // namespace bitaxon::jit
