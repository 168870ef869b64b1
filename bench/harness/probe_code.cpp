#include "harness/probe_code.hpp"

#include <bitaxon/kernels/tier.hpp>

#include <algorithm>
#include <bit>
#include <numeric>
#include <utility>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace bitaxon::bench {
namespace {

constexpr u64 kG = 0x9e3779b97f4a7c15;
constexpr u64 kC1 = 0xbf58476d1ce4e5b9;
constexpr u64 kC2 = 0x94d049bb133111eb;
constexpr u64 kKeyA = 0x0123456789abcdef;
constexpr u64 kKeyB = 0xfedcba9876543210;

// The hardware reads ahead to the end of a page, no further; some probes do that for it.
[[maybe_unused]] constexpr std::size_t kAheadBytes = 4096;

namespace scalar {

template <std::size_t Rows, std::size_t Columns>
u64 and_popcount(const u64* operands) noexcept {
    constexpr std::size_t kStride = (Rows + Columns) * kGroupWords;
    u64 sum = 0;
    for (std::size_t repeat = 0; repeat < kTileRepeats; ++repeat)
        for (const u64* group = operands; group + kStride <= operands + kTileWords;
             group += kStride)
            for (std::size_t r = 0; r < Rows; ++r)
                for (std::size_t i = 0; i < Columns * kGroupWords; ++i)
                    sum += static_cast<u64>(std::popcount(group[r * kGroupWords + i % kGroupWords] &
                                                          group[Rows * kGroupWords + i]));
    return sum;
}

u64 random_words() noexcept {
    u64 sum = 0;
    u64 counter = kKeyA;
    for (std::size_t i = 0; i < kRandomWords; ++i, counter += kG) {
        u64 x = counter;
        x = (x ^ x >> 30) * kC1;
        x = (x ^ x >> 27 ^ kKeyB) * kC2;
        sum += x ^ x >> 31;
    }
    return sum;
}

u64 read(const u64* words, std::size_t lines) noexcept {
    u64 sums[kLineWords] = {};
    for (const u64* end = words + lines * kLineWords; words != end; words += kLineWords)
        for (std::size_t i = 0; i < kLineWords; ++i) sums[i] += words[i];
    return std::accumulate(sums, sums + kLineWords, u64{0});
}

void move(const Traffic& t) noexcept {
    const u64* from = t.from;
    u64* to = t.to;
    for (std::size_t g = 0; g < t.groups; ++g) {
        u64 line[kLineWords] = {};
        for (std::size_t r = 0; r < t.reads; ++r, from += kLineWords)
            for (std::size_t i = 0; i < kLineWords; ++i) line[i] += from[i];
        for (std::size_t w = 0; w < t.writes; ++w, to += kLineWords)
            std::copy_n(line, kLineWords, to);
    }
}

void store(u64* to, std::size_t lines) noexcept { std::fill_n(to, lines * kLineWords, kKeyA); }

// Products and sums: a fused one would be a call of the C library where the CPU has none.
template <class T>
u64 multiply_add() noexcept {
    T chains[kFmaChains];
    std::iota(chains, chains + kFmaChains, T{0});
    for (std::size_t i = 0; i < kFmaRepeats; ++i)
        for (T& x : chains) x = x * T{0.5} + T{1};
    return static_cast<u64>(std::accumulate(chains, chains + kFmaChains, T{0}));
}

constexpr Tile kTiles[] = {{4, 4, and_popcount<4, 4>}};
constexpr u64 (*kReads[])(const u64*, std::size_t) noexcept = {read};
constexpr void (*kMoves[])(const Traffic&) noexcept = {move};
constexpr Fma kFma32{1, multiply_add<float>};
constexpr Fma kFma64{1, multiply_add<double>};
constexpr Code kCode{"scalar", kTiles, random_words, kReads, kMoves, store, kFma32, kFma64};

}  // namespace scalar

#if defined(__x86_64__)

// step(0) ... step(Count - 1) without a loop, so that arrays of registers stay in registers.
template <class Step, std::size_t... I>
[[gnu::always_inline]] inline void unroll(Step step, std::index_sequence<I...>) {
    (step(I), ...);
}
template <std::size_t Count, class Step>
[[gnu::always_inline]] inline void unroll(Step step) {
    unroll(step, std::make_index_sequence<Count>{});
}

void ahead(const u64* p) {
    _mm_prefetch(reinterpret_cast<const char*>(p) + kAheadBytes, _MM_HINT_T0);
}

#pragma GCC push_options
#pragma GCC target("popcnt")
namespace popcnt {

template <std::size_t Rows, std::size_t Columns>
u64 and_popcount(const u64* operands) noexcept {
    constexpr std::size_t kStride = (Rows + Columns) * kGroupWords;
    u64 sums[4] = {};
    for (std::size_t repeat = 0; repeat < kTileRepeats; ++repeat)
        for (const u64* group = operands; group + kStride <= operands + kTileWords;
             group += kStride)
            unroll<Rows * Columns * kGroupWords>([&](std::size_t i) {
                const u64 row = group[i / kGroupWords / Columns * kGroupWords + i % kGroupWords];
                const u64 column = group[Rows * kGroupWords + i % (Columns * kGroupWords)];
                sums[i % 4] += static_cast<u64>(__builtin_popcountll(row & column));
            });
    return sums[0] + sums[1] + sums[2] + sums[3];
}

constexpr Tile kTiles[] = {{4, 4, and_popcount<4, 4>}};
constexpr Code kCode{"popcnt",       kTiles,        scalar::random_words, scalar::kReads,
                     scalar::kMoves, scalar::store, scalar::kFma32,       scalar::kFma64};

}  // namespace popcnt

#pragma GCC pop_options
#pragma GCC push_options
#pragma GCC target("avx2,fma,popcnt")
namespace avx2 {

template <std::size_t Count>
u64 total(const __m256i (&sums)[Count]) {
    __m256i x = sums[0];
    for (std::size_t i = 1; i < Count; ++i) x = _mm256_add_epi64(x, sums[i]);
    const __m128i half = _mm_add_epi64(_mm256_castsi256_si128(x), _mm256_extracti128_si256(x, 1));
    return static_cast<u64>(_mm_cvtsi128_si64(half)) + static_cast<u64>(_mm_extract_epi64(half, 1));
}

__m256i load(const u64* p) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)); }
void store(u64* p, __m256i x) { _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), x); }
void stream(u64* p, __m256i x) { _mm256_stream_si256(reinterpret_cast<__m256i*>(p), x); }

