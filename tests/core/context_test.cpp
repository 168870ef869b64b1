#include <bitaxon/core/context.hpp>

#include <bitaxon/core/error.hpp>
#include <bitaxon/core/future.hpp>
#include <bitaxon/core/info.hpp>

#include <gtest/gtest.h>

#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <mutex>
#include <set>
#include <thread>
#include <vector>

namespace bitaxon {
namespace {

std::string message_of(const ContextOptions& options, ErrorCode expected) {
    try {
        ExecutionContext context(options);
    } catch (const Error& error) {
        EXPECT_EQ(error.code(), expected);
        return error.what();
    }
    ADD_FAILURE() << "nothing was thrown";
    return {};
}

TEST(ExecutionContext, RejectsThreadCountsThatMakeNoSense) {
    for (const std::int64_t threads : {0, -1, 5000}) {
        const std::string message = message_of({.threads = threads}, ErrorCode::invalid_value);
        EXPECT_EQ(message, "threads: got " + std::to_string(threads) + ", expected 1 to 4096");
    }
}

TEST(ExecutionContext, UnknownTierListsTheChoices) {
    const std::string message =
        message_of({.threads = 1, .tier = "sse9"}, ErrorCode::invalid_value);
    EXPECT_NE(message.find("unknown name 'sse9'"), std::string::npos) << message;
    EXPECT_NE(message.find("portable"), std::string::npos) << message;
}

TEST(ExecutionContext, TierThatThisMachineLacksIsUnsupported) {
    for (const kernels::TierInfo& tier : kernels::tiers()) {
        if (tier.supported) {
            EXPECT_EQ(ExecutionContext({.threads = 1, .tier = std::string(tier.name)}).tier(),
                      tier.tier);
        } else {
            message_of({.threads = 1, .tier = std::string(tier.name)}, ErrorCode::unsupported);
        }
    }
}

TEST(ExecutionContext, EnvironmentVariableForcesTheTier) {
    ASSERT_EQ(setenv("BITAXON_TIER", "portable", 1), 0);
    EXPECT_EQ(ExecutionContext().tier(), kernels::Tier::portable);
    ASSERT_EQ(setenv("BITAXON_TIER", "nonsense", 1), 0);
    EXPECT_THROW(ExecutionContext(), Error);
    // An option is closer than the environment.
    EXPECT_EQ(ExecutionContext({.threads = 1, .tier = "portable"}).tier(), kernels::Tier::portable);
    ASSERT_EQ(unsetenv("BITAXON_TIER"), 0);
    EXPECT_EQ(ExecutionContext().tier(), kernels::best_tier());
}

TEST(ExecutionContext, PlacementIsCheckedAndCanBeAskedFor) {
    const std::vector<int> nodes = numa_nodes();
    ASSERT_FALSE(nodes.empty());
    for (const int node : nodes) {
        const ExecutionContext context({.threads = {}, .numa_node = node});
        EXPECT_GE(context.threads(), 1);
        EXPECT_EQ(context.submit([] { return 3; }).get(), 3);
    }
    const int beyond = *std::max_element(nodes.begin(), nodes.end()) + 1;
    EXPECT_NE(message_of({.numa_node = beyond}, ErrorCode::invalid_value)
                  .find("expected one of this machine's: "),
              std::string::npos);
    for (const std::string_view type : {"any", "efficient", "performant"}) {
        EXPECT_EQ(name(parse_core_type(type)), type);
        for (const std::string_view priority : {"low", "normal", "high"}) {
            EXPECT_EQ(name(parse_priority(priority)), priority);
            const ExecutionContext context(
                {.core_type = parse_core_type(type), .priority = parse_priority(priority)});
            std::atomic<int> sum{0};
            context.parallel_for(100, [&](std::size_t) { sum.fetch_add(1); });
            EXPECT_EQ(sum, 100);
        }
    }
    EXPECT_THROW(parse_core_type("big"), Error);
    EXPECT_THROW(parse_priority(""), Error);
}

// Cores that a worker may run on while several of them work side by side.
std::vector<cpu_set_t> cores_of_workers(const ExecutionContext& context) {
    const auto count = static_cast<std::size_t>(context.threads());
    std::atomic<std::size_t> there{0};
    std::vector<Future<cpu_set_t>> futures;
    for (std::size_t k = 0; k < count; ++k)
        futures.push_back(context.submit([&] {
            there.fetch_add(1);
            const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
            while (there.load() < count && std::chrono::steady_clock::now() < deadline)
                std::this_thread::yield();
            cpu_set_t cores;
            CPU_ZERO(&cores);
            sched_getaffinity(0, sizeof cores, &cores);
            return cores;
        }));
    std::vector<cpu_set_t> result;
    for (auto& future : futures) {
        while (!future.wait_for(std::chrono::seconds(1))) {
        }
        result.push_back(future.get());
    }
    return result;
}

TEST(ExecutionContext, PinnedWorkersHaveACoreEachAndGiveItBack) {
    cpu_set_t all;
    CPU_ZERO(&all);
    ASSERT_EQ(sched_getaffinity(0, sizeof all, &all), 0);
    for (int round = 0; round < 5; ++round) {
        {
            const ExecutionContext pinned({.threads = CPU_COUNT(&all), .pinned = true});
            cpu_set_t together;
            CPU_ZERO(&together);
            for (const cpu_set_t& cores : cores_of_workers(pinned)) {
                EXPECT_EQ(CPU_COUNT(&cores), 1);
                CPU_OR(&together, &together, &cores);
            }
            EXPECT_TRUE(CPU_EQUAL(&together, &all));
        }
        // The last worker may still be about to leave the arena that pinned it.
        const ExecutionContext free({.threads = CPU_COUNT(&all)});
        const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
        const auto all_free = [&] {
            return std::ranges::all_of(cores_of_workers(free), [&](const cpu_set_t& cores) {
                return CPU_EQUAL(&cores, &all);
            });
        };
        bool given_back = false;
        while (!given_back && std::chrono::steady_clock::now() < deadline) given_back = all_free();
        EXPECT_TRUE(given_back);
    }
    cpu_set_t mine;
    CPU_ZERO(&mine);
    sched_getaffinity(0, sizeof mine, &mine);
    EXPECT_TRUE(CPU_EQUAL(&mine, &all));
}

TEST(ExecutionContext, RunsEveryPieceOnce) {
    for (const int threads : {1, 2, 4}) {
        const ExecutionContext context({.threads = threads});
        std::vector<std::atomic<int>> runs(1000);
        context.parallel_for(runs.size(), [&](std::size_t i) { runs[i].fetch_add(1); });
        for (const auto& run : runs) EXPECT_EQ(run.load(), 1);
    }
}

// Each piece waits until all threads have arrived, so fewer threads than asked for would never
// finish: the wait is bounded, and the count says how many there were.
TEST(ExecutionContext, MoreThreadsThanCoresReallyRun) {
    constexpr int kThreads = 7;
    const ExecutionContext other({.threads = 3});  // must not lower the limit
    const ExecutionContext context({.threads = kThreads});
    std::mutex mutex;
    std::set<std::thread::id> seen;
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    context.parallel_for(kThreads, [&](std::size_t) {
        std::unique_lock lock(mutex);
        seen.insert(std::this_thread::get_id());
        while (seen.size() < kThreads && std::chrono::steady_clock::now() < deadline) {
            lock.unlock();
            std::this_thread::yield();
            lock.lock();
        }
    });
    EXPECT_EQ(seen.size(), static_cast<std::size_t>(kThreads));
}

TEST(ExecutionContext, ExceptionsLeaveParallelWork) {
    const ExecutionContext context({.threads = 2});
    EXPECT_THROW(context.parallel_for(100,
                                      [](std::size_t i) {
                                          if (i == 57) throw std::runtime_error("piece 57");
                                      }),
                 std::runtime_error);
}

TEST(ExecutionContext, StopTokenCancels) {
    const ExecutionContext context({.threads = 2});
    std::stop_source source;
    const Monitor monitor{.stop = source.get_token()};
    bool reached = false;
    try {
        context.supervise(monitor, 10, 0.0, [&](Job& job) {
            job.check();
            reached = true;
            source.request_stop();
            job.check();
            FAIL() << "a requested stop was not seen";
        });
        FAIL() << "nothing was thrown";
    } catch (const Error& error) {
        EXPECT_EQ(error.code(), ErrorCode::cancelled);
    }
    EXPECT_TRUE(reached);
}

TEST(ExecutionContext, LongWorkReportsOnTheCallersThreadAndAThrowingReportCancelsIt) {
    const ExecutionContext context({.threads = 2});
    const std::thread::id caller = std::this_thread::get_id();
    int reports = 0;
    Monitor monitor;
    monitor.progress = [&](std::size_t done, std::size_t total) {
        EXPECT_EQ(std::this_thread::get_id(), caller);
        EXPECT_LE(done, total);
        if (++reports == 3) throw std::runtime_error("enough");
    };
    const auto start = std::chrono::steady_clock::now();
    EXPECT_THROW(context.supervise(monitor, 100, 1e9,
                                   [&](Job& job) {
                                       while (std::chrono::steady_clock::now() <
                                              start + std::chrono::seconds(60)) {
                                           job.check();
                                           std::this_thread::sleep_for(
                                               std::chrono::milliseconds(1));
                                       }
                                   }),
                 std::runtime_error);
    EXPECT_EQ(reports, 3);
    EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(30));
}

TEST(ExecutionContext, ShortWorkStaysOnTheCallersThread) {
    const ExecutionContext context({.threads = 2});
    const Monitor monitor{.progress = [](std::size_t, std::size_t) {}};
    const std::thread::id caller = std::this_thread::get_id();
    for (const auto& [nanoseconds, stays] : {std::pair(9e6, true), std::pair(2e7, false)}) {
        std::thread::id worker;
        context.supervise(monitor, 1, nanoseconds,
                          [&](Job&) { worker = std::this_thread::get_id(); });
        EXPECT_EQ(worker == caller, stays) << nanoseconds;
    }
}

TEST(ExecutionContext, ReportsTheEnd) {
    const ExecutionContext context({.threads = 1});
    std::size_t last = 0;
    Monitor monitor;
    monitor.progress = [&](std::size_t done, std::size_t) { last = done; };
    context.supervise(monitor, 42, 0.0, [](Job&) {});
    EXPECT_EQ(last, 42u);
    context.supervise(monitor, 43, 1e9, [](Job&) {});
    EXPECT_EQ(last, 43u);
}

TEST(Scratch, LendsAlignedMemoryAndTakesItBack) {
    const ExecutionContext context({.threads = 1});
    void* first = nullptr;
    {
        Scratch scratch = context.scratch(Scratch::bytes<int>(3) + Scratch::bytes<double>(100));
        int* a = scratch.take<int>(3);
        double* b = scratch.take<double>(100);
        EXPECT_EQ(reinterpret_cast<std::uintptr_t>(a) % 64, 0u);
        EXPECT_EQ(reinterpret_cast<std::uintptr_t>(b) % 64, 0u);
        EXPECT_GE(reinterpret_cast<char*>(b), reinterpret_cast<char*>(a + 3));
        first = a;
    }
    Scratch again = context.scratch(8);
    EXPECT_EQ(again.take<int>(1), first);
}

// A thread that waits for its inner loop must not start another piece of the outer one.
TEST(ExecutionContext, LocksAroundNestedLoopsDoNotDeadlock) {
    const ExecutionContext context({.threads = 4});
    std::mutex mutex;
    std::atomic<int> inner{0};
    context.parallel_for(64, [&](std::size_t) {
        const std::lock_guard lock(mutex);
        context.parallel_for(16, [&](std::size_t) { inner.fetch_add(1); });
    });
    EXPECT_EQ(inner, 64 * 16);
}

#if !defined(__SANITIZE_THREAD__)  // TSan does not follow a fork of a threaded process
// Forks, lets the child compute, and waits for it for a minute at most.
void expect_forked_child_computes(const ExecutionContext& context) {
    // qemu 7.2 ends children with an assertion of its own (cpu == current_cpu) now and then.
    if (BITAXON_TEST_EMULATED) GTEST_SKIP() << "qemu does not fork processes with threads reliably";
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
        std::atomic<int> sum{0};
        context.reserve_scratch(2, 1 << 12);
        context.parallel_for(1000, [&](std::size_t) { sum.fetch_add(1); });
        _exit(sum.load() == 1000 ? 0 : 1);
    }
    int status = -1;
    pid_t waited = 0;
    // Looks, not time: a debugger or a job control may stop both processes for long.
    for (int k = 0; k < 60'000 && waited == 0; ++k) {
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
        waited = waitpid(child, &status, WNOHANG);
    }
    if (waited == 0) kill(child, SIGKILL);
    ASSERT_EQ(waited, child) << "the child hung";
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
}

