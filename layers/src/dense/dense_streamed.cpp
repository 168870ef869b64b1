// A dense layer's counts, word by word, and how far each output's lead over the others may move.
#include "../layer/streamed_layer.hpp"
#include "dense_state.hpp"

#include <algorithm>
#include <cmath>

namespace bitaxon {
namespace {

constexpr std::size_t kMomentRows = 2;  // leader's positive and negative weights

class StreamedDense final : public StreamedLayer {
  public:
    StreamedDense(const ExecutionContext& context, const DenseState& layer, std::size_t slots,
                  const ForwardNames& names);

    void advance(std::uint64_t word, std::span<const std::size_t> active,
                 bool with_moments) override;

  private:
    double lead_variance(std::size_t slot, std::size_t n, std::uint64_t) const override {
        return static_cast<double>(moments_[slot * neurons_ + n] + 1) /
               static_cast<double>(moment_bits_[slot]);
    }
    void multiply(std::uint64_t word, const std::uint64_t* rows, std::size_t count,
                  Operation operation, std::int64_t* sums) const;
    void add_moments(std::uint64_t word, std::size_t slot, const std::uint64_t* row,
                     const std::int64_t* increments);

    std::size_t inputs_;
    std::size_t neurons_;
    const SignedPanels& panels_;
    std::size_t row_words_;  // inputs, padded
    std::vector<std::uint64_t> key_a_, key_b_;
    AlignedWords rows_;
    std::vector<std::int64_t> increments_;
    // Of each slot: the bits since its leader leads, and for each neuron the sum over those bits
    // and inputs of (product with the leader's weight - product with the neuron's)^2.
    std::vector<std::uint64_t> moment_bits_;
    std::vector<std::int64_t> moments_;
    AlignedWords leader_rows_;
    std::vector<std::int64_t> moment_sums_;
};

StreamedDense::StreamedDense(const ExecutionContext& context, const DenseState& layer,
                             std::size_t slots, const ForwardNames& names)
    : StreamedLayer(context, layer, slots, names), inputs_(layer.inputs()),
      neurons_(layer.outputs()), panels_(layer.drawn->by_time(context)),
      row_words_(padded_words(inputs_)), key_a_(slots * inputs_), key_b_(key_a_.size()),
      rows_(slots * row_words_), increments_(slots * neurons_), moment_bits_(slots),
      moments_(increments_.size()), leader_rows_((1 + kMomentRows) * row_words_),
      moment_sums_((1 + kMomentRows) * neurons_) {
    for (std::size_t slot = 0; slot < slots; ++slot)
        kernels_.stream_keys(bases_[slot], 0, inputs_, key_a_.data() + slot * inputs_,
                             key_b_.data() + slot * inputs_);
}

void StreamedDense::multiply(std::uint64_t word, const std::uint64_t* rows, std::size_t count,
                             Operation operation, std::int64_t* sums) const {
    kernels::DenseProduct product = panels_.slice(0, neurons_, word * row_words_, row_words_);
    product.rows = rows;
    product.row_stride = row_words_;
    product.row_count = count;
    product.sums = sums;
    product.sums_stride = neurons_;
    std::fill_n(sums, count * neurons_, 0);
    (kernels_.*operation)(product);
    if (operation == &kernels::KernelTable::dense_signed)
        for (std::size_t r = 0; r < count; ++r)
            for (std::size_t n = 0; n < neurons_; ++n)
                sums[r * neurons_ + n] -= 64 * static_cast<std::int64_t>(panels_.negatives(n, 0));
}

void StreamedDense::advance(std::uint64_t word, std::span<const std::size_t> active,
                            bool with_moments) {
    for (std::size_t r = 0; r < active.size(); ++r) {
        const std::size_t first = active[r] * inputs_;
        kernels_.encode_bernoulli({.key_a = key_a_.data() + first,
                                   .key_b = key_b_.data() + first,
                                   .thresholds = thresholds_.data() + first,
                                   .words_per_stream = 1,
                                   .first_time_word = word,
                                   .tail_mask = mask_of(word),
                                   .first_word = 0,
                                   .words = inputs_,
                                   .out = rows_.data() + r * row_words_});
    }
    const Coding coding = layer_.options.coding;
    multiply(word, rows_.data(), active.size(), product_of(coding), increments_.data());
    const auto products = static_cast<std::int64_t>(inputs_ * bits_in(word));
    for (std::size_t r = 0; r < active.size(); ++r) {
        std::int64_t* increments = increments_.data() + r * neurons_;
        std::int64_t* counts = counts_.data() + active[r] * neurons_;
        for (std::size_t n = 0; n < neurons_; ++n) {
            if (coding == Coding::bipolar) increments[n] = products - 2 * increments[n];
            counts[n] += increments[n];
        }
        if (with_moments) add_moments(word, active[r], rows_.data() + r * row_words_, increments);
    }
}

void StreamedDense::add_moments(std::uint64_t word, std::size_t slot, const std::uint64_t* row,
                                const std::int64_t* increments) {
    const std::size_t leads = leader(slot, 64 * word + bits_in(word));
    std::int64_t* moments = moments_.data() + slot * neurons_;
    std::int64_t* own = own_moments_.data() + slot * neurons_;
    if (leads != leaders_[slot]) {
        leaders_[slot] = leads;
        moment_bits_[slot] = 0;
        std::fill_n(moments, neurons_, 0);
    }
    moment_bits_[slot] += bits_in(word);

    std::uint64_t* weights = leader_rows_.data();
    panels_.read_segment(leads, word, 0, weights);
    std::int64_t* sums = moment_sums_.data();
    if (layer_.options.coding == Coding::bipolar) {
        // Products of +-1 differ, by 2, where the weights do, whatever the input.
        multiply(word, weights, 1, &kernels::KernelTable::dense_xor, sums);
        const auto products = static_cast<std::int64_t>(inputs_ * bits_in(word));
        for (std::size_t n = 0; n < neurons_; ++n) {
            moments[n] += 4 * sums[n];
            own[n] += products;
        }
        return;
    }
    // (x u - x v)^2 = x |u| + x |v| - 2 x u v for bits with signs; x u is split by the sign of u.
    std::uint64_t* positive = weights + row_words_;
    std::uint64_t* negative = positive + row_words_;
    std::fill(positive, negative + row_words_, 0);
    const double* values = layer_.drawn->values().data() + leads * inputs_;
    for (std::size_t i = 0; i < inputs_; ++i)
        (std::signbit(values[i]) ? negative : positive)[i] = row[i] & weights[i];
    if (layer_.options.coding == Coding::unipolar) {
        multiply(word, positive, 1, &kernels::KernelTable::dense_and, sums);
        for (std::size_t n = 0; n < neurons_; ++n) {
            moments[n] += increments[leads] + increments[n] - 2 * sums[n];
            own[n] += increments[n];
        }
        return;
    }
    std::int64_t* unsigned_sums = sums + kMomentRows * neurons_;
    multiply(word, positive, kMomentRows, &kernels::KernelTable::dense_signed, sums);
    multiply(word, row, 1, &kernels::KernelTable::dense_and, unsigned_sums);
    for (std::size_t n = 0; n < neurons_; ++n) {
        moments[n] += unsigned_sums[leads] + unsigned_sums[n] - 2 * (sums[n] - sums[neurons_ + n]);
        own[n] += unsigned_sums[n];
    }
}

}  // namespace

std::unique_ptr<StreamedLayer> DenseState::streamed(const ExecutionContext& context,
                                                    std::size_t slots,
                                                    const ForwardNames& names) const {
    return std::make_unique<StreamedDense>(context, *this, slots, names);
}

}  // namespace bitaxon
