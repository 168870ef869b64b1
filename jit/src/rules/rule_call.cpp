// Runs steps of a bound rule: which code, over which arrays.
#include "bound_rule_state.hpp"

#include <bitaxon/core/error.hpp>

#include <algorithm>
#include <array>
#include <cstring>

namespace bitaxon::jit {
namespace {

// Rows that external functions are called with at once.
constexpr std::size_t kExternalBlock = 1024;

// A program, the targets that it may run on, and the uniform values that it reads.
struct Runner {
    const TieredProgram* program = nullptr;
    Targets targets;
    std::vector<std::uint64_t> uniforms;

    const MachineCode* code() const { return program->code(targets, false); }
    void run(Frame frame, std::size_t begin, std::size_t end) const {
        frame.uniforms = uniforms.data();
        const auto first = static_cast<std::int64_t>(begin);
        const auto last = static_cast<std::int64_t>(end);
        if (const MachineCode* ready = code()) {
            ready->function(&frame, first, last);
        } else {
            program->interpret(frame, first, last);
        }
    }
};

// The array whose row `first` stands at `block`.
void* row_zero(double* block, std::size_t first) {
    return reinterpret_cast<void*>(reinterpret_cast<std::uintptr_t>(block) -
                                   first * sizeof(double));
}

}  // namespace

struct BoundRule::Call::Plan {
    void set_uniforms(const BoundRule::State& state, const StepRun& run, Type current_type,
                      bool uniform_current, Runner& runner) const;
    void check_overlap(std::size_t begin, std::size_t end) const;
    void run_steps_apart(std::size_t begin, std::size_t end) const;
    void run_block(Frame frame, std::vector<const void*>& step_inputs, std::size_t begin,
                   std::size_t end) const;

