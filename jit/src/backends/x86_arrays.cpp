// How X86Writer reads and writes arrays: whole vectors, tails, narrow elements, packed bits.
#include "x86_writer.hpp"

namespace bitaxon::jit {
namespace {

using asmjit::x86::KReg;
using asmjit::x86::Mem;
using asmjit::x86::Vec;
using Id = asmjit::x86::Inst::Id;
namespace x86 = asmjit::x86;
namespace reg = x86_register;

}  // namespace

KReg X86Writer::mask_register(std::uint8_t vector) {
    const KReg k = x86::k(kX86MaskRegister);
    if (vectors_ > 1 && mask_of_vector_ != vector) {
        out_.kmovw(k, x86::word_ptr(x86::rsp, frame_.tail_mask(vector, 4)));
        mask_of_vector_ = vector;
    }
    return k;
}

void X86Writer::load_array(const X86Array& array, Type type, std::uint8_t vector,
                           std::uint8_t target) {
    const Vec result = vector_register(target, type);
    const Mem memory = address(array, vector);
    if (rows_ == 1) {
        copy_to_lanes(result, memory, type);
    } else if (!masked_) {
        out_.emit(is_wide(type) ? Id::kIdVmovupd : Id::kIdVmovups, result, memory);
    } else if (mask_registers_) {
        out_.setExtraReg(mask_register(vector));
        out_.addInstOptions(asmjit::InstOptions::kX86_ZMask);
        out_.emit(is_wide(type) ? Id::kIdVmovupd : Id::kIdVmovups, result, memory);
    } else {
        out_.emit(Id::kIdVmovaps, result,
                  x86::ptr(x86::rsp, frame_.tail_mask(vector, lane_bytes(type))));
        out_.emit(is_wide(type) ? Id::kIdVmaskmovpd : Id::kIdVmaskmovps, result, result, memory);
    }
}

void X86Writer::store_lanes(const X86Array& array, Type type, std::uint8_t vector,
                            std::uint8_t source) {
    const Vec value = vector_register(source, type);
    const Mem memory = address(array, vector);
    if (rows_ == 1) {
        out_.emit(is_wide(type) ? Id::kIdVmovsd : Id::kIdVmovss, memory, value);
    } else if (!masked_) {
        out_.emit(streaming_      ? Id::kIdVmovntps
                  : is_wide(type) ? Id::kIdVmovupd
                                  : Id::kIdVmovups,
                  memory, value);
    } else if (mask_registers_) {
        out_.setExtraReg(mask_register(vector));
        out_.emit(is_wide(type) ? Id::kIdVmovupd : Id::kIdVmovups, memory, value);
    } else {
        const Vec mask = vector_register(kX86MaskVector, type);
        out_.emit(Id::kIdVmovaps, mask,
                  x86::ptr(x86::rsp, frame_.tail_mask(vector, lane_bytes(type))));
        out_.emit(is_wide(type) ? Id::kIdVmaskmovpd : Id::kIdVmaskmovps, memory, mask, value);
    }
}

// Elements of one or two bytes, from lanes of four whose values fit. AVX2 packs them into the low
// part of a register.
void X86Writer::store_narrow(const X86Array& array, Type type, std::uint8_t vector,
                             std::uint8_t source) {
    const Mem memory = address(array, vector);
    const Vec lanes = vector_register(source, type);
    const bool is_byte = array.element_bytes == 1;
    if (mask_registers_) {
        if (masked_) {
            out_.setExtraReg(mask_register(vector));
        }
        out_.emit(is_byte ? Id::kIdVpmovdb : Id::kIdVpmovdw, memory, lanes);
        return;
    }
    const Vec low = x86::xmm(source);
    const Vec packed = x86::xmm(kX86MaskVector);
    if (rows_ == 8) {
        out_.emit(Id::kIdVextracti128, packed, lanes, asmjit::imm(1));
    }
    out_.emit(Id::kIdVpackssdw, packed, low, rows_ == 8 ? packed : low);
    if (is_byte) {
        out_.emit(Id::kIdVpacksswb, packed, packed, packed);
    }
    const int bytes = rows_ * array.element_bytes;
    if (!masked_) {
        store_low(memory, packed, bytes);
        return;
    }
    const asmjit::Label part = out_.newLabel();
    const asmjit::Label done = out_.newLabel();
    out_.mov(reg::limit, reg::end);
    out_.sub(reg::limit, reg::row);
    out_.sub(reg::limit, vector * rows_);
    out_.jle(done);
    out_.cmp(reg::limit, rows_);
    out_.jl(part);
    store_low(memory, packed, bytes);
    out_.jmp(done);
    out_.bind(part);
    store_narrow_part(memory, bytes, array.element_bytes);
    out_.bind(done);
}

void X86Writer::store_low(const Mem& memory, const Vec& from, int bytes) {
    switch (bytes) {
    case 16:
        out_.emit(Id::kIdVmovups, memory, from);
        break;
    case 8:
        out_.emit(Id::kIdVmovq, memory, from);
        break;
    case 4:
        out_.emit(Id::kIdVmovd, memory, from);
        break;
    case 2:
        out_.emit(Id::kIdVpextrw, memory, from, asmjit::imm(0));
        break;
    default:
        out_.emit(Id::kIdVpextrb, memory, from, asmjit::imm(0));
        break;
    }
}

// The first `limit` elements, fewer than `bytes` hold: by halves, as the bits of their number say.
void X86Writer::store_narrow_part(const Mem& memory, int bytes, int element_bytes) {
    const Vec packed = x86::xmm(kX86MaskVector);
    out_.lea(reg::address, memory);
    for (int size = bytes / 2; size >= element_bytes; size /= 2) {
        const asmjit::Label next = out_.newLabel();
        const Mem at = x86::ptr(reg::address);
        out_.test(reg::limit, size / element_bytes);
        out_.jz(next);
        store_low(at, packed, size);
        out_.emit(Id::kIdVpsrldq, packed, packed, asmjit::imm(size));
        out_.add(reg::address, size);
        out_.bind(next);
    }
}

// Rows per vector are a multiple of 8 here: 16 rows make two bytes, of which the tail may need one.
void X86Writer::store_mask_register(const X86Array& array, std::uint8_t vector,
                                    std::uint8_t source) {
    const Mem memory = address(array, vector);
    if (!masked_) {
        out_.emit(rows_ == 16 ? Id::kIdKmovw : Id::kIdKmovb, memory, mask_of(source));
        return;
    }
    const asmjit::Label done = out_.newLabel();
    out_.kandw(x86::k0, mask_of(source), mask_register(vector));
    out_.mov(reg::limit, reg::end);
    out_.sub(reg::limit, reg::row);
    out_.cmp(reg::limit, vector * rows_);
    out_.jle(done);
    out_.kmovb(memory, x86::k0);
    if (rows_ == 16) {
        out_.cmp(reg::limit, vector * rows_ + 8);
        out_.jle(done);
        out_.kshiftrw(x86::k0, x86::k0, 8);
        Mem second = memory;
        second.addOffset(1);
        out_.kmovb(second, x86::k0);
    }
    out_.bind(done);
}

// Four rows are half a byte: every second vector joins its bits to those of the one before, and so
// does every second tile of one vector. One row begins a byte.
void X86Writer::store_bits(const X86Array& array, Type type, std::uint8_t vector,
                           std::uint8_t source) {
    const asmjit::Label done = out_.newLabel();
    const Mem memory = address(array, vector);
    Vec lanes = vector_register(source, type);
    if (masked_) {
        const Vec valid = vector_register(kX86MaskVector, type);
        out_.emit(Id::kIdVandps, valid, lanes,
                  x86::ptr(x86::rsp, frame_.tail_mask(vector, lane_bytes(type))));
        lanes = valid;
        out_.mov(reg::limit, reg::end);
        out_.sub(reg::limit, reg::row);
        out_.cmp(reg::limit, vector * rows_);
        out_.jle(done);
    }
    out_.emit(is_wide(type) ? Id::kIdVmovmskpd : Id::kIdVmovmskps, reg::scratch.r32(), lanes);
    // Which half of the byte: the vector's place tells, or the row at run time.
    const bool unknown = rows_ == 4 && vectors_ == 1;
    const bool second = rows_ == 4 && vector % 2 == 1;
    const asmjit::Label first_half = out_.newLabel();
    if (unknown) {
        out_.test(reg::row.r32(), 4);
        out_.jz(first_half);
    }
    if (unknown || second) {
        out_.shl(reg::scratch.r32(), 4);
        out_.or_(memory, reg::scratch.r8());
    }
    if (unknown) {
        out_.jmp(done);
        out_.bind(first_half);
    }
    if (rows_ == 1) {
        out_.and_(reg::scratch.r32(), 1);
    }
    if (!second) {
        out_.mov(memory, reg::scratch.r8());
    }
    out_.bind(done);
}

void X86Writer::store(std::uint32_t output, NodeId value, std::uint8_t vector,
                      std::uint8_t source) {
    const X86Array& array = frame_.output(output);
    const Type type = body_.nodes[value].type;
    if (array.element_bytes >= 4) {
        store_lanes(array, type, vector, source);
    } else if (array.element_bytes != 0) {
        store_narrow(array, type, vector, source);
    } else if (mask_registers_) {
        store_mask_register(array, vector, source);
    } else {
        store_bits(array, type, vector, source);
    }
}

// AVX-512: bits, in k7 if there is one vector. AVX2: lanes, for both widths.
void X86Writer::write_tail_masks() {
    const x86::Gp left = reg::limit;
    out_.mov(left, reg::end);
    out_.sub(left, reg::row);
    const int most = 64;  // more than a tile has
    out_.mov(reg::scratch.r32(), most);
    out_.cmp(left, reg::scratch);
    out_.cmovg(left, reg::scratch);
    if (mask_registers_) {
        out_.mov(reg::scratch, -1);
        out_.bzhi(reg::scratch, reg::scratch, left);
        for (int v = 0; v < vectors_; ++v) {
            if (vectors_ == 1) {
                out_.kmovw(x86::k(kX86MaskRegister), reg::scratch.r32());
            } else {
                out_.mov(x86::word_ptr(x86::rsp, frame_.tail_mask(v, 4)), reg::scratch.r16());
                out_.shr(reg::scratch, rows_);
            }
        }
        return;
    }
    const Vec narrow = x86::xmm(kX86MaskVector);
    const Vec mask = x86::ymm(kX86MaskVector);
    for (int v = 0; v < vectors_; ++v) {
        const int first = constants_.lane_numbers() + v * rows_ * 4;
        out_.emit(Id::kIdVmovd, narrow, left.r32());
        out_.emit(Id::kIdVpbroadcastd, mask, narrow);
        const Vec lanes = rows_ == 4 ? narrow : mask;
        out_.emit(Id::kIdVpcmpgtd, lanes, lanes, x86::ptr(reg::constants, first));
        out_.emit(Id::kIdVmovaps, x86::ptr(x86::rsp, frame_.tail_mask(v, 4)), lanes);
        if (body_.lane_bytes == 8) {
            out_.emit(Id::kIdVpmovsxdq, mask, narrow);
            out_.emit(Id::kIdVmovaps, x86::ptr(x86::rsp, frame_.tail_mask(v, 8)), mask);
        }
    }
}

}  // namespace bitaxon::jit
