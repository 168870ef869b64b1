#include "x86_frame.hpp"

#include <bitaxon/core/error.hpp>

#include <algorithm>
#include <cstddef>

namespace bitaxon::jit {
namespace {

using asmjit::x86::Assembler;
namespace x86 = asmjit::x86;

constexpr std::int32_t kVectorAlignment = 64;
constexpr std::int32_t kPageBytes = 4096;
// What a thread's stack can spare.
constexpr std::int32_t kMaxFrameBytes = 256 * 1024;
constexpr std::uint32_t kDefaultMxcsr = 0x1f80;
constexpr std::uint32_t kExceptionFlags = 0x3f;

// Registers for array pointers, in order of preference: those that need no saving first.
constexpr std::uint32_t kPointers[] = {x86::Gp::kIdR9,  x86::Gp::kIdDi,  x86::Gp::kIdCx,
                                       x86::Gp::kIdBx,  x86::Gp::kIdR12, x86::Gp::kIdR13,
                                       x86::Gp::kIdR14, x86::Gp::kIdR15};

bool is_callee_saved(std::uint32_t gp) {
    return gp == x86::Gp::kIdBx || (gp >= x86::Gp::kIdR12 && gp <= x86::Gp::kIdR15);
}

}  // namespace

X86Frame::X86Frame(const Body& body, Target target, std::span<const Allocation* const> allocations,
                   int masked_vectors)
    : register_bytes_(register_bytes(target)), uses_uniforms_(body.uses(Op::uniform)) {
    describe_arrays(body);
    lay_out(body, allocations, masked_vectors);
    assign_pointers();
    bytes_ = (bytes_ + kVectorAlignment - 1) / kVectorAlignment * kVectorAlignment;
    if (bytes_ > kMaxFrameBytes) {
        throw Error(ErrorCode::unsupported,
                    "machine code: the expression needs more stack than is safe to take");
    }
}

std::int32_t X86Frame::reserve(std::int32_t bytes) {
    const std::int32_t at = bytes_;
    bytes_ += bytes;
    return at;
}

void X86Frame::describe_arrays(const Body& body) {
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

// Vectors come first: rsp is aligned to a register.
void X86Frame::lay_out(const Body& body, std::span<const Allocation* const> allocations,
                       int masked_vectors) {
    std::int32_t slots = 0;
    std::int32_t mask_slots = 0;
    for (const Allocation* allocation : allocations) {
        slots = std::max(slots, allocation->slots);
        mask_slots = std::max(mask_slots, allocation->mask_slots);
    }
    if (slots > kMaxFrameBytes / register_bytes_) {
        slots = kMaxFrameBytes / register_bytes_;  // refused in any case
    }
    reserve(slots * register_bytes_);
    tail_masks_ = reserve(masked_vectors * 2 * register_bytes_);
    if (body.uses(Op::rare)) {
        rare_buffer_ = reserve(static_cast<std::int32_t>(kMaxArguments) * register_bytes_);
        saved_vectors_ = reserve(32 * register_bytes_);
        saved_masks_ = reserve(8 * 8);
        saved_gps_ = reserve(8 * 8);
    }
    mask_slots_ = reserve(mask_slots * 8);
    counters_ = reserve(5 * 8);
    mxcsr_ = reserve(8);
}

void X86Frame::assign_pointers() {
    std::size_t next = 0;
    const auto next_register = [&] {
        if (next < std::size(kPointers) && uses_uniforms_ &&
            kPointers[next] == x86_register::uniforms.id()) {
            ++next;
        }
        return next < std::size(kPointers) ? static_cast<std::int32_t>(kPointers[next++]) : -1;
    };
    const auto assign = [&](X86Array& array) {
        if (!array.used) {
            return;
        }
        if (array.per_step) {
            array.base = reserve(8);
            array.step_bytes = reserve(8);
        }
        array.gp = next_register();
        if (array.gp < 0) {
            array.pointer = reserve(8);
        } else if (is_callee_saved(static_cast<std::uint32_t>(array.gp))) {
            saved_.push_back(static_cast<std::uint32_t>(array.gp));
        }
    };
    std::for_each(inputs_.begin(), inputs_.end(), assign);
    std::for_each(outputs_.begin(), outputs_.end(), assign);
}

void X86Frame::load_pointer(Assembler& out, const X86Array& array) const {
    const x86::Gp scratch = x86_register::address;
    const auto offset = static_cast<std::int32_t>(array.number * 8);
    const auto table = [&](std::size_t inputs, std::size_t outputs) {
        return x86::qword_ptr(x86_register::frame,
                              static_cast<std::int32_t>(array.is_output ? outputs : inputs));
    };
    out.mov(scratch, table(offsetof(Frame, inputs), offsetof(Frame, outputs)));
    if (array.per_step) {
        out.mov(scratch, x86::qword_ptr(scratch, offset));
        out.mov(x86::qword_ptr(x86::rsp, array.base), scratch);
        out.mov(scratch,
                table(offsetof(Frame, input_step_bytes), offsetof(Frame, output_step_bytes)));
        out.mov(scratch, x86::qword_ptr(scratch, offset));
        out.mov(x86::qword_ptr(x86::rsp, array.step_bytes), scratch);
    } else if (array.gp >= 0) {
        out.mov(x86::gpq(static_cast<std::uint32_t>(array.gp)), x86::qword_ptr(scratch, offset));
    } else {
        out.mov(scratch, x86::qword_ptr(scratch, offset));
        out.mov(x86::qword_ptr(x86::rsp, array.pointer), scratch);
    }
}

// Writing the mode takes longer than a short call does, so it is left alone where it differs in the
// exceptions that have happened only.
asmjit::Label X86Frame::jump_if_default_mode(Assembler& out) const {
    const asmjit::Label is_default = out.newLabel();
    out.mov(x86::eax, x86::dword_ptr(x86::rsp, mxcsr_));
    out.and_(x86::eax, ~kExceptionFlags);
    out.cmp(x86::eax, kDefaultMxcsr);
    out.je(is_default);
    return is_default;
}

void X86Frame::emit_prologue(Assembler& out, asmjit::Label constants) const {
    out.push(x86::rbp);
    out.mov(x86::rbp, x86::rsp);
    for (const std::uint32_t r : saved_) {
        out.push(x86::gpq(r));
    }
    // Every page of a large frame is touched in turn, so that a full stack meets its guard page.
    for (std::int32_t left = bytes_; left > 0; left -= kPageBytes) {
        out.sub(x86::rsp, std::min(left, kPageBytes));
        if (bytes_ > kPageBytes) {
            out.test(x86::dword_ptr(x86::rsp), x86::eax);
        }
    }
    out.and_(x86::rsp, -kVectorAlignment);
    out.stmxcsr(x86::dword_ptr(x86::rsp, mxcsr_));
    const asmjit::Label is_default = jump_if_default_mode(out);
    out.mov(x86::dword_ptr(x86::rsp, mxcsr_ + 4), kDefaultMxcsr);
    out.ldmxcsr(x86::dword_ptr(x86::rsp, mxcsr_ + 4));
    out.bind(is_default);

    const x86::Gp scratch = x86_register::address;
    const auto field = [](std::size_t offset) {
        return x86::qword_ptr(x86_register::frame, static_cast<std::int32_t>(offset));
    };
    const auto counter = [](std::int32_t offset) { return x86::qword_ptr(x86::rsp, offset); };
    out.mov(scratch, field(offsetof(Frame, first_row)));
    out.mov(counter(first_row()), scratch);
    out.mov(scratch, field(offsetof(Frame, first_step)));
    out.mov(counter(first_step()), scratch);
    out.mov(counter(step()), scratch);
    out.add(scratch, field(offsetof(Frame, steps)));
    out.mov(counter(last_step()), scratch);
    if (uses_uniforms_) {
        out.mov(x86_register::uniforms, field(offsetof(Frame, uniforms)));
    }
    out.lea(x86_register::constants, x86::ptr(constants));
    // The frame's own register comes last.
    const X86Array* last = nullptr;
    for (const std::vector<X86Array>* arrays : {&inputs_, &outputs_}) {
        for (const X86Array& array : *arrays) {
            if (array.used && array.gp == static_cast<std::int32_t>(x86_register::frame.id()) &&
                !array.per_step) {
                last = &array;
            } else if (array.used) {
                load_pointer(out, array);
            }
        }
    }
    if (last != nullptr) {
        load_pointer(out, *last);
    }
}

void X86Frame::emit_epilogue(Assembler& out) const {
    const asmjit::Label is_default = jump_if_default_mode(out);
    out.ldmxcsr(x86::dword_ptr(x86::rsp, mxcsr_));
    out.bind(is_default);
    out.vzeroupper();
    out.lea(x86::rsp, x86::qword_ptr(x86::rbp, -8 * static_cast<std::int32_t>(saved_.size())));
    for (auto r = saved_.rbegin(); r != saved_.rend(); ++r) {
        out.pop(x86::gpq(*r));
    }
    out.pop(x86::rbp);
    out.ret();
}

}  // namespace bitaxon::jit
