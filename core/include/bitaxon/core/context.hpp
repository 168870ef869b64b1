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
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace bitaxon {

/// Which cores of a machine that has several kinds.
enum class CoreType : std::uint8_t { any, efficient, performant };

/// Whose work the machine's threads do first when several contexts have some.
enum class Priority : std::uint8_t { low, normal, high };

std::string_view name(CoreType type) noexcept;
std::string_view name(Priority priority) noexcept;
/// @throws Error that lists the names
CoreType parse_core_type(std::string_view name);
Priority parse_priority(std::string_view name);

struct ContextOptions {
    /// 1 ... 4096; unless given, all that the process may use (of the NUMA node and core type).
    std::optional<std::int64_t> threads = {};
    /// A tier's name; else BITAXON_TIER, else the best one.
    std::string tier = {};
    /// For forwards that are given none.
    std::uint64_t seed = 0;
    /// Each worker stays on a core of its own. Calling threads go where they like.
    bool pinned = false;
    /// Workers stay on this NUMA node, one of numa_nodes().
    std::optional<std::int64_t> numa_node = {};
    CoreType core_type = CoreType::any;
    Priority priority = Priority::normal;
};

/// The NUMA nodes of this machine; one of them is -1 where nobody can tell.
std::vector<int> numa_nodes();

/// The state of one call, shared by the threads that work on it.
class Job {
  public:
    /// It is cancelled with `outer`, which must outlive it.
    explicit Job(std::stop_token stop = {}, const Job* outer = nullptr)
        : stop_(std::move(stop)), outer_(outer) {}

    bool cancelled() const noexcept {
        return cancelled_.load(std::memory_order_relaxed) || stop_.stop_requested() ||
               (outer_ != nullptr && outer_->cancelled());
    }
    /// Cheap enough for every tile. @throws Error with ErrorCode::cancelled once a stop was
    /// requested
    void check() const {
        if (cancelled()) throw_cancelled();
    }
    void cancel() noexcept { cancelled_.store(true, std::memory_order_relaxed); }

    /// Says how much there is to do, in the units of add_done.
    void expect(std::size_t total) noexcept { total_.store(total, std::memory_order_relaxed); }
    void add_done(std::size_t count) noexcept { done_.fetch_add(count, std::memory_order_relaxed); }
    std::size_t done() const noexcept { return done_.load(std::memory_order_relaxed); }
    std::size_t total() const noexcept { return total_.load(std::memory_order_relaxed); }

  private:
    [[noreturn]] static void throw_cancelled();

    std::stop_token stop_;
    const Job* outer_;
    std::atomic<bool> cancelled_{false};
    std::atomic<std::size_t> done_{0};
    std::atomic<std::size_t> total_{0};
};

/// What a long call tells its caller, and how the caller stops it.
struct Monitor {
    /// Called on the calling thread, at the end and about every 20 ms of work that lasts longer
    /// than a millisecond. An exception that it throws cancels the work and leaves the call.
    std::function<void(std::size_t done, std::size_t total)> progress = {};
    /// A requested stop ends the call with ErrorCode::cancelled.
    std::stop_token stop = {};
    /// For calls inside of submitted work: they count and are cancelled as part of that job, and
    /// take no progress function.
    Job* job = nullptr;
};

/// Something that waits in a context's queue to be run once. It is a link of that queue, so that
/// queueing allocates nothing.
struct WorkItem {
    void (*run)(WorkItem& self) noexcept;
    WorkItem* behind = nullptr;  ///< of use to the queue alone
};

template <class T>
class Future;

/// What work(job), or else work(), returns.
template <class Work>
using ResultOf =
    typename std::conditional_t<std::is_invocable_v<Work, Job&>, std::invoke_result<Work, Job&>,
                                std::invoke_result<Work>>::type;

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

    struct Pool;  ///< opaque

  private:
    friend class ExecutionContext;
    struct Block;
    Scratch(Pool& pool, Block* block) noexcept : pool_(&pool), block_(block) {}
    void* take_bytes(std::size_t count) noexcept;

    Pool* pool_;
    Block* block_;
    std::size_t used_ = 0;
};

/// Owns a oneTBB arena. Copies share it; all methods may be called from many threads at once.
///
/// Submitted work runs on at most threads() workers while nobody needs to wait for it. It keeps the
/// context alive until it is done.
///
/// After a fork the child's first call makes an arena of its own; work that was pending in the
/// parent stays there. oneTBB itself starts no workers in a child of a process that had some: such
/// a child computes on its calling threads, submitted work as soon as it is submitted, right and
/// without haste. Start workers with spawn, not fork.
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

    /// This context for a call that may be stopped: encoders, constructors of layers, drawing of
    /// weights and whatever else works on it end soon after the monitor's stop is requested or its
    /// job is cancelled, with ErrorCode::cancelled. While they work on the thread that calls this,
    /// progress is called there about every 20 ms, with (0, 0): how much there is to do is not
    /// known. Calls that take a Monitor heed both. The job must outlive all work on it.
    ExecutionContext watched(const Monitor& monitor) const;

    /// For long loops: a few nanoseconds. @throws what ends work on a watched context
    void check() const {
        if (watch_) look();
    }

    /// Runs body(0) ... body(pieces - 1) on the arena, in any order, with a check() before each;
    /// the first exception is rethrown. One piece, or a context of one thread, stays on the
    /// caller's thread.
    template <class Body>
    void parallel_for(std::size_t pieces, Body&& body) const {
        run_pieces(
            pieces,
            [](void* b, std::size_t i) { (*static_cast<std::remove_reference_t<Body>*>(b))(i); },
            &body);
    }

    /// Runs the task on the arena some time soon, without waiting for it. What it throws is lost,
    /// and so are tasks that are pending when the process ends or forks.
    void enqueue(std::function<void()> task) const;

    /// Runs work(job), or work(), on a worker soon; work is moved there. A requested stop cancels
    /// it as Future::cancel does. Include bitaxon/core/future.hpp.
    template <class Work>
    Future<ResultOf<std::decay_t<Work>>> submit(Work&& work, std::stop_token stop = {}) const;

    /// The same for work that is not worth a worker: runs it before it returns.
    template <class Work>
    Future<ResultOf<std::decay_t<Work>>> run_here(Work&& work, std::stop_token stop = {}) const;

    /// Runs work(0) ... work(count - 1) as one batch, which costs a nanosecond or two a call, and
    /// collects what they return. Cancelled between any two of them. Include
    /// bitaxon/core/future.hpp.
    template <class Work>
    auto submit_batch(std::size_t count, Work&& work, std::stop_token stop = {}) const;

    /// Runs the item on a worker soon, the first one queued first. It must live until then, and
    /// something else than the item must keep the context alive until this returns.
    void queue(WorkItem& item) const noexcept;
    /// The same for an item that a worker runs now, behind all that waits for this worker. The item
    /// may be all that keeps the context alive.
    void requeue(WorkItem& item) const noexcept;
    bool on_worker() const noexcept;

    /// Runs work(job) and reports on it; `nanoseconds` is how long it is expected to take at most.
    /// Work of over ten milliseconds with a progress function runs beside the calling thread, which
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

    void look() const;

    struct State;
    struct Watch;
    std::shared_ptr<State> state_;
    std::shared_ptr<Watch> watch_;  // nothing unless watched
};

}  // namespace bitaxon
