#include "linear_system.hpp"

#include <Eigen/Core>
#include <unsupported/Eigen/MatrixFunctions>

namespace bitaxon::jit {
namespace {

// Which nodes change within a run: from step to step, from draw to draw, or with a varying leaf.
std::vector<char> changing(const Graph& graph, std::span<const NodeId> varying) {
    std::vector<NodeId> leaves(varying.begin(), varying.end());
    for (NodeId id = 0; id < graph.size(); ++id) {
        switch (graph[id].op) {
        case Op::step:
        case Op::row:
        case Op::rand:
        case Op::randn:
        case Op::external:
            leaves.push_back(id);
            break;
        default:
            break;
        }
    }
    return depends_on(graph, leaves);
}

// Collects the drives of all rows; each is named once.
class Drives {
  public:
    Drives(LinearSystem& system, std::size_t rows) : system_(system), columns_(rows) {}

    void add(std::size_t row, NodeId drive, NodeId coefficient) {
        if (coefficient == kNoNode) {
            return;
        }
        std::size_t column = 0;
        while (column < system_.drives.size() && system_.drives[column] != drive) {
            ++column;
        }
        if (column == system_.drives.size()) {
            system_.drives.push_back(drive);
        }
        columns_[row].emplace_back(column, coefficient);
    }

    void finish() {
        system_.b.assign(columns_.size() * system_.drives.size(), kNoNode);
        for (std::size_t row = 0; row < columns_.size(); ++row) {
            for (const auto& [column, coefficient] : columns_[row]) {
                system_.b[row * system_.drives.size() + column] = coefficient;
            }
        }
    }

  private:
    LinearSystem& system_;
    std::vector<std::vector<std::pair<std::size_t, NodeId>>> columns_;
};

}  // namespace

bool LinearSystem::is_diagonal() const noexcept {
    for (std::size_t row = 0; row < variables; ++row) {
        for (std::size_t column = 0; column < variables; ++column) {
            if (row != column && a[row * variables + column] != kNoNode) {
                return false;
            }
        }
    }
    return true;
}

std::optional<LinearSystem> linear_system(Graph& graph, const LinearityInput& input,
                                          std::size_t* culprit) {
    const std::vector<std::optional<Affine>> rows = affine(graph, input.rates, input.values);
    std::vector<NodeId> constants;
    for (std::size_t row = 0; row < rows.size(); ++row) {
        *culprit = row;
        if (!rows[row]) {
            return std::nullopt;
        }
        constants.push_back(rows[row]->constant);
    }
    std::vector<NodeId> present;
    for (const NodeId constant : constants) {
        present.push_back(constant == kNoNode ? input.rates[0] : constant);
    }
    const std::vector<std::optional<Affine>> by_current =
        input.current == kNoNode ? std::vector<std::optional<Affine>>(rows.size())
                                 : affine(graph, present, std::array{input.current});

    std::vector<NodeId> varying(input.varying.begin(), input.varying.end());
    varying.insert(varying.end(), input.values.begin(), input.values.end());
    const std::vector<char> changes = changing(graph, varying);
    const auto is_fixed = [&](NodeId id) { return id == kNoNode || !changes[id]; };

    std::vector<NodeId> over_time(input.noises.begin(), input.noises.end());
    for (NodeId id = 0; id < graph.size(); ++id) {
        if (graph[id].op == Op::step) {
            over_time.push_back(id);
        }
    }
    const std::vector<char> moves = depends_on(graph, over_time);

    LinearSystem system;
    system.variables = rows.size();
    Drives drives(system, rows.size());
    for (std::size_t row = 0; row < rows.size(); ++row) {
        *culprit = row;
        for (const NodeId coefficient : rows[row]->coefficients) {
            if (!is_fixed(coefficient)) {
                return std::nullopt;
            }
            system.a.push_back(coefficient);
        }
        const NodeId constant = constants[row];
        if (constant == kNoNode) {
            continue;
        }
        if (moves[constant]) {
            return std::nullopt;
        }
        if (is_fixed(constant)) {
            drives.add(row, kNoNode, constant);
        } else if (const auto& form = by_current[row];
                   form && is_fixed(form->constant) && is_fixed(form->coefficients[0])) {
            drives.add(row, kNoNode, form->constant);
            drives.add(row, input.current, form->coefficients[0]);
        } else {
            drives.add(row, constant, graph.constant(graph.type(constant), 1));
        }
    }
    drives.finish();
    return system;
}

Reach reach(const LinearSystem& system, const std::vector<char>& frozen_rows) {
    const std::size_t n = system.variables;
    const std::size_t m = system.drives.size();
    Reach reach{std::vector<char>(n * n, 0), std::vector<char>(n * m, 0)};
    for (std::size_t row = 0; row < n; ++row) {
        for (std::size_t column = 0; column < n; ++column) {
            const bool direct = !frozen_rows[row] && system.a[row * n + column] != kNoNode;
            reach.p[row * n + column] = row == column || direct;
        }
    }
    for (std::size_t via = 0; via < n; ++via) {
        for (std::size_t row = 0; row < n; ++row) {
            for (std::size_t column = 0; column < n; ++column) {
                const bool path = reach.p[row * n + via] && reach.p[via * n + column];
                reach.p[row * n + column] = static_cast<char>(reach.p[row * n + column] | path);
            }
        }
    }
    for (std::size_t row = 0; row < n; ++row) {
        for (std::size_t via = 0; via < n; ++via) {
            for (std::size_t drive = 0; drive < m; ++drive) {
                const bool path = reach.p[row * n + via] && !frozen_rows[via] &&
                                  system.b[via * m + drive] != kNoNode;
                reach.q[row * m + drive] = static_cast<char>(reach.q[row * m + drive] | path);
            }
        }
    }
    return reach;
}

// In long double, which Eigen never vectorises: the result, rounded, doesn't depend on the
// machine's vectors or on how a program that links this was compiled.
void exponentiate(std::span<double> matrix, std::size_t n) {
    using Matrix = Eigen::Matrix<long double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
    const auto size = static_cast<Eigen::Index>(n);
    const Matrix exponent =
        Eigen::Map<const Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>>(
            matrix.data(), size, size)
            .cast<long double>();
    const Matrix result = exponent.exp();
    for (std::size_t k = 0; k < matrix.size(); ++k) {
        matrix[k] = static_cast<double>(result.data()[k]);
    }
}

}  // namespace bitaxon::jit
