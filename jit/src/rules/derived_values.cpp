#include "derived_values.hpp"

#include "../ir/lower.hpp"
#include "../ir/semantics.hpp"

#include <bitaxon/core/error.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>

namespace bitaxon::jit {
namespace {

constexpr std::size_t kBlock = 1024;
// A counter of 32 bits holds it, and so does a float.
constexpr double kMaxRefractorySteps = 1 << 24;

// A diagonal system's propagator in closed form: exp(a dt), and b dt exprel(a dt).
std::vector<NodeId> diagonal_propagator(Graph& graph, const LinearSystem& system, NodeId dt) {
    constexpr Type t = Type::f64;
    const auto mul = [&](NodeId a, NodeId b) { return graph.make(Op::mul, t, {a, b}); };
    std::vector<NodeId> entries;
    const NodeId zero = graph.constant(t, 0);
    const std::size_t drives = system.drives.size();
    for (std::size_t row = 0; row < system.variables; ++row) {
        const NodeId a = system.a[row * system.variables + row];
        const NodeId exponent = a == kNoNode ? zero : mul(a, dt);
        for (std::size_t column = 0; column < system.variables; ++column) {
            entries.push_back(column == row ? graph.make(Op::exp, t, {exponent}) : zero);
        }
        const NodeId span = mul(dt, graph.make(Op::exprel, t, {exponent}));
        for (std::size_t drive = 0; drive < drives; ++drive) {
            const NodeId b = system.b[row * drives + drive];
            entries.push_back(b == kNoNode ? zero : mul(b, span));
        }
    }
    return entries;
}

std::vector<NodeId> coefficients(Graph& graph, const LinearSystem& system) {
    std::vector<NodeId> entries;
    const NodeId zero = graph.constant(Type::f64, 0);
    const std::size_t n = system.variables;
    const std::size_t m = system.drives.size();
    for (std::size_t row = 0; row < n; ++row) {
        for (std::size_t column = 0; column < n + m; ++column) {
            const NodeId entry =
                column < n ? system.a[row * n + column] : system.b[row * m + column - n];
            entries.push_back(entry == kNoNode ? zero : entry);
        }
    }
    return entries;
}

// A lane of the type that holds the value.
void write(Type type, double value, std::byte* lane) {
    const auto put = [&](auto typed) { std::memcpy(lane, &typed, sizeof typed); };
    switch (type) {
    case Type::f32:
        put(static_cast<float>(value));
        break;
    case Type::f64:
        put(value);
        break;
    case Type::i64:
        put(static_cast<std::int64_t>(value));
        break;
    default:
        put(static_cast<std::int32_t>(value));
        break;
    }
}

}  // namespace

DerivedValues::DerivedValues(const Description& description, const FunctionTable& functions,
                             const StepStart& start, std::string_view method) {
    if (description.refractory) {
        Graph graph;
        Evaluator evaluator(graph, description, functions, Type::f64);
        name_start_of_step(evaluator, description);
        const NodeId period = evaluator(*description.refractory, Type::f64, {});
        require_fixed(evaluator, std::array{period}, "refractory", false);
        refractory_ = compile(evaluator, std::array{period});
    }
    if (method == "exact" && std::any_of(description.variables.begin(), description.variables.end(),
                                         [](const Variable& v) { return v.rate.has_value(); })) {
        StepStart step = start;
        std::size_t culprit = 0;
        const std::optional<LinearSystem> system =
            find_linear_system(step.evaluator, description, step.rates, &culprit);
        layout_ = {system->variables, system->drives.size()};
        frozen_ = step.rates.frozen;
        diagonal_ = system->is_diagonal();
        propagators_ = compile(step.evaluator, diagonal_ ? diagonal_propagator(step.graph, *system,
                                                                               step.evaluator.dt())
                                                         : coefficients(step.graph, *system));
    }
}

DerivedValues::Formulas DerivedValues::compile(const Evaluator& evaluator,
                                               std::span<const NodeId> roots) const {
    const Graph& graph = evaluator.graph();
    Program program;
    Leaves leaves;
    Formulas formulas;
    // Every leaf is an array, so that one program serves all choices of uniform parameters.
    for (const Leaf& leaf : evaluator.leaves()) {
        const Type type = leaf.type == Type::i16 ? Type::i32 : leaf.type;
        leaves.inputs.push_back(program.graph.make(Op::input, type, {}, program.inputs.size()));
        program.inputs.push_back({"", type});
        formulas.inputs.push_back({leaf.kind, leaf.index, type});
    }
    for (const NodeId root : lower(graph, roots, program.graph, leaves)) {
        program.outputs.push_back({root, Type::f64});
    }
    formulas.results = program.outputs.size();
    formulas.interpreter = std::make_unique<const Interpreter>(program);
    return formulas;
}

std::vector<PerNeuron> DerivedValues::evaluate(const Formulas& formulas,
                                               std::span<const PerNeuron> parameters,
                                               double dt) const {
    std::size_t rows = 1;
    for (const Leaf& input : formulas.inputs) {
        if (input.kind == LeafKind::parameter) {
            rows = std::max(rows, parameters[input.index].size());
        }
    }
    std::vector<PerNeuron> results(formulas.results, PerNeuron(rows));
    const std::size_t block = std::min(kBlock, rows);
    std::vector<std::byte> columns(formulas.inputs.size() * block * 8);
    std::vector<const void*> inputs;
    for (std::size_t k = 0; k < formulas.inputs.size(); ++k) {
        inputs.push_back(columns.data() + k * block * 8);
    }
    for (std::size_t first = 0; first < rows; first += block) {
        const std::size_t count = std::min(block, rows - first);
        for (std::size_t k = 0; k < formulas.inputs.size(); ++k) {
            const Leaf& leaf = formulas.inputs[k];
            const auto bytes = static_cast<std::size_t>(lane_bytes(leaf.type));
            for (std::size_t row = 0; row < count; ++row) {
                double value = dt;
                if (leaf.kind == LeafKind::parameter) {
                    const PerNeuron& given = parameters[leaf.index];
                    value = given[given.size() == 1 ? 0 : first + row];
                }
                write(leaf.type, value, columns.data() + k * block * 8 + row * bytes);
            }
        }
        std::vector<void*> outputs;
        for (PerNeuron& result : results) {
            outputs.push_back(result.data() + first);
        }
        const Frame frame{inputs.data(), outputs.data(), nullptr, nullptr, nullptr, 0, 0, 1};
        formulas.interpreter->run(frame, 0, static_cast<std::int64_t>(count));
    }
    return results;
}

std::vector<PerNeuron> DerivedValues::operator()(std::span<const PerNeuron> parameters,
                                                 double dt) const {
    std::vector<PerNeuron> values(layout_.size());
    if (refractory_.interpreter) {
        add_refractory(refractory_, parameters, dt, values);
    }
    if (!propagators_.interpreter) {
        return values;
    }
    std::vector<PerNeuron> entries = evaluate(propagators_, parameters, dt);
    if (!diagonal_) {
        add_propagators(entries, dt, values);
        return values;
    }
    for (std::size_t k = 0; k < entries.size(); ++k) {
        values[layout_.propagator(0, 0, false) + k] = std::move(entries[k]);
    }
    return values;
}

void DerivedValues::add_refractory(const Formulas& formulas, std::span<const PerNeuron> parameters,
                                   double dt, std::vector<PerNeuron>& values) const {
    PerNeuron steps = evaluate(formulas, parameters, dt)[0];
    for (double& value : steps) {
        const double count = std::floor(value / dt + 1e-3);
        if (!(value >= 0) || !(count <= kMaxRefractorySteps)) {
            throw_error(
                ErrorCode::invalid_value, "refractory", fmt::format("{} s", value),
                fmt::format("0 or more, and at most {} steps of {} s", kMaxRefractorySteps, dt));
        }
        value = std::max(0.0, count - 1);  // the step of the spike is the first
    }
    values[DerivedLayout::refractory()] = std::move(steps);
}

void DerivedValues::add_propagators(const std::vector<PerNeuron>& entries, double dt,
                                    std::vector<PerNeuron>& values) const {
    const std::size_t n = layout_.variables;
    const std::size_t width = n + layout_.drives;
    const std::size_t rows = entries[0].size();
    for (std::size_t k = DerivedLayout::refractory() + 1; k < values.size(); ++k) {
        values[k].resize(rows);
    }
    const bool any_frozen = std::find(frozen_.begin(), frozen_.end(), 1) != frozen_.end();
    std::vector<double> matrix(width * width);
    const DefaultFloatEnvironment environment;
    for (std::size_t neuron = 0; neuron < rows; ++neuron) {
        for (const bool frozen : {false, true}) {
            if (frozen && !any_frozen) {
                continue;
            }
            std::fill(matrix.begin(), matrix.end(), 0.0);
            for (std::size_t row = 0; row < n; ++row) {
                for (std::size_t column = 0; column < width && !(frozen && frozen_[row]);
                     ++column) {
                    matrix[row * width + column] = entries[row * width + column][neuron] * dt;
                }
            }
            exponentiate(matrix, width);
            for (std::size_t row = 0; row < n; ++row) {
                for (std::size_t column = 0; column < width; ++column) {
                    values[layout_.propagator(row, column, frozen)][neuron] =
                        matrix[row * width + column];
                }
            }
        }
    }
}

}  // namespace bitaxon::jit
