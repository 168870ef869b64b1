// The insides of a recurrent layer.
#pragma once

#include "../layer/layer_state.hpp"
#include "cells.hpp"

#include <bitaxon/layers/recurrent.hpp>

namespace bitaxon {

class Recurrence;

class RecurrentState final : public KindOf<RecurrentState> {
  public:
    RecurrentState(const Cell& cell, const RecurrentOptions& options,
                   MatrixView<const double> matrix, std::span<const double> biases);

    std::string_view type() const override { return cell.type; }
    Sizes sizes() const override;
    std::vector<NamedArray> arrays() const override;
    std::string call() const override;
    std::string repr() const override;
    WeightLayout layout() const override;

    // Its counters are states, as bits of doubles: a step cannot wait for finish.
    std::size_t block_samples() const override;
    std::size_t scratch_bytes(std::size_t samples) const override;
    void encode_and_sum(const Samples& samples, const SampleBlock& block) const override;
    void sum_streams(const StreamView& streams, const SampleBlock& block) const override;
    void finish(std::int64_t* counters, const MatrixView<double>& outputs) const override;
    void run(const ExecutionContext& context, const Samples& samples,
             const MatrixView<double>& outputs, const ForwardNames& names, Job& job) const override;
    std::unique_ptr<StreamedLayer> streamed(const ExecutionContext& context, std::size_t slots,
                                            const ForwardNames& names) const override;
    void expect_outputs(const kernels::KernelTable& kernels, const double* x, const double* values,
                        double* y) const override;
    bool stops_early() const override { return false; }
    std::unique_ptr<Linearised> linearise(const Engine& engine,
                                          const DecodedInputs& inputs) const override;

    /// Signed products that a step of a sample has counted: those of inputs with all rows of
    /// weights, then those of states.
    std::size_t step_counts() const { return 2 * shape.rows; }
    /// The sum of a row of weights, from a step's counts over so many bits.
    double linear(const std::int64_t* counts, std::size_t row, std::uint64_t bits) const {
        return join(static_cast<double>(counts[row]), static_cast<double>(counts[shape.rows + row]),
                    row, *options.weight_scale / static_cast<double>(bits));
    }
    CellStates begin(std::size_t samples) const { return {cell, units, leak, samples}; }
    /// Where the states after a step stand among the outputs, if they do.
    std::optional<std::size_t> place(std::size_t step) const {
        if (!sequence && step + 1 < steps) return std::nullopt;
        return sequence ? step * units : 0;
    }
    /// The probability of a one that stands for a state, or for its magnitude.
    double coded_state(double h) const {
        return options.coding == Coding::bipolar ? (h + 1.0) * 0.5 : std::abs(h);
    }
    std::uint64_t state_index(std::size_t step, std::size_t stage) const {
        return shape.inputs + (step * cell.stages() + stage) * units;
    }

    const Cell& cell;
    const std::size_t steps;
    const std::size_t step_inputs;
    const std::size_t units;
    const bool sequence;
    const double leak;

  private:
    /// encode_and_sum, with the products of a step spread over the threads of `spread`, if any.
    void sum_samples(const Samples& samples, const SampleBlock& block,
                     const ExecutionContext* spread) const;
    /// Sets the counters of so many samples; fill_inputs as Recurrence::advance has it.
    template <class FillInputs>
    void walk(Recurrence& recurrence, std::size_t samples, const SampleBlock& block,
              const FillInputs& fill_inputs) const;
    double join(double x, double h, std::size_t row, double unit) const {
        return unit * (options.input_range * x + h) + bias[row];
    }
};

}  // namespace bitaxon
