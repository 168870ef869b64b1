#include "arrays.hpp"

#include "arguments.hpp"

#include <bitaxon/core/error.hpp>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstdlib>
#include <functional>
#include <string_view>
#include <utility>

namespace bitaxon::python {
namespace {

using Api = py::detail::npy_api;

constexpr char kSwappedBytes = '>';  // the library's platforms are little-endian

// Elements in native byte order, each at an address that its type may have. Strides are looked at
// by hand: views count them in elements, and NumPy does not call for whole ones.
bool is_readable(const py::array& array, int type) {
    if (array.dtype().num() != type || array.dtype().byteorder() == kSwappedBytes ||
        !(array.flags() & Api::NPY_ARRAY_ALIGNED_))
        return false;
    return std::all_of(
        array.strides(), array.strides() + array.ndim(),
        [size = array.itemsize()](py::ssize_t stride) { return stride % size == 0; });
}

py::array as_double(const py::array& array) {
    constexpr int flags =
        Api::NPY_ARRAY_C_CONTIGUOUS_ | Api::NPY_ARRAY_ALIGNED_ | Api::NPY_ARRAY_FORCECAST_;
    auto copy = py::reinterpret_steal<py::array>(Api::get().PyArray_FromAny_(
        array.ptr(), py::dtype::of<double>().release().ptr(), 0, 0, flags, nullptr));
    if (!copy) throw py::error_already_set();
    return copy;
}

std::string shape_text(std::span<const py::ssize_t> shape) {
    return shape.size() == 1 ? fmt::format("({},)", shape[0])
                             : fmt::format("({})", fmt::join(shape, ", "));
}

std::span<const py::ssize_t> shape_of(const py::array& array) {
    return {array.shape(), static_cast<std::size_t>(array.ndim())};
}

// "dtype int64"; "NoneType" where NumPy knows nothing better than an array of one object.
std::string kind_text(py::handle object, const py::array& array) {
    return array.ndim() == 0 && !py::isinstance<py::array>(object)
               ? type_name(object)
               : "dtype " + text_of(array.dtype());
}

// First and last byte of an array's elements.
std::pair<const char*, const char*> extent(const py::array& array) {
    const auto* low = static_cast<const char*>(array.data());
    const char* high = low;
    for (py::ssize_t axis = 0; axis < array.ndim(); ++axis) {
        const py::ssize_t reach = (array.shape(axis) - 1) * array.strides(axis);
        (reach < 0 ? low : high) += reach;
    }
    return {low, high + array.itemsize()};
}

}  // namespace

bool overlap(const py::array& a, const py::array& b) {
    if (a.size() == 0 || b.size() == 0) return false;
    const auto [a_low, a_high] = extent(a);
    const auto [b_low, b_high] = extent(b);
    // std::less orders pointers into different arrays, which < need not.
    return std::less<>{}(a_low, b_high) && std::less<>{}(b_low, a_high);
}

// An axis must not step back into what a shorter step has covered.
bool overlaps_itself(const py::array& array) {
    if (array.size() == 0) return false;  // strides of 0 are NumPy's own there
    std::vector<std::pair<py::ssize_t, py::ssize_t>> axes;
    for (py::ssize_t axis = 0; axis < array.ndim(); ++axis)
        if (array.shape(axis) > 1)
            axes.emplace_back(std::abs(array.strides(axis)), array.shape(axis));
    std::sort(axes.begin(), axes.end());
    py::ssize_t covered = array.itemsize();
    for (const auto& [stride, count] : axes) {
        if (stride < covered) return true;
        covered += (count - 1) * stride;
    }
    return false;
}

void check_writable(const py::array& array, std::string_view name) {
    if (!array.writeable())
        throw_error(ErrorCode::invalid_value, name, "a read-only array", "a writable one");
    if (!is_readable(array, array.dtype().num()))
        throw_error(ErrorCode::invalid_shape, name,
                    fmt::format("elements off {}-byte boundaries", array.itemsize()),
                    "aligned ones");
    if (overlaps_itself(array))
        throw_error(ErrorCode::invalid_shape, name, "elements that overlap one another",
                    "one for each result");
}

std::string shape_text(const py::array& array) { return shape_text(shape_of(array)); }

bool is_float32(const py::array& numbers) { return numbers.dtype().num() == Api::NPY_FLOAT_; }

py::array to_plain_array(py::handle object, const char* name) {
    if (py::isinstance<py::array>(object)) return plain_array(object, name);
    auto array = py::reinterpret_steal<py::array>(
        Api::get().PyArray_FromAny_(object.ptr(), nullptr, 0, 0, 0, nullptr));
    if (!array) {
        const py::error_already_set why;
        if (!why.matches(PyExc_ValueError) && !why.matches(PyExc_TypeError))
            throw py::error_already_set(why);
        throw_error(
            ErrorCode::invalid_shape, name,
            fmt::format("{} that is no array ({})", type_name(object), text_of(why.value())),
            "rows of equal length");
    }
    return array;
}

py::array plain_array(py::handle array, const char* name) {
    PyTypeObject* plain = Api::get().PyArray_Type_;
    if (Py_TYPE(array.ptr()) == plain) return py::reinterpret_borrow<py::array>(array);
    if (py::isinstance(array, py::module_::import("numpy.ma").attr("MaskedArray")))
        throw_error(ErrorCode::invalid_type, name, "a masked array",
                    "a plain one: fill it or index with its mask");
    auto view = py::reinterpret_steal<py::array>(
        Api::get().PyArray_View_(array.ptr(), nullptr, reinterpret_cast<PyObject*>(plain)));
    if (!view) throw py::error_already_set();
    return view;
}

py::array read_numbers(py::handle object, const char* name, Layout layout) {
    const py::array array = to_plain_array(object, name);
    if (is_readable(array, Api::NPY_DOUBLE_) &&
        (layout != Layout::packed || array.flags() & Api::NPY_ARRAY_C_CONTIGUOUS_))
        return array;
    if (layout == Layout::floats && is_readable(array, Api::NPY_FLOAT_)) return array;
    if (std::string_view("iuf").find(array.dtype().kind()) == std::string_view::npos)
        throw_error(ErrorCode::invalid_type, name, kind_text(object, array),
                    "real numbers (float64 or float32)");
    return as_double(array);
}

void check_vector(const py::array& array, const char* name, std::size_t size) {
    if (array.ndim() != 1 || static_cast<std::size_t>(array.shape(0)) != size)
        throw_error(ErrorCode::invalid_shape, name, "shape " + shape_text(array),
                    fmt::format("({},)", size));
}

void check_matrix(const py::array& array, const char* name, std::size_t columns) {
    if (array.ndim() != 2 || static_cast<std::size_t>(array.shape(1)) != columns)
        throw_error(ErrorCode::invalid_shape, name, "shape " + shape_text(array),
                    fmt::format("(n, {})", columns));
}

py::array read_words(py::handle object, const char* name) {
    if (!py::isinstance<py::array>(object))
        throw_error(ErrorCode::invalid_type, name, type_name(object), "a NumPy array of uint64");
    const py::array array = plain_array(object, name);
    // Two of C's types may be uint64, so size and kind decide.
    if (array.dtype().kind() != 'u' || array.itemsize() != 8 ||
        array.dtype().byteorder() == kSwappedBytes)
        throw_error(ErrorCode::invalid_type, name, fmt::format("dtype {}", text_of(array.dtype())),
                    "uint64");
    return array;
}

Streams read_streams(py::handle object, const char* name, std::uint64_t length) {
    py::array array = read_words(object, name);
    check_length(1, length);
    const py::ssize_t words = static_cast<py::ssize_t>(words_for(length));
    const py::ssize_t axes = array.ndim();
    if (axes < 1 || axes > 3 || array.shape(axes - 1) != words)
        throw_error(ErrorCode::invalid_shape, name, "shape " + shape_text(array),
                    fmt::format("({0},), (streams, {0}) or (rows, streams, {0}) for {1} bits",
                                words, length));
    constexpr py::ssize_t word_bytes = sizeof(std::uint64_t);
    const bool in_place = is_readable(array, array.dtype().num()) &&
                          (words == 1 || array.strides(axes - 1) == word_bytes) &&
                          (axes < 2 || std::abs(array.strides(axes - 2)) >= words * word_bytes);
    if (!in_place)
        array = py::array_t<std::uint64_t, py::array::c_style | py::array::forcecast>(array);

    const auto extent_from_end = [&](py::ssize_t axis) {
        return axes < axis ? std::size_t{1} : static_cast<std::size_t>(array.shape(axes - axis));
    };
    const auto stride_from_end = [&](py::ssize_t axis) {
        return axes < axis ? words : array.strides(axes - axis) / word_bytes;
    };
    const StreamView view{static_cast<const std::uint64_t*>(array.data()),
                          extent_from_end(3),
                          extent_from_end(2),
                          length,
                          stride_from_end(3),
                          stride_from_end(2)};
    return {std::move(array), view};
}

Output::Output(py::handle out, std::initializer_list<std::size_t> shape, const py::array& input) {
    const std::vector<py::ssize_t> wanted(shape.begin(), shape.end());
    if (out.is_none()) {
        array_ = py::array(py::dtype::of<double>(), wanted);
        return;
    }
    const auto reject = [](ErrorCode code, const std::string& got, const std::string& expected) {
        throw_error(code, "out", got, expected);
    };
    if (!py::isinstance<py::array>(out))
        reject(ErrorCode::invalid_type, type_name(out), "a NumPy array of float64");
    plain_array(out, "out");  // the caller gets back the very object that came
    array_ = py::reinterpret_borrow<py::array>(out);
    if (array_.dtype().num() != Api::NPY_DOUBLE_ || array_.dtype().byteorder() == kSwappedBytes)
        reject(ErrorCode::invalid_type, "dtype " + text_of(array_.dtype()), "float64");
    if (!std::ranges::equal(shape_of(array_), wanted))
        reject(ErrorCode::invalid_shape, "shape " + python::shape_text(array_), shape_text(wanted));
    check_writable(array_, "out");
    if (overlap(array_, input))
        reject(ErrorCode::invalid_shape, "memory that overlaps the input", "an array of its own");
}

MatrixView<double> Output::view() const { return writable_view<double>(array_); }

std::span<double> Output::packed() {
    const MatrixView<double> row = view();
    if (row.column_stride == 1) return {row.data, row.columns};
    buffer_.resize(row.columns);
    return buffer_;
}

void Output::store() const {
    const MatrixView<double> row = view();
    for (std::size_t i = 0; i < buffer_.size(); ++i) row(0, i) = buffer_[i];
}

py::array to_array(StreamArray&& streams, bool as_rows) {
    auto owned = std::make_unique<StreamArray>(std::move(streams));
    StreamArray& kept = *owned;
    const py::capsule owner(owned.release(), [](void* p) { delete static_cast<StreamArray*>(p); });
    constexpr py::ssize_t word_bytes = sizeof(std::uint64_t);
    const auto words = static_cast<py::ssize_t>(kept.words_per_stream());
    std::vector<py::ssize_t> shape = {static_cast<py::ssize_t>(kept.streams()), words};
    std::vector<py::ssize_t> strides = {words * word_bytes, word_bytes};
    if (as_rows) {
        shape.insert(shape.begin(), static_cast<py::ssize_t>(kept.rows()));
        strides.insert(strides.begin(), static_cast<py::ssize_t>(kept.row_words()) * word_bytes);
    }
    return py::array(py::dtype::of<std::uint64_t>(), std::move(shape), std::move(strides),
                     kept.row(0), owner);
}

py::array read_only_view(std::span<const double> values, std::vector<py::ssize_t> shape,
                         std::shared_ptr<const void> owner) {
    auto kept = std::make_unique<std::shared_ptr<const void>>(std::move(owner));
    const py::capsule capsule(kept.release(),
                              [](void* p) { delete static_cast<std::shared_ptr<const void>*>(p); });
    py::array view(py::dtype::of<double>(), std::move(shape), values.data(), capsule);
    py::detail::array_proxy(view.ptr())->flags &= ~Api::NPY_ARRAY_WRITEABLE_;
    return view;
}

}  // namespace bitaxon::python
