// Stochastic computing correlation.
#include "arguments.hpp"
#include "arrays.hpp"
#include "bindings.hpp"
#include "context.hpp"

#include <bitaxon/core/correlation.hpp>
#include <bitaxon/core/error.hpp>

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
    return without_gil([&] { return scc(engine, first.view, second.view); });
}

py::array correlate_all(py::handle a, py::handle b, py::handle length, py::handle context) {
    const ExecutionContext& engine = choose_engine(context);
    const std::uint64_t bits = to_unsigned(length, "length", 1, kMaxLength);
    const Streams first = read_set(a, "a", bits, 2);
    const Streams second = b.is_none() ? first : read_set(b, "b", bits, 2);
    py::array result(py::dtype::of<double>(),
                     std::vector<py::ssize_t>{static_cast<py::ssize_t>(first.view.streams),
                                              static_cast<py::ssize_t>(second.view.streams)});
    auto* out = static_cast<double*>(result.mutable_data());
    without_gil([&] { std::ranges::copy(scc_matrix(engine, first.view, second.view), out); });
    return result;
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
    module.def("scc_matrix", &correlate_all, py::arg("a"), py::arg("b") = py::none(), py::kw_only(),
               py::arg("length"), py::arg("context") = py::none(),
               R"(scc_matrix(a, b=None, *, length, context=None)
--

scc of every stream of a with every stream of b (of a, if b is None), as one bit-matrix product.

a, b  (n, ceil(length / 64)) and (m, ceil(length / 64)) uint64
Returns (n, m) float64.)");
}

}  // namespace bitaxon::python
