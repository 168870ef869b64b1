// A convolution's sums over whole streams, direct. The rows of the image that a kernel reaches are
// kept side by side in a ring, zero-padded and with channels innermost. So what a kernel row meets
// at one output position is one run of words, and the positions of an output row are rows of the
// product kernels that overlap: nothing is copied for a position.
//
// Zero words count nothing under AND and signed AND. Bipolar products are counted by AND, too:
// bits that agree less bits that differ are n - 2 |x ^ w| = n - 2 |x| - 2 |w| + 4 |x & w|, where
// only what lies inside the image enters n and |w|.
#include "conv2d_state.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace bitaxon {
namespace {

constexpr std::size_t kBlockCounters = 1 << 16;
constexpr std::size_t kBlockSamples = 128;
constexpr std::uint64_t kNoRow = std::numeric_limits<std::uint64_t>::max();

}  // namespace

std::size_t Conv2dState::counters_of(std::size_t rows) const {
    const std::size_t ones = options.coding == Coding::bipolar ? geometry.options.groups : 0;
    return rows * geometry.output.x * (shape.rows + ones);
}

std::size_t Conv2dState::block_samples() const {
    return std::clamp<std::size_t>(kBlockCounters / counters(), 1, kBlockSamples);
}

// A row's last segment reads up to a group past its end.
std::size_t Conv2dState::ring_words(std::size_t chunk_words) const {
    const std::size_t row = geometry.padded_width * geometry.options.channels * chunk_words;
    return geometry.window_rows * (row + kernels::kGroupWords + 1);
}

void Conv2dState::accumulate(const Engine& engine, const SignedPanels& panels, std::size_t chunk,
                             const Band& band, bool without_signs, const FillRow& fill,
                             std::uint64_t* ring) const {
    const Conv2dOptions& o = geometry.options;
    const WeightLayout& layout = panels.layout();
    const std::size_t words = geometry.group_channels * layout.chunk_words(chunk);  // of a column
    const std::size_t plane = geometry.padded_width * words;                        // of a group
    const std::size_t slot_words = o.groups * plane + kernels::kGroupWords;
    const std::size_t row_segments = layout.segments() / o.kernel.y;
    const bool is_signed = panels.has_signs() && !without_signs;
    const auto product_of = is_signed ? engine.kernels.dense_signed : engine.kernels.dense_and;

    std::uint64_t* held = std::fill_n(ring, geometry.window_rows * slot_words, 0);
    std::fill_n(held, geometry.window_rows, kNoRow);
    const auto row_of = [&](std::size_t image_row) {
        const std::size_t slot = image_row % geometry.window_rows;
        std::uint64_t* row = ring + slot * slot_words;
        if (held[slot] != image_row) fill(image_row, row);
        held[slot] = image_row;
        return row;
    };

    std::int64_t* sums = band.counters;
    std::int64_t* ones = band.counters + (band.end - band.first) * geometry.output.x * shape.rows;
    for (std::size_t y = band.first; y < band.end; ++y) {
        engine.job.check();
        const auto [first_ky, end_ky] = geometry.rows_inside(y);
        for (std::size_t ky = first_ky; ky < end_ky; ++ky) {
            const std::uint64_t* row = row_of(geometry.image_row(y, ky));
            for (std::size_t group = 0; group < o.groups; ++group)
                for (std::size_t kx = 0; kx < row_segments; ++kx) {
                    const std::size_t segment = ky * row_segments + kx;
                    kernels::DenseProduct product =
                        panels.slice(group * geometry.group_filters, geometry.group_filters,
                                     layout.start(chunk, segment), layout.segment_words(chunk));
                    product.rows = row + group * plane + kx * o.dilation.x * words;
                    product.row_stride = o.stride.x * words;
                    product.row_count = geometry.output.x;
                    product.sums = sums + group * geometry.group_filters;
                    product.sums_stride = shape.rows;
                    product_of(product);
                    if (!is_signed) continue;
                    const std::size_t bits = 64 * layout.chunk_words(chunk);
                    for (std::size_t f = 0; f < geometry.group_filters; ++f) {
                        const auto excess = static_cast<std::int64_t>(
                            bits * panels.negatives(group * geometry.group_filters + f, segment));
                        for (std::size_t x = 0; x < geometry.output.x; ++x)
                            product.sums[x * shape.rows + f] -= excess;
                    }
                }
            if (options.coding != Coding::bipolar || without_signs) continue;
            for (std::size_t group = 0; group < o.groups; ++group)
                for (std::size_t x = 0; x < geometry.output.x; ++x)
                    for (std::size_t kx = 0; kx < o.kernel.x; ++kx) {
                        const std::size_t column = x * o.stride.x + kx * o.dilation.x;
                        ones[x * o.groups + group] += static_cast<std::int64_t>(
                            engine.kernels.popcount(row + group * plane + column * words, words));
                    }
        }
        sums += geometry.output.x * shape.rows;
        ones += geometry.output.x * o.groups;
    }
}

