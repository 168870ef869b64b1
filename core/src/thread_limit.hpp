// How many threads oneTBB may run in this process, and what a fork leaves of them.
#pragma once

#include <tbb/global_control.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <set>

namespace bitaxon {

// oneTBB never runs more threads than cores unless a global_control allows it, and of several
// controls the smallest counts. So one control stands for the largest wish alive.
//
// The limit also knows of forks: a child has none of its parent's workers, so what was made before
// the fork must not be used after it. Its mutex is held over a fork, and over the making of arenas,
// so that a child never finds either half done.
class ThreadLimit {
  public:
    /// Never destroyed: workers may let go of the last context after main has ended.
    static ThreadLimit& instance();

    /// Forks that this process descends from since its start.
    std::uint64_t forks() const { return forks_.load(std::memory_order_relaxed); }

    /// Whether oneTBB had workers before such a fork: it starts no workers here then, and its
    /// locks may be held by threads that are not there. So it must not be called at all.
    bool workerless() const { return workerless_.load(std::memory_order_relaxed); }

    /// Makes something while no fork can happen.
    template <class Make>
    auto guarded(Make make) {
        const std::lock_guard lock(mutex_);
        return make();
    }
    /// Says, guarded, that oneTBB is about to start workers.
    void use_workers() { used_ = true; }
    void add(int threads);
    void remove(int threads);

  private:
    ThreadLimit();
    void apply();

    std::mutex mutex_;
    std::multiset<int> wanted_;
    std::unique_ptr<tbb::global_control> control_;
    int applied_ = 0;
    bool used_ = false;
    bool ended_ = false;  // main has: workers may not call oneTBB's limits any more
    std::atomic<std::uint64_t> forks_{0};
    std::atomic<bool> workerless_{false};
};

}  // namespace bitaxon
