// The insides of a convolution.
#pragma once

#include "../layer/function_ref.hpp"
#include "../layer/layer_state.hpp"

#include <bitaxon/layers/conv2d.hpp>

namespace bitaxon {

/// Sizes that follow from the options.
struct ConvGeometry {
    explicit ConvGeometry(const Conv2dOptions& options);

    Conv2dOptions options;
    Extent2d output;
    std::size_t group_channels;
    std::size_t group_filters;
    std::size_t padded_width;
    std::size_t window_rows;  ///< of the input, from the kernel's first to its last

    std::size_t inputs() const { return options.channels * options.height * options.width; }
    std::size_t taps() const { return options.kernel.y * options.kernel.x; }
    std::size_t fan_in() const { return group_channels * taps(); }
    std::size_t positions() const { return output.y * output.x; }
    /// Kernel rows or columns, from .first to .second - 1, that meet the image at output y or x.
    std::pair<std::size_t, std::size_t> rows_inside(std::size_t y) const;
    std::pair<std::size_t, std::size_t> columns_inside(std::size_t x) const;
    /// The row of the image that kernel row ky meets at output row y, which it is inside of.
    std::size_t image_row(std::size_t y, std::size_t ky) const {
        return y * options.stride.y + ky * options.dilation.y - options.padding.y;
    }
};

class Conv2dState final : public KindOf<Conv2dState> {
  public:
    Conv2dState(const Conv2dOptions& options, MatrixView<const double> matrix,
                std::span<const double> biases);

    const ConvGeometry geometry;

    std::string_view type() const override { return "conv2d"; }
    Sizes sizes() const override;
    std::string call() const override;
    WeightLayout layout() const override;
    void draw(const ExecutionContext& context) override;

    std::size_t counters() const override { return counters_of(geometry.output.y); }
    std::size_t block_samples() const override;
    std::size_t scratch_bytes(std::size_t samples) const override;
    void encode_and_sum(const Samples& samples, const SampleBlock& block) const override;
    void sum_streams(const StreamView& streams, const SampleBlock& block) const override;
    void finish(std::int64_t* counters, const MatrixView<double>& outputs) const override;
    void run(const ExecutionContext& context, const Samples& samples,
             const MatrixView<double>& outputs, const ForwardNames& names, Job& job) const override;
    std::unique_ptr<StreamedLayer> streamed(const ExecutionContext& context, std::size_t slots,
                                            const ForwardNames& names) const override;
    void expect_sums(const kernels::KernelTable& kernels, const double* x, const double* values,
                     double* sums) const override;
    void pull_back(const double* x, const double* gradient, const double* values,
                   double* out) const override;

    /// Rows of outputs, and what they are counted in: for each position a sum of every filter, and
    /// for bipolar coding behind them the ones of each group's inputs under the kernel.
    struct Band {
        std::size_t first;
        std::size_t end;
        std::int64_t* counters;
    };

    /// Fills, for one row of the image and one chunk of time, the inside of a zeroed row: group
    /// after group, column after column, the words of the group's channels side by side.
    using FillRow = FunctionRef<void(std::size_t image_row, std::uint64_t* row)>;

    /// Words of the rows that accumulate() keeps, for chunks of so many words, and of their
    /// numbers.
    std::size_t ring_words(std::size_t chunk_words) const;
    /// Adds to a band what one chunk of time contributes; without_signs counts ones, whatever the
    /// weights' signs.
    void accumulate(const Engine& engine, const SignedPanels& panels, std::size_t chunk,
                    const Band& band, bool without_signs, const FillRow& fill,
                    std::uint64_t* ring) const;

    /// Draws one row of the image over words first ... first + count - 1 of time.
    struct RowEncoder {
        RowEncoder(const Conv2dState& layer, Scratch& scratch);
        static std::size_t scratch_bytes(const Conv2dState& layer);

        /// threshold_of(i): of input i.
        template <class ThresholdOf>
        void encode(const kernels::KernelTable& kernels, std::uint64_t key_base,
                    std::size_t image_row, std::size_t first, std::size_t count,
                    std::uint64_t last_mask, ThresholdOf threshold_of, std::uint64_t* row);

        const Conv2dState& layer;
        std::uint64_t *column_a, *column_b, *key_a, *key_b, *thresholds;
    };

    /// Turns the sums of a band into counts over `bits` bits: bits that agree less bits that
    /// differ for bipolar. tap_ones: of each filter's weights in these bits, tap by tap.
    void to_counts(const Band& band, std::uint64_t bits,
                   std::span<const std::int64_t> tap_ones) const;

  private:
    std::size_t chunk_words() const;
    std::size_t counters_of(std::size_t rows) const;
    void finish_band(const Band& band, const MatrixView<double>& output) const;
    void encode_band(const Engine& engine, const Samples& samples, std::size_t row,
                     std::uint64_t key_base, const Band& band, Scratch& scratch) const;

    std::vector<std::int64_t> tap_ones_;  ///< over the whole length; for bipolar coding
};

template <class ThresholdOf>
void Conv2dState::RowEncoder::encode(const kernels::KernelTable& kernels, std::uint64_t key_base,
                                     std::size_t image_row, std::size_t first, std::size_t count,
                                     std::uint64_t last_mask, ThresholdOf threshold_of,
                                     std::uint64_t* row) {
    const Conv2dOptions& o = layer.geometry.options;
    const std::size_t channels = layer.geometry.group_channels;
    const std::size_t plane = layer.geometry.padded_width * channels * count;
    for (std::size_t group = 0; group < o.groups; ++group) {
        for (std::size_t c = 0; c < channels; ++c) {
            const std::size_t index = ((group * channels + c) * o.height + image_row) * o.width;
            kernels.stream_keys(key_base, index, o.width, column_a, column_b);
            for (std::size_t x = 0; x < o.width; ++x) {
                key_a[x * channels + c] = column_a[x];
                key_b[x * channels + c] = column_b[x];
                thresholds[x * channels + c] = threshold_of(index + x);
            }
        }
        kernels.encode_bernoulli({.key_a = key_a,
                                  .key_b = key_b,
                                  .thresholds = thresholds,
                                  .words_per_stream = count,
                                  .first_time_word = first,
                                  .tail_mask = last_mask,
                                  .first_word = 0,
                                  .words = o.width * channels * count,
                                  .out = row + group * plane + o.padding.x * channels * count});
    }
}

}  // namespace bitaxon
