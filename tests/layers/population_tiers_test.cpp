// Populations on their way through the tiers of compilation: when each one comes is exact, and no bit
// of a result tells which it was.
#include <bitaxon/jit/kernel.hpp>
#include <bitaxon/layers/population.hpp>

#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

namespace bitaxon {
namespace {

using jit::Rule;
using jit::Thresholds;
using jit::Type;

constexpr std::int64_t kNever = std::int64_t{1} << 60;

const ExecutionContext& one_thread() {
    static const ExecutionContext context{{.threads = 1}};
    return context;
}

// Populations of one rule share code, but no machine code is made for this tier.
const ExecutionContext& interpreter() {
    static const ExecutionContext context{{.threads = 1, .tier = "portable"}};
    return context;
}

bool has_generator() {
    static const bool made = jit::compile("x", {.wait = true}).stats().compiled_variants > 0;
    return made;
}

void wait_for(const auto& condition) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    while (!condition() && std::chrono::steady_clock::now() < deadline) {
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
}

std::int64_t variants(const Population& population) { return population.stats().compiled_variants; }

void wait_for_variants(const Population& population, std::int64_t count) {
    if (has_generator()) {
        wait_for([&] { return variants(population) >= count; });
        ASSERT_EQ(variants(population), count);
    }
}

// A rule with everything that a step can have, and values that folding could mistake: factors of one,
// summands of -0, a refractory period of no steps.
Rule rich() {
    return Rule({.equations = "gain : real = 1 (constant)\n"
                              "offset : real = -0.0 (constant)\n"
                              "count : i32 = 0\n"
                              "dv/dt = (gain*i + offset - v)/tau_mem + 8*xi (unless refractory)\n"
                              "du/dt = exp(-v*v)/tau_mem\n"
                              "count += 3",
                 .threshold = "v > 1",
                 .reset = "v = -rand()*gain; u = u*gain",
                 .refractory = "2*dt"});
}

// Bits of all states.
std::vector<std::vector<std::byte>> states(const Population& population) {
    return population.store().states;
}

std::vector<std::uint64_t> step(Population& population, double current,
                                const ExecutionContext& context = one_thread()) {
    const auto bits = population.step(context, current);
    return {bits.begin(), bits.end()};
}

// The same bits but for those of a NaN, which no state may be.
void expect_same(const Population& a, const Population& b, const std::string& where) {
    EXPECT_EQ(states(a), states(b)) << where;
}

TEST(PopulationTiers, MachineCodeComesAtTheCallThatTheThresholdSays) {
    Population population(10, rich(), {.seed = 1, .thresholds = {.background_calls = 5}});
    for (int call = 1; call <= 4; ++call) {
        step(population, 1);
        EXPECT_EQ(variants(population), 0) << call;
        EXPECT_EQ(population.stats().tier, "interpreter");
    }
    step(population, 1);
    wait_for_variants(population, 1);
    step(population, 1);
    const jit::TierStats stats = population.stats();
    EXPECT_EQ(stats.calls, 6);
    if (has_generator()) {
        EXPECT_GE(stats.machine_code_calls, 1);
        EXPECT_LE(stats.machine_code_calls, 2);  // the code may have been ready for call 5
        EXPECT_NE(stats.tier, "interpreter");
        EXPECT_GT(stats.compile_seconds, 0);
    }
}

TEST(PopulationTiers, AThresholdOfNoCallsCompilesBeforeTheFirst) {
    Population population(10, rich(), {.seed = 1, .thresholds = {.background_calls = 0}});
    step(population, 1);
    EXPECT_EQ(population.stats().machine_code_calls, has_generator() ? 1 : 0);
}

TEST(PopulationTiers, MuchWorkIsCompiledBeforeItRuns) {
    if (!has_generator()) {
        GTEST_SKIP() << "this machine has no code generator";
    }
    const auto compiles = [](std::size_t steps, std::int64_t work_at_once) {
        Population population(3, rich(), {.seed = 1, .thresholds = {.work_at_once = work_at_once}});
        population.run(one_thread(), 1, steps);
        EXPECT_EQ(population.stats().machine_code_calls, variants(population));
        return variants(population) > 0;
    };
    std::int64_t operations = 0;  // of a step, of all neurons
    while (compiles(1, operations)) {
        ++operations;
    }
    EXPECT_GT(operations, 30);
    EXPECT_FALSE(compiles(100, 100 * operations));
    EXPECT_TRUE(compiles(100, 100 * operations - 1));
}

TEST(PopulationTiers, FoldedParametersAreDroppedWhenOneIsSet) {
    const Rule rule = rich();
    Population population(10, rule,
                          {.seed = 1, .thresholds = {.background_calls = 2, .fold_calls = 4}});
    Population reference(10, rule, {.seed = 1});
    const auto both = [&] {
        EXPECT_EQ(step(population, 1.5), step(reference, 1.5, interpreter()));
        expect_same(population, reference, std::to_string(population.step_count()));
    };
    both();
    both();
    wait_for_variants(population, 1);
    both();
    EXPECT_EQ(variants(population), has_generator() ? 1 : 0);
    both();
    wait_for_variants(population, 2);
    both();
    population.set_parameter("gain", 2);
    reference.set_parameter("gain", 2);
    EXPECT_EQ(variants(population), has_generator() ? 1 : 0);
    both();
    both();
    both();
    EXPECT_EQ(variants(population), has_generator() ? 1 : 0);
    both();
    wait_for_variants(population, 2);
    both();
    population.set_parameter("gain", 2);  // is what it was
    EXPECT_EQ(variants(population), has_generator() ? 2 : 0);
    both();
}

TEST(PopulationTiers, NoBitOfAResultDependsOnThem) {
    for (const jit::BuiltInRule& built_in : jit::built_in_rules()) {
        for (const Type type : {Type::f64, Type::f32}) {
            for (const std::size_t neurons : {std::size_t{1}, std::size_t{13}}) {
                const Rule rule = jit::built_in_rule(built_in.name);  // without code
                const std::string where = std::string(built_in.name) + " " +
                                          std::string(name(type)) + " " + std::to_string(neurons);
                const auto make = [&](const Thresholds& thresholds) {
                    return Population(neurons, rule,
                                      {.dt = 1e-4, .seed = 3, .dtype = type, .thresholds = thresholds});
                };
                Population tiered = make(
                    {.background_calls = 3, .work_at_once = kNever, .fold_calls = 6});
                Population reference = make({});
                const double current = rule.takes_current() ? 30 : 0;
                std::int64_t expected = 0;
                for (int call = 1; call <= 9; ++call) {
                    const Spikes a = tiered.run(one_thread(), current, 40);
                    const Spikes b = reference.run(interpreter(), current, 40);
                    ASSERT_EQ(a.bits, b.bits) << where << ", call " << call;
                    expect_same(tiered, reference, where + ", call " + std::to_string(call));
                    if (has_generator() && (call == 3 || call == 6)) {
                        wait_for([&] { return variants(tiered) > expected; });
                        ASSERT_GT(variants(tiered), expected) << where << ", call " << call;
                        expected = variants(tiered);
                    }
                }
                EXPECT_EQ(reference.stats().machine_code_calls, 0) << where;
            }
        }
    }
}

TEST(PopulationTiers, CurrentsRecordingsAndParametersOfEachNeuronPassThroughThem) {
    const Rule rule = rich();
    const auto make = [&](const Thresholds& thresholds) {
        Population population(70, rule,
                              {.seed = 5,
                               .parameters = {{"gain", std::vector<double>(70, 1.25)}},
                               .thresholds = thresholds});
        population.record({"v", "count"}, {3, 66});
        return population;
    };
    Population tiered = make({.background_calls = 2, .work_at_once = kNever, .fold_calls = 5});
    Population reference = make({});
    std::vector<double> currents(70 * 10);
    for (std::size_t k = 0; k < currents.size(); ++k) {
        currents[k] = static_cast<double>(k % 97) / 30;
    }
    const MatrixView<const double> per_step(currents.data(), 10, 70);
    const std::span<const double> per_neuron(currents.data(), 70);
    for (int call = 1; call <= 30; ++call) {
        const Current current = call % 3 == 0   ? Current(per_step)
                                : call % 3 == 1 ? Current(per_neuron)
                                                : Current(1.5);
        EXPECT_EQ(tiered.run(one_thread(), current, 10).bits,
                  reference.run(interpreter(), current, 10).bits);
        expect_same(tiered, reference, std::to_string(call));
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    EXPECT_EQ(tiered.recording().values, reference.recording().values);
    if (has_generator()) {
        EXPECT_GT(tiered.stats().machine_code_calls, 0);
    }
}

TEST(PopulationTiers, TheArgumentsOfExternalFunctionsPassThroughThemToo) {
    jit::Functions functions;
    functions.define("bent", jit::ExternalFunction{1, jit::Purity::external,
                                                   [](const double* const* args, double* out,
                                                      std::size_t count) {
                                                       for (std::size_t k = 0; k < count; ++k) {
                                                           out[k] = args[0][k] / (2 + args[0][k]);
                                                       }
                                                   }});
    const Rule rule({.equations = "gain : real = 1 (constant)\n"
                                  "v : real = 0.5\n"
                                  "v += bent(gain*v + bent(v*v)) - 0.3*gain",
                     .functions = functions});
    Population tiered(1500, rule,
                      {.seed = 1, .thresholds = {.background_calls = 2, .work_at_once = kNever,
                                                 .fold_calls = 4}});
    Population reference(1500, rule, {.seed = 1});
    for (int call = 1; call <= 8; ++call) {
        step(tiered, 0);
        step(reference, 0, interpreter());
        expect_same(tiered, reference, std::to_string(call));
        if (call == 2 || call == 4) {  // two levels of arguments, and the step
            wait_for_variants(tiered, call == 2 ? 3 : 6);
        }
    }
    EXPECT_EQ(tiered.stats().machine_code_calls >= 4, has_generator());
}

TEST(PopulationTiers, PopulationsOfOneRuleMoveOnFromManyThreads) {
    const Rule rule = rich();
    Population reference(2000, rule, {.seed = 2});
    for (int call = 0; call < 60; ++call) {
        step(reference, 1.5, interpreter());
    }
    std::vector<Population> populations;
    for (int k = 0; k < 4; ++k) {
        populations.emplace_back(
            std::size_t{2000}, rule,
            PopulationOptions{.seed = 2,
                              .thresholds = {.background_calls = 3 + k,
                                             .work_at_once = kNever,
                                             .fold_calls = 20 + k}});
    }
    {
        std::vector<std::jthread> threads;
        for (Population& population : populations) {
            threads.emplace_back([&] {
                for (int call = 0; call < 60; ++call) {
                    population.step(ExecutionContext::shared(), 1.5);
                }
            });
        }
    }
    for (const Population& population : populations) {
        expect_same(population, reference, std::string(population.backend()));
        EXPECT_EQ(population.stats().calls, 60);
    }
}

TEST(PopulationTiers, ACopyGoesOnByItself) {
    Population population(4, rich(), {.seed = 1, .thresholds = {.background_calls = 7}});
    step(population, 1);
    Population copy = population;
    step(copy, 1);
    step(copy, 1);
    EXPECT_EQ(population.stats().calls, 1);
    EXPECT_EQ(copy.stats().calls, 3);
    EXPECT_EQ(copy.thresholds().background_calls, 7);
}

}  // namespace
}  // namespace bitaxon
