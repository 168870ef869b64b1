#include "fractions.hpp"

#include <algorithm>

namespace bitaxon::jit::rewrite {
namespace {

constexpr std::size_t kMaxWork = 60'000;  // terms looked at; counted, because time must not decide

bool uses(const Terms& terms, int variable) {
    return std::any_of(terms.begin(), terms.end(),
                       [&](const Term& term) { return term.monomial.exponent(variable) > 0; });
}

int highest_exponent(const Terms& terms, int variable) {
    int highest = 0;
    for (const Term& term : terms) {
        highest = std::max(highest, term.monomial.exponent(variable));
    }
    return highest;
}

Polynomial without_unused_variables(const Polynomial& polynomial) {
    Polynomial result;
    std::vector<int> kept;
    for (int i = 0; i < static_cast<int>(polynomial.variables.size()); ++i) {
        if (uses(polynomial.terms, i)) {
            kept.push_back(i);
            result.variables.push_back(polynomial.variables[static_cast<std::size_t>(i)]);
        }
    }
    result.terms = polynomial.terms;
    if (kept.size() == polynomial.variables.size()) {
        return result;
    }
    for (Term& term : result.terms) {
        Monomial moved;
        for (std::size_t k = 0; k < kept.size(); ++k) {
            moved =
                moved * Monomial::variable(static_cast<int>(k), term.monomial.exponent(kept[k]));
        }
        term.monomial = moved;
    }
    return result;
}

}  // namespace

Fractions::Value Fractions::combined(const Value& a, const Value& b, auto operation) {
    if (!a || !b || work_ > kMaxWork) {
        return std::nullopt;
    }
    auto variables = joined_variables(a->variables, b->variables);
    if (!variables) {
        return std::nullopt;
    }
    auto terms = operation(in_variables(*a, *variables), in_variables(*b, *variables));
    if (!terms) {
        return std::nullopt;
    }
    return reduced({std::move(*variables), std::move(*terms)});
}

Fractions::Value Fractions::sum(const Value& a, const Value& b, double sign) {
    return combined(a, b, [&](const Terms& s, const Terms& t) {
        work_ += s.size() + t.size();
        return add(s, t, sign);
    });
}

Fractions::Value Fractions::product(const Value& a, const Value& b) {
    return combined(a, b, [&](const Terms& s, const Terms& t) {
        work_ += s.size() * t.size();
        return multiply(s, t);
    });
}

// The divisor is taken apart, as far as that is easy, into a number, powers of variables and a
// power of a polynomial, so that reciprocals meet again what they can cancel with.
Fractions::Value Fractions::quotient(Type type, const Polynomial& dividend,
                                     const Polynomial& divisor, NodeId divisor_node) {
    if (divisor.terms.empty()) {
        return std::nullopt;
    }
    if (const auto number = divisor.as_constant()) {
        if (auto terms = divide(dividend.terms, Term{Monomial{}, *number})) {
            return Polynomial{dividend.variables, std::move(*terms)};
        }
        return product(dividend, reciprocal_of(type, divisor, divisor_node));
    }
    Value result = dividend;
    Polynomial base = divisor;
    if (base.terms.front().coefficient < 0) {
        base.terms = *add({}, base.terms, -1);
        result = sum(Polynomial{}, result, -1);
    }
    const Monomial common = content(base.terms);
    base.terms = *divide(base.terms, Term{common, 1});
    for (std::size_t i = 0; i < divisor.variables.size(); ++i) {
        const NodeId variable = divisor.variables[i];
        result = product_with_power(result, type, Polynomial::variable(variable), variable,
                                    common.exponent(static_cast<int>(i)));
    }
    if (const auto number = base.as_constant()) {
        return *number == 1 ? result
                            : product(result, reciprocal_of(type, Polynomial::constant(*number),
                                                            graph_.constant(type, *number)));
    }
    work_ += base.terms.size() * 4;
    int exponent = 1;
    if (auto power = perfect_power(base.terms)) {
        base.terms = std::move(power->base);
        exponent = power->exponent;
    }
    const NodeId known = base.terms == divisor.terms ? divisor_node : kNoNode;
    return product_with_power(result, type, base, known, exponent);
}

Fractions::Value Fractions::product_with_power(Value value, Type type, const Polynomial& divisor,
                                               NodeId divisor_node, int exponent) {
    for (int i = 0; i < exponent && value; ++i) {
        value = product(value, reciprocal_of(type, divisor, divisor_node));
    }
    return value;
}

Polynomial Fractions::reciprocal_of(Type type, const Polynomial& divisor, NodeId divisor_node) {
    const Polynomial compact = without_unused_variables(divisor);
    for (const Reciprocal& known : reciprocals_) {
        if (known.type == type && known.divisor.variables == compact.variables &&
            known.divisor.terms == compact.terms) {
            return Polynomial::variable(known.variable);
        }
    }
    const NodeId node = divisor_node_(type, compact, divisor_node);
    const NodeId variable = graph_.make(Op::div, type, {graph_.constant(type, 1), node});
    reciprocals_.push_back({compact, type, variable, node});
    return Polynomial::variable(variable);
}

const Reciprocal* Fractions::reciprocal(NodeId variable) const noexcept {
    const auto found =
        std::find_if(reciprocals_.begin(), reciprocals_.end(),
                     [&](const Reciprocal& known) { return known.variable == variable; });
    return found == reciprocals_.end() ? nullptr : &*found;
}

bool Fractions::is_divisor(NodeId node) const noexcept {
    return std::any_of(reciprocals_.begin(), reciprocals_.end(),
                       [&](const Reciprocal& known) { return known.divisor_node == node; });
}

// Cancels divisors: where the terms with R^k together are divisible by the divisor that R is the
// reciprocal of, their quotient goes to the terms with R^(k-1).
Polynomial Fractions::reduced(Polynomial polynomial) {
    for (std::size_t i = 0; i < polynomial.variables.size(); ++i) {
        const Reciprocal* const known = reciprocal(polynomial.variables[i]);
        if (known == nullptr ||
            !std::includes(polynomial.variables.begin(), polynomial.variables.end(),
                           known->divisor.variables.begin(), known->divisor.variables.end())) {
            continue;
        }
        const Terms divisor = in_variables(known->divisor, polynomial.variables);
        const auto variable = static_cast<int>(i);
        for (int k = highest_exponent(polynomial.terms, variable); k > 0; --k) {
            cancel(polynomial.terms, divisor, variable, k);
        }
    }
    return without_unused_variables(polynomial);
}

void Fractions::cancel(Terms& terms, const Terms& divisor, int variable, int exponent) {
    const Monomial power = Monomial::variable(variable, exponent);
    Terms with;
    Terms without;
    for (const Term& term : terms) {
        if (term.monomial.exponent(variable) == exponent) {
            with.push_back({term.monomial / power, term.coefficient});
        } else {
            without.push_back(term);
        }
    }
    work_ += terms.size();
    const auto quotient = with.empty() ? std::nullopt : divide(with, divisor);
    const auto moved =
        quotient ? multiply(*quotient, Term{Monomial::variable(variable, exponent - 1), 1})
                 : std::nullopt;
    if (auto next = moved ? add(without, *moved) : std::nullopt) {
        terms = std::move(*next);
    }
}

}  // namespace bitaxon::jit::rewrite
