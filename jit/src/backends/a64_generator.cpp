#include "a64_generator.hpp"

#include "a64_instructions.hpp"
#include "a64_writer.hpp"
#include "first_error.hpp"
#include "unroll.hpp"

#include <bitaxon/core/error.hpp>

#include <algorithm>
#include <bit>
#include <cstddef>
#include <string>

namespace bitaxon::jit {
namespace {

namespace a64 = asmjit::a64;
namespace reg = a64_register;
using a64::Assembler;
using a64::CondCode;
using asmjit::imm;
using asmjit::Label;

constexpr std::uint32_t kAllotted = ~(1U << kScratch | 1U << kScratch2);

// A loop over tiles: the main one, or the one that ends it, over single vectors that may be shorter
// than a register.
struct Variant {
    int vectors = 1;
    bool masked = false;
    Allocation allocation;
};

class Generator {
  public:
    Generator(const Program& program, const CodeOptions& options)
        : options_(options), body_(legalise(program, Target::neon)), rows_(16 / body_.lane_bytes) {}

    MachineCode run();

  private:
    int vectors_of_main_loop(int wanted) const;
    void allocate_variants();
    void write_function(Assembler& out, A64Writer& writer, const A64Frame& frame);
    void write_loop(Assembler& out, A64Writer& writer, const A64Frame& frame,
                    const Variant& variant);
    void write_steps(Assembler& out, A64Writer& writer, const A64Frame& frame,
                     const Variant& variant);
    void count_rows(Assembler& out);
    void load_pinned(A64Writer& writer, const Variant& variant, bool of_tile);
    void load_states(A64Writer& writer, const A64Frame& frame, const Variant& variant);
    void store_results(A64Writer& writer, const Variant& variant);

