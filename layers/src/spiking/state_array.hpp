// An array of one variable's values, aligned for vectors.
#pragma once

#include <bitaxon/jit/types.hpp>

#include <cstddef>
#include <cstring>
#include <memory>
#include <new>

namespace bitaxon {

/// Owns `count` lanes of a type, zero at first. Its address never changes while it lives.
class StateArray {
  public:
    StateArray(jit::Type type, std::size_t count)
        : type_(type), count_(count),
          data_(static_cast<std::byte*>(::operator new[](padded(), std::align_val_t{64}))) {
        std::memset(data_.get(), 0, padded());
    }
    StateArray(const StateArray& other) : StateArray(other.type_, other.count_) {
        copy_from(other, 0, count_);
    }
    StateArray& operator=(const StateArray&) = delete;
    StateArray(StateArray&&) noexcept = default;
    StateArray& operator=(StateArray&&) noexcept = default;

    jit::Type type() const noexcept { return type_; }
    std::size_t count() const noexcept { return count_; }
    std::size_t lane() const noexcept { return static_cast<std::size_t>(jit::lane_bytes(type_)); }
    std::size_t bytes() const noexcept { return count_ * lane(); }
    std::byte* data() noexcept { return data_.get(); }
    const std::byte* data() const noexcept { return data_.get(); }

    void copy_from(const StateArray& other, std::size_t begin, std::size_t end) noexcept {
        std::memcpy(data() + begin * lane(), other.data() + begin * lane(), (end - begin) * lane());
    }

  private:
    struct Aligned {
        void operator()(std::byte* p) const noexcept {
            ::operator delete[](p, std::align_val_t{64});
        }
    };
    std::size_t padded() const noexcept { return (count_ * lane() + 63) / 64 * 64; }

    jit::Type type_;
    std::size_t count_;
    std::unique_ptr<std::byte[], Aligned> data_;
};

}  // namespace bitaxon
