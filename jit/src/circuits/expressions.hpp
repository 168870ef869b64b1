// Expressions of circuits: from the syntax tree to numbers made of gates.
#pragma once

#include "../language/ast.hpp"
#include "number.hpp"

namespace bitaxon::jit {

/// What expressions ask their circuit for.
class CircuitNames {
  public:
    virtual ~CircuitNames() = default;
    /// The value that the name of `expr` has in a step.
    virtual Number read(const Expr& expr) = 0;
    /// The bit that `delayed` will have been `count` (>= 1) steps ago; `initial` before.
    virtual NodeId delay(ExprId delayed, std::size_t count, bool initial) = 0;
};

/// Makes gates of expressions. Errors have line, column and a caret.
class CircuitExpressions {
  public:
    using Arguments = std::vector<const Number*>;

    CircuitExpressions(const Ast& ast, Graph& graph, CircuitNames& names)
        : ast_(ast), names_(names), gates_(graph), numbers_(gates_) {}

    Gates& gates() noexcept { return gates_; }
    Arithmetic& numbers() noexcept { return numbers_; }

    /// The value of an expression. What delays delay is left for later: see CircuitNames::delay.
    Number translate(ExprId root);

    /// The node of a value that is one bit. @throws Error for others
    NodeId condition(const Expr& expr, const Number& value);
    std::vector<NodeId> conditions(const Expr& expr, const Arguments& values);
    /// The value of a constant in low ... high. @throws Error for others
    std::int64_t constant(const Expr& expr, const Number& value, std::int64_t low,
                          std::int64_t high) const;
    Number delay(const Expr& expr, const Arguments& args);
    [[noreturn]] void fail(Position position, const std::string& message) const {
        throw_at(*ast_.source, position, message);
    }

  private:
    std::vector<char> deferred_parts(ExprId first, ExprId root) const;
    Number part(const Expr& expr, const Arguments& args);
    Number literal(const Expr& expr);
    Number unary(const Expr& expr, const Number& a);
    Number binary(const Expr& expr, const Number& a, const Number& b);
    Number comparison(const Expr& expr, const Number& a, const Number& b);
    Number scaling(const Expr& expr, const Number& a, const Number& b);
    Number call(const Expr& expr, const Arguments& args);
    void check_sign(const Expr& expr, const Number& value) const;
    void check_magnitude(const Expr& expr, double magnitude) const;
    void check_count(const Expr& call, std::size_t least, std::size_t most) const;

    const Ast& ast_;
    CircuitNames& names_;
    Gates gates_;
    Arithmetic numbers_;
};

}  // namespace bitaxon::jit
