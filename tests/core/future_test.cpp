#include <bitaxon/core/future.hpp>

#include <bitaxon/core/error.hpp>

#include <gtest/gtest.h>

#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <latch>
#include <memory>
#include <mutex>
#include <numeric>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace bitaxon {
namespace {

using namespace std::chrono_literals;

template <class Call>
ErrorCode code_of(Call call) {
    try {
        call();
    } catch (const Error& error) {
        return error.code();
    }
    ADD_FAILURE() << "nothing was thrown";
    return {};
}

// Turns until it is told to stop, or for a minute.
void turn(const Job& job) {
    const auto deadline = std::chrono::steady_clock::now() + 60s;
    while (std::chrono::steady_clock::now() < deadline) job.check();
}

// Keeps workers busy until it is released.
class Blocker {
  public:
    Blocker(const ExecutionContext& context, int workers) : started_(workers) {
        for (int k = 0; k < workers; ++k)
            works_.push_back(context.submit([this] {
                started_.count_down();
                released_.wait();
            }));
        started_.wait();
    }
    ~Blocker() { release(); }
    void release() {
        if (!released_.try_wait()) released_.count_down();
    }

  private:
    std::latch started_;
    std::latch released_{1};
    std::vector<Future<>> works_;
};

class FutureThreads : public testing::TestWithParam<int> {
  protected:
    ExecutionContext context{{.threads = GetParam()}};
};
INSTANTIATE_TEST_SUITE_P(Threads, FutureThreads, testing::Values(1, 2, 5));

TEST_P(FutureThreads, GivesValuesAndErrors) {
    EXPECT_EQ(context.submit([] { return 6 * 7; }).get(), 42);
    context.submit([] {}).get();
    EXPECT_EQ(
        *context.submit([p = std::make_unique<int>(5)]() mutable { return std::move(p); }).get(),
        5);
    Future<int> failing = context.submit([]() -> int { throw std::out_of_range("seven"); });
    failing.wait();
    EXPECT_TRUE(failing.ready());
    EXPECT_THROW(failing.get(), std::out_of_range);
    EXPECT_FALSE(failing.valid());
}

TEST_P(FutureThreads, EverySubmittedCallRunsOnceAndKeepsItsResult) {
    for (const std::size_t count : {1u, 2u, 7u, 1000u, 20'000u}) {
        std::atomic<std::size_t> runs{0};
        std::vector<Future<std::size_t>> futures;
        for (std::size_t k = 0; k < count; ++k)
            futures.push_back(context.submit([&runs, k] {
                runs.fetch_add(1);
                return k * k;
            }));
        for (std::size_t k = 0; k < count; ++k) ASSERT_EQ(futures[k].get(), k * k);
        EXPECT_EQ(runs, count);
    }
}

TEST_P(FutureThreads, ABatchCallsEachIndexOnce) {
    for (const std::size_t count : {0u, 1u, 3u, 64u, 10'007u}) {
        std::vector<std::atomic<int>> runs(count);
        const std::vector<int> squares =
            context
                .submit_batch(count,
                              [&](std::size_t k) {
                                  runs[k].fetch_add(1);
                                  return static_cast<int>(k * k % 1009);
                              })
                .get();
        ASSERT_EQ(squares.size(), count);
        for (std::size_t k = 0; k < count; ++k) {
            ASSERT_EQ(runs[k], 1);
            ASSERT_EQ(squares[k], static_cast<int>(k * k % 1009));
        }
        std::atomic<std::size_t> sum{0};
        Future<> silent = context.submit_batch(count, [&](std::size_t k) { sum.fetch_add(k); });
        silent.wait();
        EXPECT_EQ(silent.progress().done, count);
        EXPECT_EQ(silent.progress().total, count);
        silent.get();
        EXPECT_EQ(sum, count == 0 ? 0 : count * (count - 1) / 2);
    }
}

TEST_P(FutureThreads, WorkRunsOnNoMoreThanTheContextsWorkers) {
    std::mutex mutex;
    std::set<std::thread::id> threads;
    std::atomic<int> running{0};
    std::atomic<int> most{0};
    std::vector<Future<>> futures;
    for (int k = 0; k < 200; ++k)
        futures.push_back(context.submit([&] {
            const int now = running.fetch_add(1) + 1;
            for (int seen = most.load(); seen < now && !most.compare_exchange_weak(seen, now);) {
            }
            std::this_thread::sleep_for(1ms);
            running.fetch_sub(1);
            const std::lock_guard lock(mutex);
            threads.insert(std::this_thread::get_id());
        }));
    for (const Future<>& future : futures)  // get would lend a hand
        while (!future.wait_for(1s)) {
        }
    EXPECT_LE(most.load(), GetParam());
    EXPECT_GE(most.load(), std::min(GetParam(), 2));
    EXPECT_FALSE(threads.contains(std::this_thread::get_id()));
}

// All must be in their work at once to leave it.
TEST_P(FutureThreads, AsManyPiecesAsThreadsRunSideBySide) {
    const int count = GetParam();
    std::atomic<int> there{0};
    std::vector<Future<bool>> futures;
    for (int k = 0; k < count; ++k)
        futures.push_back(context.submit([&] {
            there.fetch_add(1);
            const auto deadline = std::chrono::steady_clock::now() + 60s;
            while (there.load() < count && std::chrono::steady_clock::now() < deadline)
                std::this_thread::yield();
            return there.load() == count;
        }));
    for (Future<bool>& future : futures) {
        while (!future.wait_for(1s)) {
        }
        EXPECT_TRUE(future.get());
    }
}

TEST_P(FutureThreads, WaitingForWorkThatHasNotStartedRunsIt) {
    Blocker blocker(context, GetParam());
    const std::thread::id here = std::this_thread::get_id();
    EXPECT_EQ(context.submit([] { return std::this_thread::get_id(); }).get(), here);
    EXPECT_EQ(context.submit([] { return 1; })
                  .then([](int one) { return one + 1; })
                  .then([](int two) { return std::pair(two, std::this_thread::get_id()); })
                  .get(),
              std::pair(2, here));
    EXPECT_FALSE(context.submit([] {}).wait_for(1ms));
}

TEST_P(FutureThreads, WorkMayWaitForWorkAndForLoops) {
    std::vector<Future<int>> outer;
    for (int k = 0; k < 50; ++k)
        outer.push_back(context.submit([this, k] {
            std::atomic<int> sum{0};
            context.parallel_for(20, [&](std::size_t i) { sum.fetch_add(static_cast<int>(i)); });
            Future<int> inner = context.submit([this, k] {
                return context.submit([k] { return k; }).then([](int n) { return 2 * n; }).get();
            });
            return sum.load() + inner.get();
        }));
    for (int k = 0; k < 50; ++k) EXPECT_EQ(outer[static_cast<std::size_t>(k)].get(), 190 + 2 * k);
}

TEST_P(FutureThreads, ThenHandsValuesOnAndErrorsPast) {
    EXPECT_EQ(context.submit([] { return 20; })
                  .then([](int n) { return std::to_string(n); })
                  .then([](const std::string& text) { return text + "!"; })
                  .get(),
              "20!");
    bool called = false;
    EXPECT_THROW(context.submit([]() -> int { throw std::range_error("no"); })
                     .then([&](int n) {
                         called = true;
                         return n;
                     })
                     .get(),
                 std::range_error);
    EXPECT_FALSE(called);
    EXPECT_EQ(context.submit([]() -> int { throw std::range_error("no"); })
                  .then([](Future<int> failed) {
                      try {
                          return failed.get();
                      } catch (const std::range_error&) {
                          return -1;
                      }
                  })
                  .get(),
              -1);
    int seen = 0;
    context.submit([&] { seen = 1; }).then([&] { seen += 1; }).get();
    EXPECT_EQ(seen, 2);
    Future<int> ready = context.submit([] { return 3; });
    ready.wait();
    EXPECT_EQ(std::move(ready).then([](int n) { return n + 1; }).get(), 4);
}

TEST_P(FutureThreads, LongChainsOfThenMakeNoDeepCalls) {
    Future<int> chain = context.submit([] { return 0; });
    for (int k = 0; k < 100'000; ++k) chain = chain.then([](int n) { return n + 1; });
    EXPECT_EQ(chain.get(), 100'000);

    Blocker blocker(context, GetParam());
    Future<int> dropped = context.submit([] { return 0; });
    for (int k = 0; k < 100'000; ++k) dropped = dropped.then([](int n) { return n + 1; });
}

TEST_P(FutureThreads, CancelEndsWhatRunsAndWhatWaits) {
    std::latch started(1);
    Future<> running = context.submit([&](Job& job) {
        started.count_down();
        turn(job);
    });
    started.wait();
    EXPECT_FALSE(running.wait_for(1ms));
    const auto asked = std::chrono::steady_clock::now();
    running.cancel();
    EXPECT_EQ(code_of([&] { running.get(); }), ErrorCode::cancelled);
    EXPECT_LT(std::chrono::steady_clock::now() - asked, 10s);

    Blocker blocker(context, GetParam());
    std::atomic<bool> ran{false};
    Future<int> waiting = context.submit([&] {
        ran = true;
        return 1;
    });
    Future<int> after = waiting.then([&](int n) {
        ran = true;
        return n;
    });
    after.cancel();
    EXPECT_TRUE(after.ready());
    EXPECT_EQ(code_of([&] { after.get(); }), ErrorCode::cancelled);
    blocker.release();
    EXPECT_EQ(context.submit([] { return 5; }).get(), 5);
    EXPECT_FALSE(ran);
}

TEST_P(FutureThreads, CancelReachesWhatSomebodyWaitsFor) {
    std::latch started(1);
    const Future<> future = context
                                .submit([&](Job& job) {
                                    started.count_down();
                                    turn(job);
                                })
                                .then([] {})
                                .then([] {});
    std::jthread other([&] {
        started.wait();
        std::this_thread::sleep_for(5ms);  // until the other thread waits
        future.cancel();
    });
    const auto begin = std::chrono::steady_clock::now();
    future.wait();
    EXPECT_LT(std::chrono::steady_clock::now() - begin, 30s);
}

TEST_P(FutureThreads, AStopTokenCancels) {
    std::stop_source source;
    std::latch started(1);
    Future<> running = context.submit(
        [&](Job& job) {
            started.count_down();
            turn(job);
        },
        source.get_token());
    started.wait();
    source.request_stop();
    EXPECT_EQ(code_of([&] { running.get(); }), ErrorCode::cancelled);
    Future<> late = context.submit([] {}, source.get_token());
    EXPECT_EQ(code_of([&] { late.get(); }), ErrorCode::cancelled);
}

TEST_P(FutureThreads, AFutureThatIsDroppedEndsItsWorkFirst) {
    std::vector<int> borrowed(1000, 0);
    std::latch started(1);
    std::atomic<bool> ended{false};
    {
        const Future<> dropped = context.submit([&](Job& job) {
            struct End {
                std::atomic<bool>& ended;
                ~End() { ended = true; }
            } end{ended};
            started.count_down();
            for (std::size_t k = 0; !job.cancelled(); ++k) borrowed[k % borrowed.size()] += 1;
        });
        started.wait();
    }
    EXPECT_TRUE(ended);
    Future<int> replaced = context.submit([](Job& job) {
        turn(job);
        return 1;
    });
    replaced = context.submit([] { return 2; });
    EXPECT_EQ(replaced.get(), 2);
}

TEST_P(FutureThreads, DetachedWorkGoesOn) {
    std::atomic<bool> ran{false};
    context.submit([&] { ran = true; }).detach();
    const auto deadline = std::chrono::steady_clock::now() + 60s;
    while (!ran && std::chrono::steady_clock::now() < deadline) std::this_thread::yield();
    EXPECT_TRUE(ran);
}

TEST_P(FutureThreads, WhatWorkOwnsIsGoneWhenItIsReady) {
    auto owned = std::make_shared<int>(1);
    const std::weak_ptr<int> watched = owned;
    Future<int> future = context.submit([owned = std::move(owned)] { return *owned; });
    future.wait();
    EXPECT_TRUE(watched.expired());
    EXPECT_EQ(future.get(), 1);
}

TEST_P(FutureThreads, TellsHowFarWorkIs) {
    std::latch counted(1);
    std::latch looked(1);
    Future<> future = context.submit([&](Job& job) {
        context.supervise({.progress = {}, .stop = {}, .job = &job}, 10, 0.0, [&](Job& same) {
            EXPECT_EQ(&same, &job);
            same.add_done(3);
            counted.count_down();
            looked.wait();
        });
    });
    counted.wait();
    EXPECT_EQ(future.progress().done, 3u);
    EXPECT_EQ(future.progress().total, 10u);
    looked.count_down();
    future.get();
    const auto refused = [&] {
        context
            .submit([&](Job& job) {
                context.supervise({.progress = [](auto, auto) {}, .stop = {}, .job = &job}, 1, 0.0,
                                  [](Job&) {});
            })
            .get();
    };
    EXPECT_EQ(code_of(refused), ErrorCode::invalid_value);
}

TEST(Future, WorkOutlivesTheContextThatItWasSubmittedTo) {
    for (int round = 0; round < 50; ++round) {
        std::vector<Future<int>> futures;
        {
            const ExecutionContext context({.threads = 2});
            for (int k = 0; k < 20; ++k) futures.push_back(context.submit([k] { return k; }));
            context.submit([] {}).detach();
        }
        for (int k = 0; k < 20; ++k) {
            Future<int>& future = futures[static_cast<std::size_t>(k)];
            EXPECT_TRUE(future.wait_for(60s));
            EXPECT_EQ(future.then([](int n) { return n + 1; }).get(), k + 1);
        }
    }
}

TEST(Future, WaitsForEverAndNotAtAll) {
    const ExecutionContext context({.threads = 1});
    EXPECT_TRUE(context.submit([] {}).wait_for(std::chrono::hours::max()));
    EXPECT_TRUE(context.submit([] {}).wait_for(std::chrono::duration<double>(1e30)));
    Blocker blocker(context, 1);
    const Future<> waiting = context.submit([] {});
    EXPECT_FALSE(waiting.wait_for(0s));
    EXPECT_FALSE(waiting.wait_for(-5s));
}

TEST(Future, ManyThreadsWaitForOne) {
    const ExecutionContext context({.threads = 1});
    std::latch go(1);
    Blocker blocker(context, 1);
    const Future<> future = context.submit([&] { go.wait(); });
    std::atomic<int> woken{0};
    {
        std::vector<std::jthread> waiting;
        for (int k = 0; k < 8; ++k)
            waiting.emplace_back([&] {
                while (!future.wait_for(60s)) {
                }
                woken.fetch_add(1);
            });
        std::this_thread::sleep_for(5ms);
        EXPECT_EQ(woken, 0);
        go.count_down();
        blocker.release();
    }
    EXPECT_EQ(woken, 8);
}

// Tasks that come from several threads, from tasks, and are waited for elsewhere.
TEST(Future, ManyThreadsAndContextsShareTheMachine) {
    const ExecutionContext one({.threads = 2});
    const ExecutionContext other({.threads = 3});
    std::vector<std::jthread> threads;
    for (int t = 0; t < 6; ++t)
        threads.emplace_back([&, t] {
            const ExecutionContext& mine = t % 2 == 0 ? one : other;
            const ExecutionContext& theirs = t % 2 == 0 ? other : one;
            for (int round = 0; round < 100; ++round) {
                std::vector<Future<long>> futures;
                for (long k = 0; k < 20; ++k)
                    futures.push_back(mine.submit([&theirs, k] {
                        return theirs.submit([k] { return k; })
                            .then([](long n) { return n * n; })
                            .get();
                    }));
                long sum = 0;
                for (Future<long>& future : futures) sum += future.get();
                ASSERT_EQ(sum, 2470);
            }
        });
}

#if !defined(__SANITIZE_THREAD__)  // TSan does not follow a fork of a threaded process
template <class InChild>
int exit_code_of_child(InChild in_child) {
    const pid_t child = fork();
    if (child == 0) _exit(in_child());
    int status = -1;
    const auto deadline = std::chrono::steady_clock::now() + 60s;
    while (waitpid(child, &status, WNOHANG) == 0) {
        if (std::chrono::steady_clock::now() > deadline) {
            kill(child, SIGKILL);
            waitpid(child, &status, 0);
            return -1;
        }
        std::this_thread::sleep_for(1ms);
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST(Future, AForkedChildComputesOnItsOwn) {
    if (BITAXON_TEST_EMULATED) GTEST_SKIP() << "qemu does not fork processes with threads reliably";
    const ExecutionContext context({.threads = 2});
    context.submit([] {}).get();
    EXPECT_EQ(exit_code_of_child([&] {
                  std::vector<Future<int>> futures;
                  for (int k = 0; k < 100; ++k)
                      futures.push_back(
                          context.submit([k] { return k; }).then([](int n) { return n + 1; }));
                  int sum = 0;
                  for (Future<int>& future : futures) {
                      if (!future.wait_for(10s)) return 1;
                      sum += future.get();
                  }
                  return sum == 5050 ? 0 : 2;
              }),
              0);
}

TEST(Future, AForkedChildIsToldThatItsParentHasTheWork) {
    if (BITAXON_TEST_EMULATED) GTEST_SKIP() << "qemu does not fork processes with threads reliably";
    const ExecutionContext context({.threads = 1});
    std::latch started(1);
    std::latch go(1);
    Future<int> running = context.submit([&] {
        started.count_down();
        go.wait();
        return 1;
    });
    started.wait();
    Future<int> waiting = context.submit([] { return 2; });
    EXPECT_EQ(exit_code_of_child([&] {
                  if (waiting.get() != 2) return 1;  // nobody has begun it: the child may
                  try {
                      running.get();
                      return 2;
                  } catch (const Error& error) {
                      return error.code() == ErrorCode::cancelled ? 0 : 3;
                  }
              }),
              0);
    go.count_down();
    EXPECT_EQ(running.get() + waiting.get(), 3);
}
#endif

}  // namespace
}  // namespace bitaxon
