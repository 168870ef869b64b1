// Circular functions, their inverses and erf against MPFR: at most 1 ulp in f64 and 1.5 in f32.
#include "accuracy.hpp"

#include <numbers>
#include <span>

namespace bitaxon::jit::accuracy {
namespace {

// MPFR's and the C library's functions in the shape of `Function`.
template <int (*F)(mpfr_ptr, mpfr_srcptr, mpfr_rnd_t)>
void exact(mpfr_ptr result, mpfr_srcptr x, mpfr_srcptr) {
    F(result, x, MPFR_RNDN);
}
template <double (*F)(double)>
double quick32(double x, double) {
    return F(x);
}
template <long double (*F)(long double)>
long double quick64(long double x, long double) {
    return F(x);
}

void exact_atan2(mpfr_ptr result, mpfr_srcptr y, mpfr_srcptr x) {
    mpfr_atan2(result, y, x, MPFR_RNDN);
}

#define UNARY(name, low, high)                                                                     \
    {                                                                                              \
#name, math::name, nullptr, exact < mpfr_##name>, quick32 < ::name>, quick64 < ::name##l>, \
        {                                                                                          \
            low, high                                                                              \
        }                                                                                          \
    }

const Function kFunctions[] = {
    UNARY(sin, -30, 30),
    UNARY(cos, -30, 30),
    UNARY(tan, -30, 30),
    UNARY(asin, -1, 1),
    UNARY(acos, -1, 1),
    UNARY(atan, -4, 4),
    UNARY(erf, -7, 7),
    {"atan2",
     nullptr,
     math::atan2,
     exact_atan2,
     [](double y, double x) { return std::atan2(y, x); },
     [](long double y, long double x) { return std::atan2(y, x); },
     {-4, 4},
     {-4, 4}},
};

// By number, so that a failing test is named by its function and not by the bytes of the parameter.
class CircularAccuracy : public testing::TestWithParam<std::size_t> {
  protected:
    static const Function& function() { return kFunctions[GetParam()]; }
};

TEST_P(CircularAccuracy, F64IsWithinOneUlp) {
    expect_accurate<double>(function(), measure_samples<double>(function(), effort()));
}

TEST_P(CircularAccuracy, F32IsWithinOneAndAHalfUlp) {
    expect_accurate<float>(function(), measure_samples<float>(function(), effort()));
}

TEST_P(CircularAccuracy, AllFloatsAreWithinOneAndAHalfUlp) {
    if (function().unary == nullptr || std::getenv("BITAXON_ACCURACY_ALL_FLOATS") == nullptr) {
        GTEST_SKIP() << "runs in `make accuracy`, for functions of one argument";
    }
    expect_accurate<float>(function(), measure_all_floats(function()));
}

INSTANTIATE_TEST_SUITE_P(Functions, CircularAccuracy,
                         testing::Range(std::size_t{0}, std::size(kFunctions)),
                         [](const auto& test) { return kFunctions[test.param].name; });

// The three functions of x, all judged by MPFR.
template <class T>
void expect_accurate_at(const std::vector<T>& x) {
    for (const Function& function : std::span(kFunctions).first(3)) {
        const Evaluator<T> evaluator(function);
        expect_accurate<T>(function, measure(function, evaluator, x, x, Judge::mpfr));
    }
}

template <class T>
void expect_reduction_is_accurate_near_quarter_turns() {
    std::vector<T> x;
    const auto add_around = [&](double centre) {
        const T value = static_cast<T>(centre);
        x.insert(x.end(), {value, std::nextafter(value, T(0)), std::nextafter(value, T(1e30F))});
    };
    for (int k = 0; k < 6000; ++k) {
        add_around(k * std::numbers::pi / 2);
    }
    for (double k = 6000; k < 0x1p+24; k *= 1.001) {
        add_around(std::floor(k) * std::numbers::pi / 2);
    }
    expect_accurate_at(x);
}

TEST(CircularReduction, F64IsAccurateNearMultiplesOfQuarterTurns) {
    expect_reduction_is_accurate_near_quarter_turns<double>();
}

TEST(CircularReduction, F32IsAccurateNearMultiplesOfQuarterTurns) {
    expect_reduction_is_accurate_near_quarter_turns<float>();
}

template <class T>
void expect_accurate_across(double limit) {
    std::vector<T> x;
    T below = static_cast<T>(limit);
    T above = below;
    for (int i = 0; i < 2000; ++i) {
        x.insert(x.end(), {below, -below, above, -above});
        below = std::nextafter(below, T(0));
        above = std::nextafter(above, T(1e30F));
    }
    expect_accurate_at(x);
}

TEST(CircularReduction, NothingShowsWhereTheOutOfLinePathBegins) {
    expect_accurate_across<float>(0x1p+13);
    expect_accurate_across<double>(0x1p+21);
}

TEST(CircularReduction, HugeArgumentsAreReducedExactly) {
    // Of all doubles, 6381956970095103 * 2^797 is the nearest to a multiple of pi/2 (Muller 2016).
    std::vector<double> x{6381956970095103.0 * 0x1p+797, 0x1p+1023,
                          std::numeric_limits<double>::max()};
    std::vector<float> narrow{std::numeric_limits<float>::max(), 0x1p+127F};
    std::mt19937_64 random(1);
    for (int exponent = 14; exponent < 1024; ++exponent) {
        for (int i = 0; i < 20; ++i) {
            const double fraction = 1 + static_cast<double>(random() >> 12) * 0x1p-52;
            x.push_back(std::ldexp(fraction, exponent));
            if (exponent < 127) {
                narrow.push_back(static_cast<float>(x.back()));
            }
        }
    }
    expect_accurate_at(x);
    expect_accurate_at(narrow);
}

template <class T>
void expect_atan2_is_accurate_near_the_smallest_numbers() {
    using Limits = std::numeric_limits<T>;
    std::mt19937_64 random(2);
    const auto number = [&](int lowest, int highest) {
        const double fraction = 1 + static_cast<double>(random() >> 12) * 0x1p-52;
        const auto range = static_cast<std::uint64_t>(highest - lowest + 1);
        return static_cast<T>(std::ldexp(fraction, lowest + static_cast<int>(random() % range)));
    };
    const int bottom = Limits::min_exponent - Limits::digits;
    std::vector<T> y;
    std::vector<T> x;
    for (int i = 0; i < 50'000; ++i) {
        y.push_back(number(bottom, bottom + 60));
        x.push_back(number(-20, 20));
        y.push_back(number(-20, 20));
        x.push_back(number(Limits::max_exponent - 30, Limits::max_exponent - 1));
        y.push_back(number(bottom, bottom + 60));
        x.push_back(number(bottom, bottom + 60));
    }
    const Function& function = kFunctions[std::size(kFunctions) - 1];
    const Evaluator<T> evaluator(function);
    expect_accurate<T>(function, measure(function, evaluator, y, x, Judge::mpfr));
    expect_accurate<T>(function, measure(function, evaluator, x, y, Judge::mpfr));
}

TEST(Atan2, F64IsAccurateNearTheSmallestNumbers) {
    expect_atan2_is_accurate_near_the_smallest_numbers<double>();
}

TEST(Atan2, F32IsAccurateNearTheSmallestNumbers) {
    expect_atan2_is_accurate_near_the_smallest_numbers<float>();
}

}  // namespace
}  // namespace bitaxon::jit::accuracy
