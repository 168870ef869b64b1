// Numbers that take more than one stream, or more than [0, 1]: split-unipolar with signs, ratios,
// extended (ESL), integral; and conversions. Conversions by bits keep a stream; where no gate does
// it, re-encoding counts a stream and draws another.
#pragma once

#include <bitaxon/core/encode.hpp>

#include <cstdint>
#include <span>
#include <vector>

namespace bitaxon {

/// How format functions draw their streams.
struct Drawing {
    Encoder encoder{Bernoulli{}};
    StreamOrigin origin = {};
    bool operator==(const Drawing&) const = default;
};

/// Sign and magnitude: value i is (negative[i] ? -1 : 1) times the probability of stream i.
struct SplitStreams {
    StreamArray magnitudes;
    std::vector<std::uint8_t> negative;  ///< 0 or 1; -0 is not negative
};

/// Of values in [-1, 1]. Decoding a magnitude as split-unipolar and giving it its sign gives the
/// value.
SplitStreams encode_split(const ExecutionContext& context, std::span<const double> values,
                          std::uint64_t length, const Drawing& drawing = {});
void decode_split(const ExecutionContext& context, const StreamView& magnitudes,
                  std::span<const std::uint8_t> negative, std::span<double> out);

/// The ratio of ones to zeros (B. R. Gaines, 1969): value v >= 0 is a stream of probability v / (1
/// + v).
StreamArray encode_ratio(const ExecutionContext& context, std::span<const double> values,
                         std::uint64_t length, const Drawing& drawing = {});
/// Ones over zeros; infinity for a stream without zeros.
void decode_ratio(const ExecutionContext& context, const StreamView& streams,
                  std::span<double> out);

/// Extended stochastic logic (V. Canals, A. Morro, A. Oliver, M. L. Alomar and J. L. Rossello,
/// 2016): any finite value as the quotient of two bipolar streams, value / 1 up to magnitude 1,
/// else sign / (1 / magnitude).
struct ExtendedStreams {
    StreamArray numerators;
    StreamArray denominators;
};

/// The denominators' streams must be independent of the numerators'. Where both are Bernoulli of one
/// origin, their indices follow the numerators'. @throws Error for others of one source
ExtendedStreams encode_extended(const ExecutionContext& context, std::span<const double> values,
                                std::uint64_t length, const Drawing& numerators,
                                const Drawing& denominators);
/// The quotient of the two: infinity, or NaN for 0 / 0, where a denominator has as many ones as
/// zeros.
void decode_extended(const ExecutionContext& context, const StreamView& numerators,
                     const StreamView& denominators, std::span<double> out);

/// Integral streams (A. Ardakani, F. Leduc-Primeau, N. Onizawa, T. Hanyu and W. J. Gross, 2017):
/// the sum of m streams, whose elements are whole numbers 0 ... m, or -m ... m where they are
/// bipolar. Values are in [0, m] or [-m, m]. Row i holds the m streams of value i, each of value /
/// m; stream k of value i is the drawing's stream i * m + k.
/// @throws Error as encode does, and for 0 or more than 65535 summands
StreamArray encode_integral(const ExecutionContext& context, std::span<const double> values,
                            std::uint64_t length, std::size_t summands,
                            Coding coding = Coding::unipolar, const Drawing& drawing = {});
/// The elements: sums[i * length + t] is the number of ones of row i at time t. A bipolar element
/// is 2 sum - m.
void integral_elements(const ExecutionContext& context, const StreamView& streams,
                       std::span<std::uint16_t> sums);
/// The mean element of each row.
void decode_integral(const ExecutionContext& context, const StreamView& streams, Coding coding,
                     std::span<double> out);

/// By bits: a bipolar stream of the same value, stream OR half, or its complement where negative.
/// `half` is one stream of probability 1/2, independent of the others (SCC 0). The error grows by
/// that of half. `negative` is empty for unipolar streams.
StreamArray to_bipolar(const ExecutionContext& context, const StreamView& streams,
                       const StreamView& half, std::span<const std::uint8_t> negative = {});

/// By bits: a bipolar stream is an extended one over a denominator of ones.
ExtendedStreams to_extended(const StreamArray& bipolar);

/// Counts each stream of one row and draws another of the value that it has: for a change of coding
/// that no gate makes, another length, or independence. @throws Error where the value is outside
/// the range of `to`
StreamArray reencode(const ExecutionContext& context, const StreamView& streams, Coding from,
                     Coding to, std::uint64_t length, const Drawing& drawing = {});

}  // namespace bitaxon
