#include "state.hpp"

#include "../ir/lower.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>

namespace bitaxon::jit {

Variant::Variant(const Kernel::State& state, std::uint64_t uniform_mask,
                 std::span<const std::uint64_t> folded)
    : uniform(uniform_mask), folded_values_(folded.begin(), folded.end()) {
    const Expression::State& expression = state.expression.state();
    const Graph& source = state.optimised.graph;
    const std::size_t arguments = expression.arguments.size();
    const auto uniforms = static_cast<std::size_t>(std::popcount(uniform_mask));

    std::vector<std::pair<NodeId, std::uint32_t>> externals;  // node, number of its input
    const std::size_t stage_count = state.levels.size() + 1;
    for (std::size_t level = 0; level < stage_count; ++level) {
        Program program;
        Leaves leaves;
        std::size_t slot = 0;
        for (std::size_t k = 0; k < arguments; ++k) {
            const Type type = expression.argument_types[k];
            if (uniform_mask >> k & 1) {
                leaves.inputs.push_back(folded.empty()
                                            ? program.graph.make(Op::uniform, type, {}, slot)
                                            : program.graph.constant_bits(type, folded[slot]));
                ++slot;
            } else {
                leaves.inputs.push_back(
                    program.graph.make(Op::input, type, {}, program.inputs.size()));
                program.inputs.push_back({expression.arguments[k], type});
            }
        }
        leaves.seed = program.graph.make(Op::uniform, Type::i64, {}, uniforms);
        leaves.population = program.graph.integer(Type::i64, 0);
        for (const auto& [node, number] : externals) {
            leaves.externals.emplace_back(
                node, program.graph.make(Op::input, Type::f64, {}, program.inputs.size()));
            program.inputs.push_back({fmt::format("external {}", number), Type::f64});
        }

        const bool last = level + 1 == stage_count;
        std::vector<NodeId> wanted;
        if (last) {
            wanted = state.optimised.roots;
        } else {
            for (const NodeId call : state.levels[level]) {
                const auto args = source[call].arguments();
                wanted.insert(wanted.end(), args.begin(), args.end());
            }
        }
        const std::vector<NodeId> results = lower(source, wanted, program.graph, leaves);
        for (std::size_t k = 0; k < results.size(); ++k) {
            program.outputs.push_back({results[k], last ? expression.results[k] : Type::f64});
        }
        stages.push_back(std::make_unique<TieredProgram>(std::move(program), uniforms + 1));
        if (!last) {
            for (const NodeId call : state.levels[level]) {
                externals.emplace_back(call, static_cast<std::uint32_t>(externals.size()));
            }
        }
    }
}

const Variant& Variant::folded_for(const Kernel::State& state, const ExecutionContext& context,
                                   std::span<const std::uint64_t> uniforms) const {
    if (const Variant* folded = folded_.get()) {
        return std::ranges::equal(folded->folded_values_, uniforms) ? *folded : *this;
    }
    std::uint64_t values = 1;
    for (const std::uint64_t value : uniforms) {
        values = (std::rotl(values, 29) ^ value) * 0x9e3779b97f4a7c15;
    }
    if (last_values_.exchange(values, std::memory_order_relaxed) != values) {
        same_calls_.store(0, std::memory_order_relaxed);
    }
    if (same_calls_.fetch_add(1, std::memory_order_relaxed) + 1 == state.options.thresholds.fold_calls) {
        folded_.request(state.options.wait, context, state,
                        [&state, this, kept = std::vector(uniforms.begin(), uniforms.end())] {
                            auto made = std::make_unique<const Variant>(state, uniform, kept);
                            for (std::size_t k = 0; k < stages.size(); ++k) {
                                made->stages[k]->compile_like(*stages[k]);
                            }
                            return made;
                        });
    }
    return *this;
}

}  // namespace bitaxon::jit
