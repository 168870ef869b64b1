// What is known about the values of a float node before any row is computed.
#pragma once

#include "../ir/graph.hpp"

#include <limits>
#include <vector>

namespace bitaxon::jit {

/// Bounds that hold for every value but NaN. A zero may have either sign unless minus_zero is
/// false.
struct Range {
    double low = -std::numeric_limits<double>::infinity();
    double high = std::numeric_limits<double>::infinity();
    bool minus_zero = true;
    bool nan = true;

    /// Neither below zero nor -0; NaN is possible.
    bool is_never_negative() const noexcept { return low >= 0 && !minus_zero; }
    /// Above zero; NaN is possible.
    bool is_positive() const noexcept { return low > 0; }
    bool is_bounded() const noexcept {
        return low > -std::numeric_limits<double>::infinity() &&
               high < std::numeric_limits<double>::infinity();
    }
};

/// Interval arithmetic over a graph, from the leaves up. Squares are recognised as such (x*x >= 0).
/// The graph may grow between calls; what is known of a node never changes.
class Ranges {
  public:
    explicit Ranges(const Graph& graph) : graph_(graph) {}

    Range of(NodeId id);

  private:
    void extend(NodeId last);

    const Graph& graph_;
    std::vector<Range> ranges_;
};

}  // namespace bitaxon::jit
