// How much attention scatters, to first order. With a gradient g over the outputs of query i, let
//     w_j = range * sum over c of g_c v_jc                       what gate (i, j) passes when open,
//     a_j = range^2 / sqrt(head width) * p_j (w_j - sum of p w)  the slope over q_i k_j,
// where p is the softmax of the mean scores. What is counted are products of two bits that are
// independent of one another, so a sum of them has, a bit, the variance
//     sum over operands of (slope)^2 * variance + sum over products of (factor * both
//     deviations)^2;
// an operand that several products share enters once, with the sum of its slopes.
#include "attention_state.hpp"

#include <algorithm>
#include <cmath>

namespace bitaxon {
namespace {

double square(double x) { return x * x; }

class LinearisedAttention final : public Linearised {
  public:
    LinearisedAttention(const AttentionState& layer, const Engine& engine,
                        const DecodedInputs& inputs)
        : layer_(layer), inputs_(inputs) {
        mean.resize(layer.outputs());
        variance.resize(mean.size());
        layer.expect_sums(engine.kernels, inputs.mean.data(), nullptr, mean.data());
        probabilities_.resize(layer.heads() * layer.queries() * layer.tokens());
        for (std::size_t head = 0; head < layer.heads(); ++head)
            for (std::size_t i = 0; i < layer.queries(); ++i)
                layer.expect_probabilities(engine.kernels, inputs.mean.data(), head, i,
                                           probabilities_.data() + row(head, i));
        std::vector<double> gradient(mean.size()), below(layer.inputs());
        for (std::size_t n = 0; n < mean.size(); ++n) {
            engine.job.check();
            gradient[n] = 1.0;
            std::ranges::fill(below, 0.0);
            variance[n] = pull_back(gradient, below);
            for (std::size_t i = 0; i < below.size(); ++i)
                variance[n] += square(below[i]) * inputs.variance[i];
            gradient[n] = 0.0;
        }
    }

    double pull_back(std::span<const double> gradient, std::span<double> below) const override {
        const std::size_t columns = layer_.attention().head_width;
        double sum = 0.0;
        for (std::size_t head = 0; head < layer_.heads(); ++head)
            for (std::size_t i = 0; i < layer_.queries(); ++i) {
                const auto g = gradient.subspan(i * layer_.width() + head * columns, columns);
                if (std::ranges::any_of(g, [](double slope) { return slope != 0.0; }))
                    sum += pull_query(head, i, g, below);
            }
        for (std::size_t i = 0; i < below.size(); ++i)
            sum += square(below[i]) * inputs_.bit_noise[i];
        return sum / static_cast<double>(layer_.options.length);
    }

  private:
    using Operand = AttentionState::Operand;

    std::size_t row(std::size_t head, std::size_t i) const {
        return (head * layer_.queries() + i) * layer_.tokens();
    }

    // Adds the slopes of one query's products, and returns the variances that products have beyond
    // those of their operands.
    double pull_query(std::size_t head, std::size_t i, std::span<const double> g,
                      std::span<double> below) const {
        const double range = layer_.options.input_range;
        const double unit = square(range) / std::sqrt(static_cast<double>(g.size()));
        const double* p = probabilities_.data() + row(head, i);
        const std::size_t seen = layer_.seen(i);
        const std::size_t query = layer_.place(Operand::query, head).of(i);
        const auto& x = inputs_.mean;
        const auto& noise = inputs_.bit_noise;
        std::vector<double> passed(seen);
        double mean_passed = 0.0;
        for (std::size_t j = 0; j < seen; ++j) {
            const std::size_t value = layer_.place(Operand::value, head).of(j);
            for (std::size_t c = 0; c < g.size(); ++c) passed[j] += range * g[c] * x[value + c];
            mean_passed += p[j] * passed[j];
        }
        double sum = 0.0;
        for (std::size_t j = 0; j < seen; ++j) {
            const std::size_t key = layer_.place(Operand::key, head).of(j);
            const std::size_t value = layer_.place(Operand::value, head).of(j);
            const double a = unit * p[j] * (passed[j] - mean_passed);
            double of_values = square(passed[j]);
            for (std::size_t c = 0; c < g.size(); ++c) {
                below[query + c] += a * x[key + c];
                below[key + c] += a * x[query + c];
                below[value + c] += range * g[c] * p[j];
                sum += square(a) * noise[query + c] * noise[key + c];
                of_values += square(range * g[c]) * noise[value + c];
            }
            sum += p[j] * (1.0 - p[j]) * of_values;
        }
        return sum;
    }

    const AttentionState& layer_;
    const DecodedInputs inputs_;
    std::vector<double> probabilities_;  // a row a query, head by head
};

}  // namespace

std::unique_ptr<Linearised> AttentionState::linearise(const Engine& engine,
                                                      const DecodedInputs& inputs) const {
    return std::make_unique<LinearisedAttention>(*this, engine, inputs);
}

}  // namespace bitaxon
