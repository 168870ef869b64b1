// Format: github.com/huggingface/safetensors, README section "Format".
#include <bitaxon/core/safetensors.hpp>

#include <bitaxon/core/error.hpp>

#define XXH_INLINE_ALL
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <xxhash.h>

#include <unistd.h>

#include <bit>
#include <cstring>
#include <fstream>
#include <limits>
#include <system_error>

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
    if (dtype == "F64") return 8;
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

std::vector<std::byte> read_all(const std::filesystem::path& path) {
    std::ifstream in(path, std::ios::binary | std::ios::ate);
    if (!in)
        throw Error(ErrorCode::file,
                    fmt::format("{}: cannot be opened for reading", path.string()));
    std::vector<std::byte> bytes(static_cast<std::size_t>(in.tellg()));
    in.seekg(0);
    in.read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
    if (!in) throw Error(ErrorCode::file, fmt::format("{}: cannot be read", path.string()));
    return bytes;
}

// Tensors must follow one another and fill the data section exactly.
Tensor read_tensor(const Json& entry, std::span<const std::byte> data) {
    Tensor tensor;
    tensor.dtype = entry.at("dtype").get<std::string>();
    tensor.shape = entry.at("shape").get<std::vector<std::uint64_t>>();
    const auto [begin, end] =
        entry.at("data_offsets").get<std::pair<std::uint64_t, std::uint64_t>>();
    if (begin > end || end > data.size() || byte_size(tensor) != end - begin)
        throw std::out_of_range("offsets do not match the shape");
    tensor.bytes.assign(data.begin() + static_cast<std::ptrdiff_t>(begin),
                        data.begin() + static_cast<std::ptrdiff_t>(end));
    return tensor;
}

}  // namespace

std::string checksum(std::span<const std::byte> bytes) {
    return fmt::format("{:016x}", XXH3_64bits(bytes.data(), bytes.size()));
}

void save_tensors(const std::filesystem::path& path, const TensorFile& file) {
    std::vector<std::byte> data;
    for (const auto& [name, tensor] : file.tensors) {
        if (byte_size(tensor) != tensor.bytes.size())
            throw_error(ErrorCode::invalid_shape, name,
                        fmt::format("{} bytes", tensor.bytes.size()),
                        "as many as dtype and shape say");
        data.insert(data.end(), tensor.bytes.begin(), tensor.bytes.end());
    }
    const std::string header = make_header(file, checksum(data));
    const std::uint64_t header_length = header.size();

    std::filesystem::path temporary = path;
    temporary += fmt::format(".{}.tmp", ::getpid());
    try {
        std::ofstream out(temporary, std::ios::binary);
        out.write(reinterpret_cast<const char*>(&header_length), kLengthBytes);
        out.write(header.data(), static_cast<std::streamsize>(header.size()));
        out.write(reinterpret_cast<const char*>(data.data()),
                  static_cast<std::streamsize>(data.size()));
        out.close();
        if (!out)
            throw Error(ErrorCode::file, fmt::format("{}: cannot be written", temporary.string()));
        std::error_code failure;
        std::filesystem::rename(temporary, path, failure);
        if (failure)
            throw Error(ErrorCode::file, fmt::format("{}: cannot be replaced: {}", path.string(),
                                                     failure.message()));
    } catch (...) {
        std::error_code ignored;
        std::filesystem::remove(temporary, ignored);
        throw;
    }
}

TensorFile load_tensors(const std::filesystem::path& path) {
    const std::vector<std::byte> bytes = read_all(path);
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
        const std::string sum = file.metadata.at(std::string(kHeaderSum));
        if (header_checksum(header, sum) != sum) damaged(path, "the header's checksum differs");
        if (checksum(data) != file.metadata.at(std::string(kDataSum)))
            damaged(path, "the data's checksum differs");
        for (const auto& [name, entry] : json.items())
            if (name != kMetadata) file.tensors.emplace(name, read_tensor(entry, data));
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
