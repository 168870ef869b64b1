#include "x86_instructions.hpp"

#include "branches.hpp"
#include "square_roots.hpp"
#include "x86_frame.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace bitaxon::jit {
namespace {

using asmjit::InstId;
using asmjit::Operand;
using asmjit::x86::Assembler;
using Id = asmjit::x86::Inst::Id;
namespace x86 = asmjit::x86;

enum class Form : std::uint8_t {
    none,
    unary,
    round,  // unary with an immediate
    binary,
    commutative,
    fma,
    shift,
    float_compare,
    int_compare,
    bitwise,
    select,
    cast,
    narrow,  // the low halves of 64-bit lanes
};

constexpr std::uint8_t kFirst = 0b001;
constexpr std::uint8_t kSecond = 0b010;
constexpr std::uint8_t kBoth = 0b011;
constexpr std::uint8_t kLastTwo = 0b110;
constexpr std::uint8_t kAll = 0b111;

struct Entry {
    Op op = Op::constant;
    Form form = Form::none;
    std::uint8_t immediate = 0;
    /// Instruction for f32, f64, i32, i64; masks are read as integers.
    std::array<InstId, 4> ids{};
    /// With mask registers: the instruction for masks. For shifts: those with a fixed count. For
    /// roots: the estimates of the reciprocal.
    std::array<InstId, 2> others{};
};

constexpr InstId kNone = Id::kIdNone;

// What both targets share.
constexpr Entry kCommon[] = {
    {Op::add,
     Form::commutative,
     0,
     {Id::kIdVaddps, Id::kIdVaddpd, Id::kIdVpaddd, Id::kIdVpaddq},
     {}},
    {Op::sub, Form::binary, 0, {Id::kIdVsubps, Id::kIdVsubpd, Id::kIdVpsubd, Id::kIdVpsubq}, {}},
    {Op::mul,
     Form::commutative,
     0,
     {Id::kIdVmulps, Id::kIdVmulpd, Id::kIdVpmulld, Id::kIdVpmullq},
     {}},
    {Op::div, Form::binary, 0, {Id::kIdVdivps, Id::kIdVdivpd, kNone, kNone}, {}},
    {Op::sqrt,
     Form::unary,
     0,
     {Id::kIdVsqrtps, Id::kIdVsqrtpd, kNone, kNone},
     {Id::kIdVrsqrtps, Id::kIdVrsqrt14pd}},
    {Op::fma, Form::fma, 0, {Id::kIdVfmadd132ps, Id::kIdVfmadd132pd, kNone, kNone}, {}},
    {Op::fms, Form::fma, 1, {Id::kIdVfmsub132ps, Id::kIdVfmsub132pd, kNone, kNone}, {}},
    {Op::fnma, Form::fma, 2, {Id::kIdVfnmadd132ps, Id::kIdVfnmadd132pd, kNone, kNone}, {}},
    // Both give their second operand if either is NaN or both are zeros, as the primitives do.
    {Op::lesser, Form::binary, 0, {Id::kIdVminps, Id::kIdVminpd, kNone, kNone}, {}},
    {Op::greater, Form::binary, 0, {Id::kIdVmaxps, Id::kIdVmaxpd, kNone, kNone}, {}},
    {Op::mul_low_u32, Form::commutative, 0, {kNone, kNone, kNone, Id::kIdVpmuludq}, {}},
    // Predicates: less and less-or-equal, ordered and quiet; equal; unordered.
    {Op::float_less, Form::float_compare, 0x11, {kNone, kNone, Id::kIdVcmpps, Id::kIdVcmppd}, {}},
    {Op::float_less_equal,
     Form::float_compare,
     0x12,
     {kNone, kNone, Id::kIdVcmpps, Id::kIdVcmppd},
     {}},
    {Op::float_equal, Form::float_compare, 0x00, {kNone, kNone, Id::kIdVcmpps, Id::kIdVcmppd}, {}},
    {Op::float_unordered,
     Form::float_compare,
     0x03,
     {kNone, kNone, Id::kIdVcmpps, Id::kIdVcmppd},
     {}},
    {Op::f64_from_f32, Form::unary, 0, {kNone, Id::kIdVcvtps2pd, kNone, kNone}, {}},
    {Op::f32_from_f64, Form::unary, 0, {Id::kIdVcvtpd2ps, kNone, kNone, kNone}, {}},
    {Op::f32_from_i32, Form::unary, 0, {Id::kIdVcvtdq2ps, kNone, kNone, kNone}, {}},
    {Op::f64_from_i32, Form::unary, 0, {kNone, Id::kIdVcvtdq2pd, kNone, kNone}, {}},
    {Op::i32_from_f32, Form::unary, 0, {kNone, kNone, Id::kIdVcvttps2dq, kNone}, {}},
    {Op::i32_from_f64, Form::unary, 0, {kNone, kNone, Id::kIdVcvttpd2dq, kNone}, {}},
    {Op::i64_from_i32, Form::unary, 0, {kNone, kNone, kNone, Id::kIdVpmovsxdq}, {}},
};

// Rounding immediates: the mode, and 8 for "don't raise inexact".
constexpr Entry kAvx2Only[] = {
    {Op::round, Form::round, 8, {Id::kIdVroundps, Id::kIdVroundpd, kNone, kNone}, {}},
    {Op::floor, Form::round, 9, {Id::kIdVroundps, Id::kIdVroundpd, kNone, kNone}, {}},
    {Op::ceil, Form::round, 10, {Id::kIdVroundps, Id::kIdVroundpd, kNone, kNone}, {}},
    {Op::trunc, Form::round, 11, {Id::kIdVroundps, Id::kIdVroundpd, kNone, kNone}, {}},
    {Op::bit_and, Form::bitwise, 0, {Id::kIdVandps, Id::kIdVandpd, Id::kIdVpand, Id::kIdVpand}, {}},
    {Op::bit_or, Form::bitwise, 0, {Id::kIdVorps, Id::kIdVorpd, Id::kIdVpor, Id::kIdVpor}, {}},
    {Op::bit_xor, Form::bitwise, 0, {Id::kIdVxorps, Id::kIdVxorpd, Id::kIdVpxor, Id::kIdVpxor}, {}},
    {Op::bit_andnot,
     Form::bitwise,
     1,
     {Id::kIdVandnps, Id::kIdVandnpd, Id::kIdVpandn, Id::kIdVpandn},
     {}},
    {Op::shl,
     Form::shift,
     0,
     {kNone, kNone, Id::kIdVpsllvd, Id::kIdVpsllvq},
     {Id::kIdVpslld, Id::kIdVpsllq}},
    {Op::shr,
     Form::shift,
     0,
     {kNone, kNone, Id::kIdVpsrlvd, Id::kIdVpsrlvq},
     {Id::kIdVpsrld, Id::kIdVpsrlq}},
    {Op::sar, Form::shift, 0, {kNone, kNone, Id::kIdVpsravd, kNone}, {Id::kIdVpsrad, kNone}},
    {Op::int_less, Form::int_compare, 1, {kNone, kNone, Id::kIdVpcmpgtd, Id::kIdVpcmpgtq}, {}},
    {Op::int_equal, Form::int_compare, 0, {kNone, kNone, Id::kIdVpcmpeqd, Id::kIdVpcmpeqq}, {}},
    {Op::select,
     Form::select,
     0,
     {Id::kIdVblendvps, Id::kIdVblendvpd, Id::kIdVblendvps, Id::kIdVblendvpd},
     {}},
    {Op::m64_from_m32, Form::unary, 0, {kNone, kNone, kNone, Id::kIdVpmovsxdq}, {}},
    {Op::i32_from_i64, Form::narrow, 0, {}, {}},
    {Op::m32_from_m64, Form::narrow, 0, {}, {}},
};

constexpr Entry kAvx512Only[] = {
    {Op::round, Form::round, 8, {Id::kIdVrndscaleps, Id::kIdVrndscalepd, kNone, kNone}, {}},
    {Op::floor, Form::round, 9, {Id::kIdVrndscaleps, Id::kIdVrndscalepd, kNone, kNone}, {}},
    {Op::ceil, Form::round, 10, {Id::kIdVrndscaleps, Id::kIdVrndscalepd, kNone, kNone}, {}},
    {Op::trunc, Form::round, 11, {Id::kIdVrndscaleps, Id::kIdVrndscalepd, kNone, kNone}, {}},
    {Op::ldexp, Form::binary, 0, {Id::kIdVscalefps, Id::kIdVscalefpd, kNone, kNone}, {}},
    {Op::bit_and,
     Form::bitwise,
     0,
     {Id::kIdVandps, Id::kIdVandpd, Id::kIdVpandd, Id::kIdVpandq},
     {Id::kIdKandw, kNone}},
    {Op::bit_or,
     Form::bitwise,
     0,
     {Id::kIdVorps, Id::kIdVorpd, Id::kIdVpord, Id::kIdVporq},
     {Id::kIdKorw, kNone}},
    {Op::bit_xor,
     Form::bitwise,
     0,
     {Id::kIdVxorps, Id::kIdVxorpd, Id::kIdVpxord, Id::kIdVpxorq},
     {Id::kIdKxorw, kNone}},
    {Op::bit_andnot,
     Form::bitwise,
     1,
     {Id::kIdVandnps, Id::kIdVandnpd, Id::kIdVpandnd, Id::kIdVpandnq},
     {Id::kIdKandnw, kNone}},
    {Op::shl,
     Form::shift,
     0,
     {kNone, kNone, Id::kIdVpsllvd, Id::kIdVpsllvq},
     {Id::kIdVpslld, Id::kIdVpsllq}},
    {Op::shr,
     Form::shift,
     0,
     {kNone, kNone, Id::kIdVpsrlvd, Id::kIdVpsrlvq},
     {Id::kIdVpsrld, Id::kIdVpsrlq}},
    {Op::sar,
     Form::shift,
     0,
     {kNone, kNone, Id::kIdVpsravd, Id::kIdVpsravq},
     {Id::kIdVpsrad, Id::kIdVpsraq}},
    {Op::int_less, Form::int_compare, 1, {kNone, kNone, Id::kIdVpcmpd, Id::kIdVpcmpq}, {}},
    {Op::int_equal, Form::int_compare, 0, {kNone, kNone, Id::kIdVpcmpd, Id::kIdVpcmpq}, {}},
    {Op::select,
     Form::select,
     0,
     {Id::kIdVblendmps, Id::kIdVblendmpd, Id::kIdVpblendmd, Id::kIdVpblendmq},
     {}},
    {Op::i32_from_i64, Form::unary, 0, {kNone, kNone, Id::kIdVpmovqd, kNone}, {}},
    {Op::cast,
     Form::cast,
     0,
     {kNone, kNone, Id::kIdVpmovm2d, Id::kIdVpmovm2q},
     {Id::kIdVpmovd2m, Id::kIdVpmovq2m}},
};

using Table = std::array<Entry, static_cast<std::size_t>(Op::external) + 1>;

template <std::size_t N, std::size_t M>
constexpr Table table_of(const Entry (&common)[N], const Entry (&own)[M]) {
    Table table{};
    for (const Entry& entry : common) {
        table[static_cast<std::size_t>(entry.op)] = entry;
    }
    for (const Entry& entry : own) {
        table[static_cast<std::size_t>(entry.op)] = entry;
    }
    return table;
}

constexpr Table kAvx2 = table_of(kCommon, kAvx2Only);
constexpr Table kAvx512 = table_of(kCommon, kAvx512Only);

const Entry& entry_of(Target target, Op op) {
    return (target == Target::avx512 ? kAvx512 : kAvx2)[static_cast<std::size_t>(op)];
}

constexpr std::size_t column(Type type) {
    switch (type) {
    case Type::f32:
        return 0;
    case Type::f64:
        return 1;
    default:
        return lane_bytes(type) == 8 ? 3 : 2;
    }
}

OperandRules avx2_rules(const Node& node, Form form) {
    switch (form) {
    case Form::unary:
        // A narrowing conversion's memory operand would not tell its size.
        return {.whole = node.op == Op::f32_from_f64 || node.op == Op::i32_from_f64
                             ? std::uint8_t{0}
                             : kFirst};
    case Form::round:
        return {.whole = kFirst};
    case Form::binary:
        return {.whole = kSecond};
    case Form::commutative:
        return {.whole = kBoth};
    case Form::bitwise:
        return {.whole = node.op == Op::bit_andnot ? kSecond : kBoth};
    case Form::fma:
        return {.whole = kAll, .tied = kAll};
    case Form::shift:
        return {.whole = node.count == 1 ? std::uint8_t{0} : kSecond};
    case Form::float_compare:
        return {.whole = kBoth};
    case Form::int_compare:
        return {.whole = node.op == Op::int_less ? kFirst : kBoth};
    case Form::select:
        return node.payload == kBranch ? OperandRules{.whole = kLastTwo, .tied = kLastTwo}
                                       : OperandRules{.whole = kSecond};
    case Form::narrow:
        return {.apart = true};
    default:
        return {};
    }
}

OperandRules avx512_rules(const Node& node, Form form) {
    const bool masks = is_mask(node.type);
    switch (form) {
    case Form::unary:
        return node.op == Op::sqrt ? OperandRules{.whole = kFirst, .repeated = kFirst}
               : node.op == Op::f64_from_f32 || node.op == Op::i64_from_i32
                   ? OperandRules{.whole = kFirst}
                   : OperandRules{};
    case Form::round:
        return {.whole = kFirst, .repeated = kFirst};
    case Form::binary:
        return {.whole = kSecond, .repeated = kSecond};
    case Form::commutative:
        return {.whole = kBoth, .repeated = kBoth};
    case Form::bitwise:
        if (masks) {
            return {};
        }
        if (node.count == 3) {
            return {.whole = kAll, .repeated = kAll, .tied = kAll};
        }
        return node.op == Op::bit_andnot ? OperandRules{.whole = kSecond, .repeated = kSecond}
                                         : OperandRules{.whole = kBoth, .repeated = kBoth};
    case Form::fma:
        return {.whole = kAll, .repeated = kAll, .tied = kAll};
    case Form::shift:
        return node.count == 1 ? OperandRules{.whole = kFirst}
                               : OperandRules{.whole = kSecond, .repeated = kSecond};
    case Form::float_compare:
    case Form::int_compare:
        return {.whole = kBoth, .repeated = kBoth};
    case Form::select:
        return node.count == 2 ? OperandRules{.whole = kSecond}
                               : OperandRules{.whole = kSecond, .repeated = kSecond};
    default:
        return {};
    }
}

class Emitter {
  public:
    Emitter(Assembler& out, Target target, const X86Operation& operation)
        : out_(out), mask_registers_(has_mask_registers(target)), o_(operation),
          entry_(entry_of(target, operation.node.op)) {}

