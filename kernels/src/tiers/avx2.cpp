// AVX2: 256-bit vectors, four words each.
//
// Counting is Harley and Seal's: carry-save adders (five operations) turn sixteen vectors into one
// of sixteens, and only that one is looked up nibble by nibble with VPSHUFB (W. Mula, N. Kurz, D.
// Lemire, "Faster population counts using AVX2 instructions", 2018): 6.2 operations a product,
// where counting every vector takes 9. Products of many rows with many neurons take half of that by
// the tables of avx2_lookup.inl.
#include "../install.hpp"

#include <bitaxon/kernels/random_word.hpp>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <immintrin.h>
#include <limits>

#pragma GCC push_options
#pragma GCC target("avx2,bmi2,popcnt,fma")

namespace bitaxon::kernels {
namespace {

using u64 = std::uint64_t;

constexpr std::size_t kWords = 4;  // in a vector

__m256i load(const u64* p) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)); }
void store(u64* p, __m256i v) { _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), v); }

__m256i load_bytes(const std::uint8_t* p) {
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
}

// The first `words` lanes, for VPMASKMOV: lanes beyond are neither read nor written.
__m256i first_lanes(std::size_t words) {
    return _mm256_cmpgt_epi64(_mm256_set1_epi64x(static_cast<long long>(words)),
                              _mm256_setr_epi64x(0, 1, 2, 3));
}
__m256i load(const u64* p, __m256i lanes) {
    return _mm256_maskload_epi64(reinterpret_cast<const long long*>(p), lanes);
}
void store(u64* p, __m256i lanes, __m256i v) {
    _mm256_maskstore_epi64(reinterpret_cast<long long*>(p), lanes, v);
}

struct And {
    u64 operator()(u64 x, u64 y) const { return x & y; }
    __m256i operator()(__m256i x, __m256i y) const { return _mm256_and_si256(x, y); }
};
struct Or {
    u64 operator()(u64 x, u64 y) const { return x | y; }
    __m256i operator()(__m256i x, __m256i y) const { return _mm256_or_si256(x, y); }
};
struct Xor {
    u64 operator()(u64 x, u64 y) const { return x ^ y; }
    __m256i operator()(__m256i x, __m256i y) const { return _mm256_xor_si256(x, y); }
};

// ---- Counting

// Ones of each byte.
__m256i byte_counts(__m256i v) {
    const __m256i nibble = _mm256_set1_epi8(0x0f);
    const __m256i table = _mm256_setr_epi8(0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4,  //
                                           0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4);
    const __m256i low = _mm256_and_si256(v, nibble);
    const __m256i high = _mm256_and_si256(_mm256_srli_epi16(v, 4), nibble);
    return _mm256_add_epi8(_mm256_shuffle_epi8(table, low), _mm256_shuffle_epi8(table, high));
}

__m256i sum_bytes(__m256i bytes) { return _mm256_sad_epu8(bytes, _mm256_setzero_si256()); }

