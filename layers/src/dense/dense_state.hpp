// The insides of a dense layer.
#pragma once

#include "../layer/layer_state.hpp"

#include <bitaxon/layers/dense.hpp>

namespace bitaxon {

class DenseState : public KindOf<DenseState> {
  public:
    DenseState(const DenseOptions& options, MatrixView<const double> matrix,
               std::span<const double> biases);
    /// Of a kind whose samples are many rows of fan_in inputs.
    DenseState(const LayerShape& sizes, const CommonOptions& common,
               MatrixView<const double> matrix, std::span<const double> biases)
        : KindOf(sizes, common, matrix, biases) {}

    std::string_view type() const override { return "dense"; }
    Sizes sizes() const override { return {{"inputs", shape.inputs}, {"neurons", shape.rows}}; }
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
    void pull_back(const double* x, const double* gradient, const double* values,
                   double* out) const override;

    /// Adds the products of rows of words first ..., which begin a group, with all neurons.
    void multiply(const Engine& engine, const SignedPanels& panels, const std::uint64_t* rows,
                  std::size_t row_stride, std::size_t row_count, std::size_t first,
                  std::size_t words, std::int64_t* sums) const;
    /// From what the kernels count over so many bits to bits that agree less bits that differ, or
    /// signed ones.
    void to_counts(std::int64_t* sums, std::size_t rows, std::uint64_t bits) const;

  protected:
    std::size_t product_words() const { return shape.fan_in * words_per_stream(); }
    /// encode_and_sum of row words first ... last - 1; first is a multiple of 8.
    void encode_and_sum_words(const Samples& samples, const SampleBlock& block, std::size_t first,
                              std::size_t last) const;
};

}  // namespace bitaxon
