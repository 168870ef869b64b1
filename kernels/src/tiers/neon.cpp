// NEON (ASIMD), part of every 64-bit ARM: two words a vector.
//
// CNT counts bytes, so a product costs AND, CNT and ADD; carry-save adders (three operations with
// BSL) cost more than the CNT that they save. What standard C++ already becomes here is inherited:
// bitwise loops, float sums and scaling. So are the random words: a 64-bit multiplication from
// 32-bit vector pieces takes longer than the two scalar ones that it replaces.
#include "../install.hpp"

#include <bitaxon/kernels/random_word.hpp>

#include <algorithm>
#include <arm_neon.h>
#include <cstring>
#include <limits>

namespace bitaxon::kernels {
namespace {

using u64 = std::uint64_t;

constexpr std::size_t kWords = 2;     // in a vector
constexpr std::size_t kByteRun = 31;  // vectors whose byte counts, up to 8 each, fit in a byte
constexpr std::size_t kGroupVectors = kGroupWords / kWords;
constexpr std::size_t kGroupRun = kByteRun / kGroupVectors;

uint64x2_t add_bytes(uint64x2_t sums, uint8x16_t bytes) {
    return vpadalq_u32(sums, vpaddlq_u16(vpaddlq_u8(bytes)));
}
uint8x16_t add_counts(uint8x16_t bytes, uint64x2_t v) {
    return vaddq_u8(bytes, vcntq_u8(vreinterpretq_u8_u64(v)));
}

struct And {
    uint64x2_t operator()(uint64x2_t x, uint64x2_t y) const { return vandq_u64(x, y); }
};
struct Or {
    uint64x2_t operator()(uint64x2_t x, uint64x2_t y) const { return vorrq_u64(x, y); }
};
struct Xor {
    uint64x2_t operator()(uint64x2_t x, uint64x2_t y) const { return veorq_u64(x, y); }
};

// ---- Counting

// Four sums of bytes keep the loop off the latency of ADD. A last odd word stands alone in its
// vector: all three rules give zero for two zeros.
template <class Combine>
u64 count(const u64* a, const u64* b, std::size_t words, Combine combine) {
    constexpr std::size_t kSums = 4;
    constexpr std::size_t kStep = kSums * kWords;
    uint64x2_t total = vdupq_n_u64(0);
    std::size_t i = 0;
    while (i + kStep <= words) {
        const std::size_t end = std::min(words, i + kByteRun * kStep) / kStep * kStep;
        uint8x16_t bytes[kSums] = {};
        for (; i + kStep <= end; i += kStep)
            for (std::size_t s = 0; s < kSums; ++s)
                bytes[s] = add_counts(bytes[s], combine(vld1q_u64(a + i + s * kWords),
                                                        vld1q_u64(b + i + s * kWords)));
        for (const uint8x16_t sum : bytes) total = add_bytes(total, sum);
    }
    uint8x16_t rest = vdupq_n_u8(0);
    for (; i + kWords <= words; i += kWords)
        rest = add_counts(rest, combine(vld1q_u64(a + i), vld1q_u64(b + i)));
    if (i < words) {
        const uint64x1_t none = vdup_n_u64(0);
        rest = add_counts(rest, combine(vcombine_u64(vld1_u64(a + i), none),
                                        vcombine_u64(vld1_u64(b + i), none)));
    }
    return vaddvq_u64(add_bytes(total, rest));
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

// Ones or zeros for words 2 * v and 2 * v + 1 of a group whose sign byte is given.
uint64x2_t sign_mask(std::uint8_t signs, std::size_t v) {
    const uint64x2_t bit = {1, 2};
    return vtstq_u64(vdupq_n_u64(u64{signs} >> (v * kWords)), bit);
}

// kRows rows against the four neurons of a panel: eight sums in registers for two rows.
template <std::size_t kRows, bool kSigned, class Combine>
void dense_tile(const DenseProduct& p, std::size_t first_row, std::size_t neuron, Combine combine) {
    const u64* panel = p.panels + neuron / kPanelNeurons * p.panel_stride;
    const std::uint8_t* signs =
        kSigned ? p.signs + neuron / kPanelNeurons * p.sign_stride : nullptr;
    const u64* rows = p.rows + first_row * p.row_stride;
    const std::size_t groups = p.words / kGroupWords;
    uint64x2_t totals[kRows][kPanelNeurons] = {};
    for (std::size_t begin = 0; begin < groups; begin += kGroupRun) {
        const std::size_t end = std::min(groups, begin + kGroupRun);
        uint8x16_t bytes[kRows][kPanelNeurons] = {};
        for (std::size_t group = begin; group < end; ++group) {
            for (std::size_t v = 0; v < kGroupVectors; ++v) {
                uint64x2_t x[kRows];
                for (std::size_t r = 0; r < kRows; ++r)
                    x[r] = vld1q_u64(rows + r * p.row_stride + group * kGroupWords + v * kWords);
                for (std::size_t n = 0; n < kPanelNeurons; ++n) {
                    const std::size_t row_of_panel = group * kPanelNeurons + n;
                    const uint64x2_t w = vld1q_u64(panel + row_of_panel * kGroupWords + v * kWords);
                    for (std::size_t r = 0; r < kRows; ++r) {
                        uint64x2_t product = combine(x[r], w);
                        if constexpr (kSigned)
                            product = veorq_u64(product, sign_mask(signs[row_of_panel], v));
                        bytes[r][n] = add_counts(bytes[r][n], product);
                    }
                }
            }
        }
        for (std::size_t r = 0; r < kRows; ++r)
            for (std::size_t n = 0; n < kPanelNeurons; ++n)
                totals[r][n] = add_bytes(totals[r][n], bytes[r][n]);
    }
    const std::size_t neurons = std::min(kPanelNeurons, p.neuron_count - neuron);
    for (std::size_t r = 0; r < kRows; ++r)
        for (std::size_t n = 0; n < neurons; ++n)
            p.sums[(first_row + r) * p.sums_stride + neuron + n] +=
                static_cast<std::int64_t>(vaddvq_u64(totals[r][n]));
}

template <bool kSigned, class Combine>
void dense(const DenseProduct& p, Combine combine) {
    for (std::size_t n = 0; n < p.neuron_count; n += kPanelNeurons) {
        std::size_t r = 0;
        for (; r + 2 <= p.row_count; r += 2) dense_tile<2, kSigned>(p, r, n, combine);
        if (r < p.row_count) dense_tile<1, kSigned>(p, r, n, combine);
    }
}

void dense_and(const DenseProduct& product) noexcept { dense<false>(product, And{}); }
void dense_xor(const DenseProduct& product) noexcept { dense<false>(product, Xor{}); }
void dense_signed(const DenseProduct& product) noexcept { dense<true>(product, And{}); }

// ---- Bytes and bits

constexpr std::size_t kBytes = 16;  // in a vector

// Bit t % 8 in byte t.
uint8x16_t bit_weights() { return vreinterpretq_u8_u64(vdupq_n_u64(0x8040201008040201)); }

// Bit t is set where byte t of the four vectors is not zero: neighbours are added until eight bits
// stand in each byte.
template <class Bytes>
u64 pack_word(Bytes bytes) {
    uint8x16_t weights[4];
    for (std::size_t v = 0; v < 4; ++v) {
        const uint8x16_t b = bytes(v);
        weights[v] = vandq_u8(vtstq_u8(b, b), bit_weights());
    }
    const uint8x16_t pairs =
        vpaddq_u8(vpaddq_u8(weights[0], weights[1]), vpaddq_u8(weights[2], weights[3]));
    return vgetq_lane_u64(vreinterpretq_u64_u8(vpaddq_u8(pairs, pairs)), 0);
}

bool pack(const std::uint8_t* bytes, std::size_t length_bits, u64* out) noexcept {
    uint8x16_t seen = vdupq_n_u8(0);
    const auto word = [&](const std::uint8_t* p) {
        return pack_word([&](std::size_t v) {
            const uint8x16_t b = vld1q_u8(p + v * kBytes);
            seen = vorrq_u8(seen, b);
            return b;
        });
    };
    const std::size_t whole = length_bits / 64;
    const std::size_t rest = length_bits % 64;
    for (std::size_t i = 0; i < whole; ++i) out[i] = word(bytes + 64 * i);
    if (rest != 0) {
        std::uint8_t last[64] = {};
        std::memcpy(last, bytes + 64 * whole, rest);
        out[whole] = word(last);
    }
    return vmaxvq_u8(seen) <= 1;
}

void unpack_word(u64 word, std::uint8_t* out) {
    const uint8x8_t bytes = vcreate_u8(word);
    for (unsigned v = 0; v < 4; ++v) {
        const uint8x8_t place = vdup_n_u8(static_cast<std::uint8_t>(2 * v));
        const uint8x8_t next = vdup_n_u8(static_cast<std::uint8_t>(2 * v + 1));
        const uint8x16_t spread = vcombine_u8(vtbl1_u8(bytes, place), vtbl1_u8(bytes, next));
        vst1q_u8(out + v * kBytes, vandq_u8(vtstq_u8(spread, bit_weights()), vdupq_n_u8(1)));
    }
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

// Sixteen comparisons, narrowed to bytes.
uint8x16_t below(const std::uint32_t* sequence, uint32x4_t threshold) {
    uint16x4_t narrow[4];
    for (std::size_t i = 0; i < 4; ++i)
        narrow[i] = vmovn_u32(vcltq_u32(vld1q_u32(sequence + 4 * i), threshold));
    return vcombine_u8(vmovn_u16(vcombine_u16(narrow[0], narrow[1])),
                       vmovn_u16(vcombine_u16(narrow[2], narrow[3])));
}

u64 tail_mask(std::size_t length_bits) { return ~u64{0} >> ((64 - length_bits % 64) % 64); }

// A threshold of 2^32 does not fit in a lane.
void encode_threshold(const std::uint32_t* sequence, std::size_t length_bits, u64 threshold,
                      u64* out) noexcept {
    const std::size_t whole = length_bits / 64;
    const std::size_t rest = length_bits % 64;
    const u64 certain = threshold >> kPlanes ? ~u64{0} : 0;
    const uint32x4_t limit = vdupq_n_u32(static_cast<std::uint32_t>(threshold));
    const auto word = [=](const std::uint32_t* p) {
        return certain | pack_word([=](std::size_t v) { return below(p + v * kBytes, limit); });
    };
    for (std::size_t i = 0; i < whole; ++i) out[i] = word(sequence + 64 * i);
    if (rest != 0) {
        std::uint32_t last[64] = {};
        std::memcpy(last, sequence + 64 * whole, rest * sizeof last[0]);
        out[whole] = word(last) & tail_mask(length_bits);
    }
}

// ---- Floats

// FMAX has the contract's own rules: a NaN wins, -0 < +0. One element past the vectors goes alone.
float max_f32(const float* a, std::size_t count) noexcept {
    float32x4_t largest = vdupq_n_f32(-std::numeric_limits<float>::infinity());
    std::size_t i = 0;
    for (; i + 4 <= count; i += 4) largest = vmaxq_f32(largest, vld1q_f32(a + i));
    for (; i < count; ++i) largest = vmaxq_f32(largest, vdupq_n_f32(a[i]));
    return vmaxvq_f32(largest);
}
double max_f64(const double* a, std::size_t count) noexcept {
    float64x2_t largest = vdupq_n_f64(-std::numeric_limits<double>::infinity());
    std::size_t i = 0;
    for (; i + 2 <= count; i += 2) largest = vmaxq_f64(largest, vld1q_f64(a + i));
    for (; i < count; ++i) largest = vmaxq_f64(largest, vdupq_n_f64(a[i]));
    return vmaxvq_f64(largest);
}

}  // namespace

void install_neon(KernelTable& table) noexcept {
    table.popcount = popcount;
    table.and_popcount = and_popcount;
    table.or_popcount = or_popcount;
    table.xor_popcount = xor_popcount;
    table.xnor_popcount = xnor_popcount;
    table.pack = pack;
    table.unpack = unpack;
    table.encode_threshold = encode_threshold;
    table.dense_and = dense_and;
    table.dense_xor = dense_xor;
    table.dense_signed = dense_signed;
    table.max_f32 = max_f32;
    table.max_f64 = max_f64;
}

}  // namespace bitaxon::kernels
