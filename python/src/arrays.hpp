// NumPy arrays in and out: read and written where they lie whenever their elements allow it.
#pragma once

#include <bitaxon/core/bitstream.hpp>
#include <bitaxon/core/matrix_view.hpp>

#include <pybind11/numpy.h>

#include <initializer_list>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace bitaxon::python {

namespace py = pybind11;

/// How numbers must lie before they can be read.
enum class Layout {
    floats,   ///< float32 or float64, any strides
    doubles,  ///< float64, any strides
    packed,   ///< float64, one after another
};

/// The array itself if its layout allows that, else a copy as float64: of other real dtypes, lists,
/// swapped bytes, elements between boundaries. @throws Error for what holds no real numbers
py::array read_numbers(py::handle object, const char* name, Layout layout);

/// What NumPy makes of an array or a list. @throws Error for rows of unequal length
py::array to_plain_array(py::handle object, const char* name);

/// A NumPy array, seen without the class that it may be derived from.
/// @throws Error for a masked array, whose mask no call here would heed
py::array plain_array(py::handle array, const char* name);

bool is_float32(const py::array& numbers);

/// "(3, 64)"
std::string shape_text(const py::array& array);

/// Whether the stretches of memory that hold the elements meet.
bool overlap(const py::array& a, const py::array& b);
/// Whether two elements of the array may lie in the same place: windows, and strides of 0.
bool overlaps_itself(const py::array& array);

/// @throws Error unless the array is writable and its elements are aligned, in native byte order
/// and apart from one another
void check_writable(const py::array& array, std::string_view name);

/// @throws Error unless the array is 1-D of that size
void check_vector(const py::array& array, const char* name, std::size_t size);
/// @throws Error unless the array is 2-D with that many columns
void check_matrix(const py::array& array, const char* name, std::size_t columns);

/// A vector is one row. The elements must be of type T.
template <class T>
MatrixView<const T> view_of(const py::array& numbers) {
    const auto extent = [&](py::ssize_t axis) {
        return static_cast<std::size_t>(numbers.shape(axis));
    };
    const auto stride = [&](py::ssize_t axis) {
        return numbers.strides(axis) / static_cast<py::ssize_t>(sizeof(T));
    };
    const auto* data = static_cast<const T*>(numbers.data());
    if (numbers.ndim() == 1) return {data, 1, extent(0), 0, stride(0)};
    return {data, extent(0), extent(1), stride(0), stride(1)};
}

/// The same of a writable array.
template <class T>
MatrixView<T> writable_view(const py::array& numbers) {
    const MatrixView<const T> view = view_of<T>(numbers);
    return {const_cast<T*>(view.data), view.rows, view.columns, view.row_stride,
            view.column_stride};
}

/// call(view) with the type that the elements have.
template <class Call>
void on_view(const py::array& numbers, Call call) {
    if (is_float32(numbers))
        call(view_of<float>(numbers));
    else
        call(view_of<double>(numbers));
}

/// The numbers of a packed array.
inline std::span<const double> packed_values(const py::array& numbers) {
    return {static_cast<const double*>(numbers.data()), static_cast<std::size_t>(numbers.size())};
}

/// Packed streams: a uint64 array (words,), (streams, words) or (rows, streams, words). It is read
/// where it lies if the words of a stream do, else copied.
struct Streams {
    py::array array;
    StreamView view;

    /// What C++'s errors call the array: to C++ all sets of streams have three axes.
    const char* name() const {
        constexpr const char* kNames[] = {"streams[0][0]", "streams[0]", "streams"};
        return kNames[array.ndim() - 1];
    }
};
Streams read_streams(py::handle object, const char* name, std::uint64_t length);

/// @throws Error unless the object is a NumPy array of uint64 in native byte order
py::array read_words(py::handle object, const char* name);

/// Results go to the caller's array, or to a new one.
class Output {
  public:
    /// @throws Error unless `out` is None or a writable float64 array of that shape whose elements
    /// are apart from one another and from `input`
    Output(py::handle out, std::initializer_list<std::size_t> shape, const py::array& input);

    const py::array& array() const { return array_; }
    MatrixView<double> view() const;

    /// For paths that write one row of packed values: the array's own memory, or a buffer that
    /// store() brings home.
    std::span<double> packed();
    void store() const;

  private:
    py::array array_;
    std::vector<double> buffer_;
};

/// An array (streams, words) over one row of streams, or (rows, streams, words) over all, which it
/// owns from now on.
py::array to_array(StreamArray&& streams, bool as_rows = false);

/// An array over memory that `owner` keeps alive. It is read-only.
py::array read_only_view(std::span<const double> values, std::vector<py::ssize_t> shape,
                         std::shared_ptr<const void> owner);

}  // namespace bitaxon::python
