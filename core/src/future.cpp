#include <bitaxon/core/future.hpp>

#include "block_cache.hpp"
#include "thread_limit.hpp"

#include <bitaxon/core/error.hpp>

#include <condition_variable>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

namespace bitaxon {

// Wakes the threads that sleep until the work is done. The first of them makes it.
struct FutureState::Sleeper : Continuation {
    Sleeper() : Continuation{&wake} {}
    static void wake(Continuation& self) noexcept {
        auto& sleeper = static_cast<Sleeper&>(self);
        const std::lock_guard lock(sleeper.mutex);
        sleeper.awake = true;
        sleeper.changed.notify_all();
    }

    std::mutex mutex;
    std::condition_variable changed;
    bool awake = false;
};

FutureState::~FutureState() { delete sleeper_.load(std::memory_order_relaxed); }

void* FutureState::operator new(std::size_t bytes) { return take_block(bytes); }
void FutureState::operator delete(void* memory, std::size_t bytes) noexcept {
    give_block(memory, bytes);
}

constinit Continuation FutureState::kDone{nullptr};

std::uint64_t FutureState::process() noexcept { return ThreadLimit::instance().forks(); }

void FutureState::check_process() const {
    if (born_ != process())
        throw Error(ErrorCode::cancelled,
                    "the work was running when this process was forked: only the parent has it");
}

void FutureState::run_from_queue(WorkItem& item) noexcept {
    auto& state = static_cast<FutureState&>(item);
    if (state.claim()) state.execute();
    state.release();
}

void FutureState::execute() noexcept {
    try {
        job_.check();
        if (perform()) finish(nullptr);
    } catch (...) {
        finish(std::current_exception());
    }
}

void FutureState::finish(std::exception_ptr error) noexcept {
    error_ = std::move(error);
    Continuation* told = nullptr;  // in the order in which they came
    for (Continuation* list = waiting_.exchange(&kDone, std::memory_order_acq_rel);
         list != nullptr;) {
        Continuation* next = std::exchange(list->after, told);
        told = std::exchange(list, next);
    }
    while (told != nullptr) {
        Continuation* next = told->after;  // read first: who is told may be gone at once
        told->fire(*told);
        told = next;
    }
}

bool FutureState::attach(Continuation& continuation) noexcept {
    Continuation* head = waiting_.load(std::memory_order_acquire);
    do {
        if (head == &kDone) return false;
        continuation.after = head;
    } while (!waiting_.compare_exchange_weak(head, &continuation, std::memory_order_acq_rel,
                                             std::memory_order_acquire));
    return true;
}

FutureState::Sleeper& FutureState::sleeper() {
    Sleeper* sleeper = sleeper_.load(std::memory_order_acquire);
    if (sleeper != nullptr) return *sleeper;
    auto made = std::make_unique<Sleeper>();
    if (!sleeper_.compare_exchange_strong(sleeper, made.get(), std::memory_order_acq_rel))
        return *sleeper;
    sleeper = made.release();
    if (!attach(*sleeper)) Sleeper::wake(*sleeper);
    return *sleeper;
}

bool FutureState::wait_until(std::chrono::steady_clock::time_point time) {
    if (done()) return true;
    check_process();
    Sleeper& sleeper = this->sleeper();
    std::unique_lock lock(sleeper.mutex);
    return sleeper.changed.wait_until(lock, time, [&] { return sleeper.awake; });
}

void FutureState::sleep() {
    if (done()) return;
    check_process();
    Sleeper& sleeper = this->sleeper();
    // A worker that waits for work that gave its own worker up may be the one that it comes back
    // to.
    while (suspends() && context_.on_worker() && !done())
        if (!help()) wait_until(std::chrono::steady_clock::now() + std::chrono::microseconds(100));
    std::unique_lock lock(sleeper.mutex);
    sleeper.changed.wait(lock, [&] { return sleeper.awake; });
}

// Does what this waits for and nobody does, and nothing else: other work might wait for what this
// thread is in the middle of.
bool FutureState::help() noexcept {
    auto last = StateOwner<FutureState>::share(this);
    for (;;) {
        StateOwner<FutureState> next = last->awaited();
        if (!next || next->done()) break;
        last = std::move(next);
    }
    if (!last->claim()) return last->go_on();
    last->execute();
    return true;
}

// Claims this, and what it waits for, as far as it can; sleeps for the rest, which others run; then
// runs what it claimed in order. So no thread waits for work that waits for a thread.
void FutureState::wait() {
    if (done()) return;
    std::vector<FutureState*> claimed;
    FutureState* state = this;
    while (state != nullptr && !state->done()) {
        claimed.push_back(state);  // first, as it may throw
        if (!state->claim()) {
            claimed.pop_back();
            break;
        }
        state = state->parent();
    }
    if (state != nullptr) state->sleep();
    for (; !claimed.empty(); claimed.pop_back()) {
        claimed.back()->execute();
        claimed.back()->sleep();  // unless it is done: it gave its thread up
    }
}

void FutureState::cancel() noexcept {
    FutureState* state = this;
    StateOwner<FutureState> owner;  // of state, but for the first
    while (state != nullptr) {
        state->job_.cancel();
        if (state->done()) return;
        StateOwner<FutureState> inner;
        if (state->claim()) {
            // Taken away, lest long chains be destroyed in deep calls.
            inner = state->take_parent();
            state->execute();  // finds that it is cancelled
        } else {
            inner = state->awaited();
        }
        state = inner.get();
        owner = std::move(inner);
    }
}

void FutureState::abandon() noexcept {
    cancel();
    if (born_ != process()) return;
    try {
        sleep();
    } catch (...) {  // no memory to sleep with
        while (!done()) std::this_thread::yield();
    }
}

}  // namespace bitaxon
