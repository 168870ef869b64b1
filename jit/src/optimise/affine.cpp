// Chains of additions and multiplications by constants become one multiply-add.
#include "simplify.hpp"

#include "cost.hpp"

#include <fmt/format.h>

#include <cmath>
#include <limits>

namespace bitaxon::jit::rewrite {
namespace {

// base * scale + offset, and what computing it step by step costs once products are fused.
struct Affine {
    NodeId base;
    double scale = 1;
    double offset = 0;
    Cost cost = 0;
    bool ends_in_product = false;
};

class AffineChains {
  public:
    AffineChains(const Graph& source, std::span<const NodeId> roots)
        : source_(source), roots_(roots), uses_(use_counts(source, roots)), chains_(source.size()),
          image_(source.size(), kNoNode) {}

    Rewritten run() {
        Rewritten result;
        for (const NodeId id : reachable(source_, roots_)) {
            const Node& node = source_[id];
            chains_[id] = chain(id, node);
            image_[id] = is_worse(chains_[id], node.type)
                             ? rewrite_chain(result, chains_[id], node.type)
                             : copy(result.graph, node, image_);
        }
        for (const NodeId root : roots_) {
            result.roots.push_back(image_[root]);
        }
        Rewritten compact = *substitute(result.graph, result.roots, {});
        compact.applied = std::move(result.applied);
        return compact;
    }

  private:
    Affine chain(NodeId id, const Node& node) const {
        const Affine start{id};
        if (!is_float(node.type) || node.count == 0 || node.count > 2) {
            return start;
        }
        if (node.op == Op::negate) {
            return scaled(inner(node.args[0]), -1);
        }
        if (node.count == 1) {
            return start;
        }
        const bool left = source_.is_constant(node.args[0]);
        const bool right = source_.is_constant(node.args[1]);
        if (left == right) {
            return start;
        }
        const double number = source_.value(node.args[left ? 0 : 1]);
        const Affine operand = inner(node.args[left ? 1 : 0]);
        switch (node.op) {
        case Op::add:
            return shifted(operand, number);
        case Op::sub:
            return left ? shifted(scaled_free(operand, -1), number) : shifted(operand, -number);
        case Op::mul:
            return scaled(operand, number);
        case Op::div:
            return right ? scaled(operand, 1 / number) : start;
        default:
            return start;
        }
    }

    // A value that others need is computed anyway, so the chain begins there.
    Affine inner(NodeId id) const { return uses_[id] == 1 ? chains_[id] : Affine{id}; }

    static Affine scaled_free(Affine a, double number) {
        a.scale *= number;
        a.offset *= number;
        return a;
    }
    static Affine scaled(const Affine& a, double number) {
        Affine result = scaled_free(a, number);
        result.cost += 1;
        result.ends_in_product = true;
        return result;
    }
    static Affine shifted(Affine a, double number) {
        a.offset += number;
        a.cost += a.ends_in_product ? 0u : 1u;
        a.ends_in_product = false;
        return a;
    }

    static bool is_normal(double value, Type type) {
        const double low = type == Type::f32 ? std::numeric_limits<float>::min()
                                             : std::numeric_limits<double>::min();
        const double high = type == Type::f32 ? std::numeric_limits<float>::max()
                                              : std::numeric_limits<double>::max();
        return std::fabs(value) >= low && std::fabs(value) <= high;
    }

    static bool is_worse(const Affine& a, Type type) {
        return a.cost > 1 && is_normal(a.scale, type) &&
               (a.offset == 0 || is_normal(a.offset, type));
    }

    NodeId rewrite_chain(Rewritten& result, const Affine& a, Type type) {
        Graph& graph = result.graph;
        const NodeId product =
            graph.make(Op::mul, type, {image_[a.base], graph.constant(type, a.scale)});
        result.applied.push_back(fmt::format("affine chain: x*{} + {}", a.scale, a.offset));
        return a.offset == 0 ? product
                             : graph.make(Op::add, type, {product, graph.constant(type, a.offset)});
    }

    const Graph& source_;
    std::span<const NodeId> roots_;
    std::vector<std::uint32_t> uses_;
    std::vector<Affine> chains_;
    std::vector<NodeId> image_;
};

}  // namespace

Rewritten fuse_affine_chains(const Graph& source, std::span<const NodeId> roots) {
    return AffineChains(source, roots).run();
}

}  // namespace bitaxon::jit::rewrite
