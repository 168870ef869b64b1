// A recurrent layer's forward paths.
#include "../layer/streamed_layer.hpp"
#include "recurrence.hpp"

namespace bitaxon {
namespace {

constexpr std::size_t kBlockSamples = 64;
constexpr std::size_t kBlockCounters = 1 << 19;

}  // namespace

std::size_t RecurrentState::block_samples() const {
    return std::clamp<std::size_t>(kBlockCounters / counters(), 1, kBlockSamples);
}

std::size_t RecurrentState::scratch_bytes(std::size_t samples) const {
    return Recurrence::scratch_bytes(*this, samples, words_per_stream()) +
           Scratch::bytes<std::int64_t>(samples * step_counts());
}

template <class FillInputs>
void RecurrentState::walk(Recurrence& recurrence, std::size_t samples, const SampleBlock& block,
                          const FillInputs& fill_inputs) const {
    const std::size_t all = samples * step_counts();
    auto* counts = block.scratch.take<std::int64_t>(all);
    std::fill_n(counts, all, 0);
    recurrence.advance(
        drawn->panels(), 0, {block.key_bases, samples}, options.length,
        [&](std::size_t r, std::size_t) { return counts + r * step_counts(); }, fill_inputs,
        [&](std::size_t step, const CellStates& states) {
            std::fill_n(counts, all, 0);
            const auto first = place(step);
            if (!first) return;
            for (std::size_t r = 0; r < samples; ++r)
                for (std::size_t u = 0; u < units; ++u)
                    block.counters[r * counters() + *first + u] =
                        std::bit_cast<std::int64_t>(states.state(r)[u]);
        });
}

void RecurrentState::encode_and_sum(const Samples& samples, const SampleBlock& block) const {
    sum_samples(samples, block, nullptr);
}

void RecurrentState::sum_samples(const Samples& samples, const SampleBlock& block,
                                 const ExecutionContext* spread) const {
    const std::size_t count = row_count(samples);
    const SignedPanels& panels = drawn->panels();
    Recurrence recurrence(*this, block.engine, count, words_per_stream(), block.scratch, spread);
    std::visit(
        [&](const auto& view) {
            walk(recurrence, count, block,
                 [&](std::size_t r, std::size_t step, std::size_t first, std::size_t words,
                     std::uint64_t* out) {
                     const std::size_t input = step * step_inputs;
                     recurrence.encode(
                         panels.layout(), 0, block.key_bases[r], input, first, words, out,
                         [&](std::size_t i) { return threshold(coded(view(r, input + i))); });
                 });
        },
        samples);
}

void RecurrentState::sum_streams(const StreamView& streams, const SampleBlock& block) const {
    const std::size_t per_stream = words_per_stream();
    Recurrence recurrence(*this, block.engine, streams.rows, per_stream, block.scratch);
    walk(recurrence, streams.rows, block,
         [&](std::size_t r, std::size_t step, std::size_t first, std::size_t words,
             std::uint64_t* out) {
             for (std::size_t k = first; k < first + words;) {
                 const std::size_t word = k % per_stream;
                 const std::size_t part = std::min(per_stream - word, first + words - k);
                 const std::size_t stream = step * step_inputs + k / per_stream;
                 out = std::copy_n(streams.stream(r, stream) + word, part, out);
                 k += part;
             }
         });
}

void RecurrentState::finish(std::int64_t* counters, const MatrixView<double>& outputs) const {
    for (std::size_t r = 0; r < outputs.rows; ++r)
        for (std::size_t n = 0; n < outputs.columns; ++n)
            outputs(r, n) = std::bit_cast<double>(*counters++);
}

// Steps wait for one another, so where samples are fewer than threads each step is cut.
void RecurrentState::run(const ExecutionContext& context, const Samples& samples,
                         const MatrixView<double>& outputs, const ForwardNames& names,
                         Job& job) const {
    const std::size_t total = row_count(samples);
    const double step = nanoseconds(total) / static_cast<double>(steps);
    if (total >= workers_for(context.threads(), step))
        return State::run(context, samples, outputs, names, job);
    const std::size_t block = std::min(total, block_samples());
    Scratch scratch = context.scratch(scratch_bytes(block) + Scratch::bytes<std::uint64_t>(block) +
                                      Scratch::bytes<std::int64_t>(block * counters()));
    const Engine engine{context.kernels(), job};
    auto* bases = scratch.take<std::uint64_t>(block);
    auto* states = scratch.take<std::int64_t>(block * counters());
    const std::size_t mark = scratch.used();
    for (std::size_t first = 0; first < total; first += block) {
        const std::size_t count = std::min(block, total - first);
        for (std::size_t r = 0; r < count; ++r) bases[r] = sample_key(names, first + r);
        sum_samples(rows_from(samples, first, count), {engine, bases, states, scratch}, &context);
        scratch.rewind(mark);
        finish(states, outputs.rows_from(first, count));
        job.add_done(count);
    }
}

void RecurrentState::expect_outputs(const kernels::KernelTable& kernels, const double* x,
                                    const double* values, double* y) const {
    const bool bipolar = options.coding == Coding::bipolar;
    std::vector<double> decoded(units);
    CellStates states = begin(1);
    for (std::size_t step = 0; step < steps; ++step, x += step_inputs) {
        const auto sums_with = [&](const double* operand) {
            for (std::size_t u = 0; u < units; ++u) {
                const double p = probability(threshold(coded_state(operand[u])));
                decoded[u] = bipolar ? 2.0 * p - 1.0 : std::copysign(p, operand[u]);
            }
            return [&](std::size_t, std::size_t row) {
                const double* w = values + row * shape.fan_in;
                return join(kernels.dot_f64(x, w, step_inputs),
                            kernels.dot_f64(decoded.data(), w + step_inputs, units), row,
                            *options.weight_scale);
            };
        };
        states.open_gates(sums_with(states.state(0)));
        states.update(sums_with(states.operand(0)));
        if (const auto first = place(step)) std::copy_n(states.state(0), units, y + *first);
    }
}

namespace {

// All steps read a word of time, then the next: each step on the running estimate of the one
// before.
class StreamedRecurrent final : public StreamedLayer {
  public:
    StreamedRecurrent(const ExecutionContext& context, const RecurrentState& layer,
                      std::size_t slots, const ForwardNames& names)
        : StreamedLayer(context, layer, slots, names), recurrent_(layer),
          panels_(layer.drawn->by_time(context)),
          counts_of_steps_(slots * layer.steps * layer.step_counts()),
          outputs_(slots * layer.outputs()),
          scratch_(context.scratch(Recurrence::scratch_bytes(layer, slots, 1))),
          recurrence_(layer, engine(), slots, 1, scratch_) {}

