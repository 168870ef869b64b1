#include "x86_scalar.hpp"

#include <bitaxon/core/error.hpp>

#include <asmjit/x86.h>

#include <algorithm>
#include <array>
#include <limits>

namespace bitaxon::jit {
namespace {

namespace x86 = asmjit::x86;
using asmjit::Imm;
using asmjit::Label;

// What values live in; the rest is the stack pointer, two scratch registers and the step counter.
constexpr std::uint32_t kValueRegisters[] = {
    x86::Gp::kIdCx, x86::Gp::kIdBx,  x86::Gp::kIdSi,  x86::Gp::kIdDi,  x86::Gp::kIdBp,
    x86::Gp::kIdR8, x86::Gp::kIdR9,  x86::Gp::kIdR12, x86::Gp::kIdR13, x86::Gp::kIdR14,
    x86::Gp::kIdR15};
constexpr x86::Gp kSaved[] = {x86::rbx, x86::rbp, x86::r12, x86::r13, x86::r14, x86::r15};
constexpr x86::Gp kScratch = x86::rax;
constexpr x86::Gp kAddress = x86::r11;
constexpr x86::Gp kSteps = x86::r10;  ///< steps left
constexpr x86::Gp kUniforms = x86::rdx;

x86::Gp sized(const x86::Gp& gp, bool wide) {
    if (wide) {
        return gp.r64();
    }
    return gp.r32();
}

[[noreturn]] void refuse(const std::string& why) {
    throw Error(ErrorCode::unsupported, "scalar code: " + why);
}

class ScalarGenerator {
  public:
    ScalarGenerator(const Program& program, bool listing);
    MachineCode run();

  private:
    // Where a value is.
    struct Place {
        bool in_register = false;
        std::uint32_t gp = 0;
    };

    void plan();
    void choose_inlined();
    bool is_not(NodeId id) const;
    bool is_low_half(NodeId id) const;
    void write_prologue();
    void write_step();
    void write_epilogue();
    void compute(NodeId id);
    void write_binary(NodeId id, x86::Inst::Id instruction);
    void write_shift(NodeId id);
    /// Set the flags; the condition code under which the comparison, or any mask, holds.
    x86::CondCode compare(NodeId id);
    x86::CondCode write_condition(NodeId mask);
    void write_comparison(NodeId id);
    void write_select(NodeId id);
    void write_conversion(NodeId id);
    void store(std::uint32_t output);
    void advance_arrays();
    void change_states();

    bool is_wide(NodeId id) const { return lane_bytes(graph_.type(id)) == 8; }
    x86::Gp target(NodeId id) const { return sized(x86::gpq(places_[id].gp), is_wide(id)); }
    // A register, an immediate or a memory operand to read the value from.
    asmjit::Operand source(NodeId id);
    // The value in a register: its own, or `scratch` after a move.
    x86::Gp in_register(NodeId id, x86::Gp scratch);
    void move(x86::Gp to, NodeId from);
    std::uint32_t take();
    void release(NodeId id, std::size_t position);

    // Stack: pointers of the arrays, then their bytes a step.
    x86::Mem input_pointer(std::size_t k) const { return x86::qword_ptr(x86::rsp, offset(k)); }
    x86::Mem output_pointer(std::size_t k) const {
        return x86::qword_ptr(x86::rsp, offset(program_.inputs.size() + k));
    }
    static std::int32_t offset(std::size_t slot) { return static_cast<std::int32_t>(slot * 16); }

