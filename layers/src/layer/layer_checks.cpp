// What callers may hand to a forward path.
#include "layer_state.hpp"

#include <bitaxon/core/error.hpp>

#include <fmt/format.h>

#include <cstdlib>
#include <limits>

namespace bitaxon {
namespace {

// First and last byte of a strided view: what may be touched.
template <class T>
std::pair<const char*, const char*> extent(const MatrixView<T>& view) {
    const T* low = view.data;
    const T* high = view.data;
    for (const auto& [count, stride] :
         {std::pair{view.rows, view.row_stride}, std::pair{view.columns, view.column_stride}}) {
        if (count == 0) continue;
        const std::ptrdiff_t reach = static_cast<std::ptrdiff_t>(count - 1) * stride;
        (reach < 0 ? low : high) += reach;
    }
    return {reinterpret_cast<const char*>(low), reinterpret_cast<const char*>(high + 1)};
}

using Extent = std::pair<const char*, const char*>;

// Whether the bytes that outputs are written to lie apart from those that are read.
void check_apart(const Extent& input, const MatrixView<double>& outputs, std::string_view what) {
    if (outputs.rows == 0 || outputs.columns == 0) return;
    const auto [low, high] = extent(outputs);
    if (input.first < high && low < input.second)
        throw_error(ErrorCode::invalid_shape, "out",
                    fmt::format("memory that overlaps the {}, or lies between them", what),
                    "an array of its own");
}

// Elements are apart when the larger stride steps over all that the smaller one reaches.
bool has_overlapping_elements(const MatrixView<double>& view) {
    std::pair<std::size_t, std::size_t> inner{view.columns, std::abs(view.column_stride)};
    std::pair<std::size_t, std::size_t> outer{view.rows, std::abs(view.row_stride)};
    if (view.rows == 0 || view.columns == 0) return false;
    if (inner.second > outer.second) std::swap(inner, outer);
    const auto [inner_count, inner_stride] = inner;
    const auto [outer_count, outer_stride] = outer;
    return (inner_count > 1 && inner_stride == 0) ||
           (outer_count > 1 && outer_stride < (inner_count - 1) * inner_stride + 1);
}

template <class T>
void check_range(const Layer::State& layer, const MatrixView<const T>& samples, std::size_t first) {
    const double low = layer.lowest_input();
    const double high = layer.options.input_range;
    for (std::size_t r = 0; r < samples.rows; ++r) {
        // One flag a row keeps the loops free of exits; NaN fails both comparisons.
        const auto out_of_range = [=](double x) { return !(x >= low && x <= high); };
        const MatrixView<const T> row = samples.rows_from(r, 1);
        int bad = 0;
        if (row.column_stride == 1) {
#pragma omp simd reduction(| : bad)
            for (std::size_t i = 0; i < row.columns; ++i) bad |= out_of_range(row.data[i]);
        } else {
            for (std::size_t i = 0; i < row.columns; ++i) bad |= out_of_range(row(0, i));
        }
        if (bad == 0) continue;
        for (std::size_t i = 0; i < samples.columns; ++i) {
            const double x = samples(r, i);
            if (out_of_range(x))
                throw_error(ErrorCode::invalid_value, fmt::format("samples[{}][{}]", first + r, i),
                            fmt::format("{}", x),
                            fmt::format("a number in [{}, {}] ({} coding, input_range {})", low,
                                        high, name(layer.options.coding), high));
        }
    }
}

}  // namespace

void Layer::State::check_columns(const Samples& samples) const {
    const std::size_t columns = std::visit([](const auto& view) { return view.columns; }, samples);
    if (columns != shape.inputs)
        throw_error(ErrorCode::invalid_shape, "samples", fmt::format("{} columns", columns),
                    fmt::format("{} (inputs)", shape.inputs));
}

void Layer::State::check_values(const ExecutionContext& context, const Samples& samples,
                                const Job& job) const {
    std::visit(
        [&](const auto& view) {
            constexpr std::size_t kPieceValues = 1 << 16;
            const std::size_t rows = std::max<std::size_t>(kPieceValues / shape.inputs, 1);
            context.parallel_for((view.rows + rows - 1) / rows, [&](std::size_t piece) {
                job.check();
                const std::size_t first = piece * rows;
                check_range(*this, view.rows_from(first, std::min(rows, view.rows - first)), first);
            });
        },
        samples);
}

void Layer::State::check_streams(const StreamView& streams) const {
    if (streams.streams != shape.inputs || streams.length != options.length)
        throw_error(ErrorCode::invalid_shape, "streams",
                    fmt::format("{} streams of {} bits", streams.streams, streams.length),
                    fmt::format("{} (inputs) of {} bits", shape.inputs, options.length));
    check_tails(streams);
}

void Layer::State::check_outputs(std::size_t rows, const MatrixView<double>& outputs) const {
    if (outputs.rows != rows || outputs.columns != this->outputs())
        throw_error(ErrorCode::invalid_shape, "out",
                    fmt::format("({}, {})", outputs.rows, outputs.columns),
                    fmt::format("(samples, neurons) = ({}, {})", rows, this->outputs()));
    if (has_overlapping_elements(outputs))
        throw_error(ErrorCode::invalid_shape, "out",
                    fmt::format("strides ({}, {})", outputs.row_stride, outputs.column_stride),
                    "an array in which no two elements share memory");
}

void Layer::State::check_outputs(const Samples& samples, const MatrixView<double>& outputs) const {
    check_outputs(row_count(samples), outputs);
    check_apart(std::visit([](const auto& view) { return extent(view); }, samples), outputs,
                "samples");
}

void Layer::State::check_outputs(const StreamView& streams,
                                 const MatrixView<double>& outputs) const {
    check_outputs(streams.rows, outputs);
    // A stream is read over all its words.
    auto reach = extent(MatrixView<const std::uint64_t>{
        streams.words, streams.rows, streams.streams, streams.row_stride, streams.stream_stride});
    reach.second += (words_for(streams.length) - 1) * sizeof(std::uint64_t);
    check_apart(reach, outputs, "streams");
}

void check_sample_numbers(std::uint64_t first, std::size_t count) {
    if (count > 0 && first > std::numeric_limits<std::uint64_t>::max() - (count - 1))
        throw_error(ErrorCode::invalid_value, "sample",
                    fmt::format("{}, and {} rows", first, count),
                    "numbers below 2^64 for all rows");
}

std::pair<MatrixView<const double>, MatrixView<double>> as_matrices(std::span<const double> samples,
                                                                    std::size_t inputs,
                                                                    std::span<double> outputs,
                                                                    std::size_t neurons) {
    if (samples.size() % inputs != 0)
        throw_error(ErrorCode::invalid_shape, "samples", fmt::format("{} values", samples.size()),
                    fmt::format("a multiple of {} (inputs)", inputs));
    if (outputs.size() != samples.size() / inputs * neurons)
        throw_error(ErrorCode::invalid_shape, "out", fmt::format("{} values", outputs.size()),
                    fmt::format("{} (samples * neurons)", samples.size() / inputs * neurons));
    return {row_major(samples, inputs), row_major(outputs, neurons)};
}

}  // namespace bitaxon
