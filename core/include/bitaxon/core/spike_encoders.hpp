// Values to spike trains: a train is a packed stream whose bits are time steps. The codes that D.
// Auge, J. Hille, E. Mueller and A. Knoll name in A survey of encoding techniques for signal
// processing in spiking neural networks, 2021.
#pragma once

#include <bitaxon/core/encode.hpp>
#include <bitaxon/core/matrix_view.hpp>

#include <cstdint>
#include <span>

namespace bitaxon {

/// Poisson rate code (E. D. Adrian, 1926): a step has a spike with probability 1 - exp(-value *
/// max_rate * dt), independently: that of at least one event.
struct RateCode {
    double max_rate = 100;  ///< of value 1, in Hz
    double dt = 1e-3;       ///< seconds of a step
};

/// Time to the first and only spike (S. J. Thorpe, 1990), larger values earlier. Without tau the
/// time is linear: step round((1 - value) (steps - 1)). With tau it is that of a capacitor charged
/// by the value: step floor(tau ln(value / (value - least))). Values of at most `least`, and those
/// whose step is past the end, have no spike.
struct LatencyCode {
    double tau = 0;      ///< in steps; 0: linear
    double least = 0.0;  ///< 0 <= least < 1; above 0 with tau
};

/// Weighted spikes (J. Kim, H. Kim, S. Huh, J. Lee and K. Choi, 2018): phase k of a period is worth
/// 2^-(k+1), and has a spike if the value has that binary digit. Values are rounded to 2^-period,
/// ties to even, at most 1 - 2^-period.
struct PhaseCode {
    unsigned period = 8;  ///< steps, 1 ... 52
};

/// A burst from step 0 on (W. Guo, M. E. Fouda, A. M. Eltawil and K. N. Salama, 2021): ceil(value *
/// most_spikes) spikes, ceil(longest_gap - (longest_gap - shortest_gap) value) steps apart.
struct BurstCode {
    unsigned most_spikes = 5;   ///< at least 1
    unsigned shortest_gap = 2;  ///< in steps, at least 1
    unsigned longest_gap = 10;  ///< in steps, at least shortest_gap
};

/// Trains of values in [0, 1], one row. Rates are Bernoulli streams named by `origin` as encode's,
/// from step first_step on; other codes are functions of the value alone.
/// @throws Error for values and parameters outside their ranges, NaN, and a burst that does not fit
StreamArray encode_spikes(const ExecutionContext& context, std::span<const double> values,
                          std::uint64_t steps, const RateCode& code,
                          const StreamOrigin& origin = {}, std::uint64_t first_step = 0);
StreamArray encode_spikes(const ExecutionContext& context, std::span<const double> values,
                          std::uint64_t steps, const LatencyCode& code);
StreamArray encode_spikes(const ExecutionContext& context, std::span<const double> values,
                          std::uint64_t steps, const PhaseCode& code);
StreamArray encode_spikes(const ExecutionContext& context, std::span<const double> values,
                          std::uint64_t steps, const BurstCode& code);

/// Gaussian receptive fields (S. M. Bohte, H. La Poutre and J. N. Kok, 2002): field i of n has its
/// centre at low + (i - 1/2) w and its width is w / overlap, w = (high - low) / (n - 2).
struct PopulationCode {
    std::size_t neurons = 8;  ///< for each value, at least 3
    double low = 0;
    double high = 1;
    double overlap = 1.5;
};

/// out[i * neurons + k]: the activation exp(-(value - centre)^2 / (2 width^2)) of neuron k of value
/// i, in [0, 1], for one of the codes above to turn into spikes. @throws Error for values outside
/// [low, high] and parameters outside their ranges
void population_activations(std::span<const double> values, const PopulationCode& code,
                            std::span<double> out);

/// Delta modulation, send on delta (M. Miskowicz, 2006): a spike up when a signal has risen by
/// `threshold` above the reference, which then follows by that much, a spike down when it has
/// fallen; one spike a step at most. The reference starts as the signal's first value. signals(i,
/// t): signal i at step t. Row i of the result: the train of ups, the train of downs.
/// @throws Error for a threshold that is not above 0, NaN and infinity
StreamArray encode_delta(const ExecutionContext& context, const MatrixView<const double>& signals,
                         double threshold);

/// The reference after each step, from starts[i] on: signals(i, t). It is within `threshold` of the
/// signal wherever that moves by at most so much a step. @throws Error for dirty tails, NaN and
/// infinity, and other sizes
void decode_delta(const StreamView& trains, double threshold, std::span<const double> starts,
                  const MatrixView<double>& signals);

}  // namespace bitaxon
