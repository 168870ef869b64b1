// Moves what is the same in all rows and steps out of the loop.
#pragma once

#include "program.hpp"
#include "semantics.hpp"

#include <vector>

namespace bitaxon::jit {

/// The computation of values that depend on constants and uniforms only: run once a call, on single
/// lanes. Slots are those of Frame::uniforms.
class Prologue {
  public:
    std::size_t slots() const noexcept { return slots_; }
    /// `uniforms` has slots() words; the first ones, the caller's own, are filled: a lane of 4
    /// bytes stands in both halves.
    void run(std::uint64_t* uniforms) const noexcept;

  private:
    friend Prologue hoist(Program& program, std::size_t uniform_count);

    struct Step {
        Op op;
        PrimitiveFunction function;  ///< null for `rare`
        std::uint8_t count;
        bool narrow;  ///< a result of 4 bytes
        std::array<bool, kMaxArguments> narrow_args;
        std::array<std::uint32_t, kMaxArguments> args;
        std::uint32_t slot;
        std::uint64_t payload;
    };
    std::vector<Step> steps_;
    std::vector<std::pair<std::uint32_t, std::uint64_t>> constants_;  ///< slot, bits
    std::size_t slots_ = 0;
};

/// Takes the hoisted part out of the program, whose graph reads its results as uniforms of numbers
/// from `uniform_count`, that of the caller's uniforms, on.
Prologue hoist(Program& program, std::size_t uniform_count);

}  // namespace bitaxon::jit