    const StepProgram* programs = nullptr;
    const FunctionTable* functions = nullptr;
    Runner main;
    std::vector<Runner> levels;  ///< the arguments of external calls
    Frame frame{};
    std::vector<const void*> inputs;
    std::vector<void*> outputs;
    std::vector<std::int64_t> input_step_bytes;
    std::vector<std::int64_t> output_step_bytes;
};

void BoundRule::Call::Plan::set_uniforms(const BoundRule::State& state, const StepRun& run,
                                         Type current_type, bool uniform_current,
                                         Runner& runner) const {
    std::vector<std::uint64_t>& uniforms = runner.uniforms;
    uniforms.resize(std::max(state.uniforms.size(), runner.program->prologue().slots()));
    std::copy(state.uniforms.begin(), state.uniforms.end(), uniforms.begin());
    if (uniform_current && run.current != nullptr) {
        if (lane_bytes(current_type) == 8) {
            std::memcpy(&uniforms[Slots::current], run.current, 8);
        } else {
            std::uint32_t bits = 0;
            std::memcpy(&bits, run.current, 4);
            uniforms[Slots::current] = bits * std::uint64_t{0x100000001};
        }
    }
    runner.program->prologue().run(uniforms.data());
}

BoundRule::Call::Call(const BoundRule& rule, const StepRun& run, const RunCall& call,
                      const ExecutionContext& context)
    : plan_(std::make_unique<Plan>()) {
    const BoundRule::State& s = *rule.state_;
    const Rule::State& made = *s.rule.state();
    Signature signature = s.signature;
    signature.current = s.rule.takes_current() ? run.current_kind : CurrentKind::uniform;
    signature.recorded.assign(run.recorded.begin(), run.recorded.end());
    Plan& p = *plan_;
    p.programs = &s.program(signature, call, context);
    p.functions = &made.functions();

    for (std::size_t k = 0; k < s.step->states.size(); ++k) {
        p.inputs.push_back(run.states[k]);
        p.outputs.push_back(run.states[k]);
    }
    p.input_step_bytes.resize(p.inputs.size(), 0);
    p.output_step_bytes.resize(p.outputs.size(), 0);
    for (const StepProgram::Array& array : p.programs->arrays) {
        const bool is_current = array.kind == LeafKind::current;
        p.inputs.push_back(is_current ? run.current
                           : array.kind == LeafKind::parameter
                               ? s.parameter_arrays[array.index].data()
                               : s.derived_arrays[array.index].data());
        p.input_step_bytes.push_back(is_current ? run.current_step_bytes : 0);
    }
    if (s.rule.spikes()) {
        p.outputs.push_back(run.spikes);
        p.output_step_bytes.push_back(run.spike_step_bytes);
    }
    for (std::size_t k = 0; k < run.recorded.size(); ++k) {
        p.outputs.push_back(run.records[k]);
        p.output_step_bytes.push_back(run.record_step_bytes[k]);
    }
    p.frame = {p.inputs.data(),
               p.outputs.data(),
               nullptr,
               p.input_step_bytes.data(),
               p.output_step_bytes.data(),
               0,
               run.first_step,
               run.steps};

    const bool uniform_current = signature.current == CurrentKind::uniform;
    const std::size_t neurons = s.options.neurons;
    const Targets targets = targets_of(context.tier(), neurons == 1);
    const auto prepare = [&](Runner& runner, const TieredProgram& program) {
        runner.program = &program;
        runner.targets = targets;
        const double work = static_cast<double>(neurons) * static_cast<double>(call.steps) *
                            static_cast<double>(1 + program.operations());
        promote(program, targets, false, {call.number, work, call.wait}, s.options.thresholds,
                context, s);
        p.set_uniforms(s, run, rule.current_type(), uniform_current, runner);
    };
    for (const StepProgram::CallLevel& level : p.programs->levels) {
        prepare(p.levels.emplace_back(), *level.arguments);
    }
    prepare(p.main, *p.programs->program);
}

BoundRule::Call::Call(Call&&) noexcept = default;
BoundRule::Call::~Call() = default;

std::size_t BoundRule::Call::operations() const noexcept {
    return plan_->main.program->operations();
}

std::string_view BoundRule::Call::backend() const noexcept {
    const MachineCode* code = plan_->main.code();
    return code == nullptr ? "interpreter" : name(code->target);
}

void BoundRule::Call::run(std::size_t begin, std::size_t end) const {
    const Plan& p = *plan_;
    p.check_overlap(begin, end);
    const bool has_states = !p.main.program->program().states.empty();
    if (p.levels.empty() && (has_states || p.frame.steps == 1)) {
        p.main.run(p.frame, begin, end);
    } else {
        p.run_steps_apart(begin, end);
    }
}

// What is the same in all steps is read once by one backend and in every step by another.
void BoundRule::Call::Plan::check_overlap(std::size_t begin, std::size_t end) const {
    const Program& program = main.program->program();
    struct Bytes {
        std::uintptr_t first;
        std::uintptr_t last;
    };
    const auto rows_of = [&](const void* array, Type type, bool bits) {
        const auto at = reinterpret_cast<std::uintptr_t>(array);
        const auto lane = static_cast<std::size_t>(lane_bytes(type));
        return bits ? Bytes{at + begin / 8, at + (end + 7) / 8}
                    : Bytes{at + begin * lane, at + end * lane};
    };
    for (std::size_t o = program.states.size(); o < outputs.size(); ++o) {
        const ProgramOutput& output = program.outputs[o];
        Bytes written = rows_of(outputs[o], output.type, output.bits);
        const std::int64_t moved = output_step_bytes[o] * (frame.steps - 1);
        (moved < 0 ? written.first : written.last) += static_cast<std::uintptr_t>(moved);
        for (std::size_t i = 0; i < inputs.size(); ++i) {
            const ProgramInput& input = program.inputs[i];
            const Bytes read = rows_of(inputs[i], input.type, false);
            if (!input.per_step && written.first < read.last && read.first < written.last) {
                throw_error(ErrorCode::invalid_shape, output.bits ? "spikes" : "records",
                            "memory that overlaps a state or a parameter", "memory of its own");
            }
        }
    }
}

// Without states there is nothing to carry from step to step in registers, and external functions
// are called for all neurons of a step before the next: one program run a step.
void BoundRule::Call::Plan::run_steps_apart(std::size_t begin, std::size_t end) const {
    std::vector<const void*> step_inputs = inputs;
    std::vector<void*> step_outputs = outputs;
    Frame at = frame;
    at.outputs = step_outputs.data();
    at.steps = 1;
    for (std::int64_t step = 0; step < frame.steps; ++step) {
        const std::size_t block = levels.empty() ? end - begin : kExternalBlock;
        for (std::size_t first = begin; first < end; first += block) {
            run_block(at, step_inputs, first, std::min(end, first + block));
        }
        for (std::size_t k = 0; k < step_inputs.size(); ++k) {
            step_inputs[k] = static_cast<const std::byte*>(step_inputs[k]) + input_step_bytes[k];
        }
        for (std::size_t k = 0; k < step_outputs.size(); ++k) {
            step_outputs[k] = static_cast<std::byte*>(step_outputs[k]) + output_step_bytes[k];
        }
        ++at.first_step;
    }
}

void BoundRule::Call::Plan::run_block(Frame at, std::vector<const void*>& step_inputs,
                                      std::size_t begin, std::size_t end) const {
    using Block = std::array<double, kExternalBlock>;
    std::vector<Block> results;
    std::vector<const void*> block_inputs = step_inputs;
    std::vector<std::int64_t> block_step_bytes = input_step_bytes;
    std::size_t calls = 0;
    for (const StepProgram::CallLevel& level : programs->levels) {
        calls += level.calls.size();
    }
    results.resize(calls);
    for (Block& result : results) {
        block_inputs.push_back(row_zero(result.data(), begin));
        block_step_bytes.push_back(0);
    }
    at.inputs = block_inputs.data();
    at.input_step_bytes = block_step_bytes.data();

    std::size_t call_number = 0;
    for (std::size_t k = 0; k < levels.size(); ++k) {
        std::vector<Block> arguments(levels[k].program->program().outputs.size());
        std::vector<void*> argument_rows;
        for (Block& argument : arguments) {
            argument_rows.push_back(row_zero(argument.data(), begin));
        }
        const std::vector<std::int64_t> no_steps(arguments.size(), 0);
        Frame argument_frame = at;
        argument_frame.outputs = argument_rows.data();
        argument_frame.output_step_bytes = no_steps.data();
        levels[k].run(argument_frame, begin, end);
        std::size_t next = 0;
        for (const StepProgram::ExternalCall& call : programs->levels[k].calls) {
            std::array<const double*, kMaxArguments> given{};
            for (std::size_t j = 0; j < call.arguments; ++j) {
                given[j] = arguments[next++].data();
            }
            std::get<ExternalFunction>((*functions)[call.function].body)
                .call(given.data(), results[call_number++].data(), end - begin);
        }
    }
    main.run(at, begin, end);
}

}  // namespace bitaxon::jit
