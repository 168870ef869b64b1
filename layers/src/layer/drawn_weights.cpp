#include "drawn_weights.hpp"

#include <bitaxon/core/files.hpp>

#include <algorithm>
#include <cmath>

namespace bitaxon {

using kernels::kGroupWords;
using kernels::kPanelNeurons;

WeightLayout::WeightLayout(std::size_t streams, std::size_t segments, std::size_t words_per_stream,
                           std::size_t chunk_words, std::vector<std::size_t> places,
                           std::size_t group_rows)
    : streams_(streams), segments_(segments),
      segment_streams_((places.empty() ? streams : *std::ranges::max_element(places) + 1) /
                       segments),
      words_per_stream_(words_per_stream), chunk_words_(chunk_words), places_(std::move(places)),
      group_rows_(group_rows) {}

std::size_t WeightLayout::row_words() const noexcept {
    const std::size_t last = chunks() - 1;
    return start(last, 0) + segments_ * segment_words(last);
}

namespace {

std::size_t round_to_panels(std::size_t rows) {
    return (rows + kPanelNeurons - 1) / kPanelNeurons * kPanelNeurons;
}

}  // namespace

std::size_t WeightLayout::panel_rows(std::size_t rows) const noexcept {
    return group_rows_ == 0 ? rows : rows / group_rows_ * round_to_panels(group_rows_);
}

std::size_t WeightLayout::panel_row(std::size_t row) const noexcept {
    if (group_rows_ == 0) return row;
    return row / group_rows_ * round_to_panels(group_rows_) + row % group_rows_;
}

std::optional<std::size_t> WeightLayout::row_at(std::size_t panel_row,
                                                std::size_t rows) const noexcept {
    const std::size_t group = group_rows_ == 0 ? rows : group_rows_;
    const std::size_t padded = round_to_panels(group);
    if (panel_row % padded >= group) return std::nullopt;
    return panel_row / padded * group + panel_row % padded;
}

SignedPanels::SignedPanels(std::size_t rows, WeightLayout layout, bool with_signs)
    : layout_(std::move(layout)), words_(layout_.panel_rows(rows), layout_.row_words()),
      sign_stride_(layout_.row_words() / kGroupWords * kPanelNeurons) {
    if (!with_signs) return;
    signs_.resize(round_to_panels(words_.neurons()) / kPanelNeurons * sign_stride_);
    negatives_.resize(rows * layout_.segments());
}

void SignedPanels::write(const ExecutionContext& context, std::size_t row, std::size_t stream,
                         const std::uint64_t* words, bool negative) {
    for (std::size_t chunk = 0; chunk < layout_.chunks(); ++chunk) {
        context.check();  // each may be the first to touch a page
        const std::size_t first = layout_.start_of(chunk, stream);
        const std::size_t count = layout_.chunk_words(chunk);
        words_.write(layout_.panel_row(row), first, words + layout_.first_word(chunk), count);
        if (negative) set_negative(layout_.panel_row(row), first, count);
    }
    if (negative) ++negatives_[row * layout_.segments() + layout_.segment_of(stream)];
}

void SignedPanels::read(std::size_t row, std::size_t stream, std::uint64_t* words) const {
    for (std::size_t chunk = 0; chunk < layout_.chunks(); ++chunk)
        words_.read(layout_.panel_row(row), layout_.start_of(chunk, stream),
                    words + layout_.first_word(chunk), layout_.chunk_words(chunk));
}

void SignedPanels::read_segment(std::size_t row, std::size_t chunk, std::size_t segment,
                                std::uint64_t* words) const {
    words_.read(layout_.panel_row(row), layout_.start(chunk, segment), words,
                layout_.segment_words(chunk));
}

void SignedPanels::set_negative(std::size_t row, std::size_t first, std::size_t count) {
    std::uint8_t* panel = signs_.data() + row / kPanelNeurons * sign_stride_ + row % kPanelNeurons;
    for (std::size_t k = first; k < first + count; ++k)
        panel[k / kGroupWords * kPanelNeurons] |= static_cast<std::uint8_t>(1u << k % kGroupWords);
}

kernels::DenseProduct SignedPanels::slice(std::size_t first_row, std::size_t row_count,
                                          std::size_t first, std::size_t count) const noexcept {
    const std::size_t begin = layout_.panel_row(first_row);
    kernels::DenseProduct product = words_.slice(begin, row_count, first, count);
    if (has_signs()) {
        product.sign_stride = sign_stride_;
        product.signs = signs_.data() + begin / kPanelNeurons * sign_stride_ +
                        first / kGroupWords * kPanelNeurons;
    }
    return product;
}

DrawnWeights::DrawnWeights(const ExecutionContext& context, const WeightDraw& draw)
    : rows_(draw.rows), panels_(draw.rows, draw.layout, draw.coding == Coding::split_unipolar),
      values_(draw.rows * draw.layout.streams()) {
    const std::uint64_t base = key_base(draw.seed, draw.layer, Role::weight, draw.redraws);
    const kernels::KernelTable& kernels = context.kernels();
    const std::size_t streams = draw.layout.streams();
    const std::size_t words_per_stream = draw.layout.words_per_stream();

    // Runs of streams of one row, so that the scratch stays small whatever the length.
    constexpr std::size_t kRunWords = 1 << 14;
    const std::size_t run = std::clamp<std::size_t>(kRunWords / words_per_stream, 1, streams);
    // Rows of one panel share the bytes of its signs, so a piece is a panel.
    const std::size_t panel_rows = draw.layout.panel_rows(draw.rows);
    context.parallel_for(round_to_panels(panel_rows) / kPanelNeurons, [&](std::size_t panel) {
        std::vector<std::uint64_t> key_a(run), key_b(run), thresholds(run);
        AlignedWords scratch(run * words_per_stream);
        const std::size_t end = std::min(panel_rows, (panel + 1) * kPanelNeurons);
        for (std::size_t place = panel * kPanelNeurons; place < end; ++place) {
            const std::optional<std::size_t> at = draw.layout.row_at(place, draw.rows);
            if (!at) continue;
            const std::size_t row = *at;
            for (std::size_t first = 0; first < streams; first += run) {
                const std::size_t count = std::min(run, streams - first);
                const std::size_t flat = row * streams + first;
                for (std::size_t i = 0; i < count; ++i) {
                    const double value = draw.weights[flat + i] / draw.weight_scale;
                    thresholds[i] = threshold(draw.coding == Coding::bipolar ? (value + 1.0) * 0.5
                                                                             : std::abs(value));
                }
                kernels.stream_keys(base, flat, count, key_a.data(), key_b.data());
                const std::size_t all = count * words_per_stream;
                for (std::size_t word = 0; word < all; word += kRunWords) {
                    context.check();
                    kernels.encode_bernoulli({.key_a = key_a.data(),
                                              .key_b = key_b.data(),
                                              .thresholds = thresholds.data(),
                                              .words_per_stream = words_per_stream,
                                              .first_time_word = 0,
                                              .tail_mask = tail_mask(draw.length),
                                              .first_word = word,
                                              .words = std::min(kRunWords, all - word),
                                              .out = scratch.data() + word});
                }
                for (std::size_t i = 0; i < count; ++i) {
                    const std::uint64_t* words = scratch.data() + i * words_per_stream;
                    const std::uint64_t ones = kernels.popcount(words, words_per_stream);
                    const double share =
                        static_cast<double>(ones) / static_cast<double>(draw.length);
                    const bool negative =
                        draw.coding == Coding::split_unipolar && draw.weights[flat + i] < 0;
                    values_[flat + i] = draw.coding == Coding::bipolar ? 2.0 * share - 1.0
                                        : negative                     ? -share
                                                                       : share;
                    panels_.write(context, row, first + i, words, negative);
                }
            }
        }
    });
}

const SignedPanels& DrawnWeights::by_time(const ExecutionContext& context) const {
    const std::lock_guard lock(by_time_mutex_);
    if (by_time_) return *by_time_;
    const WeightLayout& layout = panels_.layout();
    auto result = std::make_unique<SignedPanels>(rows_, layout.by_time(), panels_.has_signs());
    std::vector<std::uint64_t> words(layout.words_per_stream());
    for (std::size_t row = 0; row < rows_; ++row)
        for (std::size_t stream = 0; stream < layout.streams(); ++stream) {
            panels_.read(row, stream, words.data());
            // -0 stands for a negative weight whose stream has no ones.
            const bool negative =
                panels_.has_signs() && std::signbit(values_[row * layout.streams() + stream]);
            result->write(context, row, stream, words.data(), negative);
        }
    // Whoever came here meanwhile may read the first one already.
    if (!by_time_) by_time_ = std::move(result);
    return *by_time_;
}

std::string DrawnWeights::checksum(const ExecutionContext& context) const {
    const std::size_t per_stream = panels_.layout().words_per_stream();
    const std::size_t streams = panels_.layout().streams();
    std::vector<std::string> sums(rows_);
    context.parallel_for((rows_ + kPanelNeurons - 1) / kPanelNeurons, [&](std::size_t panel) {
        std::vector<std::uint64_t> words(streams * per_stream);
        const std::size_t end = std::min(rows_, (panel + 1) * kPanelNeurons);
        for (std::size_t row = panel * kPanelNeurons; row < end; ++row) {
            for (std::size_t stream = 0; stream < streams; ++stream) {
                context.check();
                panels_.read(row, stream, words.data() + stream * per_stream);
            }
            sums[row] = bitaxon::checksum(std::as_bytes(std::span(words)));
        }
    });
    std::string all;
    for (const std::string& sum : sums) all += sum;
    return bitaxon::checksum(std::as_bytes(std::span(all)));
}

}  // namespace bitaxon
