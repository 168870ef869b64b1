// The order in which a loop body executes a body's primitives and stores its results.
#pragma once

#include "legalise.hpp"

#include <cstdint>
#include <vector>

namespace bitaxon::jit {

constexpr bool is_leaf(Op op) noexcept {
    return op == Op::constant || op == Op::input || op == Op::uniform || op == Op::row ||
           op == Op::step;
}

/// A leaf that is the same in all rows.
constexpr bool is_shared(Op op) noexcept {
    return op == Op::constant || op == Op::uniform || op == Op::step;
}

struct ScheduleItem {
    enum class Kind : std::uint8_t {
        compute,
        touch,   ///< an input is read before a store may overwrite it
        output,  ///< a store
    };
    Kind kind;
    std::uint8_t vector;
    std::uint16_t output;  ///< of a store: its number
    NodeId node;
};

inline constexpr std::uint32_t kNever = 0xffffffff;

/// `vectors` times the primitives, one vector of rows after the other: the processor overlaps them
/// by itself, and the registers that one vector no longer needs serve the next. Leaves are not in
/// it: they are read where they are used. Stores come as soon as their value is known and all
/// inputs of the vector have been read once, because outputs may alias inputs. With steps only
/// per-step outputs are stored in the body.
struct Schedule {
    std::vector<ScheduleItem> items;
    std::vector<std::uint32_t> first_store;  ///< position in items, for each vector; kNever: none
    int vectors = 1;
};

Schedule schedule(const Body& body, int vectors);

/// Most values alive at once in one vector of the body, and how many of these go from step to step:
/// what decides how many vectors a loop body takes.
struct Pressure {
    int total = 0;
    int carried = 0;

    /// The same for several vectors, one after the other.
    int of(int vectors) const noexcept { return total + (vectors - 1) * carried; }
};

Pressure pressure(const Body& body);

}  // namespace bitaxon::jit
