#include <bitaxon/core/random.hpp>

#include <random>

namespace bitaxon {

std::uint64_t fresh_seed() {
    std::random_device source;
    return static_cast<std::uint64_t>(source()) << 32 | source();
}

}  // namespace bitaxon
