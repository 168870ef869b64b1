// Circuits over packed streams. Without registers a word is 64 steps of one stream, and rows of the
// program are words. With registers a word is 64 streams at one step: blocks of streams are turned
// by 64 x 64 bits, run step by step with the registers in the program's states, and turned back.
#include "../backends/tiers.hpp"
#include "state.hpp"

#include <bitaxon/kernels/kernels.hpp>

#include <algorithm>
#include <array>

namespace bitaxon::jit {
namespace {

using Word = std::uint64_t;
using In = BitPort<const Word>;
using Out = BitPort<Word>;

// Gates x words below which a run stays on the caller's thread.
constexpr std::size_t kParallelWork = 400'000;
constexpr std::size_t kWordsAPiece = 16'384;
// Outputs larger than any cache are written past them.
constexpr std::size_t kStreamingBytes = 16 * 1024 * 1024;
constexpr std::size_t kCacheLine = 64;
// Words of a step, at least: a cache line, 512 streams. Wider steps miss the first-level cache.
constexpr std::size_t kStepWords = 8;
// Turned inputs and outputs of a block: 64 KiB.
constexpr std::size_t kBlockWords = 8'192;
constexpr double kNanosecondsPerGate = 0.2;

// Words of 64 rows lie in as many cache lines, which no hardware foresees.
template <class Port>
void prefetch(const Port& port, std::size_t first_row, std::size_t end_row, std::size_t word) {
    constexpr bool written = !std::is_const_v<std::remove_pointer_t<decltype(port.words)>>;
    for (std::size_t row = first_row; row < std::min(first_row + 64, end_row); ++row) {
        __builtin_prefetch(port.stream(row) + word, written);
    }
}

// One run of a circuit: what its pieces have in common.
class CircuitRun {
  public:
    CircuitRun(const Circuit::State& state, const ExecutionContext& context,
               std::span<const In> inputs, std::span<const Out> outputs, std::size_t rows,
               std::uint64_t length)
        : s_(state), context_(context), in_(inputs), out_(outputs), rows_(rows), length_(length),
          words_(words_for(length)), uniforms_(s_.program->prologue().slots()) {
        s_.program->prologue().run(uniforms_.data());
        const auto ports = static_cast<std::size_t>(std::ranges::count(s_.live, 1)) + out_.size();
        work_ = (s_.gates + ports) * words_ * rows_;
        const std::size_t bytes = ports * words_ * rows_ * sizeof(Word);
        const bool streams = !s_.has_registers() && bytes >= kStreamingBytes && is_flat() &&
                             is_aligned_alike();
        const Targets targets = targets_of(context.tier());
        const CallWeight weight{++s_.calls, static_cast<double>(work_), false};
        promote(*s_.program, targets, streams, weight, {}, context, s_);
        code_ = s_.program->code(targets, false);
        streaming_ = streams ? s_.program->code(targets, true) : nullptr;
    }

    double nanoseconds() const noexcept { return static_cast<double>(work_) * kNanosecondsPerGate; }

    void run(Job& job) {
        if (s_.has_registers()) {
            run_steps(job);
        } else if (is_flat()) {
            run_flat(job);
        } else {
            run_rows(job);
        }
    }

  private:
    bool is_flat() const;
    bool is_aligned_alike() const;
    void run_flat(Job& job);
    void run_rows(Job& job);
    void run_steps(Job& job);
    void run_piece(std::size_t first_row, std::size_t rows, std::size_t chunk, Job& job);
    void turn_in(Word* turned, const In& port, std::size_t first_row, std::size_t rows,
                 std::size_t first_word, std::size_t steps) const;
    void turn_out(const Word* turned, const Out& port, std::size_t first_row, std::size_t rows,
                  std::size_t first_word, std::size_t steps) const;
    void execute(const Frame& frame, std::int64_t begin, std::int64_t end) const;
    void execute_streaming(const Frame& frame, std::int64_t begin, std::int64_t end) const;
    void clean_tails(std::size_t first_row, std::size_t rows) const;
    template <class Body>
    void for_pieces(std::size_t pieces, Body body) const;

