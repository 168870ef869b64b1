// Functions too rare or too long for vector code: backends call them for the lanes of a mask.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace bitaxon::jit {

/// Computes one lane from its arguments' bits (32-bit lanes in the low half, upper half zero). Pure:
/// the same bits on every machine, so no libm.
using OutOfLineFunction = std::uint64_t (*)(const std::uint64_t* arguments) noexcept;

struct OutOfLine {
    std::string_view name;
    OutOfLineFunction function;
};

/// The table that Op::rare indexes by payload.
std::span<const OutOfLine> out_of_line_functions() noexcept;

/// Number of the function of that name. A name that the table lacks is a mistake of ours, which any test
/// that expands the function finds.
std::uint64_t out_of_line(std::string_view name) noexcept;

}  // namespace bitaxon::jit
