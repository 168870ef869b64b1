// Wires are evaluated in the order of the text, or when an earlier one reads them; what a delay
// delays is evaluated last, so that feedback through registers and delays is no cycle.
#include "build.hpp"

#include "expressions.hpp"

#include <bitaxon/core/error.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <unordered_map>
#include <utility>

namespace bitaxon::jit {
namespace {

constexpr std::size_t kMaxFlops = 4096;
constexpr std::size_t kMaxForwardReads = 200;

class Builder : CircuitNames {
  public:
    Builder(std::string_view text, const std::vector<std::string>& outputs)
        : script_(parse_script(text, Dialect::circuit)), chosen_(outputs) {}

    Netlist run();

  private:
    enum class Progress : std::uint8_t { untouched, under_way, done };
    struct Wire {
        const Statement* statement;
        Progress progress = Progress::untouched;
        Number value;
    };
    struct Register {
        const Statement* declaration;
        const Statement* assignment = nullptr;
        Number now;
        std::size_t first_flop = 0;
    };
    // The first flop of a delay line, whose next value is evaluated last.
    struct Pending {
        ExprId delayed;
        std::size_t flop;
    };

    void collect();
    void collect_declaration(const Statement& statement);
    void collect_value(const Statement& statement);
    void close_registers();
    void put_outputs();
    void put_output(std::string_view name, const Number& value);
    void drop_unused_flops();

    const Number& wire(Wire& wire, Position position);
    Number read(const Expr& expr) override;
    NodeId delay(ExprId delayed, std::size_t count, bool initial) override;

    Number input(std::string_view name, std::size_t bits);
    std::size_t flop(bool initial);
    NodeId source(Source source);
    std::vector<std::string> names() const;
    [[noreturn]] void fail(Position position, const std::string& message) const {
        throw_at(*script_.ast.source, position, message);
    }

