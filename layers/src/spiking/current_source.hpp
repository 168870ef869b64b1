// The input current of a run, in the element type that the rule reads.
#pragma once

#include <bitaxon/jit/bound_rule.hpp>
#include <bitaxon/layers/population.hpp>

#include <cstddef>
#include <vector>

namespace bitaxon {

/// Arrays of the right type are read where they are; others are converted, steps as they are
/// needed.
class CurrentSource {
  public:
    /// @throws Error for wrong extents, for values that aren't finite or, where the rule reads
    /// integers, aren't integers, and for a current that the rule doesn't read
    CurrentSource(const Current& current, const jit::BoundRule& rule, std::size_t neurons,
                  std::size_t steps);

    /// Steps that may be prepared at once, so that conversion needs little memory.
    std::size_t max_steps() const noexcept { return max_steps_; }
    /// Fills in the current of steps first ... first + count - 1 of the run; valid until the next
    /// call.
    void prepare(jit::StepRun& run, std::size_t first, std::size_t count);

  private:
    template <class T>
    void convert(MatrixView<const T> rows);

    Current::Values values_;
    jit::Type type_;
    std::size_t max_steps_;
    bool direct_ = false;  ///< read in place
    std::vector<std::byte> converted_;
};

}  // namespace bitaxon
