#include <bitaxon/layers/dense.hpp>

#include "dense_state.hpp"

#include <bitaxon/core/error.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string_view>

namespace bitaxon {
namespace {

void check_positive(std::string_view what, double value) {
    if (!(value > 0.0 && std::isfinite(value)))
        throw_error(ErrorCode::invalid_value, what, fmt::format("{}", value),
                    "a finite number above 0");
}

std::vector<double> read_weights(const DenseOptions& options, MatrixView<const double> weights) {
    if (weights.rows != options.neurons || weights.columns != options.inputs)
        throw_error(ErrorCode::invalid_shape, "weights",
                    fmt::format("({}, {})", weights.rows, weights.columns),
                    fmt::format("(neurons, inputs) = ({}, {})", options.neurons, options.inputs));
    std::vector<double> values(options.neurons * options.inputs);
    for (std::size_t n = 0; n < options.neurons; ++n)
        for (std::size_t i = 0; i < options.inputs; ++i) {
            const double value = weights(n, i);
            if (!std::isfinite(value))
                throw_error(ErrorCode::invalid_value, fmt::format("weights[{}][{}]", n, i),
                            fmt::format("{}", value), "a finite number");
            if (options.coding == Coding::unipolar && value < 0.0)
                throw_error(
                    ErrorCode::invalid_value, fmt::format("weights[{}][{}]", n, i),
                    fmt::format("{}", value),
                    "at least 0 (unipolar coding; signed weights need split-unipolar or bipolar)");
            values[n * options.inputs + i] = value;
        }
    return values;
}

double largest_magnitude(std::span<const double> values) {
    double largest = 0.0;
    for (const double value : values) largest = std::max(largest, std::abs(value));
    return largest;
}

// The scale that was given, if no weight exceeds it; else the largest weight.
double resolve_weight_scale(const std::optional<double>& given, std::span<const double> weights) {
    const double largest = largest_magnitude(weights);
    if (!given) return largest > 0.0 ? largest : 1.0;
    check_positive("weight_scale", *given);
    if (largest > *given)
        throw_error(ErrorCode::invalid_value, "weight_scale", fmt::format("{}", *given),
                    fmt::format("at least max|W| = {}", largest));
    return *given;
}

std::vector<double> read_bias(const DenseOptions& options, std::span<const double> bias) {
    if (bias.empty()) return std::vector<double>(options.neurons, 0.0);
    if (bias.size() != options.neurons)
        throw_error(ErrorCode::invalid_shape, "bias", fmt::format("{} values", bias.size()),
                    fmt::format("{} (neurons), or none", options.neurons));
    for (std::size_t n = 0; n < bias.size(); ++n)
        if (!std::isfinite(bias[n]))
            throw_error(ErrorCode::invalid_value, fmt::format("bias[{}]", n),
                        fmt::format("{}", bias[n]), "a finite number");
    return {bias.begin(), bias.end()};
}

MatrixView<const double> as_matrix(const DenseOptions& options, std::span<const double> weights) {
    if (weights.size() != options.neurons * options.inputs)
        throw_error(ErrorCode::invalid_shape, "weights", fmt::format("{} values", weights.size()),
                    fmt::format("neurons * inputs = {} * {}", options.neurons, options.inputs));
    return row_major(weights, options.inputs);
}

}  // namespace

DenseLayer::DenseLayer(const DenseOptions& options, MatrixView<const double> weights,
                       std::span<const double> bias, const ExecutionContext& context)
    : state_(std::make_unique<State>()) {
    State& s = *state_;
    s.options = options;
    if (options.inputs == 0) throw_error(ErrorCode::invalid_shape, "inputs", "0", "at least 1");
    if (options.neurons == 0) throw_error(ErrorCode::invalid_shape, "neurons", "0", "at least 1");
    check_length(options.inputs, options.length);
    check_layer(options.id);
    check_positive("input_range", options.input_range);
    s.weights = read_weights(options, weights);
    s.bias = read_bias(options, bias);
    s.weight_scale_given = options.weight_scale.has_value();
    s.options.weight_scale = resolve_weight_scale(options.weight_scale, s.weights);
    s.check_magnitude();
    if (!options.seed) s.options.seed = fresh_seed();
    s.draw(context);
}

DenseLayer::DenseLayer(const DenseOptions& options, std::span<const double> weights,
                       std::span<const double> bias, const ExecutionContext& context)
    : DenseLayer(options, as_matrix(options, weights), bias, context) {}

DenseLayer::DenseLayer(const DenseLayer& other) : state_(std::make_unique<State>(*other.state_)) {}
DenseLayer& DenseLayer::operator=(const DenseLayer& other) {
    if (this != &other) state_ = std::make_unique<State>(*other.state_);
    return *this;
}
DenseLayer::DenseLayer(DenseLayer&&) noexcept = default;
DenseLayer& DenseLayer::operator=(DenseLayer&&) noexcept = default;
DenseLayer::~DenseLayer() = default;

std::size_t DenseLayer::inputs() const noexcept { return state_->options.inputs; }
std::size_t DenseLayer::neurons() const noexcept { return state_->options.neurons; }
std::uint64_t DenseLayer::length() const noexcept { return state_->options.length; }
Coding DenseLayer::coding() const noexcept { return state_->options.coding; }
Scale DenseLayer::scale() const noexcept { return state_->options.scale; }
Activation DenseLayer::activation() const noexcept { return state_->options.activation; }
double DenseLayer::weight_scale() const noexcept { return *state_->options.weight_scale; }
bool DenseLayer::weight_scale_given() const noexcept { return state_->weight_scale_given; }
double DenseLayer::input_range() const noexcept { return state_->options.input_range; }
std::uint64_t DenseLayer::seed() const noexcept { return *state_->options.seed; }
std::uint64_t DenseLayer::id() const noexcept { return state_->options.id; }
std::uint64_t DenseLayer::redraws() const noexcept { return state_->redraws; }
std::span<const double> DenseLayer::weights() const noexcept { return state_->weights; }
std::span<const double> DenseLayer::bias() const noexcept { return state_->bias; }
std::string DenseLayer::checksum() const { return state_->drawn->checksum(); }

std::string DenseLayer::repr() const {
    return fmt::format("DenseLayer({}, {}, length={}, coding='{}', scale='{}', activation='{}', "
                       "weight_scale={}, input_range={}, seed={}, id={}, redraws={})",
                       inputs(), neurons(), length(), name(coding()), name(scale()),
                       name(activation()), weight_scale(), input_range(), seed(), id(), redraws());
}

void DenseLayer::redraw(const ExecutionContext& context) { set_redraws(redraws() + 1, context); }

void DenseLayer::set_redraws(std::uint64_t count, const ExecutionContext& context) {
    State next = *state_;
    next.redraws = count;
    next.draw(context);
    *state_ = std::move(next);
}

void DenseLayer::set_weights(MatrixView<const double> weights, const ExecutionContext& context) {
    State next = *state_;
    next.weights = read_weights(next.options, weights);
    next.options.weight_scale = resolve_weight_scale(
        next.weight_scale_given ? next.options.weight_scale : std::nullopt, next.weights);
    next.check_magnitude();
    next.draw(context);
    *state_ = std::move(next);
}

void DenseLayer::set_input_range(double range) {
    check_positive("input_range", range);
    State next = *state_;
    next.options.input_range = range;
    next.check_magnitude();
    *state_ = std::move(next);
}

void DenseLayer::State::draw(const ExecutionContext& context) {
    drawn = std::make_shared<const DrawnWeights>(context,
                                                 WeightDraw{.weights = weights,
                                                            .neurons = options.neurons,
                                                            .inputs = options.inputs,
                                                            .length = options.length,
                                                            .coding = options.coding,
                                                            .weight_scale = *options.weight_scale,
                                                            // Weights are drawn before any forward.
                                                            .seed = stream_seed(0),
                                                            .layer = options.id,
                                                            .redraws = redraws});
}

void DenseLayer::State::to_counts(std::int64_t* sums, std::uint64_t bits) const {
    const auto total = static_cast<std::int64_t>(options.inputs * bits);
    const std::vector<std::int64_t>& negative = drawn->panels().negative_bits;
    if (options.coding == Coding::bipolar)
        for (std::size_t n = 0; n < options.neurons; ++n) sums[n] = total - 2 * sums[n];
    if (options.coding == Coding::split_unipolar)
        for (std::size_t n = 0; n < options.neurons; ++n) sums[n] -= negative[n];
}

double DenseLayer::State::factor(std::uint64_t bits) const {
    const double scale =
        options.scale == Scale::mean ? 1.0 / static_cast<double>(options.inputs) : 1.0;
    return scale * *options.weight_scale * options.input_range / static_cast<double>(bits);
}

std::pair<double, double> DenseLayer::State::limits() const {
    constexpr double infinity = std::numeric_limits<double>::infinity();
    switch (options.activation) {
    case Activation::relu:
        return {0.0, infinity};
    case Activation::clip:
        return {options.coding == Coding::bipolar ? -1.0 : 0.0, 1.0};
    case Activation::none:
        break;
    }
    return {-infinity, infinity};
}

void DenseLayer::State::check_magnitude() const {
    const double largest = *options.weight_scale * options.input_range;
    if (!std::isfinite(largest * static_cast<double>(options.inputs)))
        throw_error(ErrorCode::invalid_value, "weight_scale * input_range",
                    fmt::format("{} * {}", *options.weight_scale, options.input_range),
                    "a product that stays finite times the number of inputs");
}

}  // namespace bitaxon
