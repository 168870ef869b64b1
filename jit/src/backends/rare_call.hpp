// How machine code calls the out-of-line function of an Op::rare: through a buffer of vectors.
#pragma once

#include "../ir/out_of_line.hpp"

#include <cstddef>
#include <cstdint>

namespace bitaxon::jit {

/// What a call needs to know of its buffer: the result's vector first, then the arguments'.
struct RareLayout {
    std::uint8_t arguments = 0;
    std::uint8_t wide = 0;     ///< bit 0: the result has lanes of 8 bytes; bit k: argument k-1
    std::uint16_t stride = 0;  ///< bytes from vector to vector

    std::uint32_t packed() const noexcept {
        return arguments | std::uint32_t{wide} << 8 | std::uint32_t{stride} << 16;
    }
};

/// Replaces the lanes of the result's vector that are set in `lanes` by the function of the
/// arguments'.
void call_out_of_line(OutOfLineFunction function, std::uint32_t lanes, std::byte* buffer,
                      std::uint32_t packed_layout) noexcept;

}  // namespace bitaxon::jit
