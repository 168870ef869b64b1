// What a Population holds, and how it advances.
#pragma once

#include "current_source.hpp"
#include "recorder.hpp"
#include "state_array.hpp"

#include <bitaxon/jit/bound_rule.hpp>
#include <bitaxon/layers/population.hpp>

#include <vector>

namespace bitaxon {

struct Population::State {
    State(std::size_t neurons, const jit::Rule& rule, const PopulationOptions& options);

    /// A call begins, of as many steps.
    void begin_call(std::size_t steps) noexcept;
    /// Runs `steps` steps from step_count on and writes their spikes, if the rule spikes. `first`
    /// is the first one's number in the run. @throws Error when a value becomes NaN
    void advance(const ExecutionContext& context, CurrentSource& current, std::size_t first,
                 std::size_t steps, std::uint64_t* spikes, std::span<const RecordInto> record = {});
    /// Steps that are worth running at once: enough to pay, few enough to be cancelled soon.
    std::size_t chunk_steps(std::span<const RecordInto> record) const noexcept;
    /// Whether steps write to the array themselves, unless its variable is recorded twice.
    bool is_direct(const RecordInto& into) const noexcept;
    /// Where steps first ... first + steps - 1 of a run are recorded.
    std::vector<RecordSink> sinks(std::span<const RecordInto> record, std::size_t first,
                                  std::size_t steps);
    std::vector<jit::Type> lanes() const;  ///< of the states

    /// Other parameters; the present ones stay if these don't fit. @throws Error
    void bind(std::vector<std::vector<double>> changed);
    void initialise(std::size_t number);
    std::size_t variable(std::string_view name) const;
    std::size_t parameter(std::string_view name) const;

    std::size_t neurons;
    jit::Rule rule;
    PopulationOptions options;
    std::vector<jit::RuleVariable> variables;
    std::vector<jit::RuleParameter> rule_parameters;
    std::vector<std::vector<double>> parameters;  ///< by number
    jit::BoundRule bound;
    std::vector<StateArray> states;
    std::uint64_t step_count = 0;
    jit::RunCall call{.number = 0, .unchanged = 0};  ///< the present or the last one
    std::int64_t machine_code_calls = 0;
    std::size_t operations = 100;  ///< of a neuron's step; a guess until the first one
    std::string_view backend = "interpreter";
    std::vector<std::uint64_t> last_spikes;

    std::vector<std::uint32_t> recorded;  ///< numbers of the variables of `recording`
    Recording recording;
    /// Columns of the recording in the order of their neurons; none if neuron n is in column n.
    std::vector<std::size_t> columns;
};

}  // namespace bitaxon