// Counts of nibbles from a table; bytes take 31 of them before they are widened.
template <std::size_t Rows, std::size_t Columns>
u64 and_popcount(const u64* operands) noexcept {
    constexpr std::size_t kStride = (Rows + Columns) * kGroupWords;
    constexpr std::size_t kGroups = kTileWords / kStride;
    constexpr std::size_t kHalves = 2;  // of a group of 512 bits
    constexpr std::size_t kGroupsPerSum = 31 / kHalves;
    const __m256i table = _mm256_setr_epi8(0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4, 0, 1, 1,
                                           2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4);
    const __m256i low = _mm256_set1_epi8(15);
    const __m256i zero = _mm256_setzero_si256();
    __m256i sum = zero;
    for (std::size_t repeat = 0; repeat < kTileRepeats; ++repeat)
        for (std::size_t first = 0; first < kGroups; first += kGroupsPerSum) {
            __m256i bytes[Rows * Columns];
            unroll<Rows * Columns>([&](std::size_t i) { bytes[i] = zero; });
            for (std::size_t g = first; g < std::min(first + kGroupsPerSum, kGroups); ++g)
                for (std::size_t half = 0; half < kHalves; ++half) {
                    const u64* group = operands + g * kStride + half * kGroupWords / kHalves;
                    unroll<Rows * Columns>([&](std::size_t i) {
                        const __m256i both =
                            _mm256_and_si256(load(group + i / Columns * kGroupWords),
                                             load(group + (Rows + i % Columns) * kGroupWords));
                        const __m256i high = _mm256_and_si256(_mm256_srli_epi16(both, 4), low);
                        bytes[i] = _mm256_add_epi8(
                            bytes[i],
                            _mm256_add_epi8(_mm256_shuffle_epi8(table, _mm256_and_si256(both, low)),
                                            _mm256_shuffle_epi8(table, high)));
                    });
                }
            unroll<Rows * Columns>([&](std::size_t i) {
                sum = _mm256_add_epi64(sum, _mm256_sad_epu8(bytes[i], zero));
            });
        }
    return total({sum});
}

__m256i times(__m256i x, u64 constant) {
    const __m256i low = _mm256_set1_epi64x(static_cast<long long>(constant & 0xffffffff));
    const __m256i high = _mm256_set1_epi64x(static_cast<long long>(constant >> 32));
    const __m256i cross = _mm256_add_epi64(_mm256_mul_epu32(_mm256_srli_epi64(x, 32), low),
                                           _mm256_mul_epu32(x, high));
    return _mm256_add_epi64(_mm256_mul_epu32(x, low), _mm256_slli_epi64(cross, 32));
}

