// Format: github.com/huggingface/safetensors, README section "Format".
#include <bitaxon/core/safetensors.hpp>

#include <bitaxon/core/error.hpp>
#include <bitaxon/core/files.hpp>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <bit>
#include <cstring>
#include <optional>
#include <tuple>

namespace bitaxon {
namespace {

static_assert(std::endian::native == std::endian::little, "files are little-endian");

using Json = nlohmann::json;

constexpr std::size_t kLengthBytes = 8;
constexpr std::size_t kHeaderMultiple = 64;
constexpr std::uint64_t kMaxHeader = 100'000'000;  // as other readers have it
constexpr std::string_view kMetadata = "__metadata__";
constexpr std::string_view kDataSum = "bitaxon.data_xxh3";
constexpr std::string_view kHeaderSum = "bitaxon.header_xxh3";
constexpr std::string_view kNoSum = "0000000000000000";

[[noreturn]] void damaged(const std::filesystem::path& path, std::string_view why) {
    throw Error(ErrorCode::file, fmt::format("{}: not a readable safetensors file of bitaxon: {}; "
                                             "save it again from the original",
                                             path.string(), why));
}

std::size_t element_size(const std::string& dtype) {
    if (dtype == "F64" || dtype == "U64") return 8;
    if (dtype == "U8") return 1;
    return 0;
}

// Bytes that a shape takes, or nothing when the product overflows.
std::optional<std::uint64_t> byte_size(const Tensor& tensor) {
    std::uint64_t bytes = element_size(tensor.dtype);
    for (const std::uint64_t extent : tensor.shape)
        if (__builtin_mul_overflow(bytes, extent, &bytes)) return std::nullopt;
    return bytes;
}

std::span<const std::byte> as_bytes(const std::string& text) {
    return std::as_bytes(std::span(text));
}

// The header's own sum is taken with the sum's place filled with zeros.
std::string header_checksum(std::string header, std::string_view sum) {
    const std::size_t place = header.find(fmt::format("\"{}\":\"{}\"", kHeaderSum, sum));
    if (place == std::string::npos) return {};
    header.replace(place + kHeaderSum.size() + 4, kNoSum.size(), kNoSum);
    return checksum(as_bytes(header));
}

std::string make_header(const TensorFile& file, std::string_view data_sum) {
    Json header;
    header[std::string(kMetadata)] = file.metadata;
    header[std::string(kMetadata)][std::string(kDataSum)] = data_sum;
    header[std::string(kMetadata)][std::string(kHeaderSum)] = kNoSum;
    std::uint64_t offset = 0;
    for (const auto& [name, tensor] : file.tensors) {
        header[name] = {{"dtype", tensor.dtype},
                        {"shape", tensor.shape},
                        {"data_offsets", {offset, offset + tensor.bytes.size()}}};
        offset += tensor.bytes.size();
    }
    std::string text = header.dump();
    text.resize((kLengthBytes + text.size() + kHeaderMultiple - 1) / kHeaderMultiple *
                        kHeaderMultiple -
                    kLengthBytes,
                ' ');
    const std::string sum = header_checksum(text, kNoSum);
    text.replace(text.find(fmt::format("\"{}\":\"", kHeaderSum)) + kHeaderSum.size() + 4,
                 sum.size(), sum);
    return text;
}

std::uint64_t to_unsigned(const Json& value) {
    if (!value.is_number_unsigned()) throw std::out_of_range("a size that is no whole number");
    return value.get<std::uint64_t>();
}

// One tensor's place in the data section and what it holds.
struct Entry {
    std::uint64_t begin;
    std::uint64_t end;
    std::string name;
    Tensor tensor;
};

Entry read_entry(const std::string& name, const Json& json) {
    Entry entry{.begin = to_unsigned(json.at("data_offsets").at(0)),
                .end = to_unsigned(json.at("data_offsets").at(1)),
                .name = name,
                .tensor = {.dtype = json.at("dtype").get<std::string>(), .shape = {}, .bytes = {}}};
    for (const Json& extent : json.at("shape")) entry.tensor.shape.push_back(to_unsigned(extent));
    if (element_size(entry.tensor.dtype) == 0)
        throw std::out_of_range("a dtype that is not F64, U64 or U8");
    if (entry.begin > entry.end || byte_size(entry.tensor) != entry.end - entry.begin)
        throw std::out_of_range("offsets that do not match the shape");
    return entry;
}

// Tensors must follow one another and fill the data section exactly, so none is larger than the
// file.
std::map<std::string, Tensor> read_tensors(const Json& json, std::span<const std::byte> data) {
    std::vector<Entry> entries;
    for (const auto& [name, entry] : json.items())
        if (name != kMetadata) entries.push_back(read_entry(name, entry));
    std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) {
        return std::tie(a.begin, a.end) < std::tie(b.begin, b.end);
    });
    std::map<std::string, Tensor> tensors;
    std::uint64_t place = 0;
    for (Entry& entry : entries) {
        if (entry.begin != place || entry.end > data.size())
            throw std::out_of_range("tensors that overlap or leave gaps");
        place = entry.end;
        const auto bytes = data.subspan(entry.begin, entry.end - entry.begin);
        entry.tensor.bytes.assign(bytes.begin(), bytes.end());
        tensors.emplace(entry.name, std::move(entry.tensor));
    }
    if (place != data.size()) throw std::out_of_range("data that no tensor holds");
    return tensors;
}

}  // namespace

