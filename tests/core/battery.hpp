// A battery for counter-based generators. Every statistic is one number: how many sigmas the worst
// of its looks lies from what ideal bits would show.
//
// One primitive carries all of them: the agreement of two bit vectors, whose n bits are n trials.
// Single bits are compared as they are; a joint chi-square is the sum of the squared agreements of
// all parities (Parseval), so 256 cells of 8 bits cost 255 agreements and no histogram.
//
// A generator is a type with two static functions:
//     StreamKey key(const StreamName&)             a stream's key from its name
//     u64 word(StreamKey, u64 word, unsigned plane)
#pragma once

#include <bitaxon/core/random.hpp>
#include <bitaxon/kernels/tier.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace bitaxon::battery {

using u64 = std::uint64_t;

struct StreamName {
    u64 seed = 0;
    u64 layer = 0;
    Role role = Role::input;
    u64 sample = 0;
    u64 index = 0;
};

/// The worst of many looks.
struct Finding {
    double sigmas = 0;
    std::size_t looks = 0;
    std::string where;

    template <class Describe>
    void look(double value, Describe&& describe) {
        ++looks;
        if (std::abs(value) <= sigmas) return;
        sigmas = std::abs(value);
        where = describe();
    }

    void join(const Finding& other) {
        looks += other.looks;
        if (other.sigmas <= sigmas) return;
        sigmas = other.sigmas;
        where = other.where;
    }
};

/// What the worst of `looks` normal numbers exceeds with probability `false_alarm` at most
/// (Bonferroni, both sides), in sigmas.
inline double bound(std::size_t looks, double false_alarm) {
    double low = 0;
    double high = 40;
    while (high - low > 1e-9) {
        const double middle = (low + high) / 2;
        const bool too_low =
            std::erfc(middle / std::sqrt(2.0)) * static_cast<double>(looks) > false_alarm;
        (too_low ? low : high) = middle;
    }
    return high;
}

/// A chi-square as a normal number (E. B. Wilson and M. M. Hilferty, 1931).
inline double normal_from_chi_square(double chi_square, double degrees) {
    const double variance = 2 / (9 * degrees);
    return (std::cbrt(chi_square / degrees) - (1 - variance)) / std::sqrt(variance);
}

/// Bit vectors of one length: vector v is words[v * stride ...].
class BitVectors {
public:
    BitVectors(std::size_t vectors, std::size_t words)
        : vectors_(vectors), words_(words), bits_(vectors * words) {}

    std::size_t size() const { return vectors_; }
    std::size_t words() const { return words_; }
    u64* operator[](std::size_t vector) { return bits_.data() + vector * words_; }
    const u64* operator[](std::size_t vector) const { return bits_.data() + vector * words_; }

private:
    std::size_t vectors_;
    std::size_t words_;
    std::vector<u64> bits_;
};

inline const kernels::KernelTable& kernel_table() {
    static const kernels::KernelTable& best = *kernels::table(kernels::best_tier());
    return best;
}

/// Agreements minus disagreements over the root of the trials: normal for independent fair bits.
inline double agreement(const u64* a, const u64* b, std::size_t words) {
    const double bits = 64.0 * static_cast<double>(words);
    const double differ = static_cast<double>(kernel_table().xor_popcount(a, b, words));
    return (bits - 2 * differ) / std::sqrt(bits);
}

/// The same against a vector of zeros: the bias of one vector.
inline double bias(const u64* a, std::size_t words) {
    const double bits = 64.0 * static_cast<double>(words);
    return (bits - 2 * static_cast<double>(kernel_table().popcount(a, words))) / std::sqrt(bits);
}

/// Calls visit(i, j, agreement) for all i < j, in tiles that stay in the cache.
template <class Visit>
void for_all_pairs(const BitVectors& vectors, Visit&& visit) {
    constexpr std::size_t kTile = 32;
    for (std::size_t i0 = 0; i0 < vectors.size(); i0 += kTile)
        for (std::size_t j0 = i0; j0 < vectors.size(); j0 += kTile)
            for (std::size_t i = i0; i < std::min(i0 + kTile, vectors.size()); ++i)
                for (std::size_t j = std::max(j0, i + 1); j < std::min(j0 + kTile, vectors.size());
                     ++j)
                    visit(i, j, agreement(vectors[i], vectors[j], vectors.words()));
}

