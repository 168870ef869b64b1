#include "recorder.hpp"

#include <bitaxon/core/matrix_view.hpp>

#include <algorithm>
#include <cstdlib>
#include <type_traits>
#include <utility>

namespace bitaxon {
namespace {

template <class T>
MatrixView<T> transposed(const MatrixView<T>& m) {
    return {m.data, m.columns, m.rows, m.column_stride, m.row_stride};
}

// Copies a matrix, along the side on which the elements of `to` are nearer to one another.
template <class From, class To>
void convert(MatrixView<const From> from, MatrixView<To> to) {
    if (to.columns == 1 || std::abs(to.row_stride) < std::abs(to.column_stride)) {
        from = transposed(from);
        to = transposed(to);
    }
    if (from.column_stride == 1 && to.column_stride == 1) {
        for (std::size_t r = 0; r < to.rows; ++r) {
            const From* row = &from(r, 0);
            std::transform(row, row + to.columns, &to(r, 0),
                           [](From value) { return static_cast<To>(value); });
        }
        return;
    }
    // The lines of a block stay in the first cache until all of their elements have been taken.
    constexpr std::size_t kSide = 32;
    for (std::size_t r = 0; r < to.rows; r += kSide) {
        for (std::size_t c = 0; c < to.columns; c += kSide) {
            const std::size_t columns = std::min(kSide, to.columns - c);
            for (std::size_t row = r; row < std::min(r + kSide, to.rows); ++row) {
                const From* source = &from(row, c);
                To* target = &to(row, c);
                for (std::size_t k = 0; k < columns; ++k) {
                    target[static_cast<std::ptrdiff_t>(k) * to.column_stride] = static_cast<To>(
                        source[static_cast<std::ptrdiff_t>(k) * from.column_stride]);
                }
            }
        }
    }
}

// Calls use(lane, element) with zeros of the types in which a state is held and taken.
template <class Use>
void with_types(jit::Type lane, jit::Type element, const Use& use) {
    const auto take = [&](auto held) {
        if (element == jit::Type::f64) {
            return use(held, double{});
        }
        return use(held, held);
    };
    switch (lane) {
    case jit::Type::f32:
        return take(float{});
    case jit::Type::f64:
        return take(double{});
    case jit::Type::i64:
        return take(std::int64_t{});
    default:
        return element == jit::Type::i16 ? use(std::int32_t{}, std::int16_t{})
                                         : take(std::int32_t{});
    }
}

std::size_t lane_size(jit::Type type) { return static_cast<std::size_t>(jit::lane_bytes(type)); }

}  // namespace

std::size_t RecordedNeurons::place_of(std::size_t neuron) const {
    const auto found =
        std::lower_bound(columns.begin(), columns.end(), neuron,
                         [&](std::size_t column, std::size_t n) { return neurons[column] < n; });
    return static_cast<std::size_t>(found - columns.begin());
}

Recorder::Recorder(std::vector<RecordSink> sinks, std::vector<jit::Type> lanes, std::size_t steps)
    : sinks_(std::move(sinks)), lanes_(std::move(lanes)), steps_(steps) {
    for (const RecordSink& sink : sinks_) {
        const auto known = std::find(variables_.begin(), variables_.end(), sink.variable);
        if (known != variables_.end()) {
            // Steps write to one place: a second sink takes what they leave in a buffer.
            direct_[static_cast<std::size_t>(known - variables_.begin())] = nullptr;
            continue;
        }
        const jit::Type lane = lanes_[sink.variable];
        const bool same = sink.type == lane && sink.chosen.neurons.empty() &&
                          sink.column_bytes == static_cast<std::ptrdiff_t>(lane_size(lane));
        variables_.push_back(sink.variable);
        direct_.push_back(same ? &sink : nullptr);
    }
}

std::size_t Recorder::next(std::size_t neuron, std::size_t none) const {
    std::size_t first = none;
    for (const RecordSink& sink : sinks_) {
        const auto& [neurons, columns] = sink.chosen;
        if (neurons.empty()) {
            return neuron;
        }
        const std::size_t place = sink.chosen.place_of(neuron);
        if (place < columns.size()) {
            first = std::min(first, neurons[columns[place]]);
        }
    }
    return first;
}

RecordedRange::RecordedRange(const Recorder& recorder, std::size_t begin, std::size_t end)
    : recorder_(recorder), begin_(begin), end_(end) {
    for (std::size_t k = 0; k < recorder.variables_.size(); ++k) {
        if (const RecordSink* sink = recorder.direct_[k]) {
            rows_.emplace_back();
            places_.push_back(sink->data);
            step_bytes_.push_back(sink->step_bytes);
            continue;
        }
        const std::size_t lane = lane_size(recorder.lanes_[recorder.variables_[k]]);
        const std::size_t row = (end - begin) * lane;
        rows_.push_back(std::make_unique_for_overwrite<std::byte[]>(recorder.steps_ * row));
        // Row 0 of the arrays that a run knows is neuron 0.
        places_.push_back(reinterpret_cast<void*>(
            reinterpret_cast<std::uintptr_t>(rows_.back().get()) - begin * lane));
        step_bytes_.push_back(static_cast<std::int64_t>(row));
    }
}

void RecordedRange::aim(jit::StepRun& run) const noexcept {
    run.recorded = recorder_.variables_;
    run.records = places_.data();
    run.record_step_bytes = step_bytes_.data();
}

void RecordedRange::store() const {
    for (const RecordSink& sink : recorder_.sinks_) {
        const auto& known = recorder_.variables_;
        const auto k = std::find(known.begin(), known.end(), sink.variable) - known.begin();
        if (const std::byte* rows = rows_[static_cast<std::size_t>(k)].get()) {
            store(sink, rows);
        }
    }
}

void RecordedRange::store(const RecordSink& sink, const std::byte* rows) const {
    const std::size_t steps = recorder_.steps_;
    with_types(recorder_.lanes_[sink.variable], sink.type, [&](auto lane, auto element) {
        using Lane = decltype(lane);
        using Element = decltype(element);
        const auto stride = static_cast<std::ptrdiff_t>(sizeof(Element));
        const auto copy = [&](std::size_t neuron, std::size_t column, std::size_t count) {
            const MatrixView<const Lane> from{
                reinterpret_cast<const Lane*>(rows) + (neuron - begin_), steps, count,
                static_cast<std::ptrdiff_t>(end_ - begin_), 1};
            auto* first = reinterpret_cast<Element*>(
                sink.data + static_cast<std::ptrdiff_t>(column) * sink.column_bytes);
            convert(from, MatrixView<Element>{first, steps, count, sink.step_bytes / stride,
                                              sink.column_bytes / stride});
        };
        const auto& [neurons, columns] = sink.chosen;
        if (neurons.empty()) {
            return copy(begin_, begin_, end_ - begin_);
        }
        // Neurons in a row that go into columns in a row are copied at once.
        const std::size_t last = sink.chosen.place_of(end_);
        for (std::size_t place = sink.chosen.place_of(begin_); place < last;) {
            const std::size_t column = columns[place];
            std::size_t count = 1;
            while (++place < last && columns[place] == column + count &&
                   neurons[columns[place]] == neurons[column] + count) {
                ++count;
            }
            copy(neurons[column], column, count);
        }
    });
}

}  // namespace bitaxon
