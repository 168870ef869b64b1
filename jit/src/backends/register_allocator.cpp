#include "register_allocator.hpp"

#include "loop_end.hpp"

#include <algorithm>
#include <bit>
#include <utility>

namespace bitaxon::jit {
namespace {

using Value = std::uint32_t;

constexpr std::uint8_t kNone = 0xfd;  // in no register

class Allocator {
  public:
    Allocator(const Body& body, const Schedule& schedule, std::span<const OperandRules> rules,
              const RegisterFile& file)
        : body_(body), schedule_(schedule), rules_(rules), file_(file),
          vectors_(static_cast<std::uint32_t>(schedule.vectors)) {}

    /// States in `on_stack` live on the stack between steps.
    Allocation run(bool pin, const std::vector<char>& on_stack);
    /// After run(): the states, as numbers of Allocation::carried, that found no room in registers.
    const std::vector<char>& crowded_out() const { return crowded_out_; }

  private:
    struct State {
        std::uint32_t next_use = kNever;
        std::int32_t slot = kNoSlot;
        std::uint8_t in = kNone;
        std::uint8_t hint = kNone;
        Home home = Home::none;
        bool on_fixed_slot = false;
        std::uint16_t carried_number = 0xffff;
    };

    const Node& node_of(Value v) const { return body_.nodes[v / vectors_]; }
    Value value(NodeId node, std::uint8_t vector) const {
        return node * vectors_ + (is_shared(body_.nodes[node].op) ? 0U : vector);
    }
    RegisterSet file_of(NodeId node) const {
        return file_.mask_registers && is_mask(body_.nodes[node].type) ? mask_file_ : vector_file_;
    }
    Slots& slots_of(std::uint8_t r) { return r >= kFirstMaskRegister ? mask_slots_ : slots_; }

    void find_homes();
    void list_carried(const std::vector<char>& on_stack);
    void number_uses();
    void pin_leaves();
    void settle_carried();

    void compute(const ScheduleItem& item);
    void choose_memory_operand(const ScheduleItem& item, Placement& made);
    MemoryForm form_of(const State& state) const;
    bool is_readable_until(Value v, std::uint32_t use) const;
    std::uint8_t bring(Value v);
    std::uint8_t take(RegisterSet file, std::uint8_t hint);
    std::uint8_t evict(RegisterSet file);
    void spill(Value v);
    void occupy(std::uint8_t r, Value v);
    void release(Value v);
    void give_back_slots();
    void place_result(const ScheduleItem& item, Placement& made);
    void advance_uses(const ScheduleItem& item);

    void close_loop();

    void put(Placement::Kind kind, Value v, std::uint8_t target, std::uint8_t source,
             std::int32_t slot) {
        Placement made{kind, static_cast<std::uint8_t>(v % vectors_), target, {}, v / vectors_,
                       slot};
        made.sources[0] = source;
        result_.code.push_back(made);
    }

    const Body& body_;
    const Schedule& schedule_;
    std::span<const OperandRules> rules_;
    const RegisterFile& file_;
    const std::uint32_t vectors_;

    RegisterSet vector_file_ = 0;  // what may be given out, by kind of register
    RegisterSet mask_file_ = 0;
    RegisterSet free_ = 0;
    RegisterSet locked_ = 0;        // arguments of the instruction at hand
    RegisterSet awaits_state_ = 0;  // homes of states whose next value isn't there yet
    RegisterSet pinned_ = 0;
    std::array<Value, kRegisters> held_{};

