// Reservoir computing: random weights that stay as they are, and a linear readout that learns.
#pragma once

#include <bitaxon/core/matrix_view.hpp>

#include <cstddef>
#include <cstdint>
#include <vector>

namespace bitaxon {

struct ReservoirOptions {
    std::size_t inputs = 0;
    std::size_t units = 0;
    double spectral_radius = 0.9;  ///< of the weights between units, >= 0
    double density = 0.1;          ///< share of them that are not 0, in (0, 1]
    double input_scale = 1.0;      ///< input weights are uniform in [-input_scale, input_scale]
    std::uint64_t seed = 0;
};

/// Weights of a Recurrent layer, units x (inputs + units): those between units are uniform and
/// signed, and scaled so that the largest magnitude of their eigenvalues is spectral_radius (H.
/// Jaeger, The echo state approach, 2001). A function of the options alone.
/// @throws Error for options out of range, and where no cycle of weights is left to scale
std::vector<double> reservoir_weights(const ReservoirOptions& options);

/// y = weights x + bias.
struct Readout {
    std::vector<double> weights;  ///< targets x states, row-major
    std::vector<double> bias;     ///< a value a target
};

/// The readout of states (samples x units) with the least sum of squared errors on targets
/// (samples x targets) plus ridge * sum of squared weights; the bias is free (A. Hoerl, R.
/// Kennard, Ridge regression, 1970).
/// @throws Error for no sample, sizes that do not fit, numbers that are not finite, a negative
/// ridge, and a ridge too small for the states
Readout fit_readout(MatrixView<const double> states, MatrixView<const double> targets,
                    double ridge = 1e-6);

}  // namespace bitaxon
