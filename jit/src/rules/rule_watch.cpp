// The thread that keeps an eye on a rule's file, and what it hands over.
#include <bitaxon/jit/rule_file.hpp>

#include "file_changes.hpp"
#include "rule_file.hpp"

#include <bitaxon/core/error.hpp>

#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <atomic>
#include <exception>
#include <string>
#include <thread>
#include <utility>

namespace bitaxon::jit {
namespace {

struct Edit {
    std::optional<Rule> rule;  ///< the newest good one that nobody has taken
    std::exception_ptr error;  ///< of what came after it
};

// Readable once it was asked for.
class Event {
  public:
    Event() : number_(::eventfd(0, EFD_CLOEXEC)) {
        if (number_ < 0) {
            throw Error(ErrorCode::file,
                        "watch: got no file descriptor, expected one that is left");
        }
    }
    ~Event() { ::close(number_); }
    Event(const Event&) = delete;
    Event& operator=(const Event&) = delete;

    int number() const noexcept { return number_; }
    void ask() const noexcept { ::eventfd_write(number_, 1); }

  private:
    int number_;
};

// Signals are for the program's own threads.
class SignalsBlocked {
  public:
    SignalsBlocked() {
        sigset_t all;
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before_);
    }
    ~SignalsBlocked() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
    SignalsBlocked(const SignalsBlocked&) = delete;
    SignalsBlocked& operator=(const SignalsBlocked&) = delete;

  private:
    sigset_t before_;
};

}  // namespace

// Edits are handed over without a lock, which a fork could leave locked in the child.
struct RuleWatch::State {
    State(const std::filesystem::path& file, std::function<void()> on_change)
        : path(file), changed(std::move(on_change)), changes(file), text(read_rule(file)),
          rule(parse_rule(text)) {}
    ~State() { delete edit.load(); }
    State(const State&) = delete;
    State& operator=(const State&) = delete;

    void watch();
    bool read_anew();

    std::filesystem::path path;
    std::function<void()> changed;
    FileChanges changes;
    Event stop;
    std::string text;  // the watching thread's
    std::atomic<Edit*> edit{nullptr};
    Rule rule;                      // the caller's
    std::exception_ptr next_error;  // likewise
    pid_t process = ::getpid();
    std::thread thread;
};

void RuleWatch::State::watch() {
    while (changes.wait(stop.number())) {
        if (read_anew() && changed) {
            changed();
        }
    }
}

// Whether there is another edit, good or bad.
bool RuleWatch::State::read_anew() {
    std::string now;
    auto made = std::make_unique<Edit>();
    try {
        std::error_code error;
        if (!std::filesystem::exists(path, error)) {
            return false;  // an editor is replacing it
        }
        now = read_rule(path);
    } catch (...) {
        made->error = std::current_exception();
    }
    if (changes.has_changed_again() || (!made->error && now == text)) {
        return false;
    }
    // Who writes in place empties the file first, and the kernel tells of that a moment later.
    if (!made->error && now.empty() && changes.waits_for_more()) {
        return false;
    }
    text = std::move(now);
    if (!made->error) {
        try {
            made->rule.emplace(parse_rule(text));
        } catch (...) {
            made->error = std::current_exception();
        }
    }
    const std::unique_ptr<Edit> untaken(edit.exchange(nullptr));
    if (!made->rule && untaken) {
        made->rule = untaken->rule;
    }
    delete edit.exchange(made.release());
    return true;
}

RuleWatch::RuleWatch(const std::filesystem::path& path, std::function<void()> on_change)
    : state_(std::make_shared<State>(path, std::move(on_change))) {
    const SignalsBlocked blocked;
    // The thread outlives the watch by a moment if on_change destroys it.
    state_->thread = std::thread([state = state_] { state->watch(); });
}

RuleWatch::RuleWatch(RuleWatch&&) noexcept = default;

RuleWatch& RuleWatch::operator=(RuleWatch&& other) noexcept {
    if (this != &other) {
        close();
        state_ = std::move(other.state_);
    }
    return *this;
}

RuleWatch::~RuleWatch() { close(); }

const Rule& RuleWatch::rule() const noexcept { return state_->rule; }

std::optional<Rule> RuleWatch::next() {
    if (const std::exception_ptr error = std::exchange(state_->next_error, nullptr)) {
        std::rethrow_exception(error);
    }
    const std::unique_ptr<Edit> edit(state_->edit.exchange(nullptr));
    if (!edit) {
        return std::nullopt;
    }
    if (!edit->rule) {
        std::rethrow_exception(edit->error);
    }
    state_->next_error = edit->error;
    state_->rule = *edit->rule;
    return state_->rule;
}

std::string_view RuleWatch::mechanism() const noexcept {
    return state_->changes.polls() ? "polling" : "inotify";
}

void RuleWatch::close() noexcept {
    if (state_ == nullptr || !state_->thread.joinable()) {
        return;
    }
    if (::getpid() != state_->process) {
        // The thread is the parent's, and so is the event that would end it. To end a std::thread
        // that has no thread is undefined, so it stays, and so does what it may have been in the
        // middle of.
        static_cast<void>(new std::thread(std::move(state_->thread)));
        static_cast<void>(new std::shared_ptr<State>(state_));
        return;
    }
    state_->stop.ask();
    if (state_->thread.get_id() == std::this_thread::get_id()) {
        state_->thread.detach();
    } else {
        state_->thread.join();
    }
}

}  // namespace bitaxon::jit
