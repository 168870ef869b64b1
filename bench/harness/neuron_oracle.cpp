#include "harness/neuron_oracle.hpp"

#include <cmath>

namespace bitaxon::bench::oracle {
namespace {

// Counts down the steps in which a neuron can't spike.
class Refractory {
  public:
    Refractory(double seconds, double dt)
        : steps_(static_cast<std::size_t>(std::floor(seconds / dt + 1e-3))) {}

    bool waits() const { return left_ > 0; }
    bool spike(bool over_threshold) {
        const bool spikes = over_threshold && left_ == 0;
        if (left_ > 0) --left_;
        if (spikes) left_ = steps_ > 0 ? steps_ - 1 : 0;
        return spikes;
    }

  private:
    std::size_t steps_;
    std::size_t left_ = 0;
};

double exprel(double x) { return x == 0 ? 1 : std::expm1(x) / x; }

// x a step later, if dx/dt = a*x + b.
double relax(double x, double a, double b, double dt) {
    return x + dt * exprel(a * dt) * (a * x + b);
}

}  // namespace

Trace lif(double current, std::size_t steps, double dt) {
    constexpr double tau = 0.02, v_rest = -65, v_threshold = -50, v_reset = -65, r = 1;
    Refractory refractory(2e-3, dt);
    Trace trace{{}, v_rest};
    const double v_end = v_rest + r * current;
    for (std::size_t s = 0; s < steps; ++s) {
        if (!refractory.waits()) trace.v = v_end + (trace.v - v_end) * std::exp(-dt / tau);
        const bool spikes = refractory.spike(trace.v > v_threshold);
        if (spikes) trace.v = v_reset;
        trace.spikes.push_back(spikes);
    }
    return trace;
}

Trace hodgkin_huxley(double current, std::size_t steps, double dt) {
    constexpr double c_m = 0.001, g_na = 120, g_k = 36, g_l = 0.3;
    constexpr double e_na = 50, e_k = -77, e_l = -54.387;
    Refractory refractory(3e-3, dt);
    Trace trace{{}, -65};
    double& v = trace.v;
    double m = 0.0529, h = 0.5961, n = 0.3177;
    for (std::size_t s = 0; s < steps; ++s) {
        const double alpha_m = 1000 / exprel(-0.1 * (v + 40));
        const double beta_m = 4000 * std::exp(-(v + 65) / 18);
        const double alpha_h = 70 * std::exp(-0.05 * (v + 65));
        const double beta_h = 1000 / (1 + std::exp(-0.1 * (v + 35)));
        const double alpha_n = 100 / exprel(-0.1 * (v + 55));
        const double beta_n = 125 * std::exp(-0.0125 * (v + 65));
        const double na = g_na * m * m * m * h, k = g_k * n * n * n * n;
        v = relax(v, -(na + k + g_l) / c_m, (current + na * e_na + k * e_k + g_l * e_l) / c_m, dt);
        m = relax(m, -(alpha_m + beta_m), alpha_m, dt);
        h = relax(h, -(alpha_h + beta_h), alpha_h, dt);
        n = relax(n, -(alpha_n + beta_n), alpha_n, dt);
        trace.spikes.push_back(refractory.spike(v > 0));
    }
    return trace;
}

Trace izhikevich(double current, std::size_t steps, double dt) {
    constexpr double a = 0.02, b = 0.2, c = -65, d = 8, ms = 1e-3, v_threshold = 30;
    struct Rates {
        double v;
        double u;
    };
    const auto rates = [&](double v, double u) {
        return Rates{(0.04 * v * v + 5 * v + 140 - u + current) / ms, a * (b * v - u) / ms};
    };
    Trace trace{{}, c};
    double& v = trace.v;
    double u = b * c;
    for (std::size_t s = 0; s < steps; ++s) {
        const Rates k1 = rates(v, u);
        const Rates k2 = rates(v + dt / 2 * k1.v, u + dt / 2 * k1.u);
        const Rates k3 = rates(v + dt / 2 * k2.v, u + dt / 2 * k2.u);
        const Rates k4 = rates(v + dt * k3.v, u + dt * k3.u);
        v += dt / 6 * (k1.v + 2 * k2.v + 2 * k3.v + k4.v);
        u += dt / 6 * (k1.u + 2 * k2.u + 2 * k3.u + k4.u);
        const bool spikes = v >= v_threshold;
        if (spikes) {
            v = c;
            u += d;
        }
        trace.spikes.push_back(spikes);
    }
    return trace;
}

Trace lif_q88(double current, std::size_t steps, double) {
    constexpr std::int32_t leak = 20, gain = 256, v_rest = 0, v_reset = 0, v_threshold = 256;
    constexpr std::int32_t refractory = 2;
    const auto i = static_cast<std::int32_t>(current);
    std::int32_t v = v_rest;
    std::int32_t waiting = 0;
    Trace trace;
    for (std::size_t s = 0; s < steps; ++s) {
        if (waiting > 0) {
            --waiting;
            v = v_reset;
        } else {
            v = static_cast<std::int16_t>(v + ((v_rest - v) * leak >> 8) + (i * gain >> 8));
        }
        const bool spikes = v >= v_threshold;
        if (spikes) {
            v = v_reset;
            waiting = refractory;
        }
        trace.spikes.push_back(spikes);
    }
    trace.v = v;
    return trace;
}

}  // namespace bitaxon::bench::oracle
