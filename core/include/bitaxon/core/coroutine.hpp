// Coroutines on a context's workers: Task, spawn, yield, and co_await for futures.
#pragma once

#include <bitaxon/core/future.hpp>
#include <bitaxon/core/spin_lock.hpp>

#include <atomic>
#include <coroutine>
#include <cstdint>
#include <exception>
#include <mutex>
#include <optional>
#include <utility>

namespace bitaxon {

template <class T = void>
class Task;

/// The spawned task at the bottom of a chain of awaits, seen from the tasks above it.
///
/// A suspended task that may go on has a turn in a queue. Who waits for the task may resume it
/// before that turn comes; the turn then finds nothing to do, or the task suspended once more.
class TaskRoot {
  public:
    TaskRoot(const TaskRoot&) = delete;
    TaskRoot& operator=(const TaskRoot&) = delete;

    virtual FutureState& state() noexcept = 0;
    /// Called by the spawned task itself, suspended for good.
    virtual void task_done() noexcept = 0;

    /// What the chain waits for, so that to cancel the one cancels the other; nullptr for nothing.
    void await(FutureState* awaited) noexcept {
        const std::lock_guard guard(lock_);
        awaited_ = awaited;
    }

    /// The task, suspended, may go on. @returns the turn to be queued, unless it is already
    [[nodiscard]] WorkItem* ready(std::coroutine_handle<> task) noexcept {
        const std::uintptr_t before =
            ready_.exchange(address(task) | kQueued, std::memory_order_acq_rel);
        return (before & kQueued) != 0 ? nullptr : &turn_;
    }

  protected:
    TaskRoot() noexcept : turn_{{&take_turn}, *this} {}
    ~TaskRoot() = default;

    /// Resumes the task if it may go on. @returns whether it could
    bool resume_ready() noexcept {
        std::uintptr_t ready = ready_.load(std::memory_order_relaxed);
        do {
            if (ready < kAddress) return false;
        } while (!ready_.compare_exchange_weak(ready, ready & kQueued, std::memory_order_acq_rel,
                                               std::memory_order_relaxed));
        resume(ready);
        return true;
    }
    /// The task's own reference to its state, once it is done: the turn's, if that is still queued.
    void let_go() noexcept {
        if ((ready_.fetch_or(kOver, std::memory_order_acq_rel) & kQueued) == 0) state().release();
    }
    StateOwner<FutureState> share_awaited() noexcept {
        const std::lock_guard guard(lock_);
        return StateOwner<FutureState>::share(awaited_);
    }

  private:
    struct Turn : WorkItem {
        TaskRoot& root;
    };
    // Of ready_: beside the address of the frame that may go on, if there is one.
    static constexpr std::uintptr_t kQueued = 1;  // the turn waits in a queue
    static constexpr std::uintptr_t kOver = 2;    // the task is done
    static constexpr std::uintptr_t kAddress = 4;

    static std::uintptr_t address(std::coroutine_handle<> task) noexcept {
        return reinterpret_cast<std::uintptr_t>(task.address());
    }
    static void resume(std::uintptr_t ready) noexcept {
        std::coroutine_handle<>::from_address(reinterpret_cast<void*>(ready & ~(kAddress - 1)))
            .resume();
    }
    static void take_turn(WorkItem& item) noexcept {
        TaskRoot& root = static_cast<Turn&>(item).root;
        const std::uintptr_t ready = root.ready_.exchange(0, std::memory_order_acq_rel);
        if ((ready & kOver) != 0) return root.state().release();
        if (ready >= kAddress) resume(ready);
    }

    Turn turn_;
    std::atomic<std::uintptr_t> ready_{0};
    SpinLock lock_;
    FutureState* awaited_ = nullptr;
};

namespace detail {

struct TaskPromiseBase {
    std::coroutine_handle<> awaiting;  // nothing for a spawned task
    TaskRoot* root = nullptr;
    std::exception_ptr error;

    struct Final {
        bool await_ready() const noexcept { return false; }
        template <class Promise>
        std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> task) const noexcept {
            TaskPromiseBase& promise = task.promise();
            if (promise.awaiting) return promise.awaiting;
            promise.root->task_done();  // destroys the task, and this with it
            return std::noop_coroutine();
        }
        void await_resume() const noexcept {}
    };
    std::suspend_always initial_suspend() const noexcept { return {}; }
    Final final_suspend() const noexcept { return {}; }
    void unhandled_exception() noexcept { error = std::current_exception(); }
};

template <class T>
struct TaskPromise : TaskPromiseBase {
    std::optional<T> value;

    Task<T> get_return_object() noexcept;
    template <class Value>
    void return_value(Value&& given) {
        value.emplace(std::forward<Value>(given));
    }
    T take() {
        if (error) std::rethrow_exception(error);
        return std::move(*value);
    }
};

template <>
struct TaskPromise<void> : TaskPromiseBase {
    Task<void> get_return_object() noexcept;
    void return_void() const noexcept {}
    void take() const {
        if (error) std::rethrow_exception(error);
    }
};

template <class T>
struct TaskAwaiter {
    std::coroutine_handle<TaskPromise<T>> task;

