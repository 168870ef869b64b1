#include "methods.hpp"

#include <algorithm>

namespace bitaxon::jit {
namespace {

using Values = std::vector<NodeId>;

// Arithmetic in the type of one variable.
class Arithmetic {
  public:
    Arithmetic(Graph& graph, Type type) : graph_(graph), type_(type) {}

    NodeId in_type(NodeId x) {
        if (graph_.type(x) == type_) {
            return x;
        }
        return graph_.is_constant(x) ? graph_.constant(type_, graph_.value(x))
                                     : graph_.make(Op::cast, type_, {x});
    }
    NodeId number(double value) { return graph_.constant(type_, value); }
    NodeId add(NodeId a, NodeId b) { return graph_.make(Op::add, type_, {in_type(a), in_type(b)}); }
    NodeId mul(NodeId a, NodeId b) { return graph_.make(Op::mul, type_, {in_type(a), in_type(b)}); }
    NodeId call(Op op, NodeId a) { return graph_.make(op, type_, {in_type(a)}); }
    NodeId select(NodeId mask, NodeId a, NodeId b) {
        if (graph_.type(mask) != mask_of(type_)) {
            mask = graph_.make(type_ == Type::f64 ? Op::m64_from_m32 : Op::m32_from_m64,
                               mask_of(type_), {mask});
        }
        return graph_.make(Op::select, type_, {mask, a, b});
    }

