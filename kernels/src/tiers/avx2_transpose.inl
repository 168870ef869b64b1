// 64 x 64 bits across the diagonal, in sixteen registers: register k holds rows k, k + 16, k + 32 and
// k + 48, so that swaps of squares of 8, 4, 2 and 1 are between registers, lane by lane. Squares of
// 32 and 16 then meet two registers at a time. About 25 operations for each of them; loads and
// stores of single words make up a third.

template <int kSide>
void swap_squares(__m256i& low, __m256i& high, __m256i mask) {
    const __m256i swapped =
        _mm256_and_si256(_mm256_xor_si256(_mm256_srli_epi64(low, kSide), high), mask);
    low = _mm256_xor_si256(low, _mm256_slli_epi64(swapped, kSide));
    high = _mm256_xor_si256(high, swapped);
}

template <int kSide>
void swap_squares(__m256i* v, u64 pattern) {
    const __m256i mask = _mm256_set1_epi64x(static_cast<long long>(pattern));
    for (std::size_t first = 0; first < 16; first += 2 * kSide)
        for (std::size_t k = first; k < first + kSide; ++k)
            swap_squares<kSide>(v[k], v[k + kSide], mask);
}

void store_lanes(__m256i v, u64* out, std::ptrdiff_t stride, std::ptrdiff_t row) {
    const __m128i low = _mm256_castsi256_si128(v);
    const __m128i high = _mm256_extracti128_si256(v, 1);
    const auto at = [=](std::ptrdiff_t j) { return reinterpret_cast<double*>(out + j * stride); };
    _mm_storel_pd(at(row), _mm_castsi128_pd(low));
    _mm_storeh_pd(at(row + 32), _mm_castsi128_pd(low));
    _mm_storel_pd(at(row + 1), _mm_castsi128_pd(high));
    _mm_storeh_pd(at(row + 33), _mm_castsi128_pd(high));
}

void transpose_block(const u64* in, std::ptrdiff_t in_stride, u64* out, std::ptrdiff_t out_stride) {
    __m256i v[16];
    for (std::ptrdiff_t k = 0; k < 16; ++k) {
        const auto row = [=](std::ptrdiff_t i) { return static_cast<long long>(in[i * in_stride]); };
        v[k] = _mm256_setr_epi64x(row(k), row(k + 16), row(k + 32), row(k + 48));
    }
    swap_squares<8>(v, 0x00ff00ff00ff00ff);
    swap_squares<4>(v, 0x0f0f0f0f0f0f0f0f);
    swap_squares<2>(v, 0x3333333333333333);
    swap_squares<1>(v, 0x5555555555555555);
    for (std::ptrdiff_t k = 0; k < 16; k += 2) {
        // Rows k, k + 16, k + 1, k + 17, and those 32 further on.
        __m256i low = _mm256_permute2x128_si256(v[k], v[k + 1], 0x20);
        __m256i high = _mm256_permute2x128_si256(v[k], v[k + 1], 0x31);
        const __m256i halves = _mm256_blend_epi32(low, _mm256_slli_epi64(high, 32), 0xaa);
        high = _mm256_blend_epi32(_mm256_srli_epi64(low, 32), high, 0xaa);
        low = halves;
        // Rows k, k + 32, k + 1, k + 33, and those 16 further on.
        const __m256i a = _mm256_unpacklo_epi64(low, high);
        const __m256i b = _mm256_unpackhi_epi64(low, high);
        store_lanes(_mm256_blend_epi16(a, _mm256_slli_epi32(b, 16), 0xaa), out, out_stride, k);
        store_lanes(_mm256_blend_epi16(_mm256_srli_epi32(a, 16), b, 0xaa), out, out_stride, k + 16);
    }
}

void bit_transpose(const u64* in, std::ptrdiff_t in_stride, std::size_t rows, u64* out,
                   std::ptrdiff_t out_stride, std::size_t columns) noexcept {
    u64 padded[64];
    if (rows < 64) {
        for (std::size_t i = 0; i < 64; ++i)
            padded[i] = i < rows ? in[static_cast<std::ptrdiff_t>(i) * in_stride] : 0;
        in = padded;
        in_stride = 1;
    }
    if (columns == 64) {
        transpose_block(in, in_stride, out, out_stride);
        return;
    }
    u64 wide[64];
    transpose_block(in, in_stride, wide, 1);
    for (std::size_t j = 0; j < columns; ++j)
        out[static_cast<std::ptrdiff_t>(j) * out_stride] = wide[j];
}
