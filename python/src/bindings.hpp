// One function a concept: each adds its names to the module.
#pragma once

#include <pybind11/pybind11.h>

namespace bitaxon::python {

void bind_errors();
void bind_context(pybind11::module_& module);
void bind_info(pybind11::module_& module);
void bind_streams(pybind11::module_& module);
void bind_encoders(pybind11::module_& module);
void bind_spikes(pybind11::module_& module);
void bind_formats(pybind11::module_& module);
void bind_correlation(pybind11::module_& module);
void bind_layer(pybind11::module_& module);
void bind_attention(pybind11::module_& module);
void bind_conv2d(pybind11::module_& module);
void bind_dense(pybind11::module_& module);
void bind_graph(pybind11::module_& module);
void bind_pool2d(pybind11::module_& module);
void bind_recurrent(pybind11::module_& module);
void bind_network(pybind11::module_& module);
void bind_functions(pybind11::module_& module);
void bind_kernel(pybind11::module_& module);
void bind_circuit(pybind11::module_& module);
void bind_rule(pybind11::module_& module);
void bind_rule_watch(pybind11::module_& module);
void bind_population(pybind11::module_& module);
void bind_stdp(pybind11::module_& module);
void bind_pending(pybind11::module_& module);

/// While an exception of C++ is handled: makes it Python's. For code that pybind11 does not call.
void set_python_error() noexcept;

}  // namespace bitaxon::python
