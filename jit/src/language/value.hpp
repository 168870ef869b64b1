// What parts of an expression become, and how values of different types meet.
#pragma once

#include "../ir/graph.hpp"
#include "ast.hpp"

#include <span>
#include <string>

namespace bitaxon::jit {

/// A node, or a literal, which has no type until it meets one.
struct Value {
    enum class Form : std::uint8_t { node, integer, number };

    Form form = Form::node;
    bool weak = false;  ///< made of literals only, so it takes the float type that it meets
    Position position;
    NodeId node = kNoNode;
    std::int64_t integer = 0;
    double number = 0;  ///< of an integer too

    static Value of_node(NodeId node, bool weak = false) {
        return {Form::node, weak, {}, node, 0, 0};
    }
    static Value of_integer(std::int64_t integer) {
        return {Form::integer, true, {}, kNoNode, integer, static_cast<double>(integer)};
    }
    static Value of_number(double number) { return {Form::number, true, {}, kNoNode, 0, number}; }
};
using Values = std::span<const Value>;

/// Makes nodes of values, converting them to the types that they must have.
class TypedGraph {
  public:
    TypedGraph(Graph& graph, Type real, const std::string& source)
        : graph_(graph), real_(real), source_(source) {}

    Type real() const noexcept { return real_; }
    /// The type that the values have in common. What has a type of its own decides; literals and
    /// masks follow, but beside a literal with a point integers are `real`.
    Type common_type(Values values) const;
    /// The same, with `real` for integers.
    Type common_float(Values values) const;
    bool is_mask(const Value& value) const;
    bool is_integer(const Value& value) const;

    /// The operation on values of this type.
    Value make(Op op, Type type, Values args, std::uint64_t payload = 0);
    Value compare(Op op, const Value& a, const Value& b);
    Value choose(const Value& condition, const Value& yes, const Value& no);
    /// A bit operation on two conditions; numbers are true unless they are 0.
    Value combine(Op op, const Value& a, const Value& b);
    Value cast(const Value& value, Type type);
    /// @throws Error for an integer literal that the type does not hold
    NodeId convert(const Value& value, Type type);

    /// "a value of type f64", "the literal 0.5", "3", "a condition".
    std::string described(const Value& value) const;
    [[noreturn]] void fail(Position position, const std::string& message) const {
        throw_at(source_, position, message);
    }
    Graph& graph() noexcept { return graph_; }

  private:
    NodeId as_mask(const Value& value);
    NodeId fitted(NodeId mask, Type mask_type);
    NodeId join_masks(Op op, NodeId a, NodeId b);

    Graph& graph_;
    Type real_;
    const std::string& source_;
};

}  // namespace bitaxon::jit
