// Number sequences: what comparators turn values into streams with. A sequence is a pure function
// of time, so any stretch of it can be had from anywhere, in any order.
#pragma once

#include <bitaxon/core/bitstream.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>

namespace bitaxon {

inline constexpr unsigned kSobolDimensions = 1024;
inline constexpr unsigned kHaltonDimensions = 256;
inline constexpr unsigned kMaxBase = 4096;  ///< of VanDerCorput
inline constexpr std::uint64_t kMaxTime = std::uint64_t{1}
                                          << 61;  ///< of bits, and of an Index's parameters

/// Every bit independent: planes of random words (core/random.hpp), not a sequence.
struct Bernoulli {
    bool operator==(const Bernoulli&) const = default;
};

/// 0, 1, ... period - 1, or backwards: with a comparator unary (thermometer) streams, ones first or
/// last. The period is the Index's, at most 2^32.
struct Counter {
    bool descending = false;
    bool operator==(const Counter&) const = default;
};

/// States of a Fibonacci LFSR as hardware has it: state <= {state, XOR of the taps}, the newest bit
/// lowest, one state an instant, the seed first. A maximal register visits all states but 0.
struct Lfsr {
    unsigned bits = 16;      ///< 3 ... 32
    std::uint64_t seed = 1;  ///< the first state, 1 ... 2^bits - 1; 0 too for de Bruijn
    /// Tap k stands at bit k - 1, tap `bits` among them; 0: maximal_taps(bits).
    std::uint64_t taps = 0;
    /// Inserts state 0 after state 2^(bits-1), which makes the period 2^bits and values exact (N.
    /// G. de Bruijn, 1946).
    bool de_bruijn = false;
    bool operator==(const Lfsr&) const = default;
};

/// What makes copies of a low-discrepancy sequence random without losing its evenness.
enum class Scramble : std::uint8_t {
    none,
    shift,  ///< one random number, XORed to all: digital shift
    /// Each bit is flipped by a random function of the bits above it: A. B. Owen, 1995, by hashing
    /// as S. Laine and T. Karras, 2011.
    owen,
};

/// A dimension of the Sobol sequence (I. M. Sobol, 1967) in Gray-code order (I. A. Antonov and V.
/// M. Saleev, 1979), point 0 first, with direction numbers of S. Joe and F. Y. Kuo, 2008.
struct Sobol {
    unsigned dimension = 0;  ///< below kSobolDimensions
    Scramble scramble = Scramble::none;
    std::uint64_t seed = 0;  ///< of the scramble
    unsigned bits = 32;      ///< the numbers keep their 1 ... 32 leading ones
    bool operator==(const Sobol&) const = default;
};

/// The radical inverse (J. G. van der Corput, 1935): the digits of the time behind the point. The
/// exact fraction is rounded to 32 bits, half up.
struct VanDerCorput {
    unsigned base = 2;   ///< 2 ... kMaxBase
    unsigned bits = 32;  ///< as Sobol's
    bool operator==(const VanDerCorput&) const = default;
};

/// Van der Corput's sequence whose base is the dimension-th prime (J. H. Halton, 1960).
struct Halton {
    unsigned dimension = 0;  ///< below kHaltonDimensions; 0 is base 2
    unsigned bits = 32;
    bool operator==(const Halton&) const = default;
};

/// First-order error feedback: bit t is floor((t + 1) p) - floor(t p), the most even stream there
/// is. As a comparator, its number depends on the threshold T: 2^32 - 1 - (t T mod 2^32).
struct SigmaDelta {
    bool operator==(const SigmaDelta&) const = default;
};

/// Which of the sequence's numbers bit t compares with: number
///     (phase + t / hold + (stall != 0 ? t / stall : 0)) mod period,
/// divisions rounding down. Period 0 stands for none, except that a Counter takes the stream's
/// length. Two streams of one period N multiply exactly in N^2 bits by clock division (hold = N in
/// one) or by rotation (stall = N in one), and two of relatively prime periods in their product
/// (D. Jenson and M. Riedel, A deterministic approach to stochastic computation, ICCAD 2016). At
/// most one of hold and stall is in use.
struct Index {
    std::uint64_t phase = 0;
    std::uint64_t hold = 1;
    std::uint64_t stall = 0;
    std::uint64_t period = 0;
    bool operator==(const Index&) const = default;
};

/// How much each parameter grows from a stream to the next; all 0: every stream compares with the
/// same numbers, as in a circuit with one generator.
struct Step {
    unsigned dimension = 0;   ///< Sobol, Halton
    std::uint64_t phase = 0;  ///< of the Index: a delayed copy of a shared generator
    unsigned rotation = 0;    ///< a shared generator whose wires are rotated
    std::uint64_t seed = 0;   ///< of Sobol's scramble
    bool operator==(const Step&) const = default;
};

/// A way to make streams: bit t of stream i is number(t) < threshold, where the numbers' parameters
/// are those below, `step` added i times.
struct Encoder {
    std::variant<Bernoulli, Counter, Lfsr, Sobol, VanDerCorput, Halton, SigmaDelta> kind;
    Index index = {};
    /// The numbers' bits, rotated to the left by so many (H. Ichihara et al., 2014).
    unsigned rotation = 0;
    Step step = {};
    bool operator==(const Encoder&) const = default;
};

/// The encoder of one stream: steps taken, and none left. @throws Error where a parameter would
/// leave its range
Encoder for_stream(const Encoder& encoder, std::uint64_t stream);

/// "Sobol(dimension=3, scramble=owen, seed=1)": the parameters that are not at their defaults.
std::string describe(const Encoder& encoder);

/// Taps of a maximal LFSR, as Lfsr::taps has them: four, where four exist (R. Ward and T. Molteno,
/// Table of linear feedback shift registers, 2007). Of 16 bits: 16, 14, 13, 11.
/// @throws Error unless 3 <= bits <= 32
std::uint64_t maximal_taps(unsigned bits);

/// How many steps an LFSR takes from state 1 to `state` (baby steps and giant steps, D. Shanks,
/// 1971; a few milliseconds at 32 bits). The distance of two seeds is the difference of their
/// phases. @throws Error for a register or state that is wrong
std::uint64_t lfsr_phase(const Lfsr& lfsr, std::uint64_t state);

class NumberSource;

/// The numbers of one stream of an encoder. Cheap to copy; all methods may be called from many
/// threads at once.
class Sequence {
  public:
    /// @throws Error for Bernoulli, which has none, for a Counter without a period, and for a
    /// parameter outside its range
    explicit Sequence(const Encoder& encoder, std::uint64_t stream = 0);

