// Equality saturation: all forms that the rewrite rules find side by side, and the cheapest of
// them.
#pragma once

#include "rewrite.hpp"
#include "rules.hpp"

#include <vector>

namespace bitaxon::jit::rewrite {

using ClassId = std::uint32_t;
using ENodeId = std::uint32_t;
inline constexpr std::uint32_t kNone = 0xffffffff;

/// Classes of equal expressions (Nelson and Oppen 1980; Willsey et al. 2021): union-find,
/// hash-consing, and congruence restored after each round of merges rather than after each merge.
/// Calls of external functions are equal to nothing, not even to a call with equal arguments.
class EGraph {
  public:
    static constexpr std::size_t kMaxNodes = 10'000;

    /// The class of the node, whose arguments are classes; made if it is new.
    ClassId add(Node node);
    /// Declares two classes equal. Congruence holds again after rebuild().
    void merge(ClassId a, ClassId b);
    void rebuild();

    ClassId find(ClassId id) const noexcept;
    ClassId class_of(ENodeId node) const noexcept { return find(class_of_[node]); }
    std::size_t size() const noexcept { return nodes_.size(); }
    const Node& operator[](ENodeId node) const noexcept { return nodes_[node]; }
    Type type(ClassId id) const noexcept { return classes_[find(id)].type; }
    bool is_full() const noexcept { return nodes_.size() >= kMaxNodes; }

    /// Two constants of different value were declared equal: a rule was applied where it doesn't
    /// hold, a division by zero say, and nothing here may be believed.
    bool is_contradictory() const noexcept { return contradictory_; }

    /// The constant in the class, or kNone.
    ENodeId constant(ClassId id) const noexcept { return classes_[find(id)].constant; }

    /// The nodes of a class: first(), then next() until kNone. Equal nodes appear once.
    ENodeId first(ClassId id) const noexcept { return skip_dead(classes_[find(id)].first); }
    ENodeId next(ENodeId node) const noexcept { return skip_dead(next_[node]); }
    bool is_alive(ENodeId node) const noexcept { return dead_[node] == 0; }

  private:
    struct Class {
        Type type;
        ENodeId first;
        ENodeId last;
        std::uint32_t first_user = kNone;
        std::uint32_t last_user = kNone;
        ENodeId constant = kNone;
    };
    struct User {
        ENodeId node;
        std::uint32_t next;
    };

    ENodeId skip_dead(ENodeId node) const noexcept;
    void canonicalise(Node& node) const noexcept;
    std::size_t slot_of(const Node& node) const noexcept;
    void insert(ENodeId node);
    void add_user(ClassId id, ENodeId user);
    ClassId add_folded(const Node& node);

    std::vector<Node> nodes_;
    std::vector<ClassId> class_of_;
    std::vector<ENodeId> next_;
    std::vector<char> dead_;
    mutable std::vector<ClassId> parent_;
    std::vector<Class> classes_;
    std::vector<User> users_;
    std::vector<ENodeId> table_;
    std::size_t filled_ = 0;
    std::vector<ClassId> changed_;
    bool contradictory_ = false;
    Graph constants_;  ///< folds operations of constants
};

/// Applies all rules of rules.def until nothing new follows or a budget is spent, and takes the
/// cheapest graph found, counting shared values once. Returns the source where that is no worse.
Rewritten saturate(const Graph& source, std::span<const NodeId> roots);

}  // namespace bitaxon::jit::rewrite
