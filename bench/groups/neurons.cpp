// How near do neurons come to the arithmetic that their steps take, and what does compiling a rule
// cost?
#include "harness/neuron_oracle.hpp"
#include "harness/oracle.hpp"
#include "harness/probes.hpp"
#include "harness/workloads.hpp"

#include <bitaxon/jit/bound_rule.hpp>
#include <bitaxon/layers/population.hpp>

#include <fmt/format.h>

namespace bitaxon::bench {
namespace {

using jit::BoundRule;
using jit::Type;

constexpr std::size_t kNeurons = 100'000;
constexpr std::size_t kSteps = 100;  // in one run()

struct Model {
    const char* name;
    const char* rule;
    Type real;
    double dt;
    double least;  ///< current: from here to `most`, uniform over the neurons
    double most;
    oracle::Trace (*trace)(double current, std::size_t steps, double dt);
    double tolerance;  ///< of v, after kSteps
};

const Model kModels[] = {
    {"lif-f32", "LIF", Type::f32, 1e-3, 10, 30, oracle::lif, 1e-5},
    {"lif-f64", "LIF", Type::f64, 1e-3, 10, 30, oracle::lif, 1e-12},
    {"izhikevich-f32", "Izhikevich", Type::f32, 5e-4, 5, 15, oracle::izhikevich, 1e-2},
    {"izhikevich-f64", "Izhikevich", Type::f64, 5e-4, 5, 15, oracle::izhikevich, 1e-10},
    {"hodgkin-huxley-f32", "HodgkinHuxley", Type::f32, 5e-5, 5, 20, oracle::hodgkin_huxley, 1e-3},
    {"hodgkin-huxley-f64", "HodgkinHuxley", Type::f64, 5e-5, 5, 20, oracle::hodgkin_huxley, 1e-10},
};

const Model kFixedPoint = {"lif-q88", "Q8.8 LIF", Type::f32, 1e-3, 128, 128, oracle::lif_q88, 0};

// A population with its currents, checked against the oracle, and timed from there on.
struct Work {
    Work(const Model& m, kernels::Tier tier, std::size_t neurons, std::size_t steps)
        : context(make_context(tier)), population(neurons, jit::built_in_rule(m.rule),
                                                  {.dt = m.dt, .seed = 1, .dtype = m.real}) {
        const std::vector<double> values = random_values(neurons, m.least, m.most);
        // As what the rule reads: other values would be converted in each call.
        currents32.assign(values.begin(), values.end());
        currents64.assign(currents32.begin(), currents32.end());
        const Spikes spikes = population.run(context, current(), steps);
        for (const std::size_t n : oracle::spread(neurons, 100)) {
            const oracle::Trace expected = m.trace(currents64[n], steps, m.dt);
            for (std::size_t s = 0; s < steps; ++s)
                oracle::expect_equal(fmt::format("neuron {} step {}: spikes", n, s),
                                     std::uint64_t{spikes.spiked(s, n)}, expected.spikes[s]);
            oracle::expect_near(fmt::format("v of neuron {}", n), value(n), expected.v,
                                m.tolerance);
        }
    }

    Current current() const {
        return population.dtype() == Type::f64 ? Current(currents64) : Current(currents32);
    }

    double value(std::size_t neuron) {
        const StateView v = population.state("v");
        switch (v.type) {
        case Type::f32:
            return static_cast<double>(static_cast<const float*>(v.data)[neuron]);
        case Type::f64:
            return static_cast<const double*>(v.data)[neuron];
        default:
            return static_cast<const std::int32_t*>(v.data)[neuron];
        }
    }