    void run();

  private:
    InstId id() const { return entry_.ids[column(o_.node.type)]; }
    bool is_estimate() const {
        return o_.node.op == Op::sqrt && o_.node.payload == kReciprocalEstimate;
    }
    const Operand& arg(int i) const { return o_.args[static_cast<std::size_t>(i)]; }

    void fma();
    void shift();
    void float_compare();
    void int_compare();
    void bitwise();
    void ternary();
    void select();
    void branch();
    void cast();
    void narrow();

    Assembler& out_;
    bool mask_registers_;
    const X86Operation& o_;
    const Entry& entry_;
};

// The three forms name which operands are multiplied: 132 result*third + second, 213 second*result
// + third, 231 second*third + result. Only the third may lie in memory.
void Emitter::fma() {
    constexpr std::array<std::array<std::array<InstId, 3>, 2>, 3> ids = {{
        {{{Id::kIdVfmadd132ps, Id::kIdVfmadd213ps, Id::kIdVfmadd231ps},
          {Id::kIdVfmadd132pd, Id::kIdVfmadd213pd, Id::kIdVfmadd231pd}}},
        {{{Id::kIdVfmsub132ps, Id::kIdVfmsub213ps, Id::kIdVfmsub231ps},
          {Id::kIdVfmsub132pd, Id::kIdVfmsub213pd, Id::kIdVfmsub231pd}}},
        {{{Id::kIdVfnmadd132ps, Id::kIdVfnmadd213ps, Id::kIdVfnmadd231ps},
          {Id::kIdVfnmadd132pd, Id::kIdVfnmadd213pd, Id::kIdVfnmadd231pd}}},
    }};
    const auto& forms = ids[entry_.immediate][column(o_.node.type)];
    int a = 0;
    int b = 1;
    if (arg(2) == o_.result) {
        if (o_.memory == a) {
            std::swap(a, b);
        }
        out_.emit(forms[2], o_.result, arg(a), arg(b));
        return;
    }
    if (arg(a) != o_.result) {
        std::swap(a, b);
    }
    if (o_.memory == b) {
        out_.emit(forms[0], o_.result, arg(2), arg(b));
    } else {
        out_.emit(forms[1], o_.result, arg(b), arg(2));
    }
}

void Emitter::shift() {
    if (o_.node.count == 1) {
        out_.emit(entry_.others[is_wide(o_.node.type) ? 1 : 0], o_.result, arg(0),
                  asmjit::imm(o_.node.payload));
    } else {
        out_.emit(id(), o_.result, arg(0), arg(1));
    }
}

void Emitter::float_compare() {
    // With the operands exchanged, less becomes greater.
    constexpr std::array<std::pair<int, int>, 2> exchanged = {{{0x11, 0x1e}, {0x12, 0x1d}}};
    if (o_.memory != 0) {
        out_.emit(id(), o_.result, arg(0), arg(1), asmjit::imm(entry_.immediate));
        return;
    }
    int predicate = entry_.immediate;
    for (const auto& [from, to] : exchanged) {
        if (predicate == from) {
            predicate = to;
            break;
        }
    }
    out_.emit(id(), o_.result, arg(1), arg(0), asmjit::imm(predicate));
}

void Emitter::int_compare() {
    const bool less = o_.node.op == Op::int_less;
    if (!mask_registers_) {
        // There is only greater-than.
        const bool exchange = less || o_.memory == 0;
        out_.emit(id(), o_.result, arg(exchange ? 1 : 0), arg(exchange ? 0 : 1));
        return;
    }
    constexpr int equal = 0;
    constexpr int less_than = 1;
    constexpr int greater_than = 6;
    const bool exchange = o_.memory == 0;
    const int predicate = !less ? equal : exchange ? greater_than : less_than;
    out_.emit(id(), o_.result, arg(exchange ? 1 : 0), arg(exchange ? 0 : 1),
              asmjit::imm(predicate));
}

// The result's register is one of the arguments, and only the last one may lie in memory: the truth
// table is turned with them.
void Emitter::ternary() {
    std::array<int, 3> order = {0, 1, 2};
    const auto move_to = [&](int place, auto is_wanted) {
        const auto found = std::find_if(order.begin(), order.end(), is_wanted);
        std::swap(*found, order[static_cast<std::size_t>(place)]);
    };
    if (o_.memory >= 0) {
        move_to(2, [&](int i) { return i == o_.memory; });
    }
    move_to(0, [&](int i) { return arg(i) == o_.result; });
    unsigned table = 0;
    for (unsigned index = 0; index < 8; ++index) {
        unsigned source = 0;
        for (unsigned place = 0; place < 3; ++place) {
            source |= (index >> (2 - place) & 1) << (2 - order[place]);
        }
        table |= static_cast<unsigned>(o_.node.payload >> source & 1) << index;
    }
    const bool wide = is_wide(o_.node.type);
    out_.emit(wide ? Id::kIdVpternlogq : Id::kIdVpternlogd, o_.result, arg(order[1]), arg(order[2]),
              asmjit::imm(table));
}

void Emitter::bitwise() {
    if (o_.node.count == 3) {
        ternary();
        return;
    }
    const bool in_mask_registers = mask_registers_ && is_mask(o_.node.type);
    const bool exchange = o_.memory == 0;
    out_.emit(in_mask_registers ? entry_.others[0] : id(), o_.result, arg(exchange ? 1 : 0),
              arg(exchange ? 0 : 1));
}

// The result's register holds one of two values already.
void Emitter::branch() {
    const asmjit::Label done = out_.newLabel();
    const bool holds_second = arg(2) == o_.result;
    out_.emit(Id::kIdVmovmskps, x86_register::scratch.r32(), arg(0));
    out_.test(x86_register::scratch.r8(), 1);
    holds_second ? out_.jz(done) : out_.jnz(done);
    out_.emit(Id::kIdVmovaps, o_.result, arg(holds_second ? 1 : 2));
    out_.bind(done);
}

void Emitter::select() {
    if (o_.node.payload == kBranch) {
        branch();
        return;
    }
    if (!mask_registers_) {
        out_.emit(id(), o_.result, arg(2), arg(1), arg(0));
        return;
    }
    out_.setExtraReg(arg(0).as<x86::KReg>());
    if (o_.node.count == 2) {
        out_.addInstOptions(asmjit::InstOptions::kX86_ZMask);
        out_.emit(is_wide(o_.node.type) ? Id::kIdVmovupd : Id::kIdVmovups, o_.result, arg(1));
    } else {
        out_.emit(id(), o_.result, arg(2), arg(1));
    }
}

void Emitter::cast() {
    out_.emit(is_mask(o_.node.type) ? entry_.others[is_wide(o_.node.type) ? 1 : 0] : id(),
              o_.result, arg(0));
}

// Low halves of 64-bit lanes, two from each half of a register of four.
void Emitter::narrow() {
    const x86::Xmm result = o_.result.as<x86::Vec>().xmm();
    const x86::Vec source = arg(0).as<x86::Vec>();
    if (source.isYmm()) {
        out_.vextracti128(result, source.ymm(), 1);
    }
    out_.vshufps(result, source.xmm(), source.isYmm() ? result : source.xmm(), 0x88);
}

void Emitter::run() {
    switch (entry_.form) {
    case Form::unary:
        out_.emit(is_estimate() ? entry_.others[is_wide(o_.node.type) ? 1 : 0] : id(), o_.result,
                  arg(0));
        break;
    case Form::round:
        out_.emit(id(), o_.result, arg(0), asmjit::imm(entry_.immediate));
        break;
    case Form::binary:
        out_.emit(id(), o_.result, arg(0), arg(1));
        break;
    case Form::commutative:
        out_.emit(id(), o_.result, arg(o_.memory == 0 ? 1 : 0), arg(o_.memory == 0 ? 0 : 1));
        break;
    case Form::fma:
        fma();
        break;
    case Form::shift:
        shift();
        break;
    case Form::float_compare:
        float_compare();
        break;
    case Form::int_compare:
        int_compare();
        break;
    case Form::bitwise:
        bitwise();
        break;
    case Form::select:
        select();
        break;
    case Form::cast:
        cast();
        break;
    case Form::narrow:
        narrow();
        break;
    case Form::none:
        out_.reportError(asmjit::kErrorInvalidInstruction);
        break;
    }
}

}  // namespace

std::vector<OperandRules> x86_operand_rules(const Body& body, Target target) {
    std::vector<OperandRules> rules(body.nodes.size());
    for (std::size_t id = 0; id < rules.size(); ++id) {
        const Node& node = body.nodes[id];
        if (node.op == Op::rare) {
            rules[id] = {.tied = kSecond, .apart = true};
        } else if (!is_leaf(node.op)) {
            const Form form = entry_of(target, node.op).form;
            rules[id] =
                target == Target::avx512 ? avx512_rules(node, form) : avx2_rules(node, form);
        }
    }
    return rules;
}

void emit_x86(Assembler& out, Target target, const X86Operation& operation) {
    Emitter(out, target, operation).run();
}

}  // namespace bitaxon::jit
