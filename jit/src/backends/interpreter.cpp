#include "interpreter.hpp"

#include "../ir/out_of_line.hpp"
#include "../ir/semantics.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <new>

namespace bitaxon::jit {
namespace {

// Rows of a block: a multiple of 8 for packed bits, and small enough that the values of a middling
// program stay in the L1 cache.
constexpr std::int64_t kBlock = 256;
constexpr std::size_t kSlotBytes = kBlock * 8;
constexpr std::uint32_t kNoSlot = 0xffffffff;

struct Aligned {
    void operator()(std::byte* p) const noexcept { ::operator delete[](p, std::align_val_t{64}); }
};
using Buffer = std::unique_ptr<std::byte[], Aligned>;

Buffer buffer(std::size_t bytes) {
    return Buffer(static_cast<std::byte*>(::operator new[](bytes, std::align_val_t{64})));
}

void fill(std::byte* out, std::uint64_t bits, int lane_bytes, std::size_t count) {
    if (lane_bytes == 8) {
        std::fill_n(reinterpret_cast<std::uint64_t*>(out), count, bits);
    } else {
        std::fill_n(reinterpret_cast<std::uint32_t*>(out), count, static_cast<std::uint32_t>(bits));
    }
}

std::uint64_t lane(const void* lanes, int lane_bytes, std::size_t i) {
    return lane_bytes == 8 ? static_cast<const std::uint64_t*>(lanes)[i]
                           : static_cast<const std::uint32_t*>(lanes)[i];
}

void set_lane(void* lanes, int lane_bytes, std::size_t i, std::uint64_t bits) {
    if (lane_bytes == 8) {
        static_cast<std::uint64_t*>(lanes)[i] = bits;
    } else {
        static_cast<std::uint32_t*>(lanes)[i] = static_cast<std::uint32_t>(bits);
    }
}

// One node to compute, with slots in place of node numbers.
struct Instruction {
    Op op;
    std::uint8_t count;
    std::uint8_t lane_bytes;
    std::array<std::uint8_t, kMaxArguments> argument_bytes;
    std::uint32_t out;
    std::array<std::uint32_t, kMaxArguments> args;
    std::uint64_t payload;
    PrimitiveFunction function;
};

struct OutputPlan {
    std::uint32_t slot;
    std::uint8_t lane_bytes;
    std::uint8_t element_bytes;
    bool per_step;
    bool bits;
};

struct StatePlan {
    std::uint32_t now;
    std::uint32_t next;
    std::uint8_t lane_bytes;
};

}  // namespace

struct Interpreter::Plan {
    std::vector<Instruction> once;       ///< the same in all rows and steps
    std::vector<Instruction> per_block;  ///< read at the beginning of a block
    std::vector<Instruction> per_step;   ///< the computation
    std::vector<OutputPlan> outputs;
    std::vector<StatePlan> states;
    std::vector<bool> input_per_step;
    std::uint32_t slots = 0;
};

namespace {

// Gives out slots, and takes them back after a value's last use.
class Slots {
  public:
    std::uint32_t take() {
        if (free_.empty()) {
            return count_++;
        }
        const std::uint32_t slot = free_.back();
        free_.pop_back();
        return slot;
    }
    void give_back(std::uint32_t slot) { free_.push_back(slot); }
    std::uint32_t count() const { return count_; }

