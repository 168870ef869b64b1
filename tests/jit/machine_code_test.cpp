// Machine code of every target that this CPU runs against the interpreter, bit for bit.
#include "machine_code_support.hpp"
#include "random_program.hpp"

#include "ir/out_of_line.hpp"

#include <algorithm>

#include <sys/wait.h>
#include <unistd.h>

namespace bitaxon::jit {
namespace {

using test::Rows;

class MachineCodeTest : public ::testing::TestWithParam<Target> {
  protected:
    void SetUp() override {
        if (!test::can_run(GetParam())) {
            GTEST_SKIP() << "this CPU does not run " << name(GetParam());
        }
    }

    static void check(const Program& program, const Rows& run, const CodeOptions& options = {}) {
        const Interpreter interpreter(program);
        test::expect_agreement(program, interpreter, generate(program, GetParam(), options), run);
    }

    /// All row counts that straddle a few vectors, from several beginnings.
    static void check_row_counts(const Program& program, const CodeOptions& options = {}) {
        const Interpreter interpreter(program);
        const MachineCode code = generate(program, GetParam(), options);
        const bool has_bits = std::any_of(program.outputs.begin(), program.outputs.end(),
                                          [](const ProgramOutput& output) { return output.bits; });
        for (std::int64_t rows = 0; rows <= 70; ++rows) {
            for (const std::int64_t begin : {0, has_bits ? 8 : 3, 16}) {
                Rows run;
                run.begin = begin;
                run.end = begin + rows;
                run.seed = static_cast<std::uint64_t>(rows * 31 + begin);
                run.guard_at_end = rows % 2 == 0;
                test::expect_agreement(program, interpreter, code, run);
                if (HasFailure()) {
                    return;
                }
            }
        }
    }
};

INSTANTIATE_TEST_SUITE_P(Targets, MachineCodeTest, ::testing::ValuesIn(test::kTargets),
                         [](const auto& target) { return std::string(name(target.param)); });

// One primitive, each type.

struct OpCase {
    Op op;
    Type type;
    std::vector<Type> args;
};

std::vector<OpCase> op_cases() {
    std::vector<OpCase> cases;
    const auto add = [&](std::initializer_list<Op> ops, std::initializer_list<Type> types,
                         std::size_t arity) {
        for (const Op op : ops) {
            for (const Type type : types) {
                cases.push_back({op, type, std::vector<Type>(arity, type)});
            }
        }
    };
    using enum Type;
    add({Op::add, Op::sub, Op::mul}, {f32, f64, i32, i64}, 2);
    add({Op::div, Op::lesser, Op::greater, Op::min, Op::max}, {f32, f64}, 2);
    add({Op::sqrt, Op::round, Op::floor, Op::ceil, Op::trunc}, {f32, f64}, 1);
    add({Op::fma, Op::fms, Op::fnma}, {f32, f64}, 3);
    add({Op::bit_and, Op::bit_or, Op::bit_xor, Op::bit_andnot}, {f32, f64, i32, i64}, 2);
    add({Op::shl, Op::shr, Op::sar}, {i32, i64}, 2);
    add({Op::mul_low_u32}, {i64}, 2);
    for (const Op op :
         {Op::float_less, Op::float_less_equal, Op::float_equal, Op::float_unordered}) {
        cases.push_back({op, m32, {f32, f32}});
        cases.push_back({op, m64, {f64, f64}});
    }
    for (const Op op : {Op::int_less, Op::int_equal}) {
        cases.push_back({op, m32, {i32, i32}});
        cases.push_back({op, m64, {i64, i64}});
    }
    cases.push_back({Op::f64_from_f32, f64, {f32}});
    cases.push_back({Op::f32_from_f64, f32, {f64}});
    cases.push_back({Op::f32_from_i32, f32, {i32}});
    cases.push_back({Op::f64_from_i32, f64, {i32}});
    cases.push_back({Op::i64_from_i32, i64, {i32}});
    cases.push_back({Op::i32_from_i64, i32, {i64}});
    return cases;
}

TEST_P(MachineCodeTest, EveryPrimitiveGivesTheInterpretersBits) {
    for (const OpCase& c : op_cases()) {
        Program program;
        std::vector<NodeId> args;
        for (std::size_t i = 0; i < c.args.size(); ++i) {
            program.inputs.push_back({"x", c.args[i]});
            args.push_back(program.graph.make(Op::input, c.args[i], {}, i));
        }
        const NodeId result = program.graph.make(c.op, c.type, args);
        const Type stored = is_mask(c.type) ? integer_of(c.type) : c.type;
        program.outputs = {{result, stored}};
        if (is_mask(c.type)) {
            program.outputs.push_back({result, c.type, false, true});
            program.outputs.push_back({result, c.type});
        }
        Rows run;
        run.end = 1003;
        check(program, run);
        check(program, run, {.unroll = 1});
        if (HasFailure()) {
            return;
        }
    }
}

TEST_P(MachineCodeTest, MinAndMaxOfConstantsKeepSignsOfZeroAndNaN) {
    constexpr double infinity = std::numeric_limits<double>::infinity();
    for (const Type type : {Type::f32, Type::f64}) {
        for (const double value : {0.0, -0.0, 1.5, -0.5, infinity, -infinity, std::nan("")}) {
            Program program;
            Graph& g = program.graph;
            program.inputs = {{"x", type}};
            const NodeId x = g.make(Op::input, type, {}, 0);
            const NodeId c = g.constant(type, value);
            program.outputs = {{g.make(Op::min, type, {x, c}), type},
                               {g.make(Op::max, type, {x, c}), type},
                               {g.make(Op::lesser, type, {x, c}), type},
                               {g.make(Op::greater, type, {c, x}), type}};
            Rows run;
            run.end = 401;
            check(program, run);
        }
    }
}

TEST_P(MachineCodeTest, ConversionsToIntegersTruncate) {
    for (const Type from : {Type::f32, Type::f64}) {
        Program program;
        Graph& g = program.graph;
        program.inputs = {{"x", from}};
        const NodeId x = g.make(Op::input, from, {}, 0);
        const NodeId low = g.make(Op::greater, from, {x, g.constant(from, -2147483520.0)});
        const NodeId in_range = g.make(Op::lesser, from, {low, g.constant(from, 2147483520.0)});
        program.outputs = {
            {g.make(from == Type::f32 ? Op::i32_from_f32 : Op::i32_from_f64, Type::i32, {in_range}),
             Type::i32}};
        Rows run;
        run.end = 1003;
        check(program, run);
    }
}

TEST_P(MachineCodeTest, MasksChangeTheirWidth) {
    Program program;
    Graph& g = program.graph;
    program.inputs = {{"x", Type::i32}, {"y", Type::i64}};
    const NodeId x = g.make(Op::input, Type::i32, {}, 0);
    const NodeId y = g.make(Op::input, Type::i64, {}, 1);
    const NodeId narrow = g.make(Op::int_less, Type::m32, {x, g.integer(Type::i32, 3)});
    const NodeId wide = g.make(Op::int_less, Type::m64, {y, g.integer(Type::i64, 3)});
    const NodeId widened = g.make(Op::m64_from_m32, Type::m64, {narrow});
    const NodeId narrowed = g.make(Op::m32_from_m64, Type::m32, {wide});
    program.outputs = {
        {widened, Type::i64},
        {narrowed, Type::i32},
        {g.make(Op::bit_xor, Type::i64, {widened, y}), Type::i64},
        {g.make(Op::select, Type::i32, {narrowed, x, g.integer(Type::i32, 9)}), Type::i32},
        {widened, Type::m64, false, true},
        {narrowed, Type::m32, false, true}};
    Rows run;
    run.end = 203;
    check(program, run);
}

// Every argument of every form, from an array that is not aligned.
TEST_P(MachineCodeTest, SelectsTakeEitherSideFromAnywhere) {
    for (const Type type : {Type::f32, Type::f64, Type::i32, Type::i64}) {
        Program program;
        Graph& g = program.graph;
        const Type condition = integer_of(type);
        program.inputs = {{"c", condition}, {"x", type}, {"y", type}};
        const NodeId c = g.make(Op::input, condition, {}, 0);
        const NodeId x = g.make(Op::input, type, {}, 1);
        const NodeId y = g.make(Op::input, type, {}, 2);
        const NodeId zero = g.constant(type, 0);
        const NodeId three = g.constant(type, 3);
        const NodeId mask = g.make(Op::int_less, mask_of(type), {c, g.integer(condition, 2)});
        program.outputs = {{g.make(Op::select, type, {mask, x, zero}), type},
                           {g.make(Op::select, type, {mask, zero, y}), type},
                           {g.make(Op::select, type, {mask, three, y}), type},
                           {g.make(Op::select, type, {mask, x, three}), type},
                           {g.make(Op::bit_and, type, {mask, x}), type},
                           {g.make(Op::bit_andnot, type, {mask, y}), type},
                           {g.make(Op::bit_andnot, type, {x, mask}), type},
                           {g.make(Op::bit_or, type, {mask, x}), type}};
        check_row_counts(program);
    }
}

TEST_P(MachineCodeTest, ShiftsByConstantsReachTheWidth) {
    for (const Type type : {Type::i32, Type::i64}) {
        for (const std::int64_t count : {1, 15, 31, 32, 33, 63, 64, 65, 300, -1}) {
            for (const Op op : {Op::shl, Op::shr, Op::sar}) {
                Program program;
                Graph& g = program.graph;
                program.inputs = {{"x", type}};
                const NodeId x = g.make(Op::input, type, {}, 0);
                program.outputs = {{g.make(op, type, {x, g.integer(type, count)}), type}};
                Rows run;
                run.end = 99;
                check(program, run);
            }
        }
    }
}

TEST_P(MachineCodeTest, LdexpRoundsOnceOverItsWholeRange) {
    for (const Type type : {Type::f32, Type::f64}) {
        Program program;
        Graph& g = program.graph;
        program.inputs = {{"n", integer_of(type)}, {"a", type}};
        const bool wide = type == Type::f64;
        const NodeId n = g.make(Op::input, integer_of(type), {}, 0);
        const NodeId a = g.make(Op::input, type, {}, 1);
        // Bits in place of a number: exponents -2 to 2, any fraction and sign.
        const std::uint64_t fraction = wide ? 0x800fffffffffffff : 0x807fffff;
        const NodeId digits = g.make(Op::bit_and, type, {a, g.constant_bits(type, fraction)});
        const int shift = wide ? 52 : 23;
        const NodeId exponent =
            g.make(Op::add, integer_of(type),
                   {g.make(Op::bit_and, integer_of(type), {n, g.integer(integer_of(type), 3)}),
                    g.integer(integer_of(type), wide ? 1021 : 125)});
        const NodeId value =
            g.make(Op::bit_or, type,
                   {digits, g.make(Op::shl, integer_of(type),
                                   {exponent, g.integer(integer_of(type), shift)})});
        const NodeId row = g.make(Op::row, Type::i64, {});
        NodeId number =
            g.make(Op::f64_from_i32, Type::f64, {g.make(Op::i32_from_i64, Type::i32, {row})});
        number =
            g.make(Op::sub, Type::f64, {number, g.constant(Type::f64, 1000 + (wide ? 2200 : 300))});
        const NodeId by = wide ? number : g.make(Op::f32_from_f64, Type::f32, {number});
        program.outputs = {{g.make(Op::ldexp, type, {value, by}), type}};
        Rows run;
        run.end = wide ? 4401 : 601;
        check(program, run);
    }
}

// Shapes of programs.

Program affine() {
    Program program;
    Graph& g = program.graph;
    program.inputs = {{"x", Type::f64}, {"y", Type::f64}};
    const NodeId x = g.make(Op::input, Type::f64, {}, 0);
    const NodeId y = g.make(Op::input, Type::f64, {}, 1);
    const NodeId sum = g.make(Op::add, Type::f64, {x, y});
    program.outputs = {{g.make(Op::add, Type::f64, {sum, g.constant(Type::f64, 10)}), Type::f64}};
    return program;
}

TEST_P(MachineCodeTest, AllRowCountsStayInsideTheirArrays) {
    for (const int unroll : {0, 1, 2, 4}) {
        check_row_counts(affine(), {.unroll = unroll});
    }
    for (const bool wide : {false, true}) {
        for (const int nodes : {5, 40, 150}) {
            test::RandomProgram random(static_cast<std::uint64_t>(nodes),
                                       {.nodes = nodes, .wide = wide});
            const Interpreter interpreter(random.program());
            const MachineCode code = generate(random.program(), GetParam());
            for (std::int64_t rows = 0; rows <= 70; ++rows) {
                Rows run;
                run.begin = rows % 3 * 8;
                run.end = run.begin + rows;
                run.uniforms = random.uniforms();
                run.guard_at_end = rows % 2 == 0;
                test::expect_agreement(random.program(), interpreter, code, run);
                ASSERT_FALSE(HasFailure());
            }
        }
    }
}

// Long runs of short bodies start with a part of a vector, so that stores are aligned.
TEST_P(MachineCodeTest, OutputsMayBeginAnywhere) {
    for (const Type type : {Type::f32, Type::f64}) {
        Program program;
        Graph& g = program.graph;
        program.inputs = {{"x", type}};
        const NodeId x = g.make(Op::input, type, {}, 0);
        program.outputs = {{g.make(Op::mul, type, {x, x}), type},
                           {g.make(Op::sub, type, {x, g.constant(type, 3)}), type}};
        const Interpreter interpreter(program);
        const MachineCode code = generate(program, GetParam());
        for (std::int64_t begin = 0; begin < 20; ++begin) {
            for (const std::int64_t rows : {63, 64, 127, 128, 300, 301}) {
                Rows run;
                run.begin = begin;
                run.end = begin + rows;
                run.guard_at_end = rows % 2 == 0;
                test::expect_agreement(program, interpreter, code, run);
            }
        }
    }
}

// Elements of one and two bytes beside whole lanes.
TEST_P(MachineCodeTest, NarrowElementsStayInsideTheirArrays) {
    for (const Type type : {Type::f32, Type::f64}) {
        Program program;
        Graph& g = program.graph;
        program.inputs = {{"x", type}, {"k", Type::i32}};
        const NodeId x = g.make(Op::input, type, {}, 0);
        const NodeId k = g.make(Op::input, Type::i32, {}, 1);
        const NodeId count = g.integer(Type::i32, 16);
        const NodeId high = g.make(Op::shl, Type::i32, {k, count});
        program.outputs = {
            {g.make(Op::sar, Type::i32, {high, count}), Type::i16},
            {g.make(Op::float_less, mask_of(type), {x, g.constant(type, 1)}), Type::m32},
            {g.make(Op::mul, type, {x, x}), type}};
        for (const int unroll : {0, 1, 3}) {
            check_row_counts(program, {.unroll = unroll});
        }
    }
}

// Four rows are half a byte: vectors, or tiles of one, join their halves.
TEST_P(MachineCodeTest, PackedBitsFillTheirBytes) {
    for (const Type type : {Type::f32, Type::f64}) {
        Program program;
        Graph& g = program.graph;
        program.inputs = {{"x", type}, {"y", type, true}};
        const NodeId x = g.make(Op::input, type, {}, 0);
        const NodeId sum = g.make(Op::add, type, {x, g.make(Op::input, type, {}, 1)});
        program.states = {{0, sum}};
        program.outputs = {
            {sum, type},
            {g.make(Op::float_less, mask_of(type), {x, sum}), mask_of(type), true, true}};
        for (const int unroll : {1, 3}) {
            check_row_counts(program, {.unroll = unroll});
        }
    }
}

TEST_P(MachineCodeTest, RandomProgramsAgree) {
    for (std::uint64_t seed = 1; seed <= 300; ++seed) {
        const bool wide = seed % 2 == 0;
        const int nodes = static_cast<int>(5 + seed * 7 % 296);
        const std::size_t reach = seed % 3 == 0 ? 60 : 10;
        test::RandomProgram random(seed, {.nodes = nodes, .wide = wide, .reach = reach});
        Rows run;
        run.end = 101;
        run.seed = seed;
        run.uniforms = random.uniforms();
        check(random.program(), run);
        ASSERT_FALSE(HasFailure()) << "seed " << seed;
    }
}

TEST_P(MachineCodeTest, RandomStepProgramsAgree) {
    for (std::uint64_t seed = 1; seed <= 300; ++seed) {
        const bool wide = seed % 2 == 0;
        const int nodes = static_cast<int>(3 + seed * 5 % 120);
        const int states = static_cast<int>(1 + seed * 3 % 14);
        test::RandomProgram random(
            seed,
            {.nodes = nodes, .wide = wide, .states = states, .reach = seed % 3 == 0 ? 40U : 8U});
        Rows run;
        run.begin = static_cast<std::int64_t>(seed % 4) * 8;
        run.end = 150 - static_cast<std::int64_t>(seed % 9);
        run.steps = static_cast<std::int64_t>(1 + seed % 6);
        run.seed = seed;
        run.uniforms = random.uniforms();
        for (int k = 0; k < states; ++k) {
            run.in_place.push_back(seed % 5 == 0 ? -1 : k);
        }
        check(random.program(), run);
        ASSERT_FALSE(HasFailure()) << "seed " << seed;
    }
}

TEST_P(MachineCodeTest, StatesMayTradePlaces) {
    for (const int count : {2, 3, 5, 24, 40}) {
        Program program;
        Graph& g = program.graph;
        std::vector<NodeId> now;
        Rows run;
        for (int k = 0; k < count; ++k) {
            program.inputs.push_back({"s", Type::f64});
            now.push_back(g.make(Op::input, Type::f64, {}, static_cast<std::uint64_t>(k)));
            run.in_place.push_back(k);
        }
        for (int k = 0; k < count; ++k) {
            const NodeId next = now[static_cast<std::size_t>((k + 1) % count)];
            program.states.push_back({static_cast<std::uint32_t>(k), next});
            program.outputs.push_back({next, Type::f64});
        }
        run.end = 61;
        run.steps = 7;
        check(program, run);
    }
}

TEST_P(MachineCodeTest, ManyInputsAliveAtOnceAreSpilled) {
    Program program;
    Graph& g = program.graph;
    std::vector<NodeId> squares;
    for (std::uint64_t i = 0; i < 60; ++i) {
        program.inputs.push_back({"x", Type::f64});
        const NodeId x = g.make(Op::input, Type::f64, {}, i);
        squares.push_back(g.make(Op::mul, Type::f64, {x, x}));
    }
    NodeId sum = squares[0];
    for (std::size_t i = 1; i < squares.size(); ++i) {
        sum = g.make(Op::fma, Type::f64, {sum, squares[i], squares[(i * 7) % squares.size()]});
    }
    program.outputs = {{sum, Type::f64}};
    EXPECT_GT(generate(program, GetParam()).spills, 0);
    check_row_counts(program);
}

// Operations that a target joins may find each of their values in a register, in an array, among
// the constants or on the stack, needed again or not.
TEST_P(MachineCodeTest, LogicReadsItsValuesFromAnywhere) {
    constexpr Op ops[] = {Op::bit_and, Op::bit_or, Op::bit_xor, Op::bit_andnot};
    for (const Type type : {Type::i32, Type::i64, Type::f32, Type::f64}) {
        for (std::uint64_t seed = 1; seed <= 40; ++seed) {
            std::mt19937_64 random(seed);
            Program program;
            Graph& g = program.graph;
            Rows run;
            for (int k = 0; k < 2; ++k) {
                run.uniforms.push_back((random() >> 32) * 0x100000001);
            }
            std::vector<NodeId> values = {
                g.make(Op::uniform, type, {}, 0), g.make(Op::uniform, type, {}, 1),
                g.constant_bits(type, 0x5a5a5a5a), g.constant_bits(type, 0x0ff00ff0)};
            const std::uint64_t inputs = seed % 4 == 0 ? 40 : 3;
            for (std::uint64_t k = 0; k < inputs; ++k) {
                program.inputs.push_back({"x", type});
                values.push_back(g.make(Op::input, type, {}, k));
            }
            const std::size_t first = values.size();
            for (std::uint64_t k = 0; k < 10 + 2 * inputs; ++k) {
                const auto pick = [&] { return values[random() % values.size()]; };
                values.push_back(g.make(ops[random() % 4], type, {pick(), pick()}));
            }
            for (std::size_t k = first; k < values.size(); k += 7) {
                program.outputs.push_back({values[k], type});
            }
            run.end = 67;
            run.seed = seed;
            check(program, run);
            ASSERT_FALSE(HasFailure()) << "seed " << seed;
        }
    }
}

// x and y trade places: both are read before either is written.
TEST_P(MachineCodeTest, OutputsMayOverwriteInputs) {
    Program program;
    Graph& g = program.graph;
    program.inputs = {{"x", Type::f64}, {"y", Type::f64}, {"z", Type::f32}};
    const NodeId x = g.make(Op::input, Type::f64, {}, 0);
    const NodeId y = g.make(Op::input, Type::f64, {}, 1);
    const NodeId z = g.make(Op::input, Type::f32, {}, 2);
    program.outputs = {
        {y, Type::f64}, {x, Type::f64}, {g.make(Op::mul, Type::f32, {z, z}), Type::f32}};
    Rows run;
    run.end = 133;
    run.in_place = {0, 1, 2};
    check(program, run);

    // A value that is needed after the first store.
    Program late;
    Graph& h = late.graph;
    late.inputs = {{"a", Type::f64}, {"b", Type::f64}};
    const NodeId a = h.make(Op::input, Type::f64, {}, 0);
    const NodeId b = h.make(Op::input, Type::f64, {}, 1);
    const NodeId first = h.make(Op::add, Type::f64, {a, b});
    NodeId value = first;
    for (int i = 0; i < 200; ++i) {
        value = h.make(Op::fma, Type::f64, {value, i % 2 ? a : b, h.constant(Type::f64, 0.5 + i)});
    }
    late.outputs = {{first, Type::f64}, {value, Type::f64}};
    run.in_place = {0, 1};
    check(late, run);
}

TEST_P(MachineCodeTest, RowsAndStepsAreNumbered) {
    Program program;
    Graph& g = program.graph;
    program.inputs = {{"s", Type::i64}};
    const NodeId state = g.make(Op::input, Type::i64, {}, 0);
    const NodeId key =
        g.make(Op::mul, Type::i64,
               {g.make(Op::row, Type::i64, {}), g.constant_bits(Type::i64, 0x9e3779b97f4a7c15)});
    const NodeId next =
        g.make(Op::add, Type::i64,
               {state, g.make(Op::bit_xor, Type::i64, {key, g.make(Op::step, Type::i64, {})})});
    program.outputs = {{next, Type::i64}, {key, Type::i64, true}};
    program.states = {{0, next}};
    Rows run;
    run.begin = 8;
    run.end = 99;
    run.steps = 5;
    check(program, run);
}

TEST_P(MachineCodeTest, MoreArraysThanGeneralRegisters) {
    for (const bool per_step : {false, true}) {
        Program program;
        Graph& g = program.graph;
        for (std::uint64_t i = 0; i < 20; ++i) {
            program.inputs.push_back({"x", Type::f32, per_step});
            const NodeId x = g.make(Op::input, Type::f32, {}, i);
            program.outputs.push_back({g.make(Op::add, Type::f32, {x, x}), Type::f32, per_step});
            program.outputs.push_back(
                {g.make(Op::float_less, Type::m32, {x, g.constant(Type::f32, 0)}), Type::m32,
                 per_step, true});
        }
        Rows run;
        run.end = 77;
        run.steps = per_step ? 3 : 1;
        check(program, run);
    }
}

TEST_P(MachineCodeTest, RareLanesCallTheirFunction) {
    for (const int extra : {0, 30}) {
        Program program;
        Graph& g = program.graph;
        program.inputs = {{"x", Type::f64}, {"y", Type::f64}, {"z", Type::f32}, {"n", Type::i64}};
        const NodeId x = g.make(Op::input, Type::f64, {}, 0);
        const NodeId y = g.make(Op::input, Type::f64, {}, 1);
        const NodeId z = g.make(Op::input, Type::f32, {}, 2);
        const NodeId n = g.make(Op::input, Type::i64, {}, 3);
        const NodeId product = g.make(Op::mul, Type::f64, {x, y});
        std::vector<NodeId> alive;
        for (int i = 0; i < extra; ++i) {
            alive.push_back(g.make(Op::mul, Type::f64, {product, g.constant(Type::f64, i + 0.5)}));
        }
        const NodeId large = g.make(Op::float_less, Type::m64, {g.constant(Type::f64, 4), x});
        const NodeId sine = g.make(Op::rare, Type::f64, {large, y, x}, out_of_line("sin64"));
        const NodeId one = g.constant(Type::f32, 1);
        const NodeId below = g.make(Op::float_less, Type::m32, {z, g.constant(Type::f32, -1e8)});
        const NodeId remainder =
            g.make(Op::rare, Type::f32, {below, z, z, one}, out_of_line("modulo32"));
        const NodeId small = g.make(Op::int_less, Type::m64, {n, g.integer(Type::i64, 3)});
        const NodeId quotient = g.make(Op::rare, Type::i64, {small, n, n, g.integer(Type::i64, 7)},
                                       out_of_line("floor_divide_i64"));
        NodeId sum = g.make(Op::add, Type::f64, {product, sine});
        for (const NodeId value : alive) {
            sum = g.make(Op::fma, Type::f64, {sum, value, x});
        }
        program.outputs = {{sum, Type::f64},
                           {remainder, Type::f32},
                           {quotient, Type::i64},
                           {large, Type::m64, false, true}};
        check_row_counts(program);
    }
    Program narrow;
    Graph& g = narrow.graph;
    narrow.inputs = {{"z", Type::f32}};
    const NodeId z = g.make(Op::input, Type::f32, {}, 0);
    const NodeId mask = g.make(Op::float_less, Type::m32, {z, g.constant(Type::f32, -4)});
    narrow.outputs = {{g.make(Op::rare, Type::f32, {mask, z, z}, out_of_line("cos32")), Type::f32}};
    check_row_counts(narrow);
}

TEST_P(MachineCodeTest, StreamingStoresWriteTheSame) {
    const Program program = affine();
    const MachineCode code = generate(program, GetParam(), {.streaming_stores = true});
    std::vector<double> x(1000, 1.5);
    alignas(64) static double out[1000];
    const void* inputs[] = {x.data(), x.data()};
    void* outputs[] = {out};
    const Frame frame{inputs, outputs, nullptr, nullptr, nullptr, 0, 0, 1};
    code.function(&frame, 0, 999);
    for (int i = 0; i < 999; ++i) {
        ASSERT_EQ(out[i], 13.0);
    }
    EXPECT_EQ(out[999], 0.0);
}

// Surroundings.

TEST_P(MachineCodeTest, ListingIsTextOnlyWhenAskedFor) {
    EXPECT_TRUE(generate(affine(), GetParam()).listing.empty());
    EXPECT_NE(generate(affine(), GetParam(), {.listing = true}).listing.find("add"),
              std::string::npos);
}

TEST_P(MachineCodeTest, CodeOutlivesItsProgramAndMoves) {
    MachineCode code = generate(affine(), GetParam());
    MachineCode moved = std::move(code);
    EXPECT_EQ(moved.memory.data(), std::bit_cast<const void*>(moved.function));
    const double x = 2;
    double out = 0;
    const void* inputs[] = {&x, &x};
    void* outputs[] = {&out};
    const Frame frame{inputs, outputs, nullptr, nullptr, nullptr, 0, 0, 1};
    moved.function(&frame, 0, 1);
    EXPECT_EQ(out, 14.0);
}

TEST_P(MachineCodeTest, RunsAndCompilesInAForkedChild) {
    const MachineCode code = generate(affine(), GetParam());
    const pid_t child = fork();
    if (child == 0) {
        const MachineCode fresh = generate(affine(), GetParam());
        const double x = 2;
        double out[2] = {0, 0};
        const void* inputs[] = {&x, &x};
        bool right = true;
        for (const MachineCode* each : {&code, &fresh}) {
            void* outputs[] = {out};
            const Frame frame{inputs, outputs, nullptr, nullptr, nullptr, 0, 0, 1};
            each->function(&frame, 0, 1);
            right = right && out[0] == 14.0 && out[1] == 0.0;
            out[0] = 0;
        }
        _exit(right ? 0 : 1);
    }
    int status = -1;
    waitpid(child, &status, 0);
    EXPECT_TRUE(WIFEXITED(status));
    EXPECT_EQ(WEXITSTATUS(status), 0);
}

#if defined(__x86_64__)
constexpr std::uint64_t kForeignFloatMode = 0xff80;  // flushes, and rounds towards zero
std::uint64_t float_mode() { return __builtin_ia32_stmxcsr(); }
void set_float_mode(std::uint64_t mode) { __builtin_ia32_ldmxcsr(static_cast<unsigned>(mode)); }
#else
constexpr std::uint64_t kForeignFloatMode = 0x1c00000;  // the same in FPCR
std::uint64_t float_mode() {
    std::uint64_t mode = 0;
    asm volatile("mrs %0, fpcr" : "=r"(mode));
    return mode;
}
void set_float_mode(std::uint64_t mode) { asm volatile("msr fpcr, %0" : : "r"(mode)); }
#endif

TEST_P(MachineCodeTest, TheCallersFloatModesAreNeitherUsedNorLost) {
    Program program;
    Graph& g = program.graph;
    program.inputs = {{"x", Type::f64}};
    const NodeId x = g.make(Op::input, Type::f64, {}, 0);
    program.outputs = {{g.make(Op::mul, Type::f64, {x, g.constant(Type::f64, 0.5)}), Type::f64}};
    const MachineCode code = generate(program, GetParam());
    double value = std::numeric_limits<double>::denorm_min() * 4;
    const void* inputs[] = {&value};
    void* outputs[] = {&value};
    const Frame frame{inputs, outputs, nullptr, nullptr, nullptr, 0, 0, 1};
    const std::uint64_t saved = float_mode();
    set_float_mode(kForeignFloatMode);
    code.function(&frame, 0, 1);
    const std::uint64_t after = float_mode();
    set_float_mode(saved);
    EXPECT_EQ(after, kForeignFloatMode);
    EXPECT_EQ(std::bit_cast<std::uint64_t>(value), 2U);
}

}  // namespace
}  // namespace bitaxon::jit
