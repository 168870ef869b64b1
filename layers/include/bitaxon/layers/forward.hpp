// What the forward paths of every layer take.
#pragma once

#include <bitaxon/core/context.hpp>

#include <cstdint>
#include <optional>
#include <string_view>

namespace bitaxon {

/// Whether products are summed or averaged over the inputs.
enum class Scale : std::uint8_t { sum, mean };

enum class Activation : std::uint8_t {
    none,
    relu,  ///< max(y, 0)
    clip,  ///< y limited to [0, 1]; [-1, 1] for bipolar coding
};

std::string_view name(Scale scale) noexcept;
std::string_view name(Activation activation) noexcept;
/// @throws Error that lists the names
Scale parse_scale(std::string_view name);
Activation parse_activation(std::string_view name);

struct ForwardOptions {
    std::optional<std::uint64_t> seed = {};  ///< of the input streams; the context's unless given
    std::uint64_t sample = 0;                ///< number of the (first) sample in stream names
    Monitor monitor = {};
};

enum class Stop : std::uint8_t {
    none,    ///< run to the end
    argmax,  ///< stop once the largest output is certain enough
};

std::string_view name(Stop stop) noexcept;
Stop parse_stop(std::string_view name);

struct StreamedOptions {
    Stop stop = Stop::argmax;
    /// Accepted probability of another argmax, in (0, 1); a normal bound, so where 64 bits hold but
    /// a few ones it is a target.
    double delta = 0.01;
    std::uint64_t block_length = 64;  ///< bits between two looks, a multiple of 64
    ForwardOptions forward = {};
};

/// Which weights forward_expected means over.
enum class ExpectedWeights : std::uint8_t {
    drawn,  ///< the weight streams as they were drawn
    mean,   ///< their expectation
};

std::string_view name(ExpectedWeights weights) noexcept;
ExpectedWeights parse_expected_weights(std::string_view name);

}  // namespace bitaxon
