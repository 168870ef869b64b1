// How fast and how well a stream tells its value: prefixes, stability, discrepancy, errors of many
// runs.
#pragma once

#include <bitaxon/core/bitstream.hpp>
#include <bitaxon/core/context.hpp>

#include <span>

namespace bitaxon {

/// Progressive precision (A. Alaghi and J. P. Hayes, 2014): out[i * lengths.size() + k] is the
/// share of ones among the first lengths[k] bits of stream i. lengths ascend, from 1 to the length.
/// @throws Error for others, and another size of out
void prefix_values(const ExecutionContext& context, const StreamView& streams,
                   std::span<const std::uint64_t> lengths, std::span<double> out);

/// Stability (D. Wu, J. Li, R. Yin, H. Hsiao, Y. Kim and J. San Miguel, 2020): 1 - t / L, where t
/// is the last length whose prefix is more than `threshold` away from the value; 1 if none is, 0 if
/// the whole stream is. values: of each stream; none: the shares of ones of the whole streams.
/// @throws Error unless 0 < threshold < 1, values are in [0, 1], and sizes agree
void stability(const ExecutionContext& context, const StreamView& streams, double threshold,
               std::span<const double> values, std::span<double> out);

/// The largest stability that a stream of that length and number of ones can have: that of the one
/// whose prefixes hold round(p t) ones.
double best_stability(std::uint64_t length, std::uint64_t ones, double threshold);

/// Normalised stability (D. Wu, R. Yin and J. San Miguel, 2021): stability over best_stability.
void normalised_stability(const ExecutionContext& context, const StreamView& streams,
                          double threshold, std::span<double> out);

/// How unevenly the ones lie: the largest |ones in t bits - p t| / L over all t, p the share of
/// ones in all L bits. Over p it is the star discrepancy of the ones' places (H. Niederreiter,
/// 1992).
void discrepancy(const ExecutionContext& context, const StreamView& streams, std::span<double> out);

/// What estimates err by, with two-sided intervals. The bias' is Student's (1908); the other is
/// that of the mean square error by the central limit theorem.
struct ErrorSummary {
    double bias;  ///< mean of estimate - expected
    double bias_low, bias_high;
    double rmse;  ///< root of the mean square of estimate - expected
    double rmse_low, rmse_high;
};

/// Of independent runs. @throws Error for fewer than two, different sizes, NaN, infinity, and
/// unless 0 < confidence < 1
ErrorSummary summarise_errors(std::span<const double> estimates, std::span<const double> expected,
                              double confidence = 0.95);

}  // namespace bitaxon
