#include "number.hpp"

#include <algorithm>
#include <bit>

namespace bitaxon::jit {

std::size_t bits_for(std::int64_t low, std::int64_t high) noexcept {
    const auto width = [](std::int64_t value) {
        return static_cast<std::size_t>(
            std::bit_width(static_cast<std::uint64_t>(value < 0 ? ~value : value)));
    };
    return low < 0 ? std::max(width(low), width(high)) + 1 : width(high);
}

NodeId Arithmetic::bit_of(const Number& a, std::size_t index) {
    if (index < a.bits.size()) {
        return a.bits[index];
    }
    return a.low < 0 ? a.bits.back() : gates_.constant(false);
}

Number Arithmetic::fitted(std::int64_t low, std::int64_t high, std::vector<NodeId> bits) {
    bits.resize(bits_for(low, high), gates_.constant(false));
    return {low, high, std::move(bits)};
}

Number Arithmetic::constant(std::int64_t value) {
    Number result{value, value, {}};
    for (std::size_t k = 0; k < bits_for(value, value); ++k) {
        result.bits.push_back(gates_.constant((value >> k & 1) != 0));
    }
    return result;
}

Number Arithmetic::unsigned_number(std::vector<NodeId> bits) {
    const std::int64_t high = (std::int64_t{1} << bits.size()) - 1;
    return {0, high, std::move(bits)};
}

Number Arithmetic::ripple(const Number& a, const Number& b, bool inverted, std::int64_t low,
                          std::int64_t high) {
    std::vector<NodeId> bits;
    NodeId carry = gates_.constant(inverted);
    const std::size_t width = bits_for(low, high);
    for (std::size_t k = 0; k < width; ++k) {
        const NodeId x = bit_of(a, k);
        const NodeId y = inverted ? gates_.invert(bit_of(b, k)) : bit_of(b, k);
        bits.push_back(gates_.differ(gates_.differ(x, y), carry));
        if (k + 1 < width) {
            carry = gates_.majority(x, y, carry);
        }
    }
    return fitted(low, high, std::move(bits));
}

Number Arithmetic::add(const Number& a, const Number& b) {
    return ripple(a, b, false, a.low + b.low, a.high + b.high);
}

Number Arithmetic::subtract(const Number& a, const Number& b) {
    return ripple(a, b, true, a.low - b.high, a.high - b.low);
}

Number Arithmetic::multiply(const Number& a, const Number& b) {
    // Partial products, the last of a signed number taken off.
    Number sum = constant(0);
    for (std::size_t k = 0; k < b.bits.size(); ++k) {
        Number shifted = shift_left(a, static_cast<unsigned>(k));
        for (NodeId& bit : shifted.bits) {
            bit = gates_.both(bit, b.bits[k]);
        }
        shifted.low = std::min<std::int64_t>(shifted.low, 0);
        shifted.high = std::max<std::int64_t>(shifted.high, 0);
        const bool is_sign = b.low < 0 && k + 1 == b.bits.size();
        sum = is_sign ? subtract(sum, shifted) : add(sum, shifted);
    }
    const auto [low, high] =
        std::minmax({a.low * b.low, a.low * b.high, a.high * b.low, a.high * b.high});
    std::vector<NodeId> bits;
    for (std::size_t k = 0; k < bits_for(low, high); ++k) {
        bits.push_back(bit_of(sum, k));
    }
    return {low, high, std::move(bits)};
}

Number Arithmetic::absolute(const Number& a) {
    if (a.low >= 0) {
        return a;
    }
    return choose(a.bits.back(), Number{0, std::max<std::int64_t>(a.high, 0), a.bits},
                  subtract(constant(0), Number{a.low, 0, a.bits}));
}

Number Arithmetic::shift_left(const Number& a, unsigned count) {
    if (a.bits.empty()) {
        return a;
    }
    Number result{a.low << count, a.high << count, a.bits};
    result.bits.insert(result.bits.begin(), count, gates_.constant(false));
    return result;
}

Number Arithmetic::shift_right(const Number& a, unsigned count) {
    std::vector<NodeId> bits;
    const std::int64_t low = a.low >> count;
    const std::int64_t high = a.high >> count;
    for (std::size_t k = 0; k < bits_for(low, high); ++k) {
        bits.push_back(bit_of(a, k + count));
    }
    return {low, high, std::move(bits)};
}

Number Arithmetic::low_bits(const Number& a, std::size_t count) {
    if (a.low >= 0 && a.bits.size() <= count) {
        return a;
    }
    std::vector<NodeId> bits;
    for (std::size_t k = 0; k < count; ++k) {
        bits.push_back(bit_of(a, k));
    }
    return unsigned_number(std::move(bits));
}

Number Arithmetic::sum(std::vector<Number> terms) {
    // A balanced tree: narrow adders first, and short carry chains.
    if (terms.empty()) {
        return constant(0);
    }
    while (terms.size() > 1) {
        std::vector<Number> next;
        for (std::size_t k = 0; k + 1 < terms.size(); k += 2) {
            next.push_back(add(terms[k], terms[k + 1]));
        }
        if (terms.size() % 2 == 1) {
            next.push_back(std::move(terms.back()));
        }
        terms = std::move(next);
    }
    return std::move(terms.front());
}

NodeId Arithmetic::less(const Number& a, const Number& b) {
    if (a.high < b.low) {
        return gates_.constant(true);
    }
    if (a.low >= b.high) {
        return gates_.constant(false);
    }
    // a < b where a - b borrows: no carry leaves a + ~b + 1. Of signed numbers the signs change
    // places, as if both were moved up by half the range.
    const bool is_signed = a.low < 0 || b.low < 0;
    const std::size_t width = bits_for(std::min(a.low, b.low), std::max(a.high, b.high));
    NodeId carry = gates_.constant(true);
    for (std::size_t k = 0; k < width; ++k) {
        const bool is_sign = is_signed && k + 1 == width;
        const NodeId x = bit_of(is_sign ? b : a, k);
        const NodeId y = bit_of(is_sign ? a : b, k);
        carry = gates_.majority(x, gates_.invert(y), carry);
    }
    return gates_.invert(carry);
}

NodeId Arithmetic::equal(const Number& a, const Number& b) {
    if (a.high < b.low || b.high < a.low) {
        return gates_.constant(false);
    }
    NodeId result = gates_.constant(true);
    const std::size_t width = bits_for(std::min(a.low, b.low), std::max(a.high, b.high));
    for (std::size_t k = 0; k < width; ++k) {
        const NodeId same = gates_.invert(gates_.differ(bit_of(a, k), bit_of(b, k)));
        result = gates_.both(result, same);
    }
    return result;
}

NodeId Arithmetic::is_not_zero(const Number& a) {
    NodeId result = gates_.constant(a.low > 0 || a.high < 0);
    for (const NodeId bit : a.bits) {
        result = gates_.either(result, bit);
    }
    return result;
}

Number Arithmetic::choose(NodeId select, const Number& a, const Number& b) {
    const std::int64_t low = std::min(a.low, b.low);
    const std::int64_t high = std::max(a.high, b.high);
    std::vector<NodeId> bits;
    for (std::size_t k = 0; k < bits_for(low, high); ++k) {
        bits.push_back(gates_.choose(select, bit_of(a, k), bit_of(b, k)));
    }
    return {low, high, std::move(bits)};
}

Number Arithmetic::minimum(const Number& a, const Number& b) {
    Number result = choose(less(b, a), a, b);
    result.high = std::min(a.high, b.high);
    result.bits.resize(std::min(result.bits.size(), bits_for(result.low, result.high)));
    return result;
}

Number Arithmetic::maximum(const Number& a, const Number& b) {
    Number result = choose(less(a, b), a, b);
    result.low = std::max(a.low, b.low);
    result.bits.resize(std::min(result.bits.size(), bits_for(result.low, result.high)));
    return result;
}

Number Arithmetic::bitwise(Gate gate, const Number& a, const Number& b) {
    std::vector<NodeId> bits;
    const std::size_t width = std::max(a.bits.size(), b.bits.size());
    for (std::size_t k = 0; k < width; ++k) {
        bits.push_back((gates_.*gate)(bit_of(a, k), bit_of(b, k)));
    }
    return unsigned_number(std::move(bits));
}

}  // namespace bitaxon::jit
