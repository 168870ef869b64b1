// How kernels and bound rules move their programs from tier to tier. Whoever runs a call counts it, and
// asks here what it is worth.
#pragma once

#include "tiered_program.hpp"

#include <bitaxon/core/context.hpp>
#include <bitaxon/jit/tiers.hpp>

#include <atomic>
#include <memory>
#include <utility>

namespace bitaxon::jit {

/// A call, as far as it matters for what is compiled.
struct CallWeight {
    std::int64_t number = 1;  ///< counted from 1
    double work = 0;          ///< rows x steps x operations
    bool wait = false;        ///< for machine code, whatever the call is worth
};

/// Sees to it that machine code for one of the targets exists where it pays: at once for much work, in the
/// background for many calls. `owner`, a std::enable_shared_from_this, keeps the program.
template <class Owner>
void promote(const TieredProgram& program, Targets targets, bool streaming, const CallWeight& call,
             const Thresholds& thresholds, const ExecutionContext& context, const Owner& owner) {
    const bool at_once = call.wait || call.work > static_cast<double>(thresholds.work_at_once);
    switch (program.due(targets, streaming, call.number, thresholds.background_calls, at_once)) {
    case TieredProgram::Due::nothing:
        break;
    case TieredProgram::Due::in_background:
        context.enqueue([kept = owner.shared_from_this(), &program, targets] {
            program.compile(targets, false);
        });
        break;
    case TieredProgram::Due::now:
        program.compile(targets, false);
        if (streaming) {
            program.compile(targets, true);
        }
        break;
    }
}

/// A variant in which values that stay the same are constants: made once, and used as soon as it is ready.
template <class Variant>
class Folded {
  public:
    Folded() = default;
    Folded(const Folded&) = delete;
    Folded& operator=(const Folded&) = delete;
    ~Folded() { delete made_.load(); }

    /// Null until it is ready.
    const Variant* get() const noexcept { return made_.load(std::memory_order_acquire); }

    /// Has `make` return a std::unique_ptr<const Variant>, now if the caller waits, else in the
    /// background; not if that has been asked for before. `owner` keeps this object and what `make`
    /// looks at.
    template <class Make, class Owner>
    void request(bool wait, const ExecutionContext& context, const Owner& owner, Make make) const {
        if (requested_.load(std::memory_order_relaxed) || requested_.exchange(true)) {
            return;
        }
        if (wait) {
            made_.store(make().release(), std::memory_order_release);
        } else {
            context.enqueue([this, kept = owner.shared_from_this(), make = std::move(make)] {
                made_.store(make().release(), std::memory_order_release);
            });
        }
    }

  private:
    mutable std::atomic<bool> requested_{false};
    mutable std::atomic<const Variant*> made_{nullptr};
};

}  // namespace bitaxon::jit
