#include <bitaxon/core/coroutine.hpp>
#include <bitaxon/core/error.hpp>
#include <bitaxon/jit/rule.hpp>
#include <bitaxon/layers/network.hpp>
#include <bitaxon/layers/population.hpp>

#include "oracle.hpp"

#include <gtest/gtest.h>

#include <sys/resource.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <filesystem>
#include <limits>
#include <stdexcept>
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

DenseLayer make_layer(std::size_t inputs, std::size_t neurons, std::uint64_t length) {
    return oracle::random_layer({.inputs = inputs,
                                 .neurons = neurons,
                                 .length = length,
                                 .coding = Coding::split_unipolar,
                                 .seed = 5},
                                1);
}

Network make_network() { return Network({make_layer(20, 12, 300), make_layer(12, 5, 300)}); }

// Many samples of one that lies in memory once.
MatrixView<const double> repeated(const std::vector<double>& sample, std::size_t rows) {
    return {sample.data(), rows, sample.size(), 0, 1};
}

template <class Model>
void expect_same_as_batch(const Model& model, const ExecutionContext& context) {
    const std::size_t rows = 50;
    const std::vector<double> x = oracle::uniform(rows * model.inputs(), 0, 1, 3);
    std::vector<double> expected(rows * model.neurons());
    const ForwardOptions options{.seed = 9, .sample = 4, .monitor = {}};
    model.forward_batch(context, row_major(std::span<const double>(x), model.inputs()),
                        row_major(std::span(expected), model.neurons()), options);

    std::vector<double> y(expected.size());
    model.forward_batch_async(context, x, y, options).get();
    EXPECT_EQ(y, expected);

    std::vector<double> one(model.neurons());
    model
        .forward_async(context, std::span(x).subspan(7 * model.inputs(), model.inputs()), one,
                       {.seed = 9, .sample = 4 + 7, .monitor = {}})
        .get();
    EXPECT_TRUE(std::equal(one.begin(), one.end(),
                           expected.begin() + static_cast<std::ptrdiff_t>(7 * model.neurons())));

    const std::vector<float> narrow(x.begin(), x.end());
    const auto samples = row_major(std::span<const float>(narrow), model.inputs());
    model.forward_batch(context, samples, row_major(std::span(expected), model.neurons()), options);
    model.forward_batch_async(context, samples, row_major(std::span(y), model.neurons()), options)
        .get();
    EXPECT_EQ(y, expected);
}

TEST(Async, GivesTheBitsOfTheOtherPaths) {
    for (const int threads : {1, 2, 5}) {
        const ExecutionContext context({.threads = threads});
        expect_same_as_batch(make_layer(20, 7, 3000), context);  // on workers
        expect_same_as_batch(make_layer(3, 2, 64), context);     // at once
        expect_same_as_batch(make_network(), context);
    }
    const ExecutionContext context({.threads = 2});
    const DenseLayer layer = make_layer(20, 7, 3000);
    const std::vector<double> x = oracle::uniform(20, 0, 1, 3);
    std::vector<double> y(7);
    layer.forward_async(context, x, y, {.seed = 9, .sample = 2, .monitor = {}}).get();
    EXPECT_EQ(y, oracle::forward(layer, x, 9, 2));
}

