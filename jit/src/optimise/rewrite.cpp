#include "rewrite.hpp"

#include <algorithm>

namespace bitaxon::jit::rewrite {

NodeId copy(Graph& graph, const Node& node, std::span<const NodeId> image) {
    std::array<NodeId, kMaxArguments> arguments{};
    for (std::size_t i = 0; i < node.count; ++i) {
        arguments[i] = image[node.args[i]];
    }
    return graph.make(node.op, node.type, {arguments.data(), node.count}, node.payload);
}

namespace {

NodeId resolved(std::span<const NodeId> replacement, NodeId id) {
    while (id < replacement.size() && replacement[id] != kNoNode) {
        id = replacement[id];
    }
    return id;
}

// Depth first, because replacements break the ascending order. Nothing if a node needs itself.
std::optional<std::vector<NodeId>> walk(const Graph& source, std::span<const NodeId> roots,
                                        std::span<const NodeId> replacement) {
    enum : char { unseen, open, done };
    std::vector<char> states(source.size(), unseen);
    std::vector<NodeId> order;
    std::vector<NodeId> stack = externals(source, roots);
    order.reserve(source.size());
    stack.insert(stack.end(), roots.begin(), roots.end());
    std::reverse(stack.begin(), stack.end());
    for (NodeId& id : stack) {
        id = resolved(replacement, id);
    }
    while (!stack.empty()) {
        const NodeId id = stack.back();
        if (states[id] == unseen) {
            states[id] = open;
            const auto arguments = source[id].arguments();
            for (std::size_t i = arguments.size(); i-- > 0;) {
                const NodeId argument = resolved(replacement, arguments[i]);
                if (states[argument] == open) {
                    return std::nullopt;
                }
                if (states[argument] == unseen) {
                    stack.push_back(argument);
                }
            }
            continue;
        }
        if (states[id] == open) {
            states[id] = done;
            order.push_back(id);
        }
        stack.pop_back();
    }
    return order;
}

}  // namespace

std::vector<NodeId> depth_first(const Graph& graph, std::span<const NodeId> roots) {
    return *walk(graph, roots, {});  // without replacements no circle
}

std::optional<Rewritten> substitute(const Graph& source, std::span<const NodeId> roots,
                                    std::span<const NodeId> replacement) {
    const std::optional<std::vector<NodeId>> order = walk(source, roots, replacement);
    if (!order) {
        return std::nullopt;
    }
    Rewritten result;
    result.graph.reserve(order->size());
    std::vector<NodeId> image(source.size(), kNoNode);
    for (const NodeId id : *order) {
        Node node = source[id];
        for (std::size_t i = 0; i < node.count; ++i) {
            node.args[i] = image[resolved(replacement, node.args[i])];
        }
        // Without replacements nodes that differed still do.
        image[id] = replacement.empty()
                        ? result.graph.append(node)
                        : result.graph.make(node.op, node.type, node.arguments(), node.payload);
    }
    for (const NodeId root : roots) {
        result.roots.push_back(image[resolved(replacement, root)]);
    }
    return result;
}

std::vector<NodeId> externals(const Graph& graph, std::span<const NodeId> roots) {
    if (!graph.contains(Op::external)) {
        return {};
    }
    std::vector<NodeId> calls = reachable(graph, roots);
    std::erase_if(calls, [&](NodeId id) { return graph[id].op != Op::external; });
    return calls;
}

}  // namespace bitaxon::jit::rewrite
