// Kinds of number sequences behind Sequence, before its index and rotation.
#pragma once

#include <bitaxon/core/sequences.hpp>

#include <memory>
#include <optional>
#include <span>

namespace bitaxon {

class NumberSource {
  public:
    NumberSource(std::uint64_t levels, std::optional<std::uint64_t> period)
        : levels_(levels), period_(period) {}
    virtual ~NumberSource() = default;

    std::uint64_t levels() const noexcept { return levels_; }
    std::optional<std::uint64_t> period() const noexcept { return period_; }

    /// out[k] becomes number first + k. Positions are below 2^63.
    virtual void fill(std::uint64_t first, std::span<std::uint32_t> out,
                      std::uint64_t threshold) const noexcept = 0;

  private:
    std::uint64_t levels_;
    std::optional<std::uint64_t> period_;
};

/// Each checks its parameters.
std::unique_ptr<const NumberSource> make_counter(const Counter& counter, std::uint64_t period);
std::unique_ptr<const NumberSource> make_lfsr(const Lfsr& lfsr);
std::unique_ptr<const NumberSource> make_sobol(const Sobol& sobol);
std::unique_ptr<const NumberSource> make_radical_inverse(unsigned base, unsigned bits);
std::unique_ptr<const NumberSource> make_sigma_delta();

/// The dimension-th prime, 2 first. @throws Error unless dimension < kHaltonDimensions
unsigned halton_base(unsigned dimension);

/// @throws Error naming `bits` unless 1 <= bits <= 32
void check_bits(unsigned bits);

}  // namespace bitaxon
