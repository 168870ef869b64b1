#include "description.hpp"

#include "../ir/lower.hpp"
#include "../language/to_graph.hpp"
#include "use_order.hpp"

#include <bitaxon/core/error.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

namespace bitaxon::jit {
namespace {

constexpr StandardParameter kStandardParameters[] = {
    {"tau_mem", 0.02, "time constant of the membrane in s"},
    {"tau_syn", 0.005, "time constant of synaptic currents in s"},
    {"v_rest", 0, "potential of the membrane at rest"},
    {"v_threshold", 1, "potential at which a neuron spikes"},
    {"v_reset", 0, "potential after a spike"},
    {"r", 1, "resistance of the membrane"},
};

bool is_noise(std::string_view name) { return name == "xi" || name.starts_with("xi_"); }

bool is_language_name(std::string_view name) { return name == "pi" || name == "e"; }

std::string_view trimmed(std::string_view text) {
    const auto first = text.find_first_not_of(" \t\r\n");
    if (first == std::string_view::npos) {
        return {};
    }
    return text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1);
}

// What the word stands for, or the text itself.
std::string reset_text(std::string_view reset, bool has_v_reset) {
    if (reset == "none") {
        return {};
    }
    if (reset == "value") {
        return "v = v_reset";
    }
    if (reset == "subtract") {
        return has_v_reset ? "v -= v_threshold - v_reset" : "v -= v_threshold";
    }
    return std::string(reset);
}

std::string refractory_text(const std::variant<double, std::string>& refractory) {
    if (const auto* text = std::get_if<std::string>(&refractory)) {
        return std::string(trimmed(*text));
    }
    const double seconds = std::get<double>(refractory);
    if (!(seconds >= 0) || std::isinf(seconds)) {
        throw_error(ErrorCode::invalid_value, "refractory", fmt::format("{}", seconds),
                    "seconds, 0 or more");
    }
    return seconds == 0 ? std::string{} : fmt::format("{}", seconds);
}

struct Declaration {
    const Statement* statement;
    std::uint32_t number;
};

// Sorts the statements of a rule's texts.
class Reader {
  public:
    Reader(Description& description, const RuleOptions& options)
        : d_(description), options_(options) {}

    void read();

  private:
    void parse();
    void read_declarations();
    void read_statements();
    void read_resets();
    void read_condition(RuleText text, std::optional<TextExpr>& value, std::string_view what);
    void name_declared();
    void name_undeclared();
    void name_undeclared(RuleText text, const Expr& expr);
    void check_parameters() const;
    void evaluate_parameters();
    double constant_value(Graph& graph, const Statement& statement, const Scope& scope) const;
    void order_sub_expressions();
    void collect_names();

    bool is(std::string_view name, Meaning::Kind kind) const {
        const Meaning* meaning = d_.meaning(name);
        return meaning != nullptr && meaning->kind == kind;
    }
    bool is_variable(std::string_view name) const { return is(name, Meaning::Kind::variable); }
    void give_meaning(std::string_view name, Meaning::Kind kind, std::size_t number) {
        d_.meanings.insert_or_assign(name, Meaning{kind, static_cast<std::uint32_t>(number)});
    }
    void add_parameter(std::string_view parameter, DeclaredType type, bool shared) {
        give_meaning(parameter, Meaning::Kind::parameter, d_.parameters.size());
        d_.parameters.push_back({std::string(parameter), type, 0, shared});
    }
    TextExpr expr(RuleText text, const Statement& statement) {
        return {text, *statement.value, statements_++};
    }
    Variable& variable(const Statement& statement, RuleText text);
    [[noreturn]] void fail(RuleText text, Position position, const std::string& message) const {
        throw_at(d_.source(text), position, message);
    }

