// Errors of the JIT's functions in units in the last place, against MPFR.
//
// A function is described once, with its exact value by MPFR and a quick estimate by the C library
// in a wider type; samples, special values and sweeps over all floats are the same for all.
#pragma once

#include "backends/interpreter.hpp"
#include "ir/math/math.hpp"

#include <gtest/gtest.h>
#include <mpfr.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <ostream>
#include <random>
#include <string>
#include <thread>
#include <type_traits>
#include <vector>

namespace bitaxon::jit::accuracy {

struct Range {
    double low;
    double high;
};

struct Function {
    const char* name;
    NodeId (*unary)(math::MathBuilder&, Type, NodeId);           ///< or null
    NodeId (*binary)(math::MathBuilder&, Type, NodeId, NodeId);  ///< or null
    /// The value at x (and y) to the result's precision.
    void (*exact)(mpfr_ptr result, mpfr_srcptr x, mpfr_srcptr y);
    /// The value to within a few units of the wider type: double for f32, long double for f64. May
    /// be null: then MPFR does it all.
    double (*quick32)(double x, double y);
    long double (*quick64)(long double x, long double y);
    /// Where half of the samples are; the others have random bits.
    Range x;
    Range y{0, 0};
};

inline void PrintTo(const Function& function, std::ostream* out) { *out << function.name; }

template <class T>
inline constexpr Type type_of = std::is_same_v<T, double> ? Type::f64 : Type::f32;
template <class T>
using Bits = std::conditional_t<sizeof(T) == 8, std::uint64_t, std::uint32_t>;

template <class T>
constexpr double allowed_ulps() {
    return sizeof(T) == 8 ? 1.0 : 1.5;
}

/// A function's expansion, run by the interpreter.
template <class T>
class Evaluator {
  public:
    explicit Evaluator(const Function& function)
        : program_(program(function)), interpreter_(program_) {}

    void run(const T* x, const T* y, T* out, std::size_t count) const {
        const void* inputs[] = {x, y};
        void* outputs[] = {out};
        const Frame frame{inputs, outputs, nullptr, nullptr, nullptr, 0, 0, 1};
        interpreter_.run(frame, 0, static_cast<std::int64_t>(count));
    }

    /// Primitives that run for each element, constants and inputs aside.
    std::size_t primitives() const {
        const std::vector<NodeId> nodes = reachable(program_.graph, program_.roots());
        return static_cast<std::size_t>(std::count_if(nodes.begin(), nodes.end(), [&](NodeId id) {
            return info(program_.graph[id].op).kind == OpKind::primitive;
        }));
    }

  private:
    static Program program(const Function& function) {
        constexpr Type t = type_of<T>;
        Program p;
        p.inputs = {{"x", t}, {"y", t}};
        const NodeId x = p.graph.make(Op::input, t, {}, 0);
        math::MathBuilder builder(p.graph);
        NodeId result;
        if (function.unary != nullptr) {
            result = function.unary(builder, t, x);
        } else {
            result = function.binary(builder, t, x, p.graph.make(Op::input, t, {}, 1));
        }
        p.outputs = {{result, t}};
        return p;
    }

    Program program_;
    Interpreter interpreter_;
};

/// log2 of the ulp of a value of magnitude in [2^(exponent-1), 2^exponent).
template <class T>
long ulp_exponent(long exponent) {
    using Limits = std::numeric_limits<T>;
    return std::max<long>(exponent, Limits::min_exponent) - Limits::digits;
}

/// Numbers of MPFR for one thread.
class Oracle {
  public:
    Oracle() {
        for (mpfr_ptr number : {x_, y_, exact_, difference_}) {
            mpfr_init2(number, 140);
        }
    }
    ~Oracle() {
        for (mpfr_ptr number : {x_, y_, exact_, difference_}) {
            mpfr_clear(number);
        }
    }
    Oracle(const Oracle&) = delete;
    Oracle& operator=(const Oracle&) = delete;

