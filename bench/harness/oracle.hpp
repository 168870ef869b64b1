// What the results must be, bit by bit, from the definitions alone: no kernel of the library is
// used.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace bitaxon::bench::oracle {

inline bool bit(const std::uint64_t* words, std::size_t t) { return words[t / 64] >> (t % 64) & 1; }

/// Number of t < length_bits for which f(bit t of a, bit t of b).
template <class F>
std::uint64_t count(const std::uint64_t* a, const std::uint64_t* b, std::size_t length_bits, F f) {
    std::uint64_t ones = 0;
    for (std::size_t t = 0; t < length_bits; ++t) ones += std::uint64_t{f(bit(a, t), bit(b, t))};
    return ones;
}

/// Up to `most` indices below `count`, evenly spread, first and last included.
std::vector<std::size_t> spread(std::size_t count, std::size_t most);

/// Both halves of a stream's key.
struct Key {
    std::uint64_t a;
    std::uint64_t b;
};
/// The finaliser that keys are made of.
std::uint64_t mix(std::uint64_t x);
std::uint64_t key_base(std::uint64_t seed, std::uint64_t layer, std::uint64_t role,
                       std::uint64_t sample);
Key stream_key(std::uint64_t base, std::uint64_t index);

/// A Bernoulli stream of `length_bits` with probability threshold / 2^32.
void bernoulli(Key key, std::uint64_t threshold, std::size_t length_bits, std::uint64_t* out);

/// @throws Mismatch that names `what` and the first element that differs
void expect_equal(std::string_view what, std::span<const std::uint64_t> got,
                  std::span<const std::uint64_t> expected);
void expect_equal(std::string_view what, std::uint64_t got, std::uint64_t expected);
/// Relative to the larger of 1 and the expected value.
void expect_near(std::string_view what, double got, double expected, double tolerance);

}  // namespace bitaxon::bench::oracle
