#include "polynomial.hpp"

#include <algorithm>
#include <cmath>

namespace bitaxon::jit::rewrite {
namespace {

// Exact sum and product of coefficients, or nothing. Infinities and NaN are never exact.
std::optional<double> exact_sum(double a, double b) {
    const double sum = a + b;
    const double part = sum - a;
    const double error = (a - (sum - part)) + (b - part);
    return error == 0 ? std::optional{sum} : std::nullopt;
}

std::optional<double> exact_product(double a, double b) {
    constexpr double kSmallest = 0x1p-900;  // far from where the residual would underflow
    const double product = a * b;
    if (a == 0 || b == 0) {
        return 0;
    }
    if (std::fma(a, b, -product) != 0 || std::fabs(product) < kSmallest ||
        !std::isfinite(product)) {
        return std::nullopt;
    }
    return product;
}

std::optional<double> exact_quotient(double a, double b) {
    const double quotient = a / b;
    const auto back = exact_product(quotient, b);
    return back && *back == a ? std::optional{quotient} : std::nullopt;
}

bool by_falling_monomial(const Term& a, const Term& b) { return a.monomial > b.monomial; }

// Sorts, joins equal monomials and drops zeros.
bool normalise(Terms& terms) {
    std::sort(terms.begin(), terms.end(), by_falling_monomial);
    std::size_t last = 0;
    for (std::size_t i = 1; i < terms.size(); ++i) {
        if (terms[i].monomial != terms[last].monomial) {
            terms[++last] = terms[i];
            continue;
        }
        const auto sum = exact_sum(terms[last].coefficient, terms[i].coefficient);
        if (!sum) {
            return false;
        }
        terms[last].coefficient = *sum;
    }
    terms.resize(last + 1);
    std::erase_if(terms, [](const Term& term) { return term.coefficient == 0; });
    return terms.size() <= kMaxTerms;
}

}  // namespace

std::optional<Monomial> Monomial::root(int k) const {
    Monomial result;
    for (int i = 0; i < kMaxPolynomialVariables; ++i) {
        const int e = exponent(i);
        if (e % k != 0) {
            return std::nullopt;
        }
        result = result * variable(i, e / k);
    }
    return result;
}

std::optional<Terms> add(const Terms& a, const Terms& b, double sign) {
    Terms sum;
    sum.reserve(a.size() + b.size());
    auto i = a.begin();
    auto j = b.begin();
    while (i != a.end() || j != b.end()) {
        if (j == b.end() || (i != a.end() && i->monomial > j->monomial)) {
            sum.push_back(*i++);
        } else if (i == a.end() || j->monomial > i->monomial) {
            sum.push_back({j->monomial, sign * j->coefficient});
            ++j;
        } else {
            const auto coefficient = exact_sum(i->coefficient, sign * j->coefficient);
            if (!coefficient) {
                return std::nullopt;
            }
            if (*coefficient != 0) {
                sum.push_back({i->monomial, *coefficient});
            }
            ++i;
            ++j;
        }
    }
    return sum.size() <= kMaxTerms ? std::optional{std::move(sum)} : std::nullopt;
}

std::optional<Terms> multiply(const Terms& a, const Terms& b) {
    if (a.empty() || b.empty()) {
        return Terms{};
    }
    if (a.front().monomial.degree() + b.front().monomial.degree() > kMaxDegree) {
        return std::nullopt;
    }
    Terms product;
    product.reserve(a.size() * b.size());
    for (const Term& s : a) {
        for (const Term& t : b) {
            const auto coefficient = exact_product(s.coefficient, t.coefficient);
            if (!coefficient) {
                return std::nullopt;
            }
            product.push_back({s.monomial * t.monomial, *coefficient});
        }
    }
    return normalise(product) ? std::optional{std::move(product)} : std::nullopt;
}

std::optional<Terms> multiply(const Terms& a, const Term& b) { return multiply(a, Terms{b}); }

std::optional<Terms> power(const Terms& a, int n) {
    std::optional<Terms> result = Terms{{Monomial{}, 1}};
    for (int i = 0; i < n && result; ++i) {
        result = multiply(*result, a);
    }
    return result;
}

std::optional<Terms> divide(const Terms& a, const Term& b) {
    Terms quotient;
    quotient.reserve(a.size());
    for (const Term& term : a) {
        const auto coefficient = exact_quotient(term.coefficient, b.coefficient);
        if (!coefficient || !b.monomial.divides(term.monomial)) {
            return std::nullopt;
        }
        quotient.push_back({term.monomial / b.monomial, *coefficient});
    }
    return quotient;
}

std::optional<Terms> divide(const Terms& a, const Terms& b) {
    if (b.empty()) {
        return std::nullopt;
    }
    Terms quotient;
    Terms rest = a;
    while (!rest.empty()) {
        if (!b.front().monomial.divides(rest.front().monomial) || quotient.size() == kMaxTerms) {
            return std::nullopt;
        }
        const auto coefficient = exact_quotient(rest.front().coefficient, b.front().coefficient);
        if (!coefficient) {
            return std::nullopt;
        }
        const Term term{rest.front().monomial / b.front().monomial, *coefficient};
        const auto product = multiply(b, term);
        auto next = product ? add(rest, *product, -1) : std::nullopt;
        if (!next) {
            return std::nullopt;
        }
        quotient.push_back(term);
        rest = std::move(*next);
    }
    return quotient;
}

Monomial content(const Terms& terms) {
    Monomial divisor = terms.front().monomial;
    for (const Term& term : terms) {
        divisor = common_divisor(divisor, term.monomial);
    }
    return divisor;
}

namespace {

constexpr int kLargestRoot = 32;
constexpr std::size_t kMaxBaseTerms = 6;

// a > 0 with a^k = value, for the whole numbers that occur.
std::optional<double> whole_root(double value, int k) {
    for (int a = 1; a <= kLargestRoot; ++a) {
        double product = 1;
        for (int i = 0; i < k; ++i) {
            product *= a;
        }
        if (product == value) {
            return a;
        }
        if (product > value) {
            break;
        }
    }
    return std::nullopt;
}

std::optional<CompletedPower> with_base(const Terms& terms, Terms base, int k) {
    const auto product = power(base, k);
    auto rest = product ? add(terms, *product, -1) : std::nullopt;
    if (!rest) {
        return std::nullopt;
    }
    return CompletedPower{std::move(base), k, std::move(*rest)};
}

// The base with one more term, of those that the rest suggests: the one that leaves the fewest.
std::optional<CompletedPower> extended(const Terms& terms, const CompletedPower& current) {
    const int k = current.exponent;
    // (b + t)^k = b^k + k*b^(k-1)*t + ...: a term of the rest divided by k * lead^(k-1) is a t.
    const Term lead = current.base.front();
    Term divisor{lead.monomial.power(k - 1), static_cast<double>(k)};
    for (int i = 1; i < k; ++i) {
        divisor.coefficient *= lead.coefficient;
    }
    std::optional<CompletedPower> best;
    for (const Term& term : current.rest) {
        const auto next = divide(Terms{term}, divisor);
        if (!next) {
            continue;
        }
        auto base = add(current.base, *next);
        auto candidate = base ? with_base(terms, std::move(*base), k) : std::nullopt;
        if (candidate && candidate->rest.size() < (best ? best->rest : current.rest).size()) {
            best = std::move(candidate);
        }
    }
    return best;
}

}  // namespace

std::optional<CompletedPower> complete_power(const Terms& terms, int exponent) {
    constexpr int kMaxStarts = 3;
    std::optional<CompletedPower> best;
    int starts = 0;
    for (const Term& term : terms) {
        const auto monomial = term.monomial.root(exponent);
        const auto coefficient = whole_root(term.coefficient, exponent);
        if (!monomial || !coefficient || term.monomial.degree() == 0 || ++starts > kMaxStarts) {
            continue;
        }
        auto current = with_base(terms, Terms{{*monomial, *coefficient}}, exponent);
        while (current && !current->rest.empty() && current->base.size() < kMaxBaseTerms) {
            auto next = extended(terms, *current);
            if (!next) {
                break;
            }
            current = std::move(next);
        }
        if (!current || current->base.size() < 2 ||
            current->base.size() + current->rest.size() >= terms.size()) {
            continue;
        }
        if (!best || current->rest.size() < best->rest.size()) {
            best = std::move(current);
        }
    }
    return best;
}

std::optional<CompletedPower> perfect_power(const Terms& terms) {
    if (terms.size() < 3) {
        return std::nullopt;
    }
    for (int exponent = terms.front().monomial.degree(); exponent >= 2; --exponent) {
        if (!terms.front().monomial.root(exponent) || !terms.back().monomial.root(exponent)) {
            continue;
        }
        auto completed = complete_power(terms, exponent);
        if (completed && completed->rest.empty()) {
            return completed;
        }
    }
    return std::nullopt;
}

std::optional<Covered> cover(const Terms& terms, const Terms& divisor) {
    Covered covered{{}, terms};
    bool progress = divisor.size() >= 2;
    while (progress && !covered.rest.empty()) {
        progress = false;
        std::optional<Terms> best_quotient;
        Terms best_rest;
        for (const Term& term : covered.rest) {
            for (const Term& other : divisor) {
                const auto factor = divide(Terms{term}, other);
                const auto product = factor ? multiply(divisor, *factor) : std::nullopt;
                auto rest = product ? add(covered.rest, *product, -1) : std::nullopt;
                const std::size_t limit =
                    best_quotient ? best_rest.size() : covered.rest.size() - 1;
                if (rest && rest->size() < limit) {
                    best_quotient = add(covered.quotient, *factor);
                    best_rest = std::move(*rest);
                }
            }
        }
        if (best_quotient) {
            covered = {std::move(*best_quotient), std::move(best_rest)};
            progress = true;
        }
    }
    if (covered.quotient.empty()) {
        return std::nullopt;
    }
    return covered;
}

Polynomial Polynomial::constant(double value) {
    return {{}, value == 0 ? Terms{} : Terms{{Monomial{}, value}}};
}

Polynomial Polynomial::variable(NodeId node) { return {{node}, {{Monomial::variable(0), 1}}}; }

bool Polynomial::is_variable() const {
    return terms.size() == 1 && terms.front().coefficient == 1 &&
           terms.front().monomial.degree() == 1;
}

std::optional<double> Polynomial::as_constant() const {
    if (terms.empty()) {
        return 0;
    }
    if (terms.size() == 1 && terms.front().monomial.degree() == 0) {
        return terms.front().coefficient;
    }
    return std::nullopt;
}

Terms in_variables(const Polynomial& polynomial, std::span<const NodeId> variables) {
    if (std::equal(variables.begin(), variables.end(), polynomial.variables.begin(),
                   polynomial.variables.end())) {
        return polynomial.terms;
    }
    std::array<int, kMaxPolynomialVariables> place{};
    for (std::size_t i = 0; i < polynomial.variables.size(); ++i) {
        place[i] = static_cast<int>(
            std::lower_bound(variables.begin(), variables.end(), polynomial.variables[i]) -
            variables.begin());
    }
    Terms terms = polynomial.terms;
    for (Term& term : terms) {
        Monomial moved;
        for (std::size_t i = 0; i < polynomial.variables.size(); ++i) {
            moved =
                moved * Monomial::variable(place[i], term.monomial.exponent(static_cast<int>(i)));
        }
        term.monomial = moved;
    }
    std::sort(terms.begin(), terms.end(), by_falling_monomial);
    return terms;
}

std::optional<std::vector<NodeId>> joined_variables(std::span<const NodeId> a,
                                                    std::span<const NodeId> b) {
    std::vector<NodeId> joined;
    joined.reserve(a.size() + b.size());
    std::set_union(a.begin(), a.end(), b.begin(), b.end(), std::back_inserter(joined));
    if (joined.size() > kMaxPolynomialVariables) {
        return std::nullopt;
    }
    return joined;
}

}  // namespace bitaxon::jit::rewrite
