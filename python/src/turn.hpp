// Calls on one object, one at a time.
#pragma once

#include "gil.hpp"

#include <bitaxon/core/error.hpp>

#include <atomic>
#include <mutex>
#include <string_view>
#include <thread>

namespace bitaxon::python {

/// A mutex that is waited for without the GIL, and that knows who holds it: a signal handler or a
/// progress function that runs inside of a call would wait for itself. Kept in a ProcessLocal.
class Turn {
  public:
    /// @throws Error where this thread has the turn
    void check_not_inside(ErrorCode code, std::string_view name, std::string_view what) const {
        if (worker_.load(std::memory_order_relaxed) == std::this_thread::get_id())
            throw_error(code, name, what, "one from elsewhere, or after it");
    }

    /// work() without the GIL, alone. After check_not_inside.
    template <class Work>
    auto take(Work&& work) {
        const std::scoped_lock lock(mutex_);
        worker_.store(std::this_thread::get_id(), std::memory_order_relaxed);
        const Leave leave{*this};
        return work();
    }

  private:
    struct Leave {
        Turn& turn;
        ~Leave() { turn.worker_.store({}, std::memory_order_relaxed); }
    };

    std::mutex mutex_;
    std::atomic<std::thread::id> worker_{};
};

}  // namespace bitaxon::python
