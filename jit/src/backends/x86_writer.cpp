#include "x86_writer.hpp"

#include "rare_call.hpp"
#include "square_roots.hpp"
#include "x86_instructions.hpp"

#include <bit>

namespace bitaxon::jit {
namespace {

using asmjit::Operand;
using asmjit::x86::Assembler;
using asmjit::x86::KReg;
using asmjit::x86::Mem;
using asmjit::x86::Vec;
using Id = asmjit::x86::Inst::Id;
namespace x86 = asmjit::x86;
namespace reg = x86_register;

Vec vector_of_bytes(std::uint32_t r, int bytes) {
    switch (bytes) {
    case 64:
        return x86::zmm(r);
    case 32:
        return x86::ymm(r);
    default:
        return x86::xmm(r);
    }
}

}  // namespace

X86Writer::X86Writer(Assembler& out, const Body& body, Target target, const X86Frame& frame,
                     ConstantTable& constants, bool streaming_stores)
    : out_(out), body_(body), target_(target), frame_(frame), constants_(constants),
      rows_(rows_per_vector(target, body.lane_bytes)), mask_registers_(has_mask_registers(target)),
      streaming_(streaming_stores) {}

void X86Writer::begin(const Allocation& allocation, int vectors, bool masked) {
    allocation_ = &allocation;
    vectors_ = vectors;
    masked_ = masked;
    forget();
}

Vec X86Writer::vector_register(std::uint8_t r, Type type) const {
    return vector_of_bytes(r, bytes_of(type));
}

Vec X86Writer::whole_register(int r) const {
    return vector_of_bytes(static_cast<std::uint32_t>(r), register_bytes(target_));
}

Operand X86Writer::register_of(std::uint8_t r, Type type) const {
    return r >= kFirstMaskRegister ? Operand(mask_of(r)) : Operand(vector_register(r, type));
}

// Addresses.

Mem X86Writer::address(const X86Array& array, std::uint8_t vector) const {
    const bool is_bits = array.element_bytes == 0;
    const int rows_before = vector * rows_;
    const int offset = is_bits ? rows_before / 8 : rows_before * array.element_bytes;
    const bool in_register = array.gp >= 0;
    const x86::Gp pointer =
        in_register ? x86::gpq(static_cast<std::uint32_t>(array.gp)) : reg::address;
    const Mem on_stack = x86::qword_ptr(x86::rsp, array.pointer);
    if (array.per_step) {
        if (!in_register) {
            out_.mov(pointer, on_stack);
        }
        return x86::ptr(pointer, offset);
    }
    if (is_bits) {
        out_.mov(reg::address, reg::row);
        out_.sar(reg::address, 3);
        if (!in_register) {
            out_.add(reg::address, on_stack);
            return x86::ptr(reg::address, offset);
        }
        return x86::ptr(pointer, reg::address, 0, offset);
    }
    if (!in_register) {
        out_.mov(pointer, on_stack);
    }
    return x86::ptr(pointer, reg::row, array.shift(), offset);
}

// One lane in memory, repeated by the instruction that reads it.
Mem X86Writer::repeated(Mem memory, Type type) const {
    const int lanes = bytes_of(type) / lane_bytes(type);
    memory.setBroadcast(lanes == 16  ? Mem::Broadcast::k1To16
                        : lanes == 8 ? Mem::Broadcast::k1To8
                                     : Mem::Broadcast::k1To4);
    return memory;
}

Mem X86Writer::memory_operand(const Placement& p, NodeId argument, std::uint8_t where) {
    if (where == kOnStack) {
        return x86::ptr(x86::rsp, frame_.slot(p.slot));
    }
    const Node& node = body_.nodes[argument];
    switch (node.op) {
    case Op::constant: {
        const Mem memory = x86::ptr(reg::constants, constants_.offset_of(argument));
        return target_ == Target::avx512 ? repeated(memory, node.type) : memory;
    }
    case Op::uniform:
        return repeated(x86::ptr(reg::uniforms, static_cast<std::int32_t>(node.payload * 8)),
                        node.type);
    case Op::step:
        return repeated(x86::ptr(x86::rsp, frame_.step()), node.type);
    default:
        return address(frame_.input(node.payload), p.vector);
    }
}

// Moves.

void X86Writer::move(Type type, std::uint8_t target, std::uint8_t source) {
    if (in_mask_register(type)) {
        out_.kmovw(mask_of(target), mask_of(source));
    } else {
        out_.emit(Id::kIdVmovaps, vector_register(target, type), vector_register(source, type));
    }
}

void X86Writer::reload(Type type, std::int32_t slot, std::uint8_t target) {
    if (in_mask_register(type)) {
        out_.kmovw(mask_of(target), x86::word_ptr(x86::rsp, frame_.mask_slot(slot)));
    } else {
        out_.emit(Id::kIdVmovaps, vector_register(target, type),
                  x86::ptr(x86::rsp, frame_.slot(slot)));
    }
}

void X86Writer::spill(Type type, std::int32_t slot, std::uint8_t source) {
    if (in_mask_register(type)) {
        out_.kmovw(x86::word_ptr(x86::rsp, frame_.mask_slot(slot)), mask_of(source));
    } else {
        out_.emit(Id::kIdVmovaps, x86::ptr(x86::rsp, frame_.slot(slot)),
                  vector_register(source, type));
    }
}

// Leaves.

void X86Writer::copy_to_lanes(const Vec& target, const Mem& lane, Type type) {
    out_.emit(is_wide(type) ? Id::kIdVpbroadcastq : Id::kIdVpbroadcastd, target, lane);
}

void X86Writer::load_constant(NodeId node, std::uint8_t target) {
    const Node& constant = body_.nodes[node];
    if (in_mask_register(constant.type)) {
        const KReg k = mask_of(target);
        out_.emit(constant.payload != 0 ? Id::kIdKxnorw : Id::kIdKxorw, k, k, k);
        return;
    }
    if (constant.payload == 0) {
        // Writing the low part clears the rest.
        const Vec low =
            target < 16 ? Vec(x86::xmm(target)) : vector_register(target, constant.type);
        out_.emit(target < 16 ? Id::kIdVpxor : Id::kIdVpxord, low, low, low);
        return;
    }
    const Mem memory = x86::ptr(reg::constants, constants_.offset_of(node));
    if (target_ == Target::avx512) {
        out_.emit(is_wide(constant.type) ? Id::kIdVpbroadcastq : Id::kIdVpbroadcastd,
                  vector_register(target, constant.type), memory);
    } else {
        out_.emit(Id::kIdVmovaps, vector_register(target, constant.type), memory);
    }
}

void X86Writer::load_row_numbers(std::uint8_t vector, std::uint8_t target) {
    const Vec result = whole_register(target);
    out_.mov(reg::address, x86::qword_ptr(x86::rsp, frame_.first_row()));
    out_.lea(reg::address, x86::qword_ptr(reg::address, reg::row, 0, vector * rows_));
    if (target_ == Target::avx512) {
        out_.emit(Id::kIdVpbroadcastq, result, reg::address);
    } else {
        out_.emit(Id::kIdVmovq, x86::xmm(target), reg::address);
        out_.emit(Id::kIdVpbroadcastq, result, x86::xmm(target));
    }
    out_.emit(Id::kIdVpaddq, result, result, x86::ptr(reg::constants, constants_.row_numbers()));
}

void X86Writer::load(NodeId id, std::uint8_t vector, std::uint8_t target) {
    const Node& node = body_.nodes[id];
    const auto broadcast = [&](const Mem& memory) {
        copy_to_lanes(vector_register(target, node.type), memory, node.type);
    };
    switch (node.op) {
    case Op::constant:
        load_constant(id, target);
        break;
    case Op::uniform:
        broadcast(x86::ptr(reg::uniforms, static_cast<std::int32_t>(node.payload * 8)));
        break;
    case Op::step:
        broadcast(x86::ptr(x86::rsp, frame_.step()));
        break;
    case Op::row:
        load_row_numbers(vector, target);
        break;
    default:
        load_array(frame_.input(node.payload), node.type, vector, target);
        break;
    }
}

// Primitives.

void X86Writer::compute(const Placement& p) {
    const Node& node = body_.nodes[p.node];
    if (node.op == Op::rare) {
        compute_rare(p);
        return;
    }
    X86Operation operation{node, register_of(p.target, node.type), {}};
    for (std::size_t i = 0; i < node.count; ++i) {
        const NodeId argument = node.args[i];
        if (p.sources[i] >= kAtHome) {
            operation.args[i] = memory_operand(p, argument, p.sources[i]);
            operation.memory = static_cast<int>(i);
        } else {
            operation.args[i] = register_of(p.sources[i], body_.nodes[argument].type);
        }
    }
    emit_x86(out_, target_, operation);
}

void X86Writer::write(std::span<const Placement> code) {
    using Kind = Placement::Kind;
    for (const Placement& p : code) {
        const Type type = body_.nodes[p.node].type;
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
            reload(type, p.slot, p.target);
            break;
        case Kind::spill:
            spill(type, p.slot, p.sources[0]);
            break;
        case Kind::copy:
            move(type, p.target, p.sources[0]);
            break;
        }
    }
}

