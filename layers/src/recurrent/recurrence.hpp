// Steps of recurrent layers over a chunk of time: all words of the streams, or one at a time.
#pragma once

#include "recurrent_state.hpp"

#include <algorithm>

namespace bitaxon {

/// Counts the products of some samples step by step, with scratch of its own. What a step has
/// counted by now makes the states that the next one encodes.
class Recurrence {
  public:
    /// chunk_words: of one stream, at most. Products are spread over the threads of `spread`, if
    /// any.
    Recurrence(const RecurrentState& layer, const Engine& engine, std::size_t samples,
               std::size_t chunk_words, Scratch& scratch, const ExecutionContext* spread = nullptr)
        : layer_(layer), engine_(engine), spread_(spread), run_(run_words(layer, chunk_words)),
          negatives_(layer.shape.rows),
          rows_(scratch.take<std::uint64_t>(samples * signs(layer) * run_)),
          keys_(scratch.take<std::uint64_t>(3 * streams_in(run_, chunk_words))),
          sums_(scratch.take<std::int64_t>(samples * signs(layer) * layer.shape.rows)) {
        if (layer.options.coding != Coding::split_unipolar) return;
        for (std::size_t row = 0; row < negatives_.size(); ++row) {
            const auto first =
                layer.weights.begin() + static_cast<std::ptrdiff_t>(row * layer.shape.fan_in);
            negatives_[row] =
                std::count_if(first, first + static_cast<std::ptrdiff_t>(layer.step_inputs),
                              [](double w) { return w < 0.0; });
        }
    }

    static std::size_t scratch_bytes(const RecurrentState& layer, std::size_t samples,
                                     std::size_t chunk_words) {
        const std::size_t run = run_words(layer, chunk_words);
        return Scratch::bytes<std::uint64_t>(samples * signs(layer) * run) +
               Scratch::bytes<std::uint64_t>(3 * streams_in(run, chunk_words)) +
               Scratch::bytes<std::int64_t>(samples * signs(layer) * layer.shape.rows);
    }

    /// Adds what chunk `chunk` of all streams contributes to the counts of each step, which hold
    /// `bits` bits then; sample r is drawn from bases[r]. counts_of(r, step) is where they stand,
    /// fill_inputs(r, step, first, count, out) writes words first ... of the inputs' streams side
    /// by side, and after_step(step, states) is called with each step's states.
    template <class CountsOf, class FillInputs, class AfterStep>
    void advance(const SignedPanels& panels, std::size_t chunk,
                 std::span<const std::uint64_t> bases, std::uint64_t bits,
                 const CountsOf& counts_of, const FillInputs& fill_inputs,
                 const AfterStep& after_step) {
        const std::size_t words = panels.layout().chunk_words(chunk);
        const std::size_t samples = bases.size();
        const bool bipolar = layer_.options.coding == Coding::bipolar;
        const std::size_t gate_rows = layer_.cell.gates * layer_.units;
        const auto first_bit = 64 * panels.layout().first_word(chunk);
        const auto chunk_bits = static_cast<std::int64_t>(bits - first_bit);
        CellStates states = layer_.begin(samples);

        for (std::size_t step = 0; step < layer_.steps; ++step) {
            const auto linear = [&](std::size_t r, std::size_t row) {
                return layer_.linear(counts_of(r, step), row, bits);
            };
            const auto sum_states = [&](std::size_t stage, std::size_t first_row, std::size_t rows,
                                        auto state_of) {
                if (step == 0 || rows == 0) return;  // all states are 0
                sum(panels, samples * signs(layer_), layer_.units * words,
                    panels.layout().start_of(chunk, layer_.step_inputs), first_row, rows,
                    [&](std::size_t row, std::size_t first, std::size_t count, std::uint64_t* out) {
                        const double* h = state_of(row / signs(layer_));
                        encode(panels.layout(), chunk, bases[row / signs(layer_)],
                               layer_.state_index(step, stage), first, count, out,
                               [&](std::size_t u) { return state_threshold(h[u], row); });
                    });
                const auto products = static_cast<std::int64_t>(layer_.units) * chunk_bits;
                for (std::size_t r = 0; r < samples; ++r)
                    for (std::size_t n = 0; n < rows; ++n) {
                        const std::int64_t* s = sums_ + r * signs(layer_) * rows + n;
                        counts_of(r, step)[layer_.shape.rows + first_row + n] +=
                            bipolar ? products - 2 * s[0] : s[0] - s[rows];
                    }
            };

            sum(panels, samples, layer_.step_inputs * words, panels.layout().start_of(chunk, 0), 0,
                layer_.shape.rows,
                [&](std::size_t r, std::size_t first, std::size_t count, std::uint64_t* out) {
                    fill_inputs(r, step, first, count, out);
                });
            const auto products = static_cast<std::int64_t>(layer_.step_inputs) * chunk_bits;
            for (std::size_t r = 0; r < samples; ++r)
                for (std::size_t n = 0; n < layer_.shape.rows; ++n) {
                    const std::int64_t s = sums_[r * layer_.shape.rows + n];
                    counts_of(r, step)[n] +=
                        bipolar ? products - 2 * s
                                : s - static_cast<std::int64_t>(64 * words) * negatives_[n];
                }
            sum_states(0, 0, gate_rows, [&](std::size_t r) { return states.state(r); });
            states.open_gates(linear);
            sum_states(layer_.cell.stages() - 1, gate_rows, layer_.units,
                       [&](std::size_t r) { return states.operand(r); });
            states.update(linear);
            after_step(step, states);
        }
    }