    /// |got - function(x, y)| in ulps of the exact value; infinite where a NaN, an infinity or the
    /// sign of a zero is wrong.
    template <class T>
    double error(const Function& function, T x, T y, T got) {
        constexpr double wrong = std::numeric_limits<double>::infinity();
        mpfr_set_d(x_, static_cast<double>(x), MPFR_RNDN);
        mpfr_set_d(y_, static_cast<double>(y), MPFR_RNDN);
        function.exact(exact_, x_, y_);
        if (mpfr_nan_p(exact_) || std::isnan(got)) {
            return mpfr_nan_p(exact_) && std::isnan(got) ? 0 : wrong;
        }
        if ((mpfr_signbit(exact_) != 0) != std::signbit(got)) {
            return wrong;
        }
        if (mpfr_inf_p(exact_)) {
            return std::isinf(got) ? 0 : wrong;
        }
        if (mpfr_zero_p(exact_)) {
            return got == 0 ? 0 : wrong;
        }
        if (std::isinf(got)) {
            return error_of_infinity<T>();
        }
        mpfr_set_d(difference_, static_cast<double>(got), MPFR_RNDN);
        mpfr_sub(difference_, difference_, exact_, MPFR_RNDN);
        return std::abs(difference_in_ulps<T>(mpfr_get_exp(exact_)));
    }

  private:
    // None if the exact value rounds to it, else the distance from the power of two above all.
    template <class T>
    double error_of_infinity() {
        const int last = std::numeric_limits<T>::max_exponent;
        mpfr_abs(exact_, exact_, MPFR_RNDN);
        mpfr_set_ui_2exp(difference_, 1, last, MPFR_RNDN);
        mpfr_sub(difference_, difference_, exact_, MPFR_RNDN);
        const double ulps = difference_in_ulps<T>(last);
        return ulps <= 0.5 ? 0 : ulps;
    }

    template <class T>
    double difference_in_ulps(long exponent) {
        mpfr_mul_2si(difference_, difference_, -ulp_exponent<T>(exponent), MPFR_RNDN);
        return mpfr_get_d(difference_, MPFR_RNDN);
    }

    mpfr_t x_;
    mpfr_t y_;
    mpfr_t exact_;
    mpfr_t difference_;
};

struct Worst {
    double ulps = 0;
    double x = 0;
    double y = 0;
    double got = 0;

