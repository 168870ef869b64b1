// Tells whether the machine was left alone: a fixed piece of work that is timed around every slice.
#pragma once

#include <cstddef>
#include <vector>

namespace bitaxon::bench {

/// Some microseconds of integer work in registers, by the thread's CPU clock. Another hardware
/// thread on the core, a lower clock or a busy hypervisor make it slower; memory traffic does not.
class Sentinel {
  public:
    /// Watches for a while, so that `best_ns` is known before the first round.
    Sentinel();

    /// Runs once and says how long it took.
    double nanoseconds();

    /// What the work takes on an undisturbed core: a low percentile of all times so far, because
    /// clocks that slip show some that are too short.
    double best_ns();

    /// Whether a time is one of an undisturbed core.
    bool quiet(double nanoseconds) { return nanoseconds <= best_ns() * kTolerance; }

    static constexpr double kTolerance = 1.03;

  private:
    std::vector<double> times_;
    std::size_t judged_ = 0;  // of the times, those behind best_
    double best_ = 0;
};

}  // namespace bitaxon::bench