TEST(Async, ErrorsOfTheCallAreErrorsOfTheFuture) {
    const ExecutionContext context({.threads = 2});
    for (const std::uint64_t length : {64u, 10'000u}) {
        const DenseLayer layer = make_layer(20, 7, length);
        std::vector<double> x(20, 0.5);
        std::vector<double> y(7);
        Future<> shape = layer.forward_async(context, std::span(x).first(19), y);
        EXPECT_EQ(code_of([&] { shape.get(); }), ErrorCode::invalid_shape);
        x[3] = std::nan("");
        Future<> value = layer.forward_async(context, x, y);
        EXPECT_EQ(code_of([&] { value.get(); }), ErrorCode::invalid_value);
        Future<> reported = layer.forward_async(
            context, x, y, {.seed = {}, .sample = 0, .monitor = {.progress = [](auto, auto) {}}});
        EXPECT_EQ(code_of([&] { reported.get(); }), ErrorCode::invalid_value);
    }
}

TEST(Async, SmallWorkIsDoneBeforeTheCallReturns) {
    const ExecutionContext context({.threads = 2});
    const DenseLayer layer = make_layer(3, 2, 64);
    const std::vector<double> x(3, 0.5);
    std::vector<double> y(2);
    EXPECT_TRUE(layer.forward_async(context, x, y).ready());
}

TEST(Async, TenThousandRequestsOfOneLayerStayWithinTheirMemoryAndThreads) {
    const auto threads = [] {
        return std::distance(std::filesystem::directory_iterator("/proc/self/task"), {});
    };
    const auto peak_kilobytes = [] {
        rusage usage{};
        getrusage(RUSAGE_SELF, &usage);
        return usage.ru_maxrss;
    };
    const std::ptrdiff_t threads_before = threads();
    constexpr std::size_t kRequests = 10'000;
    const ExecutionContext context({.threads = 2});
    const DenseLayer layer = make_layer(64, 32, 1024);
    const std::vector<double> x = oracle::uniform(kRequests * 64, 0, 1, 3);
    std::vector<double> expected(kRequests * 32);
    layer.forward_batch(context, x, expected);
    std::vector<double> y(kRequests * 32, -1.0);
    const auto run = [&](bool queued) {
        std::vector<Future<>> futures;
        std::ptrdiff_t most = 0;
        for (std::size_t k = 0; k < kRequests; ++k) {
            const auto sample = std::span(x).subspan(k * 64, 64);
            const auto output = std::span(y).subspan(k * 32, 32);
            const ForwardOptions options{.seed = {}, .sample = k, .monitor = {}};
            futures.push_back(queued ? context.submit([&layer, &context, sample, output, options] {
                layer.forward(context, sample, output, options);
            })
                                     : layer.forward_async(context, sample, output, options));
            if (k % 100 == 0) most = std::max(most, threads());
        }
        for (Future<>& future : futures) {
            while (!future.wait_for(1s)) {
            }
            future.get();
        }
        return most;
    };
    const long before = peak_kilobytes();
    // This thread and two workers, and one that qemu keeps; or the sleeping ones of tests before.
    const std::ptrdiff_t own = BITAXON_TEST_EMULATED ? 4 : 3;
    const std::ptrdiff_t allowed = std::max(threads_before, own);
    for (const bool queued : {false, true}) {
        EXPECT_LE(run(queued), allowed);
        EXPECT_EQ(y, expected);
        std::fill(y.begin(), y.end(), -1.0);
    }
    EXPECT_LT(peak_kilobytes() - before, 200 * 1024);
}

TEST(Async, CancelOfAMillionSamplesReturnsWithin50Milliseconds) {
    const ExecutionContext context({.threads = 2});
    const DenseLayer layer = make_layer(64, 32, 1024);
    const std::vector<double> sample = oracle::uniform(64, 0, 1, 3);
    std::vector<double> y(1'000'000 * 32);
    const auto outputs = row_major(std::span(y), 32);
    std::vector<double> milliseconds;
    for (int round = 0; round < 9; ++round) {
        Future<> future = layer.forward_batch_async(context, repeated(sample, 1'000'000), outputs);
        std::this_thread::sleep_for(10ms * round);
        ASSERT_FALSE(future.ready());
        const auto asked = std::chrono::steady_clock::now();
        future.cancel();
        EXPECT_EQ(code_of([&] { future.get(); }), ErrorCode::cancelled);
        milliseconds.push_back(
            std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - asked)
                .count());
    }
    std::nth_element(milliseconds.begin(), milliseconds.begin() + 4, milliseconds.end());
    EXPECT_LT(milliseconds[4], 50);
    std::vector<double> one(32);
    layer.forward(context, sample, one, {.seed = {}, .sample = 17, .monitor = {}});
    layer.forward_batch_async(context, repeated(sample, 20), outputs.rows_from(0, 20)).get();
    EXPECT_TRUE(std::equal(one.begin(), one.end(), y.begin() + 17 * 32));
}

