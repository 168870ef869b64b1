#include <bitaxon/core/error.hpp>

#include <fmt/format.h>

namespace bitaxon {

void throw_error(ErrorCode code, std::string_view name, std::string_view got,
                 std::string_view expected) {
    throw Error(code, fmt::format("{}: got {}, expected {}", name, got, expected));
}

}  // namespace bitaxon
