// The loops behind primitive_function(), included once for every instruction set that they are
// compiled for. Standard headers come before.

using FloatBits = std::uint32_t;
using DoubleBits = std::uint64_t;

template <class T>
struct Lane;
template <>
struct Lane<float> {
    using Bits = std::uint32_t;
    using Signed = std::int32_t;
};
template <>
struct Lane<double> {
    using Bits = std::uint64_t;
    using Signed = std::int64_t;
};
template <>
struct Lane<std::int32_t> {
    using Bits = std::uint32_t;
    using Signed = std::int32_t;
};
template <>
struct Lane<std::int64_t> {
    using Bits = std::uint64_t;
    using Signed = std::int64_t;
};

template <class T>
using BitsOf = typename Lane<T>::Bits;

// One struct an operation: what it means for one lane.
struct Add {
    template <class T>
    static T apply(T a, T b) {
        if constexpr (std::is_integral_v<T>) {
            return static_cast<T>(static_cast<BitsOf<T>>(a) + static_cast<BitsOf<T>>(b));
        } else {
            return a + b;
        }
    }
};
struct Sub {
    template <class T>
    static T apply(T a, T b) {
        if constexpr (std::is_integral_v<T>) {
            return static_cast<T>(static_cast<BitsOf<T>>(a) - static_cast<BitsOf<T>>(b));
        } else {
            return a - b;
        }
    }
};
struct Mul {
    template <class T>
    static T apply(T a, T b) {
        if constexpr (std::is_integral_v<T>) {
            return static_cast<T>(static_cast<BitsOf<T>>(a) * static_cast<BitsOf<T>>(b));
        } else {
            return a * b;
        }
    }
};
struct Div {
    template <class T>
    static T apply(T a, T b) {
        return a / b;
    }
};
struct Sqrt {
    static float apply(float a) { return __builtin_sqrtf(a); }
    static double apply(double a) { return __builtin_sqrt(a); }
};
struct Fma {
    static float apply(float a, float b, float c) { return __builtin_fmaf(a, b, c); }
    static double apply(double a, double b, double c) { return __builtin_fma(a, b, c); }
};
struct Fms {
    template <class T>
    static T apply(T a, T b, T c) {
        return Fma::apply(a, b, -c);
    }
};
struct Fnma {
    template <class T>
    static T apply(T a, T b, T c) {
        return Fma::apply(-a, b, c);
    }
};
struct Lesser {
    template <class T>
    static T apply(T a, T b) {
        return a < b ? a : b;
    }
};
struct Greater {
    template <class T>
    static T apply(T a, T b) {
        return a > b ? a : b;
    }
};
// Equal operands differ at most in the sign of zero, so joining their bits orders -0 below +0.
struct Min {
    template <class T>
    static T apply(T a, T b) {
        const auto joined = std::bit_cast<T>(std::bit_cast<BitsOf<T>>(a) | std::bit_cast<BitsOf<T>>(b));
        const T ordered = a < b ? a : (b < a ? b : joined);
        return a != a || b != b ? a + b : ordered;
    }
};
struct Max {
    template <class T>
    static T apply(T a, T b) {
        const auto joined = std::bit_cast<T>(std::bit_cast<BitsOf<T>>(a) & std::bit_cast<BitsOf<T>>(b));
        const T ordered = a > b ? a : (b > a ? b : joined);
        return a != a || b != b ? a + b : ordered;
    }
};
struct Round {
    static float apply(float a) { return __builtin_rintf(a); }
    static double apply(double a) { return __builtin_rint(a); }
};
struct Floor {
    static float apply(float a) { return __builtin_floorf(a); }
    static double apply(double a) { return __builtin_floor(a); }
};
struct Ceil {
    static float apply(float a) { return __builtin_ceilf(a); }
    static double apply(double a) { return __builtin_ceil(a); }
};
struct Trunc {
    static float apply(float a) { return __builtin_truncf(a); }
    static double apply(double a) { return __builtin_trunc(a); }
};
// Two multiplications by powers of two: the first is exact within the limits of ops.def, so that the
// result is rounded once.
struct Ldexp {
    static double power_of_two(double, std::int64_t n) {
        return std::bit_cast<double>(static_cast<std::uint64_t>(n + 1023) << 52);
    }
    static float power_of_two(float, std::int32_t n) {
        return std::bit_cast<float>(static_cast<std::uint32_t>(n + 127) << 23);
    }
    template <class T>
    static T apply(T a, T b) {
        using Integer = typename Lane<T>::Signed;
        const T limit = sizeof(T) == 8 ? T(2000) : T(240);
        const T bounded = b < -limit ? -limit : (b < limit ? b : limit);
        const auto n = static_cast<Integer>(static_cast<std::int32_t>(bounded));
        const Integer half = n >> 1;
        return a * power_of_two(T{}, half) * power_of_two(T{}, static_cast<Integer>(n - half));
    }
};
struct BitAnd {
    template <class T>
    static T apply(T a, T b) {
        return a & b;
    }
};
struct BitOr {
    template <class T>
    static T apply(T a, T b) {
        return a | b;
    }
};
struct BitXor {
    template <class T>
    static T apply(T a, T b) {
        return a ^ b;
    }
};
struct BitAndnot {
    template <class T>
    static T apply(T a, T b) {
        return ~a & b;
    }
};
struct Shl {
    template <class U>
    static U apply(U a, U n) {
        return n < sizeof(U) * 8 ? a << (n & (sizeof(U) * 8 - 1)) : U{0};
    }
};
struct Shr {
    template <class U>
    static U apply(U a, U n) {
        return n < sizeof(U) * 8 ? a >> (n & (sizeof(U) * 8 - 1)) : U{0};
    }
};
struct Sar {
    template <class U>
    static U apply(U a, U n) {
        using Signed = std::make_signed_t<U>;
        const U last = sizeof(U) * 8 - 1;
        return static_cast<U>(static_cast<Signed>(a) >> (n < last ? n : last));
    }
};
struct MulLowU32 {
    static std::uint64_t apply(std::uint64_t a, std::uint64_t b) {
        return (a & 0xffffffff) * (b & 0xffffffff);
    }
};
struct Less {
    template <class T>
    static bool apply(T a, T b) {
        return a < b;
    }
};
struct LessEqual {
    template <class T>
    static bool apply(T a, T b) {
        return a <= b;
    }
};
struct Equal {
    template <class T>
    static bool apply(T a, T b) {
        return a == b;
    }
};
struct Unordered {
    template <class T>
    static bool apply(T a, T b) {
        return a != a || b != b;
    }
};

