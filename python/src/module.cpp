// The extension module bitaxon._bitaxon.
#include "bindings.hpp"
#include "wrong_calls.hpp"

#include <bitaxon/core/version.hpp>

#include <string>

namespace py = pybind11;

PYBIND11_MODULE(_bitaxon, module) {
    // Docstrings begin with their signature in CPython's own form, which help() and inspect read.
    py::options options;
    options.disable_function_signatures();

    // Names are public in the package: reprs, pickles and help() should say bitaxon.DenseLayer.
    const py::object private_name = module.attr("__name__");
    module.attr("__name__") = "bitaxon";
    module.attr("__version__") = std::string(bitaxon::kVersion);
    bitaxon::python::bind_errors();
    bitaxon::python::bind_context(module);
    bitaxon::python::bind_info(module);
    bitaxon::python::bind_streams(module);
    bitaxon::python::bind_encoders(module);
    bitaxon::python::bind_spikes(module);
    bitaxon::python::bind_formats(module);
    bitaxon::python::bind_correlation(module);
    bitaxon::python::bind_layer(module);
    bitaxon::python::bind_attention(module);
    bitaxon::python::bind_conv2d(module);
    bitaxon::python::bind_dense(module);
    bitaxon::python::bind_graph(module);
    bitaxon::python::bind_pool2d(module);
    bitaxon::python::bind_recurrent(module);
    bitaxon::python::bind_network(module);
    bitaxon::python::bind_functions(module);
    bitaxon::python::bind_kernel(module);
    bitaxon::python::bind_circuit(module);
    bitaxon::python::bind_rule(module);
    bitaxon::python::bind_rule_watch(module);
    bitaxon::python::bind_population(module);
    bitaxon::python::bind_stdp(module);
    bitaxon::python::bind_pending(module);
    bitaxon::python::explain_wrong_calls(module);
    module.attr("__name__") = private_name;
}
