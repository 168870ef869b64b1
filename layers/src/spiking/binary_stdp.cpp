// Binary STDP: 64 weights of a post neuron a word, changed by masks and random words.
#include "spike_rows.hpp"

#include <bitaxon/layers/binary_stdp.hpp>

#include <bitaxon/core/encode.hpp>
#include <bitaxon/core/error.hpp>
#include <bitaxon/core/random.hpp>
#include <bitaxon/kernels/kernels.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

namespace bitaxon {
namespace {

constexpr double kNanosecondsPerWord = 10;
constexpr std::uint64_t kMostSteps = std::uint64_t{1} << 31;

void check_probability(std::string_view name, double p) {
    if (!(p >= 0 && p <= 1))
        throw_error(ErrorCode::invalid_value, name, fmt::format("{}", p), "a number in [0, 1]");
}

}  // namespace

BinaryStdp::BinaryStdp(std::size_t pre, std::size_t post, const BinaryStdpOptions& options,
                       MatrixView<const std::uint64_t> weights, const ExecutionContext& context)
    : pre_(pre), post_(post), options_(options) {
    check_synapses(pre, post);
    check_probability("p_plus", options.p_plus);
    check_probability("p_minus", options.p_minus);
    if (options.window < 1 || options.window > kMostSteps)
        throw_error(ErrorCode::invalid_value, "window", fmt::format("{}", options.window),
                    fmt::format("1 to {} steps", kMostSteps));
    check_layer(options.id);
    if (weights.rows != post || weights.columns != words())
        throw_error(ErrorCode::invalid_shape, "weights",
                    fmt::format("{} x {} words", weights.rows, weights.columns),
                    fmt::format("post x ceil(pre / 64), {} x {}", post, words()));
    weights_.reserve(post * words());
    for (std::size_t j = 0; j < post; ++j) {
        context.check();
        if ((weights(j, words() - 1) & ~tail_mask(pre)) != 0)
            throw_error(ErrorCode::invalid_value, fmt::format("weights[{}]", j),
                        "ones past the last pre neuron", "zeros there");
        for (std::size_t k = 0; k < words(); ++k) weights_.push_back(weights(j, k));
    }
    if (!options_.seed) options_.seed = fresh_seed();
    last_spikes_.resize(pre, kNever);
    window_.resize(words());
}

std::string BinaryStdp::repr() const {
    return fmt::format("BinaryStdp({}, {}, p_plus={}, p_minus={}, window={}, seed={}, id={})", pre_,
                       post_, options_.p_plus, options_.p_minus, options_.window, *options_.seed,
                       options_.id);
}

void BinaryStdp::update(const ExecutionContext& context, MatrixView<const std::uint64_t> pre_spikes,
                        MatrixView<const std::uint64_t> post_spikes, const Monitor& monitor) {
    check_spikes(pre_spikes, pre_, post_spikes, post_);
    constexpr std::size_t kChunkWords = 1 << 16;  // 512 KiB of windows
    const std::size_t most = std::max<std::size_t>(1, kChunkWords / words());
    std::vector<double> work(pre_spikes.rows);
    for (std::size_t step = 0; step < work.size(); ++step)
        work[step] = kNanosecondsPerWord *
                     (static_cast<double>(words()) * (1.0 + count_spikes(post_spikes, step)) +
                      count_spikes(pre_spikes, step));
    std::vector<Moment> moments;
    std::vector<std::uint64_t> windows;
    in_chunks(context, monitor, work, most,
              [&](std::size_t first, std::size_t count, std::size_t threads) {
                  moments.clear();
                  windows.clear();
                  for (std::size_t row = first; row < first + count; ++row) {
                      see(step_count_, pre_spikes, row);
                      std::uint64_t any = 0;
                      for (std::size_t k = 0; k < post_spikes.columns; ++k)
                          any |= post_spikes(row, k);
                      if (any != 0) {
                          moments.push_back({row, step_count_});
                          windows.insert(windows.end(), window_.begin(), window_.end());
                      }
                      ++step_count_;
                  }
                  change(context, threads, post_spikes, moments, windows.data());
              });
}

// Moves the window to a step, and takes in who spikes there.
void BinaryStdp::see(std::uint64_t step, const SpikeRows& spikes, std::size_t row) {
    for (; !events_.empty() && events_.front().step + options_.window <= step;
         events_.pop_front()) {
        const auto [spiked, i] = events_.front();
        if (last_spikes_[i] == spiked) window_[i / 64] &= ~(std::uint64_t{1} << i % 64);
    }
    for (std::size_t k = 0; k < spikes.columns; ++k) window_[k] |= spikes(row, k);
    for_each_spike(spikes, row, [&](std::size_t i) {
        last_spikes_[i] = step;
        events_.push_back({step, i});
    });
    if (events_.size() > 2 * pre_)
        std::erase_if(events_, [&](const Event& e) { return last_spikes_[e.neuron] != e.step; });
}

// Draws the changes of all post spikes. windows: a row of words() for each moment.
void BinaryStdp::change(const ExecutionContext& context, std::size_t threads,
                        const SpikeRows& post_spikes, std::span<const Moment> moments,
                        const std::uint64_t* windows) {
    const std::size_t count = words();
    const std::uint64_t thresholds[] = {threshold(options_.p_plus), threshold(options_.p_minus)};
    const std::size_t blocks = moments.empty() ? 0 : post_spikes.columns;
    for_each_block(context, threads, blocks, [&](std::size_t block) {
        // Set bits, then cleared ones, by the same numbers: no weight reads both.
        std::vector<std::uint64_t> drawn(2 * count);
        for (std::size_t m = 0; m < moments.size(); ++m) {
            const std::uint64_t* window = windows + m * count;
            const std::uint64_t base =
                key_base(*options_.seed, options_.id, Role::noise, moments[m].step);
            for_each_spike(post_spikes(moments[m].row, block), 64 * block, [&](std::size_t j) {
                const StreamKey key = stream_key(base, j);
                const std::uint64_t a[] = {key.a, key.a};
                const std::uint64_t b[] = {key.b, key.b};
                context.kernels().encode_bernoulli({.key_a = a,
                                                    .key_b = b,
                                                    .thresholds = thresholds,
                                                    .words_per_stream = count,
                                                    .first_time_word = 0,
                                                    .tail_mask = tail_mask(pre_),
                                                    .first_word = 0,
                                                    .words = 2 * count,
                                                    .out = drawn.data()});
                std::uint64_t* w = weights_.data() + j * count;
                for (std::size_t k = 0; k < count; ++k) {
                    const std::uint64_t set = drawn[k] & window[k];
                    const std::uint64_t cleared = drawn[count + k] & ~window[k];
                    w[k] = (w[k] | set) & ~cleared;
                }
            });
        }
    });
}

void BinaryStdp::reset() noexcept {
    std::fill(last_spikes_.begin(), last_spikes_.end(), kNever);
    std::fill(window_.begin(), window_.end(), 0);
    events_.clear();
    step_count_ = 0;
}

void BinaryStdp::restore(std::uint64_t step_count, std::span<const std::uint64_t> last_spikes) {
    if (last_spikes.size() != pre_)
        throw_error(ErrorCode::invalid_shape, "last_spikes",
                    fmt::format("{} steps", last_spikes.size()), fmt::format("{}", pre_));
    for (std::size_t i = 0; i < pre_; ++i)
        if (last_spikes[i] != kNever && last_spikes[i] >= step_count)
            throw_error(ErrorCode::invalid_value, fmt::format("last_spikes[{}]", i),
                        fmt::format("{}", last_spikes[i]),
                        fmt::format("a step before {}", step_count));
    reset();
    step_count_ = step_count;
    last_spikes_.assign(last_spikes.begin(), last_spikes.end());
    for (std::size_t i = 0; i < pre_; ++i)
        if (last_spikes_[i] != kNever && step_count - last_spikes_[i] < options_.window) {
            window_[i / 64] |= std::uint64_t{1} << i % 64;
            events_.push_back({last_spikes_[i], i});
        }
    std::sort(events_.begin(), events_.end(),
              [](const Event& a, const Event& b) { return a.step < b.step; });
}

}  // namespace bitaxon
