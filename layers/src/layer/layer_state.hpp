// The insides of a layer: what a new kind has to supply, and what all share. The forward paths, the
// network, files and bindings know layers by this interface alone.
#pragma once

#include "drawn_weights.hpp"
#include "samples.hpp"

#include <bitaxon/core/error.hpp>
#include <bitaxon/layers/layer.hpp>

#include <algorithm>
#include <optional>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace bitaxon {

class StreamedLayer;

/// What the options of all kinds have in common.
struct CommonOptions {
    std::uint64_t length = 0;
    Coding coding = Coding::unipolar;
    Scale scale = Scale::sum;
    Activation activation = Activation::none;
    double input_range = 1.0;
    std::optional<double> weight_scale = {};
    std::optional<std::uint64_t> seed = {};
    std::uint64_t id = 0;
};

template <class Options>
concept HasWeightScale = requires(Options o) {
    o.weight_scale;
};
template <class Options>
concept HasActivation = requires(Options o) {
    o.activation;
};

/// `to` with what it has in common with `from`, both of them options: a kind has all that
/// CommonOptions has, or some.
template <class To, class From>
To with_common(To to, const From& from) {
    to.length = from.length;
    to.coding = from.coding;
    to.input_range = from.input_range;
    to.seed = from.seed;
    to.id = from.id;
    if constexpr (HasWeightScale<To> && HasWeightScale<From>) to.weight_scale = from.weight_scale;
    if constexpr (HasActivation<To> && HasActivation<From>) {
        to.scale = from.scale;
        to.activation = from.activation;
    }
    return to;
}

template <class Options>
CommonOptions common_options(const Options& options) {
    return with_common(CommonOptions{}, options);
}

/// Named numbers that, with the common options and the weights, make a layer again.
using Sizes = std::vector<std::pair<std::string_view, std::size_t>>;

/// Arrays of a kind besides its weights, by name, for files.
using NamedArray =
    std::pair<std::string_view, std::variant<std::vector<double>, std::vector<std::uint64_t>>>;

/// How many values and products a layer has.
struct LayerShape {
    std::size_t inputs;
    std::size_t rows;           ///< of weights: neurons, or filters
    std::size_t fan_in;         ///< weights of a row
    std::size_t positions = 1;  ///< outputs of a row
    std::size_t outputs = 0;    ///< rows * positions where 0
    /// Whether the rows' outputs at one position lie side by side; else the positions of one row
    /// do.
    bool rows_inside = false;
};

/// What runs on one thread: the context's kernels, and the job that may be cancelled.
struct Engine {
    const kernels::KernelTable& kernels;
    const Job& job;
};

/// What names the streams of a forward: its seed, and the number of its first sample.
struct ForwardNames {
    std::uint64_t seed;
    std::uint64_t first_sample;
};

/// A block of samples on its way to counters, a row a sample; the streams of sample r are drawn
/// from key_bases[r].
struct SampleBlock {
    const Engine& engine;
    const std::uint64_t* key_bases;
    std::int64_t* counters;
    Scratch& scratch;
};

/// Inputs of one sample as a layer decodes them: means, the variances that they come with, and
/// those of single bits.
struct DecodedInputs {
    std::span<const double> mean;
    std::span<const double> variance;
    std::span<const double> bit_noise;
};

/// How the outputs of one sample follow from its inputs, to first order, and what the streams of
/// the layer itself add.
struct Linearised {
    std::vector<double> mean;      ///< of outputs
    std::vector<double> variance;  ///< of outputs, about

    virtual ~Linearised() = default;
    /// Returns what the layer's streams add to the variance of the sum of gradient times outputs,
    /// and sets `below`, which is 0, to the gradient over the inputs, decoded.
    virtual double pull_back(std::span<const double> gradient, std::span<double> below) const = 0;
};

/// Layers without weights have a fan-in of 0; most work on values (value_state.hpp).
///
/// Derived classes are copied by clone() and say what their products are.
struct Layer::State {
    LayerShape shape;
    CommonOptions options;  // weight_scale and seed are set
    bool weight_scale_given;
    std::vector<double> weights;
    std::vector<double> bias;
    std::uint64_t redraws = 0;
    std::shared_ptr<const DrawnWeights> drawn;

    /// Checks all but the kind's own sizes, which are not 0. The kind then draws its weights.
    State(const LayerShape& shape, const CommonOptions& options, MatrixView<const double> weights,
          std::span<const double> bias);
    virtual ~State() = default;

    static const State& of(const Layer& layer) { return *layer.state_; }

