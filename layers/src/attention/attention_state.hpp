// The insides of attention.
#pragma once

#include "../layer/layer_state.hpp"

#include <bitaxon/layers/attention.hpp>

#include <functional>

namespace bitaxon {

class AttentionState final : public Layer::State {
  public:
    explicit AttentionState(const AttentionOptions& options);

    std::unique_ptr<State> clone() const override {
        return std::make_unique<AttentionState>(*this);
    }
    std::string_view type() const override { return "attention"; }
    Sizes sizes() const override;
    std::string call() const override;
    WeightLayout layout() const override { return {0, 1, words_per_stream(), words_per_stream()}; }

    std::size_t block_samples() const override;
    std::size_t scratch_bytes(std::size_t) const override { return 0; }
    void encode_and_sum(const Engine& engine, const Samples& samples,
                        const std::uint64_t* key_bases, std::int64_t* counters,
                        Scratch& scratch) const override;
    void sum_streams(const Engine& engine, const StreamView& streams,
                     const std::uint64_t* key_bases, std::int64_t* counters,
                     Scratch& scratch) const override;
    void finish(std::int64_t* counters, const MatrixView<double>& outputs) const override;
    void run(const ExecutionContext& context, const Samples& samples,
             const MatrixView<double>& outputs, std::uint64_t forward_seed,
             std::uint64_t first_sample, Job& job) const override;
    std::unique_ptr<StreamedLayer> streamed(const ExecutionContext& context, std::size_t slots,
                                            std::uint64_t forward_seed,
                                            std::uint64_t first_sample) const override;
    void expect_sums(const kernels::KernelTable& kernels, const double* x, const double* values,
                     double* sums) const override;
    bool stops_early() const override { return false; }
    bool predicts_noise() const override { return false; }
    double nanoseconds(std::size_t samples) const override;
    double expected_nanoseconds(std::size_t samples) const override;

    /// Words t ... t + words - 1 of `count` streams of inputs from `index` on, side by side.
    using Fill = std::function<void(std::size_t index, std::size_t count, std::size_t t,
                                    std::size_t words, std::uint64_t* out)>;

    /// Streams over a stretch of time, for queries first ... last - 1 of one head.
    struct Part {
        std::size_t head;
        std::size_t first;
        std::size_t last;
        std::uint64_t bits;  ///< that count
        std::size_t t;
        std::size_t words;
        std::size_t queries() const { return last - first; }
    };

    /// How many blocks of queries the others work on, and the queries of one.
    std::size_t blocks() const { return (queries() + block_queries() - 1) / block_queries(); }
    Part block(std::size_t head, std::size_t number, std::uint64_t bits) const;
    /// Tokens that any of a block's queries attends to.
    std::size_t visible(const Part& part) const { return options_.causal ? part.last : tokens(); }
    std::size_t queries() const { return options_.queries.value_or(options_.tokens); }
    std::size_t tokens() const { return options_.tokens; }
    std::size_t heads() const { return options_.heads; }
    std::size_t width() const { return options_.heads * options_.head_width; }
    const AttentionOptions& attention() const { return options_; }

    /// Adds to `scores`, a row of visible() a query, the products of queries and keys.
    void add_scores(const Engine& engine, const Fill& fill, const Part& part,
                    std::int64_t* scores) const;
    /// The thresholds of the probabilities that scores over so many bits make.
    void set_thresholds(const Part& part, const std::int64_t* scores, std::uint64_t bits,
                        std::uint64_t* thresholds) const;
    /// Adds to `sums`, the counters of a sample, what passes the gates.
    void add_values(const Engine& engine, const Fill& fill, std::uint64_t key_base,
                    const Part& part, const std::uint64_t* thresholds, std::int64_t* sums) const;
    /// All of it for one block over its first `bits` bits.
    void attend(const Engine& engine, const Fill& fill, std::uint64_t key_base, Part block,
                std::int64_t* sums) const;

    /// Draws streams of inputs; threshold(index) is an input's.
    template <class Threshold>
    Fill encoder(const Engine& engine, std::uint64_t key_base, std::uint64_t bits,
                 Threshold threshold) const;

  private:
    /// Where the numbers of a token begin, and how far apart tokens are.
    struct Place {
        std::size_t first;
        std::size_t step;
        std::size_t of(std::size_t token) const { return first + token * step; }
    };
    enum class Operand { query, key, value };
    Place place(Operand operand, std::size_t head) const;
    std::size_t block_queries() const;
    void attend_sample(const Engine& engine, const Fill& fill, std::uint64_t key_base,
                       std::int64_t* sums) const;
    Fill encode_sample(const Engine& engine, const Samples& sample, std::uint64_t key_base) const;

    const AttentionOptions options_;
};

template <class Threshold>
AttentionState::Fill AttentionState::encoder(const Engine& engine, std::uint64_t key_base,
                                             std::uint64_t bits, Threshold threshold) const {
    // What is encoded at a time is a head's part of a token.
    const std::size_t most = options_.head_width;
    return [&kernels = engine.kernels, key_base, bits, threshold,
            arrays = std::vector<std::uint64_t>(3 * most),
            most](std::size_t index, std::size_t count, std::size_t t, std::size_t words,
                  std::uint64_t* out) mutable {
        std::uint64_t* key_a = arrays.data();
        std::uint64_t* key_b = key_a + most;
        std::uint64_t* thresholds = key_b + most;
        for (std::size_t i = 0; i < count; ++i) thresholds[i] = threshold(index + i);
        kernels.stream_keys(key_base, index, count, key_a, key_b);
        kernels.encode_bernoulli(
            {.key_a = key_a,
             .key_b = key_b,
             .thresholds = thresholds,
             .words_per_stream = words,
             .first_time_word = t,
             .tail_mask = t + words == words_for(bits) ? tail_mask(bits) : ~std::uint64_t{0},
             .first_word = 0,
             .words = count * words,
             .out = out});
    };
}

}  // namespace bitaxon
