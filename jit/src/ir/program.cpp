#include "program.hpp"

#include <algorithm>

namespace bitaxon::jit {

std::vector<NodeId> Program::roots() const {
    std::vector<NodeId> roots;
    roots.reserve(outputs.size() + states.size());
    for (const ProgramOutput& output : outputs) {
        roots.push_back(output.value);
    }
    for (const ProgramState& state : states) {
        roots.push_back(state.next);
    }
    return roots;
}

int Program::lane_bytes() const {
    const std::vector<NodeId> needed = roots();
    const std::vector<NodeId> nodes = reachable(graph, needed);
    const bool wide = std::any_of(nodes.begin(), nodes.end(), [&](NodeId id) {
        return jit::lane_bytes(graph.type(id)) == 8;
    });
    return wide ? 8 : 4;
}

}  // namespace bitaxon::jit
