// Counts of nodes, and sums of counts over edges. Products come first: a node's features are
// encoded and multiplied once, and edges cost an addition a neuron (docs/adr/0017).
#include "../layer/streamed_layer.hpp"
#include "graph_state.hpp"

#include <algorithm>

namespace bitaxon {
namespace {

constexpr std::size_t kBlockNodes = 128;  // multiplied together
constexpr double kEdgeNanoseconds = 0.5;  // for one neuron

// The base whose stream 0 is stream `index` of another: keys step by 2 G an index.
std::uint64_t base_from(std::uint64_t base, std::uint64_t index) {
    return base + 2 * index * kernels::kGolden;
}

// A row of values as rows of their own.
Samples split_row(const Samples& sample, std::size_t first, std::size_t count,
                  std::size_t columns) {
    return std::visit(
        [=](const auto& view) -> Samples {
            auto rows = view;
            const auto step = static_cast<std::ptrdiff_t>(columns) * view.column_stride;
            rows.data += static_cast<std::ptrdiff_t>(first) * step;
            rows.rows = count;
            rows.columns = columns;
            rows.row_stride = step;
            return rows;
        },
        sample);
}

// Counts of all nodes, a word at a time; keys are made as they are needed, so that a large graph
// needs no more memory than its thresholds and counts.
class StreamedGraph final : public StreamedLayer {
  public:
    StreamedGraph(const ExecutionContext& context, const GraphState& layer, std::size_t slots,
                  const ForwardNames& names)
        : StreamedLayer(context, layer, slots, names), graph_(layer),
          panels_(layer.drawn->by_time(context)), row_words_(padded_words(layer.shape.fan_in)),
          key_a_(layer.shape.fan_in), key_b_(key_a_.size()), rows_(kBlockNodes * row_words_),
          sums_(kBlockNodes * layer.shape.rows) {}

    void advance(std::uint64_t word, std::span<const std::size_t> active, bool) override {
        const LayerShape& shape = graph_.shape;
        for (const std::size_t slot : active)
            for (std::size_t first = 0; first < shape.positions; first += kBlockNodes) {
                const std::size_t count = std::min(kBlockNodes, shape.positions - first);
                for (std::size_t r = 0; r < count; ++r) {
                    const std::size_t stream = (first + r) * shape.fan_in;
                    kernels_.stream_keys(bases_[slot], stream, shape.fan_in, key_a_.data(),
                                         key_b_.data());
                    kernels_.encode_bernoulli({.key_a = key_a_.data(),
                                               .key_b = key_b_.data(),
                                               .thresholds = thresholds(slot) + stream,
                                               .words_per_stream = 1,
                                               .first_time_word = word,
                                               .tail_mask = mask_of(word),
                                               .first_word = 0,
                                               .words = shape.fan_in,
                                               .out = rows_.data() + r * row_words_});
                }
                std::ranges::fill(sums_, 0);
                graph_.multiply(engine(), panels_, rows_.data(), row_words_, count,
                                word * row_words_, row_words_, sums_.data());
                graph_.to_counts(sums_.data(), count, bits_in(word));
                std::int64_t* counts =
                    counts_.data() + slot * graph_.outputs() + first * shape.rows;
                for (std::size_t k = 0; k < count * shape.rows; ++k) counts[k] += sums_[k];
            }
    }

    void read(std::size_t slot, std::uint64_t bits, double* out) const override {
        graph_.collect(counts_.data() + slot * graph_.outputs(), bits, 0, graph_.shape.positions,
                       one_row(std::span(out, graph_.outputs())));
    }

