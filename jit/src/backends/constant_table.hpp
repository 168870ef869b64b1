// The table of constants that stands behind a function's code.
#pragma once

#include "legalise.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace bitaxon::jit {

/// Fills up while code is written: an entry is made when its offset is first asked for.
class ConstantTable {
  public:
    /// Entries of `entry_bytes` hold the constant's lane, repeated. `rows` is that of a vector,
    /// `lanes` how many lane numbers the masks of tails count.
    ConstantTable(const Body& body, int entry_bytes, int rows, int lanes);

    std::int32_t offset_of(NodeId constant);
    /// Offset of the i64 numbers 0 ... rows-1.
    std::int32_t row_numbers() const noexcept { return 0; }
    /// Offset of the i32 numbers 0 ... lanes-1.
    std::int32_t lane_numbers() const noexcept { return lane_numbers_; }
    std::span<const std::byte> bytes() const noexcept { return bytes_; }

  private:
    const Body& body_;
    std::size_t entry_bytes_;
    std::int32_t lane_numbers_;
    std::vector<std::int32_t> offsets_;  ///< by node; -1: none yet
    std::vector<std::byte> bytes_;
};

}  // namespace bitaxon::jit
