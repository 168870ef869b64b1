// What the bindings of Network need of those of DenseLayer.
#pragma once

#include "held.hpp"

#include <bitaxon/layers/dense.hpp>

namespace bitaxon::python {

using HeldDense = Held<DenseLayer>;

/// Constructor arguments that make the layer again, and its redraw count, without its arrays.
py::dict describe_dense(const DenseLayer& layer);

}  // namespace bitaxon::python