    CodeOptions options_;
    Body body_;
    int rows_;
    std::vector<Variant> variants_;
};

// Vectors join their bits to a byte one after the other, so a tile is a part of a byte or whole
// bytes.
int Generator::vectors_of_main_loop(int wanted) const {
    const bool has_bits = std::any_of(body_.outputs.begin(), body_.outputs.end(),
                                      [](const ProgramOutput& output) { return output.bits; });
    const auto vectors = static_cast<unsigned>(wanted);
    return static_cast<int>(has_bits ? std::bit_floor(vectors) : vectors);
}

void Generator::allocate_variants() {
    RegisterFile file;
    file.vectors = kAllotted;
    file.stack_form = MemoryForm::none;
    const std::vector<OperandRules> rules = a64_operand_rules(body_);
    const Scheduler scheduler(body_);
    constexpr int kByteOfRows = 8;
    const LoopShape shape = choose_loop_shape(body_, scheduler, std::popcount(kAllotted),
                                              kByteOfRows, options_.unroll, false);
    const auto add = [&](int vectors, bool masked, bool pin) {
        const Schedule schedule = scheduler.run(vectors, shape.budget);
        const int pins = pin ? spare_registers(file, schedule) : 0;
        variants_.push_back({vectors, masked, allocate(body_, schedule, rules, file, pins)});
    };
    const int vectors = vectors_of_main_loop(shape.vectors);
    if (vectors > 1) {
        add(vectors, false, true);
    }
    add(1, true, vectors == 1 || body_.has_steps);
}

void Generator::load_pinned(A64Writer& writer, const Variant& variant, bool of_tile) {
    for (const Pinned& pinned : variant.allocation.pinned) {
        if (is_shared(body_.nodes[pinned.node].op) != of_tile) {
            writer.load(pinned.node, pinned.vector, pinned.target);
        }
    }
}

void Generator::load_states(A64Writer& writer, const A64Frame& frame, const Variant& variant) {
    for (const Carried& carried : variant.allocation.carried) {
        if (carried.now == kNoNode) {
            continue;
        }
        const bool on_stack = carried.home == kOnStack;
        writer.load_array(frame.input(carried.input), body_.nodes[carried.now].type, carried.vector,
                          on_stack ? kScratch : carried.home);
        if (on_stack) {
            writer.spill(carried.slot, kScratch);
        }
    }
}

void Generator::store_results(A64Writer& writer, const Variant& variant) {
    for (const Carried& carried : variant.allocation.carried) {
        std::uint8_t from = carried.home;
        if (from == kOnStack) {
            from = kScratch2;
            writer.reload(carried.slot, from);
        }
        writer.store(carried.output, carried.next, carried.vector, from);
    }
}

void Generator::write_steps(Assembler& out, A64Writer& writer, const A64Frame& frame,
                            const Variant& variant) {
    const auto field = [](std::size_t offset) {
        return a64::ptr(reg::frame, static_cast<std::int32_t>(offset));
    };
    frame.emit_point(out, false);
    load_pinned(writer, variant, true);
    load_states(writer, frame, variant);
    out.ldr(reg::step, field(offsetof(Frame, first_step)));
    out.ldr(reg::steps_left, field(offsetof(Frame, steps)));

    const Label again = out.newLabel();
    out.bind(again);
    writer.write(variant.allocation.code);
    frame.emit_next_step(out);
    out.add(reg::step, reg::step, imm(1));
    out.sub(reg::steps_left, reg::steps_left, imm(1));
    out.cbnz(reg::steps_left, again);
    store_results(writer, variant);
}

// rows = min(end - row, a vector's rows)
void Generator::count_rows(Assembler& out) {
    out.sub(reg::rows, reg::end, reg::row);
    out.mov(reg::scratch, imm(rows_));
    out.cmp(reg::rows, reg::scratch);
    out.csel(reg::rows, reg::rows, reg::scratch, imm(CondCode::kLT));
    out.sub(reg::missing, reg::scratch, reg::rows);
}

void Generator::write_loop(Assembler& out, A64Writer& writer, const A64Frame& frame,
                           const Variant& variant) {
    const int tile_rows = variant.vectors * rows_;
    const Label done = out.newLabel();
    const Label again = out.newLabel();
    // `row < end` for masked tiles, `row <= end - tile` for whole ones.
    const a64::GpX bound = variant.masked ? reg::end : reg::limit;
    if (!variant.masked) {
        out.sub(reg::limit, reg::end, imm(tile_rows));
    }
    out.cmp(reg::row, bound);
    out.b(variant.masked ? CondCode::kGE : CondCode::kGT, done);
    writer.begin(variant.allocation, variant.vectors, variant.masked);
    load_pinned(writer, variant, false);
    out.bind(again);
    if (variant.masked) {
        count_rows(out);
    }
    if (body_.has_steps) {
        write_steps(out, writer, frame, variant);
    } else {
        frame.emit_point(out, true);
        writer.write(variant.allocation.code);
        frame.emit_next_rows(out, tile_rows);
    }
    out.add(reg::row, reg::row, imm(tile_rows));
    out.cmp(reg::row, bound);
    out.b(variant.masked ? CondCode::kLT : CondCode::kLE, again);
    out.bind(done);
}

void Generator::write_function(Assembler& out, A64Writer& writer, const A64Frame& frame) {
    const Label constants = out.newLabel();
    frame.emit_prologue(out, constants);
    if (!body_.has_steps) {
        frame.emit_point(out, false);
    }
    for (const Variant& variant : variants_) {
        write_loop(out, writer, frame, variant);
    }
    frame.emit_epilogue(out);
    writer.write_stubs();
    writer.write_constants(constants);
}

MachineCode Generator::run() {
    allocate_variants();
    std::vector<const Allocation*> allocations;
    std::size_t placements = 0;
    for (const Variant& variant : variants_) {
        allocations.push_back(&variant.allocation);
        placements += variant.allocation.code.size();
    }
    const A64Frame frame(body_, allocations);
    ConstantTable constants(body_, register_bytes(Target::neon), rows_, 0);

    asmjit::CodeHolder holder;
    FirstError error;
    asmjit::StringLogger logger;
    holder.init(asmjit::Environment(asmjit::Arch::kAArch64));
    holder.setErrorHandler(&error);
    if (options_.listing) {
        holder.setLogger(&logger);
    }
    holder.reserveBuffer(&holder.textSection()->buffer(), placements * 16 + 4096);
    Assembler out(&holder);
    A64Writer writer(out, body_, frame, constants);
    write_function(out, writer, frame);
    if (!error.message().empty()) {
        throw Error(ErrorCode::unsupported, "machine code: " + error.message());
    }

    const asmjit::CodeBuffer& buffer = holder.textSection()->buffer();
    const Variant& main = variants_.front();
    MachineCode code;
    code.memory = ExecutableMemory(
        std::as_bytes(std::span<const std::uint8_t>(buffer.data(), buffer.size())));
    code.function = std::bit_cast<RowFunction>(code.memory.data());
    code.target = Target::neon;
    code.rows_per_vector = rows_;
    code.unroll = main.vectors;
    code.registers = std::popcount(main.allocation.used);
    code.spills = main.allocation.spills;
    code.code_bytes = buffer.size();
    if (options_.listing) {
        code.listing = std::string(logger.data(), logger.dataSize());
    }
    return code;
}

}  // namespace

MachineCode generate_a64(const Program& program, const CodeOptions& options) {
    return Generator(program, options).run();
}

}  // namespace bitaxon::jit
