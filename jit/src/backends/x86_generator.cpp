#include "x86_generator.hpp"

#include "branches.hpp"
#include "first_error.hpp"
#include "unroll.hpp"
#include "x86_instructions.hpp"
#include "x86_writer.hpp"

#include <bitaxon/core/error.hpp>

#include <asmjit/x86.h>

#include <algorithm>
#include <bit>
#include <string>

namespace bitaxon::jit {
namespace {

using asmjit::Label;
using asmjit::x86::Assembler;
namespace x86 = asmjit::x86;
namespace reg = x86_register;

constexpr std::uint32_t kLoopAlignment = 32;
constexpr std::uint32_t kTableAlignment = 64;
constexpr int kLineBytes = 64;
// Calls for fewer vectors of rows don't align their stores.
constexpr int kHeadFrom = 8;

bool is_narrow(const ProgramOutput& output) {
    return !output.bits && element_bytes(output.type) < 4;
}

// `scratch`: a vector register is needed between instructions.
RegisterFile register_file(Target target, bool masked, bool scratch) {
    RegisterFile file;
    file.mask_registers = has_mask_registers(target);
    const auto form = [&](Home home) -> MemoryForm& {
        return file.forms[static_cast<std::size_t>(home)];
    };
    form(Home::input) = masked || target == Target::lane ? MemoryForm::none : MemoryForm::whole;
    if (target == Target::avx512) {
        file.vectors = 0xffffffff;
        file.masks = masked ? 0x7e : 0xfe;  // k0 stands for "no mask"; k7 is the tail's
        form(Home::constant) = MemoryForm::repeated;
        form(Home::uniform) = MemoryForm::repeated;
        form(Home::step) = MemoryForm::repeated;
    } else {
        file.vectors = masked || scratch ? 0x7fff : 0xffff;
        form(Home::constant) = MemoryForm::whole;
    }
    return file;
}

// A loop over tiles: the main one, or the masked one that ends it.
struct Variant {
    int vectors = 1;
    bool masked = false;
    RegisterFile file;
    Allocation allocation;
};

class Generator {
  public:
    Generator(const Program& program, Target target, const CodeOptions& options)
        : target_(target), options_(options), body_(legalise(program, target)),
          rows_(rows_per_vector(target, body_.lane_bytes)) {
        if (target == Target::lane) {
            branch_on_decisions(body_);
        }
    }

    MachineCode run();

  private:
    void allocate_variants();
    bool has_head() const;
    void write_head(Assembler& out, const X86Frame& frame, const Label& main,
                    const Label& tail) const;
    void write_function(Assembler& out, X86Writer& writer, const X86Frame& frame,
                        ConstantTable& constants);
    void write_loop(Assembler& out, X86Writer& writer, const X86Frame& frame,
                    const Variant& variant);
    void write_steps(Assembler& out, X86Writer& writer, const X86Frame& frame,
                     const Variant& variant);
    void point_at_tile(Assembler& out, const X86Frame& frame);
    void advance_arrays(Assembler& out, const X86Frame& frame);
    void load_pinned(X86Writer& writer, const Variant& variant, bool of_tile);
    void load_states(X86Writer& writer, const X86Frame& frame, const Variant& variant);
    void store_results(X86Writer& writer, const Variant& variant);
    std::uint8_t spare_register(const Variant& variant) const;

