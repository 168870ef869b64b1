// The choice of a method, by what the equations are: linear, linear each in itself, or noisy.
#include "step_graph.hpp"

#include <bitaxon/core/error.hpp>

#include <fmt/format.h>

#include <algorithm>

namespace bitaxon::jit {
namespace {

// Each call of a stateful function has a number of its own in the payload's upper half.
bool is_stateful(const Node& node) { return node.op == Op::external && node.payload >> 32 != 0; }

// What the analysis of the equations found, for the choice of a method.
struct Analysis {
    bool noisy = false;
    bool additive = true;
    std::optional<std::size_t> draws;  ///< an equation with random numbers or stateful functions
    std::optional<std::size_t> not_in_noise;  ///< an equation that is not linear in its noise
    std::optional<std::size_t> not_exact;
    std::optional<std::size_t> not_conditional;  ///< an equation that is not linear in its variable
    std::vector<std::size_t> variables;
};

Analysis analyse(const Description& d, StepStart step) {
    Graph& graph = step.graph;
    const Rates& start = step.rates;
    Analysis result;
    result.variables = start.variables;
    if (start.rates.empty()) {
        return result;
    }
    const std::vector<char> noisy = depends_on(graph, start.noises);
    std::vector<NodeId> draws;
    for (NodeId id = 0; id < graph.size(); ++id) {
        const Node& node = graph[id];
        if (node.op == Op::rand || node.op == Op::randn || is_stateful(node)) {
            draws.push_back(id);
        }
    }
    const std::vector<char> drawn = depends_on(graph, draws);
    const auto in_noise = affine(graph, start.rates, start.noises);
    const std::vector<char> moving = depends_on(graph, start.values);
    for (std::size_t k = 0; k < start.rates.size(); ++k) {
        result.noisy = result.noisy || noisy[start.rates[k]];
        if (drawn[start.rates[k]]) {
            result.draws = k;
        }
        if (!in_noise[k]) {
            result.not_in_noise = k;
            continue;
        }
        for (const NodeId strength : in_noise[k]->coefficients) {
            result.additive = result.additive && (strength == kNoNode || !moving[strength]);
        }
        if (!affine(graph, std::span(start.rates).subspan(k, 1),
                    std::span(start.values).subspan(k, 1))[0]) {
            result.not_conditional = k;
        }
    }
    std::size_t culprit = 0;
    if (!find_linear_system(step.evaluator, d, start, &culprit)) {
        result.not_exact = culprit;
    }
    return result;
}

class Chooser {
  public:
    Chooser(const Description& d, const Analysis& analysis) : d_(d), analysis_(analysis) {}

    void check(const Method& method) const {
        if (analysis_.not_in_noise) {
            refuse(*analysis_.not_in_noise,
                   "xi must enter linearly: a factor times xi, plus the rest");
        }
        if (analysis_.noisy && method.name != "euler" && method.name != "heun") {
            throw_error(ErrorCode::invalid_value, "method", method.name,
                        "euler for equations with noise, or heun if the noise is additive");
        }
        if (analysis_.noisy && method.name == "heun" && !analysis_.additive) {
            throw_error(ErrorCode::invalid_value, "method",
                        "heun with noise that a variable scales",
                        "euler, or noise whose strength depends on no variable");
        }
        if (method.several_stages && analysis_.draws) {
            refuse(
                *analysis_.draws,
                fmt::format("rand(), randn() and stateful functions are drawn once a step, but "
                            "{} evaluates the equation several times; use euler, or xi for noise",
                            method.name));
        }
        if (method.name == "exact" && analysis_.not_exact) {
            refuse(*analysis_.not_exact,
                   "method exact needs equations that are linear with constant coefficients; use "
                   "exponential_euler, rk4 or auto");
        }
        if (method.name == "exponential_euler" && analysis_.not_conditional) {
            refuse(
                *analysis_.not_conditional,
                fmt::format("method exponential_euler needs d{0}/dt to be linear in {0}; use rk4 "
                            "or auto",
                            variable(*analysis_.not_conditional).name));
        }
    }

    Choice pick() const {
        if (analysis_.noisy) {
            return {"euler", "the equations contain white noise"};
        }
        if (!analysis_.not_exact) {
            return {"exact", "the equations are linear with constant coefficients"};
        }
        if (!analysis_.not_conditional) {
            return {"exponential_euler",
                    fmt::format("each variable is linear in itself, and d{}/dt is not linear with "
                                "constant coefficients",
                                variable(*analysis_.not_exact).name)};
        }
        const std::string& name = variable(*analysis_.not_conditional).name;
        if (analysis_.draws) {
            return {"euler",
                    fmt::format("d{}/dt draws random numbers", variable(*analysis_.draws).name)};
        }
        return {"rk4", fmt::format("d{0}/dt is not linear in {0}", name)};
    }

  private:
    const Variable& variable(std::size_t k) const { return d_.variables[analysis_.variables[k]]; }
    [[noreturn]] void refuse(std::size_t k, const std::string& message) const {
        throw_at(d_.source(RuleText::equations), variable(k).position, message);
    }

    const Description& d_;
    const Analysis& analysis_;
};

}  // namespace

Choice choose_method(const Description& description, const StepStart& start,
                     const std::string& wanted) {
    const Analysis analysis = analyse(description, start);
    const Chooser chooser(description, analysis);
    if (wanted != "auto" && std::none_of(methods().begin(), methods().end(),
                                         [&](const Method& m) { return m.name == wanted; })) {
        std::vector<std::string> names{"auto"};
        for (const Method& m : methods()) {
            names.emplace_back(m.name);
        }
        throw_error(ErrorCode::invalid_value, "method", wanted,
                    fmt::format("one of {}{}", fmt::join(names, ", "), suggestion(wanted, names)));
    }
    if (analysis.variables.empty()) {
        return {method(wanted == "auto" ? "euler" : wanted).name,
                "there are no differential equations to integrate"};
    }
    const Choice choice =
        wanted == "auto" ? chooser.pick() : Choice{method(wanted).name, "it was asked for"};
    chooser.check(method(choice.method));
    return choice;
}

}  // namespace bitaxon::jit
