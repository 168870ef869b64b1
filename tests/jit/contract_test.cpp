#include "../../jit/src/optimise/contract.hpp"
#include "../../jit/src/optimise/cost.hpp"
#include "optimise_support.hpp"

#include <gtest/gtest.h>

namespace bitaxon::jit {
namespace {

using namespace optimise_test;

Optimised contracted(const Expression& e, optimise_test::Term root) {
    return e.optimise(root, MathMode::contract);
}

TEST(Contract, AProductWithOneUseIsFusedIntoItsSum) {
    Expression e;
    EXPECT_EQ(count_of(contracted(e, e.x * e.y + e.z), Op::fma), 1u);
    EXPECT_EQ(count_of(contracted(e, e.z + e.x * e.y), Op::fma), 1u);
    EXPECT_EQ(count_of(contracted(e, e.x * e.y - e.z), Op::fms), 1u);
    EXPECT_EQ(count_of(contracted(e, e.z - e.x * e.y), Op::fnma), 1u);
    EXPECT_EQ(count_of(contracted(e, e.z + -(e.x * e.y)), Op::fnma), 1u);
    EXPECT_EQ(operations(contracted(e, e.x * e.y + e.z)), 1u);
}

TEST(Contract, StrictNeverFuses) {
    Expression e;
    const Optimised o = e.optimise(e.x * e.y + e.z, MathMode::strict);
    EXPECT_EQ(count_of(o, Op::fma), 0u);
    EXPECT_EQ(count_of(o, Op::mul), 1u);
}

TEST(Contract, AProductWithTwoUsesStays) {
    Expression e;
    const optimise_test::Term product = e.x * e.y;
    const Optimised o = contracted(e, (product + e.z) * (product - e.z));
    EXPECT_EQ(count_of(o, Op::mul), 2u);
    EXPECT_EQ(count_of(o, Op::fma) + count_of(o, Op::fms), 0u);

    const std::array<NodeId, 2> roots{(product + e.z).id, product.id};
    const Optimised two = optimise(e.graph, roots, MathMode::contract);
    EXPECT_EQ(count_of(two, Op::mul), 1u) << "a root is a use";
}

TEST(Contract, FastFusesAProductIntoAllOfItsSums) {
    Expression e;
    const optimise_test::Term product = e.x * e.x;
    const std::array<NodeId, 2> roots{(product + e.z).id, (product - e.y).id};
    const Rewritten o = rewrite::contract(e.graph, roots, true);
    EXPECT_EQ(count_of(o, Op::mul), 0u);
    EXPECT_EQ(rewrite::cost(e.graph, roots), 2u);
}

TEST(Contract, OfTwoProductsTheFirstIsFused) {
    Expression e;
    const optimise_test::Term first = e.x * e.y;
    const optimise_test::Term second = e.y * e.z;
    const Optimised o = contracted(e, first - second);
    EXPECT_EQ(count_of(o, Op::fms), 1u);
    EXPECT_EQ(count_of(o, Op::mul), 1u);
    const Inputs inputs{1 + 0x1p-30, 1 - 0x1p-30, 3};
    EXPECT_EQ(Evaluator(o.graph, inputs)[o.roots[0]],
              std::fma(inputs[0], inputs[1], -(inputs[1] * inputs[2])));
}

TEST(Contract, ANegatedProductIsFusedWithoutChangingTheSignOfZero) {
    Expression e;
    const optimise_test::Term root = -(e.x * e.y) - e.z;
    const Optimised o = contracted(e, root);
    EXPECT_EQ(operations(o), 2u);
    HostileNumbers hostile;
    for (int i = 0; i < 2000; ++i) {
        const Inputs inputs{hostile(), hostile(), hostile()};
        const double expected = std::fma(-inputs[0], inputs[1], -inputs[2]);
        ASSERT_TRUE(same_bits(Evaluator(o.graph, inputs)[o.roots[0]], expected));
    }
}

TEST(Contract, IntegersAreNotFused) {
    Expression e(Type::i64);
    EXPECT_EQ(count_of(contracted(e, e.x * e.y + e.z), Op::mul), 1u);
}

TEST(Contract, ChainsAndPowersAreFusedFromTheInside) {
    Expression e;
    const Optimised o = contracted(e, e.x * e.y + pow(e.z, 2) + 1.0);
    EXPECT_EQ(operations(o), 3u);  // mul, fma, add: one product has no sum left
    const Optimised square = contracted(e, pow(e.x, 2) + e.y);
    EXPECT_EQ(count_of(square, Op::fma), 1u);
}

TEST(Contract, EqualGraphsGiveEqualResults) {
    for (const MathMode mode : {MathMode::contract, MathMode::fast}) {
        Expression e;
        Expression f;
        const auto build = [](Expression& g) {
            const optimise_test::Term a = g.x * g.y;
            const optimise_test::Term b = a + g.z * g.z;
            return b * g.x - a;
        };
        const Optimised first = e.optimise(build(e), mode);
        const Optimised second = f.optimise(build(f), mode);
        EXPECT_EQ(print(first.graph, first.roots), print(second.graph, second.roots));
        EXPECT_EQ(first.applied, second.applied);
    }
}

}  // namespace
}  // namespace bitaxon::jit
