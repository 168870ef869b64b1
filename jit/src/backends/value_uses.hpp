// When each value of a schedule is read: what eviction by furthest next use goes by.
#pragma once

#include "register_allocator.hpp"

#include <bit>

namespace bitaxon::jit {

/// A node in one of the schedule's vectors; a leaf that is the same in all rows is one value.
using Value = std::uint32_t;

class ValueUses {
  public:
    /// A value that an item reads.
    struct Read {
        Value value;
        std::uint32_t next;  ///< the item that reads it next, after this one
    };

    /// `carried` are read behind the last item.
    ValueUses(const Body& body, const Schedule& schedule, std::span<const Carried> carried);

    Value value(NodeId node, std::uint8_t vector) const {
        return node << vector_bits_ | (is_shared(body_.nodes[node].op) ? 0U : vector);
    }
    NodeId node(Value value) const { return value >> vector_bits_; }
    std::uint8_t vector(Value value) const {
        return static_cast<std::uint8_t>(value & ((1U << vector_bits_) - 1));
    }
    /// More than the largest value.
    std::size_t size() const { return body_.nodes.size() << vector_bits_; }

    /// What the items read, one item after the other.
    const std::vector<Read>& reads() const { return reads_; }
    /// The item that reads the value first, or kNever.
    std::uint32_t first(Value value) const { return first_[value]; }
    /// How often it is read.
    std::uint32_t count(Value value) const { return counts_[value]; }

  private:
    const Body& body_;
    std::uint32_t vector_bits_;
    std::vector<Read> reads_;
    std::vector<std::uint32_t> first_;
    std::vector<std::uint32_t> counts_;
};

/// The nodes that an item reads.
inline std::span<const NodeId> arguments_of(const Body& body, const ScheduleItem& item) {
    return item.kind == ScheduleItem::Kind::compute ? body.nodes[item.node].arguments()
                                                    : std::span<const NodeId>(&item.node, 1);
}

}  // namespace bitaxon::jit
