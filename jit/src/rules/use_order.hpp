// The order in which sub-expressions can be evaluated, one after the other.
#pragma once

#include "description.hpp"

namespace bitaxon::jit {

/// Puts each sub-expression behind those that it names. Returns one of them that names itself,
/// directly or through others, or null if there is none.
const NamedExpr* order_by_use(const Script& script, std::vector<NamedExpr>& sub_expressions);

}  // namespace bitaxon::jit
