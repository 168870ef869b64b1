// The end of a step: every state's next value moves to where the state lives, all at once.
#pragma once

#include "register_allocator.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <utility>
#include <vector>

namespace bitaxon::jit {

using RegisterSet = std::uint64_t;

inline constexpr std::int32_t kNoSlot = -1;
inline constexpr std::size_t kRegisters = 64;

constexpr RegisterSet bit(std::uint8_t r) { return RegisterSet{1} << r; }
constexpr std::uint8_t first(RegisterSet set) {
    return static_cast<std::uint8_t>(std::countr_zero(set));
}

/// Gives out numbers of stack slots, and takes them back.
class Slots {
  public:
    std::int32_t take() {
        if (free_.empty()) {
            return count_++;
        }
        const std::int32_t slot = free_.back();
        free_.pop_back();
        return slot;
    }
    void give_back(std::int32_t slot) { free_.push_back(slot); }
    std::int32_t count() const { return count_; }

  private:
    std::vector<std::int32_t> free_;
    std::int32_t count_ = 0;
};

/// A move waits until no other needs what it overwrites, and a circle is broken by a copy.
class LoopEnd {
  public:
    /// A place: a register; above them the stack slots, and above those the slots of masks.
    using Place = std::int64_t;
    static constexpr Place kAtItsHome = -1;
    static constexpr Place kSlots = kRegisters;
    static constexpr Place kMaskSlots = kSlots + (1 << 20);

    struct Move {
        NodeId node;
        std::uint8_t vector;
        bool mask;
        Place from;
        Place to;
    };

    LoopEnd(std::vector<Move> moves, std::vector<Placement>& code, Slots& slots, Slots& mask_slots)
        : moves_(std::move(moves)), code_(code), slots_(slots), mask_slots_(mask_slots) {}

    /// The registers that may be used, and for those where a state lives a value as wide as it;
    /// kNoNode for others.
    void run(RegisterSet vectors, RegisterSet masks, const std::array<NodeId, kRegisters>& holders);
    RegisterSet written() const { return written_; }

  private:
    static bool is_register(Place place) { return place >= 0 && place < kSlots; }
    /// How many moves still read the place.
    std::uint32_t& readers(Place place) {
        std::vector<std::uint32_t>& counts = readers_[place >= kMaskSlots ? 1 : 0];
        const auto at = static_cast<std::size_t>(place >= kMaskSlots ? place - kMaskSlots : place);
        if (at >= counts.size()) {
            counts.resize(at + 1, 0);
        }
        return counts[at];
    }
    void count_reader(const Move& move, std::uint32_t change) {
        if (move.from != kAtItsHome) {
            readers(move.from) += change;
        }
    }
    bool is_ready(const Move& move) { return readers(move.to) == 0; }
    void put(Placement::Kind kind, const Move& move, Place target, Place source,
             std::int32_t slot) {
        Placement made{kind, move.vector, static_cast<std::uint8_t>(target), {}, move.node, slot};
        made.sources[0] = static_cast<std::uint8_t>(source);
        code_.push_back(made);
    }
    static std::int32_t slot_of(Place place) {
        return static_cast<std::int32_t>(place - (place >= kMaskSlots ? kMaskSlots : kSlots));
    }
    void read_into(const Move& move, Place target);
    void carry_out(const Move& move);
    void through_register(const Move& move);

    std::vector<Move> moves_;
    std::vector<Placement>& code_;
    Slots& slots_;
    Slots& mask_slots_;
    std::array<std::vector<std::uint32_t>, 2> readers_;
    std::array<RegisterSet, 2> file_{};
    std::array<RegisterSet, 2> unused_{};
    RegisterSet written_ = 0;
    const std::array<NodeId, kRegisters>* holders_ = nullptr;
};

inline void LoopEnd::read_into(const Move& move, Place target) {
    using Kind = Placement::Kind;
    written_ |= bit(static_cast<std::uint8_t>(target));
    if (move.from == kAtItsHome) {
        put(Kind::load, move, target, 0, kNoSlot);
    } else if (is_register(move.from)) {
        put(Kind::copy, move, target, move.from, kNoSlot);
    } else {
        put(Kind::reload, move, target, 0, slot_of(move.from));
    }
}

// From memory to memory: through a register that nothing needs, or one that is saved meanwhile.
inline void LoopEnd::through_register(const Move& move) {
    using Kind = Placement::Kind;
    RegisterSet unused = unused_[move.mask];
    for (const Move& other : moves_) {
        unused &=
            is_register(other.from) ? ~bit(static_cast<std::uint8_t>(other.from)) : ~RegisterSet{0};
    }
    if (unused != 0) {
        read_into(move, first(unused));
        put(Kind::spill, move, 0, first(unused), slot_of(move.to));
        return;
    }
    const std::uint8_t borrowed = first(file_[move.mask]);
    Slots& slots = move.mask ? mask_slots_ : slots_;
    const std::int32_t saved = slots.take();
    const Move holder{(*holders_)[borrowed], move.vector, move.mask, borrowed, borrowed};
    put(Kind::spill, holder, 0, borrowed, saved);
    read_into(move, borrowed);
    put(Kind::spill, move, 0, borrowed, slot_of(move.to));
    put(Kind::reload, holder, borrowed, 0, saved);
}

inline void LoopEnd::carry_out(const Move& move) {
    if (is_register(move.to)) {
        read_into(move, move.to);
    } else if (is_register(move.from)) {
        put(Placement::Kind::spill, move, 0, move.from, slot_of(move.to));
    } else {
        through_register(move);
    }
}

inline void LoopEnd::run(RegisterSet vectors, RegisterSet masks,
                         const std::array<NodeId, kRegisters>& holders) {
    file_ = {vectors, masks};
    unused_ = file_;
    holders_ = &holders;
    for (RegisterSet set = vectors | masks; set != 0; set &= set - 1) {
        if (holders[first(set)] != kNoNode) {
            unused_[0] &= ~bit(first(set));
            unused_[1] &= ~bit(first(set));
        }
    }
    for (const Move& move : moves_) {
        count_reader(move, 1);
    }
    while (!moves_.empty()) {
        // Those that go from or to a register come first: they leave room for the others.
        auto next = std::find_if(moves_.begin(), moves_.end(), [&](const Move& move) {
            return (is_register(move.from) || is_register(move.to)) && is_ready(move);
        });
        if (next == moves_.end()) {
            next = std::find_if(moves_.begin(), moves_.end(),
                                [&](const Move& move) { return is_ready(move); });
        }
        if (next != moves_.end()) {
            const Move move = *next;
            moves_.erase(next);
            count_reader(move, ~0U);
            carry_out(move);
            continue;
        }
        // A circle: one of its values waits in a slot of its own.
        Move& move = moves_.front();
        Slots& slots = move.mask ? mask_slots_ : slots_;
        const Place waiting = (move.mask ? kMaskSlots : kSlots) + slots.take();
        carry_out({move.node, move.vector, move.mask, move.from, waiting});
        count_reader(move, ~0U);
        move.from = waiting;
        count_reader(move, 1);
    }
}

}  // namespace bitaxon::jit
