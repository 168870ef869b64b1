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
/// spread as well. While plenty of chunks wait, run does its task itself before it returns: whoever
/// makes tasks faster than the workers do them becomes one of them.
///
///     TaskGroup group(context);
///     for (const Item& item : items) group.run([&item] { work(item); });
///     group.wait();
///
/// All methods may be called from many threads at once, and run from tasks. On cache lines of its
/// own: what tasks read often lies beside their group.
class alignas(64) TaskGroup {
  public:
    explicit TaskGroup(const ExecutionContext& context, std::stop_token stop = {});
    TaskGroup(const TaskGroup&) = delete;
    TaskGroup& operator=(const TaskGroup&) = delete;
    /// Cancels, and waits for tasks that run.
    ~TaskGroup();

    /// Has the task run once, by a worker or by this thread, unless the group is cancelled before.
    /// It may wait for later runs or wait to be handed over. Hold no lock that tasks take.
    template <class Work>
    void run(Work&& work) {
        using Kept = std::decay_t<Work>;
        constexpr std::size_t kCells = (sizeof(Kept) + kCell - 1) / kCell;
        const Supply supply = supply_.load(std::memory_order_relaxed);
        if (supply == Supply::plenty && may_run_now()) {
            alignas(Kept) std::array<std::byte, sizeof(Kept)> place;
            new (static_cast<void*>(place.data())) Kept(std::forward<Work>(work));
            run_now(place.data(), &call<Kept>);
        } else if constexpr (kCells <= kMostCells && alignof(Kept) <= alignof(std::uint64_t) &&
                             std::is_nothrow_constructible_v<Kept, Work&&>) {
            std::unique_lock lock(lock_);
            if (open_ == nullptr) open_chunk();
            new (open_->place(open_count_)) Kept(std::forward<Work>(work));
            open_->calls[open_count_] = &call<Kept>;
            if constexpr (kCells > 1) open_->calls[open_count_ + 1] = nullptr;
            open_count_ += kCells;
            if (open_count_ + kMostCells > kChunk || (supply == Supply::none && is_due()))
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
    /// How many chunks wait.
    enum class Supply : std::uint8_t { none, some, plenty };

    static constexpr std::size_t kChunk = 128;  // cells
    static constexpr std::size_t kCell = 24;    // bytes: two tasks share a cache line
    static constexpr std::size_t kMostCells = 2;
    using Call = void (*)(void* place, bool run);  // runs the task or not, and destroys it
    struct alignas(64) Tasks {
        std::array<Call, kChunk> calls;  // none for the second cell of a task
        alignas(std::uint64_t) std::array<std::byte, kChunk * kCell> cells;
        void* place(std::size_t cell) noexcept { return cells.data() + cell * kCell; }
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

    /// Whether the stack has room for a task beneath the ones it runs.
    static bool may_run_now() noexcept;
    void run_now(void* place, Call task) noexcept;
    void open_chunk();
    /// Whether the open chunk should go to workers that wait, though it is not full.
    bool is_due() noexcept;
    /// Hands the open chunk over.
    void close(std::unique_lock<SpinLock>& lock);

    std::shared_ptr<Core> core_;
    const std::atomic<Supply>& supply_;
    SpinLock lock_;  // of the open chunk
    Tasks* open_ = nullptr;
    std::size_t open_count_ = 0;    // cells
    std::int64_t handed_over_ = 0;  // when, in nanoseconds
};

}  // namespace bitaxon
