#include "normal_form.hpp"

#include "cost.hpp"
#include "fractions.hpp"
#include "horner.hpp"
#include "stability.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace bitaxon::jit::rewrite {
namespace {

// Budgets, in things counted: time must not decide about results.
constexpr std::size_t kMaxWork = 40'000;    // terms looked at while searching for forms
constexpr std::size_t kMaxFormsOfOne = 40;  // forms tried for one polynomial
constexpr std::size_t kMaxSize = 40'000;    // nodes, tried forms included
constexpr std::size_t kMaxTogether = 12;    // values whose costs are counted together
constexpr std::size_t kMaxKnown = 4;        // factors from elsewhere that are tried

class NormalForms {
  public:
    explicit NormalForms(const Graph& source, std::span<const NodeId> roots)
        : graph_(source), roots_(roots), size_(source.size()), forms_(size_), opaque_(size_, 1),
          settled_(size_, 0), image_(size_, kNoNode),
          fractions_(graph_, [this](Type type, const Polynomial& divisor, NodeId known) {
              return divisor_node(type, divisor, known);
          }) {}
    NormalForms(const NormalForms&) = delete;
    NormalForms& operator=(const NormalForms&) = delete;

    Rewritten run() {
        const std::vector<NodeId> needed = reachable(graph_, roots_);
        for (const NodeId id : needed) {
            visit(id);
        }
        for (const NodeId root : roots_) {
            settle(root);
        }
        settle_again();
        std::optional<Rewritten> result = substitute(graph_, roots_, image_);
        if (!result) {
            result = substitute(graph_, roots_, {});
        } else {
            result->applied = std::move(applied_);
        }
        return std::move(*result);
    }

  private:
    // Gives the node its form, or makes it a variable and settles what it stands on.
    void visit(NodeId id) {
        const Node node = graph_[id];
        std::optional<Polynomial> form;
        if (is_float(node.type)) {
            form = form_of(id, node);
        }
        if (form) {
            forms_[id] = std::move(*form);
            opaque_[id] = 0;
            return;
        }
        for (const NodeId argument : node.arguments()) {
            settle(argument);
        }
        forms_[id] = Polynomial::variable(id);
    }

    std::optional<Polynomial> form_of(NodeId id, const Node& node) {
        const auto argument = [&](std::size_t i) -> const Polynomial& {
            return forms_[node.args[i]];
        };
        switch (node.op) {
        case Op::constant: {
            const double value = graph_.value(id);
            return std::isfinite(value) ? std::optional{Polynomial::constant(value)} : std::nullopt;
        }
        case Op::add:
            return fractions_.sum(argument(0), argument(1));
        case Op::sub:
            return fractions_.sum(argument(0), argument(1), -1);
        case Op::negate:
            return fractions_.sum(Polynomial{}, argument(0), -1);
        case Op::mul:
            remember(node.type, argument(0));
            remember(node.type, argument(1));
            return fractions_.product(argument(0), argument(1));
        case Op::div:
            return fractions_.quotient(node.type, argument(0), argument(1), node.args[1]);
        case Op::fma:
            return fractions_.sum(fractions_.product(argument(0), argument(1)), argument(2));
        case Op::fms:
            return fractions_.sum(fractions_.product(argument(0), argument(1)), argument(2), -1);
        case Op::fnma:
            return fractions_.sum(argument(2), fractions_.product(argument(0), argument(1)), -1);
        default:
            return std::nullopt;
        }
    }

    NodeId divisor_node(Type type, const Polynomial& divisor, NodeId known) {
        if (known == kNoNode) {
            return writer(type, divisor, {}).write(divisor.terms, {});
        }
        settle(known);
        return image_of(known);
    }

    // Sums that are factors somewhere are tried as factors elsewhere.
    void remember(Type type, const Polynomial& polynomial) {
        const auto equal = [&](const auto& known) {
            return known.first == type && known.second.variables == polynomial.variables &&
                   known.second.terms == polynomial.terms;
        };
        if (polynomial.terms.size() >= 2 && std::none_of(known_.begin(), known_.end(), equal)) {
            known_.emplace_back(type, polynomial);
        }
    }

