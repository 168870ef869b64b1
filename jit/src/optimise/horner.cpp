#include "horner.hpp"

#include "cost.hpp"
#include "powers.hpp"

#include <algorithm>
#include <cmath>

namespace bitaxon::jit::rewrite {
namespace {

constexpr std::size_t kMaxMoves = 6;
constexpr std::size_t kMaxCoveredTerms = 24;
constexpr std::size_t kMaxCompletedTerms =
    24;  // larger polynomials are powers without a rest, or none

Terms negated(Terms terms) {
    for (Term& term : terms) {
        term.coefficient = -term.coefficient;
    }
    return terms;
}

// The number that all coefficients have in common: their size if they are equal but for the sign.
double common_coefficient(const Terms& terms) {
    const double first = std::fabs(terms.front().coefficient);
    const bool equal = std::all_of(terms.begin(), terms.end(), [&](const Term& term) {
        return std::fabs(term.coefficient) == first;
    });
    return equal ? first : 1;
}

bool is_one(const Term& factor) { return factor.monomial == Monomial{} && factor.coefficient == 1; }

// Neither a product nor a scaled value, so a sum can start with it and take products by fma.
bool is_plain(const Term& term) {
    return term.monomial.degree() == 0 ||
           (term.monomial.degree() == 1 && std::fabs(term.coefficient) == 1);
}

// Whether the rest is a part of the polynomial, term by term with the same sign and no larger.
// Otherwise product + rest would add what it subtracts again, and lose digits.
bool is_part(const Terms& rest, const Terms& terms) {
    return std::all_of(rest.begin(), rest.end(), [&](const Term& part) {
        const auto whole = std::find_if(terms.begin(), terms.end(), [&](const Term& term) {
            return term.monomial == part.monomial;
        });
        return whole != terms.end() && whole->coefficient * part.coefficient > 0 &&
               std::fabs(part.coefficient) <= std::fabs(whole->coefficient);
    });
}

// Writing the divisor in its turn must come to an end: it has fewer terms, or is a mere part.
bool gets_smaller(const Terms& terms, const Terms& divisor, const Covered& covered) {
    const bool is_difference = covered.quotient == Terms{{Monomial{}, 1}} && !covered.rest.empty();
    return divisor.size() < terms.size() || (divisor.size() == terms.size() && is_difference);
}

// terms = the term number i + rest.
Move without_term(const Terms& terms, std::size_t i) {
    Move move{Move::Kind::factor, terms[i]};
    move.quotient = {{Monomial{}, 1}};
    move.rest = terms;
    move.rest.erase(move.rest.begin() + static_cast<std::ptrdiff_t>(i));
    return move;
}

// terms = factor * quotient + rest.
Move split(const Terms& terms, const Term& factor) {
    Move move{Move::Kind::factor, factor};
    for (const Term& term : terms) {
        const bool by_number = factor.coefficient != 1;
        const bool divisible = factor.monomial.divides(term.monomial) &&
                               (!by_number || std::fabs(term.coefficient) == factor.coefficient);
        if (divisible) {
            move.quotient.push_back(
                {term.monomial / factor.monomial, term.coefficient / factor.coefficient});
        } else {
            move.rest.push_back(term);
        }
    }
    return move;
}

}  // namespace

NodeId HornerWriter::write(const Terms& terms, std::span<const std::uint8_t> choices) {
    choices_ = choices;
    alternatives_.clear();
    const Signed result = value(terms);
    return result.negative ? graph_.make(Op::negate, type_, {result.node}) : result.node;
}

HornerWriter::Signed HornerWriter::value(const Terms& terms) {
    work_ += terms.size() + 1;
    if (terms.empty()) {
        return {graph_.constant(type_, 0)};
    }
    if (terms.front().coefficient < 0) {
        Signed result = value(negated(terms));
        result.negative = !result.negative;
        return result;
    }
    const Term factor{content(terms), common_coefficient(terms)};
    if (!is_one(factor)) {
        return scaled(factor, *divide(terms, factor));
    }
    if (terms.size() == 1) {
        return {graph_.constant(type_, 1)};
    }
    const std::vector<Move>& candidates = moves(terms);
    const std::size_t step = alternatives_.size();
    const std::size_t choice = step < choices_.size() ? choices_[step] : 0;
    alternatives_.push_back(static_cast<std::uint8_t>(candidates.size()));
    return apply(candidates[std::min(choice, candidates.size() - 1)]);
}

HornerWriter::Signed HornerWriter::apply(const Move& move) {
    Signed first{kNoNode};
    switch (move.kind) {
    case Move::Kind::power: {
        const Signed base = value(move.quotient);
        first = {expand_integer_power(graph_, type_, base.node, move.exponent),
                 base.negative && move.exponent % 2 != 0};
        break;
    }
    case Move::Kind::cover: {
        const Signed divisor = value(move.divisor);
        first = product(divisor, value(move.quotient));
        break;
    }
    case Move::Kind::factor:
        first = scaled(move.factor, move.quotient);
        break;
    }
    return move.rest.empty() ? first : sum(first, value(move.rest));
}

// factor * terms. A reciprocal that occurs nowhere else divides; one that does becomes a value.
HornerWriter::Signed HornerWriter::scaled(const Term& factor, const Terms& terms) {
    Monomial numerator;
    NodeId denominator = kNoNode;
    std::array<int, kMaxPolynomialVariables> newly_values{};
    std::size_t count = 0;
    for (int i = 0; i < static_cast<int>(leaves_.size()); ++i) {
        const int exponent = factor.monomial.exponent(i);
        if (exponent == 0) {
            continue;
        }
        Leaf& leaf = leaves_[static_cast<std::size_t>(i)];
        const bool elsewhere = std::any_of(terms.begin(), terms.end(), [&](const Term& term) {
            return term.monomial.exponent(i) > 0;
        });
        if (leaf.divisor == kNoNode || leaf.is_value || elsewhere) {
            numerator = numerator * Monomial::variable(i, exponent);
            if (!leaf.is_value) {
                leaf.is_value = true;
                newly_values[count++] = i;
            }
            continue;
        }
        const NodeId divisor = expand_integer_power(graph_, type_, leaf.divisor, exponent);
        denominator =
            denominator == kNoNode ? divisor : graph_.make(Op::mul, type_, {denominator, divisor});
    }
    const Signed inner = value(terms);
    for (std::size_t k = 0; k < count; ++k) {
        leaves_[static_cast<std::size_t>(newly_values[k])].is_value = false;
    }
    Signed scale{graph_.constant(type_, std::fabs(factor.coefficient)), factor.coefficient < 0};
    if (numerator != Monomial{}) {
        scale = product(scale, {monomial(numerator)});
    }
    Signed result = product(scale, inner);
    if (denominator != kNoNode) {
        result.node = graph_.make(Op::div, type_, {result.node, denominator});
    }
    return result;
}

HornerWriter::Signed HornerWriter::sum(Signed a, Signed b) {
    if (a.negative == b.negative) {
        return {graph_.make(Op::add, type_, {a.node, b.node}), a.negative};
    }
    return a.negative ? Signed{graph_.make(Op::sub, type_, {b.node, a.node})}
                      : Signed{graph_.make(Op::sub, type_, {a.node, b.node})};
}

HornerWriter::Signed HornerWriter::product(Signed a, Signed b) {
    return {graph_.make(Op::mul, type_, {a.node, b.node}), a.negative != b.negative};
}

NodeId HornerWriter::monomial(Monomial monomial) {
    NodeId result = kNoNode;
    for (int i = 0; i < static_cast<int>(leaves_.size()); ++i) {
        if (const int exponent = monomial.exponent(i); exponent > 0) {
            const NodeId power = expand_integer_power(
                graph_, type_, reciprocal(leaves_[static_cast<std::size_t>(i)]), exponent);
            result = result == kNoNode ? power : graph_.make(Op::mul, type_, {result, power});
        }
    }
    return result;
}

NodeId HornerWriter::reciprocal(Leaf& leaf) {
    if (leaf.node == kNoNode) {
        leaf.node = graph_.make(Op::div, type_, {graph_.constant(type_, 1), leaf.divisor});
    }
    return leaf.node;
}

double HornerWriter::weight(Monomial monomial) const {
    double sum = 0;
    for (std::size_t i = 0; i < leaves_.size(); ++i) {
        const double each = leaves_[i].divisor == kNoNode ? cost(Op::mul) : cost(Op::div);
        sum += each * monomial.exponent(static_cast<int>(i));
    }
    return sum;
}

const std::vector<Move>& HornerWriter::moves(const Terms& terms) {
    for (const auto& [known, moves] : memo_) {
        if (known == terms) {
            return moves;
        }
    }
    std::vector<Move> found;
    add_factors(terms, found);
    add_powers(terms, found);
    add_covers(terms, found);
    add_single_terms(terms, found);
    std::stable_sort(found.begin(), found.end(),
                     [](const Move& a, const Move& b) { return a.score > b.score; });
    if (found.size() > kMaxMoves) {
        found.resize(kMaxMoves);
    }
    return memo_.emplace_back(terms, std::move(found)).second;
}

// One term apart from the others, which are a polynomial of their own, so that its sign is normal
// and others may share it. Products come last, because a sum takes them by fma.
void HornerWriter::add_single_terms(const Terms& terms, std::vector<Move>& moves) {
    constexpr int kMaxSingle = 3;
    int count = 0;
    for (std::size_t i = 0; i < terms.size() && count < kMaxSingle; ++i) {
        if (is_plain(terms[i])) {
            continue;
        }
        moves.push_back(without_term(terms, i));
        moves.back().score = -0.01 * ++count;
    }
    if (count == 0) {
        moves.push_back(without_term(terms, 0));
    }
}

void HornerWriter::add_factors(const Terms& terms, std::vector<Move>& moves) {
    std::vector<Term> factors;
    const auto add_factor = [&](const Term& factor) {
        if (!is_one(factor) && std::find(factors.begin(), factors.end(), factor) == factors.end()) {
            factors.push_back(factor);
        }
    };
    for (std::size_t i = 0; i < terms.size(); ++i) {
        for (std::size_t j = 0; j < i; ++j) {
            add_factor({common_divisor(terms[i].monomial, terms[j].monomial), 1});
            const double size = std::fabs(terms[i].coefficient);
            if (size != 1 && size == std::fabs(terms[j].coefficient)) {
                add_factor({Monomial{}, size});
            }
        }
    }
    work_ += terms.size() * terms.size() / 2;
    for (const Term& factor : factors) {
        Move move = split(terms, factor);
        const double saved = weight(factor.monomial) + (factor.coefficient != 1 ? 0.75 : 0);
        move.score = saved * static_cast<double>(move.quotient.size() - 1);
        moves.push_back(std::move(move));
    }
}

void HornerWriter::add_powers(const Terms& terms, std::vector<Move>& moves) {
    if (terms.size() < 3) {
        return;
    }
    if (terms.size() > kMaxCompletedTerms) {
        work_ += terms.size() * 4;
        if (auto perfect = perfect_power(terms)) {
            Move move{Move::Kind::power};
            move.exponent = perfect->exponent;
            move.score = 100.0 * static_cast<double>(terms.size());
            move.quotient = std::move(perfect->base);
            moves.push_back(std::move(move));
        }
        return;
    }
    for (int exponent = terms.front().monomial.degree(); exponent >= 2; --exponent) {
        work_ += terms.size() * terms.size() / 4;
        auto completed = complete_power(terms, exponent);
        if (!completed || !is_part(completed->rest, terms)) {
            continue;
        }
        Move move{Move::Kind::power};
        move.exponent = exponent;
        const auto saved = terms.size() - completed->base.size() - completed->rest.size();
        move.score = static_cast<double>(saved) * (completed->rest.empty() ? 100 : 1.5);
        move.quotient = std::move(completed->base);
        move.rest = std::move(completed->rest);
        const bool whole = move.rest.empty();
        moves.push_back(std::move(move));
        if (whole) {
            return;
        }
    }
}

void HornerWriter::add_covers(const Terms& terms, std::vector<Move>& moves) {
    if (terms.size() > kMaxCoveredTerms) {
        return;
    }
    for (const Terms& divisor : known_) {
        if (divisor.size() > terms.size() || divisor == terms) {
            continue;
        }
        work_ += terms.size() * terms.size() * divisor.size() / 4;
        auto covered = cover(terms, divisor);
        if (!covered || !is_part(covered->rest, terms) || !gets_smaller(terms, divisor, *covered)) {
            continue;
        }
        Move move{Move::Kind::cover};
        const auto saved = terms.size() - covered->quotient.size() - covered->rest.size();
        move.score = static_cast<double>(saved) + 0.25;
        move.divisor = divisor;
        move.quotient = std::move(covered->quotient);
        move.rest = std::move(covered->rest);
        moves.push_back(std::move(move));
    }
}

}  // namespace bitaxon::jit::rewrite
