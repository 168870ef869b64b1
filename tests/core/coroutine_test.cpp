#include <bitaxon/core/coroutine.hpp>

#include <bitaxon/core/error.hpp>

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <latch>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace bitaxon {
namespace {

using namespace std::chrono_literals;

class CoroutineThreads : public testing::TestWithParam<int> {
  protected:
    ExecutionContext context{{.threads = GetParam()}};
};
INSTANTIATE_TEST_SUITE_P(Threads, CoroutineThreads, testing::Values(1, 2, 5));

Task<int> seven() { co_return 7; }
Task<> nothing() { co_return; }
Task<int> fail() {
    throw std::range_error("no");
    co_return 0;
}
Task<std::unique_ptr<int>> boxed(int n) { co_return std::make_unique<int>(n); }

Task<std::string> everything(const ExecutionContext& context) {
    co_await nothing();
    const int a = co_await seven();
    const int b = co_await context.submit([] { return 8; });
    const std::unique_ptr<int> c = co_await boxed(9);
    std::string caught;
    try {
        co_await fail();
    } catch (const std::range_error& error) {
        caught = error.what();
    }
    try {
        co_await context.submit([]() -> int { throw std::range_error("way"); });
    } catch (const std::range_error& error) {
        caught += error.what();
    }
    co_await yield();
    co_return std::to_string(a) + std::to_string(b) + std::to_string(*c) + caught;
}

TEST_P(CoroutineThreads, TasksAwaitTasksAndFutures) {
    EXPECT_EQ(spawn(context, everything(context)).get(), "789noway");
    spawn(context, nothing()).get();
    EXPECT_THROW(spawn(context, fail()).get(), std::range_error);
}

TEST_P(CoroutineThreads, AnAwaitedFutureResumesOnAWorker) {
    const std::thread::id here = std::this_thread::get_id();
    const auto resumed_on = [](const ExecutionContext& c) -> Task<std::thread::id> {
        // Slow enough that the task is suspended.
        co_await c.submit([] { std::this_thread::sleep_for(20ms); });
        co_return std::this_thread::get_id();
    };
    Future<std::thread::id> future = spawn(context, resumed_on(context));
    EXPECT_NE(future.get(), here);
}

// Symmetric transfer: no stack grows, however many tasks await one another or end at once.
Task<long> sum_of(long n) {
    long sum = 0;
    for (long k = 0; k < n; ++k) sum += co_await [](long m) -> Task<long> { co_return m; }(k);
    co_return sum;
}
Task<long> deep(long n) {
    if (n == 0) co_return 0;
    co_return 1 + co_await deep(n - 1);
}

TEST_P(CoroutineThreads, LongAndDeepChainsDoNotGrowTheStack) {
#if defined(__OPTIMIZE__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    const long many = 1'000'000;  // GCC makes the transfer a jump only when it optimises
#else
    const long many = 1'000;
#endif
    EXPECT_EQ(spawn(context, sum_of(many)).get(), many * (many - 1) / 2);
    EXPECT_EQ(spawn(context, deep(many / 10)).get(), many / 10);
}

TEST_P(CoroutineThreads, YieldLetsOthersRun) {
    const ExecutionContext one({.threads = 1});
    std::vector<int> order;
    std::latch go(1);
    Future<> held = one.submit([&] { go.wait(); });  // until both wait
    const auto turns = [&](int who) -> Task<> {
        for (int k = 0; k < 3; ++k) {
            order.push_back(who);
            co_await yield();
        }
    };
    Future<> first = spawn(one, turns(1));
    Future<> second = spawn(one, turns(2));
    go.count_down();
    while (!first.wait_for(1s) || !second.wait_for(1s)) {
    }
    EXPECT_EQ(order, (std::vector{1, 2, 1, 2, 1, 2}));
}

TEST_P(CoroutineThreads, ManyTasksYieldManyTimes) {
    std::atomic<long> steps{0};
    const auto task = [&](int yields) -> Task<int> {
        for (int k = 0; k < yields; ++k) {
            steps.fetch_add(1);
            co_await yield();
        }
        co_return yields;
    };
    std::vector<Future<int>> futures;
    for (int k = 0; k < 300; ++k) futures.push_back(spawn(context, task(k)));
    int sum = 0;
    for (Future<int>& future : futures) sum += future.get();
    EXPECT_EQ(sum, 300 * 299 / 2);
    EXPECT_EQ(steps, sum);
}

TEST_P(CoroutineThreads, AWorkerThatWaitsForATaskHelpsIt) {
    const auto yields = []() -> Task<int> {
        for (int k = 0; k < 100; ++k) co_await yield();
        co_return 5;
    };
    Future<int> outer = context.submit([&] {
        Future<int> inner = spawn(context, yields());
        return inner.get() + spawn(context, yields()).then([](int n) { return n; }).get();
    });
    EXPECT_EQ(outer.get(), 10);
}

// What is queued beside it may wait for what the worker is in the middle of.
TEST_P(CoroutineThreads, AWorkerThatWaitsForATaskDoesNothingElse) {
    const auto inner = [](const ExecutionContext& c) -> Task<int> {
        co_await yield();
        co_return co_await c.submit([] { return 1; }).then([](int n) { return n + 1; });
    };
    const auto outer = [&](const ExecutionContext& c) -> Task<int> {
        for (int k = 0; k < 10; ++k) co_await yield();
        co_return co_await spawn(c, inner(c)) + 1;
    };
    std::latch queued(1);
    Future<int> first = context.submit([&] {
        queued.wait();
        return spawn(context, outer(context)).get();
    });
    Future<int> second = context.submit([&] { return first.get(); });
    queued.count_down();
    while (!second.wait_for(1s)) {  // get would run it here
    }
    EXPECT_EQ(second.get(), 3);
}

// A worker of another context gives the task back to its own, which nothing else keeps.
TEST_P(CoroutineThreads, ATaskKeepsItsContext) {
    const auto done = std::make_shared<std::latch>(1);
    const auto task = [](const ExecutionContext& other, auto latch) -> Task<> {
        co_await other.submit([] { std::this_thread::sleep_for(1ms); });
        co_await yield();
        latch->count_down();
    };
    spawn(ExecutionContext({.threads = 1}), task(context, done)).detach();
    done->wait();
}

TEST_P(CoroutineThreads, CancelReachesWhatATaskAwaits) {
    std::latch started(1);
    std::atomic<bool> cancelled{false};
    const auto inner = [&](Job& job) {
        started.count_down();
        const auto deadline = std::chrono::steady_clock::now() + 60s;
        while (!job.cancelled() && std::chrono::steady_clock::now() < deadline)
            std::this_thread::yield();
        cancelled = job.cancelled();
        job.check();
    };
    const auto middle = [&]() -> Task<> { co_await context.submit(inner); };
    const auto outer = [&]() -> Task<> { co_await middle(); };
    Future<> future = spawn(context, outer());
    started.wait();
    future.cancel();
    EXPECT_THROW(future.get(), Error);
    EXPECT_TRUE(cancelled);
}

TEST_P(CoroutineThreads, CancelEndsATaskThatYields) {
    std::latch started(1);
    const auto endless = [&]() -> Task<> {
        started.count_down();
        for (;;) co_await yield();
    };
    Future<> future = spawn(context, endless());
    started.wait();
    future.cancel();
    EXPECT_TRUE(future.wait_for(60s));
    EXPECT_THROW(future.get(), Error);
    {
        const Future<> dropped = spawn(context, [&]() -> Task<> {
            for (;;) co_await yield();
        }());
    }
}

TEST_P(CoroutineThreads, FramesAreGoneWhenATaskIsDone) {
    auto owned = std::make_shared<int>(3);
    const std::weak_ptr<int> watched = owned;
    const auto task = [](std::shared_ptr<int> value) -> Task<int> {
        co_await yield();
        co_return *value;
    };
    Future<int> future = spawn(context, task(std::move(owned)));
    future.wait();
    EXPECT_TRUE(watched.expired());
    EXPECT_EQ(future.get(), 3);

    owned = std::make_shared<int>(4);
    const std::weak_ptr<int> never = owned;
    { const Task<int> unstarted = task(std::move(owned)); }
    EXPECT_TRUE(never.expired());
}

}  // namespace
}  // namespace bitaxon
