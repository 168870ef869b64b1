// The insides of a graph layer: a dense layer whose rows are nodes, and sums over edges.
#pragma once

#include "../dense/dense_state.hpp"

#include <bitaxon/layers/graph.hpp>

namespace bitaxon {

/// Compressed sparse rows with what each edge counts for.
struct Edges {
    std::vector<std::uint64_t> offsets;
    std::vector<std::uint64_t> sources;
    std::vector<double> coefficients;
};

class GraphState final : public KindOf<GraphState, DenseState> {
  public:
    GraphState(const GraphOptions& options, const Adjacency& adjacency,
               MatrixView<const double> weights, std::span<const double> bias);

    std::string_view type() const override { return "graph"; }
    Sizes sizes() const override;
    std::vector<NamedArray> arrays() const override;
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
    void expect_squares(const kernels::KernelTable& kernels, const double* x, const double* values,
                        double* sums) const override;
    void pull_to_products(std::vector<double>& gradient) const override;
    void pull_back(const double* x, const double* gradient, const double* values,
                   double* out) const override;
    bool stops_early() const override { return false; }
    double nanoseconds(std::size_t samples) const override;

    /// Writes the outputs of nodes first ... last - 1 that the counts of all nodes over so many
    /// bits make.
    void collect(const std::int64_t* counts, std::uint64_t bits, std::size_t first,
                 std::size_t last, const MatrixView<double>& output) const;

    const Aggregate aggregate;
    /// As they were given, values filled in.
    const std::shared_ptr<const Edges> adjacency;
    const std::shared_ptr<const Edges> edges;

  private:
    std::size_t nodes() const { return shape.positions; }
    /// Adds the products of nodes first ... first + count - 1 of one sample to a row each.
    void encode_and_sum_nodes(const Engine& engine, const Samples& sample, std::uint64_t sample_key,
                              std::size_t first, std::size_t count, std::int64_t* sums,
                              Scratch& scratch) const;
    /// Sums over edges of coefficient(c) times the products of the source.
    template <class Coefficient>
    void sum_edges(const kernels::KernelTable& kernels, const double* x, const double* values,
                   double* sums, Coefficient coefficient) const;
};

}  // namespace bitaxon