    bool await_ready() const noexcept { return false; }
    template <class Promise>
    std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> caller) const noexcept {
        task.promise().awaiting = caller;
        task.promise().root = caller.promise().root;
        return task;
    }
    T await_resume() const { return task.promise().take(); }
};

}  // namespace detail

/// A coroutine that gives a T. It starts when it is awaited by another task, or spawned, and it may
/// go on on another worker after each co_await. Moves only; destroyed unfinished, it never ends.
///
/// What is cancelled throws ErrorCode::cancelled from its next co_await of a future or of yield().
template <class T>
class [[nodiscard]] Task {
  public:
    using promise_type = detail::TaskPromise<T>;

    explicit Task(std::coroutine_handle<promise_type> handle) noexcept : handle_(handle) {}
    Task(Task&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
    Task& operator=(Task&& other) noexcept {
        std::swap(handle_, other.handle_);
        return *this;
    }
    ~Task() {
        if (handle_) handle_.destroy();
    }

    std::coroutine_handle<promise_type> handle() const noexcept { return handle_; }

    /// One task may await it, once.
    auto operator co_await() && noexcept { return detail::TaskAwaiter<T>{handle_}; }

  private:
    std::coroutine_handle<promise_type> handle_;
};

template <class T>
Task<T> detail::TaskPromise<T>::get_return_object() noexcept {
    return Task<T>(std::coroutine_handle<TaskPromise>::from_promise(*this));
}
inline Task<void> detail::TaskPromise<void>::get_return_object() noexcept {
    return Task<void>(std::coroutine_handle<TaskPromise>::from_promise(*this));
}

/// State of spawn.
template <class T>
class SpawnState final : public ValueState<T>, private TaskRoot {
  public:
    SpawnState(const ExecutionContext& context, std::stop_token stop, Task<T> task)
        : ValueState<T>(context, std::move(stop)), task_(std::move(task)) {}

  private:
    bool perform() override {
        this->retain();  // until let_go
        task_->handle().promise().root = this;
        task_->handle().resume();
        return false;
    }
    FutureState& state() noexcept override { return *this; }
    void task_done() noexcept override {
        std::exception_ptr error;
        try {
            this->keep([&]() -> T { return task_->handle().promise().take(); });
        } catch (...) {
            error = std::current_exception();
        }
        task_.reset();
        this->finish(std::move(error));
        this->let_go();
    }
    StateOwner<FutureState> awaited() noexcept override { return this->share_awaited(); }
    bool suspends() const noexcept override { return true; }
    bool go_on() noexcept override { return this->resume_ready(); }

    std::optional<Task<T>> task_;
};

/// Starts the task on a worker soon. Its future cancels what the task awaits.
template <class T>
Future<T> spawn(const ExecutionContext& context, Task<T> task, std::stop_token stop = {}) {
    auto* state = new SpawnState<T>(context, std::move(stop), std::move(task));
    Future<T> future{StateOwner<ValueState<T>>(state)};
    context.queue(*state);
    return future;
}

/// co_await yield(): others that wait for this worker come first.
class [[nodiscard]] Yield {
  public:
    bool await_ready() const noexcept { return false; }
    template <class Promise>
    void await_suspend(std::coroutine_handle<Promise> task) noexcept {
        root_ = task.promise().root;
        // Read first: another worker may resume the task, and end this, at once.
        const ExecutionContext& context = root_->state().context();
        if (WorkItem* turn = root_->ready(task)) context.requeue(*turn);
    }
    void await_resume() const { root_->state().job().check(); }

  private:
    TaskRoot* root_ = nullptr;
};
inline Yield yield() noexcept { return {}; }

/// co_await future: the task goes on, on a worker of the future's context, once it is ready; or on
/// a worker that waits for the task.
template <class T>
class FutureAwaiter : private Continuation {
  public:
    explicit FutureAwaiter(Future<T>&& future) noexcept
        : Continuation{&told}, future_(std::move(future)) {}

    bool await_ready() const noexcept { return future_.ready(); }
    template <class Promise>
    bool await_suspend(std::coroutine_handle<Promise> task) noexcept {
        task_ = task;
        root_ = task.promise().root;
        FutureState* const state = future_.state();
        root_->await(state);
        return state->attach(*this);  // after that, another worker may resume the task
    }
    T await_resume() {
        if (root_ != nullptr) {
            root_->await(nullptr);
            root_->state().job().check();
        }
        return future_.get();
    }

  private:
    // The future's state, which tells this, outlives it.
    static void told(Continuation& self) noexcept {
        auto& awaiter = static_cast<FutureAwaiter&>(self);
        const ExecutionContext& context = awaiter.future_.state()->context();
        if (WorkItem* turn = awaiter.root_->ready(awaiter.task_)) context.queue(*turn);
    }

    Future<T> future_;
    std::coroutine_handle<> task_;
    TaskRoot* root_ = nullptr;
};

template <class T>
FutureAwaiter<T> operator co_await(Future<T>&& future) noexcept {
    return FutureAwaiter<T>(std::move(future));
}

}  // namespace bitaxon
