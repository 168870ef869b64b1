// The story of a kernel, from text to assembly.
#include "state.hpp"

#include <bitaxon/core/error.hpp>

#include <fmt/format.h>

namespace bitaxon::jit {
namespace {

std::string joined(const std::vector<std::string>& words) {
    std::string text;
    for (const std::string& word : words) {
        text += (text.empty() ? "" : ", ") + word;
    }
    return text;
}

std::string functions_text(const Kernel::State& state) {
    std::string text;
    const FunctionTable& table = state.expression.state().functions.table();
    for (std::uint64_t k = 0; k < table.size(); ++k) {
        const auto* external = std::get_if<ExternalFunction>(&table[k].body);
        const char* kind = external == nullptr                     ? "pure (inlined)"
                           : external->purity == Purity::stateful ? "stateful"
                                                                   : "external";
        text += fmt::format("  {}: {}\n", table[k].name, kind);
    }
    return text.empty() ? "" : "functions\n" + text;
}

std::string stage_text(const TieredProgram& stage, std::optional<Target> target) {
    const std::vector<NodeId> roots = stage.program().roots();
    std::string text = fmt::format("primitives ({} in the loop, {} bytes a row)\n{}",
                                   stage.operations(), stage.row_bytes(),
                                   print(stage.program().graph, roots));
    if (!target) {
        return text + "runs on the interpreter: the context's tier has no code generator\n";
    }
    try {
        const MachineCode code = generate(stage.program(), *target, {.listing = true});
        text += fmt::format("{}: {} bytes, {} rows a vector, {} vectors an iteration, {} vector "
                            "registers, {} spills\n{}",
                            name(*target), code.code_bytes, code.rows_per_vector, code.unroll,
                            code.registers, code.spills, code.listing);
    } catch (const Error& error) {
        text += fmt::format("runs on the interpreter: {}\n", error.what());
    }
    return text;
}

}  // namespace

std::string Kernel::explain(const ExecutionContext& context) const {
    const State& state = *state_;
    const Expression::State& parsed = expression().state();
    std::string text = fmt::format("expression\n{}\ndtype {}, mode {}, arguments: {}\n{}",
                                   parsed.text, name(parsed.dtype), name(mode()),
                                   joined(parsed.arguments), functions_text(state));
    text += "graph as parsed\n" + print(parsed.graph, parsed.roots);
    text += "rewrites\n";
    for (const std::string& rewrite : state.optimised.applied) {
        text += "  " + rewrite + '\n';
    }
    if (state.optimised.applied.empty()) {
        text += "  none\n";
    }
    text += "graph\n" + print(state.optimised.graph, state.optimised.roots);
    for (const auto& stage : state.variant(0).stages) {
        text += stage_text(*stage, target_of(context.tier()));
    }
    return text;
}

}  // namespace bitaxon::jit
