// Where streams' bits come from, so that an operation that needs independent operands can tell
// when two of them share a generator.
#pragma once

#include <bitaxon/core/bitstream.hpp>
#include <bitaxon/core/random.hpp>

#include <span>
#include <string_view>

namespace bitaxon {

/// The source of a Bernoulli stream; those of others are Sequence::source().
SourceId source_id(const StreamKey& key) noexcept;

/// "Sobol": the kind of a source, for messages.
std::string_view source_name(SourceId source) noexcept;

/// For operations on pairs of streams, a[i] with b[i], or one stream with many: passes unless a
/// pair has one source. Unknown sources pass, and so do operands of no sources at all.
/// @throws Error that names the pair
void check_independent(std::span<const SourceId> a, std::span<const SourceId> b);

}  // namespace bitaxon
