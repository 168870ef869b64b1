// Bodies for AVX-512 against the graphs that they come from, both walked node by node: the joined
// operations say the same for all bits, and as few of them stay as three values allow.
#include "backends/legalise.hpp"
#include "ir/program.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <functional>
#include <random>
#include <string>
#include <vector>

namespace bitaxon::jit {
namespace {

using u64 = std::uint64_t;

u64 value_of(const Node& node, const std::vector<u64>& values, const std::vector<u64>& inputs) {
    const auto arg = [&](std::size_t k) { return values[node.args[k]]; };
    if (node.op == Op::constant) return node.payload;
    if (node.op == Op::input) return inputs[node.payload];
    if (node.count == 3) {
        u64 result = 0;
        for (int bit = 0; bit < 64; ++bit) {
            const auto at = [&](std::size_t k) { return arg(k) >> bit & 1; };
            result |= (node.payload >> (4 * at(0) + 2 * at(1) + at(2)) & 1) << bit;
        }
        return result;
    }
    switch (node.op) {
    case Op::bit_and:
        return arg(0) & arg(1);
    case Op::bit_or:
        return arg(0) | arg(1);
    case Op::bit_xor:
        return arg(0) ^ arg(1);
    default:
        EXPECT_EQ(node.op, Op::bit_andnot);
        return ~arg(0) & arg(1);
    }
}

template <class Nodes>
std::vector<u64> walk(const Nodes& nodes, std::size_t count, const std::vector<u64>& inputs) {
    std::vector<u64> values;
    for (std::size_t id = 0; id < count; ++id) {
        values.push_back(value_of(nodes[static_cast<NodeId>(id)], values, inputs));
    }
    return values;
}

// A program of `inputs` words whose outputs `make` makes of them.
Program program_of(std::size_t inputs,
                   const std::function<std::vector<NodeId>(Graph&, std::vector<NodeId>)>& make) {
    Program program;
    std::vector<NodeId> read;
    for (std::size_t k = 0; k < inputs; ++k) {
        program.inputs.push_back({std::to_string(k), Type::i64});
        read.push_back(program.graph.make(Op::input, Type::i64, {}, k));
    }
    for (const NodeId output : make(program.graph, read)) {
        program.outputs.push_back({output, Type::i64});
    }
    return program;
}

std::size_t operations(const Body& body) {
    std::size_t count = 0;
    for (const Node& node : body.nodes) {
        count += node.count != 0 ? 1 : 0;
    }
    return count;
}

void expect_same(const Program& program, const Body& body, std::mt19937_64& random) {
    std::vector<u64> inputs;
    for (std::size_t k = 0; k < program.inputs.size(); ++k) {
        inputs.push_back(random());
    }
    const std::vector<u64> wanted = walk(program.graph, program.graph.size(), inputs);
    const std::vector<u64> got = walk(body.nodes, body.nodes.size(), inputs);
    for (std::size_t k = 0; k < program.outputs.size(); ++k) {
        ASSERT_EQ(got[body.outputs[k].value], wanted[program.outputs[k].value]) << "output " << k;
    }
}

TEST(TernaryLogic, JoinsWhatThreeValuesMake) {
    struct Case {
        const char* what;
        std::size_t joined;
        std::function<std::vector<NodeId>(Graph&, std::vector<NodeId>)> make;
    };
    const auto op = [](Op o) {
        return [o](Graph& g, NodeId a, NodeId b) { return g.make(o, Type::i64, {a, b}); };
    };
    const auto both = op(Op::bit_and), either = op(Op::bit_or), differ = op(Op::bit_xor),
               without = op(Op::bit_andnot);
    const auto invert = [&](Graph& g, NodeId a) {
        return differ(g, g.constant_bits(Type::i64, ~u64{0}), a);
    };
    using Ids = std::vector<NodeId>;
    const Case cases[] = {
        {"a choice", 1,
         [&](Graph& g, Ids x) {
             return Ids{either(g, both(g, x[0], x[1]), without(g, x[0], x[2]))};
         }},
        {"a majority", 1,
         [&](Graph& g, Ids x) {
             return Ids{either(g, both(g, x[0], x[1]), both(g, x[2], differ(g, x[0], x[1])))};
         }},
        {"a sum and its carry", 2,
         [&](Graph& g, Ids x) {
             return Ids{differ(g, differ(g, x[0], x[1]), x[2]),
                        either(g, both(g, x[0], x[1]), both(g, x[2], either(g, x[0], x[1])))};
         }},
        {"a sum and its carry, which share a half of it", 2,
         [&](Graph& g, Ids x) {
             const NodeId half = differ(g, x[0], x[1]);
             return Ids{differ(g, half, x[2]),
                        differ(g, x[0], both(g, half, differ(g, x[0], x[2])))};
         }},
        {"a value for three readers", 4,
         [&](Graph& g, Ids x) {
             const NodeId half = differ(g, x[0], x[1]);
             return Ids{both(g, half, x[2]), both(g, half, x[3]), both(g, half, x[4])};
         }},
        {"a value for two readers, of which one has no room", 5,
         [&](Graph& g, Ids x) {
             const NodeId a = either(g, x[2], x[3]), b = either(g, x[3], x[4]), ab = both(g, a, b);
             const NodeId half = differ(g, x[0], x[1]);
             return Ids{both(g, half, x[5]), both(g, half, ab), a, b};
         }},
        {"the inverse of a NAND with two of its three", 1,
         [&](Graph& g, Ids x) {
             return Ids{invert(g, both(g, invert(g, both(g, x[0], x[1])), x[0]))};
         }},
        {"a value that is an output too", 2,
         [&](Graph& g, Ids x) {
             const NodeId half = differ(g, x[0], x[1]);
             return Ids{half, both(g, half, x[2])};
         }},
        {"six in a row", 3,
         [&](Graph& g, Ids x) {
             NodeId all = x[0];
             for (std::size_t k = 1; k < 6; ++k) {
                 all = differ(g, all, x[k]);
             }
             return Ids{all};
         }},
    };
    std::mt19937_64 random{1};
    for (const Case& c : cases) {
        SCOPED_TRACE(c.what);
        const Program program = program_of(6, c.make);
        const Body body = legalise(program, Target::avx512);
        EXPECT_EQ(operations(body), c.joined);
        expect_same(program, body, random);
    }
}

TEST(TernaryLogic, KeepsEveryBitOfRandomCircuits) {
    std::mt19937_64 random{2};
    for (int round = 0; round < 300; ++round) {
        const Program program = program_of(5, [&](Graph& g, std::vector<NodeId> values) {
            values.push_back(g.constant_bits(Type::i64, ~u64{0}));
            constexpr Op ops[] = {Op::bit_and, Op::bit_or, Op::bit_xor, Op::bit_andnot};
            for (int k = 0; k < 25; ++k) {
                const auto pick = [&] { return values[random() % values.size()]; };
                values.push_back(g.make(ops[random() % 4], Type::i64, {pick(), pick()}));
            }
            return std::vector<NodeId>(values.end() - 3, values.end());
        });
        const Body body = legalise(program, Target::avx512);
        EXPECT_LE(operations(body), operations(legalise(program, Target::avx2)));
        expect_same(program, body, random);
        if (HasFatalFailure()) return;
    }
}

}  // namespace
}  // namespace bitaxon::jit
