// Linear systems with constant coefficients: dx/dt = A x + B u, found in a rule's rates, and their
// exact solution over a step.
#pragma once

#include "affine.hpp"

#include <span>
#include <vector>

namespace bitaxon::jit {

/// Of n variables and m drives, which are constant over a step. Entries are nodes, kNoNode where
/// they are zero; rows lie one after the other.
struct LinearSystem {
    std::size_t variables = 0;
    std::vector<NodeId> a;       ///< n x n
    std::vector<NodeId> b;       ///< n x drives.size()
    std::vector<NodeId> drives;  ///< kNoNode: the number 1

    bool is_diagonal() const noexcept;
};

struct LinearityInput {
    std::span<const NodeId> rates;
    std::span<const NodeId> values;   ///< of the variables at the start of the step
    std::span<const NodeId> varying;  ///< leaves that coefficients must not depend on: other
                                      ///< variables, the current
    NodeId current = kNoNode;         ///< the leaf of i
    std::span<const NodeId> noises;   ///< leaves of white noise
};

/// The system, or nothing where a rate is not linear or its coefficients aren't constant; then
/// *culprit is the number of its variable.
std::optional<LinearSystem> linear_system(Graph& graph, const LinearityInput& input,
                                          std::size_t* culprit);

/// Which entries of exp(A dt) and of the integral of exp(A s) B can differ from zero, by the paths
/// in A.
struct Reach {
    std::vector<char> p;  ///< n x n
    std::vector<char> q;  ///< n x m
};
Reach reach(const LinearSystem& system, const std::vector<char>& frozen_rows);

/// Replaces the n x n matrix by its exponential.
void exponentiate(std::span<double> matrix, std::size_t n);

}  // namespace bitaxon::jit
