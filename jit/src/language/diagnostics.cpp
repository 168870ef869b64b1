// Messages that show the place in the text, and the nearest name to a misspelt one.
#include "ast.hpp"
#include "utf8.hpp"

#include <bitaxon/core/error.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

namespace bitaxon::jit {
namespace {

// A longer line is cut to this many characters around the caret.
constexpr std::size_t kShownCharacters = 100;
constexpr std::size_t kMaxComparedLength = 64;

std::string_view line_of(std::string_view source, std::uint32_t line) {
    for (; line > 1; --line) {
        const std::size_t end = source.find('\n');
        source.remove_prefix(end == source.npos ? source.size() : end + 1);
    }
    source = source.substr(0, source.find('\n'));
    return source.ends_with('\r') ? source.substr(0, source.size() - 1) : source;
}

// The characters of a line, each as a terminal may show it.
std::vector<std::string_view> shown_characters(std::string_view line) {
    std::vector<std::string_view> characters;
    while (!line.empty()) {
        const Character c = front_character(line);
        const bool shown = c.valid && (c.code == '\t' || !is_control(c.code));
        characters.push_back(shown ? line.substr(0, c.size) : std::string_view{"\uFFFD"});
        line.remove_prefix(c.size);
    }
    return characters;
}

std::string lower_case(std::string_view name) {
    std::string lower(name);
    std::transform(lower.begin(), lower.end(), lower.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    return lower;
}

// Insertions, deletions, replacements and swaps of neighbours (Damerau 1964) from a to b.
std::size_t edit_distance(std::string_view a, std::string_view b) {
    std::vector<std::size_t> before(b.size() + 1), last(b.size() + 1), row(b.size() + 1);
    for (std::size_t j = 0; j <= b.size(); ++j) {
        row[j] = j;
    }
    for (std::size_t i = 1; i <= a.size(); ++i) {
        before.swap(last);
        last.swap(row);
        row[0] = i;
        for (std::size_t j = 1; j <= b.size(); ++j) {
            const std::size_t replaced = last[j - 1] + (a[i - 1] != b[j - 1]);
            row[j] = std::min({replaced, last[j] + 1, row[j - 1] + 1});
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
                row[j] = std::min(row[j], before[j - 2] + 1);
            }
        }
    }
    return row[b.size()];
}

// Any two names of one letter are one step apart, so short names must be nearer to count as near.
std::size_t near_distance(std::size_t length) { return length < 2 ? 0 : length < 5 ? 1 : 2; }

}  // namespace

std::string located(const std::string& source, Position position, std::string_view message) {
    const auto characters = shown_characters(line_of(source, position.line));
    const std::size_t caret = position.column - 1;
    const bool cut = characters.size() > kShownCharacters;
    const std::size_t begin =
        cut && caret > kShownCharacters / 2 ? caret - kShownCharacters / 2 : 0;
    const std::size_t end =
        cut ? std::min(characters.size(), begin + kShownCharacters) : characters.size();

    std::string line = begin > 0 ? "..." : "";
    std::string below(line.size(), ' ');
    for (std::size_t i = begin; i < end; ++i) {
        line += characters[i];
        if (i < caret) {
            below += characters[i] == "\t" ? '\t' : ' ';
        }
    }
    line += end < characters.size() ? "..." : "";
    return fmt::format("line {}, column {}: {}\n{}\n{}^", position.line, position.column, message,
                       line, below);
}

void throw_at(const std::string& source, Position position, const std::string& message) {
    throw Error(ErrorCode::invalid_value, located(source, position, message));
}

std::string suggestion(std::string_view name, const std::vector<std::string>& candidates) {
    const std::string wanted = lower_case(name.substr(0, kMaxComparedLength));
    // Of equally near ones the one that begins alike for longest.
    std::pair best{near_distance(wanted.size()) + 1, std::size_t{0}};
    const std::string* nearest = nullptr;
    for (const std::string& candidate : candidates) {
        if (candidate.size() > kMaxComparedLength || candidate == name) {
            continue;
        }
        const std::string other = lower_case(candidate);
        const auto parting =
            std::mismatch(wanted.begin(), wanted.end(), other.begin(), other.end());
        const auto unlike =
            wanted.size() - static_cast<std::size_t>(parting.first - wanted.begin());
        if (const std::pair rank{edit_distance(wanted, other), unlike}; rank < best) {
            best = rank;
            nearest = &candidate;
        }
    }
    return nearest ? fmt::format("; did you mean `{}`?", *nearest) : std::string{};
}

}  // namespace bitaxon::jit
