// What a BoundRule holds: its rule's programs, and the numbers that they are run with.
#pragma once

#include "rule_state.hpp"

namespace bitaxon::jit {

struct BoundRule::State {
    State(Rule r, const BoundRuleOptions& o);

    Rule rule;
    BoundRuleOptions options;
    const OptimisedStep* step;
    Signature signature;  ///< for a uniform current and no recording
    std::vector<std::uint64_t> uniforms;
    std::vector<std::vector<std::byte>> parameter_arrays;  ///< by number; empty if uniform
    std::vector<std::vector<std::byte>> derived_arrays;
};

}  // namespace bitaxon::jit
