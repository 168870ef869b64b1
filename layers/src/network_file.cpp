// A network as a safetensors file: layer descriptions in the metadata, weights and biases as F64.
#include "layer_kinds.hpp"
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

CommonOptions to_options(const Json& entry, std::size_t id) {
    return {.length = to_unsigned(entry.at("length")),
            .coding = parse_coding(entry.at("coding").get<std::string>()),
            .scale = parse_scale(entry.at("scale").get<std::string>()),
            .activation = parse_activation(entry.at("activation").get<std::string>()),
            .input_range = entry.at("input_range").get<double>(),
            .weight_scale = entry.at("weight_scale").get<double>(),
            .seed = from_text(entry.at("seed")),
            .id = id};
}

}  // namespace

void Network::save(const std::filesystem::path& path) const {
    TensorFile file;
    Json description = Json::array();
    for (std::size_t k = 0; k < state_->layers.size(); ++k) {
        const Layer::State& layer = state_->layer(k);
        const CommonOptions& options = layer.options;
        // Seeds are 64-bit and would lose bits as JSON numbers in other readers, so they are text.
        Json entry = {
            {"type", layer.type()},
            {"length", options.length},
            {"coding", name(options.coding)},
            {"scale", name(options.scale)},
            {"activation", name(options.activation)},
            {"input_range", options.input_range},
            {"weight_scale", *options.weight_scale},
            {"weight_scale_given", layer.weight_scale_given},
            {"seed", std::to_string(*options.seed)},
            {"redraws", std::to_string(layer.redraws)},
            {"streams_xxh3", layer.has_weights() ? layer.drawn->checksum() : std::string()}};
        for (const auto& [size, value] : layer.sizes()) entry[std::string(size)] = value;
        description.push_back(std::move(entry));
        if (!layer.has_weights()) continue;
        file.tensors[fmt::format("{}.weights", k)] =
            to_tensor(layer.weights, {layer.shape.rows, layer.shape.fan_in});
        file.tensors[fmt::format("{}.bias", k)] = to_tensor(layer.bias, {layer.shape.rows});
    }
    file.metadata = {{"format", kFormat}, {"layers", description.dump()}};
    if (!skips().empty()) {
        Json list = Json::array();
        for (const auto& [from, to] : skips()) list.push_back({from, to});
        file.metadata["skips"] = list.dump();
    }
    save_tensors(path, file);
}

Network Network::load(const std::filesystem::path& path, const ExecutionContext& context) {
    const TensorFile file = load_tensors(path);
    std::vector<Layer> layers;
    try {
        if (file.metadata.at("format") != kFormat)
            damaged(path,
                    fmt::format("format '{}', expected '{}'", file.metadata.at("format"), kFormat));
        const Json description = Json::parse(file.metadata.at("layers"));
        if (!description.is_array() || description.empty()) damaged(path, "no list of layers");
        for (const Json& entry : description) {
            const std::size_t k = layers.size();
            const LayerReader read = reader_of(entry.at("type").get<std::string>());
            std::unique_ptr<Layer::State> state =
                read([&](const std::string& size) { return to_unsigned(entry.at(size)); },
                     to_options(entry, k),
                     [&](std::size_t rows, std::size_t fan_in) {
                         return LayerArrays{
                             to_values(path, file, fmt::format("{}.weights", k), {rows, fan_in}),
                             to_values(path, file, fmt::format("{}.bias", k), {rows})};
                     });
            state->weight_scale_given = entry.at("weight_scale_given").get<bool>();
            state->redraws = from_text(entry.at("redraws"));
            state->draw(context);
            if (state->has_weights() &&
                state->drawn->checksum() != entry.at("streams_xxh3").get<std::string>())
                damaged(path, fmt::format("layer {}: the streams drawn again differ from the saved "
                                          "ones; was it saved by another version?",
                                          k));
            layers.push_back(Layer(std::move(state)));
        }
        std::vector<Skip> skips;
        if (const auto found = file.metadata.find("skips"); found != file.metadata.end())
            for (const Json& skip : Json::parse(found->second))
                skips.push_back({to_unsigned(skip.at(0)), to_unsigned(skip.at(1))});
        return Network(std::move(layers), context, std::move(skips));
    } catch (const Error& error) {
        if (error.code() == ErrorCode::file || error.code() == ErrorCode::cancelled) throw;
        damaged(path, fmt::format("layer {}: {}", layers.size(), error.what()));
    } catch (const Json::exception& error) {
        damaged(path, error.what());
    } catch (const std::logic_error& error) {  // a missing key, or a number that is none
        damaged(path, error.what());
    }
}

}  // namespace bitaxon
