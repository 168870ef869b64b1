#include "a64_instructions.hpp"

namespace bitaxon::jit {
namespace {

using asmjit::imm;
using asmjit::InstId;
using asmjit::a64::Assembler;
using asmjit::a64::Vec;
using asmjit::a64::VecV;
using Id = asmjit::a64::Inst::Id;

class Emitter;
using Form = void (Emitter::*)();

constexpr std::uint8_t kAddend = 0b100;
constexpr std::uint8_t kAnyOfThree = 0b111;

struct Entry {
    Op op = Op::constant;
    Form form = nullptr;
    /// Instructions for floats and for integers; masks are read as integers.
    std::array<InstId, 2> ids{};
    OperandRules rules{};
};

class Emitter {
  public:
    Emitter(Assembler& out, const A64Operation& operation, const Entry& entry)
        : out_(out), o_(operation), entry_(entry) {}

    void unary() { out_.emit(id(), result(), arg(0)); }
    void binary() { out_.emit(id(), result(), arg(0), arg(1)); }
    void exchanged() { out_.emit(id(), result(), arg(1), arg(0)); }
    void bitwise() { out_.emit(id(), bits(o_.result), bits(o_.args[0]), bits(o_.args[1])); }
    void bitwise_exchanged() {
        out_.emit(id(), bits(o_.result), bits(o_.args[1]), bits(o_.args[0]));
    }
    void multiply_add() { out_.emit(id(), result(), arg(0), arg(1)); }
    void multiply_subtract();
    void lesser() { choose(Id::kIdFcmgt_v, 1, 0); }
    void greater() { choose(Id::kIdFcmgt_v, 0, 1); }
    void multiply_wide_integers();
    void multiply_low_halves();
    void unordered();
    void select();
    void shift();
    void widen_float() { out_.fcvtl(result(), narrow(o_.args[0])); }
    void narrow_float() { out_.fcvtn(result(), pairs(o_.args[0])); }
    void widen_integer() { out_.sxtl(result(), narrow(o_.args[0])); }
    void narrow_integer() { out_.xtn(result(), pairs(o_.args[0])); }
    void wide_float_from_integer();
    void integer_from_wide_float();

  private:
    // The ways to look at a register.
    Vec lanes(std::uint8_t r) const { return a64_lanes(r, o_.node.type, o_.two_rows); }
    static VecV bits(std::uint8_t r) { return VecV(r).b16(); }
    static VecV pairs(std::uint8_t r) { return VecV(r).d2(); }
    static Vec narrow(std::uint8_t r) { return VecV(r).s2(); }
    Vec result() const { return lanes(o_.result); }
    Vec arg(std::size_t i) const { return lanes(o_.args[i]); }
    Vec scratch() const { return lanes(kScratch); }
    Vec scratch2() const { return lanes(kScratch2); }

    InstId id() const { return entry_.ids[is_float(o_.node.type) ? 0 : 1]; }
    unsigned width() const { return static_cast<unsigned>(lane_bytes(o_.node.type)) * 8; }
    void copy(std::uint8_t to, std::uint8_t from) {
        if (to != from) {
            out_.mov(bits(to), bits(from));
        }
    }
    void choose(InstId comparison, std::size_t left, std::size_t right);
    void blend(std::uint8_t mask, std::uint8_t yes, std::uint8_t no);
    void shift_by_constant();
    void shift_by_vector();
    void copies_of_the_sign();

