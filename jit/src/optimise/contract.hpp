// Contraction: products and the sums that use them become fused multiply-adds.
#pragma once

#include "rewrite.hpp"

namespace bitaxon::jit::rewrite {

/// Which products of floats are fused into which sums.
///
/// A product with one use is fused into the add or sub that uses it; of two such operands the
/// first. With `into_every_use` (`fast`), a product whose uses are all sums without a product of
/// their own is fused into each of them, which saves the multiplication.
class Fusions {
  public:
    Fusions(const Graph& graph, std::span<const NodeId> roots, bool into_every_use);

    /// The product is computed by its users alone.
    bool is_fused(NodeId product) const noexcept { return fused_[product] != 0; }
    /// The operand (0 or 1) of the sum that is its product, or -1.
    int product_of(NodeId sum) const noexcept { return operand_[sum]; }
    /// The nodes that the roots need, ascending.
    std::span<const NodeId> needed() const noexcept { return needed_; }

  private:
    void fuse_products_with_one_use(const Graph& graph);
    void fuse_products_of_sums_only(const Graph& graph);

    std::vector<NodeId> needed_;
    std::vector<std::uint32_t> uses_;
    std::vector<char> fused_;
    std::vector<signed char> operand_;
};

/// a*b + c, a*b - c, c - a*b and c + -(a*b) become fma, fms, fnma as Fusions says.
Rewritten contract(const Graph& source, std::span<const NodeId> roots, bool into_every_use);

}  // namespace bitaxon::jit::rewrite
