// What a thread does between two looks at memory that another one is about to change.
#pragma once

namespace bitaxon {

inline void relax() noexcept {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    asm volatile("yield");
#endif
}

}  // namespace bitaxon
