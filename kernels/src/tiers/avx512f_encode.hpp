// Encoding for tiers with AVX512F: install_avx512f_encode().
// Include once, at namespace scope, before any target region.
#pragma once

#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Wpsabi"
#pragma GCC diagnostic ignored "-Wignored-attributes"

#include <bitaxon/kernels/kernels.hpp>
#include <bitaxon/kernels/random_word.hpp>

#include <algorithm>
#include <bit>
#include <immintrin.h>
#include <iterator>

#pragma GCC push_options
#pragma GCC target("avx512f,bmi2,popcnt")

namespace bitaxon::kernels {
namespace {
namespace avx512f_encode {

// Without VPMULLQ: low * low + ((high * low + low * high) << 32), VPMULLD giving both cross
// products.
inline __m512i multiply(__m512i x, std::uint64_t constant) {
    const auto factor = static_cast<long long>(constant);
    const auto swapped = static_cast<long long>(constant >> 32 | constant << 32);
    const __m512i low = _mm512_mul_epu32(x, _mm512_set1_epi64(factor));
    const __m512i cross = _mm512_mullo_epi32(x, _mm512_set1_epi64(swapped));
    const __m512i upper = _mm512_add_epi32(cross, _mm512_slli_epi64(cross, 32));
    return _mm512_mask_add_epi32(low, 0xaaaa, low, upper);
}

#include "avx512_encode.inl"

}  // namespace avx512f_encode

#pragma GCC pop_options

// Runs on every CPU, so it stands outside the target region.
void install_avx512f_encode(KernelTable& table) noexcept {
    using namespace avx512f_encode;
    table.stream_keys = stream_keys;
    table.encode_bernoulli = encode_bernoulli;
    table.encode_threshold = encode_threshold;
}

}  // namespace
}  // namespace bitaxon::kernels
