// Layers with a state: sequences on bitstreams.
#pragma once

#include <bitaxon/layers/layer.hpp>

#include <optional>
#include <string_view>

namespace bitaxon {

struct RecurrentOptions {
    std::size_t steps = 0;   ///< of a sequence
    std::size_t inputs = 0;  ///< of a step
    std::size_t units = 0;
    bool sequence = true;      ///< put out the states of all steps, else the last one's
    double leak = 1.0;         ///< in (0, 1], of Recurrent alone
    std::uint64_t length = 0;  ///< bits of every stream, 1 ... 2^31
    Coding coding = Coding::split_unipolar;   ///< states are signed: not unipolar
    double input_range = 1.0;                 ///< inputs are divided by it before they are encoded
    std::optional<double> weight_scale = {};  ///< max|W| (1 if all are 0) unless given
    std::optional<std::uint64_t> seed = {};   ///< fresh unless given
    std::uint64_t id = 0;
};

/// Layers with a state h, a number in [-1, 1] a unit, that begins at 0. A sample is a sequence,
/// steps * inputs values in the order (step, input); an output the states in the order (step,
/// unit), or the last ones.
///
/// Each step counts the products of [x, h] with the weights and adds the bias:
///     a = weight_scale * (input_range * sum of coded x w + sum of coded h w) + bias
/// Sigmoid and tanh act on a as a number. State streams are encoded anew in each step, under
/// indices of their own: steps * inputs + (step * stages + stage) * units + unit, where kinds with
/// gates have two stages (h, and h times the gate that resets it), Recurrent one. A state of 0
/// before the first step draws no bits and contributes exactly zero.
///
/// bipolar: x in [-input_range, input_range]. split-unipolar: x in [0, input_range], signed
/// weights; a state is a stream of |h| and a sign, with far less noise. Weights are rows of inputs
/// + units, gate after gate, the candidate last; the bias has a value a row. Errors of steps move
/// together, as steps share the weight streams.
///
/// forward_prepacked draws the states' streams, so it needs the seed and sample that forward gets.
/// forward_streamed runs all steps side by side, each on the running estimate of the one before:
/// run to the end it is close to forward but not equal to it, and Stop::argmax is refused where
/// such a layer comes last. forward_expected is the limit of infinite length.
///
/// h' = (1 - leak) h + leak tanh(a): leaky units, a reservoir where weights stay as they were drawn
/// (H. Jaeger, The echo state approach, 2001; H. Jaeger and others, 2007).
class Recurrent : public Layer {
  public:
    /// weights: units x (inputs + units). bias: a value a row, or empty for zeros.
    /// @throws Error for a wrong shape, a value that is NaN, infinite or out of range, unipolar
    Recurrent(const RecurrentOptions& options, std::span<const double> weights,
              std::span<const double> bias = {},
              const ExecutionContext& context = ExecutionContext::shared());
};

/// The minimal gated unit (G.-B. Zhou and others, 2016): f = sigmoid(a_f) of [x, h], candidate c =
/// tanh(a_c) of [x, f h], h' = (1 - f) h + f c. Rows of weights: f, c.
class MGU : public Layer {
  public:
    /// weights: 2 units x (inputs + units). @throws Error as Recurrent, and for a leak
    MGU(const RecurrentOptions& options, std::span<const double> weights,
        std::span<const double> bias = {},
        const ExecutionContext& context = ExecutionContext::shared());
};

/// The gated recurrent unit (K. Cho and others, 2014): gates r, z = sigmoid of [x, h], candidate c
/// = tanh of [x, r h], h' = (1 - z) h + z c, as J. Chung and others, 2014, write it. Rows of
/// weights: r, z, c.
class GRU : public Layer {
  public:
    /// weights: 3 units x (inputs + units). @throws Error as Recurrent, and for a leak
    GRU(const RecurrentOptions& options, std::span<const double> weights,
        std::span<const double> bias = {},
        const ExecutionContext& context = ExecutionContext::shared());
};

/// For those who draw weights of that size first. @throws Error for what Recurrent refuses,
/// whatever its weights, in steps, inputs, units, coding and leak
void check_recurrent(const RecurrentOptions& options);

/// What a recurrent layer of any of these kinds was made of (seed and weight_scale are set).
/// @throws Error for another layer
RecurrentOptions recurrent_options(const Layer& layer);

}  // namespace bitaxon
