#include <bitaxon/layers/reservoir.hpp>

#include "layer_state.hpp"

#include <bitaxon/core/error.hpp>
#include <bitaxon/core/random.hpp>

#include <Eigen/Cholesky>
#include <Eigen/Eigenvalues>
#include <fmt/format.h>

#include <cmath>

namespace bitaxon {
namespace {

using Matrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

double to_unit(std::uint64_t word) { return static_cast<double>(word >> 11) * 0x1p-53; }

void check(bool holds, std::string_view what, double value, std::string_view expected) {
    if (!holds) throw_error(ErrorCode::invalid_value, what, fmt::format("{}", value), expected);
}

Matrix read(std::string_view name, MatrixView<const double> view) {
    Matrix result(view.rows, view.columns);
    for (std::size_t r = 0; r < view.rows; ++r)
        for (std::size_t c = 0; c < view.columns; ++c) {
            const double value = view(r, c);
            if (!std::isfinite(value))
                throw_error(ErrorCode::invalid_value, fmt::format("{}[{}][{}]", name, r, c),
                            fmt::format("{}", value), "a finite number");
            result(static_cast<Eigen::Index>(r), static_cast<Eigen::Index>(c)) = value;
        }
    return result;
}

// Whether units are left when those that no unit left leads to are taken away, again and again.
// Without a cycle all eigenvalues are 0, and computed ones are rounding alone.
bool has_cycle(const Eigen::Ref<const Matrix>& weights) {
    std::vector<Eigen::Index> sources, left;
    for (Eigen::Index row = 0; row < weights.rows(); ++row) {
        left.push_back((weights.row(row).array() != 0.0).count());
        if (left.back() == 0) sources.push_back(row);
    }
    for (std::size_t k = 0; k < sources.size(); ++k)
        for (Eigen::Index row = 0; row < weights.rows(); ++row)
            if (weights(row, sources[k]) != 0.0 && --left[static_cast<std::size_t>(row)] == 0)
                sources.push_back(row);
    return sources.size() < left.size();
}

}  // namespace

std::vector<double> reservoir_weights(const ReservoirOptions& o) {
    check_size("inputs", o.inputs);
    check_size("units", o.units);
    check(o.spectral_radius >= 0.0 && std::isfinite(o.spectral_radius), "spectral_radius",
          o.spectral_radius, "a finite number, 0 or more");
    check(o.density > 0.0 && o.density <= 1.0, "density", o.density, "a number in (0, 1]");
    check(o.input_scale >= 0.0 && std::isfinite(o.input_scale), "input_scale", o.input_scale,
          "a finite number, 0 or more");

    const auto units = static_cast<Eigen::Index>(o.units);
    const auto inputs = static_cast<Eigen::Index>(o.inputs);
    Matrix weights(units, inputs + units);
    const std::uint64_t base = key_base(mix(o.seed), 0, Role::noise, 0);
    for (Eigen::Index i = 0; i < weights.size(); ++i) {
        const StreamKey key = stream_key(base, static_cast<std::uint64_t>(i));
        const bool of_input = i % weights.cols() < inputs;
        const double value = 2.0 * to_unit(key.a) - 1.0;
        weights.data()[i] = of_input                     ? value * o.input_scale
                            : to_unit(key.b) < o.density ? value
                                                         : 0.0;
    }
    auto recurrent = weights.rightCols(units);
    const double radius =
        Eigen::EigenSolver<Eigen::MatrixXd>(recurrent, false).eigenvalues().cwiseAbs().maxCoeff();
    check(o.spectral_radius == 0.0 || has_cycle(recurrent), "density", o.density,
          fmt::format("more: no cycle is left among {} units", o.units));
    // Machines sum in other orders: a float drops what they may not agree on.
    recurrent *= o.spectral_radius == 0.0 ? 0.0 : o.spectral_radius / static_cast<float>(radius);
    return {weights.data(), weights.data() + weights.size()};
}

Readout fit_readout(MatrixView<const double> states, MatrixView<const double> targets,
                    double ridge) {
    if (states.rows == 0 || states.columns == 0 || targets.columns == 0)
        throw_error(ErrorCode::invalid_shape, "states, targets",
                    fmt::format("({}, {}), ({}, {})", states.rows, states.columns, targets.rows,
                                targets.columns),
                    "at least one sample, state and target");
    if (targets.rows != states.rows)
        throw_error(ErrorCode::invalid_shape, "targets", fmt::format("{} rows", targets.rows),
                    fmt::format("{}, one a row of states", states.rows));
    check(ridge >= 0.0 && std::isfinite(ridge), "ridge", ridge, "a finite number, 0 or more");
    const Matrix x = read("states", states);
    const Matrix y = read("targets", targets);
    const Eigen::RowVectorXd x_mean = x.colwise().mean();
    const Eigen::RowVectorXd y_mean = y.colwise().mean();
    const Matrix centred = x.rowwise() - x_mean;
    Eigen::MatrixXd gram = centred.transpose() * centred;
    gram.diagonal().array() += ridge;
    const Eigen::LDLT<Eigen::MatrixXd> solver(gram);
    check(solver.info() == Eigen::Success && solver.rcond() > 1e-15, "ridge", ridge,
          "more: states of these samples depend on one another");
    const Matrix weights = solver.solve(centred.transpose() * (y.rowwise() - y_mean)).transpose();
    const Eigen::RowVectorXd bias = y_mean - x_mean * weights.transpose();
    return {{weights.data(), weights.data() + weights.size()},
            {bias.data(), bias.data() + bias.size()}};
}

}  // namespace bitaxon
