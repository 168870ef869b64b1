// What an Expression holds.
#pragma once

#include "ir/graph.hpp"

#include <bitaxon/jit/expression.hpp>

namespace bitaxon::jit {

struct Expression::State {
    std::string text;
    Type dtype;
    std::vector<std::string> arguments;
    std::vector<Type> argument_types;
    std::vector<Type> results;
    Functions functions;
    Graph graph;                 ///< language operations
    std::vector<NodeId> roots;   ///< of the results' own types
    bool random = false;         ///< calls rand() or randn()
};

}  // namespace bitaxon::jit
