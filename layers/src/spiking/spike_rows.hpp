// Packed spikes as learning rules read them: a row of words a step, a bit a neuron.
#pragma once

#include "../layer/layer_state.hpp"

#include <bitaxon/core/context.hpp>
#include <bitaxon/core/matrix_view.hpp>

#include <algorithm>
#include <bit>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <string_view>
#include <vector>

namespace bitaxon {

using SpikeRows = MatrixView<const std::uint64_t>;

/// @throws Error unless there are neurons, and at most 2^40 synapses between them
void check_synapses(std::size_t pre, std::size_t post);

/// @throws Error unless both have as many steps, words for so many neurons, and no others' spikes
void check_spikes(const SpikeRows& pre_spikes, std::size_t pre, const SpikeRows& post_spikes,
                  std::size_t post);

/// How many spikes a step has, as a factor of work.
double count_spikes(const SpikeRows& spikes, std::size_t step);

/// call(neuron) for each spike of a word that begins with neuron `first`.
template <class Call>
void for_each_spike(std::uint64_t word, std::size_t first, Call&& call) {
    for (; word != 0; word &= word - 1) call(first + static_cast<unsigned>(std::countr_zero(word)));
}

/// The same for all words of a step.
template <class Call>
void for_each_spike(const SpikeRows& spikes, std::size_t step, Call&& call) {
    for (std::size_t k = 0; k < spikes.columns; ++k) for_each_spike(spikes(step, k), 64 * k, call);
}

/// advance(first, count, threads) for chunks of the steps in order, each of at most `most` steps
/// and about 20 ms, or of one step that takes longer; cancelled between two. `work`: what each step
/// is expected to take, in nanoseconds; what chunks did take corrects it.
template <class Advance>
void in_chunks(const ExecutionContext& context, const Monitor& monitor,
               const std::vector<double>& work, std::size_t most, Advance&& advance) {
    constexpr double kChunk = 20e6;
    const std::size_t steps = work.size();
    const double all = std::accumulate(work.begin(), work.end(), 0.0);
    const std::size_t threads = workers_for(context.threads(), all);
    context.supervise(monitor, steps, all, [&](Job& job) {
        double budget = kChunk / 8;
        for (std::size_t first = 0; first < steps;) {
            job.check();
            std::size_t count = 1;
            double expected = work[first];
            while (count < most && first + count < steps &&
                   expected + work[first + count] <= budget)
                expected += work[first + count++];
            using Clock = std::chrono::steady_clock;
            const auto began = Clock::now();
            advance(first, count, threads);
            const std::chrono::duration<double, std::nano> took = Clock::now() - began;
            // What ran faster than expected says little about steps of another kind.
            budget = std::min(kChunk, expected * kChunk / (took.count() + 1.0));
            first += count;
            job.add_done(count);
        }
    });
}

/// body(0) ... body(blocks - 1), on the calling thread where the work is worth one thread.
template <class Body>
void for_each_block(const ExecutionContext& context, std::size_t threads, std::size_t blocks,
                    Body&& body) {
    if (threads > 1) return context.parallel_for(blocks, body);
    for (std::size_t block = 0; block < blocks; ++block) body(block);
}

}  // namespace bitaxon
