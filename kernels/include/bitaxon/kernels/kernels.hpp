// The kernel table: one plain struct of function pointers per SIMD tier. All tiers give the same
// bits.
#pragma once

#include <cstddef>
#include <cstdint>

namespace bitaxon::kernels {

/// Words in one group of a weight panel, neurons in one panel. A 512-bit register holds a group.
inline constexpr std::size_t kGroupWords = 8;
inline constexpr std::size_t kPanelNeurons = 4;

/// A run of consecutive words of one row of Bernoulli streams.
///
/// Flat word f of the row is time word `first_time_word + f % words_per_stream` of stream
/// `f / words_per_stream`, whose key is (key_a, key_b)[stream] and whose bits are 1 with
/// probability thresholds[stream] / 2^32. Words first_word ... first_word + words - 1 go to out[0
/// ... words - 1]. The last word of each stream is ANDed with tail_mask.
struct BernoulliBlock {
    const std::uint64_t* key_a;
    const std::uint64_t* key_b;
    const std::uint64_t* thresholds;  ///< 0 ... 2^32 inclusive
    std::size_t words_per_stream;     ///< at least 1
    std::uint64_t first_time_word;    ///< of every stream in this row
    std::uint64_t tail_mask;
    std::size_t first_word;
    std::size_t words;
    std::uint64_t* out;  ///< needs no alignment; may not alias the inputs
};

/// A product of bit matrices: sums[r * sums_stride + n] += sum over words k of popcount(f(row r,
/// neuron n)).
///
/// Weights are packed by panels of kPanelNeurons neurons: word k of neuron n stands at
///     panels[(n / 4) * panel_stride + (k / 8) * 32 + (n % 4) * 8 + k % 8]
/// and missing neurons of the last panel are zero. Signs, for dense_signed only, hold one bit per
/// word: bit k % 8 of signs[(n / 4) * sign_stride + (k / 8) * 4 + n % 4].
///   dense_and     f = row & weight
///   dense_xor     f = row ^ weight
///   dense_signed  f = (row & weight) ^ (sign ? ~0 : 0); the caller takes off 64 a negative word
struct DenseProduct {
    const std::uint64_t* rows;  ///< row r starts at rows + r * row_stride; no alignment needed
    std::size_t row_stride;     ///< in words
    std::size_t row_count;
    const std::uint64_t* panels;  ///< 64-byte aligned
    std::size_t panel_stride;     ///< in words, a multiple of 32
    const std::uint8_t* signs;    ///< read by dense_signed alone
    std::size_t sign_stride;      ///< in bytes
    std::size_t neuron_count;
    std::size_t words;  ///< k: a multiple of kGroupWords; padding words are zero
    std::int64_t* sums;
    std::size_t sums_stride;  ///< in elements, at least neuron_count
};

/// Every operation is noexcept and total for valid pointers: counts of zero are allowed.
///
/// Sizes are in words where a parameter is called `words`, in bits where it is called
/// `length_bits`; then ceil(length_bits / 64) words are read or written and the tail of the last is
/// zero in every output. Inputs have clean tails. Outputs may be the same array as an input, not
/// overlap it shifted.
///
/// - popcount, *_popcount: number of ones; xnor_popcount counts equal bits among length_bits.
/// - bit_*: elementwise; bit_mux takes b where select is 1, a where it is 0.
/// - bit_deposit: the k-th one of `places`, counted from 0, becomes bit k of a; zeros stay zero. `out`
///   may be `places`, not a.
/// - bit_transpose: bit i of out[j * out_stride] = bit j of in[i * in_stride] for i < rows, 0 from
///   there to 63, for j < columns; rows, columns <= 64. `out` may be `in` where both strides agree.
/// - pack: bit t = bytes[t] != 0; true if all bytes are 0 or 1. unpack: bytes[t] = bit t, 0 or 1.
/// - stream_keys: (a, b)[i] of stream first_index + i from the key base k (core/random.hpp).
/// - encode_threshold: bit t = sequence[t] < threshold, threshold in 0 ... 2^32.
/// - dot, sum: lane l of 16 sums the elements with index % 16 == l in order; then lanes l and l + 8,
///   l + 4, l + 2, l + 1 are added; no fused multiply-add.
/// - scc: out[j] = correlation (core/correlation.hpp) of streams of `length` bits, below 2^26, with
///   `ones` and others[j] ones, both[j] of them at the same places; all whole numbers.
/// - max: a quiet NaN if any element is NaN, -0 < +0, -infinity when empty.
struct KernelTable {
#define BITAXON_KERNEL(result, name, parameters) result(*name) parameters noexcept;
#include <bitaxon/kernels/operations.def>
#undef BITAXON_KERNEL
};

}  // namespace bitaxon::kernels
