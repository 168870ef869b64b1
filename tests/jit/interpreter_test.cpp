// The interpreter against loops written out by hand.
#include "backends/interpreter.hpp"
#include "ir/hoist.hpp"
#include "ir/semantics.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

namespace bitaxon::jit {
namespace {

TEST(Interpreter, RunsStepsWithStateAndPacksSpikes) {
    // v += i; spike and reset where v >= 1.
    Program program;
    Graph& g = program.graph;
    const NodeId v = g.make(Op::input, Type::f64, {}, 0);
    const NodeId i = g.make(Op::input, Type::f64, {}, 1);
    const NodeId sum = g.make(Op::add, Type::f64, {v, i});
    const NodeId spike =
        g.make(Op::float_less_equal, Type::m64, {g.constant(Type::f64, 1), sum});
    const NodeId next = g.make(Op::select, Type::f64, {spike, g.constant(Type::f64, 0), sum});
    program.inputs = {{"v", Type::f64}, {"i", Type::f64, true}};
    program.outputs = {{next, Type::f64}, {spike, Type::m64, true, true}};
    program.states = {{0, next}};

    const std::int64_t rows = 301;
    const std::int64_t steps = 17;
    std::vector<double> state(301, 0.25);
    std::vector<double> current(static_cast<std::size_t>(rows * steps));
    for (std::size_t k = 0; k < current.size(); ++k) {
        current[k] = static_cast<double>(k % 7) / 16;
    }
    const std::size_t row_bytes = 40;  // 301 bits and room
    std::vector<std::uint8_t> spikes(row_bytes * steps, 0xff);
    std::vector<double> expected = state;
    std::vector<std::uint8_t> expected_spikes(row_bytes * steps, 0);
    for (std::int64_t s = 0; s < steps; ++s) {
        for (std::int64_t r = 0; r < rows; ++r) {
            double& x = expected[static_cast<std::size_t>(r)];
            x += current[static_cast<std::size_t>(s * rows + r)];
            if (x >= 1) {
                x = 0;
                expected_spikes[static_cast<std::size_t>(s) * row_bytes +
                                static_cast<std::size_t>(r / 8)] |=
                    static_cast<std::uint8_t>(1 << (r % 8));
            }
        }
    }
    const void* inputs[] = {state.data(), current.data()};
    void* outputs[] = {state.data(), spikes.data()};
    const std::int64_t input_steps[] = {0, rows * 8};
    const std::int64_t output_steps[] = {0, row_bytes};
    const Frame frame{inputs, outputs, nullptr, input_steps, output_steps, 0, 0, steps};
    Interpreter(program).run(frame, 0, rows);
    EXPECT_EQ(state, expected);
    for (std::size_t s = 0; s < static_cast<std::size_t>(steps); ++s) {
        for (std::size_t k = 0; k < 38; ++k) {
            EXPECT_EQ(spikes[s * row_bytes + k], expected_spikes[s * row_bytes + k]) << s << ' ' << k;
        }
        EXPECT_EQ(spikes[s * row_bytes + 38], 0xff) << "past the last row's byte";
    }
}

TEST(Interpreter, RestoresTheCallersFloatEnvironment) {
#if defined(__x86_64__)
    const unsigned flush = __builtin_ia32_stmxcsr() | 0x8040;
    __builtin_ia32_ldmxcsr(flush);
    Program program;
    const NodeId x = program.graph.make(Op::input, Type::f64, {}, 0);
    const NodeId y = program.graph.make(Op::mul, Type::f64, {x, program.graph.constant(Type::f64, 0.5)});
    program.inputs = {{"x", Type::f64}};
    program.outputs = {{y, Type::f64}};
    double value = std::numeric_limits<double>::denorm_min() * 4;
    const void* inputs[] = {&value};
    void* outputs[] = {&value};
    Interpreter(program).run({inputs, outputs, nullptr, nullptr, nullptr, 0, 0, 1}, 0, 1);
    const unsigned after = __builtin_ia32_stmxcsr();
    __builtin_ia32_ldmxcsr(0x1f80);
    EXPECT_EQ(after & 0x8040, 0x8040U);
    EXPECT_EQ(value, std::numeric_limits<double>::denorm_min() * 2);
#else
    GTEST_SKIP() << "x86 has flush-to-zero in MXCSR";
#endif
}

TEST(Graph, FoldsConstantsAndSharesNodes) {
    Graph g;
    const NodeId x = g.make(Op::input, Type::f64, {}, 0);
    const NodeId y = g.make(Op::input, Type::f64, {}, 1);
    EXPECT_EQ(g.make(Op::add, Type::f64, {x, y}), g.make(Op::add, Type::f64, {y, x}));
    EXPECT_NE(g.make(Op::sub, Type::f64, {x, y}), g.make(Op::sub, Type::f64, {y, x}));
    const NodeId three = g.make(Op::add, Type::f64, {g.constant(Type::f64, 1), g.constant(Type::f64, 2)});
    EXPECT_EQ(g.value(three), 3);
    EXPECT_EQ(g.make(Op::mul, Type::f64, {x, g.constant(Type::f64, 1)}), x);
    // x + 0 would turn -0 into +0.
    EXPECT_NE(g.make(Op::add, Type::f64, {x, g.constant(Type::f64, 0.0)}), x);
    EXPECT_EQ(g.make(Op::add, Type::f64, {x, g.constant(Type::f64, -0.0)}), x);
}

TEST(Semantics, MinAndMaxOrderZerosAndPropagateNan) {
    const double nan = std::numeric_limits<double>::quiet_NaN();
    const auto apply = [](Op op, double a, double b) {
        const void* args[] = {&a, &b};
        double out = 0;
        primitive_function(op, Type::f64)(args, &out, 1);
        return out;
    };
    EXPECT_TRUE(std::signbit(apply(Op::min, 0.0, -0.0)));
    EXPECT_TRUE(std::signbit(apply(Op::min, -0.0, 0.0)));
    EXPECT_FALSE(std::signbit(apply(Op::max, -0.0, 0.0)));
    EXPECT_FALSE(std::signbit(apply(Op::max, 0.0, -0.0)));
    EXPECT_TRUE(std::isnan(apply(Op::min, nan, 1)));
    EXPECT_TRUE(std::isnan(apply(Op::max, 1, nan)));
    EXPECT_EQ(apply(Op::min, -2, 3), -2);
    EXPECT_EQ(apply(Op::max, -2, 3), 3);
}

TEST(Semantics, LdexpRoundsOnceIntoTheSubnormals) {
    const auto ldexp = [](double a, double b) {
        const void* args[] = {&a, &b};
        double out = 0;
        primitive_function(Op::ldexp, Type::f64)(args, &out, 1);
        return out;
    };
    for (int n = -1080; n <= 1025; ++n) {
        for (const double a : {1.0, 1.5, 0.75, 1.9999999999999998, 0.5000000000000001}) {
            EXPECT_EQ(ldexp(a, n), std::ldexp(a, n)) << a << ' ' << n;
        }
    }
}

TEST(Hoist, MovesWhatIsUniformIntoThePrologue) {
    Program program;
    Graph& g = program.graph;
    const NodeId x = g.make(Op::input, Type::f32, {}, 0);
    const NodeId a = g.make(Op::uniform, Type::f32, {}, 0);
    const NodeId scale = g.make(Op::sqrt, Type::f32, {g.make(Op::add, Type::f32, {a, g.constant(Type::f32, 1)})});
    program.inputs = {{"x", Type::f32}};
    program.outputs = {{g.make(Op::mul, Type::f32, {x, scale}), Type::f32}};
    const Prologue prologue = hoist(program, 1);
    EXPECT_EQ(reachable(program.graph, program.roots()).size(), 3U);  // x, the slot, the product
    std::vector<std::uint64_t> slots(prologue.slots());
    slots[0] = 0x4040000040400000;  // 3.0f twice
    prologue.run(slots.data());
    std::vector<float> values{1, 2, 3};
    const void* inputs[] = {values.data()};
    void* outputs[] = {values.data()};
    Interpreter(program).run({inputs, outputs, slots.data(), nullptr, nullptr, 0, 0, 1}, 0, 3);
    EXPECT_EQ(values, (std::vector<float>{2, 4, 6}));
}

}  // namespace
}  // namespace bitaxon::jit
