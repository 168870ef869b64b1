// The blocks that a context lends.
#pragma once

#include <bitaxon/core/bitstream.hpp>
#include <bitaxon/core/context.hpp>
#include <bitaxon/kernels/random_word.hpp>

#include <array>
#include <mutex>
#include <vector>

namespace bitaxon {

struct Scratch::Block {
    AlignedWords memory;
};

// Each thread has a slot that it tries first, so that forwards of a microsecond on many threads do
// not queue for one lock. The list is for what finds its slot empty or too small.
struct Scratch::Pool {
    Block* lend(std::size_t bytes) {
        if (Block* block = slot().exchange(nullptr, std::memory_order_acquire)) {
            if (size(*block) >= bytes) return block;
            put(block);
        }
        const std::lock_guard lock(mutex_);
        if (free_.empty()) add();
        Block* block = free_.back();
        grow(*block, bytes);
        free_.pop_back();
        return block;
    }

    void take_back(Block* block) noexcept {
        Block* empty = nullptr;
        if (!slot().compare_exchange_strong(empty, block, std::memory_order_release,
                                            std::memory_order_relaxed))
            put(block);
    }

    void reserve(std::size_t blocks, std::size_t bytes) {
        const std::lock_guard lock(mutex_);
        for (Slot& slot : slots_)
            if (Block* block = slot.block.exchange(nullptr, std::memory_order_acquire))
                free_.push_back(block);
        while (free_.size() < blocks) add();
        for (std::size_t i = free_.size() - blocks; i < free_.size(); ++i) grow(*free_[i], bytes);
    }

  private:
    struct alignas(64) Slot {
        std::atomic<Block*> block{nullptr};
    };

    // A thread's slot follows from where its thread-local storage lies; threads that share one only
    // meet in the list.
    std::atomic<Block*>& slot() noexcept {
        thread_local const char here = 0;
        return slots_[kernels::mix(reinterpret_cast<std::uintptr_t>(&here)) % slots_.size()].block;
    }
    static std::size_t size(const Block& block) noexcept {
        return block.memory.size() * sizeof(std::uint64_t);
    }
    void put(Block* block) noexcept {
        const std::lock_guard lock(mutex_);
        free_.push_back(block);  // never allocates: add() reserved the place
    }
    void add() {
        free_.reserve(all_.size() + 1);
        all_.push_back(std::make_unique<Block>());
        free_.push_back(all_.back().get());
    }
    static void grow(Block& block, std::size_t bytes) {
        if (size(block) < bytes) block.memory = AlignedWords((bytes + 7) / sizeof(std::uint64_t));
    }

    std::array<Slot, 128> slots_;
    std::mutex mutex_;
    std::vector<std::unique_ptr<Block>> all_;
    std::vector<Block*> free_;
};

}  // namespace bitaxon
