#include <bitaxon/layers/layer.hpp>

#include "layer_state.hpp"

#include <bitaxon/core/error.hpp>

#include <fmt/format.h>

#include <cmath>
#include <limits>

namespace bitaxon {
namespace {

void check_positive(std::string_view what, double value) {
    if (!(value > 0.0 && std::isfinite(value)))
        throw_error(ErrorCode::invalid_value, what, fmt::format("{}", value),
                    "a finite number above 0");
}

std::vector<double> read_weights(Coding coding, MatrixView<const double> weights) {
    std::vector<double> values;
    values.reserve(weights.rows * weights.columns);
    for (std::size_t n = 0; n < weights.rows; ++n)
        for (std::size_t i = 0; i < weights.columns; ++i) {
            const double value = weights(n, i);
            if (!std::isfinite(value))
                throw_error(ErrorCode::invalid_value, fmt::format("weights[{}][{}]", n, i),
                            fmt::format("{}", value), "a finite number");
            if (coding == Coding::unipolar && value < 0.0)
                throw_error(
                    ErrorCode::invalid_value, fmt::format("weights[{}][{}]", n, i),
                    fmt::format("{}", value),
                    "at least 0 (unipolar coding; signed weights need split-unipolar or bipolar)");
            values.push_back(value);
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

std::vector<double> read_bias(std::size_t rows, std::span<const double> bias) {
    if (bias.empty()) return std::vector<double>(rows, 0.0);
    if (bias.size() != rows)
        throw_error(ErrorCode::invalid_shape, "bias", fmt::format("{} values", bias.size()),
                    fmt::format("{}, one a row of weights, or none", rows));
    for (std::size_t n = 0; n < bias.size(); ++n)
        if (!std::isfinite(bias[n]))
            throw_error(ErrorCode::invalid_value, fmt::format("bias[{}]", n),
                        fmt::format("{}", bias[n]), "a finite number");
    return {bias.begin(), bias.end()};
}

}  // namespace

void check_size(std::string_view name, std::size_t size) {
    if (size == 0) throw_error(ErrorCode::invalid_shape, name, "0", "at least 1");
}

MatrixView<const double> as_rows(std::span<const double> weights, std::size_t rows,
                                 std::size_t columns, std::string_view what) {
    if (weights.size() != rows * columns)
        throw_error(ErrorCode::invalid_shape, "weights", fmt::format("{} values", weights.size()),
                    fmt::format("{} = {} * {}", what, rows, columns));
    return row_major(weights, columns);
}

Layer::State::State(const LayerShape& sizes, const CommonOptions& common,
                    MatrixView<const double> matrix, std::span<const double> biases)
    : shape(sizes), options(common), weight_scale_given(common.weight_scale.has_value()) {
    check_length(shape.inputs, options.length);
    if (has_weights()) check_length(shape.fan_in, options.length);
    check_layer(options.id);
    check_positive("input_range", options.input_range);
    set_weights(matrix);
    bias = read_bias(shape.rows, biases);
    if (!options.seed) options.seed = fresh_seed();
}

void Layer::State::set_weights(MatrixView<const double> matrix) {
    if (matrix.rows != shape.rows || matrix.columns != shape.fan_in)
        throw_error(ErrorCode::invalid_shape, "weights",
                    fmt::format("({}, {})", matrix.rows, matrix.columns),
                    fmt::format("({}, {})", shape.rows, shape.fan_in));
    weights = read_weights(options.coding, matrix);
    options.weight_scale =
        resolve_weight_scale(weight_scale_given ? options.weight_scale : std::nullopt, weights);
    check_magnitude();
}

void Layer::State::fold_batch_norm(const BatchNorm& norm) {
    if (!has_weights())
        throw_error(ErrorCode::invalid_type, "layer", call() + ")", "one with weights");
    const auto check = [&](std::string_view what, std::span<const double> values, bool needed) {
        if (values.size() != shape.rows && (needed || !values.empty()))
            throw_error(ErrorCode::invalid_shape, what, fmt::format("{} values", values.size()),
                        fmt::format("{}, one a row of weights", shape.rows));
    };
    check("mean", norm.mean, true);
    check("variance", norm.variance, true);
    check("gamma", norm.gamma, false);
    check("beta", norm.beta, false);
    std::vector<double> folded = weights;
    std::vector<double> biases(shape.rows);
    for (std::size_t n = 0; n < shape.rows; ++n) {
        check_positive(fmt::format("variance[{}] + epsilon", n), norm.variance[n] + norm.epsilon);
        const double gain =
            (norm.gamma.empty() ? 1.0 : norm.gamma[n]) / std::sqrt(norm.variance[n] + norm.epsilon);
        for (std::size_t i = 0; i < shape.fan_in; ++i) folded[n * shape.fan_in + i] *= gain;
        biases[n] = (bias[n] - norm.mean[n]) * gain + (norm.beta.empty() ? 0.0 : norm.beta[n]);
    }
    set_weights(row_major(std::span<const double>(folded), shape.fan_in));
    bias = read_bias(shape.rows, biases);
}

void Layer::State::set_input_range(double range) {
    check_positive("input_range", range);
    options.input_range = range;
    check_magnitude();
}

void Layer::State::check_magnitude() const {
    const double largest = *options.weight_scale * options.input_range;
    if (!std::isfinite(largest * static_cast<double>(std::max<std::size_t>(shape.fan_in, 1))))
        throw_error(ErrorCode::invalid_value, "weight_scale * input_range",
                    fmt::format("{} * {}", *options.weight_scale, options.input_range),
                    "a product that stays finite times the number of inputs");
}

void Layer::State::draw(const ExecutionContext& context) {
    if (!has_weights()) return;
    drawn = std::make_shared<const DrawnWeights>(context,
                                                 WeightDraw{.weights = weights,
                                                            .rows = shape.rows,
                                                            .layout = layout(),
                                                            .length = options.length,
                                                            .coding = options.coding,
                                                            .weight_scale = *options.weight_scale,
                                                            // Weights are drawn before any forward.
                                                            .seed = stream_seed(0),
                                                            .layer = options.id,
                                                            .redraws = redraws});
}

double Layer::State::factor(std::uint64_t bits) const {
    const double scale =
        options.scale == Scale::mean ? 1.0 / static_cast<double>(shape.fan_in) : 1.0;
    return scale * *options.weight_scale * options.input_range / static_cast<double>(bits);
}

std::pair<double, double> Layer::State::limits() const {
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

std::string Layer::State::repr() const {
    if (!has_weights())
        return call() + fmt::format(", length={}, coding='{}', input_range={}, seed={}, id={})",
                                    options.length, name(options.coding), options.input_range,
                                    *options.seed, options.id);
    return call() + fmt::format(", length={}, coding='{}', scale='{}', activation='{}', "
                                "weight_scale={}, input_range={}, seed={}, id={}, redraws={})",
                                options.length, name(options.coding), name(options.scale),
                                name(options.activation), *options.weight_scale,
                                options.input_range, *options.seed, options.id, redraws);
}

Layer::Layer(std::unique_ptr<State> state) : state_(std::move(state)) {}
Layer::Layer(const Layer& other) : state_(other.state_->clone()) {}
Layer& Layer::operator=(const Layer& other) {
    if (this != &other) state_ = other.state_->clone();
    return *this;
}
Layer::Layer(Layer&&) noexcept = default;
Layer& Layer::operator=(Layer&&) noexcept = default;
Layer::~Layer() = default;

std::string_view Layer::type() const noexcept { return state_->type(); }
std::size_t Layer::inputs() const noexcept { return state_->inputs(); }
std::size_t Layer::neurons() const noexcept { return state_->outputs(); }
std::uint64_t Layer::length() const noexcept { return state_->options.length; }
Coding Layer::coding() const noexcept { return state_->options.coding; }
Scale Layer::scale() const noexcept { return state_->options.scale; }
Activation Layer::activation() const noexcept { return state_->options.activation; }
double Layer::weight_scale() const noexcept { return *state_->options.weight_scale; }
bool Layer::weight_scale_given() const noexcept { return state_->weight_scale_given; }
double Layer::input_range() const noexcept { return state_->options.input_range; }
std::uint64_t Layer::seed() const noexcept { return *state_->options.seed; }
std::uint64_t Layer::id() const noexcept { return state_->options.id; }
std::uint64_t Layer::redraws() const noexcept { return state_->redraws; }
std::span<const double> Layer::weights() const noexcept { return state_->weights; }
std::span<const double> Layer::bias() const noexcept { return state_->bias; }
std::string Layer::checksum() const {
    return state_->has_weights() ? state_->drawn->checksum(ExecutionContext::shared())
                                 : std::string();
}
std::string Layer::repr() const { return state_->repr(); }

void Layer::redraw(const ExecutionContext& context) { set_redraws(redraws() + 1, context); }

void Layer::set_redraws(std::uint64_t count, const ExecutionContext& context) {
    std::unique_ptr<State> next = state_->clone();
    next->redraws = count;
    next->draw(context);
    state_ = std::move(next);
}

void Layer::set_weights(MatrixView<const double> weights, const ExecutionContext& context) {
    std::unique_ptr<State> next = state_->clone();
    next->set_weights(weights);
    next->draw(context);
    state_ = std::move(next);
}

void Layer::fold_batch_norm(const BatchNorm& norm, const ExecutionContext& context) {
    std::unique_ptr<State> next = state_->clone();
    next->fold_batch_norm(norm);
    next->draw(context);
    state_ = std::move(next);
}

void Layer::set_input_range(double range) {
    std::unique_ptr<State> next = state_->clone();
    next->set_input_range(range);
    state_ = std::move(next);
}

}  // namespace bitaxon
