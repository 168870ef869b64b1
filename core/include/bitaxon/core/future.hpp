// Results that come later: ExecutionContext::submit and what it returns.
#pragma once

#include <bitaxon/core/context.hpp>
#include <bitaxon/core/spin_lock.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <mutex>
#include <optional>
#include <stop_token>
#include <type_traits>
#include <utility>
#include <vector>

namespace bitaxon {

/// How far work is, in its own units (samples, steps); a total of 0 is not known yet.
struct Progress {
    std::size_t done = 0;
    std::size_t total = 0;
};

/// What is told once work is done. A link of a list, so that waiting allocates nothing.
struct Continuation {
    void (*fire)(Continuation& self) noexcept;
    Continuation* after = nullptr;
};

/// An owner of a state.
template <class State>
class StateOwner {
  public:
    StateOwner() noexcept = default;
    /// Takes over one reference.
    explicit StateOwner(State* state) noexcept : state_(state) {}
    /// Takes a reference of its own to a state, or to nothing.
    static StateOwner share(State* state) noexcept {
        if (state != nullptr) state->retain();
        return StateOwner(state);
    }
    StateOwner(StateOwner&& other) noexcept : state_(std::exchange(other.state_, nullptr)) {}
    StateOwner& operator=(StateOwner&& other) noexcept {
        std::swap(state_, other.state_);
        return *this;
    }
    ~StateOwner() { reset(); }

    void reset() noexcept {
        if (State* state = std::exchange(state_, nullptr)) state->release();
    }
    State* disown() noexcept { return std::exchange(state_, nullptr); }
    State* get() const noexcept { return state_; }
    State* operator->() const noexcept { return state_; }
    explicit operator bool() const noexcept { return state_ != nullptr; }

  private:
    State* state_ = nullptr;
};

/// Work that runs once, and what came of it. Futures look at it; ordinary code has no need to.
///
/// Whoever claims the work runs it: a worker that took it from the queue, a thread that waits for
/// it and finds it not started, or who cancels it.
class FutureState : public WorkItem {
  public:
    FutureState(const FutureState&) = delete;
    FutureState& operator=(const FutureState&) = delete;

    // States come and go by the million.
    static void* operator new(std::size_t bytes);
    static void operator delete(void* memory, std::size_t bytes) noexcept;

    const ExecutionContext& context() const noexcept { return context_; }
    Job& job() noexcept { return job_; }
    bool done() const noexcept { return waiting_.load(std::memory_order_acquire) == &kDone; }

    /// Returns once done. @throws Error in a forked child whose parent runs the work
    void wait();
    bool wait_until(std::chrono::steady_clock::time_point time);
    /// What has not started never will; what runs ends soon.
    void cancel() noexcept;
    /// Cancels and waits, as the last who could care.
    void abandon() noexcept;

    /// Has the continuation told once done. @returns false if it is done already: then nobody is
    /// told
    [[nodiscard]] bool attach(Continuation& continuation) noexcept;
    /// After done(): throws what the work threw.
    void rethrow() const {
        if (error_) std::rethrow_exception(error_);
    }
    bool failed() const noexcept { return error_ != nullptr; }

    void retain() noexcept { references_.fetch_add(1, std::memory_order_relaxed); }
    void release() noexcept {
        // The last owner knows that it is alone.
        if (references_.load(std::memory_order_acquire) == 1 ||
            references_.fetch_sub(1, std::memory_order_acq_rel) == 1)
            delete this;
    }

  protected:
    /// Owned by two: a Future, and the queue (or what will put it there).
    FutureState(const ExecutionContext& context, std::stop_token stop)
        : WorkItem{&run_from_queue}, context_(context), job_(std::move(stop)) {}
    virtual ~FutureState();

    /// Does the work and keeps its value. @returns whether it is done; else finish comes later
    virtual bool perform() = 0;
    /// What must be done before this; nothing for most. take_parent hands over the reference.
    virtual FutureState* parent() const noexcept { return nullptr; }
    virtual StateOwner<FutureState> take_parent() noexcept { return {}; }
    /// What the work waits for, once it is claimed: to be cancelled with it.
    virtual StateOwner<FutureState> awaited() noexcept { return {}; }
    /// Whether the work gives its worker up in between, so that a worker that waits must help.
    virtual bool suspends() const noexcept { return false; }
    /// Goes on with work that gave its worker up. @returns false if it can't, or somebody does
    virtual bool go_on() noexcept { return false; }

    void finish(std::exception_ptr error) noexcept;

  private:
    struct Sleeper;
    static constinit Continuation kDone;

    static void run_from_queue(WorkItem& item) noexcept;
    bool claim() noexcept { return !claimed_.exchange(true, std::memory_order_acq_rel); }
    void execute() noexcept;
    void sleep();
    bool help() noexcept;
    Sleeper& sleeper();
    void check_process() const;

