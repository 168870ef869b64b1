#include "rare_call.hpp"

#include "../ir/graph.hpp"

#include <array>
#include <bit>
#include <cstring>

namespace bitaxon::jit {

void call_out_of_line(OutOfLineFunction function, std::uint32_t lanes, std::byte* buffer,
                      std::uint32_t packed_layout) noexcept {
    const std::uint32_t arguments = packed_layout & 0xff;
    const std::uint32_t wide = packed_layout >> 8 & 0xff;
    const std::size_t stride = packed_layout >> 16;
    const auto bytes = [&](std::uint32_t k) { return (wide >> k & 1) != 0 ? std::size_t{8} : 4; };

    for (; lanes != 0; lanes &= lanes - 1) {
        const auto lane = static_cast<std::size_t>(std::countr_zero(lanes));
        std::array<std::uint64_t, kMaxArguments> values{};
        for (std::uint32_t k = 0; k < arguments; ++k) {
            const std::size_t width = bytes(k + 1);
            std::memcpy(&values[k], buffer + (k + 1) * stride + lane * width, width);
        }
        const std::uint64_t result = function(values.data());
        std::memcpy(buffer + lane * bytes(0), &result, bytes(0));
    }
}

}  // namespace bitaxon::jit