    /// The numbers of another stream of the same encoder. @throws Error as for_stream does
    Sequence at(std::uint64_t stream) const;

    /// Numbers are 0 ... levels() - 1, at most 2^32 of them.
    std::uint64_t levels() const noexcept;

    /// The threshold of a probability p in [0, 1]: p * levels(), to nearest, ties to even.
    std::uint64_t threshold(double p) const noexcept;

    /// After so many bits the numbers repeat; nothing if they never do exactly.
    std::optional<std::uint64_t> period() const noexcept;

    /// out[k] becomes the number at time first + k, which is below kMaxTime. Only SigmaDelta reads
    /// the threshold that the numbers will be compared with.
    void fill(std::uint64_t first, std::span<std::uint32_t> out,
              std::uint64_t threshold = 0) const noexcept;

    /// What the streams that compare with these numbers are made from. Two sequences have one
    /// source when their numbers go together: the same states of a register, the same clock, and
    /// for low-discrepancy sequences the same dimension or base, however scrambled, rotated or
    /// delayed.
    SourceId source() const;

    /// Whether all streams and thresholds see the same numbers.
    bool is_shared() const noexcept;

  private:
    Sequence(const Encoder& encoder, std::uint64_t stream,
             std::shared_ptr<const NumberSource> source);
    std::size_t fill_run(std::uint64_t t, std::span<std::uint32_t> out,
                         std::uint64_t threshold) const noexcept;

    Encoder encoder_;  // of stream 0, with its steps
    std::uint64_t stream_;
    std::shared_ptr<const NumberSource> source_;
    Index index_;
    unsigned rotation_;
};

}  // namespace bitaxon