    Description& d_;
    const RuleOptions& options_;
    std::unordered_map<std::string_view, Declaration> declared_;
    std::vector<std::string> declared_order_;
    std::uint32_t statements_ = 0;
};

void Reader::read() {
    parse();
    read_declarations();
    read_statements();
    read_resets();
    read_condition(RuleText::threshold, d_.threshold, "threshold");
    read_condition(RuleText::refractory, d_.refractory, "refractory");
    name_declared();
    name_undeclared();
    check_parameters();
    collect_names();
    evaluate_parameters();
    order_sub_expressions();
}

void Reader::parse() {
    const std::string threshold(trimmed(options_.threshold));
    const std::string refractory = refractory_text(options_.refractory);
    const std::string_view reset = trimmed(options_.reset);
    d_.scripts[0] = parse_script(options_.equations);
    const bool has_v_reset =
        options_.parameters.contains("v_reset") ||
        std::any_of(d_.scripts[0].statements.begin(), d_.scripts[0].statements.end(),
                    [](const Statement& s) { return s.name == "v_reset"; });
    d_.scripts[1] = parse_script(threshold);
    d_.scripts[2] = parse_script(reset_text(reset, has_v_reset));
    d_.scripts[3] = parse_script(refractory);
    if (d_.scripts[0].statements.empty()) {
        throw_error(ErrorCode::invalid_value, "equations", "an empty text",
                    "statements, such as `dv/dt = (i - v)/tau_mem`");
    }
    const bool spikes = !d_.scripts[1].statements.empty();
    if (!spikes && !d_.scripts[2].statements.empty()) {
        throw_error(ErrorCode::invalid_value, "reset",
                    fmt::format("`{}` without a threshold", reset),
                    "a threshold, such as `v > v_threshold`");
    }
    if (!spikes && !d_.scripts[3].statements.empty()) {
        throw_error(ErrorCode::invalid_value, "refractory",
                    fmt::format("`{}` without a threshold", refractory),
                    "a threshold, such as `v > v_threshold`");
    }
}

// The variable that the statement names, made if it is new.
Variable& Reader::variable(const Statement& statement, RuleText text) {
    const std::string_view name = statement.name;
    if (const Meaning* known = d_.meaning(name);
        known != nullptr && known->kind == Meaning::Kind::variable) {
        return d_.variables[known->number];
    }
    Variable made{std::string(name), {}, statement.position, {}, {}};
    if (const auto found = declared_.find(name); found != declared_.end()) {
        const Statement& declaration = *found->second.statement;
        if (declaration.constant || declaration.shared) {
            fail(text, statement.position,
                 fmt::format("`{}` is declared {}; only variables of each neuron can change", name,
                             declaration.constant ? "constant" : "shared"));
        }
        made.type = declaration.type;
        if (declaration.value) {
            made.initial = TextExpr{RuleText::equations, *declaration.value, found->second.number};
        }
    }
    give_meaning(name, Meaning::Kind::variable, d_.variables.size());
    return d_.variables.emplace_back(std::move(made));
}

void Reader::read_declarations() {
    for (const Statement& s : d_.script(RuleText::equations).statements) {
        if (s.kind != StatementKind::declaration) {
            continue;
        }
        if (s.name == "t" || s.name == "dt" || is_noise(s.name) || is_language_name(s.name)) {
            fail(RuleText::equations, s.position,
                 fmt::format("`{}` has a meaning in rules; choose another name", s.name));
        }
        if (!declared_.emplace(s.name, Declaration{&s, statements_++}).second) {
            fail(RuleText::equations, s.position, fmt::format("`{}` is declared twice", s.name));
        }
        declared_order_.emplace_back(s.name);
    }
}

void Reader::read_statements() {
    constexpr RuleText text = RuleText::equations;
    for (const Statement& s : d_.script(text).statements) {
        switch (s.kind) {
        case StatementKind::declaration:
            break;
        case StatementKind::result:
            fail(text, s.position,
                 "got an expression, expected a statement: `dv/dt = ...`, `name = ...` or "
                 "`name : real = ...`");
        case StatementKind::differential: {
            Variable& changed = variable(s, text);
            changed.position = s.position;
            if (changed.rate) {
                fail(text, s.position, fmt::format("d{}/dt is given twice", s.name));
            }
            if (changed.type && !is_float(*changed.type)) {
                fail(text, s.position,
                     fmt::format("`{}` is an {}; differential equations need real variables",
                                 s.name, jit::name(*changed.type)));
            }
            changed.rate = expr(text, s);
            changed.unless_refractory = s.unless_refractory;
            break;
        }
        case StatementKind::assignment:
        case StatementKind::add_assign:
        case StatementKind::subtract_assign:
            if (declared_.contains(s.name)) {
                variable(s, text);
                d_.updates.push_back({std::string(s.name), s.position, expr(text, s), s.kind});
            } else if (s.kind != StatementKind::assignment) {
                fail(text, s.position,
                     fmt::format("`{0}` has no value yet; declare it: `{0} : real = 0`", s.name));
            } else if (is(s.name, Meaning::Kind::sub_expression)) {
                fail(text, s.position,
                     fmt::format("`{0}` is given twice; for a value that lives from step to "
                                 "step declare it: `{0} : real = 0`",
                                 s.name));
            } else {
                if (!is_variable(s.name)) {
                    give_meaning(s.name, Meaning::Kind::sub_expression, d_.sub_expressions.size());
                }
                d_.sub_expressions.push_back(
                    {std::string(s.name), s.position, expr(text, s), s.kind});
            }
            break;
        }
    }
    for (const NamedExpr& s : d_.sub_expressions) {
        if (is_variable(s.name)) {
            fail(text, s.position,
                 fmt::format("`{0}` has a differential equation; a second one for it must be an "
                             "update of a declared variable: `{0} : real = 0`",
                             s.name));
        }
        if (s.name == "i" || s.name == "t" || s.name == "dt" || is_noise(s.name)) {
            fail(text, s.position,
                 fmt::format("`{}` has a meaning in rules; choose another name", s.name));
        }
    }
}

void Reader::read_resets() {
    constexpr RuleText text = RuleText::reset;
    for (const Statement& s : d_.script(text).statements) {
        if (s.kind != StatementKind::assignment && s.kind != StatementKind::add_assign &&
            s.kind != StatementKind::subtract_assign) {
            fail(text, s.position,
                 "expected statements such as `v = v_reset`, or value, subtract or none");
        }
        if (!is_variable(s.name) && !declared_.contains(s.name)) {
            std::vector<std::string> candidates = declared_order_;
            for (const Variable& v : d_.variables) {
                candidates.push_back(v.name);
            }
            fail(text, s.position,
                 fmt::format("`{}` is no variable of the rule{}", s.name,
                             suggestion(s.name, candidates)));
        }
        variable(s, text);
        d_.resets.push_back({std::string(s.name), s.position, expr(text, s), s.kind});
    }
}

void Reader::read_condition(RuleText text, std::optional<TextExpr>& value, std::string_view what) {
    const std::vector<Statement>& statements = d_.script(text).statements;
    if (statements.empty()) {
        return;
    }
    if (statements.size() > 1 || statements[0].kind != StatementKind::result) {
        fail(text, statements[statements.size() > 1 ? 1 : 0].position,
             fmt::format("{}: expected one expression", what));
    }
    value = expr(text, statements[0]);
}

// Declared names that nothing changes: the current, and parameters.
void Reader::name_declared() {
    for (const std::string& name : declared_order_) {
        const Statement& declaration = *declared_.at(name).statement;
        if (is_variable(name)) {
            continue;
        }
        if (name == "i" && !declaration.value && !declaration.constant && !declaration.shared) {
            d_.current = declaration.type;
        } else {
            add_parameter(declaration.name, declaration.type, declaration.shared);
        }
    }
}

void Reader::name_undeclared() {
    for (std::size_t k = 0; k < d_.scripts.size(); ++k) {
        for (const Expr& expr : d_.scripts[k].ast.exprs) {
            if (expr.kind == ExprKind::name) {
                name_undeclared(static_cast<RuleText>(k), expr);
            }
        }
    }
}

void Reader::name_undeclared(RuleText text, const Expr& expr) {
    const std::string_view name = expr.text;
    if (d_.meaning(name) != nullptr || name == "t" || name == "dt" || (name == "i" && d_.current)) {
        return;
    }
    const auto standard =
        std::find_if(std::begin(kStandardParameters), std::end(kStandardParameters),
                     [&](const StandardParameter& p) { return p.name == name; });
    if (options_.parameters.contains(std::string(name)) ||
        standard != std::end(kStandardParameters)) {
        add_parameter(name, {}, false);
    } else if (name == "i") {
        d_.current = DeclaredType{};
    } else if (is_noise(name)) {
        give_meaning(name, Meaning::Kind::noise, d_.noises.size());
        d_.noises.emplace_back(name);
    } else if (!is_language_name(name)) {
        collect_names();
        for (const StandardParameter& p : kStandardParameters) {
            d_.names.emplace_back(p.name);
        }
        const std::string near = suggestion(name, d_.names);
        fail(text, expr.position,
             fmt::format("unknown name `{0}`{1}", name,
                         near.empty()
                             ? fmt::format(", expected one that has a meaning; declare it, as "
                                           "in `{} : real = 1`, or give it in `parameters`",
                                           name)
                             : near));
    }
}

void Reader::check_parameters() const {
    std::vector<std::string> names;
    for (const Parameter& p : d_.parameters) {
        names.push_back(p.name);
    }
    for (const auto& [name, value] : options_.parameters) {
        if (!is(name, Meaning::Kind::parameter)) {
            throw_error(ErrorCode::invalid_value, "parameters",
                        fmt::format("`{}`, {}", name,
                                    is_variable(name) ? "which is a variable"
                                                      : "which the rule doesn't use"),
                        fmt::format("names of its parameters{}", suggestion(name, names)));
        }
        if (!std::isfinite(value)) {
            throw_error(ErrorCode::invalid_value, name, fmt::format("{}", value),
                        "a finite number");
        }
    }
}

double Reader::constant_value(Graph& graph, const Statement& statement, const Scope& scope) const {
    const Ast& ast = d_.script(RuleText::equations).ast;
    if (ast.exprs[*statement.value].kind == ExprKind::number) {
        return ast.exprs[*statement.value].number;
    }
    const NodeId root = to_graph(graph, ast, *statement.value, scope);
    for (const NodeId id : reachable(graph, std::array{root})) {
        if (graph[id].op == Op::external) {
            fail(
                RuleText::equations, statement.position,
                fmt::format("the value of parameter `{}` must be made of numbers", statement.name));
        }
    }
    Graph lowered;
    const NodeId value = lower(graph, std::array{root}, lowered, {})[0];
    if (!lowered.is_constant(value)) {
        fail(RuleText::equations, statement.position,
             fmt::format("the value of parameter `{}` must be made of numbers", statement.name));
    }
    return is_float(lowered.type(value)) ? lowered.value(value)
                                         : static_cast<double>(lowered.integer_value(value));
}

// The value of a declared default, which may name parameters that stand before it.
void Reader::evaluate_parameters() {
    Graph graph;
    std::unordered_map<std::string_view, double> known;
    const Scope scope{.real = Type::f64,
                      .resolve = [&](std::string_view name) -> std::optional<NodeId> {
                          const auto found = known.find(name);
                          return found == known.end()
                                     ? std::nullopt
                                     : std::optional(graph.constant(Type::f64, found->second));
                      },
                      .known_names = declared_order_,
                      .functions = &options_.functions.table(),
                      .random_refusal = "a parameter is a fixed number"};
    for (Parameter& parameter : d_.parameters) {
        const auto declared = declared_.find(parameter.name);
        const auto given = options_.parameters.find(parameter.name);
        const auto standard =
            std::find_if(std::begin(kStandardParameters), std::end(kStandardParameters),
                         [&](const StandardParameter& p) { return p.name == parameter.name; });
        const Statement* statement =
            declared == declared_.end() ? nullptr : declared->second.statement;
        if (given != options_.parameters.end()) {
            parameter.value = given->second;
        } else if (statement != nullptr && statement->value) {
            parameter.value = constant_value(graph, *statement, scope);
        } else if (standard != std::end(kStandardParameters)) {
            parameter.value = standard->value;
        } else {
            fail(RuleText::equations, statement->position,
                 fmt::format("parameter `{0}` has no value; write `{0} : real = 1`, or give it in "
                             "`parameters`",
                             parameter.name));
        }
        known.emplace(parameter.name, parameter.value);
    }
}

void Reader::order_sub_expressions() {
    const Script& script = d_.script(RuleText::equations);
    if (const NamedExpr* circular = order_by_use(script, d_.sub_expressions)) {
        fail(RuleText::equations, circular->position,
             fmt::format("`{}` is defined by itself", circular->name));
    }
    for (std::uint32_t k = 0; k < d_.sub_expressions.size(); ++k) {
        d_.meanings.find(d_.sub_expressions[k].name)->second.number = k;
    }
}

void Reader::collect_names() {
    d_.names = {"t", "dt", "i", "xi"};
    for (const Variable& v : d_.variables) {
        d_.names.push_back(v.name);
    }
    for (const Parameter& p : d_.parameters) {
        d_.names.push_back(p.name);
    }
    for (const NamedExpr& s : d_.sub_expressions) {
        d_.names.push_back(s.name);
    }
}

}  // namespace

std::span<const StandardParameter> standard_parameters() noexcept { return kStandardParameters; }

Description::Description(const RuleOptions& options) { Reader(*this, options).read(); }

}  // namespace bitaxon::jit
