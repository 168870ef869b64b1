#include <bitaxon/jit/rule_file.hpp>

#include "../language/utf8.hpp"
#include "rule_file.hpp"

#include <bitaxon/core/error.hpp>
#include <bitaxon/core/files.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <set>

namespace bitaxon::jit {
namespace {

// The parser takes no more than that.
constexpr std::uint64_t kMaxBytes = std::uint64_t{4} << 20;

struct FileOption {
    std::string_view name;
    void (*set)(RuleOptions&, std::string_view value);
};

constexpr FileOption kOptions[] = {
    {"threshold", [](RuleOptions& o, std::string_view value) { o.threshold = value; }},
    {"reset",
     [](RuleOptions& o, std::string_view value) {
         o.reset += o.reset.empty() ? "" : "; ";
         o.reset += value;
     }},
    {"refractory",
     [](RuleOptions& o, std::string_view value) { o.refractory = std::string(value); }},
    {"method", [](RuleOptions& o, std::string_view value) { o.method = value; }},
    {"name", [](RuleOptions& o, std::string_view value) { o.name = value; }},
};

// What stands after the colon of a declaration.
constexpr std::string_view kTypes[] = {"real", "f32", "f64", "i16", "i32", "i64"};

std::string_view trimmed(std::string_view text) {
    constexpr std::string_view blanks = " \t\r";
    const std::size_t begin = std::min(text.find_first_not_of(blanks), text.size());
    return text.substr(begin, text.find_last_not_of(blanks) + 1 - begin);
}

// Whether the line says something else than equations. `given`: what earlier lines said.
bool take_option(RuleOptions& options, std::set<std::string_view>& given, std::string_view line) {
    const std::size_t colon = line.find(':');
    if (colon == line.npos) {
        return false;
    }
    const std::string_view name = trimmed(line.substr(0, colon));
    const auto* option = std::ranges::find(kOptions, name, &FileOption::name);
    const std::string_view value = trimmed(line.substr(colon + 1));
    const std::string_view word = value.substr(0, value.find_first_of(" \t=(;"));
    if (option == std::end(kOptions) || std::ranges::count(kTypes, word) > 0) {
        return false;
    }
    if (!given.insert(option->name).second && option->name != "reset") {
        throw Error(ErrorCode::invalid_value,
                    fmt::format("line {}: got `{}:` a second time, expected it once",
                                std::ranges::count(options.equations, '\n') + 1, option->name));
    }
    option->set(options, value);
    return true;
}

}  // namespace

std::string read_rule(const std::filesystem::path& path) {
    const std::vector<std::byte> bytes = read_file(path, kMaxBytes);
    std::string text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    for (std::string_view rest = text; !rest.empty();) {
        const Character c = front_character(rest);
        if (!c.valid) {
            throw Error(
                ErrorCode::file,
                fmt::format("{}: got the byte 0x{:02x}, which is no valid UTF-8, expected a "
                            "rule's text",
                            path.string(), static_cast<unsigned>(c.code)));
        }
        rest.remove_prefix(c.size);
    }
    return text;
}

Rule parse_rule(std::string_view text) {
    RuleOptions options;
    std::set<std::string_view> given;
    while (!text.empty()) {
        const std::size_t end = std::min(text.find('\n'), text.size());
        const std::string_view line = text.substr(0, end);
        text.remove_prefix(std::min(end + 1, text.size()));
        // Errors name the lines of the file, so none may be missing.
        if (!take_option(options, given, line.substr(0, line.find('#')))) {
            options.equations += line;
        }
        options.equations += '\n';
    }
    return Rule(options);
}

Rule load_rule(const std::filesystem::path& path) { return parse_rule(read_rule(path)); }

}  // namespace bitaxon::jit
