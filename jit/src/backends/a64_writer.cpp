#include "a64_writer.hpp"

#include "a64_instructions.hpp"
#include "rare_call.hpp"

#include <bit>
#include <cstddef>

namespace bitaxon::jit {
namespace {

namespace a64 = asmjit::a64;
namespace reg = a64_register;
using a64::Assembler;
using a64::CondCode;
using a64::GpX;
using a64::Mem;
using a64::Vec;
using a64::VecV;
using asmjit::imm;

// Before the table of constants stand the weights of lanes in a byte of packed bits.
constexpr std::int32_t kWideWeights = -32;    // two lanes of 64 bits
constexpr std::int32_t kNarrowWeights = -16;  // four lanes of 32 bits
constexpr std::uint32_t kTableAlignment = 64;

// The part of a vector register that holds so many bytes.
Vec part(std::uint8_t r, int bytes) {
    const VecV v(r);
    switch (bytes) {
    case 16:
        return v.q();
    case 8:
        return v.d();
    case 4:
        return v.s();
    case 2:
        return v.h();
    default:
        return v.b();
    }
}

void move(Assembler& out, const Vec& r, const Mem& memory, bool store) {
    if (store) {
        out.str(r, memory);
    } else {
        out.ldr(r, memory);
    }
}

}  // namespace

A64Writer::A64Writer(Assembler& out, const Body& body, const A64Frame& frame,
                     ConstantTable& constants)
    : out_(out), body_(body), frame_(frame), constants_(constants), rows_(16 / body.lane_bytes) {}

void A64Writer::begin(const Allocation& allocation, int vectors, bool masked) {
    allocation_ = &allocation;
    vectors_ = vectors;
    masked_ = masked;
}

void A64Writer::write(std::span<const Placement> code) {
    using Kind = Placement::Kind;
    for (const Placement& p : code) {
        switch (p.kind) {
        case Kind::compute:
            compute(p);
            break;
        case Kind::output:
            store(static_cast<std::uint32_t>(p.slot), p.node, p.vector, p.sources[0]);
            break;
        case Kind::load:
            load(p.node, p.vector, p.target);
            break;
        case Kind::reload:
            reload(p.slot, p.target);
            break;
        case Kind::spill:
            spill(p.slot, p.sources[0]);
            break;
        case Kind::copy:
            out_.mov(VecV(p.target).b16(), VecV(p.sources[0]).b16());
            break;
        }
    }
}

void A64Writer::compute(const Placement& p) {
    const Node& node = body_.nodes[p.node];
    if (node.op == Op::rare) {
        compute_rare(p);
    } else {
        emit_a64(out_, {node, p.target, p.sources, rows_ == 2});
    }
}

void A64Writer::reload(std::int32_t slot, std::uint8_t target) {
    out_.ldr(VecV(target).q(), frame_.slot(out_, slot));
}

void A64Writer::spill(std::int32_t slot, std::uint8_t source) {
    out_.str(VecV(source).q(), frame_.slot(out_, slot));
}

// Leaves.

Mem A64Writer::constant(std::int32_t offset) {
    constexpr std::int32_t kLastOffset = 4095 * 16;
    if (offset <= kLastOffset) {
        return a64::ptr(reg::constants, offset);
    }
    out_.mov(reg::scratch, imm(offset));
    return a64::ptr(reg::constants, reg::scratch);
}

void A64Writer::load_row_numbers(std::uint8_t vector, std::uint8_t target) {
    out_.ldr(reg::scratch,
             a64::ptr(reg::frame, static_cast<std::int32_t>(offsetof(Frame, first_row))));
    out_.add(reg::scratch, reg::scratch, reg::row);
    if (vector != 0) {
        out_.add(reg::scratch, reg::scratch, imm(vector * rows_));
    }
    out_.dup(VecV(target).d2(), reg::scratch);
    out_.ldr(VecV(kScratch).q(), constant(constants_.row_numbers()));
    out_.add(VecV(target).d2(), VecV(target).d2(), VecV(kScratch).d2());
}

// A slot holds a lane of 32 bits twice.
void A64Writer::load_uniform(std::uint64_t number, std::uint8_t target) {
    constexpr std::uint64_t kLastImmediate = 4095;
    const std::uint64_t offset = number * 8;
    if (offset <= kLastImmediate) {
        out_.add(reg::scratch, reg::uniforms, imm(offset));
    } else {
        out_.mov(reg::scratch, imm(offset));
        out_.add(reg::scratch, reg::scratch, reg::uniforms);
    }
    out_.ld1r(VecV(target).d2(), a64::ptr(reg::scratch));
}

void A64Writer::load(NodeId id, std::uint8_t vector, std::uint8_t target) {
    const Node& node = body_.nodes[id];
    switch (node.op) {
    case Op::constant:
        if (node.payload == 0) {
            out_.movi(VecV(target).d2(), imm(0));
        } else {
            out_.ldr(VecV(target).q(), constant(constants_.offset_of(id)));
        }
        break;
    case Op::uniform:
        load_uniform(node.payload, target);
        break;
    case Op::step:
        out_.dup(VecV(target).d2(), reg::step);
        break;
    case Op::row:
        load_row_numbers(vector, target);
        break;
    default:
        load_array(frame_.input(node.payload), node.type, vector, target);
        break;
    }
}

// Arrays.

void A64Writer::load_array(const A64Array& array, Type type, std::uint8_t vector,
                           std::uint8_t target) {
    move_array(array, lane_bytes(type), vector, target, false);
}

void A64Writer::move_array(const A64Array& array, int element_bytes, std::uint8_t vector,
                           std::uint8_t r, bool store) {
    const GpX pointer = frame_.pointer(out_, array);
    const int bytes = rows_ * element_bytes;
    if (!masked_) {
        move(out_, part(r, bytes), a64::ptr(pointer, vector * bytes), store);
        return;
    }
    const PartStub stub{out_.newLabel(),
                        out_.newLabel(),
                        pointer,
                        r,
                        static_cast<std::uint8_t>(element_bytes),
                        store};
    out_.cbnz(reg::missing, stub.entry);
    move(out_, part(r, bytes), a64::ptr(pointer), store);
    out_.bind(stub.back);
    part_stubs_.push_back(stub);
}

void A64Writer::store(std::uint32_t output, NodeId value, std::uint8_t vector,
                      std::uint8_t source) {
    const A64Array& array = frame_.output(output);
    if (array.element_bytes != 0) {
        move_array(array, array.element_bytes, vector, narrowed(array.element_bytes, source), true);
    } else {
        store_bits(array, body_.nodes[value].type, vector, source);
    }
}

// The register that holds the elements: lanes, or what is left of lanes of four bytes whose values
// fit.
std::uint8_t A64Writer::narrowed(int element_bytes, std::uint8_t source) {
    if (element_bytes >= 4) {
        return source;
    }
    const VecV packed(kScratch);
    out_.xtn(packed.h4(), VecV(source).s4());
    if (element_bytes == 1) {
        out_.xtn(packed.b8(), packed.h8());
    }
    return kScratch;
}

// The mask's lanes as bits of the register `bits`.
void A64Writer::write_bits_of(std::uint8_t mask, Type type) {
    const bool wide = lane_bytes(type) == 8;
    const VecV weighted(kScratch);
    out_.ldr(weighted.q(), a64::ptr(reg::constants, wide ? kWideWeights : kNarrowWeights));
    out_.and_(weighted.b16(), weighted.b16(), VecV(mask).b16());
    if (wide) {
        out_.addp(weighted.d(), weighted.d2());
    } else if (rows_ == 2) {
        out_.addp(weighted.s2(), weighted.s2(), weighted.s2());
    } else {
        out_.addv(weighted.s(), weighted.s4());
    }
    out_.fmov(reg::bits.w(), weighted.s());
}

// Several vectors make a byte: the first writes it, the others join their bits to it.
void A64Writer::store_bits(const A64Array& array, Type type, std::uint8_t vector,
                           std::uint8_t source) {
    write_bits_of(source, type);
    const GpX pointer = frame_.pointer(out_, array);
    const int first_row = vector * rows_;
    if (vectors_ * rows_ % 8 != 0) {
        join_bits(pointer, first_row);
        return;
    }
    const Mem byte = a64::ptr(pointer, first_row / 8);
    if (first_row % 8 != 0) {
        out_.ldrb(reg::scratch.w(), byte);
        out_.orr(reg::bits.w(), reg::scratch.w(), reg::bits.w(),
                 a64::lsl(static_cast<std::uint32_t>(first_row % 8)));
    }
    out_.strb(reg::bits.w(), byte);
}

// The tile is a part of the byte that the pointer points at.
void A64Writer::join_bits(const GpX& pointer, int first_row) {
    const asmjit::Label is_first = out_.newLabel();
    const a64::GpW bits = reg::bits.w();
    const a64::GpW scratch = reg::scratch.w();
    if (masked_) {
        out_.mov(scratch, imm(-1));
        out_.lsl(scratch, scratch, reg::rows.w());
        out_.bic(bits, bits, scratch);
    }
    out_.and_(scratch, reg::row.w(), imm(7));
    if (first_row != 0) {
        out_.add(scratch, scratch, imm(first_row));
    }
    out_.lsl(bits, bits, scratch);
    out_.cbz(scratch, is_first);
    out_.ldrb(scratch, a64::ptr(pointer));
    out_.orr(bits, bits, scratch);
    out_.bind(is_first);
    out_.strb(bits, a64::ptr(pointer));
}

void A64Writer::write_part(const PartStub& stub) {
    out_.bind(stub.entry);
    const VecV v(stub.r);
    const int size = stub.element_bytes;
    move(out_, part(stub.r, size), a64::ptr(stub.pointer), stub.store);
    if (rows_ == 4) {
        const auto move_lane = [&](std::uint32_t lane) {
            out_.add(reg::scratch, stub.pointer, imm(lane * static_cast<std::uint32_t>(size)));
            if (stub.store) {
                out_.st1(size == 4   ? v.s(lane)
                         : size == 2 ? v.h(lane)
                                     : v.b(lane),
                         a64::ptr(reg::scratch));
            } else {
                out_.ld1(v.s(lane), a64::ptr(reg::scratch));
            }
        };
        out_.cmp(reg::rows, imm(2));
        out_.b(CondCode::kLO, stub.back);
        move_lane(1);
        out_.b(CondCode::kEQ, stub.back);
        move_lane(2);
    }
    out_.b(stub.back);
}

// Rare lanes.

void A64Writer::compute_rare(const Placement& p) {
    const RareStub stub{out_.newLabel(), out_.newLabel(), p,
                        allocation_->live[static_cast<std::size_t>(p.slot)]};
    const Type mask_type = body_.nodes[body_.nodes[p.node].args[0]].type;
    VecV any(p.sources[0]);
    if (rows_ * lane_bytes(mask_type) == 16) {
        any = VecV(kScratch);
        out_.umaxp(any.s4(), VecV(p.sources[0]).s4(), VecV(p.sources[0]).s4());
    }
    out_.fmov(reg::bits, any.d());
    out_.cbnz(reg::bits, stub.entry);
    out_.bind(stub.back);
    rare_stubs_.push_back(stub);
}

void A64Writer::move_live_registers(const RareStub& stub, bool save) {
    for (std::uint64_t set = stub.live; set != 0; set &= set - 1) {
        const auto r = static_cast<std::uint8_t>(std::countr_zero(set));
        move(out_, VecV(r).q(), a64::ptr(a64::sp, frame_.saved_vector(r)), save);
    }
    for (std::uint32_t r = 0; r < reg::address.id(); r += 2) {
        const Mem memory = a64::ptr(a64::sp, frame_.saved_gp(static_cast<int>(r)));
        if (save) {
            out_.stp(GpX(r), GpX(r + 1), memory);
        } else {
            out_.ldp(GpX(r), GpX(r + 1), memory);
        }
    }
}

void A64Writer::write_rare(const RareStub& stub) {
    const Placement& p = stub.placement;
    const Node& node = body_.nodes[p.node];
    RareLayout layout{static_cast<std::uint8_t>(node.count - 2), 0, 16};
    const auto buffer = [&](int i) { return frame_.rare_buffer() + i * 16; };
    const auto put = [&](int i, std::uint8_t r, Type type) {
        out_.str(VecV(r).q(), a64::ptr(a64::sp, buffer(i)));
        if (lane_bytes(type) == 8) {
            layout.wide = static_cast<std::uint8_t>(layout.wide | 1 << i);
        }
    };
    out_.bind(stub.entry);
    move_live_registers(stub, true);
    put(0, p.target, node.type);
    for (std::size_t i = 2; i < node.count; ++i) {
        put(static_cast<int>(i) - 1, p.sources[i], body_.nodes[node.args[i]].type);
    }
    write_bits_of(p.sources[0], body_.nodes[node.args[0]].type);
    const OutOfLineFunction function = out_of_line_functions()[node.payload].function;
    out_.mov(a64::x0, imm(std::bit_cast<std::uint64_t>(function)));
    out_.mov(a64::w1, reg::bits.w());
    out_.add(a64::x2, a64::sp, imm(buffer(0)));
    out_.mov(a64::w3, imm(layout.packed()));
    out_.mov(reg::address, imm(std::bit_cast<std::uint64_t>(&call_out_of_line)));
    out_.blr(reg::address);
    move_live_registers(stub, false);
    out_.ldr(VecV(p.target).q(), a64::ptr(a64::sp, buffer(0)));
    out_.b(stub.back);
}

void A64Writer::write_stubs() {
    for (const PartStub& stub : part_stubs_) {
        write_part(stub);
    }
    for (const RareStub& stub : rare_stubs_) {
        write_rare(stub);
    }
}

void A64Writer::write_constants(const asmjit::Label& label) {
    constexpr std::array<std::uint64_t, 2> kWide = {1, 2};
    constexpr std::array<std::uint32_t, 4> kNarrow = {1, 2, 4, 8};
    constexpr std::array<std::byte, kTableAlignment - sizeof kWide - sizeof kNarrow> kGap{};
    out_.align(asmjit::AlignMode::kZero, kTableAlignment);
    out_.embed(kGap.data(), kGap.size());
    out_.embed(kWide.data(), sizeof kWide);
    out_.embed(kNarrow.data(), sizeof kNarrow);
    out_.bind(label);
    out_.embed(constants_.bytes().data(), constants_.bytes().size());
}

}  // namespace bitaxon::jit
