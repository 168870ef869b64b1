// Placements run symbolically: every register and stack slot holds the name of a value, and each
// instruction must find the values that the program means.
#include "backends/register_allocator.hpp"
#include "random_program.hpp"

#include <gtest/gtest.h>

#include <bit>
#include <map>
#include <optional>
#include <string>

namespace bitaxon::jit {
namespace {

// A small machine: few registers, any memory operand, and one tied form.
RegisterFile small_file(int vectors, int masks) {
    RegisterFile file;
    file.vectors = (1U << vectors) - 1;
    file.masks = ((1U << masks) - 1) << 1;
    file.mask_registers = masks > 0;
    file.forms[static_cast<std::size_t>(Home::constant)] = MemoryForm::repeated;
    file.forms[static_cast<std::size_t>(Home::uniform)] = MemoryForm::repeated;
    file.forms[static_cast<std::size_t>(Home::input)] = MemoryForm::whole;
    return file;
}

std::vector<OperandRules> rules_of(const Body& body) {
    std::vector<OperandRules> rules(body.nodes.size());
    for (std::size_t id = 0; id < rules.size(); ++id) {
        switch (body.nodes[id].op) {
        case Op::add:
        case Op::mul:
            rules[id] = {.whole = 3, .repeated = 3};
            break;
        case Op::sub:
            rules[id] = {.whole = 2, .repeated = 2};
            break;
        case Op::fma:
        case Op::fms:
        case Op::fnma:
            rules[id] = {.whole = 7, .repeated = 7, .tied = 7};
            break;
        case Op::select:
            rules[id] = {.tied = 1, .apart = true};
            break;
        case Op::floor:
            rules[id] = {.apart = true};
            break;
        default:
            break;
        }
        if (is_mask(body.nodes[id].type)) {
            rules[id] = {};
        } else if (body.nodes[id].op == Op::select) {
            rules[id].tied = 2;  // the mask is in a register of another kind, or may be
        }
    }
    return rules;
}

class Machine {
  public:
    Machine(const Body& body, const Schedule& order, const std::vector<OperandRules>& rules,
            const RegisterFile& file, const Allocation& allocation)
        : body_(body), order_(order), rules_(rules), file_(file), allocation_(allocation) {}

    /// Empty if all is well.
    std::string run() {
        for (const Pinned& pinned : allocation_.pinned) {
            write(pinned.target, {pinned.node, vector_of(pinned.node, pinned.vector)});
        }
        for (const Carried& carried : allocation_.carried) {
            if (carried.now != kNoNode) {
                place(carried) = Name{carried.now, carried.vector};
            }
        }
        std::size_t item = 0;
        for (at_ = 0; at_ < allocation_.code.size() && problem_.empty(); ++at_) {
            step(allocation_.code[at_], item);
        }
        while (item < order_.items.size() && order_.items[item].kind == ScheduleItem::Kind::touch) {
            ++item;
        }
        expect(item == order_.items.size(), "something was left out");
        for (const Carried& carried : allocation_.carried) {
            expect(place(carried) == Name{carried.next, vector_of(carried.next, carried.vector)},
                   "a state is not in its place at the end of the step");
        }
        for (const Pinned& pinned : allocation_.pinned) {
            expect(registers_[pinned.target] ==
                       Name{pinned.node, vector_of(pinned.node, pinned.vector)},
                   "a pinned value was overwritten");
        }
        return problem_;
    }

  private:
    struct Name {
        NodeId node;
        std::uint8_t vector;
        bool operator==(const Name&) const = default;
    };
    using Content = std::optional<Name>;

