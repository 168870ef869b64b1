#include "recurrent_state.hpp"

#include <bitaxon/core/error.hpp>

#include <fmt/format.h>

#include <limits>

namespace bitaxon {
namespace {

// The first state's weights begin a group of words, whatever the length of a stream.
constexpr std::size_t kAlignedStreams = kernels::kGroupWords;

LayerShape shape_of(const Cell& cell, const RecurrentOptions& o) {
    check_size("steps", o.steps);
    check_size("inputs", o.inputs);
    check_size("units", o.units);
    constexpr std::size_t kMost = std::numeric_limits<std::uint32_t>::max();
    for (const std::size_t size : {o.steps, o.inputs, o.units})
        if (size > kMost || o.steps > kMost / std::max(o.inputs, cell.rows(o.units)))
            throw_error(ErrorCode::invalid_shape, "steps, inputs, units",
                        fmt::format("{}, {}, {}", o.steps, o.inputs, o.units),
                        "sizes with less than 2^32 products of two of them");
    if (o.coding == Coding::unipolar)
        throw_error(ErrorCode::invalid_value, "coding", "'unipolar'",
                    "'split-unipolar' or 'bipolar': states are signed");
    if (!(o.leak > 0.0 && o.leak <= 1.0))
        throw_error(ErrorCode::invalid_value, "leak", fmt::format("{}", o.leak),
                    "a number in (0, 1]");
    if (cell.update && o.leak != 1.0)
        throw_error(ErrorCode::invalid_value, "leak", fmt::format("{}", o.leak),
                    fmt::format("1: the units of {} leak by a gate", cell.name));
    return {.inputs = o.steps * o.inputs,
            .rows = cell.rows(o.units),
            .fan_in = o.inputs + o.units,
            .positions = o.steps,
            .outputs = o.sequence ? o.steps * o.units : o.units};
}

std::unique_ptr<Layer::State> make(const Cell& cell, const RecurrentOptions& options,
                                   std::span<const double> weights, std::span<const double> bias,
                                   const ExecutionContext& context) {
    const LayerShape shape = shape_of(cell, options);
    return draw_state<RecurrentState>(
        context, cell, options,
        as_rows(weights, shape.rows, shape.fan_in, "rows * (inputs + units)"), bias);
}

}  // namespace

RecurrentState::RecurrentState(const Cell& kind, const RecurrentOptions& o,
                               MatrixView<const double> matrix, std::span<const double> biases)
    : KindOf(shape_of(kind, o), common_options(o), matrix, biases), cell(kind), steps(o.steps),
      step_inputs(o.inputs), units(o.units), sequence(o.sequence), leak(o.leak) {}

Sizes RecurrentState::sizes() const {
    return {{"steps", steps},
            {"inputs", step_inputs},
            {"units", units},
            {"sequence", sequence ? 1 : 0}};
}

std::vector<NamedArray> RecurrentState::arrays() const {
    if (cell.update) return {};
    return {{"leak", std::vector<double>{leak}}};
}

std::string RecurrentState::call() const {
    return fmt::format("{}({}, {}, steps={}, sequence={}", cell.name, step_inputs, units, steps,
                       sequence ? "True" : "False") +
           (cell.update ? std::string() : fmt::format(", leak={}", leak));
}

std::string RecurrentState::repr() const {
    return call() +
           fmt::format(", length={}, coding='{}', weight_scale={}, input_range={}, seed={}, id={}, "
                       "redraws={})",
                       options.length, name(options.coding), *options.weight_scale,
                       options.input_range, *options.seed, options.id, redraws);
}

// Rows of a gate are multiplied together; inputs and states of a row, each on their own.
WeightLayout RecurrentState::layout() const {
    std::vector<std::size_t> places(shape.fan_in);
    for (std::size_t i = 0; i < places.size(); ++i)
        places[i] = i < step_inputs ? i : round_up(step_inputs, kAlignedStreams) + i - step_inputs;
    return {shape.fan_in, 1, words_per_stream(), words_per_stream(), std::move(places), units};
}

Recurrent::Recurrent(const RecurrentOptions& options, std::span<const double> weights,
                     std::span<const double> bias, const ExecutionContext& context)
    : Layer(make(kLeakyCell, options, weights, bias, context)) {}

MGU::MGU(const RecurrentOptions& options, std::span<const double> weights,
         std::span<const double> bias, const ExecutionContext& context)
    : Layer(make(kMguCell, options, weights, bias, context)) {}

GRU::GRU(const RecurrentOptions& options, std::span<const double> weights,
         std::span<const double> bias, const ExecutionContext& context)
    : Layer(make(kGruCell, options, weights, bias, context)) {}

void check_recurrent(const RecurrentOptions& options) {
    static_cast<void>(shape_of(kLeakyCell, options));
}

RecurrentOptions recurrent_options(const Layer& layer) {
    const auto& state = state_of_kind<RecurrentState>(layer, "a Recurrent, MGU or GRU");
    return with_common(RecurrentOptions{.steps = state.steps,
                                        .inputs = state.step_inputs,
                                        .units = state.units,
                                        .sequence = state.sequence,
                                        .leak = state.leak},
                       state.options);
}

}  // namespace bitaxon
