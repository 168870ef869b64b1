// Standard C++ only: the root of every other tier. Loops are written so that compilers vectorise
// them with whatever the baseline has (`omp simd`, no target flags).
#include "../install.hpp"

#include <bitaxon/kernels/random_word.hpp>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

namespace bitaxon::kernels {
namespace {

using u64 = std::uint64_t;

constexpr u64 kOnes = ~u64{0};

std::size_t words_for(std::size_t length_bits) { return (length_bits + 63) / 64; }
u64 tail_mask(std::size_t length_bits) { return kOnes >> ((64 - length_bits % 64) % 64); }

// Ones of each byte of v, by adding neighbours in parallel (Wilkes, Wheeler and Gill, 1957).
u64 byte_counts(u64 v) {
    v -= (v >> 1) & 0x5555555555555555;
    v = (v & 0x3333333333333333) + ((v >> 2) & 0x3333333333333333);
    return (v + (v >> 4)) & 0x0f0f0f0f0f0f0f0f;
}

// Sum of the eight bytes of v, which may exceed 255.
u64 sum_bytes(u64 v) {
    v = (v & 0x00ff00ff00ff00ff) + ((v >> 8) & 0x00ff00ff00ff00ff);
    return (v * 0x0001000100010001) >> 48;
}

// Bytes hold up to 8 a word, so 31 words fit before they must be spread.
constexpr std::size_t kByteRun = 31;

template <class Word>
u64 count(std::size_t words, Word word) {
    u64 total = 0;
    for (std::size_t begin = 0; begin < words; begin += kByteRun) {
        const std::size_t end = std::min(words, begin + kByteRun);
        u64 bytes = 0;
#pragma omp simd reduction(+ : bytes)
        for (std::size_t i = begin; i < end; ++i) bytes += byte_counts(word(i));
        total += sum_bytes(bytes);
    }
    return total;
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

// Equal bits are what XOR leaves.
u64 xnor_popcount(const u64* a, const u64* b, std::size_t length_bits) noexcept {
    return length_bits - xor_popcount(a, b, words_for(length_bits));
}

template <class Word>
void fill(u64* out, std::size_t words, Word word) {
#pragma omp simd
    for (std::size_t i = 0; i < words; ++i) out[i] = word(i);
}

template <class Word>
void fill_bits(u64* out, std::size_t length_bits, Word word) {
    if (length_bits == 0) return;
    fill(out, words_for(length_bits), word);
    out[words_for(length_bits) - 1] &= tail_mask(length_bits);
}

void bit_and(const u64* a, const u64* b, u64* out, std::size_t words) noexcept {
    fill(out, words, [=](std::size_t i) { return a[i] & b[i]; });
}
void bit_or(const u64* a, const u64* b, u64* out, std::size_t words) noexcept {
    fill(out, words, [=](std::size_t i) { return a[i] | b[i]; });
}
void bit_xor(const u64* a, const u64* b, u64* out, std::size_t words) noexcept {
    fill(out, words, [=](std::size_t i) { return a[i] ^ b[i]; });
}
void bit_xnor(const u64* a, const u64* b, u64* out, std::size_t length_bits) noexcept {
    fill_bits(out, length_bits, [=](std::size_t i) { return ~(a[i] ^ b[i]); });
}
void bit_not(const u64* a, u64* out, std::size_t length_bits) noexcept {
    fill_bits(out, length_bits, [=](std::size_t i) { return ~a[i]; });
}
void bit_mux(const u64* select, const u64* a, const u64* b, u64* out, std::size_t words) noexcept {
    fill(out, words, [=](std::size_t i) { return a[i] ^ (select[i] & (a[i] ^ b[i])); });
}

// Swaps ever smaller squares across the diagonal: 32 x 32 bits, 16 x 16, ... 1 x 1.
void bit_transpose(const u64* in, std::ptrdiff_t in_stride, std::size_t rows, u64* out,
                   std::ptrdiff_t out_stride, std::size_t columns) noexcept {
    u64 block[64] = {};
    for (std::size_t i = 0; i < rows; ++i)
        block[i] = in[static_cast<std::ptrdiff_t>(i) * in_stride];
    u64 mask = 0x00000000ffffffff;
    for (std::size_t side = 32; side != 0; side /= 2, mask ^= mask << side) {
        for (std::size_t first = 0; first < 64; first += 2 * side) {
            for (std::size_t i = first; i < first + side; ++i) {
                const u64 swapped = ((block[i] >> side) ^ block[i + side]) & mask;
                block[i] ^= swapped << side;
                block[i + side] ^= swapped;
            }
        }
    }
    for (std::size_t j = 0; j < columns; ++j)
        out[static_cast<std::ptrdiff_t>(j) * out_stride] = block[j];
}

// Bits 0 ... ones of a mask - 1 of a nibble at the ones of a mask.
struct NibbleDeposits {
    std::uint8_t ones[16];
    std::uint8_t placed[16][16];  // by mask and nibble

    constexpr NibbleDeposits() : ones{}, placed{} {
        for (unsigned mask = 0; mask < 16; ++mask)
            for (unsigned place = 0; place < 4; ++place) {
                if ((mask >> place & 1) == 0) continue;
                for (unsigned nibble = 0; nibble < 16; ++nibble)
                    placed[mask][nibble] |=
                        static_cast<std::uint8_t>((nibble >> ones[mask] & 1) << place);
                ++ones[mask];
            }
    }
};
constexpr NibbleDeposits kDeposits;

// Nibble by nibble: their tables stay in L1, while those of bytes would fill twice as much.
void bit_deposit(const u64* places, const u64* a, u64* out, std::size_t words) noexcept {
    std::size_t next = 0;  // bit of a
    for (std::size_t i = 0; i < words; ++i) {
        const u64 mask = places[i];
        const std::size_t at = next / 64;
        // Bits past the end of a are not asked for: at most as many were taken as have gone by.
        u64 bits = a[at] >> (next % 64);
        bits |= a[std::min(at + 1, words - 1)] << 1 << (63 - next % 64);
        u64 placed = 0;
        for (unsigned shift = 0; shift < 64; shift += 4) {
            const u64 nibble = mask >> shift & 15;
            placed |= u64{kDeposits.placed[nibble][bits & 15]} << shift;
            bits >>= kDeposits.ones[nibble];
            next += kDeposits.ones[nibble];
        }
        out[i] = placed;
    }
}

// Eight bytes to eight bits. Adding 127 carries into bit 7 of each byte that is not zero, without
// leaving it; the product moves bit 8 i to bit 56 + i, and no two of its terms meet.
u64 pack_byte(u64 bytes) {
    constexpr u64 kLow = 0x7f7f7f7f7f7f7f7f;
    const u64 ones = ((((bytes & kLow) + kLow) | bytes) & ~kLow) >> 7;
    return ones * 0x0102040810204080 >> 56;
}

bool pack(const std::uint8_t* bytes, std::size_t length_bits, u64* out) noexcept {
    u64 seen = 0;
    const auto word = [&](const std::uint8_t* p) {
        u64 eights[8];
        std::memcpy(eights, p, 64);
        u64 result = 0;
        for (unsigned k = 0; k < 8; ++k) {
            seen |= eights[k];
            result |= pack_byte(eights[k]) << 8 * k;
        }
        return result;
    };
    const std::size_t whole = length_bits / 64;
    for (std::size_t i = 0; i < whole; ++i) out[i] = word(bytes + 64 * i);
    if (length_bits % 64 != 0) {
        std::uint8_t last[64] = {};
        std::memcpy(last, bytes + 64 * whole, length_bits % 64);
        out[whole] = word(last);
    }
    return (seen & ~u64{0x0101010101010101}) == 0;
}

void unpack(const u64* words, std::size_t length_bits, std::uint8_t* out) noexcept {
    for (std::size_t t = 0; t < length_bits; ++t)
        out[t] = static_cast<std::uint8_t>((words[t / 64] >> (t % 64)) & 1);
}

void stream_keys(u64 base, u64 first_index, std::size_t streams, u64* a, u64* b) noexcept {
    for (std::size_t i = 0; i < streams; ++i) {
        const u64 counter = 2 * (first_index + i);
        a[i] = mix(base + (counter + 1) * kGolden);
        b[i] = mix(base + (counter + 2) * kGolden);
    }
}

// Bit by bit of the threshold, most significant first: a lane is decided at the first plane where
// its random bit and the threshold's differ, and is one if the threshold's bit is the larger.
u64 bernoulli_word(u64 a, u64 b, u64 word, u64 threshold) {
    if (threshold >> kPlanes) return kOnes;
    u64 undecided = kOnes;
    u64 ones = 0;
    for (unsigned plane = 0; plane < kPlanes && undecided != 0; ++plane) {
        const u64 rest = threshold << (kPlanes + plane);
        if (rest == 0) break;  // no number is below an equal one
        const u64 random = random_word(a, b, word, plane);
        if (rest >> 63) {
            ones |= undecided & ~random;
            undecided &= random;
        } else {
            undecided &= ~random;
        }
    }
    return ones;
}

void encode_bernoulli(const BernoulliBlock& block) noexcept {
    std::size_t stream = block.first_word / block.words_per_stream;
    std::size_t word = block.first_word % block.words_per_stream;
    for (std::size_t i = 0; i < block.words; ++i) {
        const bool last = word + 1 == block.words_per_stream;
        const u64 bits = bernoulli_word(block.key_a[stream], block.key_b[stream],
                                        block.first_time_word + word, block.thresholds[stream]);
        block.out[i] = last ? bits & block.tail_mask : bits;
        word = last ? 0 : word + 1;
        stream += last;
    }
}

void encode_threshold(const std::uint32_t* sequence, std::size_t length_bits, u64 threshold,
                      u64* out) noexcept {
    for (std::size_t begin = 0; begin < length_bits; begin += 64) {
        const std::size_t bits = std::min<std::size_t>(64, length_bits - begin);
        u64 word = 0;
        for (std::size_t t = 0; t < bits; ++t) word |= u64{sequence[begin + t] < threshold} << t;
        out[begin / 64] = word;
    }
}

// The lanes of a group are kept apart until the run ends, so that the loop over them vectorises.
template <class Bits>
u64 count_groups(std::size_t words, Bits bits) {
    u64 total = 0;
    for (std::size_t begin = 0; begin < words; begin += kByteRun * kGroupWords) {
        const std::size_t end = std::min(words, begin + kByteRun * kGroupWords);
        u64 bytes[kGroupWords] = {};
        for (std::size_t k = begin; k < end; k += kGroupWords) {
#pragma omp simd
            for (std::size_t lane = 0; lane < kGroupWords; ++lane)
                bytes[lane] += byte_counts(bits(k / kGroupWords, lane));
        }
        for (const u64 lane : bytes) total += sum_bytes(lane);
    }
    return total;
}

template <class Combine>
void dense(const DenseProduct& p, Combine combine) {
    for (std::size_t n = 0; n < p.neuron_count; ++n) {
        const u64* panel =
            p.panels + n / kPanelNeurons * p.panel_stride + n % kPanelNeurons * kGroupWords;
        const std::uint8_t* signs =
            p.signs ? p.signs + n / kPanelNeurons * p.sign_stride + n % kPanelNeurons : nullptr;
        for (std::size_t r = 0; r < p.row_count; ++r) {
            const u64* row = p.rows + r * p.row_stride;
            p.sums[r * p.sums_stride + n] += static_cast<std::int64_t>(
                count_groups(p.words, [=](std::size_t group, std::size_t lane) {
                    return combine(row[group * kGroupWords + lane],
                                   panel[group * kPanelNeurons * kGroupWords + lane],
                                   signs ? signs + group * kPanelNeurons : nullptr, lane);
                }));
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
    dense(product, [](u64 x, u64 w, const std::uint8_t* signs, std::size_t lane) {
        return (x & w) ^ (u64{0} - ((u64{*signs} >> lane) & 1));
    });
}

constexpr std::size_t kLanes = 16;

// Sixteen running results, folded in halves: the order that every tier keeps.
template <class T, class Step, class Fold>
T reduce(std::size_t count, T start, Step step, Fold fold) {
    T lanes[kLanes];
    std::fill_n(lanes, kLanes, start);
    std::size_t i = 0;
    for (; i + kLanes <= count; i += kLanes) {
#pragma omp simd
        for (std::size_t lane = 0; lane < kLanes; ++lane) lanes[lane] = step(lanes[lane], i + lane);
    }
    for (std::size_t lane = 0; i + lane < count; ++lane) lanes[lane] = step(lanes[lane], i + lane);
    for (std::size_t half = kLanes / 2; half > 0; half /= 2)
        for (std::size_t lane = 0; lane < half; ++lane)
            lanes[lane] = fold(lanes[lane], lanes[lane + half]);
    return lanes[0];
}

constexpr auto kAdd = [](auto a, auto b) { return a + b; };

template <class T>
T larger(T a, T b) {
    if (std::isnan(a) || std::isnan(b)) return std::numeric_limits<T>::quiet_NaN();
    if (a == b) return std::signbit(a) ? b : a;
    return a > b ? a : b;
}

template <class T>
T dot(const T* a, const T* b, std::size_t count) noexcept {
    return reduce(
        count, T{0}, [=](T lane, std::size_t i) { return lane + a[i] * b[i]; }, kAdd);
}
template <class T>
T sum(const T* a, std::size_t count) noexcept {
    return reduce(
        count, T{0}, [=](T lane, std::size_t i) { return lane + a[i]; }, kAdd);
}
template <class T>
T max(const T* a, std::size_t count) noexcept {
    return reduce(
        count, -std::numeric_limits<T>::infinity(),
        [=](T lane, std::size_t i) { return larger(lane, a[i]); }, larger<T>);
}
template <class T>
void scale(const T* a, T factor, T* out, std::size_t count) noexcept {
#pragma omp simd
    for (std::size_t i = 0; i < count; ++i) out[i] = a[i] * factor;
}

using Doubles [[gnu::vector_size(16)]] = double;
using Counts [[gnu::vector_size(16)]] = std::int64_t;
#include "scc.inl"

}  // namespace

void install_portable(KernelTable& table) noexcept {
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
    table.bit_deposit = bit_deposit;
    table.pack = pack;
    table.unpack = unpack;
    table.stream_keys = stream_keys;
    table.encode_bernoulli = encode_bernoulli;
    table.encode_threshold = encode_threshold;
    table.dense_and = dense_and;
    table.dense_xor = dense_xor;
    table.dense_signed = dense_signed;
    table.dot_f32 = dot<float>;
    table.dot_f64 = dot<double>;
    table.sum_f32 = sum<float>;
    table.sum_f64 = sum<double>;
    table.max_f32 = max<float>;
    table.max_f64 = max<double>;
    table.scale_f32 = scale<float>;
    table.scale_f64 = scale<double>;
    table.scc = scc;
}

}  // namespace bitaxon::kernels
