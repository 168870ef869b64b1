// What a BoundRule holds: its rule's programs, and the numbers that they are run with.
#pragma once

#include "../backends/tiers.hpp"
#include "rule_state.hpp"

namespace bitaxon::jit {

struct BoundRule::State : std::enable_shared_from_this<BoundRule::State> {
    State(Rule r, const BoundRuleOptions& o);

    /// Programs for one signature: the rule's, and the one in which all uniform values are constants but
    /// the current.
    struct Programs {
        const StepProgram* shared;
        Folded<StepProgram> folded;
    };
    const Programs& programs(const Signature& s) const;
    /// The shared one, or the folded one if it is ready; which is asked for when it is due.
    const StepProgram& program(const Signature& s, const RunCall& call,
                               const ExecutionContext& context) const;

    Rule rule;
    BoundRuleOptions options;
    const OptimisedStep* step;
    Signature signature;  ///< for a uniform current and no recording
    std::vector<std::uint64_t> uniforms;
    std::vector<std::vector<std::byte>> parameter_arrays;  ///< by number; empty if uniform
    std::vector<std::vector<std::byte>> derived_arrays;

  private:
    friend class BoundRule;
    mutable std::mutex mutex_;
    mutable std::map<Signature, std::unique_ptr<const Programs>> programs_;
};

}  // namespace bitaxon::jit
