// Magazines, after J. Bonwick and J. Adams (2001): a thread takes blocks from a list of its own,
// and changes full lists for empty ones at a depot that all threads share, so that most calls touch
// nothing shared and no block belongs to a thread.
#include "block_cache.hpp"

#include "thread_limit.hpp"

#include <array>
#include <new>
#include <utility>

namespace bitaxon {
namespace {

constexpr std::size_t kStep = 32;      // sizes are rounded up to it
constexpr std::size_t kLargest = 512;  // larger blocks are rare
constexpr std::size_t kMagazineBlocks = 128;
constexpr std::size_t kKeptBytes = std::size_t{128} << 20;

struct Block {
    Block* next;
    Block* next_magazine;  // of the first block in a magazine that lies in the depot
};

struct Magazine {
    Block* first = nullptr;
    std::size_t count = 0;

    void push(void* memory) noexcept {
        first = new (memory) Block{first, nullptr};
        ++count;
    }
    void* pop() noexcept {
        --count;
        return std::exchange(first, first->next);
    }
    void free_all() noexcept {
        while (count != 0) ::operator delete(pop());
    }
};

// Full magazines of each size. Never destroyed: threads may end after it.
class Depot {
  public:
    static Depot& instance() {
        static auto* depot = new Depot();
        return *depot;
    }
    // ThreadLimit's lock, so that a fork does not find a list half changed.
    Magazine take(std::size_t size) {
        return ThreadLimit::instance().guarded([&]() -> Magazine {
            Block* first = full_[size];
            if (first == nullptr) return {};
            full_[size] = first->next_magazine;
            kept_ -= bytes(size);
            return {first, kMagazineBlocks};
        });
    }
    void put(std::size_t size, Magazine magazine) {
        const bool keep = ThreadLimit::instance().guarded([&] {
            if (kept_ + bytes(size) > kKeptBytes) return false;
            kept_ += bytes(size);
            magazine.first->next_magazine = std::exchange(full_[size], magazine.first);
            return true;
        });
        if (!keep) magazine.free_all();
    }

  private:
    static std::size_t bytes(std::size_t size) { return kMagazineBlocks * kStep * (size + 1); }

    std::array<Block*, kLargest / kStep> full_{};
    std::size_t kept_ = 0;
};

// Two magazines of a size, so that blocks that come and go at the edge of one don't visit the
// depot.
struct Pair {
    Magazine current;
    Magazine other;
};

class ThreadCache {
  public:
    ~ThreadCache() {
        for (std::size_t size = 0; size < pairs_.size(); ++size)
            for (Magazine magazine : {pairs_[size].current, pairs_[size].other})
                if (magazine.count == kMagazineBlocks)
                    Depot::instance().put(size, magazine);
                else
                    magazine.free_all();
        ended_ = true;
    }

    void* take(std::size_t size) {
        Pair& pair = pairs_[size];
        if (pair.current.count == 0) {
            std::swap(pair.current, pair.other);
            if (pair.current.count == 0) pair.current = Depot::instance().take(size);
            if (pair.current.count == 0) return ::operator new((size + 1) * kStep);
        }
        return pair.current.pop();
    }
    void give(void* block, std::size_t size) noexcept {
        Pair& pair = pairs_[size];
        if (pair.current.count == kMagazineBlocks) {
            std::swap(pair.current, pair.other);
            if (pair.current.count == kMagazineBlocks)
                Depot::instance().put(size, std::exchange(pair.current, {}));
        }
        pair.current.push(block);
    }

    /// Nothing while this thread ends and its cache is gone.
    static ThreadCache* here() {
        if (ended_) return nullptr;
        thread_local ThreadCache cache;
        return &cache;
    }

  private:
    static thread_local constinit bool ended_;
    std::array<Pair, kLargest / kStep> pairs_{};
};

thread_local constinit bool ThreadCache::ended_ = false;

bool is_cached(std::size_t bytes) {
#if defined(__SANITIZE_ADDRESS__)  // it watches blocks that the program gives back
    return bytes == 0;
#else
    return bytes <= kLargest && ThreadCache::here() != nullptr;
#endif
}

}  // namespace

void* take_block(std::size_t bytes) {
    if (!is_cached(bytes)) return ::operator new((bytes + kStep - 1) / kStep * kStep);
    return ThreadCache::here()->take((bytes - 1) / kStep);
}

void give_block(void* block, std::size_t bytes) noexcept {
    if (!is_cached(bytes)) return ::operator delete(block);
    ThreadCache::here()->give(block, (bytes - 1) / kStep);
}

}  // namespace bitaxon
