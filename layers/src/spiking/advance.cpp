// Chunks of steps: tiles of neurons over the threads, recording, and the search for the first NaN.
#include "population_state.hpp"

#include <bitaxon/core/error.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <functional>

namespace bitaxon {
namespace {

// Neurons of a tile come in multiples of this, so that no two tiles write to one cache line of
// spikes.
constexpr std::size_t kTile = 512;
// Neurons whose states are looked through for NaN while they are still in the first cache.
constexpr std::size_t kBlock = 2048;
// Below this many operations a call stays on the caller's thread: waking another takes
// microseconds.
constexpr double kParallelWork = 4e5;
// Operations of a chunk: about ten milliseconds of one core, so that a run can be stopped soon.
constexpr double kChunkWork = 1e9;
constexpr std::size_t kMaxChunk = 65'536;
constexpr std::size_t kMinChunk = 8;
// Recorded neurons are run in groups that begin at a multiple of this.
constexpr std::size_t kGroup = 64;
// Values of a chunk that go through buffers, and steps of it at least: small buffers get the same
// memory from the allocator again, without page faults.
constexpr std::size_t kBufferedValues = 8 * 1024;
constexpr std::size_t kBufferedSteps = 64;

// Zero times a value is NaN for NaN and infinities. Sums in lanes of their own become vector code,
// which a search for the first value is not.
template <class T>
bool all_finite(const T* values, std::size_t count) {
    constexpr std::size_t kLanes = 16;
    T sums[kLanes] = {};
    std::size_t k = 0;
    for (; k + kLanes <= count; k += kLanes) {
        for (std::size_t lane = 0; lane < kLanes; ++lane) {
            sums[lane] += values[k + lane] * 0;
        }
    }
    T sum = 0;
    for (const T lane : sums) {
        sum += lane;
    }
    for (; k < count; ++k) {
        sum += values[k] * 0;
    }
    return sum == 0;
}

template <class T>
std::size_t first_nan(const std::byte* data, std::size_t begin, std::size_t end) {
    const T* values = reinterpret_cast<const T*>(data);
    if (all_finite(values + begin, end - begin)) {
        return end;
    }
    const auto found =
        std::find_if(values + begin, values + end, [](T v) { return std::isnan(v); });
    return static_cast<std::size_t>(found - values);
}

// The first neuron of the range whose value is NaN, or `end`.
std::size_t first_nan(const StateArray& state, std::size_t begin, std::size_t end) {
    switch (state.type()) {
    case jit::Type::f32:
        return first_nan<float>(state.data(), begin, end);
    case jit::Type::f64:
        return first_nan<double>(state.data(), begin, end);
    default:
        return end;
    }
}

// A stretch of neurons; those of a recorded one store their variables in each step.
struct Range {
    std::size_t begin;
    std::size_t end;
    bool recorded;
};

}  // namespace

// One chunk of steps of a population.
class Chunk {
  public:
    Chunk(Population::State& state, const ExecutionContext& context, CurrentSource& current,
          std::size_t first, std::size_t steps, std::uint64_t* spikes,
          std::span<const RecordInto> record)
        : s_(state), context_(context), current_(current), first_(first), steps_(steps),
          spikes_(spikes), recorder_(s_.sinks(record, first, steps), s_.lanes(), steps) {
        for (StateArray& array : s_.states) {
            pointers_.push_back(array.data());
        }
    }

    void run();

  private:
    jit::StepRun step_run(std::size_t offset, std::size_t steps);
    void divide();
    void append_recorded(std::size_t begin, std::size_t end);
    bool run_blocks(const jit::BoundRule::Call& plain, const Range& range);
    void call_in_order(const std::function<void(std::size_t)>& run_number);
    void run_range(const jit::BoundRule::Call& plain, const Range& range);
    bool has_nan(const Range& range) const;
    void keep(const Range& range);
    void put_back();
    [[noreturn]] void report_nan();

