#include <bitaxon/core/spin_lock.hpp>

#include "relax.hpp"

#include <thread>

namespace bitaxon {

// Whoever meets a lock whose owner lost its core gives up its own.
void SpinLock::wait() noexcept {
    for (int spins = 1; locked_.load(std::memory_order_relaxed); ++spins)
        if (spins % 64 != 0)
            relax();
        else
            std::this_thread::yield();
}

}  // namespace bitaxon