    Assembler& out_;
    const A64Operation& o_;
    const Entry& entry_;
};

constexpr InstId kNone = Id::kIdNone;

constexpr Entry kEntries[] = {
    {Op::add, &Emitter::binary, {Id::kIdFadd_v, Id::kIdAdd_v}},
    {Op::sub, &Emitter::binary, {Id::kIdFsub_v, Id::kIdSub_v}},
    {Op::mul, &Emitter::binary, {Id::kIdFmul_v, Id::kIdMul_v}},
    {Op::div, &Emitter::binary, {Id::kIdFdiv_v, kNone}},
    {Op::sqrt, &Emitter::unary, {Id::kIdFsqrt_v, kNone}},
    {Op::fma, &Emitter::multiply_add, {Id::kIdFmla_v, kNone}, {.tied = kAddend}},
    {Op::fms, &Emitter::multiply_subtract, {Id::kIdFmla_v, kNone}, {.tied = kAddend}},
    {Op::fnma, &Emitter::multiply_add, {Id::kIdFmls_v, kNone}, {.tied = kAddend}},
    {Op::lesser, &Emitter::lesser},
    {Op::greater, &Emitter::greater},
    {Op::min, &Emitter::binary, {Id::kIdFmin_v, kNone}},
    {Op::max, &Emitter::binary, {Id::kIdFmax_v, kNone}},
    {Op::round, &Emitter::unary, {Id::kIdFrintn_v, kNone}},
    {Op::floor, &Emitter::unary, {Id::kIdFrintm_v, kNone}},
    {Op::ceil, &Emitter::unary, {Id::kIdFrintp_v, kNone}},
    {Op::trunc, &Emitter::unary, {Id::kIdFrintz_v, kNone}},
    {Op::bit_and, &Emitter::bitwise, {Id::kIdAnd_v, Id::kIdAnd_v}},
    {Op::bit_or, &Emitter::bitwise, {Id::kIdOrr_v, Id::kIdOrr_v}},
    {Op::bit_xor, &Emitter::bitwise, {Id::kIdEor_v, Id::kIdEor_v}},
    {Op::bit_andnot, &Emitter::bitwise_exchanged, {Id::kIdBic_v, Id::kIdBic_v}},
    {Op::shl, &Emitter::shift, {kNone, Id::kIdShl_v}},
    {Op::shr, &Emitter::shift, {kNone, Id::kIdUshr_v}},
    {Op::sar, &Emitter::shift, {kNone, Id::kIdSshr_v}},
    {Op::mul_low_u32, &Emitter::multiply_low_halves},
    {Op::float_less, &Emitter::exchanged, {kNone, Id::kIdFcmgt_v}},
    {Op::float_less_equal, &Emitter::exchanged, {kNone, Id::kIdFcmge_v}},
    {Op::float_equal, &Emitter::binary, {kNone, Id::kIdFcmeq_v}},
    {Op::float_unordered, &Emitter::unordered},
    {Op::int_less, &Emitter::exchanged, {kNone, Id::kIdCmgt_v}},
    {Op::int_equal, &Emitter::binary, {kNone, Id::kIdCmeq_v}},
    {Op::select, &Emitter::select, {}, {.tied = kAnyOfThree}},
    {Op::f64_from_f32, &Emitter::widen_float},
    {Op::f32_from_f64, &Emitter::narrow_float},
    {Op::f32_from_i32, &Emitter::unary, {Id::kIdScvtf_v, kNone}},
    {Op::f64_from_i32, &Emitter::wide_float_from_integer},
    {Op::i32_from_f32, &Emitter::unary, {kNone, Id::kIdFcvtzs_v}},
    {Op::i32_from_f64, &Emitter::integer_from_wide_float},
    {Op::i64_from_i32, &Emitter::widen_integer},
    {Op::i32_from_i64, &Emitter::narrow_integer},
    {Op::m64_from_m32, &Emitter::widen_integer},
    {Op::m32_from_m64, &Emitter::narrow_integer},
};

// NEON multiplies no 64-bit lanes.
constexpr Entry kWideMultiply = {Op::mul, &Emitter::multiply_wide_integers, {}, {.apart = true}};
constexpr Entry kRare = {Op::rare, nullptr, {}, {.tied = 0b010, .apart = true}};

using Table = std::array<Entry, static_cast<std::size_t>(Op::external) + 1>;

constexpr Table kTable = [] {
    Table table{};
    for (const Entry& entry : kEntries) {
        table[static_cast<std::size_t>(entry.op)] = entry;
    }
    table[static_cast<std::size_t>(Op::rare)] = kRare;
    return table;
}();

const Entry& entry_of(const Node& node) {
    return node.op == Op::mul && node.type == Type::i64 ? kWideMultiply
                                                        : kTable[static_cast<std::size_t>(node.op)];
}

// a*b - c: the addend's sign is turned first, so that an exact difference is +0.
void Emitter::multiply_subtract() {
    const bool is_factor = o_.result == o_.args[0] || o_.result == o_.args[1];
    const Vec sum = is_factor ? scratch() : result();
    out_.fneg(sum, arg(2));
    out_.emit(id(), sum, arg(0), arg(1));
    if (is_factor) {
        copy(o_.result, kScratch);
    }
}

// left > right ? arg(0) : arg(1)
void Emitter::choose(InstId comparison, std::size_t left, std::size_t right) {
    const bool is_choice = o_.result == o_.args[0] || o_.result == o_.args[1];
    const std::uint8_t mask = is_choice ? kScratch : o_.result;
    out_.emit(comparison, lanes(mask), arg(left), arg(right));
    blend(mask, o_.args[0], o_.args[1]);
}

// The result's register is one of the three.
void Emitter::blend(std::uint8_t mask, std::uint8_t yes, std::uint8_t no) {
    if (o_.result == no) {
        out_.bit(bits(no), bits(yes), bits(mask));
    } else if (o_.result == yes) {
        out_.bif(bits(yes), bits(no), bits(mask));
    } else {
        out_.bsl(bits(mask), bits(yes), bits(no));
    }
}

void Emitter::select() { blend(o_.args[0], o_.args[1], o_.args[2]); }

// With a = aH*2^32 + aL and so on: aL*bL + ((aH*bL + aL*bH) << 32).
void Emitter::multiply_wide_integers() {
    const VecV cross = VecV(o_.result).s4();
    out_.rev64(cross, VecV(o_.args[1]).s4());
    out_.mul(cross, cross, VecV(o_.args[0]).s4());
    out_.uaddlp(pairs(o_.result), cross);
    out_.shl(pairs(o_.result), pairs(o_.result), imm(32));
    out_.xtn(narrow(kScratch), pairs(o_.args[0]));
    out_.xtn(narrow(kScratch2), pairs(o_.args[1]));
    out_.umlal(pairs(o_.result), narrow(kScratch), narrow(kScratch2));
}

void Emitter::multiply_low_halves() {
    out_.xtn(narrow(kScratch), pairs(o_.args[0]));
    out_.xtn(narrow(kScratch2), pairs(o_.args[1]));
    out_.umull(pairs(o_.result), narrow(kScratch), narrow(kScratch2));
}

void Emitter::unordered() {
    out_.fcmeq(scratch(), arg(0), arg(0));
    if (o_.args[1] != o_.args[0]) {
        out_.fcmeq(scratch2(), arg(1), arg(1));
        out_.and_(bits(kScratch), bits(kScratch), bits(kScratch2));
    }
    out_.mvn(bits(o_.result), bits(kScratch));
}

void Emitter::wide_float_from_integer() {
    out_.sxtl(pairs(kScratch), narrow(o_.args[0]));
    out_.scvtf(result(), pairs(kScratch));
}

void Emitter::integer_from_wide_float() {
    out_.fcvtzs(pairs(kScratch), pairs(o_.args[0]));
    out_.xtn(result(), pairs(kScratch));
}

void Emitter::shift() {
    if (o_.node.count == 1) {
        shift_by_constant();
    } else if (o_.node.op == Op::sar) {
        copies_of_the_sign();
    } else {
        shift_by_vector();
    }
}

void Emitter::shift_by_constant() {
    const std::uint64_t count = o_.node.payload;
    if (count == 0) {
        copy(o_.result, o_.args[0]);
    } else if (o_.node.op != Op::sar && count >= width()) {
        out_.movi(pairs(o_.result), imm(0));
    } else {
        out_.emit(id(), result(), arg(0), imm(count));
    }
}

// USHL reads a count's low byte as signed, and shifts to the right by a negative one; what it makes
// of counts beyond the width is masked away.
void Emitter::shift_by_vector() {
    const unsigned log2_width = width() == 64 ? 6 : 5;
    std::uint8_t count = o_.args[1];
    if (o_.node.op == Op::shr) {
        out_.neg(scratch2(), arg(1));
        count = kScratch2;
    }
    out_.ushr(scratch(), arg(1), imm(log2_width));
    out_.cmeq(scratch(), scratch(), imm(0));
    out_.ushl(result(), arg(0), lanes(count));
    out_.and_(bits(o_.result), bits(o_.result), bits(kScratch));
}

// Counts beyond the width become the width less one.
void Emitter::copies_of_the_sign() {
    const unsigned log2_width = width() == 64 ? 6 : 5;
    out_.ushr(scratch(), arg(1), imm(log2_width));
    out_.cmtst(scratch(), scratch(), scratch());
    out_.bic(bits(kScratch2), bits(o_.args[1]), bits(kScratch));
    out_.ushr(scratch(), scratch(), imm(width() - log2_width));
    out_.orr(bits(kScratch), bits(kScratch), bits(kScratch2));
    out_.neg(scratch(), scratch());
    out_.sshl(result(), arg(0), scratch());
}

}  // namespace

Vec a64_lanes(std::uint8_t r, Type type, bool two_rows) noexcept {
    const VecV v(r);
    if (lane_bytes(type) == 8) {
        return v.d2();
    }
    if (two_rows) {
        return v.s2();
    }
    return v.s4();
}

std::vector<OperandRules> a64_operand_rules(const Body& body) {
    std::vector<OperandRules> rules(body.nodes.size());
    for (std::size_t id = 0; id < rules.size(); ++id) {
        if (!is_leaf(body.nodes[id].op)) {
            rules[id] = entry_of(body.nodes[id]).rules;
        }
    }
    return rules;
}

void emit_a64(Assembler& out, const A64Operation& operation) {
    const Entry& entry = entry_of(operation.node);
    if (entry.form == nullptr) {
        out.reportError(asmjit::kErrorInvalidInstruction);
        return;
    }
    (Emitter(out, operation, entry).*entry.form)();
}

}  // namespace bitaxon::jit
