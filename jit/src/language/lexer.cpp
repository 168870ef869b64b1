#include "lexer.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>

namespace bitaxon::jit {
namespace {

constexpr std::string_view kKeywords[] = {"and", "or", "not", "if", "else"};

// What is written in symbols, those that begin alike together and longer ones before their
// prefixes; those of other languages with what to write instead.
struct Symbol {
    std::string_view text;
    std::string_view instead = {};
};
constexpr Symbol kSymbols[] = {
    {"+="},
    {"+"},
    {"-="},
    {"-"},
    {"**"},
    {"*=", "write it out, as in `x = x * 2`"},
    {"*"},
    {"//"},
    {"/=", "write it out, as in `x = x / 2`"},
    {"/"},
    {"%=", "write it out, as in `x = x % 2`"},
    {"%"},
    {"^=", "write it out, as in `x = x ^ 2`"},
    {"^"},
    {"&&", "write `and`"},
    {"&"},
    {"||", "write `or`"},
    {"|"},
    {"~"},
    {"<<"},
    {"<="},
    {"<>", "write `!=`"},
    {"<"},
    {">>"},
    {">="},
    {">"},
    {"===", "write `==`"},
    {"=="},
    {"=<", "write `<=`"},
    {"=>", "write `>=`"},
    {"="},
    {"!="},
    {"!", "write `not`"},
    {"("},
    {")"},
    {","},
    {":=", "write `=`"},
    {":"},
    {"?", "write `a if condition else b`"},
    {"[", "values have no elements, and `(` groups"},
    {"]", "values have no elements, and `)` ends a group"},
    {"{", "write `(` to group"},
    {"}", "write `)` to group"},
    {"\"", "values are numbers, not texts"},
    {"'", "values are numbers, not texts"},
    {".", "a number needs a digit beside its point, as in `0.5`"},
};

// The first symbol that begins with each ASCII character, or the number of symbols.
constexpr auto kFirstSymbols = [] {
    std::array<std::uint8_t, 128> first{};
    first.fill(std::size(kSymbols));
    for (std::size_t i = std::size(kSymbols); i-- > 0;) {
        first[static_cast<std::size_t>(kSymbols[i].text.front())] = static_cast<std::uint8_t>(i);
    }
    return first;
}();

// Characters that users type or paste for what is spelt otherwise here.
struct Foreign {
    char32_t code;
    std::string_view instead;
};
constexpr Foreign kForeign[] = {
    {U'\u2212', "-"},     {U'\u2013', "-"},     {U'\u00d7', "*"},     {U'\u00b7', "*"},
    {U'\u00f7', "/"},     {U'\u00b2', "^2"},    {U'\u00b3', "^3"},    {U'\u2264', "<="},
    {U'\u2265', ">="},    {U'\u2260', "!="},    {U'\u00a0', " "},     {U'\u221a', "sqrt(...)"},
    {U'\u03c0', "pi"},    {U'\u03c4', "tau"},   {U'\u03b1', "alpha"}, {U'\u03b2', "beta"},
    {U'\u03b4', "delta"}, {U'\u0394', "delta"}, {U'\u03b8', "theta"}, {U'\u03bb', "lambda"},
    {U'\u03bc', "mu"},    {U'\u03be', "xi"},    {U'\u03c3', "sigma"}, {U'\u03c9', "omega"},
};

constexpr bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }
constexpr bool is_letter(char c) noexcept {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}
constexpr bool is_word(char c) noexcept { return is_letter(c) || is_digit(c); }
constexpr bool is_hexadecimal(std::string_view text) noexcept {
    return text.starts_with("0x") || text.starts_with("0X");
}

// Length of what looks like a number: words, points, and the sign of an exponent.
std::size_t number_length(std::string_view text) noexcept {
    std::size_t n = 0;
    while (n < text.size()) {
        const bool sign = (text[n] == '+' || text[n] == '-') && n + 1 < text.size() &&
                          is_digit(text[n + 1]) && (text[n - 1] == 'e' || text[n - 1] == 'E') &&
                          !is_hexadecimal(text);
        if (!is_word(text[n]) && text[n] != '.' && !sign) {
            break;
        }
        ++n;
    }
    return n;
}

// True if the leading digit of a decimal number stands before the point once the exponent is
// applied. Tells overflow from underflow where from_chars says no more than "out of range".
bool is_large(std::string_view text) noexcept {
    const std::size_t exponent_at = std::min(text.find_first_of("eE"), text.size());
    const std::string_view digits = text.substr(0, exponent_at);
    const std::string_view exponent = text.substr(std::min(exponent_at + 1, text.size()));
    const auto point = static_cast<std::int64_t>(std::min(digits.find('.'), digits.size()));
    const auto leading = static_cast<std::int64_t>(digits.find_first_of("123456789"));
    std::int64_t shift = 0;
    const std::string_view unsigned_exponent = exponent.substr(exponent.starts_with('+') ? 1 : 0);
    const auto [end, error] = std::from_chars(
        unsigned_exponent.data(), unsigned_exponent.data() + unsigned_exponent.size(), shift);
    if (error == std::errc::result_out_of_range) {
        return !exponent.starts_with('-');
    }
    // A text is shorter than 2^20 bytes: no exponent beyond 2^32 can be outweighed by digits.
    constexpr std::int64_t bound = std::int64_t{1} << 32;
    return std::clamp(shift, -bound, bound) + point - leading > 0;
}

}  // namespace

