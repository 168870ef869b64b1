// A population as Python holds it.
#pragma once

#include "gil.hpp"
#include "instances.hpp"
#include "process_local.hpp"
#include "rule.hpp"

#include <bitaxon/core/error.hpp>
#include <bitaxon/layers/population.hpp>

#include <pybind11/pybind11.h>

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace bitaxon::python {

namespace py = pybind11;

/// Who works on a population, and how many wait for it.
struct Gate {
    std::mutex mutex;
    std::atomic<int> waiting{0};
    std::atomic<std::thread::id> worker{};
};

/// The names that a rule gives to attributes.
struct Names {
    explicit Names(const Population& population) : variables(population.names()) {
        for (const jit::RuleParameter& parameter : population.rule().parameters())
            parameters.push_back(parameter.name);
    }

    std::vector<std::string> variables;
    std::vector<std::string> parameters;
};

/// Calls take turns. A long run lets others in between its chunks of steps.
class HeldPopulation {
  public:
    HeldPopulation(std::shared_ptr<Population> model, py::object kept_context,
                   py::object rule_functions)
        : context(std::move(kept_context)), functions(std::move(rule_functions)), names(*model),
          model_(std::move(model)) {}

    /// work(population) without the GIL, alone.
    template <class Work>
    auto alone(Work&& work) {
        const std::shared_ptr<Gate> gate = gate_.get();
        check_not_inside(*gate);
        gate->waiting.fetch_add(1, std::memory_order_relaxed);
        return without_gil([&] { return enter(*gate, 1, work); });
    }
    /// A chunk of a long piece of work, which holds neither the GIL nor the mutex in between.
    template <class Work>
    auto next_chunk(Gate& gate, Work&& work) {
        check_not_inside(gate);
        while (gate.waiting.load(std::memory_order_relaxed) > 0) std::this_thread::yield();
        return enter(gate, 0, work);
    }
    std::shared_ptr<Gate> gate() { return gate_.get(); }

    /// The population, kept by whoever looks at its memory.
    std::shared_ptr<Population> shared() const { return model_.load(); }

    void set_rule(const HeldRule& rule);

    py::object context;    ///< of calls that are given none; it may be None
    py::object functions;  ///< that the rule was made with, or None
    Names names;

  private:
    // It would wait for itself.
    static void check_not_inside(const Gate& gate) {
        if (gate.worker.load(std::memory_order_relaxed) == std::this_thread::get_id())
            throw_error(ErrorCode::invalid_value, "population",
                        "a call from a function that its rule calls, or from a signal handler that "
                        "interrupts its work",
                        "one from elsewhere");
    }

    template <class Work>
    auto enter(Gate& gate, int waited, Work&& work) {
        struct Leave {
            Gate& gate;
            ~Leave() { gate.worker.store({}, std::memory_order_relaxed); }
        };
        const std::scoped_lock lock(gate.mutex);
        gate.waiting.fetch_sub(waited, std::memory_order_relaxed);
        gate.worker.store(std::this_thread::get_id(), std::memory_order_relaxed);
        const Leave leave{gate};
        return work(*model_.load());
    }

    std::atomic<std::shared_ptr<Population>> model_;  // replaced by who is alone
    ProcessLocal<Gate> gate_;
};

/// pop.run, pop.submit_run and pop.step.
py::object run_population(HeldPopulation& self, py::handle current, py::handle steps,
                          py::handle progress, py::handle context, py::handle record);
py::object submit_population(const py::object& self, py::handle current, py::handle steps,
                             py::handle context, py::handle record);
py::object step_population(HeldPopulation& self, py::handle current, py::handle context);

}  // namespace bitaxon::python

template <>
struct pybind11::detail::type_caster<bitaxon::python::HeldPopulation>
    : bitaxon::python::InitializedCaster<bitaxon::python::HeldPopulation> {};
