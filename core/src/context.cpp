#include "thread_limit.hpp"
#include "workers.hpp"

#include <bitaxon/core/error.hpp>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <tbb/parallel_for.h>

#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <ctime>
#include <exception>
#include <mutex>
#include <thread>

namespace bitaxon {
namespace {

// A thread of its own costs a call of one millisecond several percent, and much more on a busy
// machine; Ctrl-C may wait for this long (ADR 4).
constexpr double kSupervisedNanoseconds = 1e7;
constexpr auto kReportInterval = std::chrono::milliseconds(20);

kernels::Tier choose_tier(const std::string& option) {
    const char* variable = std::getenv("BITAXON_TIER");
    const bool forced_by_variable = option.empty() && variable != nullptr && *variable != '\0';
    const std::string name = forced_by_variable ? variable : option;
    if (name.empty()) return kernels::best_tier();

    const std::optional<kernels::Tier> tier = kernels::find_tier(name);
    if (tier && kernels::info(*tier).supported) return *tier;
    std::vector<std::string_view> choices;
    for (const kernels::TierInfo& info : kernels::tiers())
        if (info.supported) choices.push_back(info.name);
    const std::string expected =
        fmt::format("one that this CPU supports: {}", fmt::join(choices, ", "));
    const std::string_view source = forced_by_variable ? "BITAXON_TIER" : "tier";
    if (!tier)
        throw_error(ErrorCode::invalid_value, source, fmt::format("unknown name '{}'", name),
                    expected);
    throw_error(ErrorCode::unsupported, source,
                fmt::format("'{}', which this {} does not have", name,
                            kernels::info(*tier).compiled ? "CPU" : "build"),
                expected);
}

}  // namespace

struct ExecutionContext::State : std::enable_shared_from_this<State> {
    kernels::Tier tier;
    const kernels::KernelTable* kernels;
    Placement placement;
    std::uint64_t seed;

    explicit State(const ContextOptions& options)
        : tier(choose_tier(options.tier)), kernels(kernels::table(tier)), placement(options),
          seed(options.seed) {
        // One more than its threads: while workers do what was submitted, oneTBB counts a thread
        // outside of its arenas, which may well sleep.
        ThreadLimit::instance().add(placement.threads() + 1);
        workers_ = make_workers();
    }
    ~State() {
        // An arena of before a fork would wait for workers that are not there: it is left behind.
        Workers* last = workers_.load();
        if (last->of_this_process()) ThreadLimit::instance().guarded([last] { delete last; });
        ThreadLimit::instance().remove(placement.threads() + 1);
    }
    State(const State&) = delete;
    State& operator=(const State&) = delete;

    Workers& workers() {
        Workers* current = workers_.load(std::memory_order_acquire);
        if (current->of_this_process()) return *current;
        // Of several threads that find this out, one wins; the parent's workers are left behind.
        Workers* made = make_workers();
        if (workers_.compare_exchange_strong(current, made)) return *made;
        delete made;
        return *current;
    }

    // A pump keeps the state alive, and with it the queue.
    void start_pump(Workers& workers) noexcept {
        if (ThreadLimit::instance().workerless()) return pump_here(workers);
        try {
            tbb::task_arena& arena = workers.pumps();
            arena.enqueue([self = shared_from_this(), &workers] {
                const int lane = tbb::this_task_arena::current_thread_index();
                // Isolated: a loop of some submitted work must not take up a pump while it waits.
                const bool more = tbb::this_task_arena::isolate(
                    [&] { return workers.queue.pump(static_cast<std::size_t>(lane), true); });
                if (more) self->start_pump(workers);
            });
        } catch (...) {  // no memory for a task of oneTBB's: late is better than never
            pump_here(workers);
        }
    }

  private:
    static void pump_here(Workers& workers) noexcept {
        static_cast<void>(workers.queue.pump(0, false));
    }
    Workers* make_workers() const {
        return ThreadLimit::instance().guarded([this] { return new Workers(placement); });
    }

    std::atomic<Workers*> workers_{nullptr};
};

// What may end the work on a watched context. All but the job belongs to the thread that watches.
struct ExecutionContext::Watch {
    Watch(const Monitor& monitor, std::shared_ptr<Watch> around)
        : outer(std::move(around)), progress(monitor.progress),
          job(monitor.stop, monitor.job == nullptr && outer ? &outer->job : monitor.job) {}

    bool is_here() const noexcept { return std::this_thread::get_id() == thread; }
    bool reports_here() const noexcept {
        return (progress && is_here()) || (outer && outer->reports_here());
    }
    void check() {
        if (outer) outer->check();
        if (progress && is_here()) report();
        job.check();
    }
    // Work on other threads ends cancelled once it sees why; what counts is the reason itself.
    void rethrow_reason() const {
        if (outer) outer->rethrow_reason();
        if (is_here() && reason) std::rethrow_exception(reason);
    }

    const std::shared_ptr<Watch> outer;
    const std::function<void(std::size_t, std::size_t)> progress;
    Job job;

  private:
    static std::chrono::nanoseconds now() noexcept {
        timespec time{};
        clock_gettime(CLOCK_MONOTONIC_COARSE, &time);  // costs a fifth of steady_clock
        return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
    }
    void report() {
        if (const auto time = now(); time < next) return;
        try {
            progress(0, 0);
        } catch (...) {
            reason = std::current_exception();
            job.cancel();
            throw;
        }
        next = now() + kReportInterval;
    }

