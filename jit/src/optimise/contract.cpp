#include "contract.hpp"

#include <fmt/format.h>

namespace bitaxon::jit::rewrite {
namespace {

bool is_sum(const Node& node) noexcept {
    return (node.op == Op::add || node.op == Op::sub) && is_float(node.type);
}

bool is_product(const Node& node) noexcept { return node.op == Op::mul; }

}  // namespace

Fusions::Fusions(const Graph& graph, std::span<const NodeId> roots, bool into_every_use)
    : needed_(reachable(graph, roots)), uses_(graph.size(), 0), fused_(graph.size(), 0),
      operand_(graph.size(), -1) {
    for (const NodeId root : roots) {
        ++uses_[root];
    }
    for (const NodeId id : needed_) {
        for (const NodeId argument : graph[id].arguments()) {
            ++uses_[argument];
        }
    }
    fuse_products_with_one_use(graph);
    if (into_every_use) {
        fuse_products_of_sums_only(graph);
    }
}

void Fusions::fuse_products_with_one_use(const Graph& graph) {
    for (const NodeId id : needed_) {
        const Node& node = graph[id];
        if (!is_sum(node)) {
            continue;
        }
        for (signed char i = 0; i < 2; ++i) {
            const NodeId operand = node.args[static_cast<std::size_t>(i)];
            if (is_product(graph[operand]) && uses_[operand] == 1) {
                fused_[operand] = 1;
                operand_[id] = i;
                break;
            }
        }
    }
}

void Fusions::fuse_products_of_sums_only(const Graph& graph) {
    // Sums that could take a product, listed by product: a product with all of its uses in its list
    // is fused unless another product took one of these sums before.
    struct Link {
        NodeId sum;
        std::uint32_t next;
    };
    constexpr std::uint32_t kEnd = 0xffffffff;
    std::vector<std::uint32_t> first(graph.size(), kEnd);
    std::vector<std::uint32_t> links_of(graph.size(), 0);
    std::vector<Link> links;
    for (const NodeId id : needed_) {
        const Node& node = graph[id];
        if (!is_sum(node) || operand_[id] >= 0 || node.args[0] == node.args[1]) {
            continue;
        }
        for (std::size_t i = 0; i < 2; ++i) {
            const NodeId operand = node.args[i];
            if (is_product(graph[operand])) {
                links.push_back({id, first[operand]});
                first[operand] = static_cast<std::uint32_t>(links.size() - 1);
                ++links_of[operand];
            }
        }
    }
    for (const NodeId product : needed_) {
        if (links_of[product] == 0 || links_of[product] != uses_[product]) {
            continue;
        }
        bool all_free = true;
        for (std::uint32_t link = first[product]; link != kEnd; link = links[link].next) {
            all_free = all_free && operand_[links[link].sum] < 0;
        }
        if (!all_free) {
            continue;
        }
        fused_[product] = 1;
        for (std::uint32_t link = first[product]; link != kEnd; link = links[link].next) {
            const NodeId sum = links[link].sum;
            operand_[sum] = graph[sum].args[0] == product ? 0 : 1;
        }
    }
}

namespace {

// The fused operation for `product` as the operand number `operand` of `sum`.
Op fused_operation(Op sum, int operand) noexcept {
    if (sum == Op::add) {
        return Op::fma;
    }
    return operand == 0 ? Op::fms : Op::fnma;
}

// -(a*b) that nobody else uses.
bool is_negated_product(const Graph& graph, std::span<const std::uint32_t> uses,
                        NodeId id) noexcept {
    const Node& node = graph[id];
    return node.op == Op::negate && uses[id] == 1 && is_product(graph[node.args[0]]) &&
           uses[node.args[0]] == 1;
}

// -(a*b) - c becomes (-a)*b - c, so that the product can be fused; no bit changes. Nothing if there
// is none.
std::optional<Rewritten> sink_negations(const Graph& source, std::span<const NodeId> roots) {
    if (!source.contains(Op::negate)) {
        return std::nullopt;
    }
    const std::vector<std::uint32_t> uses = use_counts(source, roots);
    std::vector<char> sinks(source.size(), 0);
    bool any = false;
    for (const NodeId id : reachable(source, roots)) {
        const Node& node = source[id];
        if (is_sum(node) && is_negated_product(source, uses, node.args[0])) {
            sinks[node.args[0]] = 1;
            any = true;
        }
    }
    if (!any) {
        return std::nullopt;
    }
    Rewritten result;
    std::vector<NodeId> image(source.size(), kNoNode);
    for (const NodeId id : reachable(source, roots)) {
        const Node& node = source[id];
        if (sinks[id]) {
            const Node& product = source[node.args[0]];
            const NodeId a = result.graph.make(Op::negate, node.type, {image[product.args[0]]});
            image[id] = result.graph.make(Op::mul, node.type, {a, image[product.args[1]]});
        } else {
            image[id] = copy(result.graph, node, image);
        }
    }
    for (const NodeId root : roots) {
        result.roots.push_back(image[root]);
    }
    return result;
}

Rewritten fuse(const Graph& graph, std::span<const NodeId> roots, bool into_every_use) {
    const Fusions fusions(graph, roots, into_every_use);
    Rewritten result;
    result.graph.reserve(fusions.needed().size());
    std::vector<NodeId> image(graph.size(), kNoNode);
    std::size_t count = 0;
    for (const NodeId id : fusions.needed()) {
        const Node& node = graph[id];
        if (fusions.is_fused(id)) {
            continue;
        }
        if (const int operand = fusions.product_of(id); operand >= 0) {
            const Node& product = graph[node.args[static_cast<std::size_t>(operand)]];
            const NodeId other = node.args[static_cast<std::size_t>(1 - operand)];
            image[id] =
                result.graph.make(fused_operation(node.op, operand), node.type,
                                  {image[product.args[0]], image[product.args[1]], image[other]});
            ++count;
            continue;
        }
        image[id] = copy(result.graph, node, image);
    }
    for (const NodeId root : roots) {
        result.roots.push_back(image[root]);
    }
    if (count > 0) {
        result.applied.push_back(fmt::format("a*b + c -> fma(a, b, c), {} times", count));
    }
    return result;
}

}  // namespace

Rewritten contract(const Graph& source, std::span<const NodeId> roots, bool into_every_use) {
    if (const auto sunk = sink_negations(source, roots)) {
        return fuse(sunk->graph, sunk->roots, into_every_use);
    }
    return fuse(source, roots, into_every_use);
}

}  // namespace bitaxon::jit::rewrite
