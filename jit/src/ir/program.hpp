// What a backend compiles: one row's straight-line computation over arrays, perhaps over many steps.
#pragma once

#include "graph.hpp"

#include <string>
#include <vector>

namespace bitaxon::jit {

/// An input array (node Op::input with its number as payload).
struct ProgramInput {
    std::string name;
    Type type;            ///< f32, f64, i32 or i64: how the array holds it
    bool per_step = false;  ///< its pointer moves by Frame::input_step_bytes each step
};

/// An output array.
struct ProgramOutput {
    NodeId value;
    /// How the array holds it, in element_bytes(type): the value has this type, but for an i16 it
    /// is an i32 that fits, and for a mask it may be either mask.
    Type type;
    bool per_step = false;  ///< stored in each step, and the pointer moves; else after the last step
    /// The value is a mask, packed LSB first: bit r%8 of byte r/8 is row r. With bits, rows come in
    /// multiples of 8 except at the end of the array, where the last byte's tail is zero.
    bool bits = false;
};

/// A variable that lives from step to step: read from input array `input` before the first step
/// (its Op::input node is the value at the start of a step), `next` at the end of a step, stored to
/// output array `output` after the last.
struct ProgramState {
    std::uint32_t input;
    NodeId next;
};

/// Primitives only, types f32 f64 i32 i64 m32 m64. Rows are independent of each other.
///
/// The computation of a range of rows is: for each row, read the states; for step = 0 ... steps-1
/// compute all nodes and the per-step outputs and replace the states by their next values; then store
/// the outputs that are not per step. Outputs may alias inputs element by element, but a per-step
/// output no input that is not: a backend reads that once, or in each step. Without states, steps is 1.
struct Program {
    Graph graph;
    std::vector<ProgramInput> inputs;
    std::vector<ProgramOutput> outputs;
    std::vector<ProgramState> states;  ///< output k, for k < states.size(), stores state k

    /// All values that must be computed.
    std::vector<NodeId> roots() const;
    /// The widest lane among the nodes that the roots need: 4 or 8. A vector holds
    /// register bytes / lane bytes rows; narrower values use a part of the register.
    int lane_bytes() const;
};

/// What a compiled function is called with; the layout is fixed, machine code reads it.
struct Frame {
    const void* const* inputs;              ///< row 0 of each input array
    void* const* outputs;                   ///< row 0 of each output array
    const std::uint64_t* uniforms;          ///< a slot holds the lane's bits, twice if it has 32
    const std::int64_t* input_step_bytes;   ///< of each input; read only for per_step inputs
    const std::int64_t* output_step_bytes;  ///< of each output; read only for per_step outputs
    std::int64_t first_row;                 ///< what Op::row yields for row 0
    std::int64_t first_step;                ///< what Op::step yields for the first step
    std::int64_t steps;                     ///< >= 1
};

/// Computes rows [begin, end). For programs with `bits` outputs begin is a multiple of 8.
using RowFunction = void (*)(const Frame* frame, std::int64_t begin, std::int64_t end);

}  // namespace bitaxon::jit
