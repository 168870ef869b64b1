// What the operators and the built-in functions do with their operands' types.
#pragma once

#include "functions.hpp"
#include "to_graph.hpp"
#include "value.hpp"

namespace bitaxon::jit {

/// The value of a unary or binary expression, or of a conditional.
Value apply_operator(TypedGraph& graph, const Scope& scope, const Expr& expr, Values args);

/// The value of a call of a built-in function; the number of arguments is right.
Value apply_function(TypedGraph& graph, const Scope& scope, const Expr& expr,
                     const BuiltIn& function, Values args);

}  // namespace bitaxon::jit
