// One call of a kernel: which code runs it, on which threads, in which blocks.
#include "state.hpp"

#include <bitaxon/core/error.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>

namespace bitaxon::jit {
namespace {

constexpr std::size_t kExternalBlock = 1024;
// Rows x operations between two looks at a watched job: about 5 ms.
constexpr std::int64_t kWatchedOperations = 10'000'000;
// What long work is expected to take, for those who watch it.
constexpr double kNanosecondsPerOperation = 0.2;
// Rows that the interpreter runs before it looks whether machine code has come.
constexpr std::int64_t kInterpreterRows = 16'384;
// Below these a call stays on the caller's thread: waking another one takes a few microseconds.
constexpr std::size_t kParallelBytes = 512 * 1024;
constexpr std::size_t kParallelOperations = 400'000;
// Streaming stores save reading the lines that they replace; they pay where the outputs would not be
// found in a cache again.
constexpr std::size_t kStreamingBytes = 16 * 1024 * 1024;
constexpr std::size_t kCacheLine = 64;
constexpr std::size_t kNarrowestStreamed = 4;
// Uniform values that fit here need no memory.
constexpr std::size_t kInlineSlots = 192;

bool is_uniform(const Arguments& arguments, std::size_t k) { return (arguments.uniform >> k & 1) != 0; }

std::size_t width(Type type) { return static_cast<std::size_t>(element_bytes(type)); }

// Rows from `begin` on to the first at which all outputs that are streamed begin a cache line;
// nothing if there is no such row. Elements narrower than lanes are stored as ever.
std::optional<std::int64_t> rows_to_alignment(std::span<const Type> results, void* const* outputs,
                                              std::int64_t begin) {
    constexpr auto kMostRows = static_cast<std::int64_t>(kCacheLine / kNarrowestStreamed);
    for (std::int64_t rows = 0; rows < kMostRows; ++rows) {
        bool streams = false;
        bool aligned = true;
        for (std::size_t k = 0; k < results.size() && aligned; ++k) {
            const std::size_t bytes = width(results[k]);
            if (bytes >= kNarrowestStreamed) {
                const auto address = reinterpret_cast<std::uintptr_t>(outputs[k]) +
                                     static_cast<std::uintptr_t>(begin + rows) * bytes;
                streams = true;
                aligned = address % kCacheLine == 0;
            }
        }
        if (aligned) {
            return streams ? std::optional(rows) : std::nullopt;
        }
    }
    return std::nullopt;
}

// A stretch of rows of one call, with everything that its blocks have in common.
struct Run {
    const TieredProgram& program;
    std::span<const Type> results;
    const Frame& frame;
    std::optional<Target> target;
    bool streaming;

    const MachineCode* code(bool stream) const {
        return target ? program.code(*target, stream) : nullptr;
    }

    void rows(std::int64_t begin, std::int64_t end) const {
        if (streaming) {
            if (const MachineCode* streamed = code(true)) {
                const std::int64_t aligned = std::min(end, aligned_from(begin));
                plain(begin, aligned);
                streamed->function(&frame, aligned, end);
                return;
            }
        }
        plain(begin, end);
    }

    void plain(std::int64_t begin, std::int64_t end) const {
        while (begin < end) {
            if (const MachineCode* ready = code(false)) {
                ready->function(&frame, begin, end);
                return;
            }
            const std::int64_t next = std::min(end, begin + kInterpreterRows);
            program.interpret(frame, begin, next);
            begin = next;
        }
    }

