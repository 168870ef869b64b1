// Rules in files, and the watch of one: the part of bitaxon.RuleWatch that has a thread.
#include "arguments.hpp"
#include "bindings.hpp"
#include "gil.hpp"
#include "instances.hpp"
#include "rule.hpp"

#include <bitaxon/jit/rule_file.hpp>

#include <filesystem>
#include <memory>
#include <string_view>
#include <utility>

namespace bitaxon::python {

// Calls on_change with the GIL, on the watch's thread.
class HeldRuleWatch {
  public:
    HeldRuleWatch(const std::filesystem::path& path, py::function on_change)
        : on_change_(std::move(on_change)) {
        PyObject* const callable = on_change_.ptr();
        watch_ = without_gil(
            [&] { return std::make_unique<jit::RuleWatch>(path, [callable] { call(callable); }); });
    }
    ~HeldRuleWatch() {
        close();
        if (interpreter_ends()) static_cast<void>(watch_.release());
    }
    HeldRuleWatch(const HeldRuleWatch&) = delete;
    HeldRuleWatch& operator=(const HeldRuleWatch&) = delete;

    HeldRule rule() const { return {watch_->rule(), py::none()}; }
    py::object next() {
        if (auto rule = watch_->next()) return py::cast(HeldRule{std::move(*rule), py::none()});
        return py::none();
    }
    std::string_view mechanism() const { return watch_->mechanism(); }
    // The thread may be waiting for the GIL: for ever, once the interpreter ends.
    void close() {
        if (!interpreter_ends()) without_gil([&] { watch_->close(); });
    }

  private:
    static void call(PyObject* callable) {
        const GilHeld gil;
        const auto kept = py::reinterpret_borrow<py::object>(callable);
        try {
            kept();
        } catch (py::error_already_set& error) {
            error.discard_as_unraisable("watch_rule");
        }
    }

    py::function on_change_;
    std::unique_ptr<jit::RuleWatch> watch_;
};

}  // namespace bitaxon::python

template <>
struct pybind11::detail::type_caster<bitaxon::python::HeldRuleWatch>
    : bitaxon::python::InitializedCaster<bitaxon::python::HeldRuleWatch> {};

namespace bitaxon::python {

void bind_rule_watch(py::module_& module) {
    py::class_<HeldRuleWatch>(module, "_RuleWatch", py::is_final(),
                              R"(_RuleWatch(path, on_change)
--

Calls on_change, on a thread of its own, when next() has something new: the rule of a good edit, or
the exception of a bad one. The thread ends with close() or the object.)")
        .def(py::init([](py::handle path, py::function on_change) {
                 return std::make_unique<HeldRuleWatch>(to_path(path), std::move(on_change));
             }),
             py::arg("path"), py::arg("on_change"), "__init__(self, path, on_change)\n--\n\n")
        .def_property_readonly("rule", &HeldRuleWatch::rule, "The newest that next() returned.")
        .def_property_readonly("mechanism", &HeldRuleWatch::mechanism, "'inotify' or 'polling'.")
        .def("next", &HeldRuleWatch::next,
             "next(self)\n--\n\nThe Rule of a good edit, once, or None.")
        .def("close", &HeldRuleWatch::close, "close(self)\n--\n\nWatches no longer.");

    module.def(
        "load_rule",
        [](py::handle path) {
            const std::filesystem::path file = to_path(path);
            return HeldRule{without_gil([&] { return jit::load_rule(file); }), py::none()};
        },
        py::arg("path"), R"(load_rule(path)
--

A rule from a text file: equations as for Rule, and lines with what else there is.

    dv/dt = (v_rest - v + r*i)/tau_mem (unless refractory)
    tau_mem : real = 20e-3
    threshold: v > v_threshold
    reset: v = v_reset
    refractory: 2e-3
    method: exact
    name: leaky

Raises FileError where it cannot be read, ValueError with the line for what cannot be parsed.)");
}

}  // namespace bitaxon::python
