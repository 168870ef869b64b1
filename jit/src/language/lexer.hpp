// Splits a text into tokens, one at a time. A copy of a lexer is a bookmark to look ahead with.
#pragma once

#include "ast.hpp"
#include "utf8.hpp"

namespace bitaxon::jit {

inline constexpr std::size_t kMaxTextBytes = std::size_t{1} << 20;
inline constexpr std::size_t kMaxNameLength = 255;

enum class TokenKind : std::uint8_t {
    end,      ///< of the text
    newline,  ///< or `;`
    number,
    name,
    symbol,  ///< operators, punctuation and the keywords and, or, not, if, else
};

struct Token {
    TokenKind kind = TokenKind::end;
    bool is_integer = false;  ///< a number without point and exponent that fits in an i64
    Position position;
    std::string_view text;
    double number = 0;
    std::int64_t integer = 0;

    bool is(std::string_view symbol) const noexcept {
        return kind == TokenKind::symbol && text.front() == symbol.front() && text == symbol;
    }
};

class Lexer {
  public:
    /// The text must outlive the lexer and its tokens. @throws Error when it is too long
    explicit Lexer(const std::string& text);

    /// @throws Error for what is no token, and for control characters and invalid UTF-8 anywhere
    Token next();

    /// How many brackets are open after the last token. Inside brackets line ends are blanks.
    std::uint32_t depth() const noexcept { return depth_; }

  private:
    std::string_view rest() const noexcept { return std::string_view(*text_).substr(at_); }
    bool at_line_end() const noexcept;
    void advance(std::size_t ascii_characters) noexcept;
    void advance_line() noexcept;
    void skip_blanks();
    void skip_comment();
    void continue_line();
    Token take(TokenKind kind, std::size_t length) noexcept;
    Token number();
    Token word();
    Token symbol();
    void read_hexadecimal(Token& token) const;
    void read_decimal(Token& token) const;
    [[noreturn]] void refuse_number(const Token& token, std::string_view reason) const;
    [[noreturn]] void refuse_tail(const Token& token, std::size_t head_length) const;
    [[noreturn]] void refuse_character() const;
    [[noreturn]] void refuse_byte(const Character& character) const;
    [[noreturn]] void fail(const std::string& message) const {
        throw_at(*text_, position_, message);
    }

    const std::string* text_;
    std::size_t at_ = 0;
    Position position_;
    std::uint32_t depth_ = 0;
};

/// True for and, or, not, if, else.
bool is_keyword(std::string_view word) noexcept;

/// True for a letter or `_`, then letters, digits and `_`, at most kMaxNameLength of them, all
/// ASCII.
bool is_identifier(std::string_view text) noexcept;

/// The text in backquotes, cut if it is long.
std::string quoted(std::string_view text);

}  // namespace bitaxon::jit
