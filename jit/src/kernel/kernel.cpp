// The public face of kernels.
#include "../ir/lower.hpp"
#include "state.hpp"

#include <bitaxon/core/error.hpp>

#include <fmt/format.h>

#include <array>

namespace bitaxon::jit {

std::string_view element_name(Type type) noexcept { return is_mask(type) ? "bool" : name(type); }

namespace {

void check_counts(const Expression& expression, std::size_t inputs, std::size_t outputs) {
    const auto check = [](std::string_view what, std::size_t got, std::size_t expected) {
        if (got != expected) {
            throw_error(ErrorCode::invalid_value, what, fmt::format("{} arrays", got),
                        fmt::format("{}", expected));
        }
    };
    check("inputs", inputs, expression.arguments().size());
    check("outputs", outputs, expression.results().size());
}

// Masks of both widths are the same to an array.
void check_type(std::string_view what, Type got, Type expected, std::string_view why) {
    if (got != expected && !(is_mask(got) && is_mask(expected))) {
        throw_error(ErrorCode::invalid_type, what, fmt::format("elements of {}", element_name(got)),
                    fmt::format("{}, {}", element_name(expected), why));
    }
}

}  // namespace

Kernel::State::State(const Expression& e, const CompileOptions& o)
    : expression(e), options(o), cache(e, o) {
    if (auto kept = cache.read(e.results())) {
        optimised = std::move(*kept);
    } else {
        optimised = optimise(e.state().graph, e.state().roots, o.mode);
    }
    levels = external_levels(optimised.graph, optimised.roots);
}

Kernel::State::~State() {
    for (const Variant* v = variants.load(); v != nullptr;) {
        const Variant* next = v->next;
        delete v;
        v = next;
    }
}

const Variant& Kernel::State::variant(std::uint64_t uniform) const {
    const auto find = [&]() -> const Variant* {
        const Variant* v = variants.load(std::memory_order_acquire);
        while (v != nullptr && v->uniform != uniform) {
            v = v->next;
        }
        return v;
    };
    if (const Variant* found = find()) {
        return *found;
    }
    const std::scoped_lock lock(mutex);
    if (const Variant* found = find()) {
        return *found;
    }
    auto made = std::make_unique<Variant>(*this, uniform);
    made->next = variants.load(std::memory_order_relaxed);
    variants.store(made.get(), std::memory_order_release);
    return *made.release();
}

// Nobody waits for the disk, unless background tasks don't come (see Call::promote).
void Kernel::State::keep_rewriting(const ExecutionContext& context, std::int64_t call) const {
    const std::int64_t worth = options.cache_calls;
    if (call == worth && cache.is_missing()) {
        context.enqueue([state = shared_from_this()] { state->cache.write(state->optimised); });
    } else if (call == 2 * worth) {
        cache.write(optimised);
    }
}

const Expression& Kernel::expression() const noexcept { return state_->expression; }
MathMode Kernel::mode() const noexcept { return state_->options.mode; }

void Kernel::run(const ExecutionContext& context, const Arguments& arguments,
                 const RunOptions& options) const {
    check_counts(expression(), arguments.inputs.size(), arguments.outputs.size());
    state_->run(context, arguments, options);
}

void Kernel::operator()(const ExecutionContext& context, std::span<const Input> inputs,
                        std::span<const Output> outputs, const RunOptions& options) const {
    check_counts(expression(), inputs.size(), outputs.size());
    std::array<const void*, kMaxArrays> in;
    std::array<void*, kMaxArrays> out;
    const std::size_t rows = outputs[0].count();
    std::uint64_t uniform = 0;
    for (std::size_t k = 0; k < inputs.size(); ++k) {
        const std::string& name = expression().arguments()[k];
        in[k] = inputs[k].data();
        check_type(name, inputs[k].type(), expression().argument_types()[k],
                   "the argument's type; a declaration in the text, as `n : i64`, chooses another");
        if (inputs[k].count() == 1 && rows != 1) {
            uniform |= std::uint64_t{1} << k;
        } else if (inputs[k].count() != rows) {
            throw_error(ErrorCode::invalid_shape, name, fmt::format("{} values", inputs[k].count()),
                        fmt::format("{}, as many as the output has, or 1", rows));
        }
    }
    for (std::size_t k = 0; k < outputs.size(); ++k) {
        const std::string name = fmt::format("output {}", k);
        out[k] = outputs[k].data();
        check_type(name, outputs[k].type(), expression().results()[k],
                   "the result's own type; a cast in the text, as f64(...), chooses another");
        if (outputs[k].count() != rows) {
            throw_error(ErrorCode::invalid_shape, name,
                        fmt::format("{} values", outputs[k].count()),
                        fmt::format("{}, as output 0", rows));
        }
    }
    run(context, {{in.data(), inputs.size()}, uniform, {out.data(), outputs.size()}, rows}, options);
}

KernelStats Kernel::stats() const {
    KernelStats stats;
    stats.calls = state_->calls.load();
    stats.machine_code_calls = state_->machine_code_calls.load();
    std::int64_t nanoseconds = 0;
    for (const Variant* v = state_->variants.load(); v != nullptr; v = v->next) {
        v->each_stage([&](const TieredProgram& stage) {
            stats.compiled_variants += stage.compiled_codes();
            nanoseconds += stage.compile_nanoseconds();
        });
    }
    stats.compile_seconds = static_cast<double>(nanoseconds) * 1e-9;
    const int target = state_->last_target.load();
    stats.cache = state_->cache.state();
    stats.tier = target < 0 ? "interpreter" : std::string(name(static_cast<Target>(target)));
    return stats;
}

Kernel compile(const Expression& expression, const CompileOptions& options) {
    auto state = std::make_shared<const Kernel::State>(expression, options);
    if (options.wait) {
        const auto target = target_of(ExecutionContext::shared().tier());
        for (const auto& stage : state->variant(0).stages) {
            if (target) {
                stage->compile(*target, false);
            }
        }
    }
    return Kernel(std::move(state));
}

Kernel compile(std::string_view text, const CompileOptions& options,
               const ParseOptions& parse_options) {
    return compile(parse(text, parse_options), options);
}

}  // namespace bitaxon::jit
