// The loops that the probes time, for the instruction sets that they know.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace bitaxon::bench {

using u64 = std::uint64_t;

// Operands of the AND+popcount tiles: 16 KiB, rows and columns group by group.
inline constexpr std::size_t kTileWords = 2048;
inline constexpr std::size_t kGroupWords = 8;
inline constexpr std::size_t kTileRepeats = 64;  // per call, so that the final sums cost nothing

inline constexpr std::size_t kRandomWords = 1 << 15;  // per call
inline constexpr std::size_t kLineWords = 8;          // 64 bytes

// Chains of multiply-adds that wait for nothing but themselves: more than latency times pipes.
inline constexpr std::size_t kFmaChains = 12;
inline constexpr std::size_t kFmaRepeats = 1 << 12;  // per call

// Counts a tile of rows x columns.
struct Tile {
    std::size_t rows;
    std::size_t columns;
    u64 (*run)(const u64* operands) noexcept;

    std::size_t groups() const { return kTileWords / kGroupWords / (rows + columns); }
    double bits() const {
        return static_cast<double>(rows * columns * groups() * kGroupWords * 64 * kTileRepeats);
    }
};

// Reads lines and writes lines by turns: groups of so many of each.
struct Traffic {
    const u64* from;
    u64* to;
    std::size_t groups;
    std::size_t reads;
    std::size_t writes;
};

// Fused multiply-adds in registers, so many lanes at once.
struct Fma {
    std::size_t lanes;
    u64 (*run)() noexcept;

    double operations() const { return static_cast<double>(lanes * kFmaChains * kFmaRepeats); }
};

// The probes' code for one instruction set. Which tile is the fastest depends on where the compiler
// put it, so there are some to choose from.
struct Code {
    std::string_view name;
    std::span<const Tile> tiles;
    u64 (*random_words)() noexcept;
    std::span<u64 (*const)(const u64* words, std::size_t lines) noexcept> reads;
    std::span<void (*const)(const Traffic& traffic) noexcept> moves;
    void (*stream_store)(u64* to, std::size_t lines) noexcept;
    Fma fma32;
    Fma fma64;
};

// The code of the first instruction set of the list that this CPU has.
const Code& best_code();

}  // namespace bitaxon::bench
