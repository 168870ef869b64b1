#include "functions.hpp"

#include "lexer.hpp"

#include <bitaxon/core/error.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <set>

namespace bitaxon::jit {
namespace {

constexpr int kAnyNumber = 1 << 20;

// Functions that are no language operation of their own name and arity.
constexpr BuiltIn kOthers[] = {
    {"sqrt", Op::sqrt, 1, 1},        {"fma", Op::fma, 3, 3},          {"fms", Op::fms, 3, 3},
    {"fnma", Op::fnma, 3, 3},        {"floor", Op::floor, 1, 1},
    {"ceil", Op::ceil, 1, 1},        {"round", Op::round, 1, 1},      {"trunc", Op::trunc, 1, 1},
    {"min", Op::min, 2, kAnyNumber}, {"max", Op::max, 2, kAnyNumber}, {"pow", Op::power, 2, 2},
    {"where", Op::select, 3, 3},     {"i16", Op::cast, 1, 1},         {"i32", Op::cast, 1, 1},
    {"i64", Op::cast, 1, 1},         {"f32", Op::cast, 1, 1},         {"f64", Op::cast, 1, 1},
};

constexpr BuiltIn kOperations[] = {
#define BITAXON_JIT_OP(id, text, kind, arity) {text, Op::id, arity, arity},
#include "../ir/ops.def"
#undef BITAXON_JIT_OP
};

// ops.def lists the language's operators first, then its functions, then external calls.
constexpr auto kFirst = static_cast<std::size_t>(Op::exp);
constexpr auto kLast = static_cast<std::size_t>(Op::external);

constexpr auto kBuiltIns = [] {
    std::array<BuiltIn, kLast - kFirst + std::size(kOthers)> all{};
    const auto end = std::copy(kOperations + kFirst, kOperations + kLast, all.begin());
    std::copy(std::begin(kOthers), std::end(kOthers), end);
    return all;
}();

[[noreturn]] void refuse_definition(std::string_view name, std::string_view got,
                                    std::string_view expected) {
    throw_error(ErrorCode::invalid_value, fmt::format("function {}", quoted(name)), got, expected);
}

void check_name(std::string_view name) {
    if (!is_identifier(name) || is_keyword(name)) {
        refuse_definition(
            name, "that name",
            fmt::format("letters, digits and `_`, at most {}, and no keyword", kMaxNameLength));
    }
    const auto built_ins = built_in_functions();
    if (std::any_of(built_ins.begin(), built_ins.end(),
                    [&](const BuiltIn& function) { return function.name == name; })) {
        refuse_definition(name, "the name of a built-in function", "another name");
    }
}

void check_parameters(std::string_view name, const std::vector<std::string>& parameters) {
    for (auto p = parameters.begin(); p != parameters.end(); ++p) {
        if (!is_identifier(*p) || is_keyword(*p)) {
            refuse_definition(name, fmt::format("the parameter {}", quoted(*p)),
                              "letters, digits and `_`, and no keyword");
        }
        if (std::find(parameters.begin(), p, *p) != p) {
            refuse_definition(name, fmt::format("the parameter {} twice", quoted(*p)),
                              "parameters of different names");
        }
    }
}

using Names = std::set<std::string_view>;

// Every name of the expressions [begin, end) is one of `known`.
void check_names(const Ast& ast, ExprId begin, ExprId end, const Names& known) {
    for (ExprId id = begin; id < end; ++id) {
        const Expr& expr = ast.exprs[id];
        if (expr.kind == ExprKind::name && !known.contains(expr.text)) {
            throw_at(*ast.source, expr.position,
                     fmt::format("unknown name {}, expected a parameter of the function{}",
                                 quoted(expr.text),
                                 suggestion(expr.text, {known.begin(), known.end()})));
        }
    }
}

// The body is assignments, each of which may use those before it, and one result.
void check_body(std::string_view name, const std::vector<std::string>& parameters,
                const Script& body) {
    if (body.statements.empty()) {
        refuse_definition(name, "an empty text", "an expression of the parameters");
    }
    Names known(parameters.begin(), parameters.end());
    known.insert({"pi", "e"});
    ExprId checked = 0;
    for (const Statement& statement : body.statements) {
        const bool last = &statement == &body.statements.back();
        if (statement.kind != (last ? StatementKind::result : StatementKind::assignment)) {
            throw_at(
                *body.ast.source, statement.position,
                last ? "got a statement at the end of a function, expected its value, such as "
                       "`x + 1`"
                     : "got another kind of statement, expected `name = ...` before the one value "
                       "of a function");
        }
        check_names(body.ast, checked, *statement.value + 1, known);
        checked = *statement.value + 1;
        known.insert(statement.name);
    }
}

}  // namespace

std::span<const BuiltIn> built_in_functions() noexcept { return kBuiltIns; }

std::optional<Type> number_type(std::string_view text) noexcept {
    for (const Type type : {Type::f32, Type::f64, Type::i16, Type::i32, Type::i64}) {
        if (jit::name(type) == text) {
            return type;
        }
    }
    return std::nullopt;
}

void FunctionTable::define(std::string_view name, std::vector<std::string> parameters,
                           std::string_view text) {
    check_name(name);
    check_parameters(name, parameters);
    Script script = parse_script(text);
    check_body(name, parameters, script);
    put({std::string(name), InlineFunction{std::move(parameters), std::move(script)}});
}

void FunctionTable::define(std::string_view name, ExternalFunction function) {
    check_name(name);
    if (function.arguments < 0 || function.arguments > static_cast<int>(kMaxArguments)) {
        refuse_definition(name, fmt::format("{} arguments", function.arguments),
                          fmt::format("0 to {}", kMaxArguments));
    }
    if (!function.call) {
        refuse_definition(name, "an empty callable", "one that can be called");
    }
    put({std::string(name), std::move(function)});
}

void FunctionTable::put(UserFunction function) {
    const auto existing = find(function.name);
    auto entry = std::make_shared<const UserFunction>(std::move(function));
    if (existing) {
        entries_[*existing] = std::move(entry);
    } else {
        entries_.push_back(std::move(entry));
    }
}

std::optional<std::uint64_t> FunctionTable::find(std::string_view name) const noexcept {
    const auto found = std::find_if(entries_.begin(), entries_.end(),
                                    [&](const auto& entry) { return entry->name == name; });
    if (found == entries_.end()) {
        return std::nullopt;
    }
    return static_cast<std::uint64_t>(found - entries_.begin());
}

std::vector<std::string> FunctionTable::names() const {
    std::vector<std::string> names;
    for (const auto& entry : entries_) {
        names.push_back(entry->name);
    }
    return names;
}

}  // namespace bitaxon::jit
