// The cheapest graph in an e-graph.
#pragma once

#include "cost.hpp"
#include "egraph.hpp"

#include <optional>

namespace bitaxon::jit::rewrite {

/// Chooses one node of each class that the roots need. First by the cost of the tree below, then
/// one class after the other by the cost of the whole graph with its sharing, for as long as that
/// helps.
class Extractor {
  public:
    Extractor(const EGraph& egraph, std::span<const ClassId> roots,
              std::span<const ClassId> externals);

    /// The graph of the choice, external calls in their order.
    Rewritten take() { return std::move(best_); }
    Cost cost() const noexcept { return best_cost_; }
    /// The node chosen for a class of the graph, or kNone.
    ENodeId chosen(ClassId id) const noexcept { return chosen_[egraph_.find(id)]; }
    bool uses(ClassId id) const noexcept { return image_[egraph_.find(id)] != kNoNode; }

  private:
    void choose_by_tree();
    void improve();
    std::optional<Rewritten> build();
    NodeId build_class(ClassId id, Graph& graph);

    const EGraph& egraph_;
    std::vector<ClassId> roots_;
    std::vector<ClassId> externals_;
    std::vector<ENodeId> chosen_;
    std::vector<std::uint64_t> tree_cost_;
    std::vector<NodeId> image_;
    std::vector<char> open_;
    Rewritten best_;
    Cost best_cost_ = 0;
};

}  // namespace bitaxon::jit::rewrite
