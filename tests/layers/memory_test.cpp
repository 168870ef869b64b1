// Memory: nothing is allocated in steady state, and the peak does not depend on the number of
// samples.
#include <bitaxon/layers/attention.hpp>
#include <bitaxon/layers/conv2d.hpp>
#include <bitaxon/layers/network.hpp>

#include "oracle.hpp"

#include <gtest/gtest.h>

#include <sys/resource.h>

#include <atomic>
#include <cstdlib>
#include <new>

namespace {

std::atomic<long> allocations{0};

void* counted(std::size_t bytes, std::size_t alignment) noexcept {
    allocations.fetch_add(1, std::memory_order_relaxed);
    const std::size_t rounded = (bytes + alignment - 1) / alignment * alignment;
    return std::aligned_alloc(alignment, rounded == 0 ? alignment : rounded);
}

void* or_bad_alloc(void* memory) {
    if (memory == nullptr) throw std::bad_alloc();
    return memory;
}

}  // namespace

// Every allocation of this executable through C++ is counted. oneTBB's tasks come from its own
// pool.
[[gnu::noinline]] void* operator new(std::size_t bytes) {
    return or_bad_alloc(counted(bytes, alignof(std::max_align_t)));
}
[[gnu::noinline]] void* operator new(std::size_t bytes, std::align_val_t alignment) {
    return or_bad_alloc(counted(bytes, static_cast<std::size_t>(alignment)));
}
[[gnu::noinline]] void* operator new(std::size_t bytes, const std::nothrow_t&) noexcept {
    return counted(bytes, alignof(std::max_align_t));
}
[[gnu::noinline]] void operator delete(void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, std::align_val_t) noexcept {
    std::free(memory);
}
[[gnu::noinline]] void operator delete(void* memory, std::size_t, std::align_val_t) noexcept {
    std::free(memory);
}

