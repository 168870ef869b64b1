#include "stability.hpp"

#include <cmath>
#include <vector>

namespace bitaxon::jit::rewrite {
namespace {

constexpr double kMostTimesWorse = 4;
constexpr double kScales[] = {1, 1, 1, 1, 1, 1, 8, 8, 64, 64};

struct Bounded {
    double value;
    double error = 0;  // in units of the rounding error
};

// A number in (-4, 4) that depends on the input and the point alone.
double coordinate(std::uint64_t input, std::size_t point) {
    std::uint64_t h = (input * 16 + point + 1) * 0x9e3779b97f4a7c15;
    h = (h ^ h >> 29) * 0xbf58476d1ce4e5b9;
    return static_cast<double>(static_cast<std::int64_t>(h ^ h >> 32)) * 0x1p-61;
}

class Evaluation {
  public:
    Evaluation(const Graph& graph, NodeId last, std::size_t point) {
        values_.reserve(last + 1);
        for (NodeId id = 0; id <= last; ++id) {
            values_.push_back(evaluate(graph, id, point));
        }
    }
    const Bounded& operator[](NodeId id) const { return values_[id]; }

  private:
    Bounded evaluate(const Graph& graph, NodeId id, std::size_t point) const {
        const Node& node = graph[id];
        if (node.op == Op::constant) {
            return {is_float(node.type) ? graph.value(id) : 0};
        }
        if (node.count == 0) {
            return {coordinate(node.payload, point) * kScales[point]};
        }
        const Bounded& a = values_[node.args[0]];
        const Bounded& b = values_[node.args[node.count - 1]];
        switch (node.op) {
        case Op::negate:
            return {-a.value, a.error};
        case Op::add:
            return rounded(a.value + b.value, a.error + b.error);
        case Op::sub:
            return rounded(a.value - b.value, a.error + b.error);
        case Op::mul:
            return rounded(a.value * b.value,
                           std::fabs(a.value) * b.error + std::fabs(b.value) * a.error);
        case Op::div: {
            const double quotient = a.value / b.value;
            return rounded(quotient,
                           (a.error + std::fabs(quotient) * b.error) / std::fabs(b.value));
        }
        default:
            return {a.value, a.error};
        }
    }

    static Bounded rounded(double value, double error) { return {value, error + std::fabs(value)}; }

    std::vector<Bounded> values_;
};

}  // namespace

bool is_as_stable(const Graph& graph, NodeId candidate, NodeId original) {
    const NodeId last = candidate > original ? candidate : original;
    for (std::size_t point = 0; point < std::size(kScales); ++point) {
        const Evaluation at(graph, last, point);
        const double limit = kMostTimesWorse * (at[original].error + std::fabs(at[original].value));
        if (at[candidate].error > limit) {  // false for NaN: then nothing is known here
            return false;
        }
    }
    return true;
}

}  // namespace bitaxon::jit::rewrite
