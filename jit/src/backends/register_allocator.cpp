#include "register_allocator.hpp"

#include "loop_end.hpp"
#include "value_uses.hpp"

#include <algorithm>
#include <bit>
#include <utility>

namespace bitaxon::jit {
namespace {

constexpr std::uint8_t kNone = 0xfd;  // in no register

Home home_of(Op op) {
    switch (op) {
    case Op::constant:
        return Home::constant;
    case Op::uniform:
        return Home::uniform;
    case Op::step:
        return Home::step;
    case Op::row:
        return Home::row;
    case Op::input:
        return Home::input;
    default:
        return Home::none;
    }
}

// What goes from step to step, without homes as yet.
std::vector<Carried> list_carried(const Body& body, int vectors) {
    std::vector<Carried> carried;
    if (!body.has_steps) {
        return carried;
    }
    const auto add = [&](NodeId now, NodeId next, std::uint32_t input, std::size_t output) {
        for (int v = 0; v < vectors; ++v) {
            carried.push_back({now, next, static_cast<std::uint8_t>(v), kOnStack, kNoSlot, input,
                               static_cast<std::uint32_t>(output)});
        }
    };
    for (std::size_t k = 0; k < body.states.size(); ++k) {
        const BodyState& state = body.states[k];
        add(state.now, state.next, state.input, k);
    }
    for (std::size_t k = body.states.size(); k < body.outputs.size(); ++k) {
        if (!body.outputs[k].per_step) {
            add(kNoNode, body.outputs[k].value, 0, k);
        }
    }
    return carried;
}

class Allocator {
  public:
    Allocator(const Body& body, const Schedule& schedule, const ValueUses& uses,
              std::span<const OperandRules> rules, const RegisterFile& file,
              std::vector<Carried> carried)
        : body_(body), schedule_(schedule), uses_(uses), rules_(rules), file_(file) {
        result_.carried = std::move(carried);
    }

    /// `pins` leaves at most are kept in registers; states in `on_stack` live on the stack between
    /// steps. Without `on_stack` it stops where every state has been crowded out.
    Allocation run(int pins, const std::vector<char>& on_stack);
    /// After run(): the states, as numbers of Allocation::carried, that found no room in registers.
    const std::vector<char>& crowded_out() const { return crowded_out_; }

  private:
    struct State {
        std::uint32_t next_use = kNever;
        std::uint32_t readable_before = 0;  ///< the item from which on its home holds it no longer
        std::int32_t slot = kNoSlot;
        std::uint16_t carried_number = 0xffff;
        std::uint8_t in = kNone;
        std::uint8_t hint = kNone;
        Home home = Home::none;
        bool on_fixed_slot = false;
        bool in_mask_register = false;  ///< when it is in a register
    };

    RegisterSet file_of(const State& state) const {
        return state.in_mask_register ? mask_file_ : vector_file_;
    }
    Slots& slots_of(const State& state) { return state.in_mask_register ? mask_slots_ : slots_; }

    void list_values();
    void choose_homes(const std::vector<char>& on_stack);
    void pin_leaves(int pins);
    void settle_carried();

    using Reads = std::span<const ValueUses::Read>;
    void compute(const ScheduleItem& item, Reads arguments);
    void choose_memory_operand(const ScheduleItem& item, Reads arguments, Placement& made);
    MemoryForm form_of(const State& state) const;
    /// Is the value in memory, and still so at that use?
    static bool is_readable_until(const State& state, std::uint32_t use) {
        return state.slot != kNoSlot || use < state.readable_before;
    }
    std::uint8_t bring(Value v) {
        if (values_[v].in == kNone) {
            read_in(v);
        }
        locked_ |= bit(values_[v].in);
        return values_[v].in;
    }
    void read_in(Value v);
    std::uint8_t take(RegisterSet file, std::uint8_t hint);
    std::uint8_t evict(RegisterSet file);
    void spill(Value v);
    void advance_uses(Reads reads) {
        for (const ValueUses::Read& read : reads) {
            values_[read.value].next_use = read.next;
            if (read.next == kNever) {
                release(read.value);
            }
        }
    }
    void occupy(std::uint8_t r, Value v);
    void release(Value v);
    void give_back_slots();
    void place_result(const ScheduleItem& item, Reads arguments, Placement& made);