  private:
    Graph& graph_;
    Type type_;
};

Arithmetic arithmetic(const Equations& e, std::size_t k) {
    return {e.graph, e.graph.type(e.values[k])};
}

// A refractory neuron's flagged variables stay what they were.
NodeId held(Equations& e, std::size_t k, NodeId next) {
    if (e.refractory == kNoNode || !e.frozen[k]) {
        return next;
    }
    return arithmetic(e, k).select(e.refractory, e.values[k], next);
}

// Rates without their noise, and what the noise adds to each variable in the step, or kNoNode.
struct Split {
    Values drift;
    Values noise;
};

Split split(Equations& e, const Values& rates) {
    Split result{rates, Values(rates.size(), kNoNode)};
    if (e.noises.empty()) {
        return result;
    }
    const std::vector<std::optional<Affine>> forms = affine(e.graph, rates, e.noises);
    for (std::size_t k = 0; k < rates.size(); ++k) {
        Arithmetic m = arithmetic(e, k);
        result.drift[k] = forms[k]->constant == kNoNode ? m.number(0) : forms[k]->constant;
        for (std::size_t j = 0; j < e.noises.size(); ++j) {
            if (const NodeId strength = forms[k]->coefficients[j]; strength != kNoNode) {
                const NodeId term = m.mul(strength, e.increments[j]);
                result.noise[k] = result.noise[k] == kNoNode ? term : m.add(result.noise[k], term);
            }
        }
    }
    return result;
}

// values + factor * rates + noise.
Values moved(Equations& e, NodeId factor, const Values& rates, const Values& noise) {
    Values next;
    for (std::size_t k = 0; k < e.values.size(); ++k) {
        Arithmetic m = arithmetic(e, k);
        NodeId x = m.add(e.values[k], m.mul(factor, rates[k]));
        if (!noise.empty() && noise[k] != kNoNode) {
            x = m.add(x, noise[k]);
        }
        next.push_back(held(e, k, x));
    }
    return next;
}

// With noise, the method of Maruyama (1955).
Values euler(Equations& e) {
    const Split at_start = split(e, e.rates);
    return moved(e, e.dt, at_start.drift, at_start.noise);
}

// For additive noise: the predictor and the corrector take the same noise.
Values heun(Equations& e) {
    const Split at_start = split(e, e.rates);
    const Values predicted = moved(e, e.dt, at_start.drift, at_start.noise);
    Arithmetic real(e.graph, e.real);
    const Values at_end = split(e, e.rates_at(predicted, real.add(e.t, e.dt))).drift;
    Values sums;
    for (std::size_t k = 0; k < e.values.size(); ++k) {
        sums.push_back(arithmetic(e, k).add(at_start.drift[k], at_end[k]));
    }
    return moved(e, real.mul(e.dt, real.number(0.5)), sums, at_start.noise);
}

Values rk4(Equations& e) {
    Arithmetic real(e.graph, e.real);
    const NodeId half = real.mul(e.dt, real.number(0.5));
    const NodeId middle = real.add(e.t, half);
    const Values& k1 = e.rates;
    const Values k2 = e.rates_at(moved(e, half, k1, {}), middle);
    const Values k3 = e.rates_at(moved(e, half, k2, {}), middle);
    const Values k4 = e.rates_at(moved(e, e.dt, k3, {}), real.add(e.t, e.dt));
    Values sums;
    for (std::size_t k = 0; k < e.values.size(); ++k) {
        Arithmetic m = arithmetic(e, k);
        const NodeId middles = m.mul(m.number(2), m.add(k2[k], k3[k]));
        sums.push_back(m.add(m.add(k1[k], middles), k4[k]));
    }
    return moved(e, real.mul(e.dt, real.number(1.0 / 6.0)), sums, {});
}

// dx/dt = a + b x is solved exactly for a and b as they are at the start of the step (Hochbruck and
// Ostermann 2010): x + (a + b x) dt exprel(b dt).
Values exponential_euler(Equations& e) {
    Values next;
    for (std::size_t k = 0; k < e.values.size(); ++k) {
        const std::optional<Affine> form =
            affine(e.graph, std::span(e.rates).subspan(k, 1), std::span(e.values).subspan(k, 1))[0];
        Arithmetic m = arithmetic(e, k);
        NodeId span = m.in_type(e.dt);
        if (const NodeId b = form->coefficients[0]; b != kNoNode) {
            span = m.mul(span, m.call(Op::exprel, m.mul(b, e.dt)));
        }
        next.push_back(held(e, k, m.add(e.values[k], m.mul(e.rates[k], span))));
    }
    return next;
}

// Row `row` of P x + Q u.
NodeId propagated(Equations& e, const Reach& reach, std::size_t row, bool frozen) {
    const LinearSystem& s = *e.system;
    Arithmetic m = arithmetic(e, row);
    NodeId sum = kNoNode;
    const auto add = [&](NodeId term) { sum = sum == kNoNode ? term : m.add(sum, term); };
    for (std::size_t j = 0; j < s.drives.size(); ++j) {
        if (!reach.q[row * s.drives.size() + j]) {
            continue;
        }
        const NodeId q = e.propagator(row, s.variables + j, frozen);
        add(s.drives[j] == kNoNode ? m.in_type(q) : m.mul(q, s.drives[j]));
    }
    for (std::size_t j = 0; j < s.variables; ++j) {
        if (reach.p[row * s.variables + j]) {
            add(m.mul(e.propagator(row, j, frozen), e.values[j]));
        }
    }
    return sum;
}

Values exact(Equations& e) {
    const std::size_t n = e.values.size();
    const std::vector<char> none(n, 0);
    const std::vector<char>& frozen_rows = e.refractory == kNoNode ? none : e.frozen;
    const Reach reached = reach(*e.system, none);
    const Reach reached_frozen = reach(*e.system, frozen_rows);
    const auto reads_frozen = [&](std::size_t row) {
        for (std::size_t j = 0; j < n; ++j) {
            if (j != row && reached.p[row * n + j] && frozen_rows[j]) {
                return true;
            }
        }
        return false;
    };
    Values next;
    for (std::size_t row = 0; row < n; ++row) {
        const NodeId free = propagated(e, reached, row, false);
        if (frozen_rows[row]) {
            next.push_back(held(e, row, free));
        } else if (reads_frozen(row)) {
            const NodeId frozen = propagated(e, reached_frozen, row, true);
            next.push_back(arithmetic(e, row).select(e.refractory, frozen, free));
        } else {
            next.push_back(free);
        }
    }
    return next;
}

constexpr Method kMethods[] = {
    {"euler", euler, false}, {"exponential_euler", exponential_euler, false},
    {"exact", exact, false}, {"heun", heun, true},
    {"rk4", rk4, true},
};

}  // namespace

std::span<const Method> methods() noexcept { return kMethods; }

const Method& method(std::string_view name) {
    return *std::find_if(std::begin(kMethods), std::end(kMethods),
                         [&](const Method& m) { return m.name == name; });
}

}  // namespace bitaxon::jit
