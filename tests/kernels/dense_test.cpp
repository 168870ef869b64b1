#include "support.hpp"

#include <array>

namespace bitaxon::kernels::test {
namespace {

enum class Rule { kAnd, kXor, kSigned };
constexpr std::array kRules = {Rule::kAnd, Rule::kXor, Rule::kSigned};

constexpr std::size_t kRows = 70;
constexpr std::size_t kNeurons = 70;
constexpr std::size_t kWords = 2048;
constexpr std::size_t kGroups = kWords / kGroupWords;

// The first rows and neurons are enough for long streams: 17 x 33 x 2048 words, which other neurons
// repeat, and for many rows and neurons short streams are: 70 x 70 x 24 words.
struct Extent {
    std::size_t rows, neurons, groups;
};
constexpr Extent kLong{17, 33, kGroups};
constexpr Extent kWide{kRows, kNeurons, 3};

std::int64_t count_product(Rule rule, u64 x, u64 w, bool negative) {
    const u64 sign = rule == Rule::kSigned && negative ? ~u64{0} : 0;
    const u64 f = rule == Rule::kXor ? x ^ w : (x & w) ^ sign;
    std::int64_t ones = 0;
    for (unsigned t = 0; t < 64; ++t) ones += (f >> t & 1) != 0;
    return ones;
}

// Plain matrices of words, and all sums over their first groups, counted bit by bit.
class Problem {
public:
    Problem(u64 seed, bool all_ones)
        : rows(kRows * kWords), weights(kNeurons * kWords), negative(kNeurons * kWords) {
        std::mt19937_64 random{seed};
        for (u64& x : rows) x = all_ones ? ~u64{0} : random();
        for (u64& w : weights) w = all_ones ? ~u64{0} : random() | random();
        for (std::size_t i = 0; i < negative.size(); ++i) negative[i] = random() >> 63 != 0;
        for (std::size_t i = kLong.neurons * kWords; i < weights.size(); ++i) {
            weights[i] = weights[i - kLong.neurons * kWords];
            negative[i] = negative[i - kLong.neurons * kWords];
        }
        for (const Rule rule : kRules) {
            long_[static_cast<std::size_t>(rule)] = prefix_sums(rule, kLong);
            wide_[static_cast<std::size_t>(rule)] = prefix_sums(rule, kWide);
        }
    }

    /// Sum of row r and neuron n over the first groups.
    std::int64_t sum(Rule rule, std::size_t r, std::size_t n, std::size_t groups) const {
        const bool wide = groups <= kWide.groups;
        const Extent& extent = wide ? kWide : kLong;
        const auto& sums = (wide ? wide_ : long_)[static_cast<std::size_t>(rule)];
        return sums[(r * extent.neurons + n % extent.neurons) * (extent.groups + 1) + groups];
    }

    std::vector<u64> rows;
    std::vector<u64> weights;
    std::vector<bool> negative;

private:
    std::vector<std::int64_t> prefix_sums(Rule rule, const Extent& extent) const {
        std::vector<std::int64_t> sums;
        for (std::size_t r = 0; r < extent.rows; ++r) {
            for (std::size_t n = 0; n < extent.neurons; ++n) {
                std::int64_t sum = 0;
                sums.push_back(0);
                for (std::size_t k = 0; k < extent.groups * kGroupWords; ++k) {
                    const std::size_t w = n * kWords + k;
                    sum += count_product(rule, rows[r * kWords + k], weights[w], negative[w]);
                    if (k % kGroupWords == kGroupWords - 1) sums.push_back(sum);
                }
            }
        }
        return sums;
    }

    std::array<std::vector<std::int64_t>, kRules.size()> long_;
    std::array<std::vector<std::int64_t>, kRules.size()> wide_;
};

class Dense : public EveryTier {
protected:
    static const Problem& random_problem() {
        static const Problem problem{11, false};
        return problem;
    }
    static const Problem& all_ones() {
        static const Problem problem{12, true};
        return problem;
    }

