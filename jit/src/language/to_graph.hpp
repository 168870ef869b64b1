// Gives names their meanings and expressions their types: from the syntax tree to the graph.
#pragma once

#include "../ir/graph.hpp"
#include "ast.hpp"
#include "functions.hpp"

#include <functional>
#include <span>

namespace bitaxon::jit {

/// What a name stands for: a node, or nothing (an unknown name).
using Resolver = std::function<std::optional<NodeId>(std::string_view name)>;

/// Everything that turning an expression into nodes needs to know.
struct Scope {
    Type real;            ///< f32 or f64: the type of float literals and of mixed arithmetic
    Resolver resolve;     ///< asked first; then the constants pi and e
    /// All names that would have been right, for suggestions.
    std::span<const std::string> known_names = {};
    const FunctionTable* functions = nullptr;  ///< the user's own; may be null
    std::uint64_t* random_sites = nullptr;     ///< counts rand() and randn(); null forbids them, with
    std::string random_refusal = {};           ///< this reason
};

/// The node of expression `id`. Literals take the type of what they meet: an integer literal beside
/// an integer stays one, otherwise it is a `real`. Integers beside floats become those floats, i16
/// beside i32 becomes i32, f32 beside f64 becomes f64; a mask in arithmetic is 0 or 1.
/// @throws Error with line, column and a caret
NodeId to_graph(Graph& graph, const Ast& ast, ExprId id, const Scope& scope);

}  // namespace bitaxon::jit
