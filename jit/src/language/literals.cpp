#include "literals.hpp"

#include <algorithm>

namespace bitaxon::jit {
namespace {

using Integer = std::int64_t;
using Folded = std::optional<Integer>;

Folded sum(Integer a, Integer b) noexcept {
    Integer result;
    return __builtin_add_overflow(a, b, &result) ? Folded{} : result;
}

Folded difference(Integer a, Integer b) noexcept {
    Integer result;
    return __builtin_sub_overflow(a, b, &result) ? Folded{} : result;
}

Folded product(Integer a, Integer b) noexcept {
    Integer result;
    return __builtin_mul_overflow(a, b, &result) ? Folded{} : result;
}

Folded remainder(Integer a, Integer b) noexcept {
    if (b == 0 || b == -1) {
        return b == 0 ? Folded{} : Folded{0};
    }
    const Integer r = a % b;
    return r != 0 && (r < 0) != (b < 0) ? r + b : r;
}

Folded floor_quotient(Integer a, Integer b) noexcept {
    const Folded r = remainder(a, b);
    if (!r) {
        return r;
    }
    const Folded multiple = difference(a, *r);
    return b == -1 ? difference(0, a) : multiple ? Folded{*multiple / b} : Folded{};
}

Folded power(Integer a, Integer b) noexcept {
    if (b < 0 || b >= 64) {
        return {};
    }
    Folded result{1};
    for (; b > 0 && result; --b) {
        result = product(*result, a);
    }
    return result;
}

Folded shifted_left(Integer a, Integer b) noexcept {
    if (b < 0 || b >= 64) {
        return 0;
    }
    return static_cast<Integer>(static_cast<std::uint64_t>(a) << b);
}

Folded shifted_right(Integer a, Integer b) noexcept { return a >> (b < 0 || b >= 64 ? 63 : b); }

Folded conjunction(Integer a, Integer b) noexcept { return a & b; }
Folded disjunction(Integer a, Integer b) noexcept { return a | b; }

struct Row {
    Op op;
    Folded (*fold)(Integer, Integer) noexcept;
};
constexpr Row kRows[] = {
    {Op::add, sum},
    {Op::sub, difference},
    {Op::mul, product},
    {Op::floor_divide, floor_quotient},
    {Op::modulo, remainder},
    {Op::power, power},
    {Op::shift_left, shifted_left},
    {Op::shift_right, shifted_right},
    {Op::bit_and, conjunction},
    {Op::bit_or, disjunction},
};

}  // namespace

Folded fold_integers(Op op, Integer a, Integer b) noexcept {
    const auto row = std::find_if(std::begin(kRows), std::end(kRows),
                                  [op](const Row& candidate) { return candidate.op == op; });
    return row == std::end(kRows) ? Folded{} : row->fold(a, b);
}

bool fits(Integer value, Type type) noexcept {
    return is_float(type) || wrap(value, type) == value;
}

Integer wrap(Integer value, Type type) noexcept {
    switch (type) {
    case Type::i16:
        return static_cast<std::int16_t>(value);
    case Type::i32:
        return static_cast<std::int32_t>(value);
    default:
        return value;
    }
}

}  // namespace bitaxon::jit
