#include <bitaxon/core/random.hpp>

#include <bitaxon/core/error.hpp>

#include <fmt/format.h>

#include <random>

namespace bitaxon {

void check_layer(std::uint64_t layer) {
    if (layer >= kMaxLayer)
        throw_error(ErrorCode::invalid_value, "layer id", fmt::format("{}", layer),
                    "below 2^56: larger ones would name another layer's streams again");
}

std::uint64_t fresh_seed() {
    std::random_device source;
    return static_cast<std::uint64_t>(source()) << 32 | source();
}

}  // namespace bitaxon