/// Rows and columns of 64 x 64 bits change places (Hacker's Delight, 7-3).
inline void transpose(std::array<u64, 64>& block) {
    u64 mask = 0x00000000ffffffff;
    for (unsigned width = 32; width != 0; width /= 2, mask ^= mask << width)
        for (unsigned row = 0; row < 64; row = (row + width + 1) & ~width) {
            const u64 swapped = (block[row] >> width ^ block[row + width]) & mask;
            block[row] ^= swapped << width;
            block[row + width] ^= swapped;
        }
}

/// The 64 lanes of `trials` words as 64 vectors, written to vectors[first ...]; word_of(trial)
/// gives a word. Trials are a multiple of 64.
template <class WordOf>
void write_lanes(BitVectors& vectors, std::size_t first, WordOf&& word_of) {
    std::array<u64, 64> block;
    for (std::size_t k = 0; k < vectors.words(); ++k) {
        for (std::size_t t = 0; t < 64; ++t) block[t] = word_of(64 * k + t);
        transpose(block);
        for (std::size_t lane = 0; lane < 64; ++lane) vectors[first + lane][k] = block[lane];
    }
}

/// Chi-square of the joint distribution of 8 bits, lanes i and j of four words, for all pairs i <
/// j: 255 degrees of freedom each. words_of(which, trial) gives word `which` (0 ... 3) of a trial.
template <class WordOf>
Finding joint_chi_square(std::size_t trials, const std::string& title, WordOf&& words_of) {
    // Vector 16 * lane + set is the parity of the words in `set` at that lane; set 0 stays zero.
    const std::size_t words = trials / 64;
    BitVectors lanes(4 * 64, words);
    for (std::size_t which = 0; which < 4; ++which)
        write_lanes(lanes, 64 * which, [&](std::size_t trial) { return words_of(which, trial); });
    BitVectors parities(64 * 15, words);
    for (std::size_t lane = 0; lane < 64; ++lane)
        for (std::size_t set = 1; set < 16; ++set)
            for (std::size_t which = 0; which < 4; ++which)
                if (set >> which & 1)
                    for (std::size_t k = 0; k < words; ++k)
                        parities[15 * lane + set - 1][k] ^= lanes[64 * which + lane][k];

    std::array<double, 64> alone{};
    for (std::size_t v = 0; v < parities.size(); ++v)
        alone[v / 15] += std::pow(bias(parities[v], words), 2);
    std::vector<double> together(64 * 64);
    for_all_pairs(parities, [&](std::size_t v, std::size_t w, double value) {
        together[v / 15 * 64 + w / 15] += value * value;
    });

    Finding finding;
    for (std::size_t i = 0; i < 64; ++i)
        for (std::size_t j = i + 1; j < 64; ++j)
            finding.look(
                normal_from_chi_square(alone[i] + alone[j] + together[64 * i + j], 255), [&] {
                    return title + ", lanes " + std::to_string(i) + " and " + std::to_string(j);
                });
    return finding;
}

/// Agreement of all pairs of the 2,048 bits of a trial's 32 planes; word_of(trial, plane) gives a
/// word.
template <class WordOf>
Finding all_pairs_of_planes(std::size_t trials, const std::string& title, WordOf&& word_of) {
    BitVectors bits(64 * kernels::kPlanes, trials / 64);
    for (unsigned plane = 0; plane < kernels::kPlanes; ++plane)
        write_lanes(bits, 64 * plane, [&](std::size_t trial) { return word_of(trial, plane); });
    const auto bit_name = [](std::size_t v) {
        return "plane " + std::to_string(v / 64) + " lane " + std::to_string(v % 64);
    };
    Finding finding;
    for (std::size_t v = 0; v < bits.size(); ++v)
        finding.look(bias(bits[v], bits.words()), [&] { return title + ", " + bit_name(v); });
    for_all_pairs(bits, [&](std::size_t v, std::size_t w, double value) {
        finding.look(value, [&] { return title + ", " + bit_name(v) + " and " + bit_name(w); });
    });
    return finding;
}

