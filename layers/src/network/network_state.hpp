// The insides of a network, shared by its forward paths and its file format.
#pragma once

#include "../layer/layer_state.hpp"
#include "../layer/skips.hpp"

#include <bitaxon/layers/network.hpp>

#include <atomic>

namespace bitaxon {

struct Network::State {
    std::vector<Layer> layers;
    Skips skips;
    mutable std::atomic<std::uint64_t> saturated{0};

    State() = default;
    State(const State& other)
        : layers(other.layers), skips(other.skips), saturated(other.saturated.load()) {}

    const Layer::State& layer(std::size_t k) const { return *layers[k].state_; }
    /// Draws anew the layers whose copy change(k, copy) says that it has changed: all, or none.
    template <class Change>
    void change(const ExecutionContext& context, Change&& change) {
        std::vector<std::unique_ptr<Layer::State>> next(layers.size());
        for (std::size_t k = 0; k < layers.size(); ++k) {
            std::unique_ptr<Layer::State> copy = layer(k).clone();
            if (!change(k, *copy)) continue;
            copy->draw(context);
            next[k] = std::move(copy);
        }
        for (std::size_t k = 0; k < layers.size(); ++k)
            if (next[k]) layers[k].state_ = std::move(next[k]);
    }
    std::size_t widest() const;
    double nanoseconds(std::size_t samples) const;

    /// Limits the outputs of a layer to the range that the next encodes, if any, and returns how
    /// many left it.
    static std::uint64_t limit(const Layer::State& next, double* values, std::size_t count);
    /// The same, for a forward: the count is kept.
    void saturate(const Layer::State& next, double* values, std::size_t count) const;

    /// One block of samples through all layers on the calling thread. first_sums(block) adds up
    /// what the first layer counts; the others encode what the one before put out.
    template <class FirstSums>
    void run_block(const Engine& engine, Scratch& scratch, const ForwardNames& names,
                   const MatrixView<double>& outputs, FirstSums first_sums) const;
    /// Samples that are best taken through the layers together, at most.
    std::size_t block_samples() const;
    std::size_t counters() const;  ///< of the layer that has most
    std::size_t scratch_bytes(std::size_t samples) const;

    /// Samples in blocks on the threads of the context, or all on the calling thread; check(job)
    /// comes first.
    template <class Check, class FirstSums>
    void run(const ExecutionContext& context, bool parallel, const MatrixView<double>& outputs,
             const ForwardOptions& options, Check check, FirstSums first_sums) const;
    void run_samples(const ExecutionContext& context, bool parallel, const Samples& samples,
                     const MatrixView<double>& outputs, const ForwardOptions& options) const;

    /// forward_streamed and forward_expected.
    void stream(const ExecutionContext& context, const Samples& samples,
                const MatrixView<double>& outputs, std::span<std::uint64_t> lengths,
                const StreamedOptions& options) const;
    void expect(const ExecutionContext& context, const Samples& samples,
                const MatrixView<double>& outputs, ExpectedWeights weights,
                const Monitor& monitor) const;

    void deviate(const ExecutionContext& context, const Samples& samples,
                 const MatrixView<double>& outputs, const Monitor& monitor) const;
    void expect_layer(const ExecutionContext& context, std::size_t k, const Samples& values,
                      const MatrixView<double>& outputs, ExpectedWeights weights,
                      const Job& job) const;

    /// @throws Error if samples or outputs do not fit the first or the last layer
    void check_shapes(const Samples& samples, const MatrixView<double>& outputs) const;
};

}  // namespace bitaxon
