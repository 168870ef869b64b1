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

// Walks what the roots need depth first, because replacements break the ascending order.
class Substitution {
  public:
    Substitution(const Graph& source, std::span<const NodeId> replacement)
        : source_(source), replacement_(replacement), image_(source.size(), kNoNode),
          open_(source.size(), 0) {}

    /// The node that stands for `root` in the new graph; kNoNode if that is defined by itself.
    NodeId build(NodeId root) {
        stack_.push_back(resolve(root));
        while (!stack_.empty()) {
            const NodeId id = stack_.back();
            if (image_[id] != kNoNode) {
                stack_.pop_back();
            } else if (open_[id]) {
                make(id);
            } else if (open_[id] = 1; !push_arguments(id)) {
                return kNoNode;
            }
        }
        return image_[resolve(root)];
    }

    Graph take() { return std::move(graph_); }

  private:
    NodeId resolve(NodeId id) const {
        while (id < replacement_.size() && replacement_[id] != kNoNode) {
            id = replacement_[id];
        }
        return id;
    }

    // False where an argument waits for the node itself.
    bool push_arguments(NodeId id) {
        const auto arguments = source_[id].arguments();
        for (std::size_t i = arguments.size(); i-- > 0;) {
            const NodeId argument = resolve(arguments[i]);
            if (image_[argument] == kNoNode) {
                if (open_[argument]) {
                    return false;
                }
                stack_.push_back(argument);
            }
        }
        return true;
    }

    void make(NodeId id) {
        const Node& node = source_[id];
        std::array<NodeId, kMaxArguments> arguments{};
        for (std::size_t i = 0; i < node.count; ++i) {
            arguments[i] = image_[resolve(node.args[i])];
        }
        image_[id] = graph_.make(node.op, node.type, {arguments.data(), node.count}, node.payload);
    }

    const Graph& source_;
    std::span<const NodeId> replacement_;
    std::vector<NodeId> image_;
    std::vector<char> open_;
    std::vector<NodeId> stack_;
    Graph graph_;
};

std::vector<NodeId> externals(const Graph& graph, std::span<const NodeId> roots) {
    std::vector<NodeId> calls = reachable(graph, roots);
    std::erase_if(calls, [&](NodeId id) { return graph[id].op != Op::external; });
    return calls;
}

}  // namespace

std::optional<Rewritten> substitute(const Graph& source, std::span<const NodeId> roots,
                                    std::span<const NodeId> replacement) {
    Substitution substitution(source, replacement);
    for (const NodeId call : externals(source, roots)) {
        if (substitution.build(call) == kNoNode) {
            return std::nullopt;
        }
    }
    Rewritten result;
    for (const NodeId root : roots) {
        result.roots.push_back(substitution.build(root));
        if (result.roots.back() == kNoNode) {
            return std::nullopt;
        }
    }
    result.graph = substitution.take();
    return result;
}

std::size_t count_externals(const Graph& graph, std::span<const NodeId> roots) {
    return externals(graph, roots).size();
}

}  // namespace bitaxon::jit::rewrite