    Population::State& s_;
    const ExecutionContext& context_;
    CurrentSource& current_;
    std::size_t first_;
    std::size_t steps_;
    std::uint64_t* spikes_;
    Recorder recorder_;
    std::vector<void*> pointers_;
    std::vector<Range> ranges_;
    std::vector<StateArray> before_;  ///< the states at the start, if there are several steps
    jit::StepRun run_;
};

jit::StepRun Chunk::step_run(std::size_t offset, std::size_t steps) {
    jit::StepRun run;
    run.states = pointers_.data();
    run.first_step = static_cast<std::int64_t>(s_.step_count + offset);
    run.steps = static_cast<std::int64_t>(steps);
    const std::size_t words = (s_.neurons + 63) / 64;
    run.spikes = spikes_ == nullptr ? nullptr : spikes_ + offset * words;
    run.spike_step_bytes = static_cast<std::int64_t>(words * 8);
    current_.prepare(run, first_ + offset, steps);
    return run;
}

// Tiles, cut where groups with recorded neurons begin and end.
void Chunk::divide() {
    const double work = static_cast<double>(s_.neurons) * static_cast<double>(steps_) *
                        static_cast<double>(s_.operations);
    const auto threads = static_cast<std::size_t>(context_.threads());
    std::size_t tile = s_.neurons;
    if (threads > 1 && work > kParallelWork && !s_.rule.calls_external()) {
        tile = std::max<std::size_t>(1, s_.neurons / (4 * threads) / kTile) * kTile;
    }
    const std::size_t none = (s_.neurons + kGroup - 1) / kGroup * kGroup;
    for (std::size_t begin = 0; begin < s_.neurons; begin += tile) {
        const std::size_t end = std::min(s_.neurons, begin + tile);
        for (std::size_t at = begin; at < end;) {
            const std::size_t next = std::min(end, recorder_.next(at, none) / kGroup * kGroup);
            if (next > at) {
                ranges_.push_back({at, next, false});
            } else {
                append_recorded(at, std::min(end, at + kGroup));
            }
            at = ranges_.back().end;
        }
    }
}

void Chunk::append_recorded(std::size_t begin, std::size_t end) {
    if (!ranges_.empty() && ranges_.back().recorded && ranges_.back().end == begin &&
        end - ranges_.back().begin <= kBlock) {
        ranges_.back().end = end;
    } else {
        ranges_.push_back({begin, end, true});
    }
}

void Chunk::run() {
    divide();
    if (steps_ > 1 || s_.rule.calls_external()) {
        for (const StateArray& array : s_.states) {
            before_.emplace_back(array.type(), array.count());
        }
    }
    run_ = step_run(0, steps_);
    const jit::BoundRule::Call plain(s_.bound, run_, s_.call, context_);
    s_.operations = plain.operations();
    s_.backend = plain.backend();
    s_.machine_code_calls += first_ == 0 && s_.backend != "interpreter" ? 1 : 0;
    std::atomic<bool> nan{false};
    auto run_number = [&](std::size_t k) {
        if (run_blocks(plain, ranges_[k])) {
            nan.store(true, std::memory_order_relaxed);
        }
    };
    if (s_.rule.calls_external()) {
        call_in_order(run_number);
    } else {
        context_.parallel_for(ranges_.size(), run_number);
    }
    if (nan) {
        report_nan();
    }
    s_.step_count += steps_;
    s_.recording.steps += s_.recorded.empty() ? 0 : steps_;
}

// Whether any value has become NaN.
bool Chunk::run_blocks(const jit::BoundRule::Call& plain, const Range& range) {
    bool nan = false;
    for (std::size_t begin = range.begin; begin < range.end; begin += kBlock) {
        const Range block{begin, std::min(range.end, begin + kBlock), range.recorded};
        keep(block);
        run_range(plain, block);
        nan = has_nan(block) || nan;
    }
    return nan;
}

// The caller's own functions may throw: then the step has not happened.
void Chunk::call_in_order(const std::function<void(std::size_t)>& run_number) {
    for (std::size_t k = 0; k < s_.states.size(); ++k) {
        before_[k].copy_from(s_.states[k], 0, s_.neurons);
    }
    try {
        for (std::size_t k = 0; k < ranges_.size(); ++k) {
            run_number(k);
        }
    } catch (...) {
        put_back();
        throw;
    }
}

void Chunk::run_range(const jit::BoundRule::Call& plain, const Range& range) {
    if (!range.recorded) {
        plain.run(range.begin, range.end);
        return;
    }
    const RecordedRange recorded(recorder_, range.begin, range.end);
    jit::StepRun run = run_;
    recorded.aim(run);
    jit::BoundRule::Call(s_.bound, run, s_.call, context_).run(range.begin, range.end);
    recorded.store();
}

bool Chunk::has_nan(const Range& range) const {
    return std::any_of(s_.states.begin(), s_.states.end(), [&](const StateArray& state) {
        return first_nan(state, range.begin, range.end) != range.end;
    });
}

void Chunk::keep(const Range& range) {
    for (std::size_t k = 0; k < before_.size(); ++k) {
        before_[k].copy_from(s_.states[k], range.begin, range.end);
    }
}

void Chunk::put_back() {
    for (std::size_t k = 0; k < before_.size(); ++k) {
        s_.states[k].copy_from(before_[k], 0, s_.neurons);
    }
}

// Runs the chunk again, step by step, up to the first step that leaves a NaN; the population stays
// there.
void Chunk::report_nan() {
    std::size_t done = 1;
    if (steps_ > 1) {
        done = 0;
        put_back();
    }
    const Range all{0, s_.neurons, false};
    while (done < steps_ && (done == 0 || !has_nan(all))) {
        const jit::StepRun run = step_run(done, 1);
        jit::BoundRule::Call(s_.bound, run, s_.call, context_).run(0, s_.neurons);
        ++done;
    }
    std::size_t neuron = s_.neurons;
    std::size_t variable = 0;
    for (std::size_t k = 0; k < s_.states.size(); ++k) {
        const std::size_t found = first_nan(s_.states[k], 0, s_.neurons);
        if (found < neuron) {
            neuron = found;
            variable = k;
        }
    }
    const std::uint64_t step = s_.step_count + done - 1;
    s_.step_count += done;
    s_.recording.steps += s_.recorded.empty() ? 0 : done;
    for (std::size_t k = 0; k < s_.recorded.size(); ++k) {
        s_.recording.values[k].resize(s_.recording.steps * s_.recording.neurons.size());
    }
    throw Error(
        ErrorCode::invalid_value,
        fmt::format("{} of neuron {} became NaN in step {} (t = {} s); try a smaller dt than "
                    "{} s, or another method than {}",
                    s_.variables[variable].name, neuron, step,
                    static_cast<double>(step) * s_.options.dt, s_.options.dt, s_.rule.method()));
}

std::size_t Population::State::chunk_steps(std::span<const RecordInto> record) const noexcept {
    if (rule.calls_external()) {
        return 1;
    }
    const double one_step = static_cast<double>(neurons) * static_cast<double>(operations);
    std::size_t steps =
        std::clamp(static_cast<std::size_t>(kChunkWork / one_step), kMinChunk, kMaxChunk);
    std::size_t lanes = recorded.size() * std::max(kGroup, recording.neurons.size());
    for (const RecordInto& into : record) {
        lanes += is_direct(into) ? 0 : neurons;
    }
    // Ranges of more neurons than a block go through buffers one after the other.
    lanes = std::min(lanes, (recorded.size() + record.size()) * std::min(neurons, kBlock));
    if (lanes != 0) {
        steps = std::min(std::max(kBufferedValues / lanes, kBufferedSteps), steps);
    }
    return steps;
}

bool Population::State::is_direct(const RecordInto& into) const noexcept {
    const auto column_stride =
        std::visit([](const auto& values) { return values.column_stride; }, into.values);
    return into.type() != jit::Type::i16 && (neurons == 1 || column_stride == 1);
}

std::vector<jit::Type> Population::State::lanes() const {
    std::vector<jit::Type> types;
    for (const StateArray& array : states) {
        types.push_back(array.type());
    }
    return types;
}

std::vector<RecordSink> Population::State::sinks(std::span<const RecordInto> record,
                                                 std::size_t first, std::size_t steps) {
    std::vector<RecordSink> sinks;
    for (const RecordInto& into : record) {
        std::visit(
            [&](const auto& values) {
                const auto rows = values.rows_from(first, steps);
                constexpr auto size = static_cast<std::ptrdiff_t>(sizeof(*rows.data));
                // A column of one neuron has no next one to be apart from.
                sinks.push_back({.variable = static_cast<std::uint32_t>(variable(into.variable)),
                                 .type = into.type(),
                                 .data = reinterpret_cast<std::byte*>(rows.data),
                                 .step_bytes = rows.row_stride * size,
                                 .column_bytes = neurons == 1 ? size : rows.column_stride * size});
            },
            into.values);
    }
    const std::size_t width = recording.neurons.size();
    const RecordedNeurons chosen =
        columns.empty() ? RecordedNeurons{} : RecordedNeurons{recording.neurons, columns};
    for (std::size_t k = 0; k < recorded.size(); ++k) {
        std::vector<double>& values = recording.values[k];
        values.resize((recording.steps + steps) * width);
        sinks.push_back(
            {.variable = recorded[k],
             .type = jit::Type::f64,
             .data = reinterpret_cast<std::byte*>(values.data() + recording.steps * width),
             .step_bytes = static_cast<std::ptrdiff_t>(width * sizeof(double)),
             .column_bytes = sizeof(double),
             .chosen = chosen});
    }
    return sinks;
}

void Population::State::advance(const ExecutionContext& context, CurrentSource& current,
                                std::size_t first, std::size_t steps, std::uint64_t* spikes,
                                std::span<const RecordInto> record) {
    Chunk(*this, context, current, first, steps, spikes, record).run();
}

}  // namespace bitaxon