  private:
    const GraphState& graph_;
    const SignedPanels& panels_;
    std::size_t row_words_;  // features, padded
    std::vector<std::uint64_t> key_a_, key_b_;
    AlignedWords rows_;
    std::vector<std::int64_t> sums_;
};

}  // namespace

std::size_t GraphState::block_samples() const {
    return std::clamp<std::size_t>(kBlockNodes / nodes(), 1, kBlockNodes);
}

std::size_t GraphState::scratch_bytes(std::size_t) const {
    return DenseState::scratch_bytes(kBlockNodes) + Scratch::bytes<std::uint64_t>(kBlockNodes);
}

double GraphState::nanoseconds(std::size_t samples) const {
    return State::nanoseconds(samples) +
           kEdgeNanoseconds * static_cast<double>(samples * edges->sources.size() * shape.rows);
}

void GraphState::encode_and_sum_nodes(const Engine& engine, const Samples& sample,
                                      std::uint64_t sample_key, std::size_t first,
                                      std::size_t count, std::int64_t* sums,
                                      Scratch& scratch) const {
    const std::size_t mark = scratch.used();
    auto* bases = scratch.take<std::uint64_t>(count);
    for (std::size_t r = 0; r < count; ++r)
        bases[r] = base_from(sample_key, (first + r) * shape.fan_in);
    encode_and_sum_words(split_row(sample, first, count, shape.fan_in),
                         {engine, bases, sums, scratch}, 0, product_words());
    scratch.rewind(mark);
}

void GraphState::encode_and_sum(const Samples& samples, const SampleBlock& block) const {
    for (std::size_t r = 0; r < row_count(samples); ++r)
        for (std::size_t first = 0; first < nodes(); first += kBlockNodes)
            encode_and_sum_nodes(block.engine, rows_from(samples, r, 1), block.key_bases[r], first,
                                 std::min(kBlockNodes, nodes() - first),
                                 block.counters + r * outputs() + first * shape.rows,
                                 block.scratch);
}

void GraphState::sum_streams(const StreamView& streams, const SampleBlock& block) const {
    const std::size_t mark = block.scratch.used();
    for (std::size_t r = 0; r < streams.rows; ++r)
        for (std::size_t first = 0; first < nodes(); first += kBlockNodes) {
            const StreamView rows{streams.stream(r, first * shape.fan_in),
                                  std::min(kBlockNodes, nodes() - first),
                                  shape.fan_in,
                                  streams.length,
                                  static_cast<std::ptrdiff_t>(shape.fan_in) * streams.stream_stride,
                                  streams.stream_stride};
            DenseState::sum_streams(rows, {block.engine, nullptr,
                                           block.counters + r * outputs() + first * shape.rows,
                                           block.scratch});
            block.scratch.rewind(mark);
        }
}

void GraphState::collect(const std::int64_t* counts, std::uint64_t bits, std::size_t first,
                         std::size_t last, const MatrixView<double>& output) const {
    const double unit = factor(bits);
    std::vector<double> sums(shape.rows);
    for (std::size_t i = first; i < last; ++i) {
        std::ranges::fill(sums, 0.0);
        for (std::size_t e = edges->offsets[i]; e < edges->offsets[i + 1]; ++e) {
            const std::int64_t* row = counts + edges->sources[e] * shape.rows;
            const double coefficient = edges->coefficients[e];
            for (std::size_t n = 0; n < shape.rows; ++n)
                sums[n] += coefficient * static_cast<double>(row[n]);
        }
        for (std::size_t n = 0; n < shape.rows; ++n)
            output(0, i * shape.rows + n) = activate(unit * sums[n] + bias[n]);
    }
}

void GraphState::finish(std::int64_t* counters, const MatrixView<double>& outputs) const {
    to_counts(counters, outputs.rows * nodes(), options.length);
    for (std::size_t r = 0; r < outputs.rows; ++r)
        collect(counters + r * this->outputs(), options.length, 0, nodes(),
                outputs.rows_from(r, 1));
}

// Some samples at a time, as many as keep all threads busy: blocks of nodes are counted, then, when
// all neighbours are, summed over edges.
void GraphState::run(const ExecutionContext& context, const Samples& samples,
                     const MatrixView<double>& outputs, const ForwardNames& names, Job& job) const {
    const std::size_t total = row_count(samples);
    const std::size_t workers = workers_for(context.threads(), nanoseconds(total));
    const std::size_t blocks = ceil_div(nodes(), kBlockNodes);
    const std::size_t window = std::min(
        total, std::max(block_samples(), workers == 1 ? 1 : ceil_div(4 * workers, blocks)));
    const Engine engine{context.kernels(), job};
    const std::size_t bytes = scratch_bytes(1);
    Scratch shared = context.scratch(Scratch::bytes<std::int64_t>(window * this->outputs()));
    auto* counts = shared.take<std::int64_t>(window * this->outputs());
    for (std::size_t first = 0; first < total; first += window) {
        const std::size_t units = std::min(window, total - first) * blocks;
        const std::size_t pieces = std::min(units, workers == 1 ? 1 : 4 * workers);
        // visit(sample of the window, first node, last node)
        const auto for_blocks = [&](auto visit) {
            if (pieces > 1) context.reserve_scratch(std::min(pieces, workers), bytes);
            context.parallel_for(pieces, [&](std::size_t piece) {
                for (std::size_t unit = piece * units / pieces; unit < (piece + 1) * units / pieces;
                     ++unit) {
                    const std::size_t begin = unit % blocks * kBlockNodes;
                    job.check();
                    visit(unit / blocks, begin, std::min(nodes(), begin + kBlockNodes));
                }
            });
        };
        for_blocks([&](std::size_t r, std::size_t begin, std::size_t end) {
            Scratch scratch = context.scratch(bytes);
            std::int64_t* sums = counts + r * this->outputs() + begin * shape.rows;
            std::fill_n(sums, (end - begin) * shape.rows, 0);
            encode_and_sum_nodes(engine, rows_from(samples, first + r, 1),
                                 sample_key(names, first + r), begin, end - begin, sums, scratch);
            to_counts(sums, end - begin, options.length);
        });
        for_blocks([&](std::size_t r, std::size_t begin, std::size_t end) {
            collect(counts + r * this->outputs(), options.length, begin, end,
                    outputs.rows_from(first + r, 1));
        });
        job.add_done(units / blocks);
    }
}

std::unique_ptr<StreamedLayer> GraphState::streamed(const ExecutionContext& context,
                                                    std::size_t slots,
                                                    const ForwardNames& names) const {
    return std::make_unique<StreamedGraph>(context, *this, slots, names);
}

template <class Coefficient>
void GraphState::sum_edges(const kernels::KernelTable& kernels, const double* x,
                           const double* values, double* sums, Coefficient coefficient) const {
    std::vector<double> products(outputs());
    for (std::size_t i = 0; i < nodes(); ++i)
        DenseState::expect_sums(kernels, x + i * shape.fan_in, values,
                                products.data() + i * shape.rows);
    std::fill_n(sums, outputs(), 0.0);
    for (std::size_t i = 0; i < nodes(); ++i, sums += shape.rows)
        for (std::size_t e = edges->offsets[i]; e < edges->offsets[i + 1]; ++e)
            for (std::size_t n = 0; n < shape.rows; ++n)
                sums[n] += coefficient(edges->coefficients[e]) *
                           products[edges->sources[e] * shape.rows + n];
}

void GraphState::expect_sums(const kernels::KernelTable& kernels, const double* x,
                             const double* values, double* sums) const {
    sum_edges(kernels, x, values, sums, [](double a) { return a; });
}

void GraphState::expect_squares(const kernels::KernelTable& kernels, const double* x,
                                const double* values, double* sums) const {
    sum_edges(kernels, x, values, sums, [](double a) { return a * a; });
}

void GraphState::pull_to_products(std::vector<double>& gradient) const {
    std::vector<double> products(outputs());
    for (std::size_t i = 0; i < nodes(); ++i)
        for (std::size_t e = edges->offsets[i]; e < edges->offsets[i + 1]; ++e)
            for (std::size_t n = 0; n < shape.rows; ++n)
                products[edges->sources[e] * shape.rows + n] +=
                    edges->coefficients[e] * gradient[i * shape.rows + n];
    gradient = std::move(products);
}

void GraphState::pull_back(const double*, const double* gradient, const double* values,
                           double* out) const {
    for (std::size_t i = 0; i < nodes(); ++i)
        DenseState::pull_back(nullptr, gradient + i * shape.rows, values, out + i * shape.fan_in);
}

}  // namespace bitaxon
