// The story of a kernel, from text to assembly.
#include "../backends/listing.hpp"
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
    text += fmt::format("cache\n  {}\n", state.cache.story());
    text += "graph\n" + print(state.optimised.graph, state.optimised.roots);
    for (const auto& stage : state.variant(0).stages) {
        text += listing(*stage, target_of(context.tier()));
    }
    return text;
}

}  // namespace bitaxon::jit
