// Numerical methods: from a rule's differential equations to the variables' values a step later.
#pragma once

#include "../ir/graph.hpp"
#include "linear_system.hpp"

#include <functional>
#include <string>
#include <string_view>

namespace bitaxon::jit {

/// The differential equations of a rule, as nodes.
struct Equations {
    Graph& graph;
    Type real;
    std::vector<NodeId> values;      ///< variables at the start of the step
    std::vector<NodeId> rates;       ///< their derivatives there, of the variables' types
    std::vector<NodeId> noises;      ///< leaves that stand for white noise in rates
    std::vector<NodeId> increments;  ///< what each noise adds up to in the step
    NodeId t = kNoNode;              ///< at the start of the step
    NodeId dt = kNoNode;
    std::vector<char> frozen;     ///< variables that a refractory neuron holds
    NodeId refractory = kNoNode;  ///< mask, or kNoNode where nothing is ever frozen
    /// Rates at other values and another time.
    std::function<std::vector<NodeId>(std::span<const NodeId> values, NodeId t)> rates_at;

    // For `exact`: the system, and the leaf of an entry of its propagator.
    const LinearSystem* system = nullptr;
    /// Entry (row, column) of [P | Q]; with `frozen`, of the one for refractory neurons.
    std::function<NodeId(std::size_t row, std::size_t column, bool frozen)> propagator;
};

struct Method {
    std::string_view name;
    std::vector<NodeId> (*advance)(Equations& equations);
    bool several_stages;  ///< evaluates rates more than once a step: no rand() in them
};

std::span<const Method> methods() noexcept;
const Method& method(std::string_view name);

}  // namespace bitaxon::jit
