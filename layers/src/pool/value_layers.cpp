// Layers without weights count streams, and work on what was counted.
#include "value_state.hpp"

#include "../layer/streamed_layer.hpp"

#include <algorithm>

namespace bitaxon {
namespace {

constexpr std::size_t kRunWords = 1024;  // encoded at a time
constexpr std::size_t kBlockCounters = 1 << 16;
constexpr std::size_t kBlockSamples = 128;

// Counts ones as they come; outputs are made of the running estimates.
class StreamedValues final : public StreamedLayer {
  public:
    StreamedValues(const ExecutionContext& context, const WeightlessState& layer, std::size_t slots,
                   const ForwardNames& names)
        : StreamedLayer(context, layer, slots, names), values_(layer),
          ones_(slots * layer.inputs()), given_(ones_.size()), key_a_(ones_.size()),
          key_b_(ones_.size()), words_(layer.inputs()) {
        for (std::size_t slot = 0; slot < slots; ++slot)
            kernels_.stream_keys(bases_[slot], 0, layer.inputs(),
                                 key_a_.data() + slot * layer.inputs(),
                                 key_b_.data() + slot * layer.inputs());
    }

    std::size_t feed(std::size_t slot, const double* values) override {
        std::copy_n(values, layer_.inputs(), given_.data() + slot * layer_.inputs());
        fed_ = true;
        return 0;
    }

    void advance(std::uint64_t word, std::span<const std::size_t> active, bool) override {
        if (fed_) return;
        for (const std::size_t slot : active) {
            const std::size_t first = slot * layer_.inputs();
            kernels_.encode_bernoulli({.key_a = key_a_.data() + first,
                                       .key_b = key_b_.data() + first,
                                       .thresholds = thresholds(slot),
                                       .words_per_stream = 1,
                                       .first_time_word = word,
                                       .tail_mask = mask_of(word),
                                       .first_word = 0,
                                       .words = layer_.inputs(),
                                       .out = words_.data()});
            for (std::size_t i = 0; i < layer_.inputs(); ++i)
                ones_[first + i] +=
                    static_cast<std::int64_t>(kernels_.popcount(words_.data() + i, 1));
        }
    }

    void read(std::size_t slot, std::uint64_t bits, double* out) const override {
        const std::size_t first = slot * layer_.inputs();
        if (fed_) return values_.apply(given_.data() + first, out);
        std::vector<double> x(layer_.inputs());
        for (std::size_t i = 0; i < x.size(); ++i) x[i] = values_.decoded(ones_[first + i], bits);
        values_.apply(x.data(), out);
    }

  private:
    const WeightlessState& values_;
    bool fed_ = false;
    std::vector<std::int64_t> ones_;
    std::vector<double> given_;
    std::vector<std::uint64_t> key_a_, key_b_, words_;
};

}  // namespace

WeightlessState::WeightlessState(std::size_t inputs, std::size_t outputs, const ValueOptions& o)
    : State({.inputs = inputs, .rows = outputs, .fan_in = 0}, common_options(o),
            {nullptr, outputs, 0}, {}) {}

double WeightlessState::decoded(std::int64_t ones, std::uint64_t bits) const {
    const double share = static_cast<double>(ones) / static_cast<double>(bits);
    return options.input_range * (options.coding == Coding::bipolar ? 2.0 * share - 1.0 : share);
}

std::size_t WeightlessState::block_samples() const {
    return std::clamp<std::size_t>(kBlockCounters / shape.inputs, 1, kBlockSamples);
}

// A run of streams; of one stream, if it is longer than a run.
std::size_t WeightlessState::scratch_bytes(std::size_t) const {
    const std::size_t streams = std::max<std::size_t>(kRunWords / words_per_stream(), 1);
    return Scratch::bytes<std::uint64_t>(kRunWords) + 3 * Scratch::bytes<std::uint64_t>(streams) +
           Scratch::bytes<double>(shape.inputs) + Scratch::bytes<double>(outputs());
}

void WeightlessState::encode_and_sum(const Samples& samples, const SampleBlock& block) const {
    auto [engine, key_bases, counters, scratch] = block;
    const std::size_t mark = scratch.used();
    const std::size_t run = std::max<std::size_t>(kRunWords / words_per_stream(), 1);
    const std::size_t run_words = std::min(kRunWords, words_per_stream());
    auto* words = scratch.take<std::uint64_t>(kRunWords);
    auto* key_a = scratch.take<std::uint64_t>(run);
    auto* key_b = scratch.take<std::uint64_t>(run);
    auto* thresholds = scratch.take<std::uint64_t>(run);
    for (std::size_t r = 0; r < row_count(samples); ++r, counters += shape.inputs)
        for (std::size_t first = 0; first < shape.inputs; first += run) {
            engine.job.check();
            const std::size_t count = std::min(run, shape.inputs - first);
            std::visit(
                [&](const auto& view) {
                    for (std::size_t i = 0; i < count; ++i)
                        thresholds[i] = threshold(coded(view(r, first + i)));
                },
                samples);
            engine.kernels.stream_keys(key_bases[r], first, count, key_a, key_b);
            for (std::size_t t = 0; t < words_per_stream(); t += run_words) {
                const std::size_t part = std::min(run_words, words_per_stream() - t);
                const bool last = t + part == words_per_stream();
                engine.kernels.encode_bernoulli(
                    {.key_a = key_a,
                     .key_b = key_b,
                     .thresholds = thresholds,
                     .words_per_stream = part,
                     .first_time_word = t,
                     .tail_mask = last ? tail_mask(options.length) : ~std::uint64_t{0},
                     .first_word = 0,
                     .words = count * part,
                     .out = words});
                for (std::size_t i = 0; i < count; ++i)
                    counters[first + i] +=
                        static_cast<std::int64_t>(engine.kernels.popcount(words + i * part, part));
            }
        }
    scratch.rewind(mark);
}

void WeightlessState::sum_streams(const StreamView& streams, const SampleBlock& block) const {
    std::int64_t* counters = block.counters;
    for (std::size_t r = 0; r < streams.rows; ++r) {
        block.engine.job.check();
        for (std::size_t i = 0; i < shape.inputs; ++i)
            *counters++ += static_cast<std::int64_t>(
                block.engine.kernels.popcount(streams.stream(r, i), words_per_stream()));
    }
}

void WeightlessState::finish(std::int64_t* counters, const MatrixView<double>& outputs) const {
    std::vector<double> x(shape.inputs), y(outputs.columns);
    for (std::size_t r = 0; r < outputs.rows; ++r) {
        for (double& value : x) value = decoded(*counters++, options.length);
        apply(x.data(), y.data());
        for (std::size_t n = 0; n < y.size(); ++n) outputs(r, n) = y[n];
    }
}

std::unique_ptr<StreamedLayer> WeightlessState::streamed(const ExecutionContext& context,
                                                         std::size_t slots,
                                                         const ForwardNames& names) const {
    return std::make_unique<StreamedValues>(context, *this, slots, names);
}

void WeightlessState::expect_sums(const kernels::KernelTable&, const double* x, const double*,
                                  double* sums) const {
    std::vector<double> values(x, x + shape.inputs);
    for (double& value : values) value *= options.input_range;
    apply(values.data(), sums);
}

}  // namespace bitaxon
