// What neurons must do: their equations as plain loops over one neuron in double precision, or in
// integers, with the parameters that the library's rules have by default.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace bitaxon::bench::oracle {

/// One neuron under a constant current.
struct Trace {
    std::vector<bool> spikes;  ///< a step each
    double v = 0;              ///< after the last step
};

/// Times are in seconds.
Trace lif(double current, std::size_t steps, double dt);
/// Every variable by its own exponential, with what the others were at the start of the step.
Trace hodgkin_huxley(double current, std::size_t steps, double dt);
/// Runge and Kutta's fourth order.
Trace izhikevich(double current, std::size_t steps, double dt);
/// `dt` doesn't matter: the circuit knows steps only.
Trace lif_q88(double current, std::size_t steps, double dt);

}  // namespace bitaxon::bench::oracle
