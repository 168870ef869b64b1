// Files: named tensors and text metadata in the safetensors format, written whole and checked
// whole.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <vector>

namespace bitaxon {

/// One array of a file, little-endian and row-major. dtype is F64, U64 or U8 in files of this
/// library.
struct Tensor {
    std::string dtype;
    std::vector<std::uint64_t> shape;
    std::vector<std::byte> bytes;
};

struct TensorFile {
    std::map<std::string, std::string> metadata;
    std::map<std::string, Tensor> tensors;
};

/// Writes a file that any safetensors reader takes: 8 bytes of header length, a JSON header padded
/// with spaces to 64 bytes, the tensors one after another. XXH3 sums of the header and of the data
/// stand in the metadata. The file appears under its name only when it is complete.
/// `check` as for write_file. @throws Error if it cannot be written
void save_tensors(const std::filesystem::path& path, const TensorFile& file,
                  const std::function<void()>& check = {});

/// Reads what save_tensors wrote. Nothing of a damaged file is believed: lengths, offsets, shapes
/// and both sums are checked. @throws Error that says what is wrong
TensorFile load_tensors(const std::filesystem::path& path);

}  // namespace bitaxon