    std::vector<State> values_;
    std::vector<std::uint32_t> next_after_;  // next use after each argument of each item
    std::vector<std::uint32_t> uses_;
    std::size_t use_ = 0;
    std::uint32_t at_ = 0;
    Slots slots_;
    Slots mask_slots_;
    std::vector<std::int32_t> left_slots_;  // by values that are dead
    std::vector<std::int32_t> left_mask_slots_;
    std::vector<char> crowded_out_;
    Allocation result_;
};

void Allocator::find_homes() {
    std::vector<char> is_state(body_.nodes.size(), 0);
    for (const BodyState& state : body_.states) {
        if (state.now != kNoNode) {
            is_state[state.now] = 1;
        }
    }
    values_.resize(body_.nodes.size() * vectors_);
    for (NodeId id = 0; id < body_.nodes.size(); ++id) {
        Home home = Home::none;
        switch (body_.nodes[id].op) {
        case Op::constant:
            home = Home::constant;
            break;
        case Op::uniform:
            home = Home::uniform;
            break;
        case Op::step:
            home = Home::step;
            break;
        case Op::row:
            home = Home::row;
            break;
        case Op::input:
            home = is_state[id] ? Home::none : Home::input;
            break;
        default:
            continue;
        }
        for (std::uint32_t v = 0; v < vectors_; ++v) {
            values_[id * vectors_ + v].home = home;
        }
    }
}

void Allocator::list_carried(const std::vector<char>& on_stack) {
    if (!body_.has_steps) {
        return;
    }
    const auto add = [&](NodeId now, NodeId next, std::uint32_t input, std::size_t output) {
        for (std::uint32_t v = 0; v < vectors_; ++v) {
            result_.carried.push_back({now, next, static_cast<std::uint8_t>(v), kOnStack, kNoSlot,
                                       input, static_cast<std::uint32_t>(output)});
        }
    };
    for (std::size_t k = 0; k < body_.states.size(); ++k) {
        const BodyState& state = body_.states[k];
        add(state.now, state.next, state.input, k);
    }
    for (std::size_t k = body_.states.size(); k < body_.outputs.size(); ++k) {
        if (!body_.outputs[k].per_step) {
            add(kNoNode, body_.outputs[k].value, 0, k);
        }
    }
    crowded_out_.assign(result_.carried.size(), 0);
    // A few registers must remain for the computation itself.
    int room = std::popcount(vector_file_) - 6;
    for (std::size_t i = 0; i < result_.carried.size(); ++i) {
        Carried& carried = result_.carried[i];
        if (carried.now == kNoNode || room <= 0 || (!on_stack.empty() && on_stack[i])) {
            continue;
        }
        --room;
        carried.home = first(free_ & vector_file_);
        free_ &= ~bit(carried.home);
    }
}

void Allocator::number_uses() {
    const auto end = static_cast<std::uint32_t>(schedule_.items.size());
    for (const Carried& carried : result_.carried) {
        values_[value(carried.next, carried.vector)].next_use = end;
    }
    std::size_t count = 0;
    for (const ScheduleItem& item : schedule_.items) {
        count += item.kind == ScheduleItem::Kind::compute ? body_.nodes[item.node].count : 1U;
    }
    next_after_.resize(count);
    uses_.assign(values_.size(), 0);
    for (std::uint32_t i = end; i-- > 0;) {
        const ScheduleItem& item = schedule_.items[i];
        const auto arguments = item.kind == ScheduleItem::Kind::compute
                                   ? body_.nodes[item.node].arguments()
                                   : std::span<const NodeId>(&item.node, 1);
        count -= arguments.size();
        for (std::size_t k = 0; k < arguments.size(); ++k) {
            next_after_[count + k] = values_[value(arguments[k], item.vector)].next_use;
        }
        for (const NodeId argument : arguments) {
            const Value v = value(argument, item.vector);
            values_[v].next_use = i;
            ++uses_[v];
        }
    }
}

// The leaves that are read most go into the registers that are to spare. Row numbers and
// arrays don't change from step to step, so with steps they are among them.
void Allocator::pin_leaves() {
    const Pressure demand = pressure(body_);
    const int needed = demand.total + (schedule_.vectors - 1) * demand.carried;
    const int spare = std::popcount(vector_file_) - needed - 2;
    if (spare <= 0) {
        return;
    }
    std::vector<std::pair<std::uint32_t, Value>> candidates;
    for (Value v = 0; v < values_.size(); ++v) {
        if (uses_[v] == 0 || values_[v].home == Home::none ||
            file_of(v / vectors_) != vector_file_) {
            continue;
        }
        const Node& node = node_of(v);
        const bool varies = body_.has_steps
                                ? node.op == Op::step ||
                                      (node.op == Op::input && body_.inputs[node.payload].per_step)
                                : node.op == Op::input || node.op == Op::row;
        if (!varies) {
            const bool is_operand = form_of(values_[v]) != MemoryForm::none;
            candidates.emplace_back(uses_[v] * (is_operand ? 1 : 2), v);
        }
    }
    const auto count = std::min(candidates.size(), static_cast<std::size_t>(spare));
    std::partial_sort(candidates.begin(), candidates.begin() + static_cast<std::ptrdiff_t>(count),
                      candidates.end(), [](const auto& a, const auto& b) {
                          return a.first != b.first ? a.first > b.first : a.second < b.second;
                      });
    for (std::size_t i = 0; i < count; ++i) {
        const Value v = candidates[i].second;
        // From the top, so that short encodings remain for the values that come and go.
        const auto r = static_cast<std::uint8_t>(63 - std::countl_zero(free_ & vector_file_));
        free_ &= ~bit(r);
        pinned_ |= bit(r);
        values_[v].in = r;
        result_.pinned.push_back({v / vectors_, static_cast<std::uint8_t>(v % vectors_), r});
    }
    vector_file_ &= ~pinned_;
}

void Allocator::settle_carried() {
    for (std::size_t i = 0; i < result_.carried.size(); ++i) {
        Carried& carried = result_.carried[i];
        const Value next = value(carried.next, carried.vector);
        if (carried.home == kOnStack) {
            const bool is_mask_register = file_of(carried.next) == mask_file_ && mask_file_ != 0;
            carried.slot = is_mask_register ? mask_slots_.take() : slots_.take();
        } else {
            awaits_state_ |= bit(carried.home);
            values_[next].hint = carried.home;
        }
        if (carried.now == kNoNode) {
            continue;
        }
        const Value now = value(carried.now, carried.vector);
        values_[now].carried_number = static_cast<std::uint16_t>(i);
        if (carried.home == kOnStack) {
            values_[now].slot = carried.slot;
            values_[now].on_fixed_slot = true;
        } else if (values_[now].next_use != kNever) {
            occupy(carried.home, now);
        } else {
            free_ |= bit(carried.home);
        }
    }
}

MemoryForm Allocator::form_of(const State& state) const {
    return state.slot != kNoSlot ? file_.stack_form
                                 : file_.forms[static_cast<std::size_t>(state.home)];
}

// Is the value in memory, and still so at that use? An input is until the first store of its
// vector.
bool Allocator::is_readable_until(Value v, std::uint32_t use) const {
    const State& state = values_[v];
    return state.slot != kNoSlot ||
           (state.home != Home::none &&
            (state.home != Home::input || use <= schedule_.first_store[v % vectors_]));
}

void Allocator::occupy(std::uint8_t r, Value v) {
    free_ &= ~bit(r);
    held_[r] = v;
    values_[v].in = r;
    result_.used |= bit(r);
}

void Allocator::release(Value v) {
    State& state = values_[v];
    if (state.in != kNone && (pinned_ & bit(state.in)) == 0) {
        free_ |= bit(state.in);
        state.in = kNone;
    }
    if (state.slot != kNoSlot && !state.on_fixed_slot) {
        // Not at once: the instruction at hand may read it, and what makes room for its result
        // would write it before.
        (file_of(v / vectors_) == mask_file_ ? left_mask_slots_ : left_slots_)
            .push_back(state.slot);
        state.slot = kNoSlot;
    }
}

void Allocator::give_back_slots() {
    for (; !left_slots_.empty(); left_slots_.pop_back()) {
        slots_.give_back(left_slots_.back());
    }
    for (; !left_mask_slots_.empty(); left_mask_slots_.pop_back()) {
        mask_slots_.give_back(left_mask_slots_.back());
    }
}

void Allocator::spill(Value v) {
    State& state = values_[v];
    if (!is_readable_until(v, state.next_use)) {
        state.slot = slots_of(state.in).take();
        put(Placement::Kind::spill, v, 0, state.in, state.slot);
        ++result_.spills;
        if (state.carried_number != 0xffff) {
            crowded_out_[state.carried_number] = 1;
        }
    }
}

// Furthest next use; but a value that needs no store is preferred unless it is needed much sooner.
std::uint8_t Allocator::evict(RegisterSet file) {
    std::uint8_t best = kNone;
    std::uint64_t best_score = 0;
    for (RegisterSet set = file & ~free_ & ~locked_; set != 0; set &= set - 1) {
        const std::uint8_t r = first(set);
        const Value v = held_[r];
        const bool clean = is_readable_until(v, values_[v].next_use);
        const std::uint64_t score = std::uint64_t{values_[v].next_use - at_} * (clean ? 2 : 1) + 1;
        if (score > best_score) {
            best_score = score;
            best = r;
        }
    }
    spill(held_[best]);
    values_[held_[best]].in = kNone;
    free_ |= bit(best);
    return best;
}

std::uint8_t Allocator::take(RegisterSet file, std::uint8_t hint) {
    const RegisterSet free = free_ & file;
    if (hint != kNone && (free & bit(hint)) != 0) {
        return hint;
    }
    if (const RegisterSet others = free & ~awaits_state_; others != 0) {
        return first(others);
    }
    return free != 0 ? first(free) : evict(file);
}

// The value's register, into which it is read if need be.
std::uint8_t Allocator::bring(Value v) {
    State& state = values_[v];
    if (state.in == kNone) {
        const std::uint8_t r = take(file_of(v / vectors_), state.hint);
        if (state.slot != kNoSlot) {
            put(Placement::Kind::reload, v, r, 0, state.slot);
        } else {
            put(Placement::Kind::load, v, r, 0, kNoSlot);
        }
        occupy(r, v);
    }
    locked_ |= bit(state.in);
    return state.in;
}

// At most one argument is read from memory by the instruction itself: one that isn't needed again,
// or any when no register is free.
void Allocator::choose_memory_operand(const ScheduleItem& item, Placement& made) {
    const Node& node = body_.nodes[item.node];
    const OperandRules& rules = rules_[item.node];
    if ((rules.whole | rules.repeated) == 0) {
        return;
    }
    const bool crowded = (free_ & vector_file_) == 0;
    for (std::size_t i = 0; i < node.count; ++i) {
        const Value v = value(node.args[i], item.vector);
        const State& state = values_[v];
        const std::uint32_t next = next_after_[use_ + i];
        if (state.in != kNone || (next != kNever && (!crowded || !is_readable_until(v, next)))) {
            continue;
        }
        const MemoryForm form = form_of(state);
        const unsigned allowed = form == MemoryForm::whole      ? rules.whole
                                 : form == MemoryForm::repeated ? rules.repeated
                                                                : 0U;
        const auto args = node.arguments();
        if ((allowed >> i & 1) == 0 || std::count(args.begin(), args.end(), node.args[i]) > 1) {
            continue;
        }
        made.sources[i] = state.slot != kNoSlot ? kOnStack : kAtHome;
        made.slot = state.slot;
        return;
    }
}

void Allocator::advance_uses(const ScheduleItem& item) {
    const auto arguments = item.kind == ScheduleItem::Kind::compute
                               ? body_.nodes[item.node].arguments()
                               : std::span<const NodeId>(&item.node, 1);
    for (const NodeId argument : arguments) {
        values_[value(argument, item.vector)].next_use = next_after_[use_++];
    }
}

void Allocator::place_result(const ScheduleItem& item, Placement& made) {
    const Node& node = body_.nodes[item.node];
    const OperandRules& rules = rules_[item.node];
    const Value result = value(item.node, item.vector);
    const std::uint8_t hint = values_[result].hint;
    const auto dies = [&](std::size_t i) {
        const State& argument = values_[value(node.args[i], item.vector)];
        return made.sources[i] < kRegisters && argument.next_use == kNever &&
               (pinned_ & bit(made.sources[i])) == 0;
    };
    int tied = -1;
    int tied_in_register = -1;
    for (int i = 0; i < node.count; ++i) {
        if ((rules.tied >> i & 1) == 0 || made.sources[static_cast<std::size_t>(i)] >= kRegisters) {
            continue;
        }
        tied_in_register = i;
        if (dies(static_cast<std::size_t>(i)) &&
            (tied < 0 || made.sources[static_cast<std::size_t>(i)] == hint)) {
            tied = i;
        }
    }
    const RegisterSet file = file_of(item.node);
    if (tied >= 0) {
        made.target = made.sources[static_cast<std::size_t>(tied)];
    } else if (rules.tied != 0 || rules.apart) {
        made.target = take(file, hint);  // while all arguments are still locked
        if (rules.tied != 0) {
            const auto i = static_cast<std::size_t>(tied_in_register);
            put(Placement::Kind::copy, value(node.args[i], item.vector), made.target,
                made.sources[i], kNoSlot);
            made.sources[i] = made.target;
        }
    }
    for (std::size_t i = 0; i < node.count; ++i) {
        const Value argument = value(node.args[i], item.vector);
        if (values_[argument].next_use == kNever) {
            release(argument);
        }
    }
    locked_ = 0;
    if (rules.tied == 0 && !rules.apart) {
        made.target = take(file, hint);
    }
}

void Allocator::compute(const ScheduleItem& item) {
    const Node& node = body_.nodes[item.node];
    Placement made{Placement::Kind::compute, item.vector, 0, {}, item.node, kNoSlot};
    made.sources.fill(kNone);
    for (std::size_t i = 0; i < node.count; ++i) {
        const State& state = values_[value(node.args[i], item.vector)];
        if (state.in != kNone) {
            locked_ |= bit(state.in);
        }
    }
    choose_memory_operand(item, made);
    for (std::size_t i = 0; i < node.count; ++i) {
        if (made.sources[i] == kNone) {
            made.sources[i] = bring(value(node.args[i], item.vector));
        }
    }
    advance_uses(item);
    place_result(item, made);

    const Value result = value(item.node, item.vector);
    occupy(made.target, result);
    if (values_[result].hint == made.target) {
        awaits_state_ &= ~bit(made.target);
    }
    if (node.op == Op::rare) {
        made.slot = static_cast<std::int32_t>(result_.live.size());
        result_.live.push_back(((vector_file_ | mask_file_) & ~free_ & ~bit(made.target)) |
                               pinned_);
    }
    result_.code.push_back(made);
    if (values_[result].next_use == kNever) {
        release(result);
    }
}

void Allocator::close_loop() {
    std::vector<LoopEnd::Move> moves;
    std::array<NodeId, kRegisters> holders{};
    holders.fill(kNoNode);
    for (const Carried& carried : result_.carried) {
        const State& state = values_[value(carried.next, carried.vector)];
        const bool mask = mask_file_ != 0 && file_of(carried.next) == mask_file_;
        const LoopEnd::Place slots = mask ? LoopEnd::kMaskSlots : LoopEnd::kSlots;
        LoopEnd::Place from = LoopEnd::kAtItsHome;
        if (state.in != kNone) {
            from = state.in;
        } else if (state.slot != kNoSlot) {
            from = slots + state.slot;
        }
        const bool in_register = carried.home != kOnStack;
        const LoopEnd::Place to = in_register ? carried.home : slots + carried.slot;
        if (in_register) {
            holders[carried.home] = carried.next;
        }
        if (from != to) {
            moves.push_back({carried.next, carried.vector, mask, from, to});
        }
    }
    LoopEnd end(std::move(moves), result_.code, slots_, mask_slots_);
    end.run(vector_file_, mask_file_, holders);
    result_.used |= end.written();
}

Allocation Allocator::run(bool pin, const std::vector<char>& on_stack) {
    vector_file_ = file_.vectors;
    mask_file_ = RegisterSet{file_.masks} << kFirstMaskRegister;
    free_ = vector_file_ | mask_file_;
    result_.code.reserve(schedule_.items.size() * 2 + 16);
    find_homes();
    list_carried(on_stack);
    number_uses();
    if (pin) {
        pin_leaves();
    }
    settle_carried();
    for (at_ = 0; at_ < schedule_.items.size(); ++at_) {
        give_back_slots();
        const ScheduleItem& item = schedule_.items[at_];
        if (item.kind == ScheduleItem::Kind::compute) {
            compute(item);
            continue;
        }
        const Value v = value(item.node, item.vector);
        const std::uint8_t r = bring(v);
        if (item.kind == ScheduleItem::Kind::output) {
            Placement made{Placement::Kind::output, item.vector, 0, {}, item.node, item.output};
            made.sources[0] = r;
            result_.code.push_back(made);
        }
        locked_ = 0;
        advance_uses(item);
        if (values_[v].next_use == kNever) {
            release(v);
        }
    }
    close_loop();
    result_.used |= pinned_;
    for (const Carried& carried : result_.carried) {
        result_.used |= carried.home != kOnStack ? bit(carried.home) : 0;
    }
    result_.slots = slots_.count();
    result_.mask_slots = mask_slots_.count();
    return std::move(result_);
}

}  // namespace

Allocation allocate(const Body& body, const Schedule& schedule, std::span<const OperandRules> rules,
                    const RegisterFile& file, bool pin) {
    Allocator allocator(body, schedule, rules, file);
    Allocation made = allocator.run(pin, {});
    const std::vector<char>& crowded = allocator.crowded_out();
    if (std::find(crowded.begin(), crowded.end(), 1) == crowded.end()) {
        return made;
    }
    // A state that is pushed out in every step is better read from the stack in the first place.
    return Allocator(body, schedule, rules, file).run(pin, crowded);
}

}  // namespace bitaxon::jit