// Rare lanes.

void X86Writer::compute_rare(const Placement& p) {
    Stub stub{out_.newLabel(), out_.newLabel(), p,
              allocation_->live[static_cast<std::size_t>(p.slot)], masked_};
    const Node& node = body_.nodes[p.node];
    if (mask_registers_) {
        // Above eight rows a mask may hold anything.
        out_.emit(rows_ == 8 ? Id::kIdKortestb : Id::kIdKortestw, mask_of(p.sources[0]),
                  mask_of(p.sources[0]));
    } else {
        const Vec mask = vector_register(p.sources[0], body_.nodes[node.args[0]].type);
        out_.emit(Id::kIdVptest, mask, mask);
    }
    out_.jnz(stub.entry);
    out_.bind(stub.back);
    stubs_.push_back(stub);
}

void X86Writer::move_live_registers(const Stub& stub, bool save) {
    const auto vectors = static_cast<std::uint32_t>(stub.live);
    for (std::uint32_t set = vectors; set != 0; set &= set - 1) {
        const int r = std::countr_zero(set);
        const Mem memory = x86::ptr(x86::rsp, frame_.saved_vector(r));
        if (save) {
            out_.emit(Id::kIdVmovaps, memory, whole_register(r));
        } else {
            out_.emit(Id::kIdVmovaps, whole_register(r), memory);
        }
    }
    auto masks = static_cast<std::uint32_t>(stub.live >> kFirstMaskRegister);
    if (mask_registers_ && stub.masked) {
        masks |= 1U << kX86MaskRegister;
    }
    for (std::uint32_t set = masks; set != 0; set &= set - 1) {
        const int k = std::countr_zero(set);
        const Mem memory = x86::word_ptr(x86::rsp, frame_.saved_mask(k));
        if (save) {
            out_.kmovw(memory, x86::k(static_cast<std::uint32_t>(k)));
        } else {
            out_.kmovw(x86::k(static_cast<std::uint32_t>(k)), memory);
        }
    }
}