void save_tensors(const std::filesystem::path& path, const TensorFile& file,
                  const std::function<void()>& check) {
    std::vector<std::byte> data;
    for (const auto& [name, tensor] : file.tensors) {
        if (byte_size(tensor) != tensor.bytes.size())
            throw_error(ErrorCode::invalid_shape, name,
                        fmt::format("{} bytes", tensor.bytes.size()),
                        "as many as dtype and shape say");
        data.insert(data.end(), tensor.bytes.begin(), tensor.bytes.end());
    }
    if (file.tensors.contains(std::string(kMetadata)))
        throw_error(ErrorCode::invalid_value, "tensor name", kMetadata,
                    "another: this one is reserved");
    std::string header;
    try {
        header = make_header(file, checksum(data));
    } catch (const Json::exception& error) {
        throw_error(ErrorCode::invalid_value, "metadata", error.what(), "text in UTF-8");
    }
    const std::uint64_t header_length = header.size();

    write_file(path, {std::as_bytes(std::span(&header_length, 1)), as_bytes(header), data}, true,
               check);
}

TensorFile load_tensors(const std::filesystem::path& path) {
    const std::vector<std::byte> bytes = read_file(path);
    std::uint64_t header_length = 0;
    if (bytes.size() < kLengthBytes)
        damaged(path, fmt::format("{} bytes are too few", bytes.size()));
    std::memcpy(&header_length, bytes.data(), kLengthBytes);
    if (header_length > kMaxHeader || header_length > bytes.size() - kLengthBytes)
        damaged(path, fmt::format("a header of {} bytes does not fit", header_length));

    const std::string header(reinterpret_cast<const char*>(bytes.data()) + kLengthBytes,
                             header_length);
    const std::span<const std::byte> data = std::span(bytes).subspan(kLengthBytes + header_length);
    TensorFile file;
    try {
        const Json json = Json::parse(header);
        file.metadata = json.at(kMetadata).get<std::map<std::string, std::string>>();
        const auto sum_of = [&](std::string_view name) {
            const auto found = file.metadata.find(std::string(name));
            if (found == file.metadata.end())
                damaged(path, fmt::format("no checksum '{}' in its metadata", name));
            return found->second;
        };
        const std::string sum = sum_of(kHeaderSum);
        if (sum.empty() || header_checksum(header, sum) != sum)
            damaged(path, "the header's checksum differs");
        if (checksum(data) != sum_of(kDataSum)) damaged(path, "the data's checksum differs");
        file.tensors = read_tensors(json, data);
    } catch (const Json::exception& error) {
        damaged(path, error.what());
    } catch (const std::out_of_range& error) {
        damaged(path, error.what());
    }
    file.metadata.erase(std::string(kDataSum));
    file.metadata.erase(std::string(kHeaderSum));
    return file;
}

}  // namespace bitaxon
