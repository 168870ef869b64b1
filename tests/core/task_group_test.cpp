#include <bitaxon/core/task_group.hpp>

#include <bitaxon/core/error.hpp>

#include <gtest/gtest.h>

#include <sys/resource.h>

#include <array>
#include <atomic>
#include <chrono>
#include <latch>
#include <memory>
#include <mutex>
#include <set>
#include <stdexcept>
#include <thread>
#include <vector>

namespace bitaxon {
namespace {

using namespace std::chrono_literals;

class TaskGroupThreads : public testing::TestWithParam<int> {
  protected:
    ExecutionContext context{{.threads = GetParam()}};
};
INSTANTIATE_TEST_SUITE_P(Threads, TaskGroupThreads, testing::Values(1, 2, 5));

TEST_P(TaskGroupThreads, EveryTaskRunsOnce) {
    TaskGroup group(context);
    for (const std::size_t count : {0u, 1u, 126u, 127u, 128u, 129u, 50'000u}) {
        std::vector<std::atomic<int>> runs(count);
        for (std::size_t k = 0; k < count; ++k) group.run([&runs, k] { runs[k].fetch_add(1); });
        group.wait();
        for (const auto& run : runs) ASSERT_EQ(run, 1);
    }
}

TEST_P(TaskGroupThreads, TasksMayMakeTasks) {
    struct Tree {
        TaskGroup& group;
        std::atomic<int>& leaves;
        void grow(int depth) const {
            if (depth == 0) {
                leaves.fetch_add(1);
                return;
            }
            for (int k = 0; k < 2; ++k) group.run([*this, depth] { grow(depth - 1); });
        }
    };
    std::atomic<int> leaves{0};
    TaskGroup group(context);
    Tree{group, leaves}.grow(16);
    group.wait();
    EXPECT_EQ(leaves, 1 << 16);
}

TEST_P(TaskGroupThreads, ManyThreadsShareAGroup) {
    std::atomic<int> runs{0};
    TaskGroup group(context);
    {
        std::vector<std::jthread> threads;
        for (int t = 0; t < 6; ++t)
            threads.emplace_back([&] {
                for (int k = 0; k < 5000; ++k) group.run([&] { runs.fetch_add(1); });
                group.wait();
            });
    }
    group.wait();
    EXPECT_EQ(runs, 30'000);
}

// All must be in their work at once to leave it, so each needs a thread: the caller is one.
TEST_P(TaskGroupThreads, FewCoarseTasksSpread) {
    const int count = GetParam();
    std::atomic<int> there{0};
    std::atomic<int> met{0};
    TaskGroup group(context);
    for (int k = 0; k < count; ++k)
        group.run([&] {
            there.fetch_add(1);
            const auto deadline = std::chrono::steady_clock::now() + 60s;
            while (there.load() < count && std::chrono::steady_clock::now() < deadline)
                std::this_thread::yield();
            met.fetch_add(there.load() == count ? 1 : 0);
        });
    group.wait();
    EXPECT_EQ(met, count);
}

TEST_P(TaskGroupThreads, LargeAndThrowingClosuresAreDestroyedOnce) {
    auto owned = std::make_shared<int>(1);
    std::atomic<int> sum{0};
    {
        TaskGroup group(context);
        for (int k = 0; k < 100; ++k) {
            group.run([owned, &sum] { sum.fetch_add(*owned); });
            group.run([owned, &sum, two_cells = std::array<int, 6>{1}] { sum += two_cells[0]; });
            group.run([owned, &sum, large = std::array<int, 50>{1}] { sum.fetch_add(large[0]); });
        }
        group.wait();
        EXPECT_EQ(sum, 300);
        EXPECT_EQ(owned.use_count(), 1);

        for (int k = 0; k < 100; ++k)
            group.run([owned, k] {
                if (k == 57) throw std::range_error("task 57");
            });
        EXPECT_THROW(group.wait(), std::range_error);
        EXPECT_EQ(owned.use_count(), 1);
        EXPECT_THROW(group.wait(), Error);
        group.run([owned, &sum] { sum = -1; });
    }
    EXPECT_EQ(sum, 300);
    EXPECT_EQ(owned.use_count(), 1);
}

// Workers wait for a task that the maker must run: it does once enough others are there.
TEST_P(TaskGroupThreads, WhoMakesTooManyTasksRunsThemAndKeepsTheirErrors) {
    std::atomic<bool> helped{false};
    TaskGroup group(context);
    for (int k = 0; k < 100'000 && !helped; ++k)
        group.run([&helped, maker = std::this_thread::get_id()] {
            while (!helped && std::this_thread::get_id() != maker) std::this_thread::yield();
            if (!helped.exchange(true)) throw std::range_error("the first one");
        });
    EXPECT_TRUE(helped);
    EXPECT_THROW(group.wait(), std::range_error);
}

TEST_P(TaskGroupThreads, CancelEndsIt) {
    std::stop_source source;
    std::atomic<int> runs{0};
    TaskGroup group(context, source.get_token());
    std::latch started(1);
    std::jthread other([&] {
        started.wait();
        source.request_stop();
    });
    for (int k = 0; k < 1000; ++k)
        group.run([&, k] {
            if (k == 0) started.count_down();
            runs.fetch_add(1);
            const auto deadline = std::chrono::steady_clock::now() + 60s;
            while (!group.job().cancelled() && std::chrono::steady_clock::now() < deadline)
                std::this_thread::yield();
        });
    try {
        group.wait();
        FAIL() << "nothing was thrown";
    } catch (const Error& error) {
        EXPECT_EQ(error.code(), ErrorCode::cancelled);
    }
    EXPECT_LE(runs, GetParam() + 1);
}

TEST_P(TaskGroupThreads, TasksThatComeFasterThanTheyGoTakeBoundedMemory) {
    const auto peak_kilobytes = [] {
        rusage usage{};
        getrusage(RUSAGE_SELF, &usage);
        return usage.ru_maxrss;
    };
    std::atomic<std::size_t> sum{0};
    const auto run = [&](std::size_t count) {
        TaskGroup group(context);
        for (std::size_t k = 0; k < count; ++k)
            group.run([&, k] {
                std::size_t x = k;
                for (int step = 0; step < 100; ++step) x = x * 6364136223846793005u + 1;
                if (x == 1) sum.fetch_add(1);
            });
        group.wait();
    };
    run(10'000);
    const long before = peak_kilobytes();
    run(500'000);  // closures of 24 MB
    EXPECT_LT(peak_kilobytes() - before, 4096);
}

}  // namespace
}  // namespace bitaxon