TEST(ExecutionContext, ForkedChildMakesAnArenaOfItsOwn) {
    const ExecutionContext context({.threads = 2});
    context.parallel_for(100, [](std::size_t) {});
    expect_forked_child_computes(context);
}

TEST(ExecutionContext, ForkedChildDoesNotInheritLocksThatOthersHeld) {
    const ExecutionContext context({.threads = 2});
    std::vector<std::jthread> busy;
    for (int k = 0; k < 2; ++k)
        busy.emplace_back([&](const std::stop_token& stop) {
            while (!stop.stop_requested()) context.reserve_scratch(2, 1 << 12);
        });
    for (int round = 0; round < 50 && !IsSkipped(); ++round)
        ASSERT_NO_FATAL_FAILURE(expect_forked_child_computes(context));
}
#endif

TEST(Info, TellsTiersOriginsAndThreads) {
    const ExecutionContext context({.threads = 3, .tier = "portable"});
    const Info result = info(context);
    EXPECT_EQ(result.threads, 3);
    EXPECT_EQ(result.tiers.size(), kernels::tiers().size());
    for (const TierReport& tier : result.tiers) EXPECT_EQ(tier.active, tier.name == "portable");
    EXPECT_EQ(result.origins.size(), kernels::operations().size());
    for (const auto& [operation, origin] : result.origins)
        EXPECT_EQ(origin, "portable") << operation;
    EXPECT_NE(describe(result).find("avx512-vpopcntdq"), std::string::npos);
}

}  // namespace
}  // namespace bitaxon
