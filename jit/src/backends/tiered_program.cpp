#include "tiered_program.hpp"

#include <bitaxon/core/error.hpp>

#include <algorithm>
#include <chrono>

namespace bitaxon::jit {

std::optional<Target> target_of(kernels::Tier tier) noexcept {
    using kernels::Tier;
    switch (tier) {
        case Tier::avx512_vpopcntdq:
        case Tier::avx512bw: return Target::avx512;
        case Tier::avx512f:  // code for it would need BW, DQ and VL
        case Tier::avx2: return Target::avx2;
        case Tier::neon: return Target::neon;
        default: return std::nullopt;
    }
}

Targets targets_of(kernels::Tier tier, bool one_row) noexcept {
    static constexpr Target kRows[] = {Target::avx2, Target::avx512, Target::neon};
    static constexpr Target kOneRow[] = {Target::scalar, Target::lane};
    const std::optional<Target> target = target_of(tier);
    if (!target) {
        return {};
    }
    return one_row && *target != Target::neon ? Targets(kOneRow)
                                              : Targets(&kRows[static_cast<std::size_t>(*target)], 1);
}

TieredProgram::TieredProgram(Program program, std::size_t uniform_count)
    : program_(std::move(program)), prologue_(hoist(program_, uniform_count)) {
    const std::vector<NodeId> roots = program_.roots();
    for (const NodeId id : reachable(program_.graph, roots)) {
        const Op op = program_.graph[id].op;
        operations_ += info(op).kind == OpKind::primitive ? 1U : 0U;
        row_bytes_ += op == Op::input ? static_cast<std::size_t>(lane_bytes(program_.graph.type(id))) : 0;
    }
    for (const ProgramOutput& output : program_.outputs) {
        row_bytes_ += output.bits ? 0 : static_cast<std::size_t>(lane_bytes(output.type));
    }
}

TieredProgram::~TieredProgram() {
    delete interpreter_.load();
    for (const auto& code : codes_) {
        delete code.load();
    }
}

const MachineCode* TieredProgram::code(Target target, bool streaming) const noexcept {
    return codes_[slot(target, streaming)].load(std::memory_order_acquire);
}

const MachineCode* TieredProgram::code(Targets targets, bool streaming) const noexcept {
    for (const Target target : targets) {
        if (const MachineCode* ready = code(target, streaming)) {
            return ready;
        }
    }
    return nullptr;
}

const MachineCode* TieredProgram::compile(Target target, bool streaming) const {
    if (const MachineCode* ready = code(target, streaming)) {
        return ready;
    }
    const auto number = static_cast<std::size_t>(target);
    if (refused_[number].load(std::memory_order_acquire)) {
        return nullptr;
    }
    const std::scoped_lock lock(mutex_);
    if (const MachineCode* ready = code(target, streaming)) {
        return ready;
    }
    const auto start = std::chrono::steady_clock::now();
    try {
        auto made = std::make_unique<MachineCode>(
            generate(program_, target, {.streaming_stores = streaming}));
        codes_[slot(target, streaming)].store(made.get(), std::memory_order_release);
        nanoseconds_ += (std::chrono::steady_clock::now() - start).count();
        return made.release();
    } catch (const Error& error) {
        if (error.code() != ErrorCode::unsupported) {
            throw;
        }
        refused_[number].store(true, std::memory_order_release);
        return nullptr;
    }
}

const MachineCode* TieredProgram::compile(Targets targets, bool streaming) const {
    for (const Target target : targets) {
        if (const MachineCode* made = compile(target, streaming)) {
            return made;
        }
    }
    return nullptr;
}

void TieredProgram::compile_like(const TieredProgram& other) const {
    for (std::size_t k = 0; k < kTargets; ++k) {
        for (const bool streaming : {false, true}) {
            if (other.code(static_cast<Target>(k), streaming) != nullptr) {
                compile(static_cast<Target>(k), streaming);
            }
        }
    }
}

TieredProgram::Due TieredProgram::due(Targets targets, bool streaming, std::int64_t call,
                                      std::int64_t background_calls, bool at_once) const noexcept {
    const auto best = std::find_if(targets.begin(), targets.end(), [&](Target target) {
        return !refused_[static_cast<std::size_t>(target)].load(std::memory_order_acquire);
    });
    if (best == targets.end() || code(*best, streaming) != nullptr) {
        return Due::nothing;
    }
    if (at_once) {
        return Due::now;
    }
    if (call < background_calls) {
        return Due::nothing;
    }
    std::int64_t since = 0;
    const bool first = asked_at_[static_cast<std::size_t>(*best)].compare_exchange_strong(
        since, call, std::memory_order_relaxed);
    if (call - (first ? call : since) >= background_calls) {
        return Due::now;
    }
    return first ? Due::in_background : Due::nothing;
}

std::int64_t TieredProgram::compiled_codes() const noexcept {
    return std::count_if(codes_.begin(), codes_.end(), [](const auto& c) { return c.load() != nullptr; });
}

void TieredProgram::interpret(const Frame& frame, std::int64_t begin, std::int64_t end) const {
    const Interpreter* interpreter = interpreter_.load(std::memory_order_acquire);
    if (interpreter == nullptr) {
        const std::scoped_lock lock(mutex_);
        interpreter = interpreter_.load(std::memory_order_acquire);
        if (interpreter == nullptr) {
            interpreter = new Interpreter(program_);
            interpreter_.store(interpreter, std::memory_order_release);
        }
    }
    interpreter->run(frame, begin, end);
}

}  // namespace bitaxon::jit