    Target target_;
    CodeOptions options_;
    Body body_;
    int rows_;
    LoopShape shape_;
    std::vector<Variant> variants_;
};

void Generator::allocate_variants() {
    const bool scratch = std::any_of(body_.outputs.begin(), body_.outputs.end(), is_narrow);
    const RegisterFile unmasked = register_file(target_, false, scratch);
    const Scheduler scheduler(body_);
    shape_ = choose_loop_shape(body_, scheduler, std::popcount(unmasked.vectors), rows_,
                               options_.unroll, options_.streaming_stores);
    const std::vector<OperandRules> rules = x86_operand_rules(body_, target_);
    const auto add = [&](int vectors, bool masked, bool pin) {
        Variant variant{vectors, masked, register_file(target_, masked, scratch), {}};
        const Schedule schedule = scheduler.run(vectors, shape_.budget);
        const int pins = pin ? spare_registers(variant.file, schedule) : 0;
        variant.allocation = allocate(body_, schedule, rules, variant.file, pins);
        variants_.push_back(std::move(variant));
    };
    if (!shape_.only_masked) {
        add(shape_.vectors, false, true);
    }
    if (shape_.tail_vectors > 0) {
        add(shape_.tail_vectors, true, shape_.only_masked || body_.has_steps);
    }
}

// A register that holds nothing at the start and at the end of a tile.
std::uint8_t Generator::spare_register(const Variant& variant) const {
    std::uint32_t taken = 0;
    for (const Pinned& pinned : variant.allocation.pinned) {
        taken |= 1U << pinned.target;
    }
    for (const Carried& carried : variant.allocation.carried) {
        taken |= carried.home != kOnStack ? 1U << carried.home : 0;
    }
    return static_cast<std::uint8_t>(std::countr_zero(variant.file.vectors & ~taken));
}

void Generator::load_pinned(X86Writer& writer, const Variant& variant, bool of_tile) {
    for (const Pinned& pinned : variant.allocation.pinned) {
        if (is_shared(body_.nodes[pinned.node].op) != of_tile) {
            writer.load(pinned.node, pinned.vector, pinned.target);
        }
    }
}

void Generator::load_states(X86Writer& writer, const X86Frame& frame, const Variant& variant) {
    const std::uint8_t spare = spare_register(variant);
    for (const Carried& carried : variant.allocation.carried) {
        if (carried.now == kNoNode) {
            continue;
        }
        const Type type = body_.nodes[carried.now].type;
        const bool on_stack = carried.home == kOnStack;
        writer.load_array(frame.input(carried.input), type, carried.vector,
                          on_stack ? spare : carried.home);
        if (on_stack) {
            writer.spill(type, carried.slot, spare);
        }
    }
}

void Generator::store_results(X86Writer& writer, const Variant& variant) {
    const std::uint8_t spare = spare_register(variant);
    for (const Carried& carried : variant.allocation.carried) {
        const Type type = body_.nodes[carried.next].type;
        std::uint8_t from = carried.home;
        if (from == kOnStack) {
            const bool in_mask_register = has_mask_registers(target_) && is_mask(type);
            from = in_mask_register ? std::uint8_t{kFirstMaskRegister + 1} : spare;
            writer.reload(type, carried.slot, from);
        }
        writer.store(carried.output, carried.next, carried.vector, from);
    }
}

// Pointers of per-step arrays start at the tile's first row.
void Generator::point_at_tile(Assembler& out, const X86Frame& frame) {
    const auto point = [&](const X86Array& array) {
        if (!array.used || !array.per_step) {
            return;
        }
        const x86::Gp pointer =
            array.gp >= 0 ? x86::gpq(static_cast<std::uint32_t>(array.gp)) : reg::address;
        out.mov(pointer, reg::row);
        if (array.element_bytes == 0) {
            out.sar(pointer, 3);
        } else {
            out.shl(pointer, array.shift());
        }
        out.add(pointer, x86::qword_ptr(x86::rsp, array.base));
        if (array.gp < 0) {
            out.mov(x86::qword_ptr(x86::rsp, array.pointer), pointer);
        }
    };
    for (const X86Array& array : frame.inputs()) {
        point(array);
    }
    for (const X86Array& array : frame.outputs()) {
        point(array);
    }
}

void Generator::advance_arrays(Assembler& out, const X86Frame& frame) {
    const auto advance = [&](const X86Array& array) {
        if (!array.used || !array.per_step) {
            return;
        }
        const x86::Mem step_bytes = x86::qword_ptr(x86::rsp, array.step_bytes);
        if (array.gp >= 0) {
            out.add(x86::gpq(static_cast<std::uint32_t>(array.gp)), step_bytes);
        } else {
            out.mov(reg::address, step_bytes);
            out.add(x86::qword_ptr(x86::rsp, array.pointer), reg::address);
        }
    };
    for (const X86Array& array : frame.inputs()) {
        advance(array);
    }
    for (const X86Array& array : frame.outputs()) {
        advance(array);
    }
}

void Generator::write_steps(Assembler& out, X86Writer& writer, const X86Frame& frame,
                            const Variant& variant) {
    const x86::Mem step = x86::qword_ptr(x86::rsp, frame.step());
    load_pinned(writer, variant, true);
    load_states(writer, frame, variant);
    point_at_tile(out, frame);
    out.mov(reg::address, x86::qword_ptr(x86::rsp, frame.first_step()));
    out.mov(step, reg::address);

    const Label again = out.newLabel();
    out.align(asmjit::AlignMode::kCode, kLoopAlignment);
    out.bind(again);
    writer.forget();
    writer.write(variant.allocation.code);
    advance_arrays(out, frame);
    out.mov(reg::address, step);
    out.inc(reg::address);
    out.mov(step, reg::address);
    out.cmp(reg::address, x86::qword_ptr(x86::rsp, frame.last_step()));
    out.jl(again);
    writer.forget();
    store_results(writer, variant);
}

void Generator::write_loop(Assembler& out, X86Writer& writer, const X86Frame& frame,
                           const Variant& variant) {
    const int tile_rows = variant.vectors * rows_;
    const Label done = out.newLabel();
    const Label again = out.newLabel();
    // `row < end` for masked tiles, `row <= end - tile` for whole ones.
    const x86::Gp bound = variant.masked ? reg::end : reg::limit;
    const auto jump_unless = [&](const Label& label) {
        out.cmp(reg::row, bound);
        variant.masked ? out.jge(label) : out.jg(label);
    };
    if (!variant.masked) {
        out.lea(reg::limit, x86::qword_ptr(reg::end, -tile_rows));
    }
    jump_unless(done);
    writer.begin(variant.allocation, variant.vectors, variant.masked);
    load_pinned(writer, variant, false);
    if (!body_.has_steps) {
        out.align(asmjit::AlignMode::kCode, kLoopAlignment);
    }
    out.bind(again);
    writer.forget();
    if (variant.masked) {
        writer.write_tail_masks();
    }
    if (body_.has_steps) {
        write_steps(out, writer, frame, variant);
    } else {
        writer.write(variant.allocation.code);
    }
    out.add(reg::row, tile_rows);
    out.cmp(reg::row, bound);
    variant.masked ? out.jl(again) : out.jle(again);
    out.bind(done);
}

// Short bodies are bound by loads and stores, of which those that cross cache lines cost twice.
bool Generator::has_head() const {
    return shape_.tail_vectors > 0 && !body_.has_steps && !shape_.only_masked &&
           !options_.streaming_stores && !body_.outputs.empty() &&
           std::none_of(body_.outputs.begin(), body_.outputs.end(),
                        [](const ProgramOutput& o) { return o.bits || is_narrow(o); });
}

// The tail's code does the first rows too, up to where the first output is aligned: it sees an end
// that is nearer.
void Generator::write_head(Assembler& out, const X86Frame& frame, const Label& main,
                           const Label& tail) const {
    const X86Array& output = frame.output(0);
    const std::uint32_t shift = output.shift();
    out.mov(x86::qword_ptr(x86::rsp, frame.whole_end()), reg::end);
    out.lea(reg::scratch, x86::qword_ptr(reg::row, kHeadFrom * rows_));
    out.cmp(reg::scratch, reg::end);
    out.jg(main);
    if (output.gp >= 0) {
        out.lea(reg::address,
                x86::qword_ptr(x86::gpq(static_cast<std::uint32_t>(output.gp)), reg::row, shift));
    } else {
        out.mov(reg::address, x86::qword_ptr(x86::rsp, output.pointer));
        out.lea(reg::address, x86::qword_ptr(reg::address, reg::row, shift));
    }
    out.neg(reg::address);
    out.and_(reg::address, kLineBytes - 1);
    out.jz(main);
    out.shr(reg::address, shift);
    out.jz(main);
    out.lea(reg::end, x86::qword_ptr(reg::row, reg::address));
    out.jmp(tail);
}

void Generator::write_function(Assembler& out, X86Writer& writer, const X86Frame& frame,
                               ConstantTable& constants) {
    const Label table = out.newLabel();
    frame.emit_prologue(out, table);
    const Label main = out.newLabel();
    const Label tail = out.newLabel();
    if (has_head()) {
        write_head(out, frame, main, tail);
    }
    for (const Variant& variant : variants_) {
        out.bind(variant.masked ? tail : main);
        write_loop(out, writer, frame, variant);
    }
    if (has_head()) {
        const Label done = out.newLabel();
        out.mov(reg::address, x86::qword_ptr(x86::rsp, frame.whole_end()));
        out.cmp(reg::end, reg::address);
        out.je(done);
        out.mov(reg::row, reg::end);
        out.mov(reg::end, reg::address);
        out.jmp(main);
        out.bind(done);
    }
    if (options_.streaming_stores) {
        out.sfence();
    }
    frame.emit_epilogue(out);
    writer.write_stubs();
    out.align(asmjit::AlignMode::kData, kTableAlignment);
    out.bind(table);
    out.embed(constants.bytes().data(), constants.bytes().size());
}

MachineCode Generator::run() {
    allocate_variants();
    std::vector<const Allocation*> allocations;
    std::size_t placements = 0;
    for (const Variant& variant : variants_) {
        allocations.push_back(&variant.allocation);
        placements += variant.allocation.code.size();
    }
    const X86Frame frame(body_, target_, allocations, shape_.tail_vectors);
    const bool avx512 = target_ == Target::avx512;
    ConstantTable constants(body_, avx512 ? 8 : register_bytes(target_), rows_,
                            avx512 ? 0 : shape_.tail_vectors * rows_);

    asmjit::CodeHolder holder;
    FirstError error;
    asmjit::StringLogger logger;
    holder.init(asmjit::Environment(asmjit::Arch::kX64));
    holder.setErrorHandler(&error);
    if (options_.listing) {
        holder.setLogger(&logger);
    }
    holder.reserveBuffer(&holder.textSection()->buffer(), placements * 10 + 2048);
    Assembler out(&holder);
    X86Writer writer(out, body_, target_, frame, constants, options_.streaming_stores);
    write_function(out, writer, frame, constants);
    if (!error.message().empty()) {
        throw Error(ErrorCode::unsupported, "machine code: " + error.message());
    }

    const asmjit::CodeBuffer& buffer = holder.textSection()->buffer();
    MachineCode code;
    code.memory = ExecutableMemory(
        std::as_bytes(std::span<const std::uint8_t>(buffer.data(), buffer.size())));
    code.function = std::bit_cast<RowFunction>(code.memory.data());
    code.target = target_;
    code.rows_per_vector = rows_;
    code.unroll = shape_.vectors;
    const Allocation& main = variants_.front().allocation;
    code.registers = std::popcount(static_cast<std::uint32_t>(main.used));
    code.spills = main.spills;
    code.code_bytes = buffer.size();
    if (options_.listing) {
        code.listing = std::string(logger.data(), logger.dataSize());
    }
    return code;
}

}  // namespace

MachineCode generate_x86(const Program& program, Target target, const CodeOptions& options) {
    return Generator(program, target, options).run();
}

}  // namespace bitaxon::jit
