#include "step_graph.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace bitaxon::jit {
namespace {

// Quotients by what never changes in a run become products with its reciprocal, which is computed
// once: most equations end in `/tau`, and a division takes as long as ten or twenty products.
class Reciprocals {
  public:
    explicit Reciprocals(const Evaluator& evaluator) : leaves_(evaluator.leaves()) {}

    std::vector<NodeId> replace(Graph& graph, std::span<const NodeId> roots) {
        const std::size_t size = graph.size();
        std::vector<char> fixed(size, 0);
        std::vector<NodeId> replaced(size, kNoNode);
        for (const NodeId id : reachable(graph, roots)) {
            Node node = graph[id];
            fixed[id] = is_fixed_operation(node);
            bool changed = false;
            for (std::size_t k = 0; k < node.count; ++k) {
                fixed[id] = static_cast<char>(fixed[id] & fixed[node.args[k]]);
                changed = changed || replaced[node.args[k]] != node.args[k];
                node.args[k] = replaced[node.args[k]];
            }
            if (node.op == Op::div && !fixed[id] && fixed[graph[id].args[1]]) {
                const NodeId reciprocal =
                    graph.make(Op::div, node.type, {graph.constant(node.type, 1), node.args[1]});
                replaced[id] = graph.make(Op::mul, node.type, {node.args[0], reciprocal});
            } else {
                replaced[id] =
                    changed ? graph.make(node.op, node.type, std::span(node.args).first(node.count),
                                         node.payload)
                            : id;
            }
        }
        std::vector<NodeId> result;
        for (const NodeId root : roots) {
            result.push_back(replaced[root]);
        }
        return result;
    }

  private:
    char is_fixed_operation(const Node& node) const {
        switch (node.op) {
        case Op::input: {
            const LeafKind kind = leaves_[node.payload].kind;
            return kind == LeafKind::parameter || kind == LeafKind::dt;
        }
        case Op::step:
        case Op::row:
        case Op::rand:
        case Op::randn:
        case Op::external:
            return 0;
        default:
            return 1;
        }
    }

    const std::vector<Leaf>& leaves_;
};

// Evaluates the differential equations for the values that the evaluator's names have now.
std::vector<NodeId> evaluate_rates(Evaluator& evaluator, const Description& description,
                                   std::span<const std::size_t> variables) {
    std::vector<NodeId> rates;
    evaluator.allow_noise(true);
    for (const std::size_t k : variables) {
        const Variable& variable = description.variables[k];
        rates.push_back(
            evaluator(*variable.rate, evaluator.type(variable.type), variable.position));
    }
    evaluator.allow_noise(false);
    return Reciprocals(evaluator).replace(evaluator.graph(), rates);
}

// The value that `name op= value` assigns.
NodeId assigned(Evaluator& evaluator, const Description& description, const NamedExpr& statement,
                std::size_t variable) {
    const Type type = evaluator.type(description.variables[variable].type);
    const NodeId value = evaluator(statement.value, type, statement.position);
    const NodeId old = evaluator.values()[variable];
    switch (statement.kind) {
    case StatementKind::add_assign:
        return evaluator.graph().make(Op::add, type, {old, value});
    case StatementKind::subtract_assign:
        return evaluator.graph().make(Op::sub, type, {old, value});
    default:
        return value;
    }
}

std::size_t variable_number(const Description& description, const std::string& name) {
    const auto found = std::find_if(description.variables.begin(), description.variables.end(),
                                    [&](const Variable& v) { return v.name == name; });
    return static_cast<std::size_t>(found - description.variables.begin());
}

NodeId fitted_mask(Graph& graph, NodeId mask, Type type) {
    if (graph.type(mask) == mask_of(type)) {
        return mask;
    }
    return graph.make(mask_of(type) == Type::m64 ? Op::m64_from_m32 : Op::m32_from_m64,
                      mask_of(type), {mask});
}

// Builds the phases of a step one after the other.
class StepBuilder {
  public:
    StepBuilder(const Description& description, StepStart& start)
        : d_(description), start_(start.rates), evaluator_(start.evaluator), graph_(start.graph),
          real_(evaluator_.real()) {}

