// What AArch64 code owes its caller and its own limits; its results are compared with the
// interpreter's in machine_code_test.cpp.
#if defined(__aarch64__)

#include "machine_code_support.hpp"

#include "ir/out_of_line.hpp"

#include <array>

namespace bitaxon::jit {
namespace {

// x19 to x28, then the low halves of v8 to v15.
using CalleeSaved = std::array<std::uint64_t, 18>;

// Calls function(frame, begin, end) with `before` in the callee-saved registers, and writes to
// `after` what is in them when it returns.
extern "C" void bitaxon_test_call(RowFunction function, const Frame* frame, std::int64_t begin,
                                  std::int64_t end, const std::uint64_t* before,
                                  std::uint64_t* after);

asm(R"(
    .macro bitaxon_move instruction, base
    \instruction x19, x20, [\base]
    \instruction x21, x22, [\base, 16]
    \instruction x23, x24, [\base, 32]
    \instruction x25, x26, [\base, 48]
    \instruction x27, x28, [\base, 64]
    \instruction d8, d9, [\base, 80]
    \instruction d10, d11, [\base, 96]
    \instruction d12, d13, [\base, 112]
    \instruction d14, d15, [\base, 128]
    .endm

    .text
    .type bitaxon_test_call, %function
bitaxon_test_call:
    stp x29, x30, [sp, -176]!
    str x5, [sp, 16]
    add x9, sp, 32
    bitaxon_move stp, x9
    bitaxon_move ldp, x4
    mov x9, x0
    mov x0, x1
    mov x1, x2
    mov x2, x3
    blr x9
    ldr x5, [sp, 16]
    bitaxon_move stp, x5
    add x9, sp, 32
    bitaxon_move ldp, x9
    ldp x29, x30, [sp], 176
    ret
    .size bitaxon_test_call, . - bitaxon_test_call
)");

// More values and arrays than there are registers, and calls of an out-of-line function.
Program crowded() {
    Program program;
    Graph& g = program.graph;
    std::vector<NodeId> values;
    for (std::uint64_t i = 0; i < 40; ++i) {
        program.inputs.push_back({"x", Type::f64});
        values.push_back(g.make(Op::input, Type::f64, {}, i));
    }
    const NodeId x = values[0];
    const NodeId mask = g.make(Op::float_less, Type::m64, {x, g.constant(Type::f64, 0)});
    NodeId sum = g.make(Op::rare, Type::f64, {mask, x, x}, out_of_line("cos64"));
    for (std::size_t i = 1; i < values.size(); ++i) {
        sum = g.make(Op::fma, Type::f64, {sum, values[i], values[i * 7 % values.size()]});
    }
    program.outputs = {{sum, Type::f64}, {mask, Type::m64, false, true}};
    return program;
}

TEST(A64Generator, KeepsTheRegistersThatBelongToTheCaller) {
    const Program program = crowded();
    const MachineCode code = generate(program, Target::neon);
    test::Rows run;
    run.end = 37;
    const test::Arrays arrays(program, run);
    const Frame frame = arrays.frame(run);
    CalleeSaved before{};
    for (std::size_t i = 0; i < before.size(); ++i) {
        before[i] = 0x0123456789abcdef * (i + 1);
    }
    CalleeSaved after{};
    bitaxon_test_call(code.function, &frame, run.begin, run.end, before.data(), after.data());
    EXPECT_EQ(before, after);
    test::expect_agreement(program, Interpreter(program), code, run);
}

TEST(A64Generator, SlotsAndConstantsMayLieFarAway) {
    // As many values as these wait for the second loop, in slots that no instruction's offset
    // reaches.
    constexpr std::uint64_t kCount = 4500;
    Program program;
    Graph& g = program.graph;
    program.inputs = {{"x", Type::f64}};
    const NodeId x = g.make(Op::input, Type::f64, {}, 0);
    test::Rows run;
    run.end = 9;
    std::vector<NodeId> values;
    for (std::uint64_t i = 0; i < kCount; ++i) {
        const auto number = static_cast<double>(i);
        values.push_back(g.make(
            Op::fma, Type::f64,
            {x, g.constant(Type::f64, number + 0.5), g.make(Op::uniform, Type::f64, {}, i)}));
        run.uniforms.push_back(std::bit_cast<std::uint64_t>(number * 0.25));
    }
    NodeId sum = values[0];
    for (std::uint64_t i = 1; i < kCount; ++i) {
        sum = g.make(Op::fma, Type::f64, {sum, x, values[i * 7919 % kCount]});
    }
    program.outputs = {{sum, Type::f64}};
    const MachineCode code = generate(program, Target::neon);
    EXPECT_GT(code.spills, 4096);
    test::expect_agreement(program, Interpreter(program), code, run);
}

// Tiles of 2, 4 and 8 rows make a byte of 8 in as many parts.
TEST(A64Generator, PackedBitsAreJoinedFromPartsOfAByte) {
    for (const Type type : {Type::f32, Type::f64}) {
        Program program;
        Graph& g = program.graph;
        program.inputs = {{"x", type}};
        const NodeId x = g.make(Op::input, type, {}, 0);
        const NodeId mask = g.make(Op::float_less, mask_of(type), {x, g.constant(type, 0)});
        program.outputs = {{mask, mask_of(type), false, true}};
        for (const int unroll : {1, 2, 3, 4}) {
            const MachineCode code = generate(program, Target::neon, {.unroll = unroll});
            for (std::int64_t rows = 0; rows <= 70; ++rows) {
                test::Rows run;
                run.begin = rows % 3 * 8;
                run.end = run.begin + rows;
                run.seed = static_cast<std::uint64_t>(rows);
                test::expect_agreement(program, Interpreter(program), code, run);
            }
        }
    }
}

}  // namespace
}  // namespace bitaxon::jit

#endif
