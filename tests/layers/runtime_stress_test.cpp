// Eight threads do all that the runtime offers, at random, on three contexts that they share. For
// the thread sanitizer; BITAXON_STRESS_SECONDS makes it longer (make test-tsan: a minute).
#include <bitaxon/core/coroutine.hpp>
#include <bitaxon/core/error.hpp>
#include <bitaxon/core/task_group.hpp>
#include <bitaxon/layers/network.hpp>

#include "oracle.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <random>
#include <thread>
#include <vector>

namespace bitaxon {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kRows = 40;

std::chrono::seconds duration() {
    const char* text = std::getenv("BITAXON_STRESS_SECONDS");
    return std::chrono::seconds(text == nullptr ? 2 : std::atoi(text));
}

Task<long> count_down(const ExecutionContext& context, long n) {
    long sum = 0;
    while (n > 0) {
        sum += co_await context.submit([n] { return n; });
        co_await yield();
        --n;
    }
    co_return sum;
}

class Stress {
  public:
    Stress() { layer_.forward_batch(contexts_[0], x_, expected_); }

    void run(unsigned seed, Clock::time_point end) {
        std::mt19937 random(seed);
        constexpr std::array kActions = {
            &Stress::submit,    &Stress::chain,   &Stress::cancel, &Stress::drop,
            &Stress::batch,     &Stress::group,   &Stress::spawn,  &Stress::loop,
            &Stress::supervise, &Stress::forward, &Stress::stream, &Stress::passing_context};
        // At least so many: a machine that is busy, or emulated, does few in two seconds.
        while (Clock::now() < end || actions() < 100) {
            const ExecutionContext& context = contexts_[random() % contexts_.size()];
            (this->*kActions[random() % kActions.size()])(context,
                                                          static_cast<unsigned>(random() % 20));
            actions_.fetch_add(1, std::memory_order_relaxed);
        }
    }
    long actions() const { return actions_.load(); }

