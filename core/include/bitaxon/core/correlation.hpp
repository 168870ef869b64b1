// How alike streams are: pairs, all pairs, and a stream with itself some steps later.
#pragma once

#include <bitaxon/core/bitstream.hpp>
#include <bitaxon/core/context.hpp>

#include <span>
#include <vector>

namespace bitaxon {

/// Measures of two streams by their numbers of ones. All are 0 for a stream without ones or without
/// zeros.
enum class Correlation : std::uint8_t {
    /// Stochastic computing correlation (A. Alaghi and J. P. Hayes, 2013): +1 when the ones of two
    /// streams overlap as much as their counts allow, -1 as little, 0 as independent streams do.
    scc,
    /// Pearson's product-moment correlation of the bits (K. Pearson, 1895): phi.
    pearson,
    /// Zero correlation error (H. Hsiao, J. San Miguel, Y. Hara-Azumi and J. Anderson, 2021): how
    /// far
    /// P(ab) is from P(a) P(b), less the distance that no streams of these counts can avoid.
    zce,
};

///   length  bits; ones_a, ones_b, both  numbers of ones in a, in b, in a AND b
double correlation_from_counts(Correlation kind, std::uint64_t length, std::uint64_t ones_a,
                               std::uint64_t ones_b, std::uint64_t both) noexcept;
double scc_from_counts(std::uint64_t length, std::uint64_t ones_a, std::uint64_t ones_b,
                       std::uint64_t both) noexcept;

/// SCC of two streams given as views of one stream each. @throws Error unless lengths agree
double scc(const ExecutionContext& context, const StreamView& a, const StreamView& b);

/// out[i]: of stream i of a with stream i of b, one row each. @throws Error unless lengths, numbers
/// of streams and the size of out agree
void correlation(const ExecutionContext& context, Correlation kind, const StreamView& a,
                 const StreamView& b, std::span<double> out);

/// out[i * b.streams + j]: of stream i of a (one row) with stream j of b. The overlaps are one
/// bit-matrix product, half of it where a and b are the same view.
/// @throws Error unless lengths and the size of out agree
void correlation_matrix(const ExecutionContext& context, Correlation kind, const StreamView& a,
                        const StreamView& b, std::span<double> out);
std::vector<double> scc_matrix(const ExecutionContext& context, const StreamView& a,
                               const StreamView& b);

/// out[i * lags.size() + k]: the autocorrelation of stream i at lags[k], the sum of (x(t) - m)(x(t
/// + lag) - m) over the steps that have both, divided by that at lag 0 (G. E. P. Box and G. M.
/// Jenkins, 1976); m is the stream's mean. 0 for constant streams.
/// @throws Error for a lag that is not below the length, and another size of out
void autocorrelation(const ExecutionContext& context, const StreamView& streams,
                     std::span<const std::uint64_t> lags, std::span<double> out);

}  // namespace bitaxon
