// Convolutions with what they must put out.
#pragma once

#include "harness/suite.hpp"
#include "harness/workloads.hpp"

#include <bitaxon/layers/conv2d.hpp>

#include <compare>
#include <memory>
#include <vector>

namespace bitaxon::bench {

/// An image through 3 x 3 kernels.
struct ConvShape {
    std::size_t channels;
    std::size_t height;
    std::size_t width;
    std::size_t filters;
    std::size_t length;
    std::size_t stride = 1;
    std::size_t padding = 1;
    Coding coding = Coding::unipolar;

    auto operator<=>(const ConvShape&) const = default;
    /// ANDed in all, those with padding included.
    double product_bits() const;
};

/// A layer with an image, its streams, and the outputs that the oracle wants.
class ConvWork {
  public:
    explicit ConvWork(const ConvShape& shape);

    const ConvShape shape;
    const std::vector<double> sample;
    const Conv2d layer;
    const StreamArray streams;

    /// @throws Mismatch unless some of the outputs are what a bit loop counts
    void check(const std::vector<double>& outputs) const;

  private:
    double bit_loop(std::size_t output) const;
};

/// Made once a shape.
std::shared_ptr<const ConvWork> conv_work(const ConvShape& shape);

using ConvPath = void (*)(const ConvWork&, const ExecutionContext&, std::vector<double>&);
/// One image encoded and convolved; the same of the work's streams.
void forward(const ConvWork& work, const ExecutionContext& context, std::vector<double>& out);
void forward_prepacked(const ConvWork& work, const ExecutionContext& context,
                       std::vector<double>& out);

/// Checked, and limited by counting.
Experiment conv2d(const ConvShape& shape, ConvPath path, kernels::Tier tier);

}  // namespace bitaxon::bench