    std::uint8_t vector_of(NodeId node, std::uint8_t vector) const {
        return is_shared(body_.nodes[node].op) ? std::uint8_t{0} : vector;
    }
    bool masked(NodeId node) const {
        return file_.mask_registers && is_mask(body_.nodes[node].type);
    }
    Content& slot(NodeId node, std::int32_t number) {
        return (masked(node) ? mask_slots_ : slots_)[number];
    }
    Content& place(const Carried& carried) {
        return carried.home != kOnStack ? registers_[carried.home]
                                        : slot(carried.next, carried.slot);
    }
    void expect(bool condition, const std::string& what) {
        if (!condition && problem_.empty()) {
            problem_ = what + " (placement " + std::to_string(at_) + ")";
        }
    }
    void write(std::uint8_t r, Name name) {
        expect(r < 64 && ((std::uint64_t{file_.masks} << 32 | file_.vectors) >> r & 1) != 0,
               "a register that may not be used");
        expect(masked(name.node) == (r >= kFirstMaskRegister), "a register of the wrong kind");
        expect((allocation_.used >> r & 1) != 0, "a register that is not listed as used");
        registers_[r] = name;
    }
    void step(const Placement& p, std::size_t& item) {
        using Kind = Placement::Kind;
        const Name name{p.node, vector_of(p.node, p.vector)};
        switch (p.kind) {
        case Kind::load:
            expect(is_leaf(body_.nodes[p.node].op), "only leaves can be loaded");
            expect_unwritten(name);
            write(p.target, name);
            break;
        case Kind::reload:
            expect(slot(p.node, p.slot) == name, "a slot holds something else");
            write(p.target, name);
            break;
        case Kind::spill:
            expect(registers_[p.sources[0]] == name, "spills something else");
            slot(p.node, p.slot) = name;
            break;
        case Kind::copy:
            expect(registers_[p.sources[0]] == name, "copies something else");
            write(p.target, name);
            break;
        case Kind::output:
            take_item(item, ScheduleItem::Kind::output, p);
            expect(registers_[p.sources[0]] == name, "stores something else");
            stored_[p.vector] = true;
            break;
        case Kind::compute:
            take_item(item, ScheduleItem::Kind::compute, p);
            compute(p);
            break;
        }
    }
    void take_item(std::size_t& item, ScheduleItem::Kind kind, const Placement& p) {
        while (item < order_.items.size() && order_.items[item].kind == ScheduleItem::Kind::touch) {
            ++item;
        }
        expect(item < order_.items.size() && order_.items[item].kind == kind &&
                   order_.items[item].node == p.node && order_.items[item].vector == p.vector,
               "out of order");
        ++item;
    }
    // An output may have overwritten the input array.
    void expect_unwritten(const Name& name) {
        expect(body_.nodes[name.node].op != Op::input || !stored_[name.vector],
               "an input is read after a store");
    }
    void compute(const Placement& p) {
        const Node& node = body_.nodes[p.node];
        const OperandRules& rules = rules_[p.node];
        int in_memory = 0;
        bool target_is_tied = false;
        for (std::size_t i = 0; i < node.count; ++i) {
            const Name argument{node.args[i], vector_of(node.args[i], p.vector)};
            const std::uint8_t source = p.sources[i];
            if (source >= kAtHome) {
                ++in_memory;
                if (source == kOnStack) {
                    expect((rules.whole >> i & 1) != 0, "this operand cannot lie in memory");
                    expect(slot(argument.node, p.slot) == argument,
                           "a slot operand holds something else");
                } else {
                    expect_unwritten(argument);
                    expect(((rules.whole | rules.repeated) >> i & 1) != 0,
                           "this operand cannot lie in memory");
                }
                continue;
            }
            expect(registers_[source] == argument,
                   "argument " + std::to_string(i) + " is something else");
            const bool tied = (rules.tied >> i & 1) != 0;
            target_is_tied = target_is_tied || (tied && source == p.target);
            if (rules.apart && !tied && source == p.target) {
                bool also_tied = false;
                for (std::size_t k = 0; k < node.count; ++k) {
                    also_tied =
                        also_tied || ((rules.tied >> k & 1) != 0 && node.args[k] == node.args[i]);
                }
                expect(also_tied, "the result overwrites an argument");
            }
        }
        expect(in_memory <= 1, "two operands in memory");
        expect(rules.tied == 0 || target_is_tied, "the result is not in a tied register");
        write(p.target, {p.node, p.vector});
    }

