// Rules: what their texts mean, step by step, and what is wrong with wrong ones.
#include "rule_runner.hpp"

#include <bitaxon/core/error.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>

namespace bitaxon::jit {
namespace {

using Steps = std::vector<std::int64_t>;

Rule counter(const std::string& threshold, const std::string& reset,
             std::variant<double, std::string> refractory = 0.0) {
    return Rule({.equations = "v : real = 0\nv += 1",
                 .threshold = threshold,
                 .reset = reset,
                 .refractory = std::move(refractory)});
}

std::string message_of(const RuleOptions& options) {
    try {
        const Rule rule(options);
    } catch (const Error& error) {
        return error.what();
    }
    return "no error";
}

TEST(Rule, NamesOfTheFieldHaveDefaults) {
    const Rule lif({.equations = "dv/dt = (v_rest - v + r*i)/tau_mem",
                    .threshold = "v > v_threshold",
                    .reset = "v = v_reset",
                    .refractory = "2e-3",
                    .method = "exact"});
    EXPECT_EQ(lif.method(), "exact");
    EXPECT_TRUE(lif.takes_current());
    EXPECT_TRUE(lif.spikes());
    std::set<std::string> names;
    for (const RuleParameter& p : lif.parameters()) {
        names.insert(p.name);
    }
    EXPECT_EQ(names, (std::set<std::string>{"v_rest", "r", "tau_mem", "v_threshold", "v_reset"}));
    EXPECT_EQ(lif.variables().size(), 1u);
}

TEST(Rule, GivenParametersReplaceDeclaredDefaults) {
    const Rule rule({.equations =
                         "a : real = 2 (constant)\nb : real = 3*a (constant)\nv : real = a\n"
                         "v += b",
                     .parameters = {{"a", 5}}});
    EXPECT_EQ(rule.parameters()[0].value, 5);
    EXPECT_EQ(rule.parameters()[1].value, 15);
    RuleRunner runner(rule, {});
    EXPECT_EQ(runner.value("v"), 5);
    runner.run(2);
    EXPECT_EQ(runner.value("v"), 35);
}

TEST(Rule, InitialValuesFollowParametersOfEachNeuron) {
    const Rule rule({.equations = "a : real = 1 (constant)\nv : real = 2*a\nv += 0"});
    RuleRunner runner(rule, {.neurons = 3, .parameters = {{1, 2, 3}}});
    EXPECT_EQ(runner.value("v", 0), 2);
    EXPECT_EQ(runner.value("v", 2), 6);
}

TEST(Rule, InitialValuesMayBeRandom) {
    const Rule rule({.equations = "v : real = rand()\nw : real = rand()\nv += 0; w += 0"});
    RuleRunner runner(rule, {.neurons = 4, .seed = 1});
    std::set<double> values;
    for (std::size_t n = 0; n < 4; ++n) {
        values.insert(runner.value("v", n));
        values.insert(runner.value("w", n));
    }
    EXPECT_EQ(values.size(), 8u);
    EXPECT_GE(*values.begin(), 0.0);
    EXPECT_LT(*values.rbegin(), 1.0);
}

TEST(Rule, IntegrationComesBeforeThresholdAndReset) {
    RuleRunner runner(counter("v >= 3", "v = 0"), {});
    EXPECT_EQ(runner.spike_steps(10), (Steps{2, 5, 8}));
    EXPECT_EQ(runner.value("v"), 1);
}

TEST(Rule, ResetStatementsRunInOrder) {
    const Rule rule({.equations = "v : real = 0\nw : real = 0\nv += 1",
                     .threshold = "v > 4.5",
                     .reset = "v -= 3; w = v; v += w; w += 10"});
    RuleRunner runner(rule, {});
    EXPECT_EQ(runner.spike_steps(5), (Steps{4}));
    EXPECT_EQ(runner.value("v"), 4);
    EXPECT_EQ(runner.value("w"), 12);
}

TEST(Rule, ResetWordsValueSubtractNone) {
    const auto after = [](const std::string& reset, std::map<std::string, double> parameters) {
        RuleRunner runner(Rule({.equations = "v : real = 0\nv += 1",
                                .threshold = "v > 4.5",
                                .reset = reset,
                                .parameters = std::move(parameters)}),
                          {});
        runner.run(5);
        return runner.value("v");
    };
    EXPECT_EQ(after("none", {}), 5);
    EXPECT_EQ(after("value", {{"v_reset", -2}}), -2);
    EXPECT_EQ(after("subtract", {{"v_threshold", 4.5}}), 0.5);
    EXPECT_EQ(after("subtract", {{"v_threshold", 4.5}, {"v_reset", -1}}), -0.5);
}

// A neuron that spikes in step s can spike again in step s + R.
TEST(Rule, RefractoryPeriodSetsTheShortestInterval) {
    const auto spikes = [](double refractory) {
        RuleRunner runner(counter("v > 0", "none", refractory), {.dt = 1e-3});
        return runner.spike_steps(13);
    };
    EXPECT_EQ(spikes(0.0), (Steps{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}));
    EXPECT_EQ(spikes(1e-3).size(), 13u);
    EXPECT_EQ(spikes(2e-3), (Steps{0, 2, 4, 6, 8, 10, 12}));
    EXPECT_EQ(spikes(3e-3), (Steps{0, 3, 6, 9, 12}));
    EXPECT_EQ(spikes(2.9995e-3), (Steps{0, 3, 6, 9, 12}));  // floor(t/dt + 1e-3)
    EXPECT_EQ(spikes(2.99e-3), (Steps{0, 2, 4, 6, 8, 10, 12}));
}

TEST(Rule, RefractoryMayBeAnExpressionOfParameters) {
    const Rule rule({.equations = "t_ref : real = 1e-3 (constant)\nv : real = 0\nv += 1",
                     .threshold = "v > 0",
                     .refractory = "2*t_ref + dt"});
    RuleRunner runner(rule, {.dt = 1e-3, .neurons = 2, .parameters = {{1e-3, 2e-3}}});
    const auto spiked = runner.run(16);
    std::vector<int> counts(2);
    for (const auto& step : spiked) {
        counts[0] += step[0];
        counts[1] += step[1];
    }
    EXPECT_EQ(counts, (std::vector<int>{6, 4}));  // every 3 and every 5 steps
}

TEST(Rule, OnlyFlaggedVariablesFreezeWhileRefractory) {
    for (const char* method : {"euler", "heun", "rk4", "exact", "exponential_euler"}) {
        const Rule rule({.equations = "dv/dt = 1000 (unless refractory)\ndw/dt = 1000",
                         .threshold = "v > 2.5",
                         .reset = "v = 0",
                         .refractory = 4e-3,
                         .method = method});
        RuleRunner runner(rule, {.dt = 1e-3});
        // v is 1, 2, 3: a spike in step 2; it integrates again in step 6.
        EXPECT_EQ(runner.spike_steps(9), (Steps{2, 8})) << method;
        EXPECT_NEAR(runner.value("w"), 9, 1e-12) << method;
    }
}

TEST(Rule, ThresholdIsNotCheckedWhileRefractory) {
    RuleRunner runner(Rule({.equations = "dv/dt = 1000",
                            .threshold = "v > 2.5",
                            .refractory = 4e-3,
                            .method = "euler"}),
                      {.dt = 1e-3});
    EXPECT_EQ(runner.spike_steps(12), (Steps{2, 6, 10}));
}

TEST(Rule, UpdatesRunInOrderAndSeeEachOther) {
    RuleRunner runner(Rule({.equations = "a : real = 1\nb : real = 0\na = 2*a\nb = a + b\na -= 1"}),
                      {});
    runner.run(1);
    EXPECT_EQ(runner.value("a"), 1);
    EXPECT_EQ(runner.value("b"), 2);
    runner.run(1);
    EXPECT_EQ(runner.value("b"), 4);
}

TEST(Rule, SubExpressionsStandInAnyOrderAndFollowTheirVariables) {
    RuleRunner runner(Rule({.equations = "v : real = 1\nw : real = 0\n"
                                         "v = twice\n"
                                         "w = twice\n"
                                         "twice = 2*half\n"
                                         "half = v + 0"}),
                      {});
    runner.run(1);
    EXPECT_EQ(runner.value("v"), 2);
    EXPECT_EQ(runner.value("w"), 4);
}

TEST(Rule, TimeIsStepsTimesDt) {
    RuleRunner runner(Rule({.equations = "v : real = 0\nv = t/dt"}), {.dt = 0.1});
    runner.run(1);
    EXPECT_EQ(runner.value("v"), 0);
    runner.run(7);
    EXPECT_EQ(runner.value("v"), 7 * 0.1 / 0.1);
}

TEST(Rule, EachRandInTheTextIsASiteOfItsOwn) {
    RuleRunner runner(Rule({.equations = "a : real = 0\nb : real = 0\nc : real = 0\nd : real = 0\n"
                                         "a = rand()\nb = rand()\nnamed = rand()\nc = named\n"
                                         "d = named"}),
                      {.neurons = 2, .seed = 5});
    runner.run(1);
    EXPECT_NE(runner.value("a"), runner.value("b"));
    EXPECT_NE(runner.value("a"), runner.value("c"));
    EXPECT_EQ(runner.value("c"), runner.value("d"));  // a named sub-expression is drawn once
    EXPECT_NE(runner.value("a", 0), runner.value("a", 1));
    const double first = runner.value("a");
    runner.run(1);
    EXPECT_NE(runner.value("a"), first);
}

TEST(Rule, RandomNumbersAreKeyedBySeedPopulationNeuronAndStep) {
    const Rule rule({.equations = "v : real = 0\nv = rand()"});
    const auto value = [&](std::uint64_t seed, std::uint64_t population) {
        RuleRunner runner(rule, {.seed = seed, .population = population});
        runner.run(3);
        return runner.value("v");
    };
    EXPECT_EQ(value(1, 2), value(1, 2));
    EXPECT_NE(value(1, 2), value(2, 2));
    EXPECT_NE(value(1, 2), value(1, 3));
    RuleRunner step_by_step(rule, {.seed = 1, .population = 2});
    for (int k = 0; k < 3; ++k) {
        step_by_step.run(1);
    }
    EXPECT_EQ(step_by_step.value("v"), value(1, 2));
}

TEST(Rule, IntegerVariablesWrapAndKeepTheirType) {
    RuleRunner runner(Rule({.equations = "v : i16 = 32767\nn : i32 = 5\nv = v + 1\nn = n // 2"}),
                      {});
    runner.run(1);
    EXPECT_EQ(runner.value("v"), -32768);
    EXPECT_EQ(runner.value("n"), 2);
}

TEST(Rule, UserFunctionsAreInlined) {
    Functions functions;
    functions.define("twice", {"x"}, "2*x");
    RuleRunner runner(Rule({.equations = "v : real = 3\nv = twice(v)", .functions = functions}),
                      {});
    runner.run(2);
    EXPECT_EQ(runner.value("v"), 12);
}

// Stateful functions are called once a row, in ascending order, step after step.
TEST(Rule, ExternalFunctionsAreCalledInOrder) {
    double calls = 0;
    std::size_t widest = 0;
    Functions functions;
    functions.define("count",
                     ExternalFunction{1, Purity::stateful,
                                      [&](const double* const* x, double* out, std::size_t n) {
                                          widest = std::max(widest, n);
                                          for (std::size_t k = 0; k < n; ++k) {
                                              out[k] = ++calls + 0 * x[0][k];
                                          }
                                      }});
    functions.define("plus",
                     ExternalFunction{2, Purity::external,
                                      [](const double* const* x, double* out, std::size_t n) {
                                          for (std::size_t k = 0; k < n; ++k) {
                                              out[k] = x[0][k] + x[1][k];
                                          }
                                      }});
    const Rule rule(
        {.equations = "v : real = 0\nw : real = 0\nv = count(v)\nw = plus(plus(v, i), w)",
         .functions = functions});
    EXPECT_TRUE(rule.calls_external());
    constexpr std::size_t neurons = 3000;
    for (const kernels::Tier tier : {kernels::Tier::portable, kernels::best_tier()}) {
        calls = 0;
        RuleRunner runner(rule, {.neurons = neurons}, tier);
        runner.run(2, 0.5);
        EXPECT_EQ(calls, 2 * neurons);
        EXPECT_EQ(runner.value("v", 0), neurons + 1);
        EXPECT_EQ(runner.value("v", neurons - 1), 2 * neurons);
        EXPECT_EQ(runner.value("w", 5), (6 + 0.5) + (neurons + 6 + 0.5));
    }
    EXPECT_LE(widest, 1024u);
    EXPECT_THROW(Rule({.equations = "dv/dt = count(v)", .method = "rk4", .functions = functions}),
                 Error);
    EXPECT_THROW(
        Rule({.equations = "a : real = plus(1, 2) (constant)\ndv/dt = a", .functions = functions}),
        Error);
    EXPECT_THROW(Rule({.equations = "dv/dt = 1",
                       .threshold = "v > 1",
                       .refractory = "plus(1, 2)",
                       .functions = functions}),
                 Error);
}

TEST(Rule, AVariableMayHaveAnEquationAndUpdates) {
    RuleRunner runner(Rule({.equations = "v : real = 1\ndv/dt = -v/tau_mem\nv += i",
                            .method = "exact",
                            .parameters = {{"tau_mem", 1}}}),
                      {.dt = 0.5});
    runner.run(2, 3);
    EXPECT_NEAR(runner.value("v"), (std::exp(-0.5) + 3) * std::exp(-0.5) + 3, 1e-14);
}

TEST(Rule, TheCurrentsNameMayBeAVariable) {
    const Rule rule({.equations = "di/dt = -i/tau_syn\ndv/dt = i - v"});
    EXPECT_FALSE(rule.takes_current());
    EXPECT_EQ(rule.variables()[0].name, "i");
}

TEST(Rule, FloatPrecisionFollowsThePopulation) {
    const Rule rule({.equations = "v : real = 0.1\nw : f64 = 0.1\nv += 0; w += 0"});
    RuleRunner runner(rule, {.real = Type::f32});
    EXPECT_EQ(runner.value("v"), static_cast<double>(0.1f));
    EXPECT_EQ(runner.value("w"), 0.1);
}

TEST(Rule, MethodIsPickedAndSaysWhy) {
    const auto method = [](const std::string& equations) {
        const Rule rule({.equations = equations, .parameters = {}});
        EXPECT_FALSE(rule.method_reason().empty());
        return std::string(rule.method());
    };
    EXPECT_EQ(method("dv/dt = (v_rest - v)/tau_mem"), "exact");
    EXPECT_EQ(method("dv/dt = (w - v)/tau_mem\ndw/dt = -w/tau_syn + i"), "exact");
    EXPECT_EQ(method("dv/dt = -v*w\ndw/dt = -w"), "exponential_euler");
    EXPECT_EQ(method("dv/dt = -v*t"), "exponential_euler");
    EXPECT_EQ(method("dv/dt = -v^2"), "rk4");
    EXPECT_EQ(method("dv/dt = -v/tau_mem + xi"), "euler");
    EXPECT_EQ(method("dv/dt = -v^2 + rand()"), "euler");
    EXPECT_EQ(method("v : real = 0\nv += 1"), "euler");
}

TEST(Rule, NearbyNamesAreSuggested) {
    const std::string message = message_of({.equations = "dv/dt = (v_rset - v)/tau_mem"});
    EXPECT_NE(message.find("line 1"), std::string::npos) << message;
    EXPECT_NE(message.find("v_rset"), std::string::npos) << message;
    EXPECT_NE(message.find("v_re"), std::string::npos) << message;
    EXPECT_NE(message.find('^'), std::string::npos) << message;
}

struct Wrong {
    RuleOptions options;
    const char* says;
};

TEST(Rule, WrongTextsAreRefused) {
    const std::string decay = "dv/dt = -v";
    const Wrong table[] = {
        {{.equations = ""}, "equations"},
        {{.equations = "v + 1"}, "expected a statement"},
        {{.equations = "dv/dt = -v\ndv/dt = v"}, "twice"},
        {{.equations = "a = 1\na = 2"}, "twice"},
        {{.equations = "v : real\nv : real"}, "declared twice"},
        {{.equations = "a = b\nb = a\ndv/dt = a"}, "defined by itself"},
        {{.equations = "dv/dt = -v\nv = 3"}, "differential equation"},
        {{.equations = "v += 1"}, "declare it"},
        {{.equations = "g : real = 1 (constant)\ng = 2"}, "constant"},
        {{.equations = "n : i32 = 0\ndn/dt = 1"}, "real variables"},
        {{.equations = "n : i32 = 0\nn = 1.5*n"}, "cast"},
        {{.equations = "dt : real = 1"}, "has a meaning"},
        {{.equations = "g : real (constant)\ndv/dt = -g*v"}, "no value"},
        {{.equations = decay, .reset = "v = 0"}, "threshold"},
        {{.equations = decay, .refractory = 1e-3}, "threshold"},
        {{.equations = decay, .threshold = "v"}, "condition"},
        {{.equations = decay, .threshold = "v > 1", .reset = "u = 0"}, "no variable"},
        {{.equations = decay, .threshold = "v > 1", .reset = "v"}, "expected statements"},
        {{.equations = decay, .threshold = "v > 1", .refractory = "v"}, "parameters and dt"},
        {{.equations = decay, .threshold = "v > 1", .refractory = -1.0}, "refractory"},
        {{.equations = decay, .threshold = "v > 1; v < 2"}, "one expression"},
        {{.equations = decay, .method = "rk5"}, "one of auto"},
        {{.equations = "dv/dt = -v^2", .method = "exact"}, "linear"},
        {{.equations = "dv/dt = -v*w\ndw/dt = -w", .method = "exact"}, "linear"},
        {{.equations = "dv/dt = -v*t", .method = "exact"}, "linear"},
        {{.equations = "dv/dt = -v^2", .method = "exponential_euler"}, "linear in v"},
        {{.equations = "dv/dt = -v + rand()", .method = "rk4"}, "drawn once"},
        {{.equations = "x = randn()\ndv/dt = x", .method = "heun"}, "drawn once"},
        {{.equations = "dv/dt = -v + xi", .method = "rk4"}, "noise"},
        {{.equations = "dv/dt = -v + v*xi", .method = "heun"}, "noise"},
        {{.equations = "dv/dt = -v + xi", .method = "exact"}, "expected euler"},
        {{.equations = "dv/dt = -v/tau"}, "declare it, as in `tau : real = 1`"},
        {{.equations = "dv/dt = xi^2"}, "xi must enter linearly"},
        {{.equations = decay, .threshold = "v > xi"}, "xi"},
        {{.equations = "v : real = w\nv += 1\ndw/dt = 1"}, "parameters"},
        {{.equations = "v : real = t\nv += 1"}, "parameters"},
        {{.equations = decay, .parameters = {{"tau", 1}}}, "doesn't use"},
        {{.equations = decay, .parameters = {{"v", 1}}}, "variable"},
        {{.equations = "dv/dt = -g*v", .parameters = {{"g", NAN}}}, "finite"},
    };
    for (const Wrong& wrong : table) {
        const std::string message = message_of(wrong.options);
        EXPECT_NE(message.find(wrong.says), std::string::npos)
            << "equations: " << wrong.options.equations << "\nsays: " << message
            << "\nexpected: " << wrong.says;
    }
}

// Read once by one backend, and in every step by another.
TEST(BoundRule, RefusesSpikesAndRecordsOverStatesAndParameters) {
    const Rule rule(
        {.equations = "gain : real = 1\nv : real = 0\nv += gain", .threshold = "v > 2"});
    const BoundRule bound(rule, {.neurons = 8, .parameters = {std::vector<double>(8, 1.0)}});
    std::vector<double> v(8);
    std::vector<double> records(3 * 8);
    std::vector<std::uint8_t> spikes(3);
    const std::uint32_t recorded[] = {0};
    void* const states[] = {v.data()};
    const auto run = [&](void* spike_bits, void* record) {
        void* const places[] = {record};
        const std::int64_t step_bytes[] = {64};
        StepRun steps;
        steps.states = states;
        steps.steps = 3;
        steps.spikes = spike_bits;
        steps.spike_step_bytes = 1;
        steps.recorded = recorded;
        steps.records = places;
        steps.record_step_bytes = step_bytes;
        BoundRule::Call(bound, steps, {}, ExecutionContext::shared()).run(0, 8);
    };
    run(spikes.data(), records.data());
    EXPECT_EQ(v, std::vector<double>(8, 3.0));
    EXPECT_EQ(spikes, (std::vector<std::uint8_t>{0, 0, 0xff}));
    EXPECT_THROW(run(v.data(), records.data()), Error);
    EXPECT_THROW(run(spikes.data(), v.data()), Error);
    EXPECT_THROW(run(spikes.data(), v.data() - 9), Error);  // the second step's
    EXPECT_EQ(v, std::vector<double>(8, 3.0));
}

TEST(BoundRule, RefusesWhatDoesNotFit) {
    const Rule rule({.equations = "g : real = 1 (shared)\nk : i32 = 1 (constant)\ndv/dt = -g*k*v"});
    EXPECT_THROW(BoundRule(rule, {.real = Type::i32}), Error);
    EXPECT_THROW(BoundRule(rule, {.dt = 0}), Error);
    EXPECT_THROW(BoundRule(rule, {.dt = NAN}), Error);
    EXPECT_THROW(BoundRule(rule, {.neurons = 2, .parameters = {{1, 2}}}), Error);       // shared
    EXPECT_THROW(BoundRule(rule, {.neurons = 3, .parameters = {{1}, {1, 2}}}), Error);  // length
    EXPECT_THROW(BoundRule(rule, {.neurons = 1, .parameters = {{1}, {1.5}}}), Error);   // integer
    EXPECT_NO_THROW(BoundRule(rule, {.neurons = 2, .parameters = {{1}, {1, 2}}}));
}

TEST(Rule, HostileTextsEndInErrors) {
    std::string chain = "a0 = 1\n";
    for (int k = 1; k < 200; ++k) {
        chain += "a" + std::to_string(k) + " = a" + std::to_string(k - 1) + " + a" +
                 std::to_string(k - 1) + "*v\n";
    }
    EXPECT_NO_THROW(Rule({.equations = chain + "dv/dt = -v*a199"}));  // not 2^199 nodes
    std::string updates = "v : real = 0\n";
    for (int k = 0; k < 1000; ++k) {
        updates += "b" + std::to_string(k) + " = v + " + std::to_string(k) + "\n";
    }
    for (int k = 0; k < 1000; ++k) {
        updates += "v = b999\n";
    }
    EXPECT_THROW(Rule({.equations = updates}), Error);
}

TEST(BuiltInRules, AllOfThemRunAndStayFinite) {
    for (const BuiltInRule& row : built_in_rules()) {
        for (const Type real : {Type::f64, Type::f32}) {
            const Rule rule = built_in_rule(row.name);
            RuleRunner runner(rule, {.real = real, .dt = 1e-4, .neurons = 3});
            runner.run(5000, 0);
            runner.run(5000, rule.name() == "AdEx" ? 700 : 20);
            for (const RuleVariable& v : rule.variables()) {
                EXPECT_TRUE(std::isfinite(runner.value(v.name, 2))) << row.name << " " << v.name;
            }
        }
    }
}

// The interpreter is the oracle of machine code; one neuron may run in code of its own.
TEST(BuiltInRules, GiveTheSameBitsOnEveryTier) {
    for (const BuiltInRule& row : built_in_rules()) {
        const Rule rule = built_in_rule(row.name);
        for (const Type real : {Type::f64, Type::f32}) {
            for (const std::size_t neurons : {std::size_t{1}, std::size_t{21}}) {
                const BoundRuleOptions options{
                    .real = real, .dt = 1e-4, .neurons = neurons, .seed = 8};
                RuleRunner oracle(rule, options, kernels::Tier::portable);
                const auto expected = oracle.run(300, 40);
                for (const kernels::TierInfo& tier : kernels::tiers()) {
                    if (!tier.supported) {
                        continue;
                    }
                    RuleRunner runner(rule, options, tier.tier);
                    EXPECT_EQ(runner.run(300, 40), expected) << row.name;
                    for (const RuleVariable& v : rule.variables()) {
                        const double value = runner.value(v.name, neurons - 1);
                        const double wanted = oracle.value(v.name, neurons - 1);
                        EXPECT_TRUE(value == wanted || (value != value && wanted != wanted))
                            << row.name << " " << v.name << " " << tier.name;
                    }
                }
            }
        }
    }
}

TEST(BuiltInRules, SpikeWhenDriven) {
    const std::map<std::string, double> current{
        {"IF", 1},
        {"LIF", 20},
        {"CubaLIF", 20},
        {"ALIF", 25},
        {"QIF", 5},
        {"EIF", 20},
        {"AdEx", 700},
        {"Izhikevich", 10},
        {"HodgkinHuxley", 10},
        {"FitzHughNagumo", 0.5},
        {"MorrisLecar", 100},
        {"HindmarshRose", 3},
        {"Poisson", 0},
        {"Kuramoto", 0},
        {"Q8.8 LIF", 128},
    };
    for (const BuiltInRule& row : built_in_rules()) {
        const Rule rule = built_in_rule(row.name);
        ASSERT_TRUE(current.contains(rule.name())) << row.name;
        RuleRunner runner(rule, {.dt = 1e-4, .seed = 3});
        const std::size_t spikes = runner.spike_steps(10'000, current.at(rule.name())).size();
        EXPECT_GE(spikes, 5u) << row.name;
        EXPECT_LE(spikes, row.name == "Q8.8 LIF" ? 2000u : 200u) << row.name;
        EXPECT_FALSE(row.source.empty());
    }
}

TEST(BuiltInRules, AreFoundByNameAndTakeParameters) {
    EXPECT_EQ(built_in_rule("hodgkin-huxley").name(), "HodgkinHuxley");
    EXPECT_EQ(built_in_rule("q88_lif").name(), "Q8.8 LIF");
    EXPECT_EQ(built_in_rule("lif", {{"tau_mem", 0.5}}).parameters()[0].value, 0.5);
    EXPECT_THROW(built_in_rule("LIV"), Error);
    EXPECT_THROW(built_in_rule("lif", {{"tau_mme", 0.5}}), Error);
}

}  // namespace
}  // namespace bitaxon::jit
