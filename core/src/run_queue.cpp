#include "run_queue.hpp"

#include "relax.hpp"

#include <algorithm>
#include <chrono>
#include <mutex>
#include <utility>

namespace bitaxon {
namespace {

constexpr std::size_t kMostOfInbox = 128;  // items of one portion
constexpr int kFairness = 16;              // items between two looks at the inbox and the clock
constexpr int kGather = 30;  // relaxations, half a microsecond, of a pump that found one item
constexpr auto kTimeSlice = std::chrono::milliseconds(2);
constexpr int kSpins = 400;  // looks around before a pump ends; starting one costs more

// Where this thread pumps.
struct Place {
    const RunQueue* queue = nullptr;
    std::size_t lane = 0;
};
thread_local constinit Place here{};

}  // namespace

void RunQueue::Lane::push(WorkItem& item) noexcept {
    item.behind = nullptr;
    const std::lock_guard guard(lock);
    (first == nullptr ? first : last->behind) = &item;
    last = &item;
    // In one order with active_: either the pusher sees that a pump has ended, or that pump sees
    // the item.
    count.fetch_add(1, std::memory_order_seq_cst);
}

void RunQueue::Lane::append(WorkItem* list) noexcept {
    if (list == nullptr) return;
    std::size_t added = 1;
    WorkItem* end = list;
    for (; end->behind != nullptr; end = end->behind) ++added;
    const std::lock_guard guard(lock);
    (first == nullptr ? first : last->behind) = list;
    last = end;
    count.fetch_add(added, std::memory_order_seq_cst);
}

WorkItem* RunQueue::Lane::pop() noexcept {
    if (count.load(std::memory_order_relaxed) == 0) return nullptr;
    const std::lock_guard guard(lock);
    WorkItem* item = first;
    if (item == nullptr) return nullptr;
    first = item->behind;
    // Only its owner and thieves take from a lane, all with the lock.
    count.store(count.load(std::memory_order_relaxed) - 1, std::memory_order_relaxed);
    return item;
}

template <class Share>
WorkItem* RunQueue::Lane::cut(Share share) noexcept {
    if (count.load(std::memory_order_relaxed) == 0) return nullptr;
    const std::lock_guard guard(lock);
    const std::size_t all = count.load(std::memory_order_relaxed);
    if (all == 0) return nullptr;
    const std::size_t taken = std::clamp(share(all), std::size_t{1}, all);
    WorkItem* list = first;
    WorkItem* end = list;
    for (std::size_t k = 1; k < taken; ++k) end = end->behind;
    first = std::exchange(end->behind, nullptr);
    count.store(all - taken, std::memory_order_relaxed);
    return list;
}

bool RunQueue::on_pump() const noexcept { return here.queue == this; }

bool RunQueue::want_pump() noexcept {
    std::size_t active = active_.load(std::memory_order_seq_cst);
    while (active < lanes_.size())
        if (active_.compare_exchange_weak(active, active + 1, std::memory_order_seq_cst))
            return true;
    return false;
}

bool RunQueue::push(WorkItem& item) noexcept {
    (on_pump() ? lanes_[here.lane] : inbox_).push(item);
    return want_pump();
}

bool RunQueue::push_again(WorkItem& item) noexcept {
    if (!on_pump()) return push(item);
    Lane& lane = lanes_[here.lane];
    lane.append(inbox_.cut([](std::size_t) { return std::size_t{1}; }));
    lane.push(item);
    return lane.count.load(std::memory_order_relaxed) > 1 && want_pump();
}

bool RunQueue::anything_waits() const noexcept {
    if (inbox_.count.load(std::memory_order_seq_cst) != 0) return true;
    return std::any_of(lanes_.begin(), lanes_.end(), [](const Lane& lane) {
        return lane.count.load(std::memory_order_seq_cst) != 0;
    });
}

// The first of a list, the others into the lane.
WorkItem* RunQueue::take_portion(std::size_t lane, WorkItem* list) noexcept {
    if (list != nullptr) lanes_[lane].append(std::exchange(list->behind, nullptr));
    return list;
}

WorkItem* RunQueue::next(std::size_t lane) noexcept {
    if (WorkItem* item = lanes_[lane].pop()) return item;
    const std::size_t pumps = lanes_.size();
    const auto portion = [=](std::size_t all) { return std::min(all / pumps, kMostOfInbox); };
    if (WorkItem* list = inbox_.cut(portion)) return take_portion(lane, list);
    for (std::size_t k = 1; k < pumps; ++k)
        if (WorkItem* list = lanes_[(lane + k) % pumps].cut([](std::size_t n) { return n / 2; }))
            return take_portion(lane, list);
    return nullptr;
}

bool RunQueue::pump(std::size_t lane, bool sliced) noexcept {
    lane %= lanes_.size();
    const Place before = std::exchange(here, {this, lane});
    const auto deadline = std::chrono::steady_clock::now() + kTimeSlice;
    bool more = false;
    for (int count = 0, spins = 0; !more;) {
        if (WorkItem* item = next(lane)) {
            if (item->behind != nullptr) __builtin_prefetch(item->behind);
            spins = 0;
            item->run(*item);
            // To fetch items one by one costs who pushes them more than they are worth (130 against
            // 65 ns an item at a million): let some more come.
            if (lanes_[lane].count.load(std::memory_order_relaxed) == 0)
                for (int k = 0; k < kGather; ++k) relax();
            // A lane whose items come back must not keep the inbox, or other arenas, waiting.
            if (++count % kFairness != 0) continue;
            lanes_[lane].append(inbox_.cut([](std::size_t) { return std::size_t{1}; }));
            more = sliced && std::chrono::steady_clock::now() > deadline;
            continue;
        }
        if (sliced && ++spins < kSpins) {
            relax();
            continue;
        }
        active_.fetch_sub(1, std::memory_order_seq_cst);
        if (!anything_waits() || !want_pump()) break;
        spins = 0;
    }
    here = before;
    return more;
}

}  // namespace bitaxon
