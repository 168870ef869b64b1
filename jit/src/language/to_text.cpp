#include "to_text.hpp"

#include "functions.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

namespace bitaxon::jit {
namespace {

constexpr std::uint64_t kMaxSites = 10'000;

constexpr Op kInfix[] = {
    Op::add,         Op::sub,   Op::mul,          Op::div,    Op::bit_and,
    Op::bit_or,      Op::power, Op::floor_divide, Op::modulo, Op::shift_left,
    Op::shift_right, Op::less,  Op::less_equal,   Op::equal,  Op::not_equal,
};
constexpr Op kPrefix[] = {Op::negate, Op::logical_not, Op::bit_not};

bool is_one_of(std::span<const Op> ops, Op op) {
    return std::find(ops.begin(), ops.end(), op) != ops.end();
}

// The wide mask that widens those that it meets, in texts with that `real`.
constexpr std::string_view kFalse = "0 and 0";

// What the parser puts in by itself where masks of two widths meet, and no other text says.
bool is_implied(Op op, Type real) {
    return op == Op::m32_from_m64 || (op == Op::m64_from_m32 && real != Type::f64);
}

std::string float_text(double value) {
    if (std::isnan(value)) {
        return "0.0/0.0";
    }
    if (std::isinf(value)) {
        return value > 0 ? "1.0/0.0" : "-1.0/0.0";
    }
    std::string text = fmt::format("{}", value);
    // Without a point it would be an integer, which has no -0.
    return text.find_first_of(".e") == std::string::npos ? text + ".0" : text;
}

std::string integer_text(std::int64_t value) {
    return value == std::numeric_limits<std::int64_t>::min()
               ? fmt::format("{} - 1", value + 1)  // it is no literal
               : fmt::format("{}", value);
}

class Writer {
  public:
    Writer(const Graph& graph, std::span<const NodeId> roots, Type real)
        : graph_(graph), roots_(roots), real_(real), names_(graph.size()) {}

    std::optional<std::string> run();

  private:
    bool declare_sites(std::span<const NodeId> nodes);
    std::optional<std::string> value(const Node& node, NodeId id) const;
    std::optional<std::string> constant(const Node& node, NodeId id) const;
    std::optional<std::string> call(const Node& node) const;
    const std::string& name(const Node& node, std::size_t argument) const {
        return names_[node.args[argument]];
    }

