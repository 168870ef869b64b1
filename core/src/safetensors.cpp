// Format: github.com/huggingface/safetensors, README section "Format".
#include <bitaxon/core/safetensors.hpp>

#include <bitaxon/core/error.hpp>
#include <bitaxon/core/random.hpp>

#define XXH_INLINE_ALL
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <xxhash.h>

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <optional>
#include <system_error>
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

std::string reason() { return std::generic_category().message(errno); }

std::vector<std::byte> read_all(const std::filesystem::path& path) {
    std::error_code missing;
    if (!std::filesystem::is_regular_file(path, missing))
        throw Error(ErrorCode::file,
                    fmt::format("{}: got {}, expected a file that exists", path.string(),
                                missing ? missing.message() : "something else than a file"));
    std::ifstream in(path, std::ios::binary | std::ios::ate);
    if (!in)
        throw Error(ErrorCode::file,
                    fmt::format("{}: cannot be opened for reading: {}", path.string(), reason()));
    std::vector<std::byte> bytes(static_cast<std::size_t>(in.tellg()));
    in.seekg(0);
    in.read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
    if (!in)
        throw Error(ErrorCode::file,
                    fmt::format("{}: cannot be read: {}", path.string(), reason()));
    return bytes;
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
        throw std::out_of_range("a dtype that is not F64 or U8");
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

// A new file beside the target, so that two savers of one path never share one.
class TemporaryFile {
  public:
    explicit TemporaryFile(const std::filesystem::path& target) : path_(target) {
        path_ += fmt::format(".{:016x}.tmp", fresh_seed());
        file_ = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (file_ < 0) fail("cannot be created");
    }
    ~TemporaryFile() {
        if (file_ >= 0) ::close(file_);
        if (!kept_) ::unlink(path_.c_str());
    }
    TemporaryFile(const TemporaryFile&) = delete;
    TemporaryFile& operator=(const TemporaryFile&) = delete;

    void write(const void* data, std::size_t size) {
        const char* bytes = static_cast<const char*>(data);
        while (size > 0) {
            const ssize_t written = ::write(file_, bytes, size);
            if (written < 0 && errno == EINTR) continue;
            if (written < 0) fail("cannot be written");
            bytes += written;
            size -= static_cast<std::size_t>(written);
        }
    }

    /// Gives the file its name, once all of it is on the disk.
    void keep(const std::filesystem::path& target) {
        if (::fsync(file_) != 0) fail("cannot be written");
        if (::rename(path_.c_str(), target.c_str()) != 0)
            throw Error(ErrorCode::file,
                        fmt::format("{}: cannot be replaced: {}", target.string(), reason()));
        kept_ = true;
    }

  private:
    [[noreturn]] void fail(std::string_view what) const {
        throw Error(ErrorCode::file, fmt::format("{}: {}: {}", path_.string(), what, reason()));
    }

    std::filesystem::path path_;
    int file_ = -1;
    bool kept_ = false;
};

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

    TemporaryFile out(path);
    out.write(&header_length, kLengthBytes);
    out.write(header.data(), header.size());
    out.write(data.data(), data.size());
    out.keep(path);
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
        if (sum.empty() || header_checksum(header, sum) != sum)
            damaged(path, "the header's checksum differs");
        if (checksum(data) != file.metadata.at(std::string(kDataSum)))
            damaged(path, "the data's checksum differs");
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
