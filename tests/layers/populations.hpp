// What the tests of populations share.
#pragma once

#include <bitaxon/core/error.hpp>
#include <bitaxon/layers/population.hpp>

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

namespace bitaxon {

inline const ExecutionContext& one_thread() {
    static const ExecutionContext context{{.threads = 1}};
    return context;
}

inline jit::Rule lif() { return jit::built_in_rule("LIF"); }

// v' = v + noise, with a threshold and a refractory period: random, so that every key matters.
inline jit::Rule noisy() {
    return jit::Rule({.equations = "dv/dt = (i - v)/tau_mem + 8*xi\nu : real = 0\nu += rand()",
                      .threshold = "v > 1",
                      .reset = "v = -rand()",
                      .refractory = 3e-3});
}

inline std::vector<double> ramp(std::size_t count, double from, double to) {
    std::vector<double> values(count);
    for (std::size_t k = 0; k < count; ++k) {
        values[k] = from + (to - from) * static_cast<double>(k) / static_cast<double>(count);
    }
    return values;
}

inline std::string message_of(const std::function<void()>& call) {
    try {
        call();
    } catch (const Error& error) {
        return error.what();
    }
    return "no error";
}

}  // namespace bitaxon