    void advance(std::uint64_t word, std::span<const std::size_t> active, bool) override {
        std::vector<std::uint64_t> bases;
        for (const std::size_t slot : active) bases.push_back(bases_[slot]);
        const std::size_t inputs = recurrent_.step_inputs;
        recurrence_.advance(
            panels_, word, bases, 64 * word + bits_in(word),
            [&](std::size_t r, std::size_t step) {
                return counts_of_steps_.data() +
                       (active[r] * recurrent_.steps + step) * recurrent_.step_counts();
            },
            [&](std::size_t r, std::size_t step, std::size_t first, std::size_t words,
                std::uint64_t* out) {
                const std::uint64_t* given = thresholds(active[r]) + step * inputs;
                recurrence_.encode(panels_.layout(), word, bases[r], step * inputs, first, words,
                                   out, [&](std::size_t i) { return given[i]; });
            },
            [&](std::size_t step, const CellStates& states) {
                const auto place = recurrent_.place(step);
                if (!place) return;
                for (std::size_t r = 0; r < active.size(); ++r)
                    std::copy_n(states.state(r), recurrent_.units,
                                outputs_.data() + active[r] * recurrent_.outputs() + *place);
            });
    }

    void read(std::size_t slot, std::uint64_t, double* out) const override {
        std::copy_n(outputs_.data() + slot * recurrent_.outputs(), recurrent_.outputs(), out);
    }

  private:
    const RecurrentState& recurrent_;
    const SignedPanels& panels_;
    std::vector<std::int64_t> counts_of_steps_;  // slots x steps x step_counts
    std::vector<double> outputs_;
    Scratch scratch_;
    Recurrence recurrence_;
};

}  // namespace

std::unique_ptr<StreamedLayer> RecurrentState::streamed(const ExecutionContext& context,
                                                        std::size_t slots,
                                                        const ForwardNames& names) const {
    return std::make_unique<StreamedRecurrent>(context, *this, slots, names);
}

}  // namespace bitaxon
