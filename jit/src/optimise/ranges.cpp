#include "ranges.hpp"

#include <algorithm>
#include <cmath>

namespace bitaxon::jit {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
using Arguments = std::span<const Range>;

Range constant_range(double value) {
    if (std::isnan(value)) {
        return {-kInfinity, kInfinity, true, true};
    }
    return {value, value, value == 0 && std::signbit(value), false};
}

bool may_be_zero(const Range& r) { return r.low <= 0 && r.high >= 0; }
bool may_be_infinite(const Range& r) { return r.low == -kInfinity || r.high == kInfinity; }

// Rounding is monotonic, so bounds computed in double hold after one more rounding to float; bounds
// that leave the range of float are widened by it to infinity.
Range rounded(Type type, Range r) {
    if (type == Type::f32) {
        r.low = static_cast<float>(r.low);
        r.high = static_cast<float>(r.high);
    }
    return r;
}

Range negated(const Range& r) { return {-r.high, -r.low, may_be_zero(r), r.nan}; }

Range sum(const Range& a, const Range& b) {
    const bool opposite_infinities = (a.low == -kInfinity && b.high == kInfinity) ||
                                     (a.high == kInfinity && b.low == -kInfinity);
    Range r;
    r.low = a.low == -kInfinity || b.low == -kInfinity ? -kInfinity : a.low + b.low;
    r.high = a.high == kInfinity || b.high == kInfinity ? kInfinity : a.high + b.high;
    r.minus_zero = a.minus_zero && b.minus_zero;  // only -0 + -0 is -0
    r.nan = a.nan || b.nan || opposite_infinities;
    return r;
}

double bound_product(double a, double b) { return a == 0 || b == 0 ? 0 : a * b; }

Range product(const Range& a, const Range& b) {
    const auto [low, high] =
        std::minmax({bound_product(a.low, b.low), bound_product(a.low, b.high),
                     bound_product(a.high, b.low), bound_product(a.high, b.high)});
    const auto may_be_signed = [](const Range& r) { return r.low < 0 || r.minus_zero; };
    Range r{low, high, false, false};
    r.minus_zero = may_be_zero(r) && (may_be_signed(a) || may_be_signed(b));
    r.nan = a.nan || b.nan || (may_be_zero(a) && may_be_infinite(b)) ||
            (may_be_infinite(a) && may_be_zero(b));
    return r;
}

Range square(const Range& a) {
    const double low = may_be_zero(a) ? 0 : std::min(a.low * a.low, a.high * a.high);
    return {low, std::max(a.low * a.low, a.high * a.high), false, a.nan};
}

// The product is not rounded on its own, so only its sign is used.
Range fused(const Range& product, const Range& c) {
    Range r;
    r.low = product.low >= 0 ? c.low : -kInfinity;
    r.high = product.high <= 0 ? c.high : kInfinity;
    r.minus_zero = product.low < 0 || (product.minus_zero && c.minus_zero);
    return r;
}

Range quotient(const Range& a, const Range& b) {
    Range r;
    if (b.is_never_negative() && a.low >= 0) {
        r.low = 0;
        r.minus_zero = a.minus_zero;
    }
    r.nan = a.nan || b.nan || (may_be_zero(a) && may_be_zero(b)) ||
            (may_be_infinite(a) && may_be_infinite(b));
    return r;
}

Range hull(const Range& a, const Range& b) {
    return {std::min(a.low, b.low), std::max(a.high, b.high), a.minus_zero || b.minus_zero,
            a.nan || b.nan};
}

Range square_root(const Range& a) {
    return {std::sqrt(std::max(a.low, 0.0)), a.high < 0 ? 0 : std::sqrt(a.high), a.minus_zero,
            a.nan || a.low < 0};
}

Range absolute(const Range& a) {
    const double high = std::max(std::fabs(a.low), std::fabs(a.high));
    const double low = may_be_zero(a) ? 0 : std::min(std::fabs(a.low), std::fabs(a.high));
    return {low, high, false, a.nan};
}

Range minimum(const Range& a, const Range& b) {
    return {std::min(a.low, b.low), std::min(a.high, b.high), a.minus_zero || b.minus_zero,
            a.nan || b.nan};
}

Range maximum(const Range& a, const Range& b) {
    // -0 needs both to be able to fall to -0 or below.
    const bool minus_zero =
        !a.is_never_negative() && !b.is_never_negative() && (a.minus_zero || b.minus_zero);
    return {std::max(a.low, b.low), std::max(a.high, b.high), minus_zero, a.nan || b.nan};
}

// Functions whose values lie in an interval of their own; bounds that are no floats are widened.
struct Image {
    Op op;
    double low;
    double high;
    bool minus_zero;
    bool makes_nan;
};

constexpr Image kImages[] = {
    {Op::exp, 0, kInfinity, false, false},
    {Op::exp2, 0, kInfinity, false, false},
    {Op::exprel, 0, kInfinity, false, false},
    {Op::sigmoid, 0, 1, false, false},
    {Op::cosh, 1, kInfinity, false, false},
    {Op::hypot, 0, kInfinity, false, false},
    {Op::relu, 0, kInfinity, false, false},
    {Op::rand, 0, 1, false, false},
    {Op::sin, -1, 1, true, true},
    {Op::cos, -1, 1, false, true},
    {Op::tanh, -1, 1, true, false},
    {Op::erf, -1, 1, true, false},
    {Op::acos, 0, 4, false, true},
    {Op::atan, -2, 2, true, false},
    {Op::asin, -2, 2, true, true},
    {Op::expm1, -1, kInfinity, true, false},
    {Op::sign, -1, 1, true, false},
};

Range from_image(Op op, Arguments arguments) {
    for (const Image& image : kImages) {
        if (image.op == op) {
            const bool nan = image.makes_nan || std::any_of(arguments.begin(), arguments.end(),
                                                            [](const Range& r) { return r.nan; });
            return {image.low, image.high, image.minus_zero, nan};
        }
    }
    return {};
}

Range cast_range(const Node& node, Type from, const Range& a) {
    if (is_float(from)) {
        return rounded(node.type, a);
    }
    return {from == Type::i64 ? -0x1p63 : -0x1p31, from == Type::i64 ? 0x1p63 : 0x1p31, false,
            false};
}

}  // namespace

