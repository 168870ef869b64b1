// The rewrite rules of rules.def, read into patterns that simplify() and the e-graph match.
#pragma once

#include "../ir/graph.hpp"

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace bitaxon::jit::rewrite {

enum class Domain : std::uint8_t { floats, integers, masks, any };

enum class Condition : std::uint8_t { none, exact_inverse, inverse, never_negative };

enum class PatternKind : std::uint8_t { variable, constant_variable, number, boolean, operation };

inline constexpr std::size_t kMaxPatternArguments = 3;
inline constexpr std::size_t kMaxVariables = 4;

/// A place of a pattern or replacement; arguments are numbers in Rules::pattern().
struct Pattern {
    PatternKind kind;
    Op op = Op::constant;
    std::uint8_t count = 0;
    std::uint8_t variable = 0;
    std::array<std::uint16_t, kMaxPatternArguments> args{};
    /// What each argument's operation must be, if that is known: most patterns fail there.
    std::array<std::optional<Op>, kMaxPatternArguments> heads{};
    double number = 0;  ///< 0 or 1 for a boolean
};

struct Rule {
    std::string_view text;
    MathMode weakest;
    Domain domain;
    Condition condition = Condition::none;
    std::uint8_t condition_variable = 0;
    std::uint16_t pattern = 0;
    std::uint16_t replacement = 0;
};

/// What the variables of a pattern stand for: nodes, or classes of the e-graph.
using Bindings = std::array<std::uint32_t, kMaxVariables>;
inline constexpr std::uint32_t kUnbound = 0xffffffff;
inline constexpr Bindings kNoBindings{kUnbound, kUnbound, kUnbound, kUnbound};

/// All rules. A rule whose pattern holds commutative operations stands here once for each order of
/// their operands, so that matching is plain.
class Rules {
  public:
    Rules();

    const Pattern& pattern(std::uint16_t number) const noexcept { return patterns_[number]; }
    /// Those whose pattern's outermost operation is `op`, in the order of rules.def.
    std::span<const Rule> of(Op op) const noexcept { return all_.of(op); }
    /// Those of them that every mode allows.
    std::span<const Rule> strict_of(Op op) const noexcept { return strict_.of(op); }

  private:
    struct ByOp {
        std::vector<Rule> rules;
        std::vector<std::uint16_t> first;  ///< by op: its first rule

        std::span<const Rule> of(Op op) const noexcept;
    };
    ByOp by_op(std::vector<Rule> rules) const;

    std::vector<Pattern> patterns_;
    ByOp all_;
    ByOp strict_;
};

/// The rules, read on the first call.
const Rules& rules();

bool matches(Domain domain, Type type) noexcept;

/// Whether the operation's operands may change places, by the graph's own rule.
bool is_commutative(Op op) noexcept;

/// Whether a constant of this type and these bits is what a pattern's number or boolean means; in
/// `fast` zeros are equal whatever their sign.
bool is_constant_of(const Pattern& pattern, Type type, std::uint64_t bits, bool fast) noexcept;

/// Conditions on a constant: exact_inverse and inverse.
bool holds(Condition condition, Type type, std::uint64_t bits) noexcept;

/// The type of an operation in a replacement, by that of the whole and of its first argument.
Type type_of(Op op, Type whole, Type first_argument) noexcept;

}  // namespace bitaxon::jit::rewrite
