#include "hoist.hpp"

#include "out_of_line.hpp"

namespace bitaxon::jit {

void Prologue::run(std::uint64_t* uniforms) const noexcept {
    if (steps_.empty()) {
        return;
    }
    const DefaultFloatEnvironment environment;
    for (const auto& [slot, bits] : constants_) {
        uniforms[slot] = bits;
    }
    for (const Step& step : steps_) {
        std::uint64_t result = 0;
        if (step.function != nullptr) {
            std::array<const void*, kMaxArguments> args{};
            for (std::size_t i = 0; i < step.count; ++i) {
                args[i] = &uniforms[step.args[i]];
            }
            step.function(args.data(), &result, 1);
        } else if (uniforms[step.args[0]] != 0) {  // rare: mask, otherwise, arguments
            std::array<std::uint64_t, kMaxArguments> args{};
            for (std::size_t i = 2; i < step.count; ++i) {
                args[i - 2] = uniforms[step.args[i]] & (step.narrow_args[i] ? 0xffffffff : ~0ULL);
            }
            result = out_of_line_functions()[step.payload].function(args.data());
        } else {
            result = uniforms[step.args[1]];
        }
        uniforms[step.slot] = step.narrow ? (result & 0xffffffff) * 0x100000001 : result;
    }
}

Prologue hoist(Program& program, std::size_t uniform_count) {
    const Graph& source = program.graph;
    const std::vector<NodeId> roots = program.roots();
    const std::vector<NodeId> nodes = reachable(source, roots);

    // What depends on rows or steps stays.
    std::vector<char> varies(source.size(), 0);
    std::vector<char> read_by_loop(source.size(), 0);
    std::vector<char> read_by_prologue(source.size(), 0);
    bool any = false;
    for (const NodeId id : nodes) {
        const Node& node = source[id];
        varies[id] = node.op == Op::input || node.op == Op::row || node.op == Op::step;
        for (const NodeId argument : node.arguments()) {
            varies[id] = static_cast<char>(varies[id] | varies[argument]);
        }
        any = any || (!varies[id] && node.count > 0);
        for (const NodeId argument : node.arguments()) {
            (varies[id] ? read_by_loop : read_by_prologue)[argument] = 1;
        }
    }
    Prologue prologue;
    prologue.slots_ = uniform_count;
    if (!any) {
        return prologue;
    }
    for (const NodeId root : roots) {
        read_by_loop[root] = 1;
    }

    // What is left keeps its order, so each node of the target is new and as it was.
    Graph target;
    target.reserve(nodes.size());
    std::vector<NodeId> moved(source.size(), kNoNode);
    std::vector<std::uint32_t> slot(source.size(), 0);
    for (const NodeId id : nodes) {
        const Node& node = source[id];
        const bool hoisted = !varies[id] && node.count > 0;
        if (node.op == Op::uniform) {
            slot[id] = static_cast<std::uint32_t>(node.payload);
        } else if (hoisted || read_by_prologue[id]) {
            slot[id] = static_cast<std::uint32_t>(prologue.slots_++);
        }
        const bool narrow = lane_bytes(node.type) == 4;
        if (node.op == Op::constant && read_by_prologue[id]) {
            prologue.constants_.emplace_back(
                slot[id], narrow ? (node.payload & 0xffffffff) * 0x100000001 : node.payload);
        }
        if (hoisted) {
            Prologue::Step step{node.op, primitive_function(node.op, node.type), node.count, narrow,
                                {}, {}, slot[id], node.payload};
            for (std::size_t i = 0; i < node.count; ++i) {
                step.args[i] = slot[node.args[i]];
                step.narrow_args[i] = lane_bytes(source.type(node.args[i])) == 4;
            }
            prologue.steps_.push_back(step);
            if (read_by_loop[id]) {
                moved[id] = target.append({Op::uniform, node.type, 0, {}, slot[id]});
            }
            continue;
        }
        if (!varies[id] && !read_by_loop[id]) {
            continue;
        }
        Node kept = node;
        for (std::size_t i = 0; i < node.count; ++i) {
            kept.args[i] = moved[node.args[i]];
        }
        moved[id] = target.append(kept);
    }
    for (ProgramOutput& output : program.outputs) {
        output.value = moved[output.value];
    }
    for (ProgramState& state : program.states) {
        state.next = moved[state.next];
    }
    program.graph = std::move(target);
    return prologue;
}

}  // namespace bitaxon::jit