namespace bitaxon {
namespace {

long peak_kilobytes() {
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_maxrss;
}

template <class Call>
long allocations_in(Call call) {
    const long before = allocations.load();
    call();
    return allocations.load() - before;
}

TEST(Memory, TheCounterCounts) {
    // The plain calls: a new-expression might be optimised away.
    EXPECT_EQ(allocations_in([] { ::operator delete(::operator new(1)); }), 1);
}

class SteadyState : public testing::TestWithParam<int> {};
INSTANTIATE_TEST_SUITE_P(Threads, SteadyState, testing::Values(1, 2, 4));

TEST_P(SteadyState, ForwardsOfADenseLayerAllocateNothing) {
    const ExecutionContext context({.threads = GetParam()});
    for (const std::size_t samples : {1u, 3u, 100u, 1000u}) {
        const DenseLayer layer = oracle::random_layer(
            {.inputs = 64, .neurons = 32, .length = 1024, .coding = Coding::split_unipolar}, 1);
        const std::vector<double> x = oracle::random_samples(layer, samples, 2);
        std::vector<double> y(samples * 32);
        // On a busy machine a worker may join as late as in a later call, and oneTBB allocates then.
        for (int warm_up = 0; warm_up < 10; ++warm_up) layer.forward_batch(context, x, y);
        for (int round = 0; round < 20; ++round)
            EXPECT_EQ(allocations_in([&] { layer.forward_batch(context, x, y); }), 0)
                << samples << " samples, round " << round;
        const std::span<const double> one = std::span(x).first(64);
        layer.forward(context, one, std::span(y).first(32));
        EXPECT_EQ(allocations_in([&] { layer.forward(context, one, std::span(y).first(32)); }), 0);
    }
}

TEST_P(SteadyState, ForwardsOfAConvolutionAllocateNothing) {
    const ExecutionContext context({.threads = GetParam()});
    for (const Coding coding : {Coding::unipolar, Coding::bipolar, Coding::split_unipolar}) {
        const Conv2d layer({.channels = 4,
                            .height = 12,
                            .width = 12,
                            .filters = 8,
                            .kernel = {3, 3},
                            .padding = {1, 1},
                            .length = 256,
                            .coding = coding,
                            .seed = 1},
                           oracle::uniform(8 * 4 * 9, 0, 1, 2));
        const std::vector<double> x = oracle::uniform(20 * layer.inputs(), 0, 1, 3);
        std::vector<double> y(20 * layer.neurons());
        for (int warm_up = 0; warm_up < 10; ++warm_up) layer.forward_batch(context, x, y);
        for (int round = 0; round < 10; ++round)
            EXPECT_EQ(allocations_in([&] { layer.forward_batch(context, x, y); }), 0)
                << name(coding) << ", round " << round;
        const std::span<const double> one = std::span(x).first(layer.inputs());
        const std::span<double> out = std::span(y).first(layer.neurons());
        layer.forward(context, one, out);
        EXPECT_EQ(allocations_in([&] { layer.forward(context, one, out); }), 0) << name(coding);
    }
}

TEST_P(SteadyState, ForwardsOfAttentionAllocateNothing) {
    const ExecutionContext context({.threads = GetParam()});
    const ValueOptions bipolar{.length = 256, .coding = Coding::bipolar, .seed = 1};
    const ValueOptions unipolar{.length = 100, .seed = 1};
    for (const AttentionOptions& options :
         {AttentionOptions{.tokens = 20, .heads = 2, .head_width = 5, .streams = unipolar},
          AttentionOptions{.tokens = 40, .head_width = 8, .causal = true, .streams = bipolar},
          AttentionOptions{.tokens = 9, .head_width = 3, .queries = 17, .streams = bipolar}}) {
        const Attention layer(options);
        const std::vector<double> x = oracle::random_samples(layer, 5, 3);
        std::vector<double> y(5 * layer.neurons());
        for (int warm_up = 0; warm_up < 10; ++warm_up) layer.forward_batch(context, x, y);
        for (int round = 0; round < 5; ++round)
            EXPECT_EQ(allocations_in([&] { layer.forward_batch(context, x, y); }), 0)
                << layer.repr() << ", round " << round;
        const std::span<const double> one = std::span(x).first(layer.inputs());
        const std::span<double> out = std::span(y).first(layer.neurons());
        layer.forward(context, one, out);
        EXPECT_EQ(allocations_in([&] { layer.forward(context, one, out); }), 0) << layer.repr();
    }
}

TEST_P(SteadyState, ForwardsOfANetworkAllocateNothing) {
    const ExecutionContext context({.threads = GetParam()});
    const DenseOptions first{.inputs = 64,
                             .neurons = 32,
                             .length = 256,
                             .coding = Coding::split_unipolar,
                             .activation = Activation::relu,
                             .seed = 1};
    const DenseOptions second{
        .inputs = 32, .neurons = 10, .length = 256, .coding = Coding::split_unipolar, .seed = 2};
    Network network({oracle::random_layer(first, 1), oracle::random_layer(second, 2)});
    const std::vector<double> x = oracle::uniform(500 * 64, 0, 1, 3);
    std::vector<double> y(500 * 10);
    const auto samples = row_major(std::span<const double>(x), 64);
    network.calibrate(context, samples);
    network.forward_batch(context, samples, row_major(std::span(y), 10));
    for (int round = 0; round < 20; ++round)
        EXPECT_EQ(allocations_in([&] {
                      network.forward_batch(context, samples, row_major(std::span(y), 10));
                  }),
                  0);
}

TEST(Memory, PeakDoesNotGrowWithTheNumberOfSamples) {
    const ExecutionContext context({.threads = 2});
    const DenseLayer layer = oracle::random_layer({.inputs = 16, .neurons = 8, .length = 64}, 1);
    const std::vector<double> x = oracle::random_samples(layer, 100'000, 2);
    std::vector<double> y(100'000 * 8, 1.0);
    layer.forward_batch(context, std::span(x).first(100 * 16), std::span(y).first(100 * 8));
    const long small = peak_kilobytes();
    layer.forward_batch(context, x, y);
    const long large = peak_kilobytes();
    RecordProperty("kilobytes_100_samples", std::to_string(small));
    RecordProperty("kilobytes_100000_samples", std::to_string(large));
    // Thread stacks and the arena's own pool may be touched a little deeper; the samples are 12.8
    // MB.
    EXPECT_LT(large - small, 2048) << small << " kB, then " << large << " kB";
}

TEST(Memory, ScratchOfALongStreamStaysSmall) {
    const ExecutionContext context({.threads = 1});
    const DenseLayer layer =
        oracle::random_layer({.inputs = 4, .neurons = 1, .length = 1 << 23}, 1);
    std::vector<double> y(64);
    const std::vector<double> x = oracle::random_samples(layer, 64, 2);
    const long before = peak_kilobytes();
    layer.forward_batch(context, std::span(x).first(8), std::span(y).first(2));
    // One sample's streams alone would be 4 MB, a block's 256 MB.
    EXPECT_LT(peak_kilobytes() - before, 2048);
}

}  // namespace
}  // namespace bitaxon
