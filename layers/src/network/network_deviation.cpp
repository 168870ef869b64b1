// How much the outputs of a network scatter, predicted without a bit.
//
// Forwards through the layers go means and variances; where an activation or a range clips a value,
// the value is taken for a normal one, whose clipped mean, variance and slope are known in closed
// form. Backwards from each output goes its gradient g. A layer's input streams then add
//     unit^2 / L * sum over inputs i of q_i * (mean over t of (sum over n of g_n w_n,i(t))^2)
// where q_i is the variance of a bit of input i, decoded, and for weight streams of values v and
// mean squares m the mean over t is (sum g_n v_n,i)^2 + sum g_n^2 (m_n,i - v_n,i^2): outputs that
// share an input stream move together, which the sum inside the square keeps. What clipping adds
// beyond its slope goes in as noise of its own.
#include "network_state.hpp"

#include <bitaxon/core/error.hpp>

#include <algorithm>
#include <cmath>
#include <numbers>

namespace bitaxon {
namespace {

struct Clipped {
    double mean;
    double variance;
    double slope;  ///< of the mean over the value's mean
};

// A normal value limited to [low, high].
Clipped clip(double mean, double variance, double low, double high) {
    const double sigma = std::sqrt(variance);
    if (!(sigma > 0.0)) {
        const double value = std::clamp(mean, low, high);
        return {value, 0.0, value == mean ? 1.0 : 0.0};
    }
    const double a = (low - mean) / sigma;
    const double b = (high - mean) / sigma;
    const auto density = [](double z) {
        return std::isinf(z) ? 0.0 : std::exp(-0.5 * z * z) / std::sqrt(2.0 * std::numbers::pi);
    };
    const auto below = [](double z) { return 0.5 * std::erfc(-z / std::numbers::sqrt2); };
    const auto edge = [&](double z) { return std::isinf(z) ? 0.0 : z * density(z); };
    const double inside = below(b) - below(a);
    const double first = density(a) - density(b);               // of z inside
    const double second = inside + edge(a) - edge(b);           // of z^2 inside
    const double ends = (std::isinf(a) ? 0.0 : a * below(a)) +  // of the clipped z
                        (std::isinf(b) ? 0.0 : b * (1.0 - below(b)));
    const double ends_squared =
        (std::isinf(a) ? 0.0 : a * a * below(a)) + (std::isinf(b) ? 0.0 : b * b * (1.0 - below(b)));
    const double z_mean = first + ends;
    const double z_variance = std::max(second + ends_squared - z_mean * z_mean, 0.0);
    return {mean + sigma * z_mean, variance * z_variance, inside};
}

// A layer's weights as the formulas need them, a row a row. None where there are no weights.
struct Weights {
    Weights(const Layer::State& layer, const Job& job) {
        if (!layer.has_weights()) return;
        const std::span<const double> values = layer.drawn->values();
        for (std::vector<double>* all : {&squares, &mean_squares, &spreads})
            all->reserve(values.size());
        for (std::size_t row = 0; row < layer.shape.rows; ++row) {
            job.check();
            for (const double v : values.subspan(row * layer.shape.fan_in, layer.shape.fan_in)) {
                const double mean_square =
                    layer.options.coding == Coding::bipolar ? 1.0 : std::abs(v);
                squares.push_back(v * v);
                mean_squares.push_back(mean_square);
                spreads.push_back(mean_square - v * v);
            }
        }
    }

    std::vector<double> squares;       // of values
    std::vector<double> mean_squares;  // over the bits
    std::vector<double> spreads;       // the latter less the former
};

// What one layer makes of a sample.
struct Stage {
    std::vector<double> input;      // means: decoded where the layer encodes, else numbers
    std::vector<double> bit_noise;  // variances of decoded bits; empty where nothing is encoded
    std::vector<double> mean;       // of outputs, clipped
    std::vector<double> variance;
    std::vector<double> slope;   // of each output's clipping
    std::vector<double> excess;  // variance of each output beyond the slope's
};

class Deviations {
  public:
    Deviations(const std::vector<const Layer::State*>& layers, const Engine& engine)
        : layers_(layers), engine_(engine), stages_(layers.size()) {
        for (const Layer::State* layer : layers) weights_.emplace_back(*layer, engine.job);
    }

