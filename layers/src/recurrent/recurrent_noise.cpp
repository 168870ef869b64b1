// How much a recurrent layer scatters: means and variances go forwards through the steps, gradients
// back. A step's inputs and states have streams of their own; the weights' streams are the same in
// all steps, and drawn. Sigmoid and tanh act on sums that are taken for normal numbers: the mean
// and the mean slope of what they make follow by Gauss-Hermite quadrature with three nodes, and
// what it scatters beyond that slope goes in as noise of its own. Variances are carried as if units
// were independent: for these slopes, and for whoever encodes the outputs.
#include "recurrent_state.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace bitaxon {
namespace {

double square(double x) { return x * x; }

struct Normal {
    double mean = 0.0;
    double variance = 0.0;
};

// What a function makes of a normal number.
struct Passed {
    Normal value;
    double slope;   ///< mean one
    double excess;  ///< variance beyond the slope's
};

// slope_of(value): the function's derivative where that is its value.
template <class Function, class Slope>
Passed pass(const Normal& x, Function function, Slope slope_of) {
    const auto average = [](double middle, double low, double high) {
        return (4.0 * middle + low + high) / 6.0;
    };
    const double reach = std::sqrt(3.0 * x.variance);
    const double middle = function(x.mean);
    const double low = function(x.mean - reach);
    const double high = function(x.mean + reach);
    const double mean = average(middle, low, high);
    const double variance = average(square(middle - mean), square(low - mean), square(high - mean));
    const double slope = average(slope_of(middle), slope_of(low), slope_of(high));
    return {{mean, variance}, slope, std::max(variance - square(slope) * x.variance, 0.0)};
}

// Of a bit that stands for a state, decoded: for split-unipolar |h| of them are 1 or -1.
double state_noise(const Normal& h, Coding coding) {
    const double power = square(h.mean) + h.variance;
    if (coding == Coding::bipolar) return std::max(1.0 - power, 0.0);
    const double sigma = std::sqrt(h.variance);
    const double magnitude = sigma > 0.0
                                 ? h.mean * std::erf(h.mean / (sigma * std::numbers::sqrt2)) +
                                       sigma * std::sqrt(2.0 / std::numbers::pi) *
                                           std::exp(-0.5 * square(h.mean / sigma))
                                 : std::abs(h.mean);
    return std::max(magnitude - power, 0.0);
}

class LinearisedRecurrent final : public Linearised {
  public:
    LinearisedRecurrent(const RecurrentState& layer, const Engine& engine,
                        const DecodedInputs& inputs)
        : layer_(layer), inputs_(inputs), weights_(layer.drawn->values()) {
        mean.resize(layer.outputs());
        variance.resize(mean.size());
        std::vector<Normal> states(layer.units);
        for (std::size_t step = 0; step < layer.steps; ++step) {
            engine.job.check();
            forwards(states);
            const auto first = layer.place(step);
            for (std::size_t u = 0; first && u < layer.units; ++u) {
                mean[*first + u] = states[u].mean;
                variance[*first + u] = states[u].variance;
            }
        }
    }

    double pull_back(std::span<const double> gradient, std::span<double> below) const override {
        std::vector<double> of_states(layer_.units);
        Sums sums;
        for (std::size_t step = layer_.steps; step-- > 0;) {
            if (const auto first = layer_.place(step))
                for (std::size_t u = 0; u < layer_.units; ++u) of_states[u] += gradient[*first + u];
            backwards(step, of_states, below.subspan(step * layer_.step_inputs, layer_.step_inputs),
                      sums);
        }
        return sums.of_bits / static_cast<double>(layer_.options.length) + sums.excess;
    }

  private:
    // What a step is linearised at: a value a row of weights (gates, then the candidate), or a
    // unit.
    struct Step {
        std::vector<Passed> rows;
        std::vector<double> states;  // before it
        std::vector<double> state_noise;
        std::vector<double> operand_noise;  // of what the candidate's weights meet
    };
    struct Sums {
        double of_bits = 0.0;  // variances, times the length
        double excess = 0.0;
    };

    std::size_t candidate(std::size_t unit) const {
        return layer_.cell.gates * layer_.units + unit;
    }
    double mean_square(double weight) const {
        return layer_.options.coding == Coding::bipolar ? 1.0 : std::abs(weight);
    }
    std::span<const double> weights(std::size_t row) const {
        return weights_.subspan(row * layer_.shape.fan_in, layer_.shape.fan_in);
    }

    // The sum of a row in a step, which meets inputs and states.
    Normal sum(std::size_t step, std::size_t row, std::span<const Normal> states,
               std::span<const double> noise) const {
        const auto bits = static_cast<double>(layer_.options.length);
        const std::span<const double> w = weights(row);
        Normal x, h;
        for (std::size_t i = 0; i < layer_.step_inputs; ++i) {
            const std::size_t input = step * layer_.step_inputs + i;
            x.mean += inputs_.mean[input] * w[i];
            x.variance += inputs_.variance[input] * square(w[i]) +
                          inputs_.bit_noise[input] * mean_square(w[i]) / bits;
        }
        for (std::size_t u = 0; step > 0 && u < layer_.units; ++u) {
            const double v = w[layer_.step_inputs + u];
            h.mean += states[u].mean * v;
            h.variance += states[u].variance * square(v) + noise[u] * mean_square(v) / bits;
        }
        const double scale = *layer_.options.weight_scale;
        const double range = layer_.options.input_range;
        return {scale * (range * x.mean + h.mean) + layer_.bias[row],
                square(scale) * (square(range) * x.variance + h.variance)};
    }

