// How much of its random words does encoding turn into bits? Bernoulli streams of random
// probabilities and of those with few bits, keys, and comparison with a sequence. How much of what
// comparison could do is left when the sequence must be made first: whole encoders.
#include "harness/oracle.hpp"
#include "harness/probes.hpp"
#include "harness/workloads.hpp"

#include <bitaxon/core/encode.hpp>
#include <bitaxon/core/random.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <random>

namespace bitaxon::bench {
namespace {

using kernels::KernelTable;

// Streams of one row with random thresholds whose last `free_bits` bits are zero.
struct Row {
    Row(std::size_t stream_count, std::size_t length_bits, unsigned free_bits)
        : streams(stream_count), length(length_bits), thresholds(stream_count), key_a(stream_count),
          key_b(stream_count), out(stream_count * words_for(length_bits)) {
        std::mt19937_64 generator(3);
        for (std::size_t i = 0; i < streams; ++i) {
            thresholds[i] = generator() >> 32 >> free_bits << free_bits;
            const oracle::Key key = oracle::stream_key(oracle::key_base(1, 0, 0, 0), i);
            key_a[i] = key.a;
            key_b[i] = key.b;
        }
    }

    double bits() const { return static_cast<double>(streams * length); }

    void encode(const KernelTable& kernels) {
        kernels.encode_bernoulli({.key_a = key_a.data(),
                                  .key_b = key_b.data(),
                                  .thresholds = thresholds.data(),
                                  .words_per_stream = words_for(length),
                                  .first_time_word = 0,
                                  .tail_mask = tail_mask(length),
                                  .first_word = 0,
                                  .words = out.size(),
                                  .out = out.data()});
    }

    void check() const {
        Words expected(words_for(length));
        for (std::size_t i = 0; i < streams; ++i) {
            oracle::bernoulli({key_a[i], key_b[i]}, thresholds[i], length, expected.data());
            oracle::expect_equal(fmt::format("stream {},", i),
                                 {out.data() + i * expected.size(), expected.size()}, expected);
        }
    }

