// How many vectors of rows go into a loop body.
#pragma once

#include "schedule.hpp"

namespace bitaxon::jit {

struct LoopShape {
    int vectors = 1;       ///< in the main loop's body
    int tail_vectors = 1;  ///< in the body that runs under masks; 0: a vector is one row, and there is none
    /// The body is long enough that masks cost nothing: there is only the masked one.
    bool only_masked = false;
};

/// `registers` is how many vector registers there are, `rows` how many rows a vector has, and
/// `wanted` the number of vectors that was asked for, or 0.
LoopShape choose_loop_shape(const Body& body, const Pressure& demand, int registers, int rows, int wanted, bool streaming);

}  // namespace bitaxon::jit
