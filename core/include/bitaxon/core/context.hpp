// Where work runs: a thread arena, a SIMD tier and a default seed, bound once and shared by copies.
#pragma once

#include <bitaxon/kernels/tier.hpp>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <type_traits>
#include <utility>

namespace bitaxon {

struct ContextOptions {
    /// 1 ... 4096; all that the process may use unless given.
    std::optional<std::int64_t> threads = {};
    /// A tier's name; else BITAXON_TIER, else the best one.
    std::string tier = {};
    /// For forwards that are given none.
    std::uint64_t seed = 0;
};

/// What a long call tells its caller, and how the caller stops it.
struct Monitor {
    /// Called on the calling thread, at the end and about every 20 ms of work that lasts longer
    /// than a millisecond. An exception that it throws cancels the work and leaves the call.
    std::function<void(std::size_t done, std::size_t total)> progress = {};
    /// A requested stop ends the call with ErrorCode::cancelled.
    std::stop_token stop = {};
};

/// The state of one call, shared by the threads that work on it.
class Job {
  public:
    explicit Job(std::stop_token stop = {}) : stop_(std::move(stop)) {}

    /// Cheap enough for every tile. @throws Error with ErrorCode::cancelled once a stop was
    /// requested
    void check() const;
    void cancel() noexcept { cancelled_.store(true, std::memory_order_relaxed); }

    void add_done(std::size_t count) noexcept { done_.fetch_add(count, std::memory_order_relaxed); }
    std::size_t done() const noexcept { return done_.load(std::memory_order_relaxed); }

  private:
    std::stop_token stop_;
    std::atomic<bool> cancelled_{false};
    std::atomic<std::size_t> done_{0};
};

/// Memory that a task borrows from its context; the same block is lent again later.
class Scratch {
  public:
    Scratch(Scratch&& other) noexcept;
    Scratch& operator=(Scratch&&) = delete;
    ~Scratch();

    /// The next `count` elements, 64-byte aligned, not initialised. Must fit what was asked for.
    template <class T>
    T* take(std::size_t count) noexcept {
        return static_cast<T*>(take_bytes(count * sizeof(T)));
    }
    /// Gives back all that was taken since used() was `mark`.
    std::size_t used() const noexcept { return used_; }
    void rewind(std::size_t mark) noexcept { used_ = mark; }

    /// What take() uses up for `count` elements of T.
    template <class T>
    static constexpr std::size_t bytes(std::size_t count) noexcept {
        return (count * sizeof(T) + 63) / 64 * 64;
    }

  private:
    friend class ExecutionContext;
    struct Block;
    struct Pool;
    Scratch(Pool& pool, Block* block) noexcept : pool_(&pool), block_(block) {}
    void* take_bytes(std::size_t count) noexcept;

    Pool* pool_;
    Block* block_;
    std::size_t used_ = 0;
};

/// Owns a oneTBB arena. Copies share it; all methods may be called from many threads at once.
///
/// After a fork the child's first call makes an arena of its own; work that was pending in the
/// parent stays there. oneTBB itself starts no workers in a child of a process that had some: such
/// a child computes on its calling threads, right and without haste. Start workers with spawn, not
/// fork.
class ExecutionContext {
  public:
    /// @throws Error for 0 or fewer threads and for a tier that is unknown or not supported here
    explicit ExecutionContext(const ContextOptions& options = {});

    /// The context of calls that name none: all threads, the best tier (or BITAXON_TIER), seed 0.
    static const ExecutionContext& shared();

    kernels::Tier tier() const noexcept;
    const kernels::KernelTable& kernels() const noexcept;
    int threads() const noexcept;
    std::uint64_t seed() const noexcept;

    /// Runs body(0) ... body(pieces - 1) on the arena, in any order; the first exception is
    /// rethrown. One piece, or a context of one thread, stays on the caller's thread.
    template <class Body>
    void parallel_for(std::size_t pieces, Body&& body) const {
        run_pieces(
            pieces,
            [](void* b, std::size_t i) { (*static_cast<std::remove_reference_t<Body>*>(b))(i); },
            &body);
    }

    /// Runs the task on the arena some time soon, without waiting for it. What it throws is lost, and
    /// so are tasks that are pending when the process ends or forks.
    void enqueue(std::function<void()> task) const;

    /// Runs work(job) and reports on it; `nanoseconds` is how long it is expected to take at most.
    /// Work of over a millisecond with a progress function runs beside the calling thread, which
    /// keeps reporting; other work stays on it.
    template <class Work>
    void supervise(const Monitor& monitor, std::size_t total, double nanoseconds,
                   Work&& work) const {
        run_supervised(
            monitor, total, nanoseconds,
            [](void* w, Job& job) { (*static_cast<std::remove_reference_t<Work>*>(w))(job); },
            &work);
    }

    /// A scratch block of at least `bytes`; reserve_scratch makes sure that `blocks` of them can be
    /// lent at once without allocating.
    Scratch scratch(std::size_t bytes) const;
    void reserve_scratch(std::size_t blocks, std::size_t bytes) const;

  private:
    // Bodies travel as plain pointers: std::function would allocate in every call.
    void run_pieces(std::size_t pieces, void (*body)(void*, std::size_t), void* argument) const;
    void run_supervised(const Monitor& monitor, std::size_t total, double nanoseconds,
                        void (*work)(void*, Job&), void* argument) const;

    struct State;
    std::shared_ptr<State> state_;
};

}  // namespace bitaxon
