// Pair STDP by traces. Post neurons are cut into blocks of whole cache lines of weights; a block
// runs through all steps of a chunk with traces of its own, so blocks never meet.
#include "spike_rows.hpp"

#include <bitaxon/layers/stdp.hpp>

#include <bitaxon/core/bitstream.hpp>
#include <bitaxon/core/error.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace bitaxon {
namespace {

constexpr std::size_t kLine = 64 / sizeof(double);
// Weights of a block of 64 post neurons stay in a second-level cache for up to 1,000 pre neurons.
constexpr std::size_t kMostPosts = 64;
constexpr double kVanished = 1e-100;  // before traces become subnormal, which is slow
// About what a change of a weight takes, and a trace in a step.
constexpr double kNanosecondsPerChange = 0.5;
constexpr double kNanosecondsPerNeuron = 0.3;

void check(bool holds, std::string_view name, double got, std::string_view expected) {
    if (!holds) throw_error(ErrorCode::invalid_value, name, fmt::format("{}", got), expected);
}

void check_traces(std::string_view name, std::span<const double> traces, std::size_t neurons) {
    if (traces.size() != neurons)
        throw_error(ErrorCode::invalid_shape, name, fmt::format("{} traces", traces.size()),
                    fmt::format("{}", neurons));
    for (std::size_t i = 0; i < traces.size(); ++i)
        if (!(traces[i] >= 0 && std::isfinite(traces[i])))
            throw_error(ErrorCode::invalid_value, fmt::format("{}[{}]", name, i),
                        fmt::format("{}", traces[i]), "a finite number, 0 or above");
}

// Rows of whole lines, an odd number of them: columns then spread over all sets of a cache.
std::size_t row_stride(std::size_t post) {
    if (post < kLine) return post;
    return ((post + kLine - 1) / kLine | 1) * kLine;
}

void decay(std::span<double> traces, double factor) {
    double* x = traces.data();
    const std::size_t count = traces.size();
#pragma omp simd
    for (std::size_t i = 0; i < count; ++i) {
        const double y = x[i] * factor;
        x[i] = y < kVanished ? 0.0 : y;
    }
}

// A share is what a change would be if the range were 1 and all of it left. Weights that somebody
// wrote may lie anywhere, so both bounds hold at each change.
double between(double low, double w, double high) { return std::min(std::max(w, low), high); }

struct HardBounds {
    explicit HardBounds(const StdpOptions& o) : low(o.w_min), high(o.w_max), range(high - low) {}

    double raised(double w, double share) const { return between(low, w + share * range, high); }
    double lowered(double w, double share) const { return between(low, w - share * range, high); }

    double low;
    double high;
    double range;
};

struct SoftBounds {
    explicit SoftBounds(const StdpOptions& o) : low(o.w_min), high(o.w_max) {}

    double raised(double w, double share) const {
        return between(low, w + share * (high - w), high);
    }
    double lowered(double w, double share) const {
        return between(low, w - share * (w - low), high);
    }

    double low;
    double high;
};

// The two inner loops stand alone, with bounds that nothing can alias: inlined, they run out of
// registers and read the bounds again for each weight.
template <class Rule>
[[gnu::noinline]] void lower(Rule given, double* w, const double* shares, std::size_t posts) {
    const Rule rule = given;
#pragma omp simd
    for (std::size_t j = 0; j < posts; ++j) w[j] = rule.lowered(w[j], shares[j]);
}

template <class Rule>
[[gnu::noinline]] void raise(Rule given, const MatrixView<double>& weights, std::size_t post,
                             double a_plus, const double* traces) {
    const Rule rule = given;
    const std::size_t count = weights.rows;
    const auto stride = static_cast<std::size_t>(weights.row_stride);
    double* w = weights.data + post;
    for (std::size_t i = 0; i < count; ++i)
        w[i * stride] = rule.raised(w[i * stride], a_plus * traces[i]);
}

// What a spike leaves behind.
void leave(double& trace, Pairing pairing) { trace = pairing == Pairing::all ? trace + 1.0 : 1.0; }

struct Block {
    std::size_t first;  // post neuron
    std::size_t posts;
    MatrixView<double> weights;  // of all pre and post neurons
    std::span<double> pre_traces;
    std::span<double> post_traces;  // of the block

    template <class Rule>
    void run(const StdpOptions& o, const Rule& rule, const SpikeRows& pre_spikes,
             const SpikeRows& post_spikes) {
        const double pre_decay = std::exp(-o.dt / o.tau_plus);
        const double post_decay = std::exp(-o.dt / o.tau_minus);
        double shares[kMostPosts];
        for (std::size_t step = 0; step < pre_spikes.rows; ++step) {
            decay(pre_traces, pre_decay);
            decay(post_traces, post_decay);
            for (std::size_t j = 0; j < posts; ++j) shares[j] = o.a_minus * post_traces[j];
            for_each_spike(pre_spikes, step, [&](std::size_t i) {
                lower(rule, &weights(i, first), shares, posts);
                leave(pre_traces[i], o.pairing);
            });
            for_each_spike(posts_of(post_spikes, step), 0, [&](std::size_t j) {
                raise(rule, weights, first + j, o.a_plus, pre_traces.data());
                leave(post_traces[j], o.pairing);
            });
        }
    }

    // The block's spikes, its first neuron in bit 0. Blocks never cross words.
    std::uint64_t posts_of(const SpikeRows& spikes, std::size_t step) const {
        return spikes(step, first / 64) >> first % 64 & tail_mask(posts);
    }
};

}  // namespace

