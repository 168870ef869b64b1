// From tokens to the syntax tree: operators by a table of levels, statements by their first tokens.
//
// Recursion goes one level deeper with each bracket, sign, power and conditional, and stops at
// kMaxNesting; what is long without being deep, as a sum of many terms, costs no stack. Statements
// and expressions share a token, a lexer and the ways to fail: one class, so one file.
#include "functions.hpp"
#include "lexer.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <initializer_list>

namespace bitaxon::jit {
namespace {

constexpr int kMaxNesting = 200;
constexpr std::size_t kMaxExprs = 100'000;

// How tightly an operator binds, loosest first. As in Python, but for `^` in expressions, which is
// the power there.
enum Level : int {
    kConditional,
    kOr,
    kAnd,
    kNot,
    kComparison,
    kBitOr,
    kBitXor,
    kBitAnd,
    kShift,
    kSum,
    kProduct,
    kSign,
    kPower,
    kNone,  ///< no operator binds as tightly
};

struct Infix {
    std::string_view text;
    Level level;
};
constexpr Infix kInfixes[] = {
    {"+", kSum},          {"-", kSum},         {"*", kProduct},    {"/", kProduct},
    {"//", kProduct},     {"%", kProduct},     {"^", kPower},      {"**", kPower},
    {"<<", kShift},       {">>", kShift},      {"&", kBitAnd},     {"|", kBitOr},
    {"<", kComparison},   {"<=", kComparison}, {">", kComparison}, {">=", kComparison},
    {"==", kComparison},  {"!=", kComparison}, {"and", kAnd},      {"or", kOr},
    {"if", kConditional},
};
constexpr Infix kPrefixes[] = {{"-", kSign}, {"+", kSign}, {"~", kSign}, {"not", kNot}};

// The level of the token as such an operator, or kNone.
template <std::size_t Count>
Level level_of(const Infix (&operators)[Count], const Token& token) noexcept {
    if (token.kind == TokenKind::symbol) {
        for (const Infix& infix : operators) {
            if (infix.text.front() == token.text.front() && infix.text == token.text) {
                return infix.level;
            }
        }
    }
    return kNone;
}

// The words in brackets that may end a statement.
struct Flag {
    std::string_view text;
    StatementKind of;
    bool Statement::*member;
};
constexpr Flag kFlags[] = {
    {"constant", StatementKind::declaration, &Statement::constant},
    {"shared", StatementKind::declaration, &Statement::shared},
    {"unless refractory", StatementKind::differential, &Statement::unless_refractory},
};

// What to do about a token that came where none of its kind is expected.
struct Advice {
    std::string_view token;
    std::string_view text;
};
constexpr Advice kAdvice[] = {
    {"=", "; `==` compares, and only a name can be given a value"},
    {"+=", "; it adds to a name, in a statement of its own"},
    {"-=", "; it subtracts from a name, in a statement of its own"},
    {"if", "; write `a if condition else b` or `where(condition, a, b)`"},
    {"else", "; it belongs to an `if`, as in `a if condition else b`"},
    {")", "; remove it, or write what belongs before it"},
    {",", "; remove it, or write what belongs before it"},
    {"\n", "; a line goes on inside brackets or after a `\\` at its end"},
    {":", "; a declaration is `name : type = value`"},
    {"", "; complete the expression"},
};

std::string described(const Token& token) {
    return token.kind == TokenKind::end ? "the end of the text"
           : token.text == "\n"         ? "the end of the line"
                                        : quoted(token.text);
}

class Parser {
  public:
    Parser(std::shared_ptr<const std::string> source, Dialect dialect)
        : lexer_(*source), script_{{std::move(source), {}, {}}, {}}, dialect_(dialect) {
        const std::size_t expected = std::min<std::size_t>(script_.ast.source->size() / 4 + 1, 256);
        script_.ast.exprs.reserve(expected);
        script_.ast.children.reserve(expected);
        advance();
    }

    Script run();

  private:
    void statement();
    void declaration(Statement statement);
    void declared_type(Statement& statement);
    void differential(Statement statement);
    void assignment(Statement statement, StatementKind kind);
    void results();
    void finish(Statement statement);
    void flags(Statement& statement);
    void flag(Statement& statement);
    bool at_flags() const;
    bool at_end_of_statement() const noexcept {
        return token_.kind == TokenKind::newline || token_.kind == TokenKind::end;
    }
    bool takes_flags() const noexcept {
        return kind_ == StatementKind::declaration || kind_ == StatementKind::differential;
    }

