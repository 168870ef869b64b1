// A network as a safetensors file: layer descriptions in the metadata, weights and biases as F64.
#include "network_state.hpp"

#include <bitaxon/core/error.hpp>
#include <bitaxon/core/safetensors.hpp>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include <charconv>
#include <cstring>

namespace bitaxon {
namespace {

using Json = nlohmann::json;

constexpr const char* kFormat = "bitaxon.network.1";

Tensor to_tensor(std::span<const double> values, std::vector<std::uint64_t> shape) {
    const auto bytes = std::as_bytes(values);
    return {"F64", std::move(shape), {bytes.begin(), bytes.end()}};
}

[[noreturn]] void damaged(const std::filesystem::path& path, std::string_view why) {
    throw Error(ErrorCode::file,
                fmt::format("{}: not a network of bitaxon: {}", path.string(), why));
}

std::vector<double> to_values(const std::filesystem::path& path, const TensorFile& file,
                              const std::string& name, const std::vector<std::uint64_t>& shape) {
    const auto found = file.tensors.find(name);
    if (found == file.tensors.end() || found->second.dtype != "F64" || found->second.shape != shape)
        damaged(path,
                fmt::format("no F64 tensor '{}' of shape ({})", name, fmt::join(shape, ", ")));
    std::vector<double> values(found->second.bytes.size() / sizeof(double));
    std::memcpy(values.data(), found->second.bytes.data(), values.size() * sizeof(double));
    return values;
}

std::uint64_t to_unsigned(const Json& value) {
    if (!value.is_number_unsigned()) throw std::out_of_range("a size that is no whole number");
    return value.get<std::uint64_t>();
}

// Seeds and counts are text: all of it must be digits.
std::uint64_t from_text(const Json& value) {
    const std::string text = value.get<std::string>();
    std::uint64_t number = 0;
    const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (code != std::errc() || end != text.data() + text.size())
        throw std::out_of_range(fmt::format("'{}' where a number below 2^64 belongs", text));
    return number;
}

DenseOptions to_options(const Json& entry, std::size_t id) {
    if (entry.at("type") != "dense")
        throw std::out_of_range(fmt::format("a layer of type {}", entry.at("type").dump()));
    DenseOptions options;
    options.inputs = to_unsigned(entry.at("inputs"));
    options.neurons = to_unsigned(entry.at("neurons"));
    options.length = to_unsigned(entry.at("length"));
    options.coding = parse_coding(entry.at("coding").get<std::string>());
    options.scale = parse_scale(entry.at("scale").get<std::string>());
    options.activation = parse_activation(entry.at("activation").get<std::string>());
    options.input_range = entry.at("input_range").get<double>();
    options.weight_scale = entry.at("weight_scale").get<double>();
    options.seed = from_text(entry.at("seed"));
    options.id = id;
    return options;
}

}  // namespace

void Network::save(const std::filesystem::path& path) const {
    TensorFile file;
    Json description = Json::array();
    for (std::size_t k = 0; k < state_->layers.size(); ++k) {
        const DenseLayer::State& layer = state_->layer(k);
        const DenseOptions& options = layer.options;
        // Seeds are 64-bit and would lose bits as JSON numbers in other readers, so they are text.
        description.push_back({{"type", "dense"},
                               {"inputs", options.inputs},
                               {"neurons", options.neurons},
                               {"length", options.length},
                               {"coding", name(options.coding)},
                               {"scale", name(options.scale)},
                               {"activation", name(options.activation)},
                               {"input_range", options.input_range},
                               {"weight_scale", *options.weight_scale},
                               {"weight_scale_given", layer.weight_scale_given},
                               {"seed", std::to_string(*options.seed)},
                               {"redraws", std::to_string(layer.redraws)},
                               {"streams_xxh3", layer.drawn->checksum()}});
        file.tensors[fmt::format("{}.weights", k)] =
            to_tensor(layer.weights, {options.neurons, options.inputs});
        file.tensors[fmt::format("{}.bias", k)] = to_tensor(layer.bias, {options.neurons});
    }
    file.metadata = {{"format", kFormat}, {"layers", description.dump()}};
    save_tensors(path, file);
}

Network Network::load(const std::filesystem::path& path, const ExecutionContext& context) {
    const TensorFile file = load_tensors(path);
    std::vector<DenseLayer> layers;
    try {
        if (file.metadata.at("format") != kFormat)
            damaged(path,
                    fmt::format("format '{}', expected '{}'", file.metadata.at("format"), kFormat));
        const Json description = Json::parse(file.metadata.at("layers"));
        if (!description.is_array() || description.empty()) damaged(path, "no list of layers");
        for (const Json& entry : description) {
            const std::size_t k = layers.size();
            const DenseOptions options = to_options(entry, k);
            const std::vector<double> weights = to_values(path, file, fmt::format("{}.weights", k),
                                                          {options.neurons, options.inputs});
            const std::vector<double> bias =
                to_values(path, file, fmt::format("{}.bias", k), {options.neurons});
            DenseLayer layer(options, weights, bias, context);
            layer.state_->weight_scale_given = entry.at("weight_scale_given").get<bool>();
            if (const std::uint64_t redraws = from_text(entry.at("redraws")); redraws != 0)
                layer.set_redraws(redraws, context);
            if (layer.checksum() != entry.at("streams_xxh3").get<std::string>())
                damaged(path, fmt::format("layer {}: the streams drawn again differ from the saved "
                                          "ones; was it saved by another version?",
                                          k));
            layers.push_back(std::move(layer));
        }
        return Network(std::move(layers), context);
    } catch (const Error& error) {
        if (error.code() == ErrorCode::file) throw;
        damaged(path, fmt::format("layer {}: {}", layers.size(), error.what()));
    } catch (const Json::exception& error) {
        damaged(path, error.what());
    } catch (const std::logic_error& error) {  // a missing key, or a number that is none
        damaged(path, error.what());
    }
}

}  // namespace bitaxon
