#include "context.hpp"

#include "arguments.hpp"
#include "bindings.hpp"
#include "pickles.hpp"

#include <bitaxon/core/error.hpp>

#include <fmt/format.h>

#include <limits>
#include <optional>
#include <string>

namespace bitaxon::python {
namespace {

std::unique_ptr<Context> make_context(py::handle threads, py::handle tier, py::handle seed,
                                      py::handle pinned, py::handle numa_node, py::handle core_type,
                                      py::handle priority) {
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
    if (!py::isinstance<py::bool_>(pinned))
        throw_error(ErrorCode::invalid_type, "pinned", type_name(pinned), "True or False");
    options.pinned = pinned.cast<bool>();
    if (!numa_node.is_none())
        options.numa_node = static_cast<std::int64_t>(
            to_unsigned(numa_node, "numa_node", 0, std::numeric_limits<std::int32_t>::max()));
    options.core_type = parse_core_type(to_text(core_type, "core_type"));
    options.priority = parse_priority(to_text(priority, "priority"));
    return std::make_unique<Context>(std::move(options));
}

std::string_view tier_name(const Context& context) {
    return kernels::info(context.engine.tier()).name;
}

// Where work is placed shows if it was asked for.
std::string repr(const Context& context) {
    const ContextOptions& asked = context.asked;
    std::string text =
        fmt::format("ExecutionContext(threads={}, tier='{}', seed={}", context.engine.threads(),
                    tier_name(context), context.engine.seed());
    if (asked.pinned) text += ", pinned=True";
    if (asked.numa_node) text += fmt::format(", numa_node={}", *asked.numa_node);
    if (asked.core_type != CoreType::any)
        text += fmt::format(", core_type='{}'", name(asked.core_type));
    if (asked.priority != Priority::normal)
        text += fmt::format(", priority='{}'", name(asked.priority));
    return text + ")";
}

py::object or_none(const std::optional<std::int64_t>& number) {
    return number ? py::object(py::int_(*number)) : py::none();
}

py::tuple state_of(const Context& context) {
    const ContextOptions& asked = context.asked;
    return py::make_tuple(or_none(asked.threads),
                          asked.tier.empty() ? py::object(py::none()) : py::str(asked.tier),
                          asked.seed, asked.pinned, or_none(asked.numa_node), name(asked.core_type),
                          name(asked.priority));
}

// clang-format off
#define BITAXON_CONTEXT_SIGNATURE                                                                  \
    "threads=None, tier=None, seed=0, *, pinned=False, numa_node=None, core_type='any', "          \
    "priority='normal')\n--\n\n"
// clang-format on

constexpr const char* kDoc =
    "ExecutionContext(" BITAXON_CONTEXT_SIGNATURE
    R"(Where work runs: a thread arena, a SIMD tier and a default seed. Results depend on the seed alone.

threads    1 to 4096; unless given, all that the process may use (of the node and core type)
tier       a name that info()["tiers"] calls supported; else BITAXON_TIER, else the best one
seed       0 to 2^64 - 1, for forwards that are given none
pinned     each worker stays on a core of its own; calling threads go where they like
numa_node  workers stay on this NUMA node
core_type  'any', 'efficient' or 'performant', on machines with several kinds of cores
priority   'low', 'normal' or 'high': whose work comes first when several contexts have some

Copies share the arena. May be used from many threads at once, and after a fork.
Raises ValueError for 0 threads, an unknown tier or node, RuntimeError for a tier that this CPU lacks.)";

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
             py::arg("seed") = 0, py::kw_only(), py::arg("pinned") = false,
             py::arg("numa_node") = py::none(), py::arg("core_type") = "any",
             py::arg("priority") = "normal", "__init__(self, " BITAXON_CONTEXT_SIGNATURE)
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
            check_state(state, 7);
            return make_context(state[0], state[1], state[2], state[3], state[4], state[5],
                                state[6]);
        }));
    bind_old_pickles(type);
}

}  // namespace bitaxon::python
