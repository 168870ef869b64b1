#include "schedule.hpp"

#include <algorithm>

namespace bitaxon::jit {
namespace {

// An output of one vector, and the position in the list of primitives after which it can be stored.
struct Store {
    std::int64_t ready;
    std::uint16_t output;
};

class Scheduler {
  public:
    explicit Scheduler(const Body& body) : body_(body) {
        list_primitives();
        list_stores();
    }

    Schedule run(int vectors) const;

  private:
    void list_primitives();
    void list_stores();

    const Body& body_;
    std::vector<NodeId> primitives_;
    std::vector<std::int64_t> position_;  ///< of each node in primitives_; leaves: -1
    std::int64_t inputs_read_ = -1;       ///< position after which every input has been read
    std::vector<NodeId> only_stored_;     ///< inputs that no primitive reads
    std::vector<Store> stores_;
};

void Scheduler::list_primitives() {
    const std::size_t count = body_.nodes.size();
    position_.assign(count, -1);
    primitives_.reserve(count);
    std::vector<char> seen(count, 0);
    for (NodeId id = 0; id < count; ++id) {
        const Node& node = body_.nodes[id];
        if (is_leaf(node.op)) {
            continue;
        }
        position_[id] = static_cast<std::int64_t>(primitives_.size());
        for (const NodeId argument : node.arguments()) {
            if (body_.nodes[argument].op == Op::input && !seen[argument]) {
                seen[argument] = 1;
                inputs_read_ = position_[id];
            }
        }
        primitives_.push_back(id);
    }
    for (const ProgramOutput& output : body_.outputs) {
        if (body_.nodes[output.value].op == Op::input && !seen[output.value]) {
            seen[output.value] = 1;
            only_stored_.push_back(output.value);
        }
    }
}

void Scheduler::list_stores() {
    for (std::size_t i = 0; i < body_.outputs.size(); ++i) {
        const ProgramOutput& output = body_.outputs[i];
        if (!body_.has_steps || (output.per_step && i >= body_.states.size())) {
            stores_.push_back(
                {std::max(position_[output.value], inputs_read_), static_cast<std::uint16_t>(i)});
        }
    }
    std::stable_sort(stores_.begin(), stores_.end(),
                     [](const Store& a, const Store& b) { return a.ready < b.ready; });
}

Schedule Scheduler::run(int vectors) const {
    using Kind = ScheduleItem::Kind;
    Schedule made;
    made.vectors = vectors;
    made.items.reserve(static_cast<std::size_t>(vectors) *
                       (primitives_.size() + stores_.size() + only_stored_.size()));
    for (int v = 0; v < vectors; ++v) {
        const auto vector = static_cast<std::uint8_t>(v);
        std::size_t stored = 0;
        made.first_store.push_back(kNever);
        const auto store_what_is_ready = [&](std::int64_t position) {
            for (; stored < stores_.size() && stores_[stored].ready <= position; ++stored) {
                if (stored == 0) {
                    for (const NodeId input : only_stored_) {
                        made.items.push_back({Kind::touch, vector, 0, input});
                    }
                    made.first_store.back() = static_cast<std::uint32_t>(made.items.size());
                }
                const std::uint16_t output = stores_[stored].output;
                made.items.push_back({Kind::output, vector, output, body_.outputs[output].value});
            }
        };
        store_what_is_ready(-1);
        for (std::size_t i = 0; i < primitives_.size(); ++i) {
            made.items.push_back({Kind::compute, vector, 0, primitives_[i]});
            store_what_is_ready(static_cast<std::int64_t>(i));
        }
    }
    return made;
}

}  // namespace

Schedule schedule(const Body& body, int vectors) { return Scheduler(body).run(vectors); }

Pressure pressure(const Body& body) {
    const std::size_t count = body.nodes.size();
    std::vector<NodeId> last_use(count, 0);
    std::vector<char> alive(count, 0);
    std::vector<char> kept(count, 0);  // to the end
    for (NodeId id = 0; id < count; ++id) {
        for (const NodeId argument : body.nodes[id].arguments()) {
            last_use[argument] = id;
        }
    }
    Pressure result;
    int now = 0;
    for (const BodyState& state : body.states) {
        kept[state.next] = 1;
        if (state.now != kNoNode) {
            alive[state.now] = 1;
            ++now;
        }
    }
    result.carried = now;
    result.total = now;
    for (NodeId id = 0; id < count; ++id) {
        const Node& node = body.nodes[id];
        if (is_leaf(node.op)) {
            continue;
        }
        for (const NodeId argument : node.arguments()) {
            const Op op = body.nodes[argument].op;
            if (op == Op::input && !alive[argument]) {
                alive[argument] = 1;
                ++now;
            }
        }
        result.total = std::max(result.total, now);
        for (const NodeId argument : node.arguments()) {
            if (alive[argument] && last_use[argument] == id && !kept[argument]) {
                alive[argument] = 0;
                --now;
            }
        }
        result.total = std::max(result.total, now + 1);
        if (last_use[id] > id || kept[id]) {
            alive[id] = 1;
            ++now;
        }
    }
    return result;
}

}  // namespace bitaxon::jit
