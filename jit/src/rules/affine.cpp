#include "affine.hpp"

#include <algorithm>

namespace bitaxon::jit {
namespace {

// A node or its negative; kNoNode is zero. Signs stand apart so that -(a + b) stays a + b, and
// shares its parts with what else reads them.
struct Term {
    NodeId node = kNoNode;
    bool negative = false;

    bool is_zero() const noexcept { return node == kNoNode; }
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

// Forms of nodes: the constant and then the coefficients, one form after the other.
class Decomposition {
  public:
    Decomposition(Graph& graph, std::span<const NodeId> roots, std::span<const NodeId> unknowns)
        : graph_(graph), unknowns_(unknowns), width_(unknowns.size() + 1),
          depends_(graph.size(), 0), form_of_(graph.size(), kNoForm) {
        for (const NodeId unknown : unknowns) {
            depends_[unknown] = 1;
        }
        const std::vector<NodeId> nodes = reachable(graph, roots);
        terms_.reserve(nodes.size() * width_);
        for (const NodeId id : nodes) {
            const auto arguments = graph[id].arguments();
            if (depends_[id] ||
                std::ranges::any_of(arguments, [&](NodeId a) { return depends_[a] != 0; })) {
                depends_[id] = 1;
                form_of_[id] = composed(id);
            }
        }
    }

    std::optional<Affine> result(NodeId id) {
        const Form form = form_of(id);
        if (form == kNoForm) {
            return std::nullopt;
        }
        Terms terms(graph_, graph_.type(id));
        const auto node = [&](Term term) { return term.is_zero() ? kNoNode : terms.value(term); };
        Affine affine{node(terms_[form]), {}};
        for (std::size_t k = 1; k < width_; ++k) {
            affine.coefficients.push_back(node(terms_[form + k]));
        }
        return affine;
    }

  private:
    using Form = std::uint32_t;  ///< where its terms begin
    static constexpr Form kNoForm = ~Form{0};

    // What doesn't depend on the unknowns is its form's constant.
    Form form_of(NodeId id) {
        if (!depends_[id] && form_of_[id] == kNoForm) {
            form_of_[id] = add();
            terms_[form_of_[id]].node = id;
        }
        return form_of_[id];
    }

    Form add() {
        terms_.resize(terms_.size() + width_);
        return static_cast<Form>(terms_.size() - width_);
    }

    Form composed(NodeId id) {
        const Node node = graph_[id];
        const auto unknown = std::find(unknowns_.begin(), unknowns_.end(), id);
        if (unknown != unknowns_.end()) {
            const Form form = add();
            terms_[form + 1 + static_cast<std::size_t>(unknown - unknowns_.begin())].node =
                graph_.constant(node.type, 1);
            return form;
        }
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
            return free(1) ? map(a, [&](Term x) { return terms.mul(x, b); }) : kNoForm;
        case Op::div:
            return free(1) ? map(a, [&](Term x) { return terms.div(x, b); }) : kNoForm;
        case Op::select:
            return free(0) ? join(b, c, [&](Term x, Term y) { return terms.select(a, x, y); })
                           : kNoForm;
        case Op::integer_power:
            return node.payload == 1 ? form_of(a) : kNoForm;
        default:
            return kNoForm;
        }
    }

    template <class Function>
    Form map(NodeId a, Function function) {
        const Form x = form_of(a);
        if (x == kNoForm) {
            return kNoForm;
        }
        const Form form = add();
        for (std::size_t k = 0; k < width_; ++k) {
            terms_[form + k] = function(terms_[x + k]);
        }
        return form;
    }

    template <class Function>
    Form join(NodeId a, NodeId b, Function function) {
        const Form x = form_of(a);
        const Form y = form_of(b);
        if (x == kNoForm || y == kNoForm) {
            return kNoForm;
        }
        const Form form = add();
        for (std::size_t k = 0; k < width_; ++k) {
            terms_[form + k] = function(terms_[x + k], terms_[y + k]);
        }
        return form;
    }

    Graph& graph_;
    std::span<const NodeId> unknowns_;
    std::size_t width_;
    std::vector<char> depends_;  ///< of the roots' nodes
    std::vector<Form> form_of_;
    std::vector<Term> terms_;
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
    std::vector<std::optional<Affine>> forms;
    forms.reserve(roots.size());
    if (unknowns.empty()) {
        for (const NodeId root : roots) {
            forms.emplace_back(Affine{root, {}});
        }
        return forms;
    }
    Decomposition decomposition(graph, roots, unknowns);
    for (const NodeId root : roots) {
        forms.push_back(decomposition.result(root));
    }
    return forms;
}

}  // namespace bitaxon::jit
