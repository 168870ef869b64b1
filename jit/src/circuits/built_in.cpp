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

// {"x0", "x1", "x2"}
std::vector<std::string> series(char letter, std::int64_t count) {
    std::vector<std::string> made;
    for (std::int64_t k = 0; k < count; ++k) {
        made.push_back(fmt::format("{}{}", letter, k));
    }
    return made;
}

// "x0, x1, x2"
std::string numbered(char letter, std::int64_t count) {
    return fmt::format("{}", fmt::join(series(letter, count), ", "));
}

// "where(s == 0, v0, where(s == 1, v1, ... vn))"
std::string chosen(std::string_view number, std::span<const std::string> values) {
    std::string text;
    for (std::size_t k = 0; k + 1 < values.size(); ++k) {
        text += fmt::format("where({} == {}, {}, ", number, k, values[k]);
    }
    return text + values.back() + std::string(values.size() - 1, ')');
}

// "x y" as {"x", "y"}
std::vector<std::string> words_of(std::string_view text) {
    std::vector<std::string> words;
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t end = std::min(text.find(' ', at), text.size());
        words.emplace_back(text.substr(at, end - at));
        at = end + 1;
    }
    return words;
}

// c counts up where x is 1 and down where it is 0, between 0 and states - 1. Down is up for what is
// inverted, where all numbers of c's bits are states: 15 gates instead of 24 for eight states.
std::string walk(std::int64_t states, std::string_view output) {
    const int bits = bits_of(states - 1);
    const std::string step =
        std::has_single_bit(static_cast<std::uint64_t>(states))
            ? fmt::format("flip = where(x, 0, {0})\nu = c ^ flip\nc = u{1}(u + (u < {0})) ^ flip",
                          states - 1, bits)
            : fmt::format("c = clip(c + x - ~x, 0, {})", states - 1);
    return fmt::format("c : u{} = {}\n{}\ny = {}", bits, states / 2, step, output);
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
    return fmt::format("k = count({})\ny = {}", numbered('x', v[0]),
                       chosen("k", series('b', v[0] + 1)));
}

// 2^address_bits cells; the one that r says gives its bit away and takes `in`.
std::string shuffle_buffer(std::int64_t address_bits, std::string_view in, std::string_view out) {
    const std::int64_t depth = std::int64_t{1} << address_bits;
    std::string text =
        fmt::format("r : u{}\n{} = {}\n", address_bits, out, chosen("r", series('m', depth)));
    for (std::int64_t k = 0; k < depth; ++k) {  // half of the first values are ones
        text += fmt::format("m{0} : u1 = {1}\nm{0} = where(r == {0}, {2}, m{0})\n", k, k % 2, in);
    }
    return text;
}

// The bits of a counter, mirrored: the sequence of van der Corput.
std::string mirrored(std::string_view counter, std::int64_t bits) {
    std::vector<std::string> terms;
    for (std::int64_t k = 0; k < bits; ++k) {
        terms.push_back(
            fmt::format("{}*bit({}, {})", std::int64_t{1} << (bits - 1 - k), counter, k));
    }
    return fmt::format("{}", fmt::join(terms, " + "));
}

// What is owed is kept around the middle of c; what is past its ends is lost. steps: what a one of
// the inputs adds, in units of half an output.
std::string bipolar_sum(std::string_view ones, std::int64_t steps, std::int64_t inputs,
                        std::int64_t scale, std::int64_t bits) {
    const std::int64_t middle = std::int64_t{1} << (bits - 1);
    if (steps * inputs + scale > middle) {
        throw_error(ErrorCode::invalid_value, "bits", fmt::format("{}", bits),
                    fmt::format("{} or more, for what one step may add",
                                bits_of(steps * inputs + scale - 1) + 1));
    }
    return fmt::format("c : u{} = {}\ntotal = c + {}*{} + {} - {}\ny = total >= {}\n"
                       "c = clip(total - {}*y, 0, {})",
                       bits, middle, 2 * steps, ones, scale, steps * inputs, middle + scale,
                       2 * scale, 2 * middle - 1);
}

