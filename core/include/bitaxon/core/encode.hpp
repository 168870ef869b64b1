// Values to streams and back.
#pragma once

#include <bitaxon/core/bitstream.hpp>
#include <bitaxon/core/context.hpp>
#include <bitaxon/core/random.hpp>
#include <bitaxon/core/sequences.hpp>

#include <span>
#include <string_view>

namespace bitaxon {

/// How a number becomes the probability of a one (B. R. Gaines, Stochastic computing systems,
/// 1969).
enum class Coding : std::uint8_t {
    unipolar,        ///< value p in [0, 1]: probability p
    bipolar,         ///< value v in [-1, 1]: probability (v + 1) / 2
    split_unipolar,  ///< inputs in [0, 1] as unipolar; weights as a stream of |w| and a sign
};

std::string_view name(Coding coding) noexcept;

/// "unipolar", "bipolar" or "split-unipolar". @throws Error that lists them
Coding parse_coding(std::string_view name);

/// The threshold of a probability p in [0, 1]: p * 2^32 rounded to nearest, ties to even.
/// 0 never gives a one, 2^32 always. The sum pushes the fraction out of the significand.
constexpr std::uint64_t threshold(double p) noexcept {
    return __builtin_bit_cast(std::uint64_t, p * 0x1p32 + 0x1p52) & ((std::uint64_t{1} << 52) - 1);
}

/// The probability that a threshold stands for, exactly.
constexpr double probability(std::uint64_t threshold) noexcept {
    return static_cast<double>(threshold) * 0x1p-32;
}

/// Which streams an encoder draws: their names but for the index.
struct StreamOrigin {
    std::uint64_t seed = 0;
    std::uint64_t layer = 0;
    Role role = Role::input;
    std::uint64_t sample = 0;
    std::uint64_t first_index = 0;  ///< stream i has index first_index + i
    bool operator==(const StreamOrigin&) const = default;
};

/// Bernoulli streams: stream i has ones with probability values[i] (coded), independently per bit.
/// Inputs of split-unipolar are coded as unipolar. Returns one row of values.size() streams.
/// @throws Error for no value, NaN, a value outside the coding's range, a length outside 1 ... 2^31
StreamArray encode(const ExecutionContext& context, std::span<const double> values,
                   std::uint64_t length, Coding coding = Coding::unipolar,
                   const StreamOrigin& origin = {});

/// Bits first_bit ... first_bit + length - 1 of the streams that the encoder makes: stream i is the
/// encoder's stream origin.first_index + i, and its threshold is its probability in levels of the
/// encoder's numbers, to nearest, ties to even. Any split of streams or of time gives the same
/// bits. Only Bernoulli reads the rest of the origin. Streams of one source are fully correlated
/// (SCC +1); the result knows its sources.
/// @throws Error as above, for parameters of the encoder outside their ranges, for first_bit +
/// length above 2^61, and for part of a stream from a Counter without a period
StreamArray encode(const ExecutionContext& context, std::span<const double> values,
                   std::uint64_t length, Coding coding, const Encoder& encoder,
                   const StreamOrigin& origin = {}, std::uint64_t first_bit = 0);

/// Fills out[i] with the value that stream i of row `row` stands for: its share of ones, coded.
/// @throws Error for dirty tails or an `out` of another size
void decode(const ExecutionContext& context, const StreamView& streams, Coding coding,
            std::span<double> out);

/// The 16-bit Fibonacci LFSR with taps 16, 14, 13, 11 (x^16 + x^14 + x^13 + x^11 + 1, period
/// 65,535), as hardware has it: lfsr <= {lfsr[14:0], lfsr[15] ^ lfsr[13] ^ lfsr[12] ^ lfsr[10]}.
class Lfsr16 {
  public:
    /// @throws Error for seed 0, the state that never leaves itself
    explicit Lfsr16(std::uint16_t seed);

    std::uint16_t state() const noexcept { return state_; }
    void step() noexcept;

  private:
    std::uint16_t state_;
};

/// The LFSR's stream of a value: bit t compares before the register shifts, state_t < threshold,
/// with state_0 = seed. A state is never 0 and never above 65,535, so a threshold T has T - 1 ones
/// in each period of 65,535 (T >= 1), and T = round(p * 65536), ties to even, up to 65,536 for p
/// = 1. All streams share the one register, as in a circuit with one generator: they are fully
/// correlated.
/// @throws Error as encode does, and for seed 0
StreamArray encode_lfsr16(const ExecutionContext& context, std::span<const double> values,
                          std::uint64_t length, std::uint16_t seed,
                          Coding coding = Coding::unipolar);

}  // namespace bitaxon
