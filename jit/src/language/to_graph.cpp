// An expression's parts are translated in the order of their numbers, which is that of the text, so
// deep trees cost no stack; only calls of the user's own expressions recurse, to kMaxInlineDepth.
#include "to_graph.hpp"

#include "lexer.hpp"
#include "operators.hpp"

#include <bitaxon/core/error.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <numbers>
#include <unordered_map>

namespace bitaxon::jit {
namespace {

constexpr std::size_t kMaxInlineDepth = 64;
// Functions that call others twice double the work with each level.
constexpr std::size_t kMaxInlinedExprs = 1'000'000;
constexpr std::size_t kMaxListedNames = 8;

using Locals = std::unordered_map<std::string_view, Value>;

// The calls of the user's expressions that lead to the one at hand.
struct Inlining {
    std::vector<const UserFunction*> active;
    std::size_t exprs = 0;
};

class Translator {
  public:
    /// With `locals`, the names of a function's body, the scope's names are not seen.
    Translator(Graph& graph, const Ast& ast, const Scope& scope, Inlining& inlining,
               const Locals* locals = nullptr)
        : graph_(graph, scope.real, *ast.source), ast_(ast), scope_(scope), inlining_(inlining),
          locals_(locals) {}

    Value translate(ExprId root);
    NodeId node_of(const Value& value) {
        return value.form == Value::Form::node ? value.node : graph_.convert(value, scope_.real);
    }

  private:
    Value part(const Expr& expr, Values children);
    Value name(const Expr& expr) const;
    Value call(const Expr& expr, Values args);
    Value inlined(const UserFunction& function, const Expr& expr, Values args);
    Value body(const InlineFunction& function, Values args);
    Value external(std::uint64_t number, const Expr& expr, Values args);

    std::vector<std::string> known_names() const;
    std::vector<std::string> known_functions() const;
    void enter(const UserFunction& function, const InlineFunction& definition, const Expr& call);
    void check_count(const Expr& call, std::size_t least, std::size_t most) const;
    [[noreturn]] void refuse_name(const Expr& expr) const;
    [[noreturn]] void refuse_function(const Expr& expr) const;