    std::int64_t aligned_from(std::int64_t begin) const {
        return begin + *rows_to_alignment(results, frame.outputs, begin);
    }
};

bool is_in_place(const Arguments& arguments) {
    return std::any_of(arguments.outputs.begin(), arguments.outputs.end(), [&](const void* out) {
        return std::find(arguments.inputs.begin(), arguments.inputs.end(), out) !=
               arguments.inputs.end();
    });
}

void check_overlap(const Arguments& arguments, const Expression& expression) {
    const std::span<const Type> results = expression.results();
    const auto overlap = [&](const void* a, std::size_t a_width, const void* b,
                             std::size_t b_width) {
        const auto x = reinterpret_cast<std::uintptr_t>(a);
        const auto y = reinterpret_cast<std::uintptr_t>(b);
        return x < y + arguments.rows * b_width && y < x + arguments.rows * a_width;
    };
    for (std::size_t o = 0; o < arguments.outputs.size(); ++o) {
        const void* out = arguments.outputs[o];
        const std::size_t out_width = width(results[o]);
        for (std::size_t k = 0; k < arguments.inputs.size(); ++k) {
            const void* in = arguments.inputs[k];
            const std::size_t input_width = width(expression.argument_types()[k]);
            const bool in_place = in == out && input_width == out_width;
            if (!is_uniform(arguments, k) && !in_place &&
                overlap(in, input_width, out, out_width)) {
                throw_error(ErrorCode::invalid_shape, "out",
                            fmt::format("an array that overlaps input {} in part", k),
                            "an array of its own, or exactly that input, if elements are as wide");
            }
        }
        for (std::size_t p = 0; p < o; ++p) {
            if (overlap(arguments.outputs[p], width(results[p]), out, out_width)) {
                throw_error(ErrorCode::invalid_shape, "out",
                            fmt::format("outputs {} and {} that overlap", p, o), "separate arrays");
            }
        }
    }
}

// One call of a kernel.
class Call {
  public:
    Call(const Kernel::State& state, const ExecutionContext& context, const Arguments& arguments,
         const RunOptions& options)
        : state_(state), context_(context), arguments_(arguments), options_(options),
          target_(target_of(context.tier())),
          number_(state.calls.fetch_add(1, std::memory_order_relaxed) + 1) {
        state.keep_rewriting(context, number_);
        const std::size_t uniform_count = collect_inputs();
        variant_ = &state.variant(arguments.uniform);
        if (uniform_count > 0) {
            variant_ = &variant_->folded_for(state, context, {uniforms_, uniform_count});
        }
        std::size_t slots = 0;
        for (const auto& stage : variant_->stages) {
            slots = std::max(slots, stage->prologue().slots());
        }
        if (slots > inline_uniforms_.size()) {
            more_uniforms_.resize(slots);
            std::copy_n(uniforms_, uniform_count + 1, more_uniforms_.data());
            uniforms_ = more_uniforms_.data();
        }
    }

    bool has_externals() const { return variant_->stages.size() > 1; }
    std::size_t operations() const { return variant_->stages.back()->operations(); }

    /// All rows at once, on several threads if they are many.
    void run_rows(Job* job);
    /// Blocks in ascending order on this thread: the arguments of the external calls of a level
    /// are computed, then the calls are made, then the next level's.
    void run_blocks(Job* job);

  private:
    std::size_t collect_inputs();
    Frame frame(const std::uint64_t* uniforms, void* const* outputs, std::int64_t first_row) const;
    void promote(const TieredProgram& program, bool streaming) const;
    void count_tier(const TieredProgram& program) const;
    void run_block(std::size_t first, std::size_t count);
    void call_externals(std::size_t level, std::size_t count);

    const Kernel::State& state_;
    const ExecutionContext& context_;
    const Arguments& arguments_;
    const RunOptions& options_;
    const Variant* variant_ = nullptr;
    std::optional<Target> target_;
    std::int64_t number_;
    std::array<const void*, kMaxArrays> inputs_;  ///< of the arrays among the arguments
    std::size_t input_count_ = 0;
    std::array<std::uint64_t, kInlineSlots> inline_uniforms_;
    std::vector<std::uint64_t> more_uniforms_;
    std::uint64_t* uniforms_ = inline_uniforms_.data();