u64 random_words() noexcept {
    constexpr std::size_t kChains = 4;
    const __m256i step = _mm256_set1_epi64x(static_cast<long long>(kG * 4 * kChains));
    const __m256i b = _mm256_set1_epi64x(static_cast<long long>(kKeyB));
    __m256i counters[kChains], sums[kChains];
    unroll<kChains>([&](std::size_t c) {
        const auto lane = [&](u64 i) { return static_cast<long long>(kKeyA + (4 * c + i) * kG); };
        counters[c] = _mm256_setr_epi64x(lane(0), lane(1), lane(2), lane(3));
        sums[c] = _mm256_setzero_si256();
    });
    for (std::size_t i = 0; i < kRandomWords; i += 4 * kChains)
        unroll<kChains>([&](std::size_t c) {
            __m256i x = counters[c];
            counters[c] = _mm256_add_epi64(x, step);
            x = times(_mm256_xor_si256(x, _mm256_srli_epi64(x, 30)), kC1);
            x = times(_mm256_xor_si256(_mm256_xor_si256(x, _mm256_srli_epi64(x, 27)), b), kC2);
            sums[c] = _mm256_add_epi64(sums[c], _mm256_xor_si256(x, _mm256_srli_epi64(x, 31)));
        });
    return total(sums);
}

template <bool Ahead>
u64 read(const u64* words, std::size_t lines) noexcept {
    constexpr std::size_t kChains = 8;
    __m256i sums[kChains];
    unroll<kChains>([&](std::size_t c) { sums[c] = _mm256_setzero_si256(); });
    std::size_t i = 0;
    for (; i + kChains <= lines * 2; i += kChains)
        unroll<kChains>([&](std::size_t c) {
            const u64* part = words + (i + c) * 4;
            if (Ahead && c % 2 == 0) ahead(part);
            sums[c] = _mm256_add_epi64(sums[c], load(part));
        });
    return total(sums) + scalar::read(words + i * 4, lines - i / 2);
}

template <bool Streaming, bool Ahead>
void move(const Traffic& t) noexcept {
    const u64* from = t.from;
    u64* to = t.to;
    for (std::size_t g = 0; g < t.groups; ++g) {
        __m256i line[2];
        unroll<2>([&](std::size_t i) { line[i] = _mm256_setzero_si256(); });
        for (std::size_t r = 0; r < t.reads; ++r, from += kLineWords) {
            if (Ahead) ahead(from);
            unroll<2>(
                [&](std::size_t i) { line[i] = _mm256_add_epi64(line[i], load(from + i * 4)); });
        }
        for (std::size_t w = 0; w < t.writes; ++w, to += kLineWords)
            unroll<2>([&](std::size_t i) {
                Streaming ? stream(to + i * 4, line[i]) : store(to + i * 4, line[i]);
            });
    }
    _mm_sfence();
}

void stream_store(u64* to, std::size_t lines) noexcept {
    const __m256i value = _mm256_set1_epi64x(static_cast<long long>(kKeyA));
    for (const u64* end = to + lines * kLineWords; to != end; to += 4) stream(to, value);
    _mm_sfence();
}

u64 fma32() noexcept {
    const __m256 a = _mm256_set1_ps(0.5f);
    const __m256 b = _mm256_set1_ps(1);
    __m256 chains[kFmaChains];
    unroll<kFmaChains>([&](std::size_t c) { chains[c] = _mm256_set1_ps(static_cast<float>(c)); });
    for (std::size_t i = 0; i < kFmaRepeats; ++i)
        unroll<kFmaChains>([&](std::size_t c) { chains[c] = _mm256_fmadd_ps(chains[c], a, b); });
    unroll<kFmaChains - 1>(
        [&](std::size_t c) { chains[0] = _mm256_add_ps(chains[0], chains[c + 1]); });
    return static_cast<u64>(_mm256_cvtss_f32(chains[0]));
}

u64 fma64() noexcept {
    const __m256d a = _mm256_set1_pd(0.5);
    const __m256d b = _mm256_set1_pd(1);
    __m256d chains[kFmaChains];
    unroll<kFmaChains>([&](std::size_t c) { chains[c] = _mm256_set1_pd(static_cast<double>(c)); });
    for (std::size_t i = 0; i < kFmaRepeats; ++i)
        unroll<kFmaChains>([&](std::size_t c) { chains[c] = _mm256_fmadd_pd(chains[c], a, b); });
    unroll<kFmaChains - 1>(
        [&](std::size_t c) { chains[0] = _mm256_add_pd(chains[0], chains[c + 1]); });
    return static_cast<u64>(_mm256_cvtsd_f64(chains[0]));
}

