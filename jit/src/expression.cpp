#include "expression_state.hpp"

#include "language/ast.hpp"
#include "language/to_graph.hpp"

#include <bitaxon/core/error.hpp>
#include <bitaxon/jit/kernel.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

namespace bitaxon::jit {
namespace {

bool is_language_constant(const std::string& name) { return name == "pi" || name == "e"; }

bool is_declaration(const Statement& statement) {
    return statement.kind == StatementKind::declaration;
}

// A function's name without a call is a mistake, not an argument.
bool is_function(const std::string& name) {
    return std::ranges::any_of(built_in_functions(),
                               [&](const BuiltIn& function) { return function.name == name; });
}

// Names of the script that are declared, or that no assignment before them defines, in the order of
// the text.
std::vector<std::string> free_names(const Script& script) {
    std::vector<std::string> names;
    std::set<std::string_view> seen;
    ExprId expr = 0;
    for (const Statement& statement : script.statements) {
        for (; statement.value && expr <= *statement.value; ++expr) {
            const Expr& e = script.ast.exprs[expr];
            if (e.kind == ExprKind::name && seen.insert(e.text).second) {
                names.emplace_back(e.text);
            }
        }
        if (seen.insert(statement.name).second && is_declaration(statement)) {
            names.emplace_back(statement.name);
        }
    }
    return names;
}

bool is_declared(const Script& script, std::string_view name) {
    return std::ranges::any_of(script.statements, [&](const Statement& statement) {
        return is_declaration(statement) && statement.name == name;
    });
}

void check_statement(const Script& script, const Statement& statement) {
    const bool is_argument =
        is_declaration(statement) && !statement.value && !statement.constant && !statement.shared;
    if (!is_argument && statement.kind != StatementKind::assignment &&
        statement.kind != StatementKind::result) {
        throw_at(
            *script.ast.source, statement.position,
            "an expression holds declarations of arguments `name : type`, assignments `name = ...` "
            "and results; other declarations, differential equations and += belong into a Rule");
    }
}

void read_declaration(const Script& script, const Statement& declaration,
                      const std::vector<std::string>& arguments, std::vector<Type>& types) {
    const auto refuse = [&](const std::string& message) {
        throw_at(*script.ast.source, declaration.position, message);
    };
    const auto name = std::ranges::find(arguments, declaration.name);
    if (name == arguments.end()) {
        refuse(fmt::format(
            "`{}` is declared but is no argument; list it, or assign a value to it without "
            "a type",
            declaration.name));
    }
    if (declaration.type == Type::i16) {
        refuse("no array is read as i16; declare an i32, which holds the same values");
    }
    if (declaration.type) {
        types[static_cast<std::size_t>(name - arguments.begin())] = *declaration.type;
    }
}

std::vector<Type> argument_types(const Script& script, const std::vector<std::string>& arguments,
                                 Type dtype) {
    std::vector<Type> types(arguments.size(), dtype);
    std::set<std::string_view> seen;
    for (const Statement& statement : script.statements) {
        check_statement(script, statement);
        const bool is_new = statement.name.empty() || seen.insert(statement.name).second;
        if (!is_declaration(statement)) {
            continue;
        }
        if (!is_new) {
            throw_at(*script.ast.source, statement.position,
                     fmt::format("`{}` is declared or assigned before", statement.name));
        }
        read_declaration(script, statement, arguments, types);
    }
    return types;
}

}  // namespace

const std::string& Expression::text() const noexcept { return state_->text; }
Type Expression::dtype() const noexcept { return state_->dtype; }
const std::vector<std::string>& Expression::arguments() const noexcept {
    return state_->arguments;
}
const std::vector<Type>& Expression::argument_types() const noexcept {
    return state_->argument_types;
}
const std::vector<Type>& Expression::results() const noexcept { return state_->results; }

std::vector<std::string> free_names(std::string_view text) {
    return free_names(parse_script(text));
}

Expression parse(std::string_view text, const ParseOptions& options) {
    if (!is_float(options.dtype)) {
        throw_error(ErrorCode::invalid_type, "dtype", name(options.dtype), "f32 or f64");
    }
    const Script script = parse_script(text);
    auto state = std::make_shared<Expression::State>();
    state->text = text;
    state->dtype = options.dtype;
    state->functions = options.functions;
    if (options.arguments) {
        state->arguments = *options.arguments;
    } else {
        for (std::string& name : free_names(script)) {
            const bool has_meaning = is_language_constant(name) || is_function(name);
            if (!has_meaning || is_declared(script, name)) {
                state->arguments.push_back(std::move(name));
            }
        }
    }
    if (state->arguments.size() > kMaxArrays) {
        throw_error(ErrorCode::invalid_value, "arguments",
                    fmt::format("{} names", state->arguments.size()),
                    fmt::format("at most {}; split the expression", kMaxArrays));
    }

    state->argument_types = argument_types(script, state->arguments, options.dtype);

    Graph& graph = state->graph;
    std::map<std::string, NodeId, std::less<>> values;
    for (std::size_t k = 0; k < state->arguments.size(); ++k) {
        const bool fresh = values
                               .emplace(state->arguments[k],
                                        graph.make(Op::input, state->argument_types[k], {}, k))
                               .second;
        if (!fresh) {
            throw_error(ErrorCode::invalid_value, "arguments", "`" + state->arguments[k] + "` twice",
                        "names that differ");
        }
    }
    std::uint64_t sites = 0;
    std::vector<std::string> known_names = state->arguments;
    Scope scope{.real = options.dtype,
                .resolve = [&](std::string_view name) -> std::optional<NodeId> {
                    const auto found = values.find(name);
                    return found == values.end() ? std::nullopt : std::optional(found->second);
                },
                .known_names = known_names,
                .functions = &state->functions.table(),
                .random_sites = &sites};
    for (const Statement& statement : script.statements) {
        if (is_declaration(statement)) {
            continue;
        }
        const NodeId value = to_graph(graph, script.ast, *statement.value, scope);
        if (statement.kind == StatementKind::assignment) {
            values.insert_or_assign(std::string(statement.name), value);
            known_names.emplace_back(statement.name);
            scope.known_names = known_names;
        } else {
            state->roots.push_back(value);
            state->results.push_back(graph.type(value));
        }
    }
    if (state->roots.empty()) {
        throw_error(ErrorCode::invalid_value, "expression", text.empty() ? "an empty text" : "no result",
                    "an expression, such as x^2 + 2*x*y");
    }
    if (state->roots.size() > kMaxArrays) {
        throw_error(ErrorCode::invalid_value, "results",
                    fmt::format("{} expressions", state->roots.size()),
                    fmt::format("at most {}; split the text", kMaxArrays));
    }
    state->random = sites > 0;
    return Expression(std::move(state));
}

}  // namespace bitaxon::jit