template <class Operation, class T>
void unary(const void* const* args, void* out, std::size_t count) noexcept {
    const T* a = static_cast<const T*>(args[0]);
    T* y = static_cast<T*>(out);
#pragma omp simd
    for (std::size_t i = 0; i < count; ++i) {
        y[i] = Operation::apply(a[i]);
    }
}

template <class Operation, class T>
void binary(const void* const* args, void* out, std::size_t count) noexcept {
    const T* a = static_cast<const T*>(args[0]);
    const T* b = static_cast<const T*>(args[1]);
    T* y = static_cast<T*>(out);
#pragma omp simd
    for (std::size_t i = 0; i < count; ++i) {
        y[i] = Operation::apply(a[i], b[i]);
    }
}

template <class Operation, class T>
void ternary(const void* const* args, void* out, std::size_t count) noexcept {
    const T* a = static_cast<const T*>(args[0]);
    const T* b = static_cast<const T*>(args[1]);
    const T* c = static_cast<const T*>(args[2]);
    T* y = static_cast<T*>(out);
#pragma omp simd
    for (std::size_t i = 0; i < count; ++i) {
        y[i] = Operation::apply(a[i], b[i], c[i]);
    }
}

template <class Operation, class T>
void compare(const void* const* args, void* out, std::size_t count) noexcept {
    using Bits = BitsOf<T>;
    const T* a = static_cast<const T*>(args[0]);
    const T* b = static_cast<const T*>(args[1]);
    Bits* y = static_cast<Bits*>(out);
#pragma omp simd
    for (std::size_t i = 0; i < count; ++i) {
        y[i] = Operation::apply(a[i], b[i]) ? static_cast<Bits>(-1) : Bits{0};
    }
}

template <class Bits>
void select(const void* const* args, void* out, std::size_t count) noexcept {
    const Bits* mask = static_cast<const Bits*>(args[0]);
    const Bits* a = static_cast<const Bits*>(args[1]);
    const Bits* b = static_cast<const Bits*>(args[2]);
    Bits* y = static_cast<Bits*>(out);
#pragma omp simd
    for (std::size_t i = 0; i < count; ++i) {
        y[i] = (mask[i] & a[i]) | (~mask[i] & b[i]);
    }
}

template <class To, class From>
void convert(const void* const* args, void* out, std::size_t count) noexcept {
    const From* a = static_cast<const From*>(args[0]);
    To* y = static_cast<To*>(out);
    for (std::size_t i = 0; i < count; ++i) {
        if constexpr (std::is_floating_point_v<From> && std::is_integral_v<To>) {
            // What a value outside the range gives is open; it must not be undefined behaviour.
            const bool inside = a[i] > From(-2147483648.0) && a[i] < From(2147483648.0);
            y[i] = inside ? static_cast<To>(a[i]) : std::numeric_limits<To>::min();
        } else {
            y[i] = static_cast<To>(a[i]);
        }
    }
}

