#include "graph_state.hpp"

#include <bitaxon/core/error.hpp>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <array>
#include <cmath>
#include <numeric>

namespace bitaxon {
namespace {

constexpr std::array<std::string_view, 3> kAggregates = {"sum", "mean", "gcn"};

LayerShape shape_of(const GraphOptions& o) {
    check_size("nodes", o.nodes);
    check_size("features", o.features);
    check_size("neurons", o.neurons);
    std::size_t values = 0;
    if (__builtin_mul_overflow(o.nodes, std::max(o.features, o.neurons), &values) ||
        values > kMaxIndex)
        throw_error(ErrorCode::invalid_shape, "nodes * features",
                    fmt::format("{} * {}", o.nodes, std::max(o.features, o.neurons)),
                    "a number that fits in memory");
    return {.inputs = o.nodes * o.features,
            .rows = o.neurons,
            .fan_in = o.features,
            .positions = o.nodes,
            .rows_inside = true};
}

Edges identity(std::size_t nodes) {
    Edges result;
    result.offsets.resize(nodes + 1);
    std::iota(result.offsets.begin(), result.offsets.end(), std::uint64_t{0});
    result.sources.assign(result.offsets.begin(), result.offsets.end() - 1);
    result.coefficients.assign(nodes, 1.0);
    return result;
}

void check_offsets(const Adjacency& a, std::size_t nodes) {
    if (a.offsets.size() != nodes + 1)
        throw_error(ErrorCode::invalid_shape, "offsets", fmt::format("{} values", a.offsets.size()),
                    fmt::format("{} (nodes + 1)", nodes + 1));
    if (a.offsets.front() != 0)
        throw_error(ErrorCode::invalid_value, "offsets[0]", fmt::format("{}", a.offsets.front()),
                    "0");
    for (std::size_t i = 0; i < nodes; ++i)
        if (a.offsets[i + 1] < a.offsets[i])
            throw_error(ErrorCode::invalid_value, fmt::format("offsets[{}]", i + 1),
                        fmt::format("{}", a.offsets[i + 1]),
                        fmt::format("at least {}, the one before", a.offsets[i]));
    if (a.offsets.back() != a.sources.size())
        throw_error(ErrorCode::invalid_shape, "sources", fmt::format("{} values", a.sources.size()),
                    fmt::format("{} (the last offset)", a.offsets.back()));
    if (!a.values.empty() && a.values.size() != a.sources.size())
        throw_error(ErrorCode::invalid_shape, "values", fmt::format("{} values", a.values.size()),
                    fmt::format("{} (edges), or none", a.sources.size()));
}

Edges read_adjacency(const Adjacency& a, std::size_t nodes, Aggregate aggregate) {
    if (a.offsets.empty() && a.sources.empty() && a.values.empty()) return identity(nodes);
    check_offsets(a, nodes);
    const bool is_signed = aggregate == Aggregate::sum;
    for (std::size_t i = 0; i < nodes; ++i)
        for (std::size_t e = a.offsets[i]; e < a.offsets[i + 1]; ++e) {
            const std::uint64_t source = a.sources[e];
            if (source >= nodes)
                throw_error(ErrorCode::invalid_value, fmt::format("sources[{}]", e),
                            fmt::format("{}", source),
                            fmt::format("a number below {} (nodes)", nodes));
            if (e > a.offsets[i] && source <= a.sources[e - 1])
                throw_error(ErrorCode::invalid_value, fmt::format("sources[{}]", e),
                            fmt::format("{}", source),
                            fmt::format("more than {}, the one before in the same row: rows are "
                                        "sorted and name no node twice",
                                        a.sources[e - 1]));
            if (a.values.empty()) continue;
            if (!std::isfinite(a.values[e]) || (a.values[e] < 0.0 && !is_signed))
                throw_error(ErrorCode::invalid_value, fmt::format("values[{}]", e),
                            fmt::format("{}", a.values[e]),
                            is_signed ? std::string("a finite number")
                                      : fmt::format("a finite number of at least 0 (aggregate {})",
                                                    name(aggregate)));
        }
    Edges result{{a.offsets.begin(), a.offsets.end()},
                 {a.sources.begin(), a.sources.end()},
                 {a.values.begin(), a.values.end()}};
    if (a.values.empty()) result.coefficients.assign(a.sources.size(), 1.0);
    return result;
}

// A + I, sorted as A is.
Edges with_loops(const Edges& a) {
    Edges result;
    const std::size_t nodes = a.offsets.size() - 1;
    result.sources.reserve(a.sources.size() + nodes);
    result.coefficients.reserve(a.sources.size() + nodes);
    result.offsets = {0};
    for (std::size_t i = 0; i < nodes; ++i) {
        const auto begin = a.sources.begin() + static_cast<std::ptrdiff_t>(a.offsets[i]);
        const auto end = a.sources.begin() + static_cast<std::ptrdiff_t>(a.offsets[i + 1]);
        const auto loop = std::lower_bound(begin, end, i) - a.sources.begin();
        const auto append = [&](std::size_t first, std::size_t last) {
            for (std::size_t e = first; e < last; ++e) {
                result.sources.push_back(a.sources[e]);
                result.coefficients.push_back(a.coefficients[e]);
            }
        };
        const auto place = static_cast<std::size_t>(loop);
        append(a.offsets[i], place);
        if (place < a.offsets[i + 1] && a.sources[place] == i) {
            result.sources.push_back(i);
            result.coefficients.push_back(a.coefficients[place] + 1.0);
            append(place + 1, a.offsets[i + 1]);
        } else {
            result.sources.push_back(i);
            result.coefficients.push_back(1.0);
            append(place, a.offsets[i + 1]);
        }
        result.offsets.push_back(result.sources.size());
    }
    return result;
}

std::shared_ptr<const Edges> aggregated(const std::shared_ptr<const Edges>& adjacency,
                                        Aggregate aggregate) {
    if (aggregate == Aggregate::sum) return adjacency;
    Edges edges = aggregate == Aggregate::gcn ? with_loops(*adjacency) : *adjacency;
    const std::size_t nodes = edges.offsets.size() - 1;
    std::vector<double> degrees(nodes);
    for (std::size_t i = 0; i < nodes; ++i)
        for (std::size_t e = edges.offsets[i]; e < edges.offsets[i + 1]; ++e)
            degrees[i] += edges.coefficients[e];
    constexpr double kMostDegree = 1e150;  // whose square is finite
    for (std::size_t i = 0; i < nodes; ++i)
        if (degrees[i] > kMostDegree)
            throw_error(ErrorCode::invalid_value, fmt::format("values of row {}", i),
                        fmt::format("a sum of {}", degrees[i]), "at most 1e150");
    for (std::size_t i = 0; i < nodes; ++i)
        for (std::size_t e = edges.offsets[i]; e < edges.offsets[i + 1]; ++e) {
            // The root of the product, so that a node with itself alone counts for exactly 1.
            const double degree = aggregate == Aggregate::mean
                                      ? degrees[i]
                                      : std::sqrt(degrees[i] * degrees[edges.sources[e]]);
            // A row of zeros has no mean: its node takes zeros.
            if (degree > 0.0) edges.coefficients[e] /= degree;
        }
    return std::make_shared<const Edges>(std::move(edges));
}

const GraphState& graph_state(const Layer& layer) {
    return state_of_kind<GraphState>(layer, "a GraphLayer");
}

}  // namespace

std::string_view name(Aggregate aggregate) noexcept {
    return kAggregates[static_cast<std::size_t>(aggregate)];
}

Aggregate parse_aggregate(std::string_view text) {
    for (std::size_t k = 0; k < kAggregates.size(); ++k)
        if (kAggregates[k] == text) return static_cast<Aggregate>(k);
    throw_error(ErrorCode::invalid_value, "aggregate", fmt::format("'{}'", text),
                fmt::format("one of {}", fmt::join(kAggregates, ", ")));
}

GraphState::GraphState(const GraphOptions& o, const Adjacency& a, MatrixView<const double> matrix,
                       std::span<const double> biases)
    : KindOf(shape_of(o), common_options(o), matrix, biases), aggregate(o.aggregate),
      adjacency(std::make_shared<const Edges>(read_adjacency(a, o.nodes, o.aggregate))),
      edges(aggregated(adjacency, o.aggregate)) {}

Sizes GraphState::sizes() const {
    return {{"nodes", nodes()},
            {"features", shape.fan_in},
            {"neurons", shape.rows},
            {"aggregate", static_cast<std::size_t>(aggregate)}};
}

std::vector<NamedArray> GraphState::arrays() const {
    return {{"offsets", adjacency->offsets},
            {"sources", adjacency->sources},
            {"values", adjacency->coefficients}};
}

std::string GraphState::call() const {
    return fmt::format("GraphLayer({}, {}, {}, adjacency=<{} edges>, aggregate='{}'", nodes(),
                       shape.fan_in, shape.rows, adjacency->sources.size(), name(aggregate));
}

GraphLayer::GraphLayer(const GraphOptions& options, const Adjacency& adjacency,
                       MatrixView<const double> weights, std::span<const double> bias,
                       const ExecutionContext& context)
    : Layer(draw_state<GraphState>(context, options, adjacency, weights, bias)) {}

GraphLayer::GraphLayer(const GraphOptions& options, const Adjacency& adjacency,
                       std::span<const double> weights, std::span<const double> bias,
                       const ExecutionContext& context)
    : GraphLayer(options, adjacency,
                 as_rows(weights, options.neurons, options.features, "neurons * features"), bias,
                 context) {}

GraphOptions graph_options(const Layer& layer) {
    const GraphState& state = graph_state(layer);
    return with_common(GraphOptions{.nodes = state.shape.positions,
                                    .features = state.shape.fan_in,
                                    .neurons = state.shape.rows,
                                    .aggregate = state.aggregate},
                       state.options);
}

Adjacency graph_adjacency(const Layer& layer) {
    const Edges& edges = *graph_state(layer).adjacency;
    return {edges.offsets, edges.sources, edges.coefficients};
}

}  // namespace bitaxon