    /// Words first ... first + count - 1 of streams side by side, in a chunk; threshold_of(stream).
    template <class ThresholdOf>
    void encode(const WeightLayout& layout, std::size_t chunk, std::uint64_t key_base,
                std::uint64_t first_index, std::size_t first, std::size_t count, std::uint64_t* out,
                const ThresholdOf& threshold_of) {
        const std::size_t words = layout.chunk_words(chunk);
        const std::size_t stream = first / words;
        const std::size_t streams = (first + count - 1) / words + 1 - stream;
        std::uint64_t* key_b = keys_ + streams;
        std::uint64_t* thresholds = key_b + streams;
        for (std::size_t i = 0; i < streams; ++i) thresholds[i] = threshold_of(stream + i);
        engine_.kernels.stream_keys(key_base, first_index + stream, streams, keys_, key_b);
        engine_.kernels.encode_bernoulli({.key_a = keys_,
                                          .key_b = key_b,
                                          .thresholds = thresholds,
                                          .words_per_stream = words,
                                          .first_time_word = layout.first_word(chunk),
                                          .tail_mask = chunk + 1 == layout.chunks()
                                                           ? tail_mask(layer_.options.length)
                                                           : ~std::uint64_t{0},
                                          .first_word = first - stream * words,
                                          .words = count,
                                          .out = out});
    }

  private:
    static constexpr std::size_t kRunWords = 1024;     // of a row, encoded and multiplied at a time
    static constexpr std::size_t kChunkNeurons = 256;  // between two looks at the stop token
    static constexpr std::size_t kSpreadNeurons =
        32;  // that are worth another thread, where a step is

    /// Rows of words that the states of a sample take: positive ones and negative ones apart.
    static std::size_t signs(const RecurrentState& layer) {
        return layer.options.coding == Coding::bipolar ? 1 : 2;
    }
    static std::size_t run_words(const RecurrentState& layer, std::size_t chunk_words) {
        return std::min(kRunWords,
                        padded_words(std::max(layer.step_inputs, layer.units) * chunk_words));
    }
    static std::size_t streams_in(std::size_t words, std::size_t words_per_stream) {
        return words / words_per_stream + 2;
    }

    std::uint64_t state_threshold(double h, std::size_t row) const {
        if (signs(layer_) == 2 && (h < 0.0) != (row % 2 == 1)) return 0;
        return threshold(layer_.coded_state(h));
    }

    /// Sets sums_: products of `rows` rows of `words` words, which fill writes, with row_count rows
    /// of weights, where words of these begin at first_word.
    template <class Fill>
    void sum(const SignedPanels& panels, std::size_t rows, std::size_t words,
             std::size_t first_word, std::size_t first_row, std::size_t row_count,
             const Fill& fill) {
        const Operation operation = product_of(layer_.options.coding);
        std::fill_n(sums_, rows * row_count, 0);
        for (std::size_t begin = 0; begin < words; begin += run_) {
            const std::size_t count = std::min(run_, words - begin);
            for (std::size_t r = 0; r < rows; ++r) {
                engine_.job.check();
                std::uint64_t* row = rows_ + r * run_;
                fill(r, begin, count, row);
                std::fill(row + count, row + padded_words(count), 0);
            }
            const std::size_t chunk = spread_ == nullptr ? kChunkNeurons : kSpreadNeurons;
            const std::size_t chunks = (layer_.units + chunk - 1) / chunk;
            auto multiply = [&](std::size_t piece) {
                engine_.job.check();
                const std::size_t unit = piece % chunks * chunk;
                const std::size_t row = piece / chunks * layer_.units + unit;
                kernels::DenseProduct product =
                    panels.slice(first_row + row, std::min(chunk, layer_.units - unit),
                                 first_word + begin, padded_words(count));
                product.rows = rows_;
                product.row_stride = run_;
                product.row_count = rows;
                product.sums = sums_ + row;
                product.sums_stride = row_count;
                (engine_.kernels.*operation)(product);
            };
            const std::size_t pieces = row_count / layer_.units * chunks;
            if (spread_ != nullptr)
                spread_->parallel_for(pieces, multiply);
            else
                for (std::size_t piece = 0; piece < pieces; ++piece) multiply(piece);
        }
    }

    const RecurrentState& layer_;
    Engine engine_;
    const ExecutionContext* spread_;
    std::size_t run_;
    std::vector<std::int64_t> negatives_;  // weights of inputs below 0, of each row
    std::uint64_t* rows_;
    std::uint64_t* keys_;  // both halves, then thresholds
    std::int64_t* sums_;
};

}  // namespace bitaxon
