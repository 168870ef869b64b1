// How near does learning from spikes come to reading and writing the weights that it changes, and
// to drawing the chances of those that are bits?
#include "harness/oracle.hpp"
#include "harness/probes.hpp"
#include "harness/workloads.hpp"

#include <bitaxon/layers/binary_stdp.hpp>
#include <bitaxon/layers/population.hpp>
#include <bitaxon/layers/stdp.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <random>

namespace bitaxon::bench {
namespace {

constexpr std::size_t kPre = 1000;
constexpr std::size_t kSteps = 100;
constexpr double kRate = 0.02;  // spikes of a neuron in a step
constexpr std::size_t kChecked = 50;

Spikes random_spikes(std::size_t neurons, std::uint64_t seed) {
    Spikes spikes{.neurons = neurons, .first_step = 0, .steps = kSteps, .bits = {}};
    spikes.bits.resize(kSteps * spikes.words());
    std::mt19937_64 generator(seed);
    std::bernoulli_distribution fires(kRate);
    for (std::size_t t = 0; t < kSteps; ++t)
        for (std::size_t n = 0; n < neurons; ++n)
            if (fires(generator))
                spikes.bits[t * spikes.words() + n / 64] |= std::uint64_t{1} << n % 64;
    return spikes;
}

struct Trains {
    explicit Trains(std::size_t post_neurons)
        : pre(random_spikes(kPre, 1)), post(random_spikes(post_neurons, 2)) {}

    double changes() const {
        return static_cast<double>(pre.count() * post.neurons + post.count() * pre.neurons);
    }

    Spikes pre;
    Spikes post;
};

// The weight from i to j, pair by pair.
double pair_loop(const Trains& trains, std::size_t i, std::size_t j, double w,
                 const StdpOptions& o) {
    for (std::size_t t = 0; t < kSteps; ++t) {
        const auto pairs = [&](const Spikes& spikes, std::size_t n, std::size_t until, double tau) {
            double sum = 0;
            for (std::size_t s = 0; s < until; ++s)
                if (spikes.spiked(s, n)) sum += std::exp(-static_cast<double>(t - s) * o.dt / tau);
            return sum;
        };
        if (trains.pre.spiked(t, i))
            w = std::max(w - o.a_minus * pairs(trains.post, j, t, o.tau_minus), o.w_min);
        if (trains.post.spiked(t, j))
            w = std::min(w + o.a_plus * pairs(trains.pre, i, t + 1, o.tau_plus), o.w_max);
    }
    return w;
}

Experiment stdp(std::size_t post, kernels::Tier tier) {
    const auto trains = std::make_shared<const Trains>(post);
    const std::vector<double> start = random_values(kPre * post, 0, 1);
    const auto rule =
        std::make_shared<Stdp>(kPre, post, StdpOptions{}, row_major(std::span(start), post));
    const ExecutionContext context = make_context(tier);
    rule->update(context, trains->pre.rows(), trains->post.rows());
    for (const std::size_t k : oracle::spread(start.size(), kChecked))
        oracle::expect_near(fmt::format("weight {}", k), rule->weights()(k / post, k % post),
                            pair_loop(*trains, k / post, k % post, start[k], rule->options()),
                            1e-12);
    Experiment experiment("changes/ns", contestant(trains->changes(), [=] {
                              rule->update(context, trains->pre.rows(), trains->post.rows());
                          }));
    constexpr double kBytes = 2 * sizeof(double);  // of a change, read and written
    Probe traffic = traffic_probe(kBytes * static_cast<double>(start.size()), 1, 1);
    traffic.contestant.work /= kBytes;
    return experiment.limited_by(std::move(traffic));
}

// Row j of weights, bit by bit.
Words bit_loop(const Trains& trains, std::size_t j, Words row, const BinaryStdpOptions& o) {
    for (std::size_t t = 0; t < kSteps; ++t) {
        if (!trains.post.spiked(t, j)) continue;
        const oracle::Key key =
            oracle::stream_key(oracle::key_base(*o.seed, 0, 3, t), j);  // role 3: noise
        Words set(row.size()), cleared(row.size());
        const auto level = [](double p) { return std::uint64_t(std::nearbyint(p * 0x1p32)); };
        oracle::bernoulli(key, level(o.p_plus), kPre, set.data());
        oracle::bernoulli(key, level(o.p_minus), kPre, cleared.data());
        for (std::size_t i = 0; i < kPre; ++i) {
            bool seen = false;
            for (std::size_t s = t < o.window ? 0 : t - o.window + 1; s <= t; ++s)
                seen |= trains.pre.spiked(s, i);
            const std::uint64_t bit = std::uint64_t{1} << i % 64;
            if (seen) row[i / 64] |= set[i / 64] & bit;
            if (!seen) row[i / 64] &= ~(cleared[i / 64] & bit);
        }
    }
    return row;
}

Experiment binary(std::size_t post, kernels::Tier tier) {
    const auto trains = std::make_shared<const Trains>(post);
    const std::size_t words = words_for(kPre);
    std::vector<std::uint64_t> start(post * words);
    for (std::size_t k = 0; k < start.size(); ++k)
        start[k] = oracle::mix(k) & (k % words == words - 1 ? tail_mask(kPre) : ~std::uint64_t{0});
    const auto rule =
        std::make_shared<BinaryStdp>(kPre, post, BinaryStdpOptions{.seed = 3},
                                     row_major(std::span<const std::uint64_t>(start), words));
    const ExecutionContext context = make_context(tier);
    rule->update(context, trains->pre.rows(), trains->post.rows());
    for (const std::size_t j : oracle::spread(post, 5)) {
        const auto* first = start.data() + j * words;
        oracle::expect_equal(fmt::format("weights to {},", j), {&rule->weights()(j, 0), words},
                             bit_loop(*trains, j, Words(first, first + words), rule->options()));
    }
    // Each bit is drawn for both of its chances.
    const double drawn = static_cast<double>(2 * trains->post.count() * kPre);
    Experiment experiment("Gbit/s", contestant(drawn, [=] {
                              rule->update(context, trains->pre.rows(), trains->post.rows());
                          }));
    return experiment.limited_by(encode_probe());
}

}  // namespace

void add_plasticity(Suite& suite) {
    const kernels::Tier top = suite.settings.top();
    for (const std::size_t post : {std::size_t{64}, std::size_t{1000}})
        suite.add(make_id("plasticity", "stdp", top, fmt::format("{}x{}x{}", kPre, post, kSteps)),
                  [=] { return stdp(post, top); });
    suite.add(make_id("plasticity", "binary-stdp", top, fmt::format("{}x1000x{}", kPre, kSteps)),
              [=] { return binary(1000, top); });
}

}  // namespace bitaxon::bench
