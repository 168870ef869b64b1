// Graphs written as C++ expressions, and a scalar evaluator that shares no code with the library's
// own.
#pragma once

#include "../../jit/src/ir/graph.hpp"
#include "../../jit/src/optimise/optimise.hpp"

#include <bit>
#include <cmath>
#include <limits>
#include <random>
#include <span>
#include <vector>

namespace bitaxon::jit::optimise_test {

/// A node with its graph, so that operators build language graphs.
struct Term {
    Graph* graph;
    NodeId id;

    Type type() const { return graph->type(id); }
    Term make(Op op, std::initializer_list<NodeId> arguments, std::uint64_t payload = 0) const {
        return {graph, graph->make(op, type(), arguments, payload)};
    }
    Term number(double value) const { return {graph, graph->constant(type(), value)}; }
};

inline Term operator+(Term a, Term b) { return a.make(Op::add, {a.id, b.id}); }
inline Term operator-(Term a, Term b) { return a.make(Op::sub, {a.id, b.id}); }
inline Term operator*(Term a, Term b) { return a.make(Op::mul, {a.id, b.id}); }
inline Term operator/(Term a, Term b) { return a.make(Op::div, {a.id, b.id}); }
inline Term operator+(Term a, double b) { return a + a.number(b); }
inline Term operator-(Term a, double b) { return a - a.number(b); }
inline Term operator*(Term a, double b) { return a * a.number(b); }
inline Term operator/(Term a, double b) { return a / a.number(b); }
inline Term operator+(double a, Term b) { return b.number(a) + b; }
inline Term operator-(double a, Term b) { return b.number(a) - b; }
inline Term operator*(double a, Term b) { return b.number(a) * b; }
inline Term operator/(double a, Term b) { return b.number(a) / b; }
inline Term operator-(Term a) { return a.make(Op::negate, {a.id}); }
/// Integer power, as the parser makes of x^n. (C++ gives ^ too low a precedence.)
inline Term pow(Term a, int n) {
    return a.make(Op::integer_power, {a.id}, static_cast<std::uint64_t>(std::int64_t{n}));
}
inline Term pow(Term a, double y) { return a.make(Op::power, {a.id, a.number(y).id}); }
inline Term call(Op op, Term a) { return a.make(op, {a.id}); }
inline Term call(Op op, Term a, Term b) { return a.make(op, {a.id, b.id}); }
inline Term compare(Op op, Term a, Term b) {
    return {a.graph, a.graph->make(op, mask_of(a.type()), {a.id, b.id})};
}
inline Term select(Term mask, Term a, Term b) { return a.make(Op::select, {mask.id, a.id, b.id}); }
inline Term exp(Term a) { return call(Op::exp, a); }
inline Term log(Term a) { return call(Op::log, a); }
inline Term sin(Term a) { return call(Op::sin, a); }
inline Term cos(Term a) { return call(Op::cos, a); }
inline Term sqrt(Term a) { return call(Op::sqrt, a); }
inline Term abs(Term a) { return call(Op::abs, a); }

/// A graph with the inputs x, y, z.
struct Expression {
    explicit Expression(Type type = Type::f64)
        : x{&graph, graph.make(Op::input, type, {}, 0)},
          y{&graph, graph.make(Op::input, type, {}, 1)}, z{&graph,
                                                           graph.make(Op::input, type, {}, 2)} {}
    Expression(const Expression&) = delete;
    Expression& operator=(const Expression&) = delete;

    Optimised optimise(Term root, MathMode mode) const {
        return jit::optimise(graph, std::span{&root.id, 1}, mode);
    }

    Graph graph;
    Term x, y, z;
};

/// The values of all inputs, by number.
using Inputs = std::vector<double>;

/// Value of a node of type f64 (a mask: 1 or 0) by the C library, without sharing anything.
class Evaluator {
  public:
    Evaluator(const Graph& graph, Inputs inputs) : graph_(graph), inputs_(std::move(inputs)) {
        for (NodeId id = 0; id < graph.size(); ++id) {
            values_.push_back(evaluate(graph[id]));
        }
    }
    double operator[](NodeId id) const { return values_[id]; }

