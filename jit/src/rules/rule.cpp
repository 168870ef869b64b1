#include "rule_state.hpp"

#include <bitaxon/core/error.hpp>

#include <fmt/format.h>

#include <algorithm>

namespace bitaxon::jit {
namespace {

std::string refractory_repr(const std::variant<double, std::string>& refractory) {
    const auto* text = std::get_if<std::string>(&refractory);
    return text != nullptr ? fmt::format("'{}'", *text)
                           : fmt::format("{}", std::get<double>(refractory));
}

}  // namespace

Rule::State::State(const RuleOptions& o) : options(o), description(options) {
    if (options.name.empty()) {
        options.name = "rule";
    }
    const StepStart start(description, functions(), Type::f64);
    choice = choose_method(description, start, options.method);
    derived = DerivedValues(description, functions(), start, choice.method);
    derived_count = derived.size();
    // What is wrong with the rule is reported while it is made.
    Graph graph;
    Evaluator evaluator(graph, description, functions(), Type::f64);
    for (std::size_t k = 0; k < description.variables.size(); ++k) {
        if (description.variables[k].initial) {
            initial_value(evaluator, description, k);
        }
    }
    checked_ = build_step(description, start, choice.method);
    random = checked_.random;
    external = checked_.external;
}

StepGraph Rule::State::build(Type real) const {
    return build_step(description, StepStart(description, functions(), real), choice.method);
}

const OptimisedStep& Rule::State::step(Type real) const {
    const std::scoped_lock lock(mutex_);
    std::unique_ptr<const OptimisedStep>& made = steps_[real == Type::f64 ? 1 : 0];
    if (!made) {
        made = std::make_unique<const OptimisedStep>(
            real == Type::f64 && checked_.graph.size() > 0 ? std::move(checked_) : build(real),
            real);
    }
    return *made;
}

const StepProgram& Rule::State::program(const Signature& signature) const {
    const OptimisedStep& optimised = step(signature.real);
    const std::scoped_lock lock(mutex_);
    std::unique_ptr<const StepProgram>& made = programs_[signature];
    if (!made) {
        made = std::make_unique<const StepProgram>(optimised, signature, description);
    }
    return *made;
}

Rule::Rule(const RuleOptions& options) : state_(std::make_shared<const State>(options)) {}

const RuleOptions& Rule::options() const noexcept { return state_->options; }
const std::string& Rule::name() const noexcept { return state_->options.name; }
std::string_view Rule::method() const noexcept { return state_->choice.method; }
const std::string& Rule::method_reason() const noexcept { return state_->choice.reason; }

std::vector<RuleVariable> Rule::variables(Type real) const {
    std::vector<RuleVariable> result;
    for (const Variable& v : state_->description.variables) {
        result.push_back({v.name, v.type.value_or(real), v.unless_refractory});
    }
    return result;
}

std::vector<RuleParameter> Rule::parameters(Type real) const {
    std::vector<RuleParameter> result;
    for (const Parameter& p : state_->description.parameters) {
        result.push_back({p.name, p.type.value_or(real), p.value, p.shared});
    }
    return result;
}

bool Rule::spikes() const noexcept { return state_->description.threshold.has_value(); }
bool Rule::takes_current() const noexcept { return state_->description.current.has_value(); }
bool Rule::is_random() const noexcept { return state_->random; }
bool Rule::calls_external() const noexcept { return state_->external; }

std::string Rule::repr() const {
    const RuleOptions& o = state_->options;
    std::string text = fmt::format("Rule('{}', name='{}'", o.equations, o.name);
    if (!o.threshold.empty()) {
        text += fmt::format(", threshold='{}', reset='{}', refractory={}", o.threshold, o.reset,
                            refractory_repr(o.refractory));
    }
    text += fmt::format(", method='{}'", method());
    std::string parameters;
    for (const Parameter& p : state_->description.parameters) {
        parameters += fmt::format("{}'{}': {}", parameters.empty() ? "" : ", ", p.name, p.value);
    }
    return text + fmt::format(", parameters={{{}}})", parameters);
}

}  // namespace bitaxon::jit
