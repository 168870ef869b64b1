#include <bitaxon/layers/forward.hpp>

#include <bitaxon/core/error.hpp>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <array>
#include <span>

namespace bitaxon {
namespace {

// The names of an enumeration, in the order of its enumerators.
constexpr std::array<std::string_view, 2> kScales = {"sum", "mean"};
constexpr std::array<std::string_view, 3> kActivations = {"none", "relu", "clip"};
constexpr std::array<std::string_view, 2> kStops = {"none", "argmax"};
constexpr std::array<std::string_view, 2> kExpectedWeights = {"drawn", "mean"};

template <class Enum>
Enum parse(std::string_view what, std::span<const std::string_view> names, std::string_view text) {
    for (std::size_t i = 0; i < names.size(); ++i)
        if (names[i] == text) return static_cast<Enum>(i);
    throw_error(ErrorCode::invalid_value, what, fmt::format("'{}'", text),
                fmt::format("one of {}", fmt::join(names, ", ")));
}

}  // namespace

std::string_view name(Scale scale) noexcept { return kScales[static_cast<std::size_t>(scale)]; }
std::string_view name(Activation activation) noexcept {
    return kActivations[static_cast<std::size_t>(activation)];
}
std::string_view name(Stop stop) noexcept { return kStops[static_cast<std::size_t>(stop)]; }
std::string_view name(ExpectedWeights weights) noexcept {
    return kExpectedWeights[static_cast<std::size_t>(weights)];
}

Scale parse_scale(std::string_view text) { return parse<Scale>("scale", kScales, text); }
Activation parse_activation(std::string_view text) {
    return parse<Activation>("activation", kActivations, text);
}
Stop parse_stop(std::string_view text) { return parse<Stop>("stop", kStops, text); }
ExpectedWeights parse_expected_weights(std::string_view text) {
    return parse<ExpectedWeights>("weights", kExpectedWeights, text);
}

}  // namespace bitaxon
