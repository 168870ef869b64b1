// The story of a kernel, from text to assembly.
#include "../backends/listing.hpp"
#include "state.hpp"

#include <bitaxon/core/error.hpp>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

namespace bitaxon::jit {
namespace {

std::string arguments_text(const Expression::State& parsed) {
    std::vector<std::string> words;
    for (std::size_t k = 0; k < parsed.arguments.size(); ++k) {
        const Type type = parsed.argument_types[k];
        words.push_back(type == parsed.dtype
                            ? parsed.arguments[k]
                            : fmt::format("{} : {}", parsed.arguments[k], name(type)));
    }
    return fmt::format("{}", fmt::join(words, ", "));
}

std::string results_text(const Expression::State& parsed) {
    std::vector<std::string_view> words(parsed.results.size());
    std::transform(parsed.results.begin(), parsed.results.end(), words.begin(), &element_name);
    return fmt::format("{}", fmt::join(words, ", "));
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
    std::string text =
        fmt::format("expression\n{}\ndtype {}, mode {}, arguments: {}\nresults: {}\n{}",
                    parsed.text, name(parsed.dtype), name(mode()), arguments_text(parsed),
                    results_text(parsed), functions_text(state));
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