void Conv2dState::draw(const ExecutionContext& context) {
    State::draw(context);
    if (options.coding != Coding::bipolar) return;
    const std::size_t taps = geometry.taps();
    tap_ones_.assign(shape.rows * taps, 0);
    for (std::size_t f = 0; f < shape.rows; ++f)
        for (std::size_t c = 0; c < geometry.group_channels; ++c)
            for (std::size_t tap = 0; tap < taps; ++tap) {
                const double value =
                    drawn->values()[(f * geometry.group_channels + c) * taps + tap];
                tap_ones_[f * taps + tap] +=
                    std::llround((value + 1.0) * 0.5 * static_cast<double>(options.length));
            }
}

void Conv2dState::to_counts(const Band& band, std::uint64_t bits,
                            std::span<const std::int64_t> tap_ones) const {
    if (options.coding != Coding::bipolar) return;
    const Conv2dOptions& o = geometry.options;
    std::int64_t* sums = band.counters;
    const std::int64_t* ones =
        band.counters + (band.end - band.first) * geometry.output.x * shape.rows;
    for (std::size_t y = band.first; y < band.end; ++y)
        for (std::size_t x = 0; x < geometry.output.x; ++x) {
            const auto [first_ky, end_ky] = geometry.rows_inside(y);
            const auto [first_kx, end_kx] = geometry.columns_inside(x);
            const auto products = static_cast<std::int64_t>(
                (end_ky - first_ky) * (end_kx - first_kx) * geometry.group_channels * bits);
            for (std::size_t f = 0; f < shape.rows; ++f) {
                std::int64_t weight_ones = 0;
                for (std::size_t ky = first_ky; ky < end_ky; ++ky)
                    for (std::size_t kx = first_kx; kx < end_kx; ++kx)
                        weight_ones += tap_ones[f * geometry.taps() + ky * o.kernel.x + kx];
                sums[f] =
                    4 * sums[f] + products - 2 * ones[f / geometry.group_filters] - 2 * weight_ones;
            }
            sums += shape.rows;
            ones += o.groups;
        }
}

void Conv2dState::finish_band(const Band& band, const MatrixView<double>& output) const {
    to_counts(band, options.length, tap_ones_);
    const double unit = factor(options.length);
    const std::size_t first = band.first * geometry.output.x;
    const std::size_t count = (band.end - band.first) * geometry.output.x;
    for (std::size_t f = 0; f < shape.rows; ++f)
        for (std::size_t k = 0; k < count; ++k)
            output(0, f * shape.positions + first + k) =
                activate(unit * static_cast<double>(band.counters[k * shape.rows + f]) + bias[f]);
}

Conv2dState::RowEncoder::RowEncoder(const Conv2dState& l, Scratch& scratch) : layer(l) {
    const std::size_t width = l.geometry.options.width;
    const std::size_t row = width * l.geometry.group_channels;
    column_a = scratch.take<std::uint64_t>(width);
    column_b = scratch.take<std::uint64_t>(width);
    key_a = scratch.take<std::uint64_t>(row);
    key_b = scratch.take<std::uint64_t>(row);
    thresholds = scratch.take<std::uint64_t>(row);
}