TEST(Async, AStopTokenOfTheOptionsCancels) {
    const ExecutionContext context({.threads = 2});
    const DenseLayer layer = make_layer(64, 32, 1024);
    const std::vector<double> sample = oracle::uniform(64, 0, 1, 3);
    std::vector<double> y(1'000'000 * 32);
    std::stop_source source;
    ForwardOptions options;
    options.monitor.stop = source.get_token();
    Future<> future = layer.forward_batch_async(context, repeated(sample, 1'000'000),
                                                row_major(std::span(y), 32), options);
    while (future.progress().done == 0) std::this_thread::yield();
    EXPECT_EQ(future.progress().total, 1'000'000u);
    source.request_stop();
    EXPECT_EQ(code_of([&] { future.get(); }), ErrorCode::cancelled);
}

TEST(Async, MeansAndCalibrationHeedTheirMonitors) {
    const ExecutionContext context({.threads = 2});
    std::stop_source source;
    source.request_stop();
    const Monitor stopped{.progress = {}, .stop = source.get_token(), .job = nullptr};
    const std::vector<double> x = oracle::uniform(50 * 20, 0, 1, 3);
    const auto samples = row_major(std::span<const double>(x), 20);
    Network network = make_network();
    std::vector<double> y(50 * 12);
    EXPECT_EQ(code_of([&] {
                  network.layers()[0].forward_expected(context, samples,
                                                       row_major(std::span(y), 12),
                                                       ExpectedWeights::drawn, stopped);
              }),
              ErrorCode::cancelled);
    EXPECT_EQ(code_of([&] {
                  network.forward_expected(context, samples,
                                           row_major(std::span(y).first(50 * 5), 5),
                                           ExpectedWeights::mean, stopped);
              }),
              ErrorCode::cancelled);
    EXPECT_EQ(code_of([&] { network.calibrate(context, samples, 0.999, stopped); }),
              ErrorCode::cancelled);

    Future<> future = context.submit([&](Job& job) {
        network.layers()[0].forward_expected(context, samples, row_major(std::span(y), 12),
                                             ExpectedWeights::drawn,
                                             {.progress = {}, .stop = {}, .job = &job});
    });
    future.wait();
    EXPECT_EQ(future.progress().done, 50u);
    future.get();
    std::vector<double> expected(50 * 12);
    network.layers()[0].forward_expected(context, samples, row_major(std::span(expected), 12));
    EXPECT_EQ(y, expected);
}

TEST(Async, CoroutinesAwaitForwards) {
    const ExecutionContext context({.threads = 2});
    const DenseLayer first = make_layer(20, 12, 2000);
    const DenseLayer second = make_layer(12, 5, 2000);
    const std::vector<double> x = oracle::uniform(20, 0, 1, 3);
    const auto chain = [&]() -> Task<std::vector<double>> {
        std::vector<double> hidden(12);
        co_await first.forward_async(context, x, hidden);
        for (double& value : hidden) value = std::clamp(value, 0.0, 1.0);
        std::vector<double> y(5);
        co_await second.forward_async(context, hidden, y);
        co_return y;
    };
    std::vector<Future<std::vector<double>>> futures;
    for (int k = 0; k < 100; ++k) futures.push_back(spawn(context, chain()));

    std::vector<double> hidden(12);
    first.forward(context, x, hidden);
    for (double& value : hidden) value = std::clamp(value, 0.0, 1.0);
    std::vector<double> expected(5);
    second.forward(context, hidden, expected);
    for (auto& future : futures) EXPECT_EQ(future.get(), expected);
}

// Batches of a stream, cut anywhere.
class Tape {
  public:
    Tape(std::vector<double> values, std::size_t columns)
        : values_(std::move(values)), columns_(columns) {}
    bool operator()(std::vector<double>& samples) {
        const std::size_t rows = ++reads * 7 % 31;  // 0 among them
        const std::size_t count = std::min(rows * columns_, values_.size() - read_);
        if (read_ == values_.size()) return false;
        const auto first = values_.begin() + static_cast<std::ptrdiff_t>(read_);
        samples.assign(first, first + static_cast<std::ptrdiff_t>(count));
        read_ += count;
        return true;
    }
    std::size_t reads = 0;