constexpr u64 (*kReads[])(const u64*, std::size_t) noexcept = {read<false>, read<true>};
constexpr void (*kMoves[])(const Traffic&) noexcept = {move<false, false>, move<false, true>,
                                                       move<true, false>, move<true, true>};
constexpr Tile kTiles[] = {{2, 4, and_popcount<2, 4>}, {1, 4, and_popcount<1, 4>}};
constexpr Code kCode{"avx2", kTiles,       random_words, kReads,
                     kMoves, stream_store, {8, fma32},   {4, fma64}};

}  // namespace avx2

#pragma GCC pop_options
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC push_options
#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl,avx512vpopcntdq")
namespace avx512 {

__m512i load(const u64* p) { return _mm512_loadu_si512(p); }
void store(u64* p, __m512i x) { _mm512_storeu_si512(p, x); }
void stream(u64* p, __m512i x) { _mm512_stream_si512(reinterpret_cast<__m512i*>(p), x); }

template <std::size_t Count>
u64 total(const __m512i (&sums)[Count]) {
    __m512i sum = sums[0];
    for (std::size_t i = 1; i < Count; ++i) sum = _mm512_add_epi64(sum, sums[i]);
    return static_cast<u64>(_mm512_reduce_add_epi64(sum));
}

template <std::size_t Rows, std::size_t Columns, std::size_t Unrolled>
u64 and_popcount(const u64* operands) noexcept {
    constexpr std::size_t kStride = (Rows + Columns) * kGroupWords;
    constexpr std::size_t kGroups = kTileWords / kStride;
    static_assert(kGroups % Unrolled == 0);
    __m512i sums[Rows * Columns];
    unroll<Rows * Columns>([&](std::size_t i) { sums[i] = _mm512_setzero_si512(); });
    for (std::size_t repeat = 0; repeat < kTileRepeats; ++repeat)
        for (std::size_t g = 0; g < kGroups; g += Unrolled)
            unroll<Unrolled>([&](std::size_t u) {
                const u64* group = operands + (g + u) * kStride;
                __m512i columns[Columns];
                unroll<Columns>(
                    [&](std::size_t n) { columns[n] = load(group + (Rows + n) * kGroupWords); });
                unroll<Rows>([&](std::size_t r) {
                    const __m512i row = load(group + r * kGroupWords);
                    unroll<Columns>([&](std::size_t n) {
                        __m512i& sum = sums[r * Columns + n];
                        sum = _mm512_add_epi64(
                            sum, _mm512_popcnt_epi64(_mm512_and_si512(row, columns[n])));
                    });
                });
            });
    return total(sums);
}

u64 random_words() noexcept {
    constexpr std::size_t kChains = 8;
    const __m512i step = _mm512_set1_epi64(static_cast<long long>(kG * 8 * kChains));
    const __m512i b = _mm512_set1_epi64(static_cast<long long>(kKeyB));
    const __m512i c1 = _mm512_set1_epi64(static_cast<long long>(kC1));
    const __m512i c2 = _mm512_set1_epi64(static_cast<long long>(kC2));
    const __m512i lanes = _mm512_setr_epi64(0, 1, 2, 3, 4, 5, 6, 7);
    __m512i counters[kChains], sums[kChains];
    unroll<kChains>([&](std::size_t c) {
        const __m512i index =
            _mm512_add_epi64(lanes, _mm512_set1_epi64(static_cast<long long>(8 * c)));
        counters[c] = _mm512_add_epi64(
            _mm512_set1_epi64(static_cast<long long>(kKeyA)),
            _mm512_mullo_epi64(index, _mm512_set1_epi64(static_cast<long long>(kG))));
        sums[c] = _mm512_setzero_si512();
    });
    for (std::size_t i = 0; i < kRandomWords; i += 8 * kChains)
        unroll<kChains>([&](std::size_t c) {
            __m512i x = counters[c];
            counters[c] = _mm512_add_epi64(x, step);
            x = _mm512_mullo_epi64(_mm512_xor_si512(x, _mm512_srli_epi64(x, 30)), c1);
            x = _mm512_mullo_epi64(_mm512_ternarylogic_epi64(x, _mm512_srli_epi64(x, 27), b, 0x96),
                                   c2);
            sums[c] = _mm512_add_epi64(sums[c], _mm512_xor_si512(x, _mm512_srli_epi64(x, 31)));
        });
    return total(sums);
}

template <bool Ahead>
u64 read(const u64* words, std::size_t lines) noexcept {
    constexpr std::size_t kChains = 8;
    __m512i sums[kChains];
    unroll<kChains>([&](std::size_t c) { sums[c] = _mm512_setzero_si512(); });
    std::size_t i = 0;
    for (; i + kChains <= lines * 1; i += kChains)
        unroll<kChains>([&](std::size_t c) {
            const u64* part = words + (i + c) * 8;
            if (Ahead && c % 1 == 0) ahead(part);
            sums[c] = _mm512_add_epi64(sums[c], load(part));
        });
    return total(sums) + scalar::read(words + i * 8, lines - i / 1);
}

template <bool Streaming, bool Ahead>
void move(const Traffic& t) noexcept {
    const u64* from = t.from;
    u64* to = t.to;
    for (std::size_t g = 0; g < t.groups; ++g) {
        __m512i line[1];
        unroll<1>([&](std::size_t i) { line[i] = _mm512_setzero_si512(); });
        for (std::size_t r = 0; r < t.reads; ++r, from += kLineWords) {
            if (Ahead) ahead(from);
            unroll<1>(
                [&](std::size_t i) { line[i] = _mm512_add_epi64(line[i], load(from + i * 8)); });
        }
        for (std::size_t w = 0; w < t.writes; ++w, to += kLineWords)
            unroll<1>([&](std::size_t i) {
                Streaming ? stream(to + i * 8, line[i]) : store(to + i * 8, line[i]);
            });
    }
    _mm_sfence();
}

void stream_store(u64* to, std::size_t lines) noexcept {
    const __m512i value = _mm512_set1_epi64(static_cast<long long>(kKeyA));
    for (const u64* end = to + lines * kLineWords; to != end; to += 8) stream(to, value);
    _mm_sfence();
}

u64 fma32() noexcept {
    const __m512 a = _mm512_set1_ps(0.5f);
    const __m512 b = _mm512_set1_ps(1);
    __m512 chains[kFmaChains];
    unroll<kFmaChains>([&](std::size_t c) { chains[c] = _mm512_set1_ps(static_cast<float>(c)); });
    for (std::size_t i = 0; i < kFmaRepeats; ++i)
        unroll<kFmaChains>([&](std::size_t c) { chains[c] = _mm512_fmadd_ps(chains[c], a, b); });
    unroll<kFmaChains - 1>(
        [&](std::size_t c) { chains[0] = _mm512_add_ps(chains[0], chains[c + 1]); });
    return static_cast<u64>(_mm512_cvtss_f32(chains[0]));
}

u64 fma64() noexcept {
    const __m512d a = _mm512_set1_pd(0.5);
    const __m512d b = _mm512_set1_pd(1);
    __m512d chains[kFmaChains];
    unroll<kFmaChains>([&](std::size_t c) { chains[c] = _mm512_set1_pd(static_cast<double>(c)); });
    for (std::size_t i = 0; i < kFmaRepeats; ++i)
        unroll<kFmaChains>([&](std::size_t c) { chains[c] = _mm512_fmadd_pd(chains[c], a, b); });
    unroll<kFmaChains - 1>(
        [&](std::size_t c) { chains[0] = _mm512_add_pd(chains[0], chains[c + 1]); });
    return static_cast<u64>(_mm512_cvtsd_f64(chains[0]));
}

constexpr u64 (*kReads[])(const u64*, std::size_t) noexcept = {read<false>, read<true>};
constexpr void (*kMoves[])(const Traffic&) noexcept = {move<false, false>, move<false, true>,
                                                       move<true, false>, move<true, true>};
constexpr Tile kTiles[] = {
    {4, 4, and_popcount<4, 4, 1>}, {4, 4, and_popcount<4, 4, 2>}, {4, 6, and_popcount<4, 6, 1>}};
constexpr Code kCode{"avx512-vpopcntdq", kTiles,      random_words, kReads, kMoves,
                     stream_store,       {16, fma32}, {8, fma64}};

}  // namespace avx512

#pragma GCC pop_options
#pragma GCC diagnostic pop
#endif  // __x86_64__

}  // namespace

const Code& best_code() {
#if defined(__x86_64__)
    const auto has = [](kernels::Tier tier) { return kernels::info(tier).supported; };
    if (has(kernels::Tier::avx512_vpopcntdq)) return avx512::kCode;
    if (has(kernels::Tier::avx2)) return avx2::kCode;
    if (has(kernels::Tier::popcnt)) return popcnt::kCode;
#endif
    return scalar::kCode;
}

}  // namespace bitaxon::bench
