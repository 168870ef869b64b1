#include "context.hpp"

#include "arguments.hpp"
#include "bindings.hpp"

#include <bitaxon/core/error.hpp>

#include <fmt/format.h>

namespace bitaxon::python {
namespace {

std::unique_ptr<Context> make_context(py::handle threads, py::handle tier, py::handle seed) {
    ContextOptions options;
    if (!threads.is_none())
        options.threads = static_cast<std::int64_t>(to_unsigned(threads, "threads", 1, 4096));
    if (!tier.is_none()) {
        options.tier = to_text(tier, "tier");
        // C++ reads an empty name as "choose for me"; here None says that.
        if (options.tier.empty())
            throw_error(ErrorCode::invalid_value, "tier", "''", "a tier's name, or None");
    }
    options.seed = to_unsigned(seed, "seed");
    return std::make_unique<Context>(std::move(options));
}

std::string_view tier_name(const Context& context) {
    return kernels::info(context.engine.tier()).name;
}

std::string repr(const Context& context) {
    return fmt::format("ExecutionContext(threads={}, tier='{}', seed={})", context.engine.threads(),
                       tier_name(context), context.engine.seed());
}

py::tuple state_of(const Context& context) {
    const ContextOptions& asked = context.asked;
    return py::make_tuple(asked.threads ? py::object(py::int_(*asked.threads)) : py::none(),
                          asked.tier.empty() ? py::object(py::none()) : py::str(asked.tier),
                          asked.seed);
}

constexpr const char* kDoc = R"(ExecutionContext(threads=None, tier=None, seed=0)
--

Where work runs: a thread arena, a SIMD tier and a default seed. Results depend on the seed alone.

threads  1 to 4096; all that the process may use unless given
tier     a name that info()["tiers"] calls supported; else BITAXON_TIER, else the best one
seed     0 to 2^64 - 1, for forwards that are given none

Copies share the arena. May be used from many threads at once, and after a fork.
Raises ValueError for 0 threads or an unknown tier, RuntimeError for a tier that this CPU lacks.)";

}  // namespace

py::object to_context(py::handle object) {
    if (!object.is_none() && !py::isinstance<Context>(object))
        throw_error(ErrorCode::invalid_type, "context", type_name(object),
                    "an ExecutionContext or None");
    return py::reinterpret_borrow<py::object>(object);
}

const ExecutionContext& choose_engine(py::handle given, py::handle otherwise) {
    for (const py::handle choice : {given, otherwise})
        if (!choice.is_none()) return to_context(choice).cast<const Context&>().engine;
    return ExecutionContext::shared();
}

void bind_context(py::module_& module) {
    py::class_<Context> type(module, "ExecutionContext", py::is_final(), kDoc);
    type.def(py::init(&make_context), py::arg("threads") = py::none(), py::arg("tier") = py::none(),
             py::arg("seed") = 0, "__init__(self, threads=None, tier=None, seed=0)\n--\n\n")
        .def_property_readonly(
            "threads", [](const Context& self) { return self.engine.threads(); },
            "Threads that a parallel call may use.")
        .def_property_readonly("tier", &tier_name, "Name of the SIMD tier.")
        .def_property_readonly(
            "seed", [](const Context& self) { return self.engine.seed(); },
            "Seed of forwards that are given none.")
        .def("__repr__", &repr)
        .def(
            "__copy__", [](py::object self) { return self; }, "__copy__(self)\n--\n\n")
        .def(
            "__deepcopy__", [](py::object self, py::handle) { return self; }, py::arg("memo"),
            "__deepcopy__(self, memo)\n--\n\n")
        .def(py::pickle(&state_of, [](const py::tuple& state) {
            return make_context(state[0], state[1], state[2]);
        }));
    bind_old_pickles(type);
}

}  // namespace bitaxon::python
