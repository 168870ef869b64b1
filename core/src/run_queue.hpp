// What waits for a context's workers: an inbox for all, and a lane for each worker that others
// steal from.
#pragma once

#include <bitaxon/core/context.hpp>
#include <bitaxon/core/spin_lock.hpp>

#include <atomic>
#include <cstddef>
#include <vector>

namespace bitaxon {

/// Workers of a queue are called pumps: at most `pumps` of them run it at a time. A pump fetches
/// from the inbox in portions that shrink with what is left, so that a few coarse items spread over
/// all of them and many small ones cost few visits.
class RunQueue {
  public:
    explicit RunQueue(std::size_t pumps) : lanes_(pumps) {}

    /// Puts the item behind others: in the own lane on a pump, else in the inbox. @returns whether
    /// the caller must start a pump, which counts as running from now on
    [[nodiscard]] bool push(WorkItem& item) noexcept;

    /// The same for an item that the calling pump runs and that gives others a turn, those in the
    /// inbox too. Others are only woken if they have something to steal.
    [[nodiscard]] bool push_again(WorkItem& item) noexcept;

    /// Runs items until there are none, or for about a time slice if that is asked for. Lanes are
    /// taken modulo their number: oneTBB gives the one worker of an arena the second place of two.
    /// @returns whether there are more: the caller must start this pump again
    [[nodiscard]] bool pump(std::size_t lane, bool sliced) noexcept;

    /// Whether the calling thread is a pump of this queue.
    bool on_pump() const noexcept;

  private:
    // A list of items, first in first out.
    struct alignas(64) Lane {
        SpinLock lock;
        std::atomic<std::size_t> count{0};
        WorkItem* first = nullptr;
        WorkItem* last = nullptr;

        void push(WorkItem& item) noexcept;
        WorkItem* pop() noexcept;
        /// Cuts off a share of the list: at least one item if there is any.
        template <class Share>
        WorkItem* cut(Share share) noexcept;
        void append(WorkItem* list) noexcept;
    };

    WorkItem* next(std::size_t lane) noexcept;
    WorkItem* take_portion(std::size_t lane, WorkItem* list) noexcept;
    bool anything_waits() const noexcept;
    bool want_pump() noexcept;

    Lane inbox_;
    alignas(64) std::atomic<std::size_t> active_{0};
    std::vector<Lane> lanes_;
};

}  // namespace bitaxon
