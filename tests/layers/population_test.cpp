// Populations: what a user sees of them, and that results depend on nothing but what they are keyed
// by.
#include "populations.hpp"

#include <bitaxon/core/random.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <numeric>
#include <string_view>
#include <thread>

namespace bitaxon {
namespace {

using jit::Rule;
using jit::Type;

// The circuit of peers.md, written down on its own: counters first, then dv, wrapped to 16 bits.
struct Circuit {
    std::int32_t leak = 20;
    std::int32_t gain = 256;
    std::int32_t rest = 0;
    std::int32_t reset = 0;
    std::int32_t threshold = 256;
    int refractory = 2;
    std::int16_t v = 0;
    int waiting = 0;

    bool step(std::int32_t current, std::int32_t noise) {
        if (waiting > 0) {
            --waiting;
            v = static_cast<std::int16_t>(reset);
            return false;
        }
        const std::int32_t leaked = (rest - v) * leak;
        const std::int32_t driven = current * gain;
        // Shifts of negative numbers round down.
        const auto eighth = [](std::int32_t x) {
            return static_cast<std::int32_t>(std::floor(static_cast<double>(x) / 256));
        };
        v = static_cast<std::int16_t>(
            static_cast<std::uint16_t>(v + eighth(leaked) + eighth(driven) + noise));
        if (v >= threshold) {
            v = static_cast<std::int16_t>(reset);
            waiting = refractory;
            return true;
        }
        return false;
    }
};

TEST(Population, Q88LifIsItsCircuit) {
    constexpr std::size_t steps = 100'000;
    for (const int refractory : {0, 1, 2, 5}) {
        Population population(1, jit::built_in_rule("Q8.8 LIF"),
                              {.seed = 1, .parameters = {{"refractory", {double(refractory)}}}});
        const Spikes spikes = population.run(one_thread(), 128, steps);
        Circuit circuit{.refractory = refractory};
        std::uint64_t count = 0;
        for (std::size_t step = 0; step < steps; ++step) {
            const bool expected = circuit.step(128, 0);
            ASSERT_EQ(spikes.spiked(step, 0), expected) << refractory << " step " << step;
            count += expected;
        }
        EXPECT_EQ(population.values<std::int32_t>("v")[0], circuit.v);
        EXPECT_GT(count, 0u);
        EXPECT_EQ(spikes.count(), count);
    }
}

TEST(Population, Q88LifFollowsItsCircuitThroughEveryInput) {
    constexpr std::size_t neurons = 67;
    constexpr std::size_t steps = 3000;
    std::vector<double> current(steps * neurons);
    for (std::size_t k = 0; k < current.size(); ++k) {
        current[k] = static_cast<double>(static_cast<std::int64_t>(mix(k) % 20'001) - 10'000);
    }
    std::vector<double> noise(neurons);
    std::iota(noise.begin(), noise.end(), -30.0);
    Population population(neurons, jit::built_in_rule("Q8.8 LIF"),
                          {.seed = 1, .parameters = {{"noise", noise}, {"v_rest", {-300}}}});
    population.set("v", 0);
    const Spikes spikes =
        population.run(one_thread(), row_major(std::span(current), neurons), steps);
    for (std::size_t n = 0; n < neurons; ++n) {
        Circuit circuit{.rest = -300};
        for (std::size_t step = 0; step < steps; ++step) {
            const bool expected =
                circuit.step(static_cast<std::int32_t>(current[step * neurons + n]),
                             static_cast<std::int32_t>(noise[n]));
            ASSERT_EQ(spikes.spiked(step, n), expected) << n << " " << step;
        }
        ASSERT_EQ(population.values<std::int32_t>("v")[n], circuit.v) << n;
    }
}

TEST(Population, LifSpikesWhenTheClosedFormSays) {
    const double dt = 1e-4;
    const double drive = 20;  // v heads for -45 and spikes at -50
    Population population(1, lif(), {.dt = dt, .seed = 1});
    const SpikeEvents events = population.run(one_thread(), drive, 2000).events();
    // Steps from -65 to above -50, then the refractory period of 20 steps before the next climb.
    int climb = 0;
    while (-45 - 20 * std::exp(-climb * dt / 0.02) <= -50) {
        ++climb;
    }
    ASSERT_GE(events.steps.size(), 3u);
    EXPECT_EQ(events.steps[0], static_cast<std::uint64_t>(climb - 1));
    EXPECT_EQ(events.steps[1] - events.steps[0], static_cast<std::uint64_t>(climb + 19));
    EXPECT_EQ(events.steps[2] - events.steps[1], events.steps[1] - events.steps[0]);
}

struct Outcome {
    std::vector<std::uint64_t> bits;
    std::vector<double> v;
    std::vector<double> u;
    bool operator==(const Outcome&) const = default;
};

Outcome outcome(Population& population, std::vector<std::uint64_t> bits) {
    const auto v = population.values<double>("v");
    const auto u = population.values<double>("u");
    return {std::move(bits), {v.begin(), v.end()}, {u.begin(), u.end()}};
}

TEST(Population, ResultsDoNotDependOnThreadsTierOrCuts) {
    for (const std::size_t neurons : {std::size_t{1}, std::size_t{65}, std::size_t{5000}}) {
        const std::vector<double> current = ramp(neurons, 0, 3);
        const auto make = [&] { return Population(neurons, noisy(), {.seed = 9, .id = 4}); };
        Population reference = make();
        const Outcome expected = outcome(reference, reference.run(one_thread(), current, 200).bits);
        EXPECT_GT(Spikes({neurons, 0, 200, expected.bits}).count(), 0u);

        for (const ContextOptions& options :
             {ContextOptions{.threads = 4}, ContextOptions{.threads = 2, .tier = "portable"},
              ContextOptions{.threads = 1, .tier = "portable"}}) {
            const ExecutionContext context(options);
            Population other = make();
            EXPECT_EQ(outcome(other, other.run(context, current, 200).bits), expected);
        }
        Population steps = make();
        std::vector<std::uint64_t> bits;
        for (int k = 0; k < 200; ++k) {
            const auto step = steps.step(one_thread(), current);
            bits.insert(bits.end(), step.begin(), step.end());
        }
        EXPECT_EQ(outcome(steps, bits), expected);

        Population pieces = make();
        bits.clear();
        for (const std::size_t count : {1u, 7u, 92u, 100u}) {
            const Spikes part = pieces.run(one_thread(), current, count);
            bits.insert(bits.end(), part.bits.begin(), part.bits.end());
        }
        EXPECT_EQ(outcome(pieces, bits), expected);
        EXPECT_EQ(pieces.step_count(), 200u);
    }
}

TEST(Population, SeedAndIdNameTheRandomNumbers) {
    const auto value = [](std::uint64_t seed, std::uint64_t id) {
        Population population(3, noisy(), {.seed = seed, .id = id});
        population.run(one_thread(), 0, 5);
        return population.values<double>("u")[2];
    };
    EXPECT_EQ(value(1, 2), value(1, 2));
    EXPECT_NE(value(1, 2), value(1, 3));
    EXPECT_NE(value(1, 2), value(2, 2));
    EXPECT_NE(Population(1, lif()).seed(), Population(1, lif()).seed());
}

TEST(Population, CurrentsOfEveryKindAgree) {
    constexpr std::size_t neurons = 70;
    constexpr std::size_t steps = 150;
    const auto bits = [&](const Current& current, Type dtype) {
        Population population(neurons, lif(), {.dt = 1e-3, .seed = 1, .dtype = dtype});
        return population.run(one_thread(), current, steps).bits;
    };
    const std::vector<double> same(neurons, 20.0);
    const std::vector<float> same_narrow(neurons, 20.0f);
    const std::vector<double> all(neurons * steps, 20.0);
    const std::vector<float> all_narrow(neurons * steps, 20.0f);
    std::vector<double> columns(neurons * steps * 3, -1.0);  // every third element is read
    for (std::size_t k = 0; k < neurons * steps; ++k) {
        columns[3 * k] = 20;
    }
    const MatrixView<const double> strided{columns.data(), steps, neurons, 3 * neurons, 3};
    for (const Type dtype : {Type::f64, Type::f32}) {
        const auto expected = bits(20.0, dtype);
        EXPECT_EQ(bits(same, dtype), expected);
        EXPECT_EQ(bits(same_narrow, dtype), expected);
        EXPECT_EQ(bits(row_major(std::span(all), neurons), dtype), expected);
        EXPECT_EQ(bits(row_major(std::span(all_narrow), neurons), dtype), expected);
        EXPECT_EQ(bits(strided, dtype), expected);
    }
}

TEST(Population, CurrentOfAStepReachesItsStep) {
    const Rule rule({.equations = "v : real = 0\nv += i"});
    Population population(2, rule, {.seed = 1});
    const std::vector<double> current{1, 10, 2, 20, 3, 30};
    population.record({"v"});
    population.run(one_thread(), row_major(std::span(current), 2), 3);
    const auto v = population.recording()["v"];
    EXPECT_EQ(v(1, 0), 1);
    EXPECT_EQ(v(2, 1), 30);
    EXPECT_EQ(population.values<double>("v")[1], 60);
}

TEST(Population, ParametersMayDifferFromNeuronToNeuron) {
    constexpr std::size_t neurons = 50;
    const std::vector<double> taus = ramp(neurons, 0.005, 0.05);
    Population together(neurons, lif(), {.seed = 1, .parameters = {{"tau_mem", taus}}});
    const Spikes all = together.run(one_thread(), 30, 400);
    for (const std::size_t n : {std::size_t{0}, std::size_t{17}, std::size_t{49}}) {
        Population alone(1, lif(), {.seed = 1, .parameters = {{"tau_mem", {taus[n]}}}});
        const Spikes one = alone.run(one_thread(), 30, 400);
        for (std::size_t step = 0; step < 400; ++step) {
            ASSERT_EQ(all.spiked(step, n), one.spiked(step, 0)) << n << " " << step;
        }
        EXPECT_EQ(together.values<double>("v")[n], alone.values<double>("v")[0]);
    }
}

TEST(Population, ParametersChangeBetweenSteps) {
    Population population(3, Rule({.equations = "g : real = 1 (constant)\nv : real = 0\nv += g"}),
                          {.seed = 1});
    population.run(one_thread(), 0, 2);
    population.set_parameter("g", 10);
    population.run(one_thread(), 0, 1);
    EXPECT_EQ(population.values<double>("v")[0], 12);
    population.set_parameter("g", std::vector<double>{1, 2, 3});
    population.step(one_thread());
    EXPECT_EQ(population.values<double>("v")[2], 15);
    EXPECT_EQ(population.parameter("g")[1], 2);
}

TEST(Population, StoreAndRestoreComeBackToTheSameFuture) {
    Population population(130, noisy(), {.seed = 3});
    population.run(one_thread(), 1.5, 50);
    const PopulationSnapshot snapshot = population.store();
    const auto expected = population.run(one_thread(), 1.5, 50).bits;
    population.restore(snapshot);
    EXPECT_EQ(population.step_count(), 50u);
    EXPECT_EQ(population.run(one_thread(), 1.5, 50).bits, expected);

    Population copy = population;
    EXPECT_EQ(copy.run(one_thread(), 1.5, 20).bits, population.run(one_thread(), 1.5, 20).bits);

    population.reset();
    Population fresh(130, noisy(), {.seed = 3});
    EXPECT_EQ(population.run(one_thread(), 1.5, 50).bits, fresh.run(one_thread(), 1.5, 50).bits);
    EXPECT_THROW(Population(129, noisy(), {.seed = 3}).restore(snapshot), Error);
    EXPECT_THROW(Population(130, lif(), {.seed = 3}).restore(snapshot), Error);
}

TEST(Population, ANewRuleKeepsVariablesByName) {
    Population population(3,
                          Rule({.equations = "g : real = 1 (constant)\nh : real = 1 (constant)\n"
                                             "v : real = 0\nw : real = 0\nv += g; w += h"}),
                          {.seed = 1, .parameters = {{"g", {5}}}});
    const auto view = population.values<double>("v");
    population.run(one_thread(), 0, 2);
    population.set_rule(Rule({.equations = "g : real = 2 (constant)\nh : real = 7 (constant)\n"
                                           "v : real = -1\nz : real = 4\nv += 100*g; z += h"}));
    EXPECT_EQ(view[0], 10);
    EXPECT_EQ(view.data(), population.values<double>("v").data());
    EXPECT_EQ(population.values<double>("z")[0], 4);
    population.step(one_thread());
    EXPECT_EQ(view[0], 510);
    EXPECT_EQ(population.values<double>("z")[0], 11);
    EXPECT_EQ(population.step_count(), 3u);
    EXPECT_THROW(population.values<double>("w"), Error);
}

// A call that throws stops the run between two steps.
TEST(Population, ExternalFunctionsMayThrow) {
    std::size_t rows = 0;
    jit::Functions functions;
    functions.define("f",
                     jit::ExternalFunction{1, jit::Purity::stateful,
                                           [&](const double* const* x, double* out, std::size_t n) {
                                               for (std::size_t k = 0; k < n; ++k) {
                                                   if (++rows == 10'000) {
                                                       throw std::runtime_error("enough");
                                                   }
                                                   out[k] = x[0][k] + 1;
                                               }
                                           }});
    const Rule rule({.equations = "v : real = 0\nv = f(v)", .functions = functions});
    Population population(3000, rule, {.seed = 1});
    population.record({"v"}, {0, 2999});
    const ExecutionContext context{{.threads = 4}};
    EXPECT_THROW(population.run(context, 0, 10), std::runtime_error);
    EXPECT_EQ(population.step_count(), 3u);
    EXPECT_EQ(population.values<double>("v")[0], 3);
    EXPECT_EQ(population.values<double>("v")[2999], 3);
    EXPECT_EQ(population.recording().steps, 3u);
    population.step(context);
    EXPECT_EQ(population.values<double>("v")[2999], 4);
}

TEST(Population, NaNNamesVariableNeuronAndStep) {
    // sqrt of a negative number in the step in which w falls below 0.
    const Rule rule({.equations = "w : real = 100\nx : real = 0\nw -= i\nx = sqrt(w)"});
    for (const std::size_t neurons : {std::size_t{3}, std::size_t{3000}}) {
        for (const int threads : {1, 3}) {
            const ExecutionContext context{{.threads = threads}};
            std::vector<double> current(neurons, 0.0);
            current[neurons - 1] = 1.5;  // -0.5 after step 66
            current[neurons - 2] = 1.0;  // -1 after step 100
            Population population(neurons, rule, {.seed = 1});
            const std::string message = message_of([&] { population.run(context, current, 5000); });
            EXPECT_NE(message.find("x of neuron " + std::to_string(neurons - 1)), std::string::npos)
                << message;
            EXPECT_NE(message.find("step 66 "), std::string::npos) << message;
            EXPECT_EQ(population.step_count(), 67u);
            EXPECT_EQ(population.values<double>("w")[neurons - 2], 100.0 - 67);

            Population slow(neurons, rule, {.seed = 1});
            std::size_t steps = 0;
            const std::string again = message_of([&] {
                for (; steps < 5000; ++steps) {
                    slow.step(context, current);
                }
            });
            EXPECT_EQ(again, message);
            EXPECT_EQ(steps, 66u);
        }
    }
}

TEST(Population, CancellingLeavesAWholeNumberOfSteps) {
    Population population(2, jit::built_in_rule("HodgkinHuxley"), {.dt = 1e-5, .seed = 1});
    Population same(2, jit::built_in_rule("HodgkinHuxley"), {.dt = 1e-5, .seed = 1});
    std::stop_source stop;
    Monitor monitor{.progress =
                        [&](std::size_t done, std::size_t) {
                            if (done > 0) {
                                stop.request_stop();
                            }
                        },
                    .stop = stop.get_token()};
    try {
        population.run(one_thread(), 10, 10'000'000, monitor);
        FAIL() << "not cancelled";
    } catch (const Error& error) {
        EXPECT_EQ(error.code(), ErrorCode::cancelled);
    }
    const std::uint64_t steps = population.step_count();
    EXPECT_LT(steps, 10'000'000u);
    same.run(one_thread(), 10, steps);
    EXPECT_EQ(same.values<double>("v")[1], population.values<double>("v")[1]);
}

TEST(Population, ProgressReachesTheTotal) {
    Population population(100, lif(), {.seed = 1});
    std::size_t last = 0;
    std::size_t of = 0;
    const Monitor monitor{.progress = [&](std::size_t done, std::size_t total) {
        last = done;
        of = total;
    }};
    population.run(one_thread(), 20, 1000, monitor);
    EXPECT_EQ(last, 1000u);
    EXPECT_EQ(of, 1000u);
}

TEST(Population, EventsAreTheSetBits) {
    Spikes spikes{70, 5, 2, {1, 0, std::uint64_t{1} << 63, 0x21}};
    const SpikeEvents events = spikes.events();
    EXPECT_EQ(events.neurons, (std::vector<std::uint64_t>{0, 63, 64, 69}));
    EXPECT_EQ(events.steps, (std::vector<std::uint64_t>{5, 6, 6, 6}));
    EXPECT_EQ(spikes.count(), 4u);
}

TEST(Population, PoissonHasItsRate) {
    Population population(1000, jit::built_in_rule("Poisson"),
                          {.dt = 1e-3, .seed = 2, .parameters = {{"rate", {40}}}});
    const double expected = 1000 * 2000 * 40 * 1e-3;
    const auto count = static_cast<double>(population.run(one_thread(), 0, 2000).count());
    EXPECT_NEAR(count, expected, 5 * std::sqrt(expected));
}

TEST(Population, ARuleWithoutThresholdHasNoSpikes) {
    Population population(3, Rule({.equations = "dv/dt = -v + i"}), {.seed = 1});
    const Spikes spikes = population.run(one_thread(), 1, 10);
    EXPECT_EQ(spikes.count(), 0u);
    EXPECT_FALSE(spikes.spiked(3, 1));
    EXPECT_TRUE(spikes.events().steps.empty());
}

TEST(Population, WrongInputsAreErrors) {
    const Rule rule = lif();
    Population population(4, rule, {.seed = 1});
    const std::vector<double> three(3, 1.0);
    const std::vector<double> four(4, 1.0);
    const double nan = std::numeric_limits<double>::quiet_NaN();
    EXPECT_THROW(Population(0, rule), Error);
    EXPECT_THROW(Population(1, rule, {.dt = 0}), Error);
    EXPECT_THROW(Population(1, rule, {.dtype = Type::i32}), Error);
    EXPECT_THROW(Population(1, rule, {.parameters = {{"tau", {1}}}}), Error);
    EXPECT_THROW(Population(2, rule, {.parameters = {{"tau_mem", {1, 2, 3}}}}), Error);
    EXPECT_THROW(Population(2, rule, {.parameters = {{"tau_mem", {}}}}), Error);
    EXPECT_THROW(population.step(one_thread(), nan), Error);
    EXPECT_THROW(population.step(one_thread(), three), Error);
    EXPECT_THROW(population.run(one_thread(), three, 5), Error);
    EXPECT_THROW(population.run(one_thread(), row_major(std::span(four), 4), 2), Error);
    EXPECT_THROW(population.set("v", std::span(three)), Error);
    EXPECT_THROW(population.set("v", nan), Error);
    EXPECT_THROW(population.set("u", 1), Error);
    EXPECT_THROW(population.set_parameter("tau_mem", nan), Error);
    EXPECT_THROW(population.set_parameter("refractory", -1), Error);
    EXPECT_THROW(population.set_parameter("tau", 1), Error);
    EXPECT_THROW(population.record({"u"}), Error);
    EXPECT_THROW(population.record({"v"}, {4}), Error);
    EXPECT_THROW(population.values<float>("v"), Error);
    EXPECT_EQ(population.parameter("tau_mem")[0], 0.02);
    EXPECT_EQ(population.step_count(), 0u);
    Population poisson(2, jit::built_in_rule("Poisson"), {.seed = 1});
    EXPECT_THROW(poisson.step(one_thread(), 3), Error);
    Population fixed(1, jit::built_in_rule("Q8.8 LIF"), {.seed = 1});
    EXPECT_THROW(fixed.step(one_thread(), 0.5), Error);
    EXPECT_THROW(fixed.set("v", 40'000), Error);
    Population narrow(2, rule, {.seed = 1, .dtype = Type::f32});
    EXPECT_THROW(narrow.set("v", 1e39), Error);
    EXPECT_THROW(narrow.step(one_thread(), 1e39), Error);
    EXPECT_THROW(narrow.set_parameter("r", 1e39), Error);
}

TEST(Population, ReprTellsWhatItIs) {
    const Population population(4, lif(), {.seed = 7, .parameters = {{"r", {1, 2, 3, 4}}}});
    const std::string text = population.repr();
    for (const char* part : {"Population(4", "rule='LIF'", "method='exact'", "dt=0.001", "seed=7",
                             "tau_mem=0.02", "r=<4 values>"}) {
        EXPECT_NE(text.find(part), std::string::npos) << text;
    }
}

// One number for all spikes of 200 steps and all bits of all states after them. It was computed
// once, on x86-64; a machine or a compiler that contracts, orders or rounds anything differently
// gets another.
std::uint64_t fingerprint(const Rule& rule, Type dtype) {
    Population population(5, rule, {.dt = 1e-4, .seed = 3, .dtype = dtype});
    const std::vector<double> input = ramp(5, 5, 30);
    const Spikes spikes =
        population.run(one_thread(), rule.takes_current() ? Current(input) : Current(), 200);
    std::uint64_t hash = 0xcbf29ce484222325;  // FNV-1a, the spikes by words
    for (const std::uint64_t word : spikes.bits) {
        hash = (hash ^ word) * 0x100000001b3;
    }
    for (const jit::RuleVariable& variable : rule.variables(dtype)) {
        const StateView view = population.state(variable.name);
        const auto* bytes = static_cast<const unsigned char*>(view.data);
        for (std::size_t k = 0; k < view.count * static_cast<std::size_t>(lane_bytes(view.type));
             ++k) {
            hash = (hash ^ bytes[k]) * 0x100000001b3;
        }
    }
    return hash;
}

TEST(Population, BuiltInRulesGiveTheSameBitsOnEveryMachine) {
    struct Golden {
        std::string_view name;
        std::uint64_t f32;
        std::uint64_t f64;
    };
    constexpr Golden goldens[] = {
        {"IF", 0x6d548a3ee90883df, 0x26fc6c562b84896f},
        {"LIF", 0xee3950c20a88ae05, 0xdd7e2ef4ee6dc31a},
        {"CubaLIF", 0xe322c5ac74b79b6b, 0x806f36d0c7a7bec0},
        {"ALIF", 0xb7177b56dbc9322c, 0x78ac31c0c3d3045c},
        {"QIF", 0xd2a3ab825fd1378f, 0xd62d6317ae707355},
        {"EIF", 0x036d08d306e28128, 0x17062b48cae09861},
        {"AdEx", 0xa16cdd97c82c6422, 0xa398f147d417c950},
        {"Izhikevich", 0xba8562b39a67c6c5, 0x10b076b802f80119},
        {"HodgkinHuxley", 0x68eb9aa4c62416ef, 0x701815319c272df3},
        {"FitzHughNagumo", 0x9f632f9dd6522307, 0x4ea5966917270145},
        {"MorrisLecar", 0xac1263396a50d7d2, 0xfa44a26cabca7c52},
        {"HindmarshRose", 0x5186bbbc2cc71bd3, 0x9238b4efb87fa45d},
        {"Poisson", 0x37027190f725c8c5, 0x37027190f725c8c5},
        {"Kuramoto", 0x36c6d65d2f07c27d, 0xe4417be399e49abf},
        {"Q8.8 LIF", 0x059793f736297a20, 0x059793f736297a20},
    };
    ASSERT_EQ(std::size(goldens), jit::built_in_rules().size());
    for (const Golden& golden : goldens) {
        const Rule rule = jit::built_in_rule(golden.name);
        EXPECT_EQ(fingerprint(rule, Type::f32), golden.f32) << golden.name;
        EXPECT_EQ(fingerprint(rule, Type::f64), golden.f64) << golden.name;
    }
    const Rule random = noisy();
    EXPECT_EQ(fingerprint(random, Type::f32), 0x880d75a0e797a651U);
    EXPECT_EQ(fingerprint(random, Type::f64), 0x8a7e21b2b6198367U);
}

}  // namespace
}  // namespace bitaxon
