// The threads of a context: its arenas, what waits for them, and where they run.
#pragma once

#include "run_queue.hpp"
#include "scratch_pool.hpp"

#include <tbb/task_arena.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

namespace bitaxon {

/// ContextOptions in oneTBB's terms.
struct Placement {
    /// @throws Error for what this machine does not have
    explicit Placement(const ContextOptions& options);

    tbb::task_arena::constraints constraints;  // max_concurrency is set
    tbb::task_arena::priority priority;
    bool pinned;
    int threads() const { return constraints.max_concurrency; }
};

class Cores;
class Pinning;

/// An arena, and the observer that pins its workers if they are to be pinned.
class Arena {
  public:
    Arena(const Placement& placement, unsigned reserved, const std::shared_ptr<Cores>& cores);
    ~Arena();
    tbb::task_arena& tbb() { return arena_; }

  private:
    tbb::task_arena arena_;
    std::unique_ptr<Pinning> pinning_;
};

/// What must be made anew after a fork: threads, and locks that another thread may have held.
///
/// Calls enter an arena in which a place is kept for their own thread, so that threads - 1 workers
/// help. Submitted work has no such thread: it is pumped by up to `threads` workers of a second
/// arena, and enters the first one for loops like everyone else. oneTBB shares its workers out
/// among the two.
class Workers {
  public:
    explicit Workers(const Placement& placement);
    /// Must run while no fork can happen.
    ~Workers();

    bool of_this_process() const;

    // Made by the first call.
    tbb::task_arena& callers() { return arena(callers_, 1); }
    tbb::task_arena& pumps() { return arena(pumps_, 0); }

    Scratch::Pool scratch;
    RunQueue queue;

  private:
    tbb::task_arena& arena(std::atomic<Arena*>& which, unsigned reserved);

    const Placement placement_;
    const std::uint64_t born_;
    std::shared_ptr<Cores> cores_;  // shared by both arenas; nothing unless pinned
    std::atomic<Arena*> callers_{nullptr};
    std::atomic<Arena*> pumps_{nullptr};
};

}  // namespace bitaxon
