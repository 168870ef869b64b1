// A rule's texts, parsed and sorted: what each name is, and what happens in a step.
#pragma once

#include "../language/ast.hpp"
#include "../language/functions.hpp"

#include <bitaxon/jit/rule.hpp>

#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace bitaxon::jit {

/// The texts of a rule; expressions are named by text and number.
enum class RuleText : std::uint8_t { equations, threshold, reset, refractory };

struct TextExpr {
    RuleText text;
    ExprId id;
    /// Number of the statement in all texts. Random sites are counted from here, so that they
    /// are the same wherever and however often the statement is evaluated.
    std::uint32_t statement;
};

/// A type; none stands for `real`.
using DeclaredType = std::optional<Type>;

struct Variable {
    std::string name;
    DeclaredType type;
    Position position;
    std::optional<TextExpr> initial;
    std::optional<TextExpr> rate;  ///< of a differential equation
    bool unless_refractory = false;
};

struct Parameter {
    std::string name;
    DeclaredType type;
    double value = 0;
    bool shared = false;
};

/// `name = value`: a sub-expression, or an assignment to a variable.
struct NamedExpr {
    std::string name;
    Position position;
    TextExpr value;
    StatementKind kind = StatementKind::assignment;
};

/// What a name of a rule stands for: a variable, parameter, sub-expression or noise of this number.
struct Meaning {
    enum class Kind : std::uint8_t { variable, parameter, sub_expression, noise };
    Kind kind;
    std::uint32_t number;
};

/// Throws for whatever can be wrong with names; expressions are not typed yet.
struct Description {
    explicit Description(const RuleOptions& options);

    const Script& script(RuleText text) const { return scripts[static_cast<std::size_t>(text)]; }
    const std::string& source(RuleText text) const { return *script(text).ast.source; }

    std::array<Script, 4> scripts;
    std::vector<Variable> variables;
    std::vector<Parameter> parameters;
    std::vector<NamedExpr> sub_expressions;  ///< each after those that it names
    std::vector<NamedExpr> updates;          ///< of variables, in the order of the text
    std::vector<NamedExpr> resets;
    std::optional<TextExpr> threshold;
    std::optional<TextExpr> refractory;
    std::optional<DeclaredType> current;  ///< type of i, if the rule reads it
    std::vector<std::string> noises;      ///< xi, xi_...: names of white noise
    std::vector<std::string> names;       ///< all that may stand in an expression

    /// What the name was given to, or null: i, t, dt, pi and e have meanings without that.
    const Meaning* meaning(std::string_view name) const noexcept {
        const auto found = meanings.find(name);
        return found == meanings.end() ? nullptr : &found->second;
    }
    std::unordered_map<std::string_view, Meaning> meanings;  ///< by parts of the sources
};

}  // namespace bitaxon::jit
