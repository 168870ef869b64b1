// Scalar POPCNT: one word a cycle on Intel (port 1), up to four on AMD.
//
// POPCNT waits for its destination on Intel up to Skylake, although it only writes it. GCC's
// generic tuning clears the destination first, which is free, so the intrinsic is safe; several
// sums keep the loops off the latency of their additions. Loses to AVX2 on long runs only.
#include "../install.hpp"

#include <algorithm>
#include <immintrin.h>

#pragma GCC push_options
#pragma GCC target("popcnt")

namespace bitaxon::kernels {
namespace {

using u64 = std::uint64_t;

u64 ones(u64 word) { return static_cast<u64>(_mm_popcnt_u64(word)); }

template <class Word>
u64 count(std::size_t words, Word word) {
    u64 even = 0;
    u64 odd = 0;
    std::size_t i = 0;
    for (; i + 4 <= words; i += 4) {
        even += ones(word(i)) + ones(word(i + 2));
        odd += ones(word(i + 1)) + ones(word(i + 3));
    }
    for (; i < words; ++i) even += ones(word(i));
    return even + odd;
}

u64 popcount(const u64* a, std::size_t words) noexcept {
    return count(words, [=](std::size_t i) { return a[i]; });
}
u64 and_popcount(const u64* a, const u64* b, std::size_t words) noexcept {
    return count(words, [=](std::size_t i) { return a[i] & b[i]; });
}
u64 or_popcount(const u64* a, const u64* b, std::size_t words) noexcept {
    return count(words, [=](std::size_t i) { return a[i] | b[i]; });
}
u64 xor_popcount(const u64* a, const u64* b, std::size_t words) noexcept {
    return count(words, [=](std::size_t i) { return a[i] ^ b[i]; });
}
u64 xnor_popcount(const u64* a, const u64* b, std::size_t length_bits) noexcept {
    return length_bits - xor_popcount(a, b, (length_bits + 63) / 64);
}

// One row against the four neurons of a panel: four independent sums, each row word loaded once.
template <class Combine>
void dense(const DenseProduct& p, Combine combine) {
    for (std::size_t n = 0; n < p.neuron_count; n += kPanelNeurons) {
        const u64* panel = p.panels + n / kPanelNeurons * p.panel_stride;
        const std::uint8_t* signs = p.signs ? p.signs + n / kPanelNeurons * p.sign_stride : nullptr;
        const std::size_t neurons = std::min(kPanelNeurons, p.neuron_count - n);
        for (std::size_t r = 0; r < p.row_count; ++r) {
            const u64* row = p.rows + r * p.row_stride;
            u64 sums[kPanelNeurons] = {};
            for (std::size_t k = 0; k < p.words; ++k) {
                const std::size_t group = k / kGroupWords * kPanelNeurons;
                for (std::size_t i = 0; i < kPanelNeurons; ++i) {
                    const u64 weight = panel[(group + i) * kGroupWords + k % kGroupWords];
                    const std::uint8_t* sign = signs ? signs + group + i : nullptr;
                    sums[i] += ones(combine(row[k], weight, sign, k % kGroupWords));
                }
            }
            std::int64_t* out = p.sums + r * p.sums_stride + n;
            for (std::size_t i = 0; i < neurons; ++i) out[i] += static_cast<std::int64_t>(sums[i]);
        }
    }
}

void dense_and(const DenseProduct& product) noexcept {
    dense(product, [](u64 x, u64 w, const std::uint8_t*, std::size_t) { return x & w; });
}
void dense_xor(const DenseProduct& product) noexcept {
    dense(product, [](u64 x, u64 w, const std::uint8_t*, std::size_t) { return x ^ w; });
}
void dense_signed(const DenseProduct& product) noexcept {
    dense(product, [](u64 x, u64 w, const std::uint8_t* sign, std::size_t lane) {
        return (x & w) ^ (u64{0} - ((u64{*sign} >> lane) & 1));
    });
}

}  // namespace

void install_popcnt(KernelTable& table) noexcept {
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

#pragma GCC pop_options
