#include "use_order.hpp"

#include <unordered_map>

namespace bitaxon::jit {
namespace {

// The first part of each statement's expression, by the last: they begin behind those of the
// statement before it.
std::vector<ExprId> first_parts(const Script& script) {
    std::vector<ExprId> first(script.ast.exprs.size());
    ExprId next = 0;
    for (const Statement& statement : script.statements) {
        if (statement.value) {
            first[*statement.value] = next;
            next = *statement.value + 1;
        }
    }
    return first;
}

}  // namespace

const NamedExpr* order_by_use(const Script& script, std::vector<NamedExpr>& sub_expressions) {
    const std::vector<ExprId> first = first_parts(script);
    const std::size_t count = sub_expressions.size();
    std::unordered_map<std::string_view, std::size_t> number;
    for (std::size_t k = 0; k < count; ++k) {
        number[sub_expressions[k].name] = k;
    }
    std::vector<std::vector<std::size_t>> readers(count);
    std::vector<std::size_t> missing(count, 0);
    for (std::size_t k = 0; k < count; ++k) {
        const ExprId last = sub_expressions[k].value.id;
        for (ExprId id = first[last]; id <= last; ++id) {
            const Expr& expr = script.ast.exprs[id];
            const auto found = expr.kind == ExprKind::name ? number.find(expr.text) : number.end();
            if (found != number.end()) {
                readers[found->second].push_back(k);
                ++missing[k];
            }
        }
    }
    std::vector<std::size_t> ready;
    for (std::size_t k = count; k-- > 0;) {
        if (missing[k] == 0) {
            ready.push_back(k);
        }
    }
    std::vector<NamedExpr> ordered;
    while (!ready.empty()) {
        const std::size_t k = ready.back();
        ready.pop_back();
        for (const std::size_t reader : readers[k]) {
            if (--missing[reader] == 0) {
                ready.push_back(reader);
            }
        }
        ordered.push_back(sub_expressions[k]);
    }
    for (std::size_t k = 0; k < count; ++k) {
        if (missing[k] != 0) {
            return &sub_expressions[k];
        }
    }
    sub_expressions = std::move(ordered);
    return nullptr;
}

}  // namespace bitaxon::jit