    StepGraph build(const Method& method) {
        if (d_.refractory) {
            counter_ = evaluator_.leaf(LeafKind::refractory, 0, counter_type(real_));
            refractory_ = graph_.make(Op::less, mask_of(real_),
                                      {graph_.integer(counter_type(real_), 0), counter_});
        }
        integrate(method);
        update();
        threshold();
        reset();
        step_.leaves = evaluator_.leaves();
        const std::vector<NodeId> roots = step_.roots();
        const std::vector<NodeId> nodes = reachable(graph_, roots);
        for (const NodeId id : nodes) {
            const Op op = graph_[id].op;
            step_.random = step_.random || op == Op::rand || op == Op::randn;
            step_.external = step_.external || op == Op::external;
        }
        step_.graph = std::move(graph_);
        return std::move(step_);
    }

  private:
    void integrate(const Method& method);
    void update();
    void threshold();
    void reset();

    const Description& d_;
    const Rates& start_;
    Evaluator& evaluator_;
    Graph& graph_;
    Type real_;
    StepGraph step_;
    NodeId counter_ = kNoNode;
    NodeId refractory_ = kNoNode;
};

void StepBuilder::integrate(const Method& method) {
    const Rates& start = start_;
    if (start.rates.empty()) {
        return;
    }
    const std::vector<NodeId> at_start = evaluator_.values();
    const auto with = [&](std::span<const NodeId> values) {
        std::vector<NodeId> all = at_start;
        for (std::size_t k = 0; k < values.size(); ++k) {
            all[start.variables[k]] = values[k];
        }
        return all;
    };
    const NodeId t = evaluator_.time();
    Equations equations{.graph = graph_,
                        .real = real_,
                        .values = start.values,
                        .rates = start.rates,
                        .noises = start.noises,
                        .increments = {},
                        .t = t,
                        .dt = evaluator_.dt(),
                        .frozen = start.frozen,
                        .refractory = refractory_,
                        .rates_at = {},
                        .propagator = {}};
    for (std::size_t k = 0; k < start.noises.size(); ++k) {
        const NodeId root = graph_.make(Op::sqrt, real_, {evaluator_.dt()});
        equations.increments.push_back(graph_.make(Op::mul, real_, {root, evaluator_.normal(k)}));
    }
    equations.rates_at = [&](std::span<const NodeId> values, NodeId time) {
        evaluator_.set_values(with(values));
        evaluator_.set_time(time);
        return evaluate_rates(evaluator_, d_, start.variables);
    };
    std::size_t culprit = 0;
    std::optional<LinearSystem> system;
    DerivedLayout layout;
    if (method.name == "exact") {
        system = find_linear_system(evaluator_, d_, start, &culprit);
        layout = {system->variables, system->drives.size()};
        equations.system = &*system;
        equations.propagator = [&](std::size_t row, std::size_t column, bool frozen) {
            return evaluator_.leaf(LeafKind::derived, layout.propagator(row, column, frozen),
                                   real_);
        };
    }
    evaluator_.set_values(with(method.advance(equations)));
    evaluator_.set_time(t);
}

void StepBuilder::update() {
    for (const NamedExpr& statement : d_.updates) {
        const std::size_t k = variable_number(d_, statement.name);
        evaluator_.set_value(k, assigned(evaluator_, d_, statement, k));
    }
}

void StepBuilder::threshold() {
    if (!d_.threshold) {
        return;
    }
    const NodeId condition = evaluator_(*d_.threshold);
    if (!is_mask(graph_.type(condition))) {
        throw_at(
            d_.source(RuleText::threshold), {},
            fmt::format("got a value of type {}, expected a condition such as `v > v_threshold`",
                        name(graph_.type(condition))));
    }
    step_.spike = condition;
    if (refractory_ != kNoNode) {
        step_.spike = graph_.make(Op::bit_andnot, mask_of(real_),
                                  {refractory_, fitted_mask(graph_, condition, real_)});
    }
}

void StepBuilder::reset() {
    const std::vector<NodeId> before = evaluator_.values();
    for (const NamedExpr& statement : d_.resets) {
        const std::size_t k = variable_number(d_, statement.name);
        evaluator_.set_value(k, assigned(evaluator_, d_, statement, k));
    }
    for (std::size_t k = 0; k < before.size(); ++k) {
        NodeId next = before[k];
        if (const NodeId after = evaluator_.values()[k]; after != next) {
            const Type type = graph_.type(next);
            next = graph_.make(Op::select, type,
                               {fitted_mask(graph_, step_.spike, type), after, next});
        }
        step_.next.push_back(next);
    }
    if (counter_ != kNoNode) {
        const Type type = counter_type(real_);
        const NodeId less_one = graph_.make(Op::sub, type, {counter_, graph_.integer(type, 1)});
        const NodeId counted = graph_.make(Op::select, type, {refractory_, less_one, counter_});
        const NodeId period = evaluator_.leaf(LeafKind::derived, DerivedLayout::refractory(), type);
        step_.refractory_next = graph_.make(
            Op::select, type, {fitted_mask(graph_, step_.spike, type), period, counted});
    }
}

}  // namespace

