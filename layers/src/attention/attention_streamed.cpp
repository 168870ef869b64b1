// Attention a word of time at a time. Alone, or first in a network, its estimate after some bits is
// what a forward of so many bits gives, computed when it is asked for. After another layer, whose
// estimates change, scores are counted as they come, and each word of the probabilities' streams is
// drawn from the scores until then.
#include "../layer/streamed_layer.hpp"
#include "attention_state.hpp"

#include <algorithm>

namespace bitaxon {
namespace {

class StreamedAttention final : public StreamedLayer {
    // A Fill, which takes scratch.
    auto encoder(std::size_t slot, std::uint64_t bits) const {
        const std::uint64_t* inputs = thresholds_.data() + slot * attention_.inputs();
        return attention_.encoder(
            engine(), bases_[slot], bits, [inputs](std::size_t index) { return inputs[index]; },
            scratch_);
    }

  public:
    StreamedAttention(const ExecutionContext& context, const AttentionState& layer,
                      std::size_t slots, const ForwardNames& names)
        : StreamedLayer(context, layer, slots, names), attention_(layer), scores_(slots),
          scratch_(context.scratch(layer.scratch_bytes(1))) {}

    std::size_t feed(std::size_t slot, const double* values) override {
        if (scores_[slot].empty())
            scores_[slot].resize(attention_.heads() * attention_.queries() * attention_.tokens());
        return StreamedLayer::feed(slot, values);
    }

    void advance(std::uint64_t word, std::span<const std::size_t> active, bool) override {
        for (const std::size_t slot : active) {
            if (scores_[slot].empty()) continue;
            const std::uint64_t bits = 64 * word + bits_in(word);
            const std::size_t mark = scratch_.used();
            const auto fill = encoder(slot, bits);
            for_blocks(bits, [&](AttentionState::Part part) {
                const std::size_t block_mark = scratch_.used();
                part.t = word;
                part.words = 1;
                std::int64_t* scores =
                    scores_[slot].data() +
                    (part.head * attention_.queries() + part.first) * attention_.tokens();
                auto* thresholds =
                    scratch_.take<std::uint64_t>(part.queries() * attention_.visible(part));
                attention_.add_scores(engine(), fill, part, scores, scratch_);
                attention_.set_thresholds(part, scores, bits, thresholds, scratch_);
                attention_.add_values(engine(), fill, bases_[slot], part, thresholds, counts(slot),
                                      scratch_);
                scratch_.rewind(block_mark);
            });
            scratch_.rewind(mark);
        }
    }

    void read(std::size_t slot, std::uint64_t bits, double* out) const override {
        std::vector<std::int64_t> sums(attention_.outputs());
        if (scores_[slot].empty()) {
            const std::size_t mark = scratch_.used();
            const auto fill = encoder(slot, bits);
            for_blocks(bits, [&](const AttentionState::Part& part) {
                attention_.attend(engine(), fill, bases_[slot], part, sums.data(), scratch_);
            });
            scratch_.rewind(mark);
        } else {
            std::copy_n(counts_.data() + slot * sums.size(), sums.size(), sums.data());
        }
        for (std::size_t n = 0; n < sums.size(); ++n)
            out[n] = attention_.factor(bits) * static_cast<double>(sums[n]);
    }

  private:
    std::int64_t* counts(std::size_t slot) { return counts_.data() + slot * attention_.outputs(); }

    template <class Visit>
    void for_blocks(std::uint64_t bits, Visit visit) const {
        for (std::size_t head = 0; head < attention_.heads(); ++head)
            for (std::size_t number = 0; number < attention_.blocks(); ++number)
                visit(attention_.block(head, number, bits));
    }

    const AttentionState& attention_;
    std::vector<std::vector<std::int64_t>> scores_;  // of a slot that is fed
    mutable Scratch scratch_;                        // given back after each use
};

}  // namespace

std::unique_ptr<StreamedLayer> AttentionState::streamed(const ExecutionContext& context,
                                                        std::size_t slots,
                                                        const ForwardNames& names) const {
    return std::make_unique<StreamedAttention>(context, *this, slots, names);
}

}  // namespace bitaxon