    void join(const Worst& other) {
        if (other.ulps > ulps) {
            *this = other;
        }
    }
};

enum class Judge {
    mpfr,   ///< every sample
    quick,  ///< only samples whose error by the quick estimate is near the largest allowed
};

/// The difference in ulps of T at `exact`.
template <class T>
double ulps_of(long double difference, long double exact) {
    int exponent;
    std::frexp(exact, &exponent);
    const int scale = -static_cast<int>(ulp_exponent<T>(exponent));
    return static_cast<double>(std::ldexp(difference, scale));
}
/// For f32 by the exponent's bits: sweeps over all floats come here.
template <class T>
double ulps_of(double difference, double exact) {
    const auto biased = static_cast<long>(std::bit_cast<std::uint64_t>(exact) >> 52 & 0x7ff);
    const long scale = 1023 - ulp_exponent<T>(biased - 1022);
    return difference * std::bit_cast<double>(static_cast<std::uint64_t>(scale) << 52);
}

/// The error by the quick estimate; large where that says nothing.
template <class T>
double quick_error(const Function& function, T x, T y, T got) {
    using Limits = std::numeric_limits<T>;
    using Wide = std::conditional_t<sizeof(T) == 8, long double, double>;
    Wide exact;
    if constexpr (sizeof(T) == 8) {
        exact = function.quick64(x, y);
    } else {
        exact = function.quick32(static_cast<double>(x), static_cast<double>(y));
    }
    const Wide difference = static_cast<Wide>(got) - exact;
    if (std::signbit(exact) == std::signbit(got)) {
        if (std::isfinite(difference) && exact != 0) {
            return ulps_of<T>(std::abs(difference), exact);
        }
        // A zero or an infinity where it should be, also beyond the narrower type's range.
        const bool overflows = std::abs(exact) >= std::ldexp(Wide{1}, Limits::max_exponent);
        if (exact == 0 ? got == 0 : overflows && std::isinf(got)) {
            return 0;
        }
    }
    return std::isnan(exact) && std::isnan(got) ? 0 : 1e9;
}

template <class T>
Worst measure(const Function& function, const Evaluator<T>& evaluator, const std::vector<T>& x,
              const std::vector<T>& y, Judge judge) {
    std::vector<T> got(x.size());
    evaluator.run(x.data(), y.data(), got.data(), x.size());
    Oracle oracle;
    Worst worst;
    const double doubtful = 0.9 * allowed_ulps<T>();
    for (std::size_t i = 0; i < x.size(); ++i) {
        double ulps = judge == Judge::quick ? quick_error(function, x[i], y[i], got[i]) : doubtful;
        if (ulps >= doubtful) {
            ulps = oracle.error(function, x[i], y[i], got[i]);
        }
        worst.join({ulps, static_cast<double>(x[i]), static_cast<double>(y[i]),
                    static_cast<double>(got[i])});
    }
    return worst;
}

/// Half of them have random bits, a quarter each is even over the range and over eight times that.
template <class T>
std::vector<T> samples(Range range, std::size_t count, std::uint64_t seed) {
    std::mt19937_64 random(seed);
    std::uniform_real_distribution<double> even(range.low, range.high);
    std::vector<T> values(count);
    for (std::size_t i = 0; i < count; ++i) {
        const T any = std::bit_cast<T>(static_cast<Bits<T>>(random()));
        values[i] = i % 2 == 0 ? any : static_cast<T>(even(random) * (i % 4 == 1 ? 8 : 1));
    }
    // Which half is which is independent between two arguments.
    std::shuffle(values.begin(), values.end(), random);
    return values;
}

/// Zeros, ones, the ends of all ranges and what lies next to them, NaN, and the numbers where
/// functions overflow, vanish or change their formula; of both signs.
template <class T>
std::vector<T> special_values() {
    using Limits = std::numeric_limits<T>;
    // clang-format off
    static constexpr double centres[] = {
        0.25, 0.34657359027997264, 0.5, 0.7071067811865476, 1, 1.4142135623730951, 2, 3, 4, 8, 10,
        17.5, 18, 20, 24, 40, 53, 64, 88.72283905206835, 89.41598629223294, 94, 103.97207708399179,
        126, 127, 128, 149, 150, 709.782712893384, 710.4758600739439, 716, 745.1332191019412, 1022,
        1023, 1024, 1074, 1075, 0x1p23, 0x1p24, 0x1p52, 0x1p53, 0x1p64, 1e10, 1e30};
    // clang-format on
    std::vector<T> values{0,
                          Limits::infinity(),
                          Limits::quiet_NaN(),
                          Limits::denorm_min(),
                          3 * Limits::denorm_min(),
                          Limits::min(),
                          std::nextafter(Limits::min(), T(0)),
                          Limits::max(),
                          std::nextafter(Limits::max(), T(0)),
                          Limits::max() / 2,
                          Limits::epsilon(),
                          Limits::epsilon() / 4,
                          std::sqrt(Limits::min()),
                          std::sqrt(Limits::max())};
    for (const double centre : centres) {
        const T value = static_cast<T>(centre);
        values.insert(values.end(), {value, std::nextafter(value, T(0)),
                                     std::nextafter(value, Limits::infinity())});
    }
    const std::size_t count = values.size();
    for (std::size_t i = 0; i < count; ++i) {
        values.push_back(-values[i]);
    }
    return values;
}

/// How many samples MPFR judges, and how many go through the quick estimate.
struct Effort {
    std::size_t exact = 100'000;
    std::size_t quick = 2'000'000;
};

/// From BITAXON_ACCURACY_SAMPLES, if set: that many quick ones and a tenth of it exact.
inline Effort effort() {
    Effort effort;
    if (const char* text = std::getenv("BITAXON_ACCURACY_SAMPLES")) {
        effort.quick = std::strtoull(text, nullptr, 10);
        effort.exact = std::min(effort.exact, effort.quick);
    }
    return effort;
}

/// The largest error over special values and samples.
template <class T>
Worst measure_samples(const Function& function, Effort effort) {
    const Evaluator<T> evaluator(function);
    std::vector<T> x = special_values<T>();
    std::vector<T> y(x.size());
    if (function.binary != nullptr) {
        const std::vector<T> values = x;
        x.clear();
        y.clear();
        for (const T a : values) {
            for (const T b : values) {
                x.push_back(a);
                y.push_back(b);
            }
        }
    }
    Worst worst = measure(function, evaluator, x, y, Judge::mpfr);
    const auto random = [&](std::size_t count, std::uint64_t seed, Judge judge) {
        worst.join(measure(function, evaluator, samples<T>(function.x, count, seed),
                           samples<T>(function.y, count, seed + 1), judge));
    };
    random(effort.exact, 1, Judge::mpfr);
    const bool has_quick =
        sizeof(T) == 8 ? function.quick64 != nullptr : function.quick32 != nullptr;
    constexpr std::size_t chunk = 100'000;
    for (std::size_t done = 0; has_quick && done < effort.quick; done += chunk) {
        random(std::min(chunk, effort.quick - done), 3 + 2 * done, Judge::quick);
    }
    return worst;
}

/// The largest error over all floats, by all cores.
inline Worst measure_all_floats(const Function& function) {
    const Evaluator<float> evaluator(function);
    const std::uint64_t workers = std::max(1U, std::thread::hardware_concurrency());
    constexpr std::uint64_t chunk = std::uint64_t{1} << 18;
    std::vector<Worst> found(workers);
    std::vector<std::thread> threads;
    for (std::uint64_t worker = 0; worker < workers; ++worker) {
        threads.emplace_back([&, worker] {
            std::vector<float> x(chunk);
            const std::vector<float> y(chunk);
            for (std::uint64_t first = worker * chunk; first < std::uint64_t{1} << 32;
                 first += workers * chunk) {
                for (std::uint64_t i = 0; i < chunk; ++i) {
                    x[i] = std::bit_cast<float>(static_cast<std::uint32_t>(first + i));
                }
                found[worker].join(measure(function, evaluator, x, y, Judge::quick));
            }
        });
    }
    Worst worst;
    for (std::uint64_t worker = 0; worker < workers; ++worker) {
        threads[worker].join();
        worst.join(found[worker]);
    }
    return worst;
}

/// All digits of a number.
inline std::string number(double value) {
    std::array<char, 32> text{};
    std::snprintf(text.data(), text.size(), "%.17g", value);
    return text.data();
}

/// Holds the largest error against what is allowed, and records both it and the size of the
/// expansion as properties of the test.
template <class T>
void expect_accurate(const Function& function, const Worst& worst) {
    testing::Test::RecordProperty("max_ulps", number(worst.ulps));
    testing::Test::RecordProperty("worst_at", number(worst.x) + " " + number(worst.y));
    testing::Test::RecordProperty("primitives",
                                  std::to_string(Evaluator<T>(function).primitives()));
    EXPECT_LE(worst.ulps, allowed_ulps<T>()) << function.name << "(" << number(worst.x) << ", "
                                             << number(worst.y) << ") gave " << number(worst.got);
}

/// The name of a test's parameter.
inline std::string function_name(const testing::TestParamInfo<Function>& function) {
    return function.param.name;
}

}  // namespace bitaxon::jit::accuracy