std::vector<NodeId> StepGraph::roots() const {
    std::vector<NodeId> roots = next;
    for (const NodeId id : {refractory_next, spike}) {
        if (id != kNoNode) {
            roots.push_back(id);
        }
    }
    return roots;
}

void name_start_of_step(Evaluator& evaluator, const Description& d) {
    std::vector<NodeId> values;
    for (std::uint32_t k = 0; k < d.variables.size(); ++k) {
        values.push_back(
            evaluator.leaf(LeafKind::variable, k, evaluator.type(d.variables[k].type)));
    }
    evaluator.set_values(std::move(values));
    evaluator.set_time(evaluator.time());
}

StepStart::StepStart(const Description& d, const FunctionTable& functions, Type real)
    : evaluator(graph, d, functions, real) {
    name_start_of_step(evaluator, d);
    for (std::size_t k = 0; k < d.variables.size(); ++k) {
        if (d.variables[k].rate) {
            rates.variables.push_back(k);
            rates.values.push_back(evaluator.values()[k]);
            rates.frozen.push_back(d.variables[k].unless_refractory ? 1 : 0);
        }
    }
    for (std::uint32_t k = 0; k < d.noises.size(); ++k) {
        rates.noises.push_back(evaluator.leaf(LeafKind::noise, k, real));
    }
    rates.rates = evaluate_rates(evaluator, d, rates.variables);
}

std::optional<LinearSystem> find_linear_system(Evaluator& evaluator, const Description& d,
                                               const Rates& rates, std::size_t* culprit) {
    std::vector<NodeId> varying = evaluator.values();
    NodeId current = kNoNode;
    if (d.current) {
        current = evaluator.leaf(LeafKind::current, 0, evaluator.type(*d.current));
        varying.push_back(current);
    }
    varying.insert(varying.end(), rates.noises.begin(), rates.noises.end());
    return linear_system(evaluator.graph(),
                         {rates.rates, rates.values, varying, current, rates.noises}, culprit);
}

NodeId initial_value(Evaluator& evaluator, const Description& d, std::size_t number) {
    name_start_of_step(evaluator, d);
    const Variable& variable = d.variables[number];
    const NodeId value =
        evaluator(*variable.initial, evaluator.type(variable.type), variable.position);
    require_fixed(evaluator, std::array{value}, variable.name, true);
    return value;
}

StepGraph build_step(const Description& description, StepStart start,
                     std::string_view method_name) {
    return StepBuilder(description, start).build(method(method_name));
}

}  // namespace bitaxon::jit
