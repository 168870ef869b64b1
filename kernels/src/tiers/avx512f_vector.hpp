// Elementwise bit operations and float reductions for tiers with AVX512F: install_avx512f_vector().
// Include once, at namespace scope, before any target region.
//
// All of these are bound by loads and stores from L2 on. In L1 the float sums wait for their own
// additions (4 cycles a step of 16): the contract fixes 16 lanes, so more accumulators are not
// allowed.
#pragma once

#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Wpsabi"
#pragma GCC diagnostic ignored "-Wignored-attributes"

#include <bitaxon/kernels/kernels.hpp>

#include <algorithm>
#include <bit>
#include <cstring>
#include <immintrin.h>
#include <limits>

#pragma GCC push_options
#pragma GCC target("avx512f,bmi2")

namespace bitaxon::kernels {
namespace {
namespace avx512f_vector {

using u64 = std::uint64_t;

// Eight words, or the first few of them: a tail takes the path of the whole groups, under a mask.
struct Whole {
    __m512i load(const u64* p) const { return _mm512_loadu_si512(p); }
    void store(u64* p, __m512i v) const { _mm512_storeu_si512(p, v); }
};
struct Part {
    __mmask8 lanes;
    __m512i load(const u64* p) const { return _mm512_maskz_loadu_epi64(lanes, p); }
    void store(u64* p, __m512i v) const { _mm512_mask_storeu_epi64(p, lanes, v); }
};

template <class Word>
void fill(u64* out, std::size_t words, Word word) {
    std::size_t i = 0;
    for (; i + kGroupWords <= words; i += kGroupWords) Whole{}.store(out + i, word(i, Whole{}));
    if (i < words) {
        const Part part{static_cast<__mmask8>(_bzhi_u32(0xff, static_cast<unsigned>(words - i)))};
        part.store(out + i, word(i, part));
    }
}

template <class Word>
void fill_bits(u64* out, std::size_t length_bits, Word word) {
    if (length_bits == 0) return;
    const std::size_t words = (length_bits + 63) / 64;
    fill(out, words, word);
    out[words - 1] &= ~u64{0} >> ((64 - length_bits % 64) % 64);
}

void bit_and(const u64* a, const u64* b, u64* out, std::size_t words) noexcept {
    fill(out, words, [=](std::size_t i, auto group) {
        return _mm512_and_si512(group.load(a + i), group.load(b + i));
    });
}
void bit_or(const u64* a, const u64* b, u64* out, std::size_t words) noexcept {
    fill(out, words, [=](std::size_t i, auto group) {
        return _mm512_or_si512(group.load(a + i), group.load(b + i));
    });
}
void bit_xor(const u64* a, const u64* b, u64* out, std::size_t words) noexcept {
    fill(out, words, [=](std::size_t i, auto group) {
        return _mm512_xor_si512(group.load(a + i), group.load(b + i));
    });
}
// In the ternary tables below bit 4a + 2b + c is the result for inputs a, b, c.
void bit_xnor(const u64* a, const u64* b, u64* out, std::size_t length_bits) noexcept {
    fill_bits(out, length_bits, [=](std::size_t i, auto group) {
        const __m512i x = group.load(a + i);
        return _mm512_ternarylogic_epi64(x, x, group.load(b + i), 0x99);
    });
}
void bit_not(const u64* a, u64* out, std::size_t length_bits) noexcept {
    fill_bits(out, length_bits, [=](std::size_t i, auto group) {
        const __m512i x = group.load(a + i);
        return _mm512_ternarylogic_epi64(x, x, x, 0x0f);
    });
}
void bit_mux(const u64* select, const u64* a, const u64* b, u64* out, std::size_t words) noexcept {
    fill(out, words, [=](std::size_t i, auto group) {
        return _mm512_ternarylogic_epi64(group.load(select + i), group.load(a + i),
                                         group.load(b + i), 0xac);
    });
}

// The contract's sixteen lanes: one register of floats, two of doubles.
constexpr std::size_t kLanes = 16;

__mmask16 lanes_below(std::size_t begin, std::size_t end) {
    const std::size_t lanes = end < begin ? 0 : std::min(end - begin, kLanes);
    return static_cast<__mmask16>(_bzhi_u32(0xffff, static_cast<unsigned>(lanes)));
}

// Lanes l and l + 2, then l and l + 1: the end of both folds.
double fold(__m256d v) {
    const __m128d half = _mm_add_pd(_mm256_castpd256_pd128(v), _mm256_extractf128_pd(v, 1));
    return _mm_cvtsd_f64(_mm_add_sd(half, _mm_unpackhi_pd(half, half)));
}
float fold(__m256 v) {
    const __m128 four = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}

// What differs between float and double. `Key` is an integer of the same order, with -0 < +0.
struct F32 {
    using Value = float;
    using Vector = __m512;
    using Key = std::int32_t;
    static constexpr std::size_t kRegisters = 1;
    static Vector zero() { return _mm512_setzero_ps(); }
    static Vector broadcast(float v) { return _mm512_set1_ps(v); }
    static Vector load(const float* p) { return _mm512_loadu_ps(p); }
    static Vector load(const float* p, __mmask16 lanes) { return _mm512_maskz_loadu_ps(lanes, p); }
    static void store(float* p, Vector v) { _mm512_storeu_ps(p, v); }
    static void store(float* p, Vector v, __mmask16 lanes) { _mm512_mask_storeu_ps(p, lanes, v); }
    static Vector multiply(Vector a, Vector b) { return _mm512_mul_ps(a, b); }
    static Vector add(Vector a, Vector b) { return _mm512_add_ps(a, b); }
    static Vector add(Vector a, Vector b, __mmask16 lanes) {
        return _mm512_mask_add_ps(a, lanes, a, b);
    }
    static float total(const Vector (&sums)[1]) {
        const __m256 high = _mm256_castpd_ps(_mm512_extractf64x4_pd(_mm512_castps_pd(sums[0]), 1));
        return fold(_mm256_add_ps(_mm512_castps512_ps256(sums[0]), high));
    }
    static __m512i broadcast_key(Key v) { return _mm512_set1_epi32(v); }
    static __m512i keys(Vector v) {
        const __m512i bits = _mm512_castps_si512(v);
        return _mm512_ternarylogic_epi32(bits, _mm512_srai_epi32(bits, 31),
                                         broadcast_key(std::numeric_limits<Key>::max()), 0x78);
    }
    static __m512i keys(__m512i other, Vector v, __mmask16 lanes) {
        return _mm512_mask_mov_epi32(other, lanes, keys(v));
    }
    static __m512i larger(__m512i a, __m512i b) { return _mm512_max_epi32(a, b); }
    static __m512i smaller(__m512i a, __m512i b) { return _mm512_min_epi32(a, b); }
    static Key largest(__m512i v) { return _mm512_reduce_max_epi32(v); }
    static Key smallest(__m512i v) { return _mm512_reduce_min_epi32(v); }
};
struct F64 {
    using Value = double;
    using Vector = __m512d;
    using Key = std::int64_t;
    static constexpr std::size_t kRegisters = 2;
    static __mmask8 low(__mmask16 lanes) { return static_cast<__mmask8>(lanes); }
    static Vector zero() { return _mm512_setzero_pd(); }
    static Vector broadcast(double v) { return _mm512_set1_pd(v); }
    static Vector load(const double* p) { return _mm512_loadu_pd(p); }
    static Vector load(const double* p, __mmask16 lanes) {
        return _mm512_maskz_loadu_pd(low(lanes), p);
    }
    static void store(double* p, Vector v) { _mm512_storeu_pd(p, v); }
    static void store(double* p, Vector v, __mmask16 lanes) {
        _mm512_mask_storeu_pd(p, low(lanes), v);
    }
    static Vector multiply(Vector a, Vector b) { return _mm512_mul_pd(a, b); }
    static Vector add(Vector a, Vector b) { return _mm512_add_pd(a, b); }
    static Vector add(Vector a, Vector b, __mmask16 lanes) {
        return _mm512_mask_add_pd(a, low(lanes), a, b);
    }
    static double total(const Vector (&sums)[2]) {
        const Vector sum = _mm512_add_pd(sums[0], sums[1]);
        return fold(_mm256_add_pd(_mm512_castpd512_pd256(sum), _mm512_extractf64x4_pd(sum, 1)));
    }
    static __m512i broadcast_key(Key v) { return _mm512_set1_epi64(v); }
    static __m512i keys(Vector v) {
        const __m512i bits = _mm512_castpd_si512(v);
        return _mm512_ternarylogic_epi64(bits, _mm512_srai_epi64(bits, 63),
                                         broadcast_key(std::numeric_limits<Key>::max()), 0x78);
    }
    static __m512i keys(__m512i other, Vector v, __mmask16 lanes) {
        return _mm512_mask_mov_epi64(other, low(lanes), keys(v));
    }
    static __m512i larger(__m512i a, __m512i b) { return _mm512_max_epi64(a, b); }
    static __m512i smaller(__m512i a, __m512i b) { return _mm512_min_epi64(a, b); }
    static Key largest(__m512i v) { return _mm512_reduce_max_epi64(v); }
    static Key smallest(__m512i v) { return _mm512_reduce_min_epi64(v); }
};

// A lane that the tail does not reach keeps its sum: adding zero would turn -0 into +0.
template <class F, class Term>
typename F::Value total(std::size_t count, Term term) {
    constexpr std::size_t width = kLanes / F::kRegisters;
    typename F::Vector sums[F::kRegisters];
    for (auto& sum : sums) sum = F::zero();
    std::size_t i = 0;
    for (; i + kLanes <= count; i += kLanes)
        for (std::size_t r = 0; r < F::kRegisters; ++r)
            sums[r] =
                F::add(sums[r], term([](const auto* p) { return F::load(p); }, i + r * width));
    for (std::size_t r = 0; r < F::kRegisters; ++r, i += width) {
        const __mmask16 lanes = lanes_below(i, count);
        sums[r] = F::add(sums[r], term([=](const auto* p) { return F::load(p, lanes); }, i), lanes);
    }
    return F::total(sums);
}

template <class F>
typename F::Value dot(const typename F::Value* a, const typename F::Value* b,
                      std::size_t count) noexcept {
    return total<F>(
        count, [=](auto load, std::size_t i) { return F::multiply(load(a + i), load(b + i)); });
}
template <class F>
typename F::Value sum(const typename F::Value* a, std::size_t count) noexcept {
    return total<F>(count, [=](auto load, std::size_t i) { return load(a + i); });
}

// Flipping all but the sign of negative numbers makes integers of the same order, -0 below +0; the
// same step leads back. NaNs end up beyond the infinities, on either side.
template <class Key>
constexpr Key ordered(Key bits) {
    return bits < 0 ? bits ^ std::numeric_limits<Key>::max() : bits;
}

template <class F>
typename F::Value max(const typename F::Value* a, std::size_t count) noexcept {
    using Value = typename F::Value;
    using Key = typename F::Key;
    constexpr Value infinity = std::numeric_limits<Value>::infinity();
    constexpr Key lowest = ordered(std::bit_cast<Key>(-infinity));
    constexpr Key highest = ordered(std::bit_cast<Key>(infinity));
    constexpr std::size_t width = kLanes / F::kRegisters;
    __m512i large = F::broadcast_key(lowest);
    __m512i small = large;
    std::size_t i = 0;
    for (; i + width <= count; i += width) {
        const __m512i keys = F::keys(F::load(a + i));
        large = F::larger(large, keys);
        small = F::smaller(small, keys);
    }
    const __mmask16 lanes = lanes_below(i, count);
    const __m512i keys = F::keys(large, F::load(a + i, lanes), lanes);
    large = F::larger(large, keys);
    small = F::smaller(small, keys);
    const Key largest = F::largest(large);
    if (largest > highest || F::smallest(small) < lowest)
        return std::numeric_limits<Value>::quiet_NaN();
    return std::bit_cast<Value>(ordered(largest));
}

template <class F>
void scale(const typename F::Value* a, typename F::Value factor, typename F::Value* out,
           std::size_t count) noexcept {
    constexpr std::size_t width = kLanes / F::kRegisters;
    const typename F::Vector factors = F::broadcast(factor);
    std::size_t i = 0;
    for (; i + width <= count; i += width) F::store(out + i, F::multiply(F::load(a + i), factors));
    const __mmask16 lanes = lanes_below(i, count);
    F::store(out + i, F::multiply(F::load(a + i, lanes), factors), lanes);
}

using Doubles [[gnu::vector_size(64)]] = double;
using Counts [[gnu::vector_size(64)]] = std::int64_t;
#include "scc.inl"

}  // namespace avx512f_vector

#pragma GCC pop_options

// Runs on every CPU, so it stands outside the target region.
void install_avx512f_vector(KernelTable& table) noexcept {
    using namespace avx512f_vector;
    table.bit_and = bit_and;
    table.bit_or = bit_or;
    table.bit_xor = bit_xor;
    table.bit_xnor = bit_xnor;
    table.bit_not = bit_not;
    table.bit_mux = bit_mux;
    table.dot_f32 = dot<F32>;
    table.dot_f64 = dot<F64>;
    table.sum_f32 = sum<F32>;
    table.sum_f64 = sum<F64>;
    table.max_f32 = max<F32>;
    table.max_f64 = max<F64>;
    table.scale_f32 = scale<F32>;
    table.scale_f64 = scale<F64>;
    table.scc = scc;
}

}  // namespace
}  // namespace bitaxon::kernels
