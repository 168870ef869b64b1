// The circuits that come with the library: stochastic arithmetic as data. To add one, add a row.
#include "../language/ast.hpp"

#include <bitaxon/core/error.hpp>
#include <bitaxon/jit/circuit.hpp>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <bit>

namespace bitaxon::jit {
namespace {

using Values = std::span<const std::int64_t>;

template <std::size_t Count>
struct Text {
    char characters[Count];
    constexpr Text(const char (&text)[Count]) { std::copy_n(text, Count, characters); }
};

// A text without parameters.
template <Text kText>
std::string fixed(Values) {
    return kText.characters;
}

int bits_of(std::int64_t largest) {
    return static_cast<int>(std::bit_width(static_cast<std::uint64_t>(largest)));
}

// "x0, x1, x2"
std::string numbered(char letter, std::int64_t count, std::string_view between = ", ") {
    std::vector<std::string> names;
    for (std::int64_t k = 0; k < count; ++k) {
        names.push_back(fmt::format("{}{}", letter, k));
    }
    return fmt::format("{}", fmt::join(names, between));
}

// c counts up where x is 1 and down where it is 0, between 0 and states - 1.
std::string walk(std::int64_t states, std::string_view output) {
    return fmt::format("c : u{} = {}\nc = clip(c + x - ~x, 0, {})\ny = {}", bits_of(states - 1),
                       states / 2, states - 1, output);
}

// s - depth ones of a (of b, below depth) are kept back until the other stream has one to go with.
std::string synchronised(std::int64_t depth) {
    return fmt::format("s : u{} = {}\nonly_a = a & ~b\nonly_b = b & ~a\n"
                       "pay = only_a & (s < {}) | only_b & (s > {})\n"
                       "keep = only_a & (s >= {}) & (s < {}) | only_b & (s <= {}) & (s > 0)\n"
                       "x = a & b | pay | only_a & ~keep\ny = a & b | pay | only_b & ~keep\n"
                       "s = clip(s + only_a - only_b, 0, {})",
                       bits_of(2 * depth), depth, depth, depth, depth, 2 * depth, depth, 2 * depth);
}

std::string mean_of(Values v) {
    return fmt::format("acc : u{0} = 0\ntotal = acc + count({1})\ny = total >= {2}\n"
                       "acc = u{0}(where(y, total - {2}, total))",
                       bits_of(v[0] - 1), numbered('x', v[0]), v[0]);
}

std::string sum_of(Values v) {
    const std::int64_t high = (std::int64_t{1} << v[1]) - 1;
    return fmt::format("acc : u{} = 0\ntotal = acc + count({})\ny = total > 0\n"
                       "acc = clip(total - y, 0, {})",
                       v[1], numbered('x', v[0]), high);
}

std::string approximate_count_of(Values v) {
    std::vector<std::string> gates;
    for (std::int64_t k = 0; k + 1 < v[0]; k += 2) {
        gates.push_back(fmt::format("x{} {} x{}", k, k / 2 % 2 == 0 ? "|" : "&", k + 1));
    }
    return fmt::format("y = 2*count({})", fmt::join(gates, ", "));
}

std::string bernstein_of(Values v) {
    std::string text = fmt::format("k = count({})\ny = ", numbered('x', v[0]));
    for (std::int64_t j = 0; j < v[0]; ++j) {
        text += fmt::format("where(k == {}, b{}, ", j, j);
    }
    return text + fmt::format("b{}{}", v[0], std::string(static_cast<std::size_t>(v[0]), ')'));
}

std::string shuffled(Values v) {
    const std::int64_t depth = std::int64_t{1} << v[0];
    std::string text = fmt::format("x : u1\nr : u{}\ny = ", v[0]);
    for (std::int64_t k = 0; k + 1 < depth; ++k) {
        text += fmt::format("where(r == {}, m{}, ", k, k);
    }
    text +=
        fmt::format("m{}{}\n", depth - 1, std::string(static_cast<std::size_t>(depth - 1), ')'));
    for (std::int64_t k = 0; k < depth; ++k) {  // half of the first values are ones
        text += fmt::format("m{0} : u1 = {1}\nm{0} = where(r == {0}, x, m{0})\n", k, k % 2);
    }
    return text;
}

constexpr CircuitParameter kStates[] = {{"states", 8, 2, 1024, 2, "of the counter"}};
constexpr CircuitParameter kExponential[] = {{"states", 32, 4, 1024, 2, "of the counter"},
                                             {"gain", 2, 1, 256, 1, "below states"}};
constexpr CircuitParameter kInputs[] = {{"inputs", 4, 2, 256, 1, "x0, x1, ..."}};
constexpr CircuitParameter kOddInputs[] = {{"inputs", 3, 3, 255, 2, "x0, x1, ..."}};
constexpr CircuitParameter kPairs[] = {{"inputs", 16, 4, 256, 4, "x0, x1, ..."}};
constexpr CircuitParameter kSummed[] = {{"inputs", 4, 2, 256, 1, "x0, x1, ..."},
                                        {"bits", 8, 1, 24, 1, "of the register of what is owed"}};
constexpr CircuitParameter kDepth[] = {{"depth", 1, 1, 64, 1, "ones that are kept back"}};
constexpr CircuitParameter kDivision[] = {{"bits", 4, 1, 24, 1, "of the count of ones that wait"}};
constexpr CircuitParameter kAddress[] = {{"address_bits", 2, 1, 6, 1, "of the buffer, and of r"}};
constexpr CircuitParameter kDegree[] = {{"degree", 6, 1, 32, 1, "of the polynomial"}};
constexpr CircuitParameter kBits[] = {{"bits", 8, 2, 24, 1, "of the counter and of r"}};

// clang-format off
constexpr BuiltInCircuit kCircuits[] = {
    {"multiply", "a*b", "unipolar", "a, b: 0", "Gaines 1969", {},
     fixed<"y = a & b">, ""},
    {"multiply_bipolar", "a*b", "bipolar", "a, b: 0", "Gaines 1969", {},
     fixed<"y = ~(a ^ b)">, ""},
    {"scaled_add", "(1 - s)*a + s*b", "both, s unipolar", "s with a, b: 0", "Gaines 1969", {},
     fixed<"a : u1\nb : u1\ny = mux(s, a, b)">, ""},
    {"saturating_add", "min(a + b, 1)", "unipolar", "a, b: -1; at 0 it gives a + b - a*b", "Gaines 1969", {},
     fixed<"y = a | b">, ""},
    {"toggle_add", "(a + b)/2", "both", "any", "Lee, Alaghi, Hayes, Sathe and Ceze 2017", {},
     fixed<"t : u1 = 0\ny = where(a ^ b, t, a)\nt = t ^ a ^ b">, ""},
    {"mean", "(x0 + x1 + ...)/inputs", "both", "any", "Wu et al. 2020 (uSADD)", kInputs,
     mean_of, "y"},
    {"sum", "min(x0 + x1 + ..., 1)", "unipolar", "any", "Wu et al. 2020 (uNSADD)", kSummed,
     sum_of, "y"},
    {"count", "x0 + x1 + ..., an integral stream", "unipolar", "any", "Parhami and Yeh 1995", kInputs,
     [](Values v) { return fmt::format("y = count({})", numbered('x', v[0])); }, ""},
    {"approximate_count", "about x0 + x1 + ..., an integral stream", "unipolar", "0", "Kim, Lee and Choi 2015", kPairs,
     approximate_count_of, ""},
    {"subtract", "max(a - b, 0)", "unipolar", "a, b: +1", "Alaghi and Hayes 2013", {},
     fixed<"y = a & ~b">, ""},
    {"absolute_difference", "|a - b|", "unipolar", "a, b: +1", "Alaghi and Hayes 2013", {},
     fixed<"y = a ^ b">, ""},
    {"minimum", "min(a, b)", "both", "a, b: +1", "Alaghi and Hayes 2013", {},
     fixed<"y = a & b">, ""},
    {"maximum", "max(a, b)", "both", "a, b: +1", "Alaghi and Hayes 2013", {},
     fixed<"y = a | b">, ""},
    {"median", "median(x0, x1, ...)", "both", "all pairs: +1", "Li and Lilja 2011", kOddInputs,
     [](Values v) { return fmt::format("y = majority({})", numbered('x', v[0])); }, ""},
    {"roberts_cross", "(|a - d| + |b - c|)/2", "unipolar", "a, d: +1; b, c: +1; s with all: 0, at 1/2", "Alaghi, Li and Hayes 2013", {},
     fixed<"a : u1\nb : u1\nc : u1\nd : u1\ny = mux(s, a ^ d, b ^ c)">, ""},
    {"cordiv", "a/b, a <= b", "unipolar", "a, b: +1", "Chen and Hayes 2016", {},
     fixed<"a : u1\nkept : u1 = 0\ny = where(b, a, kept)\nkept = y">, ""},
    {"divide", "a/b, a <= b", "unipolar", "a, b: 0", "Wu and San Miguel 2019: ones of a wait for ones of b, then cordiv", kDivision,
     [](Values v) {
         return fmt::format("a : u1\ns : u{} = 0\npair = b & (a | s > 0)\ns = clip(s + a - pair, 0, {})\n"
                            "kept : u1 = 0\ny = where(b, pair, kept)\nkept = y",
                            v[0], (std::int64_t{1} << v[0]) - 1);
     }, "y"},
    {"jk_divide", "a/(a + b)", "unipolar", "a, b: 0", "Gaines 1969", {},
     fixed<"y : u1 = 0\ny = a & ~y | ~b & y">, "y"},
    {"square_root", "sqrt(x)", "unipolar, r uniform", "r with x: 0", "Gaines 1969", kBits,
     [](Values v) {
         return fmt::format("x : u1\nr : u{0}\nc : u{0} = {1}\ny = c > r\n"
                            "c = clip(c + x - (y & delay(y)), 0, {2})",
                            v[0], std::int64_t{1} << (v[0] - 1), (std::int64_t{1} << v[0]) - 1);
     }, ""},
    {"integrate", "the mean of x over about 2^bits bits", "bipolar, r uniform", "r with x: 0", "Gaines 1969", kBits,
     [](Values v) {
         return fmt::format("x : u1\nr : u{0}\nc : u{0} = {1}\ny = c > r\nc = clip(c + x - y, 0, {2})", v[0],
                            std::int64_t{1} << (v[0] - 1), (std::int64_t{1} << v[0]) - 1);
     }, ""},
    {"stanh", "tanh(states/2*x)", "bipolar", "none with itself", "Brown and Card 2001", kStates,
     [](Values v) { return walk(v[0], fmt::format("c >= {}", v[0] / 2)); }, ""},
    {"sexp", "exp(-2*gain*x) for x > 0, else 1", "bipolar x, unipolar y", "none with itself", "Brown and Card 2001", kExponential,
     [](Values v) {
         if (v[1] >= v[0]) {
             throw_error(ErrorCode::invalid_value, "gain", fmt::format("{}", v[1]),
                         fmt::format("less than states, {}", v[0]));
         }
         return walk(v[0], fmt::format("c < {}", v[0] - v[1]));
     }, ""},
    {"absolute", "|x|", "bipolar", "none with itself", "Li and Lilja 2011", kStates,
     [](Values v) { return walk(v[0], fmt::format("(c >= {}) ^ ~bit(c, 0)", v[0] / 2)); }, ""},
    {"bernstein", "sum of b_k * Bernstein_k(x), x0, x1, ... copies of x", "unipolar", "all: 0", "Qian, Li, Riedel, Bazargan and Lilja 2011 (ReSC)", kDegree,
     bernstein_of, "y"},
    {"synchronise", "x = a, y = b, with SCC +1", "both", "any", "Lee, Alaghi and Ceze 2018", kDepth,
     [](Values v) { return synchronised(v[0]); }, "x y"},
    {"desynchronise", "x = a, y = b, with SCC -1", "both", "any", "Lee, Alaghi and Ceze 2018", kDepth,
     [](Values v) {
         return fmt::format("s : u{} = 0\nkeep = a & b & (s < {})\npay = ~a & ~b & (s > 0)\n"
                            "x = a & ~keep | pay\ny = b\ns = clip(s + keep - pay, 0, {})",
                            bits_of(v[0]), v[0], v[0]);
     }, "x y"},
    {"decorrelate", "x, its bits in another order", "both, r uniform", "r with x: 0", "Lee, Alaghi and Ceze 2018", kAddress,
     shuffled, "y"},
};
// clang-format on

void check(const BuiltInCircuit& circuit, Values values) {
    for (std::size_t k = 0; k < values.size(); ++k) {
        const CircuitParameter& p = circuit.parameters[k];
        if (values[k] < p.least || values[k] > p.most || (values[k] - p.least) % p.step != 0) {
            throw_error(ErrorCode::invalid_value, p.name, fmt::format("{}", values[k]),
                        fmt::format("{}, {} ... {} for {}", p.least, p.least + p.step, p.most,
                                    circuit.name));
        }
    }
}

}  // namespace

std::span<const BuiltInCircuit> built_in_circuits() noexcept { return kCircuits; }

Circuit built_in_circuit(std::string_view name, const std::map<std::string, std::int64_t>& given) {
    const BuiltInCircuit* const found = std::ranges::find(kCircuits, name, &BuiltInCircuit::name);
    if (found == std::end(kCircuits)) {
        std::vector<std::string> names;
        for (const BuiltInCircuit& circuit : kCircuits) {
            names.emplace_back(circuit.name);
        }
        throw_error(ErrorCode::invalid_value, "name", name,
                    fmt::format("one of {}{}", fmt::join(names, ", "), suggestion(name, names)));
    }
    std::vector<std::int64_t> values;
    for (const CircuitParameter& parameter : found->parameters) {
        const auto value = given.find(std::string(parameter.name));
        values.push_back(value == given.end() ? parameter.value : value->second);
    }
    for (const auto& [parameter, value] : given) {
        if (std::ranges::find(found->parameters, parameter, &CircuitParameter::name) ==
            found->parameters.end()) {
            std::vector<std::string_view> names;
            for (const CircuitParameter& p : found->parameters) {
                names.push_back(p.name);
            }
            throw_error(ErrorCode::invalid_value, "parameters", fmt::format("'{}'", parameter),
                        names.empty() ? fmt::format("none for {}", name)
                                      : fmt::format("{} for {}", fmt::join(names, ", "), name));
        }
    }
    check(*found, values);
    std::vector<std::string> outputs;
    for (std::size_t at = 0; at < found->outputs.size();) {
        const std::size_t end = std::min(found->outputs.find(' ', at), found->outputs.size());
        outputs.emplace_back(found->outputs.substr(at, end - at));
        at = end + 1;
    }
    return Circuit(found->text(values), outputs);
}

}  // namespace bitaxon::jit
