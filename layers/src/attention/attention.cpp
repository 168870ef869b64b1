#include "attention_state.hpp"

#include <bitaxon/core/error.hpp>

#include <fmt/format.h>

namespace bitaxon {
namespace {

// Products of sizes, as long as they name streams.
std::size_t product(std::string_view what, std::initializer_list<std::size_t> factors) {
    std::size_t result = 1;
    for (const std::size_t factor : factors)
        if (__builtin_mul_overflow(result, factor, &result) || result > kMaxIndex / 2)
            throw_error(ErrorCode::invalid_shape, what, "a product above 2^62",
                        "sizes whose streams can be numbered");
    return result;
}

struct Counts {
    std::size_t inputs;
    std::size_t outputs;
};

Counts check_sizes(const AttentionOptions& o) {
    check_size("tokens", o.tokens);
    check_size("heads", o.heads);
    check_size("head_width", o.head_width);
    const std::size_t queries = o.queries.value_or(o.tokens);
    check_size("queries", queries);
    if (o.causal && o.queries)
        throw_error(ErrorCode::invalid_value, "causal", "true, and queries",
                    "one of the two: other tokens have no order among those attended to");
    if (o.streams.coding == Coding::split_unipolar)
        throw_error(ErrorCode::invalid_value, "coding", "'split-unipolar'",
                    "'unipolar' or 'bipolar': no operand is a weight, whose sign is known");
    (void)product("heads * queries * tokens", {o.heads, queries, o.tokens});
    const std::size_t rows =
        product("tokens * heads * head_width", {o.tokens, o.heads, o.head_width, 2});
    const std::size_t outputs =
        product("queries * heads * head_width", {queries, o.heads, o.head_width});
    return {outputs + rows, outputs};
}

}  // namespace

AttentionState::AttentionState(const AttentionOptions& o)
    : KindOf({.inputs = check_sizes(o).inputs, .rows = check_sizes(o).outputs, .fan_in = 0},
             common_options(o.streams), {nullptr, check_sizes(o).outputs, 0}, {}),
      options_(o) {}

Sizes AttentionState::sizes() const {
    return {{"tokens", tokens()},
            {"heads", heads()},
            {"head_width", options_.head_width},
            {"queries", options_.queries.value_or(0)},  // 0: the tokens themselves
            {"causal", options_.causal}};
}

std::string AttentionState::call() const {
    return fmt::format("Attention({}, {}, {}, n_queries={}, causal={}", tokens(), heads(),
                       options_.head_width,
                       options_.queries ? fmt::format("{}", *options_.queries) : "None",
                       options_.causal ? "True" : "False");
}

AttentionState::Place AttentionState::place(Operand operand, std::size_t head) const {
    const std::size_t column = head * options_.head_width;
    const auto part = static_cast<std::size_t>(operand);
    if (!options_.queries) return {part * width() + column, 3 * width()};
    if (operand == Operand::query) return {column, width()};
    return {queries() * width() + (part - 1) * width() + column, 2 * width()};
}

Attention::Attention(const AttentionOptions& options)
    : Layer(std::make_unique<AttentionState>(options)) {}

AttentionOptions attention_options(const Layer& layer) {
    const auto& state = state_of_kind<AttentionState>(layer, "an Attention");
    AttentionOptions options = state.attention();
    options.streams = with_common(options.streams, state.options);
    return options;
}

}  // namespace bitaxon
