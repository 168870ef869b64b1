#include "semantics.hpp"

#include <array>
#include <bit>
#include <cstdint>
#include <limits>
#include <type_traits>

#if defined(__x86_64__)
#include <cpuinfo_x86.h>
#include <xmmintrin.h>
#endif

namespace bitaxon::jit {
namespace {

constexpr std::size_t kOps = static_cast<std::size_t>(Op::external) + 1;
constexpr std::size_t kTypes = static_cast<std::size_t>(Type::m64) + 1;
using Functions = std::array<std::array<PrimitiveFunction, kTypes>, kOps>;

template <class Entries>
constexpr Functions table_of(const Entries& entries) {
    Functions functions{};
    for (const auto& entry : entries) {
        functions[static_cast<std::size_t>(entry.op)][static_cast<std::size_t>(entry.type)] =
            entry.function;
    }
    return functions;
}

namespace portable {
#include "semantics.inl"
}  // namespace portable

constexpr Functions kPortable = table_of(portable::kEntries);

#if defined(__x86_64__)
// With FMA in the instruction set a fused multiply-add is one instruction instead of a call.
#pragma GCC push_options
#pragma GCC target("avx2,fma")
namespace avx2 {
#include "semantics.inl"
}  // namespace avx2
#pragma GCC pop_options

constexpr Functions kAvx2 = table_of(avx2::kEntries);

const Functions& functions() noexcept {
    static const bool has_avx2 = [] {
        const cpu_features::X86Features features = cpu_features::GetX86Info().features;
        return features.avx2 && features.fma3;
    }();
    return has_avx2 ? kAvx2 : kPortable;
}
#else
const Functions& functions() noexcept { return kPortable; }
#endif

}  // namespace

PrimitiveFunction primitive_function(Op op, Type type) noexcept {
    return functions()[static_cast<std::size_t>(op)][static_cast<std::size_t>(type)];
}

#if defined(__x86_64__)
namespace {
constexpr unsigned kDefaultMxcsr = 0x1f80;
// Writing MXCSR costs tens of nanoseconds. Its six sticky flags, which ordinary arithmetic sets, are no
// reason to.
bool is_default(std::uint64_t mxcsr) noexcept { return (mxcsr & ~std::uint64_t{0x3f}) == kDefaultMxcsr; }
}  // namespace

DefaultFloatEnvironment::DefaultFloatEnvironment() noexcept : saved_(_mm_getcsr()) {
    if (!is_default(saved_)) {
        _mm_setcsr(kDefaultMxcsr);
    }
}
DefaultFloatEnvironment::~DefaultFloatEnvironment() {
    if (!is_default(saved_)) {
        _mm_setcsr(static_cast<unsigned>(saved_));
    }
}
#elif defined(__aarch64__)
DefaultFloatEnvironment::DefaultFloatEnvironment() noexcept {
    asm volatile("mrs %0, fpcr" : "=r"(saved_));
    if (saved_ != 0) {
        asm volatile("msr fpcr, %0" : : "r"(std::uint64_t{0}));
    }
}
DefaultFloatEnvironment::~DefaultFloatEnvironment() {
    asm volatile("msr fpcr, %0" : : "r"(saved_));
}
#else
DefaultFloatEnvironment::DefaultFloatEnvironment() noexcept : saved_(0) {}
DefaultFloatEnvironment::~DefaultFloatEnvironment() = default;
#endif

}  // namespace bitaxon::jit
