#include "extract.hpp"

#include <algorithm>

namespace bitaxon::jit::rewrite {
namespace {

constexpr std::uint64_t kUnknown = ~std::uint64_t{0};
constexpr std::size_t kMaxTrials = 48;     // graphs built to compare,
constexpr std::size_t kMaxBuilt = 20'000;  // and their nodes, all in all
constexpr std::uint64_t kMaxExtra = 24;    // an alternative's tree may cost so much more

}  // namespace

Extractor::Extractor(const EGraph& egraph, std::span<const ClassId> roots,
                     std::span<const ClassId> externals)
    : egraph_(egraph), roots_(roots.begin(), roots.end()),
      externals_(externals.begin(), externals.end()), chosen_(egraph.size(), kNone),
      tree_cost_(egraph.size(), kUnknown) {
    choose_by_tree();
    auto built = build();  // trees have no circles
    best_ = std::move(*built);
    best_cost_ = rewrite::cost(best_.graph, best_.roots);
    improve();
}

void Extractor::choose_by_tree() {
    constexpr std::uint64_t kLimit = std::uint64_t{1} << 40;  // shared trees grow exponentially
    bool changed = true;
    while (changed) {
        changed = false;
        for (ENodeId id = 0; id < egraph_.size(); ++id) {
            if (!egraph_.is_alive(id)) {
                continue;
            }
            const Node& node = egraph_[id];
            std::uint64_t sum =
                rewrite::cost(node.op) + 1;  // so that a tree costs more than a part
            for (const ClassId argument : node.arguments()) {
                const std::uint64_t below = tree_cost_[egraph_.find(argument)];
                sum =
                    below == kUnknown || sum == kUnknown ? kUnknown : std::min(sum + below, kLimit);
            }
            const ClassId own = egraph_.class_of(id);
            if (sum < tree_cost_[own]) {
                tree_cost_[own] = sum;
                chosen_[own] = id;
                changed = true;
            }
        }
    }
}

std::optional<Rewritten> Extractor::build() {
    image_.assign(egraph_.size(), kNoNode);
    open_.assign(egraph_.size(), 0);
    Rewritten result;
    for (const ClassId id : externals_) {
        if (build_class(id, result.graph) == kNoNode) {
            return std::nullopt;
        }
    }
    for (const ClassId id : roots_) {
        const NodeId root = build_class(id, result.graph);
        if (root == kNoNode) {
            return std::nullopt;
        }
        result.roots.push_back(root);
    }
    return result;
}

// kNoNode where the choice needs itself.
NodeId Extractor::build_class(ClassId root, Graph& graph) {
    std::vector<ClassId> stack{egraph_.find(root)};
    while (!stack.empty()) {
        const ClassId id = stack.back();
        if (image_[id] != kNoNode) {
            stack.pop_back();
            continue;
        }
        const Node& node = egraph_[chosen_[id]];
        std::array<NodeId, kMaxArguments> arguments{};
        bool ready = true;
        for (std::size_t i = 0; i < node.count; ++i) {
            const ClassId argument = egraph_.find(node.args[i]);
            arguments[i] = image_[argument];
            if (arguments[i] == kNoNode) {
                if (open_[argument] || argument == id) {
                    return kNoNode;
                }
                stack.push_back(argument);
                ready = false;
            }
        }
        open_[id] = ready ? 0 : 1;
        if (ready) {
            image_[id] =
                graph.make(node.op, node.type, {arguments.data(), node.count}, node.payload);
            stack.pop_back();
        }
    }
    return image_[egraph_.find(root)];
}

void Extractor::improve() {
    const std::size_t max_trials = std::min(kMaxTrials, kMaxBuilt / (best_.graph.size() + 1));
    std::size_t trials = 0;
    bool improved = true;
    while (improved && trials < max_trials) {
        improved = false;
        const std::vector<NodeId> used = image_;
        for (ClassId id = 0; id < egraph_.size(); ++id) {
            if (egraph_.find(id) != id || used[id] == kNoNode) {
                continue;
            }
            for (ENodeId node = egraph_.first(id); node != kNone; node = egraph_.next(node)) {
                const ENodeId before = chosen_[id];
                std::uint64_t sum = rewrite::cost(egraph_[node].op) + 1;
                bool complete = true;
                for (const ClassId argument : egraph_[node].arguments()) {
                    const std::uint64_t below = tree_cost_[egraph_.find(argument)];
                    complete = complete && below != kUnknown;
                    sum += below;
                }
                if (node == before || !complete || sum > tree_cost_[id] + kMaxExtra ||
                    trials == max_trials) {
                    continue;
                }
                ++trials;
                chosen_[id] = node;
                auto built = build();
                const Cost cost = built ? rewrite::cost(built->graph, built->roots) : best_cost_;
                if (built && cost < best_cost_) {
                    best_ = std::move(*built);
                    best_cost_ = cost;
                    improved = true;
                } else {
                    chosen_[id] = before;
                }
            }
        }
    }
    build();
}

}  // namespace bitaxon::jit::rewrite
