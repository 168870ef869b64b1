#include <bitaxon/layers/reservoir.hpp>

#include "../layer/layer_state.hpp"

#include <bitaxon/core/error.hpp>
#include <bitaxon/core/random.hpp>

#include <Eigen/Cholesky>
#include <Eigen/Eigenvalues>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

namespace bitaxon {
namespace {

using Matrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

double to_unit(std::uint64_t word) { return static_cast<double>(word >> 11) * 0x1p-53; }

void check(bool holds, std::string_view what, double value, std::string_view expected) {
    if (!holds) throw_error(ErrorCode::invalid_value, what, fmt::format("{}", value), expected);
}

Matrix read(std::string_view name, MatrixView<const double> view, const ExecutionContext& context) {
    Matrix result(view.rows, view.columns);
    for (std::size_t r = 0; r < view.rows; ++r) {
        context.check();
        for (std::size_t c = 0; c < view.columns; ++c) {
            const double value = view(r, c);
            if (!std::isfinite(value))
                throw_error(ErrorCode::invalid_value, fmt::format("{}[{}][{}]", name, r, c),
                            fmt::format("{}", value), "a finite number");
            result(static_cast<Eigen::Index>(r), static_cast<Eigen::Index>(c)) = value;
        }
    }
    return result;
}

// What was subtracted: the columns' means.
Eigen::RowVectorXd centre(Matrix& matrix, const ExecutionContext& context) {
    Eigen::RowVectorXd mean = Eigen::RowVectorXd::Zero(matrix.cols());
    for (auto row : matrix.rowwise()) {
        context.check();
        mean += row;
    }
    mean /= static_cast<double>(matrix.rows());
    for (auto row : matrix.rowwise()) {
        context.check();
        row -= mean;
    }
    return mean;
}

// Of rows and columns that are computed in one piece: a few milliseconds of products.
constexpr Eigen::Index kTile = 128;

template <class Body>
void each_tile(Eigen::Index count, const ExecutionContext& context, Body body) {
    for (Eigen::Index first = 0; first < count; first += kTile) {
        context.check();
        body(first, std::min(kTile, count - first));
    }
}

enum class Half : std::uint8_t { lower, both };

// a transposed times b; the lower half may be enough.
Eigen::MatrixXd products(const Matrix& a, const Matrix& b, Half half,
                         const ExecutionContext& context) {
    Eigen::MatrixXd sums = Eigen::MatrixXd::Zero(a.cols(), b.cols());
    const auto tiles = static_cast<std::size_t>((a.cols() + kTile - 1) / kTile);
    context.parallel_for(tiles, [&](std::size_t tile) {
        const Eigen::Index i = static_cast<Eigen::Index>(tile) * kTile;
        const Eigen::Index height = std::min(kTile, a.cols() - i);
        const Eigen::Index width = half == Half::lower ? i + height : b.cols();
        each_tile(width, context, [&](Eigen::Index j, Eigen::Index columns) {
            auto sum = sums.block(i, j, height, columns);
            each_tile(a.rows(), context, [&](Eigen::Index r, Eigen::Index rows) {
                sum.noalias() +=
                    a.block(r, i, rows, height).transpose() * b.block(r, j, rows, columns);
            });
        });
    });
    return sums;
}

using Units = std::vector<Eigen::Index>;

// Units that lead to one another along weights (R. Tarjan, Depth-first search and linear graph
// algorithms, 1972), without recursion: paths are as long as there are units.
std::vector<Units> strong_components(const Eigen::Ref<const Matrix>& weights,
                                     const ExecutionContext& context) {
    struct Visit {
        Eigen::Index unit, next;
    };
    const Eigen::Index units = weights.rows();
    const Eigen::Index closed = units + 1;
    Eigen::Index seen = 0;
    Eigen::VectorX<Eigen::Index> order = Eigen::VectorX<Eigen::Index>::Zero(units);
    Eigen::VectorX<Eigen::Index> low = order;
    Units open;
    std::vector<Visit> path;
    std::vector<Units> components;
    for (Eigen::Index root = 0; root < units; ++root) {
        if (order[root] == 0) path.push_back({root, 0});
        while (!path.empty()) {
            context.check();
            Visit& visit = path.back();
            const Eigen::Index unit = visit.unit;
            if (order[unit] == 0) {
                order[unit] = low[unit] = ++seen;
                open.push_back(unit);
            }
            for (; visit.next < units; ++visit.next) {
                if (weights(unit, visit.next) == 0.0) continue;
                if (order[visit.next] == 0) break;
                low[unit] = std::min(low[unit], low[visit.next]);
            }
            if (visit.next < units) {
                path.push_back({visit.next, 0});
                continue;
            }
            path.pop_back();
            if (low[unit] != order[unit]) continue;
            const auto first = std::ranges::find(open, unit);
            components.emplace_back(first, open.end());
            open.erase(first, open.end());
            for (const Eigen::Index member : components.back()) low[member] = closed;
        }
    }
    return components;
}

// Each component has eigenvalues of its own. Of the whole matrix, rounding alone may have larger
// ones: what lies outside of cycles is nilpotent and far from normal.
double radius_of(const Eigen::Ref<const Matrix>& weights, const ExecutionContext& context) {
    double radius = 0.0;
    for (const Units& units : strong_components(weights, context)) {
        context.check();
        const Eigen::MatrixXd block = weights(units, units);
        radius =
            std::max(radius, units.size() == 1 ? std::abs(block(0, 0))
                                               : Eigen::EigenSolver<Eigen::MatrixXd>(block, false)
                                                     .eigenvalues()
                                                     .cwiseAbs()
                                                     .maxCoeff());
    }
    return radius;
}

}  // namespace

std::vector<double> reservoir_weights(const ReservoirOptions& o, const ExecutionContext& context) {
    check_size("inputs", o.inputs);
    check_size("units", o.units);
    constexpr std::size_t kMost = std::numeric_limits<std::uint32_t>::max();
    if (o.inputs > kMost || o.units > kMost || o.units > kMost / (o.inputs + o.units))
        throw_error(ErrorCode::invalid_shape, "inputs, units",
                    fmt::format("{}, {}", o.inputs, o.units),
                    "less than 2^32 weights, units * (inputs + units)");
    const double density =
        o.density.value_or(std::clamp(10.0 / static_cast<double>(o.units), 0.1, 1.0));
    check(o.spectral_radius >= 0.0 && std::isfinite(o.spectral_radius), "spectral_radius",
          o.spectral_radius, "a finite number, 0 or more");
    check(density > 0.0 && density <= 1.0, "density", density, "a number in (0, 1]");
    check(o.input_scale >= 0.0 && std::isfinite(o.input_scale), "input_scale", o.input_scale,
          "a finite number, 0 or more");

    const auto units = static_cast<Eigen::Index>(o.units);
    const auto inputs = static_cast<Eigen::Index>(o.inputs);
    Matrix weights(units, inputs + units);
    const std::uint64_t base = key_base(mix(o.seed), 0, Role::noise, 0);
    for (Eigen::Index i = 0; i < weights.size(); ++i) {
        context.check();
        const StreamKey key = stream_key(base, static_cast<std::uint64_t>(i));
        const bool of_input = i % weights.cols() < inputs;
        const double value = 2.0 * to_unit(key.a) - 1.0;
        weights.data()[i] = of_input                   ? value * o.input_scale
                            : to_unit(key.b) < density ? value
                                                       : 0.0;
    }
    auto recurrent = weights.rightCols(units);
    double factor = 0.0;
    if (o.spectral_radius > 0.0) {
        const double radius = radius_of(recurrent, context);
        check(radius > 0.0, "density", density,
              fmt::format("more, or another seed: no cycle of weights is left among {} units with "
                          "seed {}",
                          o.units, o.seed));
        // Machines sum in other orders: a float drops what they may not agree on.
        factor = o.spectral_radius / static_cast<double>(static_cast<float>(radius));
        check(std::isfinite(factor), "spectral_radius", o.spectral_radius,
              "less: weights of this size are not finite");
    }
    recurrent *= factor;
    return {weights.data(), weights.data() + weights.size()};
}

Readout fit_readout(MatrixView<const double> states, MatrixView<const double> targets, double ridge,
                    const ExecutionContext& context) {
    if (states.rows == 0 || states.columns == 0 || targets.columns == 0)
        throw_error(ErrorCode::invalid_shape, "states, targets",
                    fmt::format("({}, {}), ({}, {})", states.rows, states.columns, targets.rows,
                                targets.columns),
                    "at least one sample, state and target");
    if (targets.rows != states.rows)
        throw_error(ErrorCode::invalid_shape, "targets", fmt::format("{} rows", targets.rows),
                    fmt::format("{}, one a row of states", states.rows));
    check(ridge >= 0.0 && std::isfinite(ridge), "ridge", ridge, "a finite number, 0 or more");
    Matrix x = read("states", states, context);
    Matrix y = read("targets", targets, context);
    const Eigen::RowVectorXd x_mean = centre(x, context);
    const Eigen::RowVectorXd y_mean = centre(y, context);
    Eigen::MatrixXd gram = products(x, x, Half::lower, context);
    gram.diagonal().array() += ridge;
    const auto check_magnitude = [](bool finite, std::string_view what) {
        if (!finite)
            throw_error(ErrorCode::invalid_value, what, "numbers so large that their sums overflow",
                        "numbers of less magnitude: divide them by their largest");
    };
    check_magnitude(gram.allFinite(), "states");
    context.check();
    const Eigen::LLT<Eigen::Ref<Eigen::MatrixXd>> solver(gram);
    context.check();
    check(solver.info() == Eigen::Success && solver.rcond() > 1e-15, "ridge", ridge,
          "more: states of these samples depend on one another");
    Eigen::MatrixXd columns = products(x, y, Half::both, context);
    each_tile(columns.cols(), context, [&](Eigen::Index first, Eigen::Index count) {
        columns.middleCols(first, count) = solver.solve(columns.middleCols(first, count));
    });
    const Matrix weights = columns.transpose();
    const Eigen::RowVectorXd bias = y_mean - x_mean * columns;
    check_magnitude(weights.allFinite() && bias.allFinite(), "states, targets");
    return {{weights.data(), weights.data() + weights.size()},
            {bias.data(), bias.data() + bias.size()}};
}

}  // namespace bitaxon
