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
          polynomial_(std::uint64_t{1} << bits) {
        for (unsigned tap = 1; tap <= bits; ++tap)
            if (taps >> (tap - 1) & 1) polynomial_ |= std::uint64_t{1} << (bits - tap);

        const unsigned scale = std::bit_floor(64 / bits);
        const auto nearest = static_cast<unsigned>(std::countr_zero(taps)) + 1;
        fresh_bits_ = std::min(nearest * scale, 63u);
        for (unsigned tap = nearest; tap <= bits; ++tap)
            if (taps >> (tap - 1) & 1) far_taps_ |= std::uint64_t{1} << (tap * scale - fresh_bits_);
        to_history_ = power(states() - (64 - bits) % states());
    }

    unsigned bits() const noexcept { return bits_; }
    std::uint64_t mask() const noexcept { return mask_; }
    std::uint64_t states() const noexcept { return mask_; }  // without 0

    std::uint64_t step(std::uint64_t state) const noexcept {
        return (state << 1 | feedback(state)) & mask_;
    }

    /// The coefficients of x^steps mod p.
    std::uint64_t power(std::uint64_t steps) const noexcept {
        std::uint64_t result = 1;
        for (auto bit = static_cast<unsigned>(std::bit_width(steps)); bit-- > 0;) {
            result = square(result);
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

    /// The next states, `state` itself the first. Powers of two of p are recurrences of the same
    /// bits whose taps are as many times as far, so that many bits are made at once from the
    /// last 64.
    void run(std::uint64_t state, std::span<std::uint32_t> out) const noexcept {
        std::uint64_t last = jump(state, to_history_);
        for (unsigned k = bits_; k < 64; ++k) last = last << 1 | feedback(last);
        const unsigned fresh_bits = fresh_bits_;
        const std::uint64_t mask = mask_;
        std::uint32_t* next = out.data();
        for (std::size_t left = out.size(); left != 0;) {
            std::uint64_t fresh = 0;
            for (std::uint64_t taps = far_taps_; taps != 0; taps &= taps - 1)
                fresh ^= last >> std::countr_zero(taps);
            fresh &= (std::uint64_t{1} << fresh_bits) - 1;
            const auto count = static_cast<unsigned>(std::min<std::size_t>(fresh_bits, left));
            for (unsigned k = 0; k < count; ++k)
                next[k] =
                    static_cast<std::uint32_t>((last << k | fresh >> (fresh_bits - k)) & mask);
            last = last << fresh_bits | fresh;
            next += count;
            left -= count;
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
    std::uint64_t feedback(std::uint64_t state) const noexcept {
        return static_cast<std::uint64_t>(__builtin_parityll(state & taps_));
    }
    std::uint64_t times_x(std::uint64_t a) const noexcept {
        return (a << 1) ^ (a >> (bits_ - 1) & 1 ? polynomial_ : 0);
    }
    // a(x)^2 is a(x^2), reduced mod p: x^bits is the sum of p's other terms.
    std::uint64_t square(std::uint64_t a) const noexcept {
        a = (a | a << 16) & 0x0000ffff0000ffff;
        a = (a | a << 8) & 0x00ff00ff00ff00ff;
        a = (a | a << 4) & 0x0f0f0f0f0f0f0f0f;
        a = (a | a << 2) & 0x3333333333333333;
        a = (a | a << 1) & 0x5555555555555555;
        for (std::uint64_t high = a >> bits_; high != 0; high = a >> bits_) {
            a &= mask_;
            for (std::uint64_t terms = polynomial_ & mask_; terms != 0; terms &= terms - 1)
                a ^= high << std::countr_zero(terms);
        }
        return a;
    }

    unsigned bits_;
    std::uint64_t taps_;
    std::uint64_t mask_;
    std::uint64_t polynomial_;
    unsigned fresh_bits_;         // made at once
    std::uint64_t far_taps_ = 0;  // bit k: a tap k bits behind the newest that it may see
    std::uint64_t to_history_;    // x^-(64 - bits): back to where the last 64 bits begin
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