    const Graph& graph_;
    std::span<const NodeId> roots_;
    Type real_;
    std::vector<std::string> names_;  // of the nodes
    std::string text_;
};

std::optional<std::string> Writer::run() {
    const std::vector<NodeId> nodes = reachable(graph_, roots_);
    for (const NodeId id : nodes) {
        const Node& node = graph_[id];
        if (node.op == Op::input && node.type != real_) {
            text_ += fmt::format("x{} : {}\n", node.payload, jit::name(node.type));
        }
    }
    if (!declare_sites(nodes)) {
        return std::nullopt;
    }
    std::size_t count = 0;
    for (const NodeId id : nodes) {
        const Node& node = graph_[id];
        if (node.op == Op::input) {
            names_[id] = fmt::format("x{}", node.payload);
        } else if (node.op == Op::rand || node.op == Op::randn) {
            names_[id] = fmt::format("r{}", node.payload);
        } else if (is_implied(node.op, real_)) {
            names_[id] = name(node, 0);
        } else {
            const auto written = value(node, id);
            if (!written) {
                return std::nullopt;
            }
            names_[id] = fmt::format("v{}", count++);
            text_ += fmt::format("{} = {}\n", names_[id], *written);
        }
    }
    for (const NodeId root : roots_) {
        text_ += names_[root] + '\n';
    }
    return std::move(text_);
}

// The parser numbers sites by their order in the text, and some may have been optimised away.
bool Writer::declare_sites(std::span<const NodeId> nodes) {
    std::vector<Op> sites;
    for (const NodeId id : nodes) {
        const Node& node = graph_[id];
        if (node.op != Op::rand && node.op != Op::randn) {
            continue;
        }
        if (node.payload >= kMaxSites || node.type != real_) {
            return false;
        }
        sites.resize(std::max<std::size_t>(sites.size(), node.payload + 1), Op::rand);
        sites[node.payload] = node.op;
    }
    for (std::size_t site = 0; site < sites.size(); ++site) {
        text_ += fmt::format("r{} = {}()\n", site, info(sites[site]).text);
    }
    return true;
}

std::optional<std::string> Writer::value(const Node& node, NodeId id) const {
    if (node.op == Op::constant) {
        return constant(node, id);
    }
    if (is_one_of(kInfix, node.op)) {
        return fmt::format("{} {} {}", name(node, 0), info(node.op).text, name(node, 1));
    }
    if (is_one_of(kPrefix, node.op)) {
        return fmt::format("{} {}", info(node.op).text, name(node, 0));
    }
    switch (node.op) {
    case Op::cast:
        return fmt::format("{}({})", jit::name(node.type), name(node, 0));
    case Op::m64_from_m32:
        return fmt::format("{} | ({})", name(node, 0), kFalse);
    case Op::integer_power:
        return fmt::format("{} ^ {}", name(node, 0), static_cast<std::int64_t>(node.payload));
    default:
        return call(node);
    }
}

std::optional<std::string> Writer::constant(const Node& node, NodeId id) const {
    if (is_mask(node.type)) {
        if (node.type != mask_of(real_)) {
            return std::nullopt;
        }
        return std::string(node.payload != 0 ? "1 and 1" : kFalse);
    }
    const std::string text =
        is_float(node.type) ? float_text(graph_.value(id)) : integer_text(graph_.integer_value(id));
    return node.type == real_ ? text : fmt::format("{}({})", jit::name(node.type), text);
}

std::optional<std::string> Writer::call(const Node& node) const {
    const auto functions = built_in_functions();
    const auto function = std::find_if(functions.begin(), functions.end(),
                                       [&](const BuiltIn& f) { return f.op == node.op; });
    if (function == functions.end()) {
        return std::nullopt;
    }
    std::vector<std::string> arguments;
    for (std::size_t k = 0; k < node.count; ++k) {
        arguments.push_back(name(node, k));
    }
    if (node.op == Op::fbm2 || node.op == Op::fbm3) {  // octaves are a literal
        arguments.back() = fmt::format("{}", graph_.value(node.args[node.count - 1U]));
    }
    return fmt::format("{}({})", function->name, fmt::join(arguments, ", "));
}

}  // namespace

std::vector<std::string> input_names(std::size_t count) {
    std::vector<std::string> names;
    for (std::size_t k = 0; k < count; ++k) {
        names.push_back(fmt::format("x{}", k));
    }
    return names;
}

std::optional<std::string> to_text(const Graph& graph, std::span<const NodeId> roots, Type real) {
    return Writer(graph, roots, real).run();
}

namespace {

bool is_nan(const Graph& graph, NodeId id) {
    return graph.is_constant(id) && is_float(graph.type(id)) && std::isnan(graph.value(id));
}

// The node of `graph` for a constant of another graph; NaN is one value, whatever its bits.
NodeId constant_in(Graph& graph, const Graph& other, NodeId id) {
    const Type type = other.type(id);
    for (NodeId own = 0; is_nan(other, id) && own < graph.size(); ++own) {
        if (is_nan(graph, own) && graph.type(own) == type) {
            return own;
        }
    }
    return graph.constant_bits(type, other[id].payload);
}

}  // namespace

// Nodes are hash-consed: where `b` holds all of `a`, building `a` into it adds nothing.
bool is_same(const Graph& a, std::span<const NodeId> a_roots, const Graph& b,
             std::span<const NodeId> b_roots) {
    Graph both = b;
    std::vector<NodeId> image(a.size(), kNoNode);
    const std::vector<NodeId> nodes = reachable(a, a_roots);
    for (const NodeId id : nodes) {
        const Node& node = a[id];
        std::array<NodeId, kMaxArguments> args{};
        std::transform(node.arguments().begin(), node.arguments().end(), args.begin(),
                       [&](NodeId argument) { return image[argument]; });
        image[id] =
            node.op == Op::constant
                ? constant_in(both, a, id)
                : both.make(node.op, node.type, std::span(args).first(node.count), node.payload);
    }
    return both.size() == b.size() && nodes.size() == reachable(b, b_roots).size() &&
           std::equal(a_roots.begin(), a_roots.end(), b_roots.begin(), b_roots.end(),
                      [&](NodeId in_a, NodeId in_b) { return image[in_a] == in_b; });
}

}  // namespace bitaxon::jit
