// What the kernel tests share: the fixture of all tiers, guarded buffers, and bits read one by one.
#pragma once

#include <bitaxon/kernels/tier.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <new>
#include <ostream>
#include <random>
#include <string>
#include <vector>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(address, size)                                                   \
    (static_cast<void>(address), static_cast<void>(size))
#define ASAN_UNPOISON_MEMORY_REGION(address, size)                                                 \
    (static_cast<void>(address), static_cast<void>(size))
#endif

namespace bitaxon::kernels {

inline void PrintTo(const TierInfo& tier, std::ostream* out) { *out << tier.name; }

namespace test {

using u64 = std::uint64_t;

/// Runs its tests once for every tier of the list; a tier that this machine lacks is skipped by
/// name.
class EveryTier : public testing::TestWithParam<TierInfo> {
protected:
    void SetUp() override {
        if (table(GetParam().tier) == nullptr)
            GTEST_SKIP() << "tier " << GetParam().name
                         << (GetParam().compiled ? " needs features that this CPU lacks"
                                                 : " belongs to another architecture");
    }
    const KernelTable& kernels() const { return *table(GetParam().tier); }
};

inline std::string tier_id(const testing::TestParamInfo<TierInfo>& tier) {
    std::string id{tier.param.name};
    std::replace(id.begin(), id.end(), '-', '_');
    return id;
}

#define BITAXON_FOR_EVERY_TIER(suite)                                                              \
    INSTANTIATE_TEST_SUITE_P(Tiers, suite, testing::ValuesIn(::bitaxon::kernels::tiers()),         \
                             ::bitaxon::kernels::test::tier_id)

/// `size` elements that start `offset` elements behind a 64-byte boundary, with guard bytes on both
/// sides. intact() finds what was written there; AddressSanitizer also sees what was only read.
template <class T>
class Guarded {
public:
    explicit Guarded(std::size_t size, std::size_t offset = 0)
        : size_(size), before_(kGuardBytes + offset * sizeof(T)) {
        memory_ = static_cast<unsigned char*>(::operator new(bytes(), kAlignment));
        std::memset(memory_, kPattern, bytes());
        close();
    }
    Guarded(const Guarded&) = delete;
    Guarded& operator=(const Guarded&) = delete;
    ~Guarded() {
        open();
        ::operator delete(memory_, kAlignment);
    }

    T* data() { return reinterpret_cast<T*>(memory_ + before_); }
    T* begin() { return data(); }
    T* end() { return data() + size_; }
    std::size_t size() const { return size_; }
    T& operator[](std::size_t i) { return data()[i]; }

    /// Whether everything outside the elements is as it was.
    bool intact() const {
        open();
        const auto untouched = [](unsigned char byte) { return byte == kPattern; };
        const bool result = std::all_of(memory_, memory_ + before_, untouched) &&
                            std::all_of(after(), memory_ + bytes(), untouched);
        close();
        return result;
    }

private:
    static constexpr std::size_t kGuardBytes = 64;
    static constexpr unsigned char kPattern = 0xa5;
    static constexpr std::align_val_t kAlignment{64};

    unsigned char* after() const { return memory_ + before_ + size_ * sizeof(T); }
    std::size_t bytes() const { return before_ + size_ * sizeof(T) + kGuardBytes; }
    void open() const { ASAN_UNPOISON_MEMORY_REGION(memory_, bytes()); }
    void close() const {
        ASAN_POISON_MEMORY_REGION(memory_, before_);
        ASAN_POISON_MEMORY_REGION(after(), kGuardBytes);
    }

    std::size_t size_;
    std::size_t before_;
    unsigned char* memory_;
};

inline std::size_t words_for(std::size_t length_bits) { return (length_bits + 63) / 64; }

inline bool bit(const u64* words, std::size_t t) { return words[t / 64] >> (t % 64) & 1; }

/// Random bits, each one with probability 1/2, with a clean tail.
inline void fill_bits(u64* out, std::size_t length_bits, std::mt19937_64& random) {
    std::generate_n(out, words_for(length_bits), [&] { return random(); });
    for (std::size_t t = length_bits; t < 64 * words_for(length_bits); ++t)
        out[t / 64] &= ~(u64{1} << (t % 64));
}

/// Lengths in bits that straddle words, groups and vectors of every tier, and a few primes.
inline const std::vector<std::size_t>& lengths() {
    static const std::vector<std::size_t> all = {
        0,   1,   2,   7,   63,  64,  65,   101,  127,  128,  129,  191,  255,  256, 257,
        449, 511, 512, 513, 769, 997, 1023, 1024, 1025, 2053, 4093, 8191, 8192, 8209};
    return all;
}

inline constexpr std::size_t kOffsets = 8;  // in words: every alignment within 64 bytes

}  // namespace test
}  // namespace bitaxon::kernels
