#include "unroll.hpp"

#include <algorithm>

namespace bitaxon::jit {
namespace {

constexpr int kMostVectors = 4;
// Without steps the rows of the next iteration fill what pauses there are; vectors share a body to
// spread the loop's own cost, and so that chains stand side by side.
constexpr int kShortBody = 12;
constexpr int kMiddlingBody = 40;
constexpr int kLongBody = 250;
// What a budget leaves for constants on their way, or goes over the registers.
constexpr int kReserve = 2;
constexpr int kExcess = 4;
// Where few vectors share a body of steps, its own chains must run side by side. That is worth
// spills, which cost little beside waiting.
constexpr int kBudgetOfFew = 48;
constexpr int kFewVectors = 2;
constexpr int kMaskedFrom = 100;

int round_up(int value, int multiple) { return (value + multiple - 1) / multiple * multiple; }

// A step waits for the one before. So many vectors keep the pipes busy while the longest chain of
// primitives runs.
int vectors_of_steps(const Scheduler& scheduler) {
    const int busy = Scheduler::kPipes * scheduler.height();
    return std::max(1, round_up(busy, scheduler.length()) / scheduler.length());
}

}  // namespace

LoopShape choose_loop_shape(const Body& body, const Scheduler& scheduler, int registers, int rows,
                            int wanted, bool streaming) {
    if (rows == 1) {
        return {.tail_vectors = 0, .budget = kBudgetOfFew};
    }
    const bool has_bits = std::any_of(body.outputs.begin(), body.outputs.end(),
                                      [](const ProgramOutput& output) { return output.bits; });
    const int length = scheduler.length();
    LoopShape shape;
    if (wanted > 0) {
        shape.vectors = wanted;
    } else if (body.has_steps && length > 0) {
        shape.vectors = vectors_of_steps(scheduler);
    } else {
        shape.vectors = length <= kShortBody ? 4 : length <= kLongBody ? 2 : 1;
    }
    shape.vectors = std::min(shape.vectors, kMostVectors);
    if (has_bits && shape.vectors > 1) {  // a tile is a part of a byte of bits, or whole bytes
        shape.vectors = round_up(shape.vectors, std::max(1, 8 / rows));
    }
    shape.tail_vectors = body.has_steps ? shape.vectors : 1;
    shape.budget = registers - kReserve;
    if (body.has_steps && shape.vectors <= kFewVectors) {
        shape.budget = std::max(shape.budget, kBudgetOfFew);
    } else if (!body.has_steps && length > kMiddlingBody) {
        shape.budget = registers + kExcess;
    }
    shape.only_masked =
        !streaming && shape.vectors == shape.tail_vectors && length * shape.vectors > kMaskedFrom;
    return shape;
}

}  // namespace bitaxon::jit
