// The two halves of load_rule.
#pragma once

#include <bitaxon/jit/rule.hpp>

#include <filesystem>
#include <string>
#include <string_view>

namespace bitaxon::jit {

/// @throws Error with ErrorCode::file for what cannot be read or is no UTF-8
std::string read_rule(const std::filesystem::path& path);

/// @throws Error as Rule does
Rule parse_rule(std::string_view text);

}  // namespace bitaxon::jit
