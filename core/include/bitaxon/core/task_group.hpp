// Many small tasks without results, from one thread or from tasks, in bounded memory.
#pragma once

#include <bitaxon/core/context.hpp>
#include <bitaxon/core/spin_lock.hpp>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <new>
#include <stop_token>
#include <type_traits>
#include <utility>

namespace bitaxon {

/// Tasks that are waited for together. They travel in chunks, which costs about ten nanoseconds a
/// task; a chunk is shared out again while workers have nothing to do, so that few coarse tasks
/// spread as well. Once plenty of chunks wait, run does a chunk itself before it returns: whoever
/// makes tasks faster than the workers do them becomes one of them.
///
///     TaskGroup group(context);
///     for (const Item& item : items) group.run([&item] { work(item); });
///     group.wait();
///
/// All methods may be called from many threads at once, and run from tasks.
class TaskGroup {
  public:
    explicit TaskGroup(const ExecutionContext& context, std::stop_token stop = {});
    TaskGroup(const TaskGroup&) = delete;
    TaskGroup& operator=(const TaskGroup&) = delete;
    /// Cancels, and waits for tasks that run.
    ~TaskGroup();

    /// Has the task run once, by a worker or by this thread, unless the group is cancelled before.
    /// It may wait for the next run or wait to be handed over.
    template <class Work>
    void run(Work&& work) {
        using Kept = std::decay_t<Work>;
        if constexpr (sizeof(Kept) <= sizeof(Slot::place) && alignof(Kept) <= alignof(Slot) &&
                      std::is_nothrow_constructible_v<Kept, Work&&>) {
            std::unique_lock lock(lock_);
            Slot& slot = next_slot();
            new (static_cast<void*>(slot.place.data())) Kept(std::forward<Work>(work));
            slot.call = &call<Kept>;
            if (++open_count_ == kChunk || (hungry_.load(std::memory_order_relaxed) && is_due()))
                close(lock);
        } else {  // a pointer always fits
            run([kept = std::make_unique<Kept>(std::forward<Work>(work))] { (*kept)(); });
        }
    }

    /// Runs tasks until all are done. Throws what the first failing one threw, which cancelled the
    /// group, or ErrorCode::cancelled; a cancelled group stays so, another may be used again. Not
    /// for tasks of this very group.
    void wait();

    /// Tasks that have not started never will.
    void cancel() noexcept;
    /// For tasks that take long: job().check().
    const Job& job() const noexcept;

  private:
    static constexpr std::size_t kChunk = 32;
    struct Slot {
        void (*call)(void* place, bool run);  // runs the task or not, and destroys it
        alignas(16) std::array<std::byte, 48> place;
    };
    struct Chunk;
    struct Core;

    template <class Kept>
    static void call(void* place, bool run) {
        struct Destroy {
            Kept& work;
            ~Destroy() { work.~Kept(); }
        } task{*std::launder(static_cast<Kept*>(place))};
        if (run) task.work();
    }

    Slot& next_slot();
    /// Whether the open chunk should go to workers that wait, though it is not full.
    bool is_due() noexcept;
    /// Hands the open chunk over; runs it if that is this thread's turn.
    void close(std::unique_lock<SpinLock>& lock);

    std::shared_ptr<Core> core_;
    const std::atomic<bool>& hungry_;  // nothing waits for workers
    SpinLock lock_;                    // of the open chunk
    Chunk* open_ = nullptr;
    std::size_t open_count_ = 0;
    std::int64_t handed_over_ = 0;  // when, in nanoseconds
};

}  // namespace bitaxon