    const Circuit::State& s_;
    const ExecutionContext& context_;
    std::span<const In> in_;
    std::span<const Out> out_;
    std::size_t rows_;
    std::uint64_t length_;
    std::size_t words_;
    std::vector<Word> uniforms_;
    std::size_t work_ = 0;
    std::size_t step_words_ = 0;
    const MachineCode* code_ = nullptr;
    const MachineCode* streaming_ = nullptr;
};

template <class Body>
void CircuitRun::for_pieces(std::size_t pieces, Body body) const {
    if (work_ < kParallelWork) {
        for (std::size_t k = 0; k < pieces; ++k) {
            body(k);
        }
    } else {
        context_.parallel_for(pieces, body);
    }
}

void CircuitRun::execute(const Frame& frame, std::int64_t begin, std::int64_t end) const {
    if (code_ != nullptr) {
        code_->function(&frame, begin, end);
    } else {
        s_.program->interpret(frame, begin, end);
    }
}

// Streaming stores need whole cache lines from their first row on.
void CircuitRun::execute_streaming(const Frame& frame, std::int64_t begin, std::int64_t end) const {
    if (streaming_ == nullptr) {
        execute(frame, begin, end);
        return;
    }
    const auto address =
        reinterpret_cast<std::uintptr_t>(static_cast<Word*>(frame.outputs[0]) + begin);
    const auto ahead =
        static_cast<std::int64_t>((kCacheLine - address % kCacheLine) % kCacheLine / sizeof(Word));
    const std::int64_t aligned = std::min(end, begin + ahead);
    execute(frame, begin, aligned);
    streaming_->function(&frame, aligned, end);
}

void CircuitRun::clean_tails(std::size_t first_row, std::size_t rows) const {
    if (s_.keeps_zeros || length_ % 64 == 0) {
        return;
    }
    for (const Out& port : out_) {
        for (std::size_t row = first_row; row < first_row + rows; ++row) {
            port.stream(row)[words_ - 1] &= tail_mask(length_);
        }
    }
}

// Without registers.

// All streams of a port follow one another, so that all rows are one.
bool CircuitRun::is_flat() const {
    const auto stride = static_cast<std::ptrdiff_t>(words_);
    const auto is_dense = [&](const auto& port) { return rows_ == 1 || port.row_stride == stride; };
    bool dense = std::ranges::all_of(out_, is_dense);
    for (std::size_t k = 0; k < in_.size(); ++k) {
        dense = dense && (s_.live[k] == 0 || is_dense(in_[k]));
    }
    return dense;
}

bool CircuitRun::is_aligned_alike() const {
    const auto offset = [](const Out& port) {
        return reinterpret_cast<std::uintptr_t>(port.words) % kCacheLine;
    };
    return std::ranges::all_of(
        out_, [&](const Out& port) { return offset(port) == offset(out_.front()); });
}

void CircuitRun::run_flat(Job& job) {
    std::vector<const void*> inputs;
    std::vector<void*> outputs;
    for (const In& port : in_) {
        inputs.push_back(port.words);
    }
    for (const Out& port : out_) {
        outputs.push_back(port.words);
    }
    const Frame frame{inputs.data(), outputs.data(), uniforms_.data(), nullptr, nullptr, 0, 0, 1};
    const std::size_t total = rows_ * words_;
    const std::size_t pieces = (total + kWordsAPiece - 1) / kWordsAPiece;
    for_pieces(pieces, [&](std::size_t piece) {
        job.check();
        const std::size_t begin = piece * kWordsAPiece;
        const std::size_t end = std::min(total, begin + kWordsAPiece);
        execute_streaming(frame, static_cast<std::int64_t>(begin), static_cast<std::int64_t>(end));
        job.add_done(end / words_ - begin / words_);
    });
    clean_tails(0, rows_);
}

void CircuitRun::run_rows(Job& job) {
    const std::size_t rows_a_piece = std::max<std::size_t>(1, kWordsAPiece / words_);
    const std::size_t pieces = (rows_ + rows_a_piece - 1) / rows_a_piece;
    for_pieces(pieces, [&](std::size_t piece) {
        job.check();
        std::vector<const void*> inputs(in_.size());
        std::vector<void*> outputs(out_.size());
        const Frame frame{
            inputs.data(), outputs.data(), uniforms_.data(), nullptr, nullptr, 0, 0, 1};
        const std::size_t first = piece * rows_a_piece;
        const std::size_t count = std::min(rows_a_piece, rows_ - first);
        for (std::size_t row = first; row < first + count; ++row) {
            std::ranges::transform(in_, inputs.begin(), [&](const In& p) { return p.stream(row); });
            std::ranges::transform(out_, outputs.begin(),
                                   [&](const Out& p) { return p.stream(row); });
            execute(frame, 0, static_cast<std::int64_t>(words_));
        }
        clean_tails(first, count);
        job.add_done(count);
    });
}

// With registers.

void CircuitRun::run_steps(Job& job) {
    // Whole iterations of the machine code: what is left over would be masked, which costs as much
    // as the lanes that are there, and on some CPUs a lot more.
    const std::size_t iteration =
        code_ == nullptr ? 1 : static_cast<std::size_t>(code_->rows_per_vector * code_->unroll);
    step_words_ = (kStepWords + iteration - 1) / iteration * iteration;
    const auto ports = static_cast<std::size_t>(std::ranges::count(s_.live, 1)) + out_.size();
    const std::size_t chunk =
        std::clamp<std::size_t>(kBlockWords / (ports * step_words_ * 64), 1, words_);
    const std::size_t rows_a_piece = step_words_ * 64;
    for_pieces((rows_ + rows_a_piece - 1) / rows_a_piece, [&](std::size_t piece) {
        const std::size_t first = piece * rows_a_piece;
        run_piece(first, std::min(rows_a_piece, rows_ - first), chunk, job);
    });
}

// Rows of a piece from the first step to the last, `chunk` words of time at once.
void CircuitRun::run_piece(std::size_t first_row, std::size_t rows, std::size_t chunk, Job& job) {
    const std::size_t block = chunk * 64 * step_words_;
    const std::vector<Flop>& flops = s_.net.flops;
    const auto live = static_cast<std::size_t>(std::ranges::count(s_.live, 1)) - flops.size();
    const std::size_t size = (live + out_.size()) * block + flops.size() * step_words_;
    Scratch scratch = context_.scratch(Scratch::bytes<Word>(size));
    Word* next = scratch.take<Word>(size);
    const auto take = [&](std::size_t count) { return std::exchange(next, next + count); };

    std::vector<Word*> turned_in(in_.size(), nullptr);
    std::vector<Word*> turned_out(out_.size());
    std::vector<const void*> inputs(in_.size(), nullptr);
    std::vector<void*> outputs;
    for (const Flop& flop : flops) {
        Word* state = take(step_words_);
        std::fill_n(state, step_words_, flop.initial ? ~Word{0} : 0);
        inputs[s_.net.graph[flop.now].payload] = state;
        outputs.push_back(state);
    }
    for (std::size_t k = 0; k < in_.size(); ++k) {
        if (s_.live[k] != 0 && !s_.net.sources[k].is_flop) {
            inputs[k] = turned_in[k] = take(block);
        }
    }
    for (Word*& turned : turned_out) {
        turned = take(block);
        outputs.push_back(turned);
    }
    const std::vector<std::int64_t> step_bytes(
        std::max(inputs.size(), outputs.size()),
        static_cast<std::int64_t>(step_words_ * sizeof(Word)));
    Frame frame{inputs.data(),
                outputs.data(),
                uniforms_.data(),
                step_bytes.data(),
                step_bytes.data(),
                0,
                0,
                0};
    const std::size_t used = code_ == nullptr ? (rows + 63) / 64 : step_words_;
    for (std::size_t word = 0; word < words_; word += chunk) {
        job.check();
        const std::size_t steps = std::min<std::size_t>(chunk * 64, length_ - word * 64);
        for (std::size_t k = 0; k < in_.size(); ++k) {
            if (turned_in[k] != nullptr) {
                turn_in(turned_in[k], in_[k], first_row, rows, word, steps);
            }
        }
        frame.first_step = static_cast<std::int64_t>(word * 64);
        frame.steps = static_cast<std::int64_t>(steps);
        execute(frame, 0, static_cast<std::int64_t>(used));
        for (std::size_t k = 0; k < out_.size(); ++k) {
            turn_out(turned_out[k], out_[k], first_row, rows, word, steps);
        }
    }
    job.add_done(rows);
}

// turned[step * step_words_ + g] holds rows first_row + 64 g ... + 63 at that step.
void CircuitRun::turn_in(Word* turned, const In& port, std::size_t first_row, std::size_t rows,
                         std::size_t first_word, std::size_t steps) const {
    const std::size_t groups = (rows + 63) / 64;
    if (port.row_stride == 0) {
        for (std::size_t t = 0; t < steps; ++t) {
            const Word bit = port.words[first_word + t / 64] >> t % 64 & 1;
            std::fill_n(turned + t * step_words_, groups, Word{0} - bit);
        }
        return;
    }
    for (std::size_t g = 0; g < groups; ++g) {
        prefetch(port, first_row + 64 * (g + 1), first_row + rows, first_word);
        for (std::size_t t = 0; t < steps; t += 64) {
            context_.kernels().bit_transpose(
                port.stream(first_row + 64 * g) + first_word + t / 64, port.row_stride,
                std::min<std::size_t>(64, rows - 64 * g), turned + t * step_words_ + g,
                static_cast<std::ptrdiff_t>(step_words_), std::min<std::size_t>(64, steps - t));
        }
    }
}

void CircuitRun::turn_out(const Word* turned, const Out& port, std::size_t first_row,
                          std::size_t rows, std::size_t first_word, std::size_t steps) const {
    const std::size_t groups = (rows + 63) / 64;
    for (std::size_t g = 0; g < groups; ++g) {
        prefetch(port, first_row + 64 * (g + 1), first_row + rows, first_word);
        for (std::size_t t = 0; t < steps; t += 64) {
            context_.kernels().bit_transpose(
                turned + t * step_words_ + g, static_cast<std::ptrdiff_t>(step_words_),
                std::min<std::size_t>(64, steps - t),
                port.stream(first_row + 64 * g) + first_word + t / 64, port.row_stride,
                std::min<std::size_t>(64, rows - 64 * g));
        }
    }
}

}  // namespace

void Circuit::State::run(const ExecutionContext& context,
                         std::span<const BitPort<const std::uint64_t>> inputs,
                         std::span<const BitPort<std::uint64_t>> outputs, std::size_t rows,
                         std::uint64_t length, const Monitor& monitor) const {
    CircuitRun run(*this, context, inputs, outputs, rows, length);
    context.supervise(monitor, rows, run.nanoseconds(), [&](Job& job) { run.run(job); });
}

}  // namespace bitaxon::jit
