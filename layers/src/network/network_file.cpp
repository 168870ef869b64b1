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

template <class T>
constexpr const char* kType = "F64";
template <>
constexpr const char* kType<std::uint64_t> = "U64";

template <class T>
Tensor to_tensor(const std::vector<T>& values, std::vector<std::uint64_t> shape) {
    const auto bytes = std::as_bytes(std::span(values));
    return {kType<T>, std::move(shape), {bytes.begin(), bytes.end()}};
}

[[noreturn]] void damaged(const std::filesystem::path& path, std::string_view why) {
    throw Error(ErrorCode::file,
                fmt::format("{}: not a network of bitaxon: {}", path.string(), why));
}

template <class T>
std::vector<T> to_values(const std::filesystem::path& path, const TensorFile& file,
                         const std::string& name, const std::vector<std::uint64_t>& shape) {
    const auto found = file.tensors.find(name);
    if (found == file.tensors.end() || found->second.dtype != kType<T> ||
        found->second.shape != shape)
        damaged(path, fmt::format("no {} tensor '{}' of shape ({})", kType<T>, name,
                                  fmt::join(shape, ", ")));
    std::vector<T> values(found->second.bytes.size() / sizeof(T));
    if (!values.empty())
        std::memcpy(values.data(), found->second.bytes.data(), values.size() * sizeof(T));
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

void Network::save(const std::filesystem::path& path, const ExecutionContext& context) const {
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
            {"streams_xxh3", layer.has_weights() ? layer.drawn->checksum(context) : std::string()}};
        for (const auto& [size, value] : layer.sizes()) entry[std::string(size)] = value;
        description.push_back(std::move(entry));
        for (const auto& [name, array] : layer.arrays())
            file.tensors[fmt::format("{}.{}", k, name)] = std::visit(
                [](const auto& values) { return to_tensor(values, {values.size()}); }, array);
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
    save_tensors(path, file, [&] { context.check(); });
}

Network Network::load(const std::filesystem::path& path, const ExecutionContext& context) {
    const TensorFile file = load_tensors(path);
    std::vector<Layer> layers;
    try {
        const auto text_of = [&](const std::string& name) {
            const auto found = file.metadata.find(name);
            if (found == file.metadata.end())
                damaged(path, fmt::format("no '{}' in its metadata", name));
            return found->second;
        };
        if (const std::string format = text_of("format"); format != kFormat)
            damaged(path, fmt::format("format '{}', expected '{}'", format, kFormat));
        const Json description = Json::parse(text_of("layers"));
        if (!description.is_array() || description.empty()) damaged(path, "no list of layers");
        for (const Json& entry : description) {
            const std::size_t k = layers.size();
            const LayerReader read = reader_of(entry.at("type").get<std::string>());
            const auto read_values = [&](std::string_view name, std::vector<std::uint64_t> shape) {
                return to_values<double>(path, file, fmt::format("{}.{}", k, name), shape);
            };
            const CommonOptions options = to_options(entry, k);
            std::unique_ptr<Layer::State> state =
                read([&](const std::string& size) { return to_unsigned(entry.at(size)); }, options,
                     {.weights =
                          [&](std::size_t rows, std::size_t fan_in) {
                              return LayerArrays{read_values("weights", {rows, fan_in}),
                                                 read_values("bias", {rows})};
                          },
                      .values = [&](const std::string& name,
                                    std::size_t count) { return read_values(name, {count}); },
                      .indices =
                          [&](const std::string& name, std::size_t count) {
                              return to_values<std::uint64_t>(
                                  path, file, fmt::format("{}.{}", k, name), {count});
                          }});
            // Kinds that have no choice ignore what they are told.
            if (state->options.scale != options.scale ||
                state->options.activation != options.activation)
                damaged(path, fmt::format("layer {}: scale '{}' and activation '{}', which a layer "
                                          "of type '{}' has not",
                                          k, name(options.scale), name(options.activation),
                                          state->type()));
            state->weight_scale_given = entry.at("weight_scale_given").get<bool>();
            state->redraws = from_text(entry.at("redraws"));
            state->draw(context);
            if (state->has_weights() &&
                state->drawn->checksum(context) != entry.at("streams_xxh3").get<std::string>())
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
