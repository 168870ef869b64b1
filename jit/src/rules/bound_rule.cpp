#include "bound_rule_state.hpp"

#include "../ir/lower.hpp"

#include <bitaxon/core/error.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

namespace bitaxon::jit {
namespace {

// A value of the type in a lane; one of 4 bytes stands in both halves.
std::uint64_t lane_bits(Type type, double value) {
    const auto twice = [](std::uint32_t half) { return half * std::uint64_t{0x100000001}; };
    switch (type) {
    case Type::f64:
        return std::bit_cast<std::uint64_t>(value);
    case Type::i64:
        return static_cast<std::uint64_t>(static_cast<std::int64_t>(value));
    case Type::f32:
        return twice(std::bit_cast<std::uint32_t>(static_cast<float>(value)));
    default:
        return twice(static_cast<std::uint32_t>(static_cast<std::int32_t>(value)));
    }
}

// Lanes of a type, one for each neuron.
std::vector<std::byte> lanes(Type type, const PerNeuron& values) {
    const auto bytes = static_cast<std::size_t>(lane_bytes(type));
    std::vector<std::byte> result(values.size() * bytes);
    for (std::size_t k = 0; k < values.size(); ++k) {
        const std::uint64_t bits = lane_bits(type, values[k]);
        std::memcpy(result.data() + k * bytes, &bits, bytes);
    }
    return result;
}

struct Limits {
    double least;
    double most;
};
constexpr Limits limits(Type type) {
    switch (type) {
    case Type::i16:
        return {-32768, 32767};
    case Type::i32:
        return {-2147483648.0, 2147483647.0};
    default:
        return {-9007199254740992.0, 9007199254740992.0};
    }
}

void check_value(const RuleParameter& parameter, double value) {
    if (!std::isfinite(value) ||
        (parameter.type == Type::f32 && std::fabs(value) > std::numeric_limits<float>::max())) {
        throw_error(ErrorCode::invalid_value, parameter.name, fmt::format("{}", value),
                    fmt::format("a finite {}", name(parameter.type)));
    }
    if (is_integer(parameter.type)) {
        const auto [least, most] = limits(parameter.type);
        if (value != std::trunc(value) || value < least || value > most) {
            throw_error(ErrorCode::invalid_value, parameter.name, fmt::format("{}", value),
                        fmt::format("an integer that an {} holds", name(parameter.type)));
        }
    }
}

}  // namespace

BoundRule::State::State(Rule r, const BoundRuleOptions& o) : rule(std::move(r)), options(o) {
    const Rule::State& made = *rule.state();
    if (!is_float(options.real)) {
        throw_error(ErrorCode::invalid_type, "dtype", name(options.real), "f32 or f64");
    }
    if (!(options.dt > 0) || std::isinf(options.dt)) {
        throw_error(ErrorCode::invalid_value, "dt", fmt::format("{}", options.dt),
                    "seconds, more than 0");
    }
    step = &made.step(options.real);
    const std::vector<RuleParameter> parameters = rule.parameters(options.real);
    options.parameters.resize(parameters.size());
    signature.real = options.real;
    uniforms.resize(made.uniform_count());
    uniforms[Slots::seed] = options.seed;
    uniforms[Slots::population] = options.population;
    uniforms[Slots::dt] = lane_bits(options.real, options.dt);
    uniforms[Slots::dt_f64] = lane_bits(Type::f64, options.dt);

    const auto bind = [&](Type type, const PerNeuron& values, std::size_t slot,
                          std::vector<std::vector<std::byte>>& arrays, std::vector<bool>& mask) {
        const bool is_array = values.size() > 1;
        mask.push_back(is_array);
        arrays.push_back(is_array ? lanes(type, values) : std::vector<std::byte>{});
        if (values.size() == 1) {
            uniforms[slot] = lane_bits(type, values[0]);
        }
    };
    for (std::size_t k = 0; k < parameters.size(); ++k) {
        PerNeuron& values = options.parameters[k];
        if (values.empty()) {
            values = {parameters[k].value};
        }
        if (values.size() != 1 && (values.size() != options.neurons || parameters[k].shared)) {
            throw_error(ErrorCode::invalid_shape, parameters[k].name,
                        fmt::format("{} values", values.size()),
                        parameters[k].shared ? "one: it is shared"
                                             : fmt::format("1 or {}", options.neurons));
        }
        for (const double value : values) {
            check_value(parameters[k], value);
        }
        bind(parameters[k].type, values, Slots::parameters + k, parameter_arrays,
             signature.parameters);
    }
    const std::vector<PerNeuron> derived = made.derived(options.parameters, options.dt);
    for (std::size_t k = 0; k < derived.size(); ++k) {
        const Type type =
            k == DerivedLayout::refractory() ? counter_type(options.real) : options.real;
        bind(type, derived[k], Slots::parameters + parameters.size() + k, derived_arrays,
             signature.derived);
    }
}

const BoundRule::State::Programs& BoundRule::State::programs(const Signature& s) const {
    const StepProgram& shared = rule.state()->program(s);
    const std::scoped_lock lock(mutex_);
    std::unique_ptr<const Programs>& made = programs_[s];
    if (!made) {
        made.reset(new Programs{&shared, {}});
    }
    return *made;
}

const StepProgram& BoundRule::State::program(const Signature& s, const RunCall& call,
                                             const ExecutionContext& context) const {
    const Programs& found = programs(s);
    if (const StepProgram* folded = found.folded.get()) {
        return *folded;
    }
    if (call.unchanged >= options.thresholds.fold_calls) {
        found.folded.request(call.wait, context, *this, [this, s, shared = found.shared] {
            auto made = std::make_unique<const StepProgram>(*step, s, rule.state()->description,
                                                            uniforms);
            for (std::size_t k = 0; k < shared->levels.size(); ++k) {
                made->levels[k].arguments->compile_like(*shared->levels[k].arguments);
            }
            made->program->compile_like(*shared->program);
            return made;
        });
    }
    return *found.shared;
}

TierStats BoundRule::stats() const {
    TierStats stats;
    std::int64_t nanoseconds = 0;
    const auto add = [&](const TieredProgram& program) {
        stats.compiled_variants += program.compiled_codes();
        nanoseconds += program.compile_nanoseconds();
    };
    state_->rule.state()->each_program(state_->options.real, add);
    const std::scoped_lock lock(state_->mutex_);
    for (const auto& [signature, programs] : state_->programs_) {
        if (const StepProgram* folded = programs->folded.get()) {
            folded->each(add);
        }
    }
    stats.compile_seconds = static_cast<double>(nanoseconds) * 1e-9;
    return stats;
}

BoundRule::BoundRule(Rule rule, const BoundRuleOptions& options)
    : state_(std::make_shared<const State>(std::move(rule), options)) {}

const Rule& BoundRule::rule() const noexcept { return state_->rule; }
const BoundRuleOptions& BoundRule::options() const noexcept { return state_->options; }
std::span<const Type> BoundRule::states() const noexcept { return state_->step->states; }
bool BoundRule::has_refractory_counter() const noexcept { return state_->step->counts; }

Type BoundRule::current_type() const noexcept {
    const auto& declared = state_->rule.state()->description.current;
    const Type type = declared ? declared->value_or(state_->options.real) : state_->options.real;
    return type == Type::i16 ? Type::i32 : type;
}

// Initial values are expressions of parameters, and may draw random numbers: a program of one step.
void BoundRule::initialise(std::size_t number, void* values) const {
    const State& s = *state_;
    const Description& description = s.rule.state()->description;
    const Type type = s.step->states[number];
    std::memset(values, 0, s.options.neurons * static_cast<std::size_t>(lane_bytes(type)));
    if (number >= description.variables.size() || !description.variables[number].initial) {
        return;
    }
    Graph graph;
    Evaluator evaluator(graph, description, s.rule.state()->functions(), s.options.real);
    const NodeId root = initial_value(evaluator, description, number);
    Program program;
    Leaves leaves;
    std::vector<const void*> inputs;
    for (const Leaf& leaf : evaluator.leaves()) {
        const Type leaf_type = leaf.type == Type::i16 ? Type::i32 : leaf.type;
        const std::vector<std::byte>* array =
            leaf.kind == LeafKind::parameter ? &s.parameter_arrays[leaf.index] : nullptr;
        if (array != nullptr && !array->empty()) {
            leaves.inputs.push_back(
                program.graph.make(Op::input, leaf_type, {}, program.inputs.size()));
            program.inputs.push_back({"", leaf_type});
            inputs.push_back(array->data());
        } else {
            const std::size_t slot = leaf.kind == LeafKind::parameter
                                         ? Slots::parameters + leaf.index
                                     : leaf.type == s.options.real ? Slots::dt
                                                                   : Slots::dt_f64;
            leaves.inputs.push_back(program.graph.make(Op::uniform, leaf_type, {}, slot));
        }
    }
    leaves.seed = program.graph.make(Op::uniform, Type::i64, {}, Slots::seed);
    leaves.population = program.graph.make(Op::uniform, Type::i64, {}, Slots::population);
    program.outputs.push_back({lower(graph, std::array{root}, program.graph, leaves)[0], type});
    void* const outputs[] = {values};
    const Frame frame{inputs.data(), outputs, s.uniforms.data(), nullptr, nullptr, 0, 0, 1};
    Interpreter(program).run(frame, 0, static_cast<std::int64_t>(s.options.neurons));
}

}  // namespace bitaxon::jit
