// Selects of one row that become branches.
#pragma once

#include "legalise.hpp"

#include <vector>

namespace bitaxon::jit {

/// Payload of an Op::select in a Body, beyond those of ir/ops.def.
inline constexpr std::uint64_t kBranch = 1;

/// In short bodies: the selects that choose what a state becomes. Spikes and refractory periods
/// follow a pattern that a processor learns, and then the value after a reset doesn't wait for what
/// it replaces. In long ones that saves nothing to speak of, and other masks may depend on
/// anything, noise for one.
inline void branch_on_decisions(Body& body) {
    constexpr std::size_t kShort = 64;
    if (body.nodes.size() > kShort) {
        return;
    }
    std::vector<NodeId> next;
    for (const BodyState& state : body.states) {
        next.push_back(state.next);
    }
    while (!next.empty()) {
        Node& node = body.nodes[next.back()];
        next.pop_back();
        if (node.op == Op::select && node.payload != kBranch) {
            node.payload = kBranch;
            next.push_back(node.args[1]);
            next.push_back(node.args[2]);
        }
    }
}

}  // namespace bitaxon::jit
