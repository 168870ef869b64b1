// A graph convolution on bitstreams: neurons on every node, sums over neighbours.
#pragma once

#include <bitaxon/layers/layer.hpp>

#include <optional>
#include <string_view>
#include <vector>

namespace bitaxon {

/// How a node takes what its neighbours have. Coefficients are made of the adjacency A once.
enum class Aggregate : std::uint8_t {
    sum,   ///< A
    mean,  ///< D^-1 A, D the sums of A's rows; a node without neighbours takes zeros
    gcn,   ///< D^-1/2 (A + I) D^-1/2, D the sums of A + I's rows (T. Kipf, M. Welling, 2017)
};

std::string_view name(Aggregate aggregate) noexcept;
/// @throws Error that lists the names
Aggregate parse_aggregate(std::string_view name);

/// A graph's adjacency matrix, nodes x nodes, as compressed sparse rows: node i takes from nodes
/// sources[offsets[i]] ... sources[offsets[i + 1] - 1], in rising order, times their values.
/// Without offsets the identity: a dense layer on every row of a sample, on each token of a text,
/// say.
struct Adjacency {
    std::span<const std::uint64_t> offsets = {};  ///< nodes + 1
    std::span<const std::uint64_t> sources = {};  ///< one an edge
    std::span<const double> values = {};          ///< one an edge; ones where empty
};

struct GraphOptions {
    std::size_t nodes = 0;
    std::size_t features = 0;  ///< of a node
    std::size_t neurons = 0;   ///< outputs of a node
    Aggregate aggregate = Aggregate::gcn;
    std::uint64_t length = 0;  ///< bits of every stream, 1 ... 2^31
    Coding coding = Coding::unipolar;
    Scale scale = Scale::sum;  ///< mean divides by the features
    Activation activation = Activation::none;
    double input_range = 1.0;
    std::optional<double> weight_scale = {};  ///< as DenseOptions::weight_scale
    std::optional<std::uint64_t> seed = {};   ///< fresh unless given
    std::uint64_t id = 0;
};

/// y_i = activation(sum over edges (i, j) of a_ij * (scale * W x_j) + bias): W x_j are products of
/// streams, counted; the counts are summed over edges with the aggregate's coefficients a_ij, as
/// numbers. A feature is encoded once, however many neighbours its node has, and what is counted
/// for a node is counted once. Codings are those of DenseLayer.
///
/// Values are flat: inputs (node, feature), outputs (node, neuron); so are the streams' indices.
/// All nodes share the weights' streams, so the errors of their outputs move together; `redraw`
/// draws others. Nothing is ever dense: memory is nodes * (features + neurons) + edges.
///
/// A last layer of this kind does not stop early (forward_streamed with Stop::none alone).
class GraphLayer : public Layer {
  public:
    /// weights: neurons x features. bias: one value a neuron, or empty for zeros.
    /// @throws Error for a wrong shape, offsets that fall or do not end with the edges, sources
    /// that do not rise or name no node, values that are not finite (for mean and gcn: negative),
    /// and what DenseLayer throws for
    GraphLayer(const GraphOptions& options, const Adjacency& adjacency,
               MatrixView<const double> weights, std::span<const double> bias = {},
               const ExecutionContext& context = ExecutionContext::shared());

    /// The same for row-major weights.
    GraphLayer(const GraphOptions& options, const Adjacency& adjacency,
               std::span<const double> weights, std::span<const double> bias = {},
               const ExecutionContext& context = ExecutionContext::shared());
};

/// What a layer that is a GraphLayer was made of (weight_scale and seed are set), and its
/// adjacency, with values, for as long as the layer is neither changed nor gone.
/// @throws Error for another layer
GraphOptions graph_options(const Layer& layer);
Adjacency graph_adjacency(const Layer& layer);

}  // namespace bitaxon