u64 sum_words(__m256i v) {
    const __m128i pair = _mm_add_epi64(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
    return static_cast<u64>(_mm_cvtsi128_si64(pair)) + static_cast<u64>(_mm_extract_epi64(pair, 1));
}

constexpr std::size_t kBlock = 16;  // vectors that one round of carry-save adders takes

// A count in binary, one bit a vector; the sixteens that overflow are summed in words.
struct Counter {
    __m256i ones;
    __m256i twos;
    __m256i fours;
    __m256i eights;
    __m256i sixteens;
};

// digit + a + b, bit by bit: the sum stays in digit, the carry is returned.
__m256i carry_save(__m256i& digit, __m256i a, __m256i b) {
    const __m256i half = _mm256_xor_si256(a, b);
    const __m256i carry = _mm256_or_si256(_mm256_and_si256(a, b), _mm256_and_si256(half, digit));
    digit = _mm256_xor_si256(half, digit);
    return carry;
}

// Word i of the block, i = 0 ... 15.
template <class Word>
void add_block(Counter& c, Word word) {
    const auto two = [&](std::size_t i) { return carry_save(c.ones, word(i), word(i + 1)); };
    const auto four = [&](std::size_t i) {
        const __m256i low = two(i);
        return carry_save(c.twos, low, two(i + 2));
    };
    const auto eight = [&](std::size_t i) {
        const __m256i low = four(i);
        return carry_save(c.fours, low, four(i + 4));
    };
    const __m256i low = eight(0);
    const __m256i sixteens = carry_save(c.eights, low, eight(8));
    c.sixteens = _mm256_add_epi64(c.sixteens, sum_bytes(byte_counts(sixteens)));
}

// All that was counted. The digits' byte counts are at most 8 * 15, so they fit in a byte.
__m256i finish(const Counter& c) {
    __m256i bytes = byte_counts(c.eights);
    bytes = _mm256_add_epi8(_mm256_add_epi8(bytes, bytes), byte_counts(c.fours));
    bytes = _mm256_add_epi8(_mm256_add_epi8(bytes, bytes), byte_counts(c.twos));
    bytes = _mm256_add_epi8(_mm256_add_epi8(bytes, bytes), byte_counts(c.ones));
    return _mm256_add_epi64(_mm256_slli_epi64(c.sixteens, 4), sum_bytes(bytes));
}

template <class Combine>
u64 count_blocks(const u64* a, const u64* b, std::size_t blocks, Combine combine) {
    Counter counter{};
    for (; blocks != 0; --blocks, a += kBlock * kWords, b += kBlock * kWords)
        add_block(counter, [=](std::size_t v) {
            return combine(load(a + v * kWords), load(b + v * kWords));
        });
    return sum_words(finish(counter));
}

// Up to 63 words are left to POPCNT, which is faster there: one stream of 1024 bits is 16.
template <class Combine>
u64 count(const u64* a, const u64* b, std::size_t words, Combine combine) {
    const auto ones = [=](std::size_t i) {
        return static_cast<u64>(_mm_popcnt_u64(combine(a[i], b[i])));
    };
    const std::size_t blocks = words / (kBlock * kWords);
    u64 even = blocks != 0 ? count_blocks(a, b, blocks, combine) : 0;
    u64 odd = 0;
    std::size_t i = blocks * kBlock * kWords;
    for (; i + 2 <= words; i += 2) {
        even += ones(i);
        odd += ones(i + 1);
    }
    return i < words ? even + odd + ones(i) : even + odd;
}

u64 popcount(const u64* a, std::size_t words) noexcept { return count(a, a, words, And{}); }
u64 and_popcount(const u64* a, const u64* b, std::size_t words) noexcept {
    return count(a, b, words, And{});
}
u64 or_popcount(const u64* a, const u64* b, std::size_t words) noexcept {
    return count(a, b, words, Or{});
}
u64 xor_popcount(const u64* a, const u64* b, std::size_t words) noexcept {
    return count(a, b, words, Xor{});
}
u64 xnor_popcount(const u64* a, const u64* b, std::size_t length_bits) noexcept {
    return length_bits - xor_popcount(a, b, (length_bits + 63) / 64);
}

// ---- Dense products

constexpr std::size_t kBlockWords = kBlock * kWords;
constexpr std::size_t kBlockGroups = kBlockWords / kGroupWords;
constexpr std::size_t kTileRows = 4;

// Vector v of a panel's neuron, counted from the start of a block: two vectors a group.
std::size_t panel_offset(std::size_t v, std::size_t neuron) {
    return (v / 2 * kPanelNeurons + neuron) * kGroupWords + v % 2 * kWords;
}

// The signs of a block as vectors of zeros and ones, in the order of the panel's words: the rows of
// a tile share the work. The other products have none.
template <bool kSigned>
struct Signs {
    void unpack(const std::uint8_t*, std::size_t) {}
    __m256i apply(__m256i v, std::size_t) const { return v; }
};
template <>
struct Signs<true> {
    alignas(32) u64 masks[kBlockWords * kPanelNeurons];

    void unpack(const std::uint8_t* signs, std::size_t groups) {
        const __m256i low = _mm256_setr_epi64x(1, 2, 4, 8);
        const __m256i high = _mm256_slli_epi64(low, 4);
        for (std::size_t i = 0; i < groups * kPanelNeurons; ++i) {
            const __m256i byte = _mm256_set1_epi64x(signs[i]);
            store(masks + i * kGroupWords, _mm256_cmpeq_epi64(_mm256_and_si256(byte, low), low));
            store(masks + i * kGroupWords + kWords,
                  _mm256_cmpeq_epi64(_mm256_and_si256(byte, high), high));
        }
    }
    __m256i apply(__m256i v, std::size_t offset) const {
        return _mm256_xor_si256(v, load(masks + offset));
    }
};

// Block by block, so that the words of the panel and of the rows are in L1 when they come again.
template <bool kSigned, class Combine>
void dense_tile(const DenseProduct& p, std::size_t first_row, std::size_t rows, std::size_t neuron,
                Combine combine) {
    const std::size_t neurons = std::min(kPanelNeurons, p.neuron_count - neuron);
    const u64* panel = p.panels + neuron / kPanelNeurons * p.panel_stride;
    const std::uint8_t* sign = kSigned ? p.signs + neuron / kPanelNeurons * p.sign_stride : nullptr;
    const u64* row = p.rows + first_row * p.row_stride;
    Counter counters[kTileRows][kPanelNeurons] = {};
    __m256i rest[kTileRows][kPanelNeurons] = {};
    Signs<kSigned> signs;
    const auto each_pair = [&](auto count_pair) {
        for (std::size_t r = 0; r < rows; ++r) {
            for (std::size_t n = 0; n < neurons; ++n) {
                count_pair(r, n, [=, &signs](std::size_t v) {
                    const std::size_t offset = panel_offset(v, n);
                    const __m256i product =
                        combine(load(row + r * p.row_stride + v * kWords), load(panel + offset));
                    return signs.apply(product, offset);
                });
            }
        }
    };
    std::size_t groups = p.words / kGroupWords;
    const bool any_digits = groups >= kBlockGroups;
    for (; groups >= kBlockGroups; groups -= kBlockGroups) {
        signs.unpack(sign, kBlockGroups);
        each_pair(
            [&](std::size_t r, std::size_t n, auto word) { add_block(counters[r][n], word); });
        row += kBlockWords;
        panel += kBlockWords * kPanelNeurons;
        if (kSigned) sign += kBlockGroups * kPanelNeurons;
    }
    // Less than a block: at most 14 vectors, so their byte counts stay below 8 * 14.
    signs.unpack(sign, groups);
    each_pair([&](std::size_t r, std::size_t n, auto word) {
        __m256i bytes = _mm256_setzero_si256();
        for (std::size_t v = 0; v < 2 * groups; ++v)
            bytes = _mm256_add_epi8(bytes, byte_counts(word(v)));
        rest[r][n] = sum_bytes(bytes);
    });
    for (std::size_t r = 0; r < rows; ++r) {
        std::int64_t* sums = p.sums + (first_row + r) * p.sums_stride + neuron;
        for (std::size_t n = 0; n < neurons; ++n) {
            __m256i total = rest[r][n];
            if (any_digits) total = _mm256_add_epi64(total, finish(counters[r][n]));
            sums[n] += static_cast<std::int64_t>(sum_words(total));
        }
    }
}

#include "avx2_lookup.inl"

template <bool kSigned, class Combine>
void dense(const DenseProduct& p, Combine combine, const PairTables& tables) {
    for (std::size_t n = dense_by_lookup<kSigned>(p, tables); n < p.neuron_count;
         n += kPanelNeurons)
        for (std::size_t r = 0; r < p.row_count; r += kTileRows)
            dense_tile<kSigned>(p, r, std::min(kTileRows, p.row_count - r), n, combine);
}

void dense_and(const DenseProduct& product) noexcept { dense<false>(product, And{}, kAndTables); }
void dense_xor(const DenseProduct& product) noexcept { dense<false>(product, Xor{}, kXorTables); }
void dense_signed(const DenseProduct& product) noexcept { dense<true>(product, And{}, kAndTables); }

// ---- Elementwise

// A vector, or the first lanes of one: the tail takes the path of the whole vectors.
struct Whole {
    __m256i load(const u64* p) const { return kernels::load(p); }
    void store(u64* p, __m256i v) const { kernels::store(p, v); }
};
struct Part {
    __m256i lanes;
    __m256i load(const u64* p) const { return kernels::load(p, lanes); }
    void store(u64* p, __m256i v) const { kernels::store(p, lanes, v); }
};

template <class Word>
void fill(u64* out, std::size_t words, Word word) {
    std::size_t i = 0;
    for (; i + kWords <= words; i += kWords) Whole{}.store(out + i, word(i, Whole{}));
    if (i < words) {
        const Part part{first_lanes(words - i)};
        part.store(out + i, word(i, part));
    }
}

u64 tail_mask(std::size_t length_bits) { return ~u64{0} >> ((64 - length_bits % 64) % 64); }

template <class Word>
void fill_bits(u64* out, std::size_t length_bits, Word word) {
    if (length_bits == 0) return;
    const std::size_t words = (length_bits + 63) / 64;
    fill(out, words, word);
    out[words - 1] &= tail_mask(length_bits);
}

__m256i complement(__m256i v) { return _mm256_xor_si256(v, _mm256_set1_epi64x(-1)); }

void bit_and(const u64* a, const u64* b, u64* out, std::size_t words) noexcept {
    fill(out, words,
         [=](std::size_t i, auto at) { return _mm256_and_si256(at.load(a + i), at.load(b + i)); });
}
void bit_or(const u64* a, const u64* b, u64* out, std::size_t words) noexcept {
    fill(out, words,
         [=](std::size_t i, auto at) { return _mm256_or_si256(at.load(a + i), at.load(b + i)); });
}
void bit_xor(const u64* a, const u64* b, u64* out, std::size_t words) noexcept {
    fill(out, words,
         [=](std::size_t i, auto at) { return _mm256_xor_si256(at.load(a + i), at.load(b + i)); });
}
void bit_xnor(const u64* a, const u64* b, u64* out, std::size_t length_bits) noexcept {
    fill_bits(out, length_bits, [=](std::size_t i, auto at) {
        return complement(_mm256_xor_si256(at.load(a + i), at.load(b + i)));
    });
}
void bit_not(const u64* a, u64* out, std::size_t length_bits) noexcept {
    fill_bits(out, length_bits, [=](std::size_t i, auto at) { return complement(at.load(a + i)); });
}
void bit_mux(const u64* select, const u64* a, const u64* b, u64* out, std::size_t words) noexcept {
    fill(out, words, [=](std::size_t i, auto at) {
        const __m256i zero = at.load(a + i);
        const __m256i differ = _mm256_xor_si256(zero, at.load(b + i));
        return _mm256_xor_si256(zero, _mm256_and_si256(at.load(select + i), differ));
    });
}

// PDEP does a word. Nothing waits for anything but the sum of the ones so far.
void bit_deposit(const u64* places, const u64* a, u64* out, std::size_t words) noexcept {
    std::size_t next = 0;  // bit of a
    for (std::size_t i = 0; i < words; ++i) {
        const u64 mask = places[i];
        const std::size_t at = next / 64;
        // Bits past the end of a are not asked for: at most as many were taken as have gone by.
        const u64 low = a[at] >> (next % 64);
        const u64 high = a[std::min(at + 1, words - 1)] << 1 << (63 - next % 64);
        out[i] = _pdep_u64(low | high, mask);
        next += static_cast<std::size_t>(_mm_popcnt_u64(mask));
    }
}

// ---- Bytes and bits

u64 pack_half(__m256i bytes) {
    const __m256i zeros = _mm256_cmpeq_epi8(bytes, _mm256_setzero_si256());
    return static_cast<std::uint32_t>(~_mm256_movemask_epi8(zeros));
}
// Adds the bits of the bytes to those that have been seen.
u64 pack_word(const std::uint8_t* bytes, __m256i& seen) {
    const __m256i low = load_bytes(bytes);
    const __m256i high = load_bytes(bytes + 32);
    seen = _mm256_or_si256(seen, _mm256_or_si256(low, high));
    return pack_half(low) | pack_half(high) << 32;
}

bool pack(const std::uint8_t* bytes, std::size_t length_bits, u64* out) noexcept {
    const std::size_t whole = length_bits / 64;
    const std::size_t rest = length_bits % 64;
    __m256i seen = _mm256_setzero_si256();
    // Four words at once, 1 KiB ahead of which lines are called for: from the third cache 1.4 times
    // as fast.
    std::size_t i = 0;
    for (; i + 4 <= whole; i += 4)
        for (std::size_t j = i; j < i + 4; ++j) {
            _mm_prefetch(reinterpret_cast<const char*>(bytes + 64 * j + 1024), _MM_HINT_T0);
            out[j] = pack_word(bytes + 64 * j, seen);
        }
    for (; i < whole; ++i) out[i] = pack_word(bytes + 64 * i, seen);
    if (rest != 0) {
        std::uint8_t last[64] = {};
        std::memcpy(last, bytes + 64 * whole, rest);
        out[whole] = pack_word(last, seen);
    }
    return _mm256_testz_si256(seen, _mm256_set1_epi8(~1)) != 0;
}

// Byte t of a half takes byte t / 8 of its four; then bit t % 8 is what remains of it.
void unpack_half(u64 bits, std::uint8_t* out) {
    const __m256i byte =
        _mm256_setr_epi64x(0, 0x0101010101010101, 0x0202020202020202, 0x0303030303030303);
    const __m256i bit = _mm256_set1_epi64x(static_cast<long long>(0x8040201008040201));
    const __m256i spread = _mm256_shuffle_epi8(_mm256_set1_epi32(static_cast<int>(bits)), byte);
    const __m256i ones = _mm256_min_epu8(_mm256_and_si256(spread, bit), _mm256_set1_epi8(1));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out), ones);
}
void unpack_word(u64 word, std::uint8_t* out) {
    unpack_half(word & 0xffffffff, out);
    unpack_half(word >> 32, out + 32);
}

