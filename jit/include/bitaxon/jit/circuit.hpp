// Circuits of gates and registers from text, compiled into one kernel over packed streams.
#pragma once

#include <bitaxon/core/bitstream.hpp>
#include <bitaxon/core/context.hpp>

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace bitaxon::jit {

/// An input or output of a circuit: `bits` streams, the lowest bit first.
struct CircuitPort {
    std::string name;
    std::size_t bits = 1;
};

/// A synchronous digital circuit: what the text says happens once for each bit of the streams.
///
/// Statements, one a line or separated by `;`:
///
///     y = (a & s) | (b & ~s)   a wire. Names that get no value are inputs of one bit, in the order
///     of
///                              their first appearance
///     r : u8                   an input of 8 bits: a whole number, one stream for each bit
///     c : u3 = 4               a register of 3 bits and its first value
///     c = clip(c + a - b, 0, 7)   its value a step later; `c` is the present value everywhere
///     a & b                    alone in its line: the wire `result`
///
/// Values are bits and whole numbers. `& | ^ ~` work on bits (`^` is XOR), `+ - *` and the
/// comparisons on numbers; arithmetic is exact and grows as wide as its results, so what a register
/// is given must be limited: by clip(x, low, high), or by u3(x), which keeps the lowest three bits.
/// `<< >> // %` take constants (of a power of two). Functions: where(c, a, b) and `a if c else b`;
/// mux(s, a, b), which is b where s is 1; min, max, abs, clip; count(...), parity(...),
/// majority(...) of bits; bit(x, k); delay(x, n = 1, first = 0) of a bit. Loops must lead through a
/// register or a delay.
///
/// Circuits without registers work on 64 steps at once, others on 64 streams at once; the bits are
/// the same on every tier, and however the work is divided. Immutable; const methods may be called
/// from many threads at once.
class Circuit {
  public:
    /// outputs: names of the wires and registers that leave the circuit; none: all wires, in the
    /// order of the text. @throws Error with line, column and a caret below the place
    explicit Circuit(std::string_view text, const std::vector<std::string>& outputs = {});

    const std::string& text() const noexcept;
    const std::vector<CircuitPort>& inputs() const noexcept;
    const std::vector<CircuitPort>& outputs() const noexcept;
    std::size_t gates() const noexcept;      ///< of two inputs, inverters counted
    std::size_t registers() const noexcept;  ///< bits of registers and delays
    std::string repr() const;
    /// Gates, primitives, where and how the code runs, and the assembly, for a context's tier.
    std::string explain(const ExecutionContext& context = ExecutionContext::shared()) const;

    /// Runs from the registers' first values over whole streams. inputs[k] has inputs()[k].bits
    /// streams in each row, and as many rows as the outputs, each a run of its own, or one row,
    /// which all runs read; all have one length. Bits past the end of the inputs must be zero, and
    /// are in the outputs. Outputs may not overlap inputs or each other.
    /// @throws Error for wrong counts and shapes, dirty tails, overlaps, and a stop that was asked
    /// for
    void run(const ExecutionContext& context, std::span<const StreamView> inputs,
             std::span<const MutableStreamView> outputs, const Monitor& monitor = {}) const;

    struct State;  ///< opaque

  private:
    std::shared_ptr<const State> state_;
};

struct CircuitParameter {
    std::string_view name;
    std::int64_t value;  ///< unless another is given
    std::int64_t least;
    std::int64_t most;
    std::int64_t step;  ///< least, least + step, ... are allowed
    std::string_view meaning;
};

/// What a circuit needs of its inputs, by their names, with blanks between; "all": every one.
struct CorrelationNeed {
    std::string_view inputs;
    /// Each of the inputs has that SCC with each of these; empty: with the other inputs of the list.
    /// The same as the inputs: they are independent of themselves at other steps.
    std::string_view others;
    int scc;                       ///< -1, 0 or +1
    std::string_view remark = {};  ///< to be read behind it
};
/// "a, d: +1; s with all: 0", "none with itself", or "any" where nothing is needed.
std::string describe(std::span<const CorrelationNeed> needs);

/// A circuit that comes with the library: an operation of stochastic arithmetic.
struct BuiltInCircuit {
    std::string_view name;
    std::string_view formula;  ///< the value of its output, by the values of its inputs
    std::string_view coding;   ///< of inputs and outputs: unipolar, bipolar, both
    std::span<const CorrelationNeed> needs;
    std::string_view source;  ///< author and year
    std::span<const CircuitParameter> parameters;
    std::string (*text)(std::span<const std::int64_t> parameters);
    std::string_view outputs;  ///< names, with blanks between; y*: those that begin so; empty: all wires
};
std::span<const BuiltInCircuit> built_in_circuits() noexcept;

/// The built-in circuit of that name, with these parameters in place of its defaults.
/// @throws Error with the nearest name for an unknown one, and for parameters out of range
Circuit built_in_circuit(std::string_view name,
                         const std::map<std::string, std::int64_t>& parameters = {});

}  // namespace bitaxon::jit
