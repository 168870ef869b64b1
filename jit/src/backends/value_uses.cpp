#include "value_uses.hpp"

namespace bitaxon::jit {

ValueUses::ValueUses(const Body& body, const Schedule& schedule, std::span<const Carried> carried)
    : body_(body), vector_bits_(static_cast<std::uint32_t>(
                       std::bit_width(static_cast<unsigned>(schedule.vectors) - 1))),
      first_(size(), kNever), counts_(size(), 0) {
    const auto end = static_cast<std::uint32_t>(schedule.items.size());
    for (const Carried& c : carried) {
        first_[value(c.next, c.vector)] = end;
    }
    std::size_t at = 0;
    for (const ScheduleItem& item : schedule.items) {
        at += arguments_of(body, item).size();
    }
    reads_.resize(at);
    for (std::uint32_t i = end; i-- > 0;) {
        const ScheduleItem& item = schedule.items[i];
        const auto arguments = arguments_of(body, item);
        at -= arguments.size();
        for (std::size_t k = 0; k < arguments.size(); ++k) {
            const Value v = value(arguments[k], item.vector);
            reads_[at + k] = {v, first_[v]};
            ++counts_[v];
        }
        for (std::size_t k = 0; k < arguments.size(); ++k) {
            first_[reads_[at + k].value] = i;
        }
    }
}

}  // namespace bitaxon::jit