    std::atomic<Continuation*> waiting_{nullptr};  // &kDone once done
    std::atomic<std::uint32_t> references_{2};
    std::atomic<bool> claimed_{false};
    std::exception_ptr error_;
    ExecutionContext context_;
    Job job_;
    std::atomic<Sleeper*> sleeper_{nullptr};
    const std::uint64_t born_ = process();

    static std::uint64_t process() noexcept;
};

/// A FutureState with room for a value.
template <class T>
class ValueState : public FutureState {
  public:
    using FutureState::FutureState;
    T take() {
        rethrow();
        return std::move(*value_);
    }

  protected:
    template <class Make>
    void keep(Make&& make) {
        value_.emplace(make());
    }

  private:
    std::optional<T> value_;
};

template <>
class ValueState<void> : public FutureState {
  public:
    using FutureState::FutureState;
    void take() { rethrow(); }

  protected:
    template <class Make>
    void keep(Make&& make) {
        make();
    }
};

/// A value, or an error, that work on an ExecutionContext is going to give. Moves only; all that
/// look at it from several threads may only call const methods and cancel.
///
/// A future owns its work, as std::jthread owns its thread: one that is dropped while the work runs
/// cancels it and waits for its end, so that what the work borrows may be dropped after it. See
/// detach.
template <class T = void>
class [[nodiscard]] Future {
  public:
    using value_type = T;

    Future() noexcept = default;
    explicit Future(StateOwner<ValueState<T>> state) noexcept : state_(std::move(state)) {}
    Future(Future&&) noexcept = default;
    Future& operator=(Future&& other) noexcept {
        Future dropped(std::move(*this));
        state_ = std::move(other.state_);
        return *this;
    }
    ~Future() {
        if (state_ && !state_->done()) state_->abandon();
    }

    /// False for a default-constructed future, and after get, then or detach. All else but the
    /// destructor needs a valid one.
    bool valid() const noexcept { return static_cast<bool>(state_); }
    bool ready() const noexcept { return state_->done(); }

    /// Returns once ready. Work that has not started runs on the calling thread.
    void wait() const { state_->wait(); }
    /// Sleeps until ready, at most for so long. @returns whether it is
    template <class Rep, class Period>
    bool wait_for(std::chrono::duration<Rep, Period> time) const {
        using Clock = std::chrono::steady_clock;
        // A clock in nanoseconds overflows within centuries.
        if (std::chrono::duration<double>(time).count() > 1e9)
            return state_->wait_until(Clock::time_point::max());
        return state_->wait_until(Clock::now() + std::chrono::ceil<Clock::duration>(time));
    }
    /// Waits, and moves the value out or throws what the work threw.
    T get() {
        wait();
        const StateOwner<ValueState<T>> state = std::move(state_);
        return state->take();
    }

    /// Work that has not started never does; work that runs and looks at its job (as all of
    /// Bitaxon's does) ends soon. Both then hold an Error with ErrorCode::cancelled. Does not wait.
    void cancel() const noexcept { state_->cancel(); }
    Progress progress() const noexcept { return {state_->job().done(), state_->job().total()}; }

    /// Lets the work go: it goes on, and its result is lost. All that it borrows must stay.
    void detach() noexcept { state_.reset(); }

    /// The future of next(value) on a worker, once this one is ready; an error passes by. A `next`
    /// that takes no T but a Future<T> is always called, with this future, ready. Leaves this one
    /// invalid: to cancel or drop the new one cancels what it waits for.
    template <class Next>
    auto then(Next&& next);

    /// For awaiters.
    ValueState<T>* state() const noexcept { return state_.get(); }

  private:
    StateOwner<ValueState<T>> state_;
};

/// State of ExecutionContext::submit.
template <class T, class Work>
class SubmitState final : public ValueState<T> {
  public:
    template <class Given>
    SubmitState(const ExecutionContext& context, std::stop_token stop, Given&& work)
        : ValueState<T>(context, std::move(stop)), work_(std::forward<Given>(work)) {}

  private:
    bool perform() override {
        // What the work owns is gone before anybody hears that it is done.
        Work work(std::move(*work_));
        work_.reset();
        this->keep([&]() -> T {
            if constexpr (std::is_invocable_v<Work, Job&>)
                return work(this->job());
            else
                return work();
        });
        return true;
    }