  private:
    std::vector<double> values_;
    std::size_t columns_;
    std::size_t read_ = 0;
};

TEST(Stream, IsForwardBatchInPieces) {
    const ExecutionContext context({.threads = 2});
    const Network network = make_network();
    const std::vector<double> x = oracle::uniform(500 * 20, 0, 1, 3);
    const ForwardOptions options{.seed = 2, .sample = 6, .monitor = {}};
    std::vector<double> expected(500 * 5);
    network.forward_batch(context, x, expected, options);
    for (const std::size_t in_flight : {1u, 2u, 4u, 50u}) {
        Tape tape(x, 20);
        std::vector<double> y;
        std::size_t writes = 0;
        const std::thread::id here = std::this_thread::get_id();
        network.forward_stream(
            context,
            [&](std::vector<double>& samples) {
                EXPECT_EQ(std::this_thread::get_id(), here);
                EXPECT_LT(tape.reads - writes, in_flight + 1);
                return tape(samples);
            },
            [&](MatrixView<const double> outputs) {
                EXPECT_EQ(std::this_thread::get_id(), here);
                EXPECT_EQ(outputs.columns, 5u);
                y.insert(y.end(), outputs.data, outputs.data + outputs.rows * 5);
                ++writes;
            },
            {.in_flight = in_flight, .forward = options});
        EXPECT_EQ(y, expected);
    }
}

TEST(Stream, ErrorsLeaveIt) {
    const ExecutionContext context({.threads = 2});
    const DenseLayer layer = make_layer(20, 7, 3000);
    std::size_t reads = 0;
    std::size_t writes = 0;
    const auto read = [&](std::vector<double>& samples) {
        samples.assign(200, 0.5);
        return ++reads <= 10;
    };
    const auto count = [&](MatrixView<const double>) { ++writes; };
    EXPECT_THROW(layer.forward_stream(
                     context,
                     [&](std::vector<double>& samples) {
                         if (reads == 6) throw std::range_error("no more tape");
                         return read(samples);
                     },
                     count),
                 std::range_error);
    EXPECT_EQ(writes, 6u);
    reads = 0;
    EXPECT_THROW(
        layer.forward_stream(context, read,
                             [](MatrixView<const double>) { throw std::range_error("disk full"); }),
        std::range_error);
    reads = 0;
    EXPECT_EQ(code_of([&] {
                  layer.forward_stream(
                      context,
                      [&](std::vector<double>& samples) {
                          const bool more = read(samples);
                          if (reads == 3) samples[5] = 2.0;
                          return more;
                      },
                      count);
              }),
              ErrorCode::invalid_value);
    EXPECT_EQ(code_of([&] {
                  layer.forward_stream(context, read, count, {.in_flight = 0, .forward = {}});
              }),
              ErrorCode::invalid_value);
}

TEST(Async, PopulationsRunBesideTheirCaller) {
    const ExecutionContext context({.threads = 2});
    const jit::Rule rule = jit::built_in_rule("LIF");
    Population expected(300, rule, {.dt = 1e-4, .seed = 3});
    Population population(300, rule, {.dt = 1e-4, .seed = 3});
    const Spikes spikes = expected.run(context, 20.0, 2000);
    Future<Spikes> future = population.run_async(context, 20.0, 2000);
    future.wait();
    EXPECT_EQ(future.progress().done, 2000u);
    EXPECT_EQ(future.progress().total, 2000u);
    EXPECT_EQ(future.get().bits, spikes.bits);

    Future<Spikes> endless = population.run_async(context, 20.0, 50'000'000);
    while (endless.progress().done == 0) std::this_thread::yield();
    endless.cancel();
    EXPECT_EQ(code_of([&] { endless.get(); }), ErrorCode::cancelled);
    EXPECT_GT(population.step_count(), 2000u);
}

}  // namespace
}  // namespace bitaxon
