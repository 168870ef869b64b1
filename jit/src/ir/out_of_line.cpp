// The functions behind Op::rare: circular functions of huge arguments, remainders of huge
// quotients, and 64-bit division. Integers and fused multiply-adds only, so all machines agree.
#include "out_of_line.hpp"

#include "math/circular_coefficients.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <limits>

namespace bitaxon::jit {
namespace {

using Word = std::uint64_t;
__extension__ typedef unsigned __int128 Wide;

double f64(Word bits) { return std::bit_cast<double>(bits); }
float f32(Word bits) { return std::bit_cast<float>(static_cast<std::uint32_t>(bits)); }
Word bits_of(double value) { return std::bit_cast<Word>(value); }
Word bits_of(float value) { return std::bit_cast<std::uint32_t>(value); }

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

/// 2^n for normal results.
double power_of_two(int n) { return f64(static_cast<Word>(n + 1023) << 52); }

/// value * 2^n, |n| <= 2044: in two steps, of which only the second may leave the normal numbers.
double scaled(double value, int n) { return value * power_of_two(n / 2) * power_of_two(n - n / 2); }

/// |value| = digits * 2^exponent, for finite values.
struct Parts {
    Word digits;
    int exponent;
};

Parts parts_of(double value) {
    const Word bits = bits_of(value);
    const int exponent = static_cast<int>(bits >> 52 & 0x7ff);
    const Word fraction = bits & 0xfffffffffffff;
    return exponent == 0 ? Parts{fraction, -1074}
                         : Parts{fraction | Word{1} << 52, exponent - 1075};
}

// Circular functions.

struct Product {
    Word high, low;
};

Product multiply(Word a, Word b) {
    const Word a_low = a & 0xffffffff;
    const Word a_high = a >> 32;
    const Word b_low = b & 0xffffffff;
    const Word b_high = b >> 32;
    const Word low = a_low * b_low;
    const Word middle = a_high * b_low + (low >> 32);
    const Word other = a_low * b_high + (middle & 0xffffffff);
    return {a_high * b_high + (middle >> 32) + (other >> 32), other << 32 | (low & 0xffffffff)};
}

/// 64 bits of the table of 2/pi from a bit on, counted from the highest.
Word two_over_pi(int first_bit) {
    const int shift = first_bit % 64;
    const Word* word = math::kTwoOverPi + first_bit / 64;
    return shift == 0 ? word[0] : word[0] << shift | word[1] >> (64 - shift);
}

struct Reduced {
    double high, low;  ///< |low| <= ulp(high)
    unsigned quarters;
};

/// size = quarters * pi/2 + high + low modulo full turns, for finite size >= 1. Bits of 2/pi that
/// contribute multiples of four quarters are left out and 192 are kept: 2 before the point, 190
/// after it, of which cancellation takes at most 62 (Muller 2016, chapter on range reduction).
Reduced reduce(double size) {
    const auto [digits, exponent] = parts_of(size);
    const int first = 62 + exponent;
    const Product bottom = multiply(digits, two_over_pi(first + 128));
    const Product middle = multiply(digits, two_over_pi(first + 64));
    const Word second = middle.low + bottom.high;
    const Word carry = second < middle.low ? 1 : 0;
    const Word top = digits * two_over_pi(first) + middle.high + carry;

    const Word quarters = (top + (Word{1} << 61)) >> 62;
    std::array<Word, 4> fraction{top - (quarters << 62), second, bottom.low, 0};
    const bool negative = static_cast<std::int64_t>(fraction[0]) < 0;
    if (negative) {
        std::for_each(fraction.begin(), fraction.end() - 1, [](Word& word) { word = ~word; });
    }
    int scale = -62;
    if (fraction[0] == 0) {
        std::shift_left(fraction.begin(), fraction.end(), 1);
        scale -= 64;
    }
    const int zeros = std::countl_zero(fraction[0]);
    if (zeros > 0) {
        fraction[0] = fraction[0] << zeros | fraction[1] >> (64 - zeros);
        fraction[1] = fraction[1] << zeros | fraction[2] >> (64 - zeros);
    }
    scale -= zeros;

    const double sign = negative ? -1 : 1;
    const double high = sign * scaled(static_cast<double>(fraction[0] >> 11), scale + 11);
    const double low =
        sign *
        scaled(static_cast<double>((fraction[0] & 0x7ff) << 42 | fraction[1] >> 22), scale - 42);
    const double half_pi = math::kPiPair64[0] / 2;
    const double half_pi_low = math::kPiPair64[1] / 2;
    const double angle = high * half_pi;
    const double rest = std::fma(high, half_pi, -angle);
    return {angle, rest + std::fma(high, half_pi_low, low * half_pi),
            static_cast<unsigned>(quarters & 3)};
}

template <std::size_t N>
double polynomial(const double (&coefficients)[N], double x) {
    double value = coefficients[N - 1];
    for (std::size_t i = N - 1; i-- > 0;) {
        value = std::fma(value, x, coefficients[i]);
    }
    return value;
}

double sin_near_zero(double high, double low) {
    const double z = high * high;
    return high + std::fma(high * z, polynomial(math::kSin64, z), low * (1 - z / 2));
}

double cos_near_zero(double high, double low) {
    const double z = high * high;
    const double near_one = 1 - z / 2;
    const double small = std::fma(-high, low, (1 - near_one) - z / 2);
    return near_one + std::fma(z * z, polynomial(math::kCos64, z), small);
}

/// sin of a reduced argument and so many quarter turns more.
double sin_of(const Reduced& r, unsigned more_quarters) {
    const unsigned quarters = r.quarters + more_quarters;
    const double value = quarters & 1 ? cos_near_zero(r.high, r.low) : sin_near_zero(r.high, r.low);
    return quarters & 2 ? -value : value;
}

double sin(double x) {
    return std::isfinite(x) ? std::copysign(1.0, x) * sin_of(reduce(std::fabs(x)), 0) : kNaN;
}

double cos(double x) { return std::isfinite(x) ? sin_of(reduce(std::fabs(x)), 1) : kNaN; }

double tan(double x) {
    if (!std::isfinite(x)) {
        return kNaN;
    }
    const Reduced r = reduce(std::fabs(x));
    const double z = r.high * r.high;
    const double z_low = std::fma(r.high, r.high, -z);
    const double cubic = z * r.high;
    const double cubic_low = std::fma(z_low, r.high, std::fma(z, r.high, -cubic));
    const double factor = polynomial(math::kTan64, z);
    const double rough = std::fma(cubic, factor, r.high);
    const double low = std::fma(r.low * rough, rough, r.low);
    const double rest = std::fma(cubic, factor, std::fma(cubic_low, factor, low));
    const double tangent = r.high + rest;
    if (r.quarters % 2 == 0) {
        return std::copysign(1.0, x) * tangent;
    }
    const double tangent_low = (r.high - tangent) + rest;
    const double quotient = -1 / tangent;
    const double residual = std::fma(quotient, tangent_low, std::fma(quotient, tangent, 1.0));
    return std::copysign(1.0, x) * std::fma(quotient, residual, quotient);
}

// Remainders and quotients of floats. A float's are those of the same values as doubles.

/// |x| / |y| = (quotient + remainder / divisor) * 2^dropped, cut off early: if dropped > 0, the
/// quotient is at least 2^55.
struct Division {
    Word quotient;
    Word remainder;
    Word divisor;
    int dropped;
};

constexpr int kDigitsPerStep = 8;

/// Of finite x and y != 0 with |x / y| >= 2^22, so that x has no smaller exponent than y.
Division divide(double x, double y) {
    const Parts a = parts_of(x);
    const Parts b = parts_of(y);
    Division d{a.digits / b.digits, a.digits % b.digits, b.digits, a.exponent - b.exponent};
    while (d.dropped > 0 && d.quotient < Word{1} << 55) {
        const int step = std::min(d.dropped, kDigitsPerStep);
        d.remainder <<= step;
        d.quotient = d.quotient << step | d.remainder / d.divisor;
        d.remainder %= d.divisor;
        d.dropped -= step;
    }
    return d;
}

/// |x| modulo |y|.
double remainder(double x, double y) {
    const Division d = divide(x, y);
    Word rest = d.remainder;
    for (int left = d.dropped; left > 0; left -= kDigitsPerStep) {
        rest = (rest << std::min(left, kDigitsPerStep)) % d.divisor;
    }
    return scaled(static_cast<double>(rest), parts_of(y).exponent);
}

template <class T>
T modulo(T x, T y) {
    if (!std::isfinite(x) || std::isnan(y) || y == 0) {
        return std::numeric_limits<T>::quiet_NaN();
    }
    const T rest = std::copysign(static_cast<T>(remainder(x, y)), x);
    if (rest == 0) {
        return std::copysign(rest, y);
    }
    return std::signbit(rest) == std::signbit(y) ? rest : rest + y;
}

// The quotient's high bits, with the dropped ones joined into the lowest so that it rounds as the whole
// would. Below zero the floor moves up in magnitude, and a fraction may carry into the high bits.
Word with_dropped_bits(const Division& d, bool negative) {
    constexpr int digits = 53;  // remainder < divisor < 2^53
    if (d.dropped >= digits) {  // a remainder is a whole bit at least, and never reaches the carry
        return d.quotient | (d.remainder != 0 ? 1 : 0);
    }
    const Wide dropped = Wide{d.remainder} << d.dropped;
    const Wide low = dropped / d.divisor + (negative && dropped % d.divisor != 0 ? 1 : 0);
    const Word carry = static_cast<Word>(low >> d.dropped);
    const bool rest = (low & ((Wide{1} << d.dropped) - 1)) != 0;
    return (d.quotient + carry) | (rest ? 1 : 0);
}

template <class T>
T floor_divide(T x, T y) {
    if (!std::isfinite(x) || std::isnan(y) || y == 0) {
        return y == 0 ? x / y : std::numeric_limits<T>::quiet_NaN();
    }
    const bool negative = std::signbit(x) != std::signbit(y);
    Division d = divide(x, y);
    const bool inexact = d.remainder != 0;
    if (d.dropped == 0) {
        d.quotient += negative && inexact ? 1 : 0;
    } else {
        d.quotient = with_dropped_bits(d, negative);
    }
    const double size = scaled(static_cast<double>(static_cast<T>(d.quotient)), d.dropped);
    return static_cast<T>(negative ? -size : size);
}

// Integers.

std::int64_t floor_divide(std::int64_t x, std::int64_t y) {
    if (y == 0) {
        return 0;
    }
    if (y == -1) {
        return static_cast<std::int64_t>(Word{0} - static_cast<Word>(x));
    }
    return x / y - (x % y != 0 && (x < 0) != (y < 0) ? 1 : 0);
}

std::int64_t modulo(std::int64_t x, std::int64_t y) {
    if (y == 0 || y == -1) {
        return 0;
    }
    const std::int64_t rest = x % y;
    return rest != 0 && (x < 0) != (y < 0) ? rest + y : rest;
}

// From lanes to values and back.

template <double (*Function)(double)>
Word unary32(const Word* arguments) noexcept {
    return bits_of(static_cast<float>(Function(f32(arguments[0]))));
}

template <double (*Function)(double)>
Word unary64(const Word* arguments) noexcept {
    return bits_of(Function(f64(arguments[0])));
}

template <float (*Function)(float, float)>
Word binary32(const Word* arguments) noexcept {
    return bits_of(Function(f32(arguments[0]), f32(arguments[1])));
}

template <double (*Function)(double, double)>
Word binary64(const Word* arguments) noexcept {
    return bits_of(Function(f64(arguments[0]), f64(arguments[1])));
}

template <std::int64_t (*Function)(std::int64_t, std::int64_t)>
Word binary_i64(const Word* arguments) noexcept {
    return static_cast<Word>(
        Function(static_cast<std::int64_t>(arguments[0]), static_cast<std::int64_t>(arguments[1])));
}

constexpr OutOfLine kFunctions[] = {
    {"sin32", unary32<sin>},
    {"cos32", unary32<cos>},
    {"tan32", unary32<tan>},
    {"sin64", unary64<sin>},
    {"cos64", unary64<cos>},
    {"tan64", unary64<tan>},
    {"modulo32", binary32<modulo<float>>},
    {"modulo64", binary64<modulo<double>>},
    {"floor_divide32", binary32<floor_divide<float>>},
    {"floor_divide64", binary64<floor_divide<double>>},
    {"modulo_i64", binary_i64<modulo>},
    {"floor_divide_i64", binary_i64<floor_divide>},
};

}  // namespace

std::span<const OutOfLine> out_of_line_functions() noexcept { return kFunctions; }

std::uint64_t out_of_line(std::string_view name) noexcept {
    const auto* const found =
        std::find_if(std::begin(kFunctions), std::end(kFunctions),
                     [&](const OutOfLine& entry) { return entry.name == name; });
    return static_cast<std::uint64_t>(found - std::begin(kFunctions));
}

}  // namespace bitaxon::jit