Range Ranges::of(NodeId id) {
    extend(id);
    return ranges_[id];
}

void Ranges::extend(NodeId last) {
    ranges_.reserve(graph_.size());
    for (auto id = static_cast<NodeId>(ranges_.size()); id <= last; ++id) {
        const Node& node = graph_[id];
        if (!is_float(node.type)) {
            ranges_.emplace_back();
            continue;
        }
        std::array<Range, kMaxArguments> arguments;
        for (std::size_t i = 0; i < std::min<std::size_t>(node.count, kMaxArguments); ++i) {
            arguments[i] = ranges_[node.args[i]];
        }
        const Range& a = arguments[0];
        const Range& b = arguments[1];
        const bool same = node.count >= 2 && node.args[0] == node.args[1];
        Range r;
        switch (node.op) {
        case Op::constant:
            r = constant_range(graph_.value(id));
            break;
        case Op::add:
            r = sum(a, b);
            break;
        case Op::sub:
            r = sum(a, negated(b));
            break;
        case Op::negate:
            r = negated(a);
            break;
        case Op::mul:
            r = same ? square(a) : product(a, b);
            break;
        case Op::fma:
            r = fused(same ? square(a) : product(a, b), arguments[2]);
            break;
        case Op::div:
            r = quotient(a, b);
            break;
        case Op::sqrt:
            r = square_root(a);
            break;
        case Op::abs:
            r = absolute(a);
            break;
        case Op::min:
            r = minimum(a, b);
            break;
        case Op::max:
            r = maximum(a, b);
            break;
        case Op::select:
            r = hull(arguments[1], arguments[2]);
            break;
        case Op::clip:
            r = minimum(maximum(a, b), arguments[2]);
            break;
        case Op::cast:
            r = cast_range(node, graph_.type(node.args[0]), a);
            break;
        default:
            r = from_image(node.op, {arguments.data(), node.count});
            break;
        }
        ranges_.push_back(rounded(node.type, r));
    }
}

}  // namespace bitaxon::jit