    ExecutionContext context;
    Population population;
    std::vector<float> currents32;
    std::vector<double> currents64;
};

bool has_machine_code(kernels::Tier tier) {
    Population one(8, jit::built_in_rule("IF"));
    one.run(make_context(tier), 1.0, 100'000);
    return one.backend() != "interpreter";
}

// Primitive operations of a step, as the library counts them.
double operations(const Model& m, std::size_t neurons) {
    const BoundRule rule(jit::built_in_rule(m.rule),
                         {.real = m.real, .dt = m.dt, .neurons = neurons});
    const std::vector<void*> nowhere(rule.states().size(), nullptr);
    const jit::StepRun run{.states = nowhere.data(), .current_kind = jit::CurrentKind::per_neuron};
    const ExecutionContext context = make_context(kernels::Tier::portable);
    return static_cast<double>(BoundRule::Call(rule, run, {}, context).operations());
}

Probe arithmetic(const Model& m, std::size_t neurons, std::size_t steps) {
    return neurons == 1 ? integer_chain_probe(steps) : fma_probe(m.real, operations(m, neurons));
}

Experiment many_steps(const Model& m, kernels::Tier tier, std::size_t neurons, std::size_t steps) {
    const auto work = std::make_shared<Work>(m, tier, neurons, steps);
    const double updates = static_cast<double>(neurons * steps);
    Experiment experiment("updates/ns", contestant(updates, [work, steps] {
                              work->population.run(work->context, work->current(), steps);
                          }));
    return experiment.limited_by(arithmetic(m, neurons, steps));
}

// Many steps that also write what the membrane was before each of them, as T, to an array.
template <class T>
Experiment recorded_steps(const Model& m, kernels::Tier tier, std::size_t neurons,
                          std::size_t steps) {
    const auto work = std::make_shared<Work>(m, tier, neurons, steps);
    const auto v = std::make_shared<Array<T>>(neurons * steps);
    const auto run = [=] {
        const RecordInto into{"v", row_major(std::span(*v), neurons)};
        work->population.run(work->context, work->current(), steps, {}, {&into, 1});
    };
    work->population.reset();
    run();
    for (const std::size_t n : oracle::spread(neurons, 20))
        for (const std::size_t s : oracle::spread(steps, 20))
            oracle::expect_near(fmt::format("v of neuron {} before step {}", n, s),
                                static_cast<double>((*v)[s * neurons + n]),
                                m.trace(work->currents64[n], s, m.dt).v, m.tolerance);
    Experiment experiment("updates/ns", contestant(static_cast<double>(neurons * steps), run));
    return experiment.limited_by(arithmetic(m, neurons, steps));
}

// Reads and writes state by state: the voltage and the steps left to wait.
Experiment single_steps(const Model& m, kernels::Tier tier) {
    const auto work = std::make_shared<Work>(m, tier, kNeurons, kSteps);
    Experiment experiment("updates/ns", contestant(kNeurons, [work] {
                              work->population.step(work->context, work->current());
                          }));
    const double lane = lane_bytes(m.real);
    Probe traffic = traffic_probe(5 * lane * kNeurons, 3, 2);
    traffic.contestant.work /= 5 * lane;
    return experiment.limited_by(std::move(traffic));
}

// From text to callable machine code for all neurons.
Experiment compilation(const Model& m, kernels::Tier tier) {
    const auto compile = [m, context = make_context(tier)] {
        const BoundRule rule(jit::built_in_rule(m.rule),
                             {.real = m.real, .dt = m.dt, .neurons = kNeurons});
        const std::vector<void*> nowhere(rule.states().size(), nullptr);
        const jit::StepRun run{.states = nowhere.data(),
                               .current_kind = jit::CurrentKind::per_neuron};
        return BoundRule::Call(rule, run, {.wait = true}, context).backend() != "interpreter";
    };
    oracle::expect_equal("made machine code", std::uint64_t{compile()}, 1);
    return Experiment("texts/ns", contestant(1, compile));
}

}  // namespace

void add_neurons(Suite& suite) {
    for (const kernels::Tier tier : suite.settings.tiers) {
        if (!has_machine_code(tier)) {
            suite.skipped.emplace_back(make_id("neurons", "all", tier, ""),
                                       "no code generator for the tier");
            continue;
        }
        const auto add = [&](const Model& m, std::size_t neurons, std::size_t steps) {
            suite.add(make_id("neurons", m.name, tier, fmt::format("{}x{}", neurons, steps)),
                      [=, &m] { return many_steps(m, tier, neurons, steps); });
        };
        for (const Model& m : kModels)
            add(m, suite.settings.quick ? kNeurons / 10 : kNeurons, kSteps);
        add(kFixedPoint, 1, 100'000);
        add(kFixedPoint, 100, suite.settings.quick ? 10'000 : 100'000);
        suite.add(make_id("neurons", "record-lif-q88", tier, "1x100000"),
                  [=] { return recorded_steps<std::int16_t>(kFixedPoint, tier, 1, 100'000); });
        suite.add(make_id("neurons", "record-lif-f64", tier, "1000x1000"),
                  [=] { return recorded_steps<double>(kModels[1], tier, 1000, 1000); });
        for (const Model& m : {kModels[0], kModels[1]})
            suite.add(
                make_id("neurons", fmt::format("step-{}", m.name), tier, std::to_string(kNeurons)),
                [=] { return single_steps(m, tier); });
        for (const Model& m : kModels)
            suite.add(make_id("neurons", fmt::format("compile-{}", m.name), tier, "rule"),
                      [=] { return compilation(m, tier); });
    }
}

}  // namespace bitaxon::bench
