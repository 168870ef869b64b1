// AVX512BW, DQ and VL (Skylake-X): vectors of bytes, so VPSHUFB and VPSADBW count what the adders
// leave.
#include "../install.hpp"

#include "avx512bw_encode.hpp"

#include <algorithm>
#include <immintrin.h>

#pragma GCC push_options
#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl")

namespace bitaxon::kernels {
namespace {

__m512i byte_counts(__m512i v) {
    const __m512i nibble = _mm512_set1_epi8(0x0f);
    const __m512i table =
        _mm512_broadcast_i32x4(_mm_setr_epi8(0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4));
    const __m512i low = _mm512_and_si512(v, nibble);
    const __m512i high = _mm512_and_si512(_mm512_srli_epi16(v, 4), nibble);
    return _mm512_add_epi8(_mm512_shuffle_epi8(table, low), _mm512_shuffle_epi8(table, high));
}

__m512i sum_bytes(__m512i bytes) { return _mm512_sad_epu8(bytes, _mm512_setzero_si512()); }

#include "avx512_count.inl"

}  // namespace
}  // namespace bitaxon::kernels

#pragma GCC pop_options

namespace bitaxon::kernels {

void install_avx512bw(KernelTable& table) noexcept {
    install_avx512bw_encode(table);
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