struct Entry {
    Op op;
    Type type;
    PrimitiveFunction function;
};

#define FLOATS(op, shape, operation) \
    {Op::op, Type::f32, shape<operation, float>}, {Op::op, Type::f64, shape<operation, double>}
#define INTEGERS(op, shape, operation)                      \
    {Op::op, Type::i32, shape<operation, std::int32_t>}, {  \
        Op::op, Type::i64, shape<operation, std::int64_t> \
    }
#define BITS(op, operation)                                                             \
    {Op::op, Type::f32, binary<operation, FloatBits>},                                  \
        {Op::op, Type::i32, binary<operation, FloatBits>},                              \
        {Op::op, Type::m32, binary<operation, FloatBits>},                              \
        {Op::op, Type::f64, binary<operation, DoubleBits>},                             \
        {Op::op, Type::i64, binary<operation, DoubleBits>}, {                           \
        Op::op, Type::m64, binary<operation, DoubleBits>                                \
    }
#define SHIFTS(op, operation)                             \
    {Op::op, Type::i32, binary<operation, FloatBits>}, {  \
        Op::op, Type::i64, binary<operation, DoubleBits>  \
    }
#define COMPARISONS(op, operation, T32, T64) \
    {Op::op, Type::m32, compare<operation, T32>}, {Op::op, Type::m64, compare<operation, T64>}

inline constexpr Entry kEntries[] = {
    FLOATS(add, binary, Add),
    INTEGERS(add, binary, Add),
    FLOATS(sub, binary, Sub),
    INTEGERS(sub, binary, Sub),
    FLOATS(mul, binary, Mul),
    INTEGERS(mul, binary, Mul),
    FLOATS(div, binary, Div),
    FLOATS(sqrt, unary, Sqrt),
    FLOATS(fma, ternary, Fma),
    FLOATS(fms, ternary, Fms),
    FLOATS(fnma, ternary, Fnma),
    FLOATS(lesser, binary, Lesser),
    FLOATS(greater, binary, Greater),
    FLOATS(min, binary, Min),
    FLOATS(max, binary, Max),
    FLOATS(round, unary, Round),
    FLOATS(floor, unary, Floor),
    FLOATS(ceil, unary, Ceil),
    FLOATS(trunc, unary, Trunc),
    FLOATS(ldexp, binary, Ldexp),
    BITS(bit_and, BitAnd),
    BITS(bit_or, BitOr),
    BITS(bit_xor, BitXor),
    BITS(bit_andnot, BitAndnot),
    SHIFTS(shl, Shl),
    SHIFTS(shr, Shr),
    SHIFTS(sar, Sar),
    {Op::mul_low_u32, Type::i64, binary<MulLowU32, DoubleBits>},
    COMPARISONS(float_less, Less, float, double),
    COMPARISONS(float_less_equal, LessEqual, float, double),
    COMPARISONS(float_equal, Equal, float, double),
    COMPARISONS(float_unordered, Unordered, float, double),
    COMPARISONS(int_less, Less, std::int32_t, std::int64_t),
    COMPARISONS(int_equal, Equal, std::int32_t, std::int64_t),
    {Op::select, Type::f32, select<FloatBits>},
    {Op::select, Type::i32, select<FloatBits>},
    {Op::select, Type::m32, select<FloatBits>},
    {Op::select, Type::f64, select<DoubleBits>},
    {Op::select, Type::i64, select<DoubleBits>},
    {Op::select, Type::m64, select<DoubleBits>},
    {Op::f64_from_f32, Type::f64, convert<double, float>},
    {Op::f32_from_f64, Type::f32, convert<float, double>},
    {Op::f32_from_i32, Type::f32, convert<float, std::int32_t>},
    {Op::f64_from_i32, Type::f64, convert<double, std::int32_t>},
    {Op::i32_from_f32, Type::i32, convert<std::int32_t, float>},
    {Op::i32_from_f64, Type::i32, convert<std::int32_t, double>},
    {Op::i64_from_i32, Type::i64, convert<std::int64_t, std::int32_t>},
    {Op::i32_from_i64, Type::i32, convert<std::int32_t, std::int64_t>},
    {Op::m64_from_m32, Type::m64, convert<std::int64_t, std::int32_t>},
    {Op::m32_from_m64, Type::m32, convert<std::int32_t, std::int64_t>},
};

#undef FLOATS
#undef INTEGERS
#undef BITS
#undef SHIFTS
#undef COMPARISONS
