#include "harness/probes.hpp"

#include "harness/probe_code.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <thread>
#include <utility>

namespace bitaxon::bench {
namespace {

constexpr double kPlanesPerBit = 10.3;

// Results end here, so that no compiler drops the work.
std::atomic<u64> sink{0};
void keep(u64 value) { sink.store(value, std::memory_order_relaxed); }

// 64-byte aligned: a line that is read in two halves would be the limit.
struct alignas(64) Operands {
    explicit Operands(u64 seed) {
        for (u64& word : words) word = seed = seed * 0x5851f42d4c957f2d + 1;
    }
    u64 words[kTileWords];
};

// Work per nanosecond in the best of some calls.
double rate(const Contestant& contestant, int calls = 6) {
    double best = contestant.nanoseconds(1);
    for (int i = 1; i < calls; ++i) best = std::min(best, contestant.nanoseconds(1));
    return contestant.work / best;
}

template <class Code, class Make>
Contestant best_of(const Code& codes, Make make) {
    std::vector<Contestant> contestants;
    for (const auto& code : codes) contestants.push_back(make(code));
    return *std::ranges::max_element(contestants, {}, [](const auto& c) { return rate(c); });
}

const Tile& best_tile() {
    static const Tile best = [] {
        const Operands operands(0);
        return *std::ranges::max_element(best_code().tiles, {}, [&](const Tile& tile) {
            return rate(contestant(tile.bits(), [&] { keep(tile.run(operands.words)); }), 50);
        });
    }();
    return best;
}

// Nanoseconds from a common start until the last of `threads` threads has counted.
double count_tiles_together(int threads, std::size_t calls) {
    const Tile& tile = best_tile();
    std::atomic<int> ready{0};
    std::atomic<int> done{0};
    const auto member = [&](u64 seed) {
        const Operands operands(seed);
        ++ready;
        while (ready < threads) {
        }
        const double start = WallClock::nanoseconds();
        for (std::size_t i = 0; i < calls; ++i) keep(tile.run(operands.words));
        ++done;
        while (done < threads) {
        }
        return WallClock::nanoseconds() - start;
    };
    std::vector<std::jthread> others;
    for (int i = 1; i < threads; ++i) others.emplace_back(member, static_cast<u64>(i));
    return member(0);
}

}  // namespace

Probe and_popcount_probe() {
    const Tile& tile = best_tile();
    return {fmt::format("AND+popcount {}x{}, {}", tile.rows, tile.columns, best_code().name),
            contestant(tile.bits(), [tile, operands = std::make_shared<Operands>(0)] {
                keep(tile.run(operands->words));
            })};
}

Probe and_popcount_probe(int threads) {
    return {fmt::format("AND+popcount, {} threads", threads),
            {[threads](std::size_t calls) { return count_tiles_together(threads, calls); },
             best_tile().bits() * threads}};
}

Probe random_words_probe() {
    return {fmt::format("random words, {}", best_code().name),
            contestant(kRandomWords, [code = best_code()] { keep(code.random_words()); })};
}

Probe encode_probe() {
    Probe probe = random_words_probe();
    probe.name += fmt::format(" x 64 / {}", kPlanesPerBit);
    probe.contestant.work *= 64 / kPlanesPerBit;
    return probe;
}

Probe read_probe(std::shared_ptr<const Words> array) {
    const std::size_t lines = array->size() / kLineWords;
    const auto by = [&](auto read) {
        return contestant(static_cast<double>(array->size() * sizeof(u64)),
                          [=] { keep(read(array->data(), lines)); });
    };
    return {fmt::format("read, {}", best_code().name), best_of(best_code().reads, by)};
}

Probe traffic_probe(double bytes, std::size_t reads, std::size_t writes) {
    const std::size_t groups =
        static_cast<std::size_t>(bytes) / ((reads + writes) * kLineWords * sizeof(u64));
    const auto from = std::make_shared<const Words>(groups * reads * kLineWords, 1);
    const auto to = std::make_shared<Words>(groups * writes * kLineWords);
    const Traffic traffic{from->data(), to->data(), groups, reads, writes};
    const auto by = [&](auto move) {
        return contestant(static_cast<double>(groups * (reads + writes) * kLineWords * sizeof(u64)),
                          [=, keeps = std::pair(from, to)] { move(traffic); });
    };
    Probe probe{fmt::format("read {} write {}, {}", reads, writes, best_code().name),
                best_of(best_code().moves, by)};
    if (reads != 1 || writes != 1) return probe;
    Contestant copy = by(
        [](const Traffic& t) { std::memcpy(t.to, t.from, t.groups * kLineWords * sizeof(u64)); });
    if (rate(copy) > rate(probe.contestant)) return {"copy, memcpy", std::move(copy)};
    probe.name = fmt::format("copy, {}", best_code().name);
    return probe;
}

Probe fma_probe(jit::Type type, double operations) {
    const Fma& fma = type == jit::Type::f64 ? best_code().fma64 : best_code().fma32;
    return {fmt::format("{} multiply-adds {}, {}", operations, name(type), best_code().name),
            contestant(fma.operations() / operations, [run = fma.run] { keep(run()); })};
}

Probe integer_chain_probe(std::size_t steps) {
    return {"sub imul sar add movsx", contestant(static_cast<double>(steps), [steps] {
                const volatile std::int32_t given = 20;  // a factor that the compiler doesn't know
                const std::int32_t leak = given;
                std::int32_t v = 0;
                for (std::size_t i = 0; i < steps; ++i)
                    v = static_cast<std::int16_t>(v + ((100 - v) * leak >> 8) + 128);
                keep(static_cast<u64>(v));
            })};
}

Probe streaming_store_probe(std::size_t words) {
    const auto to = std::make_shared<Words>(words);
    return {fmt::format("streaming store, {}", best_code().name),
            contestant(static_cast<double>(words * sizeof(u64)), [to, words, code = best_code()] {
                code.stream_store(to->data(), words / kLineWords);
            })};
}

}  // namespace bitaxon::bench
