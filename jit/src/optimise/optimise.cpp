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
    if (rewrite::count_externals(next.graph, next.roots) !=
        rewrite::count_externals(current.graph, current.roots)) {
        return false;
    }
    const bool changed = !next.applied.empty();
    current.graph = std::move(next.graph);
    current.roots = std::move(next.roots);
    std::move(next.applied.begin(), next.applied.end(), std::back_inserter(current.applied));
    return changed;
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
        accept(current, rewrite::simplify(current.graph, current.roots, MathMode::fast));
    }
    accept(current, rewrite::fuse_affine_chains(current.graph, current.roots));
    accept(current, rewrite::simplify(current.graph, current.roots, MathMode::fast));
}

}  // namespace

Optimised optimise(const Graph& language_graph, std::span<const NodeId> roots, MathMode mode) {
    Optimised result = *rewrite::substitute(language_graph, roots, {});
    accept(result, rewrite::simplify(result.graph, result.roots, mode));
    if (mode == MathMode::fast) {
        apply_real_numbers(result);
    }
    if (mode != MathMode::strict) {
        accept(result, rewrite::contract(result.graph, result.roots, mode == MathMode::fast));
    }
    return result;
}

}  // namespace bitaxon::jit