    Script script_;
    Netlist net_;
    CircuitExpressions expressions_{script_.ast, net_.graph, *this};
    const std::vector<std::string>& chosen_;
    std::unordered_map<std::string_view, Wire> wires_;
    std::unordered_map<std::string_view, Register> registers_;
    std::unordered_map<std::string_view, Number> inputs_;
    std::vector<Pending> pending_;
    std::size_t forward_reads_ = 0;
};

// What is where.

void Builder::collect_declaration(const Statement& statement) {
    const bool is_flagged = statement.constant || statement.shared;
    if (is_flagged) {
        fail(statement.position, "got a flag, expected none in a circuit; remove it");
    }
    if (registers_.contains(statement.name) || inputs_.contains(statement.name)) {
        fail(statement.position,
             fmt::format("got a second declaration of `{}`, expected one", statement.name));
    }
    if (!statement.value) {
        inputs_.emplace(statement.name, input(statement.name, statement.bits));
        return;
    }
    Register made{&statement, nullptr, {}, net_.flops.size()};
    const Number initial = expressions_.translate(*statement.value);
    const std::int64_t value = expressions_.constant(script_.ast.exprs[*statement.value], initial,
                                                     0, (std::int64_t{1} << statement.bits) - 1);
    std::vector<NodeId> bits;
    for (std::uint32_t k = 0; k < statement.bits; ++k) {
        bits.push_back(net_.flops[flop((value >> k & 1) != 0)].now);
    }
    made.now = expressions_.numbers().unsigned_number(std::move(bits));
    registers_.emplace(statement.name, std::move(made));
}

void Builder::collect_value(const Statement& statement) {
    if (const auto found = registers_.find(statement.name); found != registers_.end()) {
        if (found->second.assignment != nullptr) {
            fail(statement.position,
                 fmt::format("got a second next value of `{}`, expected one", statement.name));
        }
        found->second.assignment = &statement;
        return;
    }
    if (statement.kind != StatementKind::assignment) {
        fail(statement.position,
             fmt::format("got `{0}` changed in place, expected a register; declare it, as in "
                         "`{0} : u3 = 0`",
                         statement.name));
    }
    if (inputs_.contains(statement.name)) {
        fail(statement.position,
             fmt::format("got a value for the input `{0}`, expected a name of its own; a register "
                         "is declared with its first value, as in `{0} : u3 = 0`",
                         statement.name));
    }
    if (!wires_.emplace(statement.name, Wire{&statement, {}, {}}).second) {
        fail(statement.position,
             fmt::format("got a second value of `{}`, expected one", statement.name));
    }
}

void Builder::collect() {
    std::vector<Statement>& statements = script_.statements;
    if (statements.empty()) {
        fail({}, "got no statement, expected at least one, as in `y = a & b`");
    }
    for (Statement& statement : statements) {
        if (statement.kind == StatementKind::differential) {
            fail(statement.position, "got a differential equation, expected gates; circuits have "
                                     "registers, as in `c : u3 = 0`");
        }
        if (statement.kind == StatementKind::result) {
            statement.name = "result";
            statement.kind = StatementKind::assignment;
        }
    }
    for (const Statement& statement : statements) {
        if (statement.kind == StatementKind::declaration) {
            collect_declaration(statement);
        }
    }
    for (const Statement& statement : statements) {
        if (statement.kind != StatementKind::declaration) {
            collect_value(statement);
        }
    }
    // Expressions are numbered in the order of the text; their evaluation keeps another one.
    for (const Expr& expr : script_.ast.exprs) {
        if (expr.kind == ExprKind::name && !registers_.contains(expr.text) &&
            !wires_.contains(expr.text) && !inputs_.contains(expr.text)) {
            inputs_.emplace(expr.text, input(expr.text, 1));
        }
    }
}

Netlist Builder::run() {
    collect();
    for (const Statement& statement : script_.statements) {
        if (const auto found = wires_.find(statement.name); found != wires_.end()) {
            wire(found->second, statement.position);
        }
    }
    close_registers();
    put_outputs();
    drop_unused_flops();
    return std::move(net_);
}

void Builder::close_registers() {
    // In the order of the text, not of the table: node numbers are part of what explain() shows.
    for (const Statement& statement : script_.statements) {
        const auto found = registers_.find(statement.name);
        if (found == registers_.end()) {
            continue;
        }
        const Register& self = found->second;
        if (self.assignment == nullptr) {
            fail(statement.position, fmt::format("got the register `{0}` without a next value, "
                                                 "expected one, as in `{0} = ...`",
                                                 statement.name));
        }
        if (self.assignment != &statement) {
            continue;
        }
        Number next = expressions_.translate(*statement.value);
        if (statement.kind == StatementKind::add_assign) {
            next = expressions_.numbers().add(self.now, next);
        } else if (statement.kind == StatementKind::subtract_assign) {
            next = expressions_.numbers().subtract(self.now, next);
        }
        const std::uint32_t bits = self.declaration->bits;
        const std::int64_t high = (std::int64_t{1} << bits) - 1;
        if (next.low < 0 || next.high > high) {
            fail(statement.position,
                 fmt::format("got values from {} to {} for `{}`, expected 0 ... {}; limit them, as "
                             "in `clip(..., 0, {})`, or keep the low bits, as in `u{}(...)`",
                             next.low, next.high, statement.name, high, high, bits));
        }
        for (std::uint32_t k = 0; k < bits; ++k) {
            net_.flops[self.first_flop + k].next =
                k < next.bits.size() ? next.bits[k] : expressions_.gates().constant(false);
        }
    }
    for (std::size_t k = 0; k < pending_.size(); ++k) {  // translating may add to the list
        const Pending line = pending_[k];
        const Expr& delayed = script_.ast.exprs[line.delayed];
        const Number value = expressions_.translate(line.delayed);
        net_.flops[line.flop].next = expressions_.condition(delayed, value);
    }
}

void Builder::put_outputs() {
    if (chosen_.empty()) {
        for (const Statement& statement : script_.statements) {
            if (const auto found = wires_.find(statement.name); found != wires_.end()) {
                put_output(statement.name, found->second.value);
            }
        }
        if (net_.outputs.empty()) {
            fail({}, "got registers alone, expected an output; name a value, as in `y = ...`");
        }
    }
    for (const std::string& name : chosen_) {
        if (std::count(chosen_.begin(), chosen_.end(), name) > 1) {
            throw_error(ErrorCode::invalid_value, "outputs", fmt::format("'{}' twice", name),
                        "each name once");
        }
        if (const auto found = wires_.find(name); found != wires_.end()) {
            put_output(name, found->second.value);
        } else if (const auto reg = registers_.find(name); reg != registers_.end()) {
            put_output(name, reg->second.now);
        } else {
            throw_error(ErrorCode::invalid_value, "outputs", fmt::format("'{}'", name),
                        "names that the circuit gives a value" + suggestion(name, names()));
        }
    }
}

void Builder::put_output(std::string_view name, const Number& value) {
    if (value.low < 0) {
        const auto statement = wires_.at(name).statement;
        fail(statement->position,
             fmt::format("got the output `{}` with values from {} to {}, expected none below 0; "
                         "add an offset",
                         name, value.low, value.high));
    }
    std::vector<NodeId> bits = value.bits;
    if (bits.empty()) {
        bits.push_back(expressions_.gates().constant(false));
    }
    net_.outputs.push_back({std::string(name), bits.size()});
    net_.output_bits.insert(net_.output_bits.end(), bits.begin(), bits.end());
}

// Flops that no output depends on, not even by way of others, are left out.
void Builder::drop_unused_flops() {
    std::vector<char> used(net_.flops.size(), 0);
    std::vector<char> seen(net_.graph.size(), 0);
    std::vector<NodeId> open = net_.output_bits;
    while (!open.empty()) {
        const NodeId id = open.back();
        open.pop_back();
        if (std::exchange(seen[id], 1) != 0) {
            continue;
        }
        const Node& node = net_.graph[id];
        open.insert(open.end(), node.arguments().begin(), node.arguments().end());
        if (node.op == Op::input && net_.sources[node.payload].is_flop) {
            const std::size_t number = net_.sources[node.payload].port;
            used[number] = 1;
            open.push_back(net_.flops[number].next);
        }
    }
    std::vector<Flop> kept;
    for (std::size_t k = 0; k < net_.flops.size(); ++k) {
        if (used[k] != 0) {
            net_.sources[net_.graph[net_.flops[k].now].payload].port = kept.size();
            kept.push_back(net_.flops[k]);
        }
    }
    net_.flops = std::move(kept);
}

// Expressions.

const Number& Builder::wire(Wire& wire, Position position) {
    if (wire.progress == Progress::under_way) {
        fail(position, fmt::format("got `{0}` in a loop of gates, expected a register or a delay "
                                   "in it, as in `delay({0}, 1)`",
                                   wire.statement->name));
    }
    if (wire.progress == Progress::untouched) {
        if (++forward_reads_ > kMaxForwardReads) {
            fail(position, fmt::format("got more than {} wires that wait for one another, expected "
                                       "fewer; write them in the order of their use",
                                       kMaxForwardReads));
        }
        wire.progress = Progress::under_way;
        wire.value = expressions_.translate(*wire.statement->value);
        wire.progress = Progress::done;
        --forward_reads_;
    }
    return wire.value;
}

Number Builder::read(const Expr& expr) {
    if (const auto found = registers_.find(expr.text); found != registers_.end()) {
        return found->second.now;
    }
    if (const auto found = wires_.find(expr.text); found != wires_.end()) {
        return wire(found->second, expr.position);
    }
    return inputs_.at(expr.text);
}

NodeId Builder::delay(ExprId delayed, std::size_t count, bool initial) {
    std::size_t last = flop(initial);
    pending_.push_back({delayed, last});
    for (std::size_t k = 1; k < count; ++k) {
        const NodeId before = net_.flops[last].now;
        last = flop(initial);
        net_.flops[last].next = before;
    }
    return net_.flops[last].now;
}

// Leaves.

NodeId Builder::source(Source source) {
    net_.sources.push_back(source);
    return net_.graph.make(Op::input, Type::i64, {}, net_.sources.size() - 1);
}

Number Builder::input(std::string_view name, std::size_t bits) {
    const std::size_t port = net_.inputs.size();
    net_.inputs.push_back({std::string(name), bits});
    std::vector<NodeId> nodes;
    for (std::size_t k = 0; k < bits; ++k) {
        nodes.push_back(source({false, port, k}));
    }
    return expressions_.numbers().unsigned_number(std::move(nodes));
}

std::size_t Builder::flop(bool initial) {
    if (net_.flops.size() >= kMaxFlops) {
        throw_error(ErrorCode::invalid_value, "circuit",
                    fmt::format("more than {} bits of registers and delays", kMaxFlops),
                    "fewer; shorten the delays");
    }
    const std::size_t number = net_.flops.size();
    net_.flops.push_back({source({true, number, 0}), kNoNode, initial});
    return number;
}

std::vector<std::string> Builder::names() const {
    std::vector<std::string> names;
    for (const auto& [name, wire] : wires_) {
        names.emplace_back(name);
    }
    for (const auto& [name, reg] : registers_) {
        names.emplace_back(name);
    }
    std::ranges::sort(names);
    return names;
}

}  // namespace

std::vector<NodeId> Netlist::roots() const {
    std::vector<NodeId> roots = output_bits;
    for (const Flop& flop : flops) {
        roots.push_back(flop.next);
    }
    return roots;
}

std::size_t Netlist::gates() const {
    std::size_t count = 0;
    for (const NodeId id : reachable(graph, roots())) {
        count += info(graph[id].op).kind == OpKind::primitive ? 1U : 0U;
    }
    return count;
}

Netlist build_circuit(std::string_view text, const std::vector<std::string>& outputs) {
    return Builder(text, outputs).run();
}

}  // namespace bitaxon::jit
