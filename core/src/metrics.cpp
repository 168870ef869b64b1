#include <bitaxon/core/metrics.hpp>

#include <bitaxon/core/error.hpp>

#include <fmt/format.h>
#include <unsupported/Eigen/SpecialFunctions>

#include <algorithm>
#include <bit>
#include <cmath>
#include <numeric>
#include <vector>

namespace bitaxon {
namespace {

constexpr std::size_t kPieceStreams = 16;

void check_streams(const char* what, const StreamView& streams) {
    if (streams.rows != 1)
        throw_error(ErrorCode::invalid_shape, what, fmt::format("{} rows", streams.rows),
                    "one row of streams");
    check_length(streams.streams, streams.length);
    check_tails(streams);
}

void check_size(const char* name, std::size_t got, std::size_t expected) {
    if (got != expected)
        throw_error(ErrorCode::invalid_shape, name, fmt::format("{} numbers", got),
                    fmt::format("{}", expected));
}

void check_threshold(double threshold) {
    if (!(threshold > 0 && threshold < 1))
        throw_error(ErrorCode::invalid_value, "threshold", fmt::format("{}", threshold),
                    "above 0 and below 1");
}

template <class Call>
void for_each(const ExecutionContext& context, std::size_t count, Call&& call) {
    context.parallel_for((count + kPieceStreams - 1) / kPieceStreams, [&](std::size_t piece) {
        const std::size_t first = piece * kPieceStreams;
        for (std::size_t i = first; i < std::min(first + kPieceStreams, count); ++i) call(i);
    });
}

// Bits of the word that starts at bit 64 w.
unsigned bits_in(std::uint64_t length, std::size_t w) {
    return static_cast<unsigned>(std::min<std::uint64_t>(64, length - 64 * w));
}

// The last t, 1 ... length, with |ones in t bits - p t| > threshold t; 0 if there is none. From the
// end on, and bit by bit only in words where the distance can be reached: a step moves it by at
// most one.
std::uint64_t last_unstable(const std::uint64_t* words, std::uint64_t length, std::uint64_t ones,
                            double p, double threshold) {
    std::uint64_t count = ones;  // in the first 64 w + bits
    for (std::size_t w = words_for(length); w-- > 0;) {
        const unsigned bits = bits_in(length, w);
        const auto begin = static_cast<double>(64 * w);
        const double off = std::abs(static_cast<double>(count) - p * (begin + bits));
        const auto in_word = static_cast<std::uint64_t>(std::popcount(words[w]));
        if (off + 64 <= threshold * begin) {
            count -= in_word;
            continue;
        }
        for (unsigned bit = bits; bit-- > 0;) {
            const auto t = static_cast<double>(64 * w + bit + 1);
            if (std::abs(static_cast<double>(count) - p * t) > threshold * t)
                return 64 * w + bit + 1;
            count -= words[w] >> bit & 1;
        }
    }
    return 0;
}

double stability_of(std::uint64_t unstable, std::uint64_t length) {
    return 1.0 - static_cast<double>(unstable) / static_cast<double>(length);
}

double largest_distance(const std::uint64_t* words, std::uint64_t length, double p) {
    double most = 0;
    std::uint64_t count = 0;
    for (std::size_t w = 0; w < words_for(length); ++w) {
        const unsigned bits = bits_in(length, w);
        const auto ups = static_cast<unsigned>(std::popcount(words[w]));
        const auto begin = static_cast<double>(64 * w);
        const double here = static_cast<double>(count) - p * begin;
        // Whatever the order of its steps of 1 - p and -p, the word's path stays between these.
        const double reach = std::max(here + ups * (1 - p), (bits - ups) * p - here);
        const std::uint64_t after = count + ups;
        if (reach > most)
            for (unsigned bit = 0; bit < bits; ++bit) {
                count += words[w] >> bit & 1;
                most = std::max(most, std::abs(static_cast<double>(count) - p * (begin + bit + 1)));
            }
        count = after;
    }
    return most;
}

// The t that a variable of Student's distribution stays within with this probability: beyond it lies
// the regularised incomplete beta function I(n / (n + t^2); n / 2, 1 / 2).
double student(double confidence, double n) {
    const auto is_within = [=](double t) {
        return Eigen::numext::betainc(n / 2, 0.5, n / (n + t * t)) <= 1 - confidence;
    };
    double low = 0, high = 1;
    while (!is_within(high) && high < 1e15) high *= 2;
    for (;;) {
        const double middle = std::midpoint(low, high);
        if (middle == low || middle == high) return high;
        (is_within(middle) ? high : low) = middle;
    }
}

double normal(double confidence) { return -Eigen::numext::ndtri((1 - confidence) / 2); }

}  // namespace

void prefix_values(const ExecutionContext& context, const StreamView& streams,
                   std::span<const std::uint64_t> lengths, std::span<double> out) {
    check_streams("prefix_values", streams);
    check_size("out", out.size(), streams.streams * lengths.size());
    for (std::size_t k = 0; k < lengths.size(); ++k)
        if (lengths[k] == 0 || lengths[k] > streams.length ||
            (k > 0 && lengths[k] <= lengths[k - 1]))
            throw_error(ErrorCode::invalid_value, fmt::format("lengths[{}]", k),
                        fmt::format("{}", lengths[k]),
                        fmt::format("ascending numbers from 1 to {}", streams.length));
    for_each(context, streams.streams, [&](std::size_t i) {
        const std::uint64_t* words = streams.stream(0, i);
        std::uint64_t count = 0;
        std::size_t word = 0;
        for (std::size_t k = 0; k < lengths.size(); ++k) {
            const auto whole = static_cast<std::size_t>(lengths[k] / 64);
            count += context.kernels().popcount(words + word, whole - word);
            word = whole;
            const std::uint64_t part =
                lengths[k] % 64 == 0 ? 0 : words[whole] & tail_mask(lengths[k]);
            out[i * lengths.size() + k] =
                static_cast<double>(count + static_cast<std::uint64_t>(std::popcount(part))) /
                static_cast<double>(lengths[k]);
        }
    });
}

void stability(const ExecutionContext& context, const StreamView& streams, double threshold,
               std::span<const double> values, std::span<double> out) {
    check_streams("stability", streams);
    check_threshold(threshold);
    check_size("out", out.size(), streams.streams);
    if (!values.empty()) check_size("values", values.size(), streams.streams);
    for (std::size_t i = 0; i < values.size(); ++i)
        if (!(values[i] >= 0 && values[i] <= 1))
            throw_error(ErrorCode::invalid_value, fmt::format("values[{}]", i),
                        fmt::format("{}", values[i]), "0 to 1");
    const std::uint64_t length = streams.length;
    for_each(context, streams.streams, [&](std::size_t i) {
        const std::uint64_t* words = streams.stream(0, i);
        const std::uint64_t ones = context.kernels().popcount(words, words_for(length));
        const double p =
            values.empty() ? static_cast<double>(ones) / static_cast<double>(length) : values[i];
        out[i] = stability_of(last_unstable(words, length, ones, p, threshold), length);
    });
}

double best_stability(std::uint64_t length, std::uint64_t ones, double threshold) {
    check_length(1, length);
    check_threshold(threshold);
    if (ones > length)
        throw_error(ErrorCode::invalid_value, "ones", fmt::format("{}", ones),
                    fmt::format("0 to {}", length));
    // No whole number is nearer to ones t / L than this, and none is further than a half.
    const double last = std::min(static_cast<double>(length), 0.5 / threshold);
    for (auto t = static_cast<std::uint64_t>(last); t > 0; --t) {
        const std::uint64_t rest = ones * t % length;
        const auto off = static_cast<double>(std::min(rest, length - rest));
        if (off / static_cast<double>(length) > threshold * static_cast<double>(t))
            return stability_of(t, length);
    }
    return 1.0;
}

void normalised_stability(const ExecutionContext& context, const StreamView& streams,
                          double threshold, std::span<double> out) {
    stability(context, streams, threshold, {}, out);
    for_each(context, streams.streams, [&](std::size_t i) {
        const std::uint64_t ones =
            context.kernels().popcount(streams.stream(0, i), words_for(streams.length));
        const double best = best_stability(streams.length, ones, threshold);
        out[i] = best == 0 ? 1.0 : out[i] / best;
    });
}

void discrepancy(const ExecutionContext& context, const StreamView& streams,
                 std::span<double> out) {
    check_streams("discrepancy", streams);
    check_size("out", out.size(), streams.streams);
    const auto length = static_cast<double>(streams.length);
    for_each(context, streams.streams, [&](std::size_t i) {
        const std::uint64_t* words = streams.stream(0, i);
        const auto ones =
            static_cast<double>(context.kernels().popcount(words, words_for(streams.length)));
        out[i] = largest_distance(words, streams.length, ones / length) / length;
    });
}

ErrorSummary summarise_errors(std::span<const double> estimates, std::span<const double> expected,
                              double confidence) {
    check_size("expected", expected.size(), estimates.size());
    if (estimates.size() < 2)
        throw_error(ErrorCode::invalid_shape, "estimates",
                    fmt::format("{} numbers", estimates.size()), "at least 2");
    if (!(confidence > 0 && confidence < 1))
        throw_error(ErrorCode::invalid_value, "confidence", fmt::format("{}", confidence),
                    "above 0 and below 1");
    const auto n = static_cast<double>(estimates.size());
    std::vector<double> errors(estimates.size());
    double bias = 0, mse = 0;
    for (std::size_t i = 0; i < errors.size(); ++i) {
        errors[i] = estimates[i] - expected[i];
        if (!std::isfinite(errors[i]))
            throw_error(ErrorCode::invalid_value, fmt::format("estimates[{}]", i),
                        fmt::format("{} where {} was expected", estimates[i], expected[i]),
                        "finite numbers");
        bias += errors[i] / n;
        mse += errors[i] * errors[i] / n;
    }
    double variance = 0, square_variance = 0;
    for (const double error : errors) {
        variance += (error - bias) * (error - bias) / (n - 1);
        square_variance += (error * error - mse) * (error * error - mse) / (n - 1);
    }
    const double around_bias = student(confidence, n - 1) * std::sqrt(variance / n);
    const double around_mse = normal(confidence) * std::sqrt(square_variance / n);
    return {bias,
            bias - around_bias,
            bias + around_bias,
            std::sqrt(mse),
            std::sqrt(std::max(0.0, mse - around_mse)),
            std::sqrt(mse + around_mse)};
}

}  // namespace bitaxon
