// Private anonymous mappings for machine code: written read-write, then made read-execute.
#pragma once

#include <cstddef>
#include <span>
#include <utility>

namespace bitaxon::jit {

/// Owns one mapping. Never writable and executable at once; a forked child has its own copy.
class ExecutableMemory {
  public:
    ExecutableMemory() = default;
    /// Maps, copies and seals the code. @throws Error with ErrorCode::unsupported, naming the call
    /// that the system refused
    explicit ExecutableMemory(std::span<const std::byte> code);
    ExecutableMemory(ExecutableMemory&& other) noexcept
        : data_(std::exchange(other.data_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {}
    ExecutableMemory& operator=(ExecutableMemory&& other) noexcept {
        std::swap(data_, other.data_);
        std::swap(bytes_, other.bytes_);
        return *this;
    }
    ~ExecutableMemory();

    const void* data() const noexcept { return data_; }
    std::size_t bytes() const noexcept { return bytes_; }

  private:
    void* data_ = nullptr;
    std::size_t bytes_ = 0;
};

}  // namespace bitaxon::jit
