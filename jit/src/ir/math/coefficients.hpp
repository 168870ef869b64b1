// Written by scripts/math-coefficients; change that. Lowest degrees first.
#pragma once

#include "double_double.hpp"

// clang-format off

namespace bitaxon::jit::math {

// e^r = 1 + r + r^2 P(r), -ln(2)/2 <= r <= ln(3/2), relative to e^r - 1; error 2^-58.6
inline constexpr double kExp64[] = {
    0x1.0000000000000p-1,
    0x1.555555555555bp-3,
    0x1.5555555555683p-5,
    0x1.111111110ec27p-7,
    0x1.6c16c16b9a77cp-10,
    0x1.a01a01b3b0622p-13,
    0x1.a01a04022b530p-16,
    0x1.71ddeffafa4a6p-19,
    0x1.27dfedadac94fp-22,
    0x1.af6b51233ff90p-26,
    0x1.26dcda984a429p-29,
};

// e^r = 1 + r + r^2 P(r), |r| <= ln(2)/2, relative to e^r - 1; error 2^-26.1
inline constexpr double kExp32[] = {
    0x1.fffffe0000000p-2,
    0x1.5554b00000000p-3,
    0x1.5556c20000000p-5,
    0x1.12287c0000000p-7,
    0x1.6becdc0000000p-10,
};

// ln 2
inline constexpr PairConstant kLnTwo64{0x1.62e42fefa39efp-1, 0x1.abc9e3b39803fp-56};

// 2^r = 1 + r ln 2 + r^2 P(r), |r| <= 1/2; error 2^-60.9
inline constexpr double kExp2Of64[] = {
    0x1.ebfbdff82c58fp-3,
    0x1.c6b08d704a0c8p-5,
    0x1.3b2ab6fba4e19p-7,
    0x1.5d87fe78a3826p-10,
    0x1.430912f8830fap-13,
    0x1.ffcbfc7061a88p-17,
    0x1.62c021e07f0e8p-20,
    0x1.b524e58d96a96p-24,
    0x1.e4d07fd0b4fafp-28,
    0x1.e9f60dbe24b00p-32,
    0x1.c2a805685d7f6p-36,
};

// 2^r = 1 + r P(r), |r| <= 1/2; error 2^-27.6
inline constexpr double kExp2Of32[] = {
    0x1.62e4300000000p-1,
    0x1.ebfbda0000000p-3,
    0x1.c6af2c0000000p-5,
    0x1.3b2e260000000p-7,
    0x1.5f3efe0000000p-10,
    0x1.41fe580000000p-13,
};

// 2^r = 1 + r P(r), |r| <= 1/2; error 2^-34.3
inline constexpr double kExp2Of64ForFloats[] = {
    0x1.62e42ff0e15ecp-1,
    0x1.ebfbe0777d41ep-3,
    0x1.c6b08ac09d2a7p-5,
    0x1.3b29f3a792a46p-7,
    0x1.5d8a85f7a1bb6p-10,
    0x1.445c7b4bde629p-13,
    0x1.fde5e068e9781p-17,
};

// ln 2; multiples of the first part by n < 2^11 are exact
inline constexpr PairConstant kLnTwoParts64{0x1.62e42fefa3800p-1, 0x1.ef35793c76730p-45};

// ln 2; multiples of the first part by n < 2^9 are exact
inline constexpr PairConstant kLnTwoParts32{0x1.62e4000000000p-1, 0x1.7f7d1c0000000p-20};

// ln(2)/2; multiples of the first part by n < 2^11 are exact
inline constexpr PairConstant kHalfLnTwoParts64{0x1.62e42fefa3800p-2, 0x1.ef35793c76730p-46};

// tanh h = h + h z P(z), z = h^2, |h| <= 1.045 ln(2)/4; error 2^-56.9
inline constexpr double kTanh64[] = {
    -0x1.5555555555454p-2,
    0x1.11111110c66dfp-3,
    -0x1.ba1ba0d36bff1p-5,
    0x1.664ea47b92cd1p-6,
    -0x1.223322e202384p-7,
    0x1.c1ccb8072ef53p-9,
};

// tanh x = x + x z P(z), z = x^2, |x| <= 0.65; error 2^-31.4
inline constexpr double kWideTanh32[] = {
    -0x1.5555520000000p-2,
    0x1.110fe80000000p-3,
    -0x1.b9d6320000000p-5,
    0x1.62873c0000000p-6,
    -0x1.0712fc0000000p-7,
    0x1.078a340000000p-9,
};

// sinh r = r + r z P(z), z = r^2, |r| <= ln(2)/2; error 2^-65.2
inline constexpr double kSinh64[] = {
    0x1.5555555555555p-3,
    0x1.1111111111388p-7,
    0x1.a01a019e9f681p-13,
    0x1.71de408835c14p-19,
    0x1.ae4cb72d6b480p-26,
    0x1.82e069fd13f0dp-33,
};

// sinh r = r + r z P(z), z = r^2, |r| <= ln(2)/2; error 2^-34.3
inline constexpr double kSinh32[] = {
    0x1.5555560000000p-3,
    0x1.110fbe0000000p-7,
    0x1.a2e3100000000p-13,
};

// cosh r = 1 + z P(z), |r| <= ln(2)/2; error 2^-58.0
inline constexpr double kCosh64[] = {
    0x1.000000000000bp-1,
    0x1.5555555550245p-5,
    0x1.6c16c185486ddp-10,
    0x1.a019976dddc90p-16,
    0x1.28af99fdb5cf0p-22,
};

// cosh r = 1 + z P(z), |r| <= ln(2)/2; error 2^-33.3
inline constexpr double kCosh32[] = {
    0x1.0000000000000p-1,
    0x1.5554e60000000p-5,
    0x1.6d4f3c0000000p-10,
};

// log((1+s)/(1-s)) = 2 s + s z P(z), z = s^2, |s| <= 3 - sqrt(8); error 2^-59.5
inline constexpr double kLog64[] = {
    0x1.5555555555592p-1,
    0x1.999999997ff41p-2,
    0x1.24924941de511p-2,
    0x1.c71c5216f4655p-3,
    0x1.74663c6578a68p-3,
    0x1.39a1f58786d7cp-3,
    0x1.2f0347933dfb8p-3,
};

// log(1+f) = f - f^2/2 + f^3 P(f), sqrt(1/2) <= 1+f <= sqrt(2); error 2^-27.3
inline constexpr double kLog32[] = {
    0x1.5555540000000p-2,
    -0x1.0002260000000p-2,
    0x1.99a00c0000000p-3,
    -0x1.5472640000000p-3,
    0x1.22da4c0000000p-3,
    -0x1.0d852c0000000p-3,
    0x1.055b820000000p-3,
    -0x1.38b74e0000000p-4,
};

// 1 / ln 2
inline constexpr PairConstant kReciprocalLnTwo64{0x1.71547652b82fep+0, 0x1.777d0ffda0d24p-56};

// 1 / ln 10
inline constexpr PairConstant kReciprocalLnTen64{0x1.bcb7b1526e50ep-2, 0x1.95355baaafad3p-57};

// log10 2; multiples of the first part by exponents are exact
inline constexpr PairConstant kLog10OfTwoParts64{0x1.34413509f7800p-2, 0x1.fef311f12b358p-46};

// 1 / ln 2
inline constexpr PairConstant kReciprocalLnTwo32{0x1.7154760000000p+0, 0x1.4ae0c00000000p-26};

// 1 / ln 10
inline constexpr PairConstant kReciprocalLnTen32{0x1.bcb7b20000000p-2, -0x1.5b235e0000000p-27};

// log10 2; multiples of the first part by exponents are exact
inline constexpr PairConstant kLog10OfTwoParts32{0x1.3440000000000p-2, 0x1.3509f80000000p-18};

// log2((1+s)/(1-s)) = s (A(z) + z^3 P(z)), z = s^2; A
inline constexpr PairConstant kPowLeading64[] = {
    {0x1.71547652b82fep+1, 0x1.777d0ffda0d24p-55},
    {0x1.ec709dc3a03fdp-1, 0x1.d27f05548af0cp-55},
    {0x1.2776c50ef9bfep-1, 0x1.e4b29ccc535d4p-55},
};

// P; error 2^-72.9
inline constexpr double kPow64[] = {
    0x1.a61762a7ae37fp-2,
    0x1.484b13d7343a1p-2,
    0x1.0c9a8502176d3p-2,
    0x1.c68f045fc148ep-3,
    0x1.8a060ebf72195p-3,
    0x1.59408195211a1p-3,
    0x1.5feac05b602a1p-3,
};

// log2((1+s)/(1-s)) = s P(z); error 2^-37.8
inline constexpr double kPow64ForFloats[] = {
    0x1.71547652bee00p+1,
    0x1.ec709d12bcd6ep-1,
    0x1.27777ff6fa699p-1,
    0x1.a58d817809215p-2,
    0x1.5ce8e7044902bp-2,
};

// m^(-1/3), 1 <= m < 2; error 2^-17.4
inline constexpr double kInverseCbrt64[] = {
    0x1.c7f2eb61453cap+0,
    -0x1.90e5b1e56a12fp+0,
    0x1.3e66b8afa30b5p+0,
    -0x1.3219d95af2858p-1,
    0x1.3f9f4cb8329c9p-3,
    -0x1.16d3ebabe2734p-6,
};

// m^(-1/3), 1 <= m < 2; error 2^-12.0
inline constexpr double kInverseCbrt32[] = {
    0x1.8ab8640000000p+0,
    -0x1.9eb06e0000000p-1,
    0x1.455ef40000000p-2,
    -0x1.9910840000000p-5,
};

// 2^(-k/3)
inline constexpr double kInverseCbrtScale[] = {
    0x1.0000000000000p+0,
    0x1.965fea53d6e3dp-1,
    0x1.428a2f98d728bp-1,
};

}  // namespace bitaxon::jit::math
