#include "evaluator.hpp"

#include "../language/to_graph.hpp"

#include <bitaxon/core/error.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace bitaxon::jit {
namespace {

// Sub-expressions are evaluated anew whenever a variable changes within the step.
constexpr std::size_t kMaxEvaluations = 50'000;
// Random sites of a statement begin at its number times this; noises come after all statements.
constexpr int kSiteBits = 32;
constexpr std::uint64_t kNoiseSites = std::uint64_t{1} << 62;

// Whether every value of `from` is one of `to`, apart from rounding.
bool widens(Type from, Type to) {
    if (is_mask(from) || (is_float(from) && is_float(to))) {
        return true;
    }
    return !is_float(from) && (is_float(to) || static_cast<int>(from) <= static_cast<int>(to));
}

}  // namespace

Evaluator::Evaluator(Graph& graph, const Description& description, const FunctionTable& functions,
                     Type real)
    : graph_(graph), description_(description), functions_(functions), real_(real) {}

Evaluator::Evaluator(Graph& graph, const Evaluator& other)
    : graph_(graph), description_(other.description_), functions_(other.functions_),
      real_(other.real_), leaves_(other.leaves_), values_(other.values_), time_(other.time_),
      evaluated_(other.evaluated_), evaluations_(other.evaluations_),
      noise_allowed_(other.noise_allowed_) {}

NodeId Evaluator::leaf(LeafKind kind, std::uint32_t index, Type type) {
    const Leaf leaf{kind, index, type};
    const auto found = std::find(leaves_.begin(), leaves_.end(), leaf);
    const auto number = static_cast<std::uint64_t>(found - leaves_.begin());
    if (found == leaves_.end()) {
        leaves_.push_back(leaf);
    }
    return graph_.make(Op::input, type, {}, number);
}

NodeId Evaluator::time() {
    const NodeId step = graph_.make(Op::step, Type::i64, {});
    const NodeId count = graph_.make(Op::cast, Type::f64, {step});
    const NodeId t = graph_.make(Op::mul, Type::f64, {count, leaf(LeafKind::dt, 0, Type::f64)});
    return real_ == Type::f64 ? t : graph_.make(Op::cast, real_, {t});
}

void Evaluator::set_values(std::vector<NodeId> values) {
    values_ = std::move(values);
    evaluated_.clear();
}

void Evaluator::set_value(std::size_t variable, NodeId value) {
    values_[variable] = value;
    evaluated_.clear();
}

void Evaluator::set_time(NodeId t) {
    time_ = t;
    evaluated_.clear();
}

NodeId Evaluator::operator()(const TextExpr& expr) { return evaluate(expr, real_); }

NodeId Evaluator::evaluate(const TextExpr& expr, Type real) {
    std::uint64_t sites = static_cast<std::uint64_t>(expr.statement) << kSiteBits;
    const Scope scope{.real = real,
                      .resolve = [this](std::string_view name) { return resolve(name); },
                      .known_names = description_.names,
                      .functions = &functions_,
                      .random_sites = &sites};
    return to_graph(graph_, description_.script(expr.text).ast, expr.id, scope);
}

NodeId Evaluator::operator()(const TextExpr& expr, Type type, Position position) {
    const NodeId value = (*this)(expr);
    const Type from = graph_.type(value);
    if (from == type) {
        return value;
    }
    // A literal on its own is a real number; the variable's type decides.
    if (graph_.is_constant(value) && is_float(from)) {
        const double number = graph_.value(evaluate(expr, Type::f64));
        if (is_float(type) || (std::trunc(number) == number && std::fabs(number) < 0x1p31)) {
            return graph_.constant(type, number);
        }
    }
    if (!widens(from, type)) {
        throw_at(
            description_.source(expr.text), position,
            fmt::format("got a value of type {} for a variable of type {}; cast it, as in {}(...)",
                        name(from), name(type), name(type)));
    }
    if (!is_mask(from)) {
        return graph_.make(Op::cast, type, {value});
    }
    NodeId mask = value;
    if (from != mask_of(type)) {
        mask = graph_.make(from == Type::m32 ? Op::m64_from_m32 : Op::m32_from_m64, mask_of(type),
                           {value});
    }
    return graph_.make(Op::select, type, {mask, graph_.integer(type, 1), graph_.integer(type, 0)});
}

NodeId Evaluator::normal(std::size_t noise) {
    return graph_.make(Op::randn, real_, {}, kNoiseSites + noise);
}

std::optional<NodeId> Evaluator::resolve(std::string_view name) {
    if (const Meaning* meaning = description_.meaning(name)) {
        const std::uint32_t number = meaning->number;
        switch (meaning->kind) {
        case Meaning::Kind::variable:
            return values_[number];
        case Meaning::Kind::parameter:
            return leaf(LeafKind::parameter, number, type(description_.parameters[number].type));
        case Meaning::Kind::sub_expression:
            return sub_expression(number);
        case Meaning::Kind::noise:
            if (!noise_allowed_) {
                throw_error(ErrorCode::invalid_value, name, "white noise outside of dname/dt",
                            "differential equations; elsewhere draw a number with randn()");
            }
            return leaf(LeafKind::noise, number, real_);
        }
    }
    if (name == "i" && description_.current) {
        return leaf(LeafKind::current, 0, type(*description_.current));
    }
    if (name == "t") {
        return time_;
    }
    return name == "dt" ? std::optional(dt()) : std::nullopt;
}

// Those before it come first: what a sub-expression names stands before it in the list.
NodeId Evaluator::sub_expression(std::size_t number) {
    while (evaluated_.size() <= number) {
        if (++evaluations_ > kMaxEvaluations) {
            throw_error(ErrorCode::invalid_value, "equations",
                        "sub-expressions that change too often in a step",
                        fmt::format("at most {} evaluations", kMaxEvaluations));
        }
        const NodeId value = (*this)(description_.sub_expressions[evaluated_.size()].value);
        evaluated_.push_back(value);
    }
    return evaluated_[number];
}

void require_fixed(const Evaluator& evaluator, std::span<const NodeId> roots, std::string_view what,
                   bool may_draw) {
    const Graph& graph = evaluator.graph();
    const auto refuse = [&](std::string_view got) {
        throw_error(ErrorCode::invalid_value, what, got,
                    may_draw ? "an expression of parameters, dt and random numbers"
                             : "an expression of parameters and dt");
    };
    for (const NodeId id : reachable(graph, roots)) {
        switch (graph[id].op) {
        case Op::input: {
            const LeafKind kind = evaluator.leaves()[graph[id].payload].kind;
            if (kind != LeafKind::parameter && kind != LeafKind::dt) {
                refuse("a variable or the current");
            }
            break;
        }
        case Op::step:
            refuse("the time");
            break;
        case Op::external:
            refuse("a call of an external function");
            break;
        case Op::rand:
        case Op::randn:
            if (!may_draw) {
                refuse("a random number");
            }
            break;
        default:
            break;
        }
    }
}

}  // namespace bitaxon::jit
