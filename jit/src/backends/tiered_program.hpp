// A program with all the ways to run it: the interpreter at once, machine code when it is worth it.
#pragma once

#include "../ir/hoist.hpp"
#include "backend.hpp"
#include "interpreter.hpp"

#include <bitaxon/kernels/tier.hpp>

#include <atomic>
#include <mutex>
#include <optional>
#include <span>
#include <string>

namespace bitaxon::jit {

/// The target that a SIMD tier's machine code is generated for, or nothing: then the interpreter
/// runs.
std::optional<Target> target_of(kernels::Tier tier) noexcept;

/// Targets in order of preference, in static memory: code for a later one serves where an earlier one can't
/// take the program.
using Targets = std::span<const Target>;

/// Those of a tier. Programs of states run one row in scalar code where there is any.
Targets targets_of(kernels::Tier tier, bool one_row = false) noexcept;

/// Const methods may be called from many threads at once. Machine code, once made, stays until the
/// object goes.
class TieredProgram {
  public:
    /// Hoists what is uniform; the caller's uniforms are slots 0 ... uniform_count - 1.
    TieredProgram(Program program, std::size_t uniform_count);
    ~TieredProgram();

    const Program& program() const noexcept { return program_; }
    const Prologue& prologue() const noexcept { return prologue_; }
    /// Primitives in the loop: what a row costs, roughly.
    std::size_t operations() const noexcept { return operations_; }
    /// Bytes that a row reads and writes.
    std::size_t row_bytes() const noexcept { return row_bytes_; }

    /// Machine code, or null if there is none yet.
    const MachineCode* code(Target target, bool streaming) const noexcept;
    const MachineCode* code(Targets targets, bool streaming) const noexcept;
    /// Machine code, generated now if need be; null where it can't be (explain() says why).
    const MachineCode* compile(Target target, bool streaming) const;
    const MachineCode* compile(Targets targets, bool streaming) const;
    /// Machine code of every kind that `other` has.
    void compile_like(const TieredProgram& other) const;

    /// What is due about machine code at a call, counted from 1: nothing where there is no better code to
    /// come, before call `background_calls`, or if the code has been asked for; but background tasks may
    /// never come (a forked child has no workers), so that as many calls again don't wait any longer.
    enum class Due : std::uint8_t { nothing, in_background, now };
    Due due(Targets targets, bool streaming, std::int64_t call, std::int64_t background_calls,
            bool at_once) const noexcept;

    /// Pieces of machine code so far.
    std::int64_t compiled_codes() const noexcept;
    /// Nanoseconds spent in code generation so far.
    std::int64_t compile_nanoseconds() const noexcept { return nanoseconds_.load(); }

    /// Rows [begin, end) by the interpreter.
    void interpret(const Frame& frame, std::int64_t begin, std::int64_t end) const;

  private:
    static std::size_t slot(Target target, bool streaming) noexcept {
        return static_cast<std::size_t>(target) * 2 + (streaming ? 1 : 0);
    }

    Program program_;
    Prologue prologue_;
    std::size_t operations_ = 0;
    std::size_t row_bytes_ = 0;
    mutable std::mutex mutex_;
    mutable std::atomic<const Interpreter*> interpreter_{nullptr};
    mutable std::array<std::atomic<const MachineCode*>, 2 * kTargets> codes_{};
    mutable std::array<std::atomic<bool>, kTargets> refused_{};
    mutable std::atomic<std::int64_t> nanoseconds_{0};
    /// The call at which code was asked for, by the target preferred; 0: not yet.
    mutable std::array<std::atomic<std::int64_t>, kTargets> asked_at_{};
};

}  // namespace bitaxon::jit
