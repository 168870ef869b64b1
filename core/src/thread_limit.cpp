#include "thread_limit.hpp"

#include <pthread.h>
#include <tbb/info.h>

namespace bitaxon {

ThreadLimit& ThreadLimit::instance() {
    static auto* limit = new ThreadLimit();
    // oneTBB's own objects go later, since they were there before.
    static const struct AtExit {
        ~AtExit() {
            const std::lock_guard lock(limit->mutex_);
            limit->ended_ = true;
        }
    } at_exit;
    return *limit;
}

void ThreadLimit::add(int threads) {
    const std::lock_guard lock(mutex_);
    wanted_.insert(threads);
    apply();
}

void ThreadLimit::remove(int threads) {
    const std::lock_guard lock(mutex_);
    wanted_.erase(wanted_.find(threads));
    apply();
}

ThreadLimit::ThreadLimit() {
    pthread_atfork([] { instance().mutex_.lock(); }, [] { instance().mutex_.unlock(); },
                   [] {
                       ThreadLimit& limit = instance();
                       limit.forks_.fetch_add(1, std::memory_order_relaxed);
                       limit.workerless_.store(limit.used_, std::memory_order_relaxed);
                       limit.mutex_.unlock();
                   });
}

void ThreadLimit::apply() {
    if (workerless() || ended_) return;
    const int most = wanted_.empty() ? 0 : *wanted_.rbegin();
    if (most == applied_) return;
    control_.reset();
    if (most > tbb::info::default_concurrency())
        control_ = std::make_unique<tbb::global_control>(
            tbb::global_control::max_allowed_parallelism, static_cast<std::size_t>(most));
    applied_ = most;
}

}  // namespace bitaxon
