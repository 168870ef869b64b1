// Polynomials by fused multiply-adds, and the builder's out-of-line calls.
#include "math.hpp"

#include <array>

namespace bitaxon::jit::math {

NodeId horner(MathBuilder& b, Type t, NodeId x, std::span<const double> coefficients) {
    NodeId value = b.constant(t, coefficients.back());
    for (std::size_t i = coefficients.size() - 1; i-- > 0;) {
        value = b.fma(t, value, x, b.constant(t, coefficients[i]));
    }
    return value;
}

// Estrin (1960) for one step, or for two from four pairs on, and from there Horner in x^2 or x^4:
// further powers cost multiplications and shorten nothing below some twenty coefficients.
NodeId estrin(MathBuilder& b, Type t, NodeId x, std::span<const double> coefficients) {
    std::array<NodeId, kMaxCoefficients> values;
    std::size_t count = coefficients.size();
    for (std::size_t i = 0; i < count; ++i) {
        values[i] = b.constant(t, coefficients[i]);
    }
    NodeId power = x;
    for (const std::size_t enough : {std::size_t{1}, std::size_t{3}}) {
        if (count > enough) {
            // Values v[0] + v[1] x + v[2] x^2 ... of twice the step: pairs become one, an odd last
            // stays.
            for (std::size_t i = 0; i + 1 < count; i += 2) {
                values[i / 2] = b.fma(t, values[i + 1], power, values[i]);
            }
            if (count % 2 == 1) {
                values[count / 2] = values[count - 1];
            }
            count = (count + 1) / 2;
            power = count > 1 ? b.mul(t, power, power) : power;
        }
    }
    NodeId value = values[count - 1];
    for (std::size_t i = count - 1; i-- > 0;) {
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
