// What the parser makes of a text, before names have meanings: expressions and rule statements.
#pragma once

#include <bitaxon/jit/types.hpp>

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace bitaxon::jit {

/// A place in a text; both count from 1, columns in characters.
struct Position {
    std::uint32_t line = 1;
    std::uint32_t column = 1;
};

enum class ExprKind : std::uint8_t {
    number,       ///< `number`, or `integer` if `is_integer`
    name,         ///< `text`
    call,         ///< function `text` of the children; casts too
    unary,        ///< operator `text` ("-", "+", "~", "not") of one child
    binary,       ///< operator `text` of two children; "**" is written "^", comparisons as they are
    conditional,  ///< children: condition, value if true, value otherwise
};

using ExprId = std::uint32_t;

struct Expr {
    ExprKind kind;
    bool is_integer = false;  ///< the literal has no point and no exponent and fits
    Position position;
    std::string_view text;  ///< a part of the source
    double number = 0;
    std::int64_t integer = 0;
    std::uint32_t first_child = 0;  ///< see Ast::children_of()
    std::uint32_t child_count = 0;
};

/// The expressions of one text; children have smaller numbers than their parents, and an
/// expression's parts are numbered without gaps, in the order of the text.
struct Ast {
    std::shared_ptr<const std::string> source;
    std::vector<Expr> exprs;
    std::vector<ExprId> children;  ///< of all expressions

    std::span<const ExprId> children_of(const Expr& expr) const noexcept {
        return std::span(children).subspan(expr.first_child, expr.child_count);
    }
};

/// Statements of a rule or of a text with sub-expressions.
enum class StatementKind : std::uint8_t {
    declaration,   ///< `name : type = value (constant|shared)`; value optional
    differential,  ///< `dname/dt = value (unless refractory)`
    assignment,    ///< `name = value`
    add_assign,    ///< `name += value`
    subtract_assign,
    result,  ///< a bare expression: the value of an expression text
};

struct Statement {
    StatementKind kind;
    Position position;
    std::string_view name;     ///< a part of the source; empty for `result`
    std::optional<Type> type;  ///< of a declaration
    std::optional<ExprId> value;
    bool constant = false;           ///< flag of a declaration: set once, the same in all steps
    bool shared = false;             ///< flag of a declaration: one value for all neurons
    bool unless_refractory = false;  ///< flag of a differential
    std::uint32_t bits = 0;          ///< of a declaration in a circuit, `u` and this number
};

struct Script {
    Ast ast;
    std::vector<Statement> statements;
};

/// Which of two languages a text is written in.
enum class Dialect : std::uint8_t {
    expression,  ///< numbers: `^` is the power, types are f32, f64, real, i16, i32 and i64
    circuit,     ///< bits: `^` is XOR, and types are u1 ... u62
};
inline constexpr std::uint32_t kMaxCircuitBits = 62;

/// The number of bits that the type `u` and a number has, or nothing for another name.
std::optional<std::uint32_t> circuit_type(std::string_view name) noexcept;

/// Parses statements, one a line or separated by `;`. An expression text is statements whose last
/// is a `result`; several results, separated by `,` at the top level or given one a line, are
/// several outputs. Comments run from `#` to the end of the line; a line goes on inside brackets.
/// @throws Error with line, column and a caret
Script parse_script(std::string_view text, Dialect dialect = Dialect::expression);

/// "line L, column C: message" with the line and a caret below it; a long line is cut, and what a
/// terminal cannot show is replaced.
std::string located(const std::string& source, Position position, std::string_view message);

/// Throws the error of that text.
[[noreturn]] void throw_at(const std::string& source, Position position,
                           const std::string& message);

/// "; did you mean `x`?" for the nearest of the candidates, or nothing if none is near.
std::string suggestion(std::string_view name, const std::vector<std::string>& candidates);

}  // namespace bitaxon::jit
