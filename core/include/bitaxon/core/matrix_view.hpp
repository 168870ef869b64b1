// Views of matrices that live anywhere: rows x columns with any strides.
#pragma once

#include <cstddef>
#include <span>
#include <type_traits>

namespace bitaxon {

/// Element (r, c) stands at data[r * row_stride + c * column_stride]; strides may be negative.
template <class T>
struct MatrixView {
    T* data = nullptr;
    std::size_t rows = 0;
    std::size_t columns = 0;
    std::ptrdiff_t row_stride = 0;     ///< in elements
    std::ptrdiff_t column_stride = 1;  ///< in elements

    operator MatrixView<const T>() const requires(!std::is_const_v<T>) {
        return {data, rows, columns, row_stride, column_stride};
    }

    T& operator()(std::size_t row, std::size_t column) const {
        return data[static_cast<std::ptrdiff_t>(row) * row_stride +
                    static_cast<std::ptrdiff_t>(column) * column_stride];
    }

    /// Rows first ... first + count - 1.
    MatrixView rows_from(std::size_t first, std::size_t count) const {
        return {data + static_cast<std::ptrdiff_t>(first) * row_stride, count, columns, row_stride,
                column_stride};
    }
};

/// A row-major matrix of `columns` columns over contiguous values; a last partial row is left out.
template <class T>
MatrixView<T> row_major(std::span<T> values, std::size_t columns) {
    return {values.data(), columns == 0 ? 0 : values.size() / columns, columns,
            static_cast<std::ptrdiff_t>(columns), 1};
}

}  // namespace bitaxon
