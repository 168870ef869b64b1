// Fuzz target: any bytes are either translated or refused by an error that shows the place.
#include "language/to_graph.hpp"

#include <bitaxon/core/error.hpp>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

namespace {

using namespace bitaxon;
using namespace bitaxon::jit;

void check(bool holds, const char* what) {
    if (!holds) {
        std::fprintf(stderr, "broken: %s\n", what);
        std::abort();
    }
}

void check_tree(const Script& script) {
    const std::vector<Expr>& exprs = script.ast.exprs;
    for (ExprId id = 0; id < exprs.size(); ++id) {
        for (const ExprId child : script.ast.children_of(exprs[id])) {
            check(child < id, "children come before their parents");
        }
    }
    for (const Statement& statement : script.statements) {
        check(!statement.value || *statement.value < exprs.size(), "values are expressions");
    }
}

void check_graph(const Graph& graph) {
    for (NodeId id = 0; id < graph.size(); ++id) {
        for (const NodeId argument : graph[id].arguments()) {
            check(argument < id, "arguments come before their users");
        }
    }
}

void check_message(std::string_view message) {
    check(message.starts_with("line ") || message.find("split it") != message.npos,
          "messages begin with the place");
    check(message.size() < 100'000, "messages are short");
}

FunctionTable functions() {
    FunctionTable table;
    table.define("f", {"a"}, "b = a*a; b + rand()");
    table.define("g", {"a", "n"}, "f(a)^n");
    table.define("loop", {"a"}, "loop(a)");
    table.define("c", ExternalFunction{1, Purity::stateful,
                                       [](const double* const*, double*, std::size_t) {}});
    return table;
}

// A name's first letter tells its type, so that texts meet all of them.
Type type_of(std::string_view name) {
    constexpr Type types[] = {Type::f64, Type::f32, Type::i16, Type::i32, Type::i64};
    return types[static_cast<unsigned char>(name[0]) % 5];
}

void translate(const Script& script, Type real) {
    static const FunctionTable table = functions();
    Graph graph;
    std::uint64_t sites = 0;
    const auto resolve = [&](std::string_view name) -> std::optional<NodeId> {
        if (name.size() > 2) {
            return std::nullopt;
        }
        return graph.make(Op::input, type_of(name), {}, static_cast<std::uint64_t>(name.back()));
    };
    static const std::vector<std::string> known{"v_th", "tau"};
    const Scope scope{real, resolve, known, &table, &sites};
    for (const Statement& statement : script.statements) {
        if (statement.value) {
            to_graph(graph, script.ast, *statement.value, scope);
        }
    }
    check_graph(graph);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    try {
        const Script script = parse_script(text);
        check_tree(script);
        translate(script, size % 2 == 0 ? Type::f64 : Type::f32);
    } catch (const Error& error) {
        check_message(error.what());
    }
    return 0;
}
