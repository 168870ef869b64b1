// The identity of random bits: each is a pure function of (seed, stream, time).
#pragma once

#include <bitaxon/kernels/random_word.hpp>

#include <cstdint>
#include <optional>

namespace bitaxon {

using kernels::mix;
using kernels::random_word;

/// What a stream is for. Streams of different roles never coincide.
enum class Role : std::uint8_t { input = 0, weight = 1, select = 2, noise = 3 };

/// Layer ids are below 2^56 and indices below 2^63: the key derivation shifts them.
inline constexpr std::uint64_t kMaxLayer = std::uint64_t{1} << 56;
inline constexpr std::uint64_t kMaxIndex = std::uint64_t{1} << 63;

/// @throws Error unless layer < kMaxLayer
void check_layer(std::uint64_t layer);

/// The two halves of a stream's key: see kernels::random_word.
struct StreamKey {
    std::uint64_t a;
    std::uint64_t b;
};

/// Once per (seed, layer, role, sample): the base from which stream keys are drawn.
constexpr std::uint64_t key_base(std::uint64_t seed, std::uint64_t layer, Role role,
                                 std::uint64_t sample) noexcept {
    std::uint64_t k = mix(seed + kernels::kGolden);
    k = mix(k + (layer << 8 | static_cast<std::uint64_t>(role)) * kernels::kGolden);
    return mix(k + sample * kernels::kGolden);
}

constexpr StreamKey stream_key(std::uint64_t base, std::uint64_t index) noexcept {
    return {mix(base + (2 * index + 1) * kernels::kGolden),
            mix(base + (2 * index + 2) * kernels::kGolden)};
}

/// The seed that a layer's streams use: its own, mixed, and the forward's.
constexpr std::uint64_t combine_seeds(std::uint64_t layer_seed,
                                      std::uint64_t forward_seed) noexcept {
    return mix(layer_seed) ^ forward_seed;
}

/// A seed from the operating system, for constructors that were given none.
std::uint64_t fresh_seed();

}  // namespace bitaxon
