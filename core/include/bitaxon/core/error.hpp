// The one exception type. Public entry points validate once and throw it; kernels never throw.
#pragma once

#include <stdexcept>
#include <string>
#include <string_view>

namespace bitaxon {

/// What went wrong, coarse enough to branch on. Python maps each to one of its own exceptions.
enum class ErrorCode {
    invalid_value,  ///< a value outside its range, NaN, infinity, an unknown name (ValueError)
    invalid_type,   ///< an element type or object of another kind (TypeError)
    invalid_shape,  ///< wrong extents, overlapping or read-only arrays (ValueError)
    out_of_range,   ///< an index past the end (IndexError)
    unsupported,    ///< valid, but not on this machine: a SIMD tier, say (RuntimeError)
    cancelled,      ///< stopped by the caller's stop token (RuntimeError)
    file,           ///< cannot be read, written or trusted (RuntimeError)
};

class [[gnu::visibility("default")]] Error : public std::runtime_error {
  public:
    Error(ErrorCode code, const std::string& message) : std::runtime_error(message), code_(code) {}

    ErrorCode code() const noexcept { return code_; }

  private:
    ErrorCode code_;
};

/// Throws "`name`: got `got`, expected `expected`", the form of every validation error.
[[noreturn]] void throw_error(ErrorCode code, std::string_view name, std::string_view got,
                              std::string_view expected);

}  // namespace bitaxon
