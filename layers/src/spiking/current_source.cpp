#include "current_source.hpp"

#include <bitaxon/core/error.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

namespace bitaxon {
namespace {

constexpr std::size_t kConvertedValues = std::size_t{1} << 18;

template <class T>
constexpr bool is_span =
    std::is_same_v<T, std::span<const double>> || std::is_same_v<T, std::span<const float>>;

[[noreturn]] void refuse(double value, const char* expected) {
    throw_error(ErrorCode::invalid_value, "current", fmt::format("{}", value), expected);
}

void write(jit::Type type, double value, std::byte* out) {
    if (!std::isfinite(value) ||
        (type == jit::Type::f32 && std::fabs(value) > std::numeric_limits<float>::max())) {
        refuse(value, "finite numbers");
    }
    const auto put = [&](auto typed) { std::memcpy(out, &typed, sizeof typed); };
    switch (type) {
    case jit::Type::f32:
        return put(static_cast<float>(value));
    case jit::Type::f64:
        return put(value);
    default:
        break;
    }
    const double limit = type == jit::Type::i64 ? 0x1p63 : 0x1p31;
    if (value != std::trunc(value) || value < -limit || value >= limit) {
        refuse(value, "integers: the rule declares i as one");
    }
    if (type == jit::Type::i64) {
        put(static_cast<std::int64_t>(value));
    } else {
        put(static_cast<std::int32_t>(value));
    }
}

}  // namespace

CurrentSource::CurrentSource(const Current& current, const jit::BoundRule& rule,
                             std::size_t neurons, std::size_t steps)
    : values_(current.values()), type_(rule.current_type()),
      max_steps_(std::max<std::size_t>(1, steps)) {
    const bool is_zero = std::holds_alternative<double>(values_) && std::get<double>(values_) == 0;
    if (!rule.rule().takes_current() && !is_zero) {
        throw_error(ErrorCode::invalid_value, "current", "a value",
                    fmt::format("none: rule '{}' doesn't read i", rule.rule().name()));
    }
    std::visit(
        [&](const auto& values) {
            using T = std::decay_t<decltype(values)>;
            if constexpr (std::is_same_v<T, double>) {
                converted_.resize(8);
                write(type_, values, converted_.data());
            } else if constexpr (is_span<T>) {
                using Element = typename T::value_type;
                if (values.size() != neurons) {
                    throw_error(ErrorCode::invalid_shape, "current",
                                fmt::format("{} values", values.size()),
                                fmt::format("1 or {}, or a row of {} a step", neurons, neurons));
                }
                direct_ = type_ == (sizeof(Element) == 8 ? jit::Type::f64 : jit::Type::f32);
                if (!direct_) {
                    convert(row_major(values, neurons));
                }
            } else {
                using Element = std::remove_const_t<std::remove_pointer_t<decltype(values.data)>>;
                if (values.rows != steps || values.columns != neurons) {
                    throw_error(ErrorCode::invalid_shape, "current",
                                fmt::format("{} x {} values", values.rows, values.columns),
                                fmt::format("{} steps x {} neurons", steps, neurons));
                }
                direct_ = values.column_stride == 1 &&
                          type_ == (sizeof(Element) == 8 ? jit::Type::f64 : jit::Type::f32);
                if (!direct_) {
                    max_steps_ = std::clamp<std::size_t>(kConvertedValues / neurons, 1, max_steps_);
                }
            }
        },
        values_);
}

template <class T>
void CurrentSource::convert(MatrixView<const T> rows) {
    const auto lane = static_cast<std::size_t>(jit::lane_bytes(type_));
    converted_.resize(rows.rows * rows.columns * lane);
    std::byte* out = converted_.data();
    for (std::size_t row = 0; row < rows.rows; ++row) {
        for (std::size_t column = 0; column < rows.columns; ++column, out += lane) {
            write(type_, static_cast<double>(rows(row, column)), out);
        }
    }
}

void CurrentSource::prepare(jit::StepRun& run, std::size_t first, std::size_t count) {
    run.current = converted_.data();
    run.current_step_bytes = 0;
    std::visit(
        [&](const auto& values) {
            using T = std::decay_t<decltype(values)>;
            if constexpr (std::is_same_v<T, double>) {
                run.current_kind = jit::CurrentKind::uniform;
            } else if constexpr (is_span<T>) {
                run.current_kind = jit::CurrentKind::per_neuron;
                if (direct_) {
                    run.current = values.data();
                }
            } else {
                run.current_kind = jit::CurrentKind::per_step;
                const auto rows = values.rows_from(first, count);
                if (direct_) {
                    run.current = rows.data;
                    run.current_step_bytes =
                        rows.row_stride * static_cast<std::ptrdiff_t>(sizeof(*rows.data));
                } else {
                    convert(rows);
                    run.current = converted_.data();
                    run.current_step_bytes = static_cast<std::int64_t>(
                        rows.columns * static_cast<std::size_t>(jit::lane_bytes(type_)));
                }
            }
        },
        values_);
}

}  // namespace bitaxon
