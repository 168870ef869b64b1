#include "harness/oracle.hpp"

#include "harness/suite.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace bitaxon::bench::oracle {
namespace {

constexpr std::uint64_t kG = 0x9e3779b97f4a7c15;

std::uint64_t random_word(Key key, std::uint64_t word, std::uint64_t plane) {
    std::uint64_t x = key.a + (32 * word + plane) * kG;
    x ^= x >> 30;
    x *= 0xbf58476d1ce4e5b9;
    x ^= (x >> 27) ^ key.b;
    x *= 0x94d049bb133111eb;
    return x ^ x >> 31;
}

}  // namespace

std::uint64_t mix(std::uint64_t x) {
    x ^= x >> 30;
    x *= 0xbf58476d1ce4e5b9;
    x ^= x >> 27;
    x *= 0x94d049bb133111eb;
    return x ^ x >> 31;
}

std::vector<std::size_t> spread(std::size_t count, std::size_t most) {
    std::vector<std::size_t> indices;
    const std::size_t taken = std::min(count, most);
    for (std::size_t i = 0; i < taken; ++i)
        indices.push_back(taken == 1 ? 0 : i * (count - 1) / (taken - 1));
    return indices;
}

std::uint64_t key_base(std::uint64_t seed, std::uint64_t layer, std::uint64_t role,
                       std::uint64_t sample) {
    std::uint64_t k = mix(seed + kG);
    k = mix(k + (layer << 8 | role) * kG);
    return mix(k + sample * kG);
}

Key stream_key(std::uint64_t base, std::uint64_t index) {
    return {mix(base + (2 * index + 1) * kG), mix(base + (2 * index + 2) * kG)};
}

void bernoulli(Key key, std::uint64_t threshold, std::size_t length_bits, std::uint64_t* out) {
    for (std::size_t w = 0; w * 64 < length_bits; ++w) {
        std::uint64_t planes[32];
        for (std::uint64_t j = 0; j < 32; ++j) planes[j] = random_word(key, w, j);
        out[w] = 0;
        for (std::size_t t = 0; t < std::min<std::size_t>(64, length_bits - w * 64); ++t) {
            // Two numbers differ at their most significant different bit; equal is not below.
            bool below = threshold >> 32;
            for (int j = 0; j < 32 && !below; ++j) {
                const bool random = planes[j] >> t & 1;
                const bool limit = threshold >> (31 - j) & 1;
                below = limit && !random;
                if (random != limit) break;
            }
            out[w] |= std::uint64_t{below} << t;
        }
    }
}

void expect_equal(std::string_view what, std::span<const std::uint64_t> got,
                  std::span<const std::uint64_t> expected) {
    const auto [g, e] = std::ranges::mismatch(got, expected);
    if (g != got.end() || e != expected.end())
        throw Mismatch(fmt::format("{} word {}: got {:#x}, expected {:#x}", what, g - got.begin(),
                                   g == got.end() ? 0 : *g, e == expected.end() ? 0 : *e));
}

void expect_equal(std::string_view what, std::uint64_t got, std::uint64_t expected) {
    if (got != expected)
        throw Mismatch(fmt::format("{}: got {}, expected {}", what, got, expected));
}

void expect_near(std::string_view what, double got, double expected, double tolerance) {
    if (!(std::abs(got - expected) <= tolerance * std::max(1.0, std::abs(expected))))
        throw Mismatch(fmt::format("{}: got {}, expected {}", what, got, expected));
}

}  // namespace bitaxon::bench::oracle