    // Of a block with external calls.
    using Block = std::array<double, kExternalBlock>;
    std::vector<Block> call_arguments_;
    std::vector<Block> call_results_;
    std::vector<const void*> block_inputs_;
    std::vector<std::vector<std::uint64_t>> stage_uniforms_;  ///< with those that its prologue computes
};

// Returns the number of uniform ones.
std::size_t Call::collect_inputs() {
    const std::span<const Type> types = state_.expression.argument_types();
    std::size_t slot = 0;
    for (std::size_t k = 0; k < arguments_.inputs.size(); ++k) {
        const void* input = arguments_.inputs[k];
        if (!is_uniform(arguments_, k)) {
            inputs_[input_count_++] = input;
        } else if (lane_bytes(types[k]) == 4) {
            uniforms_[slot++] = *static_cast<const std::uint32_t*>(input) * 0x100000001ULL;
        } else {
            uniforms_[slot++] = *static_cast<const std::uint64_t*>(input);
        }
    }
    uniforms_[slot] = options_.seed;
    return slot;
}

Frame Call::frame(const std::uint64_t* uniforms, void* const* outputs, std::int64_t first_row) const {
    return {inputs_.data(), outputs,   uniforms,      nullptr,
            nullptr,        first_row, options_.step, 1};
}

void Call::promote(const TieredProgram& program, bool streaming) const {
    const CallWeight weight{number_, static_cast<double>(arguments_.rows * (1 + program.operations())),
                            state_.options.wait};
    jit::promote(program, targets_of(context_.tier()), streaming, weight, state_.options.thresholds,
                 context_, state_);
}

void Call::count_tier(const TieredProgram& program) const {
    const bool ready = target_ && program.code(*target_, false) != nullptr;
    const int target = ready ? static_cast<int>(*target_) : -1;
    if (state_.last_target.load(std::memory_order_relaxed) != target) {
        state_.last_target.store(target, std::memory_order_relaxed);
    }
    if (ready) {
        state_.machine_code_calls.fetch_add(1, std::memory_order_relaxed);
    }
}

void Call::run_rows(Job* job) {
    const TieredProgram& program = *variant_->stages.front();
    const std::span<const Type> results = state_.expression.results();
    const std::size_t bytes = arguments_.rows * program.row_bytes();
    const bool streaming = target_ && bytes >= kStreamingBytes &&
                           rows_to_alignment(results, arguments_.outputs.data(), 0) &&
                           !is_in_place(arguments_);
    if (target_) {
        promote(program, streaming);
    }
    count_tier(program);
    program.prologue().run(uniforms_);
    const Frame call_frame = frame(uniforms_, arguments_.outputs.data(), options_.first_row);
    const Run run{program, results, call_frame, target_, streaming};

    const auto rows = static_cast<std::int64_t>(arguments_.rows);
    const bool parallel =
        context_.threads() > 1 && (bytes >= kParallelBytes ||
                                   arguments_.rows * program.operations() >= kParallelOperations);
    if (!parallel && job == nullptr) {
        run.rows(0, rows);
        return;
    }
    constexpr std::int64_t grain = 1024;
    const std::int64_t wanted = 4 * std::int64_t{context_.threads()};
    const std::int64_t even = (rows / wanted / grain + 1) * grain;
    // Who watches wants to be answered soon.
    const auto operations = static_cast<std::int64_t>(1 + program.operations());
    const std::int64_t short_piece = (kWatchedOperations / operations / grain + 1) * grain;
    const std::int64_t piece = job != nullptr ? std::min(even, short_piece) : even;
    const std::int64_t pieces = (rows + piece - 1) / piece;
    context_.parallel_for(static_cast<std::size_t>(pieces), [&](std::size_t i) {
        if (job != nullptr) {
            job->check();
        }
        const std::int64_t begin = static_cast<std::int64_t>(i) * piece;
        const std::int64_t end = std::min(rows, begin + piece);
        run.rows(begin, end);
        if (job != nullptr) {
            job->add_done(static_cast<std::size_t>(end - begin));
        }
    });
}

void Call::run_blocks(Job* job) {
    std::size_t calls = 0;
    std::size_t widest = 0;
    for (std::size_t level = 0; level < state_.levels.size(); ++level) {
        calls += state_.levels[level].size();
        widest = std::max(widest, variant_->stages[level]->program().outputs.size());
    }
    call_results_.resize(calls);
    call_arguments_.resize(widest);
    const auto given = static_cast<std::size_t>(std::popcount(arguments_.uniform)) + 1;  // and the seed
    for (const auto& stage : variant_->stages) {
        auto& uniforms = stage_uniforms_.emplace_back(stage->prologue().slots());
        std::copy_n(uniforms_, given, uniforms.data());
        stage->prologue().run(uniforms.data());
    }
    if (target_) {
        for (const auto& stage : variant_->stages) {
            promote(*stage, false);
        }
    }
    count_tier(*variant_->stages.back());
    for (std::size_t first = 0; first < arguments_.rows; first += kExternalBlock) {
        if (job != nullptr) {
            job->check();
        }
        const std::size_t count = std::min(kExternalBlock, arguments_.rows - first);
        run_block(first, count);
        if (job != nullptr) {
            job->add_done(count);
        }
    }
}

void Call::run_block(std::size_t first, std::size_t count) {
    const std::span<const Type> results = state_.expression.results();
    const std::vector<ProgramInput>& inputs = variant_->stages.front()->program().inputs;
    block_inputs_.clear();
    for (std::size_t k = 0; k < input_count_; ++k) {
        block_inputs_.push_back(static_cast<const std::byte*>(inputs_[k]) +
                                first * width(inputs[k].type));
    }
    for (const Block& result : call_results_) {
        block_inputs_.push_back(result.data());
    }
    for (std::size_t level = 0; level < variant_->stages.size(); ++level) {
        const TieredProgram& stage = *variant_->stages[level];
        const bool last = level == state_.levels.size();
        std::array<void*, kMaxArrays * kMaxArguments> outputs;
        for (std::size_t k = 0; k < stage.program().outputs.size(); ++k) {
            outputs[k] =
                last ? static_cast<std::byte*>(arguments_.outputs[k]) + first * width(results[k])
                     : static_cast<void*>(call_arguments_[k].data());
        }
        Frame block_frame = frame(stage_uniforms_[level].data(), outputs.data(),
                                  options_.first_row + static_cast<std::int64_t>(first));
        block_frame.inputs = block_inputs_.data();
        Run{stage, results, block_frame, target_, false}.plain(0, static_cast<std::int64_t>(count));
        if (!last) {
            call_externals(level, count);
        }
    }
}

void Call::call_externals(std::size_t level, std::size_t count) {
    std::size_t result = 0;
    for (std::size_t before = 0; before < level; ++before) {
        result += state_.levels[before].size();
    }
    std::size_t argument = 0;
    for (const NodeId node : state_.levels[level]) {
        const Node& call = state_.optimised.graph[node];
        std::array<const double*, kMaxArguments> arguments{};
        for (std::size_t k = 0; k < call.count; ++k) {
            arguments[k] = call_arguments_[argument++].data();
        }
        const FunctionTable& functions = state_.expression.state().functions.table();
        std::get<ExternalFunction>(functions[call.payload & 0xffffffff].body)
            .call(arguments.data(), call_results_[result++].data(), count);
    }
}

}  // namespace

void Kernel::State::run(const ExecutionContext& context, const Arguments& arguments,
                        const RunOptions& run_options) const {
    check_overlap(arguments, expression);
    if (arguments.rows == 0) {
        return;
    }
    Call call(*this, context, arguments, run_options);
    const auto work = [&](Job* job) {
        call.has_externals() ? call.run_blocks(job) : call.run_rows(job);
    };
    const Monitor& monitor = run_options.monitor;
    if (!monitor.progress && !monitor.stop.stop_possible() && monitor.job == nullptr) {
        work(nullptr);
        return;
    }
    if (call.has_externals() && monitor.job == nullptr) {  // they stay on the caller's thread
        Job job(monitor.stop);
        job.check();
        work(&job);
        if (monitor.progress) {
            monitor.progress(arguments.rows, arguments.rows);
        }
        return;
    }
    const double nanoseconds = static_cast<double>(arguments.rows * (1 + call.operations())) *
                               kNanosecondsPerOperation;
    context.supervise(monitor, arguments.rows, nanoseconds, [&](Job& job) { work(&job); });
}

}  // namespace bitaxon::jit