    /// Standard deviations of the last layer's outputs for one sample.
    template <class Sample>
    void predict(const Sample& sample, const MatrixView<double>& out) {
        forwards(sample);
        for (std::size_t n = 0; n < out.columns; ++n) out(0, n) = std::sqrt(backwards(n));
    }

  private:
    bool encodes(std::size_t k) const { return k == 0 || !layers_[k]->takes_values(); }

    template <class Sample>
    void forwards(const Sample& sample) {
        for (std::size_t k = 0; k < layers_.size(); ++k) {
            engine_.job.check();
            std::vector<double> mean(layers_[k]->inputs()), variance(mean.size());
            for (std::size_t i = 0; i < mean.size(); ++i) {
                mean[i] = k == 0 ? static_cast<double>(sample(0, i)) : stages_[k - 1].mean[i];
                variance[i] = k == 0 ? 0.0 : stages_[k - 1].variance[i];
            }
            encode(k, mean, variance);
            multiply(k, variance);
            clip_outputs(k);
        }
    }

    // Means and variances of values become those of decoded probabilities.
    void encode(std::size_t k, std::vector<double>& mean, std::vector<double>& variance) {
        const Layer::State& layer = *layers_[k];
        Stage& stage = stages_[k];
        stage.bit_noise.clear();
        if (encodes(k)) {
            const double range = layer.options.input_range;
            const bool bipolar = layer.options.coding == Coding::bipolar;
            for (std::size_t i = 0; i < mean.size(); ++i) {
                mean[i] = std::clamp(mean[i], layer.lowest_input(), range) / range;
                variance[i] /= range * range;
                const double bit = bipolar ? 1.0 - mean[i] * mean[i] : mean[i] * (1.0 - mean[i]);
                stage.bit_noise.push_back(std::max(bit - variance[i], 0.0));
            }
        }
        stage.input = mean;
    }

    void multiply(std::size_t k, const std::vector<double>& variance) {
        const Layer::State& layer = *layers_[k];
        Stage& stage = stages_[k];
        const std::size_t outputs = layer.outputs();
        const auto bits = static_cast<double>(layer.options.length);
        stage.mean.resize(outputs);
        stage.variance.resize(outputs);
        if (!layer.has_weights()) {
            std::vector<double> values(stage.input), noise(variance);
            if (encodes(k))
                for (std::size_t i = 0; i < values.size(); ++i) {
                    values[i] *= layer.options.input_range;
                    noise[i] =
                        square(layer.options.input_range) * (noise[i] + stage.bit_noise[i] / bits);
                }
            layer.apply(values.data(), stage.mean.data());
            layer.apply_variance(values.data(), noise.data(), stage.variance.data());
            return;
        }
        std::vector<double> of_bits(outputs);
        const double unit = layer.factor(1);
        layer.expect_sums(engine_.kernels, stage.input.data(), layer.drawn->values().data(),
                          stage.mean.data());
        layer.expect_squares(engine_.kernels, variance.data(), weights_[k].squares.data(),
                             stage.variance.data());
        layer.expect_squares(engine_.kernels, stage.bit_noise.data(),
                             weights_[k].mean_squares.data(), of_bits.data());
        for (std::size_t n = 0; n < outputs; ++n) {
            stage.mean[n] = unit * stage.mean[n] + layer.bias[layer.row_of(n)];
            stage.variance[n] = unit * unit * (stage.variance[n] + of_bits[n] / bits);
        }
    }

    // The activation and, where the next layer encodes, its range.
    void clip_outputs(std::size_t k) {
        Stage& stage = stages_[k];
        auto [low, high] = layers_[k]->limits();
        if (k + 1 < layers_.size() && encodes(k + 1)) {
            low = std::max(low, layers_[k + 1]->lowest_input());
            high = std::min(high, layers_[k + 1]->options.input_range);
        }
        stage.slope.assign(stage.mean.size(), 1.0);
        stage.excess.assign(stage.mean.size(), 0.0);
        if (std::isinf(low) && std::isinf(high)) return;
        for (std::size_t n = 0; n < stage.mean.size(); ++n) {
            const Clipped clipped = clip(stage.mean[n], stage.variance[n], low, high);
            stage.slope[n] = clipped.slope;
            stage.excess[n] =
                std::max(clipped.variance - square(clipped.slope) * stage.variance[n], 0.0);
            stage.mean[n] = clipped.mean;
            stage.variance[n] = clipped.variance;
        }
    }

