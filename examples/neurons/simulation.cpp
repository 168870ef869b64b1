// A network of spiking neurons: the rule is text, the wiring is C++.
//
// 4,000 excitatory and 1,000 inhibitory neurons are wired at random. Each is kept busy by noise
// from outside and by the others; inhibition is strong enough that the network settles where
// excitation and inhibition cancel, and neurons fire irregularly though nobody told them to.
// Source: N. Brunel, Dynamics of sparsely connected networks of excitatory and inhibitory spiking
// neurons (2000).
#include <bitaxon/core/context.hpp>
#include <bitaxon/core/error.hpp>
#include <bitaxon/jit/rule.hpp>
#include <bitaxon/layers/population.hpp>

#include <algorithm>
#include <bit>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <random>
#include <span>
#include <string>
#include <vector>

namespace {

constexpr std::size_t kExcitatory = 4000;
constexpr std::size_t kNeurons = 5000;
constexpr std::size_t kInputs = 400;  // of each neuron from excitatory ones, and a quarter of that
                                      // from inhibitory ones
constexpr double kWeight = 0.25;      // mV that an excitatory spike adds
constexpr double kInhibition = 5.0;   // times as strong
constexpr std::size_t kDelay = 15;    // steps
constexpr double kTimeStep = 1e-4;
constexpr std::size_t kSteps = 5000;

// Noise stands for the spikes of the world outside; i is what arrives from inside, in mV.
const bitaxon::jit::Rule& neuron() {
    static const bitaxon::jit::Rule rule({
        .equations = R"(
            v : real = v_threshold*rand()
            dv/dt = (drive - v)/tau_mem + sigma*sqrt(2/tau_mem)*xi (unless refractory)
            v += i
        )",
        .threshold = "v > v_threshold",
        .reset = "v = v_reset",
        .refractory = 2e-3,
        .parameters = {{"tau_mem", 0.02},
                       {"v_threshold", 20},
                       {"v_reset", 10},
                       {"drive", 30},
                       {"sigma", 2.2}},
        .name = "noisy integrate-and-fire",
    });
    return rule;
}

// The neurons that each one's spikes reach.
using Wiring = std::vector<std::vector<std::uint32_t>>;

Wiring wire() {
    std::mt19937 random(2000);
    std::uniform_int_distribution<std::size_t> excitatory(0, kExcitatory - 1);
    std::uniform_int_distribution<std::size_t> inhibitory(kExcitatory, kNeurons - 1);
    Wiring targets(kNeurons);
    for (std::uint32_t target = 0; target < kNeurons; ++target) {
        for (std::size_t k = 0; k < kInputs; ++k) targets[excitatory(random)].push_back(target);
        for (std::size_t k = 0; k < kInputs / 4; ++k) targets[inhibitory(random)].push_back(target);
    }
    return targets;
}

void deliver(const Wiring& wiring, std::span<const std::uint64_t> spikes,
             std::vector<double>& arriving) {
    for (std::size_t word = 0; word < spikes.size(); ++word)
        for (std::uint64_t bits = spikes[word]; bits != 0; bits &= bits - 1) {
            const std::size_t source = word * 64 + static_cast<unsigned>(std::countr_zero(bits));
            const double weight = source < kExcitatory ? kWeight : -kInhibition * kWeight;
            for (const std::uint32_t target : wiring[source]) arriving[target] += weight;
        }
}

using Raster = std::vector<std::vector<std::uint64_t>>;  // packed bits of each step

Raster simulate(const Wiring& wiring, int threads) {
    const bitaxon::ExecutionContext context{{.threads = threads}};
    bitaxon::Population population(kNeurons, neuron(), {.dt = kTimeStep, .seed = 7});
    std::vector<std::vector<double>> arriving(kDelay, std::vector<double>(kNeurons));
    Raster raster;
    const auto start = std::chrono::steady_clock::now();
    for (std::size_t step = 0; step < kSteps; ++step) {
        std::vector<double>& now = arriving[step % kDelay];
        const auto spikes = population.step(context, now);
        std::fill(now.begin(), now.end(), 0.0);  // the same slot takes what arrives kDelay steps on
        deliver(wiring, spikes, now);
        raster.emplace_back(spikes.begin(), spikes.end());
    }
    const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start;
    std::printf("threads=%d backend=%s seconds=%.2f\n", threads,
                std::string(population.backend()).c_str(), elapsed.count());
    return raster;
}

bool spiked(const Raster& raster, std::size_t step, std::size_t neuron_number) {
    return (raster[step][neuron_number / 64] >> neuron_number % 64 & 1) != 0;
}

// Twenty neurons, 0.1 s: a column is 2.5 ms.
void draw(const Raster& raster) {
    for (std::size_t n = 0; n < 20; ++n) {
        std::string line(40, '.');
        for (std::size_t step = 0; step < 1000; ++step)
            if (spiked(raster, kSteps - 1000 + step, n * 250)) line[step / 25] = '|';
        std::printf("%5zu %s\n", n * 250, line.c_str());
    }
}

struct Activity {
    double rate = 0;  // Hz
    double irregularity =
        0;  // standard deviation over mean of the intervals: 1 for chance, 0 for a clock
};

Activity measure(const Raster& raster) {
    Activity activity;
    double measured = 0;
    for (std::size_t n = 0; n < kNeurons; ++n) {
        std::vector<double> times;
        for (std::size_t step = 0; step < kSteps; ++step)
            if (spiked(raster, step, n)) times.push_back(static_cast<double>(step) * kTimeStep);
        activity.rate += static_cast<double>(times.size()) / (kSteps * kTimeStep) / kNeurons;
        if (times.size() < 4) continue;
        double sum = 0.0;
        double squares = 0.0;
        for (std::size_t k = 1; k < times.size(); ++k) {
            sum += times[k] - times[k - 1];
            squares += (times[k] - times[k - 1]) * (times[k] - times[k - 1]);
        }
        const auto count = static_cast<double>(times.size() - 1);
        const double mean = sum / count;
        activity.irregularity += std::sqrt(std::max(0.0, squares / count - mean * mean)) / mean;
        measured += 1;
    }
    activity.irregularity /= std::max(1.0, measured);
    return activity;
}

}  // namespace

int main() try {
    std::printf("%s, method %s: %s\n", neuron().name().c_str(),
                std::string(neuron().method()).c_str(), neuron().method_reason().c_str());
    const Wiring wiring = wire();
    const Raster raster = simulate(wiring, 1);
    const bool same = simulate(wiring, 2) == raster;
    draw(raster);
    const Activity activity = measure(raster);
    std::printf("rate_hz=%.2f irregularity=%.3f\n", activity.rate, activity.irregularity);
    std::printf("spikes=%s\n", same ? "bit-identical" : "DIFFERENT");
    const bool balanced = activity.rate > 5 && activity.rate < 100 && activity.irregularity > 0.5;
    return same && balanced ? 0 : 1;
} catch (const bitaxon::Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
}