    TypedGraph graph_;
    const Ast& ast_;
    const Scope& scope_;
    Inlining& inlining_;
    const Locals* locals_;
};

bool contains(const std::vector<std::string>& names, std::string_view name) {
    return std::find(names.begin(), names.end(), name) != names.end();
}

ExprId first_part(const Ast& ast, ExprId id) {
    while (ast.exprs[id].child_count > 0) {
        id = std::ranges::min(ast.children_of(ast.exprs[id]));
    }
    return id;
}

Value Translator::translate(ExprId root) {
    const ExprId first = first_part(ast_, root);
    std::vector<Value> values(root - first + 1);
    std::vector<Value> children;
    for (ExprId id = first; id <= root; ++id) {
        const Expr& expr = ast_.exprs[id];
        children.clear();
        for (const ExprId child : ast_.children_of(expr)) {
            children.push_back(values[child - first]);
        }
        values[id - first] = part(expr, children);
        values[id - first].position = expr.position;
    }
    return values.back();
}

Value Translator::part(const Expr& expr, Values children) {
    switch (expr.kind) {
    case ExprKind::number:
        return expr.is_integer ? Value::of_integer(expr.integer) : Value::of_number(expr.number);
    case ExprKind::name:
        return name(expr);
    case ExprKind::call:
        return call(expr, children);
    default:
        return apply_operator(graph_, scope_, expr, children);
    }
}

Value Translator::name(const Expr& expr) const {
    if (locals_) {
        if (const auto local = locals_->find(expr.text); local != locals_->end()) {
            return local->second;
        }
    } else if (const auto node = scope_.resolve ? scope_.resolve(expr.text) : std::nullopt) {
        return Value::of_node(*node);
    }
    if (expr.text == "pi") {
        return Value::of_number(std::numbers::pi);
    }
    if (expr.text == "e") {
        return Value::of_number(std::numbers::e);
    }
    refuse_name(expr);
}

// Calls.

Value Translator::call(const Expr& expr, Values args) {
    const auto built_ins = built_in_functions();
    const auto built_in = std::find_if(built_ins.begin(), built_ins.end(),
                                       [&](const BuiltIn& f) { return f.name == expr.text; });
    if (built_in != built_ins.end()) {
        check_count(expr, static_cast<std::size_t>(built_in->min_arguments),
                    static_cast<std::size_t>(built_in->max_arguments));
        return apply_function(graph_, scope_, expr, *built_in, args);
    }
    const auto number = scope_.functions ? scope_.functions->find(expr.text) : std::nullopt;
    if (!number) {
        refuse_function(expr);
    }
    const UserFunction& function = (*scope_.functions)[*number];
    return std::holds_alternative<InlineFunction>(function.body) ? inlined(function, expr, args)
                                                                 : external(*number, expr, args);
}

Value Translator::inlined(const UserFunction& function, const Expr& expr, Values args) {
    const auto& definition = std::get<InlineFunction>(function.body);
    check_count(expr, definition.parameters.size(), definition.parameters.size());
    enter(function, definition, expr);
    try {
        const Value value = body(definition, args);
        inlining_.active.pop_back();
        return value;
    } catch (const Error& error) {
        const std::string call = located(*ast_.source, expr.position,
                                         fmt::format("in this call of `{}`", function.name));
        throw Error(error.code(), fmt::format("{}\n{}", call, error.what()));
    }
}

void Translator::enter(const UserFunction& function, const InlineFunction& definition,
                       const Expr& call) {
    auto& active = inlining_.active;
    if (std::find(active.begin(), active.end(), &function) != active.end()) {
        graph_.fail(call.position,
                    fmt::format("got a call of `{}` inside itself, expected functions "
                                "that end; write the repetition out",
                                function.name));
    }
    if (active.size() >= kMaxInlineDepth) {
        graph_.fail(call.position, fmt::format("got more than {} calls inside each other, expected "
                                               "fewer; write some of the functions out",
                                               kMaxInlineDepth));
    }
    inlining_.exprs += definition.script.ast.exprs.size();
    if (inlining_.exprs > kMaxInlinedExprs) {
        graph_.fail(call.position,
                    fmt::format("got calls that unfold to more than {} operations, expected fewer; "
                                "give what is shared a name",
                                kMaxInlinedExprs));
    }
    active.push_back(&function);
}

Value Translator::body(const InlineFunction& function, Values args) {
    Locals locals;
    for (std::size_t i = 0; i < args.size(); ++i) {
        locals.emplace(function.parameters[i], args[i]);
    }
    Translator inner(graph_.graph(), function.script.ast, scope_, inlining_, &locals);
    Value result;
    for (const Statement& statement : function.script.statements) {
        result = inner.translate(*statement.value);
        locals.insert_or_assign(statement.name, result);
    }
    return result;
}

Value Translator::external(std::uint64_t number, const Expr& expr, Values args) {
    const auto& function = std::get<ExternalFunction>((*scope_.functions)[number].body);
    const auto count = static_cast<std::size_t>(function.arguments);
    check_count(expr, count, count);
    // Each call makes the graph grow, so its size is a number that no other call has.
    const std::uint64_t site = function.purity == Purity::stateful ? graph_.graph().size() + 1 : 0;
    const Value value = graph_.make(Op::external, Type::f64, args, number | site << 32);
    return graph_.cast(Value::of_node(value.node), scope_.real);
}

// Errors.

std::vector<std::string> Translator::known_names() const {
    if (!locals_) {
        return {scope_.known_names.begin(), scope_.known_names.end()};
    }
    std::vector<std::string> names;
    for (const auto& [name, value] : *locals_) {
        names.emplace_back(name);
    }
    std::sort(names.begin(), names.end());
    return names;
}

std::vector<std::string> Translator::known_functions() const {
    std::vector<std::string> names;
    for (const BuiltIn& function : built_in_functions()) {
        names.emplace_back(function.name);
    }
    if (scope_.functions) {
        const std::vector<std::string> own = scope_.functions->names();
        names.insert(names.end(), own.begin(), own.end());
    }
    return names;
}

void Translator::refuse_name(const Expr& expr) const {
    const std::vector<std::string> functions = known_functions();
    if (contains(functions, expr.text)) {
        graph_.fail(expr.position,
                    fmt::format("got the function `{0}` without arguments, expected a "
                                "value; write `{0}(...)`",
                                expr.text));
    }
    std::vector<std::string> names = known_names();
    const std::string expected = names.empty() || names.size() > kMaxListedNames
                                     ? "a name that is defined"
                                     : fmt::format("one of `{}`", fmt::join(names, "`, `"));
    names.insert(names.end(), {"pi", "e"});
    names.insert(names.end(), functions.begin(), functions.end());
    graph_.fail(expr.position, fmt::format("unknown name {}, expected {}{}", quoted(expr.text),
                                           expected, suggestion(expr.text, names)));
}

void Translator::refuse_function(const Expr& expr) const {
    const std::vector<std::string> names = known_names();
    if (contains(names, expr.text) || expr.text == "pi" || expr.text == "e") {
        graph_.fail(expr.position, fmt::format("got the value `{0}` in front of `(`, expected a "
                                               "function; write `{0}*(...)` to multiply",
                                               expr.text));
    }
    const std::string near = suggestion(expr.text, known_functions());
    graph_.fail(expr.position,
                fmt::format("unknown function {}, expected one of the language or your own{}",
                            quoted(expr.text), near.empty() ? "; define it first" : near));
}

void Translator::check_count(const Expr& call, std::size_t least, std::size_t most) const {
    const std::size_t count = call.child_count;
    if (count < least || count > most) {
        graph_.fail(call.position,
                    fmt::format("got `{}` with {} argument{}, expected {}{}", call.text, count,
                                count == 1 ? "" : "s", least, least == most ? "" : " or more"));
    }
}

}  // namespace

NodeId to_graph(Graph& graph, const Ast& ast, ExprId id, const Scope& scope) {
    Inlining inlining;
    Translator translator(graph, ast, scope, inlining);
    return translator.node_of(translator.translate(id));
}

}  // namespace bitaxon::jit