    const std::thread::id thread = std::this_thread::get_id();
    std::chrono::nanoseconds next = now() + kReportInterval;
    std::exception_ptr reason;
};

ExecutionContext::ExecutionContext(const ContextOptions& options)
    : state_(std::make_shared<State>(options)) {}

const ExecutionContext& ExecutionContext::shared() {
    static const ExecutionContext context;
    return context;
}

kernels::Tier ExecutionContext::tier() const noexcept { return state_->tier; }
const kernels::KernelTable& ExecutionContext::kernels() const noexcept { return *state_->kernels; }
int ExecutionContext::threads() const noexcept { return state_->placement.threads(); }
std::uint64_t ExecutionContext::seed() const noexcept { return state_->seed; }

ExecutionContext ExecutionContext::watched(const Monitor& monitor) const {
    ExecutionContext result(*this);
    result.watch_ = std::make_shared<Watch>(monitor, watch_);
    return result;
}

void ExecutionContext::look() const { watch_->check(); }

void ExecutionContext::run_pieces(std::size_t pieces, void (*body)(void*, std::size_t),
                                  void* argument) const {
    const auto run = [&](std::size_t begin, std::size_t end) {
        for (std::size_t i = begin; i < end; ++i) {
            check();
            body(argument, i);
        }
    };
    if (pieces <= 1 || threads() == 1 || ThreadLimit::instance().workerless())
        return run(0, pieces);
    // Isolated: a thread that waits here must not take up another piece of an outer loop, which may
    // hold a lock that this one wants.
    const auto spread = [&] {
        tbb::parallel_for(
            tbb::blocked_range<std::size_t>(0, pieces, 1),
            [&](const tbb::blocked_range<std::size_t>& range) { run(range.begin(), range.end()); },
            tbb::simple_partitioner{});
    };
    try {
        state_->workers().callers().execute([&] { tbb::this_task_arena::isolate(spread); });
    } catch (...) {
        if (watch_) watch_->rethrow_reason();
        throw;
    }
}

void ExecutionContext::enqueue(std::function<void()> task) const {
    auto run = [task = std::move(task)] {
        try {
            task();
        } catch (...) {  // there is nobody to tell
        }
    };
    if (ThreadLimit::instance().workerless()) return run();
    state_->workers().callers().enqueue(std::move(run));
}

// The state first: once the item is queued, it may run elsewhere and end this handle of its
// context.
void ExecutionContext::queue(WorkItem& item) const noexcept {
    State& state = *state_;
    Workers& workers = state.workers();
    if (workers.queue.push(item)) state.start_pump(workers);
}

void ExecutionContext::requeue(WorkItem& item) const noexcept {
    State& state = *state_;
    Workers& workers = state.workers();
    // A pump keeps its own state alive; other threads, as the workers of another context, do not.
    const std::shared_ptr<State> alive = workers.queue.on_pump() ? nullptr : state_;
    if (workers.queue.push_again(item)) state.start_pump(workers);
}

bool ExecutionContext::on_worker() const noexcept { return state_->workers().queue.on_pump(); }

namespace {

void run_within(Job& job, const Monitor& monitor, std::size_t total, void (*work)(void*, Job&),
                void* argument) {
    if (monitor.progress)
        throw_error(ErrorCode::invalid_value, "monitor.progress", "a function beside a job",
                    "none: the job's Future knows how far it is");
    const std::stop_callback cancel(monitor.stop, [&] { job.cancel(); });
    job.check();
    job.expect(total);
    work(argument, job);
}

}  // namespace

void ExecutionContext::run_supervised(const Monitor& monitor, std::size_t total, double nanoseconds,
                                      void (*work)(void*, Job&), void* argument) const {
    if (monitor.job != nullptr) return run_within(*monitor.job, monitor, total, work, argument);
    check();
    Job job(monitor.stop, watch_ ? &watch_->job : nullptr);
    job.check();
    const bool reports = monitor.progress || (watch_ && watch_->reports_here());
    if (!reports || nanoseconds < kSupervisedNanoseconds) {
        work(argument, job);
        if (monitor.progress) monitor.progress(total, total);
        return;
    }

    // The calling thread only reports, so that it is never inside a tile when its user loses
    // patience.
    std::mutex mutex;
    std::condition_variable finished;
    bool done = false;
    std::exception_ptr failure;
    std::jthread worker([&] {
        try {
            work(argument, job);
        } catch (...) {
            failure = std::current_exception();
        }
        const std::lock_guard lock(mutex);
        done = true;
        finished.notify_one();
    });
    try {
        std::unique_lock lock(mutex);
        while (!finished.wait_for(lock, kReportInterval, [&] { return done; })) {
            lock.unlock();
            if (monitor.progress) monitor.progress(job.done(), total);
            check();
            lock.lock();
        }
        lock.unlock();
        worker.join();
        if (failure) std::rethrow_exception(failure);
        if (monitor.progress) monitor.progress(total, total);
    } catch (...) {
        job.cancel();
        throw;
    }
}

Scratch ExecutionContext::scratch(std::size_t bytes) const {
    Scratch::Pool& pool = state_->workers().scratch;
    return {pool, pool.lend(bytes)};
}

void ExecutionContext::reserve_scratch(std::size_t blocks, std::size_t bytes) const {
    state_->workers().scratch.reserve(blocks, bytes);
}

void Job::throw_cancelled() { throw Error(ErrorCode::cancelled, "the call was cancelled"); }

}  // namespace bitaxon
