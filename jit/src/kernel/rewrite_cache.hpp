// Rewritten expressions, kept as texts from one process to the next.
#pragma once

#include "../optimise/optimise.hpp"

#include <bitaxon/jit/kernel.hpp>

#include <atomic>
#include <filesystem>
#include <optional>
#include <span>
#include <string>

namespace bitaxon::jit {

/// The place of one kernel's rewriting in the cache. Its file is a text of the expression language:
///
///     # bitaxon 0.1.0 6f9a..., fast, f64           the key: version, rewriting passes, mode, dtype,
///     # arguments: x y                             arguments,
///     #| x^2 + 2*x*y                               source
///     # checksum 0123456789abcdef                  XXH3 of all other lines
///     # rewrite a*b + c -> fma(a, b, c), 1 times   for explain()
///     v0 = x0 + ...                                what the ordinary parser reads
///
/// The name is a hash of the key. A file is used only if its key is this kernel's to the letter,
/// its checksum is right, and it parses to results of the right types; any other is written anew.
/// Nothing here throws for what a disk holds or refuses; story() tells. Who can write into the
/// folder can change what kernels compute, as he could by changing the library; he cannot make them
/// run code.
class RewriteCache {
  public:
    RewriteCache(const Expression& expression, const CompileOptions& options);

    /// What another process has kept of this expression, with roots of these types, or nothing.
    std::optional<Optimised> read(std::span<const Type> types);

    /// Keeps it, unless it was found there. At most one call writes; any thread.
    void write(const Optimised& optimised) const noexcept;

    /// Whether write() has something to do.
    bool is_missing() const noexcept {
        return state_.load(std::memory_order_relaxed) == State::miss;
    }
    /// "off", "miss", "hit", "written" or "failed".
    std::string_view state() const noexcept;
    /// A sentence for explain(): where it is, and why not.
    std::string story() const;

  private:
    enum class State : std::uint8_t { off, miss, hit, written, failed };

    std::string key() const;
    void check_and_write(const Optimised& optimised) const;

    Expression expression_;
    MathMode mode_;
    std::int64_t calls_;
    std::filesystem::path path_;
    std::string found_;            ///< why what was found can't be used, or why there is no cache
    mutable std::string failure_;  ///< of write(); readable once the state is failed
    mutable std::atomic<bool> claimed_{false};
    mutable std::atomic<State> state_{State::off};
};

}  // namespace bitaxon::jit