std::size_t Conv2dState::RowEncoder::scratch_bytes(const Conv2dState& layer) {
    const std::size_t width = layer.geometry.options.width;
    return 2 * Scratch::bytes<std::uint64_t>(width) +
           3 * Scratch::bytes<std::uint64_t>(width * layer.geometry.group_channels);
}

std::size_t Conv2dState::scratch_bytes(std::size_t) const {
    return Scratch::bytes<std::uint64_t>(ring_words(drawn->panels().layout().chunk_words(0))) +
           RowEncoder::scratch_bytes(*this);
}

void Conv2dState::encode_band(const Engine& engine, const Samples& samples, std::size_t row,
                              std::uint64_t key_base, const Band& band, Scratch& scratch) const {
    const SignedPanels& panels = drawn->panels();
    const WeightLayout& layout = panels.layout();
    const std::size_t mark = scratch.used();
    auto* ring = scratch.take<std::uint64_t>(ring_words(layout.chunk_words(0)));
    RowEncoder encoder(*this, scratch);
    std::visit(
        [&](const auto& view) {
            for (std::size_t chunk = 0; chunk < layout.chunks(); ++chunk) {
                const std::uint64_t mask =
                    chunk + 1 == layout.chunks() ? tail_mask(options.length) : ~std::uint64_t{0};
                accumulate(
                    engine, panels, chunk, band, false,
                    [&](std::size_t image_row, std::uint64_t* out) {
                        encoder.encode(
                            engine.kernels, key_base, image_row, layout.first_word(chunk),
                            layout.chunk_words(chunk), mask,
                            [&](std::size_t i) { return threshold(coded(view(row, i))); }, out);
                    },
                    ring);
            }
        },
        samples);
    scratch.rewind(mark);
}

void Conv2dState::encode_and_sum(const Samples& samples, const SampleBlock& block) const {
    for (std::size_t r = 0; r < row_count(samples); ++r)
        encode_band(block.engine, samples, r, block.key_bases[r],
                    {0, geometry.output.y, block.counters + r * counters()}, block.scratch);
}

void Conv2dState::sum_streams(const StreamView& streams, const SampleBlock& block) const {
    const SignedPanels& panels = drawn->panels();
    const WeightLayout& layout = panels.layout();
    const Conv2dOptions& o = geometry.options;
    auto* ring = block.scratch.take<std::uint64_t>(ring_words(layout.chunk_words(0)));
    for (std::size_t r = 0; r < streams.rows; ++r)
        for (std::size_t chunk = 0; chunk < layout.chunks(); ++chunk) {
            const std::size_t words = layout.chunk_words(chunk);
            const auto copy_row = [&](std::size_t image_row, std::uint64_t* row) {
                for (std::size_t group = 0; group < o.groups; ++group) {
                    row += o.padding.x * geometry.group_channels * words;
                    for (std::size_t x = 0; x < o.width; ++x)
                        for (std::size_t c = 0; c < geometry.group_channels; ++c, row += words) {
                            const std::size_t channel = group * geometry.group_channels + c;
                            const std::size_t index =
                                (channel * o.height + image_row) * o.width + x;
                            std::copy_n(streams.stream(r, index) + layout.first_word(chunk), words,
                                        row);
                        }
                    row += o.padding.x * geometry.group_channels * words;
                }
            };
            accumulate(block.engine, panels, chunk,
                       {0, geometry.output.y, block.counters + r * counters()}, false, copy_row,
                       ring);
        }
}

void Conv2dState::finish(std::int64_t* counters, const MatrixView<double>& outputs) const {
    for (std::size_t r = 0; r < outputs.rows; ++r)
        finish_band({0, geometry.output.y, counters + r * this->counters()},
                    outputs.rows_from(r, 1));
}

