#include "affine.hpp"

#include <algorithm>
#include <unordered_map>

namespace bitaxon::jit {
namespace {

// A node or its negative; kNoNode is zero. Signs stand apart so that -(a + b) stays a + b, and
// shares its parts with what else reads them.
struct Term {
    NodeId node = kNoNode;
    bool negative = false;

    bool is_zero() const noexcept { return node == kNoNode; }
};

struct Form {
    Term constant;
    std::vector<Term> coefficients;
};

class Terms {
  public:
    Terms(Graph& graph, Type type) : graph_(graph), type_(type) {}

    static Term negate(Term a) { return {a.node, !a.negative}; }
    Term add(Term a, Term b) {
        if (a.is_zero() || b.is_zero()) {
            return a.is_zero() ? b : a;
        }
        if (a.negative == b.negative) {
            return {graph_.make(Op::add, type_, {a.node, b.node}), a.negative};
        }
        return {graph_.make(Op::sub, type_, {a.node, b.node}), a.negative};
    }
    Term sub(Term a, Term b) { return add(a, negate(b)); }
    Term mul(Term a, NodeId factor) {
        if (a.is_zero()) {
            return a;
        }
        return {is_one(a.node) ? factor : graph_.make(Op::mul, type_, {a.node, factor}),
                a.negative};
    }
    Term div(Term a, NodeId divisor) {
        return a.is_zero() ? a : Term{graph_.make(Op::div, type_, {a.node, divisor}), a.negative};
    }
    Term select(NodeId mask, Term a, Term b) {
        if (a.is_zero() && b.is_zero()) {
            return a;
        }
        return {graph_.make(Op::select, type_, {mask, value(a), value(b)}), false};
    }
    NodeId value(Term a) {
        if (a.is_zero()) {
            return graph_.constant(type_, 0);
        }
        return a.negative ? graph_.make(Op::negate, type_, {a.node}) : a.node;
    }

  private:
    bool is_one(NodeId node) const { return graph_.is_constant(node) && graph_.value(node) == 1; }

    Graph& graph_;
    Type type_;
};

class Decomposition {
  public:
    Decomposition(Graph& graph, std::span<const NodeId> unknowns)
        : graph_(graph), unknowns_(unknowns), depends_(depends_on(graph, unknowns)) {}

    void visit(NodeId id) {
        if (!depends_[id]) {
            return;
        }
        const auto unknown = std::find(unknowns_.begin(), unknowns_.end(), id);
        if (unknown != unknowns_.end()) {
            Form form{{}, std::vector<Term>(unknowns_.size())};
            form.coefficients[static_cast<std::size_t>(unknown - unknowns_.begin())].node =
                graph_.constant(graph_.type(id), 1);
            forms_.emplace(id, std::move(form));
        } else if (std::optional<Form> form = composed(graph_[id])) {
            forms_.emplace(id, std::move(*form));
        }
    }

    std::optional<Affine> result(NodeId id) {
        const std::optional<Form> form = form_of(id);
        if (!form) {
            return std::nullopt;
        }
        Terms terms(graph_, graph_.type(id));
        const auto node = [&](Term term) { return term.is_zero() ? kNoNode : terms.value(term); };
        Affine affine{node(form->constant), {}};
        for (const Term& coefficient : form->coefficients) {
            affine.coefficients.push_back(node(coefficient));
        }
        return affine;
    }

  private:
    std::optional<Form> form_of(NodeId id) const {
        if (!depends_[id]) {
            return Form{{id}, std::vector<Term>(unknowns_.size())};
        }
        const auto found = forms_.find(id);
        return found == forms_.end() ? std::nullopt : std::optional(found->second);
    }

    std::optional<Form> composed(Node node) {
        Terms terms(graph_, node.type);
        const auto free = [&](std::size_t argument) { return !depends_[node.args[argument]]; };
        const NodeId a = node.args[0];
        const NodeId b = node.args[1];
        const NodeId c = node.args[2];
        switch (node.op) {
        case Op::negate:
            return map(a, [&](Term x) { return terms.negate(x); });
        case Op::add:
            return join(a, b, [&](Term x, Term y) { return terms.add(x, y); });
        case Op::sub:
            return join(a, b, [&](Term x, Term y) { return terms.sub(x, y); });
        case Op::mul:
            if (free(0)) {
                return map(b, [&](Term x) { return terms.mul(x, a); });
            }
            return free(1) ? map(a, [&](Term x) { return terms.mul(x, b); }) : std::nullopt;
        case Op::div:
            return free(1) ? map(a, [&](Term x) { return terms.div(x, b); }) : std::nullopt;
        case Op::select:
            return free(0) ? join(b, c, [&](Term x, Term y) { return terms.select(a, x, y); })
                           : std::nullopt;
        case Op::integer_power:
            return node.payload == 1 ? form_of(a) : std::nullopt;
        default:
            return std::nullopt;
        }
    }

    template <class Function>
    std::optional<Form> map(NodeId a, Function function) {
        std::optional<Form> x = form_of(a);
        if (x) {
            x->constant = function(x->constant);
            for (Term& coefficient : x->coefficients) {
                coefficient = function(coefficient);
            }
        }
        return x;
    }

    template <class Function>
    std::optional<Form> join(NodeId a, NodeId b, Function function) {
        std::optional<Form> x = form_of(a);
        const std::optional<Form> y = form_of(b);
        if (!x || !y) {
            return std::nullopt;
        }
        x->constant = function(x->constant, y->constant);
        for (std::size_t k = 0; k < x->coefficients.size(); ++k) {
            x->coefficients[k] = function(x->coefficients[k], y->coefficients[k]);
        }
        return x;
    }

    Graph& graph_;
    std::span<const NodeId> unknowns_;
    std::vector<char> depends_;  ///< of the nodes that existed at the start
    std::unordered_map<NodeId, Form> forms_;
};

}  // namespace

std::vector<char> depends_on(const Graph& graph, std::span<const NodeId> leaves) {
    std::vector<char> depends(graph.size(), 0);
    for (const NodeId leaf : leaves) {
        depends[leaf] = 1;
    }
    for (NodeId id = 0; id < graph.size(); ++id) {
        for (const NodeId argument : graph[id].arguments()) {
            depends[id] = static_cast<char>(depends[id] | depends[argument]);
        }
    }
    return depends;
}

std::vector<std::optional<Affine>> affine(Graph& graph, std::span<const NodeId> roots,
                                          std::span<const NodeId> unknowns) {
    Decomposition decomposition(graph, unknowns);
    for (const NodeId id : reachable(graph, roots)) {
        decomposition.visit(id);
    }
    std::vector<std::optional<Affine>> forms;
    for (const NodeId root : roots) {
        forms.push_back(decomposition.result(root));
    }
    return forms;
}

}  // namespace bitaxon::jit