  private:
    double evaluate(const Node& node) const {
        const auto argument = [&](std::size_t i) { return values_[node.args[i]]; };
        const double a = node.count > 0 ? argument(0) : 0;
        const double b = node.count > 1 ? argument(1) : 0;
        const double c = node.count > 2 ? argument(2) : 0;
        switch (node.op) {
        case Op::constant:
            return is_mask(node.type) ? (node.payload != 0 ? 1 : 0)
                                      : std::bit_cast<double>(node.payload);
        case Op::input:
            return inputs_[node.payload];
        case Op::rand:
            return 0.25 + 0.125 * static_cast<double>(node.payload);
        case Op::external:
            return a + static_cast<double>(node.payload);
        case Op::add:
            return a + b;
        case Op::sub:
            return a - b;
        case Op::mul:
            return a * b;
        case Op::div:
            return a / b;
        case Op::negate:
            return -a;
        case Op::sqrt:
            return std::sqrt(a);
        case Op::fma:
            return std::fma(a, b, c);
        case Op::fms:
            return std::fma(a, b, -c);
        case Op::fnma:
            return std::fma(-a, b, c);
        case Op::lesser:
            return a < b ? a : b;
        case Op::greater:
            return a > b ? a : b;
        case Op::min:
            return std::isnan(a) || std::isnan(b) ? a + b : smaller(a, b);
        case Op::max:
            return std::isnan(a) || std::isnan(b) ? a + b : -smaller(-a, -b);
        case Op::relu:
            return std::isnan(a) ? a : -smaller(-a, -0.0);
        case Op::abs:
            return std::fabs(a);
        case Op::round:
            return std::nearbyint(a);
        case Op::floor:
            return std::floor(a);
        case Op::ceil:
            return std::ceil(a);
        case Op::trunc:
            return std::trunc(a);
        case Op::less:
            return a < b ? 1 : 0;
        case Op::less_equal:
            return a <= b ? 1 : 0;
        case Op::equal:
            return a == b ? 1 : 0;
        case Op::not_equal:
            return a != b ? 1 : 0;
        case Op::logical_not:
            return a != 0 ? 0 : 1;
        case Op::bit_and:
            return a != 0 && b != 0 ? 1 : 0;
        case Op::bit_or:
            return a != 0 || b != 0 ? 1 : 0;
        case Op::select:
            return a != 0 ? b : c;
        case Op::power:
            return std::pow(a, b);
        case Op::integer_power:
            return std::pow(a, static_cast<double>(static_cast<std::int64_t>(node.payload)));
        case Op::exp:
            return std::exp(a);
        case Op::exp2:
            return std::exp2(a);
        case Op::expm1:
            return std::expm1(a);
        case Op::exprel:
            return a == 0 ? 1 : std::expm1(a) / a;
        case Op::log:
            return std::log(a);
        case Op::log1p:
            return std::log1p(a);
        case Op::log2:
            return std::log2(a);
        case Op::cbrt:
            return std::cbrt(a);
        case Op::sin:
            return std::sin(a);
        case Op::cos:
            return std::cos(a);
        case Op::tan:
            return std::tan(a);
        case Op::atan:
            return std::atan(a);
        case Op::asin:
            return std::asin(a);
        case Op::acos:
            return std::acos(a);
        case Op::sinh:
            return std::sinh(a);
        case Op::cosh:
            return std::cosh(a);
        case Op::tanh:
            return std::tanh(a);
        case Op::sigmoid:
            return 1 / (1 + std::exp(-a));
        default:
            return std::numeric_limits<double>::quiet_NaN();
        }
    }

    static double smaller(double a, double b) {
        return a == b ? (std::signbit(a) ? a : b) : (a < b ? a : b);
    }

    const Graph& graph_;
    Inputs inputs_;
    std::vector<double> values_;
};

inline bool same_bits(double a, double b) {
    return (std::isnan(a) && std::isnan(b)) ||
           std::bit_cast<std::uint64_t>(a) == std::bit_cast<std::uint64_t>(b);
}

/// Numbers with all that floating point has to offer: NaN, infinities, zeros, subnormals, ties.
class HostileNumbers {
  public:
    double operator()() {
        constexpr double infinity = std::numeric_limits<double>::infinity();
        constexpr double specials[] = {0.0,
                                       -0.0,
                                       1.0,
                                       -1.0,
                                       infinity,
                                       -infinity,
                                       0x1p-1074,
                                       -0x1p-1074,
                                       0x1p1023,
                                       -0x1p1023,
                                       2.0,
                                       0.5,
                                       std::numeric_limits<double>::quiet_NaN()};
        const std::uint64_t bits = random_();
        if (bits % 3 == 0) {
            return specials[(bits >> 8) % std::size(specials)];
        }
        if (bits % 3 == 1) {
            return std::bit_cast<double>(random_());
        }
        return static_cast<double>(static_cast<std::int64_t>(random_() % 4097) - 2048) / 64;
    }

  private:
    std::mt19937_64 random_{20240607};
};

/// Operations that the roots need, leaves and constants not counted.
inline std::size_t operations(const Optimised& optimised) {
    std::size_t count = 0;
    for (const NodeId id : reachable(optimised.graph, optimised.roots)) {
        count += info(optimised.graph[id].op).kind == OpKind::source ? 0u : 1u;
    }
    return count;
}

inline std::size_t count_of(const Optimised& optimised, Op op) {
    std::size_t count = 0;
    for (const NodeId id : reachable(optimised.graph, optimised.roots)) {
        count += optimised.graph[id].op == op ? 1u : 0u;
    }
    return count;
}

}  // namespace bitaxon::jit::optimise_test
