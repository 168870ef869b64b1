#include <bitaxon/core/context.hpp>

#include <bitaxon/core/bitstream.hpp>
#include <bitaxon/core/error.hpp>
#include <bitaxon/kernels/random_word.hpp>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <pthread.h>
#include <tbb/global_control.h>
#include <tbb/info.h>
#include <tbb/parallel_for.h>
#include <tbb/task_arena.h>

#include <array>
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <exception>
#include <mutex>
#include <set>
#include <thread>
#include <vector>

namespace bitaxon {
namespace {

constexpr std::int64_t kMaxThreads = 4096;
constexpr double kSupervisedNanoseconds = 1e6;
constexpr auto kReportInterval = std::chrono::milliseconds(20);

// oneTBB never runs more threads than cores unless a global_control allows it, and of several
// controls the smallest counts. So one control stands for the largest context alive.
//
// The limit also knows of forks: a child has none of its parent's workers, so what was made before
// the fork must not be used after it. Its mutex is held over a fork, and over the making of arenas,
// so that a child never finds either half done.
class ThreadLimit {
  public:
    static ThreadLimit& instance() {
        static ThreadLimit limit;
        return limit;
    }

    /// Forks that this process descends from since its start.
    std::uint64_t forks() const { return forks_.load(std::memory_order_relaxed); }

    /// Makes something while no fork can happen.
    template <class Make>
    auto guarded(Make make) {
        const std::lock_guard lock(mutex_);
        return make();
    }
    void add(int threads) {
        const std::lock_guard lock(mutex_);
        wanted_.insert(threads);
        apply();
    }
    void remove(int threads) {
        const std::lock_guard lock(mutex_);
        wanted_.erase(wanted_.find(threads));
        apply();
    }

  private:
    ThreadLimit() {
        pthread_atfork([] { instance().mutex_.lock(); }, [] { instance().mutex_.unlock(); },
                       [] {
                           instance().forks_.fetch_add(1, std::memory_order_relaxed);
                           instance().mutex_.unlock();
                       });
    }

    void apply() {
        const int most = wanted_.empty() ? 0 : *wanted_.rbegin();
        if (most == applied_) return;
        control_.reset();
        if (most > tbb::info::default_concurrency())
            control_.emplace(tbb::global_control::max_allowed_parallelism,
                             static_cast<std::size_t>(most));
        applied_ = most;
    }

    std::mutex mutex_;
    std::multiset<int> wanted_;
    std::optional<tbb::global_control> control_;
    int applied_ = 0;
    std::atomic<std::uint64_t> forks_{0};
};

int thread_count(const std::optional<std::int64_t>& wanted) {
    if (!wanted) return tbb::info::default_concurrency();
    if (*wanted < 1 || *wanted > kMaxThreads)
        throw_error(ErrorCode::invalid_value, "threads", fmt::format("{}", *wanted),
                    fmt::format("1 to {}", kMaxThreads));
    return static_cast<int>(*wanted);
}

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

struct Scratch::Block {
    AlignedWords memory;
};

// Each thread has a slot that it tries first, so that forwards of a microsecond on many threads do
// not queue for one lock. The list is for what finds its slot empty or too small.
struct Scratch::Pool {
    Block* lend(std::size_t bytes) {
        if (Block* block = slot().exchange(nullptr, std::memory_order_acquire)) {
            if (size(*block) >= bytes) return block;
            put(block);
        }
        const std::lock_guard lock(mutex_);
        if (free_.empty()) add();
        Block* block = free_.back();
        grow(*block, bytes);
        free_.pop_back();
        return block;
    }

    void take_back(Block* block) noexcept {
        Block* empty = nullptr;
        if (!slot().compare_exchange_strong(empty, block, std::memory_order_release,
                                            std::memory_order_relaxed))
            put(block);
    }

    void reserve(std::size_t blocks, std::size_t bytes) {
        const std::lock_guard lock(mutex_);
        for (Slot& slot : slots_)
            if (Block* block = slot.block.exchange(nullptr, std::memory_order_acquire))
                free_.push_back(block);
        while (free_.size() < blocks) add();
        for (std::size_t i = free_.size() - blocks; i < free_.size(); ++i) grow(*free_[i], bytes);
    }

  private:
    struct alignas(64) Slot {
        std::atomic<Block*> block{nullptr};
    };

    // A thread's slot follows from where its thread-local storage lies; threads that share one only
    // meet in the list.
    std::atomic<Block*>& slot() noexcept {
        thread_local const char here = 0;
        return slots_[kernels::mix(reinterpret_cast<std::uintptr_t>(&here)) % slots_.size()].block;
    }
    static std::size_t size(const Block& block) noexcept {
        return block.memory.size() * sizeof(std::uint64_t);
    }
    void put(Block* block) noexcept {
        const std::lock_guard lock(mutex_);
        free_.push_back(block);  // never allocates: add() reserved the place
    }
    void add() {
        free_.reserve(all_.size() + 1);
        all_.push_back(std::make_unique<Block>());
        free_.push_back(all_.back().get());
    }
    static void grow(Block& block, std::size_t bytes) {
        if (size(block) < bytes) block.memory = AlignedWords((bytes + 7) / sizeof(std::uint64_t));
    }

