// Linear feedback shift registers. The bits that enter the register obey the recurrence
//     b[k] = XOR over the taps tau of b[k - tau],
// whose characteristic polynomial is p(x) = x^n + sum x^(n - tau). States obey it too, so with x^u
// = sum c_j x^j (mod p) state u is the XOR of the states j < n with c_j = 1: that is the jump.
#include "number_source.hpp"

#include <bitaxon/core/error.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <vector>

namespace bitaxon {
namespace {

constexpr unsigned kLeastBits = 3;
constexpr unsigned kMostBits = 32;

// Four taps where there are such, two for 3 and 4 bits (R. Ward and T. Molteno, 2007).
constexpr std::array<std::array<unsigned, 4>, kMostBits - kLeastBits + 1> kTaps = {{
    {3, 2},           {4, 3},           {5, 4, 3, 2},     {6, 5, 3, 2},     {7, 6, 5, 4},
    {8, 6, 5, 4},     {9, 8, 6, 5},     {10, 9, 7, 6},    {11, 10, 9, 7},   {12, 11, 8, 6},
    {13, 12, 10, 9},  {14, 13, 11, 9},  {15, 14, 13, 11}, {16, 14, 13, 11}, {17, 16, 15, 14},
    {18, 17, 16, 13}, {19, 18, 17, 14}, {20, 19, 16, 14}, {21, 20, 19, 16}, {22, 19, 18, 17},
    {23, 22, 20, 18}, {24, 23, 21, 20}, {25, 24, 23, 22}, {26, 25, 24, 20}, {27, 26, 25, 22},
    {28, 27, 24, 22}, {29, 28, 27, 25}, {30, 29, 26, 24}, {31, 30, 29, 28}, {32, 30, 26, 25},
}};

class Register {
  public:
    Register(unsigned bits, std::uint64_t taps)
        : bits_(bits), taps_(taps), mask_((std::uint64_t{1} << bits) - 1),
          stride_(static_cast<unsigned>(std::countr_zero(taps)) + 1),
          polynomial_(std::uint64_t{1} << bits) {
        for (unsigned tap = 1; tap <= bits; ++tap)
            if (taps >> (tap - 1) & 1) polynomial_ |= std::uint64_t{1} << (bits - tap);
    }

    unsigned bits() const noexcept { return bits_; }
    std::uint64_t mask() const noexcept { return mask_; }
    std::uint64_t states() const noexcept { return mask_; }  // without 0

    std::uint64_t step(std::uint64_t state) const noexcept {
        const auto feedback = static_cast<std::uint64_t>(__builtin_parityll(state & taps_));
        return (state << 1 | feedback) & mask_;
    }

    /// The coefficients of x^steps mod p.
    std::uint64_t power(std::uint64_t steps) const noexcept {
        std::uint64_t result = 1;
        for (auto bit = static_cast<unsigned>(std::bit_width(steps)); bit-- > 0;) {
            result = product(result, result);
            if (steps >> bit & 1) result = times_x(result);
        }
        return result;
    }

    /// The state that lies as many steps on as the coefficients of their power say.
    std::uint64_t jump(std::uint64_t state, std::uint64_t coefficients) const noexcept {
        std::uint64_t sum = 0;
        for (; coefficients != 0; coefficients >>= 1, state = step(state))
            if (coefficients & 1) sum ^= state;
        return sum;
    }

    /// The next states, `state` itself the first. No new bit depends on one that entered less than
    /// the nearest tap ago, so that many are made at once.
    void run(std::uint64_t state, std::span<std::uint32_t> out) const noexcept {
        const std::uint64_t fresh = (std::uint64_t{1} << stride_) - 1;
        for (std::size_t done = 0; done < out.size();) {
            std::uint64_t feedback = 0;
            for (std::uint64_t taps = taps_ >> (stride_ - 1); taps != 0; taps &= taps - 1)
                feedback ^= state >> std::countr_zero(taps);
            const std::uint64_t wide = state << stride_ | (feedback & fresh);
            const std::size_t count = std::min<std::size_t>(stride_, out.size() - done);
            for (std::size_t k = 0; k < count; ++k)
                out[done + k] = static_cast<std::uint32_t>(wide >> (stride_ - k) & mask_);
            state = wide & mask_;
            done += count;
        }
    }

    /// Whether x has order 2^bits - 1: then all states but 0 lie on one cycle.
    bool is_maximal() const {
        if (power(states()) != 1) return false;
        std::uint64_t rest = states();
        for (std::uint64_t factor = 2; rest != 1; ++factor) {
            if (factor * factor > rest) factor = rest;
            if (rest % factor != 0) continue;
            while (rest % factor == 0) rest /= factor;
            if (power(states() / factor) == 1) return false;
        }
        return true;
    }

  private:
    std::uint64_t times_x(std::uint64_t a) const noexcept {
        return (a << 1) ^ (a >> (bits_ - 1) & 1 ? polynomial_ : 0);
    }
    std::uint64_t product(std::uint64_t a, std::uint64_t b) const noexcept {
        std::uint64_t sum = 0;
        for (unsigned bit = bits_; bit-- > 0;)
            sum = times_x(sum) ^ (a & (std::uint64_t{0} - (b >> bit & 1)));
        return sum;
    }

