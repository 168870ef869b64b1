// What do tasks, coroutines, futures and their cancelling cost, and does work spread?
#include "harness/suite.hpp"
#include "harness/workloads.hpp"

#include <bitaxon/core/coroutine.hpp>
#include <bitaxon/core/error.hpp>
#include <bitaxon/core/task_group.hpp>

#include <fmt/format.h>
#include <tbb/parallel_pipeline.h>
#include <tbb/task_arena.h>
#include <tbb/task_group.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace bitaxon::bench {
namespace {

using SharedContext = std::shared_ptr<const ExecutionContext>;

SharedContext shared_context(kernels::Tier tier, int threads) {
    return std::make_shared<const ExecutionContext>(make_context(tier, threads));
}

// Wall time of calls, with the workers awake; the memory of the first call is there for the second.
template <class Call>
Contestant awake(double work, Call call) {
    Contestant made = contestant<WallClock>(work, std::move(call));
    made.nanoseconds = [timed = std::move(made.nanoseconds)](std::size_t calls) {
        timed(1);
        return timed(calls);
    };
    return made;
}

void check(bool right, const char* what) {
    if (!right) throw Mismatch(what);
}

Experiment& nanoseconds_a_task(Experiment& experiment) {
    return experiment.ratio("ns_a_task", [](auto rates) { return 1 / rates[0]; });
}

// Tasks that do nothing but return their number.

std::uint64_t sum_to(std::size_t count) { return std::uint64_t{count} * (count - 1) / 2; }

std::uint64_t spawn_one_by_one(const ExecutionContext& context, std::size_t count) {
    std::vector<Future<std::uint64_t>> futures;
    futures.reserve(count);
    for (std::uint64_t k = 0; k < count; ++k) futures.push_back(context.submit([k] { return k; }));
    std::uint64_t sum = 0;
    for (auto& future : futures) sum += future.get();
    return sum;
}

std::uint64_t spawn_batch(const ExecutionContext& context, std::size_t count) {
    std::uint64_t sum = 0;
    for (const std::uint64_t k :
         context.submit_batch(count, [](std::size_t k) -> std::uint64_t { return k; }).get())
        sum += k;
    return sum;
}

// oneTBB's own: results go to an array, as its tasks return none.
std::uint64_t spawn_in_tbb(tbb::task_arena& arena, std::size_t count) {
    std::vector<std::uint64_t> results(count);
    arena.execute([&] {
        tbb::task_group group;
        for (std::size_t k = 0; k < count; ++k) group.run([&results, k] { results[k] = k; });
        group.wait();
    });
    std::uint64_t sum = 0;
    for (const std::uint64_t k : results) sum += k;
    return sum;
}

template <class Spawn>
Experiment spawn(Spawn spawn_all, std::size_t count, int threads, kernels::Tier tier) {
    const SharedContext context = shared_context(tier, threads);
    check(spawn_all(*context, count) == sum_to(count), "sum of the tasks' numbers");
    Experiment experiment("Gtask/s", awake(static_cast<double>(count), [=] {
                              check(spawn_all(*context, count) == sum_to(count), "sum");
                          }));
    const auto arena = std::make_shared<tbb::task_arena>(threads);
    const std::size_t other = experiment.beside(awake(static_cast<double>(count), [=] {
        check(spawn_in_tbb(*arena, count) == sum_to(count), "sum");
    }));
    nanoseconds_a_task(experiment);
    return experiment.ratio("vs_tbb_task_group",
                            [=](auto rates) { return rates[0] / rates[other]; });
}

// Ten tasks that give their worker up a hundred times each.
Task<int> yields(int count) {
    for (int k = 0; k < count; ++k) co_await yield();
    co_return count;
}

int yield_in_tasks(const ExecutionContext& context, int tasks, int count) {
    std::vector<Future<int>> futures;
    for (int k = 0; k < tasks; ++k) futures.push_back(bitaxon::spawn(context, yields(count)));
    int sum = 0;
    for (auto& future : futures) sum += future.get();
    return sum;
}

Experiment yielding(int tasks, int count, int threads, kernels::Tier tier) {
    const SharedContext context = shared_context(tier, threads);
    const auto run = [=] {
        check(yield_in_tasks(*context, tasks, count) == tasks * count, "yields");
    };
    Experiment experiment("Gyield/s", awake(tasks * count, run));
    return experiment.ratio("microseconds",
                            [=](auto rates) { return tasks * count / rates[0] / 1000; });
}

// A core that makes more tasks than it can do: bodies of a hundred steps. Not inlined: a loop over
// them could be turned inside out, and tasks not.
[[gnu::noinline]] std::uint64_t body(std::uint64_t x) {
    for (int step = 0; step < 100; ++step) x = (x ^ x >> 29) * 0xbf58476d1ce4e5b9 + 1;
    return x;
}

Experiment deflection(std::size_t count, int threads, kernels::Tier tier) {
    // A sum by exclusive or keeps the bodies alive, and is the same in any order.
    const auto direct = [count] {
        std::uint64_t sum = 0;
        for (std::uint64_t k = 0; k < count; ++k) sum ^= body(k);
        return sum;
    };
    // A place for each thread, else the tasks would be about one cache line.
    struct Sums {
        struct alignas(64) Place {
            std::uint64_t sum = 0;
        };
        std::vector<Place> places = std::vector<Place>(64);
        std::atomic<std::size_t> taken{0};
        const std::uint64_t number = fresh_seed();

        std::uint64_t& mine() {
            thread_local constinit std::pair<std::uint64_t, std::uint64_t*> here{};
            if (here.first != number) here = {number, &places.at(taken++).sum};
            return *here.second;
        }
    };
    const auto grouped = [count](const ExecutionContext& context) {
        Sums sums;
        TaskGroup group(context);
        for (std::uint64_t k = 0; k < count; ++k) group.run([&sums, k] { sums.mine() ^= body(k); });
        group.wait();
        std::uint64_t sum = 0;
        for (const auto& place : sums.places) sum ^= place.sum;
        return sum;
    };
    // What the machine gives to plain loops, one a thread.
    const auto shared = [count, threads](const ExecutionContext& context) {
        const auto parts = static_cast<std::size_t>(threads);
        std::vector<std::uint64_t> sums(parts);
        context.parallel_for(parts, [&](std::size_t part) {
            std::uint64_t sum = 0;
            for (std::uint64_t k = part; k < count; k += parts) sum ^= body(k);
            sums[part] = sum;
        });
        std::uint64_t sum = 0;
        for (const std::uint64_t part : sums) sum ^= part;
        return sum;
    };
    const SharedContext context = shared_context(tier, threads);
    const std::uint64_t expected = direct();
    check(grouped(*context) == expected, "exclusive or of the bodies");
    const double work = static_cast<double>(count);
    Experiment experiment("Gtask/s", awake(work, [=] {
                              check(grouped(*context) == expected, "exclusive or of the bodies");
                          }));
    const std::size_t one = experiment.beside(contestant<WallClock>(
        work, [=] { check(direct() == expected, "exclusive or of the bodies"); }));
    const std::size_t loops = experiment.beside(
        awake(work, [=] { check(shared(*context) == expected, "exclusive or of the bodies"); }));
    nanoseconds_a_task(experiment);
    experiment.ratio("gain", [=](auto rates) { return rates[0] / rates[one]; });
    experiment.ratio("probe_gain", [=](auto rates) { return rates[loops] / rates[one]; });
    return experiment.ratio("share_of_gain", [=](auto rates) { return rates[0] / rates[loops]; });
}

// Equal chunks of a millisecond of one thread's own time.
Experiment coarse_chunks(int chunks, int threads, kernels::Tier tier) {
    const SharedContext context = shared_context(tier, threads);
    const auto work = [] {
        std::uint64_t x = 1;
        for (const double start = WallClock::nanoseconds(); WallClock::nanoseconds() - start < 1e6;)
            x = body(x);
        return x;
    };
    Experiment experiment("Gchunk/s", awake(chunks, [=] {
                              std::vector<Future<std::uint64_t>> futures;
                              for (int k = 0; k < chunks; ++k)
                                  futures.push_back(context->submit(work));
                              std::uint64_t sum = 0;
                              for (auto& future : futures) sum += future.get();
                              check(sum != 0, "chunks");
                          }));
    return experiment.ratio("milliseconds", [=](auto rates) { return chunks / rates[0] / 1e6; });
}

Experiment forward_async(const DenseShape& shape, int threads, kernels::Tier tier) {
    const auto work = dense_work(shape);
    const SharedContext context = shared_context(tier, threads);
    auto out = std::make_shared<std::vector<double>>(shape.neurons);
    const auto later = [=] { work->layer.forward_async(*context, work->samples, *out).get(); };
    const auto now = [=] { work->layer.forward(*context, work->samples, *out); };
    later();
    work->check(*out);
    Experiment experiment("Gbit/s", awake(shape.product_bits(), later));
    const std::size_t direct = experiment.beside(awake(shape.product_bits(), now));
    return experiment.ratio("added_ns", [=, bits = shape.product_bits()](auto rates) {
        return bits / rates[0] - bits / rates[direct];
    });
}

// Batches that are read, computed and written, in order and a few at a time: as a stream, as stages
// of oneTBB's pipeline, and all at once for the limit.
Experiment stream(const DenseShape& shape, std::size_t rows, int threads, kernels::Tier tier) {
    constexpr std::size_t kInFlight = 4;
    const auto work = dense_work(shape);
    const SharedContext context = shared_context(tier, threads);
    const SharedContext one = shared_context(tier, 1);
    const auto arena = std::make_shared<tbb::task_arena>(threads);
    const std::size_t batch = rows * shape.inputs;
    auto out = std::make_shared<std::vector<double>>(shape.samples * shape.neurons);
    const auto copy = [=](std::size_t& done, std::vector<double>& samples) {
        const auto first = work->samples.begin() + static_cast<std::ptrdiff_t>(done);
        const std::size_t count = std::min(batch, work->samples.size() - done);
        samples.assign(first, first + static_cast<std::ptrdiff_t>(count));
        done += count;
        return count != 0;
    };
    const auto streamed = [=] {
        std::size_t done = 0;
        double* end = out->data();
        work->layer.forward_stream(
            *context, [&](std::vector<double>& samples) { return copy(done, samples); },
            [&](MatrixView<const double> y) { end = std::copy_n(y.data, y.rows * y.columns, end); },
            {.in_flight = kInFlight, .forward = {}});
    };
    const auto piped = [=] {
        struct Batch {
            std::vector<double> samples, outputs;
            std::uint64_t first;
        };
        std::array<Batch, kInFlight> places;
        std::size_t done = 0;
        std::size_t begun = 0;
        double* end = out->data();
        const auto read = [&](tbb::flow_control& control) -> Batch* {
            Batch& b = places[begun++ % kInFlight];
            b.first = done / shape.inputs;
            if (!copy(done, b.samples)) control.stop();
            return &b;
        };
        const auto forward = [&](Batch* b) {
            b->outputs.resize(b->samples.size() / shape.inputs * shape.neurons);
            work->layer.forward_batch(*one, std::span<const double>(b->samples),
                                      std::span(b->outputs),
                                      {.seed = {}, .sample = b->first, .monitor = {}});
            return b;
        };
        const auto write = [&](const Batch* b) { end = std::ranges::copy(b->outputs, end).out; };
        arena->execute([&] {
            using tbb::filter_mode;
            tbb::parallel_pipeline(
                kInFlight, tbb::make_filter<void, Batch*>(filter_mode::serial_in_order, read) &
                               tbb::make_filter<Batch*, Batch*>(filter_mode::parallel, forward) &
                               tbb::make_filter<Batch*, void>(filter_mode::serial_in_order, write));
        });
    };
    const auto whole = [=] { work->layer.forward_batch(*context, work->samples, *out); };
    const double bits = shape.product_bits();
    for (const std::function<void()>& run : {std::function<void()>(streamed), {piped}}) {
        std::ranges::fill(*out, -1.0);
        run();
        work->check(*out);
    }
    Experiment experiment("Gbit/s", awake(bits, streamed));
    const std::size_t pipeline = experiment.beside(awake(bits, piped));
    const std::size_t at_once = experiment.beside(awake(bits, whole));
    experiment.ratio("vs_tbb_pipeline", [=](auto rates) { return rates[0] / rates[pipeline]; });
    return experiment.ratio("vs_forward_batch",
                            [=](auto rates) { return rates[0] / rates[at_once]; });
}

// From the request to its answer, in the middle of a million samples.
Experiment cancel(int threads, kernels::Tier tier) {
    const DenseShape shape{1, 64, 32, 1024};
    const auto work = dense_work(shape);
    const SharedContext context = shared_context(tier, threads);
    auto out = std::make_shared<std::vector<double>>(1'000'000 * shape.neurons);
    const auto once = [=] {
        Future<> future = work->layer.forward_batch_async(
            *context, MatrixView<const double>{work->samples.data(), 1'000'000, shape.inputs, 0, 1},
            row_major(std::span(*out), shape.neurons));
        while (future.progress().done < 100) std::this_thread::yield();
        const double start = WallClock::nanoseconds();
        future.cancel();
        try {
            future.get();
        } catch (const Error& error) {
            check(error.code() == ErrorCode::cancelled, error.what());
            return WallClock::nanoseconds() - start;
        }
        throw Mismatch("a million samples were done before they were cancelled");
    };
    Experiment experiment("Gcancel/s", {[=](std::size_t calls) {
                                            double sum = 0;
                                            for (std::size_t k = 0; k < calls; ++k) sum += once();
                                            return sum;
                                        },
                                        1});
    return experiment.ratio("milliseconds", [](auto rates) { return 1e-6 / rates[0]; });
}

}  // namespace

