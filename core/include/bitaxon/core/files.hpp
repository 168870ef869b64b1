// Whole files: read at once, and written so that nobody ever sees half of one.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <initializer_list>
#include <span>
#include <string>
#include <vector>

namespace bitaxon {

/// Writes the parts one after another. The file appears under its name only when it is complete: it
/// is written under a temporary one beside it and renamed, so writers of one path may race. A link
/// to a file stays one. With `flush` it is on the disk before it gets its name, and survives a power
/// cut. `check` is called every few megabytes; what it throws leaves the file that there was.
/// @throws Error if it cannot be written, and where something else than a file has that name
void write_file(const std::filesystem::path& path,
                std::initializer_list<std::span<const std::byte>> parts, bool flush = true,
                const std::function<void()>& check = {});

/// All bytes of a regular file. @throws Error for one that is missing, no regular file, of more
/// than `most` bytes, or unreadable
std::vector<std::byte> read_file(const std::filesystem::path& path,
                                 std::uint64_t most = UINT64_MAX);

/// XXH3 of bytes, as 16 hexadecimal digits.
std::string checksum(std::span<const std::byte> bytes);

}  // namespace bitaxon
