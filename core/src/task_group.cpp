#include <bitaxon/core/task_group.hpp>

#include "relax.hpp"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <exception>
#include <vector>

namespace bitaxon {
namespace {

constexpr std::size_t kWaitingPerThread = 8;  // chunks; more tasks are run by who makes them
constexpr auto kTimeSlice = std::chrono::milliseconds(2);
constexpr std::int64_t kBetweenSmallChunks = 2000;  // nanoseconds
constexpr int kSpins = 300;                         // looks around before who waits goes to sleep
constexpr int kMostNested = 16;    // tasks that run on one stack, begun by one another
constexpr std::size_t kAhead = 4;  // cells fetched before they are needed

thread_local constinit int nested = 0;

}  // namespace

struct TaskGroup::Chunk : Tasks {
    std::size_t count = 0;  // of cells
    std::atomic<std::size_t> next{0};
    std::size_t users = 0;  // threads that take tasks from it

    bool has_more(std::size_t more = 1) const noexcept {
        return next.load(std::memory_order_relaxed) + more <= count;
    }
};

// What outlives the group: a runner may still be queued when all tasks are done.
struct TaskGroup::Core : std::enable_shared_from_this<Core> {
    // A worker's turn at the group, while `core` is set.
    struct Runner : WorkItem {
        Runner() : WorkItem{&run_tasks} {}
        static void run_tasks(WorkItem& item) noexcept {
            auto& runner = static_cast<Runner&>(item);
            runner.core->work(runner);
        }
        std::shared_ptr<Core> core;
    };

    Core(const ExecutionContext& c, std::stop_token stop)
        : context(c), job(std::move(stop)), runners(static_cast<std::size_t>(c.threads())) {
        for (Runner& runner : runners) idle.push_back(&runner);
        spare.reserve(2 * most_waiting());
    }
    ~Core() {
        for (Chunk* chunk : spare) delete chunk;
    }

    std::size_t most_waiting() const noexcept { return kWaitingPerThread * runners.size(); }

    Chunk* take_chunk() {
        {
            const std::lock_guard guard(lock);
            if (!spare.empty()) {
                Chunk* chunk = spare.back();
                spare.pop_back();
                return chunk;
            }
        }
        return new Chunk;
    }

    // Has others run the chunk, whose tasks are counted as pending.
    void push(Chunk* chunk) {
        chunk->next.store(0, std::memory_order_relaxed);
        Runner* runner = nullptr;
        {
            const std::lock_guard guard(lock);
            waiting.push_back(chunk);
            look_at_supply();
            if (waiting.size() >= most_waiting() && !context.on_worker()) maker_helps = true;
            runner = take_runner();
        }
        epoch.fetch_add(1, std::memory_order_seq_cst);
        if (sleepers.load(std::memory_order_seq_cst) != 0) wake();
        start(runner);
    }

    // A chunk to take tasks from, as its user: one that waits, or one that others have begun. A
    // runner gets none where one too many runs.
    Chunk* pop(bool as_runner) noexcept {
        Chunk* chunk = nullptr;
        Runner* runner = nullptr;
        {
            const std::lock_guard guard(lock);
            if (as_runner && is_surplus()) return nullptr;
            if (!waiting.empty()) {
                chunk = waiting.front();
                waiting.pop_front();
                look_at_supply();
                chunk->users = 1;
                begun.push_back(chunk);
            } else {
                const auto found = std::ranges::find_if(
                    begun, [](const Chunk* other) { return other->has_more(); });
                if (found == begun.end()) return nullptr;
                chunk = *found;
                ++chunk->users;
            }
            if (chunk->has_more(2)) runner = take_runner();
        }
        start(runner);
        return chunk;
    }

    void run(void* place, Call call) noexcept {
        try {
            call(place, !job.cancelled());
        } catch (...) {
            fail(std::current_exception());
        }
    }

