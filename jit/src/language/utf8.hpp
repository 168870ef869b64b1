// One UTF-8 character at a time, for column counts and for messages that show what a text holds.
#pragma once

#include <cstddef>
#include <string_view>

namespace bitaxon::jit {

/// `size` bytes that are the character `code`, or one byte that begins no valid character.
struct Character {
    char32_t code;
    std::size_t size;
    bool valid;
};

/// The character at the front of a text that is not empty. Overlong forms, surrogates and what lies
/// beyond U+10FFFF are not valid.
constexpr Character front_character(std::string_view text) noexcept {
    constexpr char32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
    const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
    const unsigned first = byte(0);
    const std::size_t size = first < 0x80   ? 1
                             : first < 0xc0 ? 0
                             : first < 0xe0 ? 2
                             : first < 0xf0 ? 3
                                            : 4;
    const Character invalid{first, 1, false};
    if (size == 1) {
        return {first, 1, true};
    }
    if (size == 0 || first > 0xf4 || text.size() < size) {
        return invalid;
    }
    char32_t code = first & (0x7fu >> size);
    for (std::size_t i = 1; i < size; ++i) {
        if ((byte(i) & 0xc0) != 0x80) {
            return invalid;
        }
        code = code << 6 | (byte(i) & 0x3f);
    }
    const bool surrogate = code >= 0xd800 && code < 0xe000;
    return code < smallest[size] || code > 0x10ffff || surrogate ? invalid
                                                                 : Character{code, size, true};
}

/// C0, DEL and C1; tabs and line ends too.
constexpr bool is_control(char32_t code) noexcept {
    return code < 0x20 || (code >= 0x7f && code < 0xa0);
}

}  // namespace bitaxon::jit
