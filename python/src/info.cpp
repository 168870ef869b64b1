// info() and its text.
#include "arguments.hpp"
#include "bindings.hpp"
#include "context.hpp"

#include <bitaxon/core/info.hpp>

namespace bitaxon::python {
namespace {

py::dict to_dict(const Info& info) {
    py::dict tiers;
    py::object active = py::none();
    for (const TierReport& tier : info.tiers) {
        py::dict flags;
        flags["compiled"] = tier.compiled;
        flags["supported"] = tier.supported;
        flags["active"] = tier.active;
        tiers[py::str(tier.name)] = flags;
    }
    py::dict origins;
    for (const auto& [operation, tier] : info.origins) origins[py::str(operation)] = tier;
    py::dict result;
    result["version"] = info.version;
    result["threads"] = info.threads;
    result["hardware_threads"] = info.hardware_threads;
    result["tiers"] = tiers;
    result["origins"] = origins;
    return result;
}

}  // namespace

void bind_info(py::module_& module) {
    module.def(
        "info", [](py::handle context) { return to_dict(info(choose_engine(context))); },
        py::arg("context") = py::none(), R"(info(context=None)
--

What this build is and what it found on this machine, as a dict:

version, threads, hardware_threads
tiers    name -> {"compiled", "supported", "active"}, slowest first
origins  kernel operation -> name of the tier whose code the context runs for it)");
    module.def(
        "describe", [](py::handle context) { return describe(info(choose_engine(context))); },
        py::arg("context") = py::none(), R"(describe(context=None)
--

info() as lines of text, for people.)");
}

}  // namespace bitaxon::python
