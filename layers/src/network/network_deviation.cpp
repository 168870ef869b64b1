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

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <numbers>
#include <optional>
#include <utility>

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

double square(double x) { return x * x; }

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

// Linear in products with weights.
class LinearisedProducts final : public Linearised {
  public:
    LinearisedProducts(const Layer::State& layer, const Weights& weights, const Engine& engine,
                       const DecodedInputs& inputs)
        : layer_(layer), weights_(weights), inputs_(inputs) {
        mean.resize(layer.outputs());
        variance.resize(mean.size());
        std::vector<double> of_bits(mean.size());
        layer.expect_sums(engine.kernels, inputs.mean.data(), layer.drawn->values().data(),
                          mean.data());
        layer.expect_squares(engine.kernels, inputs.variance.data(), weights.squares.data(),
                             variance.data());
        layer.expect_squares(engine.kernels, inputs.bit_noise.data(), weights.mean_squares.data(),
                             of_bits.data());
        for (std::size_t n = 0; n < mean.size(); ++n) {
            mean[n] = unit_ * mean[n] + layer.bias[layer.row_of(n)];
            variance[n] = square(unit_) * (variance[n] + of_bits[n] / bits_);
        }
    }

    double pull_back(std::span<const double> gradient, std::span<double> below) const override {
        std::vector<double> products(gradient.begin(), gradient.end());
        layer_.pull_to_products(products);
        std::vector<double> squares(products.size()), spread(below.size());
        for (std::size_t n = 0; n < squares.size(); ++n) squares[n] = square(products[n]);
        layer_.pull_back(inputs_.mean.data(), products.data(), layer_.drawn->values().data(),
                         below.data());
        layer_.pull_back(inputs_.mean.data(), squares.data(), weights_.spreads.data(),
                         spread.data());
        double sum = 0.0;
        for (std::size_t i = 0; i < below.size(); ++i) {
            sum += inputs_.bit_noise[i] * (square(below[i]) + spread[i]);
            below[i] *= unit_;
        }
        return square(unit_) * sum / bits_;
    }

  private:
    const Layer::State& layer_;
    const Weights& weights_;
    const DecodedInputs inputs_;
    const double unit_ = layer_.factor(1);
    const double bits_ = static_cast<double>(layer_.options.length);
};

// Linear in values, which are `range` times what is decoded.
class LinearisedValues final : public Linearised {
  public:
    LinearisedValues(const Layer::State& layer, double range, const DecodedInputs& inputs)
        : layer_(layer), range_(range), values_(inputs.mean.begin(), inputs.mean.end()),
          noise_(inputs.bit_noise.begin(), inputs.bit_noise.end()) {
        std::vector<double> variances(values_.size());
        for (std::size_t i = 0; i < values_.size(); ++i) {
            values_[i] *= range;
            noise_[i] *= square(range) / static_cast<double>(layer.options.length);
            variances[i] = square(range) * inputs.variance[i] + noise_[i];
        }
        mean.resize(layer.outputs());
        variance.resize(mean.size());
        layer.apply(values_.data(), mean.data());
        layer.apply_variance(values_.data(), variances.data(), variance.data());
    }

    double pull_back(std::span<const double> gradient, std::span<double> below) const override {
        layer_.pull_back(values_.data(), gradient.data(), nullptr, below.data());
        double sum = 0.0;
        for (std::size_t i = 0; i < below.size(); ++i) {
            sum += square(below[i]) * noise_[i];
            below[i] *= range_;
        }
        return sum;
    }

  private:
    const Layer::State& layer_;
    double range_;
    std::vector<double> values_;
    std::vector<double> noise_;  // of their streams
};

// What limits do to some values.
struct Limited {
    std::vector<double> slope;   // of each value's mean
    std::vector<double> excess;  // variance of each value beyond the slope's

    /// Limits normal values to [low, high].
    Limited(std::vector<double>& mean, std::vector<double>& variance, double low, double high)
        : slope(mean.size(), 1.0), excess(mean.size(), 0.0) {
        if (std::isinf(low) && std::isinf(high)) return;
        for (std::size_t n = 0; n < mean.size(); ++n) {
            const Clipped clipped = clip(mean[n], variance[n], low, high);
            slope[n] = clipped.slope;
            excess[n] = std::max(clipped.variance - square(clipped.slope) * variance[n], 0.0);
            mean[n] = clipped.mean;
            variance[n] = clipped.variance;
        }
    }

    /// Makes a gradient over what was limited one over what there was before, and returns the
    /// variance of the excess.
    double pull_back(std::vector<double>& gradient) const {
        double sum = 0.0;
        for (std::size_t n = 0; n < gradient.size(); ++n) {
            sum += square(gradient[n]) * excess[n];
            gradient[n] *= slope[n];
        }
        return sum;
    }
};

// What one layer makes of a sample.
struct Stage {
    std::vector<double> input;      // means: decoded where the layer encodes, else numbers
    std::vector<double> noise;      // variances that they come with
    std::vector<double> bit_noise;  // variances of decoded bits; 0 where nothing is encoded
    std::unique_ptr<Linearised> layer;
    std::optional<Limited> activation;
    std::vector<double> kept_mean;  // of outputs, with what skips add
    std::vector<double> kept_variance;
    std::optional<Limited> range;  // of the next layer
    std::vector<double> mean;      // of what it takes
    std::vector<double> variance;
};

