#include "dense_state.hpp"

#include <fmt/format.h>

namespace bitaxon {
namespace {

LayerShape shape_of(const DenseOptions& options) {
    check_size("inputs", options.inputs);
    check_size("neurons", options.neurons);
    return {.inputs = options.inputs, .rows = options.neurons, .fan_in = options.inputs};
}

}  // namespace

DenseState::DenseState(const DenseOptions& o, MatrixView<const double> matrix,
                       std::span<const double> biases)
    : KindOf(shape_of(o), common_options(o), matrix, biases) {}

std::string DenseState::call() const {
    return fmt::format("DenseLayer({}, {}", shape.inputs, shape.rows);
}

DenseLayer::DenseLayer(const DenseOptions& options, MatrixView<const double> weights,
                       std::span<const double> bias, const ExecutionContext& context)
    : Layer(draw_state<DenseState>(context, options, weights, bias)) {}

DenseLayer::DenseLayer(const DenseOptions& options, std::span<const double> weights,
                       std::span<const double> bias, const ExecutionContext& context)
    : DenseLayer(options, as_rows(weights, options.neurons, options.inputs, "neurons * inputs"),
                 bias, context) {}

}  // namespace bitaxon
