// The blocked interpreter: always there, on every machine, and what machine code must agree with.
#pragma once

#include "../ir/program.hpp"

#include <memory>

namespace bitaxon::jit {

/// A program prepared for interpretation: one loop over a block of rows for each node, values in
/// slots that are reused as soon as their last reader is done. Const and thread-safe after
/// construction.
class Interpreter {
  public:
    explicit Interpreter(const Program& program);
    Interpreter(Interpreter&&) noexcept;
    ~Interpreter();

    /// Computes rows [begin, end), as a RowFunction would.
    void run(const Frame& frame, std::int64_t begin, std::int64_t end) const;

  private:
    struct Plan;
    std::unique_ptr<const Plan> plan_;
};

}  // namespace bitaxon::jit
