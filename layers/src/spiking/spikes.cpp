// What runs hand back: packed spikes, and recorded values.
#include <bitaxon/core/error.hpp>
#include <bitaxon/layers/population.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <bit>

namespace bitaxon {

std::uint64_t Spikes::count() const noexcept {
    std::uint64_t total = 0;
    for (const std::uint64_t word : bits) {
        total += static_cast<std::uint64_t>(std::popcount(word));
    }
    return total;
}

SpikeEvents Spikes::events() const {
    SpikeEvents events;
    if (bits.empty()) {
        return events;
    }
    const std::size_t total = count();
    events.neurons.reserve(total);
    events.steps.reserve(total);
    for (std::size_t step = 0; step < steps; ++step) {
        for (std::size_t w = 0; w < words(); ++w) {
            for (std::uint64_t word = bits[step * words() + w]; word != 0; word &= word - 1) {
                events.neurons.push_back(w * 64 + static_cast<unsigned>(std::countr_zero(word)));
                events.steps.push_back(first_step + step);
            }
        }
    }
    return events;
}

jit::Type RecordInto::type() const noexcept {
    constexpr jit::Type kTypes[] = {jit::Type::f32, jit::Type::f64, jit::Type::i16, jit::Type::i32,
                                    jit::Type::i64};
    return kTypes[values.index()];
}

MatrixView<const double> Recording::operator[](std::string_view name) const {
    const auto found = std::find(names.begin(), names.end(), name);
    if (found == names.end()) {
        throw_error(ErrorCode::invalid_value, "recording", name,
                    names.empty() ? "nothing is recorded"
                                  : fmt::format("one of {}", fmt::join(names, ", ")));
    }
    const auto number = static_cast<std::size_t>(found - names.begin());
    return {values[number].data(), steps, neurons.size(),
            static_cast<std::ptrdiff_t>(neurons.size()), 1};
}

}  // namespace bitaxon
