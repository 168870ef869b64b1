// Expressions: texts that were parsed, named and typed, ready to be compiled.
#pragma once

#include <bitaxon/jit/functions.hpp>
#include <bitaxon/jit/types.hpp>

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace bitaxon::jit {

struct ParseOptions {
    /// f32 or f64: `real`, the type of literals and of arguments that the text declares no type of.
    Type dtype = Type::f64;
    /// Names of the arguments in their order; without it, every name that is declared, or has no
    /// other meaning, is an argument, in the order of first appearance. Names that are listed or
    /// declared shadow pi and e.
    std::optional<std::vector<std::string>> arguments = {};
    Functions functions = {};
};

/// Immutable and cheap to copy.
class Expression {
  public:
    const std::string& text() const noexcept;
    Type dtype() const noexcept;
    const std::vector<std::string>& arguments() const noexcept;
    /// Type of each argument: as declared, f32, f64, i32 or i64, else dtype.
    const std::vector<Type>& argument_types() const noexcept;
    /// Type of each result: comparisons yield masks, casts integers. Its array holds
    /// element_bytes(type) a row, a mask as 0 or 1.
    const std::vector<Type>& results() const noexcept;

    struct State;
    const State& state() const noexcept { return *state_; }

  private:
    friend Expression parse(std::string_view text, const ParseOptions& options);
    explicit Expression(std::shared_ptr<const State> state) : state_(std::move(state)) {}
    std::shared_ptr<const State> state_;
};

/// Parses `text`: declarations of arguments of other types than dtype, `n : i64`; assignments to names;
/// then one or more results, separated by commas or lines.
/// @throws Error with line, column and a caret below the place
Expression parse(std::string_view text, const ParseOptions& options = {});

/// The names in `text` that must get a meaning from outside, in the order of first appearance; pi and e
/// are among them, for a caller's own may shadow them. @throws Error as parse does
std::vector<std::string> free_names(std::string_view text);

}  // namespace bitaxon::jit