// Where there are fewer samples than threads, an image is cut into bands of output rows, each of
// which encodes all rows that it needs.
void Conv2dState::run(const ExecutionContext& context, const Samples& samples,
                      const MatrixView<double>& outputs, const ForwardNames& names,
                      Job& job) const {
    const std::size_t total = row_count(samples);
    const std::size_t workers = workers_for(context.threads(), nanoseconds(total));
    const std::size_t bands =
        total >= workers ? 1 : std::min(geometry.output.y, ceil_div(workers, total));
    const std::size_t band_rows = ceil_div(geometry.output.y, bands);
    const std::size_t band_counters = counters_of(band_rows);
    const Engine engine{context.kernels(), job};
    const std::size_t bytes = scratch_bytes(1) + Scratch::bytes<std::int64_t>(band_counters);
    if (total * bands > 1) context.reserve_scratch(std::min(total * bands, workers), bytes);
    context.parallel_for(total * bands, [&](std::size_t piece) {
        const std::size_t r = piece / bands;
        const std::size_t first = std::min(piece % bands * band_rows, geometry.output.y);
        const std::size_t end = std::min(first + band_rows, geometry.output.y);
        Scratch scratch = context.scratch(bytes);
        const Band band{first, end, scratch.take<std::int64_t>(band_counters)};
        std::fill_n(band.counters, band_counters, 0);
        encode_band(engine, samples, r, sample_key(names, r), band, scratch);
        finish_band(band, outputs.rows_from(r, 1));
        if (end == geometry.output.y && first < end) job.add_done(1);
    });
}

void Conv2dState::pull_back(const double*, const double* gradient, const double* values,
                            double* out) const {
    const Conv2dOptions& o = geometry.options;
    for (std::size_t n = 0; n < outputs(); ++n) {
        const std::size_t f = n / shape.positions;
        const std::size_t y = n % shape.positions / geometry.output.x;
        const std::size_t x = n % geometry.output.x;
        const auto [first_ky, end_ky] = geometry.rows_inside(y);
        const auto [first_kx, end_kx] = geometry.columns_inside(x);
        for (std::size_t c = 0; c < geometry.group_channels; ++c)
            for (std::size_t ky = first_ky; ky < end_ky; ++ky)
                for (std::size_t kx = first_kx; kx < end_kx; ++kx) {
                    const std::size_t channel =
                        f / geometry.group_filters * geometry.group_channels + c;
                    const std::size_t row = channel * o.height + geometry.image_row(y, ky);
                    const std::size_t column = x * o.stride.x + kx * o.dilation.x - o.padding.x;
                    out[row * o.width + column] +=
                        gradient[n] *
                        values[f * shape.fan_in + (c * o.kernel.y + ky) * o.kernel.x + kx];
                }
    }
}

void Conv2dState::expect_sums(const kernels::KernelTable& kernels, const double* x,
                              const double* values, double* sums) const {
    const Conv2dOptions& o = geometry.options;
    std::vector<double> patch(shape.fan_in);
    for (std::size_t group = 0; group < o.groups; ++group)
        for (std::size_t position = 0; position < shape.positions; ++position) {
            const std::size_t oy = position / geometry.output.x;
            const std::size_t ox = position % geometry.output.x;
            const auto [first_ky, end_ky] = geometry.rows_inside(oy);
            const auto [first_kx, end_kx] = geometry.columns_inside(ox);
            std::ranges::fill(patch, 0.0);
            for (std::size_t c = 0; c < geometry.group_channels; ++c)
                for (std::size_t ky = first_ky; ky < end_ky; ++ky)
                    for (std::size_t kx = first_kx; kx < end_kx; ++kx) {
                        const std::size_t row = (group * geometry.group_channels + c) * o.height +
                                                geometry.image_row(oy, ky);
                        const std::size_t column =
                            ox * o.stride.x + kx * o.dilation.x - o.padding.x;
                        patch[(c * o.kernel.y + ky) * o.kernel.x + kx] = x[row * o.width + column];
                    }
            for (std::size_t f = group * geometry.group_filters;
                 f < (group + 1) * geometry.group_filters; ++f)
                sums[f * shape.positions + position] =
                    kernels.dot_f64(patch.data(), values + f * shape.fan_in, shape.fan_in);
        }
}

}  // namespace bitaxon
