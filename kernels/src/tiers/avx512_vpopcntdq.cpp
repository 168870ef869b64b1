// VPOPCNTQ (latency 3, one per cycle on Intel's port 5) counts eight words in one operation.
//
// A counted product takes three operations of 512 bits on two ports: AND, VPOPCNTQ, VPADDQ. Nothing
// with carry-save adders is cheaper: a 3:2 step alone takes two. So the kernels here only keep
// operands near: tiles of 4 rows by 4 neurons load 8 registers for 16 products and hold their 16
// sums in registers, where 64-bit lanes cannot overflow. Signs cost two operations per neuron and
// group, shared by the rows of the tile; single rows read weights faster than L2 delivers them,
// whatever the kernel.
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Wpsabi"
#pragma GCC diagnostic ignored "-Wignored-attributes"

#include "../install.hpp"

#include <algorithm>
#include <array>
#include <immintrin.h>
#include <utility>

#pragma GCC push_options
#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl,avx512vpopcntdq,bmi2")

namespace bitaxon::kernels {
namespace {

using u64 = std::uint64_t;

// The accumulators of a count: more than the latency of the additions needs, enough that a
// group's loads are in flight together.
constexpr std::size_t kChains = 4;

struct Whole {
    __m512i load(const u64* p) const { return _mm512_loadu_si512(p); }
};
struct Part {
    __mmask8 lanes;
    __m512i load(const u64* p) const { return _mm512_maskz_loadu_epi64(lanes, p); }
};

template <class Word>
u64 count(std::size_t words, Word word) {
    const auto ones = [&](std::size_t i, auto group) {
        return _mm512_popcnt_epi64(word(i, group));
    };
    __m512i sum = _mm512_setzero_si512();
    std::size_t i = 0;
    if (words >= kChains * kGroupWords) {
        __m512i chains[kChains] = {sum, sum, sum, sum};
        for (; i + kChains * kGroupWords <= words; i += kChains * kGroupWords)
            for (std::size_t c = 0; c < kChains; ++c)
                chains[c] = _mm512_add_epi64(chains[c], ones(i + c * kGroupWords, Whole{}));
        sum = _mm512_add_epi64(_mm512_add_epi64(chains[0], chains[1]),
                               _mm512_add_epi64(chains[2], chains[3]));
    }
    for (; i + kGroupWords <= words; i += kGroupWords)
        sum = _mm512_add_epi64(sum, ones(i, Whole{}));
    if (i < words) {
        const Part part{static_cast<__mmask8>(_bzhi_u32(0xff, static_cast<unsigned>(words - i)))};
        sum = _mm512_add_epi64(sum, ones(i, part));
    }
    return static_cast<u64>(_mm512_reduce_add_epi64(sum));
}

u64 popcount(const u64* a, std::size_t words) noexcept {
    return count(words, [=](std::size_t i, auto group) { return group.load(a + i); });
}
u64 and_popcount(const u64* a, const u64* b, std::size_t words) noexcept {
    return count(words, [=](std::size_t i, auto group) {
        return _mm512_and_si512(group.load(a + i), group.load(b + i));
    });
}
u64 or_popcount(const u64* a, const u64* b, std::size_t words) noexcept {
    return count(words, [=](std::size_t i, auto group) {
        return _mm512_or_si512(group.load(a + i), group.load(b + i));
    });
}
u64 xor_popcount(const u64* a, const u64* b, std::size_t words) noexcept {
    return count(words, [=](std::size_t i, auto group) {
        return _mm512_xor_si512(group.load(a + i), group.load(b + i));
    });
}
u64 xnor_popcount(const u64* a, const u64* b, std::size_t length_bits) noexcept {
    return length_bits - xor_popcount(a, b, (length_bits + 63) / 64);
}

// How a row meets a weight. `signs` stands at the group: a byte for each neuron of the panel.
struct And {
    static constexpr bool kSigned = false;
    static __m512i sign(const std::uint8_t*, std::size_t) { return _mm512_setzero_si512(); }
    static __m512i combine(__m512i x, __m512i w, __m512i) { return _mm512_and_si512(x, w); }
};
struct Xor {
    static constexpr bool kSigned = false;
    static __m512i sign(const std::uint8_t*, std::size_t) { return _mm512_setzero_si512(); }
    static __m512i combine(__m512i x, __m512i w, __m512i) { return _mm512_xor_si512(x, w); }
};
struct Signed {
    static constexpr bool kSigned = true;
    static __m512i sign(const std::uint8_t* signs, std::size_t neuron) {
        return _mm512_movm_epi64(signs[neuron]);
    }
    static __m512i combine(__m512i x, __m512i w, __m512i s) {
        return _mm512_ternarylogic_epi64(x, w, s, 0x6a);
    }
};

constexpr std::size_t kTileRows = 4;

// Words of a block: 4 rows and a panel of 512 words (32 KiB) stay in L1. Few rows use a panel
// once, so only they themselves need to stay, and longer blocks save sums.
constexpr std::size_t block_words(std::size_t rows) { return rows > kTileRows ? 512 : 2048; }

// Part of a product: a block of some rows, and the same block of one panel.
struct Tile {
    const u64* rows;
    std::size_t row_stride;
    const u64* panel;
    const std::uint8_t* signs;
    std::size_t groups;
    std::int64_t* sums;
    std::size_t sums_stride;
};

// The sums of four registers, in one.
__m256i sums_of(__m512i a, __m512i b, __m512i c, __m512i d) {
    const __m512i ab = _mm512_add_epi64(_mm512_unpacklo_epi64(a, b), _mm512_unpackhi_epi64(a, b));
    const __m512i cd = _mm512_add_epi64(_mm512_unpacklo_epi64(c, d), _mm512_unpackhi_epi64(c, d));
    const __m256i ab2 =
        _mm256_add_epi64(_mm512_castsi512_si256(ab), _mm512_extracti64x4_epi64(ab, 1));
    const __m256i cd2 =
        _mm256_add_epi64(_mm512_castsi512_si256(cd), _mm512_extracti64x4_epi64(cd, 1));
    return _mm256_add_epi64(_mm256_permute2x128_si256(ab2, cd2, 0x20),
                            _mm256_permute2x128_si256(ab2, cd2, 0x31));
}

// step(0) ... step(Count - 1) without a loop: only so does GCC keep arrays of registers in
// registers.
template <std::size_t Count, class Step>
[[gnu::always_inline]] inline void unroll(Step step) {
    [&]<std::size_t... I>(std::index_sequence<I...>) { (step(I), ...); }
    (std::make_index_sequence<Count>{});
}

template <class Combine, std::size_t Rows, std::size_t Neurons>
void tile(const Tile& t) {
    __m512i sums[Rows][kPanelNeurons];
    unroll<Rows * kPanelNeurons>([&](std::size_t i) {
        sums[i / kPanelNeurons][i % kPanelNeurons] = _mm512_setzero_si512();
    });
    const u64* row = t.rows;
    const u64* panel = t.panel;
    const std::uint8_t* signs = t.signs;
    for (std::size_t g = 0; g < t.groups; ++g) {
        __m512i weights[Neurons];
        __m512i sign[Neurons];
        unroll<Neurons>([&](std::size_t n) {
            weights[n] = _mm512_load_si512(panel + n * kGroupWords);
            sign[n] = Combine::sign(signs, n);
        });
        unroll<Rows>([&](std::size_t r) {
            const __m512i x = _mm512_loadu_si512(row + r * t.row_stride);
            unroll<Neurons>([&](std::size_t n) {
                const __m512i bits = Combine::combine(x, weights[n], sign[n]);
                sums[r][n] = _mm512_add_epi64(sums[r][n], _mm512_popcnt_epi64(bits));
            });
        });
        row += kGroupWords;
        panel += kPanelNeurons * kGroupWords;
        signs += Combine::kSigned ? kPanelNeurons : 0;
    }
    constexpr auto live = static_cast<__mmask8>((1u << Neurons) - 1);
    unroll<Rows>([&](std::size_t r) {
        std::int64_t* out = t.sums + r * t.sums_stride;
        const __m256i sum = sums_of(sums[r][0], sums[r][1], sums[r][2], sums[r][3]);
        _mm256_mask_storeu_epi64(out, live,
                                 _mm256_add_epi64(sum, _mm256_maskz_loadu_epi64(live, out)));
    });
}

using TileKernel = void (*)(const Tile&);
template <class Combine>
constexpr std::array<std::array<TileKernel, kPanelNeurons>, kTileRows> kTiles = {{
    {tile<Combine, 1, 1>, tile<Combine, 1, 2>, tile<Combine, 1, 3>, tile<Combine, 1, 4>},
    {tile<Combine, 2, 1>, tile<Combine, 2, 2>, tile<Combine, 2, 3>, tile<Combine, 2, 4>},
    {tile<Combine, 3, 1>, tile<Combine, 3, 2>, tile<Combine, 3, 3>, tile<Combine, 3, 4>},
    {tile<Combine, 4, 1>, tile<Combine, 4, 2>, tile<Combine, 4, 3>, tile<Combine, 4, 4>},
}};

// Fetches into L2 the part of a panel that falls to rows r ... r + kTileRows - 1: the next panel
// arrives while the rows meet this one, where weights come from L3 or beyond.
void prefetch(const u64* panel, std::size_t groups, std::size_t r, std::size_t row_count) {
    const std::size_t lines = groups * kPanelNeurons;
    const std::size_t end = std::min(r + kTileRows, row_count) * lines / row_count;
    for (std::size_t line = r * lines / row_count; line < end; ++line)
        _mm_prefetch(reinterpret_cast<const char*>(panel + line * kGroupWords), _MM_HINT_T1);
}

template <class Combine>
void dense(const DenseProduct& p) noexcept {
    const std::size_t block = block_words(p.row_count);
    for (std::size_t k = 0; k < p.words; k += block) {
        const std::size_t groups = std::min(block, p.words - k) / kGroupWords;
        for (std::size_t n = 0; n < p.neuron_count; n += kPanelNeurons) {
            const std::size_t neurons = std::min(kPanelNeurons, p.neuron_count - n);
            const std::size_t index = n / kPanelNeurons;
            const u64* panel = p.panels + index * p.panel_stride + k * kPanelNeurons;
            const std::uint8_t* signs =
                Combine::kSigned ? p.signs + index * p.sign_stride + k / kGroupWords * kPanelNeurons
                                 : nullptr;
            const bool ahead = n + kPanelNeurons < p.neuron_count && p.row_count > kTileRows;
            for (std::size_t r = 0; r < p.row_count; r += kTileRows) {
                if (ahead) prefetch(panel + p.panel_stride, groups, r, p.row_count);
                const std::size_t rows = std::min(kTileRows, p.row_count - r);
                kTiles<Combine>[rows - 1][neurons - 1](
                    {p.rows + r * p.row_stride + k, p.row_stride, panel, signs, groups,
                     p.sums + r * p.sums_stride + n, p.sums_stride});
            }
        }
    }
}

}  // namespace

#pragma GCC pop_options

// Runs on every CPU, so it stands outside the target region.
void install_avx512_vpopcntdq(KernelTable& table) noexcept {
    table.popcount = popcount;
    table.and_popcount = and_popcount;
    table.or_popcount = or_popcount;
    table.xor_popcount = xor_popcount;
    table.xnor_popcount = xnor_popcount;
    table.dense_and = dense<And>;
    table.dense_xor = dense<Xor>;
    table.dense_signed = dense<Signed>;
}

}  // namespace bitaxon::kernels
