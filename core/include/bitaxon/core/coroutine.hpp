// Coroutines on a context's workers: Task, spawn, yield, and co_await for futures.
#pragma once

#include <bitaxon/core/future.hpp>
#include <bitaxon/core/spin_lock.hpp>

#include <coroutine>
#include <exception>
#include <mutex>
#include <optional>
#include <utility>

namespace bitaxon {

template <class T = void>
class Task;

/// The spawned task at the bottom of a chain of awaits, seen from the tasks above it.
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

  protected:
    TaskRoot() = default;
    ~TaskRoot() = default;
    StateOwner<FutureState> share_awaited() noexcept {
        const std::lock_guard guard(lock_);
        return StateOwner<FutureState>::share(awaited_);
    }

  private:
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
        this->retain();  // until task_done
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
        this->release();
    }
    StateOwner<FutureState> awaited() noexcept override { return this->share_awaited(); }
    bool suspends() const noexcept override { return true; }

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

/// Puts a suspended task back into a context's queue. Lies in the task's own frame.
class ResumeItem : public WorkItem {
  protected:
    ResumeItem() : WorkItem{&resume} {}
    template <class Promise>
    TaskRoot& suspend(std::coroutine_handle<Promise> task) noexcept {
        task_ = task;
        root_ = task.promise().root;
        return *root_;
    }
    /// @throws Error if the task was cancelled meanwhile
    void check() const {
        if (root_ != nullptr) root_->state().job().check();
    }

    TaskRoot* root_ = nullptr;

  private:
    static void resume(WorkItem& item) noexcept { static_cast<ResumeItem&>(item).task_.resume(); }

    std::coroutine_handle<> task_;
};

/// co_await yield(): others that wait for this worker come first.
class [[nodiscard]] Yield : private ResumeItem {
  public:
    bool await_ready() const noexcept { return false; }
    template <class Promise>
    void await_suspend(std::coroutine_handle<Promise> task) noexcept {
        // Read first: another worker may resume the task, and end this, at once.
        const ExecutionContext& context = suspend(task).state().context();
        context.requeue(*this);
    }
    void await_resume() const { check(); }
};
inline Yield yield() noexcept { return {}; }

/// co_await future: the task goes on, on a worker of the future's context, once it is ready.
template <class T>
class FutureAwaiter : private ResumeItem, private Continuation {
  public:
    explicit FutureAwaiter(Future<T>&& future) noexcept
        : Continuation{&queue_it}, future_(std::move(future)) {}

    bool await_ready() const noexcept { return future_.ready(); }
    template <class Promise>
    bool await_suspend(std::coroutine_handle<Promise> task) noexcept {
        FutureState* const state = future_.state();
        suspend(task).await(state);
        return state->attach(*this);  // after that, another worker may resume the task
    }
    T await_resume() {
        if (root_ != nullptr) root_->await(nullptr);
        check();
        return future_.get();
    }

  private:
    static void queue_it(Continuation& self) noexcept {
        auto& awaiter = static_cast<FutureAwaiter&>(self);
        awaiter.future_.state()->context().queue(awaiter);
    }

    Future<T> future_;
};

template <class T>
FutureAwaiter<T> operator co_await(Future<T>&& future) noexcept {
    return FutureAwaiter<T>(std::move(future));
}

}  // namespace bitaxon
