// Samples of either float type behind one face.
#pragma once

#include <bitaxon/core/matrix_view.hpp>

#include <cstddef>
#include <span>
#include <variant>

namespace bitaxon {

using Samples = std::variant<MatrixView<const double>, MatrixView<const float>>;

inline std::size_t row_count(const Samples& samples) {
    return std::visit([](const auto& view) { return view.rows; }, samples);
}

inline Samples rows_from(const Samples& samples, std::size_t first, std::size_t count) {
    return std::visit([=](const auto& view) -> Samples { return view.rows_from(first, count); },
                      samples);
}

inline MatrixView<const double> one_row(std::span<const double> values) {
    return row_major(values, values.size());
}

inline MatrixView<double> one_row(std::span<double> values) {
    return row_major(values, values.size());
}

}  // namespace bitaxon
