// Encoders as text.
#include <bitaxon/core/sequences.hpp>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <array>
#include <vector>

namespace bitaxon {
namespace {

// Parameters that are not at their defaults.
class Parameters {
  public:
    template <class Value>
    void add(std::string_view name, const Value& value, const Value& otherwise) {
        if (value != otherwise) texts_.push_back(fmt::format("{}={}", name, value));
    }
    std::string text() const { return fmt::format("{}", fmt::join(texts_, ", ")); }

  private:
    std::vector<std::string> texts_;
};

constexpr std::array<std::string_view, 3> kScrambles = {"none", "shift", "owen"};

std::string_view add(Parameters&, const Bernoulli&) { return "Bernoulli"; }
std::string_view add(Parameters& p, const Counter& k) {
    p.add("descending", k.descending, false);
    return "Counter";
}
std::string_view add(Parameters& p, const Lfsr& k) {
    p.add("bits", k.bits, 0u);
    p.add("seed", k.seed, std::uint64_t{1});
    p.add("taps", k.taps, std::uint64_t{0});
    p.add("de_bruijn", k.de_bruijn, false);
    return "Lfsr";
}
std::string_view add(Parameters& p, const Sobol& k) {
    p.add("dimension", k.dimension, ~0u);
    p.add("scramble", kScrambles[static_cast<std::size_t>(k.scramble)], kScrambles[0]);
    p.add("seed", k.seed, std::uint64_t{0});
    p.add("bits", k.bits, 32u);
    return "Sobol";
}
std::string_view add(Parameters& p, const VanDerCorput& k) {
    p.add("base", k.base, 0u);
    p.add("bits", k.bits, 32u);
    return "VanDerCorput";
}
std::string_view add(Parameters& p, const Halton& k) {
    p.add("dimension", k.dimension, ~0u);
    p.add("bits", k.bits, 32u);
    return "Halton";
}
std::string_view add(Parameters&, const SigmaDelta&) { return "SigmaDelta"; }

}  // namespace

std::string describe(const Encoder& encoder) {
    Parameters parameters;
    const std::string_view kind =
        std::visit([&](const auto& k) { return add(parameters, k); }, encoder.kind);
    const auto& [phase, hold, stall, period] = encoder.index;
    parameters.add("phase", phase, std::uint64_t{0});
    parameters.add("hold", hold, std::uint64_t{1});
    parameters.add("stall", stall, std::uint64_t{0});
    parameters.add("period", period, std::uint64_t{0});
    parameters.add("rotation", encoder.rotation, 0u);
    const Step& step = encoder.step;
    parameters.add("dimension_step", step.dimension, 0u);
    parameters.add("phase_step", step.phase, std::uint64_t{0});
    parameters.add("rotation_step", step.rotation, 0u);
    parameters.add("seed_step", step.seed, std::uint64_t{0});
    return fmt::format("{}({})", kind, parameters.text());
}

}  // namespace bitaxon