// Pairs of wires in the order of Batcher's merge exchange (Knuth, Algorithm 5.2.2M).
std::string sorted(Values v) {
    std::vector<std::string> at = series('x', v[0]);
    std::string text;
    std::int64_t made = 0;
    const auto exchange = [&](std::int64_t i, std::int64_t j) {
        const std::string low = fmt::format("l{}", made);
        const std::string high = fmt::format("h{}", made++);
        auto& a = at[static_cast<std::size_t>(i)];
        auto& b = at[static_cast<std::size_t>(j)];
        text += fmt::format("{0} = {2} & {3}\n{1} = {2} | {3}\n", low, high, a, b);
        a = low;
        b = high;
    };
    const auto half =
        static_cast<std::int64_t>(std::bit_ceil(static_cast<std::uint64_t>(v[0])) / 2);
    for (std::int64_t p = half; p > 0; p /= 2) {
        for (std::int64_t q = half, r = 0, d = p; d > 0; d = q - p, q /= 2, r = p) {
            for (std::int64_t i = 0; i + d < v[0]; ++i) {
                if ((i & p) == r) {
                    exchange(i, i + d);
                }
            }
            if (q == p) {
                break;
            }
        }
    }
    for (std::int64_t k = 0; k < v[0]; ++k) {
        text += fmt::format("y{} = {}\n", k, at[static_cast<std::size_t>(k)]);
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
constexpr CircuitParameter kRoot[] = {{"address_bits", 4, 1, 6, 1, "of the buffer, and of r"}};
constexpr CircuitParameter kDegree[] = {{"degree", 6, 1, 32, 1, "of the polynomial"}};
constexpr CircuitParameter kWidth[] = {{"bits", 8, 2, 24, 1, "of b"}};
constexpr CircuitParameter kScaled[] = {{"inputs", 4, 1, 256, 1, "x0, x1, ..."},
                                        {"scale", 2, 1, 256, 1, "divides the sum"},
                                        {"bits", 8, 2, 24, 1, "of the register of what is owed"}};
constexpr CircuitParameter kGain[] = {{"gain", 2, 1, 64, 1, "multiplies x"},
                                      {"bits", 8, 3, 24, 1, "of the register of what is owed"}};
constexpr CircuitParameter kSelected[] = {{"address_bits", 2, 1, 6, 1, "2^address_bits inputs"},
                                          {"bits", 8, 2, 24, 1, "a round has 2^bits steps"}};
constexpr CircuitParameter kSorted[] = {{"inputs", 4, 2, 64, 1, "x0, x1, ..."}};
constexpr CircuitParameter kSteps[] = {{"steps", 1, 1, 1024, 1, "late"}};
constexpr CircuitParameter kCoefficients[] = {{"states", 8, 2, 64, 1, "of the counter"}};
constexpr CircuitParameter kBits[] = {{"bits", 8, 2, 24, 1, "of the counter and of r"}};

constexpr CorrelationNeed kIndependent[] = {{"a b", "", 0}};
constexpr CorrelationNeed kAlike[] = {{"a b", "", 1}};
constexpr CorrelationNeed kApart[] = {{"a b", "", -1, "; at 0 it gives a + b - a*b"}};
constexpr CorrelationNeed kAllIndependent[] = {{"all", "", 0}};
constexpr CorrelationNeed kAllAlike[] = {{"all", "", 1}};
constexpr CorrelationNeed kEvenly[] = {{"all", "", 1, ", of a low-discrepancy source"}};
constexpr CorrelationNeed kSelect[] = {{"s", "a b", 0}};
constexpr CorrelationNeed kNumber[] = {{"r", "x", 0}};
constexpr CorrelationNeed kItself[] = {{"x", "x", 0}};
constexpr CorrelationNeed kCross[] = {{"a d", "", 1}, {"b c", "", 1}, {"s", "all", 0, ", at 1/2"}};

// clang-format off
constexpr BuiltInCircuit kCircuits[] = {
    {"multiply", "a*b", "unipolar", kIndependent, "Gaines 1969", {},
     fixed<"y = a & b">, ""},
    {"multiply_bipolar", "a*b", "bipolar", kIndependent, "Gaines 1969", {},
     fixed<"y = ~(a ^ b)">, ""},
    {"multiply_conditional", "a*b, b a whole number of 2^bits", "unipolar", {}, "Wu et al. 2020 (uMUL)", kWidth,
     [](Values v) {
         return fmt::format("a : u1\nb : u{0}\nc : u{0} = 0\ny = a & (b > {1})\nc = u{0}(c + a)", v[0],
                            mirrored("c", v[0]));
     }, "y"},
    {"multiply_conditional_bipolar", "a*b, b a whole number of 2^bits", "bipolar", {}, "Wu et al. 2020 (uMUL)", kWidth,
     [](Values v) {
         return fmt::format("a : u1\nb : u{0}\nc : u{0} = 0\nd : u{0} = 0\n"
                            "y = where(a, b > {1}, b <= {2})\nc = u{0}(c + a)\nd = u{0}(d + ~a)",
                            v[0], mirrored("c", v[0]), mirrored("d", v[0]));
     }, "y"},
    {"scaled_add", "(1 - s)*a + s*b", "both, s unipolar", kSelect, "Gaines 1969", {},
     fixed<"a : u1\nb : u1\ny = mux(s, a, b)">, ""},
    {"saturating_add", "min(a + b, 1)", "unipolar", kApart, "Gaines 1969", {},
     fixed<"y = a | b">, ""},
    {"toggle_add", "(a + b)/2", "both", {}, "Lee, Alaghi, Hayes, Sathe and Ceze 2017", {},
     fixed<"t : u1 = 0\ny = where(a ^ b, t, a)\nt = t ^ a ^ b">, ""},
    {"mean", "(x0 + x1 + ...)/inputs", "both", {}, "Wu et al. 2020 (uSADD)", kInputs,
     mean_of, "y"},
    {"sum", "min(x0 + x1 + ..., 1)", "unipolar", {}, "Wu et al. 2020 (uNSADD)", kSummed,
     sum_of, "y"},
    {"add", "min((x0 + x1 + ...)/scale, 1)", "unipolar", {}, "Wu et al. 2020 (uNSADD)", kScaled,
     [](Values v) {
         return fmt::format("c : u{0} = 0\ntotal = c + count({1})\ny = total >= {2}\nc = clip(total - {2}*y, 0, {3})",
                            v[2], numbered('x', v[0]), v[1], (std::int64_t{1} << v[2]) - 1);
     }, "y"},
    {"add_bipolar", "clip((x0 + x1 + ...)/scale, -1, 1)", "bipolar", {}, "Wu et al. 2020 (uNSADD)", kScaled,
     [](Values v) {
         return bipolar_sum(fmt::format("count({})", numbered('x', v[0])), 1, v[0], v[1], v[2]);
     }, "y"},
    {"linear_gain", "clip(gain*x, -1, 1)", "bipolar", kItself, "Wu et al. 2020 (uNSADD of one input)", kGain,
     [](Values v) { return "x : u1\n" + bipolar_sum("x", v[0], 1, 1, v[1]); }, "y"},
    {"cemux", "(x0 + x1 + ...)/inputs", "both", kEvenly, "Baker and Hayes 2022", kSelected,
     [](Values v) {
         if (v[0] >= v[1]) {
             throw_error(ErrorCode::invalid_value, "bits", fmt::format("{}", v[1]),
                         fmt::format("more than address_bits, {}", v[0]));
         }
         return fmt::format("c : u{0} = 0\ns = c >> {1}\ny = {2}\nc = u{0}(c + 1)", v[1], v[1] - v[0],
                            chosen("s", series('x', std::int64_t{1} << v[0])));
     }, "y"},
    {"count", "x0 + x1 + ..., an integral stream", "unipolar", {}, "Parhami and Yeh 1995", kInputs,
     [](Values v) { return fmt::format("y = count({})", numbered('x', v[0])); }, ""},
    {"approximate_count", "about x0 + x1 + ..., an integral stream", "unipolar", kAllIndependent, "Kim, Lee and Choi 2015", kPairs,
     approximate_count_of, ""},
    {"subtract", "max(a - b, 0)", "unipolar", kAlike, "Alaghi and Hayes 2013", {},
     fixed<"y = a & ~b">, ""},
    {"absolute_difference", "|a - b|", "unipolar", kAlike, "Alaghi and Hayes 2013", {},
     fixed<"y = a ^ b">, ""},
    {"minimum", "min(a, b)", "both", kAlike, "Alaghi and Hayes 2013", {},
     fixed<"y = a & b">, ""},
    {"maximum", "max(a, b)", "both", kAlike, "Alaghi and Hayes 2013", {},
     fixed<"y = a | b">, ""},
    {"median", "median(x0, x1, ...)", "both", kAllAlike, "Li and Lilja 2011", kOddInputs,
     [](Values v) { return fmt::format("y = majority({})", numbered('x', v[0])); }, ""},
    {"sort", "y0, y1, ...: x0, x1, ... in ascending order", "both", kAllAlike, "Batcher 1968; Najafi, Lilja, Riedel and Bazargan 2018", kSorted,
     sorted, "y*"},
    {"roberts_cross", "(|a - d| + |b - c|)/2", "unipolar", kCross, "Alaghi, Li and Hayes 2013", {},
     fixed<"a : u1\nb : u1\nc : u1\nd : u1\ny = mux(s, a ^ d, b ^ c)">, ""},
    {"cordiv", "a/b, a <= b", "unipolar", kAlike, "Chen and Hayes 2016", {},
     fixed<"a : u1\nkept : u1 = 0\ny = where(b, a, kept)\nkept = y">, ""},
    {"divide", "a/b, a <= b", "unipolar", kIndependent, "Wu and San Miguel 2019: ones of a wait for ones of b, then cordiv", kDivision,
     [](Values v) {
         return fmt::format("a : u1\ns : u{} = 0\npair = b & (a | s > 0)\ns = clip(s + a - pair, 0, {})\n"
                            "kept : u1 = 0\ny = where(b, pair, kept)\nkept = y",
                            v[0], (std::int64_t{1} << v[0]) - 1);
     }, "y"},
    {"jk_divide", "a/(a + b)", "unipolar", kIndependent, "Gaines 1969", {},
     fixed<"y : u1 = 0\ny = a & ~y | ~b & y">, "y"},
    {"square_root", "sqrt(x)", "unipolar, r uniform", kNumber, "Gaines 1969", kBits,
     [](Values v) {
         return fmt::format("x : u1\nr : u{0}\nc : u{0} = {1}\ny = c > r\n"
                            "c = clip(c + x - (y & delay(y)), 0, {2})",
                            v[0], std::int64_t{1} << (v[0] - 1), (std::int64_t{1} << v[0]) - 1);
     }, ""},
    {"square_root_inserting", "sqrt(x)", "unipolar, r uniform", kNumber, "Wu and San Miguel 2019 (BISQRT), y decorrelated by a shuffle buffer", kRoot,
     [](Values v) {
         return "x : u1\n" + shuffle_buffer(v[0], "y", "late") +
                "trace : u1 = 0\ny = x | trace\ntrace = late & ~trace";
     }, "y"},
    {"integrate", "the mean of x over about 2^bits bits", "bipolar, r uniform", kNumber, "Gaines 1969", kBits,
     [](Values v) {
         return fmt::format("x : u1\nr : u{0}\nc : u{0} = {1}\ny = c > r\nc = clip(c + x - y, 0, {2})", v[0],
                            std::int64_t{1} << (v[0] - 1), (std::int64_t{1} << v[0]) - 1);
     }, ""},
    {"stanh", "tanh(states/2*x)", "bipolar", kItself, "Brown and Card 2001", kStates,
     [](Values v) { return walk(v[0], fmt::format("c >= {}", v[0] / 2)); }, "y"},
    {"sexp", "exp(-2*gain*x) for x > 0, else 1", "bipolar x, unipolar y", kItself, "Brown and Card 2001", kExponential,
     [](Values v) {
         if (v[1] >= v[0]) {
             throw_error(ErrorCode::invalid_value, "gain", fmt::format("{}", v[1]),
                         fmt::format("less than states, {}", v[0]));
         }
         return walk(v[0], fmt::format("c < {}", v[0] - v[1]));
     }, "y"},
    {"logarithm", "ln(1 + x)", "unipolar, r uniform", kNumber, "Li, Lilja, Qian, Bazargan and Riedel 2012, for this function", {},
     [](Values) {
         // Least squares over x = 0, 1/256, ... of the stationary distribution of six states.
         static const std::string levels[] = {"1", "231", "0", "163", "50", "177"};
         return "x : u1\nr : u8\n" + walk(6, chosen("c", levels) + " > r");
     }, "y"},
    {"finite_state", "sum of b_k*p_k(x), p_k in proportion to (x/(1 - x))^k", "unipolar", kAllIndependent, "Li, Lilja, Qian, Bazargan and Riedel 2012", kCoefficients,
     [](Values v) { return walk(v[0], chosen("c", series('b', v[0]))); }, "y"},
    {"absolute", "|x|", "bipolar", kItself, "Li and Lilja 2011", kStates,
     [](Values v) { return walk(v[0], fmt::format("(c >= {}) ^ ~bit(c, 0)", v[0] / 2)); }, "y"},
    {"bernstein", "sum of b_k * Bernstein_k(x), x0, x1, ... copies of x", "unipolar", kAllIndependent, "Qian, Li, Riedel, Bazargan and Lilja 2011 (ReSC)", kDegree,
     bernstein_of, "y"},
    {"synchronise", "x = a, y = b, with SCC +1", "both", {}, "Lee, Alaghi and Ceze 2018", kDepth,
     [](Values v) { return synchronised(v[0]); }, "x y"},
    {"desynchronise", "x = a, y = b, with SCC -1", "both", {}, "Lee, Alaghi and Ceze 2018", kDepth,
     [](Values v) {
         return fmt::format("s : u{} = 0\nkeep = a & b & (s < {})\npay = ~a & ~b & (s > 0)\n"
                            "x = a & ~keep | pay\ny = b\ns = clip(s + keep - pay, 0, {})",
                            bits_of(v[0]), v[0], v[0]);
     }, "x y"},
    {"decorrelate", "x, its bits in another order", "both, r uniform", kNumber, "Lee, Alaghi and Ceze 2018", kAddress,
     [](Values v) { return "x : u1\n" + shuffle_buffer(v[0], "x", "y"); }, "y"},
    {"isolate", "x, some steps late", "both", kItself, "Gaines 1969", kSteps,
     [](Values v) { return fmt::format("y = delay(x, {})", v[0]); }, ""},
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

std::string describe(std::span<const CorrelationNeed> needs) {
    std::string text;
    for (const CorrelationNeed& need : needs) {
        if (!text.empty()) {
            text += "; ";
        }
        if (need.others == need.inputs) {
            text += "none with itself";
            continue;
        }
        text += fmt::format("{}", fmt::join(words_of(need.inputs), ", "));
        if (!need.others.empty()) {
            text += fmt::format(" with {}", fmt::join(words_of(need.others), ", "));
        }
        text += fmt::format(": {}{}{}", need.scc > 0 ? "+" : "", need.scc, need.remark);
    }
    return text.empty() ? "any" : text;
}

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
    if (found->outputs.ends_with('*')) {  // all wires whose names begin so
        const Circuit all(found->text(values));
        std::vector<std::string> outputs;
        for (const CircuitPort& port : all.outputs()) {
            if (port.name.starts_with(found->outputs.substr(0, found->outputs.size() - 1))) {
                outputs.push_back(port.name);
            }
        }
        return Circuit(all.text(), outputs);
    }
    return Circuit(found->text(values), words_of(found->outputs));
}

}  // namespace bitaxon::jit
