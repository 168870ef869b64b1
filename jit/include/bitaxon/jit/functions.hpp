// Functions of the user's own, for expressions and rules.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace bitaxon::jit {

/// How much a callable may be moved about.
enum class Purity : std::uint8_t {
    stateful,  ///< has a memory of its own: called once a row, in ascending order
    external,  ///< depends on its arguments only, but we can't look inside
};

/// A function of the caller's own, over blocks: count rows of each argument, results to `out`, as f64.
/// Runs on the caller's thread in ascending blocks of at most 1,024 rows. What it throws stops the run.
struct ExternalFunction {
    int arguments;
    Purity purity;
    std::function<void(const double* const* arguments, double* out, std::size_t count)> call;
};

class FunctionTable;

/// A set of functions; copies are independent of each other. An expression keeps the functions that it
/// was compiled with.
class Functions {
  public:
    Functions();
    Functions(const Functions&);
    Functions& operator=(const Functions&);
    ~Functions();

    /// Defines `name(parameters...)` by an expression that is inlined wherever it is called, or replaces
    /// the definition. @throws Error for names that are no identifiers or are taken by the language,
    /// and for texts that don't parse
    void define(std::string_view name, std::vector<std::string> parameters, std::string_view text);
    /// Defines `name` by a callable of the caller's own.
    void define(std::string_view name, ExternalFunction function);

    std::vector<std::string> names() const;
    const FunctionTable& table() const noexcept { return *table_; }

  private:
    std::shared_ptr<const FunctionTable> table_;
};

}  // namespace bitaxon::jit
