// Written by scripts/math_circular.py; change that. Lowest degrees first.
#pragma once

#include <cstdint>

namespace bitaxon::jit::math {

// pi/2; products of the second part with n < 2^13 are exact
inline constexpr double kHalfPi32[] = {
    0x1.921fb40000000p+0,
    0x1.4440000000000p-24,
    0x1.68c2340000000p-39,
    0x1.898cc60000000p-64,
};

// pi/2; products of the second part with n < 2^21 are exact
inline constexpr double kHalfPi64[] = {
    0x1.921fb54442d18p+0,
    0x1.1a62633000000p-54,
    0x1.45c06e0e68948p-86,
};

// pi
inline constexpr double kPiPair32[] = {
    0x1.921fb60000000p+1,
    -0x1.777a5c0000000p-24,
};

// pi
inline constexpr double kPiPair64[] = {
    0x1.921fb54442d18p+1,
    0x1.1a62633145c07p-53,
};

// sin r = r + r z P(z), z = r^2, |r| <= 0.79; error 2^-27.8
inline constexpr double kSin32[] = {
    -0x1.5555440000000p-3,
    0x1.1106c60000000p-7,
    -0x1.991bf40000000p-13,
};

// sin r = r + r z P(z), |r| <= 0.79; error 2^-57.8
inline constexpr double kSin64[] = {
    -0x1.5555555555547p-3,
    0x1.111111110f597p-7,
    -0x1.a01a019bb4addp-13,
    0x1.71de3526a6bbfp-19,
    -0x1.ae5e265d991bep-26,
    0x1.5d805fcd705cdp-33,
};

// cos r = 1 - z/2 + z^2 P(z), |r| <= 0.79; error 2^-32.9
inline constexpr double kCos32[] = {
    0x1.55554a0000000p-5,
    -0x1.6c0c1e0000000p-10,
    0x1.99e3360000000p-16,
};

// cos r = 1 - z/2 + z^2 P(z), |r| <= 0.79; error 2^-63.8
inline constexpr double kCos64[] = {
    0x1.555555555554ap-5,
    -0x1.6c16c16c14df7p-10,
    0x1.a01a019c5ac05p-16,
    -0x1.27e4f7cbd1438p-22,
    0x1.1ee9c21c2031cp-29,
    -0x1.8f99287c0741fp-37,
};

// tan r = r + r z P(z), |r| <= 0.79; error 2^-29.3
inline constexpr double kTan32[] = {
    0x1.5555620000000p-2,
    0x1.110d180000000p-3,
    0x1.baf1620000000p-5,
    0x1.5bcb9e0000000p-6,
    0x1.67ce060000000p-7,
    -0x1.99f3ba0000000p-14,
    0x1.24fa7a0000000p-8,
};

// tan r = r + r z P(z), |r| <= 0.79; error 2^-59.7
inline constexpr double kTan64[] = {
    0x1.555555555555fp-2,
    0x1.111111111047cp-3,
    0x1.ba1ba1bad2357p-5,
    0x1.664f4858f76dfp-6,
    0x1.226e3b0b2c23dp-7,
    0x1.d6d2d0e75cfd8p-9,
    0x1.7db2d5e6a4b00p-10,
    0x1.34af417d84403p-11,
    0x1.ffe6fbf073650p-13,
    0x1.5ac38645253a3p-14,
    0x1.20bfb986e033ep-14,
    -0x1.d0b1cb981d77dp-16,
    0x1.a6882a28470d8p-15,
    -0x1.a5bd3bf00f571p-16,
    0x1.4f48e6b6c4951p-17,
};

// sin(pi v) = v P(v^2), |v| <= 1/2, absolute; error 2^-23.4
inline constexpr double kSinPi32[] = {
    0x1.921fb60000000p+1,
    -0x1.4abc180000000p+2,
    0x1.467e300000000p+1,
    -0x1.360b6a0000000p-1,
    0x1.c622b20000000p-4,
    -0x1.b368c40000000p-5,
};

// sin(pi v) = v P(v^2), |v| <= 1/2, absolute; error 2^-52.8
inline constexpr double kSinPi64[] = {
    0x1.921fb54442d18p+1,
    -0x1.4abbce625bdf9p+2,
    0x1.466bc67756006p+1,
    -0x1.32d2cce32af77p-1,
    0x1.5078329989762p-4,
    -0x1.e305eac1796dbp-8,
    0x1.e85cb075a369ep-12,
    -0x1.4a3688482eb97p-16,
    -0x1.0a5c8b1c4d274p-18,
    0x1.1ab10f8d66b3ap-18,
};

// atan q = q + q z P(z), |q| <= tan(pi/8); error 2^-30.4
inline constexpr double kAtan32[] = {
    -0x1.55554a0000000p-2,
    0x1.9991e20000000p-3,
    -0x1.23b99e0000000p-3,
    0x1.b223d60000000p-4,
    -0x1.f2e1cc0000000p-5,
};

// atan q = q + q z P(z), |q| <= tan(pi/8); error 2^-59.4
inline constexpr double kAtan64[] = {
    -0x1.555555555553dp-2,
    0x1.9999999995854p-3,
    -0x1.24924922ac7b8p-3,
    0x1.c71c70e59e827p-4,
    -0x1.745cf8cdd33dfp-4,
    0x1.3b1117ffd5d7dp-4,
    -0x1.10ebaad0578d7p-4,
    0x1.df0e7dd569c6bp-5,
    -0x1.9ccefcffbd4ffp-5,
    0x1.37cbd4498dc73p-5,
    -0x1.255450a27e4e0p-6,
};

// asin x = x + x z P(z), |x| <= 1/2; error 2^-27.6
inline constexpr double kAsin32[] = {
    0x1.5555c80000000p-3,
    0x1.3301fe0000000p-4,
    0x1.747cc20000000p-5,
    0x1.8c30700000000p-6,
    0x1.596ac40000000p-5,
};

// asin x = x + x z P(z), |x| <= 1/2; error 2^-59.9
inline constexpr double kAsin64[] = {
    0x1.5555555555577p-3,
    0x1.333333332e10cp-4,
    0x1.6db6db7215347p-5,
    0x1.f1c71a939b81ep-6,
    0x1.6e8bdf0c85cd6p-6,
    0x1.1c49ece135df6p-6,
    0x1.ca1fe8b33d6c7p-7,
    0x1.758266f78416ep-7,
    0x1.614f3a222f1f8p-7,
    0x1.e4cc0ac221837p-9,
    0x1.63fb3c5f028e5p-6,
    -0x1.58895a02e4fc0p-6,
    0x1.0b742b0d93641p-5,
};

// where each of the two ends
inline constexpr double kErfBounds32[] = {
    0x1.c000000000000p-1,
    0x1.f9999a0000000p+1,
};

// erf x = x + x P(z), z = x^2, x <= 0.875; error 2^-26.1
inline constexpr double kErfNear32[] = {
    0x1.06eba60000000p-3,
    -0x1.8126ec0000000p-2,
    0x1.ce1b840000000p-4,
    -0x1.b69b580000000p-6,
    0x1.479a4c0000000p-8,
    -0x1.3b9be00000000p-11,
};

// ln erfc(u + 0.875), u + 0.875 <= 3.95, absolute in erf; error 2^-26.8
inline constexpr double kErfFar32[] = {
    -0x1.88672e0000000p+0,
    -0x1.37118a0000000p+1,
    -0x1.a72c1a0000000p-1,
    -0x1.8126700000000p-5,
    0x1.789e3a0000000p-7,
    -0x1.269e220000000p-9,
    0x1.0aa4160000000p-12,
};

// where each of the two ends
inline constexpr double kErfBounds64[] = {
    0x1.0000000000000p+0,
    0x1.7cccccccccccdp+2,
};

// erf x = x + x P(z), z = x^2, x <= 1.0; error 2^-56.3
inline constexpr double kErfNear64[] = {
    0x1.06eba8214db69p-3,
    -0x1.812746b037a25p-2,
    0x1.ce2f21a0458e2p-4,
    -0x1.b82ce313552f9p-6,
    0x1.565bcd2c79172p-8,
    -0x1.c02db9385992ap-11,
    0x1.f9a3ba0fbaaefp-14,
    -0x1.f4dd020fc83cfp-17,
    0x1.ba6a0a933705fp-20,
    -0x1.6399ebb541603p-23,
    0x1.1357059d26592p-26,
    -0x1.c6287d8fa4992p-30,
    0x1.3db79e32a0551p-33,
};

// ln erfc(u + 1.0), u + 1.0 <= 5.95, absolute in erf; error 2^-57.0
inline constexpr double kErfFar64[] = {
    -0x1.d97fbf27aa2a1p+0,
    -0x1.51c9b0006c22ap+1,
    -0x1.afabc11a2a71bp-1,
    -0x1.5477f09a40266p-5,
    0x1.48c9d39251abep-7,
    -0x1.033f5b9f2947cp-9,
    0x1.f1b0a1fd29c16p-13,
    0x1.b9272b4d0bf3dp-16,
    -0x1.c84702043f12ap-16,
    0x1.4466cc3431431p-17,
    -0x1.1db5f2b9cbb21p-19,
    0x1.b30ddfe42a91dp-23,
    0x1.fbf84edd58997p-25,
    -0x1.225aa0ad0fc59p-25,
    0x1.28507445a65f7p-27,
    -0x1.6f810d4546b98p-30,
    0x1.0a5fed59881b8p-33,
    -0x1.5c20530524e31p-38,
};

// 64 zeros, then 2/pi from its highest bit on.
inline constexpr std::uint64_t kTwoOverPi[] = {
    0,
    0xa2f9836e4e441529,
    0xfc2757d1f534ddc0,
    0xdb6295993c439041,
    0xfe5163abdebbc561,
    0xb7246e3a424dd2e0,
    0x06492eea09d1921c,
    0xfe1deb1cb129a73e,
    0xe88235f52ebb4484,
    0xe99c7026b45f7e41,
    0x3991d639835339f4,
    0x9c845f8bbdf9283b,
    0x1ff897ffde05980f,
    0xef2f118b5a0a6d1f,
    0x6d367ecf27cb09b7,
    0x4f463f669e5fea2d,
    0x7527bac7ebe5f17b,
    0x3d0739f78a5292ea,
    0x6bfb5fb11f8d5d08,
    0x56033046fc7b6bab,
    0xf0cfbc209af4361d,
};

}  // namespace bitaxon::jit::math