    std::vector<double> noise_of(std::span<const Normal> states) const {
        std::vector<double> noise;
        for (const Normal& h : states) noise.push_back(state_noise(h, layer_.options.coding));
        return noise;
    }

    // Takes the states through the next step.
    void forwards(std::vector<Normal>& states) {
        const Cell& cell = layer_.cell;
        const std::size_t step = steps_.size();
        Step now{.rows = {}, .states = {}, .state_noise = noise_of(states), .operand_noise = {}};
        for (const Normal& h : states) now.states.push_back(h.mean);
        for (std::size_t row = 0; row < candidate(0); ++row)
            now.rows.push_back(pass(sum(step, row, states, now.state_noise), sigmoid,
                                    [](double s) { return s * (1.0 - s); }));
        std::vector<Normal> operands = states;
        if (cell.reset)
            for (std::size_t u = 0; u < layer_.units; ++u)
                operands[u] = product(now.rows[*cell.reset * layer_.units + u].value, states[u]);
        now.operand_noise = noise_of(operands);
        for (std::size_t u = 0; u < layer_.units; ++u)
            now.rows.push_back(pass(sum(step, candidate(u), operands, now.operand_noise),
                                    hyperbolic_tangent, [](double t) { return 1.0 - t * t; }));
        for (std::size_t u = 0; u < layer_.units; ++u) {
            const Normal& c = now.rows[candidate(u)].value;
            const Normal z = update(now, u);
            Normal& h = states[u];
            const double spread = square(1.0 - z.mean) * h.variance + square(z.mean) * c.variance +
                                  z.variance * (square(c.mean - h.mean) + h.variance + c.variance);
            h = {(1.0 - z.mean) * h.mean + z.mean * c.mean, spread};
        }
        steps_.push_back(std::move(now));
    }

    static Normal product(const Normal& a, const Normal& b) {
        return {a.mean * b.mean, square(a.mean) * b.variance + square(b.mean) * a.variance +
                                     a.variance * b.variance};
    }

    Normal update(const Step& step, std::size_t u) const {
        if (!layer_.cell.update) return {layer_.leak, 0.0};
        return step.rows[*layer_.cell.update * layer_.units + u].value;
    }

    // Takes the gradient over the states after a step to those before it.
    void backwards(std::size_t number, std::vector<double>& of_states, std::span<double> below,
                   Sums& sums) const {
        const Cell& cell = layer_.cell;
        const Step& step = steps_[number];
        const std::size_t units = layer_.units;
        std::vector<double> of_rows(
            step.rows.size());  // over what the function makes, then the sum
        std::vector<double> before(units);
        for (std::size_t u = 0; u < units; ++u) {
            const double z = update(step, u).mean;
            before[u] = (1.0 - z) * of_states[u];
            of_rows[candidate(u)] = z * of_states[u];
            if (cell.update)
                of_rows[*cell.update * units + u] =
                    (step.rows[candidate(u)].value.mean - step.states[u]) * of_states[u];
        }
        const auto to_sums = [&](std::size_t first, std::size_t last) {
            for (std::size_t row = first; row < last; ++row) {
                sums.excess += square(of_rows[row]) * step.rows[row].excess;
                of_rows[row] *= step.rows[row].slope;
            }
        };
        const double scale = *layer_.options.weight_scale;
        // Adds to out the gradient over streams that rows of weights meet, from `place` on.
        const auto pull = [&](std::size_t first, std::size_t last, std::size_t place, double unit,
                              std::span<const double> noise, std::span<double> out) {
            std::vector<double> slopes(out.size()), spreads(out.size());
            for (std::size_t row = first; row < last; ++row)
                for (std::size_t i = 0; i < out.size(); ++i) {
                    const double v = weights(row)[place + i];
                    slopes[i] += of_rows[row] * v;
                    spreads[i] += square(of_rows[row]) * (mean_square(v) - v * v);
                }
            for (std::size_t i = 0; i < out.size(); ++i) {
                sums.of_bits += square(unit) * noise[i] * (square(slopes[i]) + spreads[i]);
                out[i] += unit * slopes[i];
            }
        };
        const bool has_states = number > 0;  // before the first step they are 0, without streams
        to_sums(candidate(0), step.rows.size());
        std::vector<double> of_operands(units);
        if (has_states)
            pull(candidate(0), step.rows.size(), layer_.step_inputs, scale, step.operand_noise,
                 of_operands);
        for (std::size_t u = 0; u < units; ++u) {
            if (!cell.reset) {
                before[u] += of_operands[u];
                continue;
            }
            const std::size_t row = *cell.reset * units + u;
            of_rows[row] += of_operands[u] * step.states[u];
            before[u] += of_operands[u] * step.rows[row].value.mean;
        }
        to_sums(0, candidate(0));
        if (has_states) pull(0, candidate(0), layer_.step_inputs, scale, step.state_noise, before);
        pull(0, step.rows.size(), 0, scale * layer_.options.input_range,
             inputs_.bit_noise.subspan(number * layer_.step_inputs, layer_.step_inputs), below);
        of_states = std::move(before);
    }

    const RecurrentState& layer_;
    const DecodedInputs inputs_;
    const std::span<const double> weights_;
    std::vector<Step> steps_;
};

}  // namespace

std::unique_ptr<Linearised> RecurrentState::linearise(const Engine& engine,
                                                      const DecodedInputs& inputs) const {
    return std::make_unique<LinearisedRecurrent>(*this, engine, inputs);
}

}  // namespace bitaxon
