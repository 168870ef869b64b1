// exp, log and their kin against MPFR: at most 1 ulp in f64 and 1.5 in f32, special values as in C.
#include "accuracy.hpp"

namespace bitaxon::jit::accuracy {

namespace {

// MPFR's and the C library's functions in the shape of `Function`.
template <int (*F)(mpfr_ptr, mpfr_srcptr, mpfr_rnd_t)>
void exact(mpfr_ptr result, mpfr_srcptr x, mpfr_srcptr) {
    F(result, x, MPFR_RNDN);
}
template <int (*F)(mpfr_ptr, mpfr_srcptr, mpfr_srcptr, mpfr_rnd_t)>
void exact2(mpfr_ptr result, mpfr_srcptr x, mpfr_srcptr y) {
    F(result, x, y, MPFR_RNDN);
}
template <double (*F)(double)>
double quick32(double x, double) {
    return F(x);
}
template <long double (*F)(long double)>
long double quick64(long double x, long double) {
    return F(x);
}

void exact_sigmoid(mpfr_ptr result, mpfr_srcptr x, mpfr_srcptr) {
    mpfr_neg(result, x, MPFR_RNDN);
    mpfr_exp(result, result, MPFR_RNDN);
    mpfr_add_ui(result, result, 1, MPFR_RNDN);
    mpfr_ui_div(result, 1, result, MPFR_RNDN);
}

void exact_exprel(mpfr_ptr result, mpfr_srcptr x, mpfr_srcptr) {
    if (mpfr_zero_p(x)) {
        mpfr_set_ui(result, 1, MPFR_RNDN);
    } else if (mpfr_inf_p(x) && mpfr_sgn(x) > 0) {
        mpfr_set_inf(result, 1);
    } else {
        mpfr_expm1(result, x, MPFR_RNDN);
        mpfr_div(result, result, x, MPFR_RNDN);
    }
}

template <class T>
T sigmoid(T x, T) {
    return 1 / (1 + std::exp(-x));
}

template <class T>
T exprel(T x, T) {
    return x == 0 ? 1 : x == std::numeric_limits<T>::infinity() ? x : std::expm1(x) / x;
}

template <class T>
T power(T x, T y) {
    return std::pow(x, y);
}

template <class T>
T hypotenuse(T x, T y) {
    return std::hypot(x, y);
}

using Exact = void (*)(mpfr_ptr, mpfr_srcptr, mpfr_srcptr);
using Quick32 = double (*)(double, double);
using Quick64 = long double (*)(long double, long double);

constexpr Function unary(const char* name, NodeId (*function)(math::MathBuilder&, Type, NodeId),
                         Exact exact, Quick32 quick32, Quick64 quick64, Range range) {
    return {name, function, nullptr, exact, quick32, quick64, range};
}

constexpr Function binary(const char* name,
                          NodeId (*function)(math::MathBuilder&, Type, NodeId, NodeId), Exact exact,
                          Quick32 quick32, Quick64 quick64, Range x, Range y) {
    return {name, nullptr, function, exact, quick32, quick64, x, y};
}

#define LIKE_C(name)                                                                               \
#name, math::name, exact < mpfr_##name>, quick32 < ::name>, quick64 < ::name##l>
#define POWER(name) name, math::pow, exact2<mpfr_pow>, power<double>, power<long double>
#define WITH_QUICK(function) function<double>, function<long double>

const Function kFunctions[] = {
    unary(LIKE_C(exp), {-110, 100}),
    unary(LIKE_C(expm1), {-2, 2}),
    unary(LIKE_C(exp2), {-160, 130}),
    unary("exprel", math::exprel, exact_exprel, WITH_QUICK(exprel), {-50, 100}),
    unary("sigmoid", math::sigmoid, exact_sigmoid, WITH_QUICK(sigmoid), {-110, 40}),
    unary(LIKE_C(sinh), {-3, 3}),
    unary(LIKE_C(cosh), {-3, 3}),
    unary(LIKE_C(tanh), {-3, 3}),
    unary(LIKE_C(log), {0, 4}),
    unary(LIKE_C(log1p), {-1, 4}),
    unary(LIKE_C(log2), {0, 4}),
    unary(LIKE_C(log10), {0, 4}),
    unary(LIKE_C(cbrt), {-8, 8}),
    binary(POWER("pow"), {0, 20}, {-30, 30}),
    binary(POWER("pow_with_large_exponents"), {0.5, 2}, {-128, 128}),
    binary(POWER("pow_close_to_one"), {0.9999, 1.0001}, {-1e6, 1e6}),
    binary("hypot", math::hypot, exact2<mpfr_hypot>, WITH_QUICK(hypotenuse), {-4, 4}, {-4, 4}),
};

#undef LIKE_C
#undef POWER
#undef WITH_QUICK

class ExponentialAccuracy : public testing::TestWithParam<Function> {};

TEST_P(ExponentialAccuracy, F64IsWithinOneUlp) {
    expect_accurate<double>(GetParam(), measure_samples<double>(GetParam(), effort()));
}

TEST_P(ExponentialAccuracy, F32IsWithinOneAndAHalfUlp) {
    expect_accurate<float>(GetParam(), measure_samples<float>(GetParam(), effort()));
}

TEST_P(ExponentialAccuracy, AllFloatsAreWithinOneAndAHalfUlp) {
    if (GetParam().unary == nullptr || std::getenv("BITAXON_ACCURACY_ALL_FLOATS") == nullptr) {
        GTEST_SKIP() << "runs in `make accuracy`, for functions of one argument";
    }
    expect_accurate<float>(GetParam(), measure_all_floats(GetParam()));
}

INSTANTIATE_TEST_SUITE_P(Functions, ExponentialAccuracy, testing::ValuesIn(kFunctions),
                         function_name);

}  // namespace
}  // namespace bitaxon::jit::accuracy