  private:
    std::vector<std::uint32_t> free_;
    std::uint32_t count_ = 0;
};

bool is_fixed(const Program& program, const Node& node) {
    switch (node.op) {
        case Op::constant:
        case Op::uniform: return true;
        case Op::row: return true;
        case Op::input: return !program.inputs[node.payload].per_step;
        default: return false;
    }
}

}  // namespace

Interpreter::Interpreter(const Program& program) {
    auto plan = std::make_unique<Plan>();
    const std::vector<NodeId> roots = program.roots();
    const Graph& graph = program.graph;
    const std::vector<NodeId> nodes = reachable(graph, roots);
    std::vector<std::uint32_t> uses = use_counts(graph, roots);
    std::vector<std::uint32_t> slot(graph.size(), kNoSlot);
    Slots slots;
    // What is fixed over steps is written before everything else, so that its slots are its own.
    for (const NodeId id : nodes) {
        if (is_fixed(program, graph[id])) {
            slot[id] = slots.take();
        }
    }
    for (const NodeId id : nodes) {
        const Node& node = graph[id];
        Instruction instruction{node.op,
                                node.count,
                                static_cast<std::uint8_t>(lane_bytes(node.type)),
                                {},
                                0,
                                {},
                                node.payload,
                                primitive_function(node.op, node.type)};
        for (std::size_t i = 0; i < node.count; ++i) {
            instruction.args[i] = slot[node.args[i]];
            instruction.argument_bytes[i] =
                static_cast<std::uint8_t>(lane_bytes(graph.type(node.args[i])));
        }
        if (slot[id] == kNoSlot) {
            slot[id] = slots.take();
        }
        instruction.out = slot[id];
        if (node.op == Op::constant || node.op == Op::uniform) {
            plan->once.push_back(instruction);
        } else {
            (is_fixed(program, node) ? plan->per_block : plan->per_step).push_back(instruction);
        }
        // A slot is free again after its last reader.
        for (const NodeId argument : node.arguments()) {
            if (--uses[argument] == 0 && !is_fixed(program, graph[argument])) {
                slots.give_back(slot[argument]);
            }
        }
    }
    for (const ProgramOutput& output : program.outputs) {
        plan->outputs.push_back(
            {slot[output.value], static_cast<std::uint8_t>(lane_bytes(graph.type(output.value))),
             static_cast<std::uint8_t>(element_bytes(output.type)), output.per_step, output.bits});
    }
    for (const ProgramState& state : program.states) {
        std::uint32_t now = kNoSlot;
        for (const NodeId id : nodes) {
            if (graph[id].op == Op::input && graph[id].payload == state.input) {
                now = slot[id];
            }
        }
        plan->states.push_back({now, slot[state.next],
                                static_cast<std::uint8_t>(lane_bytes(graph.type(state.next)))});
    }
    for (const ProgramInput& input : program.inputs) {
        plan->input_per_step.push_back(input.per_step);
    }
    // States are replaced all at once: their next values pass through slots of their own.
    plan->slots = slots.count() + static_cast<std::uint32_t>(program.states.size());
    plan_ = std::move(plan);
}

Interpreter::Interpreter(Interpreter&&) noexcept = default;
Interpreter::~Interpreter() = default;

namespace {

void run_rare(const Instruction& instruction, std::byte* const* slots, std::size_t count) {
    const OutOfLineFunction function = out_of_line_functions()[instruction.payload].function;
    const auto read = [&](std::size_t argument, std::size_t i) {
        return lane(slots[instruction.args[argument]], instruction.argument_bytes[argument], i);
    };
    for (std::size_t i = 0; i < count; ++i) {
        std::uint64_t result = read(1, i);
        if (read(0, i) != 0) {
            std::array<std::uint64_t, kMaxArguments> arguments{};
            for (std::size_t k = 2; k < instruction.count; ++k) {
                arguments[k - 2] = read(k, i);
            }
            result = function(arguments.data());
        }
        set_lane(slots[instruction.out], instruction.lane_bytes, i, result);
    }
}

void run_source(const Instruction& instruction, std::byte* const* slots, const Frame& frame,
                const void* input, std::int64_t step, std::int64_t begin, std::size_t count) {
    std::byte* out = slots[instruction.out];
    switch (instruction.op) {
        case Op::constant: fill(out, instruction.payload, instruction.lane_bytes, count); break;
        case Op::uniform:
            fill(out, frame.uniforms[instruction.payload], instruction.lane_bytes, count);
            break;
        case Op::input:
            std::memcpy(out,
                        static_cast<const std::byte*>(input) + begin * instruction.lane_bytes,
                        count * instruction.lane_bytes);
            break;
        case Op::row:
            for (std::size_t i = 0; i < count; ++i) {
                reinterpret_cast<std::int64_t*>(out)[i] =
                    frame.first_row + begin + static_cast<std::int64_t>(i);
            }
            break;
        case Op::step:
            fill(out, static_cast<std::uint64_t>(frame.first_step + step), 8, count);
            break;
        default: break;
    }
}

void store_bits(const std::byte* lanes, int lane_bytes, std::uint8_t* out, std::size_t count) {
    for (std::size_t i = 0; i < count; i += 8) {
        unsigned byte = 0;
        for (std::size_t k = i; k < std::min(i + 8, count); ++k) {
            byte |= (lane(lanes, lane_bytes, k) != 0 ? 1U : 0U) << (k - i);
        }
        out[i / 8] = static_cast<std::uint8_t>(byte);
    }
}

// A byte for a mask, the low half of what fits an i16.
void store_narrow(const OutputPlan& output, const std::byte* lanes, std::byte* out,
                  std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
        const std::uint64_t value = lane(lanes, output.lane_bytes, i);
        if (output.element_bytes == 1) {
            out[i] = std::byte{value != 0};
        } else {
            const auto half = static_cast<std::uint16_t>(value);
            std::memcpy(out + 2 * i, &half, sizeof half);
        }
    }
}

void store(const OutputPlan& output, const std::byte* lanes, void* array, std::int64_t begin,
           std::size_t count) {
    if (output.bits) {
        store_bits(lanes, output.lane_bytes, static_cast<std::uint8_t*>(array) + begin / 8, count);
        return;
    }
    std::byte* const out = static_cast<std::byte*>(array) + begin * output.element_bytes;
    if (output.element_bytes == output.lane_bytes) {
        std::memcpy(out, lanes, count * output.lane_bytes);
    } else {
        store_narrow(output, lanes, out, count);
    }
}

}  // namespace