    virtual std::unique_ptr<State> clone() const = 0;
    virtual std::string_view type() const = 0;
    virtual Sizes sizes() const = 0;
    virtual std::vector<NamedArray> arrays() const { return {}; }
    /// A call of the constructor as far as the kind's own arguments: "DenseLayer(64, 32".
    virtual std::string call() const = 0;
    /// One segment in one chunk, a row of streams as encode makes it, unless the kind says
    /// otherwise.
    virtual WeightLayout layout() const {
        return {shape.fan_in, 1, words_per_stream(), words_per_stream()};
    }

    /// Whether, after another layer, it takes that layer's outputs as they are; if so, apply()
    /// makes outputs of inputs.
    virtual bool takes_values() const { return false; }
    virtual void apply(const double* /*x*/, double* /*y*/) const {}
    /// Variances of its outputs, about, where those of inputs x are small and independent.
    virtual void apply_variance(const double* /*x*/, const double* /*variance*/,
                                double* /*out*/) const {}

    /// Raw sums of a sample, as encode_and_sum and sum_streams leave them for finish.
    virtual std::size_t counters() const { return outputs(); }
    /// Samples that are best summed together, at most.
    virtual std::size_t block_samples() const = 0;
    /// Scratch that a block of so many samples needs for encode_and_sum or sum_streams.
    virtual std::size_t scratch_bytes(std::size_t samples) const = 0;
    /// Adds to the block's counters what the samples contribute. On the calling thread.
    virtual void encode_and_sum(const Samples& samples, const SampleBlock& block) const = 0;
    /// The same for inputs' streams that exist already; the block's keys name what else is drawn.
    virtual void sum_streams(const StreamView& streams, const SampleBlock& block) const = 0;
    /// Counters to outputs, once all words are in.
    virtual void finish(std::int64_t* counters, const MatrixView<double>& outputs) const = 0;
    /// All of a forward of samples that were checked, spread over the context's threads; a sample
    /// stays on one thread unless the kind cuts it.
    virtual void run(const ExecutionContext& context, const Samples& samples,
                     const MatrixView<double>& outputs, const ForwardNames& names, Job& job) const;
    /// The same word by word of time, for so many samples.
    virtual std::unique_ptr<StreamedLayer> streamed(const ExecutionContext& context,
                                                    std::size_t slots,
                                                    const ForwardNames& names) const = 0;
    /// Sets, for each output, the sum of the products of decoded inputs x with `values`, a row of
    /// decoded weights a row.
    virtual void expect_sums(const kernels::KernelTable& /*kernels*/, const double* /*x*/,
                             const double* /*values*/, double* /*sums*/) const {}
    /// The outputs without noise: of one sum of products each, unless the kind says otherwise.
    virtual void expect_outputs(const kernels::KernelTable& kernels, const double* x,
                                const double* values, double* y) const;

    /// Whether an answer may be certain before the end of a layer that comes last.
    virtual bool stops_early() const { return !takes_values(); }

    /// What Network::forward_deviation needs of kinds whose outputs are no linear map of products.
    /// The model refers to the layer.
    virtual std::unique_ptr<Linearised> linearise(const Engine& /*engine*/,
                                                  const DecodedInputs& /*inputs*/) const {
        return nullptr;
    }
    /// And of the others. Products are sums that expect_sums makes outputs of, by a linear map that
    /// does not depend on the weights; for most kinds they are the outputs.
    /// expect_sums with the map's coefficients squared: for variances.
    virtual void expect_squares(const kernels::KernelTable& kernels, const double* x,
                                const double* values, double* sums) const {
        expect_sums(kernels, x, values, sums);
    }
    /// Makes a gradient over the outputs one over the products.
    virtual void pull_to_products(std::vector<double>& /*gradient*/) const {}
    /// Adds to out, for each input, what a gradient over the products is over it: the sum of the
    /// gradient times `values`, as expect_sums takes them; for layers without weights, at inputs x.
    virtual void pull_back(const double* /*x*/, const double* /*gradient*/,
                           const double* /*values*/, double* /*out*/) const {}

    std::size_t inputs() const { return shape.inputs; }
    std::size_t outputs() const {
        return shape.outputs != 0 ? shape.outputs : shape.rows * shape.positions;
    }
    /// Of the weights and the bias, that output n belongs to.
    std::size_t row_of(std::size_t n) const {
        return shape.rows_inside ? n % shape.rows : n / shape.positions;
    }
    std::size_t words_per_stream() const { return words_for(options.length); }
    double lowest_input() const {
        return options.coding == Coding::bipolar ? -options.input_range : 0.0;
    }
    std::uint64_t stream_seed(std::uint64_t forward_seed) const {
        return combine_seeds(*options.seed, forward_seed);
    }
    /// Of a forward's sample r: what its streams are drawn from.
    std::uint64_t sample_key(const ForwardNames& names, std::size_t r) const {
        return key_base(stream_seed(names.seed), options.id, Role::input, names.first_sample + r);
    }