void X86Writer::write_stub(const Stub& stub) {
    constexpr std::array<std::uint32_t, 7> caller_saved = {
        x86::Gp::kIdCx, x86::Gp::kIdDx, x86::Gp::kIdSi, x86::Gp::kIdDi,
        x86::Gp::kIdR8, x86::Gp::kIdR9, x86::Gp::kIdR10};
    const Placement& p = stub.placement;
    const Node& node = body_.nodes[p.node];
    RareLayout layout{static_cast<std::uint8_t>(node.count - 2), 0,
                      static_cast<std::uint16_t>(register_bytes(target_))};
    out_.bind(stub.entry);
    if (node.payload == kRootInstruction) {
        out_.emit(Id::kIdVsqrtpd, vector_register(p.target, node.type),
                  vector_register(p.sources[2], node.type));
        out_.jmp(stub.back);
        return;
    }
    move_live_registers(stub, true);
    const auto buffer = [&](int i) {
        return x86::ptr(x86::rsp, frame_.rare_buffer() + i * register_bytes(target_));
    };
    const auto put = [&](int i, std::uint8_t r, Type type) {
        out_.emit(Id::kIdVmovaps, buffer(i), vector_register(r, type));
        layout.wide = static_cast<std::uint8_t>(layout.wide | (is_wide(type) ? 1 << i : 0));
    };
    put(0, p.target, node.type);
    for (std::size_t i = 2; i < node.count; ++i) {
        put(static_cast<int>(i) - 1, p.sources[i], body_.nodes[node.args[i]].type);
    }
    if (mask_registers_) {
        out_.kmovw(reg::scratch.r32(), mask_of(p.sources[0]));
        if (rows_ == 8) {
            out_.and_(reg::scratch.r32(), 0xff);
        }
    } else {
        const Type type = body_.nodes[node.args[0]].type;
        out_.emit(is_wide(type) ? Id::kIdVmovmskpd : Id::kIdVmovmskps, reg::scratch.r32(),
                  vector_register(p.sources[0], type));
        if (rows_ == 1) {
            out_.and_(reg::scratch.r32(), 1);
        }
    }
    for (std::size_t i = 0; i < caller_saved.size(); ++i) {
        out_.mov(x86::qword_ptr(x86::rsp, frame_.saved_gp(static_cast<int>(i))),
                 x86::gpq(caller_saved[i]));
    }
    const OutOfLineFunction function = out_of_line_functions()[node.payload].function;
    out_.mov(x86::rdi, std::bit_cast<std::uint64_t>(function));
    out_.mov(x86::esi, reg::scratch.r32());
    out_.lea(x86::rdx, buffer(0));
    out_.mov(x86::ecx, layout.packed());
    out_.mov(x86::rax, std::bit_cast<std::uint64_t>(&call_out_of_line));
    out_.vzeroupper();
    out_.call(x86::rax);
    for (std::size_t i = 0; i < caller_saved.size(); ++i) {
        out_.mov(x86::gpq(caller_saved[i]),
                 x86::qword_ptr(x86::rsp, frame_.saved_gp(static_cast<int>(i))));
    }
    move_live_registers(stub, false);
    if (rows_ == 1) {
        copy_to_lanes(vector_register(p.target, node.type), buffer(0), node.type);
    } else {
        out_.emit(Id::kIdVmovaps, vector_register(p.target, node.type), buffer(0));
    }
    out_.jmp(stub.back);
}

void X86Writer::write_stubs() {
    for (const Stub& stub : stubs_) {
        write_stub(stub);
    }
}

}  // namespace bitaxon::jit
