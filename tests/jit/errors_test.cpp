// Wrong texts end in the messages that wrong_texts.txt says, to the letter.
#include "language/functions.hpp"
#include "language/to_graph.hpp"

#include <bitaxon/core/error.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <string>
#include <vector>

namespace bitaxon::jit {
namespace {

// The file holds records: `=== kind`, the text, `---`, the message. The kinds are `expression`, in
// which the names of scope_with_names() are known; `statements`, which are parsed only; and
// `function name(parameters)`, the definition of a function by the text. In texts \xNN is a byte.
struct WrongText {
    int line;
    std::string kind;
    std::string text;
    std::string message;
};

std::string with_bytes(const std::string& text) {
    std::string bytes;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text.compare(i, 2, "\\x") == 0) {
            bytes += static_cast<char>(std::stoi(text.substr(i + 2, 2), nullptr, 16));
            i += 3;
        } else {
            bytes += text[i];
        }
    }
    return bytes;
}

void append_line(std::string& text, const std::string& line, bool& first) {
    text += first ? line : "\n" + line;
    first = false;
}

std::vector<WrongText> read_wrong_texts() {
    std::ifstream file(BITAXON_TEST_WRONG_TEXTS);
    std::vector<WrongText> records;
    bool in_message = false;
    bool first = true;
    int number = 0;
    for (std::string line; std::getline(file, line);) {
        ++number;
        if (line.starts_with("=== ")) {
            records.push_back({number, line.substr(4), {}, {}});
            in_message = false;
            first = true;
        } else if (line == "---") {
            in_message = true;
            first = true;
        } else if (!records.empty()) {
            append_line(in_message ? records.back().message : records.back().text, line, first);
        }
    }
    for (WrongText& record : records) {
        record.text = with_bytes(record.text);
        while (record.message.ends_with('\n')) {  // the blank line between records
            record.message.pop_back();
        }
    }
    return records;
}

FunctionTable functions() {
    FunctionTable table;
    table.define("twice", {"a"}, "2*a");
    table.define("halve", {"a"}, "a/2");
    table.define("mask", {"a"}, "b = a & 3; b + 1");
    table.define("loop", {"a"}, "loop(a) + 1");
    table.define("ping", {"a"}, "pong(a)");
    table.define("pong", {"a"}, "ping(a)");
    return table;
}

struct Name {
    const char* name;
    Type type;
};
constexpr Name kNames[] = {{"x", Type::f64},     {"y", Type::f64}, {"s", Type::f32},
                           {"h", Type::i16},     {"k", Type::i32}, {"v_th", Type::f64},
                           {"length", Type::f64}};

void translate(const Script& script) {
    Graph graph;
    const FunctionTable table = functions();
    std::uint64_t sites = 0;
    std::vector<std::string> known;
    for (const Name& row : kNames) {
        known.emplace_back(row.name);
    }
    Scope scope{.real = Type::f64,
                .resolve = {},
                .known_names = known,
                .functions = &table,
                .random_sites = &sites};
    scope.resolve = [&](std::string_view name) -> std::optional<NodeId> {
        const auto row =
            std::find_if(std::begin(kNames), std::end(kNames),
                         [&](const Name& candidate) { return candidate.name == name; });
        if (row == std::end(kNames)) {
            return std::nullopt;
        }
        return graph.make(Op::input, row->type, {}, static_cast<std::uint64_t>(row - kNames));
    };
    for (const Statement& statement : script.statements) {
        to_graph(graph, script.ast, *statement.value, scope);
    }
}

void define(const std::string& header, const std::string& text) {
    const std::size_t open = header.find('(');
    std::vector<std::string> parameters;
    std::string list = header.substr(open + 1, header.size() - open - 2);
    for (std::size_t comma; (comma = list.find(", ")) != list.npos; list.erase(0, comma + 2)) {
        parameters.push_back(list.substr(0, comma));
    }
    parameters.push_back(list);
    FunctionTable table = functions();
    table.define(header.substr(0, open), parameters, text);
}

std::string message_of(const WrongText& wrong) {
    try {
        if (wrong.kind == "expression") {
            translate(parse_script(wrong.text));
        } else if (wrong.kind == "statements") {
            parse_script(wrong.text);
        } else {
            define(wrong.kind.substr(std::string("function ").size()), wrong.text);
        }
        return "no error";
    } catch (const Error& error) {
        EXPECT_EQ(error.code(), ErrorCode::invalid_value);
        return error.what();
    }
}

TEST(WrongTexts, GiveTheirMessages) {
    const std::vector<WrongText> all = read_wrong_texts();
    EXPECT_GE(all.size(), 50u);
    for (const WrongText& wrong : all) {
        EXPECT_EQ(message_of(wrong), wrong.message) << "wrong_texts.txt:" << wrong.line;
    }
}

}  // namespace
}  // namespace bitaxon::jit
