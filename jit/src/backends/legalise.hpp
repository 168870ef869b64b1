// A program as one target can execute it: a flat list of the primitives that the target has.
//
// What it lacks is replaced by sequences of what it has, with the same bits; what no output needs
// is left out. These conventions apply to the list beyond those of ir/ops.def:
//   - a shift by a constant has one argument, and the count as payload;
//   - the value of an output whose elements are narrower than lanes is an i32 that fits them;
//   - `sqrt` and `rare` may have the payloads of square_roots.hpp;
//   - `bit_xor` with three arguments (AVX-512) is what its payload says, see ternary_logic.hpp;
//   - where masks have registers of their own (AVX-512), `cast` to a mask type takes the lanes'
//   sign
//     bits, `cast` from a mask spreads it over lanes, and every argument is of the kind, mask or
//     lanes, that its user reads; `select` with two arguments gives zero where the mask is clear.
#pragma once

#include "backend.hpp"

#include <vector>

namespace bitaxon::jit {

struct BodyState {
    NodeId now;  ///< the input node, or kNoNode if nothing reads it
    NodeId next;
    std::uint32_t input;  ///< number of the array that it is read from
};

struct Body {
    std::vector<Node> nodes;  ///< arguments stand before their users
    std::vector<ProgramInput> inputs;
    std::vector<ProgramOutput> outputs;
    std::vector<BodyState> states;
    int lane_bytes = 4;
    /// There are states or per-step arrays: the body runs Frame::steps times on each row.
    bool has_steps = false;

    bool uses(Op op) const noexcept;
};

/// Do masks have a register file of their own?
constexpr bool has_mask_registers(Target target) noexcept { return target == Target::avx512; }

Body legalise(const Program& program, Target target);

}  // namespace bitaxon::jit
