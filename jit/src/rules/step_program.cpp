// Programs of a step: from the optimised graph to primitives over arrays and uniforms.
#include "../ir/lower.hpp"
#include "rule_state.hpp"

namespace bitaxon::jit {
namespace {

Type held_type(Type type) { return type == Type::i16 ? Type::i32 : type; }

// Lowers a step into a program whose arrays and uniforms a signature names.
class ProgramBuilder {
  public:
    ProgramBuilder(const OptimisedStep& step, const Signature& signature,
                   const Description& description, std::span<const std::uint64_t> folded)
        : step_(step), signature_(signature), description_(description), folded_(folded) {}

    /// The step, or the part of it that the calls of `wanted` need for their arguments; both read
    /// the results of the calls in `known` from arrays behind the others.
    Program build_step(std::span<const NodeId> known);
    Program build_arguments(std::span<const NodeId> known, std::span<const NodeId> wanted);
    const std::vector<StepProgram::Array>& arrays() const { return arrays_; }

  private:
    Leaves leaves(std::span<const NodeId> known);
    NodeId uniform(Type type, std::size_t slot) {
        return folded_.empty() || slot == Slots::current
                   ? program_.graph.make(Op::uniform, held_type(type), {}, slot)
                   : program_.graph.constant_bits(held_type(type), folded_[slot]);
    }
    NodeId array(Type type, LeafKind kind, std::uint32_t index, bool per_step);
    NodeId leaf(const Leaf& leaf);

    const OptimisedStep& step_;
    const Signature& signature_;
    const Description& description_;
    std::span<const std::uint64_t> folded_;
    Program program_;
    std::vector<StepProgram::Array> arrays_;
};

NodeId ProgramBuilder::array(Type type, LeafKind kind, std::uint32_t index, bool per_step) {
    const NodeId node = program_.graph.make(Op::input, held_type(type), {}, program_.inputs.size());
    program_.inputs.push_back({"", held_type(type), per_step});
    arrays_.push_back({kind, index});
    return node;
}

NodeId ProgramBuilder::leaf(const Leaf& leaf) {
    const auto state = [&](std::size_t number) {
        return program_.graph.make(Op::input, held_type(leaf.type), {}, number);
    };
    switch (leaf.kind) {
    case LeafKind::variable:
        return state(leaf.index);
    case LeafKind::refractory:
        return state(step_.states.size() - 1);
    case LeafKind::dt:
        return uniform(leaf.type, leaf.type == signature_.real ? Slots::dt : Slots::dt_f64);
    case LeafKind::current:
        return signature_.current == CurrentKind::uniform
                   ? uniform(leaf.type, Slots::current)
                   : array(leaf.type, leaf.kind, 0, signature_.current == CurrentKind::per_step);
    case LeafKind::parameter:
        return signature_.parameters[leaf.index]
                   ? array(leaf.type, leaf.kind, leaf.index, false)
                   : uniform(leaf.type, Slots::parameters + leaf.index);
    case LeafKind::derived:
        return signature_.derived[leaf.index]
                   ? array(leaf.type, leaf.kind, leaf.index, false)
                   : uniform(leaf.type,
                             Slots::parameters + description_.parameters.size() + leaf.index);
    case LeafKind::noise:
        break;
    }
    return program_.graph.constant(leaf.type, 0);  // noises have been replaced: nothing reads it
}

Leaves ProgramBuilder::leaves(std::span<const NodeId> known) {
    for (const Type type : step_.states) {
        program_.inputs.push_back({"", type});
    }
    Leaves leaves;
    for (const Leaf& l : step_.step.leaves) {
        leaves.inputs.push_back(leaf(l));
    }
    leaves.seed = uniform(Type::i64, Slots::seed);
    leaves.population = uniform(Type::i64, Slots::population);
    for (const NodeId call : known) {
        leaves.externals.emplace_back(
            call, program_.graph.make(Op::input, Type::f64, {}, program_.inputs.size()));
        program_.inputs.push_back({"", Type::f64});
    }
    return leaves;
}

Program ProgramBuilder::build_step(std::span<const NodeId> known) {
    const std::vector<NodeId> results =
        lower(step_.optimised.graph, step_.optimised.roots, program_.graph, leaves(known));
    for (std::uint32_t k = 0; k < step_.states.size(); ++k) {
        program_.outputs.push_back({results[k], step_.states[k]});
        program_.states.push_back({k, results[k]});
    }
    if (step_.step.spike != kNoNode) {
        program_.outputs.push_back(
            {results.back(), program_.graph.type(results.back()), true, true});
    }
    for (const std::uint32_t k : signature_.recorded) {
        const NodeId before = program_.graph.make(Op::input, step_.states[k], {}, k);
        program_.outputs.push_back({before, step_.states[k], true});
    }
    return std::move(program_);
}

Program ProgramBuilder::build_arguments(std::span<const NodeId> known,
                                        std::span<const NodeId> wanted) {
    std::vector<NodeId> arguments;
    for (const NodeId call : wanted) {
        const auto args = step_.optimised.graph[call].arguments();
        arguments.insert(arguments.end(), args.begin(), args.end());
    }
    for (const NodeId value :
         lower(step_.optimised.graph, arguments, program_.graph, leaves(known))) {
        program_.outputs.push_back({value, Type::f64});
    }
    return std::move(program_);
}

}  // namespace

OptimisedStep::OptimisedStep(StepGraph built, Type real) : step(std::move(built)) {
    for (const NodeId next : step.next) {
        states.push_back(held_type(step.graph.type(next)));
    }
    if (step.refractory_next != kNoNode) {
        states.push_back(counter_type(real));
        counts = true;
    }
    optimised = optimise(step.graph, step.roots(), MathMode::contract);
    step.graph = {};
}

StepProgram::StepProgram(const OptimisedStep& step, const Signature& signature,
                         const Description& description, std::span<const std::uint64_t> folded) {
    const std::size_t uniforms =
        Slots::parameters + description.parameters.size() + signature.derived.size();
    std::vector<NodeId> known;
    for (const std::vector<NodeId>& level :
         external_levels(step.optimised.graph, step.optimised.roots)) {
        CallLevel made;
        made.arguments = std::make_unique<TieredProgram>(
            ProgramBuilder(step, signature, description, folded).build_arguments(known, level),
            uniforms);
        for (const NodeId id : level) {
            const Node& call = step.optimised.graph[id];
            made.calls.push_back({call.payload & 0xffffffff, call.count});
        }
        known.insert(known.end(), level.begin(), level.end());
        levels.push_back(std::move(made));
    }
    ProgramBuilder builder(step, signature, description, folded);
    program = std::make_unique<TieredProgram>(builder.build_step(known), uniforms);
    arrays = builder.arrays();
}

}  // namespace bitaxon::jit