  private:
    void submit(const ExecutionContext& context, unsigned n) {
        std::vector<Future<unsigned>> futures;
        for (unsigned k = 0; k < n; ++k) futures.push_back(context.submit([k] { return k; }));
        for (unsigned k = 0; k < n; ++k) ASSERT_EQ(futures[k].get(), k);
    }
    void chain(const ExecutionContext& context, unsigned n) {
        Future<unsigned> future = context.submit([] { return 0u; });
        for (unsigned k = 0; k < n; ++k) future = future.then([](unsigned v) { return v + 1; });
        if (n % 3 == 0)
            while (!future.wait_for(std::chrono::milliseconds(100))) {
            }
        ASSERT_EQ(future.get(), n);
    }
    void cancel(const ExecutionContext& context, unsigned n) {
        std::vector<Future<>> futures;
        for (unsigned k = 0; k < n; ++k)
            futures.push_back(context
                                  .submit([](Job& job) {
                                      const auto end = Clock::now() + std::chrono::minutes(1);
                                      while (Clock::now() < end) job.check();
                                  })
                                  .then([] {}));
        for (const Future<>& future : futures) future.cancel();
        for (Future<>& future : futures) ASSERT_THROW(future.get(), Error);
    }
    void drop(const ExecutionContext& context, unsigned n) {
        std::vector<int> borrowed(100);
        for (unsigned k = 0; k < n; ++k) {
            const Future<> dropped =
                context.submit([&] { std::fill(borrowed.begin(), borrowed.end(), 1); });
        }
        context.submit([] {}).detach();
    }
    void batch(const ExecutionContext& context, unsigned n) {
        const std::vector<std::size_t> values =
            context.submit_batch(10 * n, [](std::size_t k) { return k; }).get();
        for (std::size_t k = 0; k < values.size(); ++k) ASSERT_EQ(values[k], k);
    }
    void group(const ExecutionContext& context, unsigned n) {
        std::atomic<unsigned> runs{0};
        TaskGroup group(context);
        for (unsigned k = 0; k < 10 * n; ++k)
            group.run([&] {
                if (runs.fetch_add(1) == 3) group.run([&] { runs.fetch_add(1); });
            });
        group.wait();
        ASSERT_EQ(runs, 10 * n + (n == 0 ? 0 : 1));
    }
    void spawn(const ExecutionContext& context, unsigned n) {
        const ExecutionContext& other = contexts_[n % contexts_.size()];
        Future<long> future = bitaxon::spawn(context, count_down(other, n));
        if (n % 5 == 4) return future.cancel();
        ASSERT_EQ(future.get(), long{n} * (n + 1) / 2);
    }
    void loop(const ExecutionContext& context, unsigned n) {
        std::atomic<unsigned> runs{0};
        context.parallel_for(n, [&](std::size_t) {
            Scratch scratch = context.scratch(Scratch::bytes<unsigned>(100));
            std::fill_n(scratch.take<unsigned>(100), 100, 1);
            context.parallel_for(3, [&](std::size_t) { runs.fetch_add(1); });
        });
        ASSERT_EQ(runs, 3 * n);
    }
    void supervise(const ExecutionContext& context, unsigned n) {
        std::size_t last = 0;
        const Monitor monitor{.progress = [&](std::size_t done, std::size_t) { last = done; }};
        context.supervise(monitor, n, 1e9, [&](Job& job) { job.add_done(n); });
        ASSERT_EQ(last, n);
    }
    void forward(const ExecutionContext& context, unsigned n) {
        std::vector<double> y(expected_.size(), -1.0);
        Future<> future = layer_.forward_batch_async(context, x_, y);
        std::vector<double> one(layer_.neurons());
        layer_
            .forward_async(context, std::span(x_).subspan(n * layer_.inputs(), layer_.inputs()),
                           one, {.seed = {}, .sample = n, .monitor = {}})
            .get();
        const std::size_t at = n * layer_.neurons();
        for (std::size_t k = 0; k < one.size(); ++k) ASSERT_EQ(one[k], expected_[at + k]);
        if (n % 4 == 0) return;  // dropped while it runs
        future.get();
        ASSERT_EQ(y, expected_);
    }
    void stream(const ExecutionContext& context, unsigned n) {
        const std::size_t rows = n % 7 + 1;
        std::size_t read = 0;
        std::vector<double> y;
        layer_.forward_stream(
            context,
            [&](std::vector<double>& samples) {
                const std::size_t count = std::min(rows, kRows - read);
                const auto first = x_.begin() + static_cast<std::ptrdiff_t>(read * layer_.inputs());
                samples.assign(first, first + static_cast<std::ptrdiff_t>(count * layer_.inputs()));
                read += count;
                return count != 0;
            },
            [&](MatrixView<const double> outputs) {
                y.insert(y.end(), outputs.data, outputs.data + outputs.rows * outputs.columns);
            },
            {.in_flight = n % 4 + 1, .forward = {}});
        ASSERT_EQ(y, expected_);
    }
    void passing_context(const ExecutionContext& context, unsigned n) {
        if (n % 4 != 0) return;  // threads come and go with it
        Future<std::size_t> future = [&] {
            const ExecutionContext passing({.threads = n % 3 + 1, .pinned = n % 8 == 0});
            passing.submit([context, n] { context.submit([n] { return n; }).get(); }).detach();
            return passing.submit_batch(n, [](std::size_t k) { return k; })
                .then([](const std::vector<std::size_t>& values) { return values.size(); });
        }();
        ASSERT_EQ(future.get(), n);
    }

    std::array<ExecutionContext, 3> contexts_{ExecutionContext({.threads = 1}),
                                              ExecutionContext({.threads = 2}),
                                              ExecutionContext({.threads = 3, .pinned = true})};
    const DenseLayer layer_ =
        oracle::random_layer({.inputs = 16, .neurons = 6, .length = 640, .seed = 4}, 1);
    const std::vector<double> x_ = oracle::uniform(kRows * 16, 0, 1, 2);
    std::vector<double> expected_ = std::vector<double>(kRows * 6);
    std::atomic<long> actions_{0};
};

TEST(RuntimeStress, EightThreadsShareThreeContexts) {
    Stress stress;
    const Clock::time_point end = Clock::now() + duration();
    {
        std::vector<std::jthread> threads;
        for (unsigned t = 0; t < 8; ++t) threads.emplace_back([&, t] { stress.run(t + 1, end); });
    }
    RecordProperty("actions", std::to_string(stress.actions()));
    EXPECT_GE(stress.actions(), 100);
}

}  // namespace
}  // namespace bitaxon
