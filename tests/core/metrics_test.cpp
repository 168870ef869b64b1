// Metrics over time against bit loops.
#include <bitaxon/core/metrics.hpp>

#include <bitaxon/core/correlation.hpp>
#include <bitaxon/core/encode.hpp>
#include <bitaxon/core/error.hpp>

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <vector>

namespace bitaxon {
namespace {

using u64 = std::uint64_t;

const ExecutionContext& context() {
    static const ExecutionContext one{{.threads = 1, .tier = {}, .seed = 0}};
    return one;
}

const std::vector<double> kValues = {0, 0.03, 0.3, 0.5, 0.77, 1};

bool bit(const StreamView& view, std::size_t stream, u64 t) {
    return (view.stream(0, stream)[t / 64] >> t % 64 & 1) != 0;
}

// call(stream, t, ones in the first t bits, share of ones in all bits), t from 1 on.
void for_prefixes(const StreamView& view,
                  const std::function<void(std::size_t, u64, double, double)>& call) {
    for (std::size_t i = 0; i < view.streams; ++i) {
        double all = 0;
        for (u64 t = 0; t < view.length; ++t) all += bit(view, i, t);
        double ones = 0;
        for (u64 t = 0; t < view.length; ++t)
            call(i, t + 1, ones += bit(view, i, t), all / static_cast<double>(view.length));
    }
}

TEST(Metrics, AreWhatBitLoopsSay) {
    for (const u64 length : {1u, 63u, 64u, 65u, 700u, 4099u})
        for (const Encoder& encoder :
             {Encoder{Bernoulli{}}, Encoder{Sobol{}}, Encoder{Counter{}}}) {
            const StreamArray streams =
                encode(context(), kValues, length, Coding::unipolar, encoder, {.seed = 3});
            const std::size_t n = kValues.size();
            constexpr double kThreshold = 0.07;
            std::vector<double> uneven(n), stable(n, 1.0), least(n, 1.0);
            const u64 at[] = {(length + 2) / 3, length};
            const auto lengths = std::span(at).last(length > 1 ? 2 : 1);
            std::vector<double> prefixes(n * lengths.size());
            for_prefixes(streams.view(), [&](std::size_t i, u64 t, double ones, double p) {
                const auto steps = static_cast<double>(t);
                const auto all = static_cast<double>(length);
                uneven[i] = std::max(uneven[i], std::abs(ones - p * steps) / all);
                if (std::abs(ones - p * steps) > kThreshold * steps) stable[i] = 1 - steps / all;
                if (std::abs(std::round(p * steps) - p * steps) > kThreshold * steps)
                    least[i] = 1 - steps / all;
                for (std::size_t k = 0; k < lengths.size(); ++k)
                    if (lengths[k] == t) prefixes[i * lengths.size() + k] = ones / steps;
            });
            std::vector<double> got(n), got_prefixes(prefixes.size());
            discrepancy(context(), streams.view(), got);
            for (std::size_t i = 0; i < n; ++i) EXPECT_NEAR(got[i], uneven[i], 1e-12);
            stability(context(), streams.view(), kThreshold, {}, got);
            EXPECT_EQ(got, stable);
            normalised_stability(context(), streams.view(), kThreshold, got);
            for (std::size_t i = 0; i < n; ++i)
                EXPECT_DOUBLE_EQ(got[i], least[i] == 0 ? 1 : stable[i] / least[i]) << length;
            prefix_values(context(), streams.view(), lengths, got_prefixes);
            EXPECT_EQ(got_prefixes, prefixes);
        }
}

// The estimate's definition, term by term.
TEST(Metrics, AutocorrelationIsItsSum) {
    const StreamArray streams = encode(context(), kValues, 333, Coding::unipolar, {.seed = 5});
    const std::vector<u64> lags = {0, 1, 63, 64, 65, 200, 332};
    std::vector<double> got(kValues.size() * lags.size());
    autocorrelation(context(), streams.view(), lags, got);
    for (std::size_t i = 0; i < kValues.size(); ++i) {
        double mean = 0;
        for (u64 t = 0; t < 333; ++t) mean += bit(streams.view(), i, t) / 333.0;
        const auto deviation = [&](u64 t) { return bit(streams.view(), i, t) - mean; };
        for (std::size_t k = 0; k < lags.size(); ++k) {
            double products = 0, squares = 0;
            for (u64 t = 0; t + lags[k] < 333; ++t)
                products += deviation(t) * deviation(t + lags[k]);
            for (u64 t = 0; t < 333; ++t) squares += deviation(t) * deviation(t);
            EXPECT_NEAR(got[i * lags.size() + k], squares < 1e-9 ? 0 : products / squares, 1e-10);
        }
    }
}

// The long way round in whole numbers, at lengths where doubles are not used.
TEST(Metrics, CountsOfLongStreamsAreExact) {
    const u64 n = kMaxLength;
    const auto of = [&](Correlation kind, u64 a, u64 b, u64 both) {
        return correlation_from_counts(kind, n, a, b, both);
    };
    EXPECT_EQ(of(Correlation::pearson, n / 2, n / 2, n / 2), 1.0);
    EXPECT_EQ(of(Correlation::pearson, n / 2, n / 2, 0), -1.0);
    EXPECT_EQ(of(Correlation::zce, n / 2, n / 2, n / 4), 0.0);
    EXPECT_EQ(of(Correlation::zce, n / 2, n / 2, n / 4 + 1), 1.0 / static_cast<double>(n));
    // a b / n is half way between two overlaps: neither errs by more than it must.
    EXPECT_EQ(of(Correlation::zce, n / 2, 1, 0), 0.0);
    EXPECT_EQ(of(Correlation::zce, n / 2, 1, 1), 0.0);
    for (const Correlation kind : {Correlation::scc, Correlation::pearson, Correlation::zce})
        EXPECT_EQ(of(kind, n, n / 3, n / 3), 0.0);
}

TEST(Metrics, BadInputIsRefused) {
    const StreamArray streams = encode(context(), kValues, 100);
    std::vector<double> out(kValues.size());
    const u64 past[] = {101}, twice[] = {2, 2};
    EXPECT_THROW(prefix_values(context(), streams.view(), past, out), Error);
    EXPECT_THROW(prefix_values(context(), streams.view(), twice, out), Error);
    EXPECT_THROW(autocorrelation(context(), streams.view(), past, out), Error);
    EXPECT_THROW(stability(context(), streams.view(), 0, {}, out), Error);
    EXPECT_THROW(stability(context(), streams.view(), 0.1, {}, std::span(out).first(2)), Error);
    EXPECT_THROW(best_stability(10, 11, 0.1), Error);
    EXPECT_THROW(summarise_errors(std::span(out).first(1), std::span(out).first(1)), Error);
    EXPECT_THROW(summarise_errors(out, out, std::nan("")), Error);
}

}  // namespace
}  // namespace bitaxon
