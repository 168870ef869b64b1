// Memory of small objects that come and go by the million, on one thread and on another.
#pragma once

#include <cstddef>

namespace bitaxon {

/// Memory as from operator new; the last 128 MiB that came back are kept for the next.
void* take_block(std::size_t bytes);
void give_block(void* block, std::size_t bytes) noexcept;

}  // namespace bitaxon
