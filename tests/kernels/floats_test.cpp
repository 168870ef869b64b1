#include "support.hpp"

#include <bit>
#include <cmath>
#include <limits>

namespace bitaxon::kernels::test {
namespace {

// One interface for both types of a kernel.
template <class T>
struct Of;
template <>
struct Of<float> {
    using Bits = std::uint32_t;
    static float dot(const KernelTable& k, const float* a, const float* b, std::size_t n) {
        return k.dot_f32(a, b, n);
    }
    static float sum(const KernelTable& k, const float* a, std::size_t n) {
        return k.sum_f32(a, n);
    }
    static float max(const KernelTable& k, const float* a, std::size_t n) {
        return k.max_f32(a, n);
    }
    static void scale(const KernelTable& k, const float* a, float f, float* out, std::size_t n) {
        k.scale_f32(a, f, out, n);
    }
};
template <>
struct Of<double> {
    using Bits = std::uint64_t;
    static double dot(const KernelTable& k, const double* a, const double* b, std::size_t n) {
        return k.dot_f64(a, b, n);
    }
    static double sum(const KernelTable& k, const double* a, std::size_t n) {
        return k.sum_f64(a, n);
    }
    static double max(const KernelTable& k, const double* a, std::size_t n) {
        return k.max_f64(a, n);
    }
    static void scale(const KernelTable& k, const double* a, double f, double* out, std::size_t n) {
        k.scale_f64(a, f, out, n);
    }
};

// Equal bits; NaNs are one class.
template <class T>
testing::AssertionResult same(T got, T expected) {
    using Bits = typename Of<T>::Bits;
    if (std::isnan(got) && std::isnan(expected)) return testing::AssertionSuccess();
    if (std::bit_cast<Bits>(got) == std::bit_cast<Bits>(expected))
        return testing::AssertionSuccess();
    return testing::AssertionFailure() << got << " is not " << expected;
}

// The contract, element by element. A compiler that fuses the product would break this oracle,
// hence the volatile.
template <class T>
T dot_by_lanes(const T* a, const T* b, std::size_t count) {
    T lanes[16] = {};
    for (std::size_t i = 0; i < count; ++i) {
        volatile T product = b == nullptr ? a[i] : a[i] * b[i];
        lanes[i % 16] += product;
    }
    T eight[8], four[4];
    for (std::size_t l = 0; l < 8; ++l) eight[l] = lanes[l] + lanes[l + 8];
    for (std::size_t l = 0; l < 4; ++l) four[l] = eight[l] + eight[l + 4];
    const T even = four[0] + four[2];
    const T odd = four[1] + four[3];
    return even + odd;
}

template <class T>
T max_by_rules(const T* a, std::size_t count) {
    T largest = -std::numeric_limits<T>::infinity();
    for (std::size_t i = 0; i < count; ++i) {
        if (std::isnan(a[i])) return std::numeric_limits<T>::quiet_NaN();
        const bool positive_zero = a[i] == 0 && largest == 0 && !std::signbit(a[i]);
        if (a[i] > largest || positive_zero) largest = a[i];
    }
    return largest;
}

// Many magnitudes and both signs: sums in another order give other bits.
template <class T>
void fill_numbers(Guarded<T>& numbers, std::mt19937_64& random) {
    for (T& number : numbers) {
        const u64 r = random();
        const T mantissa = static_cast<T>(static_cast<double>(r >> 11) * 0x1p-53 - 0.5);
        number = std::ldexp(mantissa, static_cast<int>(r % 40) - 20);
    }
}

std::vector<std::size_t> counts() {
    std::vector<std::size_t> all = {63,  64,  65,   127,  128,  129, 511,
                                    512, 513, 1023, 1024, 1025, 2053};
    for (std::size_t count = 0; count < 50; ++count) all.push_back(count);
    return all;
}

template <class T>
void expect_reductions_and_scaling(const KernelTable& kernels) {
    std::mt19937_64 random{13};
    for (const std::size_t count : counts()) {
        for (std::size_t offset = 0; offset < kOffsets; ++offset) {
            SCOPED_TRACE(testing::Message() << count << " numbers at " << offset);
            Guarded<T> a(count, offset);
            Guarded<T> b(count, (3 * offset + 1) % kOffsets);
            Guarded<T> out(count, (5 * offset + 2) % kOffsets);
            fill_numbers(a, random);
            fill_numbers(b, random);
            const T* none = nullptr;
            EXPECT_TRUE(same(Of<T>::dot(kernels, a.data(), b.data(), count),
                             dot_by_lanes<T>(a.data(), b.data(), count)));
            EXPECT_TRUE(
                same(Of<T>::sum(kernels, a.data(), count), dot_by_lanes(a.data(), none, count)));
            EXPECT_TRUE(same(Of<T>::max(kernels, a.data(), count), max_by_rules(a.data(), count)));
            const T factor = static_cast<T>(-0.37);
            Of<T>::scale(kernels, a.data(), factor, out.data(), count);
            for (std::size_t i = 0; i < count; ++i) ASSERT_TRUE(same(out[i], a[i] * factor)) << i;
            EXPECT_TRUE(out.intact());
            Of<T>::scale(kernels, a.data(), factor, a.data(), count);
            EXPECT_TRUE(std::equal(a.begin(), a.end(), out.begin()));
        }
    }
}

template <class T>
void expect_special_values(const KernelTable& kernels) {
    constexpr T kInfinity = std::numeric_limits<T>::infinity();
    constexpr T kNan = std::numeric_limits<T>::quiet_NaN();
    EXPECT_TRUE(same(Of<T>::max(kernels, nullptr, 0), -kInfinity));
    EXPECT_TRUE(same(Of<T>::sum(kernels, nullptr, 0), T{0}));
    for (const std::size_t count : {1u, 2u, 5u, 8u, 15u, 16u, 17u, 31u, 33u, 67u}) {
        std::vector<T> numbers(count, T{-0.0});
        EXPECT_TRUE(same(Of<T>::max(kernels, numbers.data(), count), T{-0.0})) << count;
        EXPECT_TRUE(same(Of<T>::sum(kernels, numbers.data(), count), T{0})) << count;
        for (std::size_t i = 0; i < count; ++i) {
            SCOPED_TRACE(testing::Message() << "element " << i << " of " << count);
            for (const T background : {T{-0.0}, T{-3}, -kInfinity}) {
                std::fill(numbers.begin(), numbers.end(), background);
                for (const T special : {T{0}, T{7}, kInfinity, -kInfinity, kNan, -kNan}) {
                    numbers[i] = special;
                    EXPECT_TRUE(same(Of<T>::max(kernels, numbers.data(), count),
                                     max_by_rules(numbers.data(), count)));
                    const T* none = nullptr;
                    EXPECT_TRUE(same(Of<T>::sum(kernels, numbers.data(), count),
                                     dot_by_lanes(numbers.data(), none, count)));
                    EXPECT_TRUE(same(Of<T>::dot(kernels, numbers.data(), numbers.data(), count),
                                     dot_by_lanes<T>(numbers.data(), numbers.data(), count)));
                }
            }
        }
    }
}

// (1 + e)^2 - (1 + 2e) is 0 when the product is rounded first, e^2 when it is fused.
template <class T>
void expect_no_fused_products(const KernelTable& kernels) {
    const T x = 1 + std::numeric_limits<T>::epsilon();
    const T y = -(1 + 2 * std::numeric_limits<T>::epsilon());
    T a[32] = {};
    T b[32] = {};
    for (std::size_t lane = 0; lane < 16; ++lane) {
        a[lane] = y;
        b[lane] = 1;
        a[lane + 16] = x;
        b[lane + 16] = x;
    }
    EXPECT_TRUE(same(Of<T>::dot(kernels, a, b, 32), T{0}));
}

// Numerators and denominators are exact in integers, so one division rounds.
void expect_correlations(const KernelTable& kernels) {
    std::mt19937_64 random{12};
    for (const std::int64_t n : {1L, 2L, 63L, 1024L, (1L << 26) - 1}) {
        const auto below = [&](std::int64_t limit) {
            return static_cast<std::int64_t>(random() % static_cast<u64>(limit));
        };
        for (std::size_t count = 0; count < 20; ++count) {
            const std::int64_t a = count % 4 == 0 ? 0 : count % 4 == 1 ? n : below(n + 1);
            Guarded<double> others(count, count % kOffsets);
            Guarded<std::int64_t> both(count, (count + 3) % kOffsets);
            Guarded<double> out(count, (count + 5) % kOffsets);
            std::vector<double> expected;
            for (std::size_t j = 0; j < count; ++j) {
                const std::int64_t b = j % 5 == 0 ? n : below(n + 1);
                const std::int64_t least = std::max<std::int64_t>(a + b - n, 0);
                const std::int64_t most = std::min(a, b);
                both[j] = j % 3 == 0 ? most : j % 3 == 1 ? least : least + below(most - least + 1);
                others[j] = static_cast<double>(b);
                const std::int64_t excess = both[j] * n - a * b;
                const std::int64_t range = excess > 0 ? most * n - a * b : a * b - least * n;
                expected.push_back(
                    excess == 0 ? 0 : static_cast<double>(excess) / static_cast<double>(range));
            }
            kernels.scc(static_cast<double>(n), static_cast<double>(a), others.data(), both.data(),
                        count, out.data());
            for (std::size_t j = 0; j < count; ++j)
                EXPECT_TRUE(same(out[j], expected[j]))
                    << n << " bits, " << a << " and " << others[j];
            EXPECT_TRUE(out.intact());
        }
    }
}

class Floats : public EveryTier {};
BITAXON_FOR_EVERY_TIER(Floats);

TEST_P(Floats, F32AgreesWithSixteenScalarLanes) { expect_reductions_and_scaling<float>(kernels()); }
TEST_P(Floats, F64AgreesWithSixteenScalarLanes) {
    expect_reductions_and_scaling<double>(kernels());
}
TEST_P(Floats, F32KeepsTheRulesForZeroInfinityAndNan) { expect_special_values<float>(kernels()); }
TEST_P(Floats, F64KeepsTheRulesForZeroInfinityAndNan) { expect_special_values<double>(kernels()); }
TEST_P(Floats, F32RoundsEveryProduct) { expect_no_fused_products<float>(kernels()); }
TEST_P(Floats, F64RoundsEveryProduct) { expect_no_fused_products<double>(kernels()); }
TEST_P(Floats, CorrelationsAreThoseOfIntegers) { expect_correlations(kernels()); }

}  // namespace
}  // namespace bitaxon::kernels::test
