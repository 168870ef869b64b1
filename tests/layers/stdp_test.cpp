// Plasticity against loops over pairs of spikes, and that results depend on nothing but the spikes.
#include "../../layers/src/spiking/spike_rows.hpp"
#include "../core/expect_error.hpp"

#include <bitaxon/core/encode.hpp>
#include <bitaxon/layers/binary_stdp.hpp>
#include <bitaxon/layers/population.hpp>
#include <bitaxon/layers/stdp.hpp>

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <numeric>

namespace bitaxon {
namespace {

const ExecutionContext& context_of(int threads) {
    static const ExecutionContext one{{.threads = 1}};
    static const ExecutionContext three{{.threads = 3}};
    return threads == 1 ? one : three;
}

// Independent spikes of all neurons, a row a step.
Spikes random_spikes(std::size_t neurons, std::size_t steps, double p, std::uint64_t seed) {
    Spikes spikes{.neurons = neurons, .first_step = 0, .steps = steps, .bits = {}};
    const std::vector<double> rates(neurons, p);
    for (std::size_t t = 0; t < steps; ++t) {
        const StreamArray row = encode(context_of(1), std::vector<double>{p}, neurons,
                                       Coding::unipolar, {.seed = seed, .sample = t});
        const std::uint64_t* words = row.view().words;
        spikes.bits.insert(spikes.bits.end(), words, words + spikes.words());
    }
    return spikes;
}

std::vector<double> middle_weights(std::size_t count, double low, double high) {
    std::vector<double> weights(count);
    for (std::size_t k = 0; k < count; ++k)
        weights[k] = low + (high - low) * static_cast<double>(k % 97) / 96;
    return weights;
}

std::vector<double> copied(MatrixView<double> weights) {
    std::vector<double> values;
    for (std::size_t i = 0; i < weights.rows; ++i)
        for (std::size_t j = 0; j < weights.columns; ++j) values.push_back(weights(i, j));
    return values;
}

// What a spike in step `now` finds of a train's spikes before it, or in its step if `until` says
// so.
long double found(const Spikes& spikes, std::size_t neuron, std::size_t until, std::size_t now,
                  const StdpOptions& o, double tau) {
    long double sum = 0;
    for (std::size_t s = 0; s < until; ++s) {
        if (!spikes.spiked(s, neuron)) continue;
        const long double pair =
            std::exp(-static_cast<long double>(now - s) * (long double)o.dt / (long double)tau);
        sum = o.pairing == Pairing::all ? sum + pair : pair;
    }
    return sum;
}

// A loop over steps and pairs for the weight from pre neuron i to post neuron j.
double pair_loop(double start, const Spikes& pre, std::size_t i, const Spikes& post, std::size_t j,
                 const StdpOptions& o) {
    const bool soft = o.bounds == Bounds::soft;
    long double w = start;
    for (std::size_t t = 0; t < pre.steps; ++t) {
        if (pre.spiked(t, i)) {
            const long double left = soft ? w - o.w_min : o.w_max - o.w_min;
            w -= o.a_minus * found(post, j, t, t, o, o.tau_minus) * left;
            w = std::max(w, static_cast<long double>(o.w_min));
        }
        if (post.spiked(t, j)) {
            const long double left = soft ? o.w_max - w : o.w_max - o.w_min;
            w += o.a_plus * found(pre, i, t + 1, t, o, o.tau_plus) * left;
            w = std::min(w, static_cast<long double>(o.w_max));
        }
    }
    return static_cast<double>(w);
}

TEST(Stdp, IsALoopOverPairs) {
    // 70 post neurons: blocks of each width, and one that is not full.
    const Spikes pre = random_spikes(9, 60, 0.15, 1);
    const Spikes post = random_spikes(70, 60, 0.1, 2);
    for (const Pairing pairing : {Pairing::all, Pairing::nearest})
        for (const Bounds bounds : {Bounds::hard, Bounds::soft}) {
            const StdpOptions options{.a_plus = 0.06,
                                      .a_minus = 0.05,
                                      .tau_plus = 12e-3,
                                      .tau_minus = 25e-3,
                                      .w_min = -1,
                                      .w_max = 2,
                                      .pairing = pairing,
                                      .bounds = bounds};
            const std::vector<double> start = middle_weights(9 * 70, -1, 2);
            Stdp stdp(9, 70, options, row_major(std::span(start), 70));
            stdp.update(context_of(1), pre.rows(), post.rows());
            std::size_t clipped = 0;
            for (std::size_t i = 0; i < 9; ++i)
                for (std::size_t j = 0; j < 70; ++j) {
                    const double w = stdp.weights()(i, j);
                    ASSERT_NEAR(w, pair_loop(start[i * 70 + j], pre, i, post, j, options), 1e-12)
                        << i << " " << j;
                    clipped += w == -1 || w == 2;
                }
            EXPECT_EQ(clipped > 0, bounds == Bounds::hard);
        }
}

TEST(Stdp, DependsNeitherOnThreadsNorOnCalls) {
    const Spikes pre = random_spikes(300, 200, 0.2, 3);
    const Spikes post = random_spikes(150, 200, 0.2, 4);
    const std::vector<double> start = middle_weights(300 * 150, 0, 1);
    Stdp whole(300, 150, {}, row_major(std::span(start), 150));
    Stdp parts = whole;
    whole.update(context_of(3), pre.rows(), post.rows());
    for (const auto& [first, count] :
         {std::pair<std::size_t, std::size_t>{0, 1}, {1, 70}, {71, 0}, {71, 129}})
        parts.update(context_of(1), pre.rows().rows_from(first, count),
                     post.rows().rows_from(first, count));
    EXPECT_EQ(copied(whole.weights()), copied(parts.weights()));
    EXPECT_EQ(parts.step_count(), 200u);

    Stdp again(300, 150, {}, whole.weights());
    again.restore(whole.step_count(), whole.pre_traces(), whole.post_traces());
    whole.update(context_of(1), pre.rows(), post.rows());
    again.update(context_of(1), pre.rows(), post.rows());
    EXPECT_EQ(copied(whole.weights()), copied(again.weights()));
}

TEST(Stdp, TracesVanish) {
    const std::vector<double> start{0.5};
    Stdp stdp(1, 1, {.tau_plus = 1e-3}, row_major(std::span(start), 1));
    const std::vector<std::uint64_t> spike{1}, silence(300);
    const auto rows = [](const auto& words) {
        return row_major(std::span<const std::uint64_t>(words), 1);
    };
    stdp.update(context_of(1), rows(spike), rows(std::vector<std::uint64_t>{0}));
    EXPECT_EQ(stdp.pre_traces()[0], 1.0);
    stdp.update(context_of(1), rows(silence), rows(silence));
    EXPECT_EQ(stdp.pre_traces()[0], 0.0);
}

TEST(BinaryStdp, IsALoopOverBits) {
    constexpr std::size_t kPre = 100, kPost = 70, kSteps = 50;
    const Spikes pre = random_spikes(kPre, kSteps, 0.05, 5);
    const Spikes post = random_spikes(kPost, kSteps, 0.1, 6);
    const Spikes start = random_spikes(kPre, kPost, 0.5, 7);
    const BinaryStdpOptions options{.p_plus = 0.3, .p_minus = 0.2, .window = 7, .seed = 8, .id = 9};
    BinaryStdp whole(kPre, kPost, options, start.rows());
    BinaryStdp parts = whole;
    whole.update(context_of(3), pre.rows(), post.rows());
    for (std::size_t t = 0; t < kSteps; ++t)
        parts.update(context_of(1), pre.rows().rows_from(t, 1), post.rows().rows_from(t, 1));

    const auto drawn = [&](double p, std::size_t t, std::size_t j) {
        return encode(context_of(1), std::vector<double>{p}, kPre, Coding::unipolar,
                      {.seed = 8, .layer = 9, .role = Role::noise, .sample = t, .first_index = j});
    };
    for (std::size_t j = 0; j < kPost; ++j) {
        std::vector<bool> bits(kPre);
        for (std::size_t i = 0; i < kPre; ++i) bits[i] = start.spiked(j, i);
        for (std::size_t t = 0; t < kSteps; ++t) {
            if (!post.spiked(t, j)) continue;
            const StreamArray up = drawn(0.3, t, j), down = drawn(0.2, t, j);
            for (std::size_t i = 0; i < kPre; ++i) {
                bool seen = false;
                for (std::size_t s = t < 6 ? 0 : t - 6; s <= t; ++s) seen |= pre.spiked(s, i);
                const StreamArray& chance = seen ? up : down;
                if (chance.view().words[i / 64] >> i % 64 & 1) bits[i] = seen;
            }
        }
        for (std::size_t i = 0; i < kPre; ++i) {
            ASSERT_EQ(whole.weights()(j, i / 64) >> i % 64 & 1, std::uint64_t{bits[i]});
            ASSERT_EQ(whole.weights()(j, i / 64), parts.weights()(j, i / 64));
        }
    }

    BinaryStdp again(kPre, kPost, options, whole.weights());
    again.restore(whole.step_count(), whole.last_spikes());
    for (BinaryStdp* rule : {&whole, &again}) rule->update(context_of(1), pre.rows(), post.rows());
    for (std::size_t j = 0; j < kPost; ++j)
        for (std::size_t k = 0; k < again.words(); ++k)
            ASSERT_EQ(whole.weights()(j, k), again.weights()(j, k));
}

TEST(Plasticity, ChunksAreOfWorkNotOfSteps) {
    // Silence, then steps of a millisecond each, then one of a second.
    std::vector<double> work(100'000, 1.0);
    work.insert(work.end(), 100, 1e6);
    work.push_back(1e9);
    std::size_t next = 0;
    in_chunks(context_of(1), {}, work, work.size(),
              [&](std::size_t first, std::size_t count, std::size_t) {
                  ASSERT_EQ(first, next);
                  const auto begin = work.begin() + static_cast<std::ptrdiff_t>(first);
                  const double sum =
                      std::accumulate(begin, begin + static_cast<std::ptrdiff_t>(count), 0.0);
                  EXPECT_TRUE(count == 1 || sum <= 20e6) << first << ": " << sum;
                  next += count;
              });
    EXPECT_EQ(next, work.size());
}

TEST(Stdp, BothBoundsHoldAtAnyChange) {
    const std::vector<double> half(3 * 70, 0.5);
    const std::vector<std::uint64_t> all{7}, none{0}, posts{~std::uint64_t{0}, 63}, silent{0, 0};
    const auto row = [](const auto& words) {
        return row_major(std::span<const std::uint64_t>(words), words.size());
    };
    for (const Bounds bounds : {Bounds::hard, Bounds::soft})
        for (const double written : {-5.0, 5.0})
            for (const bool lowers : {true, false}) {
                Stdp stdp(3, 70, {.bounds = bounds}, row_major(std::span(half), 70));
                const MatrixView<double> weights = stdp.weights();
                for (std::size_t i = 0; i < 3; ++i)
                    for (std::size_t j = 0; j < 70; ++j) weights(i, j) = written;
                stdp.update(context_of(1), row(lowers ? all : none), row(lowers ? silent : posts));
                EXPECT_EQ(copied(weights), std::vector<double>(210, written < 0 ? 0.0 : 1.0));
            }
}

TEST(Plasticity, RefusesWhatDoesNotFit) {
    const std::vector<double> half(6, 0.5);
    const auto make = [&](const StdpOptions& options) {
        Stdp(2, 3, options, row_major(std::span(half), 3));
    };
    const double nan = std::numeric_limits<double>::quiet_NaN();
    for (const auto& [options, name] :
         std::vector<std::pair<StdpOptions, const char*>>{{{.a_plus = -0.1}, "a_plus"},
                                                          {{.a_minus = nan}, "a_minus"},
                                                          {{.tau_plus = 0}, "tau_plus"},
                                                          {{.tau_minus = nan}, "tau_minus"},
                                                          {{.dt = -1}, "dt"},
                                                          {{.w_min = 1}, "w_max"},
                                                          {{.w_max = 0.4}, "weights[0][0]"}})
        expect_error(ErrorCode::invalid_value, {name}, [&] { make(options); });
    expect_error(ErrorCode::invalid_shape, {"weights"},
                 [&] { Stdp(3, 2, {}, row_major(std::span(half), 3)); });

    expect_error(ErrorCode::invalid_shape, {"post"}, [&] { Stdp(2, 0, {}, {}); });
    expect_error(ErrorCode::invalid_shape, {"pre x post"},
                 [&] { Stdp(std::size_t{1} << 33, std::size_t{1} << 33, {}, {}); });

    Stdp stdp(2, 3, {}, row_major(std::span(half), 3));
    const std::vector<std::uint64_t> one{1}, two{1, 1}, beyond{4};
    const auto rows = [](const auto& words) {
        return row_major(std::span<const std::uint64_t>(words), 1);
    };
    expect_error(ErrorCode::invalid_shape, {"post_spikes"},
                 [&] { stdp.update(context_of(1), rows(one), rows(two)); });
    expect_error(ErrorCode::invalid_value, {"pre_spikes[0]"},
                 [&] { stdp.update(context_of(1), rows(beyond), rows(one)); });

    const std::vector<std::uint64_t> weights{1, 0};
    for (const auto& [options, name] :
         std::vector<std::pair<BinaryStdpOptions, const char*>>{{{.p_plus = 1.5}, "p_plus"},
                                                                {{.p_minus = nan}, "p_minus"},
                                                                {{.window = 0}, "window"},
                                                                {{.id = kMaxLayer}, "layer"}})
        expect_error(ErrorCode::invalid_value, {name},
                     [&] { BinaryStdp(3, 2, options, rows(weights)); });
    expect_error(ErrorCode::invalid_value, {"weights[0]"},
                 [&] { BinaryStdp(3, 1, {}, rows(std::vector<std::uint64_t>{8})); });
    BinaryStdp binary(3, 2, {}, rows(weights));
    expect_error(ErrorCode::invalid_value, {"last_spikes[1]"}, [&] {
        binary.restore(5, std::vector<std::uint64_t>{BinaryStdp::kNever, 5, 0});
    });
}

}  // namespace
}  // namespace bitaxon
