// A convolution's counts, word by word of time.
#include "../layer/streamed_layer.hpp"
#include "conv2d_state.hpp"

#include <algorithm>
#include <cmath>

namespace bitaxon {
namespace {

class StreamedConv2d final : public StreamedLayer {
  public:
    StreamedConv2d(const ExecutionContext& context, const Conv2dState& layer, std::size_t slots,
                   const ForwardNames& names)
        : StreamedLayer(context, layer, slots, names), conv_(layer),
          panels_(layer.drawn->by_time(context)), ring_(layer.ring_words(1)),
          scratch_(context.scratch(Conv2dState::RowEncoder::scratch_bytes(layer))),
          encoder_(layer, scratch_), sums_(layer.counters()) {}

    void advance(std::uint64_t word, std::span<const std::size_t> active,
                 bool with_moments) override {
        count_tap_ones(word);
        for (const std::size_t slot : active) {
            const Conv2dState::Band band = sum(word, slot, false);
            conv_.to_counts(band, bits_in(word), tap_ones_);
            add_to(counts_, slot);
            if (!with_moments) continue;
            // Squares of products: those that are not 0, and for bipolar all.
            if (layer_.options.coding == Coding::bipolar)
                add_all_products(band, word);
            else if (layer_.options.coding == Coding::split_unipolar)
                sum(word, slot, true);
            add_to(own_moments_, slot);
            leaders_[slot] = leader(slot, 64 * word + bits_in(word));
        }
    }

  private:
    // The leader and another output have other inputs or other weights: whatever their covariance,
    // the deviation of the difference is at most the sum of theirs.
    double lead_variance(std::size_t slot, std::size_t n, std::uint64_t bits) const override {
        const double deviation = std::sqrt(own_variance(slot, leaders_[slot], bits)) +
                                 std::sqrt(own_variance(slot, n, bits));
        return deviation * deviation;
    }

    Conv2dState::Band sum(std::uint64_t word, std::size_t slot, bool without_signs) {
        const Conv2dState::Band band{0, conv_.geometry.output.y, sums_.data()};
        std::ranges::fill(sums_, 0);
        const std::uint64_t* thresholds = this->thresholds(slot);
        conv_.accumulate(
            engine(), panels_, word, band, without_signs,
            [&](std::size_t image_row, std::uint64_t* row) {
                encoder_.encode(
                    kernels_, bases_[slot], image_row, word, 1, mask_of(word),
                    [&](std::size_t i) { return thresholds[i]; }, row);
            },
            ring_.data());
        return band;
    }

    // Sums have filters innermost, outputs positions.
    void add_to(std::vector<std::int64_t>& counts, std::size_t slot) const {
        std::int64_t* out = counts.data() + slot * layer_.outputs();
        for (std::size_t f = 0; f < layer_.shape.rows; ++f)
            for (std::size_t k = 0; k < layer_.shape.positions; ++k)
                *out++ += sums_[k * layer_.shape.rows + f];
    }

    void add_all_products(const Conv2dState::Band& band, std::uint64_t word) {
        const ConvGeometry& g = conv_.geometry;
        for (std::size_t k = 0; k < layer_.shape.positions; ++k) {
            const auto [first_ky, end_ky] = g.rows_inside(k / g.output.x);
            const auto [first_kx, end_kx] = g.columns_inside(k % g.output.x);
            std::fill_n(band.counters + k * layer_.shape.rows, layer_.shape.rows,
                        static_cast<std::int64_t>((end_ky - first_ky) * (end_kx - first_kx) *
                                                  g.group_channels * bits_in(word)));
        }
    }

    // Of each filter's weights in this word, tap by tap; for bipolar coding.
    void count_tap_ones(std::uint64_t word) {
        tap_ones_.clear();
        if (layer_.options.coding != Coding::bipolar) return;
        const std::size_t channels = conv_.geometry.group_channels;
        const std::size_t segments = panels_.layout().segments();
        const std::size_t taps = conv_.geometry.taps() / segments;  // of a segment
        segment_.resize(panels_.layout().segment_words(word));
        for (std::size_t f = 0; f < layer_.shape.rows; ++f)
            for (std::size_t segment = 0; segment < segments; ++segment) {
                panels_.read_segment(f, word, segment, segment_.data());
                for (std::size_t tap = 0; tap < taps; ++tap)
                    tap_ones_.push_back(static_cast<std::int64_t>(
                        kernels_.popcount(segment_.data() + tap * channels, channels)));
            }
    }

    const Conv2dState& conv_;
    const SignedPanels& panels_;
    AlignedWords ring_;
    Scratch scratch_;
    Conv2dState::RowEncoder encoder_;
    std::vector<std::int64_t> sums_;
    std::vector<std::int64_t> tap_ones_;
    std::vector<std::uint64_t> segment_;
};

}  // namespace

std::unique_ptr<StreamedLayer> Conv2dState::streamed(const ExecutionContext& context,
                                                     std::size_t slots,
                                                     const ForwardNames& names) const {
    return std::make_unique<StreamedConv2d>(context, *this, slots, names);
}

}  // namespace bitaxon
