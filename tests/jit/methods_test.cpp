// Numerical methods: against closed forms, by their measured order, and noise by its moments.
#include "rule_runner.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

namespace bitaxon::jit {
namespace {

struct Lif {
    double tau = 0.02;
    double rest = -65;
    double resistance = 1;

    // v after `time` seconds of a constant current.
    double after(double time, double v, double current) const {
        const double end = rest + resistance * current;
        return end + (v - end) * std::exp(-time / tau);
    }
};

TEST(Exact, LifFollowsItsClosedForm) {
    const Lif lif;
    const Rule rule({.equations = "v : real = -80\ndv/dt = (v_rest - v + r*i)/tau_mem",
                     .method = "exact",
                     .parameters = {{"v_rest", lif.rest}}});
    for (const double dt : {1e-5, 1e-3, 0.3}) {
        RuleRunner runner(rule, {.dt = dt});
        for (int k = 1; k <= 100; ++k) {
            runner.run(1, 12.5);
            const double expected = lif.after(k * dt, -80, 12.5);
            ASSERT_NEAR(runner.value("v"), expected, 1e-12 * std::fabs(expected)) << dt << " " << k;
        }
    }
}

TEST(Exact, ParametersOfEachNeuronAreIntegratedExactly) {
    const Rule rule({.equations = "v : real = -80\ndv/dt = (v_rest - v + r*i)/tau_mem",
                     .method = "exact",
                     .parameters = {{"v_rest", -65}, {"tau_mem", 0.02}}});
    const std::vector<RuleParameter> parameters = rule.parameters();
    std::vector<std::vector<double>> values(parameters.size());
    std::vector<double> taus;
    for (int n = 0; n < 37; ++n) {
        taus.push_back(0.001 * (n + 1));
    }
    for (std::size_t k = 0; k < parameters.size(); ++k) {
        if (parameters[k].name == "tau_mem") {
            values[k] = taus;
        }
    }
    RuleRunner runner(rule, {.dt = 1e-3, .neurons = taus.size(), .parameters = values});
    runner.run(25, 3);
    for (std::size_t n = 0; n < taus.size(); ++n) {
        const double expected = Lif{.tau = taus[n]}.after(0.025, -80, 3);
        EXPECT_NEAR(runner.value("v", n), expected, 1e-12 * std::fabs(expected)) << n;
    }
}

// Two coupled variables: dv/dt = (s - v)/a, ds/dt = -s/b has v = s0 b/(b - a) (e^(-t/b) -
// e^(-t/a)).
TEST(Exact, CoupledVariablesFollowTheirClosedForm) {
    const Rule rule({.equations = "s : real = 2\ndv/dt = (s - v)/a\nds/dt = -s/b",
                     .method = "exact",
                     .parameters = {{"a", 0.02}, {"b", 0.005}}});
    const std::vector<double> bs{0.005, 0.01, 0.03, 0.2};
    RuleRunner runner(rule, {.dt = 1e-3, .neurons = 4, .parameters = {{0.02}, bs}});
    runner.run(40);
    for (std::size_t n = 0; n < bs.size(); ++n) {
        const double a = 0.02;
        const double b = bs[n];
        const double expected = 2 * b / (b - a) * (std::exp(-0.04 / b) - std::exp(-0.04 / a));
        EXPECT_NEAR(runner.value("v", n), expected, 1e-12) << n;
        EXPECT_NEAR(runner.value("s", n), 2 * std::exp(-0.04 / b), 1e-12) << n;
    }
}

TEST(Exact, AnOscillatorKeepsItsRadius) {
    RuleRunner runner(Rule({.equations = "x : real = 1\ndx/dt = w*y\ndy/dt = -w*x",
                            .method = "exact",
                            .parameters = {{"w", 6.0}}}),
                      {.dt = 0.1});
    runner.run(1000);
    EXPECT_NEAR(runner.value("x"), std::cos(600.0), 1e-11);
    EXPECT_NEAR(runner.value("y"), -std::sin(600.0), 1e-11);
}

TEST(Exact, WhatIsNotLinearInTheCurrentIsHeldOverTheStep) {
    RuleRunner runner(Rule({.equations = "dv/dt = -v/tau_mem + exp(i)", .method = "exact"}),
                      {.dt = 1e-3});
    runner.run(30, 1.5);
    EXPECT_NEAR(runner.value("v"), std::exp(1.5) * 0.02 * -std::expm1(-0.03 / 0.02), 1e-12);
}

// While v is frozen the other variable is driven by a constant.
TEST(Exact, FrozenRowsHaveAPropagatorOfTheirOwn) {
    const Rule rule({.equations = "dv/dt = 1000 - v (unless refractory)\ndw/dt = (v - w)/tau_mem",
                     .threshold = "v > 0.5",
                     .reset = "v = 3",
                     .refractory = 11e-3,
                     .method = "exact",
                     .parameters = {{"tau_mem", 0.02}}});
    RuleRunner runner(rule, {.dt = 1e-3});
    EXPECT_EQ(runner.spike_steps(1).size(), 1u);  // v is 3 and frozen for 10 steps
    const double start = runner.value("w");
    runner.run(10);
    EXPECT_EQ(runner.value("v"), 3);
    EXPECT_NEAR(runner.value("w"), 3 + (start - 3) * std::exp(-0.01 / 0.02), 1e-12);
}

// A problem whose solution is known: dx/dt = x cos(t) has x = e^(sin t); with a second variable to
// mix stages: dy/dt = x - y.
double error_of(const char* method, double dt) {
    const Rule rule({.equations = "x : real = 1\ndx/dt = -x^2*cos(t)\n", .method = method});
    RuleRunner runner(rule, {.dt = dt});
    runner.run(static_cast<std::int64_t>(std::lround(2.0 / dt)));
    return std::fabs(runner.value("x") - 1 / (1 + std::sin(2.0)));
}

TEST(Methods, HaveTheirOrders) {
    struct Row {
        const char* method;
        double order;
    };
    for (const auto& [method, order] : {Row{"euler", 1}, Row{"heun", 2}, Row{"rk4", 4}}) {
        const double measured = std::log2(error_of(method, 1.0 / 64) / error_of(method, 1.0 / 128));
        EXPECT_NEAR(measured, order, 0.1) << method;
    }
}

TEST(Methods, ExponentialEulerIsExactForConstantCoefficients) {
    RuleRunner runner(Rule({.equations = "v : real = -80\ndv/dt = (v_rest - v + r*i)/tau_mem",
                            .method = "exponential_euler",
                            .parameters = {{"v_rest", -65}}}),
                      {.dt = 1e-3});
    runner.run(50, 7);
    EXPECT_NEAR(runner.value("v"), Lif{}.after(0.05, -80, 7), 1e-11);
}

TEST(Methods, ExponentialEulerHasFirstOrderAndTakesLargeSteps) {
    const auto run = [](double dt) {
        RuleRunner runner(Rule({.equations = "x : real = 1\ny : real = 1\ndx/dt = -x*y\ndy/dt = -y",
                                .method = "exponential_euler"}),
                          {.dt = dt});
        runner.run(static_cast<std::int64_t>(std::lround(1.0 / dt)));
        return runner.value("x");
    };
    const double exact = std::exp(std::exp(-1.0) - 1);
    const double ratio = std::fabs(run(1.0 / 64) - exact) / std::fabs(run(1.0 / 128) - exact);
    EXPECT_NEAR(std::log2(ratio), 1, 0.05);
    RuleRunner stiff(Rule({.equations = "x : real = 1\nk : real = 1\nk += 0\ndx/dt = -1e6*k*x",
                           .method = "exponential_euler"}),
                     {.dt = 1});
    stiff.run(3);
    EXPECT_GE(stiff.value("x"), 0);
    EXPECT_LT(stiff.value("x"), 1e-12);
}

TEST(Methods, HodgkinHuxleyConvergesToOneTrajectory) {
    const auto v = [](const char* method, double dt) {
        const BuiltInRule& row =
            *std::find_if(built_in_rules().begin(), built_in_rules().end(),
                          [](const BuiltInRule& r) { return r.name == "HodgkinHuxley"; });
        RuleRunner runner(
            Rule({.equations = std::string(row.equations), .method = method, .parameters = {}}),
            {.dt = dt});
        runner.run(static_cast<std::int64_t>(std::lround(5e-3 / dt)), 10);
        return runner.value("v");
    };
    const double reference = v("rk4", 1e-6);
    EXPECT_NEAR(v("rk4", 1e-5), reference, 1e-5);
    EXPECT_NEAR(v("exponential_euler", 1e-6), reference, 0.05);
    EXPECT_NEAR(v("euler", 1e-6), reference, 0.05);
}

struct Moments {
    double mean = 0;
    double variance = 0;
};

Moments moments(const RuleRunner& runner, std::string_view name, std::size_t neurons) {
    Moments m;
    for (std::size_t n = 0; n < neurons; ++n) {
        m.mean += runner.value(name, n) / static_cast<double>(neurons);
    }
    for (std::size_t n = 0; n < neurons; ++n) {
        const double d = runner.value(name, n) - m.mean;
        m.variance += d * d / static_cast<double>(neurons - 1);
    }
    return m;
}

// Ornstein-Uhlenbeck: stationary variance sigma^2 tau / 2. Euler's is sigma^2 tau / (2 - dt/tau),
// Heun's differs from the exact one by order dt^2.
TEST(Noise, OrnsteinUhlenbeckHasItsVariance) {
    constexpr std::size_t neurons = 20'000;
    const double sigma = 3;
    const double tau = 0.02;
    const double dt = 1e-3;
    for (const char* method : {"euler", "heun"}) {
        RuleRunner runner(Rule({.equations = "dv/dt = -v/tau_mem + sigma*xi",
                                .method = method,
                                .parameters = {{"sigma", sigma}, {"tau_mem", tau}}}),
                          {.dt = dt, .neurons = neurons, .seed = 11});
        runner.run(200);
        const Moments m = moments(runner, "v", neurons);
        const double exact = sigma * sigma * tau / 2;
        const double expected = method[0] == 'e' ? exact / (1 - dt / (2 * tau)) : exact;
        // Five standard errors of the mean and of the variance of 20,000 normal numbers.
        EXPECT_NEAR(m.mean, 0, 5 * std::sqrt(exact / neurons)) << method;
        EXPECT_NEAR(m.variance, expected, 5 * exact * std::sqrt(2.0 / neurons)) << method;
    }
}

TEST(Noise, StrengthGoesWithTheRootOfTheStep) {
    constexpr std::size_t neurons = 10'000;
    for (const double dt : {1e-4, 1e-2}) {
        RuleRunner runner(Rule({.equations = "dv/dt = xi"}),
                          {.dt = dt, .neurons = neurons, .seed = 2});
        runner.run(static_cast<std::int64_t>(std::lround(0.1 / dt)));
        EXPECT_NEAR(moments(runner, "v", neurons).variance, 0.1,
                    5 * 0.1 * std::sqrt(2.0 / neurons));
    }
}

TEST(Noise, OneNameIsOneSource) {
    RuleRunner runner(Rule({.equations = "dv/dt = xi\ndw/dt = 2*xi\ndu/dt = xi_other"}),
                      {.neurons = 4, .seed = 2});
    runner.run(10);
    for (std::size_t n = 0; n < 4; ++n) {
        EXPECT_NEAR(runner.value("w", n), 2 * runner.value("v", n), 1e-15);
        EXPECT_NE(runner.value("u", n), runner.value("v", n));
    }
}

// Geometric Brownian motion: Euler-Maruyama takes noise that a variable scales; E x = x0 e^(mu t).
TEST(Noise, EulerTakesMultiplicativeNoise) {
    constexpr std::size_t neurons = 20'000;
    RuleRunner runner(
        Rule({.equations = "x : real = 1\ndx/dt = 0.5*x + 0.2*x*xi", .method = "euler"}),
        {.dt = 1e-2, .neurons = neurons, .seed = 4});
    runner.run(100);
    const double expected = std::pow(1 + 0.5 * 1e-2, 100);
    EXPECT_NEAR(moments(runner, "x", neurons).mean, expected,
                5 * expected * std::sqrt(std::expm1(0.04) / neurons));
}

}  // namespace
}  // namespace bitaxon::jit