    std::size_t streams;
    std::size_t length;
    Words thresholds, key_a, key_b, out;
};

Experiment bernoulli(const KernelTable& kernels, const KernelTable& best, std::size_t streams,
                     std::size_t length, unsigned free_bits) {
    const auto row = std::make_shared<Row>(streams, length, free_bits);
    row->encode(kernels);
    row->check();
    const auto on = [&](const KernelTable& table) {
        return contestant(row->bits(), [row, &table] { row->encode(table); });
    };
    Experiment experiment("Gbit/s", on(kernels));
    experiment.limited_by(encode_probe());
    if (&kernels != &best) experiment.against_best(on(best));
    if (free_bits != 0) {
        const auto random = std::make_shared<Row>(streams, length, 0);
        const std::size_t k = experiment.beside(
            contestant(random->bits(), [random, &kernels] { random->encode(kernels); }));
        experiment.ratio("vs_random_p", [k](auto rates) { return rates[0] / rates[k]; });
    }
    return experiment;
}

Experiment stream_keys(const KernelTable& kernels, std::size_t streams) {
    const auto keys = std::make_shared<std::pair<Words, Words>>(Words(streams), Words(streams));
    const auto call = [=, &kernels] {
        kernels.stream_keys(5, 3, streams, keys->first.data(), keys->second.data());
    };
    call();
    for (std::size_t i = 0; i < streams; ++i) {
        oracle::expect_equal(fmt::format("key a of stream {}", i), keys->first[i],
                             oracle::stream_key(5, 3 + i).a);
        oracle::expect_equal(fmt::format("key b of stream {}", i), keys->second[i],
                             oracle::stream_key(5, 3 + i).b);
    }
    return {"Gword/s", contestant(2.0 * static_cast<double>(streams), call)};
}

Experiment threshold_table(const KernelTable& kernels, std::size_t length) {
    constexpr std::uint64_t kThreshold = 0x5a5a5a5a;
    const auto sequence = std::make_shared<Array<std::uint32_t>>(length);
    std::mt19937 generator(4);
    for (std::uint32_t& x : *sequence) x = static_cast<std::uint32_t>(generator());
    const auto out = std::make_shared<Words>(words_for(length));
    const auto call = [=, &kernels] {
        kernels.encode_threshold(sequence->data(), length, kThreshold, out->data());
    };
    call();
    Words expected(out->size());
    for (std::size_t t = 0; t < length; ++t)
        expected[t / 64] |= std::uint64_t{(*sequence)[t] < kThreshold} << t % 64;
    oracle::expect_equal("stream", *out, expected);
    // Four bytes are read for a bit.
    const auto words = random_words(length / 2);
    Probe probe = read_probe(words);
    probe.contestant.work = static_cast<double>(length);
    return Experiment("Gbit/s", contestant(static_cast<double>(length), call))
        .limited_by(std::move(probe));
}

// Encoders of which all streams share one generator, have one each, or compute their numbers.
struct Way {
    std::string_view operation;
    Encoder encoder;
};
const std::array<Way, 5> kWays = {{
    {"lfsr16", Encoder{Lfsr{.bits = 16}}},
    {"lfsr32-phases", Encoder{Lfsr{.bits = 32}, {}, 0, {.phase = 1024}}},
    {"sobol", Encoder{Sobol{.dimension = 1}}},
    {"sobol-dimensions", Encoder{Sobol{.dimension = 1}, {}, 0, {.dimension = 1}}},
    {"sigma-delta", Encoder{SigmaDelta{}}},
}};

Experiment whole_encoder(kernels::Tier tier, const Encoder& encoder, std::size_t streams,
                         std::size_t length) {
    const auto context = std::make_shared<ExecutionContext>(
        ContextOptions{.threads = 1, .tier = std::string(kernels::info(tier).name), .seed = 0});
    std::mt19937_64 generator(5);
    std::vector<double> values(streams);
    for (double& value : values) value = static_cast<double>(generator() >> 11) * 0x1p-53;
    const StreamArray result = encode(*context, values, length, Coding::unipolar, encoder);
    for (std::size_t i = 0; i < streams; ++i) {
        const Sequence sequence(encoder, i);
        const std::uint64_t threshold = sequence.threshold(values[i]);
        std::vector<std::uint32_t> numbers(length);
        sequence.fill(0, numbers, threshold);
        Words expected(words_for(length));
        for (std::size_t t = 0; t < length; ++t)
            expected[t / 64] |= std::uint64_t{numbers[t] < threshold} << t % 64;
        oracle::expect_equal(fmt::format("stream {},", i),
                             {result.view().stream(0, i), expected.size()}, expected);
    }
    // Four bytes are read for a bit, from the sequence in L1.
    const double bits = static_cast<double>(streams * length);
    constexpr std::size_t kSequenceBytes = 1 << 12;
    const auto words = random_words(kSequenceBytes / sizeof(std::uint64_t));
    Probe probe = read_probe(words);
    probe.contestant.work = kSequenceBytes / sizeof(std::uint32_t);
    return Experiment(
               "Gbit/s",
               contestant(bits,
                          [=] { encode(*context, values, length, Coding::unipolar, encoder); }))
        .limited_by(std::move(probe));
}

}  // namespace

void add_encode(Suite& suite) {
    const KernelTable& best = *kernels::table(kernels::best_tier());
    struct Kind {
        std::string_view operation;
        unsigned free_bits;  // of 32
    };
    constexpr std::size_t kLength = 1024;
    // Code that a tier inherits would be timed twice.
    const auto own = [&](kernels::Tier tier, std::string_view kernel,
                         std::initializer_list<std::string_view> benches) {
        const auto found = std::ranges::find(kernels::operations(), kernel);
        const kernels::Tier origin =
            kernels::origin(tier, static_cast<std::size_t>(found - kernels::operations().begin()));
        if (origin == tier) return true;
        for (const std::string_view bench : benches) suite.inherit("encode", bench, tier, origin);
        return false;
    };
    for (const kernels::Tier tier : suite.settings.tiers) {
        const KernelTable& table = *kernels::table(tier);
        if (own(tier, "encode_bernoulli", {"bernoulli", "bernoulli-k256", "bernoulli-k16"}))
            for (const auto& [operation, free_bits] :
                 {Kind{"bernoulli", 0}, Kind{"bernoulli-k256", 24}, Kind{"bernoulli-k16", 28}})
                for (const std::size_t streams : {1u, 64u, 784u}) {
                    if (tier != suite.settings.top() &&
                        (streams == 1 || (free_bits != 0 && streams == 64)))
                        continue;
                    suite.add(
                        make_id("encode", operation, tier, fmt::format("{}x{}", streams, kLength)),
                        [&table, &best, streams, bits = free_bits] {
                            return bernoulli(table, best, streams, kLength, bits);
                        });
                }
        if (own(tier, "stream_keys", {"stream_keys"}))
            suite.add(make_id("encode", "stream_keys", tier, "784"),
                      [&table] { return stream_keys(table, 784); });
        if (own(tier, "encode_threshold", {"threshold"}))
            suite.add(make_id("encode", "threshold", tier, "16384"),
                      [&table] { return threshold_table(table, 16384); });
        for (const Way& way : kWays)
            suite.add(make_id("encode", way.operation, tier, fmt::format("784x{}", kLength)),
                      [tier, &way] { return whole_encoder(tier, way.encoder, 784, kLength); });
    }
}

}  // namespace bitaxon::bench
