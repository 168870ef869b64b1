// Eigen matrices as views, without a copy. The only public header that includes Eigen.
#pragma once

#include <bitaxon/core/matrix_view.hpp>

#include <Eigen/Core>

namespace bitaxon {

/// A view of any Eigen matrix, vector, map or block of plain coefficients, row- or column-major.
template <class Derived>
MatrixView<const typename Derived::Scalar> view(const Eigen::DenseBase<Derived>& matrix) {
    const Derived& m = matrix.derived();
    const bool row_major = Derived::IsRowMajor;
    return {m.data(), static_cast<std::size_t>(m.rows()), static_cast<std::size_t>(m.cols()),
            row_major ? m.outerStride() : m.innerStride(),
            row_major ? m.innerStride() : m.outerStride()};
}

/// The same for a matrix that results are written to.
template <class Derived>
MatrixView<typename Derived::Scalar> mutable_view(Eigen::DenseBase<Derived>& matrix) {
    Derived& m = matrix.derived();
    const bool row_major = Derived::IsRowMajor;
    return {m.data(), static_cast<std::size_t>(m.rows()), static_cast<std::size_t>(m.cols()),
            row_major ? m.outerStride() : m.innerStride(),
            row_major ? m.innerStride() : m.outerStride()};
}

}  // namespace bitaxon
