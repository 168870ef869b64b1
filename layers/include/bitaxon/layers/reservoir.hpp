// Reservoir computing: random weights that stay as they are, and a linear readout that learns.
#pragma once

#include <bitaxon/core/context.hpp>
#include <bitaxon/core/matrix_view.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace bitaxon {

struct ReservoirOptions {
    std::size_t inputs = 0;
    std::size_t units = 0;
    double spectral_radius = 0.9;  ///< of the weights between units, >= 0
    /// Share of them that are not 0, in (0, 1]; unless given 0.1, or what leaves a unit 10 of them.
    std::optional<double> density = {};
    double input_scale = 1.0;  ///< input weights are uniform in [-input_scale, input_scale]
    std::uint64_t seed = 0;
};

/// Weights of a Recurrent layer, units x (inputs + units): those between units are uniform and
/// signed, and scaled so that the largest magnitude of their eigenvalues is spectral_radius (H.
/// Jaeger, The echo state approach, 2001). A function of the options alone.
///
/// Units that lead to one another have eigenvalues of their own. Those of one such set are computed
/// in one piece, in which a watched context is not looked at: with hundreds of units, for seconds.
/// @throws Error for options out of range, 2^32 weights or more, and where no cycle of weights is
/// left to scale
std::vector<double> reservoir_weights(const ReservoirOptions& options,
                                      const ExecutionContext& context = ExecutionContext::shared());

/// y = weights x + bias.
struct Readout {
    std::vector<double> weights;  ///< targets x states, row-major
    std::vector<double> bias;     ///< a value a target
};

/// The readout of states (samples x units) with the least sum of squared errors on targets
/// (samples x targets) plus ridge * sum of squared weights; the bias is free (A. Hoerl, R.
/// Kennard, Ridge regression, 1970).
///
/// The context's threads share the sums. A watched one is looked at every few milliseconds but for
/// one piece, the factors of the units x units matrix of products (A.-L. Cholesky): a tenth of a
/// second with 1,000 units, eight times as long with twice as many.
/// @throws Error for no sample, sizes that do not fit, numbers that are not finite or so large that
/// their sums are not, a negative ridge, and a ridge too small for the states
Readout fit_readout(MatrixView<const double> states, MatrixView<const double> targets,
                    double ridge = 1e-6,
                    const ExecutionContext& context = ExecutionContext::shared());

}  // namespace bitaxon
