// The functions of the language: the built-in ones, from ops.def, and the user's own.
#pragma once

#include "../ir/graph.hpp"
#include "ast.hpp"

#include <bitaxon/jit/functions.hpp>

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace bitaxon::jit {

/// A built-in function: the operation and how many arguments a call may have.
struct BuiltIn {
    std::string_view name;
    Op op;
    int min_arguments;
    int max_arguments;
};

/// All of them, by name; `where`, casts, min and max of any number of arguments included.
std::span<const BuiltIn> built_in_functions() noexcept;

/// The number type of that name, as casts and declarations write it: i16, i32, i64, f32 or f64.
std::optional<Type> number_type(std::string_view name) noexcept;

/// A function that was defined by a text: assignments to names of its own, if any, then one expression,
/// inlined wherever called. It sees its parameters and those names, nothing of the caller's.
struct InlineFunction {
    std::vector<std::string> parameters;
    Script script;
};

struct UserFunction {
    std::string name;
    std::variant<InlineFunction, ExternalFunction> body;
};

/// The user's functions. The low half of the payload of Op::external is the number of the entry; the
/// high half tells the calls of a stateful function apart, and is 0 for others.
class FunctionTable {
  public:
    /// Adds a function or replaces the one of that name. @throws Error for a name that is no
    /// identifier, or is taken by a built-in function or keyword, and for a text that names what is
    /// no parameter
    void define(std::string_view name, std::vector<std::string> parameters, std::string_view text);
    void define(std::string_view name, ExternalFunction function);

    std::optional<std::uint64_t> find(std::string_view name) const noexcept;
    const UserFunction& operator[](std::uint64_t number) const noexcept { return *entries_[number]; }
    std::size_t size() const noexcept { return entries_.size(); }
    std::vector<std::string> names() const;

  private:
    void put(UserFunction function);

    std::vector<std::shared_ptr<const UserFunction>> entries_;
};

}  // namespace bitaxon::jit
