// Float sums, dot products and maxima of AVX2 in the contract's sixteen lanes. Included by
// avx2.cpp, in its target region and namespace. VFMADD is not used although the tier has it: every
// product rounds.

// What differs between float and double.
struct F32 {
    using Value = float;
    using Vector = __m256;
    static constexpr std::size_t kWidth = 8;
    static __m256i first_lanes(std::size_t count) {
        return _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(std::min(count, kWidth))),
                                  _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
    }
    static Vector broadcast(float v) { return _mm256_set1_ps(v); }
    static Vector load(const float* p) { return _mm256_loadu_ps(p); }
    static Vector load(const float* p, __m256i lanes) { return _mm256_maskload_ps(p, lanes); }
    static void store(float* p, Vector v) { _mm256_storeu_ps(p, v); }
    static void store(float* p, __m256i lanes, Vector v) { _mm256_maskstore_ps(p, lanes, v); }
    static Vector add(Vector a, Vector b) { return _mm256_add_ps(a, b); }
    static Vector multiply(Vector a, Vector b) { return _mm256_mul_ps(a, b); }
    static Vector max(Vector a, Vector b) { return _mm256_max_ps(a, b); }
    static Vector both(Vector a, Vector b) { return _mm256_and_ps(a, b); }
    static Vector either(Vector a, Vector b) { return _mm256_or_ps(a, b); }
    static Vector is_nan(Vector v) { return _mm256_cmp_ps(v, v, _CMP_UNORD_Q); }
    static bool any(Vector v) { return _mm256_movemask_ps(v) != 0; }
    static Vector select(Vector otherwise, Vector v, __m256i lanes) {
        return _mm256_blendv_ps(otherwise, v, _mm256_castsi256_ps(lanes));
    }
};
struct F64 {
    using Value = double;
    using Vector = __m256d;
    static constexpr std::size_t kWidth = 4;
    static __m256i first_lanes(std::size_t count) {
        return kernels::first_lanes(std::min(count, kWidth));
    }
    static Vector broadcast(double v) { return _mm256_set1_pd(v); }
    static Vector load(const double* p) { return _mm256_loadu_pd(p); }
    static Vector load(const double* p, __m256i lanes) { return _mm256_maskload_pd(p, lanes); }
    static void store(double* p, Vector v) { _mm256_storeu_pd(p, v); }
    static void store(double* p, __m256i lanes, Vector v) { _mm256_maskstore_pd(p, lanes, v); }
    static Vector add(Vector a, Vector b) { return _mm256_add_pd(a, b); }
    static Vector multiply(Vector a, Vector b) { return _mm256_mul_pd(a, b); }
    static Vector max(Vector a, Vector b) { return _mm256_max_pd(a, b); }
    static Vector both(Vector a, Vector b) { return _mm256_and_pd(a, b); }
    static Vector either(Vector a, Vector b) { return _mm256_or_pd(a, b); }
    static Vector is_nan(Vector v) { return _mm256_cmp_pd(v, v, _CMP_UNORD_Q); }
    static bool any(Vector v) { return _mm256_movemask_pd(v) != 0; }
    static Vector select(Vector otherwise, Vector v, __m256i lanes) {
        return _mm256_blendv_pd(otherwise, v, _mm256_castsi256_pd(lanes));
    }
};

constexpr std::size_t kLanes = 16;  // of the contract's sums

// Sums in the contract's order. Lanes beyond the end add +0, which changes none: a sum that starts
// at +0 never becomes -0.
template <class F, class Term>
typename F::Value total(std::size_t count, Term term) {
    constexpr std::size_t kVectors = kLanes / F::kWidth;
    typename F::Vector sums[kVectors];
    for (auto& sum : sums) sum = F::broadcast(0);
    std::size_t i = 0;
    for (; i + kLanes <= count; i += kLanes)
        for (std::size_t v = 0; v < kVectors; ++v)
            sums[v] =
                F::add(sums[v], term([](const auto* p) { return F::load(p); }, i + v * F::kWidth));
    for (std::size_t v = 0; i < count; ++v, i += F::kWidth) {
        const __m256i lanes = F::first_lanes(count - i);
        sums[v] = F::add(sums[v], term([=](const auto* p) { return F::load(p, lanes); }, i));
    }
    typename F::Value lanes[kLanes];
    for (std::size_t v = 0; v < kVectors; ++v) F::store(lanes + v * F::kWidth, sums[v]);
    for (std::size_t half = kLanes / 2; half > 0; half /= 2)
        for (std::size_t l = 0; l < half; ++l) lanes[l] += lanes[l + half];
    return lanes[0];
}

template <class F>
typename F::Value dot(const typename F::Value* a, const typename F::Value* b,
                      std::size_t count) noexcept {
    return total<F>(count, [=](auto load_at, std::size_t i) {
        return F::multiply(load_at(a + i), load_at(b + i));
    });
}
template <class F>
typename F::Value sum(const typename F::Value* a, std::size_t count) noexcept {
    return total<F>(count, [=](auto load_at, std::size_t i) { return load_at(a + i); });
}

// VMAX returns its second operand when both are zeros. The AND of both orders is right then (-0
// only of two -0) and changes nothing otherwise; NaNs are noted apart.
template <class F>
typename F::Value max(const typename F::Value* a, std::size_t count) noexcept {
    using Limits = std::numeric_limits<typename F::Value>;
    typename F::Vector largest = F::broadcast(-Limits::infinity());
    typename F::Vector nan = F::broadcast(0);
    const auto take = [&](typename F::Vector v) {
        nan = F::either(nan, F::is_nan(v));
        largest = F::both(F::max(largest, v), F::max(v, largest));
    };
    std::size_t i = 0;
    for (; i + F::kWidth <= count; i += F::kWidth) take(F::load(a + i));
    if (i < count) {
        const __m256i lanes = F::first_lanes(count - i);
        take(F::select(largest, F::load(a + i, lanes), lanes));
    }
    if (F::any(nan)) return Limits::quiet_NaN();
    typename F::Value lanes[F::kWidth];
    F::store(lanes, largest);
    typename F::Value result = lanes[0];
    for (const auto lane : lanes)
        if (lane > result || (lane == result && std::signbit(result))) result = lane;
    return result;
}

template <class F>
void scale(const typename F::Value* a, typename F::Value factor, typename F::Value* out,
           std::size_t count) noexcept {
    const typename F::Vector factors = F::broadcast(factor);
    std::size_t i = 0;
    for (; i + F::kWidth <= count; i += F::kWidth)
        F::store(out + i, F::multiply(F::load(a + i), factors));
    if (i < count) {
        const __m256i lanes = F::first_lanes(count - i);
        F::store(out + i, lanes, F::multiply(F::load(a + i, lanes), factors));
    }
}