    ExprId expression(Level loosest);
    ExprId operand(Level loosest);
    ExprId prefix(Level level, Level loosest);
    ExprId bracketed();
    ExprId number();
    ExprId name_or_call();
    ExprId call(const Token& name);
    ExprId binary(Level level, ExprId left);
    ExprId conditional(ExprId value);
    ExprId add(ExprKind kind, const Token& token, std::span<const ExprId> children);
    ExprId add(ExprKind kind, const Token& token, std::initializer_list<ExprId> children) {
        return add(kind, token, std::span(children.begin(), children.size()));
    }

    void advance() {
        token_ = lexer_.next();
        infix_ = dialect_ == Dialect::circuit && token_.is("^") ? kBitXor
                                                                : level_of(kInfixes, token_);
    }
    Token take();
    Token take_name(std::string_view expected, std::string_view advice);
    void close(Position opened, std::string_view expected = "`)`", std::string_view advice = {});
    void enter();
    void leave() noexcept { --nesting_; }
    [[noreturn]] void fail(Position position, const std::string& message) const {
        throw_at(*script_.ast.source, position, message);
    }
    [[noreturn]] void unexpected(std::string_view expected, std::string_view advice = {}) const;
    [[noreturn]] void refuse_chain(std::string_view first) const;
    [[noreturn]] void refuse_target(const Token& name, const Token& below) const;
    [[noreturn]] void refuse_end() const;