    void run(Chunk* chunk) noexcept {
        std::size_t done = 0;
        for (;;) {
            const std::size_t k = chunk->next.fetch_add(1, std::memory_order_relaxed);
            if (k >= chunk->count) break;
            // Another core wrote the tasks: the next ones come while this one runs.
            __builtin_prefetch(chunk->place(std::min(k + kAhead, kChunk - 1)));
            if (const Call call = chunk->calls[k]) run(chunk->place(k), call);
            ++done;
        }
        leave(chunk);
        finish(done);
    }

    void finish(std::size_t done) noexcept {
        if (pending.fetch_sub(done, std::memory_order_acq_rel) == done && done != 0) wake();
    }

    void work(Runner& runner) noexcept {
        const auto deadline = std::chrono::steady_clock::now() + kTimeSlice;
        while (std::chrono::steady_clock::now() < deadline) {
            if (Chunk* chunk = pop(true)) {
                run(chunk);
                continue;
            }
            // The last owner must go after the lock.
            const std::shared_ptr<Core> alive = retire(runner);
            if (alive) return;
        }
        context.requeue(runner);
    }

    // While a thread runs tasks until all are done.
    class Helping {
      public:
        explicit Helping(Core& core) : core_(core), helps_(!core.context.on_worker()) { add(1); }
        ~Helping() { add(std::size_t{0} - 1); }
        Helping(const Helping&) = delete;
        Helping& operator=(const Helping&) = delete;

      private:
        void add(std::size_t count) noexcept {
            if (!helps_) return;
            const std::lock_guard guard(core_.lock);
            core_.helpers += count;
        }
        Core& core_;
        const bool helps_;
    };

    // Until all is done, or a chunk came after `seen`.
    void sleep(std::size_t seen) {
        const auto awake = [&] {
            return pending.load(std::memory_order_acquire) == 0 ||
                   epoch.load(std::memory_order_seq_cst) != seen;
        };
        for (int spins = 0; spins < kSpins; ++spins) {
            if (awake()) return;
            relax();
        }
        // In one order with epoch: either who pushes sees the sleeper, or the sleeper the push.
        sleepers.fetch_add(1, std::memory_order_seq_cst);
        {
            std::unique_lock guard(mutex);
            changed.wait(guard, awake);
        }
        sleepers.fetch_sub(1, std::memory_order_relaxed);
    }

    // On lines of their own: what every task reads, and what every chunk writes.
    const ExecutionContext context;
    Job job;
    std::atomic<Supply> supply{Supply::none};
    alignas(64) std::atomic<std::size_t> pending{0};
    alignas(64) SpinLock lock;
    std::exception_ptr error;  // with the lock

  private:
    // The following with the lock.

    // Who makes tasks helps while there are plenty.
    void look_at_supply() noexcept {
        const Supply now = waiting.empty()                    ? Supply::none
                           : waiting.size() >= most_waiting() ? Supply::plenty
                                                              : Supply::some;
        if (supply.load(std::memory_order_relaxed) != now)
            supply.store(now, std::memory_order_relaxed);
        if (waiting.size() < most_waiting() / 2) maker_helps = false;
    }
    // A thread of its own that runs chunks does so instead of a worker: one thread more than the
    // context has would take turns with the thread that makes the tasks, and workers run dry.
    std::size_t most_running() const noexcept {
        const bool helped = maker_helps || helpers != 0;
        return helped && runners.size() > 1 ? runners.size() - 1 : runners.size();
    }
    std::size_t running() const noexcept { return runners.size() - idle.size(); }
    bool is_surplus() const noexcept { return running() > most_running(); }
    Runner* take_runner() noexcept {
        if (running() >= most_running()) return nullptr;
        Runner* runner = idle.back();
        idle.pop_back();
        runner->core = shared_from_this();
        return runner;
    }

    // Without.