bool is_keyword(std::string_view word) noexcept {
    return std::find(std::begin(kKeywords), std::end(kKeywords), word) != std::end(kKeywords);
}

bool is_identifier(std::string_view text) noexcept {
    return !text.empty() && text.size() <= kMaxNameLength && !is_digit(text.front()) &&
           std::all_of(text.begin(), text.end(), is_word);
}

std::string quoted(std::string_view text) {
    constexpr std::size_t most = 60;
    return text.size() <= most ? fmt::format("`{}`", text)
                               : fmt::format("`{}...`", text.substr(0, most));
}

Lexer::Lexer(const std::string& text) : text_(&text) {
    if (text.size() > kMaxTextBytes) {
        fail(fmt::format("got a text of {} bytes, expected at most {}; split it into several",
                         text.size(), kMaxTextBytes));
    }
    if (text.starts_with("\uFEFF")) {
        at_ = std::string_view("\uFEFF").size();
    }
}

void Lexer::advance(std::size_t ascii_characters) noexcept {
    at_ += ascii_characters;
    position_.column += static_cast<std::uint32_t>(ascii_characters);
}

void Lexer::advance_line() noexcept {
    at_ += rest().starts_with('\r') ? 2u : 1u;
    ++position_.line;
    position_.column = 1;
}

// A string ends in a zero, so looking at one character more is safe.
bool Lexer::at_line_end() const noexcept {
    const char* const text = text_->c_str() + at_;
    return text[0] == '\n' || (text[0] == '\r' && text[1] == '\n');
}

void Lexer::skip_comment() {
    while (at_ < text_->size() && !at_line_end()) {
        const Character c = front_character(rest());
        if (!c.valid || (is_control(c.code) && c.code != '\t')) {
            refuse_byte(c);
        }
        at_ += c.size;
        ++position_.column;
    }
}

void Lexer::continue_line() {
    Lexer after = *this;
    after.advance(1);
    if (!after.at_line_end()) {
        fail(
            "got `\\` inside a line, expected the end of the line after it; remove it or break the "
            "line there");
    }
    *this = after;
    advance_line();
}

void Lexer::skip_blanks() {
    while (at_ < text_->size()) {
        const char c = (*text_)[at_];
        if (c == ' ' || c == '\t') {
            advance(1);
        } else if (c == '#') {
            skip_comment();
        } else if (c == '\\') {
            continue_line();
        } else if (depth_ > 0 && at_line_end()) {
            advance_line();
        } else {
            return;
        }
    }
}

Token Lexer::take(TokenKind kind, std::size_t length) noexcept {
    Token token;
    token.kind = kind;
    token.position = position_;
    token.text = rest().substr(0, length);
    advance(length);
    return token;
}

Token Lexer::next() {
    skip_blanks();
    const std::string_view text = rest();
    if (text.empty()) {
        return take(TokenKind::end, 0);
    }
    if (at_line_end()) {
        Token token = take(TokenKind::newline, 0);
        token.text = "\n";
        advance_line();
        return token;
    }
    if (text.front() == ';') {
        return take(TokenKind::newline, 1);
    }
    if (is_digit(text[0]) || (text[0] == '.' && text.size() > 1 && is_digit(text[1]))) {
        return number();
    }
    return is_letter(text[0]) ? word() : symbol();
}

Token Lexer::word() {
    const std::string_view text = rest();
    const auto end = std::find_if_not(text.begin(), text.end(), is_word);
    const auto length = static_cast<std::size_t>(end - text.begin());
    if (length > kMaxNameLength) {
        fail(fmt::format("got a name of {} characters, expected at most {}; shorten it", length,
                         kMaxNameLength));
    }
    const bool keyword = is_keyword(text.substr(0, length));
    return take(keyword ? TokenKind::symbol : TokenKind::name, length);
}

