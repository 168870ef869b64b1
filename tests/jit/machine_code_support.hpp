// Runs a program by machine code and by the interpreter on the same rows and compares every bit,
// between guard pages.
#pragma once

#include "backends/backend.hpp"
#include "backends/interpreter.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <memory>
#include <random>
#include <span>
#include <string>
#include <vector>

#include <sys/mman.h>

namespace bitaxon::jit::test {

inline bool can_run(Target target) {
#if defined(__x86_64__)
    const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
                      __builtin_cpu_supports("bmi2");
    if (target == Target::avx512) {
        return avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
               __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
    }
    return target != Target::neon && avx2;
#else
    return target == Target::neon;
#endif
}

#if defined(__x86_64__)
inline constexpr Target kVectorTargets[] = {Target::avx2, Target::avx512};
inline constexpr Target kTargets[] = {Target::avx2, Target::avx512, Target::lane};
#else
inline constexpr Target kVectorTargets[] = {Target::neon};
inline constexpr Target kTargets[] = {Target::neon};
#endif

/// Bytes whose last (or first) one has an unmapped page next to it.
class GuardedBytes {
  public:
    GuardedBytes(std::size_t bytes, bool at_end) : bytes_(bytes) {
        mapped_ = (bytes + kPage - 1) / kPage * kPage + 2 * kPage;
        base_ = static_cast<std::byte*>(
            mmap(nullptr, mapped_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
        mprotect(base_, kPage, PROT_NONE);
        mprotect(base_ + mapped_ - kPage, kPage, PROT_NONE);
        data_ = at_end ? base_ + mapped_ - kPage - bytes : base_ + kPage;
    }
    GuardedBytes(GuardedBytes&& other) noexcept
        : base_(std::exchange(other.base_, nullptr)), data_(other.data_), bytes_(other.bytes_),
          mapped_(other.mapped_) {}
    ~GuardedBytes() {
        if (base_ != nullptr) {
            munmap(base_, mapped_);
        }
    }
    std::byte* data() const { return data_; }
    std::size_t size() const { return bytes_; }

  private:
    static constexpr std::size_t kPage = 4096;
    std::byte* base_ = nullptr;
    std::byte* data_ = nullptr;
    std::size_t bytes_ = 0;
    std::size_t mapped_ = 0;
};

class Lanes {
  public:
    explicit Lanes(std::uint64_t seed) : random_(seed) {}

    /// Special values, small integers, and bits of every kind.
    std::uint64_t draw(Type type) {
        const std::uint64_t bits = random_();
        switch (type) {
        case Type::f64:
            return draw_float<double, std::uint64_t>(bits);
        case Type::f32:
            return draw_float<float, std::uint32_t>(bits);
        default:
            break;
        }
        switch (bits % 4) {
        case 0:
            return random_() % 70;
        case 1:
            return 0 - random_() % 70;
        case 2:
            return type == Type::i64 ? std::uint64_t{1} << 63 >> random_() % 64
                                     : std::uint64_t{0x80000000} >> random_() % 32;
        default:
            return random_();
        }
    }

  private:
    template <class T, class Bits>
    std::uint64_t draw_float(std::uint64_t bits) {
        using limits = std::numeric_limits<T>;
        constexpr T special[] = {0,
                                 -T{0},
                                 1,
                                 -1,
                                 T(0.5),
                                 T(-2.5),
                                 limits::infinity(),
                                 -limits::infinity(),
                                 limits::quiet_NaN(),
                                 limits::denorm_min(),
                                 -limits::min(),
                                 limits::max(),
                                 T(1.5),
                                 T(-0.5),
                                 3,
                                 1e9F};
        switch (bits % 4) {
        case 0:
            return std::bit_cast<Bits>(special[random_() % std::size(special)]);
        case 1:
            return static_cast<Bits>(random_());
        default:
            return std::bit_cast<Bits>(static_cast<T>(
                static_cast<double>(static_cast<std::int64_t>(random_())) * 0x1p-59));
        }
    }

    std::mt19937_64 random_;
};

inline std::uint64_t read_lane(const std::byte* at, Type type) {
    std::uint64_t bits = 0;
    std::memcpy(&bits, at, static_cast<std::size_t>(lane_bytes(type)));
    return bits;
}

inline bool is_nan(Type type, std::uint64_t bits) {
    return type == Type::f64   ? std::isnan(std::bit_cast<double>(bits))
           : type == Type::f32 ? std::isnan(std::bit_cast<float>(static_cast<std::uint32_t>(bits)))
                               : false;
}

/// How a comparison is run.
struct Rows {
    std::int64_t begin = 0;
    std::int64_t end = 0;
    std::int64_t steps = 1;
    std::uint64_t seed = 1;
    bool guard_at_end = true;
    /// Output k is input in_place[k], if that is not negative.
    std::vector<int> in_place;
    std::vector<std::uint64_t> uniforms;
};

/// The arrays of one run.
struct Arrays {
    std::vector<GuardedBytes> inputs;
    std::vector<GuardedBytes> outputs;
    std::vector<const void*> input_pointers;
    std::vector<void*> output_pointers;
    std::vector<std::int64_t> input_steps;
    std::vector<std::int64_t> output_steps;

    Arrays(const Program& program, const Rows& run) {
        const auto rows = static_cast<std::size_t>(run.end);
        const auto steps = static_cast<std::size_t>(run.steps);
        Lanes lanes(run.seed);
        for (const ProgramInput& input : program.inputs) {
            const auto width = static_cast<std::size_t>(lane_bytes(input.type));
            const std::size_t count = rows * (input.per_step ? steps : 1);
            inputs.emplace_back(count * width, run.guard_at_end);
            for (std::size_t i = 0; i < count; ++i) {
                const std::uint64_t bits = lanes.draw(input.type);
                std::memcpy(inputs.back().data() + i * width, &bits, width);
            }
            input_pointers.push_back(inputs.back().data());
            input_steps.push_back(input.per_step ? static_cast<std::int64_t>(rows * width) : 0);
        }
        for (std::size_t k = 0; k < program.outputs.size(); ++k) {
            const ProgramOutput& output = program.outputs[k];
            const std::size_t step = step_bytes(output, rows);
            const std::size_t bytes = step * (output.per_step ? steps : 1);
            outputs.emplace_back(bytes, run.guard_at_end);
            std::memset(outputs.back().data(), 0xa5, bytes);
            output_steps.push_back(output.per_step ? static_cast<std::int64_t>(step) : 0);
            const bool aliases = k < run.in_place.size() && run.in_place[k] >= 0;
            output_pointers.push_back(aliases
                                          ? inputs[static_cast<std::size_t>(run.in_place[k])].data()
                                          : outputs.back().data());
        }
    }

    static std::size_t step_bytes(const ProgramOutput& output, std::size_t rows) {
        return output.bits ? (rows + 7) / 8
                           : rows * static_cast<std::size_t>(lane_bytes(output.type));
    }
    Frame frame(const Rows& run) const {
        return {input_pointers.data(),
                output_pointers.data(),
                run.uniforms.data(),
                input_steps.data(),
                output_steps.data(),
                1000,
                7,
                run.steps};
    }
};

/// Empty if all outputs agree, else the first difference.
inline std::string difference(const Program& program, const Rows& run, const Arrays& expected,
                              const Arrays& actual) {
    for (std::size_t k = 0; k < program.outputs.size(); ++k) {
        const ProgramOutput& output = program.outputs[k];
        const bool is_lanes = !output.bits;
        const auto width = is_lanes ? static_cast<std::size_t>(lane_bytes(output.type)) : 1;
        const std::size_t bytes = expected.outputs[k].size();
        const bool aliases = k < run.in_place.size() && run.in_place[k] >= 0;
        const auto* want = aliases
                               ? expected.inputs[static_cast<std::size_t>(run.in_place[k])].data()
                               : expected.outputs[k].data();
        const auto* got = aliases ? actual.inputs[static_cast<std::size_t>(run.in_place[k])].data()
                                  : actual.outputs[k].data();
        for (std::size_t i = 0; i < bytes; i += width) {
            if (std::memcmp(want + i, got + i, width) == 0) {
                continue;
            }
            if (is_lanes) {
                const std::uint64_t a = read_lane(want + i, output.type);
                const std::uint64_t b = read_lane(got + i, output.type);
                if (is_nan(output.type, a) && is_nan(output.type, b)) {
                    continue;
                }
                return "output " + std::to_string(k) + " element " + std::to_string(i / width) +
                       ": expected bits " + std::to_string(a) + ", got " + std::to_string(b);
            }
            return "output " + std::to_string(k) + " byte " + std::to_string(i);
        }
    }
    return {};
}

/// Those that code may run: one alone where its bit begins a byte, which is all that scalar code knows of
/// packed bits.
inline Rows rows_for(const MachineCode& code, const Program& program, Rows run) {
    const bool has_bits = std::any_of(program.outputs.begin(), program.outputs.end(),
                                      [](const ProgramOutput& output) { return output.bits; });
    if (code.target == Target::lane && has_bits && run.begin < run.end) {
        run.end = run.begin + 1;
    }
    return run;
}

/// Runs both and compares. The code is that of the program.
inline void expect_agreement(const Program& program, const Interpreter& interpreter,
                             const MachineCode& code, const Rows& wanted) {
    const Rows run = rows_for(code, program, wanted);
    const Arrays expected(program, run);
    const Arrays actual(program, run);
    const Frame expected_frame = expected.frame(run);
    const Frame actual_frame = actual.frame(run);
    interpreter.run(expected_frame, run.begin, run.end);
    code.function(&actual_frame, run.begin, run.end);
    const std::string difference_found = difference(program, run, expected, actual);
    EXPECT_EQ(difference_found, "") << "rows " << run.begin << " to " << run.end << ", "
                                    << run.steps << " steps, target " << name(code.target) << "\n"
                                    << print(program.graph, program.roots());
}

}  // namespace bitaxon::jit::test
