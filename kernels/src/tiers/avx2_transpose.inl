// 64 x 64 bits across the diagonal, in eight pairs of registers: pair k holds rows k, k + 8, ...
// k + 56. Squares of 4, 2 and 1 bits change places between pairs, lane by lane; then each pair is
// 8 rows of 8 bytes, which shuffles of bytes, 16-bit and 32-bit units turn: 350 instructions, 40 %
// of them loads and stores of single words.

template <int kSide>
void swap_squares(__m256i& low, __m256i& high, __m256i mask) {
    const __m256i swapped =
        _mm256_and_si256(_mm256_xor_si256(_mm256_srli_epi64(low, kSide), high), mask);
    low = _mm256_xor_si256(low, _mm256_slli_epi64(swapped, kSide));
    high = _mm256_xor_si256(high, swapped);
}

template <std::size_t kSide>
void swap_all_squares(__m256i (&v)[8][2], u64 pattern) {
    const __m256i mask = _mm256_set1_epi64x(static_cast<long long>(pattern));
    for (std::size_t first = 0; first < 8; first += 2 * kSide)
        for (std::size_t k = first; k < first + kSide; ++k)
            for (const std::size_t half : {0U, 1U})
                swap_squares<static_cast<int>(kSide)>(v[k][half], v[k + kSide][half], mask);
}

// Words a, a + 1, b and b + 1 of those that lie `step` apart.
__m256i load_words(const u64* first, std::ptrdiff_t step, std::ptrdiff_t a, std::ptrdiff_t b) {
    const auto pair = [=](std::ptrdiff_t k) {
        const auto at = [=](std::ptrdiff_t j) {
            return reinterpret_cast<const double*>(first + j * step);
        };
        return _mm_castpd_si128(_mm_loadh_pd(_mm_load_sd(at(k)), at(k + 1)));
    };
    return _mm256_inserti128_si256(_mm256_castsi128_si256(pair(a)), pair(b), 1);
}

// Four words to rows `row`, row + 8, row + 16, row + 24.
void store_words(__m256i v, u64* out, std::ptrdiff_t stride, std::ptrdiff_t row) {
    const __m128d low = _mm_castsi128_pd(_mm256_castsi256_si128(v));
    const __m128d high = _mm_castsi128_pd(_mm256_extracti128_si256(v, 1));
    const auto at = [=](std::ptrdiff_t j) { return reinterpret_cast<double*>(out + j * stride); };
    _mm_storel_pd(at(row), low);
    _mm_storeh_pd(at(row + 8), low);
    _mm_storel_pd(at(row + 16), high);
    _mm_storeh_pd(at(row + 24), high);
}

void transpose_block(const u64* in, std::ptrdiff_t in_stride, u64* out, std::ptrdiff_t out_stride) {
    __m256i v[8][2];
    for (std::ptrdiff_t k = 0; k < 8; ++k) {
        const u64* first = in + k * in_stride;
        const std::ptrdiff_t step = 8 * in_stride;
        v[k][0] = load_words(first, step, 0, 4);
        v[k][1] = load_words(first, step, 2, 6);
    }
    swap_all_squares<4>(v, 0x0f0f0f0f0f0f0f0f);
    swap_all_squares<2>(v, 0x3333333333333333);
    swap_all_squares<1>(v, 0x5555555555555555);
    const __m256i by_column = _mm256_broadcastsi128_si256(
        _mm_setr_epi8(0, 8, 1, 9, 2, 10, 3, 11, 4, 12, 5, 13, 6, 14, 7, 15));
    const __m256i join_lanes = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
    for (std::ptrdiff_t k = 0; k < 8; ++k) {
        const __m256i a = _mm256_shuffle_epi8(v[k][0], by_column);  // rows 0 1 | 4 5 of a column
        const __m256i b = _mm256_shuffle_epi8(v[k][1], by_column);  // rows 2 3 | 6 7
        const __m256i low = _mm256_unpacklo_epi16(a, b);
        const __m256i high = _mm256_unpackhi_epi16(a, b);
        store_words(_mm256_permutevar8x32_epi32(low, join_lanes), out, out_stride, k);
        store_words(_mm256_permutevar8x32_epi32(high, join_lanes), out, out_stride, k + 32);
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
