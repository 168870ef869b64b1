// The kinds of layers that files may hold.
#pragma once

#include "../layer/layer_state.hpp"

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace bitaxon {

struct LayerArrays {
    std::vector<double> weights;
    std::vector<double> bias;
};

/// A size of the kind, by its name.
using ReadSize = std::function<std::size_t(const std::string& name)>;

/// Weights (rows x fan_in) and biases (rows); other arrays by their names.
struct ReadArrays {
    std::function<LayerArrays(std::size_t rows, std::size_t fan_in)> weights;
    std::function<std::vector<double>(const std::string& name, std::size_t count)> values;
    std::function<std::vector<std::uint64_t>(const std::string& name, std::size_t count)> indices;
};

/// Makes a layer of one kind, whose weights are not drawn yet. @throws Error
using LayerReader = std::unique_ptr<Layer::State> (*)(const ReadSize& size,
                                                      const CommonOptions& options,
                                                      const ReadArrays& arrays);

/// @throws std::out_of_range for an unknown type
LayerReader reader_of(const std::string& type);

}  // namespace bitaxon
