// What a Circuit holds: its gates, and the program that they are for the backends.
#pragma once

#include "../backends/tiered_program.hpp"
#include "build.hpp"

#include <optional>

namespace bitaxon::jit {

/// Bits of an input or output, for many rows: stream(row) of each.
template <class Word>
struct BitPort {
    Word* words = nullptr;
    std::ptrdiff_t row_stride = 0;  ///< 0: one row that all runs read

    Word* stream(std::size_t row) const noexcept {
        return words + static_cast<std::ptrdiff_t>(row) * row_stride;
    }
};

struct Circuit::State : std::enable_shared_from_this<Circuit::State> {
    State(std::string_view text, const std::vector<std::string>& outputs);

    bool has_registers() const noexcept { return !net.flops.empty(); }
    /// Runs `rows` rows of `length` bits; the ports are those of the program's bits, in its order.
    void run(const ExecutionContext& context, std::span<const BitPort<const std::uint64_t>> inputs,
             std::span<const BitPort<std::uint64_t>> outputs, std::size_t rows,
             std::uint64_t length, const Monitor& monitor) const;

    std::string text;
    Netlist net;
    std::size_t gates;
    /// Inputs: one i64 array for each of Netlist::sources, per step where there are registers.
    /// Outputs: the registers, then the bits of the outputs.
    std::optional<TieredProgram> program;
    std::vector<char> live;  ///< by number of the source: an output depends on it
    bool keeps_zeros;        ///< inputs of zeros give outputs of zeros, so clean tails stay clean
    mutable std::atomic<std::int64_t> calls{0};
};

}  // namespace bitaxon::jit
