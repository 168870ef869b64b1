// The code generators that this machine can run the code of.
#include "backend.hpp"

#if defined(__x86_64__)
#include "x86_generator.hpp"
#include "x86_scalar.hpp"
#elif defined(__aarch64__)
#include "a64_generator.hpp"
#endif

#include <bitaxon/core/error.hpp>

namespace bitaxon::jit {

std::string_view name(Target target) noexcept {
    constexpr std::string_view names[] = {"avx2", "avx512", "neon", "scalar", "scalar"};
    return names[static_cast<std::size_t>(target)];
}

int register_bytes(Target target) noexcept {
    constexpr int bytes[] = {32, 64, 16, 8, 16};
    return bytes[static_cast<std::size_t>(target)];
}

int rows_per_vector(Target target, int lane_bytes) noexcept {
    return target == Target::lane ? 1 : register_bytes(target) / lane_bytes;
}

MachineCode generate(const Program& program, Target target, const CodeOptions& options) {
#if defined(__x86_64__)
    if (target == Target::scalar) {
        return generate_x86_scalar(program, options.listing);
    }
    if (target != Target::neon) {
        return generate_x86(program, target, options);
    }
#elif defined(__aarch64__)
    if (target == Target::neon) {
        return generate_a64(program, options);
    }
#endif
    static_cast<void>(program);
    static_cast<void>(options);
    throw Error(ErrorCode::unsupported,
                "machine code: this machine runs none for " + std::string(name(target)));
}

}  // namespace bitaxon::jit
