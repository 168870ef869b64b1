// Orders of primitives, checked against the body: each primitive once, after what it needs, and
// stores after all reads. What the order is worth is a matter of benches.
#include "backends/schedule.hpp"
#include "backends/unroll.hpp"
#include "random_program.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>
#include <string>

namespace bitaxon::jit {
namespace {

using Kind = ScheduleItem::Kind;

// Values in use at each moment, counted from the items alone.
int most_alive(const Body& body, const Schedule& order) {
    using Name = std::pair<NodeId, int>;
    std::map<Name, std::size_t> last;
    std::set<Name> begun;
    const auto each_read = [&](const ScheduleItem& item, auto&& f) {
        const auto arguments = item.kind == Kind::compute ? body.nodes[item.node].arguments()
                                                          : std::span(&item.node, 1);
        for (const NodeId argument : arguments) {
            if (!is_shared(body.nodes[argument].op)) {
                f(Name{argument, item.vector});
            }
        }
    };
    for (std::size_t i = 0; i < order.items.size(); ++i) {
        each_read(order.items[i], [&](const Name& name) { last[name] = i; });
    }
    for (int v = 0; v < order.vectors; ++v) {
        for (const BodyState& state : body.states) {
            last[{state.next, v}] = order.items.size();
            if (state.now != kNoNode) {
                begun.insert({state.now, v});
            }
        }
        for (std::size_t i = body.states.size(); body.has_steps && i < body.outputs.size(); ++i) {
            if (!body.outputs[i].per_step) {
                last[{body.outputs[i].value, v}] = order.items.size();
            }
        }
    }
    std::size_t most = begun.size();
    for (std::size_t i = 0; i < order.items.size(); ++i) {
        const ScheduleItem& item = order.items[i];
        each_read(item, [&](const Name& name) { begun.insert(name); });
        most = std::max(most, begun.size());
        std::erase_if(begun, [&](const Name& name) {
            const auto found = last.find(name);
            return found != last.end() && found->second == i;
        });
        if (item.kind == Kind::compute) {
            begun.insert({item.node, item.vector});
            most = std::max(most, begun.size());
        }
    }
    return static_cast<int>(most);
}

std::string problem(const Body& body, const Schedule& order) {
    std::set<std::pair<NodeId, int>> computed;
    std::map<int, std::set<std::size_t>> stored;
    std::map<int, std::set<NodeId>> read;
    std::set<NodeId> inputs;  // that must have been read before a store
    for (const Node& node : body.nodes) {
        for (const NodeId argument : node.arguments()) {
            if (body.nodes[argument].op == Op::input) {
                inputs.insert(argument);
            }
        }
    }
    for (std::size_t i = 0; i < order.items.size(); ++i) {
        const ScheduleItem& item = order.items[i];
        if (item.kind == Kind::touch) {
            read[item.vector].insert(item.node);
            continue;
        }
        if (item.kind == Kind::output) {
            if (body.outputs[item.output].value != item.node ||
                !stored[item.vector].insert(item.output).second) {
                return "a store of the wrong value, or twice";
            }
            if (!is_leaf(body.nodes[item.node].op) &&
                !computed.contains({item.node, item.vector})) {
                return "a store of what is not known";
            }
            if (!std::ranges::includes(read[item.vector], inputs)) {
                return "a store before an input was read";
            }
            if (body.outputs[item.output].bits && item.vector > 0 &&
                !stored[item.vector - 1].contains(item.output)) {
                return "bits out of order";
            }
            if (i < order.first_store[item.vector]) {
                return "a store before the first";
            }
            continue;
        }
        for (const NodeId argument : body.nodes[item.node].arguments()) {
            if (!is_leaf(body.nodes[argument].op) && !computed.contains({argument, item.vector})) {
                return "an argument is not known";
            }
            if (body.nodes[argument].op == Op::input) {
                read[item.vector].insert(argument);
            }
        }
        if (!computed.insert({item.node, item.vector}).second) {
            return "computed twice";
        }
    }
    const auto primitives = static_cast<std::size_t>(
        std::ranges::count_if(body.nodes, [](const Node& node) { return !is_leaf(node.op); }));
    const auto stores = static_cast<std::size_t>(
        std::ranges::count_if(body.outputs, [&](const ProgramOutput& output) {
            const auto number = static_cast<std::size_t>(&output - body.outputs.data());
            return !body.has_steps || (output.per_step && number >= body.states.size());
        }));
    if (computed.size() != primitives * static_cast<std::size_t>(order.vectors)) {
        return "something was left out";
    }
    for (int v = 0; v < order.vectors; ++v) {
        if (stored[v].size() != stores) {
            return "something was not stored";
        }
    }
    const int most = most_alive(body, order);
    return order.alive == most
               ? ""
               : std::to_string(order.alive) + " values alive, not " + std::to_string(most);
}

TEST(Schedule, EveryOrderIsOne) {
    for (std::uint64_t seed = 1; seed <= 400; ++seed) {
        const test::RandomProgram random(seed, {.nodes = static_cast<int>(1 + seed % 120),
                                                .wide = seed % 2 == 0,
                                                .states = seed % 4 == 0 ? 3 : 0,
                                                .reach = seed % 3 == 0 ? 50U : 10U});
        const Target target = seed % 5 == 0 ? Target::avx512 : Target::avx2;
        const Body body = legalise(random.program(), target);
        const Schedule order =
            Scheduler(body).run(static_cast<int>(1 + seed % 4), static_cast<int>(seed % 7) * 8);
        ASSERT_EQ(problem(body, order), "") << "seed " << seed;
    }
}

// x*1 + x*2 + ... beside sqrt(sqrt(...)), which is written last.
Program sum_and_roots(int products, int roots) {
    Program program;
    Graph& g = program.graph;
    program.inputs = {{"x", Type::f64}};
    const NodeId x = g.make(Op::input, Type::f64, {}, 0);
    NodeId sum = x;
    for (int i = 0; i < products; ++i) {
        const NodeId product = g.make(Op::mul, Type::f64, {x, g.constant(Type::f64, i + 2.5)});
        sum = g.make(Op::add, Type::f64, {sum, product});
    }
    NodeId root = x;
    for (int i = 0; i < roots; ++i) {
        root = g.make(Op::sqrt, Type::f64, {root});
    }
    program.outputs = {{sum, Type::f64}, {root, Type::f64}};
    return program;
}

TEST(Schedule, TheLongestChainGoesFirst) {
    const Body body = legalise(sum_and_roots(8, 12), Target::neon);
    const Schedule order = Scheduler(body).run(1, 30);
    EXPECT_EQ(body.nodes[order.items.front().node].op, Op::sqrt);
    const Schedule frugal = Scheduler(body).run(1, 0);
    EXPECT_EQ(body.nodes[frugal.items.front().node].op, Op::mul);
}

// x*2.5 + x*3.5 + ... as a tree, written layer by layer.
Program tree_of_sums(int leaves) {
    Program program;
    Graph& g = program.graph;
    program.inputs = {{"x", Type::f64}};
    const NodeId x = g.make(Op::input, Type::f64, {}, 0);
    std::vector<NodeId> layer;
    for (int i = 0; i < leaves; ++i) {
        layer.push_back(g.make(Op::mul, Type::f64, {x, g.constant(Type::f64, i + 2.5)}));
    }
    while (layer.size() > 1) {
        std::vector<NodeId> next;
        for (std::size_t i = 0; i < layer.size(); i += 2) {
            next.push_back(g.make(Op::add, Type::f64, {layer[i], layer[i + 1]}));
        }
        layer = next;
    }
    program.outputs = {{layer.front(), Type::f64}};
    return program;
}

TEST(Schedule, TheBudgetBoundsWhatIsAlive) {
    const Program program = tree_of_sums(256);
    const Body body = legalise(program, Target::avx2);
    const Scheduler scheduler(body);
    EXPECT_GT(scheduler.run(1, 1000).alive, 60);
    // A tree of 256 leaves takes nine registers, and x one.
    EXPECT_LE(scheduler.run(1, 14).alive, 14 + 8);
}

TEST(Schedule, VectorsFillWhatAChainLeavesFree) {
    const auto vectors = [](Program program) {
        program.states = {{0, program.outputs[0].value}};
        const Body body = legalise(program, Target::avx2);
        return choose_loop_shape(body, Scheduler(body), 16, 4, 0, false).vectors;
    };
    EXPECT_EQ(vectors(sum_and_roots(1, 30)), 4);
    EXPECT_EQ(vectors(sum_and_roots(100, 0)), 4) << "each sum waits for the one before";
    EXPECT_EQ(vectors(tree_of_sums(16)), 2);
    EXPECT_EQ(vectors(tree_of_sums(256)), 1);
}

TEST(Schedule, BitsNeedATileThatIsAPartOfAByteOrWholeBytes) {
    Program program = tree_of_sums(256);
    const NodeId sum = program.outputs[0].value;
    const NodeId mask = program.graph.make(Op::float_less, Type::m64, {sum, sum});
    program.outputs.push_back({mask, Type::m64, true, true});
    program.states = {{0, sum}};
    const Body body = legalise(program, Target::avx2);
    const Scheduler scheduler(body);
    const auto vectors = [&](int wanted) {
        return choose_loop_shape(body, scheduler, 16, 4, wanted, false).vectors;
    };
    EXPECT_EQ(vectors(0), 1);
    EXPECT_EQ(vectors(1), 1);
    EXPECT_EQ(vectors(2), 2);
    EXPECT_EQ(vectors(3), 4);
}

}  // namespace
}  // namespace bitaxon::jit