/// Words first ... first + count - 1 of a Bernoulli stream with p = threshold / 2^32 (below 1),
/// from the definition read backwards: of two equal digits the lower ones decide.
template <class Generator>
void write_bernoulli(StreamKey key, u64 threshold, std::size_t count, u64* out) {
    const unsigned first_plane = 31 - static_cast<unsigned>(__builtin_ctzll(threshold));
    for (std::size_t k = 0; k < count; ++k) {
        u64 below = 0;
        for (unsigned plane = first_plane + 1; plane-- > 0;) {
            const u64 digit = Generator::word(key, k, plane);
            below = threshold >> (31 - plane) & 1 ? ~digit | below : ~digit & below;
        }
        out[k] = below;
    }
}

/// Sum of (x - p)(y - p) over two streams of the same p, divided by its deviation.
inline double correlation(const u64* x, const u64* y, std::size_t words, double p) {
    const kernels::KernelTable& table = kernel_table();
    const double bits = 64.0 * static_cast<double>(words);
    const double both = static_cast<double>(table.and_popcount(x, y, words));
    const double ones = static_cast<double>(table.popcount(x, words) + table.popcount(y, words));
    return (both - p * ones + bits * p * p) / (std::sqrt(bits) * p * (1 - p));
}

/// Correlation of a Bernoulli stream with itself, 1 to 512 bits later.
template <class Generator>
Finding time_lags(const StreamName& name, u64 threshold, std::size_t words) {
    constexpr std::size_t kLags = 512;
    constexpr std::size_t kBehind = kLags / 64 + 1;
    std::vector<u64> stream(words + kBehind);
    write_bernoulli<Generator>(Generator::key(name), threshold, stream.size(), stream.data());
    const double p = static_cast<double>(threshold) * 0x1p-32;

    std::vector<u64> later(words);
    Finding finding;
    for (std::size_t lag = 1; lag <= kLags; ++lag) {
        const std::size_t skip = lag / 64;
        const std::size_t shift = lag % 64;
        for (std::size_t k = 0; k < words; ++k)
            later[k] = shift == 0
                           ? stream[k + skip]
                           : stream[k + skip] >> shift | stream[k + skip + 1] << (64 - shift);
        finding.look(correlation(stream.data(), later.data(), words, p),
                     [&] { return "p = " + std::to_string(p) + ", lag " + std::to_string(lag); });
    }
    return finding;
}

/// Correlation of all pairs of streams, in step and up to 8 words apart in either direction.
template <class Generator>
Finding neighbours(const std::string& title, const std::vector<StreamName>& names, u64 threshold,
                   std::size_t words) {
    constexpr std::array<std::size_t, 4> kWordLags = {0, 1, 2, 8};
    BitVectors streams(names.size(), words + kWordLags.back());
    for (std::size_t i = 0; i < names.size(); ++i)
        write_bernoulli<Generator>(Generator::key(names[i]), threshold, streams.words(),
                                   streams[i]);
    const double p = static_cast<double>(threshold) * 0x1p-32;

    Finding finding;
    for (std::size_t i = 0; i < names.size(); ++i)
        for (std::size_t j = 0; j < names.size(); ++j)
            for (const std::size_t lag : kWordLags) {
                if (i == j || (lag == 0 && i > j)) continue;
                finding.look(correlation(streams[i], streams[j] + lag, words, p), [&] {
                    return title + ", p = " + std::to_string(p) + ", streams " + std::to_string(i) +
                           " and " + std::to_string(j) + ", " + std::to_string(lag) +
                           " words apart";
                });
            }
    return finding;
}

}  // namespace bitaxon::battery
