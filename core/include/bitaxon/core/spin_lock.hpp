// A lock for a few instructions.
#pragma once

#include <atomic>

namespace bitaxon {

/// Meets BasicLockable. Must not be held over anything that may block or take long.
class SpinLock {
  public:
    void lock() noexcept {
        while (locked_.exchange(true, std::memory_order_acquire)) wait();
    }
    void unlock() noexcept { locked_.store(false, std::memory_order_release); }

  private:
    void wait() noexcept;

    std::atomic<bool> locked_{false};
};

}  // namespace bitaxon
