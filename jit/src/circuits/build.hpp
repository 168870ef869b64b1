// From a circuit's text to gates and registers.
#pragma once

#include "../ir/graph.hpp"

#include <bitaxon/jit/circuit.hpp>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace bitaxon::jit {

/// One bit of a register: `now` is an Op::input node of the graph.
struct Flop {
    NodeId now;
    NodeId next;
    bool initial;
};

/// Where the value of an Op::input node comes from, by its payload.
struct Source {
    bool is_flop;
    std::size_t port;  ///< the input, or the number of the flop
    std::size_t bit;
};

/// Gates (bit_and, bit_or, bit_xor, bit_andnot of i64 lanes) between inputs, flops and outputs.
struct Netlist {
    Graph graph;
    std::vector<CircuitPort> inputs;
    std::vector<CircuitPort> outputs;
    std::vector<NodeId> output_bits;  ///< of the outputs, one after another
    std::vector<Flop> flops;          ///< those that an output depends on
    std::vector<Source> sources;

    /// Gates that the outputs need.
    std::size_t gates() const;
    std::vector<NodeId> roots() const;
};

/// `outputs` names what leaves the circuit; empty: every wire, in the order of the text.
/// @throws Error with line, column and a caret
Netlist build_circuit(std::string_view text, const std::vector<std::string>& outputs);

}  // namespace bitaxon::jit