void add_runtime(Suite& suite) {
    const kernels::Tier tier = suite.settings.top();
    const int threads = suite.settings.threads;
    const std::size_t most = suite.settings.quick ? 100'000 : 10'000'000;
    const auto add = [&](std::string_view operation, const std::string& size, auto prepare) {
        suite.add(make_id("runtime", operation, tier, size), prepare);
    };
    for (const std::size_t count : {1000u, 10'000u, 100'000u, 1'000'000u}) {
        if (count > most) continue;
        const std::string size = fmt::to_string(count);
        add("spawn", size, [=] { return spawn(spawn_one_by_one, count, threads, tier); });
        add("spawn-batch", size, [=] { return spawn(spawn_batch, count, threads, tier); });
    }
    add("yield", "10x100", [=] { return yielding(10, 100, threads, tier); });
    for (const std::size_t count : {1000u, 100'000u, 10'000'000u})
        if (count <= most)
            add("deflection", fmt::to_string(count),
                [=] { return deflection(count, threads, tier); });
    add("chunks", "4x1ms", [=] { return coarse_chunks(4, threads, tier); });
    for (const DenseShape& shape :
         {DenseShape{1, 64, 32, 1024}, DenseShape{1, 128, 64, 1024}, DenseShape{1, 784, 128, 1024}})
        add("forward_async", shape.size(), [=] { return forward_async(shape, threads, tier); });
    const DenseShape batches{suite.settings.quick ? 1024u : 4096u, 64, 32, 1024};
    add("stream", batches.size(), [=] { return stream(batches, 256, threads, tier); });
    add("cancel", "1000000x64x32x1024", [=] { return cancel(threads, tier); });
}

}  // namespace bitaxon::bench