void unpack(const u64* words, std::size_t length_bits, std::uint8_t* out) noexcept {
    const std::size_t whole = length_bits / 64;
    const std::size_t rest = length_bits % 64;
    for (std::size_t i = 0; i < whole; ++i) unpack_word(words[i], out + 64 * i);
    if (rest != 0) {
        std::uint8_t last[64];
        unpack_word(words[whole], last);
        std::memcpy(out + 64 * whole, last, rest);
    }
}

// AVX2 compares signed integers only: both sides move down by 2^31. Narrowing keeps the halves of a
// register apart, hence the permutation.
u64 below_half(const std::uint32_t* sequence, __m256i threshold) {
    const __m256i sign = _mm256_set1_epi32(std::numeric_limits<int>::min());
    __m256i below[4];
    for (std::size_t i = 0; i < 4; ++i) {
        const auto* p = reinterpret_cast<const __m256i*>(sequence + 8 * i);
        below[i] = _mm256_cmpgt_epi32(threshold, _mm256_xor_si256(_mm256_loadu_si256(p), sign));
    }
    const __m256i bytes = _mm256_packs_epi16(_mm256_packs_epi32(below[0], below[1]),
                                             _mm256_packs_epi32(below[2], below[3]));
    const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
    return static_cast<std::uint32_t>(
        _mm256_movemask_epi8(_mm256_permutevar8x32_epi32(bytes, order)));
}

