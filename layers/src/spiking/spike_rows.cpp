#include "spike_rows.hpp"

#include <bitaxon/core/bitstream.hpp>
#include <bitaxon/core/error.hpp>

#include <fmt/format.h>

#include <utility>

namespace bitaxon {
namespace {

constexpr std::size_t kMostSynapses = std::size_t{1} << 40;

void check_rows(std::string_view name, const SpikeRows& spikes, std::size_t neurons) {
    if (spikes.columns != words_for(neurons))
        throw_error(ErrorCode::invalid_shape, name, fmt::format("rows of {} words", spikes.columns),
                    fmt::format("{}, for {} neurons", words_for(neurons), neurons));
    const std::uint64_t beyond = ~tail_mask(neurons);
    for (std::size_t step = 0; step < spikes.rows; ++step)
        if ((spikes(step, spikes.columns - 1) & beyond) != 0)
            throw_error(ErrorCode::invalid_value, fmt::format("{}[{}]", name, step),
                        "spikes past the last neuron", fmt::format("those of {}", neurons));
}

}  // namespace

void check_synapses(std::size_t pre, std::size_t post) {
    for (const auto& [name, neurons] : {std::pair{"pre", pre}, std::pair{"post", post}})
        if (neurons == 0) throw_error(ErrorCode::invalid_shape, name, "0", "at least 1");
    if (post > kMostSynapses / pre)
        throw_error(ErrorCode::invalid_shape, "pre x post", fmt::format("{} x {}", pre, post),
                    fmt::format("at most {} in all", kMostSynapses));
}

void check_spikes(const SpikeRows& pre_spikes, std::size_t pre, const SpikeRows& post_spikes,
                  std::size_t post) {
    check_rows("pre_spikes", pre_spikes, pre);
    check_rows("post_spikes", post_spikes, post);
    if (pre_spikes.rows != post_spikes.rows)
        throw_error(ErrorCode::invalid_shape, "post_spikes",
                    fmt::format("{} steps", post_spikes.rows),
                    fmt::format("{}, as pre_spikes has", pre_spikes.rows));
}

double count_spikes(const SpikeRows& spikes, std::size_t step) {
    std::uint64_t count = 0;
    for (std::size_t k = 0; k < spikes.columns; ++k)
        count += static_cast<std::uint64_t>(std::popcount(spikes(step, k)));
    return static_cast<double>(count);
}

}  // namespace bitaxon
