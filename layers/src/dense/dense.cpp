#include "dense_state.hpp"

#include <fmt/format.h>

namespace bitaxon {
namespace {

LayerShape shape_of(const DenseOptions& options) {
    check_size("inputs", options.inputs);
    check_size("neurons", options.neurons);
    return {.inputs = options.inputs, .rows = options.neurons, .fan_in = options.inputs};
}

std::unique_ptr<Layer::State> make_state(const DenseOptions& options,
                                         MatrixView<const double> weights,
                                         std::span<const double> bias,
                                         const ExecutionContext& context) {
    auto state = std::make_unique<DenseState>(options, weights, bias);
    state->draw(context);
    return state;
}

}  // namespace

DenseState::DenseState(const DenseOptions& o, MatrixView<const double> matrix,
                       std::span<const double> biases)
    : State(
          shape_of(o),
          {o.length, o.coding, o.scale, o.activation, o.input_range, o.weight_scale, o.seed, o.id},
          matrix, biases) {}

std::string DenseState::call() const {
    return fmt::format("DenseLayer({}, {}", shape.inputs, shape.rows);
}

// One segment, in one chunk: a row of streams as encode makes it.
WeightLayout DenseState::layout() const {
    return {shape.fan_in, 1, words_per_stream(), words_per_stream()};
}

DenseLayer::DenseLayer(const DenseOptions& options, MatrixView<const double> weights,
                       std::span<const double> bias, const ExecutionContext& context)
    : Layer(make_state(options, weights, bias, context)) {}

DenseLayer::DenseLayer(const DenseOptions& options, std::span<const double> weights,
                       std::span<const double> bias, const ExecutionContext& context)
    : DenseLayer(options, as_rows(weights, options.neurons, options.inputs, "neurons * inputs"),
                 bias, context) {}

}  // namespace bitaxon
