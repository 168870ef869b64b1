#include <bitaxon/core/sources.hpp>

#include "number_source.hpp"

#include <bitaxon/core/error.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <initializer_list>

namespace bitaxon {
namespace {

// The upper 4 bits of an id.
enum class Kind : std::uint64_t {
    unknown,
    bernoulli,
    counter,
    lfsr,
    sobol,
    radical_inverse,
    sigma_delta
};
constexpr std::array<std::string_view, 7> kNames = {
    "unknown",    "Bernoulli", "a counter", "an LFSR", "Sobol", "Halton or van der Corput",
    "sigma-delta"};
constexpr unsigned kHashBits = 60;

SourceId make_id(Kind kind, std::initializer_list<std::uint64_t> what) {
    std::uint64_t hash = 0;
    for (const std::uint64_t part : what) hash = mix(hash + part + kernels::kGolden);
    return static_cast<std::uint64_t>(kind) << kHashBits | hash >> (64 - kHashBits);
}

}  // namespace

SourceId Sequence::source() const {
    const Encoder own = for_stream(encoder_, stream_);
    const Index& clock = own.index;
    const auto even = [&](Kind kind, std::uint64_t axis) {
        return make_id(kind, {axis, clock.hold, clock.stall, clock.period});
    };
    const auto inverse = [&](std::uint64_t base) {
        // Van der Corput's sequence in base 2 is dimension 0 of Sobol's in another order.
        return base == 2 ? even(Kind::sobol, 0) : even(Kind::radical_inverse, base);
    };
    if (std::holds_alternative<Counter>(own.kind)) return even(Kind::counter, 0);
    if (const auto* k = std::get_if<Sobol>(&own.kind)) return even(Kind::sobol, k->dimension);
    if (const auto* k = std::get_if<VanDerCorput>(&own.kind)) return inverse(k->base);
    if (const auto* k = std::get_if<Halton>(&own.kind)) return inverse(halton_base(k->dimension));
    if (std::holds_alternative<SigmaDelta>(own.kind)) return make_id(Kind::sigma_delta, {});
    const auto& lfsr = std::get<Lfsr>(own.kind);
    std::uint32_t state = 0;
    source_->fill(clock.phase, {&state, 1}, 0);
    return make_id(Kind::lfsr,
                   {lfsr.bits, lfsr.taps == 0 ? maximal_taps(lfsr.bits) : lfsr.taps, lfsr.de_bruijn,
                    state, rotation_, clock.hold, clock.stall, clock.period});
}

SourceId source_id(const StreamKey& key) noexcept {
    return make_id(Kind::bernoulli, {key.a, key.b});
}

std::string_view source_name(SourceId source) noexcept {
    const std::uint64_t kind = source >> kHashBits;
    return kNames[kind < kNames.size() ? kind : 0];
}

void check_independent(std::span<const SourceId> a, std::span<const SourceId> b) {
    if (a.empty() || b.empty()) return;
    if (a.size() != b.size() && a.size() != 1 && b.size() != 1)
        throw_error(ErrorCode::invalid_shape, "sources",
                    fmt::format("{} and {} streams", a.size(), b.size()),
                    "as many, or one with many");
    for (std::size_t i = 0; i < std::max(a.size(), b.size()); ++i) {
        const std::size_t at_a = a.size() == 1 ? 0 : i;
        const std::size_t at_b = b.size() == 1 ? 0 : i;
        if (a[at_a] != 0 && a[at_a] == b[at_b])
            throw_error(
                ErrorCode::invalid_value, "operands",
                fmt::format("stream {} of one and stream {} of the other from one source ({})",
                            at_a, at_b, source_name(a[at_a])),
                "independent streams: another dimension, seed, phase or index in one of them");
    }
}

}  // namespace bitaxon