    std::vector<Terms> known_in(Type type, const Polynomial& polynomial) const {
        std::vector<Terms> result;
        for (auto known = known_.rbegin(); known != known_.rend(); ++known) {
            const auto& [known_type, factor] = *known;
            if (known_type == type && factor.terms.size() <= polynomial.terms.size() &&
                result.size() < kMaxKnown &&
                std::includes(polynomial.variables.begin(), polynomial.variables.end(),
                              factor.variables.begin(), factor.variables.end())) {
                result.push_back(in_variables(factor, polynomial.variables));
            }
        }
        return result;
    }

    HornerWriter writer(Type type, const Polynomial& polynomial, std::span<const Terms> known) {
        std::vector<Leaf> leaves;
        for (const NodeId variable : polynomial.variables) {
            const Reciprocal* reciprocal = fractions_.reciprocal(variable);
            leaves.push_back(reciprocal != nullptr ? Leaf{kNoNode, reciprocal->divisor_node}
                                                   : Leaf{variable, kNoNode});
        }
        return {graph_, type, leaves, known};
    }

    // Chooses the form in which the node's value is computed.
    void settle(NodeId id) {
        if (id >= size_ || opaque_[id] || settled_[id]) {
            return;
        }
        settled_[id] = 1;
        const Polynomial& form = forms_[id];
        const Type type = graph_.type(id);
        if (const auto number = form.as_constant()) {
            replace(id, graph_.constant(type, *number), 0, 0);
            return;
        }
        if (form.is_variable() && fractions_.reciprocal(form.variables.front()) == nullptr) {
            replace(id, form.variables.front(), 0, 0);
            return;
        }
        remember(type, form);
        computed_.push_back(id);
        choose(id);
    }

    // Once more, now that each knows of all the others with which it could share.
    void settle_again() {
        if (computed_.size() < 2 || computed_.size() > kMaxTogether) {
            return;
        }
        for (const NodeId id : computed_) {
            if (!fractions_.is_divisor(image_of(id))) {
                choose(id);
            }
        }
    }

    NodeId image_of(NodeId id) const {
        return id < size_ && image_[id] != kNoNode ? image_[id] : id;
    }

    void choose(NodeId id) {
        const NodeId now = image_of(id);
        const Choice as_is{now, cost_with(id, now)};
        const Choice best = cheapest(id, as_is);
        replace(id, best.node, as_is.cost, best.cost);
    }

    void replace(NodeId id, NodeId by, Cost before, Cost after) {
        if (by == image_of(id) || leads_to(by, id)) {
            return;
        }
        image_[id] = by;
        if (graph_.is_constant(id)) {
            return;
        }
        applied_.push_back(before > after ? fmt::format("normal form: cost {} -> {}", before, after)
                           : graph_.is_constant(by)
                               ? fmt::format("normal form: the constant {}", graph_.value(by))
                               : std::string("normal form: all but one term cancels"));
    }

    // Two values that are equal may each have the other for its form.
    bool leads_to(NodeId from, NodeId id) const {
        while (from != id && image_of(from) != from) {
            from = image_of(from);
        }
        return from == id;
    }

    struct Choice {
        NodeId node;
        Cost cost;
    };

