// AVX512F alone (Knights Landing; others with masked features): 512-bit words, but no vectors of
// bytes.
#include "../install.hpp"

#include "avx512f_encode.hpp"
#include "avx512f_vector.hpp"

#include <algorithm>
#include <immintrin.h>

#pragma GCC push_options
#pragma GCC target("avx512f")

namespace bitaxon::kernels {
namespace {

__m512i repeat(std::uint64_t v) { return _mm512_set1_epi64(static_cast<long long>(v)); }

// Neighbours are added in parallel (Wilkes, Wheeler and Gill, 1957): ten operations. Without
// VPSHUFB on 512 bits the alternative is two halves by AVX2, fourteen.
__m512i byte_counts(__m512i v) {
    const __m512i pair = repeat(0x5555555555555555);
    const __m512i nibble = repeat(0x3333333333333333);
    v = _mm512_sub_epi64(v, _mm512_and_si512(_mm512_srli_epi64(v, 1), pair));
    v = _mm512_add_epi64(_mm512_and_si512(v, nibble),
                         _mm512_and_si512(_mm512_srli_epi64(v, 2), nibble));
    v = _mm512_add_epi64(v, _mm512_srli_epi64(v, 4));
    return _mm512_and_si512(v, repeat(0x0f0f0f0f0f0f0f0f));
}

// VPSADBW on the halves, by AVX2; the sums of both share four words.
__m512i sum_bytes(__m512i bytes) {
    const __m256i zero = _mm256_setzero_si256();
    const __m256i low = _mm256_sad_epu8(_mm512_castsi512_si256(bytes), zero);
    const __m256i high = _mm256_sad_epu8(_mm512_extracti64x4_epi64(bytes, 1), zero);
    return _mm512_zextsi256_si512(_mm256_add_epi64(low, high));
}

#include "avx512_count.inl"

}  // namespace
}  // namespace bitaxon::kernels

#pragma GCC pop_options

namespace bitaxon::kernels {

void install_avx512f(KernelTable& table) noexcept {
    install_avx512f_vector(table);
    install_avx512f_encode(table);
    table.popcount = popcount;
    table.and_popcount = and_popcount;
    table.or_popcount = or_popcount;
    table.xor_popcount = xor_popcount;
    table.xnor_popcount = xnor_popcount;
    table.dense_and = dense_and;
    table.dense_xor = dense_xor;
    table.dense_signed = dense_signed;
}

}  // namespace bitaxon::kernels
