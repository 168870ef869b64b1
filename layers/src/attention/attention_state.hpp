// The insides of attention.
#pragma once

#include "../layer/function_ref.hpp"
#include "../layer/layer_state.hpp"

#include <bitaxon/layers/attention.hpp>

namespace bitaxon {

class AttentionState final : public KindOf<AttentionState> {
  public:
    explicit AttentionState(const AttentionOptions& options);

    std::string_view type() const override { return "attention"; }
    Sizes sizes() const override;
    std::string call() const override;

    std::size_t block_samples() const override;
    std::size_t scratch_bytes(std::size_t samples) const override;
    void encode_and_sum(const Samples& samples, const SampleBlock& block) const override;
    void sum_streams(const StreamView& streams, const SampleBlock& block) const override;
    void finish(std::int64_t* counters, const MatrixView<double>& outputs) const override;
    void run(const ExecutionContext& context, const Samples& samples,
             const MatrixView<double>& outputs, const ForwardNames& names, Job& job) const override;
    std::unique_ptr<StreamedLayer> streamed(const ExecutionContext& context, std::size_t slots,
                                            const ForwardNames& names) const override;
    void expect_sums(const kernels::KernelTable& kernels, const double* x, const double* values,
                     double* sums) const override;
    bool stops_early() const override { return false; }
    std::unique_ptr<Linearised> linearise(const Engine& engine,
                                          const DecodedInputs& inputs) const override;
    double nanoseconds(std::size_t samples) const override;
    double expected_nanoseconds(std::size_t samples) const override;

    /// Words t ... t + words - 1 of `count` streams of inputs from `index` on, side by side.
    using Fill = FunctionRef<void(std::size_t index, std::size_t count, std::size_t t,
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

    /// Where the numbers of a token begin, and how far apart tokens are.
    struct Place {
        std::size_t first;
        std::size_t step;
        std::size_t of(std::size_t token) const { return first + token * step; }
    };
    enum class Operand { query, key, value };
    Place place(Operand operand, std::size_t head) const;

    /// Tokens that a query attends to.
    std::size_t seen(std::size_t query) const { return options_.causal ? query + 1 : tokens(); }
    /// Sets the probabilities of these, for decoded inputs.
    void expect_probabilities(const kernels::KernelTable& kernels, const double* x,
                              std::size_t head, std::size_t query, double* probabilities) const;

    /// Adds to `scores`, a row of visible() a query, the products of queries and keys. This and
    /// what follows take scratch and give it back.
    void add_scores(const Engine& engine, const Fill& fill, const Part& part, std::int64_t* scores,
                    Scratch& scratch) const;
    /// The thresholds of the probabilities that scores over so many bits make.
    void set_thresholds(const Part& part, const std::int64_t* scores, std::uint64_t bits,
                        std::uint64_t* thresholds, Scratch& scratch) const;
    /// Adds to `sums`, the counters of a sample, what passes the gates.
    void add_values(const Engine& engine, const Fill& fill, std::uint64_t key_base,
                    const Part& part, const std::uint64_t* thresholds, std::int64_t* sums,
                    Scratch& scratch) const;
    /// All of it for one block over its first `bits` bits.
    void attend(const Engine& engine, const Fill& fill, std::uint64_t key_base, Part block,
                std::int64_t* sums, Scratch& scratch) const;

    /// A Fill that draws streams of inputs, with scratch of its own; threshold_of(index) is an
    /// input's.
    template <class ThresholdOf>
    auto encoder(const Engine& engine, std::uint64_t key_base, std::uint64_t bits,
                 ThresholdOf threshold_of, Scratch& scratch) const;

  private:
    std::size_t block_queries() const;
    std::size_t score_words(const Part& block) const;
    std::size_t gate_words(const Part& block) const;
    std::size_t block_bytes(const Part& block) const;
    void attend_sample(const SampleBlock& block, const Fill& fill, std::size_t r) const;
    /// call(fill) with a Fill that draws the inputs of a sample.
    template <class Call>
    void with_encoder(const Engine& engine, const Samples& sample, std::uint64_t key_base,
                      Scratch& scratch, Call call) const;

    const AttentionOptions options_;
};

template <class ThresholdOf>
auto AttentionState::encoder(const Engine& engine, std::uint64_t key_base, std::uint64_t bits,
                             ThresholdOf threshold_of, Scratch& scratch) const {
    // What is encoded at a time is a head's part of a token.
    auto* key_a = scratch.take<std::uint64_t>(options_.head_width);
    auto* key_b = scratch.take<std::uint64_t>(options_.head_width);
    auto* thresholds = scratch.take<std::uint64_t>(options_.head_width);
    return [=, &kernels = engine.kernels](std::size_t index, std::size_t count, std::size_t t,
                                          std::size_t words, std::uint64_t* out) {
        for (std::size_t i = 0; i < count; ++i) thresholds[i] = threshold_of(index + i);
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
