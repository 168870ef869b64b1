// What texts are parsed to, and that hostile ones end in errors.
#include "language/ast.hpp"

#include <bitaxon/core/error.hpp>

#include <gtest/gtest.h>
#include <pthread.h>

#include <functional>
#include <limits>
#include <string>

namespace bitaxon::jit {
namespace {

std::string number_text(const Expr& expr) {
    if (expr.is_integer) {
        return std::to_string(expr.integer);
    }
    std::string text = std::to_string(expr.number);
    return text.substr(0, text.find_last_not_of('0') + 1);
}

// Every operation in brackets: "(a + (b * c))", "f(a, b)", "(c ? a : b)".
std::string shape(const Ast& ast, ExprId id) {
    const Expr& expr = ast.exprs[id];
    const auto child = [&](std::size_t i) { return shape(ast, ast.children_of(expr)[i]); };
    const std::string name(expr.text);
    switch (expr.kind) {
    case ExprKind::number:
        return number_text(expr);
    case ExprKind::name:
        return name;
    case ExprKind::unary:
        return "(" + name + " " + child(0) + ")";
    case ExprKind::binary:
        return "(" + child(0) + " " + name + " " + child(1) + ")";
    case ExprKind::conditional:
        return "(" + child(0) + " ? " + child(1) + " : " + child(2) + ")";
    case ExprKind::call:
        break;
    }
    std::string text = name + "(";
    for (std::size_t i = 0; i < expr.child_count; ++i) {
        text += (i == 0 ? "" : ", ") + child(i);
    }
    return text + ")";
}

std::string shape(const std::string& text) {
    const Script script = parse_script(text);
    EXPECT_EQ(script.statements.size(), 1u) << text;
    return shape(script.ast, script.statements.at(0).value.value());
}

double number(const std::string& text) {
    const Script script = parse_script(text);
    return script.ast.exprs.at(0).number;
}

std::string message(const std::string& text) {
    try {
        parse_script(text);
        return "no error";
    } catch (const Error& error) {
        return error.what();
    }
}

// Operators.

TEST(Parser, OperatorsBindAsInPython) {
    EXPECT_EQ(shape("a + b * c"), "(a + (b * c))");
    EXPECT_EQ(shape("a - b - c"), "((a - b) - c)");
    EXPECT_EQ(shape("a / b // c % d"), "(((a / b) // c) % d)");
    EXPECT_EQ(shape("a << b + c"), "(a << (b + c))");
    EXPECT_EQ(shape("a & b << c"), "(a & (b << c))");
    EXPECT_EQ(shape("a | b & c"), "(a | (b & c))");
    EXPECT_EQ(shape("a & b == c"), "((a & b) == c)");
    EXPECT_EQ(shape("a | b < c | d"), "((a | b) < (c | d))");
    EXPECT_EQ(shape("not a == b"), "(not (a == b))");
    EXPECT_EQ(shape("a or b and not c"), "(a or (b and (not c)))");
    EXPECT_EQ(shape("~a & b"), "((~ a) & b)");
    EXPECT_EQ(shape("-a * b"), "((- a) * b)");
    EXPECT_EQ(shape("a * -b + c"), "((a * (- b)) + c)");
}

TEST(Parser, PowerIsRightAssociativeAndBindsTighterThanSigns) {
    EXPECT_EQ(shape("a ^ b ^ c"), "(a ^ (b ^ c))");
    EXPECT_EQ(shape("a ** b"), "(a ^ b)");
    EXPECT_EQ(shape("-x^2"), "(- (x ^ 2))");
    EXPECT_EQ(shape("2^-1"), "(2 ^ (- 1))");
    EXPECT_EQ(shape("2^-x*y"), "((2 ^ (- x)) * y)");
    EXPECT_EQ(shape("2^-x^y"), "(2 ^ (- (x ^ y)))");
    EXPECT_EQ(shape("- -x"), "(- (- x))");
}

TEST(Parser, ConditionalsBindLoosestAndNestToTheRight) {
    EXPECT_EQ(shape("a + 1 if b or c else d"), "((b or c) ? (a + 1) : d)");
    EXPECT_EQ(shape("a if b else c if d else f"), "(b ? a : (d ? c : f))");
    EXPECT_EQ(shape("(a if b else c) * 2"), "((b ? a : c) * 2)");
}

TEST(Parser, CallsHoldAnyNumberOfExpressions) {
    EXPECT_EQ(shape("f()"), "f()");
    EXPECT_EQ(shape("f(a, g(b + 1), c if d else 0)"), "f(a, g((b + 1)), (d ? c : 0))");
}

// Numbers.

TEST(Parser, NumbersAreReadInEveryForm) {
    EXPECT_EQ(number("12"), 12);
    EXPECT_EQ(number("1.5"), 1.5);
    EXPECT_EQ(number(".5"), 0.5);
    EXPECT_EQ(number("5."), 5);
    EXPECT_EQ(number("2e-3"), 2e-3);
    EXPECT_EQ(number("2.5E+3"), 2.5e3);
    EXPECT_EQ(number("0x1F"), 31);
    EXPECT_EQ(shape("0x1e+5"), "(30 + 5)");
    EXPECT_EQ(shape("1e5-3"), "(100000. - 3)");
    EXPECT_EQ(shape("9223372036854775807"), "9223372036854775807");
}

TEST(Parser, IntegersBeyond64BitsAreNumbersAndTinyOnesAreZero) {
    const Script script = parse_script("9223372036854775808");
    EXPECT_FALSE(script.ast.exprs[0].is_integer);
    EXPECT_EQ(script.ast.exprs[0].number, 0x1p63);
    EXPECT_EQ(number("1e-400"), 0);
    EXPECT_EQ(number("0." + std::string(400, '0') + "1"), 0);
    EXPECT_EQ(number("0e999999999999999999999"), 0);
    EXPECT_EQ(number("5e-324"), std::numeric_limits<double>::denorm_min());
    EXPECT_EQ(number("1" + std::string(400, '0') + "e-400"), 1);
}

TEST(Parser, NumbersThatOverflowAreErrors) {
    for (const std::string text : {"1e309", "1e99999999999999999999", "2e308"}) {
        EXPECT_NE(message(text).find("expected at most 1.79"), std::string::npos) << text;
    }
    EXPECT_NE(message("1" + std::string(400, '0')).find("expected at most"), std::string::npos);
    EXPECT_NE(message("1" + std::string(800, '0') + "e-400").find("expected at most"),
              std::string::npos);
}

// Statements.

TEST(Parser, StatementsOfARuleKeepTheirParts) {
    const Script script = parse_script("tau : f32 = 20e-3 (constant, shared)\n"
                                       "w : real\n"
                                       "n : i16 (shared); dv/dt = -v/tau (unless refractory)\n"
                                       "i = 2*w   # a sub-expression\n"
                                       "v += 1\n"
                                       "v -= w\n"
                                       "v > 1\n");
    const auto& s = script.statements;
    ASSERT_EQ(s.size(), 8u);
    EXPECT_EQ(s[0].kind, StatementKind::declaration);
    EXPECT_EQ(s[0].name, "tau");
    EXPECT_EQ(s[0].type, Type::f32);
    EXPECT_TRUE(s[0].constant && s[0].shared && s[0].value);
    EXPECT_EQ(s[1].type, std::nullopt);
    EXPECT_FALSE(s[1].value || s[1].constant || s[1].shared);
    EXPECT_EQ(s[2].type, Type::i16);
    EXPECT_TRUE(s[2].shared && !s[2].value);
    EXPECT_EQ(s[3].kind, StatementKind::differential);
    EXPECT_EQ(s[3].name, "v");
    EXPECT_TRUE(s[3].unless_refractory);
    EXPECT_EQ(shape(script.ast, *s[3].value), "((- v) / tau)");
    EXPECT_EQ(s[4].kind, StatementKind::assignment);
    EXPECT_EQ(s[5].kind, StatementKind::add_assign);
    EXPECT_EQ(s[6].kind, StatementKind::subtract_assign);
    EXPECT_EQ(s[7].kind, StatementKind::result);
}

TEST(Parser, ADerivativeIsToldFromADivision) {
    EXPECT_EQ(shape("dv/dt"), "(dv / dt)");
    EXPECT_EQ(shape("dv/dt == x"), "((dv / dt) == x)");
    EXPECT_EQ(parse_script("dv / dt = x").statements[0].kind, StatementKind::differential);
    EXPECT_EQ(parse_script("dtau/dt = x").statements[0].name, "tau");
}

TEST(Parser, FlagsAreToldFromCalls) {
    const Script script = parse_script("a : f64 = tau (constant)\n"
                                       "b : f64 = tau (x)\n"
                                       "dv/dt = v (unless refractory)\n"
                                       "c = tau(constant)\n");
    EXPECT_TRUE(script.statements[0].constant);
    EXPECT_EQ(shape(script.ast, *script.statements[0].value), "tau");
    EXPECT_EQ(shape(script.ast, *script.statements[1].value), "tau(x)");
    EXPECT_EQ(shape(script.ast, *script.statements[2].value), "v");
    EXPECT_EQ(shape(script.ast, *script.statements[3].value), "tau(constant)");
}

TEST(Parser, ResultsAreSeparatedByCommasAndLines) {
    const Script script = parse_script("s = sin(x)\ns, s^2\ns + 1; 3");
    ASSERT_EQ(script.statements.size(), 5u);
    for (std::size_t i = 1; i < 5; ++i) {
        EXPECT_EQ(script.statements[i].kind, StatementKind::result);
    }
    EXPECT_EQ(script.statements[2].position.column, 4u);
}

TEST(Parser, LinesGoOnInsideBracketsAndAfterABackslash) {
    EXPECT_EQ(shape("f(a,  # the first\n\n  b\r\n)"), "f(a, b)");
    EXPECT_EQ(shape("a + \\\n b"), "(a + b)");
    EXPECT_EQ(shape("a \\\r\n + b"), "(a + b)");
    EXPECT_EQ(parse_script("a\r\nb\r\n").statements.size(), 2u);
}

TEST(Parser, BlankTextsHoldNoStatements) {
    for (const std::string text : {"", " \t", "\n\n;;\n", "# only a comment", "\xef\xbb\xbf"}) {
        EXPECT_TRUE(parse_script(text).statements.empty()) << text;
    }
}

TEST(Parser, CommentsMayHoldAnyCharacterAndColumnsCountCharacters) {
    EXPECT_EQ(shape("x  # µ, 中, 𝜏\n"), "x");
    EXPECT_EQ(message("# µ中𝜏\x01").substr(0, 17), "line 1, column 6:");
    EXPECT_EQ(message("\xef\xbb\xbf+").substr(0, 17), "line 1, column 2:") << "after a mark";
}

// Places.

TEST(Parser, PartsOfAnExpressionAreNumberedWithoutGaps) {
    const Script script = parse_script("a if b else f(c, -d)\nx + y\n");
    const auto& exprs = script.ast.exprs;
    for (ExprId id = 0; id < exprs.size(); ++id) {
        for (const ExprId child : script.ast.children_of(exprs[id])) {
            EXPECT_LT(child, id);
        }
    }
    EXPECT_EQ(*script.statements[0].value, 6u);
    EXPECT_EQ(exprs.size(), 10u);
    EXPECT_EQ(exprs[7].text, "x");
}

TEST(Parser, OperatorsAndCallsKnowTheirPlace) {
    const Script script = parse_script("\n  a + sin(b)");
    const Expr& sum = script.ast.exprs.back();
    EXPECT_EQ(sum.position.line, 2u);
    EXPECT_EQ(sum.position.column, 5u);
    EXPECT_EQ(script.ast.exprs[2].position.column, 7u);
}

// Names that are nearly right.

TEST(Suggestion, NamesTheNearestOnly) {
    EXPECT_EQ(suggestion("tua_mem", {"tau_syn", "tau_mem"}), "; did you mean `tau_mem`?");
    EXPECT_EQ(suggestion("tau", {"tau_mem", "tan"}), "; did you mean `tan`?");
    EXPECT_EQ(suggestion("lgo", {"log"}), "; did you mean `log`?") << "a swap is one step";
    EXPECT_EQ(suggestion("V", {"v"}), "; did you mean `v`?");
    EXPECT_EQ(suggestion("x", {"y", "z"}), "");
    EXPECT_EQ(suggestion("threshold", {"refractory"}), "");
    EXPECT_EQ(suggestion("", {}), "");
}

// Hostile texts.

void* run_function(void* function) {
    (*static_cast<std::function<void()>*>(function))();
    return nullptr;
}

// Sanitizers need several times the stack.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr std::size_t kStackBytes = 8 << 20;
#else
constexpr std::size_t kStackBytes = 256 << 10;
#endif

void on_small_stack(std::function<void()> function) {
    pthread_attr_t attributes;
    ASSERT_EQ(pthread_attr_init(&attributes), 0);
    ASSERT_EQ(pthread_attr_setstacksize(&attributes, kStackBytes), 0);
    pthread_t thread;
    ASSERT_EQ(pthread_create(&thread, &attributes, run_function, &function), 0);
    pthread_join(thread, nullptr);
    pthread_attr_destroy(&attributes);
}

std::string repeated(std::size_t count, const std::string& text) {
    std::string all;
    for (std::size_t i = 0; i < count; ++i) {
        all += text;
    }
    return all;
}

TEST(Parser, DeepTextsEndInAnErrorOnASmallStack) {
    on_small_stack([] {
        for (const std::string part : {"(", "-", "~", "f(", "x^", "1 if x else ", "not ", "(-",
                                       "a(b,", "f(x if -(", "2*(1+("}) {
            const std::string text = repeated((1 << 20) / part.size(), part);
            EXPECT_NE(message(text).find("inside each other"), std::string::npos) << part;
        }
    });
}

TEST(Parser, TwoHundredLevelsAreFine) {
    on_small_stack([] {
        EXPECT_EQ(shape(std::string(199, '(') + "x" + std::string(199, ')')), "x");
        EXPECT_EQ(message("x" + repeated(199, "^x")), "no error");
    });
}

TEST(Parser, LongTextsAreFineUpToTheirLimits) {
    on_small_stack([] {
        EXPECT_EQ(message("x" + repeated(49'999, "+x")), "no error") << "99,999 nodes";
        EXPECT_NE(message("x" + repeated(50'000, "+x")).find("more than 100000"),
                  std::string::npos);
        EXPECT_EQ(message("x" + std::string((1 << 20) - 1, ' ')), "no error");
        EXPECT_NE(message("x" + std::string(1 << 20, ' ')).find("1048577 bytes"),
                  std::string::npos);
        EXPECT_EQ(message(std::string(1 << 20, '\n')), "no error");
    });
}

TEST(Parser, MessagesOfLongLinesAreShort) {
    const std::string wide = std::string(500'000, ' ') + "?" + std::string(500'000, ' ');
    EXPECT_LT(message(wide).size(), 500u);
    EXPECT_LT(message(std::string(100'000, '1') + "x").size(), 500u);
}

}  // namespace
}  // namespace bitaxon::jit