    const Body& body_;
    const Schedule& order_;
    const std::vector<OperandRules>& rules_;
    const RegisterFile& file_;
    const Allocation& allocation_;
    std::size_t at_ = 0;
    std::map<std::uint8_t, Content> registers_;
    std::map<std::int32_t, Content> slots_;
    std::map<std::int32_t, Content> mask_slots_;
    std::map<std::uint8_t, bool> stored_;
    std::string problem_;
};

std::string check(const Program& program, Target target, const RegisterFile& file, int vectors,
                  int budget) {
    const Body body = legalise(program, target);
    const Schedule order = Scheduler(body).run(vectors, budget);
    const std::vector<OperandRules> rules = rules_of(body);
    for (const bool pin : {false, true}) {
        const int pins = pin ? spare_registers(file, order) : 0;
        const Allocation allocation = allocate(body, order, rules, file, pins);
        const std::string problem = Machine(body, order, rules, file, allocation).run();
        if (!problem.empty()) {
            return problem;
        }
    }
    return {};
}

TEST(RegisterAllocator, EveryInstructionFindsItsValues) {
    for (std::uint64_t seed = 1; seed <= 1500; ++seed) {
        const test::RandomProgram random(seed, {.nodes = static_cast<int>(5 + seed % 120),
                                                .wide = seed % 2 == 0,
                                                .reach = seed % 3 == 0 ? 50U : 10U});
        const int vectors = static_cast<int>(1 + seed % 4);
        const int registers = static_cast<int>(7 + seed % 14);
        const int budget = static_cast<int>(seed % 7) * 8;
        ASSERT_EQ(check(random.program(), Target::avx2, small_file(registers, 0), vectors, budget),
                  "")
            << "seed " << seed;
        ASSERT_EQ(check(random.program(), Target::avx512, small_file(registers, 3), vectors, budget),
                  "")
            << "seed " << seed << " with mask registers";
    }
}

TEST(RegisterAllocator, StatesEndWhereTheyBegan) {
    for (std::uint64_t seed = 1; seed <= 1500; ++seed) {
        const test::RandomProgram random(seed, {.nodes = static_cast<int>(1 + seed % 90),
                                                .wide = seed % 2 == 0,
                                                .states = static_cast<int>(1 + seed % 19),
                                                .reach = seed % 3 == 0 ? 50U : 10U});
        const int vectors = static_cast<int>(1 + seed % 4);
        const int registers = static_cast<int>(8 + seed % 20);
        const int budget = static_cast<int>(seed % 7) * 8;
        ASSERT_EQ(check(random.program(), Target::avx2, small_file(registers, 0), vectors, budget),
                  "")
            << "seed " << seed;
        ASSERT_EQ(check(random.program(), Target::avx512, small_file(registers, 3), vectors, budget),
                  "")
            << "seed " << seed << " with mask registers";
    }
}

Program chain(int length, int alive) {
    Program program;
    Graph& g = program.graph;
    program.inputs = {{"x", Type::f64}};
    const NodeId x = g.make(Op::input, Type::f64, {}, 0);
    std::vector<NodeId> values;
    for (int i = 0; i < alive; ++i) {
        values.push_back(g.make(Op::mul, Type::f64, {x, g.constant(Type::f64, i + 2.5)}));
    }
    NodeId sum = x;
    for (int i = 0; i < length; ++i) {
        sum = g.make(Op::fma, Type::f64, {sum, values[static_cast<std::size_t>(i % alive)], x});
    }
    program.outputs = {{sum, Type::f64}};
    return program;
}

TEST(RegisterAllocator, NothingIsSpilledWhereRegistersSuffice) {
    const Body body = legalise(chain(40, 8), Target::avx2);
    const Schedule order = Scheduler(body).run(1, 9);
    const std::vector<OperandRules> rules = rules_of(body);
    const auto spills = [&](const RegisterFile& file) {
        return allocate(body, order, rules, file, spare_registers(file, order)).spills;
    };
    EXPECT_EQ(spills(small_file(11, 0)), 0);
    EXPECT_GT(spills(small_file(8, 0)), 0);
}

TEST(RegisterAllocator, ConstantsStayInSpareRegisters) {
    const Body body = legalise(chain(12, 4), Target::avx2);
    const Schedule order = Scheduler(body).run(1, 14);
    const std::vector<OperandRules> rules = rules_of(body);
    const RegisterFile file = small_file(16, 0);
    const int pins = spare_registers(file, order);
    EXPECT_EQ(allocate(body, order, rules, file, pins).pinned.size(), 4U);
    EXPECT_TRUE(allocate(body, order, rules, file, 0).pinned.empty());
}

}  // namespace
}  // namespace bitaxon::jit
