#include "unroll.hpp"

#include <algorithm>

namespace bitaxon::jit {
namespace {

constexpr int kMostVectors = 4;
// Bodies up to so many primitives are repeated four times or twice, to spread the loop's own cost.
constexpr int kShortBody = 12;
constexpr int kMiddlingBody = 40;
// Steps follow one another without a pause, so vectors share a body as long as the processor can
// look from one to the next; two are worth some spills.
constexpr int kWindow = 320;
constexpr int kWindowOfTwo = 900;
constexpr int kSpillsOfTwo = 6;
constexpr int kMaskedFrom = 100;

int round_up(int value, int multiple) { return (value + multiple - 1) / multiple * multiple; }

int primitives(const Body& body) {
    return static_cast<int>(std::count_if(body.nodes.begin(), body.nodes.end(),
                                          [](const Node& node) { return !is_leaf(node.op); }));
}

int vectors_of_steps(const Pressure& demand, int length, int registers) {
    const auto fits = [&](int vectors) {
        const int window = vectors > 2 ? kWindow : kWindowOfTwo;
        const int spills = vectors > 2 ? 0 : kSpillsOfTwo;
        return vectors * length <= window && demand.of(vectors) <= registers - 2 + spills;
    };
    int vectors = kMostVectors;
    while (vectors > 1 && !fits(vectors)) {
        --vectors;
    }
    return vectors;
}

}  // namespace

LoopShape choose_loop_shape(const Body& body, const Pressure& demand, int registers, int rows, int wanted, bool streaming) {
    if (rows == 1) {
        return {.tail_vectors = 0};
    }
    const bool has_bits = std::any_of(body.outputs.begin(), body.outputs.end(),
                                      [](const ProgramOutput& output) { return output.bits; });
    // Packed bits are stored by the byte.
    const int least = has_bits ? std::max(1, 8 / rows) : 1;
    const int length = primitives(body);
    LoopShape shape;
    if (wanted > 0) {
        shape.vectors = wanted;
    } else if (body.has_steps) {
        shape.vectors = vectors_of_steps(demand, length, registers);
    } else {
        shape.vectors = length <= kShortBody ? 4 : length <= kMiddlingBody ? 2 : 1;
    }
    shape.vectors = round_up(std::min(shape.vectors, kMostVectors), least);
    shape.tail_vectors = body.has_steps ? shape.vectors : least;
    shape.only_masked =
        !streaming && shape.vectors == shape.tail_vectors && length * shape.vectors > kMaskedFrom;
    return shape;
}

}  // namespace bitaxon::jit