Stdp::Stdp(std::size_t pre, std::size_t post, const StdpOptions& options,
           MatrixView<const double> weights, const ExecutionContext& context)
    : pre_(pre), post_(post), options_(options), stride_(row_stride(post)) {
    check_synapses(pre, post);
    const auto positive = [](double x) { return x > 0 && std::isfinite(x); };
    const StdpOptions& o = options;
    check(o.a_plus >= 0 && o.a_plus <= 1, "a_plus", o.a_plus, "0 to 1, a share of the range");
    check(o.a_minus >= 0 && o.a_minus <= 1, "a_minus", o.a_minus, "0 to 1, a share of the range");
    check(positive(o.tau_plus), "tau_plus", o.tau_plus, "above 0, in seconds");
    check(positive(o.tau_minus), "tau_minus", o.tau_minus, "above 0, in seconds");
    check(positive(o.dt), "dt", o.dt, "above 0, in seconds");
    check(std::isfinite(o.w_min), "w_min", o.w_min, "a finite number");
    check(o.w_max > o.w_min && std::isfinite(o.w_max - o.w_min), "w_max", o.w_max,
          "a number above w_min, the difference finite");
    if (weights.rows != pre || weights.columns != post)
        throw_error(ErrorCode::invalid_shape, "weights",
                    fmt::format("{} x {}", weights.rows, weights.columns),
                    fmt::format("pre x post, {} x {}", pre, post));
    weights_.reserve(pre * stride_);  // what does not fit into memory fails before the loop
    for (std::size_t i = 0; i < pre; ++i) {
        context.check();
        for (std::size_t j = 0; j < post; ++j) {
            const double w = weights(i, j);
            if (!(w >= o.w_min && w <= o.w_max))
                throw_error(ErrorCode::invalid_value, fmt::format("weights[{}][{}]", i, j),
                            fmt::format("{}", w), fmt::format("{} to {}", o.w_min, o.w_max));
            weights_.push_back(w);
        }
        weights_.resize((i + 1) * stride_);
    }
    pre_traces_.resize(pre);
    post_traces_.resize(post);
}

std::string Stdp::repr() const {
    const StdpOptions& o = options_;
    return fmt::format("Stdp({}, {}, a_plus={}, a_minus={}, tau_plus={}, tau_minus={}, dt={}, "
                       "w_min={}, w_max={}, pairing='{}', bounds='{}')",
                       pre_, post_, o.a_plus, o.a_minus, o.tau_plus, o.tau_minus, o.dt, o.w_min,
                       o.w_max, o.pairing == Pairing::all ? "all" : "nearest",
                       o.bounds == Bounds::hard ? "hard" : "soft");
}

void Stdp::update(const ExecutionContext& context, MatrixView<const std::uint64_t> pre_spikes,
                  MatrixView<const std::uint64_t> post_spikes, const Monitor& monitor) {
    check_spikes(pre_spikes, pre_, post_spikes, post_);
    const auto neurons = static_cast<double>(pre_ + post_);
    std::vector<double> work(pre_spikes.rows);
    for (std::size_t step = 0; step < work.size(); ++step)
        work[step] =
            kNanosecondsPerNeuron * neurons +
            kNanosecondsPerChange * (count_spikes(pre_spikes, step) * static_cast<double>(post_) +
                                     count_spikes(post_spikes, step) * static_cast<double>(pre_));
    in_chunks(context, monitor, work, work.size(),
              [&](std::size_t first, std::size_t count, std::size_t threads) {
                  advance(context, threads, pre_spikes.rows_from(first, count),
                          post_spikes.rows_from(first, count));
                  step_count_ += count;
              });
}

void Stdp::advance(const ExecutionContext& context, std::size_t threads,
                   const SpikeRows& pre_spikes, const SpikeRows& post_spikes) {
    // Blocks of 8, 16, 32 or 64 post neurons, so that no block crosses a word.
    std::size_t width = kMostPosts;
    while (width > kLine && post_ < width * threads) width /= 2;
    const std::size_t blocks = (post_ + width - 1) / width;
    std::vector<double> later(pre_traces_);
    for_each_block(context, threads, blocks, [&](std::size_t b) {
        // All blocks see the same pre traces; the first one hands them on.
        std::vector<double> own(b == 0 ? 0 : pre_);
        if (b != 0) std::copy(pre_traces_.begin(), pre_traces_.end(), own.begin());
        const std::size_t posts = std::min(width, post_ - b * width);
        Block block{b * width, posts, weights(), b == 0 ? std::span(later) : std::span(own),
                    std::span(post_traces_).subspan(b * width, posts)};
        if (options_.bounds == Bounds::hard)
            block.run(options_, HardBounds{options_}, pre_spikes, post_spikes);
        else
            block.run(options_, SoftBounds{options_}, pre_spikes, post_spikes);
    });
    std::copy(later.begin(), later.end(), pre_traces_.begin());  // views of them stay
}

void Stdp::reset() noexcept {
    std::fill(pre_traces_.begin(), pre_traces_.end(), 0.0);
    std::fill(post_traces_.begin(), post_traces_.end(), 0.0);
    step_count_ = 0;
}

void Stdp::restore(std::uint64_t step_count, std::span<const double> pre_traces,
                   std::span<const double> post_traces) {
    check_traces("pre_traces", pre_traces, pre_);
    check_traces("post_traces", post_traces, post_);
    std::copy(pre_traces.begin(), pre_traces.end(), pre_traces_.begin());
    std::copy(post_traces.begin(), post_traces.end(), post_traces_.begin());
    step_count_ = step_count;
}

}  // namespace bitaxon
