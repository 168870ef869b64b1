#include "population_state.hpp"

#include <bitaxon/core/random.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

namespace bitaxon {
namespace {

// What a primitive operation takes at most; decides only who reports progress.
constexpr double kNanosecondsPerOperation = 0.2;
constexpr std::size_t kMaxNeurons = std::size_t{1} << 40;

jit::BoundRuleOptions binding(const PopulationOptions& options, std::size_t neurons,
                              std::vector<std::vector<double>> parameters) {
    return {.real = options.dtype,
            .dt = options.dt,
            .neurons = neurons,
            .parameters = std::move(parameters),
            .seed = *options.seed,
            .population = options.id,
            .thresholds = options.thresholds};
}

PopulationOptions complete(std::size_t neurons, PopulationOptions options) {
    if (neurons == 0 || neurons > kMaxNeurons) {
        throw_error(ErrorCode::invalid_shape, "neurons", fmt::format("{}", neurons),
                    fmt::format("1 to {}", kMaxNeurons));
    }
    if (!options.seed) {
        options.seed = fresh_seed();
    }
    return options;
}

template <class Entries>
std::size_t find_name(const Entries& entries, std::string_view name, std::string_view what) {
    for (std::size_t k = 0; k < entries.size(); ++k) {
        if (entries[k].name == name) {
            return k;
        }
    }
    std::vector<std::string> names;
    for (const auto& entry : entries) {
        names.push_back(entry.name);
    }
    throw_error(ErrorCode::invalid_value, what, name,
                names.empty() ? std::string("none: the rule has none")
                              : fmt::format("one of {}", fmt::join(names, ", ")));
}

// Whether elements of an array lie in a state's memory.
template <class T>
bool overlaps(const MatrixView<T>& values, const StateArray& state) {
    if (values.rows == 0 || values.columns == 0) {
        return false;
    }
    const auto at = [](const void* place) { return reinterpret_cast<std::uintptr_t>(place); };
    std::uintptr_t low = at(values.data), high = low + sizeof(T);
    const std::pair<std::size_t, std::ptrdiff_t> axes[] = {{values.rows, values.row_stride},
                                                           {values.columns, values.column_stride}};
    for (const auto& [count, stride] : axes) {
        const auto reach = static_cast<std::uintptr_t>(stride) * (count - 1) * sizeof(T);
        (stride < 0 ? low : high) += reach;  // modulo 2^64
    }
    return low < at(state.data()) + state.bytes() && at(state.data()) < high;
}

void write(jit::Type type, double value, std::byte* lane) {
    const auto put = [&](auto typed) { std::memcpy(lane, &typed, sizeof typed); };
    switch (type) {
    case jit::Type::f32:
        return put(static_cast<float>(value));
    case jit::Type::f64:
        return put(value);
    case jit::Type::i64:
        return put(static_cast<std::int64_t>(value));
    default:
        return put(static_cast<std::int32_t>(value));
    }
}

// Checks a variable's value for its type; NaN and infinities are never right.
void check_state(const jit::RuleVariable& variable, double value) {
    struct Row {
        jit::Type type;
        double limit;
    };
    constexpr Row limits[] = {{jit::Type::f32, 0x1p128},
                              {jit::Type::i16, 0x1p15},
                              {jit::Type::i32, 0x1p31},
                              {jit::Type::i64, 0x1p53}};
    bool fits =
        std::isfinite(value) && (jit::is_float(variable.type) || value == std::trunc(value));
    for (const auto& [type, limit] : limits) {
        fits = fits && (type != variable.type || (value >= -limit && value < limit));
    }
    if (!fits) {
        throw_error(ErrorCode::invalid_value, variable.name, fmt::format("{}", value),
                    fmt::format("{} that an {} holds",
                                jit::is_float(variable.type) ? "finite numbers" : "integers",
                                jit::name(variable.type)));
    }
}

std::vector<std::vector<double>> given_parameters(const jit::Rule& rule,
                                                  const PopulationOptions& options) {
    const std::vector<jit::RuleParameter> parameters = rule.parameters(options.dtype);
    std::vector<std::vector<double>> values;
    for (const jit::RuleParameter& parameter : parameters) {
        values.push_back({parameter.value});
    }
    for (const auto& [name, given] : options.parameters) {
        const std::size_t number = find_name(parameters, name, "parameters");
        if (given.empty()) {
            throw_error(ErrorCode::invalid_shape, name, "no values", "one, or one for each neuron");
        }
        values[number] = given;
    }
    return values;
}

}  // namespace

Population::State::State(std::size_t n, const jit::Rule& r, const PopulationOptions& o)
    : neurons(n), rule(r), options(complete(n, o)), variables(rule.variables(options.dtype)),
      rule_parameters(rule.parameters(options.dtype)), parameters(given_parameters(rule, options)),
      bound(rule, binding(options, neurons, parameters)), last_spikes((neurons + 63) / 64) {
    for (const jit::Type type : bound.states()) {
        states.emplace_back(type, neurons);
    }
    for (std::size_t k = 0; k < states.size(); ++k) {
        initialise(k);
    }
}

void Population::State::bind(std::vector<std::vector<double>> changed) {
    if (changed != parameters) {
        bound = jit::BoundRule(rule, binding(options, neurons, changed));
        parameters = std::move(changed);
        call.unchanged = 0;
    }
}

void Population::State::begin_call(std::size_t steps) noexcept {
    ++call.number;
    ++call.unchanged;
    call.steps = static_cast<std::int64_t>(steps);
}

void Population::State::initialise(std::size_t number) {
    bound.initialise(number, states[number].data());
}

std::size_t Population::State::variable(std::string_view name) const {
    return find_name(variables, name, "variable");
}
std::size_t Population::State::parameter(std::string_view name) const {
    return find_name(rule_parameters, name, "parameter");
}

Population::Population(std::size_t neurons, const jit::Rule& rule, const PopulationOptions& options)
    : state_(std::make_unique<State>(neurons, rule, options)) {}

Population::Population(const Population& other) : state_(std::make_unique<State>(*other.state_)) {}
Population& Population::operator=(const Population& other) {
    if (this != &other) {
        state_ = std::make_unique<State>(*other.state_);
    }
    return *this;
}
Population::Population(Population&&) noexcept = default;
Population& Population::operator=(Population&&) noexcept = default;
Population::~Population() = default;

std::size_t Population::neurons() const noexcept { return state_->neurons; }
const jit::Rule& Population::rule() const noexcept { return state_->rule; }
double Population::dt() const noexcept { return state_->options.dt; }
std::uint64_t Population::seed() const noexcept { return *state_->options.seed; }
std::uint64_t Population::id() const noexcept { return state_->options.id; }
jit::Type Population::dtype() const noexcept { return state_->options.dtype; }
const jit::Thresholds& Population::thresholds() const noexcept {
    return state_->options.thresholds;
}
std::uint64_t Population::step_count() const noexcept { return state_->step_count; }
std::string_view Population::backend() const noexcept { return state_->backend; }

jit::TierStats Population::stats() const {
    jit::TierStats stats = state_->bound.stats();
    stats.calls = state_->call.number;
    stats.machine_code_calls = state_->machine_code_calls;
    stats.tier = state_->backend;
    return stats;
}

std::string Population::repr() const {
    std::string text = fmt::format(
        "Population({}, rule='{}', method='{}', dt={}, dtype='{}', seed={}, id={}, step={}",
        neurons(), rule().name(), rule().method(), dt(), jit::name(dtype()), seed(), id(),
        step_count());
    for (std::size_t k = 0; k < state_->parameters.size(); ++k) {
        const std::vector<double>& values = state_->parameters[k];
        text +=
            values.size() == 1
                ? fmt::format(", {}={}", state_->rule_parameters[k].name, values[0])
                : fmt::format(", {}=<{} values>", state_->rule_parameters[k].name, values.size());
    }
    return text + ")";
}

std::span<const std::uint64_t> Population::step(const ExecutionContext& context,
                                                const Current& current) {
    State& s = *state_;
    CurrentSource source(current, s.bound, s.neurons, 1);
    s.begin_call(1);
    s.advance(context, source, 0, 1, s.last_spikes.data());
    return s.last_spikes;
}

void Population::check_record(std::span<const RecordInto> record, std::size_t steps) const {
    const State& s = *state_;
    for (const RecordInto& into : record) {
        const jit::Type type = s.variables[s.variable(into.variable)].type;
        const std::string name = fmt::format("record['{}']", into.variable);
        if (into.type() != type) {
            throw_error(ErrorCode::invalid_type, name, jit::name(into.type()),
                        fmt::format("{}, as the variable has", jit::name(type)));
        }
        std::visit(
            [&](const auto& values) {
                if (values.rows != steps || values.columns != s.neurons) {
                    throw_error(ErrorCode::invalid_shape, name,
                                fmt::format("{} x {} values", values.rows, values.columns),
                                fmt::format("{} steps x {} neurons", steps, s.neurons));
                }
                if (std::ranges::any_of(s.states, [&](const StateArray& state) {
                        return overlaps(values, state);
                    })) {
                    throw_error(ErrorCode::invalid_shape, name, "memory that overlaps a state",
                                "memory of its own");
                }
            },
            into.values);
    }
}

Spikes Population::run(const ExecutionContext& context, const Current& current, std::size_t steps,
                       const Monitor& monitor, std::span<const RecordInto> record) {
    const State& s = *state_;
    Spikes spikes{s.neurons, s.step_count, steps, {}};
    if (steps > (std::size_t{1} << 53) / spikes.words()) {
        throw_error(ErrorCode::invalid_value, "steps", fmt::format("{}", steps),
                    "fewer: their spikes would not fit into memory");
    }
    if (s.rule.spikes()) {
        spikes.bits.resize(steps * spikes.words());
    }
    run_into(spikes.bits, context, current, steps, monitor, record);
    return spikes;
}

void Population::run_into(std::span<std::uint64_t> spikes, const ExecutionContext& context,
                          const Current& current, std::size_t steps, const Monitor& monitor,
                          std::span<const RecordInto> record) {
    State& s = *state_;
    const std::size_t words = (s.neurons + 63) / 64;
    const std::size_t wanted = s.rule.spikes() ? words * steps : 0;
    if (spikes.size() != wanted) {
        throw_error(ErrorCode::invalid_shape, "spikes", fmt::format("{} words", spikes.size()),
                    fmt::format("{}", wanted));
    }
    check_record(record, steps);
    if (steps == 0) {
        return;
    }
    CurrentSource source(current, s.bound, s.neurons, steps);
    s.begin_call(steps);
    const double nanoseconds = static_cast<double>(steps) * static_cast<double>(s.neurons) *
                               static_cast<double>(s.operations) * kNanosecondsPerOperation;
    context.supervise(monitor, steps, nanoseconds, [&](Job& job) {
        for (std::size_t done = 0; done < steps;) {
            job.check();
            const std::size_t count =
                std::min({steps - done, s.chunk_steps(record), source.max_steps()});
            s.advance(context, source, done, count,
                      spikes.empty() ? nullptr : spikes.data() + done * words, record);
            done += count;
            job.add_done(count);
        }
    });
}

std::vector<std::string> Population::names() const {
    std::vector<std::string> names;
    for (const jit::RuleVariable& variable : state_->variables) {
        names.push_back(variable.name);
    }
    return names;
}

StateView Population::state(std::string_view name) {
    StateArray& array = state_->states[state_->variable(name)];
    return {array.type(), array.data(), array.count()};
}

void Population::check_type(std::string_view name, jit::Type type, bool is_float,
                            std::size_t bytes) {
    if (jit::is_float(type) != is_float ||
        static_cast<std::size_t>(jit::lane_bytes(type)) != bytes) {
        throw_error(ErrorCode::invalid_type, name,
                    fmt::format("a view of {}{}", is_float ? 'f' : 'i', 8 * bytes),
                    fmt::format("{}", jit::name(type)));
    }
}

void Population::set(std::string_view name, std::span<const double> values) {
    State& s = *state_;
    const std::size_t number = s.variable(name);
    if (values.size() != 1 && values.size() != s.neurons) {
        throw_error(ErrorCode::invalid_shape, name, fmt::format("{} values", values.size()),
                    fmt::format("1 or {}", s.neurons));
    }
    for (const double value : values) {
        check_state(s.variables[number], value);
    }
    StateArray& array = s.states[number];
    for (std::size_t k = 0; k < s.neurons; ++k) {
        write(array.type(), values[values.size() == 1 ? 0 : k], array.data() + k * array.lane());
    }
}

std::span<const double> Population::parameter(std::string_view name) const {
    return state_->parameters[state_->parameter(name)];
}

void Population::set_parameter(std::string_view name, std::span<const double> values) {
    State& s = *state_;
    const std::size_t number = s.parameter(name);
    if (values.empty()) {
        throw_error(ErrorCode::invalid_shape, name, "no values", "one, or one for each neuron");
    }
    std::vector<std::vector<double>> changed = s.parameters;
    changed[number].assign(values.begin(), values.end());
    s.bind(std::move(changed));
}

void Population::set_rule(const jit::Rule& rule) {
    State& old = *state_;
    PopulationOptions options = old.options;
    options.parameters.clear();
    const std::vector<jit::RuleParameter> wanted = rule.parameters(options.dtype);
    for (std::size_t k = 0; k < old.parameters.size(); ++k) {
        const jit::RuleParameter& had = old.rule_parameters[k];
        const bool was_set = old.parameters[k] != std::vector<double>{had.value};
        const bool exists = std::any_of(wanted.begin(), wanted.end(),
                                        [&](const auto& p) { return p.name == had.name; });
        if (was_set && exists) {
            options.parameters[had.name] = old.parameters[k];
        }
    }
    auto next = std::make_unique<State>(old.neurons, rule, options);
    next->step_count = old.step_count;
    for (std::size_t k = 0; k < next->variables.size(); ++k) {
        for (std::size_t j = 0; j < old.variables.size(); ++j) {
            if (next->variables[k].name == old.variables[j].name &&
                next->variables[k].type == old.variables[j].type) {
                next->states[k] = std::move(old.states[j]);
            }
        }
    }
    if (next->bound.has_refractory_counter() && old.bound.has_refractory_counter()) {
        next->states.back() = std::move(old.states.back());
    }
    const bool still_recorded =
        std::all_of(old.recording.names.begin(), old.recording.names.end(), [&](const auto& name) {
            return std::any_of(next->variables.begin(), next->variables.end(),
                               [&](const auto& v) { return v.name == name; });
        });
    if (still_recorded) {
        for (const std::string& name : old.recording.names) {
            next->recorded.push_back(static_cast<std::uint32_t>(next->variable(name)));
        }
        next->recording = std::move(old.recording);
        next->columns = std::move(old.columns);
    }
    state_ = std::move(next);
}

void Population::reset() {
    State& s = *state_;
    for (std::size_t k = 0; k < s.states.size(); ++k) {
        s.initialise(k);
    }
    s.step_count = 0;
    record(s.recording.names, s.recording.neurons);
}

PopulationSnapshot Population::store() const {
    const State& s = *state_;
    PopulationSnapshot snapshot{s.step_count, names(), {}, {}, {}};
    for (const StateArray& array : s.states) {
        snapshot.types.push_back(array.type());
        snapshot.states.emplace_back(array.data(), array.data() + array.bytes());
    }
    for (std::size_t k = 0; k < s.parameters.size(); ++k) {
        snapshot.parameters[s.rule_parameters[k].name] = s.parameters[k];
    }
    return snapshot;
}

void Population::restore(const PopulationSnapshot& snapshot) {
    State& s = *state_;
    bool fits = snapshot.names == names() && snapshot.types.size() == s.states.size() &&
                snapshot.states.size() == s.states.size();
    for (std::size_t k = 0; fits && k < s.states.size(); ++k) {
        fits = snapshot.types[k] == s.states[k].type() &&
               snapshot.states[k].size() == s.states[k].bytes();
    }
    if (!fits) {
        throw_error(
            ErrorCode::invalid_shape, "snapshot",
            fmt::format("variables {} of another population", fmt::join(snapshot.names, ", ")),
            fmt::format("{} of {} neurons", fmt::join(names(), ", "), s.neurons));
    }
    std::vector<std::vector<double>> parameters = s.parameters;
    for (const auto& [name, values] : snapshot.parameters) {
        parameters[s.parameter(name)] = values;
    }
    s.bind(std::move(parameters));
    for (std::size_t k = 0; k < s.states.size(); ++k) {
        std::memcpy(s.states[k].data(), snapshot.states[k].data(), s.states[k].bytes());
    }
    s.step_count = snapshot.step;
    record(s.recording.names, s.recording.neurons);
}

void Population::record(std::vector<std::string> names, std::vector<std::size_t> neurons) {
    State& s = *state_;
    std::vector<std::uint32_t> numbers;
    for (const std::string& name : names) {
        numbers.push_back(static_cast<std::uint32_t>(s.variable(name)));
    }
    for (const std::size_t neuron : neurons) {
        if (neuron >= s.neurons) {
            throw_error(ErrorCode::out_of_range, "neurons", fmt::format("{}", neuron),
                        fmt::format("less than {}", s.neurons));
        }
    }
    if (names.empty()) {
        neurons.clear();
    } else if (neurons.empty()) {
        for (std::size_t k = 0; k < s.neurons; ++k) {
            neurons.push_back(k);
        }
    }
    std::vector<std::size_t> columns(neurons.size());
    std::iota(columns.begin(), columns.end(), std::size_t{0});
    s.columns.clear();
    if (neurons != columns || neurons.size() != s.neurons) {
        std::stable_sort(columns.begin(), columns.end(),
                         [&](std::size_t a, std::size_t b) { return neurons[a] < neurons[b]; });
        s.columns = std::move(columns);
    }
    s.recorded = std::move(numbers);
    s.recording = {std::move(names), std::move(neurons), s.step_count, 0, {}};
    s.recording.values.resize(s.recorded.size());
}

const Recording& Population::recording() const noexcept { return state_->recording; }

}  // namespace bitaxon
