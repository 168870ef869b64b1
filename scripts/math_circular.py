#!/usr/bin/env python3
"""Coefficients of the circular functions and erf: writes jit/src/ir/math/circular_coefficients.hpp.

Every polynomial is the minimax one of its weighted error, found by Remez's exchange on a fine grid
(Remez 1934) in 60 digits. Coefficients are rounded one after the other from the lowest degree up, and
what is left is fitted again, so that the later ones make up for the rounding of the earlier.

    python3 scripts/math_circular.py > jit/src/ir/math/circular_coefficients.hpp
"""

import mpmath as mp

mp.mp.dps = 60

DOUBLE = 53
FLOAT = 24


def rounded(x, bits):
    """x to nearest in so many bits; exponents are far from their limits."""
    if x == 0:
        return mp.mpf(0)
    exponent = mp.floor(mp.log(abs(x), 2)) - bits + 1
    return mp.nint(x / mp.mpf(2) ** exponent) * mp.mpf(2) ** exponent


def truncated(x, bits):
    exponent = mp.floor(mp.log(abs(x), 2)) - bits + 1
    return mp.floor(x / mp.mpf(2) ** exponent) * mp.mpf(2) ** exponent


def minimax(points, values, weights, first, count):
    """c[first..first+count) of least max |w (sum c[k] x^k - f)| on the grid, and that maximum."""
    last = len(points) - 1
    chosen = [
        int(mp.nint(last * (1 - mp.cos(mp.pi * k / count)) / 2)) for k in range(count + 1)
    ]
    for _ in range(30):
        matrix = mp.matrix(count + 1)
        right = mp.matrix(count + 1, 1)
        for row, index in enumerate(chosen):
            for k in range(count):
                matrix[row, k] = points[index] ** (first + k)
            matrix[row, count] = (-1) ** row / weights[index]
            right[row] = values[index]
        solution = mp.lu_solve(matrix, right)
        coefficients = [solution[k] for k in range(count)]

        errors = []
        for x, f, w in zip(points, values, weights):
            errors.append(w * (x**first * mp.polyval(coefficients[::-1], x) - f))
        peaks = []
        for index in range(last + 1):
            if not peaks or mp.sign(errors[index]) != mp.sign(errors[peaks[-1]]):
                peaks.append(index)
            elif abs(errors[index]) > abs(errors[peaks[-1]]):
                peaks[-1] = index
        while len(peaks) > count + 1:
            peaks.pop(0 if abs(errors[peaks[0]]) < abs(errors[peaks[-1]]) else -1)
        worst = max(abs(e) for e in errors)
        if len(peaks) < count + 1 or worst < abs(solution[count]) * mp.mpf("1.001"):
            break
        chosen = peaks
    return coefficients, worst


def fit(f, weight, low, high, count, bits):
    """Rounded coefficients of f on [low, high], lowest degree first, and log2 of the largest error."""
    size = 24 * count
    points = [
        low + (high - low) * (1 - mp.cos(mp.pi * (k + mp.mpf(1) / 2) / size)) / 2
        for k in range(size)
    ]
    weights = [weight(x) for x in points]
    values = [f(x) for x in points]
    exact = list(values)
    result = []
    for first in range(count):
        coefficients, _ = minimax(points, values, weights, first, count - first)
        c = rounded(coefficients[0], bits)
        result.append(c)
        values = [v - c * x**first for v, x in zip(values, points)]
    worst = max(
        abs(w * (mp.polyval(result[::-1], x) - f)) for x, f, w in zip(points, exact, weights)
    )
    return result, float(mp.log(worst, 2))


def hexadecimal(x, bits):
    """A C++ literal of the exact value."""
    assert rounded(x, bits) == x
    return float(x).hex()


def parts(x, sizes):
    """x as a sum of numbers of so many bits; all but the last are cut off, so all are positive."""
    result = []
    for bits in sizes[:-1]:
        result.append(truncated(x, bits))
        x -= result[-1]
    return result + [rounded(x, sizes[-1])]


def emit_array(name, values, bits, comment):
    print(f"// {comment}")
    print(f"inline constexpr double {name}[] = {{")
    for value in values:
        print(f"    {hexadecimal(value, bits)},")
    print("};\n")


def emit_fit(name, f, weight, low, high, count, bits, comment):
    values, error = fit(f, weight, mp.mpf(low), mp.mpf(high), count, bits)
    emit_array(name, values, bits, f"{comment}; error 2^{error:.1f}")


def odd(function, slope=1):
    """((function(r) / (slope r)) - 1) / z of z = r^2, and the weight of its relative error."""

    def f(z):
        r = mp.sqrt(z)
        return (function(r) / (slope * r) - 1) / z

    def weight(z):
        r = mp.sqrt(z)
        return z * slope * r / function(r)

    return f, weight