    void close_loop();

    void put(Placement::Kind kind, Value v, std::uint8_t target, std::uint8_t source,
             std::int32_t slot) {
        Placement made{kind, uses_.vector(v), target, {}, uses_.node(v), slot};
        made.sources[0] = source;
        result_.code.push_back(made);
    }

    const Body& body_;
    const Schedule& schedule_;
    const ValueUses& uses_;
    std::span<const OperandRules> rules_;
    const RegisterFile& file_;

    RegisterSet vector_file_ = 0;  // what may be given out, by kind of register
    RegisterSet mask_file_ = 0;
    RegisterSet free_ = 0;
    RegisterSet locked_ = 0;        // arguments of the instruction at hand
    RegisterSet awaits_state_ = 0;  // homes of states whose next value isn't there yet
    RegisterSet pinned_ = 0;
    std::array<Value, kRegisters> held_{};

    std::vector<State> values_;
    std::uint32_t at_ = 0;
    Slots slots_;
    Slots mask_slots_;
    std::vector<std::int32_t> left_slots_;  // by values that are dead
    std::vector<std::int32_t> left_mask_slots_;
    std::vector<char> crowded_out_;
    int states_in_registers_ = 0;  // that haven't been crowded out
    Allocation result_;
};

// An input can be read at its home until the first store of its vector, other leaves always. A
// state's home is old from the second step on.
void Allocator::list_values() {
    values_.resize(uses_.size());
    for (Value v = 0; v < values_.size(); ++v) {
        const Node& node = body_.nodes[uses_.node(v)];
        State& state = values_[v];
        state.next_use = uses_.first(v);
        state.home = home_of(node.op);
        state.in_mask_register = file_.mask_registers && is_mask(node.type);
        if (state.home == Home::input && uses_.vector(v) < schedule_.first_store.size()) {
            const std::uint32_t store = schedule_.first_store[uses_.vector(v)];
            state.readable_before = store == kNever ? kNever : store + 1;
        } else if (state.home != Home::none) {
            state.readable_before = kNever;
        }
    }
    for (const Carried& carried : result_.carried) {
        if (carried.now != kNoNode) {
            State& state = values_[uses_.value(carried.now, carried.vector)];
            state.home = Home::none;
            state.readable_before = 0;
        }
    }
}

// The registers in which states live between steps. A few must remain for the computation itself.
void Allocator::choose_homes(const std::vector<char>& on_stack) {
    crowded_out_.assign(result_.carried.size(), 0);
    int room = std::popcount(vector_file_) - 6;
    for (std::size_t i = 0; i < result_.carried.size(); ++i) {
        Carried& carried = result_.carried[i];
        if (carried.now == kNoNode || room <= 0 || (!on_stack.empty() && on_stack[i])) {
            continue;
        }
        --room;
        ++states_in_registers_;
        carried.home = first(free_ & vector_file_);
        free_ &= ~bit(carried.home);
    }
}

// The leaves that are read most go into the registers that are to spare. Row numbers and
// arrays don't change from step to step, so with steps they are among them.
void Allocator::pin_leaves(int pins) {
    if (pins <= 0) {
        return;
    }
    std::vector<std::pair<std::uint32_t, Value>> candidates;
    for (Value v = 0; v < values_.size(); ++v) {
        const State& state = values_[v];
        if (uses_.count(v) == 0 || state.home == Home::none || state.in_mask_register) {
            continue;
        }
        const Node& node = body_.nodes[uses_.node(v)];
        const bool varies = body_.has_steps
                                ? node.op == Op::step ||
                                      (node.op == Op::input && body_.inputs[node.payload].per_step)
                                : node.op == Op::input || node.op == Op::row;
        if (!varies) {
            const bool is_operand = form_of(state) != MemoryForm::none;
            candidates.emplace_back(uses_.count(v) * (is_operand ? 1 : 2), v);
        }
    }
    const auto count = std::min(candidates.size(), static_cast<std::size_t>(pins));
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
        result_.pinned.push_back({uses_.node(v), uses_.vector(v), r});
    }
    vector_file_ &= ~pinned_;
}

void Allocator::settle_carried() {
    for (std::size_t i = 0; i < result_.carried.size(); ++i) {
        Carried& carried = result_.carried[i];
        State& next = values_[uses_.value(carried.next, carried.vector)];
        if (carried.home == kOnStack) {
            carried.slot = slots_of(next).take();
        } else {
            awaits_state_ |= bit(carried.home);
            next.hint = carried.home;
        }
        if (carried.now == kNoNode) {
            continue;
        }
        const Value now = uses_.value(carried.now, carried.vector);
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
        (state.in_mask_register ? left_mask_slots_ : left_slots_).push_back(state.slot);
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
    if (!is_readable_until(state, state.next_use)) {
        state.slot = slots_of(state).take();
        put(Placement::Kind::spill, v, 0, state.in, state.slot);
        ++result_.spills;
        if (state.carried_number != 0xffff) {
            crowded_out_[state.carried_number] = 1;
            --states_in_registers_;
        }
    }
}

// Furthest next use; but a value that needs no store is preferred unless it is needed much sooner.
std::uint8_t Allocator::evict(RegisterSet file) {
    std::uint8_t best = kNone;
    std::uint64_t best_score = 0;
    for (RegisterSet set = file & ~free_ & ~locked_; set != 0; set &= set - 1) {
        const std::uint8_t r = first(set);
        const State& state = values_[held_[r]];
        const bool clean = is_readable_until(state, state.next_use);
        const std::uint64_t score = std::uint64_t{state.next_use - at_} * (clean ? 2 : 1) + 1;
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

void Allocator::read_in(Value v) {
    const State& state = values_[v];
    const std::uint8_t r = take(file_of(state), state.hint);
    put(state.slot != kNoSlot ? Placement::Kind::reload : Placement::Kind::load, v, r, 0,
        state.slot);
    occupy(r, v);
}

// At most one argument is read from memory by the instruction itself: one that isn't needed again,
// or any when no register is free.
void Allocator::choose_memory_operand(const ScheduleItem& item, Reads arguments, Placement& made) {
    const OperandRules& rules = rules_[item.node];
    if ((rules.whole | rules.repeated) == 0) {
        return;
    }
    const bool crowded = (free_ & vector_file_) == 0;
    for (std::size_t i = 0; i < arguments.size(); ++i) {
        const auto [v, next] = arguments[i];
        const State& state = values_[v];
        if (state.in != kNone ||
            (next != kNever && (!crowded || !is_readable_until(state, next)))) {
            continue;
        }
        const MemoryForm form = form_of(state);
        const unsigned allowed = form == MemoryForm::whole      ? rules.whole
                                 : form == MemoryForm::repeated ? rules.repeated
                                                                : 0U;
        const auto is_same = [value = v](const ValueUses::Read& read) {
            return read.value == value;
        };
        if ((allowed >> i & 1) == 0 ||
            std::count_if(arguments.begin(), arguments.end(), is_same) > 1) {
            continue;
        }
        made.sources[i] = state.slot != kNoSlot ? kOnStack : kAtHome;
        made.slot = state.slot;
        return;
    }
}

void Allocator::place_result(const ScheduleItem& item, Reads arguments, Placement& made) {
    const OperandRules& rules = rules_[item.node];
    const State& result = values_[uses_.value(item.node, item.vector)];
    if (rules.tied == 0 && !rules.apart) {
        advance_uses(arguments);
        locked_ = 0;
        made.target = take(file_of(result), result.hint);
        return;
    }
    int tied = -1;
    std::size_t tied_in_register = 0;
    for (std::size_t i = 0; i < arguments.size(); ++i) {
        const std::uint8_t source = made.sources[i];
        if ((rules.tied >> i & 1) == 0 || source >= kRegisters) {
            continue;
        }
        tied_in_register = i;
        const bool dies = arguments[i].next == kNever && (pinned_ & bit(source)) == 0;
        if (dies && (tied < 0 || source == result.hint)) {
            tied = static_cast<int>(i);
        }
    }
    if (tied >= 0) {
        made.target = made.sources[static_cast<std::size_t>(tied)];
    } else {
        made.target = take(file_of(result), result.hint);  // while all arguments are still locked
        if (rules.tied != 0) {
            std::uint8_t& source = made.sources[tied_in_register];
            put(Placement::Kind::copy, arguments[tied_in_register].value, made.target, source,
                kNoSlot);
            source = made.target;
        }
    }
    advance_uses(arguments);
    locked_ = 0;
}

void Allocator::compute(const ScheduleItem& item, Reads arguments) {
    Placement made{Placement::Kind::compute, item.vector, 0, {}, item.node, kNoSlot};
    bool all_in_registers = true;
    for (std::size_t i = 0; i < arguments.size(); ++i) {
        const std::uint8_t r = values_[arguments[i].value].in;
        made.sources[i] = r;
        all_in_registers = all_in_registers && r != kNone;
        locked_ |= r != kNone ? bit(r) : 0;
    }
    if (!all_in_registers) {
        choose_memory_operand(item, arguments, made);
        for (std::size_t i = 0; i < arguments.size(); ++i) {
            if (made.sources[i] == kNone) {
                made.sources[i] = bring(arguments[i].value);
            }
        }
    }
    place_result(item, arguments, made);

    const Value result = uses_.value(item.node, item.vector);
    occupy(made.target, result);
    if (values_[result].hint == made.target) {
        awaits_state_ &= ~bit(made.target);
    }
    if (body_.nodes[item.node].op == Op::rare) {
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
        const State& state = values_[uses_.value(carried.next, carried.vector)];
        const bool mask = state.in_mask_register;
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

Allocation Allocator::run(int pins, const std::vector<char>& on_stack) {
    vector_file_ = file_.vectors;
    mask_file_ = RegisterSet{file_.masks} << kFirstMaskRegister;
    free_ = vector_file_ | mask_file_;
    // With what is moved to and from memory, twice the items are enough for long rules.
    result_.code.reserve(schedule_.items.size() * 2 + 32);
    list_values();
    choose_homes(on_stack);
    pin_leaves(pins);
    settle_carried();
    const bool may_stop = on_stack.empty() && states_in_registers_ > 0;
    Reads reads = uses_.reads();
    for (const ScheduleItem& item : schedule_.items) {
        give_back_slots();
        const std::size_t count = arguments_of(body_, item).size();
        const Reads arguments = reads.first(count);
        reads = reads.subspan(count);
        if (item.kind == ScheduleItem::Kind::compute) {
            compute(item, arguments);
        } else {
            const std::uint8_t r = bring(arguments[0].value);
            if (item.kind == ScheduleItem::Kind::output) {
                Placement made{Placement::Kind::output, item.vector, 0, {}, item.node, item.output};
                made.sources[0] = r;
                result_.code.push_back(made);
            }
            locked_ = 0;
            advance_uses(arguments);
        }
        if (may_stop && states_in_registers_ == 0) {
            return {};
        }
        ++at_;
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
                    const RegisterFile& file, int pins) {
    const std::vector<Carried> carried = list_carried(body, schedule.vectors);
    const ValueUses uses(body, schedule, carried);
    std::vector<char> crowded;
    {
        Allocator allocator(body, schedule, uses, rules, file, carried);
        Allocation made = allocator.run(pins, {});
        crowded = allocator.crowded_out();
        if (std::find(crowded.begin(), crowded.end(), 1) == crowded.end()) {
            return made;
        }
    }
    // A state that is pushed out in every step is better read from the stack in the first place.
    return Allocator(body, schedule, uses, rules, file, carried).run(pins, crowded);
}

}  // namespace bitaxon::jit