void encode_threshold(const std::uint32_t* sequence, std::size_t length_bits, u64 threshold,
                      u64* out) noexcept {
    const std::size_t whole = length_bits / 64;
    const std::size_t rest = length_bits % 64;
    if (threshold >> kPlanes) {
        std::fill_n(out, whole, ~u64{0});
        if (rest != 0) out[whole] = tail_mask(length_bits);
        return;
    }
    const __m256i shifted = _mm256_set1_epi32(static_cast<int>(threshold ^ 0x80000000));
    const auto word = [=](const std::uint32_t* p) {
        return below_half(p, shifted) | below_half(p + 32, shifted) << 32;
    };
    for (std::size_t i = 0; i < whole; ++i) out[i] = word(sequence + 64 * i);
    if (rest != 0) {
        std::uint32_t last[64] = {};
        std::memcpy(last, sequence + 64 * whole, rest * sizeof last[0]);
        out[whole] = word(last) & tail_mask(length_bits);
    }
}

#include "avx2_encode.inl"
#include "avx2_floats.inl"
#include "avx2_transpose.inl"

using Doubles [[gnu::vector_size(32)]] = double;
using Counts [[gnu::vector_size(32)]] = std::int64_t;
#include "scc.inl"

}  // namespace
}  // namespace bitaxon::kernels

#pragma GCC pop_options

namespace bitaxon::kernels {

void install_avx2(KernelTable& table) noexcept {
    table.popcount = popcount;
    table.and_popcount = and_popcount;
    table.or_popcount = or_popcount;
    table.xor_popcount = xor_popcount;
    table.xnor_popcount = xnor_popcount;
    table.bit_and = bit_and;
    table.bit_or = bit_or;
    table.bit_xor = bit_xor;
    table.bit_xnor = bit_xnor;
    table.bit_not = bit_not;
    table.bit_mux = bit_mux;
    table.bit_transpose = bit_transpose;
    if (deposits_fast()) table.bit_deposit = bit_deposit;
    table.pack = pack;
    table.unpack = unpack;
    table.stream_keys = stream_keys;
    table.encode_bernoulli = encode_bernoulli;
    table.encode_threshold = encode_threshold;
    table.dense_and = dense_and;
    table.dense_xor = dense_xor;
    table.dense_signed = dense_signed;
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

}  // namespace bitaxon::kernels
