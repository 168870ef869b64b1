// Correlation, and what stands behind bitaxon.metrics, which documents it.
#include "arguments.hpp"
#include "arrays.hpp"
#include "bindings.hpp"
#include "context.hpp"
#include "encoders.hpp"
#include "progress.hpp"

#include <bitaxon/core/correlation.hpp>
#include <bitaxon/core/error.hpp>
#include <bitaxon/core/metrics.hpp>

#include <algorithm>

namespace bitaxon::python {
namespace {

Streams read_set(py::handle object, const char* name, std::uint64_t length, py::ssize_t axes) {
    Streams streams = read_streams(object, name, length);
    if (streams.array.ndim() != axes)
        throw_error(ErrorCode::invalid_shape, name, "shape " + shape_text(streams.array),
                    axes == 1 ? "(words,), one stream" : "(streams, words)");
    naming(streams.name(), name, [&] { check_tails(streams.view); });
    return streams;
}

double correlate(py::handle a, py::handle b, py::handle length, py::handle context) {
    const ExecutionContext& engine = choose_engine(context);
    const std::uint64_t bits = to_unsigned(length, "length", 1, kMaxLength);
    const Streams first = read_set(a, "a", bits, 1);
    const Streams second = read_set(b, "b", bits, 1);
    return interruptible(engine, [&](const ExecutionContext& watched) {
        return scc(watched, first.view, second.view);
    });
}

Correlation to_kind(py::handle name) {
    const std::string text = to_text(name, "kind");
    constexpr std::pair<std::string_view, Correlation> kinds[] = {
        {"scc", Correlation::scc}, {"pearson", Correlation::pearson}, {"zce", Correlation::zce}};
    for (const auto& [known, kind] : kinds)
        if (text == known) return kind;
    throw_error(ErrorCode::invalid_value, "kind", "'" + text + "'", "'scc', 'pearson' or 'zce'");
}

py::array correlate_pairs(py::handle a, py::handle b, py::handle length, py::handle kind,
                          py::handle context) {
    const ExecutionContext& engine = choose_engine(context);
    const Correlation measure = to_kind(kind);
    const std::uint64_t bits = to_unsigned(length, "length", 1, kMaxLength);
    const Streams first = read_set(a, "a", bits, 2);
    const Streams second = read_set(b, "b", bits, 2);
    py::array_t<double> result(static_cast<py::ssize_t>(first.view.streams));
    const std::span out(result.mutable_data(), first.view.streams);
    interruptible(engine, [&](const ExecutionContext& watched) {
        correlation(watched, measure, first.view, second.view, out);
    });
    return result;
}

py::array correlate_all(py::handle a, py::handle b, py::handle length, py::handle kind,
                        py::handle out, py::handle context) {
    const ExecutionContext& engine = choose_engine(context);
    const Correlation measure = to_kind(kind);
    const std::uint64_t bits = to_unsigned(length, "length", 1, kMaxLength);
    const Streams first = read_set(a, "a", bits, 2);
    const Streams second = b.is_none() ? first : read_set(b, "b", bits, 2);
    const std::size_t rows = first.view.streams, columns = second.view.streams;
    const Output result(out, {rows, columns}, first.array);
    if ((result.array().flags() & py::array::c_style) == 0)
        throw_error(ErrorCode::invalid_shape, "out", "a strided array", "a contiguous one");
    if (overlap(result.array(), second.array))
        throw_error(ErrorCode::invalid_shape, "out", "memory that overlaps the input",
                    "an array of its own");
    const std::span numbers(result.view().data, rows * columns);
    interruptible(engine, [&](const ExecutionContext& watched) {
        correlation_matrix(watched, measure, first.view, second.view, numbers);
    });
    return result.array();
}

py::array correlate_all_scc(py::handle a, py::handle b, py::handle length, py::handle out,
                            py::handle context) {
    return correlate_all(a, b, length, py::str("scc"), out, context);
}

py::array correlate_self(py::handle streams, py::handle lags, py::handle length,
                         py::handle context) {
    const ExecutionContext& engine = choose_engine(context);
    const std::uint64_t bits = to_unsigned(length, "length", 1, kMaxLength);
    const Streams read = read_set(streams, "streams", bits, 2);
    const py::array numbers = read_words(lags, "lags");
    const std::span steps(static_cast<const std::uint64_t*>(numbers.data()),
                          static_cast<std::size_t>(numbers.size()));
    py::array_t<double> result(
        {static_cast<py::ssize_t>(read.view.streams), static_cast<py::ssize_t>(steps.size())});
    const std::span out(result.mutable_data(), static_cast<std::size_t>(result.size()));
    interruptible(engine, [&](const ExecutionContext& watched) {
        autocorrelation(watched, read.view, steps, out);
    });
    return result;
}

// (streams, each) numbers, which fill(engine, view, span) writes without the GIL.
template <class Fill>
py::array numbers_of(py::handle streams, py::handle length, std::size_t each, py::handle context,
                     Fill&& fill) {
    const ExecutionContext& engine = choose_engine(context);
    const Streams read =
        read_set(streams, "streams", to_unsigned(length, "length", 1, kMaxLength), 2);
    py::array_t<double> result(static_cast<py::ssize_t>(read.view.streams * each));
    const std::span out(result.mutable_data(), read.view.streams * each);
    interruptible(engine, [&](const ExecutionContext& watched) { fill(watched, read.view, out); });
    return result;
}

py::array prefixes(py::handle streams, py::handle lengths, py::handle length, py::handle context) {
    const py::array numbers = read_words(lengths, "lengths");
    const std::span steps(static_cast<const std::uint64_t*>(numbers.data()),
                          static_cast<std::size_t>(numbers.size()));
    return numbers_of(streams, length, steps.size(), context,
                      [&](const auto& engine, const StreamView& view, std::span<double> out) {
                          prefix_values(engine, view, steps, out);
                      })
        .reshape({py::ssize_t{-1}, static_cast<py::ssize_t>(steps.size())});
}

py::array stabilities(py::handle streams, py::handle length, py::handle threshold,
                      py::handle values, py::handle context) {
    const double limit = to_real(threshold, "threshold");
    const py::object given =
        values.is_none() ? py::object(py::none()) : py::object(read_vector(values, "values"));
    const std::span<const double> expected =
        values.is_none() ? std::span<const double>{}
                         : packed_values(py::reinterpret_borrow<py::array>(given));
    return numbers_of(streams, length, 1, context,
                      [&](const auto& engine, const StreamView& view, std::span<double> out) {
                          // To C++ no values are the streams' own.
                          if (!given.is_none())
                              check_vector(py::reinterpret_borrow<py::array>(given), "values",
                                           view.streams);
                          stability(engine, view, limit, expected, out);
                      });
}

py::array normalised(py::handle streams, py::handle length, py::handle threshold,
                     py::handle context) {
    const double limit = to_real(threshold, "threshold");
    return numbers_of(streams, length, 1, context,
                      [&](const auto& engine, const StreamView& view, std::span<double> out) {
                          normalised_stability(engine, view, limit, out);
                      });
}

py::array discrepancies(py::handle streams, py::handle length, py::handle context) {
    return numbers_of(streams, length, 1, context,
                      [&](const auto& engine, const StreamView& view, std::span<double> out) {
                          discrepancy(engine, view, out);
                      });
}

py::tuple summary(py::handle estimates, py::handle expected, py::handle confidence) {
    const py::array got = read_vector(estimates, "estimates");
    const py::array wanted = read_vector(expected, "expected");
    const ErrorSummary s = summarise_errors(packed_values(got), packed_values(wanted),
                                            to_real(confidence, "confidence"));
    return py::make_tuple(s.bias, s.bias_low, s.bias_high, s.rmse, s.rmse_low, s.rmse_high);
}

}  // namespace

void bind_correlation(py::module_& module) {
    module.def("scc", &correlate, py::arg("a"), py::arg("b"), py::arg("length"),
               py::arg("context") = py::none(), R"(scc(a, b, length, context=None)
--

Stochastic computing correlation of two streams (A. Alaghi and J. P. Hayes, 2013): +1 when their
ones overlap as much as their counts allow, -1 as little, 0 as independent streams do on average.

a, b    (ceil(length / 64),) uint64
length  bits of a stream
A stream without ones or without zeros gives 0.
Raises ValueError for another width and for ones past the end.)");
    module.def("scc_matrix", &correlate_all_scc, py::arg("a"), py::arg("b") = py::none(),
               py::kw_only(), py::arg("length"), py::arg("out") = py::none(),
               py::arg("context") = py::none(),
               R"(scc_matrix(a, b=None, *, length, out=None, context=None)
--

scc of every stream of a with every stream of b (of a, if b is None), as one bit-matrix product.

a, b  (n, ceil(length / 64)) and (m, ceil(length / 64)) uint64
out   (n, m) float64, contiguous, instead of a new array
Returns (n, m) float64. Other measures: bitaxon.metrics.)");
    module.def("_correlation", &correlate_pairs, py::arg("a"), py::arg("b"), py::arg("length"),
               py::arg("kind"), py::arg("context"));
    module.def("_correlation_matrix", &correlate_all, py::arg("a"), py::arg("b"), py::arg("length"),
               py::arg("kind"), py::arg("out"), py::arg("context"));
    module.def("_autocorrelation", &correlate_self, py::arg("streams"), py::arg("lags"),
               py::arg("length"), py::arg("context"));
    module.def("_prefix_values", &prefixes, py::arg("streams"), py::arg("lengths"),
               py::arg("length"), py::arg("context"));
    module.def("_stability", &stabilities, py::arg("streams"), py::arg("length"),
               py::arg("threshold"), py::arg("values"), py::arg("context"));
    module.def("_normalised_stability", &normalised, py::arg("streams"), py::arg("length"),
               py::arg("threshold"), py::arg("context"));
    module.def("_discrepancy", &discrepancies, py::arg("streams"), py::arg("length"),
               py::arg("context"));
    module.def("_summarise_errors", &summary, py::arg("estimates"), py::arg("expected"),
               py::arg("confidence"));
}

}  // namespace bitaxon::python
