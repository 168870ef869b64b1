// Packed spikes as learning rules read them: a row of words a step, a bit a neuron.
#pragma once

#include <bitaxon/core/context.hpp>
#include <bitaxon/core/matrix_view.hpp>

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace bitaxon {

using SpikeRows = MatrixView<const std::uint64_t>;

/// @throws Error unless there are neurons, and at most 2^40 synapses between them
void check_synapses(std::size_t pre, std::size_t post);

/// @throws Error unless both have as many steps, words for so many neurons, and no others' spikes
void check_spikes(const SpikeRows& pre_spikes, std::size_t pre, const SpikeRows& post_spikes,
                  std::size_t post);

/// How many spikes there are, as a factor of work.
double count_spikes(const SpikeRows& spikes);

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

/// advance(first, count) for chunks of the steps in order, each of at most `most` steps and about
/// 20 ms of the work of all; cancelled between two.
template <class Advance>
void in_chunks(const ExecutionContext& context, const Monitor& monitor, std::size_t steps,
               std::size_t most, double nanoseconds, Advance&& advance) {
    const double share = 20e6 / std::max(nanoseconds, 20e6);
    const auto fair = static_cast<std::size_t>(share * static_cast<double>(steps));
    const std::size_t chunk = std::max<std::size_t>(1, std::min(fair, most));
    context.supervise(monitor, steps, nanoseconds, [&](Job& job) {
        for (std::size_t first = 0; first < steps; first += chunk) {
            job.check();
            const std::size_t count = std::min(chunk, steps - first);
            advance(first, count);
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
