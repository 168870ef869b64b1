// Van der Corput and Halton: the digits of the position, mirrored behind the point.
#include "number_source.hpp"

#include <bitaxon/core/error.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <vector>

namespace bitaxon {
namespace {

// Fractions in units of 2^-128. The fraction of a position below 2^63 has a denominator below 2^75,
// so it lies on, or at least 2^-108 away from, where rounding to 32 bits changes. Sums of digits
// times truncated inverses fall short by less than 2^-113; the nudge of 2^-110 makes up for that.
__extension__ using Fraction = unsigned __int128;

std::uint32_t leading_bits(Fraction x) noexcept {
    constexpr Fraction kHalf = Fraction{1} << 95;
    constexpr Fraction kNudge = Fraction{1} << 18;
    const Fraction rounded = x + (kHalf + kNudge);
    if (rounded < x) return std::numeric_limits<std::uint32_t>::max();
    return static_cast<std::uint32_t>(rounded >> 96);
}

class RadicalInverseSource : public NumberSource {
  public:
    RadicalInverseSource(unsigned base, unsigned bits)
        : NumberSource(std::uint64_t{1} << bits, {}), base_(base), dropped_(32 - bits) {
        for (Fraction power = base; power >> 75 == 0; power *= base)
            inverses_.push_back(~Fraction{0} / power);
        std::uint64_t block = base;
        for (block_digits_ = 1; block * base <= kBlock; ++block_digits_) block *= base;
        for (std::uint64_t j = 0; j < block; ++j) block_.push_back(mirrored(j, 0));
    }

    void fill(std::uint64_t first, std::span<std::uint32_t> out,
              std::uint64_t /*threshold*/) const noexcept override {
        std::uint64_t rest = first / block_.size();
        std::size_t inside = first % block_.size();
        for (std::size_t done = 0; done < out.size();) {
            const std::size_t count = std::min(block_.size() - inside, out.size() - done);
            const Fraction high = mirrored(rest, block_digits_);
            for (std::size_t k = 0; k < count; ++k)
                out[done + k] = leading_bits(high + block_[inside + k]) >> dropped_;
            done += count;
            inside = 0;
            ++rest;
        }
    }

  private:
    static constexpr std::uint64_t kBlock = 256;

    // The fraction of a number whose lowest digit stands `digit` places behind the point's first.
    Fraction mirrored(std::uint64_t number, std::size_t digit) const noexcept {
        Fraction sum = 0;
        for (; number != 0; number /= base_) sum += inverses_[digit++] * (number % base_);
        return sum;
    }

    unsigned base_;
    unsigned dropped_;
    std::vector<Fraction> inverses_;  // of base, base^2, ...
    std::size_t block_digits_;
    std::vector<Fraction> block_;  // the fractions of 0, 1, ...
};

}  // namespace

void check_bits(unsigned bits) {
    if (bits < 1 || bits > 32)
        throw_error(ErrorCode::invalid_value, "bits", fmt::format("{}", bits), "1 to 32");
}

unsigned halton_base(unsigned dimension) {
    if (dimension >= kHaltonDimensions)
        throw_error(ErrorCode::invalid_value, "dimension", fmt::format("{}", dimension),
                    fmt::format("0 to {} (Halton)", kHaltonDimensions - 1));
    std::vector<unsigned> primes;
    for (unsigned candidate = 2; primes.size() <= dimension; ++candidate)
        if (std::ranges::none_of(primes, [=](unsigned prime) { return candidate % prime == 0; }))
            primes.push_back(candidate);
    return primes.back();
}

std::unique_ptr<const NumberSource> make_radical_inverse(unsigned base, unsigned bits) {
    if (base < 2 || base > kMaxBase)
        throw_error(ErrorCode::invalid_value, "base", fmt::format("{}", base),
                    fmt::format("2 to {}", kMaxBase));
    check_bits(bits);
    return std::make_unique<RadicalInverseSource>(base, bits);
}

}  // namespace bitaxon
