#include "scratch_pool.hpp"

namespace bitaxon {

Scratch::Scratch(Scratch&& other) noexcept
    : pool_(other.pool_), block_(std::exchange(other.block_, nullptr)), used_(other.used_) {}

Scratch::~Scratch() {
    if (block_) pool_->take_back(block_);
}

void* Scratch::take_bytes(std::size_t count) noexcept {
    std::byte* place = reinterpret_cast<std::byte*>(block_->memory.data()) + used_;
    used_ += bytes<std::byte>(count);
    return place;
}

}  // namespace bitaxon
