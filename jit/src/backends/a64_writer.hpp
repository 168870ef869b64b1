// Writes an allocation's placements as AArch64 instructions.
#pragma once

#include "a64_frame.hpp"
#include "constant_table.hpp"

#include <vector>

namespace bitaxon::jit {

class A64Writer {
  public:
    A64Writer(asmjit::a64::Assembler& out, const Body& body, const A64Frame& frame,
              ConstantTable& constants);

    /// What follows is code for this allocation. Masked code loads and stores the first
    /// a64_register::rows rows of its one vector.
    void begin(const Allocation& allocation, int vectors, bool masked);
    void write(std::span<const Placement> code);

    /// Reads a leaf, or stack slot, into a register; writes a register to an output array.
    void load(NodeId node, std::uint8_t vector, std::uint8_t target);
    void load_array(const A64Array& array, Type type, std::uint8_t vector, std::uint8_t target);
    void reload(std::int32_t slot, std::uint8_t target);
    void spill(std::int32_t slot, std::uint8_t source);
    void store(std::uint32_t output, NodeId value, std::uint8_t vector, std::uint8_t source);

    /// The out-of-line parts, after the function's end.
    void write_stubs();
    /// The constants, which the prologue finds by the label.
    void write_constants(const asmjit::Label& label);

  private:
    // A call of an out-of-line function, for lanes that need it.
    struct RareStub {
        asmjit::Label entry;
        asmjit::Label back;
        Placement placement;
        std::uint64_t live;
    };
    // A vector of fewer rows than a register holds, between a register and an array.
    struct PartStub {
        asmjit::Label entry;
        asmjit::Label back;
        asmjit::a64::GpX pointer;
        std::uint8_t r;
        std::uint8_t element_bytes;
        bool store;
    };

    void compute(const Placement& p);
    void compute_rare(const Placement& p);
    void move_array(const A64Array& array, int element_bytes, std::uint8_t vector, std::uint8_t r,
                    bool store);
    std::uint8_t narrowed(int element_bytes, std::uint8_t source);
    void write_bits_of(std::uint8_t mask, Type type);
    void store_bits(const A64Array& array, Type type, std::uint8_t vector, std::uint8_t source);
    void join_bits(const asmjit::a64::GpX& pointer, int first_row);
    void load_uniform(std::uint64_t number, std::uint8_t target);
    void load_row_numbers(std::uint8_t vector, std::uint8_t target);
    asmjit::a64::Mem constant(std::int32_t offset);
    void write_part(const PartStub& stub);
    void write_rare(const RareStub& stub);
    void move_live_registers(const RareStub& stub, bool save);

    asmjit::a64::Assembler& out_;
    const Body& body_;
    const A64Frame& frame_;
    ConstantTable& constants_;
    int rows_;
    const Allocation* allocation_ = nullptr;
    int vectors_ = 1;
    bool masked_ = false;
    std::vector<RareStub> rare_stubs_;
    std::vector<PartStub> part_stubs_;
};

}  // namespace bitaxon::jit
