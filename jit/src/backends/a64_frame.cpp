#include "a64_frame.hpp"

#include <bitaxon/core/error.hpp>

#include <algorithm>
#include <bit>
#include <cstddef>

namespace bitaxon::jit {
namespace {

namespace a64 = asmjit::a64;
using a64::Assembler;
using a64::GpX;
using asmjit::imm;

constexpr std::int32_t kPageBytes = 4096;
// What a thread's stack can spare.
constexpr std::int32_t kMaxFrameBytes = 256 * 1024;

// Registers for array pointers, those first that need no saving.
constexpr std::uint32_t kPointers[] = {11, 12, 13, 14, 15, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28};
constexpr std::uint32_t kFirstSavedGp = 19;
constexpr std::uint32_t kFirstSavedVector = 8;
constexpr std::uint32_t kLastSavedVector = 15;
constexpr std::uint32_t kLink = 30;
// Registers that hold something of ours across a call: all below `address`.
constexpr std::int32_t kLiveGps = 16;

std::int32_t at_field(std::size_t offset) { return static_cast<std::int32_t>(offset); }

// Calls `write` for the arrays that are meant; the register `scratch` holds a table of the frame.
template <class IsMeant, class Write>
void for_each(Assembler& out, std::span<const A64Array> arrays, std::size_t table, IsMeant is_meant,
              Write write) {
    if (std::any_of(arrays.begin(), arrays.end(), is_meant)) {
        out.ldr(a64_register::scratch, a64::ptr(a64_register::frame, at_field(table)));
    }
    for (const A64Array& array : arrays) {
        if (is_meant(array)) {
            write(array);
        }
    }
}

}  // namespace

A64Frame::A64Frame(const Body& body, std::span<const Allocation* const> allocations)
    : uses_uniforms_(body.uses(Op::uniform)) {
    describe_arrays(body);
    lay_out_registers(body);
    assign_pointers();
    lay_out_vectors(body, allocations);
    bytes_ = (bytes_ + 15) / 16 * 16;
    if (bytes_ > kMaxFrameBytes) {
        throw Error(ErrorCode::unsupported,
                    "machine code: the expression needs more stack than is safe to take");
    }
}

std::int32_t A64Frame::reserve(std::int32_t bytes) {
    const std::int32_t at = bytes_;
    bytes_ += bytes;
    return at;
}

void A64Frame::describe_arrays(const Body& body) {
    for (std::uint32_t i = 0; i < body.inputs.size(); ++i) {
        const ProgramInput& input = body.inputs[i];
        inputs_.push_back(
            {.per_step = input.per_step, .element_bytes = lane_bytes(input.type), .number = i});
    }
    for (const Node& node : body.nodes) {
        if (node.op == Op::input) {
            inputs_[node.payload].used = true;
        }
    }
    for (std::uint32_t i = 0; i < body.outputs.size(); ++i) {
        const ProgramOutput& output = body.outputs[i];
        outputs_.push_back({.used = true,
                            .is_output = true,
                            .per_step = output.per_step && i >= body.states.size(),
                            .element_bytes = output.bits ? 0 : element_bytes(output.type),
                            .number = i});
    }
}

void A64Frame::assign_pointers() {
    std::size_t next = 0;
    const auto assign = [&](A64Array& array) {
        if (!array.used) {
            return;
        }
        if (next == std::size(kPointers)) {
            array.pointer = reserve(8);
            return;
        }
        const std::uint32_t gp = kPointers[next++];
        array.gp = static_cast<std::int32_t>(gp);
        if (gp >= kFirstSavedGp) {
            saved_gp_numbers_.push_back(gp);
        }
    };
    std::for_each(inputs_.begin(), inputs_.end(), assign);
    std::for_each(outputs_.begin(), outputs_.end(), assign);
}

// These come first: pairs of registers are stored at short offsets only.
void A64Frame::lay_out_registers(const Body& body) {
    fpcr_ = reserve(8);
    if (body.uses(Op::rare)) {
        saved_gp_numbers_.push_back(kLink);
        saved_gps_ = reserve(kLiveGps * 8);
    }
}

// Stack slots come last: there may be many.
void A64Frame::lay_out_vectors(const Body& body, std::span<const Allocation* const> allocations) {
    std::int32_t slots = 0;
    std::uint64_t used = 0;
    for (const Allocation* allocation : allocations) {
        slots = std::max(slots, allocation->slots);
        used |= allocation->used;
    }
    for (std::uint32_t r = kFirstSavedVector; r <= kLastSavedVector; ++r) {
        if ((used >> r & 1) != 0) {
            saved_vector_numbers_.push_back(r);
        }
    }
    callee_saved_ = reserve(
        8 * static_cast<std::int32_t>(saved_gp_numbers_.size() + saved_vector_numbers_.size()));
    bytes_ = (bytes_ + 15) / 16 * 16;
    if (body.uses(Op::rare)) {
        rare_buffer_ = reserve(static_cast<std::int32_t>(kMaxArguments) * 16);
        saved_vectors_ = reserve(32 * 16);
    }
    slots_ = reserve(std::min(slots, kMaxFrameBytes / 16) * 16);
}

a64::Mem A64Frame::slot(Assembler& out, std::int32_t number) const {
    constexpr std::int32_t kLastOffset = 4095 * 16;
    const std::int32_t offset = slots_ + number * 16;
    if (offset <= kLastOffset) {
        return a64::ptr(a64::sp, offset);
    }
    out.mov(a64_register::address, a64::sp);
    out.mov(a64_register::scratch, imm(offset));
    return a64::ptr(a64_register::address, a64_register::scratch);
}

void A64Frame::emit_saves(Assembler& out, bool restore) const {
    std::int32_t offset = callee_saved_;
    const auto move = [&](const auto& r) {
        const a64::Mem place = a64::ptr(a64::sp, offset);
        if (restore) {
            out.ldr(r, place);
        } else {
            out.str(r, place);
        }
        offset += 8;
    };
    for (const std::uint32_t gp : saved_gp_numbers_) {
        move(GpX(gp));
    }
    for (const std::uint32_t r : saved_vector_numbers_) {
        move(a64::VecD(r));
    }
}

void A64Frame::emit_prologue(Assembler& out, const asmjit::Label& constants) const {
    namespace r = a64_register;
    // Every page of a large frame is touched in turn, so that a full stack meets its guard page.
    for (std::int32_t left = bytes_; left > 0; left -= kPageBytes) {
        out.sub(a64::sp, a64::sp, imm(std::min(left, kPageBytes)));
        if (bytes_ > kPageBytes) {
            out.str(a64::xzr, a64::ptr(a64::sp));
        }
    }
    emit_saves(out, false);
    const asmjit::Label is_default = out.newLabel();
    out.mrs(r::scratch, imm(a64::Predicate::SysReg::kFPCR));
    out.str(r::scratch, a64::ptr(a64::sp, fpcr_));
    out.cbz(r::scratch, is_default);
    out.msr(imm(a64::Predicate::SysReg::kFPCR), a64::xzr);
    out.bind(is_default);

    out.adr(r::constants, constants);
    if (uses_uniforms_) {
        out.ldr(r::uniforms, a64::ptr(r::frame, at_field(offsetof(Frame, uniforms))));
    }
    out.ldr(r::step, a64::ptr(r::frame, at_field(offsetof(Frame, first_step))));
}

void A64Frame::emit_epilogue(Assembler& out) const {
    namespace r = a64_register;
    const asmjit::Label was_default = out.newLabel();
    out.ldr(r::scratch, a64::ptr(a64::sp, fpcr_));
    out.cbz(r::scratch, was_default);
    out.msr(imm(a64::Predicate::SysReg::kFPCR), r::scratch);
    out.bind(was_default);
    emit_saves(out, true);
    for (std::int32_t left = bytes_; left > 0; left -= kPageBytes) {
        out.add(a64::sp, a64::sp, imm(std::min(left, kPageBytes)));
    }
    out.ret(GpX(kLink));
}

GpX A64Frame::pointer(Assembler& out, const A64Array& array) const {
    if (array.gp >= 0) {
        return GpX(static_cast<std::uint32_t>(array.gp));
    }
    out.ldr(a64_register::address, a64::ptr(a64::sp, array.pointer));
    return a64_register::address;
}

void A64Frame::write_back(Assembler& out, const A64Array& array, const GpX& pointer) const {
    if (array.gp < 0) {
        out.str(pointer, a64::ptr(a64::sp, array.pointer));
    }
}

void A64Frame::emit_point(Assembler& out, bool only_bits) const {
    namespace r = a64_register;
    const auto point = [&](const A64Array& array) {
        const GpX to = array.gp >= 0 ? GpX(static_cast<std::uint32_t>(array.gp)) : r::address;
        out.ldr(to, a64::ptr(r::scratch, static_cast<std::int32_t>(array.number * 8)));
        if (array.element_bytes == 0) {
            out.add(to, to, r::row, a64::lsr(3));
        } else {
            const auto log2_bytes = std::countr_zero(static_cast<unsigned>(array.element_bytes));
            out.add(to, to, r::row, a64::lsl(static_cast<std::uint32_t>(log2_bytes)));
        }
        write_back(out, array, to);
    };
    const auto is_meant = [&](const A64Array& array) {
        return array.used && (!only_bits || array.element_bytes == 0);
    };
    for_each(out, inputs_, offsetof(Frame, inputs), is_meant, point);
    for_each(out, outputs_, offsetof(Frame, outputs), is_meant, point);
}

void A64Frame::emit_next_rows(Assembler& out, int rows) const {
    const auto move = [&](const A64Array& array) {
        if (array.used && array.element_bytes != 0) {
            const GpX at = pointer(out, array);
            out.add(at, at, imm(rows * array.element_bytes));
            write_back(out, array, at);
        }
    };
    std::for_each(inputs_.begin(), inputs_.end(), move);
    std::for_each(outputs_.begin(), outputs_.end(), move);
}

void A64Frame::emit_next_step(Assembler& out) const {
    namespace r = a64_register;
    const auto move = [&](const A64Array& array) {
        out.ldr(r::bits, a64::ptr(r::scratch, static_cast<std::int32_t>(array.number * 8)));
        const GpX at = pointer(out, array);
        out.add(at, at, r::bits);
        write_back(out, array, at);
    };
    const auto is_meant = [](const A64Array& array) { return array.used && array.per_step; };
    for_each(out, inputs_, offsetof(Frame, input_step_bytes), is_meant, move);
    for_each(out, outputs_, offsetof(Frame, output_step_bytes), is_meant, move);
}

}  // namespace bitaxon::jit