    void start(Runner* runner) noexcept {
        if (runner != nullptr) context.queue(*runner);
    }
    // Whoever leaves a chunk found it exhausted, so the last one leaves it done.
    void leave(Chunk* chunk) noexcept {
        {
            const std::lock_guard guard(lock);
            if (--chunk->users != 0) return;
            std::erase(begun, chunk);
            if (spare.size() < spare.capacity()) {
                spare.push_back(chunk);
                return;
            }
        }
        delete chunk;
    }
    void fail(std::exception_ptr what) noexcept {
        const std::lock_guard guard(lock);
        if (!error) error = std::move(what);
        job.cancel();
    }
    // The runner's reference to the group, unless there is more to do.
    std::shared_ptr<Core> retire(Runner& runner) noexcept {
        const std::lock_guard guard(lock);
        if (!waiting.empty() && !is_surplus()) return nullptr;
        idle.push_back(&runner);  // never allocates: it was there before
        return std::move(runner.core);
    }
    void wake() noexcept {
        const std::lock_guard guard(mutex);
        changed.notify_all();
    }

    std::vector<Runner> runners;
    std::deque<Chunk*> waiting;
    std::vector<Chunk*> begun;  // by users who are not through
    std::vector<Chunk*> spare;
    std::vector<Runner*> idle;
    bool maker_helps = false;  // runs tasks, as there were too many
    std::size_t helpers = 0;   // threads that wait and are no workers

    std::atomic<std::size_t> epoch{0};
    std::atomic<int> sleepers{0};
    std::mutex mutex;
    std::condition_variable changed;

  public:
    std::size_t now() const noexcept { return epoch.load(std::memory_order_seq_cst); }
};

TaskGroup::TaskGroup(const ExecutionContext& context, std::stop_token stop)
    : core_(std::make_shared<Core>(context, std::move(stop))), supply_(core_->supply) {}

TaskGroup::~TaskGroup() {
    cancel();
    try {
        wait();
    } catch (...) {  // nobody asks any more
    }
    delete static_cast<Chunk*>(open_);
}

void TaskGroup::cancel() noexcept { core_->job.cancel(); }
const Job& TaskGroup::job() const noexcept { return core_->job; }

bool TaskGroup::may_run_now() noexcept { return nested < kMostNested; }

// Pending meanwhile, like any other: a thread that the task tells of may wait for it.
void TaskGroup::run_now(void* place, Call task) noexcept {
    core_->pending.fetch_add(1, std::memory_order_relaxed);
    ++nested;
    core_->run(place, task);
    --nested;
    core_->finish(1);
}

void TaskGroup::open_chunk() { open_ = core_->take_chunk(); }

// To hand over takes about as long as to fill a chunk. Single tasks of who makes them that fast
// would keep one worker hungry, and their maker from ever helping.
bool TaskGroup::is_due() noexcept {
    const std::int64_t now = std::chrono::steady_clock::now().time_since_epoch().count();
    if (now - handed_over_ < kBetweenSmallChunks) return false;
    handed_over_ = now;
    return true;
}

void TaskGroup::close(std::unique_lock<SpinLock>& lock) {
    auto* chunk = static_cast<Chunk*>(std::exchange(open_, nullptr));
    chunk->count = std::exchange(open_count_, 0);
    // With the lock: at no moment are the tasks neither in the open chunk nor pending, so a thread
    // that gave one of them can't find the group done.
    core_->pending.fetch_add(chunk->count, std::memory_order_relaxed);
    lock.unlock();
    core_->push(chunk);
}

void TaskGroup::wait() {
    const Core::Helping helping(*core_);
    for (;;) {
        if (std::unique_lock lock(lock_); open_count_ != 0) close(lock);
        const std::size_t seen = core_->now();
        if (Chunk* chunk = core_->pop(false)) {
            core_->run(chunk);
            continue;
        }
        if (core_->pending.load(std::memory_order_acquire) != 0) {
            core_->sleep(seen);
            continue;
        }
        const std::lock_guard guard(lock_);
        // Nothing was added meanwhile, nor closed by another thread and not pushed yet.
        if (open_count_ == 0 && core_->pending.load(std::memory_order_acquire) == 0) break;
    }
    std::exception_ptr error;
    {
        const std::lock_guard guard(core_->lock);
        error = std::exchange(core_->error, nullptr);
    }
    if (error) std::rethrow_exception(error);
    core_->job.check();
}

}  // namespace bitaxon
