// Runs a rule over arrays of state, for tests: a population of a few neurons without the
// population.
#pragma once

#include <bitaxon/jit/bound_rule.hpp>
#include <bitaxon/kernels/tier.hpp>

#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace bitaxon::jit {

/// Steps of a few neurons, in machine code where the machine's best tier has any; on the
/// interpreter with tier portable.
class RuleRunner {
  public:
    RuleRunner(const Rule& rule, BoundRuleOptions options,
               kernels::Tier tier = kernels::best_tier())
        : bound_(rule, options), context_({.threads = 1, .tier = std::string(kernels::info(tier).name)}), neurons_(options.neurons) {
        for (std::size_t k = 0; k < bound_.states().size(); ++k) {
            states_.emplace_back(neurons_);  // 8 bytes hold any lane
            bound_.initialise(k, states_.back().data());
        }
    }

    /// Runs steps with one current and returns who spiked: spiked[step][neuron].
    std::vector<std::vector<bool>> run(std::int64_t steps, double current = 0) {
        const std::int64_t row = static_cast<std::int64_t>(neurons_ + 7) / 8;
        std::vector<std::uint8_t> bits(static_cast<std::size_t>(steps * row));
        std::vector<void*> pointers;
        for (std::vector<double>& state : states_) {
            pointers.push_back(state.data());
        }
        StepRun run;
        run.states = pointers.data();
        const auto integer = static_cast<std::int32_t>(current);
        const auto narrow = static_cast<float>(current);
        run.current = bound_.current_type() == Type::f64   ? static_cast<const void*>(&current)
                      : bound_.current_type() == Type::f32 ? static_cast<const void*>(&narrow)
                                                           : static_cast<const void*>(&integer);
        run.first_step = step_;
        run.steps = steps;
        run.spikes = bits.data();
        run.spike_step_bytes = row;
        BoundRule::Call(bound_, run, {.steps = steps, .wait = true}, context_).run(0, neurons_);
        step_ += steps;
        std::vector<std::vector<bool>> spiked;
        for (std::int64_t step = 0; step < steps; ++step) {
            spiked.emplace_back();
            for (std::size_t n = 0; n < neurons_; ++n) {
                const std::uint8_t byte = bits[static_cast<std::size_t>(step * row) + n / 8];
                spiked.back().push_back((byte >> n % 8 & 1) != 0);
            }
        }
        return spiked;
    }

    /// Steps in which neuron 0 spikes.
    std::vector<std::int64_t> spike_steps(std::int64_t steps, double current = 0) {
        const std::int64_t first = step_;
        const auto spiked = run(steps, current);
        std::vector<std::int64_t> result;
        for (std::size_t step = 0; step < spiked.size(); ++step) {
            if (spiked[step][0]) {
                result.push_back(first + static_cast<std::int64_t>(step));
            }
        }
        return result;
    }

    /// A variable's value, whatever its type.
    double value(std::string_view name, std::size_t neuron = 0) const {
        const std::vector<RuleVariable> variables = bound_.rule().variables(bound_.options().real);
        for (std::size_t k = 0; k < variables.size(); ++k) {
            if (variables[k].name == name) {
                return lane(bound_.states()[k], k, neuron);
            }
        }
        return -12345;
    }
    const BoundRule& bound() const { return bound_; }

  private:
    double lane(Type type, std::size_t state, std::size_t neuron) const {
        const auto read = [&](auto typed) {
            std::memcpy(&typed,
                        reinterpret_cast<const std::byte*>(states_[state].data()) +
                            neuron * sizeof typed,
                        sizeof typed);
            return static_cast<double>(typed);
        };
        switch (type) {
        case Type::f32:
            return read(float{});
        case Type::f64:
            return read(double{});
        case Type::i64:
            return read(std::int64_t{});
        default:
            return read(std::int32_t{});
        }
    }

    BoundRule bound_;
    ExecutionContext context_;
    std::size_t neurons_;
    std::vector<std::vector<double>> states_;
    std::int64_t step_ = 0;
};

}  // namespace bitaxon::jit