def emit_erf(width, bits, bound, end, near_count, far_count):
    """erf up to a bound, and from there ln erfc, whose error counts by erfc."""
    emit_array(f"kErfBounds{width}", [bound, rounded(end, bits)], bits, "where each of the two ends")
    emit_fit(f"kErfNear{width}", lambda z: mp.erf(mp.sqrt(z)) / mp.sqrt(z) - 1,
             lambda z: mp.sqrt(z) / mp.erf(mp.sqrt(z)), "1e-20", bound**2, near_count, bits,
             f"erf x = x + x P(z), z = x^2, x <= {float(bound)}")
    emit_fit(f"kErfFar{width}", lambda u: mp.log(mp.erfc(u + bound)),
             lambda u: mp.erfc(u + bound), 0, end - bound, far_count, bits,
             f"ln erfc(u + {float(bound)}), u + {float(bound)} <= {float(end)}, absolute in erf")


def emit_two_over_pi():
    """64 zeros, then the bits of 2/pi below the point: Payne and Hanek (1983) multiply by a window."""
    words = 20
    mp.mp.prec = 64 * words + 64
    bits = int(mp.floor(2 / mp.pi * mp.mpf(2) ** (64 * words)))
    mp.mp.dps = 60
    print("// 64 zeros, then 2/pi from its highest bit on.")
    print("inline constexpr std::uint64_t kTwoOverPi[] = {\n    0,")
    for k in reversed(range(words)):
        print(f"    0x{bits >> (64 * k) & (2**64 - 1):016x},")
    print("};\n")


def main():
    print(
        """// Written by scripts/math_circular.py; change that. Lowest degrees first.
#pragma once

#include <cstdint>

namespace bitaxon::jit::math {
"""
    )
    pi = +mp.pi
    emit_array("kHalfPi32", parts(pi / 2, [24, 11, 24, 24]), FLOAT,
               "pi/2; products of the second part with n < 2^13 are exact")
    emit_array("kHalfPi64", parts(pi / 2, [53, 32, 53]), DOUBLE,
               "pi/2; products of the second part with n < 2^21 are exact")
    emit_array("kPiPair32", [rounded(pi, 24), rounded(pi - rounded(pi, 24), 24)], FLOAT, "pi")
    emit_array("kPiPair64", [rounded(pi, 53), rounded(pi - rounded(pi, 53), 53)], DOUBLE, "pi")

    end = "0.79"
    f, w = odd(mp.sin)
    emit_fit("kSin32", f, w, "1e-20", mp.mpf(end) ** 2, 3, FLOAT,
             "sin r = r + r z P(z), z = r^2, |r| <= " + end)
    emit_fit("kSin64", f, w, "1e-20", mp.mpf(end) ** 2, 6, DOUBLE,
             "sin r = r + r z P(z), |r| <= " + end)
    comment = "cos r = 1 - z/2 + z^2 P(z), |r| <= " + end
    f = lambda z: (mp.cos(mp.sqrt(z)) - 1 + z / 2) / z**2  # noqa: E731
    w = lambda z: z**2 / mp.cos(mp.sqrt(z))  # noqa: E731
    emit_fit("kCos32", f, w, "1e-9", mp.mpf(end) ** 2, 3, FLOAT, comment)
    emit_fit("kCos64", f, w, "1e-9", mp.mpf(end) ** 2, 6, DOUBLE, comment)
    f, w = odd(mp.tan)
    emit_fit("kTan32", f, w, "1e-20", mp.mpf(end) ** 2, 7, FLOAT,
             "tan r = r + r z P(z), |r| <= " + end)
    emit_fit("kTan64", f, w, "1e-20", mp.mpf(end) ** 2, 15, DOUBLE,
             "tan r = r + r z P(z), |r| <= " + end)
    f, w = odd(mp.sinpi, pi)
    emit_fit("kSinPi32", lambda z: mp.sinpi(mp.sqrt(z)) / mp.sqrt(z), lambda z: 1,
             "1e-20", "0.25", 6, FLOAT, "sin(pi v) = v P(v^2), |v| <= 1/2, absolute")
    emit_fit("kSinPi64", lambda z: mp.sinpi(mp.sqrt(z)) / mp.sqrt(z), lambda z: 1,
             "1e-20", "0.25", 10, DOUBLE, "sin(pi v) = v P(v^2), |v| <= 1/2, absolute")

    f, w = odd(mp.atan)
    end = mp.mpf("0.4143") ** 2
    comment = "atan q = q + q z P(z), |q| <= tan(pi/8)"
    emit_fit("kAtan32", f, w, "1e-20", end, 5, FLOAT, comment)
    emit_fit("kAtan64", f, w, "1e-20", end, 11, DOUBLE, comment)
    f, w = odd(mp.asin)
    comment = "asin x = x + x z P(z), |x| <= 1/2"
    emit_fit("kAsin32", f, w, "1e-20", "0.2501", 5, FLOAT, comment)
    emit_fit("kAsin64", f, w, "1e-20", "0.2501", 13, DOUBLE, comment)
    emit_erf(32, FLOAT, mp.mpf("0.875"), mp.mpf("3.95"), 6, 7)
    emit_erf(64, DOUBLE, mp.mpf("1"), mp.mpf("5.95"), 13, 18)
    emit_two_over_pi()
    print("}  // namespace bitaxon::jit::math")


if __name__ == "__main__":
    main()