class Deviations {
  public:
    Deviations(const std::vector<const Layer::State*>& layers, const std::vector<Skip>& skips,
               const Engine& engine)
        : layers_(layers), skips_(skips), engine_(engine), stages_(layers.size()) {
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
            Stage& stage = stages_[k];
            if (k == 0) {
                stage.input.resize(sample.columns);
                for (std::size_t i = 0; i < sample.columns; ++i) stage.input[i] = sample(0, i);
                stage.noise.assign(sample.columns, 0.0);
            } else {
                stage.input = stages_[k - 1].mean;
                stage.noise = stages_[k - 1].variance;
            }
            encode(k);
            stage.layer = linearise(k);
            finish(k);
        }
    }

    // Means and variances of values become those of decoded probabilities.
    void encode(std::size_t k) {
        const Layer::State& layer = *layers_[k];
        Stage& stage = stages_[k];
        stage.bit_noise.assign(stage.input.size(), 0.0);
        if (!encodes(k)) return;
        const double range = layer.options.input_range;
        const bool bipolar = layer.options.coding == Coding::bipolar;
        for (std::size_t i = 0; i < stage.input.size(); ++i) {
            double& mean = stage.input[i];
            mean = std::clamp(mean, layer.lowest_input(), range) / range;
            stage.noise[i] /= range * range;
            const double bit = bipolar ? 1.0 - mean * mean : mean * (1.0 - mean);
            stage.bit_noise[i] = std::max(bit - stage.noise[i], 0.0);
        }
    }

    std::unique_ptr<Linearised> linearise(std::size_t k) const {
        const Layer::State& layer = *layers_[k];
        const Stage& stage = stages_[k];
        const DecodedInputs inputs{stage.input, stage.noise, stage.bit_noise};
        if (auto own = layer.linearise(engine_, inputs)) return own;
        if (layer.has_weights())
            return std::make_unique<LinearisedProducts>(layer, weights_[k], engine_, inputs);
        return std::make_unique<LinearisedValues>(
            layer, encodes(k) ? layer.options.input_range : 1.0, inputs);
    }

    // The activation, what skips add and, where the next layer encodes, its range: one limit with
    // the activation's where no skip comes between.
    void finish(std::size_t k) {
        constexpr double infinity = std::numeric_limits<double>::infinity();
        Stage& stage = stages_[k];
        stage.mean = stage.layer->mean;
        stage.variance = stage.layer->variance;
        auto [low, high] = layers_[k]->limits();
        std::pair range{-infinity, infinity};
        if (k + 1 < layers_.size() && encodes(k + 1))
            range = {layers_[k + 1]->lowest_input(), layers_[k + 1]->options.input_range};
        const auto touches = [=](const Skip& skip) { return skip.from == k || skip.to == k; };
        if (std::ranges::none_of(skips_, touches)) {
            low = std::max(low, std::exchange(range.first, -infinity));
            high = std::min(high, std::exchange(range.second, infinity));
        }
        stage.activation.emplace(stage.mean, stage.variance, low, high);
        for (const auto& [from, to] : skips_)
            for (std::size_t n = 0; to == k && n < stage.mean.size(); ++n) {
                stage.mean[n] += stages_[from].kept_mean[n];
                stage.variance[n] += stages_[from].kept_variance[n];
            }
        stage.kept_mean = stage.mean;
        stage.kept_variance = stage.variance;
        stage.range.emplace(stage.mean, stage.variance, range.first, range.second);
    }

    // The variance of output `output`.
    double backwards(std::size_t output) {
        double sum = 0.0;
        std::vector<std::vector<double>> gradients;  // over each layer's outputs, with skips
        for (const Layer::State* layer : layers_) gradients.emplace_back(layer->outputs());
        gradients.back()[output] = 1.0;
        for (std::size_t k = layers_.size(); k-- > 0;) {
            engine_.job.check();
            for (const auto& [from, to] : skips_)
                for (std::size_t n = 0; to == k && n < gradients[k].size(); ++n)
                    gradients[from][n] += gradients[k][n];
            sum += stages_[k].activation->pull_back(gradients[k]);
            std::vector<double> below(layers_[k]->inputs());
            sum += stages_[k].layer->pull_back(gradients[k], below);
            if (k == 0) break;
            if (encodes(k))
                for (double& slope : below) slope /= layers_[k]->options.input_range;
            sum += stages_[k - 1].range->pull_back(below);
            for (std::size_t n = 0; n < below.size(); ++n) gradients[k - 1][n] += below[n];
        }
        return sum;
    }

    const std::vector<const Layer::State*>& layers_;
    const std::vector<Skip>& skips_;
    const Engine& engine_;
    std::vector<Stage> stages_;
    std::vector<Weights> weights_;
};

}  // namespace

void Network::State::deviate(const ExecutionContext& context, const Samples& samples,
                             const MatrixView<double>& outputs, const Monitor& monitor) const {
    check_shapes(samples, outputs);
    std::vector<const Layer::State*> chain;
    double nanoseconds = 0;
    for (std::size_t k = 0; k < layers.size(); ++k) {
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
            Deviations deviations(chain, skips.list(), engine);
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