void Interpreter::run(const Frame& frame, std::int64_t begin, std::int64_t end) const {
    if (begin >= end) {
        return;
    }
    const DefaultFloatEnvironment environment;
    const Plan& plan = *plan_;
    const Buffer memory = buffer(plan.slots * kSlotBytes);
    std::vector<std::byte*> slots(plan.slots);
    for (std::size_t i = 0; i < slots.size(); ++i) {
        slots[i] = memory.get() + i * kSlotBytes;
    }
    std::byte* const* next_states = slots.data() + (slots.size() - plan.states.size());

    const auto widest = static_cast<std::size_t>(std::min(end - begin, kBlock));
    for (const Instruction& instruction : plan.once) {
        run_source(instruction, slots.data(), frame, nullptr, 0, 0, widest);
    }
    for (std::int64_t row = begin; row < end; row += kBlock) {
        const auto count = static_cast<std::size_t>(std::min(end - row, kBlock));
        for (const Instruction& instruction : plan.per_block) {
            const void* input =
                instruction.op == Op::input ? frame.inputs[instruction.payload] : nullptr;
            run_source(instruction, slots.data(), frame, input, 0, row, count);
        }
        for (std::int64_t step = 0; step < frame.steps; ++step) {
            for (const Instruction& instruction : plan.per_step) {
                if (instruction.function != nullptr) {
                    std::array<const void*, kMaxArguments> arguments{};
                    for (std::size_t i = 0; i < instruction.count; ++i) {
                        arguments[i] = slots[instruction.args[i]];
                    }
                    instruction.function(arguments.data(), slots[instruction.out], count);
                } else if (instruction.op == Op::rare) {
                    run_rare(instruction, slots.data(), count);
                } else {
                    const void* input = nullptr;
                    if (instruction.op == Op::input) {
                        const std::size_t number = instruction.payload;
                        input = static_cast<const std::byte*>(frame.inputs[number]) +
                                step * frame.input_step_bytes[number];
                    }
                    run_source(instruction, slots.data(), frame, input, step, row, count);
                }
            }
            for (std::size_t k = 0; k < plan.outputs.size(); ++k) {
                const OutputPlan& output = plan.outputs[k];
                if (output.per_step) {
                    store(output, slots[output.slot],
                          static_cast<std::byte*>(frame.outputs[k]) +
                              step * frame.output_step_bytes[k],
                          row, count);
                } else if (step + 1 == frame.steps && k >= plan.states.size()) {
                    store(output, slots[output.slot], frame.outputs[k], row, count);
                }
            }
            for (std::size_t k = 0; k < plan.states.size(); ++k) {
                const StatePlan& state = plan.states[k];
                std::memcpy(next_states[k], slots[state.next], count * state.lane_bytes);
            }
            for (std::size_t k = 0; k < plan.states.size(); ++k) {
                const StatePlan& state = plan.states[k];
                if (state.now != kNoSlot) {
                    std::memcpy(slots[state.now], next_states[k], count * state.lane_bytes);
                }
            }
        }
        for (std::size_t k = 0; k < plan.states.size(); ++k) {
            store(plan.outputs[k], next_states[k], frame.outputs[k], row, count);
        }
    }
}

}  // namespace bitaxon::jit