    std::array<Slot, 128> slots_;
    std::mutex mutex_;
    std::vector<std::unique_ptr<Block>> all_;
    std::vector<Block*> free_;
};

Scratch::Scratch(Scratch&& other) noexcept
    : pool_(other.pool_), block_(std::exchange(other.block_, nullptr)), used_(other.used_) {}

Scratch::~Scratch() {
    if (block_) pool_->take_back(block_);
}

void* Scratch::take_bytes(std::size_t count) noexcept {
    std::byte* place = reinterpret_cast<std::byte*>(block_->memory.data()) + used_;
    used_ += bytes<std::byte>(count);
    return place;
}

// What must be made anew after a fork: workers, and locks that another thread may have held.
struct ExecutionContext::State {
    struct Workers {
        explicit Workers(int threads) : arena(threads), born(ThreadLimit::instance().forks()) {
            arena.initialize();
        }
        tbb::task_arena arena;
        Scratch::Pool pool;
        std::uint64_t born;
    };

    kernels::Tier tier;
    const kernels::KernelTable* kernels;
    int threads;
    std::uint64_t seed;

    explicit State(const ContextOptions& options)
        : tier(choose_tier(options.tier)), kernels(kernels::table(tier)),
          threads(thread_count(options.threads)), seed(options.seed) {
        ThreadLimit::instance().add(threads);
        workers_ = make_workers();
    }
    ~State() {
        // An arena of before a fork would wait for workers that are not there: it is left behind.
        Workers* last = workers_.load();
        if (last->born == ThreadLimit::instance().forks())
            ThreadLimit::instance().guarded([last] { delete last; });
        ThreadLimit::instance().remove(threads);
    }
    State(const State&) = delete;
    State& operator=(const State&) = delete;

    Workers& workers() {
        Workers* current = workers_.load(std::memory_order_acquire);
        if (current->born == ThreadLimit::instance().forks()) return *current;
        // Of several threads that find this out, one wins; the parent's workers are left behind.
        Workers* made = make_workers();
        if (workers_.compare_exchange_strong(current, made)) return *made;
        delete made;
        return *current;
    }

  private:
    Workers* make_workers() const {
        return ThreadLimit::instance().guarded([this] { return new Workers(threads); });
    }

    std::atomic<Workers*> workers_{nullptr};
};

ExecutionContext::ExecutionContext(const ContextOptions& options)
    : state_(std::make_shared<State>(options)) {}

const ExecutionContext& ExecutionContext::shared() {
    static const ExecutionContext context;
    return context;
}

kernels::Tier ExecutionContext::tier() const noexcept { return state_->tier; }
const kernels::KernelTable& ExecutionContext::kernels() const noexcept { return *state_->kernels; }
int ExecutionContext::threads() const noexcept { return state_->threads; }
std::uint64_t ExecutionContext::seed() const noexcept { return state_->seed; }

void ExecutionContext::run_pieces(std::size_t pieces, void (*body)(void*, std::size_t),
                                  void* argument) const {
    if (pieces <= 1 || state_->threads == 1) {
        for (std::size_t i = 0; i < pieces; ++i) body(argument, i);
        return;
    }
    // Isolated: a thread that waits here must not take up another piece of an outer loop, which may
    // hold a lock that this one wants.
    state_->workers().arena.execute([&] {
        tbb::this_task_arena::isolate([&] {
            tbb::parallel_for(
                tbb::blocked_range<std::size_t>(0, pieces, 1),
                [&](const tbb::blocked_range<std::size_t>& range) {
                    for (std::size_t i = range.begin(); i < range.end(); ++i) body(argument, i);
                },
                tbb::simple_partitioner{});
        });
    });
}

void ExecutionContext::enqueue(std::function<void()> task) const {
    state_->workers().arena.enqueue([task = std::move(task)] {
        try {
            task();
        } catch (...) {  // there is nobody to tell
        }
    });
}

void ExecutionContext::run_supervised(const Monitor& monitor, std::size_t total, double nanoseconds,
                                      void (*work)(void*, Job&), void* argument) const {
    Job job(monitor.stop);
    job.check();
    if (!monitor.progress || nanoseconds < kSupervisedNanoseconds) {
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
            monitor.progress(job.done(), total);
            lock.lock();
        }
        lock.unlock();
        worker.join();
        if (failure) std::rethrow_exception(failure);
        monitor.progress(total, total);
    } catch (...) {
        job.cancel();
        throw;
    }
}

Scratch ExecutionContext::scratch(std::size_t bytes) const {
    Scratch::Pool& pool = state_->workers().pool;
    return {pool, pool.lend(bytes)};
}

void ExecutionContext::reserve_scratch(std::size_t blocks, std::size_t bytes) const {
    state_->workers().pool.reserve(blocks, bytes);
}

void Job::check() const {
    if (cancelled_.load(std::memory_order_relaxed) || stop_.stop_requested())
        throw Error(ErrorCode::cancelled, "the call was cancelled: its stop token was triggered");
}

}  // namespace bitaxon
