// Sequence: a source, the positions that its index visits, and rotated bits.
#include "number_source.hpp"

#include <bitaxon/core/error.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <utility>

namespace bitaxon {
namespace {

template <class... Calls>
struct Overloaded : Calls... {
    using Calls::operator()...;
};
template <class... Calls>
Overloaded(Calls...) -> Overloaded<Calls...>;

std::unique_ptr<const NumberSource> make_source(const Encoder& encoder) {
    using Made = std::unique_ptr<const NumberSource>;
    return std::visit(
        Overloaded{
            [](const Bernoulli&) -> Made {
                throw_error(ErrorCode::invalid_value, "encoder", "Bernoulli",
                            "one that compares with a sequence of numbers");
            },
            [&](const Counter& k) { return make_counter(k, encoder.index.period); },
            [](const Lfsr& k) { return make_lfsr(k); },
            [](const Sobol& k) { return make_sobol(k); },
            [](const VanDerCorput& k) { return make_radical_inverse(k.base, k.bits); },
            [](const Halton& k) { return make_radical_inverse(halton_base(k.dimension), k.bits); },
            [](const SigmaDelta&) { return make_sigma_delta(); }},
        encoder.kind);
}

void check_index(const Index& index) {
    const auto check = [](const char* name, std::uint64_t value, std::uint64_t least) {
        if (value < least || value >= kMaxTime)
            throw_error(ErrorCode::invalid_value, name, fmt::format("{}", value),
                        fmt::format("{} to 2^61 - 1", least));
    };
    check("phase", index.phase, 0);
    check("hold", index.hold, 1);
    check("stall", index.stall, 0);
    check("period", index.period, 0);
    if (index.hold != 1 && index.stall != 0)
        throw_error(ErrorCode::invalid_value, "stall",
                    fmt::format("{} with hold {}", index.stall, index.hold),
                    "one of the two: clock division or rotation");
}

// value + step * stream, if it is at most `most`.
std::uint64_t stepped(const char* name, std::uint64_t value, std::uint64_t step,
                      std::uint64_t stream, std::uint64_t most) {
    std::uint64_t result = 0;
    if (__builtin_mul_overflow(step, stream, &result) ||
        __builtin_add_overflow(result, value, &result) || result > most)
        throw_error(ErrorCode::invalid_value, name,
                    fmt::format("{} + {} * {} (stream {})", value, step, stream, stream),
                    fmt::format("at most {}", most));
    return result;
}

void rotate(std::span<std::uint32_t> numbers, unsigned rotation, unsigned bits) {
    const std::uint32_t mask = ~std::uint32_t{0} >> (32 - bits);
    for (std::uint32_t& number : numbers)
        number = (number << rotation | number >> (bits - rotation)) & mask;
}

}  // namespace

Encoder for_stream(const Encoder& encoder, std::uint64_t stream) {
    Encoder result = encoder;
    const Step step = std::exchange(result.step, {});
    if (step == Step{}) return result;
    result.index.phase = stepped("phase", encoder.index.phase, step.phase, stream, kMaxTime - 1);
    const auto dimensioned = [&](unsigned& dimension, unsigned dimensions) {
        dimension = static_cast<unsigned>(
            stepped("dimension", dimension, step.dimension, stream, dimensions - 1));
    };
    const bool has_dimension =
        std::visit(Overloaded{[&](Sobol& k) {
                                  dimensioned(k.dimension, kSobolDimensions);
                                  k.seed += step.seed * stream;
                                  return true;
                              },
                              [&](Halton& k) {
                                  dimensioned(k.dimension, kHaltonDimensions);
                                  return true;
                              },
                              [](auto&) { return false; }},
                   result.kind);
    if (step.dimension != 0 && !has_dimension)
        throw_error(ErrorCode::invalid_value, "step", "a step in dimension of " + describe(encoder),
                    "Sobol or Halton, which have dimensions");
    if (step.seed != 0 && !std::holds_alternative<Sobol>(result.kind))
        throw_error(ErrorCode::invalid_value, "step", "a step in seed of " + describe(encoder),
                    "Sobol, whose scramble has a seed");
    result.rotation =
        static_cast<unsigned>(stepped("rotation", encoder.rotation, step.rotation, stream, ~0u));
    return result;
}

Sequence::Sequence(const Encoder& encoder, std::uint64_t stream)
    : Sequence(encoder, stream, make_source(for_stream(encoder, stream))) {}

Sequence::Sequence(const Encoder& encoder, std::uint64_t stream,
                   std::shared_ptr<const NumberSource> source)
    : encoder_(encoder), stream_(stream), source_(std::move(source)) {
    const Encoder own = for_stream(encoder, stream);
    check_index(own.index);
    index_ = own.index;
    rotation_ = own.rotation;
    if (rotation_ == 0) return;
    const std::uint64_t levels = source_->levels();
    if (!std::has_single_bit(levels) || std::holds_alternative<SigmaDelta>(own.kind))
        throw_error(ErrorCode::invalid_value, "rotation",
                    fmt::format("{} of {}", rotation_, describe(own)),
                    "numbers of whole bits that do not depend on the value");
    const auto bits = static_cast<unsigned>(std::bit_width(levels)) - 1;
    rotation_ = bits == 0 ? 0 : rotation_ % bits;
}

Sequence Sequence::at(std::uint64_t stream) const {
    // Sources differ from stream to stream in these two alone, and some are costly to make.
    if (encoder_.step.dimension != 0 || encoder_.step.seed != 0) return Sequence(encoder_, stream);
    return {encoder_, stream, source_};
}

std::uint64_t Sequence::levels() const noexcept { return source_->levels(); }

bool Sequence::is_shared() const noexcept {
    return encoder_.step == Step{} && !std::holds_alternative<SigmaDelta>(encoder_.kind);
}

std::uint64_t Sequence::threshold(double p) const noexcept {
    return static_cast<std::uint64_t>(std::nearbyint(p * static_cast<double>(levels())));
}

std::optional<std::uint64_t> Sequence::period() const noexcept {
    const std::optional<std::uint64_t> positions =
        index_.period != 0 ? std::optional(index_.period) : source_->period();
    std::uint64_t bits = 0;
    if (!positions || __builtin_mul_overflow(*positions, index_.hold, &bits) ||
        __builtin_mul_overflow(bits, std::max<std::uint64_t>(index_.stall, 1), &bits))
        return {};
    return bits;
}

void Sequence::fill(std::uint64_t first, std::span<std::uint32_t> out,
                    std::uint64_t threshold) const noexcept {
    for (std::size_t done = 0; done < out.size();)
        done += fill_run(first + done, out.subspan(done), threshold);
    if (rotation_ != 0) rotate(out, rotation_, static_cast<unsigned>(std::bit_width(levels()) - 1));
}

// As much as comes from consecutive numbers of the source; returns its size.
std::size_t Sequence::fill_run(std::uint64_t t, std::span<std::uint32_t> out,
                               std::uint64_t threshold) const noexcept {
    const auto& [phase, hold, stall, period] = index_;
    std::uint64_t position = phase + t / hold + (stall != 0 ? t / stall : 0);
    std::uint64_t numbers = out.size();
    if (stall != 0) numbers = std::min(numbers, stall - t % stall);
    if (period != 0) {
        position %= period;
        numbers = std::min(numbers, period - position);
    }
    if (hold == 1) {
        source_->fill(position, out.first(static_cast<std::size_t>(numbers)), threshold);
        return static_cast<std::size_t>(numbers);
    }
    constexpr std::uint64_t kBlock = 64;
    std::array<std::uint32_t, kBlock> block;
    numbers = std::min({numbers, kBlock, out.size() / hold + 2});
    source_->fill(position, std::span(block).first(static_cast<std::size_t>(numbers)), threshold);
    std::size_t done = 0;
    for (std::size_t k = 0; k < numbers && done < out.size(); ++k) {
        const std::uint64_t left = hold - (t + done) % hold;
        const auto count =
            static_cast<std::size_t>(std::min<std::uint64_t>(left, out.size() - done));
        std::ranges::fill(out.subspan(done, count), block[k]);
        done += count;
    }
    return done;
}

}  // namespace bitaxon