    std::optional<Work> work_;
};

namespace detail {

// Whether next(value) is a call; next() where the value is void.
template <class Next, class T>
inline constexpr bool takes_value = std::is_invocable_v<Next&, T>;
template <class Next>
inline constexpr bool takes_value<Next, void> = std::is_invocable_v<Next&>;

template <class Next, class T>
struct NextResult : std::invoke_result<Next&, Future<T>> {};
template <class Next, class T>
requires(takes_value<Next, T> && !std::is_void_v<T>) struct NextResult<Next, T>
    : std::invoke_result<Next&, T> {
};
template <class Next>
requires takes_value<Next, void>
struct NextResult<Next, void> : std::invoke_result<Next&> {
};

}  // namespace detail

/// State of Future::then.
template <class T, class Next, class Before>
class ThenState final : public ValueState<T>, private Continuation {
  public:
    template <class Given>
    ThenState(StateOwner<ValueState<Before>> before, Given&& next)
        : ValueState<T>(before->context(), {}), Continuation{&queue_it}, before_(std::move(before)),
          next_(std::forward<Given>(next)) {}
    void start() noexcept {
        if (!before_->attach(*this)) this->context().queue(*this);
    }

  private:
    static void queue_it(Continuation& self) noexcept {
        auto& state = static_cast<ThenState&>(self);
        state.context().queue(state);
    }
    bool perform() override {
        StateOwner<ValueState<Before>> before(take_before());
        Next next(std::move(*next_));
        next_.reset();
        this->keep([&]() -> T {
            if constexpr (!detail::takes_value<Next, Before>) {
                return next(Future<Before>(std::move(before)));
            } else if constexpr (std::is_void_v<Before>) {
                before->take();
                return next();
            } else {
                return next(before->take());
            }
        });
        return true;
    }
    FutureState* parent() const noexcept override { return before_.get(); }
    StateOwner<FutureState> take_parent() noexcept override {
        return StateOwner<FutureState>(take_before());
    }
    StateOwner<FutureState> awaited() noexcept override {
        const std::lock_guard guard(lock_);
        return StateOwner<FutureState>::share(before_.get());
    }
    ValueState<Before>* take_before() noexcept {
        const std::lock_guard guard(lock_);
        return before_.disown();
    }

    SpinLock lock_;  // of before_: while who waits for this has claimed it, another may cancel it
    StateOwner<ValueState<Before>> before_;  // until it runs
    std::optional<Next> next_;
};

template <class T>
template <class Next>
auto Future<T>::then(Next&& next) {
    using Kept = std::decay_t<Next>;
    using Result = typename detail::NextResult<Kept, T>::type;
    auto* state = new ThenState<Result, Kept, T>(std::move(state_), std::forward<Next>(next));
    Future<Result> future{StateOwner<ValueState<Result>>(state)};
    state->start();
    return future;
}

namespace detail {

template <class Work>
auto* new_state(const ExecutionContext& context, Work&& work, std::stop_token stop) {
    using Kept = std::decay_t<Work>;
    return new SubmitState<ResultOf<Kept>, Kept>(context, std::move(stop),
                                                 std::forward<Work>(work));
}

}  // namespace detail

template <class Work>
Future<ResultOf<std::decay_t<Work>>> ExecutionContext::submit(Work&& work,
                                                              std::stop_token stop) const {
    using Result = ResultOf<std::decay_t<Work>>;
    auto* state = detail::new_state(*this, std::forward<Work>(work), std::move(stop));
    Future<Result> future{StateOwner<ValueState<Result>>(state)};
    queue(*state);
    return future;
}

template <class Work>
Future<ResultOf<std::decay_t<Work>>> ExecutionContext::run_here(Work&& work,
                                                                std::stop_token stop) const {
    using Result = ResultOf<std::decay_t<Work>>;
    auto* state = detail::new_state(*this, std::forward<Work>(work), std::move(stop));
    Future<Result> future{StateOwner<ValueState<Result>>(state)};
    state->run(*state);  // as a worker would
    return future;
}

template <class Work>
auto ExecutionContext::submit_batch(std::size_t count, Work&& work, std::stop_token stop) const {
    using Result = std::invoke_result_t<std::decay_t<Work>&, std::size_t>;
    static_assert(!std::is_same_v<Result, bool>, "vector<bool> can't be written from many threads");
    // Cut finely enough that no thread is left with much more than the others.
    constexpr std::size_t kPiecesPerThread = 64;
    return submit(
        [context = *this, count,
         work = std::decay_t<Work>(std::forward<Work>(work))](Job& job) mutable {
            job.expect(count);
            const std::size_t pieces =
                std::min(count, kPiecesPerThread * static_cast<std::size_t>(context.threads()));
            const auto run = [&](auto each) {
                context.parallel_for(pieces, [&](std::size_t piece) {
                    const std::size_t first =
                        count / pieces * piece + std::min(piece, count % pieces);
                    const std::size_t end = first + count / pieces + (piece < count % pieces);
                    for (std::size_t k = first; k < end; ++k) {
                        job.check();
                        each(k);
                    }
                    job.add_done(end - first);
                });
            };
            if constexpr (std::is_void_v<Result>) {
                run([&](std::size_t k) { work(k); });
            } else {
                std::vector<Result> results(count);
                run([&](std::size_t k) { results[k] = work(k); });
                return results;
            }
        },
        std::move(stop));
}

}  // namespace bitaxon
