// Attention on bitstreams: products of queries and keys, a softmax, products with values.
#pragma once

#include <bitaxon/layers/layer.hpp>
#include <bitaxon/layers/pool2d.hpp>

#include <optional>

namespace bitaxon {

struct AttentionOptions {
    std::size_t tokens = 0;      ///< that are attended to
    std::size_t heads = 1;       ///< that attend independently
    std::size_t head_width = 0;  ///< numbers of a query, key or value of one head
    /// Tokens that attend, where they are others than those attended to.
    std::optional<std::size_t> queries = {};
    bool causal = false;  ///< token i attends to tokens 0 ... i alone; not with queries
    ValueOptions streams = {.coding = Coding::bipolar};  ///< unipolar or bipolar
};

/// softmax(Q K^T / sqrt(head_width)) V for each head (A. Vaswani and others, Attention is all you
/// need, 2017). A layer without weights: queries, keys and values are its inputs.
///
/// Both products are of streams. Those of Q and K are counted over `length` bits; a softmax of the
/// counts, in numbers, gives probabilities; these are streams, too (unipolar), which open gates to
/// those of V: what passes is counted. A probability of 0, as the causal ones are, passes nothing.
/// Every number has a stream of its own, so no two operands share random bits; streams of
/// probabilities are named after those of the inputs: index inputs() + (head * queries + i) *
/// tokens + j. As a softmax is not linear, its mean over noisy counts is not that of exact ones;
/// they meet as length grows, with 1 / length.
///
/// Values are flat. A row of inputs is that of a token: q (head, column), then k, then v, as one
/// projection to 3 * heads * head_width neurons gives them. With `queries` the rows of the queries
/// come first, then a row (k, v) a token. Outputs are (query, head, column).
///
/// After another layer inputs are encoded within input_range, as Network::calibrate sets it.
/// forward_prepacked draws the probabilities' streams, so its seed and sample count. A last layer
/// of this kind does not stop early.
class Attention : public Layer {
  public:
    /// @throws Error for a size of 0, causal with queries, split-unipolar coding
    explicit Attention(const AttentionOptions& options);
};

/// What a layer that is an Attention was made of (seed is set). @throws Error for another layer
AttentionOptions attention_options(const Layer& layer);

}  // namespace bitaxon
