// Rules in files of their own, and files that are edited while their rule runs.
#pragma once

#include <bitaxon/jit/rule.hpp>

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string_view>

namespace bitaxon::jit {

/// A rule from a text file: equations as in RuleOptions, and lines with what else there is.
///
///     dv/dt = (v_rest - v + r*i)/tau_mem (unless refractory)
///     tau_mem : real = 20e-3
///     threshold: v > v_threshold
///     reset: v = v_reset              # several of these lines: one after another; others once
///     refractory: 2e-3
///     method: exact
///     name: leaky
///
/// @throws Error with ErrorCode::file for what cannot be read or is no UTF-8; what Rule throws,
/// with the lines of the file, for the rest
Rule load_rule(const std::filesystem::path& path);

/// Reads a rule's file again whenever it has changed, on a thread of its own: a good edit is at
/// hand within 100 ms. Editors may write the file, or rename another over it, or delete it first.
///
///     jit::RuleWatch watch("leaky.rule");
///     Population population(1000, watch.rule());
///     for (;;) {
///         if (const auto rule = watch.next()) population.set_rule(*rule);
///         population.step(context);
///     }
///
/// The kernel tells of changes in the file's folder (inotify). Where it can't - no watches left, a
/// path with links, a network file system, a folder that is gone - the file is looked at every 25
/// ms.
///
/// The thread ends with the watch. A forked child has none: there next() finds nothing more.
/// Used by one thread at a time.
class RuleWatch {
  public:
    /// @param on_change called on the watch's thread when next() has something new; it must not
    /// throw
    /// @throws Error as load_rule does for the file as it is now
    explicit RuleWatch(const std::filesystem::path& path, std::function<void()> on_change = {});

    RuleWatch(RuleWatch&&) noexcept;
    RuleWatch& operator=(RuleWatch&&) noexcept;
    ~RuleWatch();

    /// What next() returned last; before that, the rule that the file held first.
    const Rule& rule() const noexcept;

    /// The file's rule, once after each good edit (the newest of several). Costs an atomic
    /// exchange.
    /// @throws Error once after a bad edit; rule() stays what it is
    std::optional<Rule> next();

    /// "inotify" or "polling".
    std::string_view mechanism() const noexcept;

    /// Watches no longer. Waits for on_change to return, unless it is on_change that calls.
    void close() noexcept;

  private:
    struct State;
    std::shared_ptr<State> state_;
};

}  // namespace bitaxon::jit
