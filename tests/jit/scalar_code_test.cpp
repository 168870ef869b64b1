// One row of integers in general registers against the interpreter, bit for bit.
#include "machine_code_support.hpp"

#include <bitaxon/core/error.hpp>

#if defined(__x86_64__)

namespace bitaxon::jit {
namespace {

// Two states, and nodes that read those before them: what rules of integers are made of.
class RandomSteps {
  public:
    explicit RandomSteps(std::uint64_t seed) : random_(seed), type_(pick_type()) {
        program_.inputs = {{"a", type_}, {"b", type_}, {"c", type_, true}};
        for (std::uint64_t k = 0; k < program_.inputs.size(); ++k) {
            numbers_.push_back(g_.make(Op::input, type_, {}, k));
        }
        numbers_.push_back(g_.make(Op::uniform, type_, {}, 0));
        numbers_.push_back(g_.integer(type_, static_cast<std::int64_t>(below(7)) - 3));
        masks_.push_back(g_.make(Op::int_less, mask_of(type_), {numbers_[0], numbers_[1]}));
        const std::size_t count = 4 + below(16);
        for (std::size_t k = 0; k < count; ++k) {
            add();
        }
        // Each state is read by both next values, so that none is left out.
        const NodeId sum = g_.make(Op::add, type_, {numbers_[0], numbers_[1]});
        const NodeId first = g_.make(Op::add, type_, {last(numbers_), sum});
        const NodeId second = g_.make(Op::sub, type_, {number(), sum});
        program_.outputs = {
            {first, type_}, {second, type_}, {last(masks_), mask_of(type_), true, true}};
        program_.states = {{0, first}, {1, second}};
    }
    const Program& program() const { return program_; }

  private:
    std::size_t below(std::size_t n) { return random_() % n; }
    Type pick_type() { return below(4) == 0 ? Type::i64 : Type::i32; }
    static NodeId last(const std::vector<NodeId>& list) { return list.back(); }
    NodeId number() {
        return numbers_[numbers_.size() - 1 - below(std::min<std::size_t>(numbers_.size(), 6))];
    }
    NodeId mask() { return masks_[below(masks_.size())]; }

    void add() {
        const Type mask_type = mask_of(type_);
        switch (below(10)) {
        case 0:
            masks_.push_back(g_.make(Op::int_less, mask_type, {number(), number()}));
            break;
        case 1:
            masks_.push_back(g_.make(Op::int_equal, mask_type, {number(), number()}));
            break;
        case 2:  // not
            masks_.push_back(g_.make(Op::bit_xor, mask_type,
                                     {mask(), g_.constant_bits(mask_type, ~std::uint64_t{0})}));
            break;
        case 3:
            masks_.push_back(g_.make(Op::bit_and, mask_type, {mask(), mask()}));
            break;
        case 4:
            numbers_.push_back(g_.make(Op::mul, type_, {number(), number()}));
            break;
        case 5: {  // as i16
            const NodeId sixteen = g_.integer(type_, 16);
            const NodeId up = g_.make(Op::shl, type_, {number(), sixteen});
            numbers_.push_back(g_.make(Op::sar, type_, {up, sixteen}));
            if (below(4) == 0) {
                numbers_.push_back(up);
            }
            break;
        }
        case 6:
            numbers_.push_back(g_.make(Op::add, type_, {number(), number()}));
            break;
        case 7: {  // a comparison that is kept, and its opposite, which outlives what is compared
            const NodeId brief = g_.make(Op::sub, type_, {number(), number()});
            const NodeId less = g_.make(Op::int_less, mask_type, {brief, number()});
            masks_.push_back(g_.make(Op::bit_and, mask_type, {less, mask()}));
            numbers_.push_back(g_.make(Op::select, type_, {last(masks_), number(), number()}));
            masks_.push_back(g_.make(Op::bit_xor, mask_type,
                                     {less, g_.constant_bits(mask_type, ~std::uint64_t{0})}));
            break;
        }
        default:
            numbers_.push_back(g_.make(Op::select, type_, {mask(), number(), number()}));
        }
    }

    std::mt19937_64 random_;
    Type type_;
    Program program_;
    Graph& g_ = program_.graph;
    std::vector<NodeId> numbers_;
    std::vector<NodeId> masks_;
};

TEST(ScalarCode, AgreesWithTheInterpreter) {
    int generated = 0;
    for (std::uint64_t seed = 1; seed <= 400 && !::testing::Test::HasFailure(); ++seed) {
        const RandomSteps random(seed);
        test::Rows run;
        run.end = 1;
        run.steps = 20;
        run.seed = seed;
        run.uniforms = {seed % 5 == 0 ? 3 : seed * 0x9e3779b97f4a7c15};
        if (random.program().graph.type(random.program().outputs[0].value) == Type::i32) {
            run.uniforms[0] = (run.uniforms[0] & 0xffffffff) * 0x100000001;
        }
        try {
            const MachineCode code = generate(random.program(), Target::scalar);
            test::expect_agreement(random.program(), Interpreter(random.program()), code, run);
            ++generated;
        } catch (const Error& error) {
            ASSERT_EQ(error.code(), ErrorCode::unsupported) << error.what();
        }
    }
    EXPECT_GT(generated, 200);
}

// Elements of 2 bytes and of 1, which it would write 4 bytes to.
TEST(ScalarCode, RefusesNarrowOutputs) {
    for (const Type type : {Type::i16, Type::m32}) {
        Program program;
        Graph& g = program.graph;
        program.inputs = {{"a", Type::i32}};
        const NodeId a = g.make(Op::input, Type::i32, {}, 0);
        const NodeId next = g.make(Op::add, Type::i32, {a, g.integer(Type::i32, 1)});
        const NodeId less = g.make(Op::int_less, Type::m32, {a, g.integer(Type::i32, 3)});
        program.outputs = {{next, Type::i32}, {is_mask(type) ? less : next, type, true}};
        program.states = {{0, next}};
        try {
            generate(program, Target::scalar);
            ADD_FAILURE() << name(type);
        } catch (const Error& error) {
            EXPECT_EQ(error.code(), ErrorCode::unsupported) << error.what();
        }
    }
}

}  // namespace
}  // namespace bitaxon::jit

#endif
