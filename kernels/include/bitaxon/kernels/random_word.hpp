// The counter-based generator, in scalar form: the definition that every tier reproduces.
#pragma once

#include <cstdint>

namespace bitaxon::kernels {

inline constexpr std::uint64_t kGolden = 0x9e3779b97f4a7c15;  // 2^64 / golden ratio, odd
inline constexpr std::uint64_t kMix1 = 0xbf58476d1ce4e5b9;
inline constexpr std::uint64_t kMix2 = 0x94d049bb133111eb;

/// Planes of a Bernoulli comparison: probabilities have 32 bits.
inline constexpr unsigned kPlanes = 32;

/// Finaliser of SplitMix64, D. Stafford's variant 13 (2011); a bijection of 64-bit words.
constexpr std::uint64_t mix(std::uint64_t x) noexcept {
    x = (x ^ (x >> 30)) * kMix1;
    x = (x ^ (x >> 27)) * kMix2;
    return x ^ (x >> 31);
}

/// Word `word`, plane `plane` (0 ... 31) of the stream with key (a, b). The second key half enters
/// between the multiplications, so that two streams never run along one orbit.
constexpr std::uint64_t random_word(std::uint64_t a, std::uint64_t b, std::uint64_t word,
                                    unsigned plane) noexcept {
    std::uint64_t x = a + (kPlanes * word + plane) * kGolden;
    x = (x ^ (x >> 30)) * kMix1;
    x = (x ^ (x >> 27) ^ b) * kMix2;
    return x ^ (x >> 31);
}

}  // namespace bitaxon::kernels