    unsigned bits_;
    std::uint64_t taps_;
    std::uint64_t mask_;
    unsigned stride_;  // the nearest tap
    std::uint64_t polynomial_;
};

Register checked_register(const Lfsr& lfsr) {
    const std::uint64_t standard = maximal_taps(lfsr.bits);
    if (lfsr.taps == 0 || lfsr.taps == standard) return {lfsr.bits, standard};
    const bool fits = static_cast<unsigned>(std::bit_width(lfsr.taps)) == lfsr.bits;
    const Register own(lfsr.bits, fits ? lfsr.taps : standard);
    if (!fits || !own.is_maximal())
        throw_error(
            ErrorCode::invalid_value, "taps", fmt::format("{:#x}", lfsr.taps),
            fmt::format("those of a maximal register of {} bits: tap k is bit k - 1", lfsr.bits));
    return own;
}

void check_state(const char* name, const Register& cells, std::uint64_t state,
                 std::uint64_t least) {
    if (state < least || state > cells.mask())
        throw_error(
            ErrorCode::invalid_value, name, fmt::format("{}", state),
            fmt::format("{} to {}: {}", least, cells.mask(),
                        least == 1 ? "an LFSR never leaves state 0" : "states of the register"));
}

// Steps from state 1. With m steps a stride, the seed comes to one of the strides' ends within m.
std::uint64_t phase_of(const Register& cells, std::uint64_t state) {
    const std::uint64_t stride = std::uint64_t{1} << (cells.bits() + 1) / 2;
    std::vector<std::pair<std::uint64_t, std::uint64_t>> near;  // state, steps
    near.reserve(stride);
    for (std::uint64_t steps = 0; steps < stride; ++steps, state = cells.step(state))
        near.emplace_back(state, steps);
    std::ranges::sort(near);
    const std::uint64_t coefficients = cells.power(stride);
    std::uint64_t end = 1;
    for (std::uint64_t steps = 0;; steps += stride, end = cells.jump(end, coefficients)) {
        const auto found = std::ranges::lower_bound(near, std::pair{end, std::uint64_t{0}});
        if (found != near.end() && found->first == end)
            return (steps + cells.states() - found->second) % cells.states();
    }
}

class LfsrSource : public NumberSource {
  public:
    LfsrSource(const Register& cells, std::uint64_t seed)
        : NumberSource(std::uint64_t{1} << cells.bits(), cells.states()), cells_(cells),
          seed_(seed) {}

    void fill(std::uint64_t first, std::span<std::uint32_t> out,
              std::uint64_t /*threshold*/) const noexcept override {
        cells_.run(cells_.jump(seed_, cells_.power(first % cells_.states())), out);
    }

  private:
    Register cells_;
    std::uint64_t seed_;
};

// All states from 1 on, then 0: state 2^(bits - 1), the last of the cycle, goes to 0 and 0 to 1.
class DeBruijnSource : public NumberSource {
  public:
    DeBruijnSource(const Register& cells, std::uint64_t seed)
        : NumberSource(std::uint64_t{1} << cells.bits(), std::uint64_t{1} << cells.bits()),
          cells_(cells), phase_(seed == 0 ? cells.states() : phase_of(cells, seed)) {}

    void fill(std::uint64_t first, std::span<std::uint32_t> out,
              std::uint64_t /*threshold*/) const noexcept override {
        std::uint64_t position = (phase_ + first) & cells_.mask();
        while (!out.empty()) {
            if (position == cells_.states()) {
                out.front() = 0;
                out = out.subspan(1);
                position = 0;
                continue;
            }
            const auto count = std::min<std::uint64_t>(cells_.states() - position, out.size());
            cells_.run(cells_.jump(1, cells_.power(position)), out.first(count));
            out = out.subspan(count);
            position += count;
        }
    }

  private:
    Register cells_;
    std::uint64_t phase_;
};

}  // namespace

std::uint64_t maximal_taps(unsigned bits) {
    if (bits < kLeastBits || bits > kMostBits)
        throw_error(ErrorCode::invalid_value, "bits", fmt::format("{}", bits), "3 to 32 (LFSR)");
    std::uint64_t taps = 0;
    for (const unsigned tap : kTaps[bits - kLeastBits])
        if (tap != 0) taps |= std::uint64_t{1} << (tap - 1);
    return taps;
}

std::uint64_t lfsr_phase(const Lfsr& lfsr, std::uint64_t state) {
    const Register cells = checked_register(lfsr);
    check_state("state", cells, state, 1);
    return phase_of(cells, state);
}

std::unique_ptr<const NumberSource> make_lfsr(const Lfsr& lfsr) {
    const Register cells = checked_register(lfsr);
    check_state("seed", cells, lfsr.seed, lfsr.de_bruijn ? 0 : 1);
    if (lfsr.de_bruijn) return std::make_unique<DeBruijnSource>(cells, lfsr.seed);
    return std::make_unique<LfsrSource>(cells, lfsr.seed);
}

}  // namespace bitaxon
