// Encoding, packing and unpacking for tiers with AVX512BW and DQ: install_avx512bw_encode().
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
#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl,bmi2,popcnt")

namespace bitaxon::kernels {
namespace {
namespace avx512bw_encode {

// VPMULLQ: three multiplications inside, on the ports that 512-bit logic uses; latency 15.
inline __m512i multiply(__m512i x, std::uint64_t constant) {
    return _mm512_mullo_epi64(x, _mm512_set1_epi64(static_cast<long long>(constant)));
}

#include "avx512_encode.inl"

// A mask is a word: VPTESTMB makes one of 64 bytes, a masked move makes the bytes of one. Both
// are bound by the bytes' side of the memory. Streaming stores for unpack won a factor 1.6 from
// 64 MiB on and lost 2.5 where the outputs would have stayed in L3, so there are none.
constexpr std::size_t kUnroll = 8;

bool pack(const std::uint8_t* bytes, std::size_t length_bits, u64* out) noexcept {
    __m512i seen = _mm512_setzero_si512();
    const auto word = [&](__m512i v) {
        seen = _mm512_or_si512(seen, v);
        return _mm512_test_epi8_mask(v, v);
    };
    const std::size_t words = length_bits / 64;
    std::size_t i = 0;
    for (; i + kUnroll <= words; i += kUnroll)
        for (std::size_t j = i; j < i + kUnroll; ++j)
            out[j] = word(_mm512_loadu_si512(bytes + 64 * j));
    for (; i < words; ++i) out[i] = word(_mm512_loadu_si512(bytes + 64 * i));
    if (length_bits % 64 != 0) {
        const __mmask64 lanes = _bzhi_u64(kOnes, static_cast<unsigned>(length_bits % 64));
        out[i] = word(_mm512_maskz_loadu_epi8(lanes, bytes + 64 * i));
    }
    return _mm512_test_epi8_mask(seen, _mm512_set1_epi8(~1)) == 0;
}

void unpack(const u64* words, std::size_t length_bits, std::uint8_t* out) noexcept {
    const auto bytes = [](u64 word) { return _mm512_maskz_mov_epi8(word, _mm512_set1_epi8(1)); };
    const std::size_t whole = length_bits / 64;
    std::size_t i = 0;
    for (; i + kUnroll <= whole; i += kUnroll)
        for (std::size_t j = i; j < i + kUnroll; ++j)
            _mm512_storeu_si512(out + 64 * j, bytes(words[j]));
    for (; i < whole; ++i) _mm512_storeu_si512(out + 64 * i, bytes(words[i]));
    if (length_bits % 64 == 0) return;
    const __mmask64 lanes = _bzhi_u64(kOnes, static_cast<unsigned>(length_bits % 64));
    _mm512_mask_storeu_epi8(out + 64 * i, lanes, bytes(words[i]));
}

}  // namespace avx512bw_encode

#pragma GCC pop_options

// Runs on every CPU, so it stands outside the target region.
void install_avx512bw_encode(KernelTable& table) noexcept {
    using namespace avx512bw_encode;
    table.stream_keys = stream_keys;
    table.encode_bernoulli = encode_bernoulli;
    table.encode_threshold = encode_threshold;
    table.pack = pack;
    table.unpack = unpack;
}

}  // namespace
}  // namespace bitaxon::kernels