    // Starts with the writer's own choices and changes one after the other while that helps.
    Choice cheapest(NodeId id, const Choice& as_is) {
        const Type type = graph_.type(id);
        const Polynomial& form = forms_[id];
        Choice best = as_is;
        if (work_ > kMaxWork || graph_.size() > kMaxSize) {
            return best;
        }
        const std::vector<Terms> known = known_in(type, form);
        HornerWriter writer = this->writer(type, form, known);
        std::vector<std::uint8_t> choices;
        std::vector<std::uint8_t> alternatives;
        Cost best_written = 0xffffffff;
        std::size_t tried = 0;
        const auto attempt = [&](const std::vector<std::uint8_t>& candidate) {
            const NodeId node = writer.write(form.terms, candidate);
            const Cost cost = cost_with(id, node);
            ++tried;
            if (cost < best.cost && is_stable(node, id)) {
                best = {node, cost};
            }
            return cost;
        };
        best_written = attempt(choices);
        alternatives.assign(writer.alternatives().begin(), writer.alternatives().end());
        for (std::size_t step = 0; step < alternatives.size(); ++step) {
            for (std::uint8_t choice = 1; choice < alternatives[step]; ++choice) {
                if (tried == kMaxFormsOfOne || work_ + writer.work() > kMaxWork) {
                    break;
                }
                std::vector<std::uint8_t> candidate(choices);
                candidate.resize(step, 0);
                candidate.push_back(choice);
                if (const Cost cost = attempt(candidate); cost < best_written) {
                    best_written = cost;
                    choices = std::move(candidate);
                    alternatives.assign(writer.alternatives().begin(), writer.alternatives().end());
                }
            }
        }
        work_ += writer.work();
        return best;
    }

    // Cost, from the variables on, of the values settled last, which share what they can, if `node`
    // computes `id`.
    Cost cost_with(NodeId id, NodeId node) {
        const std::size_t first =
            computed_.size() > kMaxTogether ? computed_.size() - kMaxTogether : 0;
        std::vector<NodeId> roots;
        for (std::size_t i = first; i < computed_.size(); ++i) {
            roots.push_back(computed_[i] == id ? node : image_of(computed_[i]));
        }
        return cost(cone_of(roots), roots);
    }

    bool is_stable(NodeId candidate, NodeId original) {
        std::vector<NodeId> both{candidate, original};
        const Graph cone = cone_of(both);
        return is_as_stable(cone, both[0], both[1]);
    }

    // What computes the nodes from the variables on, which become inputs; and their numbers there.
    Graph cone_of(std::span<NodeId> nodes) {
        Graph cone;
        for (NodeId& node : nodes) {
            node = copy(node, cone);
        }
        for (const NodeId copied : copied_) {
            copy_of_[copied] = kNoNode;
        }
        copied_.clear();
        return cone;
    }

    NodeId copy(NodeId id, Graph& cone) {
        copy_of_.resize(graph_.size(), kNoNode);
        std::vector<NodeId>& stack = copy_stack_;
        stack.push_back(id);
        while (!stack.empty()) {
            const NodeId next = stack.back();
            if (copy_of_[next] != kNoNode) {
                stack.pop_back();
                continue;
            }
            const Node& node = graph_[next];
            const bool leaf = next < size_ && opaque_[next];
            const std::size_t before = stack.size();
            std::array<NodeId, kMaxArguments> arguments{};
            for (std::size_t i = 0; i < node.count && !leaf; ++i) {
                arguments[i] = copy_of_[node.args[i]];
                if (arguments[i] == kNoNode) {
                    stack.push_back(node.args[i]);
                }
            }
            if (stack.size() > before) {
                continue;
            }
            copy_of_[next] =
                leaf ? cone.make(Op::input, node.type, {}, next)
                     : cone.make(node.op, node.type, {arguments.data(), node.count}, node.payload);
            copied_.push_back(next);
        }
        return copy_of_[id];
    }

    Graph graph_;  // grows by the forms that are tried
    std::span<const NodeId> roots_;
    std::size_t size_;  // of the source
    std::vector<Polynomial> forms_;
    std::vector<char> opaque_;
    std::vector<char> settled_;
    std::vector<NodeId> image_;
    Fractions fractions_;
    std::vector<std::pair<Type, Polynomial>> known_;
    std::vector<NodeId> computed_;
    std::vector<std::string> applied_;
    std::vector<NodeId> copy_of_;
    std::vector<NodeId> copied_;
    std::vector<NodeId> copy_stack_;
    std::size_t work_ = 0;
};

}  // namespace

Rewritten normalise_polynomials(const Graph& source, std::span<const NodeId> roots) {
    return NormalForms(source, roots).run();
}

}  // namespace bitaxon::jit::rewrite
