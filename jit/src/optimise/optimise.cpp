#include "optimise.hpp"

#include "contract.hpp"
#include "cost.hpp"
#include "egraph.hpp"
#include "normal_form.hpp"
#include "simplify.hpp"

#include <iterator>
#include <utility>

namespace bitaxon::jit {
namespace {

constexpr int kMaxRounds = 3;

// Takes the pass's result in place of the graph, unless it lost an external call. True if the
// pass rewrote something.
bool accept(Optimised& current, Rewritten next) {
    if (rewrite::externals(next.graph, next.roots).size() !=
        rewrite::externals(current.graph, current.roots).size()) {
        return false;
    }
    const bool changed = !next.applied.empty();
    current.graph = std::move(next.graph);
    current.roots = std::move(next.roots);
    std::move(next.applied.begin(), next.applied.end(), std::back_inserter(current.applied));
    return changed;
}

void simplify(Optimised& current) {
    accept(current, rewrite::simplify(current.graph, reachable(current.graph, current.roots),
                                      current.roots, MathMode::fast));
}

// Normal forms and rules take turns: exp(a) * exp(b) becomes exp(a + b), and a + b cancels.
void apply_real_numbers(Optimised& current) {
    for (int round = 0; round < kMaxRounds; ++round) {
        Rewritten normal = rewrite::normalise_polynomials(current.graph, current.roots);
        if (rewrite::cost(normal.graph, normal.roots) <=
            rewrite::cost(current.graph, current.roots)) {
            accept(current, std::move(normal));
        }
        if (!accept(current, rewrite::saturate(current.graph, current.roots))) {
            break;
        }
        simplify(current);
    }
    accept(current, rewrite::fuse_affine_chains(current.graph, current.roots));
    simplify(current);
}

}  // namespace

Optimised optimise(const Graph& language_graph, std::span<const NodeId> roots, MathMode mode) {
    Optimised result =
        rewrite::simplify(language_graph, rewrite::depth_first(language_graph, roots), roots, mode);
    if (rewrite::externals(result.graph, result.roots).size() !=
        rewrite::externals(language_graph, roots).size()) {
        result = *rewrite::substitute(language_graph, roots, {});
    }
    if (mode == MathMode::fast) {
        apply_real_numbers(result);
    }
    if (mode != MathMode::strict) {
        accept(result, rewrite::contract(result.graph, result.roots, mode == MathMode::fast));
    }
    return result;
}

}  // namespace bitaxon::jit
