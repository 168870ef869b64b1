// The order in which a loop body executes a body's primitives and stores its results.
#pragma once

#include "legalise.hpp"

#include <cstdint>
#include <span>
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

/// The primitives of several vectors of rows. Leaves are not in it: they are read where they are
/// used. Stores come as soon as their value is known and all inputs of the vector have been read
/// once, because outputs may alias inputs. With steps only per-step outputs are stored in the body.
struct Schedule {
    std::vector<ScheduleItem> items;
    std::vector<std::uint32_t> first_store;  ///< position in items, for each vector; kNever: none
    int vectors = 1;
    int alive = 0;  ///< most values alive at once, but for leaves that are the same in all rows
};

/// What depends on what in a body, and the orders that this allows.
class Scheduler {
  public:
    static constexpr int kPipes = 2;  ///< primitives that start in a cycle

    /// The body must outlive it.
    explicit Scheduler(const Body& body);

    /// Primitives of one vector.
    int length() const noexcept { return static_cast<int>(primitives_.size()); }
    /// Cycles that the longest chain of primitives takes, about.
    int height() const noexcept { return height_; }

    /// List scheduling with a budget of registers (Goodman and Hsu 1988): while fewer values than
    /// `budget` are alive, what the longest chain waits for goes first, whichever vector's it is;
    /// else what frees registers.
    Schedule run(int vectors, int budget) const;

  private:
    class Run;

    struct Dependences {
        std::int32_t height = 0;  ///< cycles from its start to the end of its longest chain
        std::uint32_t first_argument = 0;  ///< in arguments_
        std::uint32_t first_user = 0;      ///< in users_
        std::uint32_t late_reads = 0;      ///< by stores, and at the end of a step
        std::uint16_t waits = 0;           ///< arguments that are primitives
        bool is_stored = false;
        bool reads_input = false;
    };

    /// Each once, without those that are the same in all rows.
    std::span<const NodeId> arguments(NodeId id) const {
        return {arguments_.data() + of_[id].first_argument,
                arguments_.data() + of_[id + 1].first_argument};
    }
    std::span<const NodeId> users(NodeId id) const {
        return {users_.data() + of_[id].first_user, users_.data() + of_[id + 1].first_user};
    }
    void list_arguments();
    void list_users();
    void list_outputs();
    void measure_chains();

    const Body& body_;
    std::vector<NodeId> primitives_;
    std::vector<Dependences> of_;  ///< by node, and one more
    std::vector<NodeId> arguments_;
    std::vector<NodeId> users_;
    std::vector<std::uint16_t> stores_;  ///< outputs that are stored in the body
    std::vector<NodeId> only_stored_;    ///< inputs that no primitive reads
    int height_ = 0;
};

}  // namespace bitaxon::jit
