// Square roots by multiplications, for bodies in which the unit that divides is the bottleneck.
//
// A vector of f64 roots keeps that unit busy for 9 cycles (Zen 3, 32 bytes) to 24 (Intel, 64
// bytes), while multiply-adds have nothing to do. From the processor's estimate of the reciprocal
// root, a cubic step and two of Newton's give the bits of IEEE's root:
// docs/adr/0010-square-roots.md has the proof.
#pragma once

#include "backend.hpp"

#include <functional>
#include <initializer_list>
#include <span>
#include <vector>

namespace bitaxon::jit {

/// Payloads in a Body, beyond those of ir/ops.def: of Op::sqrt, the estimate of 1/sqrt(x), whose
/// relative error is below 2^-11.4; of Op::rare, the root of all lanes of argument 2 by the
/// instruction for it, if any lane of the mask is set.
inline constexpr std::uint64_t kReciprocalEstimate = 1;
inline constexpr std::uint64_t kRootInstruction = ~std::uint64_t{0};

/// One of the needed nodes of a program: a root to compute by multiplications.
struct NewtonRoot {
    NodeId node;
    bool may_be_huge;  ///< its argument may be beyond what the steps can take
};

/// In the order of nodes. Roots whose argument may be zero, negative or tiny are left alone.
std::vector<NewtonRoot> choose_newton_roots(const Program& program, std::span<const char> needed,
                                            Target target);

/// Appends a node to a body; constants are shared.
using EmitNode =
    std::function<NodeId(Op, Type, std::initializer_list<NodeId>, std::uint64_t payload)>;

/// The root of x, an f64.
NodeId write_newton_root(const EmitNode& emit, Target target, NodeId x, bool may_be_huge);

}  // namespace bitaxon::jit
