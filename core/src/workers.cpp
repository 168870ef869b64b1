#include "workers.hpp"

#include "thread_limit.hpp"

#include <bitaxon/core/error.hpp>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sched.h>
#include <tbb/info.h>
#include <tbb/task_scheduler_observer.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <map>
#include <mutex>

namespace bitaxon {
namespace {

constexpr std::int64_t kMaxThreads = 4096;

constexpr std::array<std::string_view, 3> kCoreTypes = {"any", "efficient", "performant"};
constexpr std::array<std::string_view, 3> kPriorities = {"low", "normal", "high"};

template <class Enum, std::size_t count>
Enum parse(std::string_view argument, const std::array<std::string_view, count>& names,
           std::string_view text) {
    for (std::size_t k = 0; k < count; ++k)
        if (names[k] == text) return static_cast<Enum>(k);
    throw_error(ErrorCode::invalid_value, argument, fmt::format("'{}'", text),
                fmt::format("one of {}", fmt::join(names, ", ")));
}

int numa_node(const std::optional<std::int64_t>& wanted) {
    if (!wanted) return tbb::task_arena::automatic;
    const std::vector<int> nodes = numa_nodes();
    if (std::find(nodes.begin(), nodes.end(), *wanted) == nodes.end())
        throw_error(ErrorCode::invalid_value, "numa_node", fmt::format("{}", *wanted),
                    fmt::format("one of this machine's: {}", fmt::join(nodes, ", ")));
    return static_cast<int>(*wanted);
}

// oneTBB sorts the kinds of cores by performance; a machine with one kind has it for both ends.
int core_type(CoreType wanted) {
    if (wanted == CoreType::any) return tbb::task_arena::automatic;
    const std::vector<int> types = tbb::info::core_types();
    return wanted == CoreType::efficient ? types.front() : types.back();
}

int thread_count(const std::optional<std::int64_t>& wanted,
                 const tbb::task_arena::constraints& constraints) {
    if (!wanted) return tbb::info::default_concurrency(constraints);
    if (*wanted < 1 || *wanted > kMaxThreads)
        throw_error(ErrorCode::invalid_value, "threads", fmt::format("{}", *wanted),
                    fmt::format("1 to {}", kMaxThreads));
    return static_cast<int>(*wanted);
}

}  // namespace

std::string_view name(CoreType type) noexcept { return kCoreTypes[static_cast<std::size_t>(type)]; }
std::string_view name(Priority priority) noexcept {
    return kPriorities[static_cast<std::size_t>(priority)];
}
CoreType parse_core_type(std::string_view text) {
    return parse<CoreType>("core_type", kCoreTypes, text);
}
Priority parse_priority(std::string_view text) {
    return parse<Priority>("priority", kPriorities, text);
}

std::vector<int> numa_nodes() { return tbb::info::numa_nodes(); }

Placement::Placement(const ContextOptions& options)
    : priority(
          std::array{tbb::task_arena::priority::low, tbb::task_arena::priority::normal,
                     tbb::task_arena::priority::high}[static_cast<std::size_t>(options.priority)]),
      pinned(options.pinned) {
    constraints.set_numa_id(numa_node(options.numa_node));
    constraints.set_core_type(core_type(options.core_type));
    constraints.set_max_concurrency(thread_count(options.threads, constraints));
}

// Which threads are pinned where. oneTBB does not tell an observer that ends of the threads that
// are still inside, so whoever is left when the arenas are gone gets its own cores back from here.
class Cores {
  public:
    Cores() = default;
    Cores(const Cores&) = delete;
    Cores& operator=(const Cores&) = delete;
    ~Cores() {
        for (const auto& [thread, pinned] : pinned_) restore(thread, pinned);
    }

    void pin_this_thread() {
        const std::lock_guard lock(mutex_);
        Pinned& pinned = pinned_[gettid()];
        if (pinned.arenas++ != 0) return;
        if (sched_getaffinity(0, sizeof pinned.before, &pinned.before) != 0) return;
        const auto core = least_used(pinned.before);
        if (!core) return;
        pinned.core = core;
        ++used_[*core];
        cpu_set_t one;
        CPU_ZERO(&one);
        CPU_SET(*core, &one);
        sched_setaffinity(0, sizeof one, &one);
    }
    void release_this_thread() {
        const std::lock_guard lock(mutex_);
        const auto found = pinned_.find(gettid());
        if (found == pinned_.end() || --found->second.arenas != 0) return;
        restore(found->first, found->second);
        if (found->second.core) --used_[*found->second.core];
        pinned_.erase(found);
    }

  private:
    struct Pinned {
        int arenas = 0;
        std::optional<std::size_t> core;
        cpu_set_t before;
    };

    std::optional<std::size_t> least_used(const cpu_set_t& allowed) const {
        std::optional<std::size_t> best;
        for (std::size_t core = 0; core < used_.size(); ++core)
            if (CPU_ISSET(core, &allowed) && (!best || used_[core] < used_[*best])) best = core;
        return best;
    }
    static void restore(pid_t thread, const Pinned& pinned) {
        if (pinned.core) sched_setaffinity(thread, sizeof pinned.before, &pinned.before);
    }

    std::mutex mutex_;
    std::map<pid_t, Pinned> pinned_;
    std::array<int, CPU_SETSIZE> used_{};
};

// A worker has a core while it is in one of the context's arenas, and what it had before after.
class Pinning final : public tbb::task_scheduler_observer {
  public:
    Pinning(tbb::task_arena& arena, std::shared_ptr<Cores> cores)
        : task_scheduler_observer(arena), cores_(std::move(cores)) {
        observe(true);
    }
    ~Pinning() override { observe(false); }

    void on_scheduler_entry(bool is_worker) override {
        if (is_worker) cores_->pin_this_thread();
    }
    void on_scheduler_exit(bool is_worker) override {
        if (is_worker) cores_->release_this_thread();
    }

  private:
    std::shared_ptr<Cores> cores_;
};

Arena::Arena(const Placement& placement, unsigned reserved, const std::shared_ptr<Cores>& cores)
    : arena_(placement.constraints, reserved, placement.priority) {
    arena_.initialize();
    if (cores) pinning_ = std::make_unique<Pinning>(arena_, cores);
}
Arena::~Arena() = default;

Workers::Workers(const Placement& placement)
    : queue(static_cast<std::size_t>(placement.threads())), placement_(placement),
      born_(ThreadLimit::instance().forks()),
      cores_(placement.pinned ? std::make_shared<Cores>() : nullptr) {}

Workers::~Workers() {
    delete pumps_.load();
    delete callers_.load();
}

bool Workers::of_this_process() const { return born_ == ThreadLimit::instance().forks(); }

tbb::task_arena& Workers::arena(std::atomic<Arena*>& which, unsigned reserved) {
    if (Arena* arena = which.load(std::memory_order_acquire)) return arena->tbb();
    return ThreadLimit::instance()
        .guarded([&] {
            ThreadLimit::instance().use_workers();
            if (which.load(std::memory_order_relaxed) == nullptr)
                which.store(new Arena(placement_, reserved, cores_), std::memory_order_release);
            return which.load(std::memory_order_relaxed);
        })
        ->tbb();
}

}  // namespace bitaxon