    // The variance of output `output`.
    double backwards(std::size_t output) {
        double sum = 0.0;
        std::vector<double> gradient(layers_.back()->outputs());
        gradient[output] = 1.0;
        for (std::size_t k = layers_.size(); k-- > 0;) {
            engine_.job.check();
            const Layer::State& layer = *layers_[k];
            const Stage& stage = stages_[k];
            for (std::size_t n = 0; n < gradient.size(); ++n) {
                sum += square(gradient[n]) * stage.excess[n];
                gradient[n] *= stage.slope[n];
            }
            std::vector<double> below(layer.inputs());
            const auto bits = static_cast<double>(layer.options.length);
            const double range = layer.options.input_range;
            if (!layer.has_weights()) {
                std::vector<double> values(stage.input);
                if (encodes(k))
                    for (double& value : values) value *= range;
                layer.pull_back(values.data(), gradient.data(), nullptr, below.data());
                if (encodes(k))
                    for (std::size_t i = 0; i < below.size(); ++i)
                        sum += square(below[i] * range) * stage.bit_noise[i] / bits;
            } else {
                const double unit = layer.factor(1);
                layer.pull_to_products(gradient);
                std::vector<double> squares(gradient.size()), spread(below.size());
                for (std::size_t n = 0; n < squares.size(); ++n) squares[n] = square(gradient[n]);
                layer.pull_back(stage.input.data(), gradient.data(), layer.drawn->values().data(),
                                below.data());
                layer.pull_back(stage.input.data(), squares.data(), weights_[k].spreads.data(),
                                spread.data());
                for (std::size_t i = 0; i < below.size(); ++i) {
                    sum += unit * unit / bits * stage.bit_noise[i] * (square(below[i]) + spread[i]);
                    below[i] *= unit / range;
                }
            }
            gradient = std::move(below);
        }
        return sum;
    }

    static double square(double x) { return x * x; }

    const std::vector<const Layer::State*>& layers_;
    const Engine& engine_;
    std::vector<Stage> stages_;
    std::vector<Weights> weights_;
};

}  // namespace

void Network::State::deviate(const ExecutionContext& context, const Samples& samples,
                             const MatrixView<double>& outputs, const Monitor& monitor) const {
    check_shapes(samples, outputs);
    if (!skips.list().empty())
        throw_error(ErrorCode::unsupported, "forward_deviation", "a network with skips",
                    "one without: what skips carry is not predicted");
    std::vector<const Layer::State*> chain;
    double nanoseconds = 0;
    for (std::size_t k = 0; k < layers.size(); ++k) {
        if (!layer(k).predicts_noise())
            throw_error(ErrorCode::unsupported, "forward_deviation", layer(k).call() + ")",
                        "a network without it: its noise is not predicted");
        chain.push_back(&layer(k));
        nanoseconds += layer(k).expected_nanoseconds(outputs.rows) *
                       static_cast<double>(2 * outputs.columns + 3);
    }
    context.supervise(monitor, outputs.rows, nanoseconds, [&](Job& job) {
        layer(0).check_values(context, samples, job);
        const std::size_t pieces =
            std::min(outputs.rows, static_cast<std::size_t>(context.threads()));
        context.parallel_for(pieces, [&](std::size_t piece) {
            const Engine engine{context.kernels(), job};
            Deviations deviations(chain, engine);
            for (std::size_t r = piece; r < outputs.rows; r += pieces) {
                std::visit(
                    [&](const auto& view) {
                        deviations.predict(view.rows_from(r, 1), outputs.rows_from(r, 1));
                    },
                    samples);
                job.add_done(1);
            }
        });
    });
}

void Network::forward_deviation(const ExecutionContext& context, MatrixView<const double> samples,
                                MatrixView<double> outputs, const Monitor& monitor) const {
    state_->deviate(context, samples, outputs, monitor);
}

void Network::forward_deviation(const ExecutionContext& context, MatrixView<const float> samples,
                                MatrixView<double> outputs, const Monitor& monitor) const {
    state_->deviate(context, samples, outputs, monitor);
}

}  // namespace bitaxon