    Lexer lexer_;
    Token token_;          ///< the next one; the lexer stands behind it
    Level infix_ = kNone;  ///< how tightly it binds as an operator between values
    Script script_;
    Dialect dialect_;
    StatementKind kind_ = StatementKind::result;  ///< of the statement at hand
    int nesting_ = 0;
};

// Statements.

Script Parser::run() {
    while (token_.kind != TokenKind::end) {
        if (token_.kind == TokenKind::newline) {
            take();
        } else {
            statement();
        }
    }
    return std::move(script_);
}

void Parser::statement() {
    Lexer ahead = lexer_;
    const Token second = token_.kind == TokenKind::name ? ahead.next() : Token{};
    Statement statement{StatementKind::result, token_.position, token_.text, {}, {}};
    if (second.is(":")) {
        declaration(std::move(statement));
    } else if (second.is("=")) {
        assignment(std::move(statement), StatementKind::assignment);
    } else if (second.is("+=")) {
        assignment(std::move(statement), StatementKind::add_assign);
    } else if (second.is("-=")) {
        assignment(std::move(statement), StatementKind::subtract_assign);
    } else if (second.is("/") && ahead.next().kind == TokenKind::name && ahead.next().is("=")) {
        differential(std::move(statement));
    } else {
        results();
    }
}

void Parser::declaration(Statement statement) {
    kind_ = statement.kind = StatementKind::declaration;
    take();
    take();
    declared_type(statement);
    if (token_.is("=")) {
        take();
        statement.value = expression(kConditional);
    } else if (!token_.is("(") && !at_end_of_statement()) {
        unexpected("`= value`, flags or the end of the declaration");
    }
    finish(std::move(statement));
}

void Parser::declared_type(Statement& statement) {
    const bool is_circuit = dialect_ == Dialect::circuit;
    const std::string expected =
        is_circuit ? fmt::format("a type: u1 ... u{}, for that many bits", kMaxCircuitBits)
                   : "a type: f32, f64, real, i16, i32 or i64";
    const Token type = take_name(expected, "; a declaration is `name : type = value`");
    if (is_circuit) {
        statement.bits = circuit_type(type.text).value_or(0);
    } else {
        statement.type = number_type(type.text);
    }
    if (is_circuit ? statement.bits == 0 : !statement.type && type.text != "real") {
        fail(type.position,
             fmt::format("got {}, expected {}{}", quoted(type.text), expected,
                         is_circuit ? ""
                                    : suggestion(type.text, {"f32", "f64", "real", "i16", "i32",
                                                             "i64"})));
    }
}

void Parser::differential(Statement statement) {
    kind_ = statement.kind = StatementKind::differential;
    const Token name = take();
    take();
    const Token below = take();
    if (below.text != "dt" || name.text.size() < 2 || name.text.front() != 'd') {
        refuse_target(name, below);
    }
    take();
    statement.name.remove_prefix(1);
    statement.value = expression(kConditional);
    finish(std::move(statement));
}

void Parser::assignment(Statement statement, StatementKind kind) {
    kind_ = statement.kind = kind;
    take();
    take();
    statement.value = expression(kConditional);
    finish(std::move(statement));
}

void Parser::results() {
    kind_ = StatementKind::result;
    for (;;) {
        Statement statement{kind_, token_.position, {}, {}, {}};
        statement.value = expression(kConditional);
        if (!token_.is(",")) {
            return finish(std::move(statement));
        }
        take();
        script_.statements.push_back(std::move(statement));
    }
}

void Parser::finish(Statement statement) {
    if (token_.is("(")) {
        flags(statement);
    }
    if (!at_end_of_statement()) {
        refuse_end();
    }
    script_.statements.push_back(std::move(statement));
}

// True at the `(` of flags: where there may be any, two names side by side are no arguments, and
// `constant` and `shared` are no names.
bool Parser::at_flags() const {
    if (!token_.is("(") || lexer_.depth() != 1) {
        return false;
    }
    Lexer ahead = lexer_;
    const Token first = ahead.next();
    const Token second = ahead.next();
    if (second.kind == TokenKind::name) {
        return first.kind == TokenKind::name && (takes_flags() || first.text == "unless");
    }
    return takes_flags() && (second.is(",") || second.is(")")) &&
           std::any_of(std::begin(kFlags), std::end(kFlags),
                       [&](const Flag& flag) { return flag.text == first.text; });
}

void Parser::flags(Statement& statement) {
    if (!takes_flags() && !at_flags()) {
        refuse_end();
    }
    const Position opened = take().position;
    flag(statement);
    while (token_.is(",")) {
        take();
        flag(statement);
    }
    close(opened);
}

void Parser::flag(Statement& statement) {
    const Token first = take_name("a flag: `constant`, `shared` or `unless refractory`", {});
    std::string text(first.text);
    while (token_.kind == TokenKind::name) {
        text += fmt::format(" {}", take().text);
    }
    for (const Flag& flag : kFlags) {
        if (flag.text != text) {
            continue;
        }
        if (flag.of != statement.kind) {
            fail(first.position,
                 fmt::format("got the flag `{}`, which belongs to {}; remove it", text,
                             flag.of == StatementKind::declaration
                                 ? "declarations, as in `x : real = 1 (constant)`"
                                 : "`dname/dt = ...`"));
        }
        statement.*flag.member = true;
        return;
    }
    fail(first.position,
         fmt::format("got the flag {}, expected `constant`, `shared` or `unless refractory`{}",
                     quoted(text), suggestion(text, {"constant", "shared", "unless refractory"})));
}

// Expressions.

ExprId Parser::expression(Level loosest) {
    enter();
    ExprId left = operand(loosest);
    while (infix_ != kNone && infix_ >= loosest) {
        left = infix_ == kConditional ? conditional(left) : binary(infix_, left);
    }
    leave();
    return left;
}

ExprId Parser::operand(Level loosest) {
    if (const Level level = level_of(kPrefixes, token_); level != kNone) {
        return prefix(level, loosest);
    }
    if (token_.kind == TokenKind::number) {
        return number();
    }
    if (token_.kind == TokenKind::name) {
        return name_or_call();
    }
    if (token_.is("(")) {
        return bracketed();
    }
    const bool is_infix = infix_ != kNone && !token_.is("if");
    unexpected("a number, a name or `(`",
               is_infix ? fmt::format("; `{}` needs a value on each side", token_.text) : "");
}

ExprId Parser::prefix(Level level, Level loosest) {
    if (level == kNot && loosest > kNot) {
        unexpected("a number, a name or `(`", "; put brackets around it, as in `(not a)`");
    }
    const Token token = take();
    const ExprId child = expression(level);
    return add(ExprKind::unary, token, {child});
}

ExprId Parser::bracketed() {
    const Position opened = take().position;
    const ExprId inner = expression(kConditional);
    close(opened);
    return inner;
}

ExprId Parser::number() {
    const Token token = take();
    const ExprId id = add(ExprKind::number, token, {});
    Expr& expr = script_.ast.exprs[id];
    expr.number = token.number;
    expr.integer = token.integer;
    expr.is_integer = token.is_integer;
    return id;
}

ExprId Parser::name_or_call() {
    const Token name = take();
    return token_.is("(") && !at_flags() ? call(name) : add(ExprKind::name, name, {});
}

ExprId Parser::call(const Token& name) {
    const Position opened = take().position;
    std::vector<ExprId> arguments;
    if (!token_.is(")")) {
        arguments.push_back(expression(kConditional));
        while (token_.is(",")) {
            take();
            arguments.push_back(expression(kConditional));
        }
    }
    close(opened, "`,` or `)`",
          token_.is("=") ? "; arguments go by their order and have no names" : "");
    return add(ExprKind::call, name, arguments);
}

ExprId Parser::binary(Level level, ExprId left) {
    Token token = take();
    if (token.text == "**" && dialect_ == Dialect::expression) {
        token.text = "^";
    }
    const ExprId right = expression(level == kPower ? kPower : static_cast<Level>(level + 1));
    if (level == kComparison && infix_ == kComparison) {
        refuse_chain(token.text);
    }
    return add(ExprKind::binary, token, {left, right});
}

ExprId Parser::conditional(ExprId value) {
    const Token token = take();
    const ExprId condition = expression(kOr);
    if (!token_.is("else")) {
        unexpected("`else`", "; write `a if condition else b`");
    }
    take();
    const ExprId otherwise = expression(kConditional);
    return add(ExprKind::conditional, token, {condition, value, otherwise});
}

ExprId Parser::add(ExprKind kind, const Token& token, std::span<const ExprId> children) {
    auto& [source, exprs, all_children] = script_.ast;
    if (exprs.size() >= kMaxExprs) {
        fail(token.position, fmt::format("got more than {} numbers, names and operators, expected "
                                         "fewer; split the text into several",
                                         kMaxExprs));
    }
    Expr& expr = exprs.emplace_back();
    expr.kind = kind;
    expr.position = token.position;
    expr.text = token.text;
    expr.first_child = static_cast<std::uint32_t>(all_children.size());
    expr.child_count = static_cast<std::uint32_t>(children.size());
    all_children.insert(all_children.end(), children.begin(), children.end());
    return static_cast<ExprId>(exprs.size() - 1);
}

// Tokens.

Token Parser::take() {
    const Token taken = token_;
    advance();
    return taken;
}

Token Parser::take_name(std::string_view expected, std::string_view advice) {
    if (token_.kind != TokenKind::name) {
        unexpected(expected, advice);
    }
    return take();
}

void Parser::close(Position opened, std::string_view expected, std::string_view advice) {
    if (!token_.is(")")) {
        unexpected(fmt::format("{} to close the `(` of line {}, column {}", expected, opened.line,
                               opened.column),
                   advice);
    }
    take();
}

void Parser::enter() {
    if (++nesting_ > kMaxNesting) {
        fail(token_.position,
             fmt::format("got more than {} levels inside each other, expected fewer; give parts "
                         "names of their own, as in `part = ...`",
                         kMaxNesting));
    }
}

// Errors.

void Parser::unexpected(std::string_view expected, std::string_view advice) const {
    for (const Advice& row : kAdvice) {
        if (advice.empty() && row.token == token_.text) {
            advice = row.text;
        }
    }
    fail(token_.position,
         fmt::format("got {}, expected {}{}", described(token_), expected, advice));
}

void Parser::refuse_end() const {
    const bool is_value =
        token_.kind == TokenKind::number || token_.kind == TokenKind::name || token_.is("(");
    unexpected("an operator or the end of the statement",
               is_value         ? "; write `*` to multiply"
               : token_.is(")") ? "; remove it, no bracket is open"
               : token_.is(",") ? "; an assignment has one value"
                                : "");
}

void Parser::refuse_chain(std::string_view first) const {
    fail(token_.position,
         fmt::format("got a second comparison `{0}`, expected one; write `a {1} b and b {0} c`",
                     token_.text, first));
}

void Parser::refuse_target(const Token& name, const Token& below) const {
    fail(name.position,
         fmt::format("got {} before `=`, expected a name or `dname/dt`; write `name = ...` or, for "
                     "a differential equation, `dname/dt = ...`",
                     quoted(fmt::format("{}/{}", name.text, below.text))));
}

}  // namespace

std::optional<std::uint32_t> circuit_type(std::string_view name) noexcept {
    std::uint32_t bits = 0;
    const char* const end = name.data() + name.size();
    if (name.size() < 2 || name[0] != 'u' || name[1] == '0' ||
        std::from_chars(name.data() + 1, end, bits).ptr != end || bits > kMaxCircuitBits) {
        return std::nullopt;
    }
    return bits;
}

Script parse_script(std::string_view text, Dialect dialect) {
    return Parser(std::make_shared<const std::string>(text), dialect).run();
}

}  // namespace bitaxon::jit