    // The first rows, neurons and groups of a problem, packed as the contract says. Padding around
    // the rows and the sums is checked; the panels and signs are exactly as long as they must be.
    void expect_sums(const Problem& problem, Rule rule, std::size_t rows, std::size_t neurons,
                     std::size_t groups) const {
        SCOPED_TRACE(testing::Message() << "rule " << static_cast<int>(rule) << ", " << rows
                                        << " x " << neurons << " x " << groups << " groups");
        const std::size_t words = groups * kGroupWords;
        const std::size_t row_stride = words + rows % 3;
        const std::size_t panels = (neurons + kPanelNeurons - 1) / kPanelNeurons;
        const std::size_t sums_stride = neurons + neurons % 4;
        Guarded<u64> x(rows == 0 ? 0 : (rows - 1) * row_stride + words, rows % kOffsets);
        for (std::size_t r = 0; r < rows; ++r)
            std::copy_n(&problem.rows[r * kWords], words, x.data() + r * row_stride);
        Guarded<u64> panel(panels * kPanelNeurons * words);
        Guarded<std::uint8_t> signs(panels * kPanelNeurons * groups);
        std::fill(panel.begin(), panel.end(), u64{0});
        std::fill(signs.begin(), signs.end(), std::uint8_t{0});
        for (std::size_t n = 0; n < neurons; ++n) {
            for (std::size_t k = 0; k < words; ++k) {
                const std::size_t group = k / 8;
                panel[(n / 4) * 4 * words + group * 32 + (n % 4) * 8 + k % 8] =
                    problem.weights[n * kWords + k];
                signs[(n / 4) * 4 * groups + group * 4 + n % 4] |=
                    static_cast<std::uint8_t>(problem.negative[n * kWords + k] << (k % 8));
            }
        }
        Guarded<std::int64_t> sums(rows * sums_stride, neurons % kOffsets);
        for (std::size_t i = 0; i < sums.size(); ++i) sums[i] = static_cast<std::int64_t>(i) - 100;

        const DenseProduct product{
            x.data(),     row_stride, rows,
            panel.data(), 4 * words,  rule == Rule::kSigned ? signs.data() : nullptr,
            4 * groups,   neurons,    words,
            sums.data(),  sums_stride};
        constexpr int kCalls = 2;
        for (int call = 0; call < kCalls; ++call) {
            switch (rule) {
            case Rule::kAnd:
                kernels().dense_and(product);
                break;
            case Rule::kXor:
                kernels().dense_xor(product);
                break;
            case Rule::kSigned:
                kernels().dense_signed(product);
                break;
            }
        }
        for (std::size_t r = 0; r < rows; ++r) {
            for (std::size_t n = 0; n < sums_stride; ++n) {
                const std::size_t i = r * sums_stride + n;
                const std::int64_t added = n < neurons ? problem.sum(rule, r, n, groups) : 0;
                ASSERT_EQ(sums[i], static_cast<std::int64_t>(i) - 100 + kCalls * added)
                    << "row " << r << ", neuron " << n;
            }
        }
        EXPECT_TRUE(sums.intact());
    }
};
BITAXON_FOR_EVERY_TIER(Dense);

constexpr std::array<std::size_t, 12> kNeuronCounts = {1, 2, 3, 4, 5, 6, 7, 8, 9, 31, 32, 33};

TEST_P(Dense, AgreesWithABitLoopForEveryTile) {
    for (const Rule rule : kRules)
        for (std::size_t rows = 1; rows <= 9; ++rows)
            for (const std::size_t neurons : kNeuronCounts)
                for (const std::size_t groups : {1u, 2u, 9u, 17u}) {
                    expect_sums(random_problem(), rule, rows, neurons, groups);
                    if (HasFatalFailure()) return;
                }
}

TEST_P(Dense, AgreesWithABitLoopForEveryStreamLength) {
    std::vector<std::size_t> group_counts = {47, 48, 49, 63, 64, 65, 127, 128, 129, 255, 256};
    for (std::size_t groups = 0; groups <= 34; ++groups) group_counts.push_back(groups);
    for (const Rule rule : kRules)
        for (const std::size_t groups : group_counts)
            for (const std::size_t rows : {1u, 5u, 9u, 17u})
                for (const std::size_t neurons : {3u, 33u}) {
                    expect_sums(random_problem(), rule, rows, neurons, groups);
                    if (HasFatalFailure()) return;
                }
}

TEST_P(Dense, AgreesWithABitLoopForManyRowsAndNeurons) {
    for (const Rule rule : kRules)
        for (const std::size_t rows : {11u, 16u, 17u, 32u, 65u, 70u})
            for (const std::size_t neurons : {16u, 17u, 31u, 47u, 48u, 63u, 64u, 65u, 70u})
                for (const std::size_t groups : {1u, 3u}) {
                    expect_sums(random_problem(), rule, rows, neurons, groups);
                    if (HasFatalFailure()) return;
                }
}

// Narrow counters must hold the largest sum: 64 a word, or 64 minus it under a sign.
TEST_P(Dense, NothingOverflowsWhenEveryBitIsOne) {
    for (const Rule rule : kRules)
        for (const std::size_t groups : {1u, 2u, 3u, 4u, 15u, 16u, 31u, 32u, 33u, 64u, 100u, 256u})
            for (const std::size_t rows : {2u, 9u, 17u})
                for (const std::size_t neurons : {33u, 65u}) {
                    expect_sums(all_ones(), rule, rows, neurons, groups);
                    if (HasFatalFailure()) return;
                }
}

TEST_P(Dense, EmptyProductsAddNothing) {
    for (const Rule rule : kRules) {
        expect_sums(random_problem(), rule, 0, 5, 2);
        expect_sums(random_problem(), rule, 5, 0, 2);
        expect_sums(random_problem(), rule, 5, 5, 0);
    }
}

}  // namespace
}  // namespace bitaxon::kernels::test