    /// Probability of a one that stands for input x.
    double coded(double x) const {
        const double value = x / options.input_range;
        return options.coding == Coding::bipolar ? (value + 1.0) * 0.5 : value;
    }

    /// The linear output of a count over `bits` bits.
    double factor(std::uint64_t bits) const;
    double activate(double y) const { return std::clamp(y, limits().first, limits().second); }
    /// What the activation limits outputs to: floor and ceiling, infinite where there is none.
    std::pair<double, double> limits() const;

    virtual std::string repr() const;
    bool has_weights() const { return shape.fan_in != 0; }
    virtual void draw(const ExecutionContext& context);
    /// weight_scale follows unless it was given.
    void set_weights(MatrixView<const double> matrix);
    void fold_batch_norm(const BatchNorm& norm);
    void set_input_range(double range);

    void check_columns(const Samples& samples) const;
    /// Looks at every value, so it belongs to the work that can be cancelled.
    void check_values(const ExecutionContext& context, const Samples& samples,
                      const Job& job) const;
    void check_streams(const StreamView& streams) const;
    void check_outputs(std::size_t rows, const MatrixView<double>& outputs) const;
    void check_outputs(const Samples& samples, const MatrixView<double>& outputs) const;
    void check_outputs(const StreamView& streams, const MatrixView<double>& outputs) const;

    /// forward_expected of samples and outputs that fit.
    void expect(const ExecutionContext& context, const Samples& samples,
                const MatrixView<double>& outputs, ExpectedWeights expected, const Job& job) const;

    /// About how long a forward takes for a number of samples on one core of the best tier: what
    /// decides whether work is worth other threads, no more.
    virtual double nanoseconds(std::size_t samples) const;
    virtual double expected_nanoseconds(std::size_t samples) const;

  protected:
    State(const State&) = default;
    State& operator=(const State&) = delete;

  private:
    /// @throws Error unless every output that the options allow is finite
    void check_magnitude() const;
};

/// What every kind derives from: copies of its own type.
template <class Kind, class Base = Layer::State>
class KindOf : public Base {
  public:
    using Base::Base;
    std::unique_ptr<Layer::State> clone() const override {
        return std::make_unique<Kind>(static_cast<const Kind&>(*this));
    }
};

/// A layer's state if it is of that kind. @throws Error that says what was expected
template <class Kind>
const Kind& state_of_kind(const Layer& layer, std::string_view expected) {
    const auto* state = dynamic_cast<const Kind*>(&Layer::State::of(layer));
    if (state == nullptr) throw_error(ErrorCode::invalid_type, "layer", layer.repr(), expected);
    return *state;
}

/// A state of that kind, its weights drawn.
template <class Kind, class... Arguments>
std::unique_ptr<Layer::State> draw_state(const ExecutionContext& context,
                                         const Arguments&... arguments) {
    auto state = std::make_unique<Kind>(arguments...);
    state->draw(context);
    return state;
}

constexpr std::size_t ceil_div(std::size_t a, std::size_t b) { return (a + b - 1) / b; }
constexpr std::size_t round_up(std::size_t value, std::size_t multiple) {
    return ceil_div(value, multiple) * multiple;
}

/// @throws Error unless the size is at least 1
void check_size(std::string_view name, std::size_t size);

/// Contiguous values as matrices. @throws Error if their numbers do not fit one another
std::pair<MatrixView<const double>, MatrixView<double>> as_matrices(std::span<const double> samples,
                                                                    std::size_t inputs,
                                                                    std::span<double> outputs,
                                                                    std::size_t neurons);

/// Contiguous weights as rows. @throws Error unless there are rows * columns
MatrixView<const double> as_rows(std::span<const double> weights, std::size_t rows,
                                 std::size_t columns, std::string_view what);

/// @throws Error if the rows' numbers would pass 2^64 - 1 and name other samples again
void check_sample_numbers(std::uint64_t first, std::size_t count);

/// How a batch is cut into pieces of samples.
struct Partition {
    std::size_t samples;  ///< in a piece
    std::size_t pieces;
};

/// At least one sample; at most `most` in a piece.
Partition make_partition(std::size_t samples, std::size_t most, int threads, double nanoseconds);

/// How many threads that much work is worth.
std::size_t workers_for(int threads, double nanoseconds);

}  // namespace bitaxon
