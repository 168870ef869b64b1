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
  public:
    StreamedAttention(const ExecutionContext& context, const AttentionState& layer,
                      std::size_t slots, std::uint64_t forward_seed, std::uint64_t first_sample)
        : StreamedLayer(context.kernels(), layer, slots), attention_(layer), scores_(slots) {
        for (std::size_t slot = 0; slot < slots; ++slot)
            bases_.push_back(key_base(layer.stream_seed(forward_seed), layer.options.id,
                                      Role::input, first_sample + slot));
    }

    std::size_t feed(std::size_t slot, const double* values) override {
        if (scores_[slot].empty())
            scores_[slot].resize(attention_.heads() * attention_.queries() * attention_.tokens());
        return StreamedLayer::feed(slot, values);
    }

    void advance(std::uint64_t word, std::span<const std::size_t> active, bool) override {
        for (const std::size_t slot : active) {
            if (scores_[slot].empty()) continue;
            const std::uint64_t bits = 64 * word + bits_in(word);
            const AttentionState::Fill fill = encoder(slot, bits);
            for_blocks(bits, [&](AttentionState::Part part) {
                part.t = word;
                part.words = 1;
                std::int64_t* scores =
                    scores_[slot].data() +
                    (part.head * attention_.queries() + part.first) * attention_.tokens();
                std::vector<std::uint64_t> thresholds(part.queries() * attention_.visible(part));
                attention_.add_scores(engine(), fill, part, scores);
                attention_.set_thresholds(part, scores, bits, thresholds.data());
                attention_.add_values(engine(), fill, bases_[slot], part, thresholds.data(),
                                      counts(slot));
            });
        }
    }

    void read(std::size_t slot, std::uint64_t bits, double* out) const override {
        std::vector<std::int64_t> sums(attention_.outputs());
        if (scores_[slot].empty()) {
            const AttentionState::Fill fill = encoder(slot, bits);
            for_blocks(bits, [&](const AttentionState::Part& part) {
                attention_.attend(engine(), fill, bases_[slot], part, sums.data());
            });
        } else {
            std::copy_n(counts_.data() + slot * sums.size(), sums.size(), sums.data());
        }
        for (std::size_t n = 0; n < sums.size(); ++n)
            out[n] = attention_.factor(bits) * static_cast<double>(sums[n]);
    }

  private:
    // Never asked: attention does not stop early.
    double lead_variance(std::size_t, std::size_t, std::uint64_t) const override { return 0.0; }

    Engine engine() const { return {kernels_, job_}; }
    std::int64_t* counts(std::size_t slot) { return counts_.data() + slot * attention_.outputs(); }

    AttentionState::Fill encoder(std::size_t slot, std::uint64_t bits) const {
        const std::uint64_t* inputs = thresholds_.data() + slot * attention_.inputs();
        return attention_.encoder(engine(), bases_[slot], bits,
                                  [inputs](std::size_t index) { return inputs[index]; });
    }

    template <class Visit>
    void for_blocks(std::uint64_t bits, Visit visit) const {
        for (std::size_t head = 0; head < attention_.heads(); ++head)
            for (std::size_t number = 0; number < attention_.blocks(); ++number)
                visit(attention_.block(head, number, bits));
    }

    const AttentionState& attention_;
    const Job job_;
    std::vector<std::uint64_t> bases_;
    std::vector<std::vector<std::int64_t>> scores_;  // of a slot that is fed
};

}  // namespace

std::unique_ptr<StreamedLayer> AttentionState::streamed(const ExecutionContext& context,
                                                        std::size_t slots,
                                                        std::uint64_t forward_seed,
                                                        std::uint64_t first_sample) const {
    return std::make_unique<StreamedAttention>(context, *this, slots, forward_seed, first_sample);
}

}  // namespace bitaxon
