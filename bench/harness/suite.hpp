// What a bench is: a subject, the probes and rivals that are timed in turn with it, and the ratios
// to report. Groups add cases to a suite; the runner runs them.
#pragma once

#include <bitaxon/kernels/tier.hpp>

#include <chrono>
#include <cstddef>
#include <functional>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace bitaxon::bench {

/// Wall time.
struct WallClock {
    static double nanoseconds() {
        return std::chrono::duration<double, std::nano>(
                   std::chrono::steady_clock::now().time_since_epoch())
            .count();
    }
};

/// Time that the calling thread had a core. On a busy machine it leaves out what others took, which
/// hits long calls more often than the short probes beside them.
struct ThreadClock {
    static double nanoseconds();
};

/// Something that is timed: runs so many calls and says how long they took.
struct Contestant {
    std::function<double(std::size_t calls)> nanoseconds;
    double work;  ///< units done by one call
};

/// Work of one thread. The loop is inlined around the call.
template <class Clock = ThreadClock, class Call>
Contestant contestant(double work, Call call) {
    return {[call](std::size_t calls) mutable {
                const double start = Clock::nanoseconds();
                for (std::size_t i = 0; i < calls; ++i) call();
                return Clock::nanoseconds() - start;
            },
            work};
}

/// A contestant that shows what the machine can do.
struct Probe {
    std::string name;
    Contestant contestant;
};

/// A number from the rates (units per nanosecond) of all contestants in one round.
using Ratio = std::function<double(std::span<const double> rates)>;

/// One of several benches that differ in one number.
struct Series {
    std::string name;  ///< of the number: "length", "threads"
    double value;
};

/// A bench whose data is made and whose result was compared with the oracle.
struct Experiment {
    /// unit: of work per nanosecond, such as "Gbit/s".
    Experiment(std::string_view work_unit, Contestant subject)
        : unit(work_unit), contestants{std::move(subject)} {}

    /// Times another contestant beside the subject; its index among the rates.
    std::size_t beside(Contestant other) {
        contestants.push_back(std::move(other));
        return contestants.size() - 1;
    }
    Experiment& ratio(std::string name, Ratio of) {
        ratios.emplace_back(std::move(name), std::move(of));
        return *this;
    }
    /// A probe: its rate is what the subject could reach.
    Experiment& limited_by(Probe probe) {
        limit = beside(std::move(probe.contestant));
        limit_name = std::move(probe.name);
        return ratio("share_of_limit", [k = *limit](auto rates) { return rates[0] / rates[k]; });
    }
    /// The same work on the best tier.
    Experiment& against_best(Contestant best) {
        return ratio("vs_best",
                     [k = beside(std::move(best))](auto rates) { return rates[0] / rates[k]; });
    }

    /// One point of a series: what the id's operation is plotted over.
    Experiment& over(std::string name, double value) {
        series = Series{std::move(name), value};
        return *this;
    }

    std::string unit;
    std::vector<Contestant> contestants;  ///< the subject first
    std::vector<std::pair<std::string, Ratio>> ratios;
    std::optional<std::size_t> limit;  ///< the probe among the contestants
    std::string limit_name;
    std::optional<Series> series;
};

/// The subject's result is not the oracle's.
struct Mismatch : std::runtime_error {
    using std::runtime_error::runtime_error;
};

struct Case {
    std::string id;                       ///< group/operation/tier/size
    std::function<Experiment()> prepare;  ///< @throws Mismatch
};

struct Settings {
    bool quick = false;
    int threads = 2;                   ///< of the benches that use several
    std::size_t samples = 30;          ///< of a case, at least
    std::vector<kernels::Tier> tiers;  ///< those to run, slowest first

    kernels::Tier top() const { return tiers.back(); }
    double slice_ns() const { return quick ? 0.2e6 : 1e6; }  ///< of one contestant in one round
    double budget_ns() const { return quick ? 0.015e9 : 0.3e9; }       ///< of one case
    double purse_ns() const { return (quick ? 2 : 6) * budget_ns(); }  ///< with rounds run again
};

struct Suite {
    Settings settings;
    std::vector<Case> cases;
    std::vector<std::pair<std::string, std::string>> skipped;  ///< id or tier, and why
    std::vector<std::pair<std::string, std::string>>
        inherited;  ///< operation's id, the code's tier

    void add(std::string id, std::function<Experiment()> prepare) {
        cases.push_back({std::move(id), std::move(prepare)});
    }

    /// Names code that is timed on another tier and not here.
    void inherit(std::string_view group, std::string_view operation, kernels::Tier tier,
                 kernels::Tier origin);
};

/// "kernels/popcount/avx2/1024"
std::string make_id(std::string_view group, std::string_view operation, kernels::Tier tier,
                    std::string_view size);

// One function per file of groups/.
void add_probes(Suite& suite);
void add_kernels(Suite& suite);
void add_encode(Suite& suite);
void add_dense(Suite& suite);
void add_conv2d(Suite& suite);
void add_attention(Suite& suite);
void add_graph(Suite& suite);
void add_workloads(Suite& suite);
void add_recurrent(Suite& suite);
void add_scaling(Suite& suite);
void add_crossover(Suite& suite);
void add_expressions(Suite& suite);
void add_neurons(Suite& suite);
void add_plasticity(Suite& suite);
void add_runtime(Suite& suite);

}  // namespace bitaxon::bench