    const Program& program_;
    const Graph& graph_;
    asmjit::CodeHolder code_;
    asmjit::StringLogger logger_;
    x86::Assembler out_;
    bool listing_;
    std::vector<NodeId> nodes_;
    std::vector<std::size_t> last_use_;  ///< position in nodes_; roots and states: the end
    std::vector<char> inlined_;          ///< by node: computed by those that read it
    std::vector<Place> places_;
    std::vector<std::uint32_t> free_;
    std::vector<NodeId> state_nodes_;    ///< the input node of each state, or kNoNode
    std::uint32_t used_ = 0;
};

ScalarGenerator::ScalarGenerator(const Program& program, bool listing)
    : program_(program), graph_(program.graph), listing_(listing) {
    code_.init(asmjit::Environment(asmjit::Arch::kX64));
    if (listing) {
        code_.setLogger(&logger_);
    }
    code_.attach(&out_);
    plan();
}

bool takes_integers(Op op) {
    switch (op) {
        case Op::constant:
        case Op::uniform:
        case Op::input:
        case Op::add:
        case Op::sub:
        case Op::mul:
        case Op::bit_and:
        case Op::bit_or:
        case Op::bit_xor:
        case Op::shl:
        case Op::shr:
        case Op::sar:
        case Op::int_less:
        case Op::int_equal:
        case Op::select:
        case Op::i64_from_i32:
        case Op::i32_from_i64:
        case Op::m64_from_m32:
        case Op::m32_from_m64: return true;
        default: return false;
    }
}

void ScalarGenerator::plan() {
    const std::vector<NodeId> roots = program_.roots();
    nodes_ = reachable(graph_, roots);
    last_use_.assign(graph_.size(), 0);
    places_.assign(graph_.size(), {});
    for (std::size_t k = 0; k < nodes_.size(); ++k) {
        const Node& node = graph_[nodes_[k]];
        const bool moves_only = node.op == Op::constant || node.op == Op::uniform ||
                                node.op == Op::input || node.op == Op::select;
        if (!takes_integers(node.op) || (is_float(node.type) && !moves_only)) {
            refuse("the rule computes with more than integers (" +
                   std::string(info(node.op).id) + ")");
        }
        for (const NodeId argument : node.arguments()) {
            last_use_[argument] = k;
        }
    }
    for (const NodeId root : roots) {
        last_use_[root] = std::numeric_limits<std::size_t>::max();
    }
    choose_inlined();
    free_.assign(std::rbegin(kValueRegisters), std::rend(kValueRegisters));
    for (const ProgramState& state : program_.states) {
        NodeId now = kNoNode;
        for (const NodeId id : nodes_) {
            if (graph_[id].op == Op::input && graph_[id].payload == state.input) {
                now = id;
            }
        }
        if (now != kNoNode) {
            places_[now] = {true, take()};
            last_use_[now] = std::numeric_limits<std::size_t>::max();
        }
        state_nodes_.push_back(now);
    }
}

bool is_comparison(const Node& node) { return node.op == Op::int_less || node.op == Op::int_equal; }

bool ScalarGenerator::is_not(NodeId id) const {
    const Node& node = graph_[id];
    return node.op == Op::bit_xor && is_mask(node.type) && graph_.is_constant(node.args[1]) &&
           graph_.integer_value(node.args[1]) == -1;
}

// Shifted up by 16 bits: the first half of what makes an i16.
bool ScalarGenerator::is_low_half(NodeId id) const {
    const Node& node = graph_[id];
    return node.op == Op::shl && !is_wide(id) && graph_.is_constant(node.args[1]) &&
           graph_[node.args[1]].payload == 16 && !graph_.is_constant(node.args[0]);
}

// Masks that only choose are never made, and neither is half of an i16. What they read lives as
// long as they would.
void ScalarGenerator::choose_inlined() {
    inlined_.assign(graph_.size(), 0);
    for (const NodeId id : nodes_) {
        inlined_[id] = is_comparison(graph_[id]) || is_not(id) || is_low_half(id);
    }
    for (const ProgramState& state : program_.states) {
        inlined_[state.next] = 0;
    }
    for (const ProgramOutput& output : program_.outputs) {
        inlined_[output.value] = inlined_[output.value] && output.bits;
    }
    for (auto id = nodes_.rbegin(); id != nodes_.rend(); ++id) {
        const Node& node = graph_[*id];
        for (std::size_t i = 0; i < node.count; ++i) {
            const NodeId argument = node.args[i];
            const bool chooses = node.op == Op::select && i == 0;
            const bool turns = inlined_[*id] && node.op == Op::bit_xor;
            const bool makes_i16 = node.op == Op::sar && !is_wide(*id) && i == 0 &&
                                   graph_.is_constant(node.args[1]) &&
                                   graph_[node.args[1]].payload == 16;
            inlined_[argument] =
                inlined_[argument] && (is_low_half(argument) ? makes_i16 : chooses || turns);
        }
        for (const NodeId argument : node.arguments()) {
            if (inlined_[*id]) {
                last_use_[argument] = std::max(last_use_[argument], last_use_[*id]);
            }
        }
    }
}

std::uint32_t ScalarGenerator::take() {
    if (free_.empty()) {
        refuse("more values are alive than there are registers");
    }
    const std::uint32_t gp = free_.back();
    free_.pop_back();
    return gp;
}

// The value is read at the position: by its last reader, perhaps.
void ScalarGenerator::release(NodeId id, std::size_t position) {
    if (inlined_[id]) {
        for (const NodeId argument : graph_[id].arguments()) {
            release(argument, position);
        }
    } else if (places_[id].in_register && last_use_[id] == position) {
        places_[id].in_register = false;
        free_.push_back(places_[id].gp);
    }
}

asmjit::Operand ScalarGenerator::source(NodeId id) {
    if (places_[id].in_register) {
        return target(id);
    }
    const Node& node = graph_[id];
    if (node.op == Op::constant) {
        const std::int64_t value = graph_.integer_value(id);
        if (value >= std::numeric_limits<std::int32_t>::min() &&
            value <= std::numeric_limits<std::int32_t>::max()) {
            return Imm(value);
        }
        out_.mov(kAddress, Imm(value));
        return sized(kAddress, is_wide(id));
    }
    const auto bytes = static_cast<std::uint32_t>(lane_bytes(node.type));
    if (node.op == Op::uniform) {
        return x86::Mem(kUniforms, static_cast<std::int32_t>(node.payload * 8), bytes);
    }
    if (node.op != Op::input) {
        refuse("a value is read after its register was given away");
    }
    out_.mov(kAddress, input_pointer(node.payload));
    return x86::Mem(kAddress, 0, bytes);
}

x86::Gp ScalarGenerator::in_register(NodeId id, x86::Gp scratch) {
    if (places_[id].in_register) {
        return target(id);
    }
    const x86::Gp to = sized(scratch, is_wide(id));
    out_.emit(x86::Inst::kIdMov, to, source(id));
    return to;
}

void ScalarGenerator::move(x86::Gp to, NodeId from) {
    const asmjit::Operand value = source(from);
    if (value.isReg() && value.as<x86::Gp>().id() == to.id()) {
        return;
    }
    out_.emit(x86::Inst::kIdMov, sized(to, is_wide(from)), value);
}

// Frame: inputs, outputs, uniforms, input_step_bytes, output_step_bytes, first_row, first_step, steps.
void ScalarGenerator::write_prologue() {
    const auto field = [](int k) { return x86::qword_ptr(x86::rdi, 8 * k); };
    for (const x86::Gp& gp : kSaved) {
        out_.push(gp);
    }
    const std::size_t arrays = program_.inputs.size() + program_.outputs.size();
    out_.sub(x86::rsp, Imm(offset(arrays)));
    const auto bring = [&](int pointers, int steps, std::size_t k, int bytes, bool per_step,
                           std::int32_t slot) {
        const auto index = static_cast<std::int32_t>(8 * k);
        out_.mov(kAddress, field(pointers));
        out_.mov(kAddress, x86::qword_ptr(kAddress, index));
        out_.mov(kScratch, x86::rsi);
        if (bytes == 0) {
            out_.shr(kScratch, Imm(3));
        } else {
            out_.imul(kScratch, kScratch, Imm(bytes));
        }
        out_.add(kAddress, kScratch);
        out_.mov(x86::qword_ptr(x86::rsp, slot), kAddress);
        if (per_step) {
            out_.mov(kAddress, field(steps));
            out_.mov(kAddress, x86::qword_ptr(kAddress, index));
            out_.mov(x86::qword_ptr(x86::rsp, slot + 8), kAddress);
        }
    };
    for (std::size_t k = 0; k < program_.inputs.size(); ++k) {
        const ProgramInput& input = program_.inputs[k];
        bring(0, 3, k, lane_bytes(input.type), input.per_step, offset(k));
    }
    for (std::size_t k = 0; k < program_.outputs.size(); ++k) {
        const ProgramOutput& output = program_.outputs[k];
        bring(1, 4, k, output.bits ? 0 : lane_bytes(output.type), output.per_step,
              offset(program_.inputs.size() + k));
    }
    out_.mov(kUniforms, field(2));
    out_.mov(kSteps, field(7));
    for (std::size_t k = 0; k < program_.states.size(); ++k) {
        if (const NodeId now = state_nodes_[k]; now != kNoNode) {
            out_.mov(kAddress, input_pointer(program_.states[k].input));
            out_.mov(target(now), x86::Mem(kAddress, 0, static_cast<std::uint32_t>(
                                                            lane_bytes(graph_.type(now)))));
        }
    }
}

void ScalarGenerator::compute(NodeId id) {
    switch (graph_[id].op) {
        case Op::add: return write_binary(id, x86::Inst::kIdAdd);
        case Op::sub: return write_binary(id, x86::Inst::kIdSub);
        case Op::mul: return write_binary(id, x86::Inst::kIdImul);
        case Op::bit_and: return write_binary(id, x86::Inst::kIdAnd);
        case Op::bit_or: return write_binary(id, x86::Inst::kIdOr);
        case Op::bit_xor: return write_binary(id, x86::Inst::kIdXor);
        case Op::shl:
        case Op::shr:
        case Op::sar: return write_shift(id);
        case Op::int_less:
        case Op::int_equal: return write_comparison(id);
        case Op::select: return write_select(id);
        default: return write_conversion(id);
    }
}

void ScalarGenerator::write_binary(NodeId id, x86::Inst::Id instruction) {
    const Node& node = graph_[id];
    if (instruction == x86::Inst::kIdImul && graph_.is_constant(node.args[0])) {
        return out_.imul(target(id), in_register(node.args[1], kScratch),
                         Imm(graph_.integer_value(node.args[0]))),
               void();
    }
    move(target(id), node.args[0]);
    asmjit::Operand second = source(node.args[1]);
    if (instruction == x86::Inst::kIdImul && second.isImm()) {
        out_.imul(target(id), target(id), second.as<Imm>());
    } else {
        out_.emit(instruction, target(id), second);
    }
}

void ScalarGenerator::write_shift(NodeId id) {
    const Node& node = graph_[id];
    if (!graph_.is_constant(node.args[1])) {
        refuse("a shift by a variable");
    }
    const std::uint64_t bits = is_wide(id) ? 64 : 32;
    const std::uint64_t count = graph_[node.args[1]].payload;
    if (inlined_[node.args[0]]) {  // one instruction in place of two shifts
        const NodeId whole = graph_[node.args[0]].args[0];
        out_.movsx(target(id), x86::gpw(in_register(whole, kScratch).id()));
        return;
    }
    move(target(id), node.args[0]);
    if (node.op == Op::sar) {
        out_.sar(target(id), Imm(std::min(count, bits - 1)));
    } else if (count >= bits) {
        out_.xor_(target(id), target(id));
    } else if (node.op == Op::shl) {
        out_.shl(target(id), Imm(count));
    } else {
        out_.shr(target(id), Imm(count));
    }
}

x86::CondCode ScalarGenerator::compare(NodeId id) {
    const Node& node = graph_[id];
    const x86::Gp first = in_register(node.args[0], kScratch);
    out_.emit(x86::Inst::kIdCmp, first, source(node.args[1]));
    return node.op == Op::int_less ? x86::CondCode::kL : x86::CondCode::kE;
}

// A mask that was made is tested: what it compared may be gone.
x86::CondCode ScalarGenerator::write_condition(NodeId mask) {
    if (!inlined_[mask]) {
        const x86::Gp made = in_register(mask, kScratch);
        out_.test(made, made);
        return x86::CondCode::kNE;
    }
    return is_not(mask) ? x86::negateCond(write_condition(graph_[mask].args[0])) : compare(mask);
}

void ScalarGenerator::write_comparison(NodeId id) {
    out_.set(compare(id), x86::al);
    out_.movzx(x86::eax, x86::al);
    out_.neg(x86::rax);
    out_.mov(target(id), sized(kScratch, is_wide(id)));
}

void ScalarGenerator::write_select(NodeId id) {
    const Node& node = graph_[id];
    const Label otherwise = out_.newLabel();
    move(target(id), node.args[2]);
    out_.j(x86::negateCond(write_condition(node.args[0])), otherwise);
    move(target(id), node.args[1]);
    out_.bind(otherwise);
}

void ScalarGenerator::write_conversion(NodeId id) {
    const NodeId value = graph_[id].args[0];
    const x86::Gp from = in_register(value, kScratch);
    if (is_wide(id)) {
        out_.movsxd(target(id), from.r32());
    } else {
        out_.mov(target(id), from.r32());
    }
}

void ScalarGenerator::store(std::uint32_t number) {
    const ProgramOutput& output = program_.outputs[number];
    if (output.bits) {
        out_.set(write_condition(output.value), x86::al);
        out_.mov(kAddress, output_pointer(number));
        out_.mov(x86::byte_ptr(kAddress), x86::al);
        return;
    }
    const x86::Gp value = in_register(output.value, kScratch);
    if (!places_[output.value].in_register) {
        out_.mov(kScratch, value.r64());  // source() may have used the address register
    }
    const x86::Gp held = places_[output.value].in_register ? value : kScratch;
    out_.mov(kAddress, output_pointer(number));
    const auto bytes = static_cast<std::uint32_t>(lane_bytes(output.type));
    out_.mov(x86::Mem(kAddress, 0, bytes), sized(held, bytes == 8));
}

void ScalarGenerator::advance_arrays() {
    const auto advance = [&](bool per_step, std::size_t slot) {
        if (per_step) {
            out_.mov(kAddress, x86::qword_ptr(x86::rsp, offset(slot) + 8));
            out_.add(x86::qword_ptr(x86::rsp, offset(slot)), kAddress);
        }
    };
    for (std::size_t k = 0; k < program_.inputs.size(); ++k) {
        advance(program_.inputs[k].per_step, k);
    }
    for (std::size_t k = 0; k < program_.outputs.size(); ++k) {
        advance(program_.outputs[k].per_step, program_.inputs.size() + k);
    }
}

void ScalarGenerator::write_step() {
    for (std::size_t k = 0; k < nodes_.size(); ++k) {
        const NodeId id = nodes_[k];
        const Op op = graph_[id].op;
        if (op == Op::constant || op == Op::uniform || op == Op::input || inlined_[id]) {
            continue;
        }
        // The result's register is never an argument's: an instruction may write it first.
        places_[id] = {true, take()};
        used_ = std::max(used_, static_cast<std::uint32_t>(std::size(kValueRegisters) - free_.size()));
        compute(id);
        for (const NodeId argument : graph_[id].arguments()) {
            release(argument, k);
        }
    }
    for (std::uint32_t k = 0; k < program_.outputs.size(); ++k) {
        if (program_.outputs[k].per_step) {
            store(k);
        }
    }
    advance_arrays();
    change_states();
}

// All states change at once, so a next value that is another state's present one must wait on the
// stack; a move between registers costs nothing.
void ScalarGenerator::change_states() {
    const auto is_state = [&](NodeId id) {
        return std::ranges::find(state_nodes_, id) != state_nodes_.end();
    };
    std::vector<std::size_t> waiting;
    for (std::size_t k = 0; k < program_.states.size(); ++k) {
        const NodeId next = program_.states[k].next;
        if (next != state_nodes_[k] && is_state(next)) {
            out_.push(target(next).r64());
            waiting.push_back(k);
        }
    }
    for (std::size_t k = 0; k < program_.states.size(); ++k) {
        if (!is_state(program_.states[k].next)) {
            move(target(state_nodes_[k]), program_.states[k].next);
        }
    }
    for (; !waiting.empty(); waiting.pop_back()) {
        out_.pop(target(state_nodes_[waiting.back()]).r64());
    }
}

void ScalarGenerator::write_epilogue() {
    for (std::uint32_t k = 0; k < program_.states.size(); ++k) {
        const NodeId now = state_nodes_[k];
        out_.mov(kAddress, output_pointer(k));
        const auto bytes = static_cast<std::uint32_t>(lane_bytes(program_.outputs[k].type));
        out_.mov(x86::Mem(kAddress, 0, bytes), target(now));
    }
    const std::size_t arrays = program_.inputs.size() + program_.outputs.size();
    out_.add(x86::rsp, Imm(offset(arrays)));
    for (std::size_t k = std::size(kSaved); k-- > 0;) {
        out_.pop(kSaved[k]);
    }
    out_.ret();
}

MachineCode ScalarGenerator::run() {
    const bool reads_all_states =
        std::ranges::none_of(state_nodes_, [](NodeId id) { return id == kNoNode; });
    const bool moves_inputs = std::ranges::any_of(program_.states, [&](const ProgramState& state) {
        return graph_[state.next].op == Op::input && !places_[state.next].in_register;
    });
    const bool stores_last = std::any_of(
        program_.outputs.begin() + static_cast<std::ptrdiff_t>(program_.states.size()),
        program_.outputs.end(), [](const ProgramOutput& o) { return !o.per_step; });
    const bool narrows = std::ranges::any_of(program_.outputs, [](const ProgramOutput& o) {
        return !o.bits && element_bytes(o.type) != lane_bytes(o.type);
    });
    if (!reads_all_states || moves_inputs || stores_last || narrows) {
        refuse("a state that nothing reads or that takes over an array, a result of the last step, "
               "or one of narrow elements");
    }
    write_prologue();
    const Label loop = out_.newLabel();
    out_.bind(loop);
    write_step();
    out_.dec(kSteps);
    out_.jnz(loop);
    write_epilogue();

    code_.flatten();
    std::vector<std::byte> bytes(code_.codeSize());
    code_.copyFlattenedData(bytes.data(), bytes.size());
    MachineCode made;
    made.memory = ExecutableMemory(bytes);
    made.function = reinterpret_cast<RowFunction>(const_cast<void*>(made.memory.data()));
    made.target = Target::scalar;
    made.rows_per_vector = 1;
    made.unroll = 1;
    made.registers = static_cast<int>(used_);
    made.code_bytes = bytes.size();
    if (listing_) {
        made.listing = logger_.data();
    }
    return made;
}

}  // namespace

MachineCode generate_x86_scalar(const Program& program, bool listing) {
    return ScalarGenerator(program, listing).run();
}

}  // namespace bitaxon::jit