Token Lexer::symbol() {
    const std::string_view text = rest();
    const auto first = static_cast<unsigned char>(text.front());
    std::size_t row = first < kFirstSymbols.size() ? kFirstSymbols[first] : std::size(kSymbols);
    while (row < std::size(kSymbols) && !text.starts_with(kSymbols[row].text)) {
        ++row;
    }
    if (row == std::size(kSymbols)) {
        refuse_character();
    }
    const Symbol& symbol = kSymbols[row];
    if (!symbol.instead.empty()) {
        fail(fmt::format("got `{}`, which means nothing here; {}", symbol.text, symbol.instead));
    }
    if (symbol.text == "(") {
        ++depth_;
    } else if (symbol.text == ")" && depth_ > 0) {
        --depth_;
    }
    return take(TokenKind::symbol, symbol.text.size());
}

Token Lexer::number() {
    Token token = take(TokenKind::number, number_length(rest()));
    if (is_hexadecimal(token.text)) {
        read_hexadecimal(token);
    } else {
        read_decimal(token);
    }
    return token;
}

void Lexer::read_hexadecimal(Token& token) const {
    const char* const end = token.text.data() + token.text.size();
    const auto [stop, error] = std::from_chars(token.text.data() + 2, end, token.integer, 16);
    if (stop != end || token.text.size() == 2 || token.text[2] == '-') {
        refuse_number(token, "expected digits 0-9 and a-f after `0x`");
    }
    if (error != std::errc{}) {
        refuse_number(token, "expected at most 0x7fffffffffffffff; a larger pattern of bits is a "
                             "negative number");
    }
    token.is_integer = true;
    token.number = static_cast<double>(token.integer);
}

void Lexer::read_decimal(Token& token) const {
    const std::string_view text = token.text;
    const char* const end = text.data() + text.size();
    if (const auto [stop, error] = std::from_chars(text.data(), end, token.integer);
        stop == end && error == std::errc{}) {
        token.is_integer = true;
        token.number = static_cast<double>(token.integer);
        return;
    }
    const auto [stop, error] = std::from_chars(text.data(), end, token.number);
    if (stop != end) {
        refuse_tail(token, static_cast<std::size_t>(stop - text.data()));
    }
    if (error == std::errc::result_out_of_range) {
        token.number = is_large(text) ? std::numeric_limits<double>::infinity() : 0;
    }
    if (token.number > std::numeric_limits<double>::max()) {
        refuse_number(token, "expected at most 1.7976931348623157e308; use a smaller number");
    }
}

void Lexer::refuse_tail(const Token& token, std::size_t head_length) const {
    const std::string_view head = token.text.substr(0, head_length);
    const std::string_view tail = token.text.substr(head_length);
    if (tail.front() == '_') {
        refuse_number(token, "expected digits without `_` between them; leave it out");
    }
    if (is_letter(tail.front()) && head != "0") {
        refuse_number(token, fmt::format("expected a number; write {} to multiply",
                                         quoted(fmt::format("{}*{}", head, tail))));
    }
    refuse_number(token, "expected a number such as 12, 1.5, 2e-3 or 0xff");
}

void Lexer::refuse_number(const Token& token, std::string_view reason) const {
    throw_at(*text_, token.position, fmt::format("got {}, {}", quoted(token.text), reason));
}

void Lexer::refuse_character() const {
    const Character c = front_character(rest());
    if (!c.valid || is_control(c.code)) {
        refuse_byte(c);
    }
    const std::string_view character = rest().substr(0, c.size);
    for (const Foreign& foreign : kForeign) {
        if (foreign.code == c.code) {
            fail(fmt::format("got the character `{}` (U+{:04X}), expected ASCII; write `{}`",
                             character, static_cast<std::uint32_t>(c.code), foreign.instead));
        }
    }
    fail(fmt::format("got the character `{}` (U+{:04X}), expected ASCII letters, digits, `_` and "
                     "operators; other characters may stand in comments only",
                     character, static_cast<std::uint32_t>(c.code)));
}

void Lexer::refuse_byte(const Character& character) const {
    const auto byte = static_cast<unsigned char>(rest().front());
    if (!character.valid) {
        fail(fmt::format("got the byte 0x{:02x}, which is no valid UTF-8; save the text as UTF-8",
                         byte));
    }
    fail(fmt::format("got the control character 0x{:02x}, expected none but tabs and line ends; "
                     "remove it",
                     static_cast<std::uint32_t>(character.code)));
}

}  // namespace bitaxon::jit
