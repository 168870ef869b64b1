// Polynomials by fused multiply-adds, and the builder's out-of-line calls.
#include "math.hpp"

#include <array>
#include <vector>

namespace bitaxon::jit::math {

NodeId horner(MathBuilder& b, Type t, NodeId x, std::span<const double> coefficients) {
    NodeId value = b.constant(t, coefficients.back());
    for (std::size_t i = coefficients.size() - 1; i-- > 0;) {
        value = b.fma(t, value, x, b.constant(t, coefficients[i]));
    }
    return value;
}

namespace {

// Values v[0] + v[1] x + v[2] x^2 ... of twice the step: pairs become one, an odd last stays.
std::vector<NodeId> join_pairs(MathBuilder& b, Type t, NodeId x,
                               const std::vector<NodeId>& values) {
    std::vector<NodeId> joined;
    for (std::size_t i = 0; i < values.size(); i += 2) {
        joined.push_back(i + 1 < values.size() ? b.fma(t, values[i + 1], x, values[i]) : values[i]);
    }
    return joined;
}

}  // namespace

// Estrin (1960) for one step, or for two from four pairs on, and from there Horner in x^2 or x^4:
// further powers cost multiplications and shorten nothing below some twenty coefficients.
NodeId estrin(MathBuilder& b, Type t, NodeId x, std::span<const double> coefficients) {
    std::vector<NodeId> values;
    for (const double coefficient : coefficients) {
        values.push_back(b.constant(t, coefficient));
    }
    NodeId power = x;
    for (const std::size_t enough : {std::size_t{1}, std::size_t{3}}) {
        if (values.size() > enough) {
            values = join_pairs(b, t, power, values);
            power = values.size() > 1 ? b.mul(t, power, power) : power;
        }
    }
    NodeId value = values.back();
    for (std::size_t i = values.size() - 1; i-- > 0;) {
        value = b.fma(t, value, power, values[i]);
    }
    return value;
}

NodeId MathBuilder::rare(Type t, std::string_view function, NodeId mask, NodeId otherwise,
                         std::initializer_list<NodeId> arguments) {
    std::array<NodeId, kMaxArguments> nodes{mask, otherwise};
    std::size_t count = 2;
    for (const NodeId argument : arguments) {
        nodes[count++] = argument;
    }
    return graph_->make(Op::rare, t, std::span{nodes.data(), count}, out_of_line(function));
}

}  // namespace bitaxon::jit::math
