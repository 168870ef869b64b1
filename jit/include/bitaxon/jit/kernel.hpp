// Kernels: expressions compiled for arrays, interpreted first and turned into machine code when it pays.
#pragma once

#include <bitaxon/core/context.hpp>
#include <bitaxon/jit/expression.hpp>
#include <bitaxon/jit/tiers.hpp>

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <optional>
#include <ranges>
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

/// The type of arrays whose elements are T: bool or std::uint8_t, 0 or 1, for masks.
template <class T>
inline constexpr std::optional<Type> kElementType = std::nullopt;
template <>
inline constexpr std::optional<Type> kElementType<float> = Type::f32;
template <>
inline constexpr std::optional<Type> kElementType<double> = Type::f64;
template <>
inline constexpr std::optional<Type> kElementType<std::int16_t> = Type::i16;
template <>
inline constexpr std::optional<Type> kElementType<std::int32_t> = Type::i32;
template <>
inline constexpr std::optional<Type> kElementType<std::int64_t> = Type::i64;
template <>
inline constexpr std::optional<Type> kElementType<bool> = Type::m32;
template <>
inline constexpr std::optional<Type> kElementType<std::uint8_t> = Type::m32;

/// T, or const T, may be an element of an array that is read, or, with a Byte that isn't const,
/// written.
template <class T, class Byte>
concept ElementOf = (std::is_const_v<Byte> || !std::is_const_v<T>) &&
                    kElementType<std::remove_const_t<T>> != std::nullopt;

/// A contiguous array of a call, with the type of its elements.
template <class Byte>
class TypedArray {
  public:
    template <ElementOf<Byte> T>
    TypedArray(T* data, std::size_t count)
        : data_(reinterpret_cast<Byte*>(data)), count_(count),
          type_(*kElementType<std::remove_const_t<T>>) {}
    /// A vector, array or span.
    template <std::ranges::contiguous_range Range>
    requires ElementOf<std::remove_reference_t<std::ranges::range_reference_t<Range>>, Byte>
    TypedArray(Range&& range) : TypedArray(std::ranges::data(range), std::ranges::size(range)) {}

    Byte* data() const noexcept { return data_; }
    std::size_t count() const noexcept { return count_; }
    Type type() const noexcept { return type_; }

  private:
    Byte* data_;
    std::size_t count_;
    Type type_;
};
using Input = TypedArray<const std::byte>;
using Output = TypedArray<std::byte>;

/// Untyped arguments of a call: contiguous arrays of the types of the arguments and results.
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
    /// They hold elements of the types Expression::argument_types() and results(). Outputs may be
    /// inputs whose elements are as wide; any other overlap is refused.
    /// @throws Error for wrong counts, lengths and types, and what external functions throw
    void operator()(const ExecutionContext& context, std::span<const Input> inputs,
                    std::span<const Output> outputs, const RunOptions& options = {}) const;
    void operator()(const ExecutionContext& context, std::initializer_list<Input> inputs,
                    std::initializer_list<Output> outputs, const RunOptions& options = {}) const {
        (*this)(context, std::span(inputs.begin(), inputs.size()),
                std::span(outputs.begin(), outputs.size()), options);
    }
    /// The same for expressions of one result.
    void operator()(const ExecutionContext& context, std::initializer_list<Input> inputs,
                    Output output, const RunOptions& options = {}) const {
        (*this)(context, inputs, {output}, options);
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
    std::shared_ptr<const State> state_;
};

/// Optimises and prepares the expression. All rewriting happens here: what a kernel computes never
/// changes afterwards, however it is run.
Kernel compile(const Expression& expression, const CompileOptions& options = {});
Kernel compile(std::string_view text, const CompileOptions& options = {},
               const ParseOptions& parse_options = {});

}  // namespace bitaxon::jit
