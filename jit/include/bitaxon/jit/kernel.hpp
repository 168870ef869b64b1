// Kernels: expressions compiled for arrays, interpreted first and turned into machine code when it pays.
#pragma once

#include <bitaxon/core/context.hpp>
#include <bitaxon/jit/expression.hpp>
#include <bitaxon/jit/tiers.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <span>
#include <string>
#include <type_traits>

namespace bitaxon::jit {

struct CompileOptions {
    MathMode mode = MathMode::contract;
    /// Machine code for array arguments is ready when compile returns.
    bool wait = false;
    Thresholds thresholds = {};
    /// In mode `fast`: take the rewritten expression from where an earlier process has kept it, and keep
    /// it there, in the background, at call `cache_calls`. That is the folder BITAXON_CACHE_DIR (empty:
    /// nowhere), else bitaxon in XDG_CACHE_HOME, else ~/.cache/bitaxon. Texts are kept, and checked
    /// when they are read; results have the same bits with and without. What can't be read or written
    /// is no error: see KernelStats::cache and explain().
    bool cache = true;
    std::int64_t cache_calls = 10'000;
};

struct RunOptions {
    std::uint64_t seed = 0;   ///< of rand() and randn()
    std::int64_t step = 0;    ///< of rand() and randn()
    Monitor monitor = {};
    /// Number of the first row: callers that bring their rows in pieces keep the numbers of rand().
    std::int64_t first_row = 0;
};

/// Untyped arguments of a call: arrays of the kernel's dtype, contiguous.
struct Arguments {
    std::span<const void* const> inputs;
    /// Bit k: input k is a single value, the same in all rows.
    std::uint64_t uniform = 0;
    std::span<void* const> outputs;
    std::size_t rows = 0;
};

/// A kernel has at most as many arguments, and at most as many results.
inline constexpr std::size_t kMaxArrays = 64;

/// What has been run and compiled so far, and what came of the persistent cache.
struct KernelStats : TierStats {
    /// "off" (mode, options, environment), "miss", "hit" (the rewriting was read), "written", "failed".
    std::string cache;
};

/// Immutable apart from its statistics and its code; copies share both. Const methods may be called from
/// many threads at once.
class Kernel {
  public:
    const Expression& expression() const noexcept;
    MathMode mode() const noexcept;

    /// One value for each row: inputs have the length of the outputs, or 1 (the same in all rows).
    /// Outputs may be inputs; partial overlap is refused. T is the kernel's dtype.
    /// @throws Error for wrong counts, lengths and types, and what external functions throw
    template <class T>
    void operator()(const ExecutionContext& context, std::span<const std::span<const T>> inputs,
                    std::span<const std::span<T>> outputs, const RunOptions& options = {}) const {
        static_assert(std::is_same_v<T, float> || std::is_same_v<T, double>);
        std::array<Array<const void>, kMaxArrays> in;
        std::array<Array<void>, kMaxArrays> out;
        for (std::size_t k = 0; k < std::min(inputs.size(), kMaxArrays); ++k) {
            in[k] = {inputs[k].data(), inputs[k].size()};
        }
        for (std::size_t k = 0; k < std::min(outputs.size(), kMaxArrays); ++k) {
            out[k] = {outputs[k].data(), outputs[k].size()};
        }
        run_arrays(context, sizeof(T) == 8 ? Type::f64 : Type::f32,
                   {in.data(), std::min(inputs.size(), kMaxArrays)},
                   {out.data(), std::min(outputs.size(), kMaxArrays)}, options);
    }
    /// The same for expressions of one result.
    template <class T>
    void operator()(const ExecutionContext& context,
                    std::initializer_list<std::span<const std::type_identity_t<T>>> inputs,
                    std::span<T> output, const RunOptions& options = {}) const {
        (*this)(context,
                std::span<const std::span<const T>>{inputs.begin(), inputs.size()},
                std::span<const std::span<T>>{&output, 1}, options);
    }

    /// The same, untyped. Lengths are the caller's business.
    void run(const ExecutionContext& context, const Arguments& arguments,
             const RunOptions& options = {}) const;

    /// The graph as parsed, the rewrites that were applied, the primitives, where and how the code
    /// runs, and the assembly, for a context's tier.
    std::string explain(const ExecutionContext& context = ExecutionContext::shared()) const;
    KernelStats stats() const;

    struct State;

  private:
    friend Kernel compile(const Expression& expression, const CompileOptions& options);
    explicit Kernel(std::shared_ptr<const State> state) : state_(std::move(state)) {}
    template <class T>
    struct Array {
        T* data = nullptr;
        std::size_t count = 0;
    };
    void run_arrays(const ExecutionContext& context, Type dtype,
                    std::span<const Array<const void>> inputs, std::span<const Array<void>> outputs,
                    const RunOptions& options) const;

    std::shared_ptr<const State> state_;
};

/// Optimises and prepares the expression. All rewriting happens here: what a kernel computes never
/// changes afterwards, however it is run.
Kernel compile(const Expression& expression, const CompileOptions& options = {});
Kernel compile(std::string_view text, const CompileOptions& options = {},
               const ParseOptions& parse_options = {});

}  // namespace bitaxon::jit
