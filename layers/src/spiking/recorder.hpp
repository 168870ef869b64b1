// Where the values of variables go while a population runs: into arrays of any layout, straight
// from the step loop where theirs is the same.
#pragma once

#include <bitaxon/jit/bound_rule.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace bitaxon {

/// Neurons by column, and the columns in the order of their neurons. None: neuron n is in column n.
struct RecordedNeurons {
    std::span<const std::size_t> neurons;
    std::span<const std::size_t> columns;

    /// The place in `columns` of the first neuron from `neuron` on.
    std::size_t place_of(std::size_t neuron) const;
};

/// An array that takes one variable's values, a row a step.
struct RecordSink {
    std::uint32_t variable;
    jit::Type type;   ///< of its elements: the variable's own, or f64
    std::byte* data;  ///< element (0, 0)
    std::ptrdiff_t step_bytes;
    std::ptrdiff_t column_bytes;
    RecordedNeurons chosen = {};
};

/// The sinks of one chunk of steps.
class Recorder {
  public:
    /// `lanes`: types of the population's states.
    Recorder(std::vector<RecordSink> sinks, std::vector<jit::Type> lanes, std::size_t steps);
    Recorder(const Recorder&) = delete;
    Recorder& operator=(const Recorder&) = delete;

    bool empty() const noexcept { return sinks_.empty(); }
    /// The first neuron from `neuron` on that a sink wants, or `none`.
    std::size_t next(std::size_t neuron, std::size_t none) const;

  private:
    friend class RecordedRange;

    std::vector<RecordSink> sinks_;
    std::vector<jit::Type> lanes_;
    std::size_t steps_;
    std::vector<std::uint32_t> variables_;  ///< each one once
    std::vector<const RecordSink*>
        direct_;  ///< of each variable: the sink that its steps write to, or null
};

/// A stretch of neurons on its way through a chunk.
class RecordedRange {
  public:
    RecordedRange(const Recorder& recorder, std::size_t begin, std::size_t end);

    /// Makes the run record; neither this nor the recorder may go before it has run.
    void aim(jit::StepRun& run) const noexcept;
    /// Hands on what the run has left in buffers.
    void store() const;

  private:
    void store(const RecordSink& sink, const std::byte* rows) const;

    const Recorder& recorder_;
    std::size_t begin_;
    std::size_t end_;
    std::vector<std::unique_ptr<std::byte[]>>
        rows_;  ///< of each variable; null where steps write to a sink
    std::vector<void*> places_;
    std::vector<std::int64_t> step_bytes_;
};

}  // namespace bitaxon
