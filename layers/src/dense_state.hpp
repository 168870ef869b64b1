// The insides of a dense layer, shared by its forward paths and by Network.
#pragma once

#include "drawn_weights.hpp"
#include "samples.hpp"

#include <bitaxon/layers/dense.hpp>

#include <algorithm>
#include <utility>

namespace bitaxon {

struct DenseLayer::State {
    DenseOptions options;  // weight_scale and seed are set
    bool weight_scale_given;
    std::vector<double> weights;
    std::vector<double> bias;
    std::uint64_t redraws = 0;
    std::shared_ptr<const DrawnWeights> drawn;

    std::size_t words_per_stream() const { return words_for(options.length); }
    std::size_t row_words() const { return options.inputs * words_per_stream(); }
    double lowest_input() const {
        return options.coding == Coding::bipolar ? -options.input_range : 0.0;
    }
    std::uint64_t stream_seed(std::uint64_t forward_seed) const {
        return combine_seeds(*options.seed, forward_seed);
    }

    /// Probability of a one that stands for input x.
    double coded(double x) const {
        const double value = x / options.input_range;
        return options.coding == Coding::bipolar ? (value + 1.0) * 0.5 : value;
    }

    /// Turns the kernels' raw sums of one row over `bits` bits into counts: bits that agree less
    /// bits that differ for bipolar, signed ones otherwise.
    void to_counts(std::int64_t* sums, std::uint64_t bits) const;

    /// The linear output of a count over `bits` bits.
    double factor(std::uint64_t bits) const;
    double activate(double y) const { return std::clamp(y, limits().first, limits().second); }
    /// What the activation limits outputs to: floor and ceiling, infinite where there is none.
    std::pair<double, double> limits() const;

    /// @throws Error unless every output that the options allow is finite
    void check_magnitude() const;

    void check_columns(const Samples& samples) const;
    /// Looks at every value, so it belongs to the work that can be cancelled.
    void check_values(const ExecutionContext& context, const Samples& samples,
                      const Job& job) const;
    void check_streams(const StreamView& streams) const;
    void check_outputs(std::size_t rows, const MatrixView<double>& outputs) const;
    void check_outputs(const Samples& samples, const MatrixView<double>& outputs) const;
    void check_outputs(const StreamView& streams, const MatrixView<double>& outputs) const;

    void draw(const ExecutionContext& context);

    /// forward_expected of samples and outputs that fit.
    void expect(const ExecutionContext& context, const Samples& samples,
                const MatrixView<double>& outputs, ExpectedWeights expected, const Job& job) const;
    double expected_nanoseconds(std::size_t samples) const;  ///< of it, about, on one thread
};

/// Contiguous values as matrices. @throws Error if their numbers do not fit one another
std::pair<MatrixView<const double>, MatrixView<double>> as_matrices(std::span<const double> samples,
                                                                    std::size_t inputs,
                                                                    std::span<double> outputs,
                                                                    std::size_t neurons);

/// @throws Error if the rows' numbers would pass 2^64 - 1 and name other samples again
void check_sample_numbers(std::uint64_t first, std::size_t count);

/// Raw sums of a block of samples, on the calling thread.
struct DenseBlock {
    const DenseLayer::State& layer;
    const kernels::KernelTable& kernels;
    const Job& job;

    /// Scratch that one block of so many samples needs for encode_and_sum and sum_streams.
    static std::size_t scratch_bytes(const DenseLayer::State& layer, std::size_t samples);

    /// Adds to sums (samples x neurons, row-major) what row words first ... last - 1 contribute.
    /// Sample r is drawn from key_bases[r]. first is a multiple of 8.
    void encode_and_sum(const Samples& samples, const std::uint64_t* key_bases, std::size_t first,
                        std::size_t last, std::int64_t* sums, Scratch& scratch) const;

    /// The same for streams that exist already, over the whole row.
    void sum_streams(const StreamView& streams, std::int64_t* sums, Scratch& scratch) const;

    /// Counts to outputs, once all words are in.
    void finish(std::int64_t* sums, const MatrixView<double>& outputs) const;

  private:
    void multiply(const std::uint64_t* rows, std::size_t row_stride, std::size_t row_count,
                  std::size_t first, std::size_t words, std::int64_t* sums) const;
};

/// How a batch is cut: pieces of samples, and of a row's words where there are fewer samples than
/// threads.
struct Partition {
    std::size_t samples;  ///< in a piece
    std::size_t sample_pieces;
    std::size_t words;  ///< in a piece, a multiple of 8
    std::size_t word_pieces;
};

/// At least one sample; row_words is 0 where words must not be cut.
Partition make_partition(std::size_t samples, std::size_t row_words, int threads,
                         double nanoseconds);

/// About how long a layer takes for a number of samples on one core of the best tier: what decides
/// whether work is worth other threads, no more.
double estimate_nanoseconds(const DenseLayer::State& layer, std::size_t samples);

/// Forward of samples that were checked, spread over the context's threads.
void run_dense(const ExecutionContext& context, const DenseLayer::State& layer,
               const Samples& samples, const MatrixView<double>& outputs,
               std::uint64_t forward_seed, std::uint64_t first_sample, Job& job);

}  // namespace bitaxon
