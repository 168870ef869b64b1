// What a Kernel holds: the optimised graph, and programs for the signatures that it was called with.
#pragma once

#include "../backends/tiers.hpp"
#include "../expression_state.hpp"
#include "../language/functions.hpp"
#include "../optimise/optimise.hpp"
#include "rewrite_cache.hpp"

#include <bitaxon/jit/kernel.hpp>

#include <atomic>
#include <memory>
#include <mutex>
#include <vector>

namespace bitaxon::jit {

/// The kernel for calls in which the inputs of `uniform` (bit k: input k) are single values. External
/// functions cut the computation into stages: stage s computes the arguments of the calls of
/// level s, the last stage computes the results.
struct Variant {
    /// `folded`: bits of the uniform inputs, to be constants of the code; empty: they are read.
    Variant(const Kernel::State& state, std::uint64_t uniform_mask,
            std::span<const std::uint64_t> folded = {});

    /// This variant, or the one in which the uniform inputs are folded, if these are their values.
    /// It is made when they have been the same for `fold_calls` calls.
    const Variant& folded_for(const Kernel::State& state, const ExecutionContext& context,
                              std::span<const std::uint64_t> uniforms) const;

    /// Of this variant and its folded one.
    template <class Visit>
    void each_stage(Visit visit) const {
        for (const auto& stage : stages) {
            visit(*stage);
        }
        if (const Variant* folded = folded_.get()) {
            folded->each_stage(visit);
        }
    }

    std::uint64_t uniform;
    std::vector<std::unique_ptr<TieredProgram>> stages;
    const Variant* next = nullptr;

  private:
    std::vector<std::uint64_t> folded_values_;
    mutable std::atomic<std::uint64_t> last_values_{0};  ///< a hash of them
    mutable std::atomic<std::int64_t> same_calls_{0};
    Folded<Variant> folded_;
};

/// How users call the elements of an array: "bool" for both masks.
std::string_view element_name(Type type) noexcept;

struct Kernel::State : std::enable_shared_from_this<Kernel::State> {
    State(const Expression& expression, const CompileOptions& options);
    ~State();

    const Variant& variant(std::uint64_t uniform) const;
    void run(const ExecutionContext& context, const Arguments& arguments,
             const RunOptions& run_options) const;
    /// Call number `call` has begun: the one that is worth it has the rewriting kept.
    void keep_rewriting(const ExecutionContext& context, std::int64_t call) const;

    Expression expression;
    CompileOptions options;
    RewriteCache cache;
    Optimised optimised;
    std::vector<std::vector<NodeId>> levels;  ///< external_levels() of the optimised graph

    mutable std::mutex mutex;
    mutable std::atomic<const Variant*> variants{nullptr};  ///< a list that only grows
    mutable std::atomic<std::int64_t> calls{0};
    mutable std::atomic<std::int64_t> machine_code_calls{0};
    mutable std::atomic<int> last_target{-1};  ///< -1: the interpreter
};

}  // namespace bitaxon::jit
